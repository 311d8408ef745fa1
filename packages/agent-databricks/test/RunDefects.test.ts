/**
 * What an earlier agent for Databricks, in Python, got wrong on the way from Databricks' answers to events, each as
 * the behaviour that takes its place.
 */
import { assert, describe, it } from "@effect/vitest"
import { DateTime, Result } from "effect"
import * as RunTracker from "@observability-agents/core/RunTracker"
import type * as RunSnapshot from "@observability-agents/core/RunSnapshot"
import type * as TrackedRun from "@observability-agents/core/TrackedRun"
import * as Run from "@observability-agents/agent-databricks/Run"
import * as RunRecord from "@observability-agents/agent-databricks/RunRecord"

const noon = DateTime.makeUnsafe("2026-03-01T12:00:00Z")
const at = (seconds: number) => DateTime.toEpochMillis(noon) + seconds * 1000
const decode = (input: object) => Result.getOrThrow(RunRecord.decode({ run_id: 7, job_id: 3, ...input }))
const snapshot = (input: object, observed = 0) => {
  const found = Run.toSnapshot(decode(input), DateTime.makeUnsafe(at(observed)))
  if (found === undefined) throw new Error("no snapshot")
  return found
}
const tell = (...snapshots: ReadonlyArray<RunSnapshot.RunSnapshot>) => {
  let known: TrackedRun.TrackedRun | undefined
  return snapshots.flatMap((each) => {
    const step = RunTracker.track(known, each)
    known = step.known
    return step.entries.map(({ event }) => event)
  })
}
const statuses = (...snapshots: ReadonlyArray<RunSnapshot.RunSnapshot>) =>
  tell(...snapshots).flatMap((event) =>
    event._tag === "RunStatus" ? [`${event.taskKey ?? "run"} ${event.status}`] : []
  )
const v1 = (life_cycle_state: string, result_state?: string) => ({
  state: { life_cycle_state, ...(result_state === undefined ? {} : { result_state }) }
})

describe("error bodies", () => {
  it.each([
    [{ error_code: "INVALID_PARAMETER_VALUE", message: "Run 7 does not exist." }],
    [{ error_code: 403, message: "Invalid access token." }],
    [{ error: "The service is not available." }],
    ["<!doctype html><html></html>"]
  ])("are not read as a run: %j", (body) => {
    assert.isTrue(Result.isFailure(RunRecord.decode(body)))
  })
})

describe("a run", () => {
  it("is RUNNING before its tasks and its end are told", () => {
    const running = snapshot({ ...v1("RUNNING"), start_time: at(0), end_time: 0 }, 5)
    const ended = snapshot({ ...v1("TERMINATED", "SUCCESS"), start_time: at(0), end_time: at(9) }, 10)
    assert.deepStrictEqual(statuses(running, ended), ["run RUNNING", "run COMPLETED"])
  })

  it("that overlapping windows show twice is told once", () => {
    const ended = (observed: number) =>
      snapshot({ ...v1("TERMINATED", "SUCCESS"), start_time: at(0), end_time: at(9) }, observed)
    assert.deepStrictEqual(statuses(ended(10), ended(15), ended(15)), ["run RUNNING", "run COMPLETED"])
  })

  it("is read alike from version 2.1, which has no status, and 2.2", () => {
    const times = { start_time: at(0), end_time: at(9) }
    const old = snapshot({ ...times, ...v1("TERMINATED", "FAILED"), tasks: [] })
    const details = { code: "RUN_EXECUTION_ERROR", type: "CLIENT_ERROR" }
    const status = { state: "TERMINATED", termination_details: details }
    const both = snapshot({ ...times, ...v1("INTERNAL_ERROR", "FAILED"), status, tasks: [] })
    assert.deepStrictEqual(statuses(old), statuses(both))
  })

  it("needs neither a message, nor an end, nor a flag that there is more", () => {
    const found = snapshot({ ...v1("TERMINATED", "FAILED") })
    assert.strictEqual(found.phase, "Failed")
    assert.isUndefined(decode(v1("RUNNING")).has_more)
  })

  it("that goes on is not said to have ended, though its state has a result", () => {
    const found = snapshot({ ...v1("PENDING", "SUCCESS"), tasks: [{ task_key: "t", ...v1("RUNNING") }] })
    assert.strictEqual(found.phase, "Running")
    assert.notProperty(found.metadata, "termination_code")
  })

  it("keeps the tasks beyond the first hundred", () => {
    const page = (from: number, count: number) =>
      decode({
        ...v1("RUNNING"),
        tasks: Array.from({ length: count }, (_, index) => ({
          task_key: `t${from + index}`,
          run_id: 100 + from + index
        }))
      })
    assert.lengthOf(RunRecord.merge(page(0, 100), page(100, 1)).tasks, 101)
  })

  it.each([["QUEUED"], ["PENDING"], ["BLOCKED"], ["WAITING"], ["WAITING_FOR_RETRY"], ["SKIPPED"]])(
    "that is %s and has not begun gives no event, and none of an unknown status",
    (word) => {
      assert.deepStrictEqual(tell(snapshot(v1(word)), snapshot({ status: { state: word } })), [])
    }
  )
})

