import * as FaultyClock from "@observability-agents/testing/FaultyClock"
import { assert, describe, it } from "@effect/vitest"
import { Clock, DateTime, Duration, Effect, Layer, Metric } from "effect"
import { TestClock } from "effect/testing"
import * as Activity from "../src/Activity.ts"
import { Health } from "../src/Health.ts"
import { OutboxError } from "../src/Outbox.ts"
import * as OutboxMemory from "../src/OutboxMemory.ts"
import * as OutboxAccess from "../src/OutboxAccess.ts"
import * as OutboxWatch from "../src/OutboxWatch.ts"
import type { TrackedRun } from "../src/TrackedRun.ts"
import { at } from "./support/runs.ts"
import { entry } from "./support/sending.ts"

const services = Layer.merge(Activity.Activity.layer, Health.layer)

const watched = Effect.flatMap(OutboxMemory.make(), OutboxWatch.make)

const commit = { source: "s", runs: [], forget: [], entries: [] }

const tracked = (key: string, phase: TrackedRun["phase"]): TrackedRun => ({
  key,
  pipeline: { key: "p" },
  run: { key },
  tool: "t",
  observedAt: at(0),
  phase,
  opening: 0,
  tasks: {},
  messages: []
})

/** The samples of a metric, by their labels. */
const values = (name: string) =>
  Effect.map(Metric.snapshot, (all) =>
    Object.fromEntries(
      all
        .filter(({ id }) => id === `observability_agent_${name}`)
        .map((metric) => [
          Object.values(metric.attributes ?? {}).join(","),
          metric.type === "Counter"
            ? metric.state.count
            : metric.type === "Gauge"
              ? metric.state.value
              : metric.type === "Histogram"
                ? metric.state.count
                : undefined
        ])
    )
  )

const isolated = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.suspend(() => Effect.provideService(Effect.scoped(effect), Metric.MetricRegistry, new Map()))

