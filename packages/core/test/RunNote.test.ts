import { assert, describe, it } from "@effect/vitest"
import { DateTime, Option } from "effect"
import type { Checkpoint } from "../src/Outbox.ts"
import type { RunSnapshot } from "../src/RunSnapshot.ts"
import * as RunNote from "../src/RunNote.ts"
import * as RunCommit from "../src/RunCommit.ts"
import * as RunTracker from "../src/RunTracker.ts"
import { at, snapshot, task } from "./support/runs.ts"

const retention = { closed: "1 hour", failed: "7 days" } as const

/** The notes of a history of polls, one snapshot each. */
const notes = (snapshots: ReadonlyArray<RunSnapshot>) => {
  let checkpoint: Checkpoint = { cursor: Option.none(), runs: new Map() }
  return snapshots.map((one) => {
    const commit = RunCommit.commitOf(
      checkpoint,
      { source: "s", snapshots: [one] },
      one.observedAt,
      retention
    )
    checkpoint = { ...checkpoint, runs: new Map(commit.runs.map((run) => [run.key, run])) }
    return commit.notes?.map(({ text }) => text)
  })
}

describe("RunNote", () => {
  it("names the run's phase, and each task with its latest attempt", () => {
    assert.strictEqual(RunNote.text(snapshot(1, "Pending")), "Pending")
    assert.strictEqual(
      RunNote.text(
        snapshot(1, "Running", {
          tasks: [
            task("extract", "Completed"),
            task("load", "Failed"),
            task("load", "Running", { attempt: 1 })
          ]
        })
      ),
      "Running; extract Completed, load (attempt 2) Running"
    )
  })

  it("says of a task that failed that it will be tried again", () => {
    const tasks = [
      task("load", "Failed", { willRetry: true }),
      task("other", "Completed", { willRetry: true }),
      task("third", "Failed")
    ]
    assert.strictEqual(
      RunNote.text(snapshot(1, "Running", { tasks })),
      "Running; load Failed (will be tried again), other Completed, third Failed"
    )
  })

  it("counts the tasks beyond twenty", () => {
    const tasks = Array.from({ length: 23 }, (_, index) => task(`t${index}`, "Running"))
    assert.match(RunNote.text(snapshot(1, "Running", { tasks })), /t19 Running, and 3 more$/)
  })

  it("is left only when something is new", () => {
    assert.deepStrictEqual(
      notes([
        snapshot(1, "Pending"),
        snapshot(2, "Pending"),
        snapshot(3, "Running"),
        snapshot(4, "Running"),
        snapshot(5, "Running", { tasks: [task("load", "Running")] }),
        snapshot(4, "Failed"),
        snapshot(6, "Completed"),
        snapshot(7, "Completed")
      ]),
      [["Pending"], [], ["Running"], [], ["Running; load Running"], [], ["Completed"], []]
    )
  })

  it("stands in the lane of the run's events, whatever its keys", () => {
    for (const key of ["7001", "a/b", "100%", "x".repeat(300), "🚀", "\ud800"]) {
      const one = snapshot(1, "Running", { run: { key } })
      const { entries } = RunTracker.track(undefined, one)
      assert.isAbove(entries.length, 0)
      assert.strictEqual(RunNote.lane(one), entries[0]?.lane)
      assert.strictEqual(RunNote.make(one, []).lane, entries[0]?.lane)
    }
  })

  it("says when the tool does not know a run any more", () => {
    const open = RunTracker.track(undefined, snapshot(1, "Running")).known
    const commit = RunCommit.commitOf(
      { cursor: Option.none(), runs: new Map([[open.key, open]]) },
      { source: "s", snapshots: [], gone: [open.key] },
      at(9),
      retention
    )
    assert.deepStrictEqual(
      commit.notes?.map((note) => [DateTime.toEpochMillis(note.at), note.text]),
      [[DateTime.toEpochMillis(at(9)), "Not known any more"]]
    )
  })
})
