#!/usr/bin/env node
/**
 * The entry point of `npm create @observability-agents/agent`. Exit codes: 0 done, 64 wrong usage, 69 npm could not install,
 * 70 a bug, 130 Ctrl-C.
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Cause from "effect/Cause"
import * as CliConfig from "effect/cli/CliConfig"
import * as CliError from "effect/cli/CliError"
import * as Command from "effect/cli/Command"
import * as GlobalFlag from "effect/cli/GlobalFlag"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import { readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import * as CreateCommand from "./CreateCommand.ts"
import { CreateFailed } from "./CreateFailed.ts"

const { version } = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8"))

const command = CreateCommand.make({
  version,
  interactive: process.stdin.isTTY && process.stdout.isTTY,
  template: fileURLToPath(new URL("../template", import.meta.url))
})

const explain = (cause: Cause.Cause<unknown>): string => {
  const error = Cause.squash(cause)
  if (Cause.hasInterruptsOnly(cause) || CliError.isCliError(error)) return ""
  if (error instanceof CreateFailed) return `${error.message}\n`
  return `Internal error. Please report it with the following lines.\n${Cause.pretty(cause)}\n`
}

const exitCode = (exit: Exit.Exit<unknown, unknown>): number => {
  if (Exit.isSuccess(exit)) return 0
  if (Cause.hasInterruptsOnly(exit.cause)) return 130
  const error = Cause.squash(exit.cause)
  if (CliError.isCliError(error)) return error._tag === "ShowHelp" && error.errors.length === 0 ? 0 : 64
  return error instanceof CreateFailed ? error.exitCode : 70
}

Command.run(command, { version }).pipe(
  Effect.tapCause((cause) => Effect.sync(() => process.stderr.write(explain(cause)))),
  Effect.provide(
    Layer.merge(NodeServices.layer, CliConfig.layer({ builtIns: [GlobalFlag.Help, GlobalFlag.Version] }))
  ),
  NodeRuntime.runMain({
    disableErrorReporting: true,
    teardown: (exit, onExit) => onExit(exitCode(exit))
  })
)
