import { assert, describe, it } from "@effect/vitest"
import { DateTime, Effect, Fiber, Layer, Option } from "effect"
import { TestClock } from "effect/testing"
import * as Channel from "../src/Channel.ts"
import { Health } from "../src/Health.ts"
import { type Entry, Outbox, OutboxError } from "../src/Outbox.ts"
import * as OutboxMemory from "../src/OutboxMemory.ts"
import type { RunSnapshot } from "../src/RunSnapshot.ts"
import * as RunTracker from "../src/RunTracker.ts"
import { Supervisor } from "../src/Supervisor.ts"
import * as LogLines from "./LogLines.ts"
import { at, breach, message, secondsOf, snapshot, task, told } from "./support/runs.ts"
import { base } from "./support/sending.ts"

const retention = { closed: "10 minutes", failed: "7 days" } as const
const apply = (poll: Omit<RunTracker.Poll, "source">) =>
  RunTracker.apply({ source: "s", ...poll }, { retention })
const known = Effect.flatMap(Outbox, (outbox) => Effect.map(outbox.checkpoint("s"), ({ runs }) => runs))
const DAY = 86_400
/** A snapshot that no rule was written for. */
const poison: RunSnapshot = {
  ...snapshot(10, "Running", { run: { key: "poison" } }),
  get tasks(): never {
    throw new Error("broken")
  }
}
const setTime = (seconds: number) => TestClock.setTime(DateTime.toEpochMillis(at(seconds)))
const ended = (observed: number, phase: "Completed" | "Failed", run = "r") =>
  snapshot(observed, phase, { run: { key: run }, startedAt: at(0), endedAt: at(9) })

