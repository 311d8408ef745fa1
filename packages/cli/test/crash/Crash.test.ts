import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import * as Crash from "./Crash.ts"

// `npm run test:crash` does the same with 100 kills.
it.live(
  "killed 15 times in the midst of its work, the program loses nothing, keeps the order, and repeats only what was in flight",
  () =>
    Effect.gen(function* () {
      const report = yield* Crash.run({ kills: 15, runs: 60, seed: "fifteen kills" })
      yield* Effect.log(Crash.line(report))
      assert.deepStrictEqual(Crash.problems(report), [], Crash.line(report))
      assert.strictEqual(report.kills, 15)
      assert.isAbove(report.events, 300)
    }),
  180_000
)
