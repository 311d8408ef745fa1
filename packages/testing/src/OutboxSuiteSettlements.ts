/** The part of the conformance suite that is about settling claims, and the status. */
import type { Claim } from "@observability-agents/core/Outbox"
import { Outbox } from "@observability-agents/core/Outbox"
import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as TestClock from "effect/testing/TestClock"
import type { Fresh } from "./OutboxSuite.ts"
import { at, commit, counters, entry, idle, same } from "./OutboxSuiteModel.ts"

/** Registers the tests of `delivered`, `retry`, `release`, `bury` and `status`. */
export const settlements = (fresh: Fresh): void => {
  describe("delivered, retry, release, bury", () => {
    it.effect("counts what was delivered, and keeps the newest timestamp among it", () =>
      Effect.gen(function* () {
        const outbox = yield* Outbox
        yield* outbox.commit(
          commit({
            entries: [
              entry("r1", "RUNNING", { timestamp: at(20) }),
              entry("r2", "RUNNING", { timestamp: at(30) }),
              entry("r3", "RUNNING", { timestamp: at(10) }),
              entry("r4", "RUNNING", { timestamp: undefined })
            ]
          })
        )
        assert.isTrue(Option.isNone((yield* outbox.status).latestDelivered))
        const latest: Array<number> = []
        for (let index = 0; index < 4; index++) {
          yield* outbox.delivered(yield* outbox.claim)
          latest.push(Option.getOrThrow((yield* outbox.status).latestDelivered).epochMilliseconds)
        }
        assert.deepStrictEqual(
          latest,
          [20, 30, 30, 30].map((second) => at(second).epochMilliseconds)
        )
        const { delivered, pending } = yield* outbox.status
        assert.deepStrictEqual({ delivered, pending }, { delivered: 4, pending: 0 })
      }).pipe(Effect.provide(fresh()))
    )

    it.effect("retries in place: its lane waits for it, other lanes do not", () =>
      Effect.gen(function* () {
        const outbox = yield* Outbox
        yield* outbox.commit(
          commit({ entries: [entry("r1", "RUNNING"), entry("r1", "FAILED"), entry("r2", "RUNNING")] })
        )
        yield* outbox.retry(yield* outbox.claim, { after: Duration.seconds(10), error: "503" })
        const other = yield* outbox.claim
        assert.strictEqual(other.entry.id, entry("r2", "RUNNING").id)
        yield* outbox.delivered(other)
        const again = yield* Effect.forkChild(outbox.claim)
        yield* TestClock.adjust("9999 millis")
        assert.isUndefined(again.pollUnsafe())
        yield* TestClock.adjust("1 millis")
        const claim = yield* Fiber.join(again)
        yield* same(claim.entry, entry("r1", "RUNNING"))
        assert.strictEqual(claim.attempts, 1)
        assert.strictEqual(claim.committedAt.epochMilliseconds, 0)
        yield* outbox.delivered(claim)
        const next = yield* outbox.claim
        assert.strictEqual(next.entry.id, entry("r1", "FAILED").id)
        assert.strictEqual(next.attempts, 0)
      }).pipe(Effect.provide(fresh()))
    )

    it.effect("puts what was tried behind what came in the meantime", () =>
      Effect.gen(function* () {
        const outbox = yield* Outbox
        yield* outbox.commit(commit({ entries: [entry("r1", "RUNNING")] }))
        yield* outbox.retry(yield* outbox.claim, { after: Duration.seconds(10), error: "503" })
        yield* TestClock.adjust("5 seconds")
        yield* outbox.commit(commit({ entries: [entry("r2", "RUNNING")] }))
        yield* TestClock.adjust("10 seconds")
        yield* outbox.commit(commit({ entries: [entry("r3", "RUNNING")] }))
        const order = yield* Effect.forEach([1, 2, 3], () => outbox.claim)
        assert.deepStrictEqual(
          order.map((claim) => claim.entry.id),
          ["r2", "r1", "r3"].map((key) => entry(key, "RUNNING").id)
        )
      }).pipe(Effect.provide(fresh()))
    )

    it.effect("wakes a waiting claim for what becomes due earlier than all it waited for", () =>
      Effect.gen(function* () {
        const outbox = yield* Outbox
        yield* outbox.commit(commit({ entries: [entry("r1", "RUNNING"), entry("r2", "RUNNING")] }))
        const first = yield* outbox.claim
        const second = yield* outbox.claim
        yield* outbox.retry(first, { after: Duration.minutes(10), error: "503" })
        const waiter = yield* Effect.forkChild(outbox.claim)
        yield* idle
        yield* outbox.retry(second, { after: Duration.seconds(1), error: "503" })
        yield* TestClock.adjust("1 second")
        assert.strictEqual((yield* Fiber.join(waiter)).entry.id, entry("r2", "RUNNING").id)
      }).pipe(Effect.provide(fresh()))
    )

    it.effect("waits for ever rather than fail when told to retry after an infinite time", () =>
      Effect.gen(function* () {
        const outbox = yield* Outbox
        yield* outbox.commit(commit({ entries: [entry("r1", "RUNNING")] }))
        yield* outbox.retry(yield* outbox.claim, { after: Duration.infinity, error: "503" })
        const waiter = yield* Effect.forkChild(outbox.claim)
        yield* TestClock.adjust("1000 days")
        assert.isUndefined(waiter.pollUnsafe())
      }).pipe(Effect.provide(fresh()))
    )

    it.effect("releases an event as if it had not been claimed", () =>
      Effect.gen(function* () {
        const outbox = yield* Outbox
        yield* outbox.commit(commit({ entries: [entry("r1", "RUNNING")] }))
        yield* TestClock.adjust("1 second")
        yield* outbox.commit(commit({ entries: [entry("r2", "RUNNING")] }))
        yield* outbox.release(yield* outbox.claim)
        const claim = yield* outbox.claim
        assert.strictEqual(claim.entry.id, entry("r1", "RUNNING").id)
        assert.strictEqual(claim.attempts, 0)
        yield* outbox.retry(claim, { after: Duration.zero, error: "503" })
        yield* outbox.delivered(yield* outbox.claim)
        const again = yield* outbox.claim
        yield* outbox.release(again)
        assert.strictEqual((yield* outbox.status).inFlight, 0)
        const last = yield* outbox.claim
        assert.deepStrictEqual([last.entry.id, last.attempts], [again.entry.id, again.attempts])
        assert.notStrictEqual(last.token, again.token)
      }).pipe(Effect.provide(fresh()))
    )

    it.effect("keeps what it buries, the oldest first, and lets the lane go on", () =>
      Effect.gen(function* () {
        const outbox = yield* Outbox
        yield* outbox.commit(
          commit({ entries: [entry("r1", "RUNNING"), entry("r1", "FAILED"), entry("r2", "RUNNING")] })
        )
        const first = yield* outbox.claim
        const second = yield* outbox.claim
        yield* TestClock.adjust("3 seconds")
        yield* outbox.bury(second, { reason: "server errors", words: "500, again and again" })
        yield* outbox.retry(first, { after: Duration.zero, error: "503" })
        yield* outbox.bury(yield* outbox.claim, { reason: "rejected", words: "not a valid key" })
        const letters = yield* outbox.deadLetters
        assert.deepStrictEqual(
          letters.map(({ attempts, buriedAt, committedAt, reason, words }) => ({
            attempts,
            buriedAt: buriedAt.epochMilliseconds,
            committedAt: committedAt.epochMilliseconds,
            reason,
            words
          })),
          [
            {
              attempts: 0,
              buriedAt: 3000,
              committedAt: 0,
              reason: "server errors",
              words: "500, again and again"
            },
            { attempts: 1, buriedAt: 3000, committedAt: 0, reason: "rejected", words: "not a valid key" }
          ]
        )
        yield* Effect.forEach(letters, (letter, index) =>
          same(letter.entry, index === 0 ? entry("r2", "RUNNING") : entry("r1", "RUNNING"))
        )
        assert.strictEqual((yield* outbox.claim).entry.id, entry("r1", "FAILED").id)
        const { deadLetters, delivered, latestDelivered } = yield* outbox.status
        assert.deepStrictEqual(
          { deadLetters, delivered, latestDelivered },
          { deadLetters: 2, delivered: 0, latestDelivered: Option.none() }
        )
      }).pipe(Effect.provide(fresh()))
    )

    it.effect("changes nothing when a claim is settled twice, or after another claim of the event", () =>
      Effect.gen(function* () {
        const outbox = yield* Outbox
        const settleEveryWay = (claim: Claim) =>
          Effect.all([
            outbox.delivered(claim),
            outbox.retry(claim, { after: Duration.minutes(1), error: "503" }),
            outbox.release(claim),
            outbox.bury(claim, { reason: "rejected", words: "no" })
          ])
        yield* outbox.commit(commit({ entries: [entry("r1", "RUNNING"), entry("r1", "FAILED")] }))
        const stale = yield* outbox.claim
        yield* outbox.release(stale)
        const held = yield* outbox.claim
        yield* settleEveryWay(stale)
        assert.deepStrictEqual(yield* counters(outbox), {
          pending: 2,
          inFlight: 1,
          lanes: 1,
          deadLetters: 0,
          delivered: 0
        })
        yield* outbox.delivered(held)
        yield* settleEveryWay(held)
        assert.deepStrictEqual(yield* counters(outbox), {
          pending: 1,
          inFlight: 0,
          lanes: 1,
          deadLetters: 0,
          delivered: 1
        })
        const last = yield* outbox.claim
        assert.deepStrictEqual([last.entry.id, last.attempts], [entry("r1", "FAILED").id, 0])
      }).pipe(Effect.provide(fresh()))
    )

    it.effect("knows how it stands", () =>
      Effect.gen(function* () {
        const outbox = yield* Outbox
        const oldest = Effect.map(outbox.status, ({ oldestPending }) =>
          Option.getOrUndefined(Option.map(oldestPending, (time) => time.epochMilliseconds))
        )
        assert.deepStrictEqual(yield* counters(outbox), {
          pending: 0,
          inFlight: 0,
          lanes: 0,
          deadLetters: 0,
          delivered: 0
        })
        assert.isUndefined(yield* oldest)
        yield* outbox.commit(commit({ entries: [entry("r1", "RUNNING"), entry("r1", "FAILED")] }))
        yield* TestClock.adjust("1 second")
        yield* outbox.commit(commit({ entries: [entry("r2", "RUNNING")] }))
        const first = yield* outbox.claim
        const second = yield* outbox.claim
        assert.deepStrictEqual(yield* counters(outbox), {
          pending: 3,
          inFlight: 2,
          lanes: 2,
          deadLetters: 0,
          delivered: 0
        })
        assert.strictEqual(yield* oldest, 0)
        yield* outbox.delivered(first)
        assert.strictEqual(yield* oldest, 0)
        yield* outbox.bury(yield* outbox.claim, { reason: "rejected", words: "no" })
        assert.deepStrictEqual(yield* counters(outbox), {
          pending: 1,
          inFlight: 1,
          lanes: 1,
          deadLetters: 1,
          delivered: 1
        })
        assert.strictEqual(yield* oldest, 1000)
        yield* outbox.delivered(second)
        assert.deepStrictEqual(yield* counters(outbox), {
          pending: 0,
          inFlight: 0,
          lanes: 0,
          deadLetters: 1,
          delivered: 2
        })
        assert.isUndefined(yield* oldest)
      }).pipe(Effect.provide(fresh()))
    )
  })
}
