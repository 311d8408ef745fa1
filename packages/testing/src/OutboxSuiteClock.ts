/** The part of the conformance suite that is about a system clock that is set while the Outbox is at work. */
import { Outbox } from "@observability-agents/core/Outbox"
import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as TestClock from "effect/testing/TestClock"
import type { Driver, Fresh } from "./OutboxSuite.ts"
import { at, commit, entry, idle } from "./OutboxSuiteModel.ts"

const setTime = (seconds: number) => TestClock.setTime(at(seconds).epochMilliseconds)

const cursorOf = (outbox: Outbox["Service"]) =>
  Effect.map(
    outbox.checkpoint("jobs"),
    ({ cursor }) => (Option.getOrThrow(cursor).epochMilliseconds - at(0).epochMilliseconds) / 1000
  )

/** Registers the tests of all drivers. */
export const clock = (fresh: Fresh): void => {
  describe("when the clock is set back", () => {
    it.effect("gives an event that was committed before at once", () =>
      Effect.gen(function* () {
        const outbox = yield* Outbox
        yield* setTime(3600)
        yield* outbox.commit(commit({ entries: [entry("r1", "RUNNING")] }))
        yield* setTime(0)
        const claim = yield* Effect.forkChild(outbox.claim)
        yield* idle
        assert.isDefined(claim.pollUnsafe())
        yield* Fiber.join(claim)
      }).pipe(Effect.provide(fresh()))
    )

    it.effect(
      "gives an event that was put off before when so much time has passed, neither sooner nor later",
      () =>
        Effect.gen(function* () {
          const outbox = yield* Outbox
          yield* setTime(3600)
          yield* outbox.commit(commit({ entries: [entry("r1", "RUNNING")] }))
          yield* outbox.retry(yield* outbox.claim, { after: Duration.seconds(60), error: "503" })
          yield* setTime(0)
          const claim = yield* Effect.forkChild(outbox.claim)
          yield* TestClock.adjust("59 seconds")
          assert.isUndefined(claim.pollUnsafe())
          yield* TestClock.adjust("1 second")
          yield* idle
          assert.isDefined(claim.pollUnsafe())
          const [event] = (yield* outbox.history(entry("r1", "RUNNING").lane)).events
          assert.strictEqual(event?.attempts, 1)
          yield* outbox.delivered(yield* Fiber.join(claim))
        }).pipe(Effect.provide(fresh()))
    )

    it.effect("replaces a cursor that lies ahead, and then never moves back again", () =>
      Effect.gen(function* () {
        const outbox = yield* Outbox
        yield* setTime(3600)
        yield* outbox.commit(commit({ cursor: at(3600) }))
        yield* setTime(100)
        yield* outbox.commit(commit({}))
        assert.strictEqual(yield* cursorOf(outbox), 3600)
        yield* outbox.commit(commit({ cursor: at(100) }))
        assert.strictEqual(yield* cursorOf(outbox), 100)
        yield* outbox.commit(commit({ cursor: at(50) }))
        assert.strictEqual(yield* cursorOf(outbox), 100)
      }).pipe(Effect.provide(fresh()))
    )
  })
}

/** Registers the tests of durable drivers. */
export const clockReopened = (driver: Driver): void => {
  describe("opened again after the clock was set back", () => {
    it.effect("has the cursor that took the place of one that lay ahead", () =>
      Effect.gen(function* () {
        const layer = driver({ name: "ahead" })
        yield* setTime(3600)
        yield* Effect.provide(
          Effect.flatMap(Outbox, (outbox) => outbox.commit(commit({ cursor: at(3600) }))),
          layer
        )
        yield* setTime(100)
        for (const cursor of [at(100), at(50)]) {
          yield* Effect.provide(
            Effect.flatMap(Outbox, (outbox) => outbox.commit(commit({ cursor }))),
            layer
          )
          assert.strictEqual(yield* Effect.provide(Effect.flatMap(Outbox, cursorOf), layer), 100)
        }
      })
    )

    it.effect("gives at once what was never tried, and within an hour what was put off", () =>
      Effect.gen(function* () {
        const layer = driver({ name: "set back" })
        yield* setTime(7200)
        yield* Effect.gen(function* () {
          const outbox = yield* Outbox
          yield* outbox.commit(commit({ entries: [entry("r1", "RUNNING"), entry("r2", "RUNNING")] }))
          yield* outbox.retry(yield* outbox.claim, { after: Duration.seconds(60), error: "503" })
        }).pipe(Effect.provide(layer))
        yield* setTime(0)
        yield* Effect.gen(function* () {
          const outbox = yield* Outbox
          assert.strictEqual((yield* outbox.claim).entry.id, entry("r2", "RUNNING").id)
          const claim = yield* Effect.forkChild(outbox.claim)
          yield* TestClock.adjust("1 hour")
          yield* idle
          assert.isDefined(claim.pollUnsafe())
          yield* Fiber.join(claim)
        }).pipe(Effect.provide(layer))
      })
    )
  })
}
