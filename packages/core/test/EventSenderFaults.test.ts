import { assert, describe, it } from "@effect/vitest"
import { FakeObservability } from "@observability-agents/testing/FakeObservability"
import * as ServerFault from "@observability-agents/testing/ServerFault"
import { Effect, Layer, Random } from "effect"
import { TestClock } from "effect/testing"
import * as EventSender from "../src/EventSender.ts"
import { Outbox } from "../src/Outbox.ts"
import { base, entry, nameOf, options } from "./support/sending.ts"

/** Faults after which the event is certainly not there, and such after which it may be. */
const clear = [ServerFault.queueDown, ServerFault.overloaded(), ServerFault.overloaded("2"), ServerFault.drop]
const silent = ServerFault.silence
const ambiguous = [ServerFault.workerKilled, ServerFault.gatewayTimeout, ServerFault.silence].map(
  ServerFault.afterWork
)

const LANES = 6
const EVENTS = 8

describe("EventSender, with a server that fails at random", () => {
  it.effect.each(Array.from({ length: 12 }, (_, seed) => seed))(
    "delivers each event, in its lane's order, and once unless the fault was ambiguous (seed %i)",
    (seed) =>
      Effect.gen(function* () {
        const server = yield* FakeObservability
        const outbox = yield* Outbox
        const doubtful = new Set<string>()
        const share = (yield* Random.next) * 0.6
        for (let index = 0; index < 300; index++) {
          const isAmbiguous = (yield* Random.next) < 0.3
          const pick = yield* Random.nextIntBetween(0, 3)
          const fault = isAmbiguous
            ? ambiguous[pick]
            : pick === 2 && (yield* Random.next) < 0.5
              ? silent
              : clear[pick]
          const slot = { hit: (yield* Random.next) < share, used: false }
          yield* server.fail(slot.hit && fault !== undefined ? fault : ServerFault.slow("100 millis"), {
            times: 1,
            where: (request) => {
              const body = request.body
              if (!slot.used && isAmbiguous && slot.hit) doubtful.add(body)
              slot.used = true
              return true
            }
          })
        }
        const entries = Array.from({ length: LANES * EVENTS }, (_, index) =>
          entry(`l${index % LANES}`, `l${index % LANES}-${Math.floor(index / LANES)}`)
        )
        for (let from = 0; from < entries.length; from += 5) {
          yield* outbox.commit({ source: "s", runs: [], forget: [], entries: entries.slice(from, from + 5) })
          yield* TestClock.adjust("3 seconds")
        }
        yield* TestClock.adjust("12 hours")
        const accepted = yield* server.accepted
        for (let lane = 0; lane < LANES; lane++) {
          const names = accepted
            .map(({ event }) => nameOf(event))
            .filter((name) => name.startsWith(`l${lane}-`))
          const expected = Array.from({ length: EVENTS }, (_, event) => `l${lane}-${event}`)
          // Without direct repetitions, which only what is ambiguous may cause, it is the order of the commits.
          assert.deepStrictEqual(
            names.filter((name, index) => name !== names[index - 1]),
            expected
          )
        }
        const bodies = accepted.map(({ body }) => body)
        const twice = bodies.filter((body, index) => bodies.indexOf(body) !== index)
        assert.deepStrictEqual(
          twice.filter((body) => !doubtful.has(body)),
          []
        )
        const { deadLetters, delivered, inFlight, pending } = yield* outbox.status
        assert.deepStrictEqual([pending, inFlight, deadLetters, delivered], [0, 0, 0, entries.length])
      }).pipe(
        Effect.provide(
          EventSender.layerWith({ ...options, concurrency: 3, maxServerErrors: 1000 }).pipe(
            Layer.provideMerge(FakeObservability.layerObservability()),
            Layer.provideMerge(Layer.merge(base, FakeObservability.layer))
          )
        ),
        Random.withSeed(`faults ${seed}`)
      )
  )
})