describe("RunTracker.apply", () => {
  it.effect(
    "commits events, tracked runs and cursor of a Poll at once, and a repeated Poll changes nothing",
    () =>
      Effect.gen(function* () {
        const outbox = yield* Outbox
        const poll = { snapshots: [snapshot(1, "Running"), ended(10, "Completed")], cursor: at(10) }
        assert.deepStrictEqual(yield* apply(poll), { accepted: 2, repeated: 0 })
        assert.deepStrictEqual(yield* apply(poll), { accepted: 0, repeated: 0 })
        const { cursor, runs } = yield* outbox.checkpoint("s")
        assert.strictEqual(runs.get("p/r")?.phase, "Completed")
        assert.deepStrictEqual(
          Option.map(cursor, DateTime.toEpochMillis),
          Option.some(DateTime.toEpochMillis(at(10)))
        )
      }).pipe(Effect.provide(base))
  )

  it.effect(
    "forgets ended runs when they were not seen for long, failed ones when their events are forgotten",
    () =>
      Effect.gen(function* () {
        yield* setTime(10)
        yield* apply({
          snapshots: [
            ended(10, "Completed"),
            ended(10, "Failed", "f"),
            snapshot(10, "Running", { run: { key: "o" } })
          ]
        })
        yield* setTime(500)
        yield* apply({ snapshots: [ended(500, "Completed")] })
        yield* setTime(1000)
        yield* apply({ snapshots: [] })
        assert.deepStrictEqual(Array.from((yield* known).keys()), ["p/r", "p/f", "p/o"])
        yield* setTime(1101)
        yield* apply({ snapshots: [] })
        assert.deepStrictEqual(Array.from((yield* known).keys()), ["p/f", "p/o"])
        yield* setTime(31 * DAY)
        yield* apply({ snapshots: [] })
        assert.deepStrictEqual(Array.from((yield* known).keys()), ["p/o"])
      }).pipe(Effect.provide(base))
  )

  it.effect("does not tell a forgotten run again when it is read once more", () =>
    Effect.gen(function* () {
      yield* setTime(10)
      yield* apply({ snapshots: [ended(10, "Completed")] })
      yield* setTime(1000)
      yield* apply({ snapshots: [] })
      assert.strictEqual((yield* known).size, 0)
      assert.deepStrictEqual(yield* apply({ snapshots: [ended(1000, "Completed")] }), {
        accepted: 0,
        repeated: 2
      })
    }).pipe(Effect.provide(base))
  )

  it.effect("tells the late re-opening of a run as one, within thirty days of its end", () =>
    Effect.gen(function* () {
      const outbox = yield* Outbox
      const events: Array<Entry> = []
      const deliver = Effect.gen(function* () {
        while ((yield* outbox.status).pending > 0) {
          const claim = yield* outbox.claim
          events.push(claim.entry)
          yield* outbox.delivered(claim)
        }
      })
      const first = (phase: "Failed" | "Completed") =>
        task("t", phase, { startedAt: at(1), endedAt: at(8), messages: [message("why")] })
      for (const phase of ["Failed", "CompletedWithWarnings"] as const) {
        events.length = 0
        const run = { key: phase }
        const begin = 40 * DAY * (phase === "Failed" ? 0 : 1)
        yield* setTime(begin + 10)
        const failed = snapshot(begin + 10, phase, {
          run,
          startedAt: at(0),
          endedAt: at(9),
          tasks: [first("Failed"), { ...first("Completed"), key: "other" }]
        })
        yield* apply({ snapshots: [failed] })
        yield* setTime(begin + 8 * DAY)
        yield* apply({ snapshots: [], cursor: at(begin + 8 * DAY) })
        yield* setTime(begin + 29 * DAY)
        yield* apply({ snapshots: [], cursor: at(begin + 29 * DAY) })
        const again = task("t", "Running", { attempt: 1, startedAt: at(begin + 29 * DAY) })
        const repair = snapshot(begin + 29 * DAY + 1, "Running", {
          run,
          startedAt: at(0),
          tasks: [...failed.tasks, again]
        })
        yield* apply({ snapshots: [repair] })
        yield* apply({
          snapshots: [
            snapshot(begin + 29 * DAY + 9, "Completed", {
              run,
              startedAt: at(0),
              endedAt: at(begin + 29 * DAY + 8),
              tasks: [...failed.tasks, { ...again, phase: "Completed", endedAt: at(begin + 29 * DAY + 7) }]
            })
          ]
        })
        yield* deliver
        assert.isUndefined(breach(events), told(events).join("\n"))
        assert.deepStrictEqual(
          events.slice(-4).map(({ id }) => id.slice(id.indexOf("#"))),
          ["#1:RUNNING", "#1/t@1:RUNNING", "#1/t@1:COMPLETED", "#1:COMPLETED"]
        )
        assert.strictEqual(events.length, 12)
      }
    }).pipe(Effect.provide(base))
  )

  it.effect("forgets by how far the source was read: not while an outage keeps the cursor where it is", () =>
    Effect.gen(function* () {
      yield* setTime(10)
      yield* apply({ snapshots: [ended(10, "Completed")], cursor: at(10) })
      yield* setTime(7200)
      yield* apply({ snapshots: [snapshot(7200, "Running", { run: { key: "o" } })] })
      assert.deepStrictEqual(Array.from((yield* known).keys()), ["p/r", "p/o"])
      yield* apply({ snapshots: [], cursor: at(7200) })
      assert.deepStrictEqual(Array.from((yield* known).keys()), ["p/o"])
    }).pipe(Effect.provide(base))
  )

  it.effect("goes on at once when the clock was set back", () =>
    Effect.gen(function* () {
      yield* setTime(7200)
      yield* apply({ snapshots: [snapshot(7200, "Running", { startedAt: at(0) })], cursor: at(7200) })
      yield* setTime(3600)
      assert.deepStrictEqual(yield* apply({ snapshots: [ended(3600, "Completed")], cursor: at(3600) }), {
        accepted: 1,
        repeated: 0
      })
      const { cursor } = yield* Effect.flatMap(Outbox, (outbox) => outbox.checkpoint("s"))
      assert.deepStrictEqual(Option.map(cursor, secondsOf), Option.some(3600))
    }).pipe(Effect.provide(base))
  )

  it.effect("leaves out a snapshot that breaks it, logs it with its run, and commits the rest", () =>
    Effect.gen(function* () {
      const { layer, lines } = yield* LogLines.capture
      const poll = {
        snapshots: [ended(10, "Completed", "a"), poison, ended(10, "Failed", "z")],
        cursor: at(10)
      }
      assert.deepStrictEqual(yield* Effect.provide(apply(poll), layer), { accepted: 4, repeated: 0 })
      assert.deepStrictEqual(Array.from((yield* known).keys()), ["p/a", "p/z"])
      assert.deepStrictEqual(
        lines.map(({ annotations, level }) => [level, annotations["run"]]),
        [["Error", "p/poison"]]
      )
      assert.include(lines[0]?.cause, "broken")
    }).pipe(Effect.provide(base))
  )

  it.effect("ends open runs that are gone, and forgets those that never began", () =>
    Effect.gen(function* () {
      yield* setTime(10)
      const open = snapshot(10, "Running", { tasks: [task("t", "Running")] })
      yield* apply({ snapshots: [open, snapshot(10, "Pending", { run: { key: "w" } })] })
      yield* setTime(20)
      assert.deepStrictEqual(yield* apply({ snapshots: [], gone: ["p/r", "p/w", "p/never"] }), {
        accepted: 3,
        repeated: 0
      })
      assert.deepStrictEqual(
        Array.from((yield* known).values(), ({ key, phase }) => `${key} ${phase}`),
        ["p/r CompletedWithWarnings"]
      )
    }).pipe(Effect.provide(base))
  )

  it.effect("waits for a store that is unavailable, tells Health, and loses nothing", () =>
    Effect.gen(function* () {
      const memory = yield* Outbox
      const health = yield* Health
      let failures = 3
      const shaky = Outbox.of({
        ...memory,
        commit: (commit) =>
          Effect.suspend(() =>
            failures-- > 0
              ? Effect.fail(new OutboxError({ method: "commit", reason: "Unavailable", message: "locked" }))
              : memory.commit(commit)
          )
      })
      const fiber = yield* Effect.forkChild(
        Effect.provideService(apply({ snapshots: [ended(10, "Completed")] }), Outbox, shaky)
      )
      yield* TestClock.adjust("2 seconds")
      assert.isFalse((yield* health.report).healthy)
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(yield* Fiber.join(fiber), { accepted: 2, repeated: 0 })
    }).pipe(Effect.provide(base))
  )
})

