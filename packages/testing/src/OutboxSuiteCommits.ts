/** The part of the conformance suite that is about commits, checkpoints and a full Outbox. */
import type { Committed, OutboxError } from "@observability-agents/core/Outbox"
import { Outbox } from "@observability-agents/core/Outbox"
import type { TrackedRun } from "@observability-agents/core/TrackedRun"
import { assert, describe, it } from "@effect/vitest"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as TestClock from "effect/testing/TestClock"
import type { Fresh } from "./OutboxSuite.ts"
import { at, commit, entry, idle, run, runsOf } from "./OutboxSuiteModel.ts"

/** Registers the tests of `commit` and `checkpoint`. */
export const commits = (fresh: Fresh): void => {
  describe("commit and checkpoint", () => {
    it.effect("makes cursor, runs and events true at once", () =>
      Effect.gen(function* () {
        const outbox = yield* Outbox
        const events = [entry("r1", "RUNNING"), entry("r1", "COMPLETED")]
        const committed = yield* outbox.commit(
          commit({ cursor: at(5), runs: [run("r1"), run("r2")], entries: events })
        )
        assert.deepStrictEqual(committed, { accepted: 2, repeated: 0 })
        const { cursor, runs } = yield* outbox.checkpoint("jobs")
        assert.deepStrictEqual(Option.map(cursor, DateTime.formatIso), Option.some(DateTime.formatIso(at(5))))
        assert.deepStrictEqual([...runs.keys()].sort(), ["r1", "r2"])
        assert.strictEqual((yield* outbox.status).pending, 2)
      }).pipe(Effect.provide(fresh()))
    )

    it.effect("knows nothing of a source that never committed", () =>
      Effect.gen(function* () {
        const outbox = yield* Outbox
        yield* outbox.commit(commit({ source: "another", cursor: at(1), runs: [run("r1")] }))
        const { cursor, runs } = yield* outbox.checkpoint("jobs")
        assert.isTrue(Option.isNone(cursor))
        assert.strictEqual(runs.size, 0)
      }).pipe(Effect.provide(fresh()))
    )

    it.effect("never moves a cursor back", () =>
      Effect.gen(function* () {
        const outbox = yield* Outbox
        const cursor = Effect.map(
          outbox.checkpoint("jobs"),
          (known) => Option.getOrThrow(known.cursor).epochMilliseconds
        )
        yield* TestClock.setTime(at(100).epochMilliseconds)
        yield* outbox.commit(commit({ cursor: at(10) }))
        yield* outbox.commit(commit({ cursor: at(5), runs: [run("r1")] }))
        assert.strictEqual(yield* cursor, at(10).epochMilliseconds)
        yield* outbox.commit(commit({}))
        assert.strictEqual(yield* cursor, at(10).epochMilliseconds)
        yield* outbox.commit(commit({ cursor: at(11) }))
        assert.strictEqual(yield* cursor, at(11).epochMilliseconds)
        assert.isTrue((yield* outbox.checkpoint("jobs")).runs.has("r1"))
      }).pipe(Effect.provide(fresh()))
    )

    it.effect("replaces what was known of a run, and gives it back as it was", () =>
      Effect.gen(function* () {
        const outbox = yield* Outbox
        const later: TrackedRun = {
          ...run("r1"),
          phase: "Failed",
          startedAt: at(1),
          endedAt: at(2),
          closedAt: at(3),
          tasks: {
            load: { attempt: 1, phase: "Failed", startedAt: at(1), endedAt: at(2), endInferred: true }
          },
          messages: ["msg:1"]
        }
        yield* outbox.commit(commit({ runs: [run("r1")] }))
        yield* outbox.commit(commit({ runs: [later] }))
        const { runs } = yield* outbox.checkpoint("jobs")
        assert.deepStrictEqual(runsOf(runs), runsOf(new Map([["r1", later]])))
      }).pipe(Effect.provide(fresh()))
    )

    it.effect("forgets runs after it wrote them, and takes an unknown key for no error", () =>
      Effect.gen(function* () {
        const outbox = yield* Outbox
        yield* outbox.commit(commit({ runs: [run("r1"), run("r2")] }))
        yield* outbox.commit(commit({ source: "another", runs: [run("r1")] }))
        yield* outbox.commit(commit({ runs: [run("r1"), run("r3")], forget: ["r1", "r2", "never seen"] }))
        assert.deepStrictEqual([...(yield* outbox.checkpoint("jobs")).runs.keys()], ["r3"])
        assert.deepStrictEqual([...(yield* outbox.checkpoint("another")).runs.keys()], ["r1"])
      }).pipe(Effect.provide(fresh()))
    )

    it.effect("gives a checkpoint that later commits do not change", () =>
      Effect.gen(function* () {
        const outbox = yield* Outbox
        yield* outbox.commit(commit({ cursor: at(1), runs: [run("r1")] }))
        const before = yield* outbox.checkpoint("jobs")
        yield* outbox.commit(commit({ cursor: at(2), runs: [run("r2"), { ...run("r1"), phase: "Failed" }] }))
        assert.deepStrictEqual(
          [...before.runs.values()].map(({ phase }) => phase),
          ["Running"]
        )
        assert.strictEqual(Option.getOrThrow(before.cursor).epochMilliseconds, at(1).epochMilliseconds)
        assert.strictEqual((yield* outbox.checkpoint("jobs")).runs.size, 2)
      }).pipe(Effect.provide(fresh()))
    )

    it.effect(
      "takes an identity once: pending, claimed, delivered, buried, twice in one commit, from any source",
      () =>
        Effect.gen(function* () {
          const outbox = yield* Outbox
          const entries = ["r1", "r2", "r3", "r4"].map((key) => entry(key, "RUNNING"))
          yield* outbox.commit(commit({ entries }))
          yield* outbox.delivered(yield* outbox.claim)
          yield* outbox.bury(yield* outbox.claim, { reason: "rejected", words: "no" })
          yield* outbox.claim
          const again = yield* outbox.commit(
            commit({
              source: "another",
              runs: [run("r9")],
              entries: [...entries, entry("r5", "RUNNING"), entry("r5", "RUNNING")]
            })
          )
          assert.deepStrictEqual(again, { accepted: 1, repeated: 5 })
          const status = yield* outbox.status
          assert.strictEqual(status.pending, 3)
          assert.isTrue((yield* outbox.checkpoint("another")).runs.has("r9"))
        }).pipe(Effect.provide(fresh()))
    )

    it.effect("keeps identities apart that differ in case, in blanks or in half a surrogate pair", () =>
      Effect.gen(function* () {
        const outbox = yield* Outbox
        const ids = ["a", "A", "a ", "a\u0000", "a\ud800", "a\ud801", "a\ufffd", "é", "e\u0301"]
        const entries = ids.map((id) => ({ ...entry("r1", "RUNNING"), id, lane: id }))
        assert.deepStrictEqual(yield* outbox.commit(commit({ entries })), {
          accepted: ids.length,
          repeated: 0
        })
        const claimed = yield* Effect.forEach(ids, () => outbox.claim)
        assert.deepStrictEqual(
          claimed.map((claim) => [claim.entry.id, claim.entry.lane]),
          ids.map((id) => [id, id])
        )
      }).pipe(Effect.provide(fresh()))
    )

    it.effect("keeps events that break the server's rules, for the sender to bury", () =>
      Effect.gen(function* () {
        const outbox = yield* Outbox
        const bad = entry("r1", "RUNNING", { pipelineName: "x".repeat(2000), externalUrl: "no address" })
        yield* outbox.commit(commit({ entries: [bad] }))
        const claim = yield* outbox.claim
        assert.strictEqual(claim.entry.event.pipelineName, bad.event.pipelineName)
        assert.strictEqual(claim.entry.event.externalUrl, "no address")
      }).pipe(Effect.provide(fresh()))
    )
  })
}

