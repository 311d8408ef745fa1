import { assert, describe, it } from "@effect/vitest"
import * as DatabricksAgent from "@observability-agents/agent-databricks/DatabricksAgent"
import * as RunRecord from "@observability-agents/agent-databricks/RunRecord"
import * as Fault from "@observability-agents/agent-databricks/testing/Fault"
import * as Scenario from "@observability-agents/agent-databricks/testing/Scenario"
import * as AgentFixture from "@observability-agents/testing/AgentFixture"
import { FakeObservability } from "@observability-agents/testing/FakeObservability"
import { Clock, Effect, Result, type Scope } from "effect"
import { HttpClient, HttpClientResponse } from "effect/http"
import { TestClock } from "effect/testing"
import { scene } from "./support/sweeps.ts"

const test = <A, E>(name: string, body: Effect.Effect<A, E, Scope.Scope>) =>
  it.effect(name, () => Effect.scoped(body))

describe("an active run of which nothing can be told yet", () => {
  for (const order of ["start", "end"] as const) {
    test(
      `because its state is unknown is followed until it ends, where runs are listed by their ${order}`,
      Effect.gen(function* () {
        const { events, fake, sweep } = yield* scene({}, { list: { order } })
        // Others that end now and then, so that the order of the list shows.
        for (let index = 0; index < 30; index++) {
          yield* fake.run("other", {
            id: String(100 + index),
            at: index * 40_000,
            tasks: [{ key: "x", takes: 5000 + ((index * 37) % 100) * 1000 }]
          })
        }
        yield* fake.run("job", {
          id: "1",
          tasks: [{ key: "a", takes: "15 minutes" }],
          says: [{ from: 0, until: "899 seconds", fields: Scenario.unheardOf("HIBERNATING") }]
        })
        for (let look = 0; look < 60; look++) {
          yield* sweep
          yield* TestClock.adjust("20 seconds")
        }
        const told = (yield* events).flatMap((event) =>
          event._tag === "RunStatus" && event.runKey === "1"
            ? [`${event.taskKey ?? "run"} ${event.status}`]
            : []
        )
        assert.deepStrictEqual(told, ["run RUNNING", "a RUNNING", "a COMPLETED", "run COMPLETED"])
      })
    )
  }

  test(
    "because its outputs wait is followed, though the agent is started again and no list shows its end",
    Effect.gen(function* () {
      const { events, fake, restart, sweep } = yield* scene(
        { outputRequests: 1 },
        { list: { order: "start" } }
      )
      yield* fake.run("job", {
        id: "1",
        tasks: [
          { key: "a", takes: "10 seconds", fails: "boom" },
          { key: "b", takes: "10 seconds", fails: "boom" },
          { key: "c", takes: "30 minutes" }
        ]
      })
      yield* TestClock.adjust("20 minutes")
      const { polls } = yield* sweep
      assert.deepStrictEqual(
        polls.flatMap(({ snapshots }) => snapshots.map(({ phase, pipeline }) => [phase, pipeline.key])),
        [["Pending", "1001"]]
      )
      yield* TestClock.adjust("20 minutes")
      yield* restart
      for (let look = 0; look < 5; look++) {
        yield* sweep
        yield* TestClock.adjust("5 seconds")
      }
      const last = (yield* events).at(-1)
      assert.strictEqual(last?._tag === "RunStatus" && last.status, "FAILED")
    })
  )
})

describe("the failure of a run", () => {
  test(
    "names the error of a task that had failed in an earlier look",
    Effect.gen(function* () {
      const { events, fake, sweep } = yield* scene()
      yield* fake.run("job", {
        id: "1",
        tasks: [
          { key: "a", takes: "10 seconds", fails: "ValueError: no rows" },
          { key: "b", takes: "2 minutes" }
        ]
      })
      for (let look = 0; look < 10; look++) {
        yield* TestClock.adjust("20 seconds")
        yield* sweep
      }
      const details = (yield* events).flatMap((event) =>
        event._tag === "MessageLog" && event.taskKey === undefined ? [event.details] : []
      )
      assert.deepStrictEqual(details, ["a: ValueError: no rows"])
      assert.strictEqual(yield* fake.count("output"), 1)
    })
  )
})

