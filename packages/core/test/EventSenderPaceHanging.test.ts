import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect, Exit, Layer, Random, Scope } from "effect"
import { TestClock } from "effect/testing"
import * as EventSender from "../src/EventSender.ts"
import { Outbox } from "../src/Outbox.ts"
import { base, commit, entry, makeServer, options, unavailable } from "./support/sending.ts"

const READ_TIMEOUT = "60 seconds"

/** A server that leaves what begins with "hang" without an answer, and takes anything else in 50 ms. */
const makeHanging = Effect.gen(function* () {
  const clock = yield* Clock.clockWith(Effect.succeed)
  const takenAt = new Map<string, number>()
  const state = { isHanging: true }
  const server = makeServer((name) =>
    state.isHanging && name.startsWith("hang")
      ? Effect.andThen(Effect.sleep(READ_TIMEOUT), Effect.fail(unavailable(504)))
      : Effect.map(Effect.sleep("50 millis"), () => void takenAt.set(name, clock.currentTimeMillisUnsafe()))
  )
  return { clock, server, state, takenAt }
})

const status = Effect.flatMap(Outbox, (outbox) => outbox.status)

const startWith = (server: ReturnType<typeof makeServer>, sending: Partial<EventSender.Options>) =>
  Layer.build(Layer.provide(EventSender.layerWith({ ...options, ...sending }), server.layer))

describe("EventSender, with lanes that hang", () => {
  it.effect.each([
    { hanging: 0, concurrency: 2 },
    { hanging: 1, concurrency: 2 },
    { hanging: 2, concurrency: 2 },
    { hanging: 4, concurrency: 2 },
    { hanging: 4, concurrency: 1 }
  ])("keeps a slot for the others: $hanging hanging, from $concurrency on", ({ concurrency, hanging }) =>
    Effect.gen(function* () {
      const { clock, server, state, takenAt } = yield* makeHanging
      yield* startWith(server, { concurrency, concurrencyMaximum: 8 })
      const names = Array.from({ length: hanging }, (_, lane) => `hang${lane}`)
      yield* commit(...names.flatMap((name) => [entry(name, `${name}-0`), entry(name, `${name}-1`)]))
      // First tries are like any others: each of them may take a slot once.
      yield* TestClock.adjust("5 minutes")
      const committedAt = new Map<string, number>()
      for (let index = 0; index < 600; index++) {
        committedAt.set(`w${index}`, clock.currentTimeMillisUnsafe())
        yield* commit(entry(`w${index % 20}`, `w${index}`))
        yield* TestClock.adjust("1 second")
      }
      const waits = Array.from(
        committedAt,
        ([name, at]) => (takenAt.get(name) ?? Number.POSITIVE_INFINITY) - at
      ).toSorted((a, b) => a - b)
      assert.isBelow(waits[Math.floor(waits.length * 0.95)] ?? 0, 5000)
      // Those that hang have their turn, too.
      for (const name of names) {
        assert.isAtLeast(server.posts.filter((post) => post === `${name}-0`).length, 2)
      }
      state.isHanging = false
      yield* TestClock.adjust("10 minutes")
      for (const name of names) {
        assert.deepStrictEqual(
          server.taken.filter((taken) => taken.startsWith(name)),
          [`${name}-0`, `${name}-1`]
        )
      }
      const { inFlight, pending } = yield* status
      assert.deepStrictEqual([pending, inFlight], [0, 0])
    }).pipe(Effect.provide(base), Random.withSeed("lanes that hang"))
  )

  it.effect("lets all that is due pass before what failed, where there is one slot", () =>
    Effect.gen(function* () {
      const { server } = yield* makeHanging
      yield* startWith(server, { concurrency: 1 })
      yield* commit(entry("hang0", "hang0"), entry("hang1", "hang1"))
      yield* TestClock.adjust("100 seconds")
      yield* commit(...["a", "b", "c"].map((lane) => entry(lane, lane)))
      const before = server.posts.length
      yield* TestClock.adjust("90 seconds")
      assert.deepStrictEqual(server.posts.slice(before, before + 3), ["a", "b", "c"])
      yield* TestClock.adjust("10 minutes")
      assert.isAbove(server.posts.length, before + 5)
    }).pipe(Effect.provide(base), Random.withSeed("one slot"))
  )

  it.effect(
    "gives back what waits for room when it is stopped, and does not wait for it when it drains",
    () =>
      Effect.gen(function* () {
        const { server } = yield* makeHanging
        const scope = yield* Scope.make()
        const context = yield* Scope.provide(startWith(server, { concurrencyMaximum: 8 }), scope)
        const { drain } = yield* Effect.provideContext(EventSender.EventSender, context)
        yield* commit(...[0, 1, 2, 3].map((lane) => entry(`hang${lane}`, `hang${lane}`)))
        yield* TestClock.adjust("210 seconds")
        // One is under way, others are due and wait.
        assert.isAbove((yield* status).inFlight, 1)
        const draining = yield* Effect.forkChild(drain)
        yield* TestClock.adjust("61 seconds")
        assert.isDefined(draining.pollUnsafe())
        assert.strictEqual((yield* status).inFlight, 0)
        yield* Scope.close(scope, Exit.void)
        const { inFlight, pending } = yield* status
        assert.deepStrictEqual([pending, inFlight], [4, 0])
      }).pipe(Effect.provide(base), Random.withSeed("stopped"))
  )

  it.effect("gives back what waits for room when it is interrupted", () =>
    Effect.gen(function* () {
      const { server } = yield* makeHanging
      const scope = yield* Scope.make()
      yield* Scope.provide(startWith(server, { concurrencyMaximum: 8 }), scope)
      yield* commit(...[0, 1, 2, 3].map((lane) => entry(`hang${lane}`, `hang${lane}`)))
      yield* TestClock.adjust("210 seconds")
      assert.isAbove((yield* status).inFlight, 1)
      yield* Scope.close(scope, Exit.void)
      const { inFlight, pending } = yield* status
      assert.deepStrictEqual([pending, inFlight], [4, 0])
    }).pipe(Effect.provide(base), Random.withSeed("interrupted"))
  )
})
