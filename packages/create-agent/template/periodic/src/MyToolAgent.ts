/**
 * The agent: what it is made of, and how the parts are joined. The file to read first.
 *
 * ```
 * My Tool ──► read runs (Loop.periodic) ──► Channel of Polls ──► track runs (Loop.receive) ──► Outbox ──► Observability
 * ```
 *
 * A Loop asks the tool every few seconds for what has changed in a Window of time; a Poll carries what it found, together
 * with how far it has read; the RunTracker finds out what is new, and commits events and cursor at once. Sending, retries,
 * restarts, heartbeats and health are the framework's affair.
 */
import * as Agent from "@observability-agents/core/Agent"
import * as Channel from "@observability-agents/core/Channel"
import { CoreSettings, startMoment } from "@observability-agents/core/CoreSettings"
import * as Loop from "@observability-agents/core/Loop"
import { Outbox } from "@observability-agents/core/Outbox"
import * as RunTracker from "@observability-agents/core/RunTracker"
import * as Window from "@observability-agents/core/Window"
import type { HttpTransport } from "@observability-agents/toolkit/HttpTransport"
import type * as Config from "effect/Config"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { MyTool } from "./MyTool.ts"
import { MyToolSettings } from "./MyToolSettings.ts"
import * as Run from "./Run.ts"

/** The Task: reads what has changed in a Window, and passes it on with how far it has read. */
const read = (source: string, lookBack: Duration.Duration, sender: Channel.Sender<RunTracker.Poll>) =>
  Effect.fn("Runs.read")(function* (window: Window.Window) {
    const tool = yield* MyTool
    const since = Window.lookBack(window, lookBack).from
    for (let page = 1; ; page++) {
      // Before the tool answers: what happens meanwhile is for the next look.
      const observedAt = yield* DateTime.now
      const { next, runs } = yield* tool.runs(since, page)
      const snapshots = runs.map((run) => Run.toSnapshot(run, observedAt))
      // Each page is passed on by itself, so that memory does not grow with their number; the cursor goes with the last one.
      if (!next) return yield* sender.send({ source, snapshots, cursor: window.to })
      yield* sender.send({ source, snapshots })
      yield* Loop.progress
    }
  })

const layer = Layer.unwrap(
  Effect.gen(function* () {
    const { startFrom } = yield* CoreSettings.config
    const { lookBack, period, url } = yield* MyToolSettings.config
    const outbox = yield* Outbox
    // Names what was read in the state file: another address is another source, with a cursor of its own.
    const source = `my_tool ${url}`
    const begin = startMoment(startFrom, yield* DateTime.now)
    const channel = yield* Channel.make<RunTracker.Poll>("runs")
    const sender = yield* Channel.sender(channel)
    return Layer.merge(
      Loop.periodic(
        "read runs",
        {
          period,
          source,
          jitter: 0.1,
          from: Effect.succeed(begin),
          committed: Effect.map(outbox.checkpoint(source), ({ cursor }) => cursor),
          onEnd: sender.close
        },
        read(source, lookBack, sender)
      ),
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
const check = Effect.gen(function* () {
  const { url } = yield* MyToolSettings.config
  const tool = yield* MyTool
  yield* tool
    .runs(yield* DateTime.now, 1)
    .pipe(
      Effect.mapError(
        ({ message, reason }) =>
          new Agent.CheckFailed({ message, exitCode: reason === "Unauthorized" ? 77 : 69 })
      )
    )
  return `My Tool at ${url} answers.`
})

/** The agent on a Handle to the tool: that of the settings, or a fake. */
export const make = (
  tool: Layer.Layer<MyTool, Config.ConfigError, HttpTransport>
): Agent.Agent<Config.ConfigError> =>
  Agent.make({
    type: "my_tool",
    tool: Run.TOOL,
    description: "Asks My Tool for its runs.",
    sections: [MyToolSettings],
    layer: Layer.provide(layer, tool),
    check: Effect.provide(check, tool)
  })

/** The agent. */
export const agent: Agent.Agent<Config.ConfigError> = make(MyTool.layer)
