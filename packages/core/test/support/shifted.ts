/** A TestClock whose time of day somebody sets, while it goes on as evenly as before. */
import { Clock, Effect } from "effect"

/** Provide `clock`, and `set` it, in milliseconds off the time that the TestClock tells. */
export const shifted = Effect.map(Clock.Clock, (clock) => {
  let off = 0
  const millis = () => clock.currentTimeMillisUnsafe() + off
  const nanos = () => clock.currentTimeNanosUnsafe() + BigInt(off) * 1_000_000n
  return {
    set: (millis: number) =>
      Effect.sync(() => {
        off = millis
      }),
    clock: {
      // What only a TestClock can do goes on working.
      ...clock,
      currentTimeMillisUnsafe: millis,
      currentTimeMillis: Effect.sync(millis),
      currentTimeNanosUnsafe: nanos,
      currentTimeNanos: Effect.sync(nanos),
      monotonicTimeNanosUnsafe: () => clock.monotonicTimeNanosUnsafe(),
      monotonicTimeNanos: clock.monotonicTimeNanos,
      sleep: (duration) => clock.sleep(duration)
    } satisfies Clock.Clock
  }
})
