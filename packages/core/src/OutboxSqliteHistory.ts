/**
 * The history in SQLite: what was delivered, and what the tool said of it. It is written inside transactions of the
 * caller, which also remove what is too old or too much, a few rows at a time.
 */
import type { DatabaseSync } from "node:sqlite"
import * as DateTime from "effect/DateTime"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as EventTitle from "./EventTitle.ts"
import type { LaneHistory, Note, PastEvent } from "./Outbox.ts"
import { number, only, optionalNumber, optionalText, text } from "./OutboxSqliteCells.ts"
import * as Codec from "./OutboxSqliteCodec.ts"
import * as Letters from "./OutboxSqliteLetters.ts"

/** How much history is kept. */
export interface Bounds {
  /** Milliseconds since it was stored. */
  readonly retention: number
  /** Rows, of delivered events and of notes each. */
  readonly limit: number
}

/** After so many rows, or milliseconds, it is looked whether the oldest have to go. */
const PRUNE_AFTER_ROWS = 50
const PRUNE_AFTER_TIME = 60_000
/** The most that are removed at once: more than come in between. */
const PRUNED_AT_ONCE = 200

/** The statements that write history. */
export const make = (database: DatabaseSync, bounds: Bounds) => {
  const insertDelivered = database.prepare(
    `INSERT INTO history (seq, id, lane, title, timestamp, attempts, error, committed_at, delivered_at)
     SELECT e.seq, i.id, e.lane, ?, ?, e.attempts, e.error, e.committed_at, ?
     FROM events e JOIN identities i ON i.seq = e.seq WHERE e.seq = ?`
  )
  const insertNote = database.prepare(
    "INSERT INTO notes (lane, at, by, text, stored_at) VALUES (?, ?, ?, ?, ?)"
  )
  const clearDelivered = database.prepare("DELETE FROM history")
  const clearNotes = database.prepare("DELETE FROM notes")
  const pruneDelivered = pruner(database, { table: "history", column: "delivered_at" }, bounds)
  const pruneNotes = pruner(database, { table: "notes", column: "stored_at" }, bounds)
  return {
    /** Copies the event into the history; it has to be there still. */
    delivered: (
      seq: number,
      event: { readonly at: number; readonly timestamp: number | undefined; readonly title: string }
    ): void => {
      if (bounds.limit > 0) insertDelivered.run(event.title, event.timestamp ?? null, event.at, seq)
      pruneDelivered(event.at, 1)
    },
    note: (notes: ReadonlyArray<Note>, now: number): void => {
      if (bounds.limit > 0) {
        for (const { at, by, lane, text } of notes) {
          insertNote.run(Codec.encodeName(lane), at.epochMilliseconds, by, text.toWellFormed(), now)
        }
      }
      pruneNotes(now, notes.length)
    },
    /** Removes all of it. Says whether there was any. */
    clear: (): boolean => {
      const delivered = clearDelivered.run().changes
      return Number(clearNotes.run().changes) + Number(delivered) > 0
    }
  }
}

const pruner = (
  database: DatabaseSync,
  { column, table }: { readonly table: "history" | "notes"; readonly column: string },
  { limit, retention }: Bounds
) => {
  const oldest = database.prepare(`SELECT number, ${column} AS at FROM ${table} ORDER BY number LIMIT ?`)
  const newest = database.prepare(`SELECT max(number) AS number FROM ${table}`)
  const remove = database.prepare(`DELETE FROM ${table} WHERE number <= ?`)
  let rows = 0
  let prunedAt = 0
  return (now: number, added: number): void => {
    rows += added
    if (rows < PRUNE_AFTER_ROWS && now - prunedAt < PRUNE_AFTER_TIME) return
    const room = Math.max(PRUNED_AT_ONCE, 2 * rows)
    rows = 0
    prunedAt = now
    const beyond = (optionalNumber(newest.get() ?? {}, "number") ?? 0) - limit
    let to: number | undefined
    for (const row of oldest.iterate(room)) {
      if (number(row, "at") >= now - retention && number(row, "number") > beyond) break
      to = number(row, "number")
    }
    if (to !== undefined) remove.run(to)
  }
}

