/** The tables of the Outbox in SQLite, and the way from the tables of each earlier version to those of the next. */
import type { DatabaseSync } from "node:sqlite"

/** Marks the file as ours (`PRAGMA application_id`): the letters `OBSA`. */
export const APPLICATION_ID = 0x4f425341

/**
 * The changes that make version 1, 2, … out of the version before. What was released is never edited: a change of the
 * tables is a further element.
 *
 * Times are milliseconds since 1970. `identities.seq` is the `seq` of the event, which outlives it; the event's id is
 * kept there only. `dead_letters.number` counts in the order of burial and is never given again. `events.body` is the
 * JSON body as it goes to the endpoint `events.path`. `history` has what was delivered, by the order of delivery, without
 * the body. `events.traceparent` is NULL unless somebody traced. `requests.body` and `requests.answer` are JSON: see `OutboxSqliteRequests`.
 */
export const MIGRATIONS: ReadonlyArray<string> = [
  `
  CREATE TABLE identities (
    seq INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    at INTEGER NOT NULL
  ) STRICT;
  CREATE TABLE events (
    seq INTEGER PRIMARY KEY,
    lane TEXT NOT NULL,
    path TEXT NOT NULL,
    body TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    committed_at INTEGER NOT NULL,
    due_at INTEGER NOT NULL,
    error TEXT
  ) STRICT;
  CREATE TABLE runs (
    source TEXT NOT NULL,
    key TEXT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (source, key)
  ) STRICT;
  CREATE TABLE cursors (
    source TEXT PRIMARY KEY,
    at INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE dead_letters (
    number INTEGER PRIMARY KEY,
    seq INTEGER NOT NULL,
    id TEXT NOT NULL,
    lane TEXT NOT NULL,
    path TEXT NOT NULL,
    body TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    committed_at INTEGER NOT NULL,
    buried_at INTEGER NOT NULL,
    reason TEXT NOT NULL,
    words TEXT NOT NULL
  ) STRICT;
  CREATE TABLE facts (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    delivered INTEGER NOT NULL,
    latest_delivered INTEGER
  ) STRICT;
  INSERT INTO facts VALUES (1, 0, NULL);
  CREATE TABLE quarantine (
    number INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    origin TEXT NOT NULL,
    content TEXT NOT NULL,
    reason TEXT NOT NULL
  ) STRICT;
  PRAGMA application_id = ${APPLICATION_ID};
  `,
  `
  CREATE TABLE letters (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    seq INTEGER NOT NULL,
    id TEXT NOT NULL,
    lane TEXT NOT NULL,
    path TEXT NOT NULL,
    body TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    committed_at INTEGER NOT NULL,
    buried_at INTEGER NOT NULL,
    reason TEXT NOT NULL,
    words TEXT NOT NULL
  ) STRICT;
  INSERT INTO letters SELECT * FROM dead_letters ORDER BY number;
  DROP TABLE dead_letters;
  ALTER TABLE letters RENAME TO dead_letters;
  CREATE TABLE history (
    number INTEGER PRIMARY KEY,
    seq INTEGER NOT NULL,
    id TEXT NOT NULL,
    lane TEXT NOT NULL,
    title TEXT NOT NULL,
    timestamp INTEGER,
    attempts INTEGER NOT NULL,
    error TEXT,
    committed_at INTEGER NOT NULL,
    delivered_at INTEGER NOT NULL
  ) STRICT;
  CREATE TABLE notes (
    number INTEGER PRIMARY KEY,
    lane TEXT NOT NULL,
    at INTEGER NOT NULL,
    by TEXT NOT NULL,
    text TEXT NOT NULL,
    stored_at INTEGER NOT NULL
  ) STRICT;
  CREATE TABLE requests (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    at INTEGER NOT NULL,
    body TEXT NOT NULL,
    answer TEXT
  ) STRICT;
  `,
  `
  ALTER TABLE events ADD COLUMN traceparent TEXT;
  `
]

/** The version of a file, the mark of the program it belongs to, and how many tables it has. */
export const describe = (
  database: DatabaseSync
): { version: number; application: number; tables: number } => ({
  version: pragma(database, "user_version"),
  application: pragma(database, "application_id"),
  tables: Number(database.prepare("SELECT count(*) AS number FROM sqlite_schema").get()?.["number"])
})

const pragma = (database: DatabaseSync, name: "user_version" | "application_id"): number =>
  Number(database.prepare(`PRAGMA ${name}`).get()?.[name])

/**
 * Brings the file to the version that these migrations make, all in one transaction: after an error it is as it was.
 * Throws the errors of `node:sqlite`.
 */
export const migrate = (database: DatabaseSync, migrations: ReadonlyArray<string> = MIGRATIONS): void => {
  const { version } = describe(database)
  if (version >= migrations.length) return
  database.exec("BEGIN IMMEDIATE")
  try {
    for (const migration of migrations.slice(version)) database.exec(migration)
    database.exec(`PRAGMA user_version = ${migrations.length}`)
    database.exec("COMMIT")
  } catch (cause) {
    if (database.isTransaction) database.exec("ROLLBACK")
    throw cause
  }
}
