import { assert, describe, it } from "@effect/vitest"
import { DateTime, Option, Schema } from "effect"
import * as RunCommit from "../src/RunCommit.ts"
import * as RunTracker from "../src/RunTracker.ts"
import * as TrackedRun from "../src/TrackedRun.ts"
import { at, breach, fold, message, secondsOf, snapshot, task, told } from "./support/runs.ts"

const json = Schema.fromJsonString(TrackedRun.TrackedRun)
const ran = { startedAt: at(0), endedAt: at(100) }

describe("RunTracker: a run", () => {
  it("that is first seen finished is told as RUNNING at its start and then as ended", () => {
    const { entries } = fold([snapshot(200, "Completed", ran)])
    assert.deepStrictEqual(told(entries), ["p/r#0:RUNNING 0", "p/r#0:COMPLETED 100"])
  })

  it("that is seen again and again is told once", () => {
    const running = (observed: number) => snapshot(observed, "Running", { startedAt: at(0) })
    const ended = (observed: number) => snapshot(observed, "Failed", ran)
    const { entries } = fold([running(5), running(10), running(10), ended(105), ended(110), ended(110)])
    assert.deepStrictEqual(told(entries), ["p/r#0:RUNNING 0", "p/r#0:FAILED 100"])
  })

  it("that waits or is skipped is not told", () => {
    const skippedTask = task("t", "Skipped", { messages: [message("why")] })
    const { entries, known } = fold([
      snapshot(1, "Pending", { tasks: [task("t", "Pending")] }),
      snapshot(2, "Skipped", { tasks: [skippedTask], messages: [message("why")] })
    ])
    assert.deepStrictEqual(told(entries), [])
    assert.strictEqual(known?.phase, "Skipped")
  })

  it("that is skipped after it had begun gets an end", () => {
    const { entries } = fold([snapshot(1, "Running"), snapshot(2, "Skipped")])
    assert.deepStrictEqual(told(entries), ["p/r#0:RUNNING 1", "p/r#0:COMPLETED_WITH_WARNINGS 2"])
    assert.deepStrictEqual(entries[1]?.event.metadata, { skipped: true })
  })

  it("of which an older snapshot comes late stays as it was", () => {
    const { entries, known } = fold([snapshot(200, "Completed", ran)])
    const late = RunTracker.track(
      known,
      snapshot(50, "Running", { startedAt: at(0), tasks: [task("t", "Running")] })
    )
    assert.strictEqual(late.known, known)
    assert.strictEqual(entries.length + late.entries.length, 2)
  })

  it("of which a snapshot is older by far goes on: the clock was set back", () => {
    const { entries, known } = fold([
      snapshot(7200, "Running", { startedAt: at(0) }),
      snapshot(7200 - 301, "Completed", ran)
    ])
    assert.deepStrictEqual(told(entries), ["p/r#0:RUNNING 0", "p/r#0:COMPLETED 100"])
    assert.strictEqual(secondsOf(known?.observedAt), 7200 - 301)
  })

  it("that goes back to Running or Pending without evidence stays as it was", () => {
    const { entries } = fold([
      snapshot(10, "Running", { startedAt: at(0) }),
      snapshot(11, "Pending", { startedAt: at(0) }),
      snapshot(200, "Completed", ran),
      snapshot(205, "Running", { startedAt: at(0) }),
      snapshot(210, "Failed", ran)
    ])
    assert.deepStrictEqual(told(entries), ["p/r#0:RUNNING 0", "p/r#0:COMPLETED 100"])
  })

  it("that has begun by its tasks' word only is told as RUNNING before them", () => {
    const { entries } = fold([
      snapshot(10, "Pending", { tasks: [task("t", "Running", { startedAt: at(7) })] })
    ])
    assert.deepStrictEqual(told(entries), ["p/r#0:RUNNING 7", "p/r#0/t@0:RUNNING 7"])
  })

  it("that the tool does not know any more is ended with a warning", () => {
    const { entries, known } = fold([snapshot(10, "Running", { tasks: [task("t", "Running")] })])
    assert.isDefined(known)
    const lost = RunTracker.lose(known, at(20))
    assert.deepStrictEqual(told(lost.entries), [
      "p/r/msg:~gone#0 20",
      "p/r#0/t@0:COMPLETED_WITH_WARNINGS 20",
      "p/r#0:COMPLETED_WITH_WARNINGS 20"
    ])
    assert.isUndefined(breach([...entries, ...lost.entries]))
    assert.deepStrictEqual(RunTracker.lose(lost.known, at(30)).entries, [])
  })

  const lostAt = (seconds: number, ...snapshots: ReadonlyArray<ReturnType<typeof snapshot>>) => {
    const { entries, known } = fold(snapshots)
    assert.isDefined(known)
    const lost = RunTracker.lose(known, at(seconds))
    return {
      entries: [...entries, ...lost.entries],
      // As it is after a restart.
      known: Schema.decodeSync(json)(Schema.encodeSync(json)(lost.known))
    }
  }

  it("that was lost and is known again goes on, with its tasks, to its true end", () => {
    const tasks = [task("t", "Running", { startedAt: at(5) })]
    const failed = [task("t", "Failed", { startedAt: at(5), endedAt: at(580) })]
    const started = { startedAt: at(0) }
    const lost = lostAt(20, snapshot(10, "Running", { ...started, tasks }))
    assert.isTrue(lost.known.lost)
    assert.deepStrictEqual(fold([snapshot(15, "Running", { ...started, tasks })], lost.known).entries, [])
    for (const known of [lost.known, TrackedRun.outline(lost.known)]) {
      const later = fold(
        [
          snapshot(30, "Running", { ...started, tasks }),
          snapshot(600, "Failed", { ...started, endedAt: at(590), tasks: failed }),
          snapshot(610, "Failed", { ...started, endedAt: at(590), tasks: failed }),
          snapshot(620, "Running", { ...started, tasks: failed })
        ],
        known
      )
      assert.deepStrictEqual(told(later.entries), [
        "p/r#1:RUNNING 20.001",
        "p/r#1/t@0.1:RUNNING 20.001",
        "p/r#1/t@0.1:FAILED 580",
        "p/r#1:FAILED 590"
      ])
      assert.isUndefined(breach([...lost.entries, ...later.entries]))
      assert.isUndefined(later.known?.lost)
    }
  })

  it("that was lost is told with its true end, also where that is earlier or has no time", () => {
    for (const [endedAt, expected] of [
      [590, 590],
      [15, 20.001],
      [undefined, 600]
    ] as const) {
      const lost = lostAt(20, snapshot(10, "Running", { startedAt: at(0) }))
      const ended = (observed: number) =>
        snapshot(observed, "Failed", {
          startedAt: at(0),
          endedAt: endedAt === undefined ? undefined : at(endedAt)
        })
      const later = fold([ended(600), ended(610)], lost.known)
      assert.deepStrictEqual(told(later.entries), ["p/r#1:RUNNING 20.001", `p/r#1:FAILED ${expected}`])
      assert.isUndefined(breach([...lost.entries, ...later.entries]))
    }
  })

  it("that was lost in a Poll by mistake is re-opened by the next Polls", () => {
    const retention = { closed: "1 hour", failed: "7 days" } as const
    const runs = new Map<string, TrackedRun.TrackedRun>()
    const poll = (
      seconds: number,
      snapshots: ReadonlyArray<ReturnType<typeof snapshot>>,
      gone: string[] = []
    ) => {
      const commit = RunCommit.commitOf(
        { cursor: Option.none(), runs },
        { source: "s", snapshots, gone },
        at(seconds),
        retention
      )
      for (const run of commit.runs) runs.set(run.key, run)
      return told(commit.entries).filter((one) => !one.includes("/msg:"))
    }
    poll(10, [snapshot(10, "Running", { startedAt: at(0) })])
    assert.deepStrictEqual(poll(20, [], ["p/r"]), ["p/r#0:COMPLETED_WITH_WARNINGS 20"])
    assert.deepStrictEqual(poll(30, [snapshot(30, "Running", { startedAt: at(0) })]), [
      "p/r#1:RUNNING 20.001"
    ])
    const failed = snapshot(600, "Failed", { startedAt: at(0), endedAt: at(590) })
    assert.deepStrictEqual(poll(600, [failed]), ["p/r#1:FAILED 590"])
  })

  it("keeps its identity apart from others whatever characters the keys hold", () => {
    const one = fold([snapshot(1, "Running", { pipeline: { key: "a/b" }, run: { key: "c" } })])
    const other = fold([snapshot(1, "Running", { pipeline: { key: "a" }, run: { key: "b/c" } })])
    assert.notStrictEqual(one.entries[0]?.id, other.entries[0]?.id)
    assert.notStrictEqual(one.known?.key, other.known?.key)
  })
})