describe("a run that no list shows", () => {
  test(
    "and that must not be read any more is warned of once an hour",
    Effect.gen(function* () {
      const { fake, logs, sweep } = yield* scene()
      yield* fake.run("job", { id: "1", tasks: [{ key: "a", takes: "1 day" }] })
      yield* TestClock.adjust("10 seconds")
      yield* sweep
      yield* fake.fail(
        Fault.json((body) => ({ ...body, runs: [] })),
        { call: "list" }
      )
      yield* fake.fail(
        Fault.refused(403, "PERMISSION_DENIED", "User does not have View permissions on job"),
        {
          call: "get"
        }
      )
      for (let minute = 0; minute < 180; minute++) {
        yield* TestClock.adjust("1 minute")
        yield* sweep
      }
      const warnings = logs.filter((line) => /no longer listed could not be read/.test(line)).length
      assert.isAtLeast(yield* fake.count("get"), 15)
      assert.isAtLeast(warnings, 2)
      assert.isAtMost(warnings, 3)
    })
  )
})

describe("an agent whose clock is ahead", () => {
  const AHEAD = 120_000

  /** Runs that succeed within two seconds, with times by Databricks' clock, in a list from the moment of their ends. */
  const workspace = (ends: ReadonlyArray<number>) =>
    HttpClient.make((request, url) =>
      Effect.map(Clock.currentTimeMillis, (now) => {
        const from = Number(url.searchParams.get("start_time_from") ?? 0)
        const isActive = url.searchParams.get("active_only") === "true"
        const runs = ends.flatMap((end, index) =>
          isActive || end > now - AHEAD || end - 2000 < from
            ? []
            : [
                {
                  run_id: index + 1,
                  job_id: 7,
                  start_time: end - 2000,
                  end_time: end,
                  status: { state: "TERMINATED", termination_details: { code: "SUCCESS", type: "SUCCESS" } }
                }
              ]
        )
        return HttpClientResponse.fromWeb(request, Response.json({ runs }))
      })
    )

  it.effect("misses no run that ends after its first start, and tells none that had ended before", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(AgentFixture.START)
      const there = AgentFixture.START - AHEAD
      // Before the start: two minutes, and just so; after it: ten seconds, three minutes.
      const client = workspace([there - 120_000, there - 500, there + 10_000, there + 180_000])
      yield* Effect.gen(function* () {
        yield* TestClock.adjust("10 minutes")
        const server = yield* FakeObservability
        const told = (yield* server.events).flatMap((event) =>
          event._tag === "RunStatus" && event.status === "COMPLETED" ? [event.runKey] : []
        )
        assert.deepStrictEqual(told, ["3", "4"])
      }).pipe(
        Effect.scoped,
        Effect.provide(
          AgentFixture.layer(DatabricksAgent.agent, {
            hosts: { "workspace.test": client },
            settings: {
              databricks: { host: "https://workspace.test", period: 5 },
              auth_api_token: { agent_token: "dapi-fake" }
            }
          })
        )
      )
    })
  )
})

describe("the pages of a run", () => {
  it("may each repeat its history", () => {
    const page = (...repair_history: ReadonlyArray<object>) =>
      Result.getOrThrow(RunRecord.decode({ run_id: 1, repair_history }))
    const original = { type: "ORIGINAL", start_time: 5 }
    const repairs = [
      { type: "REPAIR", id: 8, start_time: 10 },
      { type: "REPAIR", id: 9, start_time: 20 }
    ]
    const merged = RunRecord.merge(page(original, ...repairs.slice(0, 1)), page(original, ...repairs))
    assert.deepStrictEqual(
      merged.repair_history?.map(({ id, type }) => `${type} ${id}`),
      ["ORIGINAL undefined", "REPAIR 8", "REPAIR 9"]
    )
  })
})
