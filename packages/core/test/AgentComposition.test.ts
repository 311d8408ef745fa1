import { assert, describe, it } from "@effect/vitest"
import * as AgentFixture from "@observability-agents/testing/AgentFixture"
import { FakeObservability } from "@observability-agents/testing/FakeObservability"
import * as SettingsFixture from "@observability-agents/testing/SettingsFixture"
import * as TestNetwork from "@observability-agents/testing/TestNetwork"
import * as Settings from "@observability-agents/toolkit/Settings"
import * as Event from "@observability-agents/toolkit/Event"
import { Context, DateTime, Effect, Layer } from "effect"
import { TestClock } from "effect/testing"
import * as Agent from "../src/Agent.ts"
import { CoreSettings } from "../src/CoreSettings.ts"
import { Health } from "../src/Health.ts"
import { Outbox } from "../src/Outbox.ts"
import { Supervisor, Unrecoverable } from "../src/Supervisor.ts"

const Greeting = Settings.section("greeting", {
  description: "What is said.",
  fields: { words: Settings.nonEmptyString({ description: "The words." }) }
})

/** Says once what its settings say, under the name that its settings give it. */
const agent = Agent.make({
  type: "greeter",
  tool: "greeter",
  description: "Says something.",
  sections: [Greeting],
  layer: Layer.effectDiscard(
    Effect.gen(function* () {
      const outbox = yield* Outbox
      const { agentKey } = yield* CoreSettings.config
      const { words } = yield* Greeting.config
      const event = Event.messageLog({
        pipelineKey: agentKey,
        runKey: "1",
        level: "INFO",
        message: words,
        timestamp: yield* DateTime.now
      })
      yield* outbox.commit({
        source: "greeter",
        runs: [],
        forget: [],
        entries: [{ id: "the greeting", lane: Event.lane(event), event }]
      })
    })
  ),
  check: Effect.succeed("")
})

const settings = (key: string) =>
  SettingsFixture.layer({ core: { agent_key: key }, greeting: { words: `I am ${key}` } })

/** One of the agents, with all that is its own; what is shared is asked for. */
class One extends Context.Service<One, Context.Context<Outbox | Health>>()("One") {}
class Other extends Context.Service<Other, Context.Context<Outbox | Health>>()("Other") {}

const alone = (key: string) => Agent.layer(agent, { version: "1.0.0" }).pipe(Layer.provide(settings(key)))

const network = Layer.unwrap(
  Effect.map(FakeObservability, ({ baseUrl, client }) =>
    TestNetwork.layer({ [new URL(baseUrl).host]: client })
  )
)

describe("two agents in one process", () => {
  it.effect("each have their own settings, Outbox and Health, though they are built together", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(AgentFixture.START)
      yield* Effect.gen(function* () {
        const server = yield* FakeObservability
        const one = yield* One
        const other = yield* Other
        yield* server.awaitEvents(2)
        yield* TestClock.adjust("1 minute")
        const said = (yield* server.events).map((event) => [
          event.pipelineKey,
          event._tag === "MessageLog" ? event.message : ""
        ])
        assert.sameDeepMembers(said, [
          ["one", "I am one"],
          ["other", "I am other"]
        ])
        assert.notStrictEqual(Context.get(one, Outbox), Context.get(other, Outbox))
        assert.notStrictEqual(Context.get(one, Health), Context.get(other, Health))
      }).pipe(
        Effect.provide(
          Layer.mergeAll(
            Layer.effect(One, Effect.context<Outbox | Health>()).pipe(Layer.provide(alone("one"))),
            Layer.effect(Other, Effect.context<Outbox | Health>()).pipe(Layer.provide(alone("other")))
          ).pipe(
            Layer.provide(Supervisor.layer),
            Layer.provide(network),
            Layer.provideMerge(FakeObservability.layer)
          )
        )
      )
    })
  )

  it.effect("each end for their own reasons: that one gives up does not end the other", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(AgentFixture.START)
      const broken = Agent.make({
        ...agent,
        layer: Layer.effectDiscard(
          Effect.flatMap(Supervisor, ({ fail }) =>
            fail(new Unrecoverable({ exitCode: 74, message: "It cannot go on." }))
          )
        )
      })
      const run = (agent: Agent.Agent<unknown>, key: string) =>
        Agent.run(agent, { version: "1.0.0" }).pipe(Effect.provide(settings(key)))
      yield* Effect.gen(function* () {
        const server = yield* FakeObservability
        const going = yield* Effect.forkChild(run(agent, "going"))
        const error = yield* Effect.flip(run(broken, "broken"))
        assert.strictEqual(error instanceof Unrecoverable ? error.message : error, "It cannot go on.")
        yield* server.awaitEvents(1)
        yield* TestClock.adjust("1 minute")
        assert.isUndefined(going.pollUnsafe())
      }).pipe(
        Effect.provide(
          // As in an application that has a Supervisor of its own, which is not theirs.
          Layer.provideMerge(network, Layer.merge(FakeObservability.layer, Supervisor.layer))
        )
      )
    })
  )
})
