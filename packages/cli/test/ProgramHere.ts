/** Runs the program inside the test: its commands as they are, on a made-up environment, network and terminal. */
import { NodeServices } from "@effect/platform-node"
import type * as Agent from "@observability-agents/core/Agent"
import { HttpTransport } from "@observability-agents/toolkit/HttpTransport"
import { Cause, Effect, Exit, Layer } from "effect"
import { CliConfig, Command, GlobalFlag } from "effect/cli"
import { HttpClient } from "effect/http"
import { TestConsole } from "effect/testing"
import * as Agents from "../src/Agents.ts"
import * as ExitCode from "../src/ExitCode.ts"
import * as Program from "../src/Program.ts"

export interface Given {
  /** Those of the program unless given. */
  readonly agents?: ReadonlyArray<Agent.Agent<unknown>>
  readonly args: ReadonlyArray<string>
  readonly env?: Readonly<Record<string, string>>
  /** What answers all requests. */
  readonly client?: HttpClient.HttpClient
  readonly terminal?: boolean
  readonly interactive?: boolean
}

/** A network on which nobody is. */
const nobody = HttpClient.make(() => Effect.die(new Error("This test has no network")))

/** Runs it to its end, and gives what a process would have left. Further services, such as a terminal, may be provided. */
export const run = Effect.fnUntraced(function* (given: Given) {
  const program = Program.make({
    name: "observability-agent",
    agents: given.agents ?? Agents.agents,
    demo: true,
    version: "0.0.0-test",
    env: given.env ?? {},
    terminal: given.terminal ?? false,
    interactive: given.interactive ?? false,
    colours: false
  })
  const client = given.client ?? nobody
  const before = { log: (yield* TestConsole.logLines).length, error: (yield* TestConsole.errorLines).length }
  const exit = yield* Effect.exit(
    Command.runWith(program, { version: "0.0.0-test" })(given.args).pipe(
      Effect.provide(
        Layer.mergeAll(
          HttpTransport.layerClient(client),
          Layer.succeed(HttpClient.HttpClient, client),
          CliConfig.layer({ builtIns: [GlobalFlag.Help, GlobalFlag.Version, GlobalFlag.Completions] })
        )
      )
    )
  )
  const text = (lines: ReadonlyArray<unknown>) => lines.map((line) => `${String(line)}\n`).join("")
  const stdout = text((yield* TestConsole.logLines).slice(before.log))
  const stderr =
    text((yield* TestConsole.errorLines).slice(before.error)) +
    (Exit.isFailure(exit) ? ExitCode.explain(exit.cause) : "")
  return { exitCode: ExitCode.of(exit, "SIGINT"), stdout, stderr, exit }
})

/** What the program needs of a process, and a console that is read. */
export const services = Layer.merge(NodeServices.layer, TestConsole.layer)

/** Whether an exit was an interruption. */
export const wasInterrupted = (exit: Exit.Exit<unknown, unknown>): boolean =>
  Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause)
