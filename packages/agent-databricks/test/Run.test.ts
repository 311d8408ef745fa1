import { assert, describe, it } from "@effect/vitest"
import { DateTime, Result } from "effect"
import * as Json from "@observability-agents/agent-databricks/Json"
import * as Run from "@observability-agents/agent-databricks/Run"
import * as RunRecord from "@observability-agents/agent-databricks/RunRecord"
import * as RunPhase from "@observability-agents/agent-databricks/RunPhase"

const noon = DateTime.makeUnsafe("2026-03-01T12:00:00Z")
const at = (seconds: number) => DateTime.toEpochMillis(noon) + seconds * 1000
const decode = (input: unknown) =>
  Result.getOrThrowWith(RunRecord.decode(input), ({ problem }) => new Error(problem))
const snapshot = (input: object, options?: Run.SnapshotOptions) =>
  Run.toSnapshot(decode({ run_id: 7, job_id: 3, ...input }), noon, options)
const ended = (code: string) => ({ status: { state: "TERMINATED", termination_details: { code } } })

describe("phase", () => {
  it.each([
    ["QUEUED", "Pending"],
    ["PENDING", "Pending"],
    ["BLOCKED", "Pending"],
    ["WAITING", "Pending"],
    ["WAITING_FOR_RETRY", "Pending"],
    ["RUNNING", "Running"],
    ["TERMINATING", "Running"]
  ])("is for %s the same from either field", (word, phase) => {
    assert.strictEqual(RunPhase.phase({ status: { state: word } }), phase)
    assert.strictEqual(RunPhase.phase({ state: { life_cycle_state: word } }), phase)
  })

  it.each([
    ["SUCCESS", "Completed"],
    ["SUCCESS_WITH_FAILURES", "CompletedWithWarnings"],
    ["SKIPPED", "Skipped"],
    ["DISABLED", "Skipped"],
    ["MAX_CONCURRENT_RUNS_EXCEEDED", "Skipped"],
    ["MAX_JOB_QUEUE_SIZE_EXCEEDED", "Skipped"],
    ["USER_CANCELED", "Failed"],
    ["RUN_EXECUTION_ERROR", "Failed"],
    ["LIBRARY_INSTALLATION_ERROR", "Failed"],
    ["CLUSTER_TERMINATED_BY_USER", "Failed"],
    ["BREAKING_CHANGE", "Failed"]
  ])("follows the termination code %s", (code, phase) => {
    assert.strictEqual(RunPhase.phase({ ...ended(code), start_time: at(0) }), phase)
  })

  it.each([
    ["SUCCESS", "Completed"],
    ["EXCLUDED", "Skipped"],
    ["UPSTREAM_FAILED", "Skipped"],
    ["UPSTREAM_CANCELED", "Skipped"],
    ["MAXIMUM_CONCURRENT_RUNS_REACHED", "Skipped"],
    ["FAILED", "Failed"],
    ["TIMEDOUT", "Failed"],
    ["CANCELED", "Failed"]
  ])("follows the result %s of older answers", (result, phase) => {
    const state = { life_cycle_state: "TERMINATED", result_state: result }
    assert.strictEqual(RunPhase.phase({ state, start_time: at(0) }), phase)
  })

  it("takes life cycles that are outcomes themselves when no result is given", () => {
    assert.strictEqual(RunPhase.phase({ state: { life_cycle_state: "SKIPPED" } }), "Skipped")
    assert.strictEqual(RunPhase.phase({ state: { life_cycle_state: "INTERNAL_ERROR" } }), "Failed")
  })

  it("believes status where state contradicts it", () => {
    const state = { life_cycle_state: "PENDING", result_state: "SUCCESS" }
    assert.strictEqual(RunPhase.phase({ state, ...ended("RUN_EXECUTION_ERROR") }), "Failed")
  })

  it("calls a skipped task that had already worked failed", () => {
    assert.strictEqual(
      RunPhase.phase({ ...ended("SKIPPED"), start_time: at(0), execution_duration: 3000 }),
      "Failed"
    )
    assert.strictEqual(
      RunPhase.phase({ ...ended("SKIPPED"), start_time: at(0), execution_duration: 0 }),
      "Skipped"
    )
  })

  it("knows nothing of an unknown state, and falls back to the older field", () => {
    assert.isUndefined(RunPhase.phase({ status: { state: "HIBERNATING" } }))
    assert.isUndefined(RunPhase.phase({}))
    assert.strictEqual(
      RunPhase.phase({ status: { state: "HIBERNATING" }, state: { life_cycle_state: "RUNNING" } }),
      "Running"
    )
  })

  it("reads an unknown code by its type, and keeps a run running whose outcome it cannot tell", () => {
    const unknown = (type?: string) => ({
      status: { state: "TERMINATED", termination_details: { code: "NEW_CODE", ...(type && { type }) } }
    })
    assert.strictEqual(RunPhase.phase(unknown("CLOUD_FAILURE")), "Failed")
    assert.strictEqual(RunPhase.phase(unknown("SUCCESS")), "Completed")
    assert.strictEqual(RunPhase.phase(unknown()), "Running")
    assert.strictEqual(RunPhase.phase({ status: { state: "TERMINATED" } }), "Running")
  })
})

