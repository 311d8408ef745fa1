/** The dead letters in SQLite: burying, putting back and removing, inside transactions of the caller; and reading. */
import type { DatabaseSync } from "node:sqlite"
import * as DateTime from "effect/DateTime"
import * as Result from "effect/Result"
import * as EventTitle from "./EventTitle.ts"
import type { BurialReason, DeadLetter, Note } from "./Outbox.ts"
import { type Cells, number, text } from "./OutboxSqliteCells.ts"
import * as Codec from "./OutboxSqliteCodec.ts"

/** A dead letter as it is stored, with decoded names. Times are milliseconds since 1970. */
export interface StoredDeadLetter {
  readonly id: string
  readonly lane: string
  readonly path: string
  readonly body: string
  readonly number: number
  /** The number of the event that it was. */
  readonly seq: number
  readonly attempts: number
  readonly committedAt: number
  readonly buriedAt: number
  readonly reason: string
  readonly words: string
}

/** A dead letter that was looked up to be changed; names as they are stored. */
export interface Found {
  readonly number: number
  readonly id: string
  readonly lane: string
  readonly path: string
  readonly body: string
  readonly words: string
}

/** The statements that change dead letters. */
export const make = (database: DatabaseSync) => {
  const insert = database.prepare(
    `INSERT INTO dead_letters (seq, id, lane, path, body, attempts, committed_at, buried_at, reason, words)
     SELECT e.seq, i.id, e.lane, e.path, e.body, e.attempts, e.committed_at, ?, ?, ?
     FROM events e JOIN identities i ON i.seq = e.seq WHERE e.seq = ?`
  )
  const deleteOldest = database.prepare(
    "DELETE FROM dead_letters WHERE number IN (SELECT number FROM dead_letters ORDER BY number LIMIT ?)"
  )
  const select = database.prepare(
    "SELECT number, id, lane, path, body, words FROM dead_letters WHERE number = ?"
  )
  const deleteLetter = database.prepare("DELETE FROM dead_letters WHERE number = ?")
  const selectPending = database.prepare(
    "SELECT 1 AS pending FROM identities i JOIN events e ON e.seq = i.seq WHERE i.id = ?"
  )
  const deleteIdentity = database.prepare("DELETE FROM identities WHERE id = ?")
  const insertIdentity = database.prepare("INSERT INTO identities (seq, id, at) VALUES (?, ?, ?)")
  const insertEvent = database.prepare(
    "INSERT INTO events (seq, lane, path, body, attempts, committed_at, due_at) VALUES (?, ?, ?, ?, 0, ?, ?)"
  )
  const remove = (letter: Found): void => {
    deleteLetter.run(letter.number)
  }
  return {
    /** Copies the event, and removes as many of the oldest letters as are too many. */
    bury: (
      seq: number,
      why: {
        readonly at: number
        readonly reason: BurialReason
        readonly words: string
        readonly tooMany: number
      }
    ): void => {
      insert.run(why.at, why.reason, why.words, seq)
      if (why.tooMany > 0) deleteOldest.run(why.tooMany)
    },
    /** Those of the numbers that are there, each once, the oldest first. */
    find: (numbers: ReadonlyArray<number>): ReadonlyArray<Found> =>
      Array.from(new Set(numbers))
        .sort((a, b) => a - b)
        .flatMap((wanted) => {
          const row = Number.isSafeInteger(wanted) ? select.get(wanted) : undefined
          return row === undefined
            ? []
            : [
                {
                  number: number(row, "number"),
                  id: text(row, "id"),
                  lane: text(row, "lane"),
                  path: text(row, "path"),
                  body: text(row, "body"),
                  words: text(row, "words")
                }
              ]
        }),
    remove,
    /** Turns it into the event `seq`; gives the size of the body, or undefined when its event is pending again already. */
    putBack: (letter: Found, seq: number, at: number): number | undefined => {
      remove(letter)
      if (selectPending.get(letter.id) !== undefined) return undefined
      // Under its new number, so that identities stand in the order of their times.
      deleteIdentity.run(letter.id)
      insertIdentity.run(seq, letter.id, at)
      insertEvent.run(seq, letter.lane, letter.path, letter.body, at, at)
      return Buffer.byteLength(letter.body)
    }
  }
}

/** All dead letters, the oldest first. */
export const read = (database: DatabaseSync): ReadonlyArray<StoredDeadLetter> =>
  database.prepare("SELECT * FROM dead_letters ORDER BY number").all().map(stored)

/** The dead letters of a lane, the oldest first. */
export const ofLane = (database: DatabaseSync, lane: string): ReadonlyArray<StoredDeadLetter> =>
  database
    .prepare("SELECT * FROM dead_letters WHERE lane = ? ORDER BY number")
    .all(Codec.encodeName(lane))
    .map(stored)

/** The dead letter, or why its event cannot be read. */
export const decode = (letter: StoredDeadLetter): Result.Result<DeadLetter, string> =>
  Result.map(Codec.decodeEvent(letter.path, letter.body), (event) => ({
    number: letter.number,
    entry: { id: letter.id, lane: letter.lane, event },
    attempts: letter.attempts,
    committedAt: DateTime.makeUnsafe(letter.committedAt),
    buriedAt: DateTime.makeUnsafe(letter.buriedAt),
    reason: reasonOf(letter.reason),
    words: letter.words
  }))

/** The reason as it is stored. */
export const reasonOf = (stored: string): BurialReason =>
  stored === "rejected" ? "rejected" : "server errors"

/** The note that a change of a dead letter leaves in its lane. */
export const note =
  (done: "replayed" | "dropped", at: number) =>
  (letter: Found): Note => {
    const event = Codec.decodeEvent(letter.path, letter.body)
    const title = Result.isSuccess(event) ? EventTitle.title(event.success) : letter.path
    return changed(
      done,
      { lane: Codec.decodeName(letter.lane), number: letter.number, title, words: letter.words },
      at
    )
  }

/** The same in words, for every driver. */
export const changed = (
  done: "replayed" | "dropped",
  letter: {
    readonly lane: string
    readonly number: number
    readonly title: string
    readonly words: string
  },
  at: number
): Note => ({
  lane: letter.lane,
  at: DateTime.makeUnsafe(at),
  by: "outbox",
  text:
    `dead letter ${letter.number} (${letter.title}) was ` +
    `${done === "replayed" ? "replayed: it is sent again" : "dropped: it will not be sent"}. ` +
    `It had become one because of: ${EventTitle.cut(letter.words, 200)}`
})

const stored = (row: Cells): StoredDeadLetter => ({
  id: Codec.decodeName(text(row, "id")),
  lane: Codec.decodeName(text(row, "lane")),
  path: text(row, "path"),
  body: text(row, "body"),
  number: number(row, "number"),
  seq: number(row, "seq"),
  attempts: number(row, "attempts"),
  committedAt: number(row, "committed_at"),
  buriedAt: number(row, "buried_at"),
  reason: text(row, "reason"),
  words: text(row, "words")
})
