import { assert, describe, it } from "@effect/vitest"
import { Observability } from "@observability-agents/toolkit/Observability"
import type { Heartbeat as Beat } from "@observability-agents/toolkit/ObservabilityApi"
import { DateTime, Duration, Effect, Layer, Logger, References } from "effect"
import { TestClock } from "effect/testing"
import { Health } from "../src/Health.ts"
import * as Heartbeat from "../src/Heartbeat.ts"
import { Outbox } from "../src/Outbox.ts"
import { at } from "./support/runs.ts"
import { base, commit, entry, unavailable } from "./support/sending.ts"

const start = (beats: Array<Beat>, isDown: () => boolean = () => false) =>
  Layer.build(
    Layer.provide(
      Heartbeat.layerWith({
        key: "k",
        tool: "t",
        version: "1",
        period: Duration.seconds(60),
        grace: Duration.minutes(5)
      }),
      Layer.succeed(
        Observability,
        Observability.of({
          post: () => Effect.void,
          ready: Effect.void,
          authorized: Effect.void,
          heartbeat: (beat) =>
            Effect.suspend(() =>
              isDown() ? Effect.fail(unavailable(503)) : Effect.sync(() => void beats.push(beat))
            )
        })
      )
    )
  )

describe("Heartbeat", () => {
  it.effect("comes at once and then each period, with the newest timestamp that was delivered", () =>
    Effect.gen(function* () {
      const beats: Array<Beat> = []
      yield* start(beats)
      yield* TestClock.adjust(0)
      assert.deepStrictEqual(beats, [{ key: "k", tool: "t", version: "1", latestEventTimestamp: undefined }])
      const outbox = yield* Outbox
      yield* commit(entry("a", "a1"))
      yield* outbox.delivered(yield* outbox.claim)
      yield* TestClock.adjust("3 minutes")
      assert.strictEqual(beats.length, 4)
      const latest = beats.at(-1)?.latestEventTimestamp
      assert.strictEqual(
        latest === undefined ? undefined : DateTime.formatIso(latest),
        DateTime.formatIso(at(1))
      )
    }).pipe(Effect.provide(base))
  )

  it.effect("is withheld while a part has been failing for longer than the grace, and says so once", () => {
    const lines: Array<string> = []
    const logger = Logger.layer([Logger.make(({ message }) => void lines.push(String(message)))])
    return Effect.gen(function* () {
      const beats: Array<Beat> = []
      yield* start(beats)
      const health = yield* Health
      yield* TestClock.adjust("30 seconds")
      yield* health.failed("send events", "401")
      yield* TestClock.adjust("5 minutes")
      assert.strictEqual(beats.length, 6)
      yield* TestClock.adjust("10 minutes")
      assert.strictEqual(beats.length, 6)
      assert.strictEqual(lines.filter((line) => line.startsWith("Heartbeat withheld")).length, 1)
      yield* health.succeeded("send events")
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(beats.length, 7)
      assert.isTrue(lines.some((line) => line.startsWith("Heartbeat sent again")))
    }).pipe(Effect.provide(Layer.provideMerge(base, logger)))
  })

  it.effect("says again every ten minutes that it is withheld, and why", () => {
    const lines: Array<string> = []
    const logger = Logger.layer([
      Logger.make(({ fiber, message }) => {
        if (String(message).startsWith("Heartbeat withheld")) {
          lines.push(String(fiber.getRef(References.CurrentLogAnnotations)["parts"]))
        }
      })
    ])
    return Effect.gen(function* () {
      yield* start([])
      const health = yield* Health
      yield* health.failed("list runs", "no answer")
      yield* TestClock.adjust("1 hour")
      assert.deepStrictEqual(lines, Array(6).fill("list runs: no answer"))
      yield* health.failed("track runs", "disk full")
      yield* TestClock.adjust("6 minutes")
      assert.strictEqual(lines[6], "list runs: no answer; track runs: disk full")
    }).pipe(Effect.provide(Layer.provideMerge(base, logger)))
  })

  it.effect(
    "comes again after the server could not take it for long: its own failing withholds nothing",
    () =>
      Effect.gen(function* () {
        const beats: Array<Beat> = []
        let down = true
        let tries = 0
        yield* start(beats, () => {
          tries += 1
          return down
        })
        yield* TestClock.adjust("1 hour")
        assert.deepStrictEqual([beats.length, tries], [0, 61])
        down = false
        yield* TestClock.adjust("1 minute")
        assert.strictEqual(beats.length, 1)
      }).pipe(Effect.provide(base))
  )
})
