import { assert, describe, it } from "@effect/vitest"
import { Clock, DateTime, Duration, Effect, Exit, Fiber, Option } from "effect"
import { TestClock } from "effect/testing"
import * as FastCheck from "fast-check"
import { messageLog } from "@observability-agents/toolkit/Event"
import * as DueHeap from "../src/DueHeap.ts"
import type { Claim, Entry } from "../src/Outbox.ts"
import * as OutboxMemory from "../src/OutboxMemory.ts"
import * as RunTracker from "../src/RunTracker.ts"
import { at, snapshot } from "./support/runs.ts"

const entry = (lane: string, id: string): Entry => ({
  id,
  lane,
  event: messageLog({
    pipelineKey: "p",
    runKey: lane,
    level: "INFO",
    message: id,
    timestamp: at(Number(id.slice(1)) || 0)
  })
})
const commitOf = (...entries: ReadonlyArray<Entry>) => ({ source: "s", runs: [], forget: [], entries })
const ids = (claims: ReadonlyArray<Claim>) => claims.map((claim) => claim.entry.id)
const after = (seconds: number) => ({ after: Duration.seconds(seconds), error: "503" })

/** A claim that is there already; undefined when it would have to be waited for. */
const claimNow = (outbox: { readonly claim: Effect.Effect<Claim, unknown> }) =>
  Effect.map(
    Effect.timeoutOption(outbox.claim, 0).pipe(
      Effect.forkChild,
      Effect.tap(() => TestClock.adjust(0)),
      Effect.flatMap(Fiber.join)
    ),
    Option.getOrUndefined
  )

