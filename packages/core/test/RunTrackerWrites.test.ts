import { assert, describe, it } from "@effect/vitest"
import { type DateTime, Option } from "effect"
import type { Checkpoint, Commit } from "../src/Outbox.ts"
import type { RunSnapshot } from "../src/RunSnapshot.ts"
import * as RunCommit from "../src/RunCommit.ts"
import { at, message, snapshot, task } from "./support/runs.ts"

const RETENTION = { closed: "1 hour", failed: "7 days" } as const

/** A store of tracked runs, polled at one second after the other. */
const makeStore = () => {
  const checkpoint = { cursor: Option.none<DateTime.Utc>(), runs: new Map() } satisfies Checkpoint
  return (second: number, ...snapshots: ReadonlyArray<RunSnapshot>): Commit => {
    const commit = RunCommit.commitOf(checkpoint, { source: "s", snapshots }, at(second), RETENTION)
    for (const run of commit.runs) checkpoint.runs.set(run.key, run)
    for (const key of commit.forget) checkpoint.runs.delete(key)
    return commit
  }
}

const running = (second: number) =>
  snapshot(second, "Running", {
    startedAt: at(1),
    tasks: [task("a", "Running", { startedAt: at(1) }), task("b", "Pending")]
  })

describe("RunTracker's commits", () => {
  it("write a run of which nothing is new once a minute, and not with each poll", () => {
    const poll = makeStore()
    const written: Array<number> = []
    for (let second = 5; second <= 180; second += 5) {
      if (poll(second, running(second)).runs.length > 0) written.push(second)
    }
    assert.deepStrictEqual(written, [5, 65, 125])
  })

  it("write at once what is new: a phase, a task, a message, a name, a re-opening, an end", () => {
    const poll = makeStore()
    const steps: ReadonlyArray<RunSnapshot> = [
      snapshot(5, "Pending"),
      running(10),
      snapshot(15, "Running", { tasks: [task("a", "Completed"), task("b", "Pending")] }),
      snapshot(20, "Running", { tasks: [task("a", "Completed"), task("b", "Running")] }),
      snapshot(25, "Running", { messages: [message("m")] }),
      snapshot(30, "Running", { run: { key: "r", name: "named" } }),
      snapshot(35, "Failed", { endedAt: at(33) }),
      snapshot(40, "Running", { reopening: 1, startedAt: at(38) })
    ]
    assert.deepStrictEqual(
      steps.map((step, index) => poll(5 + index * 5, step).runs.length),
      steps.map(() => 1)
    )
  })

  it("tell nothing twice although an observation was not written", () => {
    const poll = makeStore()
    assert.lengthOf(poll(5, running(5)).entries, 2)
    assert.lengthOf(poll(10, running(10)).entries, 0)
    assert.lengthOf(poll(15, running(15), snapshot(12, "Completed", { endedAt: at(11) })).entries, 0)
  })

  it("forget runs in their time, also those that were not written lately", () => {
    const poll = makeStore()
    const ended = (second: number) => snapshot(second, "Completed", { startedAt: at(1), endedAt: at(4) })
    poll(5, ended(5))
    assert.lengthOf(poll(50, ended(50)).runs, 0)
    assert.deepStrictEqual(poll(5 + 3599).forget, [])
    assert.deepStrictEqual(poll(5 + 3700).forget, ["p/r"])
  })
})
