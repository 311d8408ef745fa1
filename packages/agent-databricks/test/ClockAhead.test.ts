import { assert, describe, it } from "@effect/vitest"
import * as DatabricksAgent from "@observability-agents/agent-databricks/DatabricksAgent"
import { Outbox } from "@observability-agents/core/Outbox"
import * as AgentFixture from "@observability-agents/testing/AgentFixture"
import { FakeObservability } from "@observability-agents/testing/FakeObservability"
import { Clock, DateTime, Duration, Effect, Option } from "effect"
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
      const clock = yield* Clock.Clock
      let ahead = Duration.toMillis("1 day")
      const millis = () => clock.currentTimeMillisUnsafe() + ahead
      const nanos = () => clock.currentTimeNanosUnsafe() + BigInt(ahead) * 1_000_000n
      const shifted: Clock.Clock = {
        currentTimeMillisUnsafe: millis,
        currentTimeMillis: Effect.sync(millis),
        currentTimeNanosUnsafe: nanos,
        currentTimeNanos: Effect.sync(nanos),
        monotonicTimeNanosUnsafe: () => clock.monotonicTimeNanosUnsafe(),
        monotonicTimeNanos: clock.monotonicTimeNanos,
        sleep: (duration) => clock.sleep(duration)
      }
      const runs: Array<Run> = []
      const adjust = (duration: Duration.Input) =>
        Effect.provideService(TestClock.adjust(duration), Clock.Clock, clock)
      yield* Effect.gen(function* () {
        yield* adjust("1 minute")
        ahead = 0
        yield* adjust("1 minute")
        const start = millis()
        runs.push({ id: 1, start, end: start + 3000 })
        yield* adjust("1 minute")
        const server = yield* FakeObservability
        assert.deepStrictEqual(
          (yield* server.events).map((event) => (event._tag === "RunStatus" ? event.status : event._tag)),
          ["RUNNING", "COMPLETED"]
        )
        const outbox = yield* Outbox
        const { cursor } = yield* outbox.checkpoint("databricks https://workspace.test")
        assert.isAtMost(DateTime.toEpochMillis(Option.getOrThrow(cursor)), millis())
      }).pipe(
        Effect.scoped,
        Effect.provide(
          AgentFixture.layer(DatabricksAgent.agent, {
            hosts: { "workspace.test": workspace(runs) },
            settings: {
              databricks: { host: "https://workspace.test", period: 5 },
              auth_api_token: { agent_token: "dapi-fake" }
            }
          })
        ),
        Effect.provideService(Clock.Clock, shifted)
      )
    })
  )
})
