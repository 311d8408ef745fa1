/**
 * The agent: what it is made of, and how the parts are joined. The file to read first.
 *
 * ```
 * My Tool ──► hear news (Loop.receive) ──► Channel of Polls ──► track runs (Loop.receive) ──► Outbox ──► Observability
 * ```
 *
 * A Loop waits for one message after the other; a Poll carries what it says, together with how far the news were read; the
 * RunTracker finds out what is new, and commits events and cursor at once. After a crash, or a lost connection, news are
 * asked for since the committed cursor: what comes twice is told once. Sending, retries, heartbeats and health are the
 * framework's affair.
 */
import * as Agent from "@observability-agents/core/Agent"
import * as Channel from "@observability-agents/core/Channel"
import { CoreSettings, startMoment } from "@observability-agents/core/CoreSettings"
import * as Loop from "@observability-agents/core/Loop"
import { Outbox } from "@observability-agents/core/Outbox"
import * as RunTracker from "@observability-agents/core/RunTracker"
import type * as Config from "effect/Config"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { MyTool } from "./MyTool.ts"
import { MyToolSettings } from "./MyToolSettings.ts"
import * as Run from "./Run.ts"

/** The Task: passes a message on, together with how far the news were read. */
const pass = (source: string, sender: Channel.Sender<RunTracker.Poll>) =>
  Effect.fn("News.pass")(function* (message: Run.Message) {
    yield* sender.send({
      source,
      snapshots: message.type === "run" ? [Run.toSnapshot(message.run, message.at)] : [],
      // A tool whose clock is ahead must not make us skip what it says until then.
      cursor: DateTime.min(message.at, yield* DateTime.now)
    })
  })

const layer = Layer.unwrap(
  Effect.gen(function* () {
    const { startFrom } = yield* CoreSettings.config
    const { lookBack, url } = yield* MyToolSettings.config
    const outbox = yield* Outbox
    const tool = yield* MyTool
    // Names what was read in the state file: another address is another source, with a cursor of its own.
    const source = `my_tool ${url}`
    const begin = startMoment(startFrom, yield* DateTime.now)
    const channel = yield* Channel.make<RunTracker.Poll>("news")
    const sender = yield* Channel.sender(channel)

    const since = Effect.gen(function* () {
      const { cursor } = yield* outbox.checkpoint(source)
      if (Option.isSome(cursor)) return DateTime.subtractDuration(cursor.value, lookBack)
      // An agent that is stopped before its first news begins where it began.
      yield* sender.send({ source, snapshots: [], cursor: begin })
      return begin
    })
    return Layer.merge(
      Loop.receive("hear news", yield* tool.listen(since), pass(source, sender), {
        onEnd: sender.close
      }),
      RunTracker.layer({
        channel,
        name: "track runs",
        // Longer than the look back, so that nothing is told again that is read again.
        retention: { closed: Duration.sum(lookBack, Duration.hours(1)), failed: "7 days" }
      })
    )
  })
)

/** What the command `check` tries. */
const check = Effect.scoped(
  Effect.gen(function* () {
    const { url } = yield* MyToolSettings.config
    const tool = yield* MyTool
    const next = yield* tool.listen(DateTime.now)
    yield* next.pipe(
      Effect.mapError(
        ({ message, reason }) =>
          new Agent.CheckFailed({ message, exitCode: reason === "Unauthorized" ? 77 : 69 })
      ),
      // What cannot be read is left out, and the next message awaited: a tool may go on like that for ever.
      Effect.timeoutOrElse({
        duration: "30 seconds",
        orElse: () =>
          Effect.fail(
            new Agent.CheckFailed({
              message: `My Tool at ${url} says nothing that can be read. Check \`url\` of [my_tool].`,
              exitCode: 69
            })
          )
      })
    )
    return `My Tool at ${url} answers.`
  })
)

/** The agent on a Handle to the tool: `MyTool.layer` on a platform's websocket, or a fake. */
export const make = (tool: Layer.Layer<MyTool, Config.ConfigError>): Agent.Agent<Config.ConfigError> =>
  Agent.make({
    type: "my_tool",
    tool: Run.TOOL,
    description: "Listens to the news of My Tool.",
    sections: [MyToolSettings],
    layer: Layer.provide(layer, tool),
    check: Effect.provide(check, tool)
  })
