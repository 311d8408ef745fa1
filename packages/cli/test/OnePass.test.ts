import { assert, describe, it } from "@effect/vitest"
import { Health } from "@observability-agents/core/Health"
import * as Loop from "@observability-agents/core/Loop"
import { Supervisor } from "@observability-agents/core/Supervisor"
import * as Wiring from "@observability-agents/core/Wiring"
import { Context, DateTime, Effect, type Fiber, Layer, Queue, type Scope } from "effect"
import { TestClock } from "effect/testing"
import * as OnePass from "../src/OnePass.ts"

/** Builds Loops that run once, and gives what is asked within. */
const within = <A, E>(
  loops: Layer.Layer<never, never, Loop.Services<never>>,
  ask: Effect.Effect<A, E, Health | Scope.Scope>
) =>
  Effect.gen(function* () {
    const context = yield* Layer.build(
      Layer.provideMerge(
        loops,
        Layer.mergeAll(
          Health.layer,
          Supervisor.layer,
          Layer.succeedContext(Context.make(Wiring.Current, Wiring.make({ once: true })))
        )
      )
    )
    return yield* Effect.provide(ask, context)
  }).pipe(Effect.scoped)

const isDone = (fiber: Fiber.Fiber<void>) => fiber.pollUnsafe() !== undefined

describe("one pass of an agent", () => {
  it.effect("is done when every Loop has ended, however long that takes", () =>
    within(
      Loop.periodic("poll", { period: "1 second", from: DateTime.now }, () => Effect.sleep("1 hour")),
      Effect.gen(function* () {
        const fiber = yield* Effect.forkChild(OnePass.done)
        yield* TestClock.adjust("59 minutes")
        assert.isFalse(isDone(fiber))
        assert.deepStrictEqual(yield* OnePass.troubles, [
          { part: "poll", reason: "it did not come to its end in time" }
        ])
        yield* TestClock.adjust("61 seconds")
        assert.isTrue(isDone(fiber))
        assert.deepStrictEqual(yield* OnePass.troubles, [])
        assert.strictEqual(yield* OnePass.sourcesRead, 1)
      })
    )
  )

  it.effect(
    "is done where a Loop receives from something without an end, and nothing comes in any more",
    () =>
      Effect.gen(function* () {
        const messages = yield* Queue.make<string>()
        yield* within(
          Loop.receive("take", Queue.take(messages), () => Effect.sleep("10 seconds")),
          Effect.gen(function* () {
            yield* Queue.offer(messages, "one")
            yield* TestClock.adjust("1 second")
            const fiber = yield* Effect.forkChild(OnePass.done)
            yield* TestClock.adjust("8 seconds")
            assert.isFalse(isDone(fiber))
            yield* TestClock.adjust("1400 millis")
            assert.isFalse(isDone(fiber))
            yield* TestClock.adjust("1 second")
            assert.isTrue(isDone(fiber))
          })
        )
      })
  )

  it.effect("says what failed, and why", () =>
    within(
      Loop.periodic("poll", { period: "1 second", from: DateTime.now }, () =>
        Effect.die(new Error("no answer"))
      ),
      Effect.gen(function* () {
        yield* TestClock.adjust("1 second")
        assert.deepStrictEqual(yield* OnePass.troubles, [{ part: "poll", reason: "Error: no answer" }])
        assert.strictEqual(yield* OnePass.sourcesRead, 0)
      })
    )
  )
})