describe("OutboxWatch", () => {
  it.effect("counts events by type, and each once, however often it is committed", () =>
    Effect.gen(function* () {
      const none = Object.fromEntries(Activity.eventTypes.map((type) => [type, 0]))
      const { outbox, watch } = yield* watched
      yield* outbox.commit({ ...commit, entries: [entry("a", "1"), entry("b", "2")] })
      yield* outbox.commit({ ...commit, entries: [entry("a", "1"), entry("b", "3")] })
      assert.deepStrictEqual(yield* values("events_committed_total"), { ...none, "message-log": 3 })
      assert.deepStrictEqual(yield* values("outbox_events"), { pending: 3, in_flight: 0, dead: 0 })
      assert.deepStrictEqual(yield* values("outbox_lanes"), { "": 2 })

      yield* TestClock.setTime(DateTime.toEpochMillis(at(61)))
      yield* outbox.delivered(yield* outbox.claim)
      yield* outbox.bury(yield* outbox.claim, { reason: "rejected", words: "no" })
      assert.deepStrictEqual(yield* values("events_delivered_total"), { ...none, "message-log": 1 })
      assert.deepStrictEqual(yield* values("events_rejected_total"), { ...none, "message-log": 1 })
      assert.deepStrictEqual(yield* values("delivery_lag_seconds"), { "": 1 })
      assert.deepStrictEqual(watch.counts(), { committed: 3, delivered: 1, rejected: 1, lag: 60 })
    }).pipe(isolated, Effect.provide(services))
  )

  it.effect("knows how far each source was read and which runs are open, but no marks", () =>
    Effect.gen(function* () {
      const { outbox, watch } = yield* watched
      yield* outbox.commit({
        ...commit,
        cursor: at(5),
        runs: [
          tracked("a", "Running"),
          tracked("b", "Running"),
          tracked("c", "Completed"),
          tracked("d", "Pending")
        ]
      })
      yield* outbox.commit({ ...commit, source: "~mark", cursor: at(9) })
      assert.deepStrictEqual(watch.sources(), [{ source: "s", cursor: at(5), open: 2 }])
      assert.deepStrictEqual(yield* values("runs_followed"), { s: 2 })
      yield* outbox.commit({ ...commit, runs: [tracked("a", "Completed")], forget: ["b"] })
      assert.deepStrictEqual(watch.runs(10), [])
      assert.deepStrictEqual(yield* values("runs_followed"), { s: 0 })
    }).pipe(isolated, Effect.provide(services))
  )

  it.effect(
    "after a restart it knows the open runs of a source as soon as somebody reads its checkpoint",
    () =>
      Effect.gen(function* () {
        const memory = yield* OutboxMemory.make()
        yield* memory.commit({
          ...commit,
          cursor: at(5),
          runs: [tracked("a", "Running"), tracked("b", "Failed")]
        })
        const { outbox, watch } = yield* OutboxWatch.make(memory)
        assert.deepStrictEqual(watch.sources(), [])
        yield* outbox.checkpoint("s")
        assert.deepStrictEqual(
          watch.runs(10).map(({ key, source }) => [source, key]),
          [["s", "a"]]
        )
      }).pipe(isolated, Effect.provide(services))
  )

  it.effect(
    "delivery fails while events wait and none leaves, and is well again with the first one that does",
    () =>
      Effect.gen(function* () {
        const { outbox } = yield* watched
        const health = yield* Health
        const isFailing = Effect.map(health.report, ({ parts }) =>
          parts.some(({ name, state }) => name === OutboxWatch.DELIVERY && state === "failing")
        )
        yield* TestClock.adjust("1 day")
        assert.isFalse(yield* isFailing)
        yield* outbox.commit({ ...commit, entries: [entry("a", "1"), entry("b", "2")] })
        yield* TestClock.adjust("89 seconds")
        assert.isFalse(yield* isFailing)
        const claim = yield* outbox.claim
        yield* outbox.retry(claim, { after: Duration.seconds(1), error: "500" })
        yield* TestClock.adjust("1 second")
        assert.isTrue(yield* isFailing)
        const [part] = yield* health.failingFor("90 seconds")
        assert.deepStrictEqual(part?.reason, "2 events wait and none leaves")
        yield* outbox.delivered(yield* outbox.claim)
        assert.isFalse(yield* isFailing)
      }).pipe(isolated, Effect.provide(services))
  )

  it.effect("the store fails as long as it says so, and its own errors come through unchanged", () =>
    Effect.gen(function* () {
      const memory = yield* OutboxMemory.make()
      const error = new OutboxError({ method: "commit", reason: "Unavailable", message: "The disk is full" })
      let isFull = true
      const { outbox } = yield* OutboxWatch.make({
        ...memory,
        commit: (change) => (isFull ? Effect.fail(error) : memory.commit(change))
      })
      const health = yield* Health
      assert.strictEqual(yield* Effect.flip(outbox.commit(commit)), error)
      yield* TestClock.adjust("5 minutes")
      assert.deepStrictEqual(
        (yield* health.failingFor("5 minutes")).map(({ name, reason }) => [name, reason]),
        [[OutboxWatch.STORE, "The disk is full"]]
      )
      isFull = false
      yield* outbox.commit(commit)
      assert.isTrue((yield* health.report).healthy)
    }).pipe(isolated, Effect.provide(services))
  )

  it.effect("says since when a commit waits for room", () =>
    Effect.gen(function* () {
      const { outbox, watch } = yield* Effect.flatMap(OutboxMemory.make({ capacity: 1 }), OutboxWatch.make)
      yield* outbox.commit({ ...commit, entries: [entry("a", "1")] })
      assert.isUndefined(watch.committingSince())
      yield* TestClock.adjust("1 minute")
      yield* Effect.forkScoped(outbox.commit(commit))
      yield* TestClock.adjust("1 hour")
      assert.strictEqual(watch.committingSince(), 60_000)
      yield* outbox.delivered(yield* outbox.claim)
      yield* TestClock.adjust(0)
      assert.isUndefined(watch.committingSince())
    }).pipe(isolated, Effect.provide(services))
  )

  it.effect(
    "what is tried again holds up the sender and all others, between the tries and among successes",
    () =>
      Effect.gen(function* () {
        const memory = yield* OutboxMemory.make()
        let isFull = false
        const full = new OutboxError({
          method: "delivered",
          reason: "Unavailable",
          message: "The disk is full"
        })
        const { outbox, watch } = yield* OutboxWatch.make({
          ...memory,
          delivered: (claim) => Effect.suspend(() => (isFull ? Effect.fail(full) : memory.delivered(claim)))
        })
        const health = yield* Health
        const heldUp = () => [watch.sinceHeldUp("sender"), watch.sinceHeldUp("others")]
        yield* outbox.commit({ ...commit, entries: [entry("a", "1")] })
        assert.deepStrictEqual(heldUp(), [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY])
        isFull = true
        const claim = yield* outbox.claim
        yield* Effect.forkScoped(OutboxAccess.persist(outbox.delivered(claim)))
        for (let tenth = 0; tenth < 600; tenth++) {
          yield* TestClock.adjust("100 millis")
          yield* outbox.checkpoint("s")
          assert.deepStrictEqual(heldUp(), [0, 0])
        }
        assert.deepStrictEqual(
          (yield* health.failingFor("59 seconds")).map(({ name }) => name),
          [OutboxWatch.STORE]
        )
        isFull = false
        yield* TestClock.adjust("1 second")
        assert.isTrue((yield* health.report).healthy)
        yield* TestClock.adjust("1 minute")
        const [sender = 0, others = 0] = heldUp()
        assert.isTrue(sender === others && sender >= 60_000 && sender <= 61_000)
      }).pipe(isolated, Effect.provide(services))
  )

  it.effect("what failed and is not tried again holds up nobody for long", () =>
    Effect.gen(function* () {
      const memory = yield* OutboxMemory.make()
      const full = new OutboxError({ method: "commit", reason: "Unavailable", message: "The disk is full" })
      const { outbox, watch } = yield* OutboxWatch.make({ ...memory, commit: () => Effect.fail(full) })
      yield* Effect.flip(outbox.commit(commit))
      assert.strictEqual(watch.sinceHeldUp("sender"), 0)
      yield* TestClock.adjust("1 minute")
      assert.isUndefined(watch.committingSince())
      assert.strictEqual(watch.sinceHeldUp("sender"), 60_000)
    }).pipe(isolated, Effect.provide(services))
  )

  it.effect("setting the clock changes nothing about whether delivery gets on", () =>
    Effect.gen(function* () {
      const { clock, jump } = yield* FaultyClock.make
      yield* Effect.gen(function* () {
        yield* TestClock.adjust("1 day")
        const { outbox } = yield* watched
        const isFailing = Effect.map((yield* Health).failingFor("90 seconds"), ({ length }) => length > 0)
        yield* TestClock.adjust("1 hour")
        yield* outbox.commit({ ...commit, entries: [entry("a", "1")] })
        yield* TestClock.adjust("10 seconds")
        yield* jump("1 hour")
        assert.isFalse(yield* isFailing)
        yield* jump("-2 hours")
        yield* TestClock.adjust("80 seconds")
        assert.isTrue(yield* isFailing)
      }).pipe(isolated, Effect.provide(services), Effect.provideService(Clock.Clock, clock))
    })
  )
})
