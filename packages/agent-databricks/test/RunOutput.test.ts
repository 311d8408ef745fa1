import { assert, describe, it } from "@effect/vitest"
import { DateTime, Effect, Result } from "effect"
import * as Run from "@observability-agents/agent-databricks/Run"
import * as RunRecord from "@observability-agents/agent-databricks/RunRecord"
import * as TaskOutput from "@observability-agents/agent-databricks/TaskOutput"
import * as RunTracker from "@observability-agents/core/RunTracker"
import * as Event from "@observability-agents/toolkit/Event"

const noon = DateTime.makeUnsafe("2026-03-01T12:00:00Z")
const at = (seconds: number) => DateTime.toEpochMillis(noon) + seconds * 1000
const ended = (code: string) => ({ status: { state: "TERMINATED", termination_details: { code } } })
const times = { start_time: at(0), end_time: at(10) }
const snapshot = (task: object, output: unknown, options: Run.SnapshotOptions = {}) => {
  const tasks = [{ task_key: "a", run_id: 8, ...times, ...ended("SUCCESS"), ...task }]
  const run = Result.getOrThrow(
    RunRecord.decode({ run_id: 7, job_id: 3, ...times, ...ended("SUCCESS"), tasks })
  )
  const found = Run.toSnapshot(run, noon, { outputOf: () => TaskOutput.decode(output), ...options })
  if (found === undefined) throw new Error("no snapshot")
  return found
}
const failure = (output: object) => snapshot(ended("RUN_EXECUTION_ERROR"), output).tasks[0]?.messages[0]
const notebook = (value: unknown, options?: Run.SnapshotOptions) => {
  const result = typeof value === "string" ? value : JSON.stringify(value)
  return snapshot({ notebook_task: {} }, { notebook_output: { result } }, options).tasks[0]
}

