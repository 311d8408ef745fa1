/** The Handle to the press as a script: what a test says is what the agent hears, without a socket. */
import { DateTime, Effect, Layer, Queue } from "effect"
import { Press } from "../../src/Press.ts"
import { PressError } from "../../src/PressError.ts"
import type * as Run from "../../src/Run.ts"

/** Makes one. */
export const make = Effect.gen(function* () {
  const said = yield* Queue.unbounded<Run.Message | PressError>()
  const asked: Array<string> = []
  const listen: Press["Service"]["listen"] = (since) =>
    Effect.sync(() => {
      let isConnected = false
      return Effect.gen(function* () {
        if (!isConnected) {
          asked.push(DateTime.formatIso(yield* since))
          isConnected = true
        }
        const next = yield* Queue.take(said)
        if (!(next instanceof PressError)) return next
        isConnected = false
        return yield* next
      })
    })
  return {
    layer: Layer.succeed(Press, Press.of({ listen })),
    /** Since when news were asked for, connection by connection. */
    asked: asked as ReadonlyArray<string>,
    /** Tells of an order as it is now, or was. */
    order: Effect.fnUntraced(function* (order: Run.Order, at?: DateTime.Utc) {
      yield* Queue.offer(said, { type: "order", at: at ?? (yield* DateTime.now), order })
    }),
    ping: Effect.flatMap(DateTime.now, (at) => Queue.offer(said, { type: "ping", at })),
    /** Breaks the connection. */
    fail: Queue.offer(said, new PressError({ reason: "Closed", message: "The press closed the connection." }))
  }
})
