/** Reads a whole state file and says what in it is not as it has to be. Changes nothing. */
import type { DatabaseSync } from "node:sqlite"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type { OutboxError } from "./Outbox.ts"
import { number, only, text } from "./OutboxSqliteCells.ts"
import * as Codec from "./OutboxSqliteCodec.ts"
import { fromCause } from "./OutboxSqliteError.ts"

/** Rows that are read before other fibers get their turn. */
const AT_ONCE = 200

/** What is wrong now, and what was and is set aside since; one sentence each. */
export interface Report {
  readonly findings: ReadonlyArray<string>
  readonly remarks: ReadonlyArray<string>
}

/** Findings and remarks in one; none when all is well. */
export const verify = (database: DatabaseSync, path: string) =>
  Effect.map(inspect(database, path), ({ findings, remarks }) => [...findings, ...remarks])

/** Reads everything. */
export const inspect = Effect.fnUntraced(function* (
  database: DatabaseSync,
  path: string
): Effect.fn.Return<Report, OutboxError> {
  const attempt = <A>(work: () => A): Effect.Effect<A, OutboxError> =>
    Effect.try({ try: work, catch: (cause) => fromCause("verify", path, cause) })

  const damages = yield* attempt(() =>
    database
      .prepare("PRAGMA integrity_check(10)")
      .all()
      .map((row) => String(row["integrity_check"]))
      .filter((line) => line !== "ok")
  )
  // What is built on damaged pages says nothing more.
  if (damages.length > 0)
    return { findings: damages.map((line) => `The file is damaged: ${line}`), remarks: [] }

  const findings: Array<string> = []
  const count = (sql: string) => attempt(() => number(only(database, sql), "number"))
  const orphans = yield* count(
    "SELECT count(*) AS number FROM events e WHERE NOT EXISTS (SELECT 1 FROM identities i WHERE i.seq = e.seq)"
  )
  if (orphans > 0) findings.push(`${events(orphans)} waiting to be sent without an identity.`)
  const doubles = yield* count(
    `SELECT count(*) AS number FROM dead_letters d
     JOIN identities i ON i.id = d.id JOIN events e ON e.seq = i.seq AND e.seq = d.seq`
  )
  if (doubles > 0) findings.push(`${events(doubles)} both waiting to be sent and dead letters.`)

  for (const { column, decode, sql, what } of CONTENTS) {
    const illegible: Array<number> = []
    let last = -1
    for (;;) {
      const from = last
      const rows = yield* attempt(() => database.prepare(sql).all(from, AT_ONCE))
      if (rows.length === 0) break
      for (const row of rows) {
        last = number(row, column)
        if (Result.isFailure(decode(row))) illegible.push(last)
      }
      yield* Effect.yieldNow
    }
    if (illegible.length > 0) {
      findings.push(
        `${illegible.length === 1 ? "1 row" : `${illegible.length} rows`} of ${what} cannot be read (number ${illegible.slice(0, 5).join(", ")}${illegible.length > 5 ? ", …" : ""}).`
      )
    }
  }
  const aside = yield* attempt(() =>
    database
      .prepare("SELECT origin, count(*) AS number FROM quarantine GROUP BY origin ORDER BY origin")
      .all()
  )
  const remarks = aside.map(
    (row) =>
      `${number(row, "number")} of \`${text(row, "origin")}\` could not be read earlier and stand in the table \`quarantine\`, with the reason.`
  )
  return { findings, remarks }
})

const events = (count: number): string => (count === 1 ? "1 event is" : `${count} events are`)

type Row = Parameters<typeof text>[0]

const CONTENTS: ReadonlyArray<{
  readonly what: string
  readonly sql: string
  readonly column: string
  readonly decode: (row: Row) => Result.Result<unknown, string>
}> = [
  {
    what: "the events waiting to be sent",
    sql: "SELECT seq, path, body FROM events WHERE seq > ? ORDER BY seq LIMIT ?",
    column: "seq",
    decode: (row) => Codec.decodeEvent(text(row, "path"), text(row, "body"))
  },
  {
    what: "the dead letters",
    sql: "SELECT number, path, body FROM dead_letters WHERE number > ? ORDER BY number LIMIT ?",
    column: "number",
    decode: (row) => Codec.decodeEvent(text(row, "path"), text(row, "body"))
  },
  {
    what: "the tracked runs",
    sql: "SELECT rowid AS number, body FROM runs WHERE rowid > ? ORDER BY rowid LIMIT ?",
    column: "number",
    decode: (row) => Codec.decodeRun(text(row, "body"))
  }
]
