/**
 * A press with some orders and an Observability server, on two ports of the loopback interface, to run the agents between
 * them: `agent.toml` leads to both. Prints what the server receives.
 */
import { NodeRuntime } from "@effect/platform-node"
import * as EventLog from "@observability-agents/testing/EventLog"
import * as NodeFakeObservability from "@observability-agents/testing/NodeFakeObservability"
import { Console, DateTime, Effect } from "effect"
import * as NodePress from "./NodePress.ts"
import { done, printing } from "./orders.ts"

const world = Effect.gen(function* () {
  const press = yield* NodePress.make({ token: "a-token", port: 4010 })
  const server = yield* NodeFakeObservability.make({ port: 4020, key: "a-service-key" })
  yield* Console.log(`The press is at ${press.url}, Observability at ${server.baseUrl}. Ctrl-C ends both.`)

  const work = Effect.gen(function* () {
    // A number is never given twice, also by a press that is started again: to the agent's state file it would be the same order.
    const first = Math.floor((yield* DateTime.now).epochMilliseconds / 1000) % 1_000_000
    for (let number = first; ; number++) {
      const started = yield* DateTime.now
      yield* press.publish(printing(String(number), started))
      yield* Effect.sleep("5 seconds")
      yield* press.publish(done(String(number), started, 5))
      yield* Effect.sleep("5 seconds")
    }
  })
  const show = Effect.gen(function* () {
    for (let count = 1; ; count++) {
      const event = (yield* server.awaitEvents(count))[count - 1]
      if (event !== undefined) yield* Console.log(`order ${event.runKey}: ${EventLog.title(event)}`)
    }
  })
  return yield* Effect.raceFirst(work, show)
})

NodeRuntime.runMain(Effect.scoped(world))
