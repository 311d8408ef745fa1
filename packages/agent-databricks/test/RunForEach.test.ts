import { assert, describe, it } from "@effect/vitest"
import { DateTime, Result } from "effect"
import * as ForEach from "@observability-agents/agent-databricks/ForEach"
import * as Run from "@observability-agents/agent-databricks/Run"
import * as RunRecord from "@observability-agents/agent-databricks/RunRecord"
import * as RunTracker from "@observability-agents/core/RunTracker"

const noon = DateTime.makeUnsafe("2026-03-01T12:00:00Z")
const at = (seconds: number) => DateTime.toEpochMillis(noon) + seconds * 1000
const ended = (code: string) => ({ status: { state: "TERMINATED", termination_details: { code } } })
const decode = (input: object) => Result.getOrThrow(RunRecord.decode({ run_id: 7, job_id: 3, ...input }))
const stats = {
  task_run_stats: {
    total_iterations: 40,
    scheduled_iterations: 40,
    active_iterations: 0,
    completed_iterations: 40,
    succeeded_iterations: 38,
    failed_iterations: 2
  },
  error_message_stats: [
    { error_message: "ValueError: no rows", count: 1, termination_category: "RUN_EXECUTION_ERROR" },
    { error_message: "KeyError: 'id'", count: 3 }
  ]
}
const parent = {
  task_key: "loop",
  run_id: 70,
  start_time: at(0),
  end_time: at(90),
  for_each_task: { inputs: "[1,2]", concurrency: 4, task: { task_key: "one", notebook_task: {} }, stats },
  ...ended("RUN_EXECUTION_ERROR")
}
/** The same task, of which so many iterations failed. */
const withFailures = (count: number, more: object = {}) => ({
  ...parent,
  for_each_task: {
    ...parent.for_each_task,
    stats: { task_run_stats: { ...stats.task_run_stats, failed_iterations: count }, ...more }
  }
})
const iterations = (list: ReadonlyArray<object>) =>
  decode({ run_id: 70, tasks: [parent], iterations: list }).iterations
const snapshot = (options: Run.SnapshotOptions, task: object = parent) =>
  Run.toSnapshot(decode({ status: { state: "RUNNING" }, tasks: [task] }), noon, options)
const failed = (count: number, more: object = {}) =>
  Array.from({ length: count }, (_, index) => ({
    task_key: "one",
    run_id: 100 + index,
    start_time: at(index),
    end_time: at(index + 1),
    ...ended("RUN_EXECUTION_ERROR"),
    ...more
  }))

