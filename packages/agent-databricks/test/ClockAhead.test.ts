import { assert, describe, it } from "@effect/vitest"
import * as DatabricksAgent from "@observability-agents/agent-databricks/DatabricksAgent"
import { Outbox } from "@observability-agents/core/Outbox"
import * as AgentFixture from "@observability-agents/testing/AgentFixture"
import { FakeObservability } from "@observability-agents/testing/FakeObservability"
import * as FaultyClock from "@observability-agents/testing/FaultyClock"
import { Clock, DateTime, Effect, Layer, Option } from "effect"
import { HttpClient, HttpClientResponse } from "effect/http"
import { TestClock } from "effect/testing"

interface Run {
  readonly id: number
  readonly start: number
  readonly end: number
}

/** A workspace with these runs, all of them a success. */
const workspace = (runs: ReadonlyArray<Run>) =>
  HttpClient.make((request, url) =>
    Effect.sync(() => {
      const from = Number(url.searchParams.get("start_time_from") ?? 0)
      const isActive = url.searchParams.get("active_only") === "true"
      const listed = isActive ? [] : runs.filter(({ start }) => start >= from)
      return HttpClientResponse.fromWeb(
        request,
        Response.json({
          runs: listed.map(({ end, id, start }) => ({
            run_id: id,
            job_id: 1,
            start_time: start,
            end_time: end,
            status: { state: "TERMINATED", termination_details: { code: "SUCCESS", type: "SUCCESS" } }
          }))
        })
      )
    })
  )

describe("A clock that was ahead by a day and is set right", () => {
  it.effect("loses no run that comes after, and the cursor comes back", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(AgentFixture.START)
      const clock = yield* FaultyClock.make
      yield* clock.jump("1 day")
      const runs: Array<Run> = []
      yield* Effect.gen(function* () {
        yield* TestClock.adjust("1 minute")
        yield* clock.setRight
        yield* TestClock.adjust("1 minute")
        const start = yield* Clock.currentTimeMillis
        runs.push({ id: 1, start, end: start + 3000 })
        yield* TestClock.adjust("1 minute")
        const server = yield* FakeObservability
        assert.deepStrictEqual(
          (yield* server.events).map((event) => (event._tag === "RunStatus" ? event.status : event._tag)),
          ["RUNNING", "COMPLETED"]
        )
        const outbox = yield* Outbox
        const { cursor } = yield* outbox.checkpoint("databricks https://workspace.test")
        assert.isAtMost(DateTime.toEpochMillis(Option.getOrThrow(cursor)), yield* Clock.currentTimeMillis)
      }).pipe(
        Effect.scoped,
        Effect.provide(
          AgentFixture.layer(DatabricksAgent.agent, {
            hosts: { "workspace.test": workspace(runs) },
            settings: {
              databricks: { host: "https://workspace.test", period: 5 },
              auth_api_token: { agent_token: "dapi-fake" }
            }
          }).pipe(Layer.provide(FaultyClock.FaultyClock.layerOf(clock)))
        )
      )
    })
  )
})
