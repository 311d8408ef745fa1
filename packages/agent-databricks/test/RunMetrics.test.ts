import { assert, describe, it } from "@effect/vitest"
import { DateTime, Result } from "effect"
import * as Run from "@observability-agents/agent-databricks/Run"
import * as RunRecord from "@observability-agents/agent-databricks/RunRecord"

const noon = DateTime.makeUnsafe("2026-03-01T12:00:00Z")
const at = (seconds: number) => DateTime.toEpochMillis(noon) + seconds * 1000
const ended = (code: string) => ({ status: { state: "TERMINATED", termination_details: { code } } })
const times = { start_time: at(0), end_time: at(100) }
const snapshot = (input: object, options: Run.SnapshotOptions = { metrics: true }) =>
  Run.toSnapshot(
    Result.getOrThrow(RunRecord.decode({ run_id: 7, ...times, ...ended("SUCCESS"), ...input })),
    noon,
    options
  )
const values = (input: object) =>
  Object.fromEntries((snapshot(input)?.metrics ?? []).map(({ metric, value }) => [metric, value]))

describe("metrics", () => {
  it("are told only where they are wanted", () => {
    const found = snapshot(
      { run_duration: 1000, tasks: [{ task_key: "a", ...times, ...ended("SUCCESS") }] },
      {}
    )
    assert.notProperty(found, "metrics")
    assert.notProperty(found?.tasks[0], "metrics")
  })

  it("are in seconds and leave out what Databricks sets to zero for runs of several tasks", () => {
    const several = { setup_duration: 0, execution_duration: 0, cleanup_duration: 0 }
    assert.deepStrictEqual(values({ ...several, run_duration: 246_083, queue_duration: 0 }), {
      run_duration_seconds: 246.083,
      run_queue_seconds: 0
    })
    assert.deepStrictEqual(
      values({ setup_duration: 266_000, execution_duration: 55_000, run_duration: 321_970 }),
      {
        run_duration_seconds: 321.97,
        run_setup_seconds: 266,
        run_execution_seconds: 55
      }
    )
  })

  it("take the time a run worked from Databricks, not from its start and end, which a repair drives apart", () => {
    const repaired = { repair_history: [{ type: "ORIGINAL" }, { type: "REPAIR" }], end_time: at(90_000) }
    assert.deepStrictEqual(values({ ...repaired, run_duration: 120_000 }), { run_duration_seconds: 120 })
    assert.deepStrictEqual(values(repaired), {})
    assert.deepStrictEqual(values({}), { run_duration_seconds: 100 })
  })

  it("and metadata leave out what is no span of time", () => {
    const absurd = { queue_duration: 1.7e12, setup_duration: -5, execution_duration: 1e300, run_duration: -1 }
    const found = snapshot({
      ...absurd,
      tasks: [{ task_key: "a", ...times, ...ended("SUCCESS"), ...absurd }]
    })
    for (const metadata of [found?.metadata, found?.tasks[0]?.metadata]) {
      const spans = Object.keys(metadata ?? {}).filter((name) => name.endsWith("_ms"))
      assert.deepStrictEqual(spans, [])
    }
    assert.include(snapshot({ queue_duration: 0, run_duration: 5 })?.metadata, {
      queue_duration_ms: 0,
      run_duration_ms: 5
    })
  })

  it("come only once it has ended", () => {
    assert.deepStrictEqual(values({ status: { state: "RUNNING" }, run_duration: 5000 }), {})
    assert.deepStrictEqual(values({ ...ended("SKIPPED"), run_duration: 5000 }), {})
  })

  it("are told once for each end of a run", () => {
    const keys = (end: number) => snapshot({ end_time: end, run_duration: 1 })?.metrics?.map(({ key }) => key)
    assert.deepStrictEqual(keys(at(1)), keys(at(1)))
    assert.notDeepEqual(keys(at(1)), keys(at(900)))
  })

  it("are told of each attempt of a task", () => {
    const task = { task_key: "a", run_id: 8, ...times, ...ended("SUCCESS") }
    const found = snapshot({ tasks: [{ ...task, setup_duration: 101_000, execution_duration: 91_000 }] })
    assert.deepStrictEqual(
      found?.tasks[0]?.metrics?.map(({ metric, timestamp, value }) => [metric, value, timestamp]),
      [
        ["task_duration_seconds", 192, DateTime.makeUnsafe(at(100))],
        ["task_setup_seconds", 101, DateTime.makeUnsafe(at(100))],
        ["task_execution_seconds", 91, DateTime.makeUnsafe(at(100))]
      ]
    )
  })

  it("do not take a time for a span", () => {
    assert.notProperty(values({ queue_duration: at(0) }), "run_queue_seconds")
  })
})
