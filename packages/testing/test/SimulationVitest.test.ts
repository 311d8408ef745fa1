import { Simulation } from "@observability-agents/testing/Simulation"
import { assert, describe, it, layer } from "@effect/vitest"
import { Effect } from "effect"
import type { TestContext } from "vitest"
import { simulation } from "./support/simulations.ts"

/** What the tests that fail here on purpose were reported with, by name. */
const reported = new Map<string, string>()

/** Registered before the simulation is made, and so called after its own hook. */
const watch = ({ onTestFailed }: TestContext) =>
  onTestFailed(({ task }) => {
    reported.set(task.name, task.result?.errors?.[0]?.message ?? "")
  })

const SERVED = "\n+0:01:20.000  server  run-status board r1 RUNNING → 204\n"

describe("a test that fails", () => {
  it.effect.fails("by an assertion", (context) => {
    watch(context)
    return Effect.gen(function* () {
      const sim = yield* Simulation
      yield* sim.advance("2 minutes")
      assert.strictEqual(1, 2)
    }).pipe(Effect.provide(simulation()))
  })

  it.effect.fails("by an expectation", (context) => {
    watch(context)
    return Effect.gen(function* () {
      const sim = yield* Simulation
      yield* sim.advance("2 minutes")
      yield* sim.expectNoMore
    }).pipe(Effect.provide(simulation()))
  })

  it("by an assertion is reported with the seed and the timeline", () => {
    const message = reported.get("by an assertion") ?? ""
    assert.match(message, /^expected 1 to equal 2\nSeed: "simulation" /)
    assert.include(message, SERVED)
  })

  it("by an expectation is reported with them once", () => {
    const message = reported.get("by an expectation") ?? ""
    assert.include(message, SERVED)
    assert.strictEqual(message.split("\nTimeline:\n").length, 2)
  })
})

layer(simulation())("tests that share a simulation", (it) => {
  it.effect("pass", () => Effect.flatMap(Simulation, (sim) => sim.advance("2 minutes")))

  it.effect.fails("fail", (context) => {
    watch(context)
    return Effect.gen(function* () {
      const sim = yield* Simulation
      yield* sim.advance("1 minute")
      assert.fail("in vain")
    })
  })

  it("are reported with all that came before", () => {
    assert.include(reported.get("fail"), "in vain\nSeed: ")
    assert.include(reported.get("fail"), SERVED)
  })
})
