import { assert, describe, it } from "@effect/vitest"
import * as DatabricksAgent from "@observability-agents/agent-databricks/DatabricksAgent"
import * as AgentFixture from "@observability-agents/testing/AgentFixture"
import * as EventLog from "@observability-agents/testing/EventLog"
import { FakeObservability } from "@observability-agents/testing/FakeObservability"
import { Simulation } from "@observability-agents/testing/Simulation"
import { Duration, Effect } from "effect"
import { HttpClient, HttpClientResponse } from "effect/http"

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
  const becomes = (phase: typeof state.phase) =>
    Effect.sync(() => {
      state.phase = phase
    })
  const answers = (answers: typeof state.answers) =>
    Effect.sync(() => {
      state.answers = answers
    })
  return { becomes, answers, client }
}

const simulation = (workspace: ReturnType<typeof makeWorkspace>) =>
  Simulation.layer(DatabricksAgent.agent, {
    hosts: { "workspace.test": workspace.client },
    settings: {
      databricks: { host: "https://workspace.test", period: 30 },
      http: { retries: 0 },
      auth_api_token: { agent_token: "dapi-fake" }
    },
    secrets: ["dapi-fake"]
  })

const inOrder = Effect.gen(function* () {
  const server = yield* FakeObservability
  assert.deepStrictEqual(EventLog.problems(yield* server.events), [])
})

describe("A run that is repaired", () => {
  const failure = ["RUNNING", "task t RUNNING", "task t message ERROR", "task t FAILED"]
  const repair = ["RUNNING", "task t RUNNING", "task t COMPLETED", "COMPLETED"]

  for (const [code, word, end] of [
    ["RUN_EXECUTION_ERROR", "FAILED", ["message ERROR", "FAILED"]],
    ["SUCCESS_WITH_FAILURES", "COMPLETED_WITH_WARNINGS", ["COMPLETED_WITH_WARNINGS"]]
  ] as const) {
    const workspace = makeWorkspace(code, "3 hours")
    it.effect(
      `three hours after it ended as ${word} is told as a second opening`,
      () =>
        Effect.gen(function* () {
          const sim = yield* Simulation
          yield* sim.at("9 seconds", "the run has failed", workspace.becomes("failed"))
          yield* sim.at("10809 seconds", "somebody repairs it", workspace.becomes("repairing"))
          yield* sim.at("10869 seconds", "it has succeeded", workspace.becomes("repaired"))
          yield* sim.advance("11529 seconds")
          yield* sim.expect([...failure, ...end, ...repair])
          yield* sim.expectNoMore
          yield* inOrder
        }).pipe(Effect.provide(simulation(workspace))),
      60_000
    )
  }

  const workspace = makeWorkspace("RUN_EXECUTION_ERROR", "2 minutes")
  it.effect(
    "before an outage of hours is told once, however often the time before it is read",
    () =>
      Effect.gen(function* () {
        const sim = yield* Simulation
        yield* sim.at("9 seconds", "the run has failed", workspace.becomes("failed"))
        yield* sim.at("129 seconds", "somebody repairs it", workspace.becomes("repairing"))
        yield* sim.at("189 seconds", "it has succeeded", workspace.becomes("repaired"))
        yield* sim.advance("249 seconds")
        yield* sim.expect([...failure, "message ERROR", "FAILED", ...repair])
        yield* sim.act("the workspace is down", workspace.answers("none"))
        yield* sim.expectNoMoreFor("2 hours")
        yield* sim.act("the workspace answers by halves", workspace.answers("half"))
        yield* sim.expectNoMoreFor("1 minute")
        yield* sim.act("the workspace is back", workspace.answers("all"))
        yield* sim.expectNoMoreFor("10 minutes")
        yield* inOrder
      }).pipe(Effect.provide(simulation(workspace))),
    60_000
  )
})
