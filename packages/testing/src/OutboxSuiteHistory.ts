/** The part of the conformance suite that is about dead letters that are replayed or dropped, history, and verifying. */
import type { Note, PastEvent } from "@observability-agents/core/Outbox"
import { HISTORY_RETENTION, IDENTITY_RETENTION, Outbox } from "@observability-agents/core/Outbox"
import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as TestClock from "effect/testing/TestClock"
import type { Fresh } from "./OutboxSuite.ts"
import { at, commit, counters, entry, idle, same } from "./OutboxSuiteModel.ts"

const rejected = { reason: "rejected", words: "400: no" } as const

/** Commits events of one run each and buries them; gives the numbers of the letters. */
const bury = Effect.fnUntraced(function* (...keys: ReadonlyArray<string>) {
  const outbox = yield* Outbox
  yield* outbox.commit(commit({ entries: keys.map((key) => entry(key, "RUNNING")) }))
  for (const _ of keys) yield* outbox.bury(yield* outbox.claim, rejected)
  return (yield* outbox.deadLetters).map(({ number }) => number)
})

const laneOf = (key: string) => entry(key, "RUNNING").lane

const note = (key: string, second: number, text: string): Note => ({
  lane: laneOf(key),
  at: at(second),
  by: "tool",
  text
})

/** The parts of a PastEvent that do not need a DateTime to be compared. */
const plain = (event: PastEvent) => ({
  id: event.id,
  title: event.title,
  at: Option.getOrUndefined(event.timestamp)?.epochMilliseconds,
  made: event.committedAt.epochMilliseconds,
  attempts: event.attempts,
  error: Option.getOrUndefined(event.error),
  state: event.state._tag
})