describe("RunTracker: times", () => {
  const zeros = [DateTime.makeUnsafe(0), DateTime.makeUnsafe("1900-01-01T00:00:00Z"), undefined]

  it("that are missing or zero become the snapshot's time", () => {
    for (const zero of zeros) {
      const { entries } = fold([
        snapshot(10, "Running", { startedAt: zero }),
        snapshot(20, "Failed", { startedAt: zero, endedAt: zero })
      ])
      assert.deepStrictEqual(told(entries), ["p/r#0:RUNNING 10", "p/r#0:FAILED 20"])
    }
  })

  it("of a finished run without a start begin at its first task, or at its end", () => {
    const tasks = [task("t", "Completed", { startedAt: at(5), endedAt: at(6) })]
    assert.deepStrictEqual(told(fold([snapshot(20, "Completed", { endedAt: at(9), tasks })]).entries), [
      "p/r#0:RUNNING 5",
      "p/r#0/t@0:RUNNING 5",
      "p/r#0/t@0:COMPLETED 6",
      "p/r#0:COMPLETED 9"
    ])
    assert.deepStrictEqual(told(fold([snapshot(20, "Completed", { endedAt: at(9) })]).entries), [
      "p/r#0:RUNNING 9",
      "p/r#0:COMPLETED 9"
    ])
  })

  it("never put an end before its start", () => {
    const { entries } = fold([snapshot(20, "Completed", { startedAt: at(9), endedAt: at(3) })])
    assert.deepStrictEqual(told(entries), ["p/r#0:RUNNING 9", "p/r#0:COMPLETED 9"])
  })
})

