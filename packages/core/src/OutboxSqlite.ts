/**
 * The Outbox in an SQLite file: the durable driver. A commit is one transaction that is on the disk when `commit` returns
 * (write-ahead log, `synchronous = FULL`), and so is each settlement of a claim. Which event goes next, and how the Outbox
 * stands, is kept in memory and rebuilt when the file is opened, so that neither claims nor status search the file.
 *
 * One process owns the file at a time. Its transactions are short, because `node:sqlite` holds up the event loop while
 * they last: some milliseconds for a thousand events. Rows that cannot be read any more are moved into the table
 * `quarantine` and logged.
 */
import * as Clock from "effect/Clock"
import type * as Config from "effect/Config"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import * as Event from "@observability-agents/toolkit/Event"
import type { Section } from "@observability-agents/toolkit/Settings"
import { CoreSettings } from "./CoreSettings.ts"
import * as EventTitle from "./EventTitle.ts"
import {
  type Claim,
  type Commit,
  DEAD_LETTER_CAPACITY,
  type DeadLetter,
  HISTORY_LIMIT,
  HISTORY_RETENTION,
  IDENTITY_RETENTION,
  Outbox,
  type OutboxError
} from "./Outbox.ts"
import * as Cursor from "./Cursor.ts"
import * as Codec from "./OutboxSqliteCodec.ts"
import { fromCause } from "./OutboxSqliteError.ts"
import { OutboxFault } from "./OutboxSqliteFault.ts"
import * as File from "./OutboxSqliteFile.ts"
import * as History from "./OutboxSqliteHistory.ts"
import * as Lanes from "./OutboxSqliteLanes.ts"
import * as Letters from "./OutboxSqliteLetters.ts"
import * as Requests from "./OutboxSqliteRequests.ts"
import * as Store from "./OutboxSqliteStore.ts"
import * as Verify from "./OutboxSqliteVerify.ts"
import { type Capacity, fullness, makeSignal } from "./OutboxSqliteWaiting.ts"
import * as SteadyTime from "./SteadyTime.ts"
import * as TraceContext from "./TraceContext.ts"
import type { TrackedRun } from "./TrackedRun.ts"

/** How much makes commits wait. */
export type { Capacity } from "./OutboxSqliteWaiting.ts"

/** Where the Outbox is kept, and how much of it. */
export interface Options {
  /** The file, made with its directory when missing; `:memory:` keeps nothing. */
  readonly path: string
  /** Pending events. Default: 100 000, and 80 000 to go on. */
  readonly capacity?: Capacity | undefined
  /** Bytes of the pending events' bodies. Default: 512 MiB, and 400 MiB to go on. */
  readonly capacityBytes?: Capacity | undefined
  /** How long identities are kept; longer than any tool's look-back. Those of pending events stay. Default `IDENTITY_RETENTION`. */
  readonly identityRetention?: Duration.Input | undefined
  /** How long notes and delivered events are kept. Default `HISTORY_RETENTION`. */
  readonly historyRetention?: Duration.Input | undefined
  /** How many of each are kept. Default `HISTORY_LIMIT`; with 0 there is no history. */
  readonly historyLimit?: number | undefined
  /** How many dead letters are kept; of more, the oldest go. Default `DEAD_LETTER_CAPACITY`. */
  readonly deadLetterCapacity?: number | undefined
  /** The most bytes the file may have (the write-ahead log not counted); a full file is like a full disk. Default: no limit. */
  readonly maxFileBytes?: number | undefined
}

/** The Outbox in that file. Fails as `Unusable` if the file is in use, damaged, not ours, or from a newer release. */
export const layer = (options: Options): Layer.Layer<Outbox, OutboxError> =>
  Layer.effect(Outbox, make(options))

/** What the settings of `[core]` say of the Outbox. */
export const optionsOf = (core: typeof CoreSettings extends Section<infer A> ? A : never): Options => ({
  path: core.statePath,
  capacity: { high: core.outboxMaxEvents, low: core.outboxResumeEvents },
  capacityBytes: { high: core.outboxMaxBytes, low: core.outboxResumeBytes },
  historyRetention: core.historyRetention,
  historyLimit: core.historyLimit
})

/** The Outbox in the file that `state_path` of `[core]` names, as large as the settings there say. */
export const layerConfig: Layer.Layer<Outbox, OutboxError | Config.ConfigError> = Layer.unwrap(
  Effect.map(CoreSettings.config, (core) => layer(optionsOf(core)))
)

