/**
 * Several agents in one process: one for each settings file that is named on the command line.
 *
 * Each agent has its own settings, its own name and server, its own state file, and ends for its own reasons. They share the
 * log and the way to the network. When one gives up, all stop, in order, and the process ends with the exit code of that one:
 * a service manager starts them again. With `--apart`, the others go on, and the process ends when none is left.
 */
import { NodeRuntime, NodeServices } from "@effect/platform-node"
import * as DatabricksAgent from "@observability-agents/agent-databricks/DatabricksAgent"
import * as PressListAgent from "@observability-agents/agent-example/PressListAgent"
import * as ExitCode from "@observability-agents/cli/ExitCode"
import * as NodeStatus from "@observability-agents/cli/NodeStatus"
import * as Startup from "@observability-agents/cli/Startup"
import * as Agent from "@observability-agents/core/Agent"
import { CoreSettings } from "@observability-agents/core/CoreSettings"
import * as KnownSecrets from "@observability-agents/toolkit/KnownSecrets"
import * as LoadedSecrets from "@observability-agents/toolkit/LoadedSecrets"
import * as Logging from "@observability-agents/toolkit/Logging"
import * as NodeHttp from "@observability-agents/toolkit/NodeHttp"
import { Console, Data, Effect, Layer, Metric, Runtime } from "effect"
import { parseArgs } from "node:util"

const version = "1.0.0"

/** Those of which a file can name one, by `agent_type`. */
const agents = [DatabricksAgent.agent, PressListAgent.agent]

/** Variables of the environment are for all agents; what differs stands in the files. */
const read = (file: string) =>
  Startup.make(agents, { env: process.env, file }).pipe(
    Effect.tapError(({ message }) => Console.error(`${file}\n${message}\n`))
  )

const run = ({ agent, settings }: Startup.Startup) =>
  Effect.gen(function* () {
    const { agentKey } = yield* CoreSettings.config
    const { tool, type } = agent
    return yield* Effect.logInfo("Agent starts").pipe(
      Effect.andThen(Agent.run(agent, { version, beside: NodeStatus.layer({ tool, type, version }) })),
      Effect.tapError((error) =>
        Effect.logError("Agent gave up").pipe(
          Effect.annotateLogs("reason", error instanceof Error ? error.message : String(error))
        )
      ),
      // So that log lines and metrics say whose they are.
      Effect.annotateLogs("agent", agentKey),
      Effect.provideService(Metric.CurrentMetricAttributes, { agent: agentKey })
    )
  }).pipe(Effect.provide(settings))

class Usage extends Data.TaggedError("Usage")<{ readonly message: string }> {
  override readonly [Runtime.errorExitCode] = 64
}

const commandLine = Effect.try({
  try: () => {
    const given = parseArgs({
      allowPositionals: true,
      options: { apart: { type: "boolean", default: false } }
    })
    if (given.positionals.length === 0) throw new Error("No settings file is named.")
    return given
  },
  catch: (error) =>
    new Usage({
      message: `${error instanceof Error ? error.message : String(error)}\nUsage: several-agents.ts [--apart] FILE…`
    })
}).pipe(Effect.tapError(({ message }) => Console.error(message)))

const program = Effect.gen(function* () {
  const { positionals: files, values } = yield* commandLine
  // All files are read before any agent starts: who mistyped one learns of it at once, and of all mistakes.
  const started = yield* Effect.mapError(Effect.validate(files, read), ([first]) => first)
  const secrets = KnownSecrets.make()
  secrets.know(
    new Set(started.flatMap(({ agent, sources }) => [...LoadedSecrets.of(sources, Agent.sections(agent))]))
  )
  const shared = Layer.merge(
    NodeHttp.layer,
    Logging.layer({
      level: "info",
      format: process.stderr.isTTY ? "pretty" : "json",
      mask: secrets.mask,
      learn: secrets.learn
    })
  )
  const all = values.apart
    ? Effect.mapError(Effect.validate(started, run, { concurrency: "unbounded" }), ([first]) => first)
    : Effect.forEach(started, run, { concurrency: "unbounded" })
  yield* Effect.provide(all, shared)
})

// NodeRuntime stops in order by either, and does not say by which.
let signal = "SIGTERM"
process.once("SIGINT", () => {
  signal = "SIGINT"
})

program.pipe(
  Effect.provide(NodeServices.layer),
  NodeRuntime.runMain({
    // What went wrong has been printed.
    disableErrorReporting: true,
    // 0 for a stop by SIGTERM, 130 by Ctrl-C, 64 for wrong usage, 78 for settings, 74 for a state file, 70 for what nobody foresaw.
    teardown: (exit, onExit) => onExit(ExitCode.of(exit, signal))
  })
)
