/**
 * The state file: made with its directory for the owner's eyes only, held by one agent at a time, checked and brought to
 * the current version before anything is read from it.
 *
 * Beside FILE stand `FILE.lock`, on which the operating system's lock is held, and `FILE.owner`, which says who holds it.
 * The lock is one of SQLite's own, so it is gone with the process, however that ends; neither file is ever in the way.
 */
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import { DatabaseSync } from "node:sqlite"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import { OutboxError } from "./Outbox.ts"
import { corrupt, fromCause, SqliteCode, sqliteCode } from "./OutboxSqliteError.ts"
import * as Tables from "./OutboxSqliteSchema.ts"

/** A store that is not kept. */
export const MEMORY = ":memory:"

/** How long another program may hold the file before an operation gives up. The event loop stands still meanwhile. */
const BUSY_TIMEOUT = 250

/** The same for who only looks, and has nothing else to do meanwhile. */
const READER_TIMEOUT = 5000

/** Opens the file, or makes it. It is closed, and free for others, with the scope. */
export const open = (options: {
  readonly path: string
  /** The most bytes that the file may have. */
  readonly maxFileBytes?: number | undefined
}): Effect.Effect<{ readonly path: string; readonly database: DatabaseSync }, OutboxError, Scope.Scope> =>
  Effect.gen(function* () {
    if (options.path === MEMORY)
      return { path: MEMORY, database: yield* openDatabase(MEMORY, options.maxFileBytes) }
    const path = yield* attempt(options.path, () => prepareFile(options.path))
    yield* lock(path)
    return { path, database: yield* openDatabase(path, options.maxFileBytes) }
  })

/** Opens a file that is there, only to read it, beside an agent that owns it or not. Takes no part in the lock. */
export const openToRead = (
  given: string
): Effect.Effect<{ readonly path: string; readonly database: DatabaseSync }, OutboxError, Scope.Scope> =>
  Effect.acquireRelease(
    attempt(given, () => {
      if (given === MEMORY)
        throw unusable("With `state_path` set to `:memory:` there is no state file to look at")
      if (!Fs.existsSync(given)) {
        throw unusable(
          `There is no state file ${Path.resolve(given)}. No agent has run here with this \`state_path\` yet`
        )
      }
      const path = Fs.realpathSync(given)
      const database = new DatabaseSync(path, { readOnly: true, timeout: READER_TIMEOUT })
      try {
        refuseForeign(path, Tables.describe(database))
        if (Tables.describe(database).version < Tables.MIGRATIONS.length) {
          throw unusable(
            `The state file ${path} was written by an older release. Start the agent of this release once: it brings the file up to date`
          )
        }
      } catch (cause) {
        database.close()
        throw cause
      }
      return { path, database }
    }),
    ({ database }) => Effect.sync(() => ignoreErrors(() => database.close()))
  )

/** Who owns the file now, in words. `path` is the one absolute path of the file. */
export const holder = (path: string): Option.Option<string> => {
  if (!Fs.existsSync(`${path}.lock`)) return Option.none()
  let probe: DatabaseSync | undefined
  try {
    probe = new DatabaseSync(`${path}.lock`, { readOnly: true, timeout: 0 })
    // Gets no answer while somebody has the exclusive lock.
    probe.prepare("SELECT count(*) FROM sqlite_schema").get()
    return Option.none()
  } catch (cause) {
    return sqliteCode(cause) === SqliteCode.Busy ? Option.some(holderOf(`${path}.owner`)) : Option.none()
  } finally {
    probe?.close()
  }
}

/** Whether opening failed because another program owns the file. */
export const isInUse = (error: OutboxError): boolean =>
  error.method === "open" && error.reason === "Unusable" && sqliteCode(error.cause) === SqliteCode.Busy

const attempt = <A>(path: string, work: () => A): Effect.Effect<A, OutboxError> =>
  Effect.try({
    try: work,
    catch: (cause) => {
      if (cause instanceof OutboxError) return cause
      // What fails at the start fails for good: nobody should wait for a path that is wrong.
      const { message } = fromCause("open", path, cause)
      return unusable(message, cause)
    }
  })

const unusable = (message: string, cause?: unknown): OutboxError =>
  new OutboxError({ method: "open", reason: "Unusable", message, ...(cause === undefined ? {} : { cause }) })

/** Makes what is missing, and gives the one absolute path that all names of the file lead to. */
const prepareFile = (given: string): string => {
  const directory = Path.dirname(Path.resolve(given))
  Fs.mkdirSync(directory, { recursive: true, mode: 0o700 })
  const path = Path.join(Fs.realpathSync(directory), Path.basename(given))
  createFile(path)
  return Fs.realpathSync(path)
}