describe("OutboxMemory", () => {
  it.effect(
    "hands out the oldest events first, and one lane's next only after the one before is settled",
    () =>
      Effect.gen(function* () {
        const outbox = yield* OutboxMemory.make()
        yield* outbox.commit(commitOf(entry("a", "a1"), entry("a", "a2"), entry("b", "b1")))
        const a1 = yield* outbox.claim
        const b1 = yield* outbox.claim
        assert.deepStrictEqual(ids([a1, b1]), ["a1", "b1"])
        assert.isUndefined(yield* claimNow(outbox))
        yield* outbox.delivered(a1)
        assert.strictEqual((yield* outbox.claim).entry.id, "a2")
      })
  )

  it.effect(
    "retries a head in its place: its lane waits, others go on, and it stands behind what came meanwhile",
    () =>
      Effect.gen(function* () {
        const outbox = yield* OutboxMemory.make()
        yield* outbox.commit(commitOf(entry("a", "a1"), entry("a", "a2"), entry("b", "b1"), entry("b", "b2")))
        yield* outbox.retry(yield* outbox.claim, after(10))
        const b1 = yield* outbox.claim
        yield* outbox.delivered(b1)
        yield* outbox.delivered(yield* outbox.claim)
        const waiting = yield* Effect.forkChild(outbox.claim)
        yield* TestClock.adjust("9 seconds")
        assert.isUndefined(waiting.pollUnsafe())
        yield* TestClock.adjust("1 second")
        const again = yield* Fiber.join(waiting)
        assert.deepStrictEqual([again.entry.id, again.attempts], ["a1", 1])
        yield* outbox.retry(again, after(1))
        yield* outbox.commit(commitOf(entry("c", "c1")))
        yield* TestClock.adjust("1 second")
        assert.strictEqual((yield* outbox.claim).entry.id, "c1")
        assert.strictEqual((yield* outbox.claim).entry.id, "a1")
      })
  )

  it.effect("takes each identity once: within a commit, again, and after it was delivered or buried", () =>
    Effect.gen(function* () {
      const outbox = yield* OutboxMemory.make()
      const commit = commitOf(entry("a", "a1"), entry("a", "a1"), entry("a", "a2"))
      assert.deepStrictEqual(yield* outbox.commit(commit), { accepted: 2, repeated: 1 })
      yield* outbox.delivered(yield* outbox.claim)
      yield* outbox.bury(yield* outbox.claim, { reason: "rejected", words: "no" })
      assert.deepStrictEqual(yield* outbox.commit(commit), { accepted: 0, repeated: 3 })
      const [letter] = yield* outbox.deadLetters
      assert.deepStrictEqual([letter?.entry.id, letter?.words], ["a2", "no"])
      const status = yield* outbox.status
      assert.deepStrictEqual(
        [status.pending, status.lanes, status.delivered, status.deadLetters, status.inFlight],
        [0, 0, 1, 1, 0]
      )
    })
  )

  it.effect("forgets identities by age only, and none of an event that is pending", () =>
    Effect.gen(function* () {
      const outbox = yield* OutboxMemory.make({ identityRetention: "1 day" })
      yield* outbox.commit(commitOf(entry("a", "a1"), entry("b", "b1")))
      yield* outbox.delivered(yield* outbox.claim)
      yield* TestClock.adjust("23 hours")
      assert.strictEqual((yield* outbox.commit(commitOf(entry("a", "a1"), entry("b", "b1")))).accepted, 0)
      yield* TestClock.adjust("2 hours")
      assert.deepStrictEqual(yield* outbox.commit(commitOf(entry("a", "a1"), entry("b", "b1"))), {
        accepted: 1,
        repeated: 1
      })
    })
  )

  it.effect("holds commits back while it is full, lets them in by their order, and takes each whole", () =>
    Effect.gen(function* () {
      const outbox = yield* OutboxMemory.make({ capacity: 2 })
      yield* outbox.commit(commitOf(entry("a", "a1"), entry("a", "a2"), entry("a", "a3")))
      const second = yield* Effect.forkChild(outbox.commit(commitOf(entry("b", "b1"))))
      const third = yield* Effect.forkChild(outbox.commit(commitOf(entry("c", "c1"))))
      const gone = yield* Effect.forkChild(outbox.commit(commitOf(entry("d", "d1"))))
      yield* TestClock.adjust(0)
      yield* Fiber.interrupt(gone)
      yield* outbox.delivered(yield* outbox.claim)
      yield* TestClock.adjust(0)
      assert.isUndefined(second.pollUnsafe())
      yield* outbox.delivered(yield* outbox.claim)
      yield* TestClock.adjust(0)
      assert.isDefined(second.pollUnsafe())
      assert.isUndefined(third.pollUnsafe())
      yield* outbox.delivered(yield* outbox.claim)
      yield* Fiber.join(third)
      assert.deepStrictEqual(ids([yield* outbox.claim, yield* outbox.claim]), ["b1", "c1"])
    })
  )

  it.effect("gives back what is released as if it had not been claimed, and settles each claim once", () =>
    Effect.gen(function* () {
      const outbox = yield* OutboxMemory.make()
      yield* outbox.commit(commitOf(entry("a", "a1"), entry("b", "b1")))
      const claim = yield* outbox.claim
      yield* outbox.release(claim)
      const again = yield* outbox.claim
      assert.deepStrictEqual([again.entry.id, again.attempts], ["a1", 0])
      yield* outbox.delivered(claim)
      yield* outbox.release(claim)
      assert.strictEqual((yield* outbox.status).inFlight, 1)
      yield* outbox.delivered(again)
      yield* outbox.delivered(again)
      assert.strictEqual((yield* outbox.status).delivered, 1)
    })
  )

  it.effect("loses nothing to a claim that is interrupted, before or just after it is handed out", () =>
    Effect.gen(function* () {
      const outbox = yield* OutboxMemory.make()
      const waiting = yield* Effect.forkChild(Effect.uninterruptible(outbox.claim))
      yield* TestClock.adjust(0)
      yield* Fiber.interrupt(waiting)
      yield* outbox.commit(commitOf(entry("a", "a1")))
      const raced = yield* Effect.forkChild(
        Effect.uninterruptible(Effect.andThen(outbox.claim, Effect.flatMap(outbox.claim, outbox.release)))
      )
      yield* TestClock.adjust(0)
      assert.strictEqual((yield* outbox.status).inFlight, 1)
      yield* Fiber.interrupt(raced)
      assert.isTrue(Exit.hasInterrupts(yield* Fiber.await(waiting)))
    })
  )

  it.effect("tells how it stands: the oldest pending event, the newest delivered timestamp", () =>
    Effect.gen(function* () {
      const outbox = yield* OutboxMemory.make()
      yield* outbox.commit(commitOf(entry("a", "a9")))
      yield* TestClock.adjust("1 minute")
      yield* outbox.commit(commitOf(entry("b", "b3"), entry("a", "a1")))
      assert.deepStrictEqual(
        Option.map((yield* outbox.status).oldestPending, DateTime.toEpochMillis),
        Option.some(0)
      )
      yield* outbox.delivered(yield* outbox.claim)
      const status = yield* outbox.status
      assert.deepStrictEqual(Option.map(status.oldestPending, DateTime.toEpochMillis), Option.some(60_000))
      yield* outbox.delivered(yield* outbox.claim)
      const latest = (yield* outbox.status).latestDelivered
      assert.deepStrictEqual(
        Option.map(latest, DateTime.toEpochMillis),
        Option.some(DateTime.toEpochMillis(at(9)))
      )
    })
  )

  it.effect(
    "keeps cursor and tracked runs by source; the cursor never goes back; an answer does not change",
    () =>
      Effect.gen(function* () {
        const outbox = yield* OutboxMemory.make()
        const { known } = RunTracker.track(undefined, snapshot(1, "Running"))
        const before = yield* outbox.checkpoint("s")
        yield* TestClock.setTime(DateTime.toEpochMillis(at(100)))
        yield* outbox.commit({ ...commitOf(), runs: [known], cursor: at(10) })
        yield* outbox.commit({ ...commitOf(), cursor: at(5) })
        const { cursor, runs } = yield* outbox.checkpoint("s")
        assert.strictEqual(DateTime.formatIso(Option.getOrThrow(cursor)), DateTime.formatIso(at(10)))
        assert.strictEqual(runs.get(known.key), known)
        assert.strictEqual(before.runs.size, 0)
        assert.strictEqual((yield* outbox.checkpoint("other")).runs.size, 0)
        yield* outbox.commit({ ...commitOf(), forget: [known.key, "never seen"] })
        assert.strictEqual((yield* outbox.checkpoint("s")).runs.size, 0)
      })
  )

  it.effect(
    "does not poll: with 10 000 lanes put off, two waiting claims read the clock a few times in an hour",
    () =>
      Effect.gen(function* () {
        let reads = 0
        const outbox = yield* OutboxMemory.make({ capacity: 20_000 })
        yield* outbox.commit(
          commitOf(...Array.from({ length: 10_000 }, (_, lane) => entry(`l${lane}`, `e${lane}`)))
        )
        for (let lane = 0; lane < 10_000; lane++) yield* outbox.retry(yield* outbox.claim, after(3600))
        const clock = yield* Clock.Clock
        const counting = Clock.Clock.of({
          ...clock,
          currentTimeMillisUnsafe: () => clock.currentTimeMillisUnsafe(),
          currentTimeMillis: Effect.suspend(() => {
            reads += 1
            return clock.currentTimeMillis
          }),
          sleep: (duration) => clock.sleep(duration)
        })
        const claims = Effect.provideService(outbox.claim, Clock.Clock, counting)
        const fibers = yield* Effect.forEach([1, 2], () => Effect.forkChild(claims))
        for (let minute = 0; minute < 60; minute++) yield* TestClock.adjust("1 minute")
        assert.deepStrictEqual(ids(yield* Effect.forEach(fibers, Fiber.join)), ["e0", "e1"])
        assert.isAtMost(reads, 6)
      })
  )

  it("costs a logarithm: the heap of 10 000 lanes compares at most 2 log2(n) times per lane taken or put back", () => {
    FastCheck.assert(
      FastCheck.property(
        FastCheck.array(FastCheck.nat(), { minLength: 2, maxLength: 10_000, size: "max" }),
        (values) => {
          let comparisons = 0
          const heap = DueHeap.make<number>((a, b) => {
            comparisons += 1
            return a < b
          })
          const bound = 2 * Math.ceil(Math.log2(values.length + 1))
          for (const value of values) {
            comparisons = 0
            heap.push(value)
            assert.isAtMost(comparisons, bound)
          }
          const taken: Array<number | undefined> = []
          while (heap.size() > 0) {
            comparisons = 0
            taken.push(heap.pop())
            assert.isAtMost(comparisons, bound)
          }
          assert.deepStrictEqual(
            taken,
            values.toSorted((a, b) => a - b)
          )
        }
      ),
      { numRuns: 20, seed: 7 }
    )
  })
})
