import { assert, describe, it } from "@effect/vitest"
import * as DatabricksAgent from "@observability-agents/agent-databricks/DatabricksAgent"
import * as Expected from "@observability-agents/agent-databricks/testing/Expected"
import * as FakeDatabricks from "@observability-agents/agent-databricks/testing/FakeDatabricks"
import { Health } from "@observability-agents/core/Health"
import * as AgentFixture from "@observability-agents/testing/AgentFixture"
import * as EventLog from "@observability-agents/testing/EventLog"
import { FakeObservability } from "@observability-agents/testing/FakeObservability"
import { FaultyClock } from "@observability-agents/testing/FaultyClock"
import * as Faulty from "@observability-agents/testing/FaultyClock"
import { Duration, Effect, Layer } from "effect"
import { TestClock } from "effect/testing"

const MINUTE = 60_000

type Disturb = (clock: FaultyClock["Service"]) => Effect.Effect<void>

/**
 * Short runs, longer ones and a long one for half an hour, some of which fail. The agent's machine has another clock than the
 * workspace and the server: after ten minutes it is disturbed, and after twenty it is set right.
 */
const survives = (disturb: Disturb, options: { readonly late: Duration.Input; readonly sleeps?: number }) =>
  Effect.gen(function* () {
    yield* TestClock.setTime(AgentFixture.START)
    const clock = yield* Faulty.make
    const workspace = yield* FakeDatabricks.make({
      token: "a-token",
      jobs: [
        {
          name: "short",
          runs: Array.from({ length: 30 }, (_, index) => ({
            at: index * MINUTE + 13_000,
            tasks: [{ key: "load", takes: 5000, ...(index % 5 === 0 ? { fails: "no" } : {}) }]
          }))
        },
        {
          name: "longer",
          runs: [4, 9, 14, 19, 24].map((minute) => ({
            at: minute * MINUTE,
            tasks: [{ key: "load", takes: 2 * MINUTE }]
          }))
        },
        { name: "long", runs: [{ at: 5 * MINUTE, tasks: [{ key: "load", takes: 20 * MINUTE }] }] }
      ]
    })
    const agent = AgentFixture.layerAgent(DatabricksAgent.agent, {
      hosts: { "workspace.test": clock.elsewhere(workspace.client) },
      settings: {
        databricks: { host: "workspace.test", period: 10 },
        auth_api_token: { agent_token: "a-token" }
      }
    }).pipe(Layer.provide(FaultyClock.layerOf(clock)), Layer.provideMerge(FakeObservability.layer))
    yield* Effect.gen(function* () {
      const server = yield* FakeObservability
      const beats: Array<number> = []
      for (let minute = 0; minute < 40; minute++) {
        if (minute === 10) yield* disturb(clock)
        if (minute === 20) yield* clock.setRight
        const before = (yield* server.heartbeats).length
        yield* TestClock.adjust("1 minute")
        beats.push((yield* server.heartbeats).length - before)
      }

      const accepted = yield* server.accepted
      const events = accepted.map(({ event }) => event)
      assert.deepStrictEqual(Expected.compare(Expected.ofPlan(yield* workspace.plan), events), {
        lost: [],
        unexpected: [],
        duplicated: []
      })
      assert.deepStrictEqual(EventLog.problems(events), [])
      assert.isTrue((yield* (yield* Health).report).healthy)
      // One in each minute in which the machine was awake.
      assert.strictEqual(beats.filter((count) => count === 0).length, options.sleeps ?? 0, beats.join(" "))
      const lags = accepted.map(({ at, event }) =>
        event.timestamp === undefined ? Infinity : at.epochMilliseconds - event.timestamp.epochMilliseconds
      )
      assert.isAtMost(Math.max(...lags), Duration.toMillis(Duration.fromInputUnsafe(options.late)))
      // What is told is when it happened in the workspace, and not what the agent's clock shows.
      assert.isAtLeast(Math.min(...lags), 0)
    }).pipe(Effect.provide(agent))
  })

describe("the Databricks agent loses nothing, repeats nothing and gives signs of life when its clock", () => {
  const jump =
    (by: Duration.Input): Disturb =>
    (clock) =>
      clock.jump(by)
  const cases: ReadonlyArray<readonly [string, Disturb, Parameters<typeof survives>[1]]> = [
    // Runs that no sweep sees active are found by their end, which is looked for every five minutes while the clock is ahead.
    ["jumps an hour forward", jump("1 hour"), { late: "310 seconds" }],
    ["jumps ten minutes forward", jump("10 minutes"), { late: "310 seconds" }],
    ["jumps an hour back", jump("-1 hour"), { late: "10 seconds" }],
    ["jumps ten minutes back", jump("-10 minutes"), { late: "10 seconds" }],
    ["jumps three minutes back", jump("-3 minutes"), { late: "10 seconds" }],
    ["runs too fast", (clock) => clock.drift(0.05), { late: "10 seconds" }],
    ["runs too slowly", (clock) => clock.drift(-0.05), { late: "10 seconds" }],
    [
      "stands, because the machine sleeps",
      (clock) => clock.suspend("8 minutes"),
      { late: "490 seconds", sleeps: 8 }
    ]
  ]
  for (const [name, disturb, options] of cases) {
    it.effect(name, () => survives(disturb, options), 30_000)
  }
})
