import { assert, describe, it } from "@effect/vitest"
import { DateTime, Duration, Effect, type Scope } from "effect"
import { TestClock } from "effect/testing"
import * as Fault from "@observability-agents/agent-databricks/testing/Fault"
import { noon, scene } from "./support/sweeps.ts"

const test = <A, E>(name: string, body: Effect.Effect<A, E, Scope.Scope>) =>
  it.effect(name, () => Effect.scoped(body), 120_000)

const NOON = DateTime.toEpochMillis(noon)
const SECOND = 1000
const LOOK_BACK = 5 * 60 * SECOND

/** Numbers that look like chance, the same in every run of the test. */
const dice = () => {
  let state = 12_345
  return (from: number, to: number) => {
    state = (state * 1_103_515_245 + 12_345) % 2 ** 31
    return from + (state % (to - from))
  }
}

interface Planned {
  readonly start: number
  readonly end: number
  readonly fails: boolean
  readonly tasks: number
}

/** 200 runs that take hours, others of seconds and minutes all the time, bursts of them, and some that fail. */
const plan = (minutes: number): ReadonlyArray<Planned> => {
  const roll = dice()
  const runs: Array<Planned> = []
  const add = (start: number, takes: number, tasks = 1) =>
    runs.push({ start, end: start + takes * SECOND, fails: roll(0, 12) === 0, tasks })
  for (let index = 0; index < 200; index++) {
    add(NOON - 2 * 3600 * SECOND, 2 * 3600 + roll(60, minutes * 120), index < 1 ? 101 : 1)
  }
  for (let second = 0; second < minutes * 60; second += 5) {
    if (roll(0, 3) === 0) add(NOON + second * SECOND, roll(1, 400))
    if (roll(0, 40) === 0) for (let index = 0; index < 120; index++) add(NOON + second * SECOND, roll(1, 30))
  }
  return runs
}

describe("the cost of a sweep", () => {
  test(
    "stays within its bound while hundreds of runs begin and end, and misses none of them",
    Effect.gen(function* () {
      const { events, fake, sweep } = yield* scene()
      const minutes = 6
      const runs = plan(minutes)
      for (const [index, { end, fails, start, tasks }] of runs.entries()) {
        const takes = Duration.millis(end - start)
        yield* fake.run("job", {
          id: String(1_000_000 + index),
          ...(start < NOON ? { ago: Duration.millis(NOON - start) } : { at: Duration.millis(start - NOON) }),
          tasks: Array.from({ length: tasks }, (_, task) => ({
            key: `t${task}`,
            takes,
            ...(fails && task === 0 ? { fails: "boom" } : {})
          }))
        })
      }
      let from = NOON
      let now = NOON
      let most = 0
      for (let period = 0; period < minutes * 12; period++) {
        yield* TestClock.adjust("5 seconds")
        const before = now
        now += 5 * SECOND
        const { counts, cursor } = yield* sweep
        assert.isDefined(cursor)
        const active = runs.filter(({ end, start }) => start <= now && now < end)
        const finished = runs.filter(
          ({ end, start }) => start <= now && end >= from - LOOK_BACK && end <= now
        )
        const hasJustEnded = ({ end }: Planned) => end > before && end <= now
        const truncated = runs.filter(
          (run) => run.tasks > 100 && ((run.start <= now && now < run.end) || hasJustEnded(run))
        )
        const failed = runs.filter((run) => run.fails && hasJustEnded(run))
        assert.isAtMost(
          counts.list,
          Math.ceil(active.length / 25) + Math.ceil(finished.length / 25) + 2,
          `lists in period ${period}`
        )
        // The parts of a run with 101 tasks come on two pages.
        assert.isAtMost(counts.get, 2 * truncated.length, `runs/get in period ${period}`)
        assert.strictEqual(counts.output, failed.length, `runs/get-output in period ${period}`)
        most = Math.max(most, counts.list)
        from = now
      }
      assert.isAbove(most, 10)

      const told = (yield* events).flatMap((event) =>
        event._tag === "RunStatus" && event.taskKey === undefined ? [`${event.runKey} ${event.status}`] : []
      )
      const expected = runs.flatMap(({ end, fails, start }, index) => [
        ...(start <= now ? [`${1_000_000 + index} RUNNING`] : []),
        ...(end <= now ? [`${1_000_000 + index} ${fails ? "FAILED" : "COMPLETED"}`] : [])
      ])
      assert.deepStrictEqual(told.toSorted(), expected.toSorted())
    })
  )

  test(
    "is two requests when nothing happens, however many runs have failed",
    Effect.gen(function* () {
      const { fake, sweep } = yield* scene()
      for (let index = 0; index < 60; index++) {
        yield* fake.run("job", { tasks: [{ key: "a", takes: Duration.seconds(10 + index), fails: "boom" }] })
      }
      yield* TestClock.adjust("2 minutes")
      yield* sweep
      yield* sweep
      // The failures leave what is looked back at.
      yield* TestClock.adjust("6 minutes")
      yield* sweep
      for (let period = 0; period < 500; period++) {
        yield* TestClock.adjust("5 seconds")
        assert.deepStrictEqual((yield* sweep).counts, { list: 2, get: 0, output: 0 })
      }
    })
  )

  test(
    "is one request for each vanished run, and for each failed run now and then, where runs are listed by their start",
    Effect.gen(function* () {
      const { fake, sweep } = yield* scene({ lookBack: Duration.minutes(1) }, { list: { order: "start" } })
      for (let index = 0; index < 3; index++) {
        yield* fake.run("long", { tasks: [{ key: "a", takes: "1 hour", fails: "boom" }] })
      }
      yield* TestClock.adjust("5 seconds")
      yield* sweep
      // Of these, those that began last end first: that cannot be the order of ends.
      for (let index = 0; index < 30; index++) {
        yield* TestClock.adjust("10 seconds")
        yield* fake.run("short", {
          tasks: [{ key: "a", takes: index % 2 === 0 ? "1 minute" : "1 second" }]
        })
        yield* sweep
      }
      yield* TestClock.adjust("54 minutes")
      yield* sweep
      yield* TestClock.adjust("1 minute")
      const end = yield* sweep
      assert.sameMembers(
        end.phases.filter((told) => told.endsWith("Failed")).map((told) => told.split(" ")[1] ?? ""),
        ["Failed", "Failed", "Failed"]
      )
      assert.strictEqual(end.counts.get, 3)
      let asked = 0
      for (let period = 0; period < 240; period++) {
        yield* TestClock.adjust("5 seconds")
        asked += (yield* sweep).counts.get
      }
      assert.isAtLeast(asked, 3)
      assert.isAtMost(asked, 6)
    })
  )

  test(
    "has Databricks select the runs of one job and of one kind",
    Effect.gen(function* () {
      const { fake, sweep } = yield* scene({ jobs: ["1001"], runTypes: ["JOB_RUN"] })
      yield* fake.run("first", { id: "1", tasks: [{ key: "a", takes: "1 hour" }] })
      yield* fake.run("second", { id: "2", tasks: [{ key: "a", takes: "1 hour" }] })
      const { phases, requests } = yield* sweep
      assert.deepStrictEqual(phases, ["1 Running"])
      for (const { query } of requests) {
        assert.strictEqual(query["job_id"], "1001")
        assert.strictEqual(query["run_type"], "JOB_RUN")
      }
    })
  )
})