/** Registers the tests of a full Outbox. */
export const waiting = (fresh: Fresh): void => {
  describe("a full Outbox", () => {
    it.effect("lets commits wait while it holds as many events as it may, with and without entries", () =>
      Effect.gen(function* () {
        const outbox = yield* Outbox
        yield* outbox.commit(commit({ entries: [entry("r1", "RUNNING"), entry("r2", "RUNNING")] }))
        const bringing = yield* Effect.forkChild(outbox.commit(commit({ entries: [entry("r3", "RUNNING")] })))
        const empty = yield* Effect.forkChild(outbox.commit(commit({ cursor: at(1) })))
        yield* idle
        assert.isUndefined(bringing.pollUnsafe())
        assert.isUndefined(empty.pollUnsafe())
        assert.isTrue(Option.isNone((yield* outbox.checkpoint("jobs")).cursor))
        yield* outbox.delivered(yield* outbox.claim)
        assert.deepStrictEqual(yield* Fiber.join(bringing), { accepted: 1, repeated: 0 })
        yield* idle
        assert.isUndefined(empty.pollUnsafe())
        yield* outbox.bury(yield* outbox.claim, { reason: "rejected", words: "no" })
        yield* Fiber.join(empty)
      }).pipe(Effect.provide(fresh(2)))
    )

    it.effect("takes a commit whole, however large", () =>
      Effect.gen(function* () {
        const outbox = yield* Outbox
        yield* outbox.commit(commit({ entries: [entry("r1", "RUNNING")] }))
        const entries = Array.from({ length: 10 }, (_, index) => entry(`large-${index}`, "RUNNING"))
        assert.strictEqual((yield* outbox.commit(commit({ entries }))).accepted, 10)
        assert.strictEqual((yield* outbox.status).pending, 11)
      }).pipe(Effect.provide(fresh(2)))
    )

    it.effect("lets waiting commits in in their order", () =>
      Effect.gen(function* () {
        const outbox = yield* Outbox
        yield* outbox.commit(commit({ entries: [entry("r0", "RUNNING")] }))
        const fibers: Array<Fiber.Fiber<Committed, OutboxError>> = []
        for (let index = 1; index <= 5; index++) {
          fibers.push(
            yield* Effect.forkChild(
              outbox.commit(commit({ entries: [{ ...entry(`r${index}`, "RUNNING"), lane: "one" }] }))
            )
          )
          yield* idle
        }
        const order: Array<string> = []
        for (let index = 0; index <= 5; index++) {
          const claim = yield* outbox.claim
          order.push(claim.entry.id)
          yield* outbox.delivered(claim)
          yield* idle
        }
        yield* Fiber.joinAll(fibers)
        assert.deepStrictEqual(
          order,
          [0, 1, 2, 3, 4, 5].map((index) => entry(`r${index}`, "RUNNING").id)
        )
      }).pipe(Effect.provide(fresh(1)))
    )

    it.effect(
      "changes nothing by a commit that was interrupted while it waited, and lets the next one in",
      () =>
        Effect.gen(function* () {
          const outbox = yield* Outbox
          yield* outbox.commit(commit({ entries: [entry("r1", "RUNNING")] }))
          const gone = yield* Effect.forkChild(
            outbox.commit(commit({ cursor: at(9), runs: [run("gone")], entries: [entry("r2", "RUNNING")] }))
          )
          yield* idle
          const next = yield* Effect.forkChild(outbox.commit(commit({ runs: [run("next")] })))
          yield* idle
          yield* Fiber.interrupt(gone)
          yield* outbox.delivered(yield* outbox.claim)
          yield* Fiber.join(next)
          const { cursor, runs } = yield* outbox.checkpoint("jobs")
          assert.isTrue(Option.isNone(cursor))
          assert.deepStrictEqual([...runs.keys()], ["next"])
          assert.strictEqual((yield* outbox.status).pending, 0)
          assert.strictEqual(
            (yield* outbox.commit(commit({ entries: [entry("r2", "RUNNING")] }))).accepted,
            1
          )
        }).pipe(Effect.provide(fresh(1)))
    )

    it.effect("makes all or nothing of a commit that is interrupted at once", () =>
      Effect.gen(function* () {
        const outbox = yield* Outbox
        const change = commit({
          cursor: at(9),
          runs: [run("r1")],
          entries: [entry("r1", "RUNNING"), entry("r1", "FAILED")]
        })
        const fiber = yield* Effect.forkChild(outbox.commit(change))
        yield* Fiber.interrupt(fiber)
        const { cursor, runs } = yield* outbox.checkpoint("jobs")
        const { pending } = yield* outbox.status
        assert.include(["0 0 false", "2 1 true"], `${pending} ${runs.size} ${Option.isSome(cursor)}`)
      }).pipe(Effect.provide(fresh()))
    )
  })
}
