/** `observability-agent tap`: what a running agent does, as it happens. */
import * as Activity from "@observability-agents/core/Activity"
import * as Console from "effect/Console"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import { usage } from "./CommandFailed.ts"
import { type Environment, json } from "./Environment.ts"
import * as NewsLine from "./NewsLine.ts"
import * as StatusClient from "./StatusClient.ts"
import * as Table from "./Table.ts"

/** The command. */
export const make = (environment: Environment) =>
  Command.make(
    "tap",
    {
      kind: many("kind", `Only news of this kind: ${Activity.kinds.join(", ")}. May be repeated`),
      type: many("type", `Only events of this type: ${TYPES.join(", ")}. May be repeated`),
      run: Flag.String("run").pipe(
        Flag.withDescription("Only events of this run, by its key; * stands for any characters"),
        Flag.optional
      ),
      component: Flag.String("component").pipe(
        Flag.withAlias("job"),
        Flag.withDescription(
          "Only events of this job (or dataset, …), by its key or name; * stands for any characters"
        ),
        Flag.optional
      ),
      ...StatusClient.flags,
      json: json.pipe(Flag.withDescription("Prints one JSON object per line, for scripts"))
    },
    (given) =>
      Effect.gen(function* () {
        yield* known("kind", given.kind, Activity.kinds)
        yield* known("type", given.type, TYPES)
        const target = yield* StatusClient.require(environment, given)
        const passes = Activity.passes({
          kinds: given.kind.length === 0 ? undefined : new Set<string>(given.kind),
          types: given.type.length === 0 ? undefined : new Set<string>(given.type),
          run: Option.getOrUndefined(given.run),
          component: Option.getOrUndefined(given.component)
        })
        const style = { json: given.json, colours: environment.colours }
        const remark = (text: string) =>
          given.json
            ? Console.log(Table.jsonLine({ kind: "tap", message: text }))
            : Console.error(`-- ${text}`)
        return yield* listen(target, remark, (news) =>
          passes(news) ? Console.log(NewsLine.render(style, news)) : Effect.void
        )
      })
  ).pipe(
    Command.withDescription(
      "Prints what a running agent does, as it happens: reads of the tool, events that are made, sent, delivered, put off or rejected, changes of health, warnings. Goes on until Ctrl-C; when the agent is gone for a while, it waits for it, and says what it missed. The agent needs a status server: port of [status]."
    ),
    Command.withShortDescription("Prints what a running agent does, as it happens."),
    Command.withExamples([
      { command: `${environment.name} tap`, description: "Everything" },
      {
        command: `${environment.name} tap --kind delivered --job 'nightly*'`,
        description: "What the server took of some jobs"
      },
      { command: `${environment.name} tap --type run-status --run 7001`, description: "How one run goes on" },
      { command: `${environment.name} tap --json | jq .event.title`, description: "For scripts" }
    ])
  )

const TYPES: ReadonlyArray<Activity.EventType> = [
  "run-status",
  "message-log",
  "metric-log",
  "dataset-operation",
  "test-outcomes"
]

const many = (name: string, description: string) =>
  Flag.String(name).pipe(Flag.withDescription(description), Flag.atLeast(0))

const known = (name: string, given: ReadonlyArray<string>, there: ReadonlyArray<string>) => {
  const unknown = given.find((one) => !there.includes(one))
  return unknown === undefined
    ? Effect.void
    : Effect.fail(usage(`There is no ${name} "${unknown}" (--${name}). There are: ${there.join(", ")}.`))
}

/**
 * Listens until it is interrupted. The first connection has to come about; later ones are tried again for as long as it takes.
 * News is numbered by the agent, so what was missed is known.
 */
export const listen = Effect.fnUntraced(function* (
  target: StatusClient.Target,
  remark: (text: string) => Effect.Effect<void>,
  tell: (news: Activity.Told) => Effect.Effect<void>
) {
  let number: number | undefined
  let startedAt = (yield* StatusClient.snapshot(target)).startedAt
  yield* remark(`Listening to the agent at ${target.url}.`)
  const once = Stream.runForEach(StatusClient.news(target), (news) =>
    Effect.gen(function* () {
      if (number !== undefined && news.number > number + 1) {
        yield* remark(`Missed ${Table.count(news.number - number - 1, "piece", "pieces")} of news.`)
      }
      number = news.number
      yield* tell(news)
    })
  )
  const back = Effect.gen(function* () {
    for (let wait = FIRST_WAIT; ; wait = Duration.min(Duration.times(wait, 2), LONGEST_WAIT)) {
      yield* Effect.sleep(wait)
      const snapshot = yield* Effect.option(StatusClient.snapshot(target))
      if (Option.isSome(snapshot)) return snapshot.value
    }
  })
  for (;;) {
    yield* Effect.catchTag(once, "StatusFailed", (error) =>
      error.exitCode === 77 ? Effect.fail(error) : Effect.void
    )
    yield* remark("The connection to the agent ended; waiting for it.")
    const now = yield* back
    if (now.startedAt !== startedAt) {
      number = undefined
      startedAt = now.startedAt
      yield* remark("The agent is back, started anew; what it did in between was missed.")
    } else yield* remark("The agent is back.")
  }
})

const FIRST_WAIT = Duration.seconds(1)
const LONGEST_WAIT = Duration.seconds(2)
