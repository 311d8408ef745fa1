/**
 * What the SQLite driver of the Outbox asks of its file: prepared statements and short transactions. Everything here is
 * synchronous and throws the errors of `node:sqlite`; a transaction that threw has changed nothing.
 */
import type { DatabaseSync, SQLInputValue } from "node:sqlite"
import type { BurialReason, Note } from "./Outbox.ts"
import { number, only, optionalNumber, optionalText, text, type Cells } from "./OutboxSqliteCells.ts"
import * as Codec from "./OutboxSqliteCodec.ts"
import { SqliteCode, sqliteCode } from "./OutboxSqliteError.ts"
import type { Fault, OutboxStep } from "./OutboxSqliteFault.ts"
import * as History from "./OutboxSqliteHistory.ts"
import type { NewItem } from "./OutboxSqliteLanes.ts"
import * as Letters from "./OutboxSqliteLetters.ts"

/** An event as it is stored. */
export interface StoredEvent {
  readonly id: string
  readonly lane: string
  readonly path: string
  readonly body: string
  readonly traceparent: string | undefined
}

/** An entry as it is committed; `flaw` says why its event cannot be kept as a body, and sets it aside at once. */
export interface NewEvent extends Omit<StoredEvent, "traceparent"> {
  readonly flaw?: string | undefined
}

/** A commit in stored form, at that time. */
export interface NewCommit {
  readonly source: string
  readonly at: number
  readonly cursor: number | undefined
  readonly runs: ReadonlyArray<{ readonly key: string; readonly body: string }>
  readonly forget: ReadonlyArray<string>
  readonly events: ReadonlyArray<NewEvent>
  readonly notes: ReadonlyArray<Note>
  readonly traceparent: string | undefined
}

/** Facts that outlive the events. */
export interface Facts {
  readonly delivered: number
  readonly latestDelivered: number | undefined
  readonly deadLetters: number
}

/** The file, opened. */
export interface Store {
  readonly facts: () => Facts
  /** All pending events in ascending `seq`, without their bodies. */
  readonly pending: () => Iterable<NewItem>
  /** Stores all of it; gives the events that were taken in (not the repeated ones), and how many were set aside. */
  readonly commit: (commit: NewCommit) => { readonly added: ReadonlyArray<NewItem>; readonly flawed: number }
  /** The event, unless it, or the identity that belongs to it, is not there. */
  readonly event: (seq: number) => StoredEvent | undefined
  /** Moves it into the history and counts it; `timestamp` and `title` are those of the event. */
  readonly delivered: (
    seq: number,
    event: { readonly at: number; readonly timestamp: number | undefined; readonly title: string }
  ) => void
  readonly putOff: (seq: number, dueAt: number, error: string) => void
  /** Makes it a dead letter, and removes as many of the oldest ones as are too many. */
  readonly bury: (seq: number, at: number, reason: BurialReason, words: string, tooMany: number) => void
  /** Puts the events of the dead letters back behind all others; gives the letters that were there. */
  readonly replay: (
    numbers: ReadonlyArray<number>,
    at: number
  ) => { readonly done: ReadonlyArray<number>; readonly added: ReadonlyArray<NewItem> }
  /** Removes the dead letters; gives those that were there. */
  readonly drop: (numbers: ReadonlyArray<number>, at: number) => ReadonlyArray<number>
  /** Moves a row that cannot be read into the quarantine, as text. Says whether it was there. */
  readonly setAside: (row: Row, at: number, reason: string) => boolean
  readonly cursor: (source: string) => number | undefined
  readonly runs: (
    source: string
  ) => ReadonlyArray<{ readonly source: string; readonly key: string; readonly body: string }>
  readonly deadLetters: () => ReadonlyArray<Letters.StoredDeadLetter>
  readonly close: () => void
}

/** One row of one of the three tables whose rows hold JSON; `source` and `key` as they are stored. */
export type Row =
  | { readonly table: "events"; readonly seq: number }
  | { readonly table: "dead_letters"; readonly number: number }
  | { readonly table: "runs"; readonly source: string; readonly key: string }

/** How many identities one commit looks at to find old ones, besides twice as many as it brings. */
const PRUNED_AT_ONCE = 100

