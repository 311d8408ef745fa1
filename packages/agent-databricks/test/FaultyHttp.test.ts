import { assert, describe, it } from "@effect/vitest"
import * as DatabricksAgent from "@observability-agents/agent-databricks/DatabricksAgent"
import * as Expected from "@observability-agents/agent-databricks/testing/Expected"
import * as FakeDatabricks from "@observability-agents/agent-databricks/testing/FakeDatabricks"
import { Health } from "@observability-agents/core/Health"
import * as AgentFixture from "@observability-agents/testing/AgentFixture"
import * as EventLog from "@observability-agents/testing/EventLog"
import { FakeObservability } from "@observability-agents/testing/FakeObservability"
import * as FaultyHttp from "@observability-agents/testing/FaultyHttp"
import * as HttpFault from "@observability-agents/testing/HttpFault"
import { Effect } from "effect"
import { TestClock } from "effect/testing"

const MINUTE = 60_000

/** Two bursts of more runs than a page has; the workspace answers wrongly around the second. */
const survives = (fault: HttpFault.HttpFault, when: FaultyHttp.When, red: boolean) =>
  Effect.gen(function* () {
    yield* TestClock.setTime(AgentFixture.START)
    const workspace = yield* FakeDatabricks.make({
      token: "a-token",
      jobs: [1, 6].map((minute) => ({
        name: `burst at ${minute}`,
        runs: Array.from({ length: 27 }, (_, index) => ({
          at: minute * MINUTE + index * 100,
          tasks: [{ key: "load", takes: 30_000 + index * 4000, ...(index % 5 === 0 ? { fails: "no" } : {}) }]
        }))
      }))
    })
    const faulty = yield* FaultyHttp.make(workspace.client)
    const agent = AgentFixture.layer(DatabricksAgent.agent, {
      hosts: { "workspace.test": faulty.client },
      settings: {
        databricks: { host: "workspace.test", period: 20 },
        auth_api_token: { agent_token: "a-token" },
        http: { read_timeout: 5, retries: 1 }
      }
    })
    yield* Effect.gen(function* () {
      const server = yield* FakeObservability
      const { report } = yield* Health
      yield* faulty.fail(fault, { after: "5 minutes", during: "10 minutes", ...when })
      let wasRed = false
      for (let minute = 0; minute < 15; minute++) {
        yield* TestClock.adjust("1 minute")
        wasRed ||= !(yield* report).healthy
      }
      const struck = (yield* faulty.requests).filter(
        ({ fault, isChanged }) => fault !== undefined && (fault._tag !== "Changed" || isChanged)
      )
      assert.isAbove(struck.length, 5)
      assert.strictEqual(wasRed, red)
      yield* TestClock.adjust("10 minutes")
      const events = yield* server.events
      assert.deepStrictEqual(Expected.compare(Expected.ofPlan(yield* workspace.plan), events), {
        lost: [],
        unexpected: [],
        duplicated: []
      })
      assert.deepStrictEqual(EventLog.problems(events), [])
      assert.isTrue((yield* report).healthy)
    }).pipe(Effect.provide(agent))
  })

const isNext = ({ searchParams }: URL) => searchParams.has("page_token")

describe("the Databricks agent loses nothing and repeats nothing when for ten minutes the workspace", () => {
  const cases: ReadonlyArray<readonly [string, HttpFault.HttpFault, FaultyHttp.When, "red" | "green"]> = [
    ["limits the rate of all requests", HttpFault.tooManyRequests("20"), {}, "red"],
    ["limits the rate of half of all requests", HttpFault.tooManyRequests(), { share: 0.5 }, "red"],
    ["gives headers, and a body that never ends", HttpFault.halfOpen(), {}, "red"],
    ["stops within the body", HttpFault.halfOpen(100), {}, "red"],
    ["breaks off within the body", HttpFault.cut(), {}, "red"],
    ["gives half of the body", HttpFault.truncated(), {}, "red"],
    ["lets the body drip", HttpFault.trickle("1 second", 2), {}, "red"],
    ["never answers", HttpFault.silence, {}, "red"],
    [
      "drops each second connection after the work",
      HttpFault.afterWork(HttpFault.drop),
      { share: 0.5 },
      "red"
    ],
    ["gives each row twice", HttpFault.duplicated("runs"), {}, "green"],
    ["gives the rows in disorder", HttpFault.shuffled("runs"), {}, "green"],
    ["does not show the newest rows yet", HttpFault.missing("runs", 3), { during: "5 minutes" }, "green"],
    [
      "moves its list so that rows are on no page",
      HttpFault.torn("runs", { isNext, how: "skips" }),
      {},
      "green"
    ],
    [
      "moves its list so that rows are on two pages",
      HttpFault.torn("runs", { isNext, how: "repeats" }),
      {},
      "green"
    ]
  ]
  for (const [name, fault, when, color] of cases) {
    it.effect(name, () => survives(fault, when, color === "red"), 30_000)
  }
})
