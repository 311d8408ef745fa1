/** An example in a process of its own, in a folder of its own, as whoever copies it runs it. */
import { Effect } from "effect"
import { spawn } from "node:child_process"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import { fileURLToPath } from "node:url"

/** An empty folder that is gone with the scope. */
export const folder = Effect.acquireRelease(
  Effect.sync(() => Fs.mkdtempSync(Path.join(Os.tmpdir(), "example-"))),
  (path) => Effect.sync(() => Fs.rmSync(path, { recursive: true, force: true }))
)

/** Starts `examples/NAME.ts`; it is killed at the latest when the scope closes. */
export const start = Effect.fnUntraced(function* (
  name: string,
  given: {
    readonly cwd: string
    readonly args?: ReadonlyArray<string>
    readonly env?: Readonly<Record<string, string>>
  }
) {
  const script = fileURLToPath(new URL(`../../../../examples/${name}.ts`, import.meta.url))
  const { child, ended } = yield* Effect.acquireRelease(
    Effect.sync(() => {
      const child = spawn(
        process.execPath,
        ["--conditions=@observability-agents/source", script, ...(given.args ?? [])],
        {
          cwd: given.cwd,
          env: {
            PATH: process.env["PATH"] ?? "",
            NODE_COMPILE_CACHE: Path.join(Os.tmpdir(), "observability-agent-test-compile-cache"),
            ...given.env
          },
          stdio: ["ignore", "pipe", "pipe"]
        }
      )
      const ended = new Promise<number | string>((resolve) => {
        child.once("close", (code, signal) => resolve(code ?? signal ?? ""))
      })
      return { child, ended: Effect.promise(() => ended) }
    }),
    ({ child, ended }) =>
      Effect.andThen(
        Effect.sync(() => child.kill("SIGKILL")),
        ended
      )
  )
  let output = ""
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding("utf8").on("data", (text: string) => (output += text))

  /** Waits until it has written this, and gives what the groups of the expression hold. */
  const said = (what: RegExp) =>
    Effect.gen(function* () {
      for (;;) {
        const match = what.exec(output)
        if (match !== null) return match.slice(1)
        yield* Effect.sleep("20 millis")
      }
    }).pipe(
      Effect.raceFirst(
        Effect.flatMap(ended, (code) =>
          Effect.die(new Error(`It ended with ${code}, and did not say ${what}:\n${output}`))
        )
      ),
      Effect.timeoutOrElse({
        duration: "30 seconds",
        orElse: () => Effect.die(new Error(`It does not say ${what}:\n${output}`))
      })
    )
  return {
    /** What it has written so far. */
    output: () => output,
    said,
    /** Waits for its end: the exit code. */
    ended,
    kill: (signal: "SIGINT" | "SIGTERM" | "SIGKILL") => Effect.sync(() => child.kill(signal))
  }
})