/** How many rows are kept in quarantine, for people to look at; of more, the oldest go. */
export const QUARANTINE_CAPACITY = 1000

/** The statements of an opened, migrated file. Identities are removed by commits when they are older than `retention`. */
export const make = (
  database: DatabaseSync,
  options: {
    readonly retention: number
    readonly history: History.Bounds
    readonly fault: Fault | undefined
  }
): Store => {
  const { fault, retention } = options
  const history = History.make(database, options.history)
  const letters = Letters.make(database)
  const prepare = (sql: string) => database.prepare(sql)
  const begin = prepare("BEGIN IMMEDIATE")
  const end = prepare("COMMIT")
  const insertIdentity = prepare(
    "INSERT INTO identities (seq, id, at) VALUES (?, ?, ?) ON CONFLICT (id) DO NOTHING"
  )
  const insertEvent = prepare(
    "INSERT INTO events (seq, lane, path, body, attempts, committed_at, due_at, traceparent) VALUES (?, ?, ?, ?, 0, ?, ?, ?)"
  )
  const upsertRun = prepare(
    "INSERT INTO runs (source, key, body) VALUES (?, ?, ?) ON CONFLICT (source, key) DO UPDATE SET body = excluded.body"
  )
  const deleteRun = prepare("DELETE FROM runs WHERE source = ? AND key = ?")
  const moveCursor = prepare(
    "INSERT INTO cursors (source, at) VALUES (?, ?) ON CONFLICT (source) DO UPDATE SET at = excluded.at WHERE excluded.at > at OR at > ?"
  )
  const selectEvent = prepare(
    "SELECT i.id, e.lane, e.path, e.body, e.traceparent FROM events e LEFT JOIN identities i ON i.seq = e.seq WHERE e.seq = ?"
  )
  const deleteEvent = prepare("DELETE FROM events WHERE seq = ?")
  const countDelivered = prepare(
    "UPDATE facts SET delivered = delivered + 1, latest_delivered = max(coalesce(latest_delivered, ?1), coalesce(?1, latest_delivered))"
  )
  const delayEvent = prepare("UPDATE events SET attempts = attempts + 1, due_at = ?, error = ? WHERE seq = ?")
  const insertFlaw = prepare("INSERT INTO quarantine (at, origin, content, reason) VALUES (?, ?, ?, ?)")
  const quarantine = {
    events: prepare(
      `INSERT INTO quarantine (at, origin, content, reason)
       SELECT ?, 'events', json_object('seq', e.seq, 'id', i.id, 'lane', e.lane, 'path', e.path, 'body', e.body, 'attempts', e.attempts, 'committed_at', e.committed_at), ?
       FROM events e LEFT JOIN identities i ON i.seq = e.seq WHERE e.seq = ?`
    ),
    dead_letters: prepare(
      `INSERT INTO quarantine (at, origin, content, reason)
       SELECT ?, 'dead_letters', json_object('seq', seq, 'id', id, 'lane', lane, 'path', path, 'body', body, 'attempts', attempts, 'committed_at', committed_at, 'buried_at', buried_at, 'reason', reason, 'words', words), ?
       FROM dead_letters WHERE number = ?`
    ),
    runs: prepare(
      `INSERT INTO quarantine (at, origin, content, reason)
       SELECT ?, 'runs', json_object('source', source, 'key', key, 'body', body), ?
       FROM runs WHERE source = ? AND key = ?`
    )
  }
  const remove = {
    events: deleteEvent,
    dead_letters: prepare("DELETE FROM dead_letters WHERE number = ?"),
    runs: deleteRun
  }
  const oldIdentities = prepare(
    `SELECT i.seq, i.at, EXISTS (SELECT 1 FROM events e WHERE e.seq = i.seq) AS pending
     FROM identities i WHERE i.seq > ? ORDER BY i.seq LIMIT ?`
  )
  const deleteIdentity = prepare("DELETE FROM identities WHERE seq = ?")
  const boundQuarantine = prepare(
    `DELETE FROM quarantine WHERE number <= (SELECT max(number) FROM quarantine) - ${QUARANTINE_CAPACITY}`
  )

  let nextSeq =
    1 +
    number(
      only(
        database,
        `SELECT max((SELECT coalesce(max(seq), 0) FROM identities), (SELECT coalesce(max(seq), 0) FROM events),
                    (SELECT coalesce(max(seq), 0) FROM dead_letters)) AS seq`
      ),
      "seq"
    )
  // Identities up to this one were looked at and are pending still; the one behind it was committed at `oldestAt`.
  let prunedTo = 0
  let oldestAt = 0

  const step = (name: OutboxStep, work: () => void): void => {
    fault?.(name, "before")
    work()
    fault?.(name, "after")
  }

  /** The same; when there is no room for it, history gives way. */
  const transactInRoom = <A>(work: () => A): A => {
    try {
      return transact(work)
    } catch (cause) {
      if (sqliteCode(cause) !== SqliteCode.Full || !transact(history.clear)) throw cause
      return transact(work)
    }
  }

  const transact = <A>(work: () => A): A => {
    let result: A
    try {
      step("begin", () => begin.run())
      result = work()
      fault?.("commit", "before")
      end.run()
    } catch (cause) {
      // Some errors (a full disk) have rolled back already.
      if (database.isTransaction) database.exec("ROLLBACK")
      throw cause
    }
    fault?.("commit", "after")
    return result
  }

  const prune = (now: number, limit: number): { readonly prunedTo: number; readonly oldestAt: number } => {
    const until = now - retention
    let to = prunedTo
    const rows = oldIdentities.all(prunedTo, limit)
    for (const row of rows) {
      const at = number(row, "at")
      if (at >= until) return { prunedTo: to, oldestAt: at }
      if (number(row, "pending") === 0) deleteIdentity.run(number(row, "seq"))
      to = number(row, "seq")
    }
    // Where none is left, the next one is committed now or later.
    return { prunedTo: to, oldestAt: rows.length < limit ? now : 0 }
  }

  const insertEvents = (commit: NewCommit, seqAfter: number) => {
    const added: Array<NewItem> = []
    const traceparent = commit.traceparent ?? null
    let seq = seqAfter
    let flawed = 0
    for (const { body, flaw, id, lane, path } of commit.events) {
      if (insertIdentity.run(seq, Codec.encodeName(id), commit.at).changes === 0) continue
      if (flaw === undefined) {
        insertEvent.run(seq, Codec.encodeName(lane), path, body, commit.at, commit.at, traceparent)
        added.push({
          seq,
          lane,
          committedAt: commit.at,
          dueAt: commit.at,
          attempts: 0,
          bytes: Buffer.byteLength(body)
        })
      } else {
        insertFlaw.run(commit.at, "commit", JSON.stringify({ seq, id, lane, path, body }), flaw)
        boundQuarantine.run()
        flawed += 1
      }
      seq += 1
    }
    return { added, flawed, seq }
  }

  return {
    facts: () => {
      const row = only(
        database,
        "SELECT delivered, latest_delivered, (SELECT count(*) FROM dead_letters) AS dead FROM facts"
      )
      return {
        delivered: number(row, "delivered"),
        latestDelivered: optionalNumber(row, "latest_delivered"),
        deadLetters: number(row, "dead")
      }
    },
    pending: function* () {
      const rows = prepare(
        "SELECT seq, lane, committed_at, due_at, attempts, octet_length(body) AS size FROM events ORDER BY seq"
      ).iterate()
      for (const row of rows) {
        yield {
          seq: number(row, "seq"),
          lane: Codec.decodeName(text(row, "lane")),
          committedAt: number(row, "committed_at"),
          dueAt: number(row, "due_at"),
          attempts: number(row, "attempts"),
          bytes: number(row, "size")
        }
      }
    },
    commit: (commit) => {
      let pruned = { prunedTo, oldestAt }
      const done = transactInRoom(() => {
        let inserted: ReturnType<typeof insertEvents> = { added: [], flawed: 0, seq: nextSeq }
        if (commit.events.length > 0) {
          step("insert events", () => {
            inserted = insertEvents(commit, nextSeq)
          })
        }
        if (commit.runs.length > 0) {
          const source = Codec.encodeName(commit.source)
          step("upsert runs", () => {
            for (const { body, key } of commit.runs) upsertRun.run(source, Codec.encodeName(key), body)
          })
        }
        if (commit.forget.length > 0) {
          const source = Codec.encodeName(commit.source)
          step("forget runs", () => {
            for (const key of commit.forget) deleteRun.run(source, Codec.encodeName(key))
          })
        }
        const { cursor } = commit
        if (cursor !== undefined)
          step("move cursor", () => moveCursor.run(Codec.encodeName(commit.source), cursor, commit.at))
        if (commit.notes.length > 0) step("record notes", () => history.note(commit.notes, commit.at))
        // Also where the clock was set back: what is committed now may be older than what was thought to be the oldest.
        if (oldestAt < commit.at - retention || oldestAt > commit.at) {
          step("prune identities", () => {
            pruned = prune(commit.at, PRUNED_AT_ONCE + 2 * commit.events.length)
          })
        }
        return inserted
      })
      nextSeq = done.seq
      prunedTo = pruned.prunedTo
      oldestAt = pruned.oldestAt
      return done
    },
    event: (seq) => {
      const row = selectEvent.get(seq)
      return row === undefined || row["id"] === null ? undefined : stored(row)
    },
    delivered: (seq, { at, timestamp, title }) => {
      const deliver = (isRecorded: boolean) =>
        transact(() => {
          if (isRecorded) step("record history", () => history.delivered(seq, { at, timestamp, title }))
          step("delete event", () => deleteEvent.run(seq))
          step("count delivered", () => countDelivered.run(timestamp ?? null))
        })
      try {
        deliver(true)
      } catch (cause) {
        // What makes room must not need any.
        if (sqliteCode(cause) !== SqliteCode.Full) throw cause
        deliver(false)
      }
    },
    putOff: (seq, dueAt, error) =>
      transact(() => step("put off event", () => delayEvent.run(dueAt, error, seq))),
    bury: (seq, at, reason, words, tooMany) =>
      transact(() => {
        step("bury event", () => letters.bury(seq, { at, reason, words, tooMany }))
        step("delete event", () => deleteEvent.run(seq))
      }),
    replay: (numbers, at) => {
      const added: Array<NewItem> = []
      let seq = nextSeq
      const done = transact(() => {
        const found = letters.find(numbers)
        step("replay dead letters", () => {
          for (const letter of found) {
            const bytes = letters.putBack(letter, seq, at)
            if (bytes === undefined) continue
            const lane = Codec.decodeName(letter.lane)
            added.push({ seq, lane, committedAt: at, dueAt: at, attempts: 0, bytes })
            seq += 1
          }
        })
        step("record notes", () => history.note(found.map(Letters.note("replayed", at)), at))
        return found
      })
      nextSeq = seq
      return { done: done.map((letter) => letter.number), added }
    },
    drop: (numbers, at) =>
      transact(() => {
        const found = letters.find(numbers)
        step("drop dead letters", () => found.forEach(letters.remove))
        step("record notes", () => history.note(found.map(Letters.note("dropped", at)), at))
        return found.map((letter) => letter.number)
      }),
    setAside: (row, at, reason) =>
      transact(() => {
        const where: ReadonlyArray<SQLInputValue> =
          row.table === "events" ? [row.seq] : row.table === "runs" ? [row.source, row.key] : [row.number]
        let isThere = false
        step("set aside", () => {
          quarantine[row.table].run(at, reason, ...where)
          boundQuarantine.run()
          isThere = remove[row.table].run(...where).changes === 1
        })
        return isThere
      }),
    cursor: (source) => {
      const row = prepare("SELECT at FROM cursors WHERE source = ?").get(Codec.encodeName(source))
      return row === undefined ? undefined : number(row, "at")
    },
    runs: (source) =>
      prepare("SELECT source, key, body FROM runs WHERE source = ?")
        .all(Codec.encodeName(source))
        .map((row) => ({ source: text(row, "source"), key: text(row, "key"), body: text(row, "body") })),
    deadLetters: () => Letters.read(database),
    close: () => database.close()
  }
}

const stored = (row: Cells): StoredEvent => ({
  id: Codec.decodeName(text(row, "id")),
  lane: Codec.decodeName(text(row, "lane")),
  path: text(row, "path"),
  body: text(row, "body"),
  traceparent: optionalText(row, "traceparent")
})
