import { assert, describe, it } from "@effect/vitest"
import { DateTime, Schema } from "effect"
import type { Metric, RunSnapshot, Tests } from "../src/RunSnapshot.ts"
import * as TrackedRun from "../src/TrackedRun.ts"
import { at, breach, fold, message, snapshot, task, told } from "./support/runs.ts"

const json = Schema.fromJsonString(TrackedRun.TrackedRun)
const ran = { startedAt: at(0), endedAt: at(100) }

const metric = (key: string, timestamp?: number): Metric => ({
  key,
  metric: key,
  value: 12.5,
  timestamp: timestamp === undefined ? undefined : at(timestamp)
})

const tests = (key: string, count: number, timestamp?: number): Tests => ({
  key,
  outcomes: Array.from({ length: count }, (_, index) => ({ name: `test ${index}`, status: "PASSED" })),
  timestamp: timestamp === undefined ? undefined : at(timestamp)
})

/** As it is after a restart. */
const restarted = (known: TrackedRun.TrackedRun | undefined) =>
  known === undefined ? undefined : Schema.decodeSync(json)(Schema.encodeSync(json)(known))

describe("RunTracker: metrics and tests", () => {
  const facts = { metrics: [metric("rows")], tests: [tests("dbt", 3)], messages: [message("why")] }

  it("stand between the RUNNING and the end of what they belong to", () => {
    const { entries } = fold([
      snapshot(200, "Failed", {
        ...ran,
        ...facts,
        tasks: [task("t", "Failed", { ...facts, startedAt: at(3), endedAt: at(4) })]
      })
    ])
    assert.deepStrictEqual(told(entries), [
      "p/r#0:RUNNING 0",
      "p/r#0/t@0:RUNNING 3",
      "p/r/t@0/msg:why 4",
      "p/r/t@0/metric:rows 4",
      "p/r/t@0/tests:dbt 4",
      "p/r#0/t@0:FAILED 4",
      "p/r/msg:why 100",
      "p/r/metric:rows 100",
      "p/r/tests:dbt 100",
      "p/r#0:FAILED 100"
    ])
    assert.isUndefined(breach(entries))
    assert.strictEqual(new Set(entries.map(({ lane }) => lane)).size, 1)
  })

  it("are events of their own types, about the run or the task", () => {
    const metadata = { cluster: "small" }
    const { entries } = fold([
      snapshot(5, "Running", { ...facts, tasks: [task("t", "Running", { ...facts, metadata })] })
    ])
    const events = entries.map(({ event }) => event)
    const ofTask = events.find((event) => event._tag === "MetricLog" && event.taskKey === "t")
    assert.strictEqual(ofTask?._tag === "MetricLog" ? ofTask.metricKey : undefined, "rows")
    assert.strictEqual(ofTask?._tag === "MetricLog" ? ofTask.metricValue : undefined, 12.5)
    assert.deepStrictEqual(ofTask?.metadata, metadata)
    const ofRun = events.find((event) => event._tag === "TestOutcomes" && event.taskKey === undefined)
    assert.deepStrictEqual(
      ofRun?._tag === "TestOutcomes" ? ofRun.outcomes.map(({ name }) => name) : undefined,
      ["test 0", "test 1", "test 2"]
    )
  })

  it("are told once each, also after a restart, and also where a key is that of a message", () => {
    const running = (observed: number, phase: RunSnapshot["phase"] = "Running") =>
      snapshot(observed, phase, {
        metrics: [metric("x"), { ...metric("x"), value: 99 }],
        tests: [tests("x", 1)],
        messages: [message("x")],
        tasks: [task("t", "Running", { metrics: [metric("x")], tests: [tests("x", 1)] })]
      })
    const first = fold([running(1), running(2)])
    const { entries } = fold([running(3), running(4, "Completed")], restarted(first.known))
    const all = [...first.entries, ...entries]
    assert.isUndefined(breach(all))
    assert.lengthOf(
      all.filter(({ event }) => event._tag !== "RunStatus"),
      5
    )
    assert.isFalse(all.some(({ event }) => event._tag === "MetricLog" && event.metricValue === 99))
  })

  it("that are new in a later snapshot are told then, but not after the end", () => {
    const { entries } = fold([
      snapshot(1, "Running", { metrics: [metric("a")] }),
      snapshot(2, "Running", { metrics: [metric("a"), metric("b")], tests: [tests("empty", 0)] }),
      snapshot(3, "Running", {
        tasks: [task("t", "Completed", { metrics: [metric("a")], startedAt: at(1), endedAt: at(2) })]
      }),
      snapshot(4, "Running", {
        tasks: [task("t", "Completed", { metrics: [metric("late")], startedAt: at(1), endedAt: at(2) })]
      }),
      snapshot(9, "Completed", { endedAt: at(8), tests: [tests("empty", 1)] }),
      snapshot(10, "Completed", { endedAt: at(8), metrics: [metric("late")], tests: [tests("late", 1)] })
    ])
    assert.deepStrictEqual(
      told(entries).filter((one) => /metric|tests/.test(one)),
      ["p/r/metric:a 1", "p/r/metric:b 2", "p/r/t@0/metric:a 2", "p/r/tests:empty 8"]
    )
  })

  it("come with the messages in order of time, and without a zero time", () => {
    const zero = { ...metric("zero"), timestamp: DateTime.makeUnsafe(0) }
    const { entries } = fold([
      snapshot(50, "Running", {
        startedAt: at(0),
        messages: [
          { ...message("late"), timestamp: at(30) },
          { ...message("first"), timestamp: at(10) }
        ],
        metrics: [zero, metric("middle", 20)],
        tests: [tests("tests", 1, 25)]
      })
    ])
    assert.deepStrictEqual(told(entries).slice(1), [
      "p/r/msg:first 10",
      "p/r/metric:middle 20",
      "p/r/tests:tests 25",
      "p/r/msg:late 30",
      "p/r/metric:zero 50"
    ])
  })

  it("of more outcomes than the server takes at once are told in parts, each under its own name", () => {
    const many = snapshot(5, "Running", {
      tasks: [task("t", "Running", { tests: [tests("dbt", 1200)] })]
    })
    const { entries, known } = fold([many])
    const parts = entries.flatMap(({ event, id }) =>
      event._tag === "TestOutcomes" ? [{ id, names: event.outcomes.map(({ name }) => name) }] : []
    )
    assert.deepStrictEqual(
      parts.map(({ id }) => id),
      ["p/r/t@0/tests:dbt", "p/r/t@0/tests.2:dbt", "p/r/t@0/tests.3:dbt", "p/r/t@0/tests.4:dbt"]
    )
    assert.deepStrictEqual(
      parts.flatMap(({ names }) => names),
      Array.from({ length: 1200 }, (_, index) => `test ${index}`)
    )
    assert.deepStrictEqual(fold([{ ...many, observedAt: at(6) }], known).entries, [])
  })

  it("of attempts that are over are not remembered, and not told again when the run is re-opened", () => {
    const first = task("t", "Failed", { ...facts, startedAt: at(1), endedAt: at(2) })
    const failed = fold([
      snapshot(3, "Running", { startedAt: at(0), tasks: [first] }),
      snapshot(110, "Failed", { ...ran, metrics: [metric("rows")], tasks: [first] })
    ])
    assert.deepStrictEqual(failed.known?.messages, ["metric:rows"])
    const known = failed.known
    assert.isDefined(known)
    const later = { ...first, metrics: [metric("rows"), metric("late")] }
    for (const one of [known, restarted(TrackedRun.outline(known))]) {
      const again = task("t", "Running", { attempt: 1, startedAt: at(120), metrics: [metric("rows")] })
      const { entries } = fold([snapshot(125, "Running", { startedAt: at(0), tasks: [later, again] })], one)
      assert.deepStrictEqual(told(entries), [
        "p/r#1:RUNNING 120",
        "p/r#1/t@1:RUNNING 120",
        "p/r/t@1/metric:rows 125"
      ])
    }
  })
})

