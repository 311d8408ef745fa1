import { assert, describe, it } from "@effect/vitest"
import { DateTime, Duration } from "effect"
import type { TrackedRun } from "@observability-agents/core/TrackedRun"
import * as Watch from "@observability-agents/agent-databricks/Watch"

const noon = DateTime.makeUnsafe("2026-03-01T12:00:00Z")
const after = (input: Duration.Input) => DateTime.addDuration(noon, input)
const none: ReadonlySet<string> = new Set()

const tracked = (key: string, phase: TrackedRun["phase"]): TrackedRun => ({
  key: `job/${key}`,
  pipeline: { key: "job" },
  run: { key },
  tool: "databricks",
  observedAt: noon,
  phase,
  opening: 0,
  tasks: {},
  messages: [],
  ...(phase === "Running" || phase === "Pending" ? {} : { closedAt: noon })
})

const make = () =>
  Watch.make({
    period: Duration.seconds(5),
    failedWatchPeriod: Duration.minutes(10),
    failedWatchMaxTime: Duration.days(7)
  })
const keys = (runs: ReadonlyArray<TrackedRun>) => runs.map(({ run }) => run.key)

describe("Watch", () => {
  it("asks at once for a run that has vanished, then more and more rarely", () => {
    const watch = make()
    const asked: Array<number> = []
    for (let second = 0; second < 3600; second += 5) {
      if (watch.due([tracked("1", "Running")], none, after(Duration.seconds(second))).length > 0)
        asked.push(second)
    }
    assert.deepStrictEqual(asked, [0, 5, 15, 35, 75, 155, 315, 635, 1235, 1835, 2435, 3035])
  })

  it("asks for vanished runs that have not begun, too", () => {
    assert.deepStrictEqual(keys(make().due([tracked("1", "Pending")], none, noon)), ["1"])
  })

  it("does not ask for runs that are listed, and begins anew when one vanishes again", () => {
    const watch = make()
    const run = tracked("1", "Running")
    watch.due([run], none, noon)
    assert.deepStrictEqual(watch.due([run], new Set(["1"]), after("1 second")), [])
    assert.deepStrictEqual(keys(watch.due([run], none, after("2 seconds"))), ["1"])
  })

  it("asks for runs that may be repaired from time to time, for a week", () => {
    const watch = make()
    const run = tracked("1", "Failed")
    assert.lengthOf(watch.due([run], none, after("9 minutes")), 0)
    assert.lengthOf(watch.due([run], none, after("10 minutes")), 1)
    assert.lengthOf(watch.due([run], none, after("19 minutes")), 0)
    assert.lengthOf(watch.due([run], none, after("20 minutes")), 1)
    assert.lengthOf(watch.due([run], none, after("7 days")), 1)
    assert.lengthOf(watch.due([run], none, after("8 days")), 0)
  })

  it("asks at once when the clock was set back, and then at its intervals", () => {
    const watch = make()
    const runs = [tracked("1", "Running"), tracked("2", "Failed")]
    assert.lengthOf(watch.due(runs, none, after("2 hours")), 2)
    assert.lengthOf(watch.due(runs, none, after("1 hour")), 2)
    assert.lengthOf(watch.due(runs, none, after("61 minutes")), 1)
    assert.lengthOf(watch.due(runs, none, after("70 minutes")), 2)
  })

  it("never asks for what went well or was skipped", () => {
    const runs = [tracked("1", "Completed"), tracked("2", "Skipped")]
    assert.lengthOf(make().due(runs, none, after("1 day")), 0)
  })

  it("spreads the failed runs of a week over several sweeps", () => {
    const watch = make()
    const runs = Array.from({ length: 60 }, (_, index) => tracked(String(index), "Failed"))
    const asked = [0, 5, 10, 15].map((second) =>
      keys(watch.due(runs, none, after(Duration.seconds(3600 + second))))
    )
    assert.deepStrictEqual(
      asked.map((each) => each.length),
      [25, 25, 10, 0]
    )
    assert.strictEqual(new Set(asked.flat()).size, 60)
  })

  it("asks in the next sweep again for what wants confirming, then as before", () => {
    const watch = make()
    for (const [phase, wait] of [
      ["Running", 5],
      ["Failed", 600]
    ] as const) {
      const run = tracked(phase, phase)
      const asks = (second: number) =>
        watch.due([run], none, after(Duration.seconds(10_000 + second))).length === 1
      assert.isTrue(asks(0))
      watch.confirm(run)
      assert.isTrue(asks(1))
      assert.isFalse(asks(wait))
      assert.isTrue(asks(1 + wait))
    }
  })

  it("asks for no failed run where a list shows what ended lately, but for lost ones, and what wants confirming", () => {
    const watch = make()
    const failed = tracked("1", "Failed")
    const lost = { ...tracked("2", "CompletedWithWarnings"), lost: true }
    const asks = (input: Duration.Input) =>
      keys(watch.due([tracked("0", "Running"), failed, lost], none, after(input), { failed: false }))
    assert.deepStrictEqual(asks("1 hour"), ["0", "2"])
    watch.confirm(failed)
    assert.deepStrictEqual(asks(Duration.seconds(3605)), ["0", "1"])
    assert.deepStrictEqual(asks(Duration.seconds(3610)), [])
  })

  it("never asks again for what was deleted", () => {
    const watch = make()
    const run = tracked("1", "Failed")
    watch.due([run], none, after("1 hour"))
    watch.dismiss(run)
    assert.lengthOf(watch.due([run], none, after("2 hours")), 0)
    assert.lengthOf(watch.due([run], none, after("1 day")), 0)
  })
})
