/**
 * `observability-agent run`: runs the agent until it is stopped; once (`--once`), for cron and CI; or without sending anything
 * (`--dry-run`).
 */
import * as Agent from "@observability-agents/core/Agent"
import { CoreSettings } from "@observability-agents/core/CoreSettings"
import { Health } from "@observability-agents/core/Health"
import * as EventSender from "@observability-agents/core/EventSender"
import { Outbox } from "@observability-agents/core/Outbox"
import { OutboxWatch } from "@observability-agents/core/OutboxWatch"
import { Supervisor } from "@observability-agents/core/Supervisor"
import * as Console from "effect/Console"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as BackfillCommand from "./BackfillCommand.ts"
import { usage } from "./CommandFailed.ts"
import * as DryRun from "./DryRun.ts"
import { config, type Environment, json, observed, settled, startup } from "./Environment.ts"
import * as NodeStatus from "./NodeStatus.ts"
import { NotDone } from "./NotDone.ts"
import * as OnePass from "./OnePass.ts"
import * as ReloadSignal from "./ReloadSignal.ts"
import type * as Startup from "./Startup.ts"
import * as Table from "./Table.ts"

/** The command. */
export const make = (environment: Environment) =>
  Command.make("run", { config, dryRun, once, timeout, json: asJson }, (given) =>
    Effect.gen(function* () {
      if (given.json && !given.dryRun && !given.once) {
        return yield* usage(
          "--json goes with --dry-run or --once: a running agent prints nothing but its log."
        )
      }
      if (Option.isSome(given.timeout) && !given.once) {
        return yield* usage("--timeout goes with --once: without it, the agent runs until it is stopped.")
      }
      const limit = Option.getOrElse(given.timeout, () => TIMEOUT)
      // First of all, so that no signal ends what has just begun.
      const hangUp = given.dryRun || given.once ? Effect.never : yield* ReloadSignal.listen
      const started = yield* startup(environment, given.config)
      const { colours } = environment
      if (given.dryRun) {
        // Nothing is sent to anybody: no traces and metrics either.
        return yield* DryRun.run(started.agent, { ...given, timeout: limit, colours }).pipe(
          Effect.provide(settled(environment, started))
        )
      }
      if (given.once) {
        return yield* pass(environment, started, { ...given, limit }).pipe(
          Effect.provide(observed(environment, started))
        )
      }
      return yield* forever(environment, started).pipe(
        Effect.provide(ReloadSignal.layer(environment, given.config, started, hangUp))
      )
    })
  ).pipe(
    Command.withDescription(
      `Runs the agent that the setting agent_type names (${environment.agents.map((agent) => agent.type).join(", ")}) until it is stopped. With --once it reads every source once, delivers, and ends: with 0 when all was read and delivered, with 69 and what was not otherwise. With --dry-run it prints the events that it would send, and sends nothing; that works beside a running agent.`
    ),
    Command.withShortDescription("Runs the agent; once, or without sending anything, if asked for."),
    Command.withExamples([
      { command: `${environment.name} run`, description: "With ./agent.toml and the environment" },
      {
        command: `${environment.name} run --config /etc/databricks-agent.toml`,
        description: "With a given file"
      },
      { command: `${environment.name} run --dry-run`, description: "What would be sent, as it happens" },
      {
        command: `${environment.name} run --dry-run --once --json`,
        description: "What would be sent now, one JSON object per line"
      },
      {
        command: `${environment.name} run --once --timeout '2 minutes'`,
        description: "For cron and CI: read, deliver, end"
      }
    ])
  )

const dryRun = Flag.Boolean("dry-run").pipe(
  Flag.withDescription("Prints the events instead of sending them. Neither locks nor writes the state file"),
  Flag.withDefault(false)
)

const once = Flag.Boolean("once").pipe(
  Flag.withDescription("Reads every source once, delivers what is in the outbox, and ends"),
  Flag.withDefault(false)
)

const asJson = json.pipe(
  Flag.withDescription("With --dry-run: one JSON object per event and line. With --once: one JSON document")
)

