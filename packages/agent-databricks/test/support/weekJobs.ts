/** What the workspace of the simulated week runs. */
import type * as Scenario from "@observability-agents/agent-databricks/testing/Scenario"
import { times } from "@observability-agents/agent-databricks/testing/Scenario"
import { Duration, Effect, Random } from "effect"

/**
 * Some 140 runs a day, by the Random that is there: a quick job every quarter of an hour, an hourly one, a nightly one of six tasks,
 * which is repaired the next morning when it failed, a loop over inputs, and whatever else Databricks does with runs.
 */
export const make = Effect.fnUntraced(function* (days: number) {
  const lastDay = (days - 1) * 12
  const jobs: Array<Scenario.Job & { readonly id: string }> = [
    { name: "quick", id: "1001", runs: yield* all(days * 96, quick) },
    { name: "hourly", id: "1002", runs: yield* all(days * 24, hourly) },
    { name: "nightly", id: "1003", runs: yield* all(days, nightly) },
    { name: "loop", id: "1004", runs: yield* all(days * 4, loop) },
    { name: "mixed", id: "1005", runs: yield* all(days * 12, (index) => mixed(index, index < lastDay)) }
  ]
  return jobs
})

// ---- private

type Chance = Effect.Effect<Scenario.Run>

const all = (count: number, run: (index: number) => Chance) =>
  Effect.forEach(
    times(count, (index) => index),
    run
  )

const seconds = (from: number, to: number) => Effect.map(Random.nextIntBetween(from, to), Duration.seconds)

const isOneIn = (count: number) => Effect.map(Random.nextIntBetween(0, count - 1), (drawn) => drawn === 0)

/** Each takes from 5 seconds to 3 minutes. Ids are such that a double holds them, for faults that read and write the JSON of lists. */
const quick = Effect.fnUntraced(function* (index: number): Effect.fn.Return<Scenario.Run> {
  return {
    id: String(2_000_000 + index),
    at: Duration.sum(Duration.minutes(15 * index), yield* seconds(0, 120)),
    tasks: [
      {
        key: "pull",
        takes: yield* seconds(5, 180),
        ...((yield* isOneIn(30)) ? { fails: "connection reset by peer" } : {})
      }
    ]
  }
})

const hourly = Effect.fnUntraced(function* (index: number): Effect.fn.Return<Scenario.Run> {
  const fails = yield* isOneIn(10)
  return {
    id: String(3_000_000 + index),
    at: Duration.sum(Duration.hours(index), yield* seconds(60, 600)),
    queued: yield* seconds(0, 60),
    pending: "45 seconds",
    tasks: [
      { key: "extract", takes: yield* seconds(60, 900), setup: "30 seconds" },
      {
        key: "load",
        takes: yield* seconds(30, 600),
        after: ["extract"],
        ...(fails
          ? { fails: `table ${index} not found`, maxRetries: 2, retryInterval: "50 seconds" as const }
          : (yield* isOneIn(8))
            ? { retriesOf: [{ takes: "20 seconds" as const, fails: "busy" }] }
            : {})
      },
      { key: "notify", takes: yield* seconds(1, 20), after: ["load"], runIf: "ALL_DONE" }
    ],
    ...(fails && (yield* isOneIn(2))
      ? { retriedBy: [{ id: String(7_000_000 + index), after: "2 minutes" }] }
      : {})
  }
})

const nightly = Effect.fnUntraced(function* (index: number): Effect.fn.Return<Scenario.Run> {
  const fails = (yield* Random.nextBoolean) ? yield* Random.nextIntBetween(1, 5) : -1
  const names = ["land", "clean", "join", "model", "score", "publish"]
  const tasks = yield* Effect.forEach(
    names,
    Effect.fnUntraced(function* (key, step) {
      const after = names[step - 1]
      const common = {
        key,
        takes: yield* seconds(900, 4000),
        ...(after === undefined ? {} : { after: [after] })
      }
      const task: Scenario.Task =
        step === fails ? { ...common, fails: `out of memory in ${key}`, trace: "line 3" } : common
      return task
    })
  )
  return {
    id: String(4_000_000 + index),
    at: Duration.sum(Duration.days(index), Duration.hours(14)),
    tasks,
    ...(fails === -1
      ? {}
      : {
          repairs: [
            {
              after: Duration.sum(Duration.hours(5), yield* seconds(0, 3000)),
              tasks: tasks.slice(fails).map(({ after, key }) => ({
                key,
                takes: Duration.minutes(12),
                ...(after === undefined ? {} : { after })
              }))
            }
          ]
        })
  }
})

const loop = Effect.fnUntraced(function* (index: number): Effect.fn.Return<Scenario.Run> {
  const takes = yield* Effect.forEach(
    times(12, (each) => each),
    () => seconds(10, 400)
  )
  const isBad = yield* Effect.forEach(takes, () => isOneIn(12))
  return {
    id: String(5_000_000 + index),
    at: Duration.sum(Duration.hours(6 * index), yield* seconds(1200, 4000)),
    tasks: [
      { key: "list", takes: "40 seconds" },
      {
        key: "each",
        after: ["list"],
        forEach: {
          concurrency: 4,
          iterations: takes.map((each, at) => ({
            takes: each,
            ...(isBad[at] === true ? { fails: `bad input ${at}` } : {})
          }))
        }
      }
    ]
  }
})

const mixed = Effect.fnUntraced(function* (
  index: number,
  isRepaired: boolean
): Effect.fn.Return<Scenario.Run> {
  const id = String(6_000_000 + index * 10)
  const at = Duration.sum(Duration.hours(2 * index), yield* seconds(0, 5400))
  const takes = yield* seconds(60, 1800)
  const main: Scenario.Task = { key: "main", takes }
  const failed: Scenario.Task = { key: "main", takes, fails: `error ${index}` }
  const runs: ReadonlyArray<Scenario.Run> = [
    { id, at, tasks: [main], cancelledAfter: "30 seconds" },
    { id, at, tasks: [main], timesOutAfter: "50 seconds" },
    { id, at, skipped: "MAX_CONCURRENT_RUNS_EXCEEDED" },
    { id, at, breaks: { code: "INVALID_RUN_CONFIGURATION", message: "no such cluster" } },
    { id, at, tasks: [main], type: "SUBMIT_RUN" },
    { id, at, tasks: [main], listedAfter: "2 minutes" },
    {
      id,
      at,
      tasks: [
        { key: "if", condition: { outcome: "true" } },
        { ...main, after: ["if"] }
      ]
    },
    { id, at, tasks: [{ key: "call", runJob: { job: "called", run: { tasks: [main] } } }] },
    { id, at, tasks: [main, { key: "never", after: ["main"], ends: "DISABLED" }] },
    {
      id,
      at,
      tasks: [failed],
      // Later than any outage lasts: of a run that is first seen after a repair, the failures before are told as messages.
      ...(isRepaired
        ? {
            repairs: [
              { after: "7 hours", tasks: [failed] },
              { after: "7 hours", tasks: [main] }
            ]
          }
        : {})
    }
  ]
  return runs[yield* Random.nextIntBetween(0, runs.length - 1)] ?? { id, at, tasks: [main] }
})
