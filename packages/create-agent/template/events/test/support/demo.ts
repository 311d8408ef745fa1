/** `npm run demo`: the agent between the fake tool and a fake Observability server, until Ctrl-C. Prints what arrives there. */
import { NodeRuntime } from "@effect/platform-node"
import * as EventLog from "@observability-agents/testing/EventLog"
import * as NodeFakeObservability from "@observability-agents/testing/NodeFakeObservability"
import { Console, Effect, Redacted } from "effect"
import * as NodeFakeMyTool from "./NodeFakeMyTool.ts"
import * as Program from "./Program.ts"

const demo = Effect.gen(function* () {
  const tool = yield* NodeFakeMyTool.make({ token: "a-token" })
  const server = yield* NodeFakeObservability.make()
  yield* Console.log(`The fake of My Tool is at ${tool.url}, that of Observability at ${server.baseUrl}.`)
  yield* Console.log("The agent runs between them. Ctrl-C ends all.\n")
  const agent = yield* Program.start(
    ["run"],
    {
      DK_AGENT_TYPE: "my_tool",
      DK_AGENT_KEY: "demo",
      DK_MY_TOOL_URL: tool.url,
      DK_MY_TOOL_TOKEN: "a-token",
      DK_OBSERVABILITY_BASE_URL: server.baseUrl,
      DK_OBSERVABILITY_SERVICE_ACCOUNT_KEY: Redacted.value(server.key),
      DK_LOG_FORMAT: "pretty"
    },
    (text) => process.stderr.write(text)
  )
  const work = Effect.gen(function* () {
    // What was over before anybody listened is not told.
    yield* tool.heard
    for (let number = 1; ; number++) {
      const fails = number % 3 === 0 ? { fails: "no such table" } : {}
      yield* tool.plan({ id: String(number), job: "nightly", takes: "3 seconds", ...fails })
      yield* Effect.sleep("5 seconds")
    }
  })
  const show = Effect.gen(function* () {
    for (let count = 1; ; count++) {
      const event = (yield* server.awaitEvents(count))[count - 1]
      if (event !== undefined)
        yield* Console.log(`${event.pipelineKey} ${event.runKey}: ${EventLog.title(event)}`)
    }
  })
  const { code } = yield* Effect.raceAllFirst([work, show, agent.ended])
  yield* Console.log(`The agent has ended with exit code ${code}.`)
})

NodeRuntime.runMain(Effect.scoped(demo))
