/**
 * Rows of a state file that cannot be read any more, as after a fault of the disk that SQLite does not notice.
 */
import type * as Event from "@observability-agents/toolkit/Event"
import * as Codec from "@observability-agents/core/OutboxSqliteCodec"
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import * as Result from "effect/Result"
import { DatabaseSync } from "node:sqlite"

/** What was made illegible. */
export interface Corruption {
  /** The event that waited, and is lost. */
  readonly event: Event.Event | undefined
  /** How many rows. */
  readonly rows: number
}

/** How many events wait in this file, which nobody writes at the moment. */
export const waiting = (path: string): Effect.Effect<number> =>
  within(path, (database) => Number(database.prepare("SELECT count(*) AS n FROM events").get()?.["n"]))

/** How many rows of this file were set aside. */
export const setAside = (path: string): Effect.Effect<number> =>
  within(path, (database) => Number(database.prepare("SELECT count(*) AS n FROM quarantine").get()?.["n"]))

/** Makes one of the waiting events and one of the tracked runs illegible, by chance, where there are any. */
export const make = (path: string): Effect.Effect<Corruption> =>
  Effect.flatMap(Random.next, (chance) =>
    within(path, (database) => {
      const choose = <A>(all: ReadonlyArray<A>): A | undefined => all[Math.floor(chance * all.length)]
      const event = choose(database.prepare("SELECT seq, path, body FROM events ORDER BY seq").all())
      const run = choose(database.prepare("SELECT rowid AS number FROM runs ORDER BY rowid").all())
      const spoil = (table: string, column: string, number: unknown) =>
        database.prepare(`UPDATE ${table} SET body = ? WHERE ${column} = ?`).run(ILLEGIBLE, Number(number))
      if (event !== undefined) spoil("events", "seq", event["seq"])
      if (run !== undefined) spoil("runs", "rowid", run["number"])
      const decoded =
        event === undefined ? undefined : Codec.decodeEvent(String(event["path"]), String(event["body"]))
      return {
        event: decoded !== undefined && Result.isSuccess(decoded) ? decoded.success : undefined,
        rows: (event === undefined ? 0 : 1) + (run === undefined ? 0 : 1)
      }
    })
  )

// ---- private

/** What a block of a disk may hold instead of what was written to it. */
const ILLEGIBLE = '{"pipeline_key": "ni\u0007\u0000'

const within = <A>(path: string, work: (database: DatabaseSync) => A): Effect.Effect<A> =>
  Effect.acquireUseRelease(
    Effect.sync(() => new DatabaseSync(path)),
    (database) => Effect.sync(() => work(database)),
    (database) => Effect.sync(() => database.close())
  )