describe("TrackedRun.hasMessage", () => {
  const failed = task("a/b@0", "Failed", { startedAt: at(1), endedAt: at(2), messages: [message("why")] })
  const of = (attempt: number) => ({ key: "why", task: { key: "a/b@0", attempt } })

  it("tells what was reported, and what would not be reported any more", () => {
    const { known } = fold([snapshot(5, "Running", { tasks: [failed] })])
    assert.isDefined(known)
    assert.isTrue(TrackedRun.hasMessage(known, of(0)))
    assert.isTrue(TrackedRun.hasMessage(known, { ...of(0), key: "other" }))
    assert.isFalse(TrackedRun.hasMessage(known, of(1)))
    assert.isFalse(TrackedRun.hasMessage(known, { key: "why", task: { key: "constructor", attempt: 0 } }))
    assert.isFalse(TrackedRun.hasMessage(known, { key: "why" }))
  })

  it("does not count on an end that the tool had not told: it may say more", () => {
    const open = task("a/b@0", "Running", { startedAt: at(1), messages: [message("why")] })
    const { known } = fold([snapshot(5, "Running", { tasks: [open] }), snapshot(9, "Failed")])
    assert.isDefined(known)
    assert.isTrue(TrackedRun.hasMessage(known, of(0)))
    assert.isFalse(TrackedRun.hasMessage(known, { ...of(0), key: "other" }))
  })
})

