/**
 * The program as a process of Node: gives it Node's services, tells problems to people, and turns the outcome into an exit
 * code. The first SIGTERM or SIGINT stops the agent in order, the second ends at once.
 *
 * `observability-agent` is this with the agents of this repository. A program with agents of your own is the same call.
 *
 * ```ts
 * import * as NodeProgram from "@observability-agents/cli/NodeProgram"
 * import * as DatabricksAgent from "@observability-agents/agent-databricks/DatabricksAgent"
 *
 * NodeProgram.run({ name: "our-agents", version: "1.0.0", agents: [DatabricksAgent.agent] })
 * ```
 */
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as KnownSecrets from "@observability-agents/toolkit/KnownSecrets"
import * as NodeHttp from "@observability-agents/toolkit/NodeHttp"
import * as CliConfig from "effect/cli/CliConfig"
import * as Command from "effect/cli/Command"
import * as GlobalFlag from "effect/cli/GlobalFlag"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { Environment } from "./Environment.ts"
import * as ExitCode from "./ExitCode.ts"
import * as Program from "./Program.ts"

/** What a program is. */
export type Options = Pick<Environment, "name" | "version" | "agents" | "demo">

/**
 * Reads the command line, does what it says, and ends the process: with 0 for done, 64 for wrong usage, 69 and 77 for a
 * service that cannot be reached or does not let us in, 74 for the state file, 78 for settings, 70 for what nobody foresaw.
 * To be called once, by the module that the process was started with.
 */
export const run = (options: Options): void => {
  const terminal = process.stdout.isTTY && process.stderr.isTTY

  // All that this process says goes through it, the report of its end included.
  const secrets = KnownSecrets.make()
  const program = Program.make({
    ...options,
    env: process.env,
    terminal,
    interactive: terminal && process.stdin.isTTY,
    colours: terminal && (process.env["NO_COLOR"] ?? "") === "",
    secrets
  })

  // Whoever reads the output may stop doing so (`… | head`); that is no failure.
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code === "EPIPE") process.exit(0)
    throw error
  })

  const signals = { received: 0, last: "SIGINT" }
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    process.on(signal, () => {
      signals.received += 1
      signals.last = signal
      if (signals.received > 1) process.exit(ExitCode.ofSignal(signal))
    })
  }

  Command.run(program, { version: options.version }).pipe(
    Effect.tapCause((cause) =>
      Effect.sync(() => process.stderr.write(secrets.mask(ExitCode.explain(cause))))
    ),
    Effect.provide(
      Layer.mergeAll(
        NodeServices.layer,
        NodeHttp.layer,
        // To agents on this machine, past all proxies.
        NodeHttpClient.layerUndici,
        CliConfig.layer({ builtIns: [GlobalFlag.Help, GlobalFlag.Version, GlobalFlag.Completions] })
      )
    ),
    NodeRuntime.runMain({
      disableErrorReporting: true,
      teardown: (exit, onExit) => onExit(ExitCode.of(exit, signals.last))
    })
  )
}
