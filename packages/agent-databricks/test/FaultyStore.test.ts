import { assert, describe, it } from "@effect/vitest"
import * as DatabricksAgent from "@observability-agents/agent-databricks/DatabricksAgent"
import * as Expected from "@observability-agents/agent-databricks/testing/Expected"
import * as FakeDatabricks from "@observability-agents/agent-databricks/testing/FakeDatabricks"
import { Health } from "@observability-agents/core/Health"
import { Outbox } from "@observability-agents/core/Outbox"
import * as AgentFixture from "@observability-agents/testing/AgentFixture"
import * as EventLog from "@observability-agents/testing/EventLog"
import { FakeObservability } from "@observability-agents/testing/FakeObservability"
import { FaultyStore } from "@observability-agents/testing/FaultyStore"
import * as Faults from "@observability-agents/testing/FaultyStore"
import { Effect, Layer } from "effect"
import { TestClock } from "effect/testing"

/** Runs one after the other for half an hour, some of which fail; the store fails for ten minutes of it. */
const survives = (fault: Faults.StoreFault, when: Faults.When = {}) =>
  Effect.gen(function* () {
    yield* TestClock.setTime(AgentFixture.START)
    const workspace = yield* FakeDatabricks.make({
      token: "a-token",
      jobs: [
        {
          name: "nightly",
          runs: Array.from({ length: 15 }, (_, index) => ({
            at: `${1 + index * 2} minutes` as const,
            tasks: [
              { key: "load", takes: "1 minute" as const },
              { key: "test", takes: "2 minutes" as const, ...(index % 3 === 0 ? { fails: "no" } : {}) }
            ]
          }))
        }
      ]
    })
    const agent = AgentFixture.layer(DatabricksAgent.agent, {
      hosts: { "workspace.test": workspace.client },
      settings: {
        databricks: { host: "workspace.test", period: 10 },
        auth_api_token: { agent_token: "a-token" }
      }
    })
    yield* Effect.gen(function* () {
      const server = yield* FakeObservability
      const store = yield* FaultyStore
      const { report } = yield* Health
      yield* store.fail(fault, { after: "10 minutes", during: "10 minutes", ...when })
      yield* TestClock.adjust("19 minutes")
      assert.isAbove(yield* store.struck, 5)
      assert.isFalse((yield* report).healthy)
      const told = (yield* server.events).length
      yield* TestClock.adjust("40 minutes")
      const events = yield* server.events
      assert.isAbove(events.length, told)
      assert.deepStrictEqual(EventLog.problems(events), [])
      const expected = Expected.ofPlan(yield* workspace.plan)
      assert.deepStrictEqual(Expected.compare(expected, events), { lost: [], unexpected: [], duplicated: [] })
      assert.isTrue((yield* report).healthy)
      const { deadLetters, pending } = yield* (yield* Outbox).status
      assert.deepStrictEqual({ deadLetters, pending }, { deadLetters: 0, pending: 0 })
    }).pipe(Effect.provide(Layer.provideMerge(agent, FaultyStore.layer)))
  })

describe("the Databricks agent loses nothing and repeats nothing when for ten minutes", () => {
  const cases: ReadonlyArray<readonly [string, Faults.StoreFault, Faults.When?]> = [
    ["the disk is full", Faults.diskFull],
    [
      "the disk is full at the end of each transaction",
      Faults.diskFull,
      { where: ({ name }) => name === "commit" }
    ],
    ["the file is locked", Faults.busy],
    [
      "what was delivered cannot be recorded",
      Faults.diskBroken,
      { where: ({ name }) => name === "delete event" }
    ],
    ["the store is unavailable", Faults.unavailable],
    ["the store does its work and says that it is unavailable", Faults.doneButUnavailable]
  ]
  for (const [name, fault, when] of cases) it.effect(name, () => survives(fault, when), 30_000)
})
