/** Starts the program as a user does: in a process of its own, in a folder of its own. */
import { NodeServices } from "@effect/platform-node"
import { Effect, Fiber, FileSystem, Stream } from "effect"
import { ChildProcess } from "effect/process"
import { fileURLToPath } from "node:url"
import * as Os from "node:os"
import * as Path from "node:path"

const main = fileURLToPath(new URL("../src/main.ts", import.meta.url))

export interface Given {
  readonly args: ReadonlyArray<string>
  readonly env?: Readonly<Record<string, string>>
  /** The content of `agent.toml` in the folder that the program is started in. */
  readonly file?: string
}

/** Starts it, and gives what can be done with it while it runs. */
export const start = Effect.fnUntraced(function* (given: Given) {
  const fs = yield* FileSystem.FileSystem
  const cwd = yield* fs.makeTempDirectoryScoped({ prefix: "observability-agent-" })
  if (given.file !== undefined) yield* fs.writeFileString(`${cwd}/agent.toml`, given.file)
  const child = yield* ChildProcess.make(
    process.execPath,
    ["--conditions=@observability-agents/source", main, ...given.args],
    {
      cwd,
      env: {
        PATH: process.env["PATH"] ?? "",
        // Starts take half as long with it.
        NODE_COMPILE_CACHE: Path.join(Os.tmpdir(), "observability-agent-test-compile-cache"),
        ...given.env
      },
      extendEnv: false
    }
  )
  const read = (stream: typeof child.stdout) => Effect.forkScoped(Stream.mkString(Stream.decodeText(stream)))
  const stdout = yield* read(child.stdout)
  const stderr = yield* read(child.stderr)
  const result = Effect.gen(function* () {
    const exitCode = Number(yield* child.exitCode)
    return { exitCode, stdout: yield* Fiber.join(stdout), stderr: yield* Fiber.join(stderr) }
  })
  return { result, signal: (signal: "SIGTERM" | "SIGINT") => child.kill({ killSignal: signal }) }
})

/** Runs it to its end. */
export const run = (given: Given) =>
  Effect.flatMap(start(given), ({ result }) => result).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
