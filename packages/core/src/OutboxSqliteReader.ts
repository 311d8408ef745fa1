/**
 * A state file to look at, while an agent works on it or not: on a connection that can only read, and that takes no part
 * in the lock. Each answer is one consistent view of the file.
 */
import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import * as Outbox from "./Outbox.ts"
import { number, only, optionalNumber, optionalText, text } from "./OutboxSqliteCells.ts"
import * as Codec from "./OutboxSqliteCodec.ts"
import { fromCause } from "./OutboxSqliteError.ts"
import * as File from "./OutboxSqliteFile.ts"
import * as History from "./OutboxSqliteHistory.ts"
import * as Letters from "./OutboxSqliteLetters.ts"
import * as Verify from "./OutboxSqliteVerify.ts"
import * as RunNote from "./RunNote.ts"
import type { TrackedRun } from "./TrackedRun.ts"

/** How the file stands. */
export interface Summary {
  readonly pending: number
  /** Of the pending events' bodies. */
  readonly bytes: number
  readonly lanes: number
  readonly oldestPending: Option.Option<DateTime.Utc>
  /** Pending events that were tried and put off, and why the last of them was. */
  readonly retrying: number
  readonly lastError: Option.Option<string>
  readonly deadLetters: number
  /** Rows that could not be read and were set aside. */
  readonly quarantined: number
  /** Events delivered since the file was made. */
  readonly delivered: number
  readonly latestDelivered: Option.Option<DateTime.Utc>
  /** Delivered events and notes that are kept as history. */
  readonly history: { readonly delivered: number; readonly notes: number }
  readonly identities: number
}

/** What a source has committed. */
export interface Source {
  readonly source: string
  readonly cursor: Option.Option<DateTime.Utc>
  readonly runs: ReadonlyArray<TrackedRun>
}

/** A state file, opened to be read. */
export interface Reader {
  /** The one absolute path of the file. */
  readonly path: string
  /** How much history was asked for; who changes the file keeps as much. */
  readonly bounds: { readonly historyRetention: Duration.Input; readonly historyLimit: number }
  /** Who owns the file now, in words; none while no agent runs on it. */
  readonly holder: Option.Option<string>
  readonly summary: Effect.Effect<Summary, Outbox.OutboxError>
  /** All dead letters, the oldest first. Those whose event cannot be read are left out. */
  readonly deadLetters: Effect.Effect<ReadonlyArray<Outbox.DeadLetter>, Outbox.OutboxError>
  /** The dead letters whose event cannot be read, as they are stored; the oldest first. */
  readonly unreadableLetters: Effect.Effect<ReadonlyArray<Letters.StoredDeadLetter>, Outbox.OutboxError>
  /** Rows that could not be read and were set aside, the oldest first. */
  readonly quarantined: Effect.Effect<ReadonlyArray<History.Quarantined>, Outbox.OutboxError>
  /** All lanes of which there is something: an event, a dead letter, history, a tracked run, or a row set aside. */
  readonly lanes: Effect.Effect<ReadonlyArray<string>, Outbox.OutboxError>
  readonly history: (lane: string) => Effect.Effect<Outbox.LaneHistory, Outbox.OutboxError>
  readonly sources: Effect.Effect<ReadonlyArray<Source>, Outbox.OutboxError>
  /** Whether an event of that identity was committed before: before that moment, if one is given. */
  readonly knows: (id: string, before?: DateTime.Utc) => Effect.Effect<boolean, Outbox.OutboxError>
  readonly verify: Effect.Effect<Verify.Report, Outbox.OutboxError>
}

