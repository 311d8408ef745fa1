import { assert, describe, it } from "@effect/vitest"
import * as ServerFault from "@observability-agents/testing/ServerFault"
import { type DateTime, Effect, Layer } from "effect"
import { TestClock } from "effect/testing"
import { Health } from "../src/Health.ts"
import * as Loop from "../src/Loop.ts"
import { Supervisor } from "../src/Supervisor.ts"
import { run } from "./support/scripted.ts"
import * as Status from "./support/status.ts"

/** A run per minute, so that there is always something to deliver. */
const busy = (now: DateTime.Utc) =>
  Effect.succeed([
    run("job", `r${Math.floor(now.epochMilliseconds / 60_000)}`, now, { phase: "Completed", endedAt: now })
  ])

const settings = { core: { health_grace: 300 }, status: { stale_after: 300, stuck_after: 1800 } }

describe("Readiness", () => {
  it.effect("an agent is ready once each source was read, and live from the beginning", () =>
    Effect.gen(function* () {
      const status = yield* Status.start({ poll: (now) => Effect.delay(busy(now), "20 seconds"), settings })
      yield* TestClock.adjust("10 seconds")
      assert.deepStrictEqual(yield* status.ready, { status: 503, parts: ["list runs"] })
      assert.strictEqual(yield* status.live, 200)
      yield* TestClock.adjust("11 seconds")
      assert.deepStrictEqual(yield* status.ready, { status: 200, parts: [] })
    })
  )

  it.effect("an agent whose own Layer is not built is not ready, and sends no heartbeats for long", () =>
    Effect.gen(function* () {
      const status = yield* Status.start({ start: Effect.sleep("20 minutes"), settings })
      assert.deepStrictEqual(yield* status.ready, { status: 503, parts: ["start"] })
      yield* TestClock.adjust("5 minutes")
      const before = (yield* status.server.heartbeats).length
      yield* TestClock.adjust("14 minutes")
      assert.strictEqual((yield* status.server.heartbeats).length, before)
      assert.strictEqual(yield* status.live, 200)
      yield* TestClock.adjust("3 minutes")
      assert.deepStrictEqual(yield* status.ready, { status: 200, parts: [] })
      assert.isAbove((yield* status.server.heartbeats).length, before)
    })
  )

  it.effect("a tool that fails makes it not ready within the grace, never dead, and ready again", () =>
    Effect.gen(function* () {
      let isDown = false
      const status = yield* Status.start({
        settings,
        poll: (now) => (isDown ? Effect.fail("no answer") : busy(now))
      })
      yield* TestClock.adjust("1 minute")
      assert.strictEqual((yield* status.ready).status, 200)
      isDown = true
      yield* TestClock.adjust("4 minutes")
      assert.strictEqual((yield* status.ready).status, 200)
      yield* TestClock.adjust("90 seconds")
      assert.deepStrictEqual(yield* status.ready, { status: 503, parts: ["list runs"] })
      const before = (yield* status.server.heartbeats).length
      yield* TestClock.adjust("3 hours")
      assert.strictEqual((yield* status.server.heartbeats).length, before)
      assert.strictEqual(yield* status.live, 200)
      isDown = false
      yield* TestClock.adjust("1 minute")
      assert.strictEqual((yield* status.ready).status, 200)
      assert.isAbove((yield* status.server.heartbeats).length, before)
    })
  )

  it.effect("a poll that hangs makes it not ready within the grace, and dead after stuck_after", () =>
    Effect.gen(function* () {
      let hangs = false
      const status = yield* Status.start({
        settings,
        poll: (now) => (hangs ? Effect.never : busy(now))
      })
      yield* TestClock.adjust("1 minute")
      hangs = true
      yield* TestClock.adjust("4 minutes")
      assert.strictEqual((yield* status.ready).status, 200)
      yield* TestClock.adjust("2 minutes")
      assert.deepStrictEqual(yield* status.ready, { status: 503, parts: ["list runs"] })
      const before = (yield* status.server.heartbeats).length
      yield* TestClock.adjust("20 minutes")
      assert.strictEqual((yield* status.server.heartbeats).length, before)
      assert.strictEqual(yield* status.live, 200)
      yield* TestClock.adjust("10 minutes")
      assert.strictEqual(yield* status.live, 503)
    })
  )

  it.effect("a server that is down makes it not ready, never dead, also when the Outbox is full", () =>
    Effect.gen(function* () {
      const status = yield* Status.start({
        settings: {
          ...settings,
          core: { ...settings.core, outbox_max_events: 20, outbox_resume_events: 10 }
        },
        poll: busy
      })
      yield* TestClock.adjust("1 minute")
      yield* status.server.fail(ServerFault.nginxPage(503, "Service Temporarily Unavailable"))
      yield* TestClock.adjust("4 minutes")
      assert.strictEqual((yield* status.ready).status, 200)
      yield* TestClock.adjust("3 minutes")
      assert.include((yield* status.ready).parts, "delivery")
      assert.strictEqual((yield* status.ready).status, 503)
      yield* TestClock.adjust("2 hours")
      assert.isAtLeast((yield* status.json).outbox.pending, 20)
      assert.strictEqual(yield* status.live, 200)
      yield* status.server.recover
      yield* TestClock.adjust("5 minutes")
      assert.deepStrictEqual(yield* status.ready, { status: 200, parts: [] })
    })
  )

  it.effect("a key that the server refuses makes it not ready", () =>
    Effect.gen(function* () {
      const status = yield* Status.start({ settings, poll: busy })
      yield* TestClock.adjust("1 minute")
      yield* status.server.setKey("expired")
      yield* TestClock.adjust("7 minutes")
      assert.include((yield* status.ready).parts, "send events")
    })
  )

  it.effect("a source whose reads take long is no source that is not read", () =>
    Effect.gen(function* () {
      const status = yield* Status.start({ settings, poll: (now) => Effect.delay(busy(now), "200 seconds") })
      // The last read that came to its end began 395 seconds ago; period and limit together are 310.
      yield* TestClock.adjust("1795 seconds")
      assert.strictEqual((yield* status.ready).status, 200)
    })
  )

  it.effect("a run that says that it gets on is not stuck, and one that stops saying so is", () =>
    Effect.gen(function* () {
      yield* Layer.build(
        Loop.once(
          "long",
          Effect.repeat(Effect.andThen(Effect.sleep("4 minutes"), Loop.progress), { times: 10 }).pipe(
            Effect.andThen(Effect.never)
          ),
          { stuckAfter: "5 minutes" }
        )
      )
      const health = yield* Health
      const failing = Effect.map(health.failingFor("5 minutes"), (parts) => parts.map(({ reason }) => reason))
      yield* TestClock.adjust("43 minutes")
      assert.deepStrictEqual(yield* failing, [])
      yield* TestClock.adjust("6 minutes")
      assert.deepStrictEqual(yield* failing, ["a run has not got on since then"])
    }).pipe(Effect.provide(Layer.merge(Health.layer, Supervisor.layer)))
  )
})
