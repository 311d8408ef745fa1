/**
 * The entry point: reads the settings, then runs the agent that `agent_type` names until it is stopped; with the word
 * `check`, tries the connection and ends.
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as NodeWS from "@effect/platform-node/NodeWS"
import * as Agent from "@observability-agents/core/Agent"
import { CoreSettings } from "@observability-agents/core/CoreSettings"
import * as LoadedSecrets from "@observability-agents/toolkit/LoadedSecrets"
import * as Logging from "@observability-agents/toolkit/Logging"
import * as NodeHttp from "@observability-agents/toolkit/NodeHttp"
import * as Settings from "@observability-agents/toolkit/Settings"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { Press } from "./Press.ts"
import * as PressAgent from "./PressAgent.ts"
import * as PressListAgent from "./PressListAgent.ts"

const agents = [
  PressAgent.make(Layer.provide(Press.layer, NodeWS.layerWebSocketConstructor)),
  PressListAgent.agent
]

const program = Effect.gen(function* () {
  const sources = yield* Settings.sources({ env: process.env })
  const type = Settings.value(sources, CoreSettings, "agentType")
  const agent = agents.find((agent) => Option.contains(type, agent.type))
  if (agent === undefined) {
    const problem = {
      setting: "[core] agent_type",
      what: Option.isNone(type) ? "it is not set" : "there is no such agent here",
      where: "",
      expected: `one of: ${agents.map((agent) => agent.type).join(", ")}`,
      found: Option.getOrElse(type, () => "")
    }
    return yield* new Settings.SettingsError({ problems: [problem] })
  }
  const sections = Agent.sections(agent)
  const logging = Logging.layer({
    level: Option.getOrElse(Settings.value(sources, CoreSettings, "logLevel"), () => "info" as const),
    format: process.stderr.isTTY ? "pretty" : "json",
    mask: LoadedSecrets.masker(sources, sections)
  })
  const around = Layer.provideMerge(Layer.merge(NodeHttp.layer, logging), Settings.layer(sources, sections))
  if (process.argv[2] === "check") {
    return yield* Console.log(yield* Effect.provide(agent.check, around))
  }
  const start = Effect.annotateLogs(Effect.logInfo("Agent starts"), { type: agent.type })
  return yield* Effect.andThen(start, Agent.run(agent, { version: "0.1.0" })).pipe(Effect.provide(around))
})

program.pipe(
  Effect.tapError((error) => Console.error(error.message)),
  Effect.provide(NodeServices.layer),
  NodeRuntime.runMain({ disableErrorReporting: true })
)