describe("RunTracker: tasks and messages", () => {
  it("stand between the run's RUNNING and its end, messages within their task", () => {
    const { entries } = fold([
      snapshot(200, "Failed", {
        ...ran,
        messages: [message("run")],
        tasks: [
          task("a", "Completed", { startedAt: at(1), endedAt: at(2) }),
          task("b", "Failed", { startedAt: at(3), endedAt: at(4), messages: [message("why")] })
        ]
      })
    ])
    assert.deepStrictEqual(told(entries), [
      "p/r#0:RUNNING 0",
      "p/r#0/a@0:RUNNING 1",
      "p/r#0/a@0:COMPLETED 2",
      "p/r#0/b@0:RUNNING 3",
      "p/r/b@0/msg:why 4",
      "p/r#0/b@0:FAILED 4",
      "p/r/msg:run 100",
      "p/r#0:FAILED 100"
    ])
  })

  it("messages wait for the RUNNING, come once, and not after the end", () => {
    const open = task("t", "Running", { startedAt: at(3), messages: [message("m")] })
    const { entries } = fold([
      snapshot(1, "Pending", { messages: [message("m")] }),
      snapshot(2, "Running", {
        messages: [message("m")],
        tasks: [task("t", "Pending", { messages: [message("m")] })]
      }),
      snapshot(4, "Running", { tasks: [open], messages: [message("m")] }),
      snapshot(5, "Completed", { endedAt: at(5), tasks: [open] }),
      snapshot(6, "Completed", { endedAt: at(5), messages: [message("late")] })
    ])
    assert.deepStrictEqual(told(entries), [
      "p/r#0:RUNNING 2",
      "p/r/msg:m 2",
      "p/r#0/t@0:RUNNING 3",
      "p/r/t@0/msg:m 4",
      "p/r#0/t@0:COMPLETED 5",
      "p/r#0:COMPLETED 5"
    ])
  })

  it("that are open when the run ends end with it, marked as inferred", () => {
    const { entries } = fold([
      snapshot(10, "Running", { startedAt: at(0), tasks: [task("gone", "Running"), task("t", "Running")] }),
      snapshot(200, "Failed", { ...ran, tasks: [task("t", "Running")] })
    ])
    assert.deepStrictEqual(told(entries).slice(3), [
      "p/r#0/gone@0:FAILED 100",
      "p/r#0/t@0:FAILED 100",
      "p/r#0:FAILED 100"
    ])
    assert.deepStrictEqual(entries[3]?.event.metadata, { inferred: true })
    assert.isUndefined(entries[5]?.event.metadata)
  })

  it("that are tried again go on; the ends of earlier attempts are messages", () => {
    const first = task("t", "Failed", { startedAt: at(1), endedAt: at(2), messages: [message("why")] })
    const waiting = task("t", "Pending", { attempt: 1 })
    const second = task("t", "Running", { attempt: 1, startedAt: at(3) })
    const ended = task("t", "Completed", { attempt: 1, startedAt: at(3), endedAt: at(4) })
    const during = (observed: number, ...tasks: ReadonlyArray<ReturnType<typeof task>>) =>
      snapshot(observed, "Running", { startedAt: at(0), tasks })
    const { entries } = fold([
      during(2, first, waiting),
      during(3, second, first),
      during(4, first, ended),
      during(5, first, ended)
    ])
    assert.deepStrictEqual(told(entries), [
      "p/r#0:RUNNING 0",
      "p/r#0/t@0:RUNNING 1",
      "p/r/t@0/msg:why 2",
      "p/r#0/t@1:COMPLETED 4"
    ])
  })

  it("that had been told as ended run again when a higher attempt begins", () => {
    const first = task("t", "Failed", { startedAt: at(1), endedAt: at(2) })
    const second = task("t", "Running", { attempt: 1, startedAt: at(1) })
    const { entries } = fold([
      snapshot(3, "Running", { startedAt: at(0), tasks: [first] }),
      snapshot(4, "Running", { startedAt: at(0), tasks: [first, second] })
    ])
    assert.deepStrictEqual(told(entries).slice(2), ["p/r#0/t@0:FAILED 2", "p/r#0/t@1:RUNNING 2.001"])
  })

  it("that wait for an attempt which never comes end as their last one did", () => {
    const first = task("t", "Failed", { startedAt: at(1), endedAt: at(2) })
    const { entries } = fold([
      snapshot(3, "Running", { startedAt: at(0), tasks: [first, task("t", "Pending", { attempt: 1 })] }),
      snapshot(200, "Completed", { ...ran, tasks: [first, task("t", "Pending", { attempt: 1 })] })
    ])
    assert.deepStrictEqual(told(entries).slice(-2), ["p/r#0/t@0:FAILED 2", "p/r#0:COMPLETED 100"])
  })

  it("of tools that count nothing sensible are taken as first attempts", () => {
    const { known } = fold([
      snapshot(3, "Running", { tasks: [task("t", "Running", { attempt: Number.NaN })] })
    ])
    assert.strictEqual(known?.tasks["t"]?.attempt, 0)
  })
})

