import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Layer, Metric, Random } from "effect"
import { TestClock } from "effect/testing"
import * as EventSender from "../src/EventSender.ts"
import { Outbox } from "../src/Outbox.ts"
import {
  base,
  commit,
  entry,
  makeServer,
  options,
  type Server,
  unauthorized,
  unavailable
} from "./support/sending.ts"

const start = (server: Server) =>
  Layer.build(Layer.provide(EventSender.layerWith({ ...options, concurrencyMaximum: 8 }), server.layer))

const limit = Effect.map(Metric.snapshot, (all) => {
  const gauge = all.find((metric) => metric.id === "observability_agent_send_concurrency")
  return gauge?.type === "Gauge" ? Number(gauge.state.value) : undefined
})

const entries = (lanes: number, events: number) =>
  Array.from({ length: lanes * events }, (_, index) =>
    entry(`l${index % lanes}`, `l${index % lanes}-${Math.floor(index / lanes)}`)
  )

/** A server that takes a while, and tells how many events are under way, and whether there were ever more than allowed. */
const makeBusyServer = (answer: Server["answer"]) => {
  const seen = { underWay: 0, most: 0, excess: Array<string>() }
  const server = makeServer((name, post) =>
    Effect.gen(function* () {
      seen.underWay += 1
      seen.most = Math.max(seen.most, seen.underWay)
      const allowed = (yield* limit) ?? 0
      if (seen.underWay > allowed) seen.excess.push(`${seen.underWay} of ${allowed} at post ${post}`)
      yield* answer(name, post)
    }).pipe(
      Effect.ensuring(
        Effect.sync(() => {
          seen.underWay -= 1
        })
      )
    )
  )
  return { server, seen }
}

