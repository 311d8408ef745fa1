/**
 * The disk of an agent that lives several lives in a test: a temporary directory with one state file per life. A life that
 * follows on a death begins with a copy of what was on the disk at that moment.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import type * as SettingsFixture from "./SettingsFixture.ts"

/** A directory whose newest part has the state file of the agent's present life. */
export interface AgentDisk {
  /** The next life begins with what is on the disk now: the file and its write-ahead log, and nothing half-written. */
  readonly copy: () => void
  /**
   * These settings with the present state file. One event is under way at a time unless they say otherwise, so that it is
   * known which may come again after a death.
   */
  readonly settings: (tables: SettingsFixture.Tables) => SettingsFixture.Tables
}

/** Makes a directory that is removed with the scope. */
export const make: Effect.Effect<AgentDisk, never, Scope.Scope> = Effect.map(
  Effect.acquireRelease(
    Effect.sync(() => Fs.mkdtempSync(Path.join(isUsable(MEMORY) ? MEMORY : Os.tmpdir(), "agent-suite-"))),
    (directory) => Effect.sync(() => Fs.rmSync(directory, { recursive: true, force: true }))
  ),
  (directory) => {
    let lives = 1
    const path = () => Path.join(directory, `${lives}.db`)
    return {
      copy: () => {
        const before = path()
        lives += 1
        for (const suffix of ["", "-wal"]) {
          if (Fs.existsSync(before + suffix)) Fs.copyFileSync(before + suffix, path() + suffix)
        }
      },
      settings: (tables) => ({
        ...tables,
        core: {
          send_concurrency: 1,
          send_concurrency_maximum: 1,
          ...tables["core"],
          state_path: path()
        }
      })
    }
  }
)

// ---- private

/**
 * A directory in memory, where the machine has one (Linux). What a test writes does not have to outlive the machine, and waiting for
 * a real disk after every commit takes longer than all the rest of a simulated week.
 */
const MEMORY = "/dev/shm"

const isUsable = (directory: string): boolean => {
  try {
    Fs.accessSync(directory, Fs.constants.W_OK | Fs.constants.X_OK)
    return true
  } catch {
    return false
  }
}
