import { assert, describe, it } from "@effect/vitest"
import type * as Event from "@observability-agents/toolkit/Event"
import * as Fault from "@observability-agents/agent-databricks/testing/Fault"
import type * as Scenario from "@observability-agents/agent-databricks/testing/Scenario"
import { Duration, Effect, type Scope } from "effect"
import { TestClock } from "effect/testing"
import { scene } from "./support/sweeps.ts"

const test = <A, E>(name: string, body: Effect.Effect<A, E, Scope.Scope>) =>
  it.effect(name, () => Effect.scoped(body))

/** What is told of a run, in short. Who started a repair is not of interest here. */
const story = (events: ReadonlyArray<Event.Event>): ReadonlyArray<string> =>
  events.flatMap((event) =>
    event._tag === "RunStatus"
      ? [`${event.taskKey ?? "run"} ${event.status}`]
      : event._tag === "MessageLog"
        ? [/^Repair \d/.exec(event.message)?.[0] ?? `${event.taskKey ?? "run"} ${event.level}`]
        : []
  )

const failed: Scenario.Run = { id: "1", tasks: [{ key: "a", takes: "30 seconds", fails: "boom" }] }
const repair = (after: Duration.Input, takes: Duration.Input, fails?: string) => ({
  after,
  tasks: [{ key: "a", takes, ...(fails === undefined ? {} : { fails }) }]
})

/** Looks at such a run at these times, in seconds since it was submitted. */
const watch = Effect.fnUntraced(function* (run: Scenario.Run, looks: ReadonlyArray<number>) {
  const stage = yield* scene()
  yield* stage.sweep
  yield* stage.fake.run("job", run)
  let at = 0
  for (const look of looks) {
    yield* TestClock.adjust(Duration.seconds(look - at))
    at = look
    yield* stage.sweep
  }
  return { ...stage, told: story(yield* stage.events) }
})

const BEGIN = ["run RUNNING", "a RUNNING"]
const FAILED = ["a ERROR", "a FAILED", "run ERROR", "run FAILED"]
const COMPLETED = ["a COMPLETED", "run COMPLETED"]