/** All that is known of a lane at that time. */
export const read = (
  database: DatabaseSync,
  lane: string,
  { limit, now, retention }: Bounds & { readonly now: number }
): LaneHistory => {
  const name = Codec.encodeName(lane)
  const kept = (table: "history" | "notes", column: string, order: string) =>
    database
      .prepare(
        `SELECT * FROM ${table} WHERE lane = ? AND ${column} >= ? AND number > (SELECT max(number) FROM ${table}) - ?
         ORDER BY ${order}`
      )
      .all(name, now - retention, limit)
  const notes = kept("notes", "stored_at", "at, number").map((row): Note => ({
    lane,
    at: DateTime.makeUnsafe(number(row, "at")),
    by: text(row, "by") === "tool" ? "tool" : "outbox",
    text: text(row, "text")
  }))
  const delivered = kept("history", "delivered_at", "committed_at, seq").map((row): Ordered => ({
    seq: number(row, "seq"),
    id: Codec.decodeName(text(row, "id")),
    title: text(row, "title"),
    timestamp: Option.map(Option.fromUndefinedOr(optionalNumber(row, "timestamp")), DateTime.makeUnsafe),
    committedAt: DateTime.makeUnsafe(number(row, "committed_at")),
    attempts: number(row, "attempts"),
    error: Option.fromUndefinedOr(optionalText(row, "error")),
    state: { _tag: "Delivered", at: DateTime.makeUnsafe(number(row, "delivered_at")) }
  }))
  const waiting = database
    .prepare("SELECT e.*, i.id FROM events e JOIN identities i ON i.seq = e.seq WHERE e.lane = ?")
    .all(name)
    .map((row): Ordered => ({
      seq: number(row, "seq"),
      id: Codec.decodeName(text(row, "id")),
      ...told(text(row, "path"), text(row, "body")),
      committedAt: DateTime.makeUnsafe(number(row, "committed_at")),
      attempts: number(row, "attempts"),
      error: Option.fromUndefinedOr(optionalText(row, "error")),
      state: { _tag: "Waiting", dueAt: DateTime.makeUnsafe(number(row, "due_at")) }
    }))
  const buried = Letters.ofLane(database, lane).map((letter): Ordered => ({
    seq: letter.seq,
    id: letter.id,
    ...told(letter.path, letter.body),
    committedAt: DateTime.makeUnsafe(letter.committedAt),
    attempts: letter.attempts,
    error: Option.none(),
    state: {
      _tag: "Buried",
      at: DateTime.makeUnsafe(letter.buriedAt),
      number: letter.number,
      reason: Letters.reasonOf(letter.reason),
      words: letter.words
    }
  }))
  const events = [...delivered, ...waiting, ...buried]
    .sort((a, b) => a.committedAt.epochMilliseconds - b.committedAt.epochMilliseconds || a.seq - b.seq)
    .map(({ seq: _, ...event }): PastEvent => event)
  return { notes, events }
}

type Ordered = PastEvent & { readonly seq: number }

const told = (path: string, body: string): Pick<PastEvent, "title" | "timestamp"> => {
  const event = Codec.decodeEvent(path, body)
  return Result.isSuccess(event)
    ? {
        title: EventTitle.title(event.success),
        timestamp: Option.fromUndefinedOr(event.success.timestamp)
      }
    : { title: `unreadable ${path}`, timestamp: Option.none() }
}

/** How many delivered events, and notes, are there. */
export const counts = (database: DatabaseSync): { readonly delivered: number; readonly notes: number } => {
  const row = only(
    database,
    "SELECT (SELECT count(*) FROM history) AS delivered, (SELECT count(*) FROM notes) AS notes"
  )
  return { delivered: number(row, "delivered"), notes: number(row, "notes") }
}

/** A row that could not be read and was set aside; `lane` where it tells one. */
export interface Quarantined {
  readonly at: DateTime.Utc
  /** The table that it stood in, or `commit`. */
  readonly origin: string
  readonly lane: string | undefined
  readonly id: string | undefined
  readonly reason: string
}

/** All rows that were set aside, the oldest first. */
export const quarantined = (database: DatabaseSync): ReadonlyArray<Quarantined> =>
  database
    .prepare("SELECT * FROM quarantine ORDER BY number")
    .all()
    .map((row) => {
      const origin = text(row, "origin")
      const content = contentOf(text(row, "content"))
      // What was set aside at its commit never had the form in which names are stored.
      const named = (value: unknown) =>
        typeof value !== "string" ? undefined : origin === "commit" ? value : Codec.decodeName(value)
      return {
        at: DateTime.makeUnsafe(number(row, "at")),
        origin,
        lane: named(content["lane"]),
        id: named(content["id"]),
        reason: text(row, "reason")
      }
    })

const contentOf = (content: string): Readonly<Record<string, unknown>> => {
  try {
    const value: unknown = JSON.parse(content)
    return typeof value === "object" && value !== null ? { ...value } : {}
  } catch {
    return {}
  }
}
