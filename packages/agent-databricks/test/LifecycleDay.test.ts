import { assert, it } from "@effect/vitest"
import * as Expected from "@observability-agents/agent-databricks/testing/Expected"
import * as Fake from "@observability-agents/agent-databricks/testing/FakeDatabricks"
import * as Fault from "@observability-agents/agent-databricks/testing/Fault"
import * as Scenario from "@observability-agents/agent-databricks/testing/Scenario"
import * as AgentFixture from "@observability-agents/testing/AgentFixture"
import * as EventLog from "@observability-agents/testing/EventLog"
import { FakeObservability } from "@observability-agents/testing/FakeObservability"
import { Duration, Effect, Random } from "effect"
import { TestClock } from "effect/testing"
import * as Days from "./support/days.ts"

/** A task of any kind that the language knows. */
const makeTask = Effect.fnUntraced(function* (key: string, earlier: ReadonlyArray<string>) {
  const takes = Duration.seconds(yield* Random.nextIntBetween(1, 400))
  const common = {
    key,
    ...(earlier.length > 0 && (yield* Random.nextBoolean) ? { after: earlier.slice(-1) } : {}),
    ...((yield* Random.nextIntBetween(0, 4)) === 0 ? { setup: "40 seconds" as const } : {}),
    runIf:
      (["ALL_SUCCESS", "ALL_DONE", "AT_LEAST_ONE_FAILED"] as const)[yield* Random.nextIntBetween(0, 3)] ??
      "ALL_DONE"
  }
  const kinds: ReadonlyArray<Scenario.Task> = [
    { ...common, takes },
    { ...common, takes },
    { ...common, takes, fails: `Error of ${key}`, trace: "line 3" },
    {
      ...common,
      takes,
      fails: `Error of ${key}`,
      maxRetries: 2,
      retryInterval: "50 seconds",
      retryGap: (yield* Random.nextBoolean) ? "waiting" : "hidden"
    },
    { ...common, takes, retriesOf: [{ takes, fails: "flaky" }], retryInterval: "2 minutes" },
    { ...common, takes, ends: "TIMEDOUT" },
    { ...common, takes, ends: "CANCELED" },
    { ...common, ends: "EXCLUDED" },
    { ...common, ends: "DISABLED" },
    { ...common, takes: "3 millis", ends: { code: "LIBRARY_INSTALLATION_ERROR", message: "no wheel" } },
    { ...common, condition: { outcome: "true" } },
    {
      ...common,
      forEach: {
        concurrency: 3,
        iterations: Scenario.times(7, (i) => ({ takes, ...(i % 3 === 0 ? { fails: `bad input ${i}` } : {}) }))
      }
    },
    { ...common, runJob: { job: "called", run: { tasks: [{ key: "main", takes }] } } }
  ]
  return kinds[yield* Random.nextIntBetween(0, kinds.length)] ?? { ...common, takes }
})

/** A run of a few such tasks, which may be repaired, retried, queued, cancelled, or never run. */
const makeRun = Effect.fnUntraced(function* (id: string, at: Duration.Duration) {
  const tasks: Array<Scenario.Task> = []
  const count = yield* Random.nextIntBetween(1, 5)
  for (let i = 0; i < count; i++) {
    tasks.push(
      yield* makeTask(
        `t${i}`,
        tasks.map(({ key }) => key)
      )
    )
  }
  const again = tasks.map((task): Scenario.Task => ({
    key: task.key,
    takes: "2 minutes",
    ...(task.after === undefined ? {} : { after: task.after })
  }))
  const common = { id, at }
  const runs: ReadonlyArray<Scenario.Run> = [
    { ...common, tasks },
    { ...common, tasks, queued: "70 seconds", pending: "30 seconds", terminating: "10 seconds" },
    { ...common, tasks, repairs: [{ after: "45 minutes", tasks: again }] },
    { ...common, tasks, retriedBy: [{ id: `${id}9`, after: "1 minute", tasks: again }] },
    { ...common, tasks: again, cancelledAfter: "30 seconds" },
    { ...common, tasks: again, timesOutAfter: "30 seconds" },
    { ...common, skipped: "MAX_CONCURRENT_RUNS_EXCEEDED" },
    { ...common, breaks: { code: "INVALID_RUN_CONFIGURATION", message: "no such cluster" } },
    { ...common, tasks, type: "SUBMIT_RUN" },
    { ...common, tasks, listedAfter: "2 minutes" }
  ]
  return runs[yield* Random.nextIntBetween(0, runs.length)] ?? { ...common, tasks }
})

for (const seed of ["one", "two"]) {
  it.effect(
    `hours of runs of all kinds, from a workspace that answers badly, arrive once and in order (seed ${seed})`,
    () =>
      Effect.gen(function* () {
        yield* TestClock.setTime(AgentFixture.START)
        const runs: Array<Scenario.Run> = []
        for (let i = 0; i < 40; i++) {
          runs.push(yield* makeRun(String(5000 + i), Duration.minutes(1 + i * 3)))
        }
        const fake = yield* Fake.make({
          jobs: [{ name: "mixed", id: "1001", runs }],
          list: {
            pages: seed === "one" ? "torn" : "stable",
            order: seed === "two" ? "start" : "end",
            emptyPages: 1
          },
          taskOrder: "arbitrary",
          requestsPerSecond: 30
        })
        for (let hour = 0; hour < 3; hour++) {
          yield* fake.fail(Fault.serverError(), { after: Duration.minutes(17 + hour * 60), for: "4 minutes" })
          yield* fake.fail(Fault.drop, {
            call: "get",
            after: Duration.minutes(40 + hour * 60),
            for: "3 minutes"
          })
        }
        yield* Effect.gen(function* () {
          for (let hour = 0; hour < 6; hour++) yield* TestClock.adjust("1 hour")
          const events = yield* (yield* FakeObservability).events
          assert.deepStrictEqual(EventLog.problems(events), [])
          const expected = Expected.ofPlan(yield* fake.plan, { submitKey: ({ name }) => `submit:${name}` })
          assert.isAbove(expected.size, 200)
          assert.deepStrictEqual(Expected.compare(expected, events), {
            lost: [],
            unexpected: [],
            duplicated: []
          })
        }).pipe(
          Effect.scoped,
          Effect.provide(
            Days.agent(fake, { databricks: { period: 15, jobs_version: seed === "two" ? "2.1" : "2.2" } })
          )
        )
      }).pipe(Random.withSeed(`lifecycles ${seed}`), Effect.provide(Days.clock)),
    60_000
  )
}
