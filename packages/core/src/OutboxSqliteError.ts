/** What errors of SQLite and of the file system mean for the Outbox, in words for people. */
import * as Predicate from "effect/Predicate"
import { OutboxError } from "./Outbox.ts"

/** SQLite's primary result codes, as `node:sqlite` gives them in `errcode` (there with further bits above the eighth). */
export const SqliteCode = {
  Perm: 3,
  Busy: 5,
  Locked: 6,
  NoMemory: 7,
  ReadOnly: 8,
  InputOutput: 10,
  Corrupt: 11,
  Full: 13,
  CantOpen: 14,
  NotADatabase: 26
} as const

/** The primary result code of an error of `node:sqlite`; undefined for any other error. */
export const sqliteCode = (cause: unknown): number | undefined =>
  Predicate.hasProperty(cause, "errcode") && typeof cause.errcode === "number"
    ? cause.errcode & 0xff
    : undefined

/** The error as the Outbox reports it. Nothing was changed: the driver has rolled back. */
export const fromCause = (method: string, path: string, cause: unknown): OutboxError => {
  const fail = (reason: "Unavailable" | "Unusable", message: string) =>
    new OutboxError({ method, reason, message, cause })
  const words = cause instanceof Error ? cause.message : String(cause)
  switch (sqliteCode(cause)) {
    case SqliteCode.Full:
      return fail(
        "Unavailable",
        `There is no room left for the state file ${path}. Make room on its disk or raise its quota`
      )
    case SqliteCode.Busy:
    case SqliteCode.Locked:
      return fail(
        "Unavailable",
        `Another program is using the state file ${path}. End it, or wait until it is done`
      )
    case SqliteCode.InputOutput:
    case SqliteCode.NoMemory:
    case SqliteCode.CantOpen:
    case SqliteCode.ReadOnly:
    case SqliteCode.Perm:
      return fail(
        "Unavailable",
        `The state file ${path} cannot be read or written at the moment (${words}). See to its disk and its permissions`
      )
    case SqliteCode.Corrupt:
    case SqliteCode.NotADatabase:
      return corrupt(method, path, words, cause)
    default:
      return fail("Unusable", `The state file ${path} cannot be used: ${words}`)
  }
}

/** The file is damaged; nothing in it was changed. */
export const corrupt = (method: string, path: string, words: string, cause?: unknown): OutboxError =>
  new OutboxError({
    method,
    reason: "Unusable",
    message:
      `The state file ${path} is damaged (${words}). It was left as it is. Put a copy of it in its place, or move it away ` +
      `together with ${path}-wal and ${path}-shm: then a new one is made, reading starts from \`start_from\`, and events ` +
      `that were not sent yet are in the file that was moved away only`,
    ...(cause === undefined ? {} : { cause })
  })