describe("RunTracker.layer", () => {
  it.effect("logs a snapshot that breaks it once, however often it comes", () =>
    Effect.gen(function* () {
      const { layer, lines } = yield* LogLines.capture
      const channel = yield* Channel.make<RunTracker.Poll>("polls")
      yield* Layer.build(Layer.provide(RunTracker.layer({ channel, retention }), layer))
      const { sendAll } = yield* Channel.sender(channel)
      yield* sendAll([1, 2, 3].map(() => ({ source: "s", snapshots: [poison] })))
      yield* TestClock.adjust(0)
      assert.strictEqual(lines.length, 1)
    }).pipe(Effect.provide(base))
  )

  it.effect("does not commit the cursor of a sweep of which a Poll could not be committed", () =>
    Effect.gen(function* () {
      const memory = yield* Outbox
      const dying = Outbox.of({
        ...memory,
        commit: (commit) =>
          commit.runs.some((run) => run.run.key === "deadly")
            ? Effect.die(new Error("cannot be stored"))
            : memory.commit(commit)
      })
      const channel = yield* Channel.make<RunTracker.Poll>("polls")
      const { layer } = yield* LogLines.capture
      yield* Layer.build(
        RunTracker.layer({ channel, retention }).pipe(
          Layer.provide(Layer.merge(layer, Layer.succeed(Outbox, dying)))
        )
      )
      const { sendAll } = yield* Channel.sender(channel)
      const cursor = Effect.map(memory.checkpoint("s"), ({ cursor }) => Option.getOrUndefined(cursor))
      yield* setTime(1000)
      yield* sendAll([
        { source: "s", snapshots: [], cursor: at(1) },
        { source: "s", snapshots: [ended(10, "Completed", "deadly")] },
        { source: "s", snapshots: [ended(10, "Completed", "a")] },
        { source: "other", snapshots: [], cursor: at(2) },
        { source: "s", snapshots: [ended(10, "Completed", "b")], cursor: at(2) }
      ])
      yield* TestClock.adjust(0)
      assert.strictEqual(secondsOf(yield* cursor), 1)
      assert.isTrue(Option.isSome((yield* memory.checkpoint("other")).cursor))
      assert.deepStrictEqual(Array.from((yield* known).keys()), ["p/a", "p/b"])
      yield* sendAll([{ source: "s", snapshots: [ended(10, "Completed", "a")], cursor: at(3) }])
      yield* TestClock.adjust(0)
      assert.strictEqual(secondsOf(yield* cursor), 3)
    }).pipe(Effect.provide(base))
  )

  it.effect("tracks the Polls of a Channel, which a full Outbox holds back", () =>
    Effect.gen(function* () {
      const channel = yield* Channel.make<RunTracker.Poll>("polls", { capacity: 1 })
      const outbox = yield* Outbox
      yield* Layer.build(RunTracker.layer({ channel, retention }))
      const { send } = yield* Channel.sender(channel)
      const sending = yield* Effect.forkChild(
        Effect.forEach([1, 2, 3, 4], (run) =>
          send({ source: "s", snapshots: [ended(10, "Completed", `r${run}`)] })
        )
      )
      yield* TestClock.adjust(0)
      assert.isUndefined(sending.pollUnsafe())
      assert.strictEqual((yield* outbox.status).pending, 2)
      while ((yield* outbox.status).pending > 0) {
        yield* outbox.delivered(yield* outbox.claim)
        yield* TestClock.adjust(0)
      }
      yield* Fiber.join(sending)
      assert.strictEqual((yield* outbox.status).delivered, 8)
    }).pipe(
      Effect.provide(Layer.mergeAll(OutboxMemory.layer({ capacity: 2 }), Health.layer, Supervisor.layer))
    )
  )
})
