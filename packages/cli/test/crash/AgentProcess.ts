/** The program `observability-agent run` in a process of its own that can be killed to the millisecond. */
import { Effect } from "effect"
import { spawn } from "node:child_process"
import * as Os from "node:os"
import * as Path from "node:path"
import { fileURLToPath } from "node:url"

const main = fileURLToPath(new URL("../../src/main.ts", import.meta.url))

export interface Given {
  readonly cwd: string
  readonly env: Readonly<Record<string, string>>
}

/** How a process ended, and what it wrote to its standard error stream (the last of it, where that is much). */
export interface Ended {
  /** The exit code, or the name of the signal that ended it. */
  readonly code: number | string
  readonly stderr: string
}

const MOST_KEPT = 100_000

/** Starts it; it is killed at the latest when the scope closes. */
export const start = (given: Given) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const child = spawn(process.execPath, ["--conditions=@observability-agents/source", main, "run"], {
        cwd: given.cwd,
        env: {
          PATH: process.env["PATH"] ?? "",
          // Starts take half as long with it.
          NODE_COMPILE_CACHE: Path.join(Os.tmpdir(), "observability-agent-test-compile-cache"),
          ...given.env
        },
        stdio: ["ignore", "ignore", "pipe"]
      })
      let stderr = ""
      child.stderr.setEncoding("utf8").on("data", (text: string) => {
        stderr = (stderr + text).slice(-MOST_KEPT)
      })
      const ended = new Promise<Ended>((resolve) => {
        child.once("close", (code, signal) => resolve({ code: code ?? signal ?? "", stderr }))
      })
      return {
        pid: child.pid,
        /** Waits for its end. */
        exited: Effect.promise(() => ended),
        /** What it has written so far. */
        said: () => stderr,
        /** Reads no more of what it writes, as when its terminal is closed. */
        deafen: () => {
          child.stderr.destroy()
        },
        kill: (signal: "SIGKILL" | "SIGTERM" | "SIGINT" | "SIGHUP") => {
          child.kill(signal)
        }
      }
    }),
    (agent) =>
      Effect.andThen(
        Effect.sync(() => agent.kill("SIGKILL")),
        agent.exited
      )
  )

/** An agent that was started. */
export type AgentProcess = Effect.Success<ReturnType<typeof start>>
