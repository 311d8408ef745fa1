import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as Week from "./support/week.ts"

// Far more than it takes: nothing here depends on how fast the machine is.
const PATIENCE = 1_800_000

describe("a simulated week of the agent, with trouble on both sides and in its own machine", () => {
  it.live(
    "brings every event once and in order, leaves nothing behind, and its signs of life tell the truth",
    () =>
      Effect.gen(function* () {
        const week = yield* Week.simulate({ seed: "a week" })
        assert.strictEqual(Week.report(week), "")
        assert.isAbove(week.events.length, 4000)
        assert.isAbove(week.struck, 500)
        assert.isAbove(week.troubles.length, 50)
        assert.isAbove(week.sweeps, (6 * 24 * 60) / 1.2)
      }),
    PATIENCE
  )

  it.live(
    "goes the same way with the same seed, byte for byte, and another way with another; and what is wrong is found",
    () =>
      Effect.gen(function* () {
        const week = yield* Week.simulate({ seed: "a day", days: 1 })
        const again = yield* Week.simulate({ seed: "a day", days: 1 })
        const other = yield* Week.simulate({ seed: "another day", days: 1 })
        assert.strictEqual(Week.report(week), "")
        assert.strictEqual(Week.report(other), "")
        // Not by `strictEqual`, which would print megabytes.
        assert.strictEqual(firstDifference(week.timeline, again.timeline), undefined)
        assert.isDefined(firstDifference(week.timeline, other.timeline))
        assert.notDeepEqual(Week.problems({ ...week, events: other.events }), [])

        const { beats, events } = week
        const at = events.findIndex(({ taskKey }) => taskKey === "load")
        const found = (change: Partial<Week.Week>) => Week.problems({ ...week, ...change }).join("\n")
        assert.match(
          found({ events: events.toSpliced(at, 1) }),
          /^lost: pipeline:1002\/\d+ task load RUNNING/
        )
        assert.match(
          found({ events: events.toSpliced(at, 0, ...events.slice(at, at + 1)) }),
          /^came twice: pipeline:1002\/\d+ task load RUNNING/
        )
        assert.match(
          found({ events: [...events.toSpliced(at, 1), ...events.slice(at, at + 1)] }),
          /task load RUNNING came after the run's end/
        )
        assert.match(
          found({ beats: beats.filter((beat) => beat > 600_000) }),
          /^no sign of life from \+0:00:00/
        )
        assert.match(
          found({
            beats: Array.from({ length: 32 * 60 }, (_, minute) => minute * 60_000),
            troubles: [BLIND]
          }),
          /^a sign of life at \+\d+:\d+:\d+\.000, though the workspace could not be read/
        )
      }),
    PATIENCE
  )
})

const BLIND = {
  from: 36_000_000,
  until: 43_200_000,
  what: "tool: cannot be reached",
  isBlind: true,
  isOwn: false
}

/** The first line that is another one, with the one that it should be. */
const firstDifference = (expected: string, found: string): string | undefined => {
  if (expected === found) return undefined
  const lines = found.split("\n")
  const before = expected.split("\n")
  const at = before.findIndex((line, index) => line !== lines[index])
  return `line ${at + 1}: ${lines[at]} instead of ${before[at]}`
}
