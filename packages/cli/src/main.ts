#!/usr/bin/env node
/**
 * The entry point of the program `observability-agent`: gives it Node's services, tells problems to people, and
 * turns the outcome into an exit code. The first SIGTERM or SIGINT stops the agent in order, the second ends at once.
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
import { readFileSync } from "node:fs"
import * as ExitCode from "./ExitCode.ts"
import * as Program from "./Program.ts"

const { version } = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8"))

const terminal = process.stdout.isTTY && process.stderr.isTTY

// All that this process says goes through it, the report of its end included.
const secrets = KnownSecrets.make()
const program = Program.make({
  version,
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

Command.run(program, { version }).pipe(
  Effect.tapCause((cause) => Effect.sync(() => process.stderr.write(secrets.mask(ExitCode.explain(cause))))),
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
