import * as Fs from "node:fs"
import { assert, describe, it } from "@effect/vitest"
import * as RunPhase from "@observability-agents/agent-databricks/RunPhase"

const status = (state: string, code?: string, type?: string) => ({
  status: {
    state,
    ...(code === undefined ? {} : { termination_details: { code, ...(type === undefined ? {} : { type }) } })
  }
})

describe("RunPhase", () => {
  it("is documented in the README by the tables that it follows", () => {
    const readme = Fs.readFileSync(new URL("../README.md", import.meta.url), "utf8")
    const table = /<!-- mapping -->\n([\s\S]*?)\n<!-- \/mapping -->/.exec(readme)?.[1]
    assert.strictEqual(table, RunPhase.markdown())
  })

  it("has each word once in each table", () => {
    for (const table of [RunPhase.lifeCycles, RunPhase.outcomes, RunPhase.lifeCycleOutcomes]) {
      const words = table.flatMap((row) => row.words)
      assert.strictEqual(new Set(words).size, words.length)
    }
  })

  // Jobs API 2.2: TerminationCode and RunResultState, whole.
  it.each([
    "SUCCESS",
    "SUCCESS_WITH_FAILURES",
    "USER_CANCELED",
    "CANCELED",
    "SKIPPED",
    "DISABLED",
    "INTERNAL_ERROR",
    "DRIVER_ERROR",
    "CLUSTER_ERROR",
    "CLUSTER_TERMINATED_BY_USER",
    "REPOSITORY_CHECKOUT_FAILED",
    "INVALID_CLUSTER_REQUEST",
    "WORKSPACE_RUN_LIMIT_EXCEEDED",
    "FEATURE_DISABLED",
    "CLUSTER_REQUEST_LIMIT_EXCEEDED",
    "STORAGE_ACCESS_ERROR",
    "RUN_EXECUTION_ERROR",
    "UNAUTHORIZED_ERROR",
    "LIBRARY_INSTALLATION_ERROR",
    "MAX_CONCURRENT_RUNS_EXCEEDED",
    "MAX_SPARK_CONTEXTS_EXCEEDED",
    "RESOURCE_NOT_FOUND",
    "INVALID_RUN_CONFIGURATION",
    "CLOUD_FAILURE",
    "MAX_JOB_QUEUE_SIZE_EXCEEDED",
    "BUDGET_POLICY_LIMIT_EXCEEDED",
    "BREAKING_CHANGE",
    "FAILED",
    "TIMEDOUT",
    "MAXIMUM_CONCURRENT_RUNS_REACHED",
    "EXCLUDED",
    "UPSTREAM_FAILED",
    "UPSTREAM_CANCELED",
    "EVICTED",
    "UPSTREAM_EVICTED"
  ])("knows the outcome %s from either field", (word) => {
    const phase = RunPhase.phase(status("TERMINATED", word))
    assert.isTrue(phase !== undefined && RunPhase.isTerminal(phase))
    assert.strictEqual(
      RunPhase.phase({ state: { life_cycle_state: "TERMINATED", result_state: word } }),
      phase
    )
  })

  it("reads a run with a failed task alike, whether Databricks calls it an internal error or terminated", () => {
    const internal = { life_cycle_state: "INTERNAL_ERROR", result_state: "FAILED" }
    assert.strictEqual(RunPhase.phase({ state: internal }), "Failed")
    const v2 = status("TERMINATED", "RUN_EXECUTION_ERROR", "CLIENT_ERROR")
    assert.strictEqual(RunPhase.phase({ state: internal, ...v2 }), "Failed")
  })

  it("takes a result for none while it goes on", () => {
    const state = { life_cycle_state: "PENDING", result_state: "SUCCESS" }
    assert.strictEqual(RunPhase.phase({ state }), "Pending")
    assert.strictEqual(RunPhase.phase({ state, ...status("RUNNING") }), "Running")
  })

  it("does not count what was cancelled before it had a start", () => {
    const cancelled = status("TERMINATED", "CANCELED")
    assert.strictEqual(RunPhase.phase({ ...cancelled, start_time: 0 }), "Skipped")
    assert.strictEqual(RunPhase.phase({ ...cancelled, start_time: 1_700_000_000_000 }), "Failed")
    assert.strictEqual(RunPhase.phase(cancelled), "Skipped")
    assert.strictEqual(RunPhase.phase({ ...cancelled, execution_duration: 3000 }), "Failed")
  })

  it.each([
    ["2.1", {}],
    ["2.2", status("TERMINATED", "CANCELED", "CLIENT_ERROR")]
  ])("does not count what ran out of time before it had a start, in answers of %s", (_, more) => {
    const timedOut = { state: { life_cycle_state: "TERMINATED", result_state: "TIMEDOUT" }, ...more }
    assert.strictEqual(RunPhase.phase({ ...timedOut, start_time: 0 }), "Skipped")
    assert.strictEqual(RunPhase.phase(timedOut), "Skipped")
    assert.strictEqual(RunPhase.phase({ ...timedOut, start_time: 1_700_000_000_000 }), "Failed")
  })

  it("ends with a warning what ended in a way that it does not know", () => {
    const ended = { ...status("TERMINATED", "ABDUCTED"), end_time: 1_700_000_000_000 }
    assert.strictEqual(RunPhase.phase(ended), "CompletedWithWarnings")
    assert.strictEqual(RunPhase.unknownOutcome(ended), "ABDUCTED")
    assert.isUndefined(RunPhase.unknownOutcome({ ...ended, end_time: 0 }))
    assert.isUndefined(RunPhase.unknownOutcome({ ...ended, ...status("RUNNING", "ABDUCTED") }))
    assert.isUndefined(RunPhase.unknownOutcome({ ...ended, ...status("TERMINATED", "ABDUCTED", "SUCCESS") }))
    assert.strictEqual(RunPhase.phase({ ...status("TERMINATED"), end_time: 1_700_000_000_000 }), "Running")
  })
})