describe("RunTracker: a run that has ended is re-opened", () => {
  const failed = snapshot(110, "Failed", {
    ...ran,
    reopening: 0,
    tasks: [task("t", "Failed", { startedAt: at(50), endedAt: at(90) })]
  })
  const last = (...snapshots: ReadonlyArray<ReturnType<typeof snapshot>>) =>
    told(fold([failed, ...snapshots]).entries).slice(4)

  it("when the tool's count is higher", () => {
    assert.deepStrictEqual(
      last(
        snapshot(120, "Running", { startedAt: at(0), reopening: 1 }),
        snapshot(140, "Completed", { startedAt: at(0), endedAt: at(130), reopening: 1 })
      ),
      ["p/r#1:RUNNING 120", "p/r#1:COMPLETED 130"]
    )
  })

  it("but not before it runs: a repair that waits is no RUNNING yet", () => {
    assert.deepStrictEqual(
      last(
        snapshot(120, "Pending", { startedAt: at(0), reopening: 1, tasks: failed.tasks }),
        snapshot(130, "Running", {
          startedAt: at(0),
          reopening: 1,
          tasks: [task("t", "Running", { attempt: 1, startedAt: at(125) })]
        })
      ),
      ["p/r#1:RUNNING 125", "p/r#1/t@1:RUNNING 125"]
    )
  })

  it("when a task has a higher attempt", () => {
    const again = task("t", "Running", { attempt: 1, startedAt: at(120) })
    assert.deepStrictEqual(last(snapshot(125, "Running", { startedAt: at(0), tasks: [again] })), [
      "p/r#1:RUNNING 120",
      "p/r#1/t@1:RUNNING 120"
    ])
  })

  it("when it started, or ended, later than its known end", () => {
    const expected = ["p/r#1:RUNNING 150", "p/r#1:COMPLETED 160"]
    assert.deepStrictEqual(
      last(snapshot(170, "Completed", { startedAt: at(150), endedAt: at(160) })),
      expected
    )
    assert.deepStrictEqual(last(snapshot(170, "Completed", { startedAt: at(0), endedAt: at(160) })), [
      "p/r#1:RUNNING 160",
      "p/r#1:COMPLETED 160"
    ])
  })

  it("is RUNNING later than the known end, whatever the tool says", () => {
    const again = task("t", "Running", { attempt: 1, startedAt: at(80) })
    const entries = last(
      snapshot(99, "Running", { reopening: 1 }),
      snapshot(120, "Running", { tasks: [again] })
    )
    assert.deepStrictEqual(entries, ["p/r#1:RUNNING 120", "p/r#1/t@1:RUNNING 90.001"])
  })

  it("is not, when the end that is shown is the known one", () => {
    const again = task("t", "Failed", { attempt: 1, startedAt: at(92), endedAt: at(95) })
    assert.deepStrictEqual(last(snapshot(120, "Failed", { ...ran, reopening: 1, tasks: [again] })), [])
  })

  it("is not, when an inferred end becomes known or the tool's clock is ahead of ours", () => {
    const { entries } = fold([
      snapshot(100, "Completed", { startedAt: at(0) }),
      snapshot(110, "Completed", { startedAt: at(0), endedAt: at(95) }),
      snapshot(120, "Completed", { startedAt: at(0), endedAt: at(103) })
    ])
    assert.deepStrictEqual(told(entries), ["p/r#0:RUNNING 0", "p/r#0:COMPLETED 100"])
  })

  it("when a task that was not known started later than the known end", () => {
    const fresh = task("u", "Running", { startedAt: at(120) })
    assert.deepStrictEqual(last(snapshot(125, "Running", { startedAt: at(0), tasks: [fresh] })), [
      "p/r#1:RUNNING 120",
      "p/r#1/u@0:RUNNING 120"
    ])
  })

  it("is not, when a higher attempt is seen late that had ended before the known end", () => {
    const unseen = task("t", "Failed", { attempt: 1, startedAt: at(92), endedAt: at(95) })
    assert.deepStrictEqual(last(snapshot(120, "Failed", { startedAt: at(0), tasks: [unseen] })), [])
  })

  it("when the tool's count is higher than the first one it told after the end", () => {
    const { entries } = fold([
      snapshot(100, "Failed", { startedAt: at(0) }),
      snapshot(110, "Failed", { startedAt: at(0), reopening: 1 }),
      snapshot(120, "Running", { startedAt: at(0), reopening: 1 }),
      snapshot(130, "Running", { startedAt: at(0), reopening: 2 })
    ])
    assert.deepStrictEqual(told(entries), ["p/r#0:RUNNING 0", "p/r#0:FAILED 100", "p/r#2:RUNNING 130"])
  })

  it("also when only its outline is known: what it had told of its tasks is not told again", () => {
    const tasks = [
      task("t", "Failed", { startedAt: at(50), endedAt: at(90), messages: [message("why")] }),
      task("u", "Completed", { startedAt: at(10), endedAt: at(40) }),
      task("inferred", "Running", { startedAt: at(10) })
    ]
    const { known } = fold([snapshot(110, "Failed", { ...ran, tasks })])
    assert.isDefined(known)
    const outline = TrackedRun.outline(known)
    assert.deepStrictEqual(Object.keys(outline.tasks), ["inferred"])
    assert.deepStrictEqual(outline.messages, [])
    assert.deepStrictEqual(
      told(
        fold([snapshot(5000, "Failed", { ...ran, tasks }), snapshot(5001, "Running", { tasks })], outline)
          .entries
      ),
      []
    )
    const again = task("t", "Running", { attempt: 1 })
    const { entries, known: reopened } = fold(
      [snapshot(5000, "Running", { startedAt: at(0), tasks: [...tasks, again] })],
      outline
    )
    assert.deepStrictEqual(told(entries), ["p/r#1:RUNNING 5000", "p/r#1/t@1:RUNNING 5000"])
    assert.isFalse(reopened !== undefined && TrackedRun.isOutline(reopened))
  })

  it("does not repeat the messages it had", () => {
    const withMessages = { ...failed, messages: [message("m")] }
    const again = task("t", "Running", { attempt: 1, startedAt: at(120) })
    const { entries } = fold([
      withMessages,
      snapshot(125, "Running", { tasks: [again], messages: [message("m"), message("new")] })
    ])
    assert.deepStrictEqual(
      told(entries).filter((line) => line.includes("msg:")),
      ["p/r/msg:m 100", "p/r/msg:new 125"]
    )
  })
})