describe("RunTracker: a repair", () => {
  const repair = (number: number, seconds: number) =>
    ({
      key: `repair-${number}`,
      level: "INFO",
      message: `Repair ${number}`,
      timestamp: at(seconds),
      early: true
    }) as const
  const first = task("t", "Failed", { startedAt: at(1), endedAt: at(90), messages: [message("why")] })
  const failed = snapshot(105, "Failed", { ...ran, reopening: 0, tasks: [first] })
  const second = (phase: "Running" | "Completed") =>
    task("t", phase, {
      attempt: 1,
      startedAt: at(125),
      endedAt: phase === "Running" ? undefined : at(130)
    })
  const repaired = (observed: number, phase: "Pending" | "Running" | "Completed") =>
    snapshot(observed, phase, {
      startedAt: at(0),
      endedAt: phase === "Completed" ? at(131) : undefined,
      reopening: 1,
      reopenedAt: at(120),
      messages: [message("run"), repair(1, 120)],
      tasks: phase === "Pending" ? [first] : [first, second(phase)]
    })

  it("is told as RUNNING at its start, then its message, then the tasks", () => {
    const { entries } = fold([
      failed,
      repaired(121, "Pending"),
      repaired(126, "Running"),
      repaired(140, "Completed"),
      repaired(150, "Completed")
    ])
    assert.deepStrictEqual(told(entries).slice(5), [
      "p/r#1:RUNNING 120",
      "p/r/msg:repair-1 120",
      "p/r#1/t@1:RUNNING 125",
      "p/r/msg:run 126",
      "p/r#1/t@1:COMPLETED 130",
      "p/r#1:COMPLETED 131"
    ])
    assert.isUndefined(breach(entries))
  })

  it("that was seen only when it had passed is told in the same order", () => {
    const { entries } = fold([failed, repaired(140, "Completed")])
    assert.deepStrictEqual(told(entries).slice(5), [
      "p/r#1:RUNNING 120",
      "p/r/msg:repair-1 120",
      "p/r#1/t@1:RUNNING 125",
      "p/r#1/t@1:COMPLETED 130",
      "p/r/msg:run 131",
      "p/r#1:COMPLETED 131"
    ])
  })

  it("is evidence by its start alone, where the tool told the end before", () => {
    const alone = snapshot(122, "Running", { startedAt: at(0), reopenedAt: at(120), tasks: [first] })
    assert.deepStrictEqual(told(fold([{ ...failed, reopening: undefined }, alone]).entries).slice(5), [
      "p/r#1:RUNNING 120"
    ])
    for (const reopenedAt of [at(80), DateTime.makeUnsafe(8.64e15)]) {
      const none = { ...alone, reopenedAt }
      assert.lengthOf(fold([{ ...failed, reopening: undefined }, none]).entries, 5)
    }
  })

  it("counts neither with a time that is none nor with one before the known end", () => {
    for (const reopenedAt of [DateTime.makeUnsafe(0), DateTime.makeUnsafe(8.64e15), at(99), undefined]) {
      const { entries } = fold([failed, { ...repaired(126, "Running"), reopenedAt }])
      assert.strictEqual(told(entries)[5], "p/r#1:RUNNING 125")
    }
  })

  it("that follows one which passed unseen begins with what is new", () => {
    const { entries } = fold([
      failed,
      {
        ...repaired(180, "Running"),
        reopening: 2,
        reopenedAt: at(170),
        messages: [repair(2, 170), repair(1, 120)]
      }
    ])
    assert.deepStrictEqual(told(entries).slice(5), [
      "p/r#2:RUNNING 125",
      "p/r/msg:repair-1 120",
      "p/r/msg:repair-2 170",
      "p/r#2/t@1:RUNNING 125"
    ])
  })

  it("or several, of a run that is seen for the first time, are told by their messages", () => {
    const { entries } = fold([
      {
        ...repaired(180, "Completed"),
        reopening: 2,
        reopenedAt: at(124),
        messages: [repair(2, 124), repair(1, 120)]
      }
    ])
    assert.deepStrictEqual(told(entries), [
      "p/r#2:RUNNING 0",
      "p/r/msg:repair-1 120",
      "p/r/msg:repair-2 124",
      "p/r#2/t@1:RUNNING 1",
      "p/r/t@0/msg:why 90",
      "p/r#2/t@1:COMPLETED 130",
      "p/r#2:COMPLETED 131"
    ])
    assert.isUndefined(breach(entries))
  })

  it("of which the message tells no time has that of its RUNNING", () => {
    const messages = [{ ...repair(1, 120), timestamp: undefined }]
    const { entries } = fold([failed, { ...repaired(126, "Running"), messages }])
    assert.strictEqual(told(entries)[6], "p/r/msg:repair-1 120")
  })
})
