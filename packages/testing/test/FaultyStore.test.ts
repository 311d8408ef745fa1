import { Health } from "@observability-agents/core/Health"
import { Outbox } from "@observability-agents/core/Outbox"
import * as OutboxMemory from "@observability-agents/core/OutboxMemory"
import { Supervisor } from "@observability-agents/core/Supervisor"
import * as AgentFixture from "@observability-agents/testing/AgentFixture"
import * as EventLog from "@observability-agents/testing/EventLog"
import { FakeObservability } from "@observability-agents/testing/FakeObservability"
import { FaultyStore } from "@observability-agents/testing/FaultyStore"
import * as Faults from "@observability-agents/testing/FaultyStore"
import { at, commit, entry } from "@observability-agents/testing/OutboxSuiteModel"
import { assert, describe, it } from "@effect/vitest"
import { DateTime, Duration, Effect, Fiber, Layer } from "effect"
import { TestClock } from "effect/testing"
import * as Mini from "./support/miniAgents.ts"

/** The mini agent with its story, begun five seconds ago. */
const story = <A, E>(
  test: (
    expected: ReadonlyArray<string>
  ) => Effect.Effect<A, E, FakeObservability | FaultyStore | Health | Outbox | Supervisor>
) =>
  Effect.gen(function* () {
    yield* TestClock.setTime(AgentFixture.START)
    const { agent, scenario, settings } = Mini.options()
    const { expected, hosts, play } = yield* scenario
    const fixture = AgentFixture.layer(agent, { hosts, settings })
    return yield* Effect.gen(function* () {
      yield* TestClock.adjust("5 seconds")
      yield* play
      const all = Array.from(yield* expected, ({ identity }) => identity)
      return yield* test(all)
    }).pipe(Effect.provide(Layer.provideMerge(fixture, FaultyStore.layer)))
  })

const received = Effect.gen(function* () {
  const events = yield* (yield* FakeObservability).events
  assert.deepStrictEqual(EventLog.problems(events), [])
  return events.map((event) => `${event.runKey} ${EventLog.title(event)}`).sort()
})

const failing = Effect.map(
  Effect.flatMap(Health, ({ report }) => report),
  ({ parts }) => parts.filter(({ state }) => state === "failing").map(({ name }) => name)
)

describe("a whole agent whose store fails for ten minutes loses nothing and sends nothing twice:", () => {
  const faults: Readonly<Record<string, Faults.StoreFault>> = {
    "the disk is full": Faults.diskFull,
    "the disk is broken": Faults.diskBroken,
    "the file is locked": Faults.busy,
    "the disk is read-only": Faults.readOnly,
    "the store is unavailable": Faults.unavailable,
    "the store does its work and says that it is unavailable": Faults.doneButUnavailable
  }
  for (const [name, fault] of Object.entries(faults)) {
    it.effect(name, () =>
      story((expected) =>
        Effect.gen(function* () {
          const server = yield* FakeObservability
          const store = yield* FaultyStore
          yield* store.fail(fault, { after: "1 minute", during: "10 minutes" })
          yield* TestClock.adjust("59 seconds")
          assert.deepStrictEqual(yield* failing, [])

          // Red within seconds, and no sign of life once the grace of five minutes is over.
          yield* TestClock.adjust("1 minute")
          assert.include(yield* failing, "state store")
          yield* TestClock.adjust("8 minutes")
          const beats = (yield* server.heartbeats).length
          yield* TestClock.adjust("1 minute")
          assert.strictEqual((yield* server.heartbeats).length, beats)
          assert.isAbove(yield* store.struck, 20)

          yield* TestClock.adjust("5 minutes")
          assert.deepStrictEqual(yield* received, [...expected].sort())
          assert.deepStrictEqual(yield* failing, [])
          assert.isAbove((yield* server.heartbeats).length, beats)
          const { deadLetters, pending } = yield* (yield* Outbox).status
          assert.deepStrictEqual({ deadLetters, pending }, { deadLetters: 0, pending: 0 })
        })
      )
    )
  }

  it.effect("each access takes twenty seconds", () =>
    story((expected) =>
      Effect.gen(function* () {
        const store = yield* FaultyStore
        yield* store.fail(Faults.slow("20 seconds"), { during: "10 minutes" })
        yield* TestClock.adjust("15 minutes")
        assert.deepStrictEqual(yield* received, [...expected].sort())
        assert.deepStrictEqual(yield* failing, [])
        assert.isAbove(yield* store.struck, 10)
      })
    )
  )

  it.effect("one access in two fails, by chance", () =>
    story((expected) =>
      Effect.gen(function* () {
        const store = yield* FaultyStore
        yield* store.fail(Faults.diskBroken, { share: 0.5, during: "10 minutes" })
        yield* TestClock.adjust("15 minutes")
        assert.deepStrictEqual(yield* received, [...expected].sort())
        assert.isAbove(yield* store.struck, 20)
      })
    )
  )
})

