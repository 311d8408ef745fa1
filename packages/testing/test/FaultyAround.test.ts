import { Health } from "@observability-agents/core/Health"
import * as AgentFixture from "@observability-agents/testing/AgentFixture"
import * as EventLog from "@observability-agents/testing/EventLog"
import { FakeObservability } from "@observability-agents/testing/FakeObservability"
import { FaultyClock } from "@observability-agents/testing/FaultyClock"
import * as Clocks from "@observability-agents/testing/FaultyClock"
import * as FaultyHttp from "@observability-agents/testing/FaultyHttp"
import { FaultyStore } from "@observability-agents/testing/FaultyStore"
import * as Stores from "@observability-agents/testing/FaultyStore"
import * as HttpFault from "@observability-agents/testing/HttpFault"
import { assert, describe, it } from "@effect/vitest"
import { type Duration, Effect, Exit, Layer, Scope } from "effect"
import { TestClock } from "effect/testing"
import * as Mini from "./support/miniAgents.ts"

/** The mini agent on a machine of its own, with everything around it that can be made to fail. */
const world = Effect.gen(function* () {
  yield* TestClock.setTime(AgentFixture.START)
  const { agent, scenario, settings } = Mini.options()
  const { expected, hosts, play } = yield* scenario
  const server = yield* FakeObservability
  const clock = yield* Clocks.make
  const store = yield* Stores.make()
  const network = yield* FaultyHttp.make(server.client)
  const scope = yield* Scope.make()
  const built = yield* Layer.buildWithScope(
    AgentFixture.layerAgent(agent, {
      hosts: {
        ...Object.fromEntries(Object.entries(hosts).map(([host, tool]) => [host, clock.elsewhere(tool)])),
        [new URL(server.baseUrl).host]: clock.elsewhere(network.client)
      },
      settings
    }).pipe(Layer.provide(Layer.merge(FaultyClock.layerOf(clock), FaultyStore.layerOf(store)))),
    scope
  )
  yield* TestClock.adjust("5 seconds")
  yield* play
  const told = Effect.gen(function* () {
    const events = yield* server.events
    assert.deepStrictEqual(EventLog.problems(events), [])
    return events.map((event) => `${event.runKey} ${EventLog.title(event)}`).sort()
  })
  return {
    server,
    clock,
    store,
    network,
    told,
    expected: Effect.map(expected, (all) => Array.from(all, ({ identity }) => identity).sort()),
    health: Effect.provide(
      Effect.flatMap(Health, ({ report }) => report),
      built
    ),
    stop: Scope.close(scope, Exit.void)
  }
})

describe("an agent loses nothing, repeats nothing and is well in the end when", () => {
  type World = Effect.Success<typeof world>
  const survives = (name: string, disturb: (world: World) => Effect.Effect<void>) =>
    it.effect(name, () =>
      Effect.gen(function* () {
        const all = yield* world
        yield* TestClock.adjust("25 seconds")
        yield* disturb(all)
        yield* TestClock.adjust("20 minutes")
        assert.deepStrictEqual(yield* all.told, yield* all.expected)
        assert.isTrue((yield* all.health).healthy)
        const beats = (yield* all.server.heartbeats).length
        yield* TestClock.adjust("2 minutes")
        assert.strictEqual((yield* all.server.heartbeats).length, beats + 2)
        yield* all.stop
      }).pipe(Effect.provide(FakeObservability.layer))
    )

  const jumps: ReadonlyArray<Duration.Input> = ["8 seconds", "-8 seconds", "-10 minutes"]
  for (const by of jumps) {
    survives(`its clock jumps by ${String(by)}`, ({ clock }) => clock.jump(by))
  }
  survives("its clock is an hour behind for a while", ({ clock }) =>
    Effect.andThen(
      clock.jump("-1 hour"),
      Effect.asVoid(Effect.forkDetach(Effect.delay(clock.setRight, "5 minutes")))
    )
  )
  survives("its clock gains a second in each minute", ({ clock }) => clock.drift(1 / 60))
  survives("its machine sleeps", ({ clock }) => clock.suspend("5 minutes"))
  survives("its machine sleeps, and time goes on", ({ clock }) =>
    clock.suspend("5 minutes", { steady: "goes on" })
  )

  const during = { during: "5 minutes" } as const
  survives("the server's answers never end", ({ network }) => network.fail(HttpFault.halfOpen(), during))
  survives("the server's refusals never end", ({ network, server }) =>
    Effect.andThen(server.fail(HttpFault.badGateway, during), network.fail(HttpFault.halfOpen(10), during))
  )
  survives("the server's answers break off", ({ network }) => network.fail(HttpFault.cut(), during))
  survives("the server's refusals drip", ({ network, server }) =>
    Effect.andThen(server.fail(HttpFault.badGateway, during), network.fail(HttpFault.trickle(), during))
  )
  survives("the server limits the rate of half of all requests", ({ network }) =>
    network.storm({ ...during, share: 0.5, retryAfter: "3" })
  )
  survives("server and store fail, and its clock is set back", ({ clock, network, store }) =>
    Effect.all(
      [
        network.fail(HttpFault.drop, during),
        store.fail(Stores.diskFull, { after: "2 minutes", during: "5 minutes" }),
        clock.jump("-10 minutes")
      ],
      { discard: true }
    )
  )
})

describe("an agent stops in time while", () => {
  type World = Effect.Success<typeof world>
  const stops = (name: string, disturb: (world: World) => Effect.Effect<void>) =>
    it.effect(name, () =>
      Effect.gen(function* () {
        const all = yield* world
        yield* disturb(all)
        yield* TestClock.adjust("2 minutes")
        const stopping = yield* Effect.forkChild(all.stop)
        yield* TestClock.adjust("12 seconds")
        assert.isDefined(stopping.pollUnsafe())
      }).pipe(Effect.provide(FakeObservability.layer))
    )
  stops("its disk is full", ({ store }) => store.fail(Stores.diskFull))
  stops("its store is unavailable", ({ store }) => store.fail(Stores.unavailable))
  stops("its store takes a minute for each access", ({ store }) => store.fail(Stores.slow("1 minute")))
  stops("nothing of the server's answers comes to its end", ({ network }) =>
    network.fail(HttpFault.halfOpen())
  )
})
