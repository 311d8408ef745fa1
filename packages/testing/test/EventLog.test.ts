import { assert, describe, it } from "@effect/vitest"
import * as EventLog from "@observability-agents/testing/EventLog"
import * as Event from "@observability-agents/toolkit/Event"
import { DateTime } from "effect"

const at = (minute: number) => DateTime.makeUnsafe(Date.UTC(2026, 0, 1, 0, minute))
const status = (state: Event.RunState, minute: number, taskKey?: string, runKey = "r1") =>
  Event.runStatus({
    pipelineKey: "p",
    runKey,
    status: state,
    timestamp: at(minute),
    ...(taskKey === undefined ? {} : { taskKey })
  })
const message = (minute: number) =>
  Event.messageLog({ pipelineKey: "p", runKey: "r1", level: "ERROR", message: "no", timestamp: at(minute) })

describe("EventLog", () => {
  it("finds nothing wrong with runs in their order, also when mixed and re-opened", () => {
    const events = [
      status("RUNNING", 0),
      status("RUNNING", 0, undefined, "r2"),
      status("RUNNING", 1, "load"),
      message(2),
      status("FAILED", 3, "load"),
      status("COMPLETED", 3, undefined, "r2"),
      status("FAILED", 4),
      status("RUNNING", 6),
      status("RUNNING", 6, "load"),
      status("COMPLETED", 7, "load"),
      status("COMPLETED", 8)
    ]
    assert.deepStrictEqual(EventLog.problems(events), [])
    assert.strictEqual(EventLog.lanes(events).size, 2)
  })

  it("finds an event that came twice, whatever the order of its properties", () => {
    const first = message(2)
    const again = Event.messageLog({
      message: "no",
      level: "ERROR",
      timestamp: at(2),
      runKey: "r1",
      pipelineKey: "p"
    })
    assert.deepStrictEqual(EventLog.duplicates([status("RUNNING", 0), first, again]), [again])
  })

  it("finds each break of order", () => {
    const finds = (events: ReadonlyArray<Event.Event>, words: string) =>
      assert.isTrue(
        EventLog.disorder(events).some((finding) => finding.includes(words)),
        `${words}: ${JSON.stringify(EventLog.disorder(events))}`
      )
    finds([message(1)], "before the run's RUNNING")
    finds([status("COMPLETED", 1)], "before the run's RUNNING")
    finds([status("RUNNING", 0), status("COMPLETED", 1), message(2)], "after the run's end")
    finds([status("RUNNING", 0), status("COMPLETED", 1), status("COMPLETED", 1)], "after the run's end")
    finds([status("RUNNING", 0), status("RUNNING", 1)], "RUNNING came again")
    finds([status("RUNNING", 0), status("COMPLETED", 1, "load")], "without its RUNNING")
    finds([status("RUNNING", 0), status("RUNNING", 1, "load"), status("RUNNING", 2, "load")], "came again")
    finds([status("RUNNING", 0), status("FAILED", 5), status("RUNNING", 5)], "not later than that end")
  })
})
