/** `observability-agent top`: how a running agent stands, as a table that is drawn anew each second. */
import * as Cause from "effect/Cause"
import * as Console from "effect/Console"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as HttpClient from "effect/http/HttpClient"
import * as Queue from "effect/Queue"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Terminal from "effect/Terminal"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import { type Environment, json } from "./Environment.ts"
import * as StatusClient from "./StatusClient.ts"
import * as Table from "./Table.ts"
import * as TopScreen from "./TopScreen.ts"

/** The command. */
export const make = (environment: Environment) =>
  Command.make(
    "top",
    {
      interval: Flag.Finite("interval").pipe(
        Flag.withMetavar("seconds"),
        Flag.withDescription("Seconds from one look to the next, at least 0.2"),
        Flag.withSchema(Schema.Finite.check(Schema.isBetween({ minimum: 0.2, maximum: 3600 }))),
        Flag.withDefault(1)
      ),
      ...StatusClient.flags,
      json: json.pipe(Flag.withDescription("Prints what the agent says of itself once, as one JSON document"))
    },
    (given) =>
      Effect.gen(function* () {
        const target = yield* StatusClient.require(environment, given)
        const snapshot = yield* StatusClient.snapshot(target)
        if (given.json) return yield* Console.log(Table.json(snapshot))
        if (!environment.terminal) {
          const style = { columns: Infinity, rows: Infinity, colours: false }
          return yield* Console.log(TopScreen.render(style, snapshot).join("\n"))
        }
        yield* Effect.scoped(watch(environment, target, Duration.seconds(given.interval)))
      })
  ).pipe(
    Command.withDescription(
      "Shows how a running agent stands, drawn anew each second: sources and how far they were read, loops, channels, the outbox with its lanes, rates, lag, and the last problems. q or Ctrl-C ends it. Where the output is no terminal it is printed once. The agent needs a status server: port of [status]."
    ),
    Command.withShortDescription("Shows how a running agent stands, live."),
    Command.withExamples([
      { command: `${environment.name} top`, description: "The agent of these settings" },
      {
        command: `${environment.name} top --url http://etl-1:8080 --token-file token.txt`,
        description: "An agent elsewhere"
      },
      { command: `${environment.name} top --json | jq .outbox.pending`, description: "For scripts" }
    ])
  )

/** A screen of its own, without a cursor; and back to what was there before. */
const ENTER = "\u001b[?1049h\u001b[?25l"
const LEAVE = "\u001b[?25h\u001b[?1049l"

/** Draws until somebody ends it. What was on the terminal before is there again then, however it ended. */
const watch = Effect.fnUntraced(function* (
  { colours }: Environment,
  target: StatusClient.Target,
  interval: Duration.Duration
): Effect.fn.Return<
  void,
  StatusClient.StatusFailed,
  Terminal.Terminal | HttpClient.HttpClient | Scope.Scope
> {
  const terminal = yield* Terminal.Terminal
  const display = (text: string) => Effect.ignore(terminal.display(text))
  yield* Effect.acquireRelease(display(ENTER), () => display(LEAVE))
  const sizes = yield* terminal.size
  const keys = yield* terminal.readInput
  let { columns, rows } = yield* Effect.orDie(Queue.take(sizes))
  let snapshot = yield* StatusClient.snapshot(target)
  let trouble: string | undefined

  const draw = Effect.suspend(() => {
    const height = rows > 0 ? rows - 1 : Infinity
    const lines = TopScreen.render(
      { columns: columns > 0 ? columns : 80, rows: Math.max(1, height - 1), colours },
      snapshot,
      trouble
    )
    const foot = Table.paint(colours, "quiet", "q ends it")
    // Line by line over what was there, so that nothing flickers.
    return display(`\u001b[H${[...lines, foot].map((line) => `${line}\u001b[K`).join("\n")}\u001b[J`)
  })
  const look = Effect.gen(function* () {
    const outcome = yield* Effect.result(StatusClient.snapshot(target))
    if (Result.isSuccess(outcome)) {
      snapshot = outcome.success
      trouble = undefined
    } else if (outcome.failure.exitCode === 77) return yield* outcome.failure
    else {
      const { epochMilliseconds } = yield* DateTime.now
      const since = epochMilliseconds - DateTime.makeUnsafe(snapshot.at).epochMilliseconds
      trouble = `As it was ${Table.span(since)} ago. ${outcome.failure.message}`
    }
    yield* draw
  })
  const looking = Effect.forever(Effect.andThen(look, Effect.sleep(interval)))
  const resizing = Effect.forever(
    Effect.flatMap(Effect.orDie(Queue.take(sizes)), (size) => {
      columns = size.columns
      rows = size.rows
      return draw
    })
  )
  // Where nobody can press a key, signals end it.
  const quit = Effect.gen(function* () {
    for (;;) {
      const { key } = yield* Queue.take(keys)
      if (key.name === "q" || key.name === "escape" || (key.ctrl && (key.name === "c" || key.name === "d")))
        return
    }
  }).pipe(Effect.catchIf(Cause.isDone, () => Effect.never))
  yield* draw
  yield* Effect.raceFirst(Effect.raceFirst(looking, resizing), quit)
})
