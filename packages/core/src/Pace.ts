/**
 * A fixed rate: points in time that are whole periods apart, whatever happens between them.
 */
import type * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"

/**
 * The rate that one Loop keeps. Times are milliseconds of the monotonic clock, so that setting the system's time
 * neither stops a Loop nor makes it race.
 *
 * @category models
 */
export interface Pace {
  /** Makes this moment the point that the next ones are counted from. */
  readonly restart: Effect.Effect<void>
  /**
   * Waits for the next point, `period` milliseconds after the last one, and, where `jitter` is above 0, by chance up to
   * that fraction of the period longer. Points that passed meanwhile count as one, which is now. Lateness by jitter or
   * by the system's timers does not move the points.
   */
  readonly next: (period: number, jitter: number) => Effect.Effect<void>
}

/**
 * Starts a Pace at this moment.
 *
 * @category constructors
 */
export const make: Effect.Effect<Pace> = Effect.clockWith((clock) =>
  Effect.sync((): Pace => {
    let due = millis(clock)
    return {
      restart: Effect.sync(() => {
        due = millis(clock)
      }),
      next: Effect.fnUntraced(function* (period, jitter) {
        const missed = Math.floor((millis(clock) - due) / period)
        due += missed >= 1 ? missed * period : period
        const late = jitter > 0 ? (yield* Random.next) * jitter * period : 0
        yield* Effect.sleep(Duration.millis(Math.max(0, due + late - millis(clock))))
      })
    }
  })
)

const millis = (clock: Clock.Clock): number => Number(clock.monotonicTimeNanosUnsafe()) / 1_000_000
