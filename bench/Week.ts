/**
 * What a simulated week of the Databricks agent costs: 7 days and 8 hours in virtual time with a look per minute, some thousand runs,
 * and trouble on both sides. It lives through the week twice, with one seed, and prints
 *
 * - the time that it took, how many times faster than real time that is, and how many times as much a sweep (its requests, its
 *   commit, what is sent of it, the fakes) takes as the bare reading of one page of 25 runs by `JSON.parse`, measured in between;
 * - the heap after a collection of garbage, each day and when the week is over. What the simulation remembers of the week (all
 *   requests, all events, the timeline) grows with it; when it is over, nothing may be left.
 * - the SHA-256 of the timeline, which has to be the same both times.
 *
 *     node --expose-gc --conditions=@observability-agents/source bench/Week.ts [SEED [DAYS]]
 */
import * as Crypto from "node:crypto"
import { Effect } from "effect"
import * as Week from "../packages/agent-databricks/test/support/week.ts"

const [seed = "a week", days = "7"] = process.argv.slice(2)

/** A page of the list of ended runs, as Databricks has it. */
const PAGE = JSON.stringify({
  runs: Array.from({ length: 25 }, (_, run) => ({
    job_id: 1001,
    run_id: 2_000_000 + run,
    run_name: "hourly",
    run_type: "JOB_RUN",
    run_page_url: `https://workspace.test/?o=1#job/1001/run/${2_000_000 + run}`,
    start_time: 1_767_600_024_000,
    end_time: 1_767_600_209_000,
    state: { life_cycle_state: "TERMINATED", result_state: "SUCCESS", state_message: "" },
    status: { state: "TERMINATED", termination_details: { code: "SUCCESS", type: "SUCCESS", message: "" } },
    tasks: Array.from({ length: 3 }, (_, task) => ({
      task_key: `task-${task}`,
      run_id: 3_000_000 + run * 10 + task,
      attempt_number: 0,
      run_if: "ALL_SUCCESS",
      start_time: 1_767_600_024_000,
      end_time: 1_767_600_209_000,
      setup_duration: 0,
      execution_duration: 5000,
      cleanup_duration: 0,
      state: { life_cycle_state: "TERMINATED", result_state: "SUCCESS", state_message: "" },
      notebook_task: { notebook_path: "/Repos/load" }
    }))
  }))
})

const cpuSeconds = () => {
  const { system, user } = process.cpuUsage()
  return (system + user) / 1e6
}

/** Seconds of CPU for one reading of a page. */
const readPages = (): number => {
  const count = 5000
  const before = cpuSeconds()
  let runs = 0
  for (let reading = 0; reading < count; reading++) runs += JSON.parse(PAGE).runs.length
  if (runs !== count * 25) throw new Error("the pages were not read")
  return (cpuSeconds() - before) / count
}

const mebibytes = (): number => {
  globalThis.gc?.()
  return process.memoryUsage().heapUsed / 1024 / 1024
}

const live = Effect.gen(function* () {
  const heap: Array<number> = []
  let spent = 0
  const unit = readPages()
  const began = performance.now()
  let mark = cpuSeconds()
  const week = yield* Week.simulate({
    seed,
    days: Number(days),
    onDay: () => {
      spent += cpuSeconds() - mark
      heap.push(mebibytes())
      mark = cpuSeconds()
    }
  })
  spent += cpuSeconds() - mark
  const wall = (performance.now() - began) / 1000
  const report = Week.report(week)
  if (report !== "") throw new Error(report)
  const page = (unit + readPages()) / 2
  const hash = Crypto.createHash("sha256").update(week.timeline).digest("hex")
  console.log(
    `${week.sweeps} sweeps, ${week.requests} requests (${week.struck} struck), ${week.events.length} events, ${week.troubles.length} troubles`
  )
  console.log(
    `  CPU ${spent.toFixed(1)} s, wall ${wall.toFixed(1)} s, ${Math.round(week.lasted / 1000 / wall)} times real time, ${((spent / week.sweeps) * 1000).toFixed(1)} s CPU per 1000 sweeps`
  )
  console.log(
    `  ratio: a sweep costs ${(spent / week.sweeps / page).toFixed(1)} times the bare reading of a page`
  )
  console.log(`  heap after each day (MiB): ${heap.map((size) => size.toFixed(0)).join(" ")}`)
  console.log(`  timeline: ${week.timeline.split("\n").length} lines, SHA-256 ${hash}`)
  return hash
})

const program = Effect.gen(function* () {
  const before = mebibytes()
  const first = yield* live
  const between = mebibytes()
  const second = yield* live
  const after = mebibytes()
  console.log(
    `heap (MiB): ${before.toFixed(0)} before, ${between.toFixed(0)} after the first week, ${after.toFixed(0)} after the second`
  )
  if (first !== second) throw new Error("the same seed gave two timelines")
  console.log("the same seed gave the same timeline twice")
  if (after > between * 1.2 + 5) throw new Error("the second week left something behind")
})

await Effect.runPromise(program)