describe("decode", () => {
  it("takes ids as numbers and as text, and null as missing", () => {
    const run = decode({
      run_id: "9007199254740993001",
      job_id: 12,
      run_name: null,
      status: null,
      tasks: null,
      start_time: "1700000000000"
    })
    assert.strictEqual(run.run_id, "9007199254740993001")
    assert.strictEqual(run.job_id, "12")
    assert.notProperty(run, "run_name")
    assert.deepStrictEqual(run.tasks, [])
    assert.strictEqual(run.start_time, 1_700_000_000_000)
  })

  it("keeps every digit of an id that is a bare number beyond 2^53", () => {
    const json = Result.getOrThrow(Json.parse('{"run_id": 9223372036854775807, "job_id": 9007199254740993}'))
    const run = decode(json)
    assert.strictEqual(run.run_id, "9223372036854775807")
    assert.strictEqual(run.job_id, "9007199254740993")
  })

  it("leaves out a task that cannot be read and keeps the others", () => {
    const run = decode({ run_id: 1, tasks: [{ run_id: 2 }, "?", { task_key: "good" }, { task_key: 5 }] })
    assert.deepStrictEqual(
      run.tasks.map(({ task_key }) => task_key),
      ["good"]
    )
  })

  it("reads tasks when they are asked for, and once: most runs of a list are left aside", () => {
    let read = 0
    const task = {
      get task_key() {
        read += 1
        return "load"
      }
    }
    const run = Result.getOrThrow(RunRecord.decode({ run_id: 7, tasks: [task], iterations: [task] }))
    assert.strictEqual(read, 0)
    assert.deepStrictEqual(
      [...run.tasks, ...run.iterations].map(({ task_key }) => task_key),
      ["load", "load"]
    )
    const before = read
    assert.strictEqual(run.tasks, run.tasks)
    assert.deepStrictEqual({ ...run }.tasks, run.tasks)
    assert.strictEqual(read, before)
  })

  it.each([[null], ["text"], [[]], [{}], [{ run_id: null }], [{ run_id: 1.5 }], [{ run_id: "" }]])(
    "says what is wrong with %j",
    (input) => {
      const result = RunRecord.decode(input)
      assert.isTrue(Result.isFailure(result) && result.failure.problem.length > 0)
    }
  )

  it("tells the id of a run that is otherwise illegible", () => {
    const result = RunRecord.decode({ run_id: 99, tasks: "c4nary" }, (text) =>
      text.replaceAll("c4nary", "***")
    )
    assert.isTrue(
      Result.isFailure(result) && result.failure.runId === "99" && /tasks/.test(result.failure.problem)
    )
    assert.notInclude(JSON.stringify(result), "c4nary")
  })

  it("does not lose a run to fields of a wrong type that do not tell which run it is", () => {
    const wrong = {
      creator_user_name: 5,
      trigger: { type: "PERIODIC" },
      run_name: ["job"],
      run_type: 1,
      run_page_url: false,
      attempt_number: "first",
      start_time: "soon",
      queue_duration: {},
      original_attempt_run_id: {},
      repair_history: "none",
      has_more: 0,
      state: "TERMINATED",
      status: { state: "TERMINATED", termination_details: { code: "SUCCESS", type: 7, message: [] } }
    }
    const found = snapshot({
      ...wrong,
      end_time: at(5),
      tasks: [{ ...wrong, task_key: "a", run_id: true, attempt_number: 2, description: 5 }]
    })
    assert.strictEqual(found?.phase, "Completed")
    assert.deepStrictEqual(found?.endedAt, DateTime.makeUnsafe(at(5)))
    assert.isUndefined(found?.startedAt)
    assert.deepStrictEqual(found?.metadata, { job_id: "3", termination_code: "SUCCESS" })
    assert.deepStrictEqual(
      found?.tasks.map(({ attempt, key, phase }) => ({ key, attempt, phase })),
      [{ key: "a", attempt: 2, phase: "Completed" }]
    )
  })

  it("does not guess which job a run belongs to", () => {
    assert.isTrue(Result.isFailure(RunRecord.decode({ run_id: 1, job_id: {} })))
  })
})

