/**
 * A Clock that runs faster than the real one: programs that talk over real sockets live through hours in seconds.
 * Where no socket is involved, TestClock is the better tool: it is deterministic, this one is not.
 *
 * An hour in a second:
 *
 * ```ts
 * import * as FastClock from "@observability-agents/testing/FastClock"
 * import { Effect } from "effect"
 *
 * export const program = Effect.sleep("1 hour").pipe(Effect.provide(FastClock.layer({ speed: 3600 })))
 * ```
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"

/**
 * Runs the Clock `speed` times as fast as the one in force where the layer is built, from `startAt` (milliseconds
 * since 1970) on. Sleeps, time-outs and Schedules shrink accordingly; time-outs that the operating system or a driver
 * measures by itself do not.
 */
export const layer = (options: { readonly speed: number; readonly startAt?: number }): Layer.Layer<never> =>
  Layer.effect(
    Clock.Clock,
    Effect.clockWith((real) => {
      const realStart = real.monotonicTimeNanosUnsafe()
      const virtualStart = options.startAt ?? real.currentTimeMillisUnsafe()
      const elapsedNanos = () => Number(real.monotonicTimeNanosUnsafe() - realStart) * options.speed
      const millis = () => virtualStart + Math.floor(elapsedNanos() / 1_000_000)
      const nanos = () => BigInt(virtualStart) * 1_000_000n + BigInt(Math.floor(elapsedNanos()))
      const monotonic = () => BigInt(Math.floor(elapsedNanos()))
      return Effect.succeed(
        Clock.Clock.of({
          currentTimeMillisUnsafe: millis,
          currentTimeMillis: Effect.sync(millis),
          currentTimeNanosUnsafe: nanos,
          currentTimeNanos: Effect.sync(nanos),
          monotonicTimeNanosUnsafe: monotonic,
          monotonicTimeNanos: Effect.sync(monotonic),
          sleep: (duration) => real.sleep(Duration.times(duration, 1 / options.speed))
        })
      )
    })
  )
