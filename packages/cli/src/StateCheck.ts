/** What `check` says of the state file: whether it can be used, by whom it is, and what waits in it. */
import * as OutboxSqliteFile from "@observability-agents/core/OutboxSqliteFile"
import * as OutboxSqliteReader from "@observability-agents/core/OutboxSqliteReader"
import * as Fs from "node:fs"
import * as Path from "node:path"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { Finding } from "./Finding.ts"
import * as Table from "./Table.ts"

const WHAT = "state file"

/** Looks at the file that `state_path` names. It is neither locked nor changed, and may be in use. */
export const look = (path: string, program: string): Effect.Effect<Finding> =>
  Effect.suspend(() => {
    if (path === OutboxSqliteFile.MEMORY) {
      return Effect.succeed(
        warning(
          "kept in memory (state_path is :memory:): what has not been sent when the agent stops is lost. Name a file to keep it."
        )
      )
    }
    const absolute = Path.resolve(path)
    const there = existing(absolute)
    // Beside the file, others are made: the log of what was written, and who owns it.
    const blocked = [there, Path.dirname(there)].find(
      (place) => place !== Path.dirname(place) && !isWritable(place)
    )
    if (!Fs.existsSync(absolute)) {
      if (!Fs.statSync(there).isDirectory()) {
        return Effect.succeed(failure(`${absolute} cannot be made: ${there} is no directory. ${CHOOSE}`))
      }
      return Effect.succeed(
        isWritable(there)
          ? { what: WHAT, state: "ok", text: `${absolute} is not there yet; the agent makes it` }
          : failure(`${absolute} cannot be made: this user may not write to ${there}. ${CHOOSE}`)
      )
    }
    if (blocked !== undefined) {
      return Effect.succeed(failure(`${absolute}: this user may not write to ${blocked}. ${CHOOSE}`))
    }
    return Effect.catchTag(Effect.scoped(read(absolute, program)), "OutboxError", ({ message }) => {
      const sentence = message.replace(/\.?$/, ".")
      // The agent brings such a file up to date when it starts.
      return Effect.succeed(/an older release/.test(message) ? warning(sentence) : failure(sentence))
    })
  })

const read = Effect.fnUntraced(function* (path: string, program: string) {
  const reader = yield* OutboxSqliteReader.open({ path })
  const { deadLetters, oldestPending, pending } = yield* reader.summary
  const now = yield* DateTime.now
  const waiting = Option.match(oldestPending, {
    onNone: () => "nothing waits to be sent",
    onSome: (oldest) =>
      `${Table.count(pending, "event")} ${pending === 1 ? "waits" : "wait"} to be sent, the oldest for ${Table.span(now.epochMilliseconds - oldest.epochMilliseconds)}`
  })
  const letters =
    deadLetters === 0
      ? ""
      : `; ${Table.count(deadLetters, "dead letter")}, see \`${program} dead-letters list\``
  const holder = Option.match(reader.holder, {
    onNone: () => "no agent is running on it",
    onSome: (who) => `in use by ${who}`
  })
  const finding: Finding = {
    what: WHAT,
    state: "ok",
    text: `${reader.path}: ${waiting}${letters}; ${holder}`
  }
  return finding
})

const CHOOSE = "Give it the right to, or choose another state_path of [core]."

/** The path, or what is there of it. */
const existing = (path: string): string =>
  Fs.existsSync(path) || Path.dirname(path) === path ? path : existing(Path.dirname(path))

const isWritable = (path: string): boolean => {
  try {
    Fs.accessSync(path, Fs.constants.W_OK)
    return true
  } catch {
    return false
  }
}

const warning = (text: string): Finding => ({ what: WHAT, state: "warning", text })

const failure = (text: string): Finding => ({ what: WHAT, state: "failed", text, exitCode: 74 })
