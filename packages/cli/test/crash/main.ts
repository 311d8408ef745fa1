/**
 * `npm run test:crash`: the crash test at full length. Options: `--kills N` (100), `--runs N` (3.5 times as many),
 * `--seed TEXT` (the time). Prints what came of it, and exits with 1 if anything of it should not be so.
 */
import { Clock, Console, Effect } from "effect"
import { parseArgs } from "node:util"
import * as Crash from "./Crash.ts"

const { values } = parseArgs({
  options: { kills: { type: "string" }, runs: { type: "string" }, seed: { type: "string" } }
})
const kills = Number(values.kills ?? 100)

const program = Effect.gen(function* () {
  const seed = values.seed ?? String(yield* Clock.currentTimeMillis)
  yield* Console.log(`Crash test with the seed "${seed}". Again: npm run test:crash -- --seed ${seed}`)
  const report = yield* Crash.run({
    kills,
    runs: Number(values.runs ?? Math.ceil(kills * 3.5)),
    seed,
    onKill: (line) => Console.log(line)
  })
  const problems = Crash.problems(report)
  yield* Console.log([Crash.line(report), ...problems].join("\n"))
  return problems.length
})

process.exitCode = (await Effect.runPromise(program)) === 0 ? 0 : 1
