import { assert, describe, it } from "@effect/vitest"
import * as ServerFault from "@observability-agents/testing/ServerFault"
import * as FaultyClock from "@observability-agents/testing/FaultyClock"
import { Clock, type DateTime, Duration, Effect, Layer } from "effect"
import { TestClock } from "effect/testing"
import { Activity } from "../src/Activity.ts"
import * as EventSender from "../src/EventSender.ts"
import { Health } from "../src/Health.ts"
import * as Loop from "../src/Loop.ts"
import { Outbox, OutboxError } from "../src/Outbox.ts"
import * as OutboxMemory from "../src/OutboxMemory.ts"
import * as OutboxWatch from "../src/OutboxWatch.ts"
import * as Readiness from "../src/Readiness.ts"
import { Supervisor } from "../src/Supervisor.ts"
import * as Wiring from "../src/Wiring.ts"
import { run } from "./support/scripted.ts"
import * as Sending from "./support/sending.ts"
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
      // The agent's Loops may be there a little later than the status server, and the first read takes 20 seconds.
      yield* TestClock.adjust("18 seconds")
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

  const soon = { core: { health_grace: 5 }, status: { stale_after: 5, stuck_after: 1800 } }

  it.effect("a clock that is set back does not end an outage", () =>
    Effect.gen(function* () {
      const { clock, jump } = yield* FaultyClock.make
      yield* Effect.gen(function* () {
        let isDown = false
        const status = yield* Status.start({
          settings: soon,
          poll: (now) => (isDown ? Effect.fail("no answer") : busy(now))
        })
        yield* TestClock.adjust("1 minute")
        isDown = true
        yield* TestClock.adjust("10 minutes")
        assert.deepStrictEqual(yield* status.ready, { status: 503, parts: ["list runs"] })
        const before = (yield* status.server.heartbeats).length
        yield* jump("-1 hour")
        assert.deepStrictEqual(yield* status.ready, { status: 503, parts: ["list runs"] })
        yield* TestClock.adjust("10 minutes")
        assert.deepStrictEqual(yield* status.ready, { status: 503, parts: ["list runs"] })
        assert.strictEqual((yield* status.server.heartbeats).length, before)
        isDown = false
        yield* TestClock.adjust("1 minute")
        assert.strictEqual((yield* status.ready).status, 200)
      }).pipe(Effect.provideService(Clock.Clock, clock))
    })
  )

  it.effect("a clock that is set forward makes no task hang, and no source stale", () =>
    Effect.gen(function* () {
      const { clock, jump } = yield* FaultyClock.make
      yield* Effect.gen(function* () {
        const status = yield* Status.start({
          settings: soon,
          poll: (now) => Effect.delay(busy(now), "4 seconds")
        })
        yield* TestClock.adjust("62 seconds")
        assert.strictEqual((yield* status.ready).status, 200)
        yield* jump("1 hour")
        assert.strictEqual(yield* status.live, 200)
        assert.deepStrictEqual(yield* status.ready, { status: 200, parts: [] })
      }).pipe(Effect.provideService(Clock.Clock, clock))
    })
  )

  it.effect("a tool that hangs until each request is given up stays red without a break", () =>
    Effect.gen(function* () {
      let hangs = false
      const status = yield* Status.start({
        settings: soon,
        poll: (now) => (hangs ? Effect.andThen(Effect.sleep("1 minute"), Effect.fail("time-out")) : busy(now))
      })
      yield* TestClock.adjust("61 seconds")
      hangs = true
      yield* TestClock.adjust("25 seconds")
      const answers: Array<number> = []
      for (let second = 0; second < 180; second++) {
        yield* TestClock.adjust("1 second")
        answers.push((yield* status.ready).status)
      }
      assert.deepStrictEqual(new Set(answers), new Set([503]))
    })
  )

  it.effect("a request that takes all the time it may does not hang, however short stuck_after is", () =>
    Effect.gen(function* () {
      let hangs = false
      const status = yield* Status.start({
        settings: {
          ...soon,
          status: { stale_after: 5, stuck_after: 5 },
          http: { read_timeout: 100, retries: 1 }
        },
        poll: (now) => (hangs ? Effect.never : busy(now))
      })
      yield* TestClock.adjust("1 minute")
      hangs = true
      yield* TestClock.adjust("200 seconds")
      assert.strictEqual(yield* status.live, 200)
      yield* TestClock.adjust("10 minutes")
      assert.strictEqual(yield* status.live, 503)
    })
  )

  it("a request may take all of its tries, and the waits between them", () => {
    const longest = Readiness.longestRequest({ readTimeout: Duration.seconds(60), retries: 3 })
    assert.strictEqual(Duration.toSeconds(longest), 4 * 60 + 3 * 60)
  })

  it.effect("what waits for a store that cannot be written does not hang, nor what it held up before", () =>
    Effect.gen(function* () {
      const memory = yield* OutboxMemory.make()
      let isFull = true
      const full = new OutboxError({
        method: "delivered",
        reason: "Unavailable",
        message: "The disk is full"
      })
      const { outbox, watch } = yield* OutboxWatch.make({
        ...memory,
        delivered: (claim) => Effect.suspend(() => (isFull ? Effect.fail(full) : memory.delivered(claim)))
      })
      const wiring = Wiring.make()
      const server = Sending.makeServer()
      yield* Layer.build(
        Layer.merge(EventSender.layerWith(Sending.options), Loop.once("list runs", Effect.never)).pipe(
          Layer.provide(server.layer),
          Layer.provide(Layer.succeed(Outbox, outbox)),
          Layer.provide(Layer.succeed(Wiring.Current, wiring))
        )
      )
      yield* outbox.commit({ source: "s", runs: [], forget: [], entries: [Sending.entry("a", "1")] })
      const stuckAfter = Duration.minutes(30)
      const live = Effect.map(
        Readiness.live({ health: yield* Health, watch, wiring, staleAfter: stuckAfter, stuckAfter }),
        ({ reasons }) => reasons.map(({ part }) => part)
      )
      // Between two tries, too, and although reading works.
      for (let minute = 0; minute < 180; minute++) {
        yield* TestClock.adjust("60300 millis")
        yield* outbox.checkpoint("s")
        assert.deepStrictEqual(yield* live, [])
      }
      isFull = false
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(server.posts, ["1"])
      assert.deepStrictEqual(yield* live, [])
      yield* TestClock.adjust("30 minutes")
      assert.deepStrictEqual(yield* live, ["list runs"])
    }).pipe(Effect.provide(Layer.mergeAll(Activity.layer, Health.layer, Supervisor.layer)))
  )
})
