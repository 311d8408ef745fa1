/**
 * Time that passes evenly: it starts as the system's clock stands, and then follows the monotonic clock. What waits by it
 * waits neither longer nor shorter when somebody sets the system's clock.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"

/** One such time. Milliseconds, counted as those since 1970 were when it was made. */
export interface SteadyTime {
  /** Whole milliseconds. */
  readonly now: () => number
  /** The moment on the system's clock as it stands now, for people and for stores. */
  readonly toSystem: (time: number) => number
}

/** Starts at this moment. */
export const make: Effect.Effect<SteadyTime> = Effect.map(Clock.clockWith(Effect.succeed), (clock) => {
  const offset = clock.currentTimeMillisUnsafe() - millis(clock)
  const now = () => Math.floor(millis(clock) + offset)
  return { now, toSystem: (time) => time - now() + clock.currentTimeMillisUnsafe() }
})

/** Milliseconds of the monotonic clock: fit to measure waits with, and for nothing else. */
export const elapsed: Effect.Effect<number> = Clock.clockWith((clock) => Effect.sync(() => millis(clock)))

const millis = (clock: Clock.Clock): number => Number(clock.monotonicTimeNanosUnsafe()) / 1_000_000
