import { assert, describe, it } from "@effect/vitest"
import * as Digest from "@observability-agents/agent-databricks/Digest"
import * as Outputs from "@observability-agents/agent-databricks/Outputs"
import * as RunRecord from "@observability-agents/agent-databricks/RunRecord"
import * as TaskOutput from "@observability-agents/agent-databricks/TaskOutput"
import * as TestResults from "@observability-agents/agent-databricks/TestResults"
import type * as TrackedRun from "@observability-agents/core/TrackedRun"
import { DateTime, Effect, Result } from "effect"

const lines = (count: number, line: (index: number) => string) =>
  Array.from({ length: count }, (_, index) => line(index)).join("\n")

const long = lines(60_000, (index) => `line ${index} of what a task wrote, over and over again`)
const dbt = lines(3000, (index) =>
  index % 100 === 0
    ? `12:00:01  ${index} of 3000 \u001b[31mFAIL 3\u001b[0m unique_${index} ........ [\u001b[31mFAIL 3\u001b[0m in 0.12s]`
    : `12:00:01  something else about ${index}`
)
const value = JSON.stringify({ tests: [{ name: "t", status: "PASSED", result: "x".repeat(30_000) }] })

describe("the digest of an output", () => {
  it.each<readonly [string, string | undefined, TaskOutput.TaskOutput, number]>([
    ["an error", "notebook", { error: "\u001b[31mboom\u001b[0m", error_trace: "at a\nat b" }, 1000],
    ["a log of megabytes", "spark_python", { error: "boom", logs: long }, 10_000],
    ["a log without lines", "spark_python", { error: "boom", logs: "x".repeat(1_000_000) }, 10_000],
    ["a log beside a trace", "spark_python", { error: "boom", error_trace: "at a", logs: long }, 1000],
    ["dbt's log", "dbt", { logs: dbt }, 30_000],
    ["what a notebook hands over", "notebook", { notebook_output: { result: long } }, 21_000],
    ["results", "notebook", { notebook_output: { result: value } }, 31_000],
    [
      "a value that was cut",
      "notebook",
      { notebook_output: { result: '{"tests":[', truncated: true } },
      1000
    ],
    ["a run that was started", "run_job", { run_job_output: { run_id: RunRecord.RunId.make("5") } }, 1000],
    ["nothing", undefined, {}, 1000]
  ])("tells the same of %s, and is small", (_, kind, output, size) => {
    const digest = Digest.ofOutput(output, { kind, results: true })
    assert.isAtMost(Digest.sizeOf(digest), size)
    assert.strictEqual(TaskOutput.errorOf(digest), TaskOutput.errorOf(output))
    assert.strictEqual(TaskOutput.detailsOf(digest), TaskOutput.detailsOf(output))
    assert.deepStrictEqual(TestResults.read(kind, digest), TestResults.read(kind, output))
    assert.deepStrictEqual(digest.run_job_output, output.run_job_output)
  })

  it("shortens what is long once, so that it says how much is left out of the whole", () => {
    const output = { error: "e".repeat(50_000), error_trace: "t".repeat(500_000) }
    const digest = Digest.ofOutput(output, { kind: "notebook", results: false })
    assert.match(TaskOutput.errorOf(digest) ?? "", /40100 characters left out/)
    assert.match(TaskOutput.detailsOf(digest) ?? "", /470100 characters left out/)
    assert.strictEqual(TaskOutput.errorOf(digest)?.match(/left out/g)?.length, 1)
    assert.strictEqual(TaskOutput.detailsOf(digest)?.match(/left out/g)?.length, 1)
  })

  it("holds no results where none are wanted", () => {
    const output = { logs: dbt, notebook_output: { result: value } }
    const digest = Digest.ofOutput(output, { kind: "notebook", results: false })
    assert.isUndefined(digest.notebook_output)
    assert.isAtMost(Digest.sizeOf(digest), 10_000)
  })
})

const FAILED = { state: "TERMINATED", termination_details: { code: "RUN_EXECUTION_ERROR", message: "no" } }
const END = Date.UTC(2026, 2, 1, 12)

const runOf = (id: number, ...tasks: ReadonlyArray<object>) =>
  Result.getOrThrow(
    RunRecord.decode({
      run_id: id,
      status: { state: "RUNNING" },
      tasks: tasks.map((task, index) => ({
        task_key: `t${index}`,
        run_id: id * 1000 + index,
        end_time: END,
        status: FAILED,
        ...task
      }))
    })
  )

