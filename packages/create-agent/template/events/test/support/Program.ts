/** The program as a process of its own, on its sources. */
import { Effect } from "effect"
import * as ChildProcess from "node:child_process"
import * as NodePath from "node:path"

const main = NodePath.join(import.meta.dirname, "../../src/main.ts")

/** What is left of the environment: the variables of the machine's own agents are none of our business. */
const environment = Object.fromEntries(
  Object.entries(process.env).filter(([name]) => !name.toUpperCase().startsWith("DK_"))
)

/** Starts it with these words and settings, and ends it with the Scope at the latest. */
export const start = Effect.fnUntraced(function* (
  args: ReadonlyArray<string>,
  settings: Readonly<Record<string, string>>,
  hear: (text: string) => void = () => undefined
) {
  const child = yield* Effect.acquireRelease(
    Effect.sync(() =>
      ChildProcess.spawn(process.execPath, [main, ...args], {
        // Where there is no agent.toml.
        cwd: "/",
        env: { ...environment, DK_STATE_PATH: ":memory:", ...settings }
      })
    ),
    (child) => Effect.sync(() => child.kill("SIGKILL"))
  )
  let output = ""
  for (const stream of [child.stdout, child.stderr])
    stream.on("data", (data) => {
      output += String(data)
      hear(String(data))
    })
  return {
    /** Asks it to stop. */
    stop: Effect.sync(() => child.kill("SIGTERM")),
    /** Its exit code, and all that it said, when it has ended. */
    ended: Effect.callback<{ readonly code: number | null; readonly output: string }>((resume) => {
      if (child.exitCode !== null) return resume(Effect.succeed({ code: child.exitCode, output }))
      child.once("close", (code) => resume(Effect.succeed({ code, output })))
    })
  }
})