describe("the error of a task", () => {
  it("keeps the beginning and the end of a long trace", () => {
    const details =
      failure({ error: "E", error_trace: `first line\n${"x".repeat(200_000)}\nlast line` })?.details ?? ""
    assert.isTrue(details.startsWith("first line\n") && details.endsWith("\nlast line"))
    assert.isBelow(details.length, 31_000)
    assert.match(details, /… 17\d{4} characters left out …/)
  })

  it.effect("fits into an event with an error, a trace and logs of megabytes", () =>
    Effect.gen(function* () {
      const long = "\u00e4🚀".repeat(1_000_000)
      const found = snapshot(ended("RUN_EXECUTION_ERROR"), { error: long, error_trace: long, logs: long })
      const { entries } = RunTracker.track(undefined, found)
      for (const { event } of entries) yield* Event.encode(event)
      assert.isAtLeast(entries.length, 4)
    })
  )

  it("has the end of the log where there is no trace, from the beginning of a line", () => {
    const logs = Array.from({ length: 5000 }, (_, index) => `line ${index}`).join("\n")
    const details = failure({ error: "exit code 1", logs })?.details ?? ""
    assert.match(details, /^The end of the task's log:\nline \d+\n/)
    assert.isTrue(details.endsWith("line 4999"))
    assert.isAtMost(details.split("\n").length, 101)
    const wide = Array.from({ length: 200 }, (_, index) => `line ${index} ${"x".repeat(200)}`).join("\n")
    const cut = failure({ error: "exit code 1", logs: wide })?.details?.split("\n") ?? []
    assert.isTrue(cut.slice(1).every((line) => line.startsWith("line ")))
    assert.strictEqual(failure({ error: "E", error_trace: "T", logs })?.details, "T")
  })

  it("shows of a progress bar what was to be seen at last, and no control characters", () => {
    assert.strictEqual(TaskOutput.clean("10%\r50%\r\u001b[32m100%\u001b[0m\r\nnext\u0000\n"), "100%\nnext")
    assert.isUndefined(TaskOutput.clean("\u001b[0m \n"))
  })

  it("is not lost behind an unfinished control sequence, in seven bits or in eight", () => {
    const message = (error: string) => failure({ error })?.message
    assert.strictEqual(message("before \u001b]0;the rest of\nthe error"), "before 0;the rest of\nthe error")
    assert.strictEqual(message("a\u001b]0;title\u0007b \u009d0;title\u009cc"), "ab c")
    assert.strictEqual(message("\u009b31mred\u009b0m"), "red")
  })

  it.each([
    ["USER_CANCELED", { status: ended("USER_CANCELED").status }],
    ["TIMEDOUT", { ...ended("CANCELED"), state: { result_state: "TIMEDOUT" } }],
    ["INTERNAL_ERROR", { status: undefined, state: { life_cycle_state: "INTERNAL_ERROR" } }]
  ])("is the code %s where nothing else is told", (code, task) => {
    const told = `The task ended with ${code}; Databricks gives no reason.`
    assert.strictEqual(snapshot(task, {}).tasks[0]?.messages[0]?.message, told)
  })

  it("is named among the details of the run's own failure", () => {
    const run = Result.getOrThrow(
      RunRecord.decode({
        run_id: 7,
        ...ended("RUN_EXECUTION_ERROR"),
        tasks: [
          { task_key: "load", run_id: 8, attempt_number: 0, ...ended("RUN_EXECUTION_ERROR") },
          { task_key: "load", run_id: 9, attempt_number: 1, ...ended("RUN_EXECUTION_ERROR") },
          { task_key: "fine", run_id: 10, attempt_number: 0, ...ended("RUN_EXECUTION_ERROR") },
          { task_key: "fine", run_id: 11, attempt_number: 1, ...ended("SUCCESS") }
        ]
      })
    )
    const found = Run.toSnapshot(run, noon, { outputOf: ({ run_id }) => ({ error: `E ${run_id}\nmore` }) })
    assert.strictEqual(found?.messages[0]?.details, "load: E 9")
  })

  it("is asked for once per failed attempt, and not where there is none", () => {
    const wants = (task: object, results = false) =>
      Result.getOrThrow(
        RunRecord.decode({ run_id: 1, tasks: [{ task_key: "a", run_id: 8, ...task }] })
      ).tasks.map((each) => Run.wantsOutput(each, { results }))[0]
    const failed = ended("RUN_EXECUTION_ERROR")
    assert.strictEqual(wants({ ...failed, notebook_task: {} }), "error")
    assert.strictEqual(wants({ ...failed, spark_jar_task: {} }, true), "error")
    assert.isUndefined(wants({ ...ended("CANCELED"), notebook_task: {} }))
    assert.isUndefined(wants({ ...failed, for_each_task: {} }))
    assert.isUndefined(wants({ ...failed, condition_task: {} }))
    assert.isUndefined(wants({ ...failed, run_id: null }))
    assert.isUndefined(wants({ ...ended("SUCCESS"), notebook_task: {} }))
    assert.strictEqual(wants({ ...ended("SUCCESS"), notebook_task: {} }, true), "result")
    assert.strictEqual(wants({ ...ended("SUCCESS"), dbt_task: {} }, true), "result")
    assert.strictEqual(wants({ ...ended("SUCCESS"), run_job_task: { job_id: 5 } }, true), "result")
    assert.isUndefined(wants({ ...ended("SUCCESS"), sql_task: {} }, true))
    assert.isUndefined(wants({ status: { state: "RUNNING" }, notebook_task: {} }, true))
  })
})

describe("the value that a notebook exits with", () => {
  it.effect("tells test outcomes and metrics", () =>
    Effect.gen(function* () {
      const found = snapshot(
        { notebook_task: {} },
        {
          notebook_output: {
            result: JSON.stringify({
              tests: [
                { name: "not empty", status: "passed" },
                {
                  name: "nulls",
                  status: "FAILED",
                  metric_value: 0.07,
                  max_threshold: "0.05",
                  metric_name: "share",
                  start_time: "2026-03-01T12:00:00Z",
                  end_time: at(3),
                  dimensions: ["completeness"],
                  metadata: { table: "orders" }
                }
              ],
              metrics: { rows: 12, ratio: "0.0125", flag: true, text: "many" }
            })
          }
        }
      )
      const [task] = found.tasks
      assert.deepStrictEqual(task?.tests, [
        {
          key: "results",
          outcomes: [
            { name: "not empty", status: "PASSED" },
            {
              name: "nulls",
              status: "FAILED",
              metricValue: 0.07,
              maxThreshold: "0.05",
              metricName: "share",
              startTime: noon,
              endTime: DateTime.makeUnsafe(at(3)),
              dimensions: ["completeness"],
              metadata: { table: "orders" }
            }
          ]
        }
      ])
      assert.deepStrictEqual(task?.metrics, [
        { key: "result:rows", metric: "rows", value: 12 },
        { key: "result:ratio", metric: "ratio", value: "0.0125" }
      ])
      assert.notProperty(task?.metadata, "notebook_result")
      const { entries } = RunTracker.track(undefined, found)
      for (const { event } of entries) yield* Event.encode(event)
      assert.includeMembers(
        entries.map(({ event }) => event._tag),
        ["TestOutcomes", "MetricLog"]
      )
    })
  )

  it("loses an entry that does not fit, and no other", () => {
    const task = notebook({
      tests: [
        { status: "PASSED" },
        { name: "x", status: "MAYBE" },
        { name: " ", status: "PASSED" },
        7,
        { name: "good", status: "WARNING", metric_value: {}, start_time: "soon", dimensions: [] }
      ]
    })
    assert.deepStrictEqual(task?.tests?.[0]?.outcomes, [{ name: "good", status: "WARNING" }])
  })

  it.each([["done"], [""], ["{"], ["[1]"], ["{}"], ['{"tests": 5}'], ['{"metrics": []}'], ["null"]])(
    "is no result when it is %s",
    (value) => {
      const task = notebook(value)
      assert.notProperty(task, "tests")
      assert.notProperty(task, "metrics")
      assert.deepStrictEqual(task?.messages, [])
      assert.strictEqual(task?.metadata?.["notebook_result"], value === "" ? undefined : value)
    }
  )

  it("is cut short in the metadata, and not read where Databricks cut it", () => {
    assert.strictEqual(notebook("x".repeat(5000))?.metadata?.["notebook_result"], "x".repeat(1000))
    const result = JSON.stringify({ metrics: { rows: 1 } })
    const cut = snapshot({ notebook_task: {} }, { notebook_output: { result, truncated: true } })
    assert.notProperty(cut.tasks[0], "metrics")
  })

  it("is not told where results are not wanted", () => {
    const task = notebook({ tests: [{ name: "a", status: "PASSED" }] }, { results: false })
    assert.notProperty(task, "tests")
    assert.notProperty(notebook("secret", { results: false })?.metadata, "notebook_result")
  })
})

describe("the output of a dbt task", () => {
  const logs = [
    "12:00:00  1 of 6 START sql table model main.orders ............. [RUN]",
    "12:00:01  1 of 6 OK created sql table model main.orders ........ [OK in 1.20s]",
    "12:00:02  2 of 6 START test not_null_orders_id ................. [RUN]",
    "12:00:02  2 of 6 \u001b[32mPASS\u001b[0m not_null_orders_id ... [\u001b[32mPASS\u001b[0m in 0.05s]",
    "12:00:03  3 of 6 FAIL 2 unique_orders_id ....................... [FAIL 2 in 0.12s]",
    "12:00:03  4 of 6 WARN 1 accepted_values_status ................. [WARN 1 in 0.10s]",
    "12:00:04  5 of 6 ERROR relationships_orders .................... [ERROR in 0.01s]",
    "12:00:04  6 of 6 ERROR creating sql table model main.late ...... [ERROR in 0.01s]",
    "12:00:05  Done. PASS=2 WARN=1 ERROR=3 SKIP=0 TOTAL=6"
  ].join("\n")

  it("tells the outcomes of the tests in dbt's log", () => {
    const task = snapshot({ dbt_task: {} }, { logs }).tasks[0]
    assert.deepStrictEqual(
      task?.tests?.[0]?.outcomes.map(({ metricValue, name, status }) => [name, status, metricValue]),
      [
        ["not_null_orders_id", "PASSED", undefined],
        ["unique_orders_id", "FAILED", 2],
        ["accepted_values_status", "WARNING", 1],
        ["relationships_orders", "FAILED", undefined]
      ]
    )
  })

  it("is read with dots that stand next to a name, up to 255 characters of it", () => {
    const tests = (text: string) =>
      snapshot({ dbt_task: {} }, { logs: text }).tasks[0]?.tests?.[0]?.outcomes.map(({ name }) => name)
    assert.deepStrictEqual(tests("1 of 2 PASS a.b.c.... [PASS in 1s]"), ["a.b.c"])
    assert.deepStrictEqual(tests("1 of 2 PASS a [PASS in 1s]"), ["a"])
    assert.deepStrictEqual(tests(`1 of 2 PASS ${"n".repeat(255)} ... [PASS in 1s]`), ["n".repeat(255)])
    assert.isUndefined(tests(`1 of 2 PASS ${"n".repeat(256)} ... [PASS in 1s]`))
    assert.isUndefined(tests("1 of 2 PASS ..... [PASS in 1s]"))
  })

  // Were the search not in proportion to the length, this would take longer than a test may.
  it("is found behind 20 MB of lines each of which begins like many that might match", () => {
    for (const line of [
      `1 of 5 PASS ${".".repeat(300)} x\n`,
      `1 of 5 PASS a${".".repeat(250)} ${" ".repeat(250)}\n`
    ]) {
      const logs = `${line.repeat(Math.ceil(20_000_000 / line.length))}2 of 5 PASS b [PASS in 1s]\n`
      const [task] = snapshot({ dbt_task: {} }, { logs }).tasks
      assert.deepStrictEqual(
        task?.tests?.[0]?.outcomes.map(({ name }) => name),
        ["b"]
      )
    }
  })

  it("is not searched for tests in other kinds of tasks", () => {
    assert.notProperty(snapshot({ spark_python_task: {} }, { logs }).tasks[0], "tests")
  })

  it("never shows the signed address of its artifacts", () => {
    const link = "https://storage.example/artifacts?sig=c4nary"
    const output = {
      dbt_output: { artifacts_link: link, artifacts_headers: { k: "c4nary" } },
      error: "dbt failed"
    }
    assert.notInclude(JSON.stringify(TaskOutput.decode(output)), "c4nary")
    const found = snapshot({ dbt_task: {}, ...ended("RUN_EXECUTION_ERROR") }, output)
    assert.notInclude(JSON.stringify(found), "c4nary")
    assert.strictEqual(found.tasks[0]?.messages[0]?.message, "dbt failed")
  })
})

describe("a run-job task", () => {
  it("names the job and, where its output was read, the run that it started", () => {
    const task = { run_job_task: { job_id: 55 } }
    const found = snapshot(task, { run_job_output: { run_id: 901 } }).tasks[0]
    assert.include(found?.metadata, { task_kind: "run_job", child_job_id: "55", child_run_id: "901" })
  })

  it("is named by the run that it started", () => {
    const run = Result.getOrThrow(
      RunRecord.decode({
        run_id: 901,
        job_id: 55,
        trigger: "RUN_JOB_TASK",
        trigger_info: { run_id: 8 },
        ...ended("SUCCESS")
      })
    )
    const found = Run.toSnapshot(run, noon)
    assert.include(found?.metadata, { trigger: "RUN_JOB_TASK", parent_task_run_id: "8" })
    const none = Result.getOrThrow(
      RunRecord.decode({ run_id: 901, trigger_info: { run_id: 0 }, ...ended("SUCCESS") })
    )
    assert.notProperty(Run.toSnapshot(none, noon)?.metadata, "parent_task_run_id")
  })
})