describe("EventSender's concurrency", () => {
  it.effect("grows while there is a backlog and the server is quick, and each lane keeps its order", () =>
    Effect.gen(function* () {
      const { seen, server } = makeBusyServer(() => Effect.sleep("100 millis"))
      yield* start(server)
      assert.strictEqual(yield* limit, 2)
      yield* commit(...entries(40, 25))
      yield* TestClock.adjust("2 minutes")
      assert.deepStrictEqual([yield* limit, seen.most, seen.excess], [8, 8, []])
      assert.strictEqual(server.taken.length, 1000)
      for (let lane = 0; lane < 40; lane++) {
        assert.deepStrictEqual(
          server.taken.filter((name) => name.startsWith(`l${lane}-`)),
          Array.from({ length: 25 }, (_, event) => `l${lane}-${event}`)
        )
      }
    }).pipe(Effect.provide(base))
  )

  it.effect("does not grow for what few lanes have to say", () =>
    Effect.gen(function* () {
      const { seen, server } = makeBusyServer(() => Effect.sleep("100 millis"))
      yield* start(server)
      yield* commit(...entries(1, 500))
      yield* TestClock.adjust("2 minutes")
      assert.deepStrictEqual([yield* limit, seen.most, server.taken.length], [2, 1, 500])
    }).pipe(Effect.provide(base))
  )

  it.effect("falls at once for events that waited idly for something to send", () =>
    Effect.gen(function* () {
      let isDown = false
      let isHanging = false
      const { seen, server } = makeBusyServer(() =>
        isHanging
          ? Effect.never
          : Effect.andThen(Effect.sleep("100 millis"), isDown ? Effect.fail(unavailable(503)) : Effect.void)
      )
      yield* start(server)
      yield* commit(...entries(40, 25))
      yield* TestClock.adjust("2 minutes")
      isDown = true
      // Each is the only one under way when it fails: by 8, 4, 2.
      for (const name of ["x", "y", "z"]) {
        yield* commit(entry(name, name))
        yield* TestClock.adjust("200 millis")
      }
      isDown = false
      isHanging = true
      seen.most = 0
      yield* commit(...entries(40, 30).slice(1000))
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual([yield* limit, seen.most, seen.excess], [2, 2, []])
    }).pipe(Effect.provide(base))
  )

  it.effect("is never exceeded, however the server fails, slows down and refuses; probes count too", () =>
    Effect.gen(function* () {
      const { seen, server } = makeBusyServer(() =>
        Effect.gen(function* () {
          const dice = yield* Random.next
          yield* Effect.sleep(Duration.millis(dice < 0.1 ? 20_000 : 50 + Math.round(dice * 50)))
          const fault = yield* Random.next
          if (fault < 0.1) return yield* Effect.fail(unavailable(503))
          if (fault < 0.11) return yield* Effect.fail(unavailable(503, Duration.seconds(5)))
          if (fault < 0.115) return yield* Effect.fail(unauthorized)
        })
      )
      yield* start(server)
      yield* commit(...entries(60, 20))
      yield* TestClock.adjust("6 hours")
      assert.deepStrictEqual(seen.excess, [])
      assert.isAbove(seen.most, 2)
      assert.strictEqual(new Set(server.taken).size, 1200)
      assert.strictEqual(server.taken.length, 1200)
    }).pipe(Effect.provide(base), Random.withSeed("a server in trouble"))
  )

  it.effect("leaves no room for a probe while what was sent before fills the limit", () =>
    Effect.gen(function* () {
      let isDown = false
      const { seen, server } = makeBusyServer((name) =>
        name.startsWith("slow")
          ? Effect.sleep("10 minutes")
          : Effect.andThen(Effect.sleep("100 millis"), isDown ? Effect.fail(unavailable(503)) : Effect.void)
      )
      yield* start(server)
      yield* commit(...entries(40, 25))
      yield* TestClock.adjust("2 minutes")
      assert.strictEqual(yield* limit, 8)
      yield* commit(...["slow1", "slow2"].map((name) => entry(name, name)))
      yield* TestClock.adjust("1 second")
      isDown = true
      yield* commit(...Array.from({ length: 20 }, (_, index) => entry(`d${index}`, `d${index}`)))
      yield* TestClock.adjust("30 seconds")
      // The gate is closed by now, and probes have brought the limit down to what the two slow ones fill.
      assert.deepStrictEqual([yield* limit, seen.underWay], [2, 2])
      const posts = server.posts.length
      yield* TestClock.adjust("8 minutes")
      assert.strictEqual(server.posts.length, posts)
      isDown = false
      yield* TestClock.adjust("5 minutes")
      assert.deepStrictEqual(seen.excess, [])
      assert.strictEqual((yield* Effect.flatMap(Outbox, ({ status }) => status)).pending, 0)
    }).pipe(Effect.provide(base))
  )

  it.effect("is what it is told where no maximum is given", () =>
    Effect.gen(function* () {
      const { seen, server } = makeBusyServer(() => Effect.sleep("100 millis"))
      yield* Layer.build(Layer.provide(EventSender.layerWith({ ...options, concurrency: 3 }), server.layer))
      yield* commit(...entries(40, 25))
      yield* TestClock.adjust("2 minutes")
      assert.deepStrictEqual([yield* limit, seen.most], [3, 3])
    }).pipe(Effect.provide(base))
  )

  it.effect("gives way to a whole server that asks for time, at the first word", () =>
    Effect.gen(function* () {
      const server = makeServer((_, post) =>
        post === 1 ? Effect.fail(unavailable(503, Duration.minutes(10))) : Effect.void
      )
      yield* Layer.build(Layer.provide(EventSender.layerWith({ ...options, concurrency: 1 }), server.layer))
      yield* commit(...entries(10, 1))
      yield* TestClock.adjust("9 minutes")
      assert.deepStrictEqual(server.posts, ["l0-0"])
      yield* TestClock.adjust("2 minutes")
      assert.strictEqual(server.taken.length, 10)
    }).pipe(Effect.provide(base))
  )
})
