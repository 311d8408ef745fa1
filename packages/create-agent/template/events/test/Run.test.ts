import { assert, describe, it } from "@effect/vitest"
import { DateTime, Schema } from "effect"
import * as Run from "../src/Run.ts"

// YOUR TOOL: a record as its documentation, or the tool itself, has it.
const RECORD = {
  id: "4711",
  job: "nightly",
  state: "failed",
  started: "2026-01-05T08:00:00Z",
  ended: "2026-01-05T08:01:30Z",
  steps: [{ name: "load", state: "failed", started: "2026-01-05T08:00:00Z", ended: "2026-01-05T08:01:30Z" }],
  error: "no such table"
}
const now = DateTime.makeUnsafe("2026-01-05T08:02:00Z")

describe("a run of My Tool", () => {
  it("is told with its times, its steps and its error", () => {
    const run = Schema.decodeUnknownSync(Run.Run)(RECORD)
    const snapshot = Run.toSnapshot(run, now)
    assert.deepInclude(snapshot, {
      pipeline: { key: "nightly" },
      run: { key: "4711" },
      tool: "My Tool",
      phase: "Failed",
      observedAt: now,
      messages: [{ key: "error", level: "ERROR", message: "no such table" }]
    })
    assert.strictEqual(snapshot.endedAt && DateTime.formatIso(snapshot.endedAt), "2026-01-05T08:01:30.000Z")
    assert.deepStrictEqual(
      snapshot.tasks.map(({ key, phase }) => [key, phase]),
      [["load", "Failed"]]
    )
  })

  for (const [state, phase] of [
    ["queued", "Pending"],
    ["running", "Running"],
    ["succeeded", "Completed"],
    ["cancelled", "Failed"]
  ] as const) {
    it(`that is ${state} is ${phase}`, () => {
      const run = Schema.decodeSync(Run.Run)({ id: "1", job: "nightly", state, steps: [] })
      assert.strictEqual(Run.toSnapshot(run, now).phase, phase)
    })
  }

  it("with a state that nobody knows is not guessed at", () => {
    assert.throws(() => Schema.decodeUnknownSync(Run.Run)({ ...RECORD, state: "exploded" }))
  })
})
