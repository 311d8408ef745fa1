/**
 * The agent that asks: it reads the list of orders every few seconds.
 *
 * ```
 * press ──► list orders (Loop.periodic) ──► Channel of Polls ──► track orders (Loop.receive) ──► Outbox
 * ```
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
import { checkFailed } from "./PressError.ts"
import { PressList } from "./PressList.ts"
import { PressSettings } from "./PressSettings.ts"
import * as Run from "./Run.ts"

const layer = Layer.unwrap(
  Effect.gen(function* () {
    const { startFrom } = yield* CoreSettings.config
    const { lookBack, period, url } = yield* PressSettings.config
    const outbox = yield* Outbox
    const list = yield* PressList
    const source = `${Run.TOOL} list ${url}`
    const begin = startMoment(startFrom, yield* DateTime.now)
    const channel = yield* Channel.make<RunTracker.Poll>("orders")
    const sender = yield* Channel.sender(channel)

    const poll = Effect.fn("Orders.poll")(function* (window: Window.Window) {
      const observedAt = yield* DateTime.now
      const orders = yield* list.orders(Window.lookBack(window, lookBack).from)
      const snapshots = orders.map((order) => Run.toSnapshot(order, observedAt))
      yield* sender.send({ source, snapshots, cursor: window.to })
    })
    return Layer.merge(
      Loop.periodic(
        "list orders",
        {
          period,
          source,
          jitter: 0.1,
          from: Effect.succeed(begin),
          committed: Effect.map(outbox.checkpoint(source), ({ cursor }) => cursor),
          onEnd: sender.close
        },
        poll
      ),
      RunTracker.layer({
        channel,
        name: "track orders",
        retention: { closed: Duration.sum(lookBack, Duration.hours(1)), failed: "7 days" }
      })
    )
  })
)

const check = Effect.gen(function* () {
  const { url } = yield* PressSettings.config
  const list = yield* PressList
  const orders = yield* Effect.mapError(list.orders(yield* DateTime.now), checkFailed)
  return `The press at ${url} answers; orders in work: ${orders.length}.`
})

/** The agent, on a Handle to the list: `PressList.layer`, or a fake. */
export const make = (
  list: Layer.Layer<PressList, Config.ConfigError, HttpTransport>
): Agent.Agent<Config.ConfigError> =>
  Agent.make({
    type: "press-list",
    tool: Run.TOOL,
    description: "Asks a press for its orders.",
    sections: [PressSettings],
    layer: Layer.provide(layer, list),
    check: Effect.provide(check, list)
  })

/** The agent on the press of the settings. */
export const agent: Agent.Agent<Config.ConfigError> = make(PressList.layer)
