/**
 * The agent that listens: what it is made of, and how the parts are joined.
 *
 * ```
 * press ──► hear news (Loop.receive) ──► Channel of Polls ──► track orders (Loop.receive) ──► Outbox
 * ```
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
import { Press } from "./Press.ts"
import { checkFailed } from "./PressError.ts"
import { PressSettings } from "./PressSettings.ts"
import * as Run from "./Run.ts"

/** The Task: passes a message on, together with how far the news were read. */
const pass = (source: string, sender: Channel.Sender<RunTracker.Poll>) =>
  Effect.fn("News.pass")(function* (message: Run.Message) {
    yield* sender.send({
      source,
      snapshots: message.type === "order" ? [Run.toSnapshot(message.order, message.at)] : [],
      // A service whose clock is ahead must not make us skip what it says until then.
      cursor: DateTime.min(message.at, yield* DateTime.now)
    })
  })

const layer = Layer.unwrap(
  Effect.gen(function* () {
    const { startFrom } = yield* CoreSettings.config
    const { lookBack, url } = yield* PressSettings.config
    const outbox = yield* Outbox
    const press = yield* Press
    const source = `${Run.TOOL} ${url}`
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
      Loop.receive("hear news", yield* press.listen(since), pass(source, sender), {
        onEnd: sender.close
      }),
      RunTracker.layer({
        channel,
        name: "track orders",
        retention: { closed: Duration.sum(lookBack, Duration.hours(1)), failed: "7 days" }
      })
    )
  })
)

const check = Effect.scoped(
  Effect.gen(function* () {
    const { url } = yield* PressSettings.config
    const press = yield* Press
    const next = yield* press.listen(DateTime.now)
    yield* Effect.mapError(next, checkFailed)
    return `The press at ${url} answers.`
  })
)

/** The agent, on a Handle to the press: `Press.layer` on a platform's websocket, or a fake. */
export const make = (press: Layer.Layer<Press, Config.ConfigError>): Agent.Agent<Config.ConfigError> =>
  Agent.make({
    type: "press",
    tool: Run.TOOL,
    description: "Listens to the news of a press.",
    sections: [PressSettings],
    layer: Layer.provide(layer, press),
    check: Effect.provide(check, press)
  })
