/** The part of the conformance suite that is about claims. */
import { Outbox } from "@observability-agents/core/Outbox"
import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Tracer from "effect/Tracer"
import * as TestClock from "effect/testing/TestClock"
import type { Fresh } from "./OutboxSuite.ts"
import { collectSpans, commit, entry, idle, same } from "./OutboxSuiteModel.ts"

/** Registers the tests of `claim`. */
export const claims = (fresh: Fresh): void => {
  describe("claim", () => {
    it.effect("gives the events of a lane one after the other, in the order of their commits", () =>
      Effect.gen(function* () {
        const outbox = yield* Outbox
        const first = [entry("r1", "RUNNING"), entry("r1", "RUNNING", { taskKey: "load" })]
        const second = [entry("r1", "COMPLETED")]
        yield* outbox.commit(commit({ entries: first }))
        yield* outbox.commit(commit({ entries: second }))
        for (const expected of [...first, ...second]) {
          const claim = yield* outbox.claim
          yield* same(claim.entry, expected)
          const next = yield* Effect.forkChild(outbox.claim)
          yield* idle
          assert.isUndefined(next.pollUnsafe(), "the lane waits until the claim is settled")
          yield* Fiber.interrupt(next)
          yield* outbox.delivered(claim)
        }
        assert.strictEqual((yield* outbox.status).lanes, 0)
      }).pipe(Effect.provide(fresh()))
    )

    it.effect("gives the oldest head of all free lanes first", () =>
      Effect.gen(function* () {
        const outbox = yield* Outbox
        yield* outbox.commit(
          commit({ entries: [entry("r1", "RUNNING"), entry("r1", "FAILED"), entry("r2", "RUNNING")] })
        )
        yield* TestClock.adjust("1 second")
        yield* outbox.commit(commit({ entries: [entry("r3", "RUNNING")] }))
        const claimed = [yield* outbox.claim, yield* outbox.claim, yield* outbox.claim]
        assert.deepStrictEqual(
          claimed.map((claim) => claim.entry.id),
          [entry("r1", "RUNNING").id, entry("r2", "RUNNING").id, entry("r3", "RUNNING").id]
        )
        assert.deepStrictEqual(
          claimed.map(({ attempts }) => attempts),
          [0, 0, 0]
        )
        assert.deepStrictEqual(
          claimed.map(({ committedAt }) => committedAt.epochMilliseconds),
          [0, 0, 1000]
        )
      }).pipe(Effect.provide(fresh()))
    )

    it.effect("waits until a commit brings an event", () =>
      Effect.gen(function* () {
        const outbox = yield* Outbox
        const waiters = yield* Effect.forEach([1, 2, 3], () => Effect.forkChild(outbox.claim))
        yield* idle
        assert.isTrue(waiters.every((fiber) => fiber.pollUnsafe() === undefined))
        yield* outbox.commit(commit({ entries: ["r1", "r2", "r3"].map((key) => entry(key, "RUNNING")) }))
        const claimed = yield* Fiber.joinAll(waiters)
        assert.strictEqual(new Set(claimed.map((claim) => claim.entry.id)).size, 3)
      }).pipe(Effect.provide(fresh()))
    )

    it.effect("waits until a lane goes on", () =>
      Effect.gen(function* () {
        const outbox = yield* Outbox
        yield* outbox.commit(commit({ entries: [entry("r1", "RUNNING"), entry("r1", "FAILED")] }))
        const claim = yield* outbox.claim
        const next = yield* Effect.forkChild(outbox.claim)
        yield* idle
        yield* outbox.delivered(claim)
        assert.strictEqual((yield* Fiber.join(next)).entry.id, entry("r1", "FAILED").id)
      }).pipe(Effect.provide(fresh()))
    )

    it.effect("loses nothing when a waiting claim is interrupted, masked or not", () =>
      Effect.gen(function* () {
        const outbox = yield* Outbox
        const plain = yield* Effect.forkChild(outbox.claim)
        const masked = yield* Effect.forkChild(Effect.uninterruptible(outbox.claim))
        yield* idle
        yield* Fiber.interruptAll([plain, masked])
        yield* outbox.commit(commit({ entries: [entry("r1", "RUNNING")] }))
        assert.strictEqual((yield* outbox.status).inFlight, 0)
        yield* same((yield* outbox.claim).entry, entry("r1", "RUNNING"))
      }).pipe(Effect.provide(fresh()))
    )

    it.effect("gives the span in which an event was committed, and none where nobody traced", () =>
      Effect.gen(function* () {
        const outbox = yield* Outbox
        const { spans, tracer } = collectSpans()
        const traced = commit({ entries: [entry("r1", "RUNNING"), entry("r2", "RUNNING")] })
        yield* Effect.provideService(outbox.commit(traced), Tracer.Tracer, tracer)
        yield* outbox.commit(commit({ entries: [entry("r3", "RUNNING")] }))
        const [span] = spans
        assert.deepStrictEqual(
          spans.map(({ name }) => name),
          ["Outbox.commit"]
        )
        const traceparent = `00-${span?.traceId}-${span?.spanId}-01`
        const claims = [yield* outbox.claim, yield* outbox.claim, yield* outbox.claim]
        assert.deepStrictEqual(
          claims.map((claim) => claim.traceparent),
          [traceparent, traceparent, undefined]
        )
        for (const claim of claims.slice(0, 1)) {
          yield* outbox.retry(claim, { after: Duration.zero, error: "503" })
          assert.strictEqual((yield* outbox.claim).traceparent, traceparent)
        }
      }).pipe(Effect.provide(fresh()))
    )

    it.effect("names a span that is not sampled as such", () =>
      Effect.gen(function* () {
        const outbox = yield* Outbox
        const { spans, tracer } = collectSpans()
        yield* Effect.withSpan(outbox.commit(commit({ entries: [entry("r1", "RUNNING")] })), "poll", {
          sampled: false
        }).pipe(Effect.provideService(Tracer.Tracer, tracer))
        const span = spans.find(({ name }) => name === "Outbox.commit")
        assert.strictEqual((yield* outbox.claim).traceparent, `00-${span?.traceId}-${span?.spanId}-00`)
      }).pipe(Effect.provide(fresh()))
    )

    it.effect("wakes another waiter when one of them is interrupted", () =>
      Effect.gen(function* () {
        const outbox = yield* Outbox
        const first = yield* Effect.forkChild(outbox.claim)
        const second = yield* Effect.forkChild(outbox.claim)
        yield* idle
        yield* Fiber.interrupt(first)
        yield* outbox.commit(commit({ entries: [entry("r1", "RUNNING")] }))
        yield* same((yield* Fiber.join(second)).entry, entry("r1", "RUNNING"))
      }).pipe(Effect.provide(fresh()))
    )
  })
}
