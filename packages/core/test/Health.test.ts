import { Health, type Stuck } from "@observability-agents/core/Health"
import * as FaultyClock from "@observability-agents/testing/FaultyClock"
import { assert, describe, it } from "@effect/vitest"
import { Clock, DateTime, Effect, Exit, Option, Scope } from "effect"
import { TestClock } from "effect/testing"

const at = (second: number) => DateTime.makeUnsafe(second * 1000)

describe("Health", () => {
  it.effect("is healthy while nothing was reported", () =>
    Effect.gen(function* () {
      const health = yield* Health
      assert.deepStrictEqual(yield* health.report, { healthy: true, parts: [] })
    }).pipe(Effect.provide(Health.layer))
  )

  it.effect("says since when each part has been as it is, and when it last worked", () =>
    Effect.gen(function* () {
      const health = yield* Health
      yield* health.succeeded("poll")
      yield* health.failed("send", "503")
      yield* TestClock.adjust("10 seconds")
      yield* health.succeeded("poll")
      yield* health.failed("send", "504")
      assert.deepStrictEqual(yield* health.report, {
        healthy: false,
        parts: [
          { name: "poll", state: "ok", since: at(0), lastSuccess: at(10) },
          { name: "send", state: "failing", since: at(0), reason: "504" }
        ]
      })
      yield* TestClock.adjust("10 seconds")
      yield* health.failed("poll", "time-out")
      yield* health.succeeded("send")
      assert.deepStrictEqual((yield* health.report).parts, [
        { name: "poll", state: "failing", since: at(20), lastSuccess: at(10), reason: "time-out" },
        { name: "send", state: "ok", since: at(20), lastSuccess: at(20) }
      ])
    }).pipe(Effect.provide(Health.layer))
  )

  it.effect("lists what has been failing for at least so long", () =>
    Effect.gen(function* () {
      const health = yield* Health
      yield* health.failed("a", "x")
      yield* TestClock.adjust("1 minute")
      yield* health.failed("b", "y")
      yield* TestClock.adjust("4 minutes")
      const names = Effect.map(health.failingFor("5 minutes"), (parts) => parts.map((part) => part.name))
      assert.deepStrictEqual(yield* names, ["a"])
      yield* health.succeeded("a")
      assert.deepStrictEqual(yield* names, [])
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(yield* names, ["b"])
    }).pipe(Effect.provide(Health.layer))
  )

  it.effect("a part whose probe says that it hangs is failing, though its last word was success", () =>
    Effect.gen(function* () {
      const health = yield* Health
      const scope = yield* Scope.make()
      let hangs = Option.none<Stuck>()
      yield* Scope.provide(
        health.watch(
          "poll",
          Effect.sync(() => hangs)
        ),
        scope
      )
      yield* health.succeeded("poll")
      assert.isTrue((yield* health.report).healthy)
      hangs = Option.some({ since: at(0), reason: "hangs" })
      yield* TestClock.adjust("5 seconds")
      assert.deepStrictEqual(yield* health.report, {
        healthy: false,
        parts: [{ name: "poll", state: "failing", since: at(0), lastSuccess: at(0), reason: "hangs" }]
      })
      assert.strictEqual((yield* health.failingFor("5 seconds")).length, 1)
      yield* Scope.close(scope, Exit.void)
      assert.deepStrictEqual(yield* health.report, { healthy: true, parts: [] })
    }).pipe(Effect.provide(Health.layer))
  )

  it.effect("setting the clock makes nothing well and nothing ill, and moments are told as it stands", () =>
    Effect.gen(function* () {
      const { clock, jump, setRight } = yield* FaultyClock.make
      yield* Effect.gen(function* () {
        const health = yield* Health
        const failing = Effect.map(health.failingFor("5 minutes"), (parts) => parts.map(({ name }) => name))
        yield* TestClock.adjust("2 hours")
        yield* health.failed("poll", "503")
        yield* TestClock.adjust("4 minutes")
        yield* jump("1 hour")
        assert.deepStrictEqual(yield* failing, [])
        yield* setRight
        yield* TestClock.adjust("1 minute")
        assert.deepStrictEqual(yield* failing, ["poll"])
        yield* jump("-1 hour")
        assert.deepStrictEqual(yield* failing, ["poll"])
        assert.deepStrictEqual((yield* health.report).parts, [
          { name: "poll", state: "failing", since: at(3600), reason: "503" }
        ])
      }).pipe(Effect.provide(Health.layer), Effect.provideService(Clock.Clock, clock))
    })
  )

  it.effect("a try that took long and failed counts since it began, but not since before a success", () =>
    Effect.gen(function* () {
      const health = yield* Health
      const since = Effect.map(health.report, ({ parts }) => parts[0]?.since)
      yield* TestClock.adjust("1 minute")
      yield* health.failed("poll", "no answer", 50_000)
      assert.deepStrictEqual(yield* since, at(10))
      yield* health.succeeded("poll")
      yield* TestClock.adjust("20 seconds")
      yield* health.failed("poll", "no answer", 50_000)
      assert.deepStrictEqual(yield* since, at(60))
    }).pipe(Effect.provide(Health.layer))
  )

  it.effect("what fails in between does not make what hangs begin anew", () =>
    Effect.gen(function* () {
      const health = yield* Health
      yield* health.watch("send", Effect.succeedSome({ since: at(0), reason: "hangs" }))
      yield* TestClock.adjust("1 minute")
      yield* health.failed("send", "503")
      assert.deepStrictEqual((yield* health.report).parts, [
        { name: "send", state: "failing", since: at(0), reason: "503" }
      ])
    }).pipe(Effect.scoped, Effect.provide(Health.layer))
  )
})