describe("repairs", () => {
  const failing = { tasks: [{ key: "a", takes: "10 seconds", fails: "boom" }] } as const

  test(
    "that begin and end between two sweeps are found, and cost one request for the history",
    Effect.gen(function* () {
      const { fake, sweep } = yield* scene()
      yield* fake.run("job", {
        ...failing,
        id: "7",
        repairs: [{ after: "1801 seconds", tasks: [{ key: "a", takes: "1 second" }] }]
      })
      const told: Array<string> = []
      let gets = 0
      for (let period = 0; period < 12 * 45; period++) {
        const { counts, phases } = yield* sweep
        told.push(...phases)
        gets += counts.get
        yield* TestClock.adjust("5 seconds")
      }
      assert.deepStrictEqual(told, ["7 Running", "7 Running", "7 Failed", "7 Completed"])
      assert.strictEqual(gets, 1)
    })
  )

  test(
    "that run for a while cost one request for the history, not one in each period",
    Effect.gen(function* () {
      const { events, fake, sweep } = yield* scene()
      yield* fake.run("job", {
        ...failing,
        repairs: [{ after: "30 minutes", tasks: [{ key: "a", takes: "5 minutes" }] }]
      })
      let gets = 0
      for (let period = 0; period < 12 * 40; period++) {
        yield* TestClock.adjust("5 seconds")
        gets += (yield* sweep).counts.get
      }
      assert.strictEqual(gets, 1)
      const told = (yield* events).flatMap((event) =>
        event._tag === "RunStatus" && event.taskKey === undefined ? [event.status] : []
      )
      assert.deepStrictEqual(told, ["RUNNING", "FAILED", "RUNNING", "COMPLETED"])
    })
  )

  test(
    "that were found in a sweep that did not succeed are found again",
    Effect.gen(function* () {
      const { fake, sweep } = yield* scene()
      yield* fake.run("job", {
        id: "7",
        tasks: Array.from({ length: 101 }, (_, index) => ({
          key: `t${index}`,
          takes: "10 seconds" as const,
          ...(index === 0 ? { fails: "boom" } : {})
        })),
        repairs: [{ after: "31 minutes", tasks: [{ key: "t0", takes: "1 second" }] }]
      })
      // It ends shortly after the repair, so that the list is read by end.
      yield* fake.run("job", { tasks: [{ key: "a", takes: "1885 seconds" }] })
      yield* TestClock.adjust("20 seconds")
      yield* sweep
      yield* TestClock.adjust("30 minutes")
      yield* sweep
      yield* TestClock.adjust("1 minute")
      yield* TestClock.adjust("10 seconds")
      yield* fake.fail(Fault.serverError(), { call: "get" })
      assert.strictEqual((yield* sweep).result._tag, "Failure")
      yield* TestClock.adjust("5 seconds")
      yield* fake.recover
      assert.include((yield* sweep).phases, "7 Completed")
    })
  )

  test(
    "that began and ended while the agent was down are found when it is back",
    Effect.gen(function* () {
      const { fake, restart, sweep } = yield* scene()
      yield* fake.run("job", {
        ...failing,
        id: "7",
        repairs: [{ after: "2 hours", tasks: [{ key: "a", takes: "1 minute" }] }]
      })
      yield* TestClock.adjust("20 seconds")
      yield* sweep
      for (let index = 0; index < 60; index++) {
        yield* fake.run("job", {
          at: Duration.minutes(30 + 4 * index),
          tasks: [{ key: "a", takes: Duration.minutes(1 + (index % 7)) }]
        })
      }
      yield* TestClock.adjust("6 hours")
      yield* restart
      const { counts, phases } = yield* sweep
      assert.include(phases, "7 Completed")
      assert.lengthOf(phases, 61)
      assert.deepStrictEqual(counts, { list: 4, get: 1, output: 0 })
    })
  )
})

