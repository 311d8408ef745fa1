import { assert, describe, it } from "@effect/vitest"
import * as Event from "@observability-agents/toolkit/Event"
import * as EventTitle from "../src/EventTitle.ts"

const run = { pipelineKey: "p", runKey: "r" }

describe("EventTitle", () => {
  it("names a metric with its value, on one short line", () => {
    assert.strictEqual(
      EventTitle.title(Event.metricLog({ ...run, taskKey: "load", metricKey: "rows", metricValue: "12" })),
      "task load metric rows = 12"
    )
    const long = Event.metricLog({ ...run, metricKey: `a\n${"x".repeat(5000)}`, metricValue: 1 })
    assert.isBelow(EventTitle.title(long).length, 120)
    assert.notInclude(EventTitle.title(long), "\n")
  })

  it("counts the outcomes of tests by status, and leaves out what there is none of", () => {
    const title = (...statuses: ReadonlyArray<"PASSED" | "FAILED" | "WARNING">) =>
      EventTitle.title(
        Event.testOutcomes({ ...run, outcomes: statuses.map((status) => ({ name: "test", status })) })
      )
    assert.strictEqual(title("PASSED"), "1 test outcome: 1 passed")
    assert.strictEqual(
      title("FAILED", "PASSED", "PASSED", "WARNING"),
      "4 test outcomes: 2 passed, 1 with a warning, 1 failed"
    )
  })
})
