/** The program in processes of its own, of whose output not a byte is left out. */
import { Effect } from "effect"
import { type ChildProcess, spawn } from "node:child_process"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import { fileURLToPath } from "node:url"

const main = fileURLToPath(new URL("../../src/main.ts", import.meta.url))

export interface Given {
  readonly args: ReadonlyArray<string>
  readonly cwd: string
  readonly env: Readonly<Record<string, string>>
}

/** How it ended. */
export interface Ended {
  /** The exit code, or the name of the signal that ended it. */
  readonly code: number | string
  readonly stdout: string
  readonly stderr: string
}

/** A program that runs. */
export interface Running {
  readonly said: () => string
  readonly printed: () => string
  readonly kill: (signal: NodeJS.Signals) => void
  readonly ended: Effect.Effect<Ended>
}

/** Starts it; it is killed at the latest when the scope closes. */
export const start = (given: Given) =>
  Effect.acquireRelease(
    Effect.sync((): Running => {
      const child: ChildProcess = spawn(
        process.execPath,
        ["--conditions=@observability-agents/source", main, ...given.args],
        {
          cwd: given.cwd,
          env: {
            PATH: process.env["PATH"] ?? "",
            HOME: given.cwd,
            // Starts take half as long with it.
            NODE_COMPILE_CACHE: Path.join(Os.tmpdir(), "observability-agent-test-compile-cache"),
            ...given.env
          },
          stdio: ["ignore", "pipe", "pipe"]
        }
      )
      let stdout = ""
      let stderr = ""
      child.stdout?.setEncoding("utf8").on("data", (text: string) => (stdout += text))
      child.stderr?.setEncoding("utf8").on("data", (text: string) => (stderr += text))
      const ended = new Promise<Ended>((resolve) => {
        child.once("close", (code, signal) => resolve({ code: code ?? signal ?? "", stdout, stderr }))
      })
      return {
        said: () => stderr,
        printed: () => stdout,
        kill: (signal) => void child.kill(signal),
        ended: Effect.promise(() => ended)
      }
    }),
    (program) =>
      Effect.andThen(
        Effect.sync(() => program.kill("SIGKILL")),
        program.ended
      )
  )

/** Runs it to its end, or until a limit that no command should need. */
export const run = (given: Given): Effect.Effect<Ended> =>
  Effect.scoped(
    Effect.gen(function* () {
      const program = yield* start(given)
      return yield* Effect.timeoutOrElse(program.ended, {
        duration: "60 seconds",
        orElse: () => Effect.die(new Error(`${given.args.join(" ")} did not end:\n${program.said()}`))
      })
    })
  )

/** A folder of its own, gone when the scope closes. */
export const folder = Effect.acquireRelease(
  Effect.sync(() => Fs.mkdtempSync(Path.join(Os.tmpdir(), "canary-"))),
  (path) => Effect.sync(() => Fs.rmSync(path, { recursive: true, force: true }))
)

/** Writes files into a folder. */
export const write = (cwd: string, files: Readonly<Record<string, string>>): Effect.Effect<void> =>
  Effect.sync(() => {
    for (const [name, content] of Object.entries(files)) Fs.writeFileSync(Path.join(cwd, name), content)
  })

/** All files of a folder and below, by their paths, as bytes. */
export const files = (cwd: string): ReadonlyArray<readonly [path: string, content: Buffer]> =>
  Fs.readdirSync(cwd, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => {
      const path = Path.join(entry.parentPath, entry.name)
      return [Path.relative(cwd, path), Fs.readFileSync(path)] as const
    })