describe("merge", () => {
  it("joins tasks and repairs of the pages and keeps what repeats once", () => {
    const first = decode({
      run_id: 1,
      run_name: "a",
      tasks: [{ task_key: "loop", run_id: 5 }],
      iterations: [{ task_key: "i0", run_id: 6 }],
      repair_history: [{ type: "ORIGINAL" }]
    })
    const next = decode({
      run_id: 1,
      tasks: [{ task_key: "loop", run_id: 5 }],
      iterations: [{ task_key: "i1", run_id: 7 }],
      repair_history: [{ type: "REPAIR" }]
    })
    const run = RunRecord.merge(first, next)
    assert.strictEqual(run.run_name, "a")
    assert.lengthOf(run.tasks, 1)
    assert.deepStrictEqual(
      run.iterations.map(({ task_key }) => task_key),
      ["i0", "i1"]
    )
    assert.lengthOf(run.repair_history ?? [], 2)
  })

  it("keeps the attempts of one task apart", () => {
    const page = (run_id: number | undefined, attempt_number: number) =>
      decode({ run_id: 1, tasks: [{ task_key: "t", attempt_number, ...(run_id && { run_id }) }] })
    assert.lengthOf(RunRecord.merge(page(5, 0), page(6, 1)).tasks, 2)
    assert.lengthOf(RunRecord.merge(page(undefined, 0), page(undefined, 1)).tasks, 2)
  })
})

