/** The whole agent in virtual time, between the fake tool and a fake Observability server: an hour takes milliseconds. */
import { assert, describe, it } from "@effect/vitest"
import { FakeObservability } from "@observability-agents/testing/FakeObservability"
import * as SettingsFixture from "@observability-agents/testing/SettingsFixture"
import { Simulation } from "@observability-agents/testing/Simulation"
import * as TestNetwork from "@observability-agents/testing/TestNetwork"
import { Effect, Layer } from "effect"
import { MyTool } from "../src/MyTool.ts"
import * as MyToolAgent from "../src/MyToolAgent.ts"
import { FakeMyTool, make, told } from "./support/FakeMyTool.ts"
import * as FakeWebSocket from "./support/FakeWebSocket.ts"

const settings = { my_tool: { url: "http://my-tool.test", token: "a-token" } }

/** A tool, and the agent that listens to it. */
const world = () => {
  const network = FakeWebSocket.network()
  return {
    agent: MyToolAgent.make(Layer.provide(MyTool.layer, network.layer)),
    tool: Layer.effect(FakeMyTool, Effect.tap(make({ token: "a-token" }), network.plug))
  }
}

const simulation = (store: "memory" | "file" = "memory") => {
  const { agent, tool } = world()
  return Simulation.layer(agent, { tool, hosts: {}, settings, secrets: ["a-token"], store })
}

describe("the agent of My Tool", () => {
  it.effect("tells runs from their beginning to their end", () =>
    Effect.gen(function* () {
      const sim = yield* Simulation
      const tool = yield* FakeMyTool
      const runs = tool.plan(
        { id: "1", job: "nightly", takes: "5 minutes" },
        { id: "2", job: "hourly", takes: "5 minutes", fails: "no such table" }
      )
      yield* sim.at("1 minute", "two runs begin", runs)
      yield* sim.advance("10 minutes")
      yield* sim.expectPerLane({
        "nightly/1": told({}),
        "hourly/2": told({ fails: "no such table" })
      })
      yield* sim.expectNoMoreFor("1 hour")
    }).pipe(Effect.provide(simulation()))
  )

  for (const fault of ["is down", "says nothing", "closes the connection"] as const) {
    it.effect(`says that it is not well while the tool ${fault}, and misses nothing of that time`, () =>
      Effect.gen(function* () {
        const sim = yield* Simulation
        const tool = yield* FakeMyTool
        yield* sim.at("10 minutes", `the tool ${fault}`, tool.fail(fault))
        yield* sim.at("15 minutes", "a run begins", tool.plan({ id: "1", job: "nightly" }))
        yield* sim.at("40 minutes", "the tool is back", tool.recover)
        yield* sim.advance("9 minutes")
        yield* sim.expectHealthy
        yield* sim.advance("11 minutes")
        yield* sim.expectFailing(["hear news"])
        yield* sim.advanceTo("the tool is back")
        yield* sim.expectNoMore
        yield* sim.expectWithin("5 minutes", told({}))
        yield* sim.expectHealthy
      }).pipe(Effect.provide(simulation()))
    )
  }

  it.effect("goes on after a crash where it was", () =>
    Effect.gen(function* () {
      const sim = yield* Simulation
      const tool = yield* FakeMyTool
      yield* sim.act("a run begins", tool.plan({ id: "1", job: "nightly", takes: "10 minutes" }))
      yield* sim.expectWithin("1 minute", told({}).slice(0, 2))
      yield* sim.crash
      yield* sim.advance("1 hour")
      yield* sim.start
      yield* sim.expectWithin("1 minute", told({}).slice(2))
      yield* sim.expectNoMoreFor("1 hour")
    }).pipe(Effect.provide(simulation("file")))
  )

  it.effect("checks its connection, and says what to do about a token that is not known", () => {
    const { agent, tool } = world()
    return Effect.gen(function* () {
      const fake = yield* FakeMyTool
      const check = agent.check.pipe(Effect.provide([SettingsFixture.layer(settings), TestNetwork.layer({})]))
      assert.include(yield* check, "answers")
      yield* fake.fail("knows us no more")
      const error = yield* Effect.flip(check)
      assert.strictEqual(error._tag === "CheckFailed" ? error.exitCode : 0, 77)
      assert.include(error.message, "`token` of [my_tool]")
    }).pipe(Effect.provide([FakeObservability.layer, tool]))
  })
})