/** Registers the tests of `replay`, `drop`, `history` and `verify`. */
export const histories = (fresh: Fresh): void => {
  describe("replay and drop", () => {
    it.effect("sends a replayed dead letter again, at the end of its lane, as if committed now", () =>
      Effect.gen(function* () {
        const outbox = yield* Outbox
        yield* outbox.commit(commit({ entries: [entry("r1", "RUNNING"), entry("r1", "FAILED")] }))
        yield* outbox.retry(yield* outbox.claim, { after: Duration.zero, error: "503" })
        yield* outbox.bury(yield* outbox.claim, rejected)
        const numbers = (yield* outbox.deadLetters).map(({ number }) => number)
        assert.strictEqual(numbers.length, 1)
        yield* TestClock.adjust("5 seconds")
        assert.deepStrictEqual(yield* outbox.replay(numbers), numbers)
        assert.deepStrictEqual(yield* counters(outbox), {
          pending: 2,
          inFlight: 0,
          lanes: 1,
          deadLetters: 0,
          delivered: 0
        })
        const first = yield* outbox.claim
        assert.strictEqual(first.entry.id, entry("r1", "FAILED").id)
        yield* outbox.delivered(first)
        const again = yield* outbox.claim
        yield* same(again.entry, entry("r1", "RUNNING"))
        assert.deepStrictEqual([again.attempts, again.committedAt.epochMilliseconds], [0, 5000])
        assert.deepStrictEqual(yield* outbox.deadLetters, [])
      }).pipe(Effect.provide(fresh()))
    )

    it.effect("wakes a claim that waits when it replays", () =>
      Effect.gen(function* () {
        const outbox = yield* Outbox
        const numbers = yield* bury("r1")
        const waiting = yield* Effect.forkChild(outbox.claim)
        yield* idle
        assert.isUndefined(waiting.pollUnsafe())
        yield* outbox.replay(numbers)
        assert.strictEqual((yield* Fiber.join(waiting)).entry.id, entry("r1", "RUNNING").id)
      }).pipe(Effect.provide(fresh()))
    )

    it.effect("replays into a full Outbox without waiting", () =>
      Effect.gen(function* () {
        const outbox = yield* Outbox
        const numbers = yield* bury("r1")
        yield* outbox.commit(commit({ entries: [entry("r2", "RUNNING")] }))
        yield* outbox.replay(numbers)
        assert.strictEqual((yield* outbox.status).pending, 2)
        const waiting = yield* Effect.forkChild(outbox.commit(commit({ cursor: at(1) })))
        yield* idle
        assert.isUndefined(waiting.pollUnsafe())
      }).pipe(Effect.provide(fresh(1)))
    )

    it.effect("gives the numbers that were there, each once, and leaves out the others", () =>
      Effect.gen(function* () {
        const outbox = yield* Outbox
        const [a = 0, b = 0, c = 0] = yield* bury("r1", "r2", "r3")
        assert.deepStrictEqual(yield* outbox.replay([b, 999, a, b, -1, 0.5]), [a, b])
        assert.deepStrictEqual(yield* outbox.replay([a, b]), [])
        assert.deepStrictEqual(yield* outbox.drop([c, 999, c]), [c])
        assert.deepStrictEqual(yield* outbox.drop([a, c]), [])
        const { deadLetters, pending } = yield* outbox.status
        assert.deepStrictEqual({ deadLetters, pending }, { deadLetters: 0, pending: 2 })
      }).pipe(Effect.provide(fresh()))
    )

    it.effect("keeps the identity of what is replayed or dropped", () =>
      Effect.gen(function* () {
        const outbox = yield* Outbox
        const [a = 0, b = 0] = yield* bury("r1", "r2")
        yield* TestClock.adjust(Duration.subtract(IDENTITY_RETENTION, Duration.hours(1)))
        yield* outbox.replay([a])
        yield* outbox.drop([b])
        const entries = [entry("r1", "RUNNING"), entry("r2", "RUNNING")]
        assert.deepStrictEqual(yield* outbox.commit(commit({ entries })), { accepted: 0, repeated: 2 })
        yield* outbox.delivered(yield* outbox.claim)
        // The replay counts as its commit: it is remembered from then on.
        yield* TestClock.adjust(Duration.subtract(IDENTITY_RETENTION, Duration.hours(1)))
        assert.strictEqual((yield* outbox.commit(commit({ entries: entries.slice(0, 1) }))).accepted, 0)
      }).pipe(Effect.provide(fresh()))
    )

    it.effect("only takes a dead letter away whose event is pending again", () =>
      Effect.gen(function* () {
        const outbox = yield* Outbox
        const numbers = yield* bury("r1")
        yield* TestClock.adjust(Duration.sum(IDENTITY_RETENTION, Duration.hours(1)))
        // The first commit after the retention forgets the identity, also where it is looked at late.
        yield* outbox.commit(commit({ entries: [entry("r9", "RUNNING")] }))
        assert.strictEqual((yield* outbox.commit(commit({ entries: [entry("r1", "RUNNING")] }))).accepted, 1)
        assert.deepStrictEqual(yield* outbox.replay(numbers), numbers)
        const { deadLetters, pending } = yield* outbox.status
        assert.deepStrictEqual({ deadLetters, pending }, { deadLetters: 0, pending: 2 })
        assert.deepStrictEqual(yield* outbox.verify, [])
      }).pipe(Effect.provide(fresh()))
    )

    it.effect("never gives a number again", () =>
      Effect.gen(function* () {
        const outbox = yield* Outbox
        const [a = 0, b = 0] = yield* bury("r1", "r2")
        assert.isBelow(a, b)
        yield* outbox.drop([a, b])
        const [c = 0] = yield* bury("r3")
        assert.isBelow(b, c)
      }).pipe(Effect.provide(fresh()))
    )

    it.effect("keeps no more dead letters than it may: the oldest go", () =>
      Effect.gen(function* () {
        const outbox = yield* Outbox
        const numbers = yield* bury("r1", "r2", "r3", "r4", "r5")
        assert.strictEqual(numbers.length, 3)
        assert.deepStrictEqual(
          (yield* outbox.deadLetters).map((letter) => letter.entry.id),
          ["r3", "r4", "r5"].map((key) => entry(key, "RUNNING").id)
        )
        assert.strictEqual((yield* outbox.status).deadLetters, 3)
      }).pipe(Effect.provide(fresh({ deadLetterCapacity: 3 })))
    )
  })

  describe("history", () => {
    it.effect("knows nothing of a lane that was never named", () =>
      Effect.gen(function* () {
        const outbox = yield* Outbox
        yield* outbox.commit(commit({ entries: [entry("r1", "RUNNING")], notes: [note("r1", 1, "Running")] }))
        assert.deepStrictEqual(yield* outbox.history(laneOf("r2")), { notes: [], events: [] })
      }).pipe(Effect.provide(fresh()))
    )

    it.effect("tells of each event of a lane what became of it, in the order of the commits", () =>
      Effect.gen(function* () {
        const outbox = yield* Outbox
        const task = { taskKey: "load" }
        yield* outbox.commit(
          commit({
            entries: [
              entry("r1", "RUNNING", { timestamp: at(3) }),
              entry("r1", "RUNNING", task),
              entry("r1", "FAILED", { ...task, timestamp: undefined }),
              entry("r1", "FAILED")
            ]
          })
        )
        yield* outbox.commit(commit({ entries: [entry("other", "RUNNING")] }))
        yield* TestClock.adjust("1 second")
        yield* outbox.retry(yield* outbox.claim, { after: Duration.zero, error: "503 first" })
        yield* outbox.delivered(yield* outbox.claim)
        yield* TestClock.adjust("1 second")
        const next = yield* outbox.claim
        assert.strictEqual(next.entry.id, entry("r1", "RUNNING").id)
        yield* outbox.retry(next, { after: Duration.zero, error: "503 second" })
        yield* outbox.delivered(yield* outbox.claim)
        yield* outbox.bury(yield* outbox.claim, rejected)
        yield* outbox.retry(yield* outbox.claim, { after: Duration.minutes(1), error: "503 third" })
        const { events } = yield* outbox.history(laneOf("r1"))
        const common = { made: 0, attempts: 0, error: undefined }
        assert.deepStrictEqual(events.map(plain), [
          {
            ...common,
            id: entry("r1", "RUNNING").id,
            title: "RUNNING",
            at: at(3).epochMilliseconds,
            attempts: 2,
            error: "503 second",
            state: "Delivered"
          },
          {
            ...common,
            id: entry("r1", "RUNNING", task).id,
            title: "task load RUNNING",
            at: at(1).epochMilliseconds,
            state: "Buried"
          },
          {
            ...common,
            id: entry("r1", "FAILED", task).id,
            title: "task load FAILED",
            at: undefined,
            attempts: 1,
            error: "503 third",
            state: "Waiting"
          },
          {
            ...common,
            id: entry("r1", "FAILED").id,
            title: "FAILED",
            at: at(1).epochMilliseconds,
            state: "Waiting"
          }
        ])
        const [delivered, buried, waiting] = events.map(({ state }) => state)
        const [letter] = yield* outbox.deadLetters
        assert.strictEqual(delivered?._tag === "Delivered" && delivered.at.epochMilliseconds, 2000)
        if (buried?._tag !== "Buried") return assert.fail("the second one was not buried")
        assert.strictEqual(buried.at.epochMilliseconds, 2000)
        assert.strictEqual(buried.number, letter?.number)
        assert.deepStrictEqual([buried.reason, buried.words], ["rejected", "400: no"])
        assert.strictEqual(waiting?._tag === "Waiting" && waiting.dueAt.epochMilliseconds, 62_000)
      }).pipe(Effect.provide(fresh()))
    )

    it.effect("gives notes by the time of observation, then as they came", () =>
      Effect.gen(function* () {
        const outbox = yield* Outbox
        yield* outbox.commit(
          commit({ notes: [note("r1", 2, "b"), note("r2", 1, "other"), note("r1", 2, "c")] })
        )
        yield* outbox.commit(commit({ notes: [note("r1", 1, "a"), note("r1", 3, "d")] }))
        const { notes } = yield* outbox.history(laneOf("r1"))
        assert.deepStrictEqual(
          notes.map(({ at, by, lane, text }) => [at.epochMilliseconds, by, lane, text]),
          [
            [1, "a"],
            [2, "b"],
            [2, "c"],
            [3, "d"]
          ].map(([second, text]) => [at(Number(second)).epochMilliseconds, "tool", laneOf("r1"), text])
        )
      }).pipe(Effect.provide(fresh()))
    )

    it.effect("notes what was done with dead letters, with the words they were buried with", () =>
      Effect.gen(function* () {
        const outbox = yield* Outbox
        const [a = 0, b = 0] = yield* bury("r1", "r2")
        yield* TestClock.adjust("5 seconds")
        yield* outbox.replay([a])
        yield* outbox.drop([b])
        for (const [key, number, word] of [
          ["r1", a, "replayed"],
          ["r2", b, "dropped"]
        ] as const) {
          const { notes } = yield* outbox.history(laneOf(key))
          assert.deepStrictEqual(
            notes.map(({ at, by }) => [at.epochMilliseconds, by]),
            [[5000, "outbox"]]
          )
          assert.include(notes[0]?.text, `dead letter ${number} (RUNNING) was ${word}`)
          assert.include(notes[0]?.text, "400: no")
        }
      }).pipe(Effect.provide(fresh()))
    )

    it.effect("does not show what is older than the retention, but what waits or is buried", () =>
      Effect.gen(function* () {
        const outbox = yield* Outbox
        yield* outbox.commit(
          commit({
            entries: [entry("r1", "RUNNING"), entry("r1", "FAILED"), entry("r1", "COMPLETED")],
            notes: [note("r1", 1, "Running")]
          })
        )
        yield* outbox.delivered(yield* outbox.claim)
        yield* outbox.bury(yield* outbox.claim, rejected)
        const shown = Effect.map(outbox.history(laneOf("r1")), ({ events, notes }) => [
          events.map(({ state }) => state._tag),
          notes.length
        ])
        yield* TestClock.adjust(HISTORY_RETENTION)
        assert.deepStrictEqual(yield* shown, [["Delivered", "Buried", "Waiting"], 1])
        yield* TestClock.adjust("1 millis")
        assert.deepStrictEqual(yield* shown, [["Buried", "Waiting"], 0])
      }).pipe(Effect.provide(fresh()))
    )

    it.effect("does not show more than the limit, whatever the lane", () =>
      Effect.gen(function* () {
        const outbox = yield* Outbox
        const keys = Array.from({ length: 200 }, (_, index) => `r${index}`)
        yield* outbox.commit(
          commit({
            entries: keys.map((key) => entry(key, "RUNNING")),
            notes: keys.map((key, index) => note(key, index, key))
          })
        )
        for (const _ of keys) yield* outbox.delivered(yield* outbox.claim)
        const shown: Array<string> = []
        for (const key of keys) {
          const { events, notes } = yield* outbox.history(laneOf(key))
          assert.strictEqual(events.length, notes.length)
          if (events.length > 0) shown.push(key)
        }
        assert.deepStrictEqual(shown, keys.slice(-3))
      }).pipe(Effect.provide(fresh({ historyLimit: 3 })))
    )

    it.effect("keeps none with a limit of 0", () =>
      Effect.gen(function* () {
        const outbox = yield* Outbox
        yield* outbox.commit(commit({ entries: [entry("r1", "RUNNING")], notes: [note("r1", 1, "Running")] }))
        yield* outbox.delivered(yield* outbox.claim)
        assert.deepStrictEqual(yield* outbox.history(laneOf("r1")), { notes: [], events: [] })
        assert.strictEqual((yield* outbox.status).delivered, 1)
      }).pipe(Effect.provide(fresh({ historyLimit: 0 })))
    )
  })

  describe("verify", () => {
    it.effect("finds nothing in a store that is as it has to be, and changes nothing", () =>
      Effect.gen(function* () {
        const outbox = yield* Outbox
        assert.deepStrictEqual(yield* outbox.verify, [])
        yield* bury("r1", "r2")
        yield* outbox.commit(commit({ entries: [entry("r3", "RUNNING"), entry("r3", "FAILED")] }))
        const before = yield* counters(outbox)
        assert.deepStrictEqual(yield* outbox.verify, [])
        assert.deepStrictEqual(yield* counters(outbox), before)
      }).pipe(Effect.provide(fresh()))
    )
  })
}