describe("a list", () => {
  test(
    "whose pages may be empty, or lack all marks but the token, is read to its end",
    Effect.gen(function* () {
      for (const list of [{ emptyPages: 2 }, { lastToken: "empty" }, { pages: "torn" }] as const) {
        const { fake, sweep } = yield* scene({}, { list })
        for (let index = 0; index < 60; index++) {
          yield* fake.run("job", { tasks: [{ key: "a", takes: index % 2 === 0 ? "1 second" : "1 hour" }] })
        }
        yield* TestClock.adjust("2 seconds")
        const { cursor, phases } = yield* sweep
        assert.isDefined(cursor)
        assert.lengthOf(new Set(phases), 60)
      }
    })
  )

  test(
    "that shows a run late loses none, and the same run twice tells it once",
    Effect.gen(function* () {
      const { events, fake, sweep } = yield* scene()
      for (let index = 0; index < 40; index++) {
        yield* fake.run("job", {
          id: String(100 + index),
          // On the very bounds of what is looked back at.
          at: Duration.seconds(index * 5),
          listedAfter: Duration.seconds(5 * (index % 30)),
          tasks: [{ key: "a", takes: "5 seconds" }]
        })
      }
      for (let period = 0; period < 120; period++) {
        yield* sweep
        yield* TestClock.adjust("5 seconds")
      }
      const told = (yield* events).flatMap((event) =>
        event._tag === "RunStatus" && event.taskKey === undefined ? [`${event.runKey} ${event.status}`] : []
      )
      assert.lengthOf(told, 80)
      assert.lengthOf(new Set(told), 80)
    })
  )

  test(
    "that fails keeps the Window, whichever of the two it is",
    Effect.gen(function* () {
      const { fake, sweep } = yield* scene()
      yield* sweep
      yield* fake.run("job", { id: "7", tasks: [{ key: "a", takes: "1 second" }] })
      yield* TestClock.adjust("5 seconds")
      yield* fake.fail(Fault.serverError(), { query: { completed_only: "true" } })
      assert.isUndefined((yield* sweep).cursor)
      yield* TestClock.adjust("20 minutes")
      assert.isUndefined((yield* sweep).cursor)
      yield* fake.recover
      assert.deepStrictEqual((yield* sweep).phases, ["7 Completed"])
    })
  )

  test(
    "that does not show a run by its new name is no reason to leave it open",
    Effect.gen(function* () {
      const { fake, sweep } = yield* scene({ jobs: ["load*"], excludeJobs: ["*old"] })
      yield* fake.run("load", { id: "7", tasks: [{ key: "a", takes: "1 minute" }] })
      yield* fake.run("loading old", { id: "8", tasks: [{ key: "a", takes: "1 minute" }] })
      assert.deepStrictEqual((yield* sweep).phases, ["7 Running"])
      yield* fake.fail(
        Fault.json((body) => ({
          ...body,
          ...(Array.isArray(body["runs"])
            ? { runs: body["runs"].map((run: object) => ({ ...run, run_name: "renamed" })) }
            : {})
        }))
      )
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual((yield* sweep).phases, ["7 Completed"])
    })
  )
})
