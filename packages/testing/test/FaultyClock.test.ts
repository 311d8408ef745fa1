import * as SteadyTime from "@observability-agents/core/SteadyTime"
import { FaultyClock } from "@observability-agents/testing/FaultyClock"
import * as Faulty from "@observability-agents/testing/FaultyClock"
import { assert, describe, it } from "@effect/vitest"
import { Clock, Context, Duration, Effect, Fiber } from "effect"
import { HttpClient, HttpClientRequest, HttpServerResponse } from "effect/http"
import { TestClock } from "effect/testing"

const HOUR = 3_600_000
const START = 1_000_000_000

/** The test is on the machine, as a program is. */
const faulty = <A, E>(test: (clock: FaultyClock["Service"]) => Effect.Effect<A, E>) =>
  Effect.gen(function* () {
    yield* TestClock.setTime(START)
    const before = yield* SteadyTime.elapsed
    return yield* Effect.provide(Effect.flatMap(FaultyClock, test), FaultyClock.layer).pipe(
      Effect.provideService(Offset, before)
    )
  })

/** The steady clock at the start. */
const Offset = Context.Reference("test/Offset", { defaultValue: () => 0 })
/** What a program on the machine sees: milliseconds since the start, by the wall clock and by the steady clock. */
const looks = Effect.gen(function* () {
  const wall = yield* Clock.currentTimeMillis
  const steady = yield* SteadyTime.elapsed
  return [wall - START, Math.round(steady - (yield* Offset))] as const
})

/** Runs on the machine: says when it woke, by both clocks. */
const sleeper = (duration: Duration.Input) => Effect.forkChild(Effect.andThen(Effect.sleep(duration), looks))

describe("FaultyClock", () => {
  it.effect("tells the right time until something is done to it", () =>
    faulty(() =>
      Effect.gen(function* () {
        yield* TestClock.adjust("3 minutes")
        assert.deepStrictEqual(yield* looks, [180_000, 180_000])
      })
    )
  )

  it.effect("jumps by the wall clock only: who sleeps does not notice", () =>
    faulty((clock) =>
      Effect.gen(function* () {
        const sleeping = yield* sleeper("10 minutes")
        yield* TestClock.adjust("1 minute")
        yield* clock.jump("1 hour")
        assert.deepStrictEqual(yield* looks, [HOUR + 60_000, 60_000])
        yield* TestClock.adjust("1 minute")
        yield* clock.jump("-3 hours")
        assert.deepStrictEqual(yield* looks, [120_000 - 2 * HOUR, 120_000])
        assert.strictEqual(Duration.toHours(yield* clock.ahead), -2)
        yield* TestClock.adjust("8 minutes")
        assert.deepStrictEqual(yield* Fiber.join(sleeping), [600_000 - 2 * HOUR, 600_000])
        yield* clock.setRight
        assert.deepStrictEqual(yield* looks, [600_000, 600_000])
      })
    )
  )

  it.effect("drifts, keeps what it gained, and is set right", () =>
    faulty((clock) =>
      Effect.gen(function* () {
        yield* clock.drift(0.01)
        yield* TestClock.adjust("1 hour")
        assert.deepStrictEqual(yield* looks, [HOUR + 36_000, HOUR])
        yield* clock.drift(-0.01)
        yield* TestClock.adjust("1 hour")
        assert.deepStrictEqual(yield* looks, [2 * HOUR, 2 * HOUR])
        yield* TestClock.adjust("1 hour")
        yield* clock.drift(0)
        yield* TestClock.adjust("1 hour")
        assert.deepStrictEqual(yield* looks, [4 * HOUR - 36_000, 4 * HOUR])
        yield* clock.setRight
        assert.deepStrictEqual(yield* looks, [4 * HOUR, 4 * HOUR])
      })
    )
  )

  it.effect("stands while the machine sleeps: what slept sleeps so much longer", () =>
    faulty((clock) =>
      Effect.gen(function* () {
        const short = yield* sleeper("5 minutes")
        const long = yield* sleeper("2 hours")
        yield* TestClock.adjust("1 minute")
        yield* clock.suspend("1 hour")
        const meanwhile = yield* sleeper("1 second")
        yield* TestClock.adjust("59 minutes")
        for (const fiber of [short, long, meanwhile]) assert.isUndefined(fiber.pollUnsafe())
        yield* TestClock.adjust("1 minute")
        assert.deepStrictEqual(yield* looks, [HOUR + 60_000, 60_000])
        yield* TestClock.adjust("2 hours")
        assert.deepStrictEqual(yield* Fiber.join(meanwhile), [HOUR + 61_000, 61_000])
        assert.deepStrictEqual(yield* Fiber.join(short), [HOUR + 300_000, 300_000])
        assert.deepStrictEqual(yield* Fiber.join(long), [3 * HOUR, 2 * HOUR])
      })
    )
  )

  it.effect("goes on while the machine sleeps, where the system counts so: what was due wakes with it", () =>
    faulty((clock) =>
      Effect.gen(function* () {
        const short = yield* sleeper("5 minutes")
        const long = yield* sleeper("2 hours")
        yield* clock.suspend("1 hour", { steady: "goes on" })
        yield* TestClock.adjust("2 hours")
        assert.deepStrictEqual(yield* Fiber.join(short), [HOUR, HOUR])
        assert.deepStrictEqual(yield* Fiber.join(long), [2 * HOUR, 2 * HOUR])
      })
    )
  )

  it.effect("tells the right time when the machine wakes, and sleeps again as well", () =>
    faulty((clock) =>
      Effect.gen(function* () {
        yield* clock.jump("7 minutes")
        const sleeping = yield* sleeper("90 minutes")
        yield* clock.suspend("1 hour")
        yield* TestClock.adjust("2 hours")
        assert.deepStrictEqual(yield* looks, [2 * HOUR, HOUR])
        yield* clock.suspend("1 hour")
        yield* TestClock.adjust("3 hours")
        assert.deepStrictEqual(yield* Fiber.join(sleeping), [3.5 * HOUR, 1.5 * HOUR])
      })
    )
  )

  it.effect("leaves what stands elsewhere alone, and reads its answers when the machine is awake", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(START)
      const clock = yield* Faulty.make
      const tool = HttpClient.make((request) =>
        Effect.gen(function* () {
          yield* Effect.sleep("10 seconds")
          const now = yield* Clock.currentTimeMillis
          return HttpServerResponse.toClientResponse(HttpServerResponse.text(String(now - START)), {
            request
          })
        })
      )
      const asking = clock
        .elsewhere(tool)
        .execute(HttpClientRequest.get("http://tool.test/"))
        .pipe(
          Effect.flatMap(({ text }) => text),
          Effect.flatMap((text) => Effect.map(Clock.currentTimeMillis, (now) => [text, now - START])),
          Effect.provide(FaultyClock.layerOf(clock)),
          Effect.forkChild
        )
      yield* clock.jump("1 hour")
      const first = yield* asking
      yield* TestClock.adjust("10 seconds")
      assert.deepStrictEqual(yield* Fiber.join(first), ["10000", HOUR + 10_000])

      const second = yield* asking
      yield* TestClock.adjust("1 second")
      yield* clock.suspend("1 hour")
      yield* TestClock.adjust("59 minutes")
      assert.isUndefined(second.pollUnsafe())
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(yield* Fiber.join(second), ["20000", HOUR + 11_000])
    })
  )
})
