import * as DatabricksAgent from "@observability-agents/agent-databricks/DatabricksAgent"
import * as Expected from "@observability-agents/agent-databricks/testing/Expected"
import * as FakeDatabricks from "@observability-agents/agent-databricks/testing/FakeDatabricks"
import * as Fault from "@observability-agents/agent-databricks/testing/Fault"
import type * as Workspace from "@observability-agents/agent-databricks/testing/Workspace"
import * as AgentSuite from "@observability-agents/testing/AgentSuite"
import { type Config, Effect } from "effect"

const TOKEN = "dapi-secret-of-the-suite"

/** One run that fails in its second task, one that is tried again, and one that comes and goes between two looks. */
const scenario = Effect.map(FakeDatabricks.make({ token: TOKEN }), (workspace) => ({
  workspace,
  hosts: { "workspace.test": workspace.client },
  recover: workspace.recover,
  play: Effect.asVoid(
    workspace.add([
      {
        name: "nightly",
        id: "1001",
        runs: [
          {
            id: "7001",
            tasks: [
              { key: "extract", takes: "2 minutes" },
              { key: "load", takes: "1 minute", after: ["extract"], fails: "no such table" }
            ]
          },
          {
            id: "7002",
            at: "3 minutes",
            tasks: [{ key: "load", maxRetries: 1, retriesOf: [{ fails: "busy" }] }]
          }
        ]
      },
      {
        name: "hourly",
        id: "1002",
        runs: [{ id: "7003", at: "4 minutes", tasks: [{ key: "main", takes: "5 seconds" }] }]
      }
    ])
  ),
  expected: Effect.map(workspace.plan, (plan) =>
    // The numbers of what happens more than once are not in the identities of events.
    Array.from(Expected.ofPlan(plan), (identity) => ({ identity: identity.replace(/ \(\d+\)$/, "") }))
  )
}))

type Scenario = Effect.Success<typeof scenario>

const faulty =
  (fault: Fault.Fault, when?: Workspace.When) =>
  ({ workspace }: Scenario) =>
    workspace.fail(fault, when)

const databricks: AgentSuite.Options<Config.ConfigError, Scenario> = {
  agent: DatabricksAgent.agent,
  settings: {
    databricks: { host: "https://workspace.test", period: 20 },
    auth_api_token: { agent_token: TOKEN }
  },
  mistakes: {
    settings: { databricks: { period: "often", hots: "x" }, core: { health_grace: -1 } },
    words: ["[databricks] period", "hots", "[core] health_grace"]
  },
  secrets: [TOKEN],
  scenario,
  identity: Expected.identity,
  lasts: "6 minutes",
  deaths: 24,
  // Runs are asked for by their state, not by the time at which they changed.
  clockAhead: "1 hour",
  rows: "runs",
  reloads: { databricks: { period: 15 }, core: { log_level: "DEBUG" } },
  faults: {
    "limits the rate": faulty(Fault.rateLimited(15)),
    "limits the rate with status 400": faulty(Fault.requestLimitExceeded),
    "answers 500": faulty(Fault.serverError()),
    "answers 503 with a page": faulty(Fault.gateway(503)),
    "closes the connection": faulty(Fault.drop),
    "never answers": faulty(Fault.hang),
    "answers half": faulty(Fault.truncated),
    "answers with nothing": faulty(Fault.empty),
    "answers with a page to sign in": faulty(Fault.loginPage),
    "does not accept the token": faulty(Fault.invalidToken),
    "answers lists without end": faulty(Fault.circular, { call: "list" }),
    "answers slowly": faulty(Fault.slow("15 seconds")),
    "does not tell of single runs": faulty(Fault.serverError(), { call: "get" }),
    "does not tell outputs": faulty(Fault.serverError(), { call: "output" }),
    "does not list its newest run yet": faulty(
      Fault.json((body) => ({
        ...body,
        ...(Array.isArray(body["runs"]) ? { runs: body["runs"].slice(1) } : {})
      })),
      { call: "list" }
    )
  }
}

AgentSuite.suite("the Databricks agent", databricks)
