/** `observability-agent backfill`: reads a time span that has passed, and sends what is not known of it. */
import type * as Agent from "@observability-agents/core/Agent"
import * as Backfill from "@observability-agents/core/Backfill"
import {
  CoreSettings,
  type StartFrom,
  StartFromText,
  startMoment
} from "@observability-agents/core/CoreSettings"
import * as EventSender from "@observability-agents/core/EventSender"
import { Health } from "@observability-agents/core/Health"
import * as EventTitle from "@observability-agents/core/EventTitle"
import { IDENTITY_RETENTION, Outbox, type OutboxStatus } from "@observability-agents/core/Outbox"
import * as OutboxSqlite from "@observability-agents/core/OutboxSqlite"
import * as OutboxSqliteFile from "@observability-agents/core/OutboxSqliteFile"
import * as OutboxSqliteReader from "@observability-agents/core/OutboxSqliteReader"
import { Supervisor } from "@observability-agents/core/Supervisor"
import * as Window from "@observability-agents/core/Window"
import { Observability } from "@observability-agents/toolkit/Observability"
import * as Fs from "node:fs"
import * as Clock from "effect/Clock"
import * as Console from "effect/Console"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Duration from "effect/Duration"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Runtime from "effect/Runtime"
import * as Schema from "effect/Schema"
import * as Stdio from "effect/Stdio"
import * as Stream from "effect/Stream"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import { orStateFile, stateFile, usage } from "./CommandFailed.ts"
import { config, type Environment, json, settled, startup } from "./Environment.ts"
import * as Table from "./Table.ts"

/** The command. */
export const make = (environment: Environment) =>
  Command.make(
    "backfill",
    {
      from: Flag.String("from").pipe(
        Flag.withDescription("Where the span begins: 2026-01-31T08:00:00Z, 2026-01-31, or `2 days`"),
        Flag.withSchema(StartFromText)
      ),
      to: Flag.String("to").pipe(
        Flag.withDescription("Where it ends, in the same forms. Without it: now"),
        Flag.withSchema(StartFromText),
        Flag.optional
      ),
      dryRun: Flag.Boolean("dry-run").pipe(
        Flag.withDescription("Only shows what it would make. Works beside a running agent"),
        Flag.withDefault(false)
      ),
      noSend: Flag.Boolean("no-send").pipe(
        Flag.withDescription("Leaves the events in the state file; the agent sends them when it runs next"),
        Flag.withDefault(false)
      ),
      config,
      json
    },
    (given) =>
      Effect.gen(function* () {
        const started = yield* startup(environment, given.config)
        const { agent } = started
        const window = yield* windowOf(given.from, given.to)
        const read = agent.backfill
        if (read === undefined) {
          return yield* usage(`The agent ${agent.type} cannot read a time span that has passed.`)
        }
        yield* (
          given.dryRun
            ? rehearse(read(window), window, given.json)
            : fill(environment, read(window), window, given)
        ).pipe(Effect.provide(settled(environment, started)))
      })
  ).pipe(
    Command.withDescription(
      "Reads the runs that were active in a time span, makes the events that were never made of them, and sends them. What was made before is not made again: doing it twice does no harm. While an agent runs on the same state file, stop it first; only --dry-run works beside it."
    ),
    Command.withShortDescription("Reads a time span again, and sends what is missing."),
    Command.withExamples([
      {
        command: `${environment.name} backfill --from '2 days' --dry-run`,
        description: "What is missing of the last two days"
      },
      {
        command: `${environment.name} backfill --from 2026-01-30 --to 2026-01-31`,
        description: "One day, in UTC"
      }
    ])
  )

const windowOf = Effect.fnUntraced(function* (from: StartFrom, to: Option.Option<StartFrom>) {
  const now = yield* DateTime.now
  const begin = startMoment(from, now)
  const end = DateTime.min(
    now,
    Option.match(to, { onNone: () => now, onSome: (end) => startMoment(end, now) })
  )
  if (DateTime.isGreaterThanOrEqualTo(begin, end)) {
    return yield* usage(
      `The span from ${Table.time(begin)} to ${Table.time(end)} UTC is empty: --from has to be before --to, and before now.`
    )
  }
  return Window.make(begin, end)
})

type Read = ReturnType<NonNullable<Agent.Agent["backfill"]>>

const consume = Effect.fnUntraced(function* (read: Read, backfill: Backfill.Backfill) {
  yield* Stream.runForEach(read, backfill.take).pipe(Effect.catchTag("CheckFailed", orFailed))
  return backfill.runs()
})

