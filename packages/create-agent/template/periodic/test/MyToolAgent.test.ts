/** The whole agent in virtual time, between the fake tool and a fake Observability server: an hour takes milliseconds. */
import { assert, describe, it } from "@effect/vitest"
import { FakeObservability } from "@observability-agents/testing/FakeObservability"
import * as SettingsFixture from "@observability-agents/testing/SettingsFixture"
import { Simulation } from "@observability-agents/testing/Simulation"
import * as TestNetwork from "@observability-agents/testing/TestNetwork"
import { Effect } from "effect"
import * as MyToolAgent from "../src/MyToolAgent.ts"
import { FakeMyTool, told } from "./support/FakeMyTool.ts"

const settings = { my_tool: { url: "http://my-tool.test", token: "a-token" } }

const simulation = (store: "memory" | "file" = "memory") =>
  Simulation.layer(MyToolAgent.agent, {
    tool: FakeMyTool.layer({ token: "a-token" }),
    hosts: Effect.map(FakeMyTool, ({ client }) => ({ "my-tool.test": client })),
    settings,
    secrets: ["a-token"],
    store
  })

describe("the agent of My Tool", () => {
  it.effect("tells runs from their beginning to their end, on however many pages", () =>
    Effect.gen(function* () {
      const sim = yield* Simulation
      const tool = yield* FakeMyTool
      const runs = tool.plan(
        { id: "1", job: "nightly", takes: "5 minutes" },
        { id: "2", job: "hourly", takes: "5 minutes", fails: "no such table" },
        { id: "3", job: "weekly", takes: "1 second" }
      )
      yield* sim.at("1 minute", "three runs begin", runs)
      yield* sim.advance("10 minutes")
      yield* sim.expectPerLane({
        "nightly/1": told({}),
        "hourly/2": told({ fails: "no such table" }),
        "weekly/3": told({})
      })
      yield* sim.expectNoMoreFor("1 hour")
    }).pipe(Effect.provide(simulation()))
  )

  it.effect("says that it is not well while the tool is down, and misses nothing of that time", () =>
    Effect.gen(function* () {
      const sim = yield* Simulation
      const tool = yield* FakeMyTool
      yield* sim.at("10 minutes", "the tool goes down", tool.fail("is down"))
      yield* sim.at("15 minutes", "a run begins", tool.plan({ id: "1", job: "nightly" }))
      yield* sim.at("40 minutes", "the tool is back", tool.recover)
      yield* sim.advance("9 minutes")
      yield* sim.expectHealthy
      yield* sim.advance("11 minutes")
      yield* sim.expectFailing(["read runs"])
      yield* sim.advanceTo("the tool is back")
      yield* sim.expectNoMore
      yield* sim.expectWithin("5 minutes", told({}))
      yield* sim.expectHealthy
    }).pipe(Effect.provide(simulation()))
  )

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

  it.effect("checks its connection, and says what to do about a token that is not known", () =>
    Effect.gen(function* () {
      const tool = yield* FakeMyTool
      const check = MyToolAgent.agent.check.pipe(
        Effect.provide([SettingsFixture.layer(settings), TestNetwork.layer({ "my-tool.test": tool.client })])
      )
      assert.include(yield* check, "answers")
      yield* tool.fail("knows us no more")
      const error = yield* Effect.flip(check)
      assert.strictEqual(error._tag === "CheckFailed" ? error.exitCode : 0, 77)
      assert.include(error.message, "`token` of [my_tool]")
    }).pipe(Effect.provide([FakeObservability.layer, FakeMyTool.layer({ token: "a-token" })]))
  )
})
