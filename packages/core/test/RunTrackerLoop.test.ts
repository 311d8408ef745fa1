import { assert, describe, it } from "@effect/vitest"
import { DateTime, Effect, Fiber, Layer, Option } from "effect"
import { TestClock } from "effect/testing"
import * as Channel from "../src/Channel.ts"
import { Health } from "../src/Health.ts"
import { Outbox, OutboxError } from "../src/Outbox.ts"
import * as OutboxMemory from "../src/OutboxMemory.ts"
import * as RunTracker from "../src/RunTracker.ts"
import { Supervisor } from "../src/Supervisor.ts"
import { at, snapshot, task } from "./support/runs.ts"
import { base } from "./support/sending.ts"

const retention = { closed: "10 minutes", failed: "7 days" } as const
const apply = (poll: Omit<RunTracker.Poll, "source">) =>
  RunTracker.apply({ source: "s", ...poll }, { retention })
const known = Effect.flatMap(Outbox, (outbox) => Effect.map(outbox.checkpoint("s"), ({ runs }) => runs))
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
    "forgets ended runs when they were not seen for long, failed ones only after they were watched",
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
        yield* setTime(700_000)
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