it.effect("an event that was taken, and cannot be recorded for ten minutes, is not sent again", () =>
  story((expected) =>
    Effect.gen(function* () {
      const server = yield* FakeObservability
      const store = yield* FaultyStore
      yield* store.fail(Faults.diskFull, {
        where: ({ name }) => name === "delete event",
        during: "10 minutes"
      })
      yield* TestClock.adjust("9 minutes")
      // The lanes are in flight, and what is behind waits for them.
      const taken = (yield* server.events).length
      assert.isAtLeast(taken, 1)
      assert.isBelow(taken, expected.length)
      assert.include(yield* failing, "state store")
      yield* TestClock.adjust("5 minutes")
      assert.deepStrictEqual(yield* received, [...expected].sort())
      assert.strictEqual(
        (yield* server.requests).filter(({ path }) => path.includes("events")).length,
        expected.length
      )
      assert.deepStrictEqual(yield* failing, [])
    })
  )
)

describe("a whole agent whose store is lost for good gives up with exit code 74:", () => {
  const faults: Readonly<Record<string, Faults.StoreFault>> = {
    "the file is damaged": Faults.damaged,
    "the store is unusable": Faults.unusable
  }
  for (const [name, fault] of Object.entries(faults)) {
    it.effect(name, () =>
      story(() =>
        Effect.gen(function* () {
          const { failure } = yield* Supervisor
          const ended = yield* Effect.forkChild(Effect.flip(failure))
          yield* (yield* FaultyStore).fail(fault)
          yield* TestClock.adjust("1 minute")
          assert.strictEqual((yield* Fiber.join(ended)).exitCode, 74)
        })
      )
    )
  }
})

describe("FaultyStore", () => {
  const memory = FaultyStore.layerOutbox.pipe(
    Layer.provide(OutboxMemory.layer()),
    Layer.provideMerge(FaultyStore.layer)
  )
  const poll = commit({ cursor: at(1), entries: [entry("r1", "RUNNING")] })

  it.effect("refuses before the work, or after it", () =>
    Effect.gen(function* () {
      const outbox = yield* Outbox
      const store = yield* FaultyStore
      yield* store.fail(Faults.unavailable, { times: 1 })
      assert.strictEqual((yield* Effect.flip(outbox.commit(poll))).reason, "Unavailable")
      assert.strictEqual((yield* outbox.status).pending, 0)
      yield* store.fail(Faults.doneButUnavailable, { times: 1 })
      assert.strictEqual((yield* Effect.flip(outbox.commit(poll))).reason, "Unavailable")
      assert.strictEqual((yield* outbox.status).pending, 1)
      assert.deepStrictEqual(yield* outbox.commit(poll), { accepted: 0, repeated: 1 })
      assert.strictEqual(yield* store.struck, 2)
    }).pipe(Effect.provide(memory))
  )

  it.effect("strikes what is meant, when it is meant, and no more after recover", () =>
    Effect.gen(function* () {
      const outbox = yield* Outbox
      const store = yield* FaultyStore
      const fails = Effect.map(Effect.exit(outbox.commit(poll)), ({ _tag }) => _tag === "Failure")
      yield* store.fail(Faults.unavailable, {
        where: ({ name }) => name === "commit",
        after: "10 seconds",
        during: "5 seconds"
      })
      assert.isFalse(yield* fails)
      yield* TestClock.adjust("10 seconds")
      assert.isTrue(yield* fails)
      yield* outbox.checkpoint("jobs")
      yield* TestClock.adjust("5 seconds")
      assert.isFalse(yield* fails)
      yield* store.fail(Faults.unusable)
      assert.isTrue(yield* fails)
      yield* store.recover
      assert.isFalse(yield* fails)
    }).pipe(Effect.provide(memory))
  )

  it.effect("is slow in virtual time", () =>
    Effect.gen(function* () {
      const outbox = yield* Outbox
      yield* (yield* FaultyStore).fail(Faults.slow("3 seconds"))
      const before = yield* DateTime.now
      const committing = yield* Effect.forkChild(outbox.commit(poll))
      yield* TestClock.adjust("2 seconds")
      assert.isUndefined(committing.pollUnsafe())
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(committing)
      assert.strictEqual(Duration.toSeconds(DateTime.distance(before, yield* DateTime.now)), 3)
    }).pipe(Effect.provide(memory))
  )
})
