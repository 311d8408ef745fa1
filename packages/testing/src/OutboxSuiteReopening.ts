/** The part of the conformance suite that only durable drivers have to pass. */
import type { Commit } from "@observability-agents/core/Outbox"
import { Outbox } from "@observability-agents/core/Outbox"
import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as TestClock from "effect/testing/TestClock"
import * as Tracer from "effect/Tracer"
import type { Driver } from "./OutboxSuite.ts"
import { at, collectSpans, commit, entry, run, runsOf, same } from "./OutboxSuiteModel.ts"

/** Registers the tests of durable drivers: what is there when a store is opened again. */
export const reopening = (driver: Driver): void => {
  describe("opened again", () => {
    it.effect("keeps everything but the claims", () =>
      Effect.gen(function* () {
        yield* TestClock.setTime(at(100).epochMilliseconds)
        const layer = driver({ name: "reopened" })
        const change: Commit = commit({
          cursor: at(7),
          runs: [run("r1"), run("r2")],
          notes: [{ lane: entry("r1", "RUNNING").lane, at: at(1), by: "tool", text: "Running" }],
          entries: ["r1", "r2", "r3", "r4"].flatMap((key) => [entry(key, "RUNNING"), entry(key, "COMPLETED")])
        })
        const before = yield* Effect.gen(function* () {
          const outbox = yield* Outbox
          yield* outbox.commit(change)
          yield* outbox.delivered(yield* outbox.claim)
          yield* outbox.retry(yield* outbox.claim, { after: Duration.seconds(60), error: "503" })
          yield* outbox.bury(yield* outbox.claim, { reason: "rejected", words: "no" })
          yield* outbox.claim
          return {
            status: yield* outbox.status,
            letters: yield* outbox.deadLetters,
            history: yield* outbox.history(entry("r1", "RUNNING").lane)
          }
        }).pipe(Effect.provide(layer))
        yield* Effect.gen(function* () {
          const outbox = yield* Outbox
          assert.strictEqual(
            JSON.stringify(yield* outbox.status),
            JSON.stringify({ ...before.status, inFlight: 0 })
          )
          const letters = yield* outbox.deadLetters
          assert.strictEqual(JSON.stringify(letters), JSON.stringify(before.letters))
          assert.strictEqual(before.history.notes.length, 1)
          assert.deepStrictEqual(
            before.history.events.map(({ state }) => state._tag),
            ["Delivered", "Waiting"]
          )
          assert.strictEqual(
            JSON.stringify(yield* outbox.history(entry("r1", "RUNNING").lane)),
            JSON.stringify(before.history)
          )
          const { cursor, runs } = yield* outbox.checkpoint("jobs")
          assert.strictEqual(Option.getOrThrow(cursor).epochMilliseconds, at(7).epochMilliseconds)
          assert.strictEqual(
            JSON.stringify(runsOf(runs)),
            JSON.stringify(runsOf(new Map(change.runs.map((run) => [run.key, run]))))
          )
          assert.deepStrictEqual(yield* outbox.commit({ ...change, cursor: at(1) }), {
            accepted: 0,
            repeated: 8
          })
          assert.strictEqual(
            Option.getOrThrow((yield* outbox.checkpoint("jobs")).cursor).epochMilliseconds,
            at(7).epochMilliseconds
          )
          const claimed = yield* Effect.forEach([1, 2, 3], () => outbox.claim)
          assert.deepStrictEqual(
            claimed.map((claim) => [claim.entry.id, claim.attempts]),
            [entry("r2", "COMPLETED"), entry("r3", "RUNNING"), entry("r4", "RUNNING")].map(({ id }) => [
              id,
              0
            ])
          )
          yield* same(claimed[0]?.entry, entry("r2", "COMPLETED"))
          yield* TestClock.adjust("60 seconds")
          const late = yield* outbox.claim
          assert.deepStrictEqual([late.entry.id, late.attempts], [entry("r1", "COMPLETED").id, 1])
          yield* outbox.delivered(late)
          assert.strictEqual((yield* outbox.status).delivered, 2)
        }).pipe(Effect.provide(layer))
      })
    )

    it.effect("keeps the newest timestamp that was delivered, not the last one", () =>
      Effect.gen(function* () {
        const layer = driver({ name: "newest" })
        const entries = [at(20), at(10), undefined].map((timestamp, index) =>
          entry(`r${index}`, "RUNNING", { timestamp })
        )
        const latest = Effect.gen(function* () {
          const outbox = yield* Outbox
          return Option.getOrThrow((yield* outbox.status).latestDelivered).epochMilliseconds
        })
        for (const next of entries) {
          yield* Effect.gen(function* () {
            const outbox = yield* Outbox
            yield* outbox.commit(commit({ entries: [next] }))
            yield* outbox.delivered(yield* outbox.claim)
          }).pipe(Effect.provide(layer))
          assert.strictEqual(yield* Effect.provide(latest, layer), at(20).epochMilliseconds)
        }
      })
    )

    it.effect("keeps what was replayed as an event of that time, and what was dropped as gone", () =>
      Effect.gen(function* () {
        const layer = driver({ name: "replayed" })
        const entries = ["r1", "r2", "r3"].map((key) => entry(key, "RUNNING"))
        yield* Effect.gen(function* () {
          const outbox = yield* Outbox
          yield* outbox.commit(commit({ entries }))
          for (const _ of entries)
            yield* outbox.bury(yield* outbox.claim, { reason: "rejected", words: "no" })
          yield* TestClock.adjust("7 seconds")
          const [replayed = 0, dropped = 0] = (yield* outbox.deadLetters).map(({ number }) => number)
          yield* outbox.replay([replayed])
          yield* outbox.drop([dropped])
        }).pipe(Effect.provide(layer))
        yield* Effect.gen(function* () {
          const outbox = yield* Outbox
          const { deadLetters, pending } = yield* outbox.status
          assert.deepStrictEqual({ deadLetters, pending }, { deadLetters: 1, pending: 1 })
          assert.strictEqual((yield* outbox.commit(commit({ entries }))).repeated, 3)
          const claim = yield* outbox.claim
          assert.deepStrictEqual(
            [claim.entry.id, claim.attempts, claim.committedAt.epochMilliseconds],
            [entry("r1", "RUNNING").id, 0, 7000]
          )
          const { notes } = yield* outbox.history(entry("r2", "RUNNING").lane)
          assert.strictEqual(notes.length, 1)
        }).pipe(Effect.provide(layer))
      })
    )

    it.effect("keeps the span in which an event was committed, unless it was replayed", () =>
      Effect.gen(function* () {
        const layer = driver({ name: "traced" })
        const { spans, tracer } = collectSpans()
        yield* Effect.gen(function* () {
          const outbox = yield* Outbox
          const change = commit({ entries: [entry("r1", "RUNNING"), entry("r2", "RUNNING")] })
          yield* Effect.provideService(outbox.commit(change), Tracer.Tracer, tracer)
          yield* outbox.bury(yield* outbox.claim, { reason: "rejected", words: "no" })
          yield* outbox.replay((yield* outbox.deadLetters).map(({ number }) => number))
        }).pipe(Effect.provide(layer))
        yield* Effect.gen(function* () {
          const outbox = yield* Outbox
          const claims = [yield* outbox.claim, yield* outbox.claim]
          assert.deepStrictEqual(
            new Map(claims.map((claim) => [claim.entry.id, claim.traceparent])),
            new Map([
              [entry("r2", "RUNNING").id, `00-${spans[0]?.traceId}-${spans[0]?.spanId}-01`],
              [entry("r1", "RUNNING").id, undefined]
            ])
          )
        }).pipe(Effect.provide(layer))
      })
    )

    it.effect("appends to the lanes that are there", () =>
      Effect.gen(function* () {
        const layer = driver({ name: "appended" })
        yield* Effect.provide(
          Effect.flatMap(Outbox, (outbox) => outbox.commit(commit({ entries: [entry("r1", "RUNNING")] }))),
          layer
        )
        yield* Effect.gen(function* () {
          const outbox = yield* Outbox
          yield* outbox.commit(commit({ entries: [entry("r1", "FAILED")] }))
          for (const status of ["RUNNING", "FAILED"] as const) {
            const claim = yield* outbox.claim
            assert.strictEqual(claim.entry.id, entry("r1", status).id)
            yield* outbox.delivered(claim)
          }
        }).pipe(Effect.provide(layer))
      })
    )
  })
}