describe("a for-each task", () => {
  it("has the numbers of its iterations in its metadata", () => {
    assert.deepStrictEqual(snapshot({})?.tasks[0]?.metadata?.["iterations"], {
      total: 40,
      scheduled: 40,
      active: 0,
      completed: 40,
      succeeded: 38,
      failed: 2
    })
    assert.strictEqual(snapshot({})?.tasks[0]?.metadata?.["task_kind"], "for_each")
  })

  it("tells each failed iteration's error as a message of its own", () => {
    const list = iterations([
      ...failed(1),
      { task_key: "one", run_id: 110, start_time: at(5), ...ended("SUCCESS") },
      { task_key: "one", run_id: 111, start_time: at(6), ...ended("CANCELED") }
    ])
    const found = snapshot(
      {
        iterationsOf: () => list,
        outputOf: ({ run_id }) =>
          run_id === "100" ? { error: "ValueError: 100", error_trace: "line 1" } : undefined
      },
      withFailures(1)
    )
    const [, message, ...rest] = found?.tasks[0]?.messages ?? []
    assert.deepStrictEqual(message, {
      key: "iteration-0",
      level: "ERROR",
      message: "Iteration 0 failed: ValueError: 100",
      details: "line 1",
      timestamp: DateTime.makeUnsafe(at(1))
    })
    assert.deepStrictEqual(rest, [])
  })

  it("tells 25 failed iterations and counts the others", () => {
    const messages =
      snapshot({ iterationsOf: () => iterations(failed(40)) }, withFailures(40))?.tasks[0]?.messages ?? []
    assert.lengthOf(messages, 1 + ForEach.MAX_FAILURES + 1)
    assert.strictEqual(messages.at(-1)?.message, "15 more iterations failed.")
    assert.strictEqual(new Set(messages.map(({ key }) => key)).size, messages.length)
  })

  it("tells the commonest errors when its iterations were not read", () => {
    const found = snapshot({})?.tasks[0]?.messages.slice(1)
    assert.deepStrictEqual(
      found?.map(({ details, message }) => [message, details]),
      [
        ["1 iteration failed: ValueError: no rows", "RUN_EXECUTION_ERROR"],
        ["3 iterations failed: KeyError: 'id'", undefined]
      ]
    )
  })

  it("tells of its statistics what none of its iterations shows", () => {
    const list = iterations([
      ...failed(1),
      { task_key: "one", run_id: 111, start_time: at(6), ...ended("CANCELED") }
    ])
    const found = snapshot({ iterationsOf: () => list, outputOf: () => ({ error: "ValueError: no rows" }) })
    assert.deepStrictEqual(
      found?.tasks[0]?.messages.slice(1).map(({ key, message }) => [key, message]),
      [
        ["iteration-0", "Iteration 0 failed: ValueError: no rows"],
        ["iteration-1", "3 iterations failed: KeyError: 'id'"]
      ]
    )
  })

  it("tells each failure once when the attempt is looked at again before it is retried", () => {
    const task = { ...parent, attempt_number: 0, max_retries: 1 }
    const run = decode({ run_id: 7, start_time: at(0), status: { state: "RUNNING" }, tasks: [task] })
    const list = iterations([
      ...failed(2),
      { task_key: "one", run_id: 110, start_time: at(5), ...ended("SUCCESS") }
    ])
    const outputOf = () => ({ error: "no rows" })
    const first = Run.toSnapshot(run, noon, { iterationsOf: () => list, outputOf })
    // What was told is not read again.
    const second = Run.toSnapshot(run, DateTime.add(noon, { seconds: 5 }), {})
    assert.isDefined(first)
    assert.isDefined(second)
    if (first === undefined || second === undefined) return
    const told = RunTracker.track(undefined, first)
    const messages = told.entries.flatMap(({ event }) => (event._tag === "MessageLog" ? [event.message] : []))
    assert.includeMembers(messages, ["Iteration 0 failed: no rows", "Iteration 1 failed: no rows"])
    assert.deepStrictEqual(RunTracker.track(told.known, second).entries, [])
  })

  it("cleans and shortens the errors of its statistics", () => {
    const error = `\u001b[31mboom\u001b[0m\u0007 ${"x".repeat(20_000)}`
    const task = withFailures(2, { error_message_stats: [{ count: 2, error_message: error }] })
    const message = snapshot({}, task)?.tasks[0]?.messages[1]?.message ?? ""
    assert.match(message, /^2 iterations failed: boom x/)
    assert.isBelow(message.length, 10_100)
  })

  it("tells no failure of iterations that recovered, and no more than its statistics count", () => {
    const one = (id: number, attempt: number, begin: number, end: number, code: string) => ({
      task_key: "one",
      run_id: id,
      attempt_number: attempt,
      start_time: at(begin),
      end_time: at(end),
      ...ended(code)
    })
    const list = iterations([
      one(21, 0, 0, 5, "SUCCESS"),
      one(22, 0, 1, 5, "RUN_EXECUTION_ERROR"),
      one(23, 1, 6, 9, "SUCCESS"),
      one(24, 0, 10, 12, "RUN_EXECUTION_ERROR"),
      one(25, 1, 13, 15, "RUN_EXECUTION_ERROR")
    ])
    const told = (task: object) =>
      snapshot({ iterationsOf: () => list, outputOf: ({ run_id }) => ({ error: `E ${run_id}` }) }, task)
        ?.tasks[0]?.messages.slice(1)
        .map(({ message }) => message)
    assert.deepStrictEqual(told(withFailures(1)), ["Iteration 2 failed: E 25"])
    assert.deepStrictEqual(told({ ...parent, for_each_task: { task: { task_key: "one" } } }), [
      "Iteration 2 failed: E 25"
    ])
    assert.deepStrictEqual(told(withFailures(0)), [])
    const parts = snapshot({ iterationsOf: () => list, iterationTasks: true }, withFailures(1))
    assert.deepStrictEqual(
      parts?.tasks.slice(1).map(({ attempt, key }) => `${key}@${attempt}`),
      ["loop[0]@0", "loop[1]@0", "loop[1]@1", "loop[2]@0", "loop[2]@1"]
    )
    const fewer = snapshot({ iterationsOf: () => iterations(failed(5)) }, withFailures(3))
    assert.lengthOf(fewer?.tasks[0]?.messages.slice(1) ?? [], 3)
  })

  it("expects the retry of an iteration as long as it goes on itself", () => {
    const list = iterations([
      { task_key: "one", run_id: 21, start_time: at(0), ...ended("RUN_EXECUTION_ERROR"), max_retries: 1 }
    ])
    const willRetry = (task: object, each = list) =>
      snapshot({ iterationsOf: () => each, iterationTasks: true }, task)
        ?.tasks.slice(1)
        .map((part) => part.willRetry === true)
    const going = { ...parent, end_time: 0, status: { state: "RUNNING" } }
    assert.deepStrictEqual(willRetry(going), [true])
    assert.deepStrictEqual(willRetry(parent), [false])
    const again = { ...list[0], run_id: 22, attempt_number: 1, start_time: at(9) }
    assert.deepStrictEqual(willRetry(going, iterations([list[0] ?? {}, again])), [false, false])
  })

  it("numbers a further attempt of which no first one is there by itself", () => {
    const list = iterations([
      { task_key: "one", run_id: 21, attempt_number: 0, start_time: at(0), ...ended("SUCCESS") },
      { task_key: "one", run_id: 22, attempt_number: 1, start_time: at(5), ...ended("SUCCESS") }
    ])
    const parts = snapshot({ iterationsOf: () => list, iterationTasks: true })
    assert.deepStrictEqual(
      parts?.tasks.slice(1).map(({ key }) => key),
      ["loop[0]", "loop[1]"]
    )
  })

  it("tells nothing of failed iterations while it runs", () => {
    const going = { ...parent, end_time: 0, status: { state: "RUNNING" } }
    assert.deepStrictEqual(
      snapshot({ iterationsOf: () => iterations(failed(3)) }, going)?.tasks[0]?.messages,
      []
    )
  })

  it("has its iterations as tasks where that is wanted, numbered by their start", () => {
    const list = iterations([
      { task_key: "one", run_id: 102, start_time: 0, status: { state: "PENDING" } },
      { task_key: "one", run_id: 101, start_time: at(20), status: { state: "RUNNING" } },
      { task_key: "one", run_id: 100, start_time: at(10), ...ended("SUCCESS") }
    ])
    const found = snapshot({ iterationsOf: () => list, iterationTasks: true })
    assert.deepStrictEqual(
      found?.tasks.map(({ attempt, key, phase }) => [key, attempt, phase]),
      [
        ["loop", 0, "Failed"],
        ["loop[2]", 0, "Pending"],
        ["loop[1]", 0, "Running"],
        ["loop[0]", 0, "Completed"]
      ]
    )
    assert.lengthOf(snapshot({ iterationsOf: () => list })?.tasks ?? [], 1)
  })

  it("calls iterations by task keys of their own, each with its attempts", () => {
    const list = iterations([
      { task_key: "one-a", run_id: 100, attempt_number: 0, ...ended("RUN_EXECUTION_ERROR") },
      { task_key: "one-a", run_id: 101, attempt_number: 1, ...ended("SUCCESS") },
      { task_key: "one-b", run_id: 102, attempt_number: 0, ...ended("SUCCESS") }
    ])
    const found = snapshot({ iterationsOf: () => list, iterationTasks: true }, withFailures(0))
    assert.deepStrictEqual(
      found?.tasks.slice(1).map(({ attempt, key }) => `${key}@${attempt}`),
      ["loop[one-a]@0", "loop[one-a]@1", "loop[one-b]@0"]
    )
    assert.lengthOf(found?.tasks[0]?.messages ?? [], 1, "what a further attempt made good is no failure")
  })

  it("keeps the iterations of its own further attempts apart", () => {
    const list = iterations(failed(1))
    const attempts = [
      { ...parent, attempt_number: 0 },
      { ...parent, run_id: 71, attempt_number: 1 }
    ]
    const run = decode({ status: { state: "RUNNING" }, tasks: attempts })
    const found = Run.toSnapshot(run, noon, { iterationsOf: () => list, iterationTasks: true })
    const parts = found?.tasks.filter(({ key }) => key === "loop[0]").map(({ attempt }) => attempt)
    assert.strictEqual(new Set(parts).size, 2)
  })

  it("has its iterations asked for as the setting says", () => {
    const wants = (iterations: "failures" | "tasks" | "none", task: object = parent) =>
      decode({ tasks: [task] }).tasks.map((each) => Run.wantsIterations(each, { iterations }))[0]
    const going = { ...parent, status: { state: "RUNNING" } }
    assert.isTrue(wants("failures"))
    assert.isFalse(wants("none"))
    assert.isFalse(wants("failures", going))
    assert.isTrue(wants("tasks", going))
    assert.isFalse(wants("failures", { ...parent, ...ended("SUCCESS") }))
    assert.isFalse(wants("tasks", { ...parent, status: { state: "BLOCKED" } }))
    const { for_each_task: _, ...plain } = parent
    assert.isFalse(wants("tasks", plain))
  })
})
