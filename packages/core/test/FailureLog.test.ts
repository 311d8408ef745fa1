import * as FailureLog from "@observability-agents/core/FailureLog"
import { assert, describe, it } from "@effect/vitest"
import { Cause, Effect } from "effect"
import { TestClock } from "effect/testing"
import * as LogLines from "./LogLines.ts"

const sentences = { failed: "It failed", recovered: "It works again" }

describe("FailureLog", () => {
  it.effect("logs one kind of failure at most once a minute, with what was left out", () =>
    Effect.gen(function* () {
      const { layer, lines } = yield* LogLines.capture
      const log = FailureLog.make(sentences)
      yield* Effect.gen(function* () {
        for (let i = 0; i < 25; i++) {
          yield* log.failed(Cause.fail("no route"))
          yield* TestClock.adjust("5 seconds")
        }
        yield* log.recovered
        yield* log.recovered
      }).pipe(Effect.provide(layer))
      assert.deepStrictEqual(
        lines.map((line) => [line.level, line.sentence, line.annotations]),
        [
          ["Warn", "It failed", { failures: 1, unlogged: 0 }],
          ["Warn", "It failed", { failures: 13, unlogged: 11 }],
          ["Warn", "It failed", { failures: 25, unlogged: 11 }],
          ["Info", "It works again", { failures: 25, unlogged: 0, since: "1970-01-01T00:00:00.000Z" }]
        ]
      )
    })
  )

  it.effect("logs another kind of failure at once", () =>
    Effect.gen(function* () {
      const { layer, lines } = yield* LogLines.capture
      const log = FailureLog.make(sentences)
      yield* Effect.gen(function* () {
        yield* log.failed(Cause.fail("no route"))
        yield* log.failed(Cause.fail("no route"))
        yield* log.failed(Cause.die(new Error("a bug")))
      }).pipe(Effect.provide(layer))
      assert.deepStrictEqual(
        lines.map((line) => [line.level, line.annotations["unlogged"]]),
        [
          ["Warn", 0],
          ["Error", 1]
        ]
      )
      assert.include(lines[1]?.cause, "a bug")
    })
  )

  it.effect("is not flooded by failures that never read the same", () =>
    Effect.gen(function* () {
      const { layer, lines } = yield* LogLines.capture
      const log = FailureLog.make(sentences)
      yield* Effect.gen(function* () {
        for (let i = 0; i < 600; i++) {
          yield* log.failed(Cause.fail(`request ${i}`))
          yield* TestClock.adjust("100 millis")
        }
      }).pipe(Effect.provide(layer))
      assert.strictEqual(lines.length, 5)
    })
  )

  it.effect("is not flooded by what fails and works in turn", () =>
    Effect.gen(function* () {
      const { layer, lines } = yield* LogLines.capture
      const log = FailureLog.make(sentences)
      yield* Effect.gen(function* () {
        for (let i = 0; i < 120; i++) {
          yield* log.failed(Cause.fail("no route"))
          yield* log.recovered
          yield* TestClock.adjust("1 second")
        }
      }).pipe(Effect.provide(layer))
      assert.deepStrictEqual(
        lines.map((line) => line.level),
        ["Warn", "Info", "Warn", "Info"]
      )
      assert.strictEqual(lines[2]?.annotations["unlogged"], 59)
    })
  )

  it("describes a cause in one line, not too long", () => {
    assert.strictEqual(FailureLog.describe(Cause.fail(new TypeError("one\n two"))), "TypeError: one two")
    assert.strictEqual(FailureLog.describe(Cause.interrupt(1)), "interrupted")
    assert.strictEqual(FailureLog.describe(Cause.fail("x".repeat(1000))).length, 300)
  })

  it("masks a cause before it is cut, so that no part of a secret is left", () => {
    const mask = (text: string) => text.replaceAll("secret-of-some-length", "***")
    const line = FailureLog.describe(Cause.fail(`${"x".repeat(290)}secret-of-some-length`), mask)
    assert.notInclude(line, "secret")
  })
})
