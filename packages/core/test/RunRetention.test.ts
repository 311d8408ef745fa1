import { assert, describe, it } from "@effect/vitest"
import { Duration, Schema } from "effect"
import { review } from "../src/RunRetention.ts"
import { outline, TrackedRun } from "../src/TrackedRun.ts"
import { at, fold, message, snapshot, task } from "./support/runs.ts"

const retention = { closed: "1 hour", failed: "7 days" } as const
const encode = Schema.encodeSync(Schema.fromJsonString(TrackedRun))

const failed = (key: string, observed: number): TrackedRun => {
  const { known } = fold([
    snapshot(observed, "Failed", {
      pipeline: { key: "p", name: "Nightly load" },
      run: { key },
      startedAt: at(observed - 60),
      endedAt: at(observed - 1),
      reopening: 3,
      messages: [message("run")],
      tasks: Array.from({ length: 50 }, (_, index) =>
        task(`task-${index}`, "Failed", {
          startedAt: at(observed - 50),
          endedAt: at(observed - 2),
          messages: [message("why")]
        })
      )
    })
  ])
  assert.isDefined(known)
  return known
}

describe("RunRetention", () => {
  it("keeps a run that failed as an outline, of a few hundred bytes, when it is listed no more", () => {
    const run = failed("r", 0)
    const day = Duration.toSeconds("1 day")
    assert.deepStrictEqual(review([run], at(day), at(3600), retention), { reduced: [], forgotten: [] })
    const { forgotten, reduced } = review([run], at(day), at(3601), retention)
    assert.deepStrictEqual(forgotten, [])
    assert.strictEqual(reduced.length, 1)
    assert.isAbove(encode(run).length, 5000)
    assert.isBelow(encode(reduced[0] ?? run).length, 400)
    assert.deepStrictEqual(review(reduced, at(29 * day), at(29 * day), retention), {
      reduced: [],
      forgotten: []
    })
    assert.deepStrictEqual(review(reduced, at(31 * day), at(31 * day), retention).forgotten, ["p/r"])
    const longer = { ...retention, failed: "60 days" } as const
    assert.deepStrictEqual(review(reduced, at(31 * day), at(31 * day), longer).forgotten, [])
  })

  it("measures by the clock where nothing was read up to a cursor, or the cursor lies ahead", () => {
    const { known } = fold([snapshot(0, "Completed", { endedAt: at(0) })])
    assert.isDefined(known)
    for (const cursor of [undefined, at(100_000)]) {
      assert.deepStrictEqual(review([known], at(3600), cursor, retention).forgotten, [])
      assert.deepStrictEqual(review([known], at(3601), cursor, retention).forgotten, ["p/r"])
    }
  })

  it("keeps no more outlines than there may be: those that ended first go first", () => {
    const runs = [failed("c", 30), failed("a", 10), failed("b", 20)]
    const known = [...runs.map(outline), failed("d", 40), failed("new", 7200)]
    const { forgotten, reduced } = review(known, at(7200), at(7200), retention, 2)
    assert.deepStrictEqual(forgotten, ["p/a", "p/b"])
    assert.deepStrictEqual(
      reduced.map(({ key }) => key),
      ["p/d"]
    )
  })
})
