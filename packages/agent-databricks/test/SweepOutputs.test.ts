import { assert, describe, it } from "@effect/vitest"
import { DateTime, Duration, Effect, type Scope } from "effect"
import { TestClock } from "effect/testing"
import * as Fault from "@observability-agents/agent-databricks/testing/Fault"
import { noon, scene } from "./support/sweeps.ts"

const test = <A, E>(name: string, body: Effect.Effect<A, E, Scope.Scope>) =>
  it.effect(name, () => Effect.scoped(body))

const errors = (messages: ReadonlyArray<string>) =>
  messages.filter((message) => message.startsWith("boom")).length

/** Many runs that fail at once, each with a reason of its own. */
const failing = (count: number) =>
  Array.from({ length: count }, (_, index) => ({
    id: String(100 + index),
    tasks: [{ key: "a", takes: "3 seconds" as const, fails: `boom ${index}` }]
  }))

describe("the outputs of failed tasks", () => {
  test(
    "are read within the budget of a sweep; the others wait, with their runs, for the next ones",
    Effect.gen(function* () {
      const { fake, messages, sweep } = yield* scene({ outputRequests: 4 })
      yield* sweep
      for (const run of failing(10)) yield* fake.run("job", run)
      const told: Array<number> = []
      for (let period = 0; period < 4; period++) {
        yield* TestClock.adjust("5 seconds")
        const { counts, phases } = yield* sweep
        assert.isAtMost(counts.output, 4)
        assert.strictEqual(counts.get, 0)
        told.push(phases.length)
      }
      assert.deepStrictEqual(told, [4, 4, 2, 0])
      assert.strictEqual(errors(yield* messages), 10)
    })
  )

  test(
    "that wait are not lost when the agent is started again, however long it was down",
    Effect.gen(function* () {
      const { fake, messages, restart, sweep } = yield* scene({ outputRequests: 4, lookBack: Duration.zero })
      yield* sweep
      yield* TestClock.adjust("5 seconds")
      for (const run of failing(10)) yield* fake.run("job", run)
      yield* TestClock.adjust("5 seconds")
      const { cursor } = yield* sweep
      // It stays before those that wait.
      assert.strictEqual(DateTime.toEpochMillis(cursor ?? noon), DateTime.toEpochMillis(noon) + 5000)
      yield* TestClock.adjust("3 hours")
      yield* restart
      yield* sweep
      yield* TestClock.adjust("5 seconds")
      const last = yield* sweep
      assert.strictEqual(errors(yield* messages), 10)
      assert.strictEqual(
        DateTime.toEpochMillis(last.cursor ?? noon),
        DateTime.toEpochMillis(noon) + 10_000 + 3 * 3_600_000 + 5000
      )
    })
  )

  test(
    "hold back the end of a run that is followed, not the others",
    Effect.gen(function* () {
      const { fake, sweep } = yield* scene({ outputRequests: 1, lookBack: Duration.zero })
      for (const run of failing(2)) yield* fake.run("job", run)
      yield* fake.run("job", { id: "7", tasks: [{ key: "a", takes: "3 seconds" }] })
      assert.lengthOf((yield* sweep).phases, 3)
      yield* TestClock.adjust("5 seconds")
      const first = yield* sweep
      assert.lengthOf(first.phases, 2)
      assert.include(first.phases, "7 Completed")
      yield* TestClock.adjust("5 seconds")
      const second = yield* sweep
      assert.lengthOf(second.phases, 1)
      assert.deepStrictEqual(second.counts, { list: 2, get: 0, output: 1 })
    })
  )

  test(
    "are replaced by the words of the states when they have waited for three sweeps",
    Effect.gen(function* () {
      const { fake, logs, messages, sweep } = yield* scene({ outputRequests: 1 })
      for (const run of failing(10)) yield* fake.run("job", run)
      const told: Array<number> = []
      for (let period = 0; period < 5; period++) {
        yield* TestClock.adjust("5 seconds")
        told.push((yield* sweep).phases.length)
      }
      // In the first sweep they wait for the first time, in the fourth they do not wait any longer.
      assert.deepStrictEqual(told, [1, 1, 1, 7, 0])
      const found = yield* messages
      assert.strictEqual(errors(found), 4)
      assert.strictEqual(found.filter((message) => message.startsWith("Workload failed")).length, 6)
      assert.lengthOf(
        logs.filter((line) => /output_requests/.test(line)),
        1
      )
    })
  )

  test(
    "are not read for tasks that were cancelled or skipped",
    Effect.gen(function* () {
      const { fake, sweep } = yield* scene()
      yield* fake.run("job", { tasks: [{ key: "a", takes: "1 hour" }], cancelledAfter: "3 seconds" })
      yield* fake.run("job", { skipped: "MAX_CONCURRENT_RUNS_EXCEEDED" })
      yield* TestClock.adjust("5 seconds")
      assert.strictEqual((yield* sweep).counts.output, 0)
    })
  )
})

