import { assert, describe, it } from "@effect/vitest"
import { DateTime, Schema } from "effect"
import * as Run from "../src/Run.ts"

const now = DateTime.makeUnsafe("2026-01-05T08:02:00Z")

describe("an order", () => {
  it("is told as a run of the pipeline of its product", () => {
    const order = Schema.decodeUnknownSync(Run.Order)({
      id: "4711",
      product: "brochure",
      state: "spoiled",
      started: "2026-01-05T08:00:00Z",
      ended: "2026-01-05T08:01:30Z",
      steps: [{ name: "sheets", state: "spoiled", started: "2026-01-05T08:00:00Z" }],
      fault: "out of paper"
    })
    const snapshot = Run.toSnapshot(order, now)
    assert.deepInclude(snapshot, {
      pipeline: { key: "brochure" },
      run: { key: "4711" },
      phase: "Failed",
      observedAt: now,
      messages: [{ key: "fault", level: "ERROR", message: "out of paper" }]
    })
    assert.deepStrictEqual(
      snapshot.tasks.map(({ key, phase }) => [key, phase]),
      [["sheets", "Failed"]]
    )
  })
})