const rehearse = Effect.fnUntraced(function* (read: Read, window: Window.Window, isJson: boolean) {
  const { statePath } = yield* CoreSettings.config
  // Before the agent's first start nothing is known: as with an empty store, which is gone afterwards.
  const target = Fs.existsSync(statePath)
    ? Effect.map(OutboxSqliteReader.open({ path: statePath }), Backfill.rehearsal)
    : OutboxSqlite.make({
        path: OutboxSqliteFile.MEMORY,
        capacity: UNBOUNDED,
        capacityBytes: UNBOUNDED
      })
  const runs = yield* orStateFile(consume(read, Backfill.make(window, yield* orStateFile(target))))
  if (isJson) return yield* Console.log(document(window, runs, { isDry: true }))
  yield* report(window, runs, "would be new")
}, Effect.scoped)

/** Asks whether the server would take events, before the tool is bothered. */
const askServer = Effect.flatMap(Observability, ({ authorized }) => authorized).pipe(
  Effect.mapError(
    ({ message, reason }) =>
      new SendingFailed({
        exitCode: reason._tag === "Unauthorized" ? 77 : 69,
        message: `${message} Nothing was read. With --no-send the events are made without the server.`
      })
  )
)

const fill = Effect.fnUntraced(function* (
  environment: Environment,
  read: Read,
  window: Window.Window,
  options: { readonly json: boolean; readonly noSend: boolean }
) {
  if (!options.noSend) yield* Effect.provide(askServer, Observability.layerNoDeps)
  const core = yield* CoreSettings.config
  const store = Layer.effect(
    Outbox,
    // As large as it takes: nothing is sent while it is read.
    OutboxSqlite.make({
      ...OutboxSqlite.optionsOf(core),
      capacity: UNBOUNDED,
      capacityBytes: UNBOUNDED
    }).pipe(
      Effect.mapError((error) =>
        OutboxSqliteFile.isInUse(error)
          ? stateFile(
              `${error.message}. A backfill needs the file for itself: stop that agent for as long, or see what is missing with --dry-run`
            )
          : stateFile(error.message)
      )
    )
  )
  yield* Effect.gen(function* () {
    const outbox = yield* Outbox
    const runs = yield* orStateFile(consume(read, Backfill.make(window, outbox)))
    if (!options.json) yield* report(window, runs, "new")
    const before = yield* outbox.status
    const outcome = Effect.map(outbox.status, (now) => outcomeOf(before, now))
    const tell = Effect.gen(function* () {
      const { buried, left, sent } = yield* outcome
      if (options.json) {
        return yield* Console.log(document(window, runs, { isDry: false, sending: { buried, left, sent } }))
      }
      if (options.noSend && left > 0) {
        yield* Console.log(
          `${Table.count(left, "event")} in the state file: the agent sends them when it runs next.`
        )
      }
      if (options.noSend || before.pending === 0) return
      yield* Console.log(
        `Sent ${Table.count(sent, "event")}.${buried === 0 ? "" : ` ${Table.count(buried, "new dead letter")}; see \`${environment.name} dead-letters list\`.`}`
      )
    })
    const isSending = !options.noSend && before.pending > 0
    yield* (isSending ? send(environment) : Effect.void).pipe(Effect.ensuring(tell))
  }).pipe(Effect.provide(store))
})

const UNBOUNDED = Number.MAX_SAFE_INTEGER

/** What became of the events that were waiting before. */
export const outcomeOf = (
  before: Pick<OutboxStatus, "delivered" | "pending">,
  now: Pick<OutboxStatus, "delivered" | "pending">
) => {
  const sent = now.delivered - before.delivered
  return { sent, left: now.pending, buried: Math.max(0, before.pending - now.pending - sent) }
}

/** For how long nothing has to have been accepted for the server to be given up. */
const PATIENCE = Duration.seconds(60)

/** Waits until nothing is left, and fails when for a minute the server has neither accepted nor rejected an event. */
export const untilEmpty = Effect.fnUntraced(function* (
  outbox: Pick<Outbox["Service"], "status">,
  show: (pending: number) => Effect.Effect<void>
) {
  let least = Number.POSITIVE_INFINITY
  let since = yield* Clock.currentTimeMillis
  for (;;) {
    const { pending } = yield* outbox.status
    yield* show(pending)
    if (pending === 0) return
    const now = yield* Clock.currentTimeMillis
    if (pending < least) {
      least = pending
      since = now
    } else if (now - since >= Duration.toMillis(PATIENCE)) {
      return yield* new SendingFailed({
        exitCode: 69,
        message: `Nothing was accepted for ${Duration.toSeconds(PATIENCE)} seconds. ${Table.count(pending, "event")} ${pending === 1 ? "is" : "are"} left in the state file; the agent sends them when it runs.`
      })
    }
    yield* Effect.sleep("200 millis")
  }
})

/** Sends until nothing is left, or it is interrupted: then the rest stays in the state file. */
const send = Effect.fnUntraced(function* (environment: Environment) {
  const outbox = yield* Outbox
  const stdio = yield* Stdio.Stdio
  const { shutdownTimeout } = yield* CoreSettings.config
  const show = (line: string) =>
    environment.terminal
      ? Effect.ignore(Stream.run(Stream.make(line), stdio.stderr({ endOnDone: false })))
      : Effect.void
  const { pending: all } = yield* outbox.status
  const sending = Effect.gen(function* () {
    const { fail: _, failure } = yield* Supervisor
    const sender = yield* EventSender.EventSender
    yield* Effect.addFinalizer(() => Effect.ignore(Effect.timeout(sender.drain, shutdownTimeout)))
    const done = untilEmpty(outbox, (pending) =>
      show(`\r\u001b[KSending: ${all - pending} of ${all} (Ctrl-C leaves the rest to the agent)`)
    )
    yield* Effect.raceFirst(done, failure)
  }).pipe(Effect.scoped)
  yield* sending.pipe(
    Effect.provide(
      EventSender.layer.pipe(
        Layer.provideMerge(Layer.mergeAll(Health.layer, Observability.layerNoDeps)),
        Layer.provideMerge(Supervisor.layer)
      )
    ),
    Effect.ensuring(show("\r\u001b[K")),
    Effect.onInterrupt(() =>
      Effect.flatMap(outbox.status, ({ pending }) =>
        Console.error(
          `${Table.count(pending, "event")} left in the state file: the agent sends them when it runs next.`
        )
      )
    )
  )
})

const MOST_SHOWN = 50

const totals = (runs: ReadonlyArray<Backfill.Run>) => ({
  made: runs.reduce((sum, run) => sum + run.made, 0),
  known: runs.reduce((sum, run) => sum + run.known, 0)
})

const document = (
  window: Window.Window,
  runs: ReadonlyArray<Backfill.Run>,
  { isDry, sending }: { readonly isDry: boolean; readonly sending?: ReturnType<typeof outcomeOf> }
): string => {
  const { known, made } = totals(runs)
  return Table.json({
    from: DateTime.formatIso(window.from),
    to: DateTime.formatIso(window.to),
    dry_run: isDry,
    runs_read: runs.length,
    events_new: made,
    events_known: known,
    events_sent: sending?.sent ?? 0,
    new_dead_letters: sending?.buried ?? 0,
    events_left: sending?.left ?? 0,
    runs: runs.map((run) => ({
      pipeline: run.pipeline.key,
      run: run.run.key,
      started_at: run.startedAt === undefined ? null : DateTime.formatIso(run.startedAt),
      events_new: run.made,
      events_known: run.known
    }))
  })
}

const report = Effect.fnUntraced(function* (
  window: Window.Window,
  runs: ReadonlyArray<Backfill.Run>,
  words: string
) {
  const { known, made } = totals(runs)
  const news = runs.filter((run) => run.made > 0)
  if (news.length > 0) {
    yield* Console.log(
      Table.table(
        ["STARTED (UTC)", "RUN", "NEW", "KNOWN"],
        news
          .slice(0, MOST_SHOWN)
          .map((run) => [
            run.startedAt === undefined ? "not told" : Table.time(run.startedAt),
            EventTitle.oneLine(
              `${run.pipeline.key}/${run.run.key}${run.pipeline.name === undefined ? "" : ` (${run.pipeline.name})`}`
            ),
            String(run.made),
            String(run.known)
          ])
      )
    )
    if (news.length > MOST_SHOWN) yield* Console.log(`and ${news.length - MOST_SHOWN} more`)
    yield* Console.log("")
  }
  yield* Console.log(
    `${Table.time(window.from)} to ${Table.time(window.to)} UTC: ${Table.count(runs.length, "run")} read, ` +
      `${Table.count(made, "event")} ${words}, ${known.toLocaleString("en")} known already.`
  )
  const oldest = DateTime.subtractDuration(yield* DateTime.now, IDENTITY_RETENTION)
  if (made > 0 && DateTime.isLessThan(window.from, oldest)) {
    yield* Console.log(
      `The span begins before ${Table.time(oldest)}: what was sent longer ago than 30 days is not remembered, and counts as new.`
    )
  }
})

/** The tool could not be read; its words say why. What was read of it so far stays. */
const orFailed = (error: Agent.CheckFailed) =>
  Effect.fail(new ToolFailed({ exitCode: error.exitCode, message: error.message }))

/** The server does not take events. */
export class SendingFailed extends Schema.TaggedError<SendingFailed>()("SendingFailed", {
  exitCode: Schema.Literals([69, 77]),
  message: Schema.String
}) {
  override readonly [Runtime.errorExitCode] = this.exitCode
}

/** The tool could not be read. */
export class ToolFailed extends Schema.TaggedError<ToolFailed>()("ToolFailed", {
  exitCode: Schema.Literals([69, 77]),
  message: Schema.String
}) {
  override readonly [Runtime.errorExitCode] = this.exitCode
}
