/**
 * What following runs costs a workspace: requests to Databricks per poll, for more and more active runs, beside asking for
 * each run by itself. In virtual time; the numbers are counts and the same everywhere.
 *
 *     node --conditions=@observability-agents/source bench/Requests.ts
 */
import * as DatabricksAgent from "@observability-agents/agent-databricks/DatabricksAgent"
import * as FakeDatabricks from "@observability-agents/agent-databricks/testing/FakeDatabricks"
import * as AgentFixture from "@observability-agents/testing/AgentFixture"
import { Effect } from "effect"
import { TestClock } from "effect/testing"

const POLLS = 20
const PERIOD = 5

const measure = Effect.fnUntraced(function* (active: number) {
  yield* TestClock.setTime(AgentFixture.START)
  const workspace = yield* FakeDatabricks.make({
    jobs: [
      {
        name: "busy",
        runs: Array.from({ length: active }, () => ({
          ago: "2 hours" as const,
          tasks: [
            { key: "extract", takes: "1 hour" as const },
            { key: "load", takes: "1 day" as const, after: ["extract"] }
          ]
        }))
      }
    ]
  })
  return yield* Effect.gen(function* () {
    // The first poll finds the runs; what follows is the steady state.
    yield* TestClock.adjust("30 seconds")
    const before = yield* workspace.count()
    for (let poll = 0; poll < POLLS; poll++) yield* TestClock.adjust(`${PERIOD} seconds`)
    return ((yield* workspace.count()) - before) / POLLS
  }).pipe(
    Effect.provide(
      AgentFixture.layer(DatabricksAgent.agent, {
        hosts: { "workspace.test": workspace.client },
        settings: {
          databricks: { host: "https://workspace.test", period: PERIOD },
          auth_api_token: { agent_token: "dapi-fake" }
        }
      })
    )
  )
})

const program = Effect.gen(function* () {
  console.log("requests per poll   active runs   requests   one per run   ratio")
  for (const active of [10, 100, 1000]) {
    const requests = yield* Effect.provide(measure(active), TestClock.layer())
    const ratio = requests / (active + 1)
    console.log(
      `${" ".repeat(20)}${String(active).padStart(11)}${requests.toFixed(1).padStart(11)}${String(active + 1).padStart(14)}${ratio.toFixed(3).padStart(8)}`
    )
  }
})

await Effect.runPromise(program)
