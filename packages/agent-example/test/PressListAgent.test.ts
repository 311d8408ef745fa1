import { describe, it } from "@effect/vitest"
import { Simulation } from "@observability-agents/testing/Simulation"
import { Effect } from "effect"
import * as PressListAgent from "../src/PressListAgent.ts"
import { FakePressList } from "./support/FakePressList.ts"

const settings = { press: { url: "http://press.test", token: "a-token" } }

const simulation = (store: "memory" | "file" = "memory") =>
  Simulation.layer(PressListAgent.agent, {
    tool: FakePressList.layer,
    hosts: Effect.map(FakePressList, ({ client }) => ({ "press.test": client })),
    settings,
    secrets: ["a-token"],
    store
  })

const beginning = ["RUNNING", "task sheets RUNNING"]
const end = ["task sheets COMPLETED", "metric sheets", "COMPLETED"]

describe("the agent that asks", () => {
  it.effect("tells an order from its beginning to its end, and nothing twice", () =>
    Effect.gen(function* () {
      const sim = yield* Simulation
      const press = yield* FakePressList
      yield* sim.at("1 minute", "order 4711 begins", press.print("4711", { takes: "5 minutes" }))
      yield* sim.expectWithin("90 seconds", beginning)
      yield* sim.expectNoMoreFor("4 minutes")
      yield* sim.expectWithin("1 minute", end)
      yield* sim.expectNoMoreFor("1 hour")
    }).pipe(Effect.provide(simulation()))
  )

  it.effect("says that it is not well while the press is down, and misses nothing of that time", () =>
    Effect.gen(function* () {
      const sim = yield* Simulation
      const press = yield* FakePressList
      yield* sim.at("10 minutes", "the press goes down", press.goDown)
      yield* sim.at("15 minutes", "order 4711 begins", press.print("4711", { takes: "5 minutes" }))
      yield* sim.at("40 minutes", "the press is back", press.recover)
      yield* sim.advanceTo("the press goes down")
      yield* sim.expectHealthy
      yield* sim.advance("10 minutes")
      yield* sim.expectFailing(["list orders"])
      yield* sim.advanceTo("the press is back")
      yield* sim.expectWithin("5 minutes", [...beginning, ...end])
      yield* sim.expectHealthy
    }).pipe(Effect.provide(simulation()))
  )

  it.effect("goes on after a crash where it was", () =>
    Effect.gen(function* () {
      const sim = yield* Simulation
      const press = yield* FakePressList
      yield* sim.at("1 minute", "order 4711 begins", press.print("4711", { takes: "10 minutes" }))
      yield* sim.expectWithin("90 seconds", beginning)
      yield* sim.crash
      yield* sim.advance("1 hour")
      yield* sim.start
      yield* sim.expectWithin("1 minute", end)
      yield* sim.expectNoMoreFor("1 hour")
    }).pipe(Effect.provide(simulation("file")))
  )
})