describe("the iterations of a for-each task", () => {
  const run = {
    id: "7",
    tasks: [
      {
        key: "each",
        forEach: {
          iterations: [
            { takes: "3 seconds" },
            { takes: "3 seconds", fails: "boom 1" },
            { takes: "3 seconds", fails: "boom 2" }
          ],
          concurrency: 3
        }
      }
    ]
  } as const

  test(
    "that failed are told with their reasons, asked for once each",
    Effect.gen(function* () {
      const { fake, messages, sweep } = yield* scene()
      yield* fake.run("job", run)
      yield* TestClock.adjust("5 seconds")
      assert.deepStrictEqual((yield* sweep).counts, { list: 2, get: 1, output: 2 })
      const found = yield* messages
      assert.isTrue(
        found.some((message) => /Iteration .* failed: boom 1/.test(message)),
        found.join("; ")
      )
      yield* TestClock.adjust("5 seconds")
      assert.deepStrictEqual((yield* sweep).counts, { list: 2, get: 0, output: 0 })
    })
  )

  test(
    "are not asked for where they are not wanted",
    Effect.gen(function* () {
      const { fake, sweep } = yield* scene({ iterations: "none" })
      yield* fake.run("job", run)
      yield* TestClock.adjust("5 seconds")
      assert.strictEqual((yield* sweep).counts.get, 0)
    })
  )

  test(
    "are told as tasks while they run, where that is wanted",
    Effect.gen(function* () {
      const { events, fake, sweep } = yield* scene({ iterations: "tasks", iterationTasks: true })
      yield* fake.run("job", run)
      yield* TestClock.adjust("1 second")
      assert.strictEqual((yield* sweep).counts.get, 1)
      yield* TestClock.adjust("4 seconds")
      yield* sweep
      const tasks = (yield* events).flatMap((event) =>
        event._tag === "RunStatus" && event.taskKey !== undefined ? [`${event.taskKey} ${event.status}`] : []
      )
      assert.includeMembers(tasks, ["each RUNNING", "each[0] RUNNING", "each[0] COMPLETED", "each FAILED"])
    })
  )

  test(
    "count within the budget, and their task waits with them",
    Effect.gen(function* () {
      const { fake, messages, sweep } = yield* scene({ outputRequests: 1 })
      yield* fake.run("job", run)
      yield* TestClock.adjust("5 seconds")
      const first = yield* sweep
      assert.deepStrictEqual(first.counts, { list: 2, get: 1, output: 0 })
      assert.deepStrictEqual(first.phases, [])
      for (let period = 0; period < 3; period++) {
        yield* TestClock.adjust("5 seconds")
        yield* sweep
      }
      assert.isTrue((yield* messages).some((message) => /failed: boom 2/.test(message)))
    })
  )
})

describe("a task whose output cannot be had", () => {
  test(
    "is told by the words of its state, and read again only while it is not told",
    Effect.gen(function* () {
      const { fake, sweep } = yield* scene()
      yield* fake.fail(Fault.serverError(), { call: "output" })
      yield* fake.run("job", { tasks: [{ key: "a", takes: "1 second", fails: "boom" }] })
      yield* TestClock.adjust("5 seconds")
      assert.strictEqual((yield* sweep).phases.length, 1)
      yield* TestClock.adjust("5 seconds")
      assert.strictEqual((yield* sweep).counts.output, 0)
    })
  )
})
