import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Exit, Layer, Logger, Option, Scope } from "effect"
import { TestClock } from "effect/testing"
import * as EventSender from "../src/EventSender.ts"
import { Health } from "../src/Health.ts"
import { Outbox, OutboxError } from "../src/Outbox.ts"
import { Supervisor } from "../src/Supervisor.ts"
import {
  base,
  commit,
  entry,
  makeServer,
  options,
  rejected,
  type Server,
  unauthorized,
  unavailable
} from "./support/sending.ts"

const start = (server: Server) => Layer.build(Layer.provide(EventSender.layerWith(options), server.layer))

/** With some members of the Outbox replaced. */
const startWith = (server: Server, outbox: Outbox["Service"]) =>
  Layer.build(Layer.provide(EventSender.layerWith(options), [server.layer, Layer.succeed(Outbox, outbox)]))

const isFailing = Effect.flatMap(Health, (health) =>
  Effect.map(
    health.report,
    ({ parts }) => parts.find((part) => part.name === EventSender.LOOP)?.state === "failing"
  )
)
const status = Effect.flatMap(Outbox, (outbox) => outbox.status)
const deadLetters = Effect.flatMap(Outbox, (outbox) => outbox.deadLetters)

describe("EventSender", () => {
  it.effect("delivers each lane in its order and leaves nothing behind", () =>
    Effect.gen(function* () {
      const server = makeServer()
      yield* start(server)
      yield* commit(entry("a", "a1"), entry("a", "a2"), entry("b", "b1"), entry("a", "a3"))
      yield* TestClock.adjust(0)
      assert.deepStrictEqual(server.taken.toSorted(), ["a1", "a2", "a3", "b1"])
      assert.deepStrictEqual(
        server.taken.filter((name) => name.startsWith("a")),
        ["a1", "a2", "a3"]
      )
      assert.strictEqual((yield* status).delivered, 4)
    }).pipe(Effect.provide(base))
  )

  it.effect("has as many events under way as it is told, and no two of one lane", () =>
    Effect.gen(function* () {
      const server = makeServer(() => Effect.sleep("1 second"))
      yield* start(server)
      yield* commit(entry("a", "a1"), entry("a", "a2"), entry("b", "b1"), entry("c", "c1"))
      yield* TestClock.adjust(0)
      assert.deepStrictEqual(server.posts, ["a1", "b1"])
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(server.posts, ["a1", "b1", "a2", "c1"])
    }).pipe(Effect.provide(base))
  )

  it.effect("buries what is rejected, with the server's words, and goes on with the lane", () =>
    Effect.gen(function* () {
      const server = makeServer((name) => (name === "a1" ? Effect.fail(rejected) : Effect.void))
      yield* start(server)
      yield* commit(entry("a", "a1"), entry("a", "a2"))
      yield* TestClock.adjust(0)
      assert.deepStrictEqual(server.taken, ["a2"])
      const [letter] = yield* deadLetters
      assert.deepStrictEqual(
        [letter?.entry.id, letter?.reason, letter?.words],
        ["a1", "rejected", "status: Must be one of"]
      )
      assert.isFalse(yield* isFailing)
    }).pipe(Effect.provide(base))
  )

  it.effect(
    "tries again in place, more and more patiently, for as long as it takes, while other lanes go on",
    () =>
      Effect.gen(function* () {
        const times: Array<number> = []
        let now = 0
        const server = makeServer((name) => {
          if (name !== "a1" || now >= 7200) return Effect.void
          times.push(now)
          return Effect.fail(unavailable(503))
        })
        yield* start(server)
        yield* commit(entry("a", "a1"), entry("a", "a2"), entry("b", "b1"))
        yield* TestClock.adjust(0)
        assert.deepStrictEqual(server.taken, ["b1"])
        for (now = 1; now <= 7200 + 60; now += 1) yield* TestClock.adjust("1 second")
        assert.deepStrictEqual(server.taken, ["b1", "a1", "a2"])
        const gaps = times.slice(1).map((time, index) => time - (times[index] ?? 0))
        assert.isAtMost(gaps[0] ?? 0, 2)
        assert.isAtMost(Math.max(...gaps), 61)
        assert.isAtLeast(Math.min(...gaps.slice(8)), 29)
      }).pipe(Effect.provide(base))
  )

  it.effect("waits as long as the server asks, but not for days", () =>
    Effect.gen(function* () {
      const server = makeServer((_, post) =>
        post === 1
          ? Effect.fail(unavailable(503, Duration.minutes(10)))
          : post === 2
            ? Effect.fail(unavailable(503, Duration.days(3)))
            : Effect.void
      )
      yield* start(server)
      yield* commit(entry("a", "a1"))
      yield* TestClock.adjust("9 minutes")
      assert.strictEqual(server.posts.length, 1)
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(server.posts.length, 2)
      yield* TestClock.adjust("59 minutes")
      assert.strictEqual(server.posts.length, 2)
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(server.taken, ["a1"])
    }).pipe(Effect.provide(base))
  )

  it.effect(
    "stops while the server refuses the key: one probe a period, one log line each, and all is kept",
    () => {
      const lines: Array<unknown> = []
      const logger = Logger.layer([Logger.make(({ message }) => void lines.push(message))])
      return Effect.gen(function* () {
        const server = makeServer(() => Effect.fail(unauthorized))
        yield* start(server)
        yield* commit(...["a", "b", "c", "d"].map((lane) => entry(lane, `${lane}1`)))
        yield* TestClock.adjust(0)
        const first = server.posts.length
        assert.isAtMost(first, options.concurrency)
        for (let minute = 1; minute <= 10; minute++) {
          yield* TestClock.adjust("1 minute")
          assert.strictEqual(server.posts.length, first + minute)
        }
        assert.isAtMost(lines.length, 11)
        assert.isTrue(yield* isFailing)
        const { inFlight, pending } = yield* status
        assert.deepStrictEqual([pending, inFlight <= 1], [4, true])
        server.answer = () => Effect.void
        yield* TestClock.adjust("1 minute")
        assert.strictEqual(server.taken.length, 4)
        assert.isFalse(yield* isFailing)
      }).pipe(Effect.provide(Layer.provideMerge(base, logger)))
    }
  )

  it.effect(
    "sends nothing that comes while the server refuses the key, not even by a worker that was waiting",
    () =>
      Effect.gen(function* () {
        const server = makeServer(() => Effect.fail(unauthorized))
        yield* start(server)
        yield* TestClock.adjust(0)
        yield* commit(entry("a", "a1"))
        yield* TestClock.adjust("1 second")
        yield* commit(entry("b", "b1"))
        yield* TestClock.adjust("58 seconds")
        assert.deepStrictEqual(server.posts, ["a1"])
      }).pipe(Effect.provide(base))
  )

  it.effect(
    "spares a server that is down: with 1000 lanes waiting, one probe at a time, and all arrives afterwards",
    () =>
      Effect.gen(function* () {
        const server = makeServer(() => Effect.fail(unavailable(503)))
        yield* start(server)
        yield* commit(...Array.from({ length: 1000 }, (_, lane) => entry(`l${lane}`, `e${lane}`)))
        yield* TestClock.adjust("1 hour")
        assert.isAtMost(server.posts.length, 150)
        server.answer = () => Effect.void
        yield* TestClock.adjust("2 minutes")
        assert.strictEqual(server.taken.length, 1000)
      }).pipe(Effect.provide(base))
  )

  it.effect("buries an event that is answered 500 again and again while others pass", () =>
    Effect.gen(function* () {
      const server = makeServer((name) => (name === "a1" ? Effect.fail(unavailable(500)) : Effect.void))
      yield* start(server)
      yield* commit(entry("a", "a1"), entry("a", "a2"))
      yield* TestClock.adjust("1 hour")
      assert.deepStrictEqual(yield* deadLetters, [])
      yield* commit(entry("b", "b1"))
      yield* TestClock.adjust("2 minutes")
      const [letter] = yield* deadLetters
      assert.deepStrictEqual([letter?.entry.id, letter?.reason], ["a1", "server errors"])
      assert.deepStrictEqual(server.taken, ["b1", "a2"])
    }).pipe(Effect.provide(base))
  )

  it.effect("buries nothing for 500 while nothing passes, nor for other answers", () =>
    Effect.gen(function* () {
      const server = makeServer((name) => Effect.fail(unavailable(name === "a1" ? 500 : 503)))
      yield* start(server)
      yield* commit(entry("a", "a1"), entry("b", "b1"))
      yield* TestClock.adjust("1 day")
      assert.deepStrictEqual(yield* deadLetters, [])
      assert.isTrue(yield* isFailing)
    }).pipe(Effect.provide(base))
  )

  it.effect("buries nothing for 500 in an outage in which others passed before, and fail since", () =>
    Effect.gen(function* () {
      const server = makeServer((name) => (name === "b1" ? Effect.void : Effect.fail(unavailable(500))))
      yield* start(server)
      yield* commit(entry("a", "a1"))
      yield* TestClock.adjust("1 second")
      yield* commit(entry("b", "b1"), entry("b", "b2"))
      yield* TestClock.adjust("3 hours")
      assert.deepStrictEqual(server.taken, ["b1"])
      assert.deepStrictEqual(yield* deadLetters, [])
    }).pipe(Effect.provide(base))
  )

  it.effect("gives back what is under way when it is interrupted, and acknowledges what was just taken", () =>
    Effect.gen(function* () {
      const server = makeServer((name) => (name === "a1" ? Effect.never : Effect.sleep("1 second")))
      const scope = yield* Scope.make()
      yield* Scope.provide(start(server), scope)
      yield* commit(entry("a", "a1"), entry("b", "b1"))
      yield* TestClock.adjust("1 second")
      yield* Scope.close(scope, Exit.void)
      assert.deepStrictEqual(server.taken, ["b1"])
      const { delivered, inFlight, pending } = yield* status
      assert.deepStrictEqual([delivered, inFlight, pending], [1, 0, 1])
      const outbox = yield* Outbox
      assert.deepStrictEqual((yield* outbox.claim).attempts, 0)
    }).pipe(Effect.provide(base))
  )

  it.effect("acknowledges a delivery although it is interrupted at that very moment", () =>
    Effect.gen(function* () {
      const memory = yield* Outbox
      let acknowledging = () => {}
      const slow = Outbox.of({
        ...memory,
        delivered: (claim) =>
          Effect.andThen(
            Effect.sync(() => acknowledging()),
            Effect.andThen(Effect.sleep("1 second"), memory.delivered(claim))
          )
      })
      const server = makeServer()
      const scope = yield* Scope.make()
      yield* Scope.provide(startWith(server, slow), scope)
      let isAcknowledging = false
      acknowledging = () => (isAcknowledging = true)
      yield* commit(entry("a", "a1"))
      yield* TestClock.adjust(0)
      assert.isTrue(isAcknowledging)
      const closing = yield* Effect.forkChild(Scope.close(scope, Exit.void))
      yield* TestClock.adjust("1 second")
      assert.isDefined(closing.pollUnsafe())
      assert.strictEqual((yield* status).pending, 0)
    }).pipe(Effect.provide(base))
  )

  it.effect("does not hang on a store that is gone when it is stopped, and gives back what it holds", () =>
    Effect.gen(function* () {
      const memory = yield* Outbox
      const gone = Effect.fail(
        new OutboxError({ method: "delivered", reason: "Unavailable", message: "locked" })
      )
      const scope = yield* Scope.make()
      yield* Scope.provide(startWith(makeServer(), { ...memory, delivered: () => gone }), scope)
      yield* commit(entry("a", "a1"))
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual((yield* status).inFlight, 1)
      yield* Scope.close(scope, Exit.void)
      assert.strictEqual((yield* status).inFlight, 0)
    }).pipe(Effect.provide(base))
  )

  it.effect("drains: takes nothing further and waits for what is under way", () =>
    Effect.gen(function* () {
      const server = makeServer(() => Effect.sleep("5 seconds"))
      const context = yield* start(server)
      const { drain } = yield* Effect.provideContext(EventSender.EventSender, context)
      yield* commit(entry("a", "a1"), entry("a", "a2"))
      yield* TestClock.adjust("1 second")
      const draining = yield* Effect.forkChild(drain)
      yield* TestClock.adjust("3 seconds")
      assert.isUndefined(draining.pollUnsafe())
      yield* TestClock.adjust("10 seconds")
      assert.isDefined(draining.pollUnsafe())
      assert.deepStrictEqual(server.taken, ["a1"])
      const { inFlight, pending } = yield* status
      assert.deepStrictEqual([pending, inFlight], [1, 0])
    }).pipe(Effect.provide(base))
  )

  it.effect("lives through defects in posting: the event is tried again", () =>
    Effect.gen(function* () {
      const server = makeServer((_, post) => (post === 1 ? Effect.die(new Error("broken")) : Effect.void))
      yield* start(server)
      yield* commit(entry("a", "a1"))
      yield* TestClock.adjust("10 seconds")
      assert.deepStrictEqual(server.taken, ["a1"])
    }).pipe(Effect.provide(base))
  )

  it.effect("lives through a store that is unavailable, and ends the agent when it is unusable", () =>
    Effect.gen(function* () {
      const memory = yield* Outbox
      const supervisor = yield* Supervisor
      let failures = 3
      let reason: "Unavailable" | "Unusable" = "Unavailable"
      const failing = Effect.suspend(() =>
        failures-- > 0
          ? Effect.fail(new OutboxError({ method: "delivered", reason, message: "locked" }))
          : Effect.void
      )
      const server = makeServer()
      yield* startWith(server, {
        ...memory,
        delivered: (claim) => Effect.andThen(failing, memory.delivered(claim))
      })
      yield* commit(entry("a", "a1"))
      yield* TestClock.adjust("10 seconds")
      assert.deepStrictEqual(server.posts, ["a1"])
      assert.strictEqual((yield* status).pending, 0)
      const ended = yield* Effect.forkChild(Effect.flip(supervisor.failure))
      failures = 1
      reason = "Unusable"
      yield* commit(entry("b", "b1"))
      yield* TestClock.adjust(0)
      const exit = ended.pollUnsafe()
      assert.strictEqual(exit !== undefined && Exit.isSuccess(exit) ? exit.value.exitCode : undefined, 74)
      assert.isTrue(Option.isSome((yield* status).oldestPending))
    }).pipe(Effect.provide(base))
  )
})
