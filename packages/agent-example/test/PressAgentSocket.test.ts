import { NodeWS } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import * as AgentFixture from "@observability-agents/testing/AgentFixture"
import * as EventLog from "@observability-agents/testing/EventLog"
import { FakeObservability } from "@observability-agents/testing/FakeObservability"
import { DateTime, Effect, Layer, Schedule } from "effect"
import { Press } from "../src/Press.ts"
import * as PressAgent from "../src/PressAgent.ts"
import * as NodePress from "./support/NodePress.ts"
import { done, printing, told } from "./support/orders.ts"
import * as PressFixture from "./support/PressFixture.ts"

const agent = PressAgent.make(Layer.provide(Press.layer, NodeWS.layerWebSocketConstructor))

/** Looks again until it is so. */
const until = (is: () => boolean) =>
  Effect.suspend(() => (is() ? Effect.void : Effect.fail("not yet"))).pipe(
    Effect.retry(Schedule.spaced("10 millis")),
    Effect.timeout("10 seconds")
  )

describe("the agent that listens, on a real websocket", () => {
  it.live(
    "loses nothing and tells nothing twice: broken and half-open connections, repeated news, a restart",
    () =>
      Effect.gen(function* () {
        const press = yield* NodePress.make({ token: "a-token", pingMillis: 50 })
        const server = yield* FakeObservability
        const started = yield* DateTime.now
        const running = AgentFixture.layerAgent(agent, {
          hosts: {},
          settings: {
            core: { state_path: yield* PressFixture.stateFile },
            press: { url: press.url, token: "a-token", idle_timeout: 0.3 }
          }
        })
        const during = <A, E>(effect: Effect.Effect<A, E>) =>
          Effect.scoped(Effect.andThen(Layer.build(running), effect))

        yield* during(
          Effect.gen(function* () {
            yield* until(() => press.listeners() === 1)
            for (const id of ["1", "2", "3", "4"]) yield* press.publish(printing(id, started))
            yield* server.awaitEvents(8)

            // While nobody listens, and although the connection seems to be there.
            yield* press.cut
            yield* press.publish(done("1", started))
            yield* until(() => press.listeners() === 1)
            yield* press.freeze
            yield* press.publish(done("2", started))
            yield* server.awaitEvents(14)
            yield* press.repeat
            yield* press.publish(done("3", started))
            yield* server.awaitEvents(17)
          })
        )
        yield* press.publish(done("4", started))
        yield* press.publish(printing("5", started))
        yield* press.publish(done("5", started))
        yield* during(server.awaitEvents(25))

        const events = yield* server.events
        assert.deepStrictEqual(EventLog.problems(events), [])
        for (const [run, ofRun] of EventLog.lanes(events)) {
          assert.deepStrictEqual(ofRun.map(EventLog.title), told, run)
        }
        assert.strictEqual(EventLog.lanes(events).size, 5)
      }).pipe(Effect.scoped, Effect.provide(FakeObservability.layer)),
    30_000
  )
})