/** Opens the file to read it, until the end of the scope. Fails as `Unusable` where it is not there, or not readable here. */
export const open = Effect.fnUntraced(function* (options: {
  readonly path: string
  readonly historyRetention?: Duration.Input | undefined
  readonly historyLimit?: number | undefined
}): Effect.fn.Return<Reader, Outbox.OutboxError, Scope.Scope> {
  const { database, path } = yield* File.openToRead(options.path)
  const holder = File.holder(path)
  const retention = Duration.toMillis(options.historyRetention ?? Outbox.HISTORY_RETENTION)
  const limit = options.historyLimit ?? Outbox.HISTORY_LIMIT

  const view = <A>(method: string, work: () => A): Effect.Effect<A, Outbox.OutboxError> =>
    Effect.try({
      try: () => {
        database.exec("BEGIN")
        try {
          return work()
        } finally {
          if (database.isTransaction) database.exec("COMMIT")
        }
      },
      catch: (cause) => fromCause(method, path, cause)
    })
  const time = (millis: number | undefined) => Option.map(Option.fromUndefinedOr(millis), DateTime.makeUnsafe)

  const runs = (): ReadonlyArray<{ readonly source: string; readonly run: TrackedRun }> =>
    database
      .prepare("SELECT source, body FROM runs")
      .all()
      .flatMap((row) => {
        const run = Codec.decodeRun(text(row, "body"))
        return Result.isSuccess(run)
          ? [{ source: Codec.decodeName(text(row, "source")), run: run.success }]
          : []
      })

  return {
    path,
    bounds: { historyRetention: retention, historyLimit: limit },
    holder,
    summary: view("summary", () => {
      const pending = only(
        database,
        `SELECT count(*) AS pending, coalesce(sum(octet_length(body)), 0) AS bytes, count(DISTINCT lane) AS lanes,
                min(committed_at) AS oldest, count(*) FILTER (WHERE attempts > 0) AS retrying FROM events`
      )
      const facts = only(
        database,
        `SELECT delivered, latest_delivered, (SELECT count(*) FROM dead_letters) AS dead,
                (SELECT count(*) FROM quarantine) AS aside, (SELECT count(*) FROM identities) AS identities FROM facts`
      )
      const last = only(
        database,
        "SELECT error FROM events WHERE error IS NOT NULL ORDER BY due_at DESC LIMIT 1"
      )
      return {
        pending: number(pending, "pending"),
        bytes: number(pending, "bytes"),
        lanes: number(pending, "lanes"),
        oldestPending: time(optionalNumber(pending, "oldest")),
        retrying: number(pending, "retrying"),
        lastError: Option.fromUndefinedOr("error" in last ? optionalText(last, "error") : undefined),
        deadLetters: number(facts, "dead"),
        quarantined: number(facts, "aside"),
        delivered: number(facts, "delivered"),
        latestDelivered: time(optionalNumber(facts, "latest_delivered")),
        history: History.counts(database),
        identities: number(facts, "identities")
      }
    }),
    deadLetters: Effect.map(
      view("deadLetters", () => Letters.read(database)),
      (letters) =>
        letters.flatMap((letter) => {
          const decoded = Letters.decode(letter)
          return Result.isSuccess(decoded) ? [decoded.success] : []
        })
    ),
    unreadableLetters: view("deadLetters", () =>
      Letters.read(database).filter((letter) => Result.isFailure(Letters.decode(letter)))
    ),
    quarantined: view("quarantined", () => History.quarantined(database)),
    lanes: view("lanes", () => {
      const stored = database
        .prepare(
          "SELECT lane FROM events UNION SELECT lane FROM dead_letters UNION SELECT lane FROM history UNION SELECT lane FROM notes"
        )
        .all()
        .map((row) => Codec.decodeName(text(row, "lane")))
      const aside = History.quarantined(database).flatMap(({ lane }) => (lane === undefined ? [] : [lane]))
      return Array.from(new Set([...stored, ...runs().map(({ run }) => RunNote.lane(run)), ...aside]))
    }),
    history: (lane) =>
      Effect.flatMap(Clock.currentTimeMillis, (now) =>
        view("history", () => History.read(database, lane, { now, retention, limit }))
      ),
    sources: view("sources", () => {
      const sources = new Map<string, { cursor: number | undefined; readonly runs: Array<TrackedRun> }>()
      for (const row of database.prepare("SELECT source, at FROM cursors ORDER BY source").all()) {
        sources.set(Codec.decodeName(text(row, "source")), { cursor: number(row, "at"), runs: [] })
      }
      for (const { run, source } of runs()) {
        const known = sources.get(source)
        if (known === undefined) sources.set(source, { cursor: undefined, runs: [run] })
        else known.runs.push(run)
      }
      return Array.from(sources, ([source, { cursor, runs }]) => ({
        source,
        cursor: time(cursor),
        runs
      })).filter(({ source }) => !source.startsWith("~"))
    }),
    knows: (id, before) =>
      view(
        "knows",
        () =>
          database
            .prepare("SELECT 1 FROM identities WHERE id = ? AND at < ?")
            .get(Codec.encodeName(id), before?.epochMilliseconds ?? Number.MAX_SAFE_INTEGER) !== undefined
      ),
    verify: Verify.inspect(database, path)
  }
})
