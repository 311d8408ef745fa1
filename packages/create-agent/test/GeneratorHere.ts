/** Runs the generator inside the test: the command as it is, on the real template, with a console that is read. */
import { NodeServices } from "@effect/platform-node"
import { Cause, Effect, Exit, Layer } from "effect"
import { CliError, Command } from "effect/cli"
import { TestConsole } from "effect/testing"
import { join } from "node:path"
import * as CreateCommand from "../src/CreateCommand.ts"
import { CreateFailed } from "../src/CreateFailed.ts"

/** Runs it to its end; what a process would have left. */
export const run = Effect.fnUntraced(function* (
  args: ReadonlyArray<string>,
  options: { readonly interactive?: boolean } = {}
) {
  const before = (yield* TestConsole.logLines).length
  const command = CreateCommand.make({
    version: "0.1.0",
    interactive: options.interactive ?? false,
    template: join(import.meta.dirname, "../template")
  })
  const exit = yield* Effect.exit(Command.runWith(command, { version: "0.1.0" })(args))
  const error = Exit.isFailure(exit) ? Cause.squash(exit.cause) : undefined
  return {
    exitCode:
      error === undefined
        ? 0
        : error instanceof CreateFailed
          ? error.exitCode
          : CliError.isCliError(error)
            ? 64
            : 70,
    stdout: (yield* TestConsole.logLines).slice(before).join("\n"),
    problem: error instanceof CreateFailed ? error.message : error === undefined ? "" : String(error),
    interrupted: Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause)
  }
})

/** What the program needs of a process. */
export const services = Layer.merge(NodeServices.layer, TestConsole.layer)