/** SQLite gives its own further files the same mode. A file that is there is not opened: closing it would free its locks. */
const createFile = (path: string): void => {
  try {
    Fs.closeSync(Fs.openSync(path, "wx", 0o600))
  } catch (cause) {
    if (!(cause instanceof Error && "code" in cause && cause.code === "EEXIST")) throw cause
  }
}

const lock = Effect.fnUntraced(function* (path: string) {
  const since = DateTime.formatIso(yield* DateTime.now)
  const owner = `${path}.owner`
  const take = attempt(path, () => {
    createFile(`${path}.lock`)
    const holder = new DatabaseSync(`${path}.lock`, { timeout: BUSY_TIMEOUT })
    try {
      holder.exec("PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE")
    } catch (cause) {
      holder.close()
      switch (sqliteCode(cause)) {
        case SqliteCode.Busy:
          throw unusable(
            `The state file ${path} is in use by ${holderOf(owner)}. Two agents cannot share one: end that one, or set another \`state_path\``,
            cause
          )
        case SqliteCode.NotADatabase:
        case SqliteCode.Corrupt:
          throw unusable(
            `The lock file ${path}.lock was overwritten. If no agent uses ${path}, delete ${path}.lock`,
            cause
          )
        default:
          throw cause
      }
    }
    // Only for people: without it the lock holds just the same.
    ignoreErrors(() =>
      Fs.writeFileSync(owner, `${JSON.stringify({ pid: process.pid, host: Os.hostname(), since })}\n`, {
        mode: 0o600
      })
    )
    return holder
  })
  yield* Effect.acquireRelease(take, (holder) =>
    Effect.sync(() => {
      ignoreErrors(() => Fs.rmSync(owner, { force: true }))
      ignoreErrors(() => holder.close())
    })
  )
})

const ignoreErrors = (work: () => void): void => {
  try {
    work()
  } catch {
    // Said by the caller why this does not matter.
  }
}

const holderOf = (owner: string): string => {
  try {
    const { host, pid, since }: Record<string, unknown> = JSON.parse(Fs.readFileSync(owner, "utf8"))
    return `process ${String(pid)} on ${String(host)} since ${String(since)}`
  } catch {
    return "another process"
  }
}

const openDatabase = Effect.fnUntraced(function* (path: string, maxFileBytes: number | undefined) {
  if (path !== MEMORY) yield* attempt(path, () => check(path))
  return yield* Effect.acquireRelease(
    attempt(path, () => {
      const database = new DatabaseSync(path, { timeout: BUSY_TIMEOUT })
      try {
        prepareDatabase(database, maxFileBytes)
      } catch (cause) {
        database.close()
        throw cause
      }
      return database
    }),
    (database) => Effect.sync(() => ignoreErrors(() => database.close()))
  )
})

/** Refuses what this program does not understand, and what is damaged. Only reads, so that a refused file stays as it is. */
const check = (path: string): void => {
  const database = new DatabaseSync(path, { readOnly: true, timeout: BUSY_TIMEOUT })
  try {
    refuseForeign(path, Tables.describe(database))
    const findings = database
      .prepare("PRAGMA quick_check(3)")
      .all()
      .map((row) => String(row["quick_check"]))
    if (findings.join() !== "ok") throw corrupt("open", path, findings.join("; "))
  } finally {
    database.close()
  }
}

/** Throws for a database of another program, and of a newer release. */
const refuseForeign = (
  path: string,
  { application, tables, version }: ReturnType<typeof Tables.describe>
): void => {
  if (application !== Tables.APPLICATION_ID && (application !== 0 || version !== 0 || tables > 0)) {
    throw unusable(
      `The file ${path} is a database of another program. It was left as it is; set another \`state_path\``
    )
  }
  if (version > Tables.MIGRATIONS.length) {
    throw unusable(
      `The state file ${path} was written by a newer release (its version is ${version}, this release knows ` +
        `${Tables.MIGRATIONS.length}). It was left as it is: install the newer release, or set another \`state_path\``
    )
  }
}

const prepareDatabase = (database: DatabaseSync, maxFileBytes: number | undefined): void => {
  database.exec(`
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL;
    PRAGMA journal_size_limit = 67108864;
    PRAGMA temp_store = MEMORY;
  `)
  Tables.migrate(database)
  if (maxFileBytes !== undefined) {
    const pageSize = Number(database.prepare("PRAGMA page_size").get()?.["page_size"])
    database.exec(`PRAGMA max_page_count = ${Math.max(1, Math.floor(maxFileBytes / pageSize))}`)
  }
}