describe("a task", () => {
  const around = (task: object) =>
    snapshot({
      ...v1("TERMINATED", "SUCCESS"),
      start_time: at(0),
      end_time: at(9),
      tasks: [{ task_key: "t", ...task }]
    })

  it.each([["EXCLUDED"], ["DISABLED"], ["UPSTREAM_FAILED"], ["UPSTREAM_CANCELED"], ["SKIPPED"]])(
    "that was %s has not failed: it gives no event",
    (word) => {
      const code = { status: { state: "TERMINATED", termination_details: { code: word } } }
      assert.deepStrictEqual(statuses(around(v1("TERMINATED", word))), ["run RUNNING", "run COMPLETED"])
      assert.deepStrictEqual(statuses(around({ ...code, start_time: 0 })), ["run RUNNING", "run COMPLETED"])
    }
  )

  it("that is BLOCKED does not run, and nothing is told of 1970", () => {
    const blocked = snapshot({
      ...v1("RUNNING"),
      start_time: at(0),
      end_time: 0,
      tasks: [{ task_key: "t", ...v1("BLOCKED"), start_time: 0, end_time: 0 }]
    })
    assert.deepStrictEqual(statuses(blocked), ["run RUNNING"])
    assert.notInclude(JSON.stringify(tell(blocked)), "1970")
  })

  it("that failed without a start is told, at a time of this century", () => {
    const failed = around({ ...v1("INTERNAL_ERROR", "FAILED"), start_time: 0, end_time: at(5) })
    const events = tell(failed)
    assert.isTrue(events.some((event) => event._tag === "RunStatus" && event.status === "FAILED"))
    assert.notInclude(JSON.stringify(events), "1970")
  })

  it("that a later attempt recovered does not stay failed", () => {
    const tasks = [
      { task_key: "t", run_id: 71, attempt_number: 1, ...v1("TERMINATED", "SUCCESS"), end_time: at(8) },
      { task_key: "t", run_id: 70, attempt_number: 0, ...v1("TERMINATED", "FAILED"), end_time: at(4) }
    ]
    const found = snapshot({ ...v1("TERMINATED", "SUCCESS"), start_time: at(0), end_time: at(9), tasks })
    assert.deepStrictEqual(statuses(found), ["run RUNNING", "t RUNNING", "t COMPLETED", "run COMPLETED"])
  })
})

describe("one-time runs", () => {
  const key = (input: object, options?: Run.SnapshotOptions) => Run.pipelineKey(decode(input), options)
  const submit = { run_type: "SUBMIT_RUN", run_name: "daily load" }

  it("of one name are runs of one pipeline, whatever their job ids", () => {
    assert.strictEqual(key({ ...submit, job_id: 1 }), "submit:daily load")
    assert.strictEqual(key({ ...submit, job_id: 2 }), key({ ...submit, job_id: 1 }))
    assert.strictEqual(key({ ...submit, run_type: "JOB_RUN", job_id: 2 }), "2")
  })

  it("have UUIDs in their names left out of it, and keep them in the name of the run", () => {
    const run = (uuid: string) => ({
      ...v1("RUNNING"),
      ...submit,
      run_name: `ADF_factory_pipe_Notebook1_${uuid}`
    })
    const [one, two] = ["0b9e3a52-7a6f-4a5e-9a1f-3a1f6a3c2d10", "4C1F0E77-0D0D-4B0B-8E8E-9F9F9F9F9F9F"]
    assert.strictEqual(key(run(one)), "submit:ADF_factory_pipe_Notebook1")
    assert.strictEqual(key(run(two)), key(run(one)))
    const found = snapshot(run(one))
    assert.strictEqual(found.pipeline.name, "ADF_factory_pipe_Notebook1")
    assert.strictEqual(found.run.name, run(one).run_name)
  })

  it.each([[undefined], [""], ["  "], ["Untitled"], ["0b9e3a52-7a6f-4a5e-9a1f-3a1f6a3c2d10"]])(
    "with the name %j stand for themselves",
    (run_name) => {
      assert.strictEqual(
        key({ run_type: "SUBMIT_RUN", job_id: 5, ...(run_name === undefined ? {} : { run_name }) }),
        "5"
      )
    }
  )

  it("can be left apart", () => {
    assert.strictEqual(key({ ...submit, job_id: 1 }, { groupSubmits: false }), "1")
  })

  it("and all others have the workspace's prefix before their keys", () => {
    assert.strictEqual(key(submit, { keyPrefix: "west/" }), "west/submit:daily load")
    assert.strictEqual(key({}, { keyPrefix: "west/" }), "west/3")
    assert.strictEqual(
      Run.toSnapshot(decode(v1("RUNNING")), noon, { keyPrefix: "west/" })?.pipeline.key,
      "west/3"
    )
  })
})