/** Opens the Outbox in that file until the end of the scope. See {@link layer}. */
export const make = Effect.fnUntraced(function* (
  options: Options
): Effect.fn.Return<Outbox["Service"], OutboxError, Scope.Scope> {
  const fault = yield* OutboxFault
  const { database, path } = yield* File.open(options)
  const attempt = <A>(method: string, work: () => A): Effect.Effect<A, OutboxError> =>
    Effect.try({ try: work, catch: (cause) => fromCause(method, path, cause) })

  const retention = Duration.toMillis(options.identityRetention ?? IDENTITY_RETENTION)
  const history: History.Bounds = {
    retention: Duration.toMillis(options.historyRetention ?? HISTORY_RETENTION),
    limit: options.historyLimit ?? HISTORY_LIMIT
  }
  const deadLetterCapacity = Math.max(1, options.deadLetterCapacity ?? DEAD_LETTER_CAPACITY)
  const lanes = Lanes.make()
  // Waits follow this one; the file keeps the system's time.
  const steady = yield* SteadyTime.make
  const opened = yield* Clock.currentTimeMillis
  const { facts, store } = yield* attempt("open", () => {
    const store = Store.make(database, { fault, retention, history })
    for (const item of store.pending()) {
      // What was never tried is due, and no wait is long: a later time comes from a clock that was ahead.
      const wait = Math.min(item.dueAt - opened, item.attempts === 0 ? 0 : LONGEST_SLEEP)
      lanes.add({ ...item, dueAt: steady.now() + wait })
    }
    return { store, facts: store.facts() }
  })
  let { deadLetters, delivered, latestDelivered } = facts
  const claims = new Map<string, { readonly item: Lanes.Item; readonly timestamp: number | undefined }>()
  let tokens = 0
  const checkpoints = new Map<
    string,
    { cursor: number | undefined; readonly runs: Map<string, TrackedRun> }
  >()
  const commits = new Map<string, number>()

  const isFull = fullness(lanes, options)
  // A store that was full when it was closed is full still.
  isFull()
  const room = makeSignal()
  const heads = makeSignal()
  const gate = Semaphore.makeUnsafe(1)

  const setAside = (method: string, row: Store.Row, reason: string) =>
    Effect.andThen(
      Effect.flatMap(Clock.currentTimeMillis, (at) =>
        attempt(method, () => {
          const isThere = store.setAside(row, at, reason)
          if (isThere && row.table === "dead_letters") deadLetters -= 1
        })
      ),
      Effect.annotateLogs(Effect.logError("A row of the state file could not be read and was set aside"), {
        file: path,
        ...row
      })
    )

  let isWarned = false
  const warnFull = Effect.suspend(() => {
    if (isWarned) return Effect.void
    isWarned = true
    return Effect.annotateLogs(
      Effect.logWarning("There are too many dead letters: for each new one the oldest is removed"),
      { file: path, kept: deadLetterCapacity }
    )
  })

  const write = Effect.fnUntraced(function* (commit: Commit, traceparent: string | undefined) {
    const { events, runs } = yield* encode(commit)
    const at = yield* Clock.currentTimeMillis
    const cursor = commit.cursor?.epochMilliseconds
    const { added, flawed } = yield* attempt("commit", () => {
      const { forget, notes = [], source } = commit
      const done = store.commit({ source, at, cursor, runs, forget, events, notes, traceparent })
      for (const item of done.added) lanes.add({ ...item, dueAt: steady.now() })
      commits.set(commit.source, (commits.get(commit.source) ?? 0) + 1)
      isFull()
      const known = checkpoints.get(commit.source)
      if (known !== undefined) {
        known.cursor = Cursor.move(known.cursor, cursor, at)
        for (const run of commit.runs) known.runs.set(run.key, run)
        for (const key of commit.forget) known.runs.delete(key)
      }
      return done
    })
    if (added.length > 0) heads.wake()
    if (flawed > 0) {
      yield* Effect.annotateLogs(Effect.logError("Events that are none were set aside in the state file"), {
        file: path,
        events: flawed
      })
    }
    const accepted = added.length + flawed
    return { accepted, repeated: commit.entries.length - accepted }
  })

  const checkpointOf = Effect.fnUntraced(function* (source: string) {
    for (;;) {
      const cached = checkpoints.get(source)
      if (cached !== undefined) return cached
      const seen = commits.get(source)
      const { cursor, rows } = yield* attempt("checkpoint", () => ({
        cursor: store.cursor(source),
        rows: store.runs(source)
      }))
      const runs = new Map<string, TrackedRun>()
      for (const [index, { body, key, source: storedSource }] of rows.entries()) {
        if (index % BETWEEN_YIELDS === BETWEEN_YIELDS - 1) yield* Effect.yieldNow
        const run = Codec.decodeRun(body)
        if (Result.isSuccess(run)) runs.set(run.success.key, run.success)
        // A commit in between may have written it anew.
        else if (seen === commits.get(source))
          yield* setAside("checkpoint", { table: "runs", source: storedSource, key }, run.failure)
      }
      if (seen !== commits.get(source)) continue
      const loaded = { cursor, runs }
      checkpoints.set(source, loaded)
      return loaded
    }
  })

  /** The event of an item that was taken, or undefined when it could not be read and was set aside. */
  const read = Effect.fnUntraced(function* (item: Lanes.Item) {
    const stored = yield* attempt("claim", () => store.event(item.seq))
    const event =
      stored === undefined ? Result.fail("it is incomplete") : Codec.decodeEvent(stored.path, stored.body)
    if (stored !== undefined && Result.isSuccess(event)) {
      const { id, lane, traceparent } = stored
      return { entry: { id, lane, event: event.success }, traceparent }
    }
    yield* setAside("claim", { table: "events", seq: item.seq }, Result.isFailure(event) ? event.failure : "")
    lanes.remove(item)
    heads.wake()
    room.wake()
    return undefined
  })

  const claim = Effect.uninterruptible(
    Effect.gen(function* () {
      for (;;) {
        const now = steady.now()
        const seen = heads.count()
        const item = lanes.take(now)
        if (item === undefined) {
          const dueAt = lanes.nextDueAt()
          const woken = heads.waitUntil(() => heads.count() !== seen)
          // Also for a caller who masks interruption, as he has to: see the port.
          yield* Effect.interruptible(
            dueAt === undefined ? woken : Effect.timeoutOption(woken, Math.min(dueAt - now, LONGEST_SLEEP))
          )
          continue
        }
        const found = yield* Effect.onError(read(item), () =>
          Effect.sync(() => {
            lanes.putBack(item)
            heads.wake()
          })
        )
        if (found === undefined) continue
        const { entry, traceparent } = found
        const token = `${item.seq}.${tokens++}`
        claims.set(token, { item, timestamp: entry.event.timestamp?.epochMilliseconds })
        const { attempts, committedAt } = item
        return { entry, attempts, committedAt: DateTime.makeUnsafe(committedAt), traceparent, token }
      }
    })
  )

  /** Changes the store, then what is known of it; of a claim that is settled already, nothing. */
  const settle = <A>(
    method: string,
    claim: Claim,
    change: (item: Lanes.Item, now: number, timestamp: number | undefined) => A,
    apply: (item: Lanes.Item, changed: A) => void
  ) =>
    Effect.flatMap(Clock.currentTimeMillis, (now) => {
      const held = claims.get(claim.token)
      if (held === undefined) return Effect.void
      return Effect.map(
        attempt(method, () => {
          const changed = change(held.item, now, held.timestamp)
          claims.delete(claim.token)
          apply(held.item, changed)
        }),
        () => {
          heads.wake()
          if (!isFull()) room.wake()
        }
      )
    })

  const outbox = Outbox.of({
    commit: (commit) =>
      TraceContext.withCommitSpan(commit, (traceparent) =>
        gate.withPermit(
          Effect.uninterruptibleMask((restore) =>
            Effect.andThen(
              Effect.suspend(() => (isFull() ? restore(room.waitUntil(() => !isFull())) : Effect.void)),
              write(commit, traceparent)
            )
          )
        )
      ),
    checkpoint: (source) =>
      Effect.map(checkpointOf(source), ({ cursor, runs }) => ({
        cursor: Option.map(Option.fromUndefinedOr(cursor), DateTime.makeUnsafe),
        runs: new Map(runs)
      })),
    claim,
    delivered: (claim) =>
      settle(
        "delivered",
        claim,
        ({ seq }, at, timestamp) => {
          store.delivered(seq, { at, timestamp, title: EventTitle.title(claim.entry.event) })
          return timestamp
        },
        (item, timestamp) => {
          delivered += 1
          if (timestamp !== undefined) latestDelivered = Math.max(timestamp, latestDelivered ?? timestamp)
          lanes.remove(item)
        }
      ),
    retry: (claim, { after, error }) =>
      settle(
        "retry",
        claim,
        ({ seq }, now) =>
          store.putOff(seq, Math.min(now + Math.ceil(Duration.toMillis(after)), LATEST), error),
        (item) => lanes.putOff(item, steady.now() + Math.ceil(Duration.toMillis(after)))
      ),
    release: (claim) =>
      settle(
        "release",
        claim,
        () => {},
        (item) => lanes.putBack(item)
      ),
    bury: (claim, { reason, words }) =>
      Effect.suspend(() => {
        const isFull = deadLetters >= deadLetterCapacity
        return Effect.andThen(
          settle(
            "bury",
            claim,
            ({ seq }, now) => {
              const tooMany = Math.max(0, deadLetters + 1 - deadLetterCapacity)
              store.bury(seq, now, reason, words, tooMany)
              return tooMany
            },
            (item, tooMany) => {
              deadLetters += 1 - tooMany
              lanes.remove(item)
            }
          ),
          isFull ? warnFull : Effect.void
        )
      }),
    deadLetters: Effect.gen(function* () {
      const letters: Array<DeadLetter> = []
      for (const [index, letter] of (yield* attempt("deadLetters", store.deadLetters)).entries()) {
        if (index % BETWEEN_YIELDS === BETWEEN_YIELDS - 1) yield* Effect.yieldNow
        const decoded = Letters.decode(letter)
        if (Result.isSuccess(decoded)) letters.push(decoded.success)
        else yield* setAside("deadLetters", { table: "dead_letters", number: letter.number }, decoded.failure)
      }
      return letters
    }),
    replay: (numbers) =>
      Effect.uninterruptible(
        Effect.flatMap(Clock.currentTimeMillis, (at) =>
          attempt("replay", () => {
            const { added, done } = store.replay(numbers, at)
            for (const item of added) lanes.add({ ...item, dueAt: steady.now() })
            deadLetters -= done.length
            isFull()
            heads.wake()
            return done
          })
        )
      ),
    drop: (numbers) =>
      Effect.uninterruptible(
        Effect.flatMap(Clock.currentTimeMillis, (at) =>
          attempt("drop", () => {
            const done = store.drop(numbers, at)
            deadLetters -= done.length
            return done
          })
        )
      ),
    history: (lane) =>
      Effect.flatMap(Clock.currentTimeMillis, (now) =>
        attempt("history", () => History.read(database, lane, { ...history, now }))
      ),
    verify: Verify.verify(database, path),
    status: Effect.sync(() => ({
      pending: lanes.pending(),
      inFlight: claims.size,
      lanes: lanes.lanes(),
      deadLetters,
      delivered,
      oldestPending: Option.map(Option.fromUndefinedOr(lanes.oldest()), DateTime.makeUnsafe),
      latestDelivered: Option.map(Option.fromUndefinedOr(latestDelivered), DateTime.makeUnsafe)
    }))
  })
  if (path !== File.MEMORY) yield* Effect.forkScoped(Requests.serve(database, outbox))
  return outbox
})

/** How many rows are encoded or decoded before other fibers get their turn. */
const BETWEEN_YIELDS = 100

/** Timers do not go further than 24 days. */
const LONGEST_SLEEP = 3_600_000

/** The last moment a DateTime can hold. */
const LATEST = 8_640_000_000_000_000

const encode = Effect.fnUntraced(function* (commit: Commit) {
  const events: Array<Store.NewEvent> = []
  for (const { event, id, lane } of commit.entries) {
    const path = Event.path(event)
    const body = Codec.encodeEvent(path, event)
    events.push(
      Result.isSuccess(body)
        ? { id, lane, path, body: body.success }
        : { id, lane, path, body: "", flaw: body.failure }
    )
    if (events.length % BETWEEN_YIELDS === 0) yield* Effect.yieldNow
  }
  const runs: Array<{ readonly key: string; readonly body: string }> = []
  for (const run of commit.runs) {
    runs.push({ key: run.key, body: Codec.encodeRun(run) })
    if (runs.length % BETWEEN_YIELDS === 0) yield* Effect.yieldNow
  }
  return { events, runs }
})
