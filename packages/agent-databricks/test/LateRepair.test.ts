import { assert, describe, it } from "@effect/vitest"
import * as DatabricksAgent from "@observability-agents/agent-databricks/DatabricksAgent"
import * as AgentFixture from "@observability-agents/testing/AgentFixture"
import * as EventLog from "@observability-agents/testing/EventLog"
import { FakeObservability } from "@observability-agents/testing/FakeObservability"
import { Duration, Effect } from "effect"
import { HttpClient, HttpClientResponse } from "effect/http"
import { TestClock } from "effect/testing"

const START = AgentFixture.START
const SECOND = 1000
const BEGIN = START + 10 * SECOND

const ended = (code: string) => ({
  status: { state: "TERMINATED", termination_details: { code, type: "CLIENT_ERROR", message: "no" } }
})

/** A run that does not succeed, and that somebody repairs after a while; and what the workspace cannot answer for now. */
const makeWorkspace = (code: string, repairedAfter: Duration.Input) => {
  const state = {
    phase: "none" as "none" | "failed" | "repairing" | "repaired",
    answers: "all" as "all" | "none" | "half"
  }
  const again = BEGIN + Duration.toMillis(repairedAfter)
  const first = {
    task_key: "t",
    run_id: 90,
    attempt_number: 0,
    start_time: BEGIN,
    end_time: BEGIN + 40 * SECOND
  }
  const failed = { ...first, ...ended("RUN_EXECUTION_ERROR") }
  const second = { task_key: "t", run_id: 91, attempt_number: 1, start_time: again }
  const run = () => {
    const base = { run_id: 1, job_id: 7, start_time: BEGIN }
    switch (state.phase) {
      case "none":
      case "failed":
        return { ...base, end_time: BEGIN + 41 * SECOND, ...ended(code), tasks: [failed] }
      case "repairing":
        return {
          ...base,
          end_time: 0,
          status: { state: "RUNNING" },
          tasks: [failed, { ...second, status: { state: "RUNNING" } }]
        }
      case "repaired": {
        const end = again + 60 * SECOND
        return {
          ...base,
          end_time: end,
          ...ended("SUCCESS"),
          tasks: [failed, { ...second, end_time: end - SECOND, ...ended("SUCCESS") }]
        }
      }
    }
  }
  const client = HttpClient.make((request, url) =>
    Effect.sync(() => {
      const answer = (body: object, status = 200) =>
        HttpClientResponse.fromWeb(request, Response.json(body, { status }))
      if (state.answers === "none") {
        return answer({ error_code: "TEMPORARILY_UNAVAILABLE", message: "not now" }, 503)
      }
      if (url.pathname.endsWith("/get")) return answer(run())
      if (!url.pathname.endsWith("/list")) return answer({ error_code: "X", message: "no output" }, 400)
      if (state.phase === "none") return answer({})
      const isActive = url.searchParams.get("active_only") === "true"
      // A list that does not end: what is on it is passed on, and the sweep is read again.
      if (isActive && state.answers === "half") return answer({ runs: [], next_page_token: "same" })
      if (isActive) return answer(run().end_time === 0 ? { runs: [run()] } : {})
      return answer(BEGIN >= Number(url.searchParams.get("start_time_from")) ? { runs: [run()] } : {})
    })
  )
  return { state, client, again }
}

const told = Effect.gen(function* () {
  const server = yield* FakeObservability
  const events = yield* server.events
  assert.deepStrictEqual(EventLog.problems(events), [])
  return events.flatMap((event) =>
    event._tag === "RunStatus" ? [`${event.taskKey ?? "run"} ${event.status}`] : []
  )
})

const live = (workspace: ReturnType<typeof makeWorkspace>) =>
  AgentFixture.layer(DatabricksAgent.agent, {
    hosts: { "workspace.test": workspace.client },
    settings: {
      databricks: { host: "https://workspace.test", period: 30 },
      http: { retries: 0 },
      auth_api_token: { agent_token: "dapi-fake" }
    }
  })

describe("A run that is repaired", () => {
  for (const [code, word] of [
    ["RUN_EXECUTION_ERROR", "FAILED"],
    ["SUCCESS_WITH_FAILURES", "COMPLETED_WITH_WARNINGS"]
  ] as const) {
    it.effect(`three hours after it ended as ${word} is told as a second opening`, () =>
      Effect.gen(function* () {
        yield* TestClock.setTime(START)
        const workspace = makeWorkspace(code, "3 hours")
        yield* Effect.gen(function* () {
          yield* TestClock.adjust("9 seconds")
          workspace.state.phase = "failed"
          yield* TestClock.adjust("3 hours")
          workspace.state.phase = "repairing"
          yield* TestClock.adjust("1 minute")
          workspace.state.phase = "repaired"
          yield* TestClock.adjust("11 minutes")
          assert.deepStrictEqual(yield* told, [
            "run RUNNING",
            "t RUNNING",
            "t FAILED",
            `run ${word}`,
            "run RUNNING",
            "t RUNNING",
            "t COMPLETED",
            "run COMPLETED"
          ])
        }).pipe(Effect.scoped, Effect.provide(live(workspace)))
      })
    )
  }

  it.effect("before an outage of hours is told once, however often the time before it is read", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(START)
      const workspace = makeWorkspace("RUN_EXECUTION_ERROR", "2 minutes")
      yield* Effect.gen(function* () {
        yield* TestClock.adjust("9 seconds")
        workspace.state.phase = "failed"
        yield* TestClock.adjust("2 minutes")
        workspace.state.phase = "repairing"
        yield* TestClock.adjust("1 minute")
        workspace.state.phase = "repaired"
        yield* TestClock.adjust("1 minute")
        const before = yield* told
        assert.strictEqual(before.length, 8)
        workspace.state.answers = "none"
        yield* TestClock.adjust("2 hours")
        workspace.state.answers = "half"
        yield* TestClock.adjust("1 minute")
        workspace.state.answers = "all"
        yield* TestClock.adjust("10 minutes")
        assert.deepStrictEqual(yield* told, before)
      }).pipe(Effect.scoped, Effect.provide(live(workspace)))
    })
  )
})