describe("toSnapshot", () => {
  it("names job, run and tasks by ids that stay the same", () => {
    const found = snapshot({
      run_name: " nightly ",
      run_page_url: "https://x.example/run/7",
      status: { state: "RUNNING" },
      start_time: at(-60),
      end_time: 0,
      tasks: [
        {
          task_key: "extract",
          run_id: 70,
          attempt_number: 2,
          status: { state: "RUNNING" },
          start_time: at(-50)
        }
      ]
    })
    assert.deepStrictEqual(found?.pipeline, { key: "3", name: "nightly" })
    assert.deepStrictEqual(found?.run, { key: "7" })
    assert.strictEqual(found?.tool, "databricks")
    assert.strictEqual(found?.externalUrl, "https://x.example/run/7")
    assert.strictEqual(found?.tasks[0]?.key, "extract")
    assert.strictEqual(found?.tasks[0]?.attempt, 2)
  })

  it("takes a time of zero for no time", () => {
    const found = snapshot({
      status: { state: "RUNNING" },
      start_time: 0,
      end_time: 0,
      tasks: [{ task_key: "blocked", status: { state: "BLOCKED" }, start_time: 0, end_time: 0 }]
    })
    assert.notProperty(found, "startedAt")
    assert.notProperty(found, "endedAt")
    assert.strictEqual(found?.tasks[0]?.phase, "Pending")
    assert.notProperty(found?.tasks[0], "startedAt")
  })

  it("has no end while the run goes on, even if one is given", () => {
    assert.notProperty(snapshot({ status: { state: "TERMINATED" }, end_time: at(0) }), "endedAt")
  })

  it("takes impossible times for none", () => {
    const found = snapshot({ status: { state: "RUNNING" }, start_time: 9e15 })
    assert.notProperty(found, "startedAt")
  })

  it("changes nothing for a run of unknown state, and leaves out tasks of unknown state", () => {
    assert.isUndefined(snapshot({ status: { state: "HIBERNATING" } }))
    const found = snapshot({
      status: { state: "RUNNING" },
      tasks: [
        { task_key: "a", status: { state: "HIBERNATING" } },
        { task_key: "b", status: { state: "RUNNING" } }
      ]
    })
    assert.deepStrictEqual(
      found?.tasks.map(({ key }) => key),
      ["b"]
    )
  })

  it("keeps a run running that waits after its tasks have begun", () => {
    const found = snapshot({
      state: { life_cycle_state: "WAITING_FOR_RETRY" },
      tasks: [{ task_key: "a", ...ended("RUN_EXECUTION_ERROR") }]
    })
    assert.strictEqual(found?.phase, "Running")
    assert.strictEqual(snapshot({ state: { life_cycle_state: "QUEUED" } })?.phase, "Pending")
  })

  it("calls a run failed that is said to be skipped although a task has begun", () => {
    const found = snapshot({ ...ended("SKIPPED"), tasks: [{ task_key: "a", ...ended("SUCCESS") }] })
    assert.strictEqual(found?.phase, "Failed")
    assert.strictEqual(snapshot(ended("SKIPPED"))?.phase, "Skipped")
  })

  it("tells a failed task's error and its trace without terminal colours", () => {
    const found = snapshot(
      {
        ...ended("RUN_EXECUTION_ERROR"),
        tasks: [{ task_key: "a", run_id: 8, end_time: at(5), ...ended("FAILED") }]
      },
      {
        outputOf: () => ({
          error: "ValueError: no rows",
          error_trace: "\u001b[0;31mValueError\u001b[0m  line 3\u001b]8;;x\u0007"
        })
      }
    )
    const [message] = found?.tasks[0]?.messages ?? []
    assert.strictEqual(message?.level, "ERROR")
    assert.strictEqual(message?.message, "ValueError: no rows")
    assert.strictEqual(message?.details, "ValueError  line 3")
    assert.strictEqual(message?.timestamp && DateTime.toEpochMillis(message.timestamp), at(5))
  })

  it("falls back to the state's words, then to a sentence of its own", () => {
    const words = (extra: object) =>
      snapshot({ ...ended("FAILED"), tasks: [{ task_key: "a", ...extra }] })?.tasks[0]?.messages[0]?.message
    assert.strictEqual(
      words({
        state: { life_cycle_state: "INTERNAL_ERROR", result_state: "FAILED", state_message: "no library" }
      }),
      "no library"
    )
    assert.match(words(ended("FAILED")) ?? "", /no reason/)
  })

  it("has one ERROR message for a failed run and none for others", () => {
    const failed = snapshot({
      status: { state: "TERMINATED", termination_details: { code: "CLUSTER_ERROR", message: "no cluster" } }
    })
    assert.deepStrictEqual(
      failed?.messages.map(({ level, message }) => [level, message]),
      [["ERROR", "no cluster"]]
    )
    assert.deepStrictEqual(snapshot(ended("SUCCESS"))?.messages, [])
  })

  it("gives each failure of a repaired run a message of its own", () => {
    const key = (end: number) => snapshot({ ...ended("FAILED"), end_time: end })?.messages[0]?.key
    assert.strictEqual(key(at(1)), key(at(1)))
    assert.notStrictEqual(key(at(1)), key(at(500)))
  })

  it("counts repairs when the history is there", () => {
    const history = [{ type: "ORIGINAL" }, { type: "REPAIR" }, { type: "REPAIR" }]
    assert.strictEqual(snapshot({ status: { state: "RUNNING" }, repair_history: history })?.reopening, 2)
    assert.notProperty(snapshot({ status: { state: "RUNNING" } }), "reopening")
  })

  it("keeps failed, succeeded and skipped tasks of one run apart", () => {
    const found = snapshot({
      ...ended("RUN_EXECUTION_ERROR"),
      tasks: [
        { task_key: "a", ...ended("SUCCESS") },
        { task_key: "b", ...ended("RUN_EXECUTION_ERROR") },
        { task_key: "c", start_time: 0, end_time: at(1), state: { life_cycle_state: "SKIPPED" } },
        { task_key: "d", state: { life_cycle_state: "TERMINATED", result_state: "EXCLUDED" } }
      ]
    })
    assert.deepStrictEqual(
      found?.tasks.map(({ phase }) => phase),
      ["Completed", "Failed", "Skipped", "Skipped"]
    )
  })
})