/** The answers of a workspace whose tasks leave this behind, and how often it was asked. */
const asked = (options: {
  readonly output?: TaskOutput.TaskOutput
  readonly iterations?: ReadonlyArray<object>
}) => {
  let count = 0
  const databricks = {
    getOutput: () => Effect.sync(() => (count++, options.output ?? {})),
    getRun: (id: RunRecord.RunId) =>
      Effect.sync(() => {
        count++
        const run = RunRecord.decode({ run_id: id, iterations: options.iterations ?? [] })
        return { observedAt: DateTime.makeUnsafe(END), run: Result.getOrThrow(run) }
      })
  }
  const outputs = Outputs.make({ databricks, budget: 50, results: false, iterations: "failures" })
  return { outputs, count: () => count }
}

/** What is known of a run when the end of its task `t0` was told. */
const told = (id: number): TrackedRun.TrackedRun => ({
  key: `7/${id}`,
  pipeline: { key: "7" },
  run: { key: String(id) },
  tool: "databricks",
  observedAt: DateTime.makeUnsafe(END),
  phase: "Running",
  opening: 0,
  tasks: { t0: { attempt: 0, phase: "Failed", endedAt: DateTime.makeUnsafe(END), ended: 0 } },
  messages: []
})

describe("what is remembered of outputs", () => {
  it.effect("is the digest while it was not told, and after that the first line of the error", () =>
    Effect.gen(function* () {
      const { count, outputs } = asked({
        output: { error: "ValueError: no rows\nin the table", error_trace: "at a", logs: long }
      })
      const run = runOf(1, {})
      const [task = assert.fail("no task")] = run.tasks
      outputs.begin()
      yield* outputs.read(run, undefined)
      const again = yield* outputs.read(run, undefined)
      assert.strictEqual(again.outputOf(task)?.error_trace, "at a")
      assert.isUndefined(again.outputOf(task)?.logs)
      const later = yield* outputs.read(run, told(1))
      assert.deepStrictEqual(later.outputOf(task), { error: "ValueError: no rows" })
      assert.strictEqual(count(), 1)
    })
  )

  it.effect("is nothing once the run was not looked at for a while", () =>
    Effect.gen(function* () {
      const { count, outputs } = asked({ output: { error: "boom" } })
      outputs.begin()
      yield* outputs.read(runOf(1, {}), undefined)
      for (let sweep = 0; sweep < 11; sweep++) {
        outputs.begin()
        yield* outputs.read(runOf(2, {}), undefined)
      }
      yield* outputs.read(runOf(1, {}), undefined)
      yield* outputs.read(runOf(2, {}), undefined)
      assert.strictEqual(count(), 3)
    })
  )

  it.effect("is bounded by the length of all together", () =>
    Effect.gen(function* () {
      const { count, outputs } = asked({ output: { error_trace: "x".repeat(29_000) } })
      for (let id = 1; id <= 600; id++) {
        if (id % 50 === 1) outputs.begin()
        yield* outputs.read(runOf(id, {}), undefined)
      }
      outputs.begin()
      yield* outputs.read(runOf(600, {}), undefined)
      assert.strictEqual(count(), 600)
      yield* outputs.read(runOf(1, {}), undefined)
      assert.strictEqual(count(), 601, "the oldest were dropped")
    })
  )

  it.effect("is, of iterations, how they ended, and the words of those that failed", () =>
    Effect.gen(function* () {
      const words = { status: FAILED, description: "d".repeat(1000), run_page_url: "https://x" }
      const { outputs } = asked({
        iterations: [
          { task_key: "it", run_id: 5, attempt_number: 1, start_time: END - 9, end_time: END, ...words },
          {
            task_key: "it",
            run_id: 6,
            start_time: END - 5,
            status: { state: "TERMINATED", termination_details: { code: "SUCCESS", message: "fine" } }
          }
        ]
      })
      const run = runOf(1, { for_each_task: { task: { task_key: "it" } } })
      const [task = assert.fail("no task")] = run.tasks
      outputs.begin()
      const { iterationsOf } = yield* outputs.read(run, undefined)
      assert.deepStrictEqual(iterationsOf(task) as unknown, [
        {
          task_key: "it",
          run_id: "5",
          attempt_number: 1,
          start_time: END - 9,
          end_time: END,
          status: FAILED
        },
        {
          task_key: "it",
          run_id: "6",
          start_time: END - 5,
          status: { state: "TERMINATED", termination_details: { code: "SUCCESS" } }
        }
      ])
    })
  )
})