const timeout = Flag.String("timeout").pipe(
  Flag.withMetavar("duration"),
  Flag.withDescription("How long --once may take: seconds, or such as `2 minutes`. Without it: 5 minutes"),
  Flag.filterMap(
    (text) => {
      const span = /^\d+(\.\d+)?$/.test(text.trim())
        ? Option.some(Duration.seconds(Number(text)))
        : Duration.fromInput(
            // SAFETY: what is no duration is answered with none.
            text.trim() as Duration.Input
          )
      return Option.filter(
        span,
        (span) => Duration.isFinite(span) && Duration.isGreaterThan(span, Duration.zero)
      )
    },
    (text) => `Expected seconds or a span such as "2 minutes", found "${text}"`
  ),
  Flag.optional
)

const TIMEOUT = Duration.minutes(5)

const logStart = (environment: Environment, { agent, sources }: Startup.Startup) =>
  Effect.flatMap(CoreSettings.config, (core) =>
    Effect.annotateLogs(Effect.logInfo("Agent starts"), {
      agent: core.agentKey,
      type: agent.type,
      version: environment.version,
      settings: sources.file ?? "environment"
    })
  )

const forever = Effect.fnUntraced(function* (environment: Environment, started: Startup.Startup) {
  const { agent } = started
  const { version } = environment
  yield* logStart(environment, started)
  return yield* Effect.onInterrupt(
    Agent.run(agent, { version, beside: NodeStatus.layer({ type: agent.type, tool: agent.tool, version }) }),
    () => Effect.logInfo("Agent stopped")
  )
})

/** Reads every source once and delivers, no longer than the limit. */
const pass = Effect.fnUntraced(function* (
  environment: Environment,
  started: Startup.Startup,
  options: { readonly limit: Duration.Duration; readonly json: boolean }
) {
  yield* logStart(environment, started)
  const { version } = environment
  const outcome = yield* Effect.gen(function* () {
    const { failure } = yield* Supervisor
    const agent = yield* Layer.build(Agent.layer(started.agent, { version, once: true }))
    return yield* Effect.raceFirst(Effect.provide(deliver(environment, options.limit), agent), failure)
  }).pipe(Effect.scoped, Effect.provide(Supervisor.layer))
  const { committed, delivered, pending, rejected, sentences, sources, troubles } = outcome
  const isDone = troubles.length === 0 && sentences.length === 0
  if (options.json) {
    yield* Console.log(
      Table.json({
        done: isDone,
        sources,
        events_new: committed,
        events_sent: delivered,
        events_left: pending,
        new_dead_letters: rejected,
        problems: [...troubles.map(({ part, reason }) => `${part}: ${reason}`), ...sentences]
      })
    )
  } else {
    yield* Console.log(
      `${Table.count(sources, "source")} read, ${Table.count(committed, "new event")}, ${delivered.toLocaleString("en")} sent, ${pending.toLocaleString("en")} left.`
    )
  }
  if (!isDone) return yield* NotDone.of(troubles, [...sentences, READ_LATER])
})

const READ_LATER =
  "Nothing is lost: what was not read is read by the next run, and what was not sent stays in the state file."

const deliver = Effect.fnUntraced(function* (environment: Environment, limit: Duration.Duration) {
  const outbox = yield* Outbox
  const health = yield* Health
  const watch = yield* OutboxWatch
  const sending = yield* Effect.gen(function* () {
    yield* OnePass.done
    return yield* Effect.result(BackfillCommand.untilEmpty(outbox, () => Effect.void))
  }).pipe(Effect.timeoutOption(limit))
  const troubles = yield* OnePass.troubles
  const { pending } = yield* outbox.status
  const { committed, delivered, rejected } = watch.counts()
  const { parts } = yield* health.report
  const why = parts.find(({ name, state }) => name === EventSender.LOOP && state === "failing")?.reason
  const sentences = [
    ...(pending === 0
      ? []
      : [
          `${Table.count(pending, "event")} ${pending === 1 ? "was" : "were"} not delivered ${Option.isSome(sending) && Result.isFailure(sending.value) ? "(none for a minute)" : `within ${Duration.format(limit)}`}${why === undefined ? "." : `: ${why.replace(/^[A-Za-z]+: /, "")}`}`
        ]),
    ...(rejected === 0
      ? []
      : [
          `${Table.count(rejected, "event")} became a dead letter; see \`${environment.name} dead-letters list\`.`
        ])
  ]
  return {
    sources: yield* OnePass.sourcesRead,
    committed,
    delivered,
    rejected,
    pending,
    troubles,
    sentences
  }
})