describe("a repair", () => {
  for (const [what, looks] of [
    ["is seen only while it runs", [10, 50, 200]],
    ["has ended, too, before the next look", [10, 200]]
  ] as const) {
    test(
      `that began between two looks, in which the run failed, and ${what}, is told with that failure`,
      Effect.gen(function* () {
        const { told } = yield* watch({ ...failed, repairs: [repair("5 seconds", "1 minute")] }, looks)
        assert.deepStrictEqual(told, [
          ...BEGIN,
          ...FAILED,
          "run RUNNING",
          "Repair 1",
          "a RUNNING",
          ...COMPLETED
        ])
      })
    )
  }

  test(
    "that began while the agent was down is told with the failure before it",
    Effect.gen(function* () {
      const { events, fake, restart, sweep } = yield* scene()
      yield* sweep
      yield* fake.run("job", { ...failed, repairs: [repair("5 minutes", "20 minutes")] })
      yield* TestClock.adjust("10 seconds")
      yield* sweep
      yield* TestClock.adjust("12 minutes")
      yield* restart
      yield* sweep
      assert.deepStrictEqual(story(yield* events), [
        ...BEGIN,
        ...FAILED,
        "run RUNNING",
        "Repair 1",
        "a RUNNING"
      ])
      yield* TestClock.adjust("20 minutes")
      yield* sweep
      assert.deepStrictEqual(story(yield* events), COMPLETED)
    })
  )

  for (const [what, takes, looks] of [
    ["runs", "2 minutes", [20, 40, 110, 150, 300]],
    ["has ended", "5 seconds", [20, 40, 110, 200]]
  ] as const) {
    test(
      `that follows another one between two looks, and ${what}, is told with that one's failure`,
      Effect.gen(function* () {
        const { fake, told } = yield* watch(
          { ...failed, repairs: [repair("1 minute", "40 seconds", "again"), repair("5 seconds", takes)] },
          looks
        )
        assert.deepStrictEqual(told, [
          ...BEGIN,
          ...FAILED,
          "run RUNNING",
          "Repair 1",
          "a RUNNING",
          ...FAILED,
          "run RUNNING",
          "Repair 2",
          "a RUNNING",
          ...COMPLETED
        ])
        // One for each of the repairs.
        assert.isAtMost(yield* fake.count("get"), 2)
      })
    )
  }

  test(
    "whose history cannot be read until after its end holds that end back, and is told",
    Effect.gen(function* () {
      const { events, fake, sweep } = yield* scene()
      yield* sweep
      yield* fake.run("job", { ...failed, repairs: [repair("1 minute", "30 seconds")] })
      yield* TestClock.adjust("40 seconds")
      yield* sweep
      yield* fake.fail(Fault.refused(403, "PERMISSION_DENIED", "not now"), { call: "get" })
      yield* TestClock.adjust("1 minute")
      yield* sweep
      yield* TestClock.adjust("30 seconds")
      for (let look = 0; look < 10; look++) {
        yield* sweep
        yield* TestClock.adjust("5 seconds")
      }
      assert.deepStrictEqual(story(yield* events), [...BEGIN, ...FAILED, "run RUNNING", "a RUNNING"])
      yield* fake.recover
      yield* sweep
      assert.deepStrictEqual(story(yield* events), ["Repair 1", ...COMPLETED])
    })
  )

  test(
    "whose history stays unreadable is told without it in the end, and that is logged once",
    Effect.gen(function* () {
      const { events, fake, logs, sweep } = yield* scene()
      yield* sweep
      yield* fake.run("job", { ...failed, repairs: [repair("1 minute", "30 seconds")] })
      yield* TestClock.adjust("40 seconds")
      yield* sweep
      yield* fake.fail(Fault.refused(403, "PERMISSION_DENIED", "not now"), { call: "get" })
      yield* TestClock.adjust("2 minutes")
      for (let look = 0; look < 20; look++) {
        yield* sweep
        yield* TestClock.adjust("5 seconds")
      }
      assert.deepStrictEqual(story(yield* events), [...BEGIN, ...FAILED])
      yield* sweep
      assert.deepStrictEqual(story(yield* events), ["run RUNNING", "a RUNNING", ...COMPLETED])
      assert.lengthOf(
        logs.filter((line) => /repairs cannot be read/.test(line)),
        1
      )
    })
  )

  /** As if the history came later than the attempts that belong to it. */
  const lags = Fault.json((body) => ({
    ...body,
    repair_history: Array.isArray(body["repair_history"]) ? body["repair_history"].slice(0, 1) : []
  }))

  test(
    "that the history lacks at first is asked for again while it runs",
    Effect.gen(function* () {
      const { events, fake, sweep } = yield* scene()
      yield* sweep
      yield* fake.run("job", { ...failed, repairs: [repair("1 minute", "10 minutes")] })
      yield* TestClock.adjust("40 seconds")
      yield* sweep
      yield* fake.fail(lags, { call: "get", times: 3 })
      yield* TestClock.adjust("1 minute")
      for (let look = 0; look < 6; look++) {
        yield* sweep
        yield* TestClock.adjust("5 seconds")
      }
      assert.strictEqual(yield* fake.count("get"), 4)
      assert.deepStrictEqual(story(yield* events), [
        ...BEGIN,
        ...FAILED,
        "run RUNNING",
        "a RUNNING",
        "Repair 1"
      ])
    })
  )

  test(
    "that the history never tells costs a few requests and delays the end by a few looks",
    Effect.gen(function* () {
      const { events, fake, sweep } = yield* scene()
      yield* sweep
      yield* fake.run("job", { ...failed, repairs: [repair("1 minute", "10 minutes")] })
      yield* TestClock.adjust("40 seconds")
      yield* sweep
      yield* fake.fail(lags, { call: "get" })
      yield* TestClock.adjust("1 minute")
      for (let look = 0; look < 100; look++) {
        yield* sweep
        yield* TestClock.adjust("5 seconds")
      }
      assert.strictEqual(yield* fake.count("get"), 10)
      yield* TestClock.adjust("10 minutes")
      for (let look = 0; look < 4; look++) yield* sweep
      assert.strictEqual(yield* fake.count("get"), 14)
      assert.deepStrictEqual(story(yield* events).slice(-2), COMPLETED)
    })
  )

  test(
    "is not looked for in a run whose task was tried again by its own retries",
    Effect.gen(function* () {
      const { fake, told } = yield* watch(
        {
          id: "1",
          tasks: [{ key: "a", takes: "30 seconds", retriesOf: [{ takes: "10 seconds", fails: "flaky" }] }]
        },
        [5, 15, 30, 200]
      )
      assert.strictEqual(yield* fake.count("get"), 0)
      assert.deepStrictEqual(told, [...BEGIN, "a WARNING", ...COMPLETED])
    })
  )
})
