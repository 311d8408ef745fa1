/**
 * What goes through an Outbox, watched: metrics, news to those who look on, the sources and the runs that are followed, and
 * whether delivery gets on. Nothing of what the Outbox promises is changed by it.
 *
 * Two parts of Health come from here. `state store` fails while the store cannot do its work. `delivery` fails while events
 * wait and none has left the Outbox for {@link PATIENCE}, whatever the reason. All of that is measured by the monotonic clock.
 */
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import * as Metric from "effect/Metric"
import * as Activity from "./Activity.ts"
import * as AgentMetrics from "./AgentMetrics.ts"
import { Health, type Stuck } from "./Health.ts"
import type { Commit, Committed, Outbox, OutboxError, OutboxStatus } from "./Outbox.ts"
import * as SteadyTime from "./SteadyTime.ts"
import { isOpen, type TrackedRun } from "./TrackedRun.ts"

/** The part of Health that tells whether the store does its work. */
export const STORE = "state store"

/** The part of Health that tells whether events that wait leave the Outbox. */
export const DELIVERY = "delivery"

/** How long nothing may leave the Outbox while events wait: more than the longest wait between two tries by default. */
export const PATIENCE: Duration.Duration = Duration.seconds(90)

/**
 * A source as it was committed.
 *
 * @category models
 */
export interface Source {
  readonly source: string
  /** Up to when it was read. Absent before its first commit with one. */
  readonly cursor: DateTime.Utc | undefined
  /** How many of its runs are open. */
  readonly open: number
}

/**
 * What was seen of an Outbox since the process began. Costs nothing until it is asked.
 *
 * @category services
 */
export class OutboxWatch extends Context.Service<
  OutboxWatch,
  {
    /** All sources that were read or committed since. */
    readonly sources: () => ReadonlyArray<Source>
    /** The open runs of all sources, the newest first, and at most so many. */
    readonly runs: (limit: number) => ReadonlyArray<TrackedRun & { readonly source: string }>
    /** Events committed, delivered and buried since, and the sum of the seconds between those delivered and what they tell. */
    readonly counts: () => {
      readonly committed: number
      readonly delivered: number
      readonly rejected: number
      readonly lag: number
    }
    /** Since when a commit has been in work that is not done: it waits for room, or for the store. Milliseconds since 1970. */
    readonly committingSince: () => number | undefined
    /**
     * How many milliseconds ago the Outbox last held somebody up for long: 0 while it does, `Infinity` if it never did.
     * `sender` is who settles events, `others` are those who commit or wait for somebody who does. What failed and is tried
     * again holds up all of them, the pauses between the tries included.
     */
    readonly sinceHeldUp: (who: "sender" | "others") => number
    /** Forgets all sources, because those who read them end: who is there afterwards makes itself known again by its checkpoint. */
    readonly forgetSources: Effect.Effect<void>
  }
>()("@observability-agents/core/OutboxWatch") {}

/** Watches an Outbox, until the Scope closes. Use the one that it gives. */
export const make = Effect.fnUntraced(function* (
  outbox: Outbox["Service"]
): Effect.fn.Return<
  { readonly outbox: Outbox["Service"]; readonly watch: OutboxWatch["Service"] },
  never,
  Activity.Activity | Health | Scope.Scope
> {
  const { tell } = yield* Activity.Activity
  const health = yield* Health
  const time = yield* SteadyTime.make
  const scope = yield* Effect.scope
  const sources = new Map<
    string,
    {
      cursor: DateTime.Utc | undefined
      readonly open: Map<string, TrackedRun>
      readonly scope: Scope.Closeable
    }
  >()
  const counts = { committed: 0, delivered: 0, rejected: 0, lag: 0 }
  // When events began to wait, and when the last one left, whichever is later.
  let waitingSince = time.now()
  let storeFails = false
  const working = new Set<Work>()
  /** What failed and may be tried again, by what it is about: a commit, a claim, a source. */
  const failed = new Map<unknown, Work & { lastTry: number }>()
  const heldUntil = { sender: Number.NEGATIVE_INFINITY, others: Number.NEGATIVE_INFINITY }

  const committedBy = AgentMetrics.family("events_committed_total", (type) => ({ type }))
  const deliveredBy = AgentMetrics.family("events_delivered_total", (type) => ({ type }))
  const rejectedBy = AgentMetrics.family("events_rejected_total", (type) => ({ type }))
  const lag = AgentMetrics.histogram("delivery_lag_seconds", {})
  const types = Activity.eventTypes.map((type) => ({ type }))
  yield* AgentMetrics.begun("events_committed_total", types)
  yield* AgentMetrics.begun("events_delivered_total", types)
  yield* AgentMetrics.begun("events_rejected_total", types)
  yield* Metric.value(lag)

  // Drivers count along in memory: the status is there at once.
  const status = (read: (status: OutboxStatus) => number) => () => {
    const exit = Effect.runSyncExit(outbox.status)
    return Exit.isSuccess(exit) ? read(exit.value) : Number.NaN
  }
  yield* AgentMetrics.observe(
    "outbox_events",
    { state: "pending" },
    status(({ pending }) => pending)
  )
  yield* AgentMetrics.observe(
    "outbox_events",
    { state: "in_flight" },
    status(({ inFlight }) => inFlight)
  )
  yield* AgentMetrics.observe(
    "outbox_events",
    { state: "dead" },
    status(({ deadLetters }) => deadLetters)
  )
  yield* AgentMetrics.observe(
    "outbox_lanes",
    {},
    status(({ lanes }) => lanes)
  )
  yield* AgentMetrics.observe(
    "outbox_oldest_pending_seconds",
    {},
    status(({ oldestPending }) =>
      Option.match(oldestPending, {
        onNone: () => 0,
        onSome: ({ epochMilliseconds }) => Math.max(0, time.toSystem(time.now()) - epochMilliseconds) / 1000
      })
    )
  )

  yield* health.watch(
    DELIVERY,
    Effect.map(outbox.status, ({ pending }) => {
      const lasted = time.now() - waitingSince
      if (pending === 0 || lasted < Duration.toMillis(PATIENCE)) return Option.none<Stuck>()
      return Option.some({
        since: DateTime.makeUnsafe(time.toSystem(waitingSince)),
        lasted,
        reason: pending === 1 ? "an event waits and does not leave" : `${pending} events wait and none leaves`
      })
    })
  )

  const heldUp = (kind: Work["kind"] | "store", until: number): void => {
    if (kind !== "commit") heldUntil.sender = Math.max(heldUntil.sender, until)
    if (kind !== "settle") heldUntil.others = Math.max(heldUntil.others, until)
  }

  /** Whether something that failed is tried again. What nobody has tried for long was given up. */
  const retries = (): boolean => {
    for (const [about, { lastTry }] of failed) {
      if (time.now() - lastTry < LONG_MILLIS) continue
      failed.delete(about)
      heldUp("store", lastTry)
    }
    return failed.size > 0
  }

  const store = <A>(
    kind: Work["kind"],
    about: unknown,
    effect: Effect.Effect<A, OutboxError>
  ): Effect.Effect<A, OutboxError> =>
    Effect.suspend(() => {
      const known = failed.get(about)
      const work: Work = { kind, since: known?.since ?? time.now() }
      if (known !== undefined) known.lastTry = Number.POSITIVE_INFINITY
      working.add(work)
      return Effect.onExit(effect, (exit) => {
        working.delete(work)
        const now = time.now()
        const failure = Exit.isSuccess(exit)
          ? undefined
          : exit.cause.reasons.find((reason) => reason._tag === "Fail")
        if (failure !== undefined) {
          if (failure.error.reason === "Unavailable") failed.set(about, { ...work, lastTry: now })
          storeFails = true
          return health.failed(STORE, failure.error.message)
        }
        if (failed.delete(about)) heldUp("store", now)
        else if (now - work.since >= LONG_MILLIS) heldUp(kind, now)
        // One success, such as a read, says nothing of what is still tried in vain.
        if (!Exit.isSuccess(exit) || !storeFails || retries()) return Effect.void
        storeFails = false
        return health.succeeded(STORE)
      })
    })

  /** Events that come in where none waited begin to wait now. */
  const cameIn = (amount: number) =>
    amount === 0
      ? Effect.void
      : Effect.map(outbox.status, ({ pending }) => {
          if (pending <= amount) waitingSince = time.now()
        })

  const open = Effect.fnUntraced(function* (name: string) {
    const source = {
      cursor: undefined,
      open: new Map<string, TrackedRun>(),
      scope: yield* Scope.fork(scope)
    }
    sources.set(name, source)
    yield* Scope.provide(
      AgentMetrics.runsFollowed(name, () => source.open.size),
      source.scope
    )
    return source
  })
  const sourceOf = (name: string) =>
    Effect.suspend(() => {
      const known = sources.get(name)
      return known === undefined ? open(name) : Effect.succeed(known)
    })

  const committed = Effect.fnUntraced(function* (commit: Commit, { accepted, repeated }: Committed) {
    const source = yield* sourceOf(commit.source)
    for (const run of commit.runs) {
      if (isOpen(run)) source.open.set(run.key, run)
      else source.open.delete(run.key)
    }
    for (const key of commit.forget) source.open.delete(key)
    if (commit.cursor !== undefined) source.cursor = commit.cursor
    counts.committed += accepted
    // Of a commit that repeats known events, those stand first, for runs are told in their order.
    const types = new Map<string, number>()
    for (const { event } of commit.entries.slice(commit.entries.length - accepted)) {
      const type = Activity.typeOf(event)
      types.set(type, (types.get(type) ?? 0) + 1)
    }
    for (const [type, amount] of types) yield* committedBy(type, amount)
    if (commit.entries.length > 0) {
      yield* tell(() => ({
        kind: "committed",
        source: commit.source,
        accepted,
        repeated,
        runs: new Set(commit.entries.map(({ lane }) => lane)).size
      }))
    }
    const { cursor } = commit
    if (cursor !== undefined) yield* tell(() => ({ kind: "polled", source: commit.source, cursor }))
  })

  const commit = (commit: Commit) =>
    store("commit", commit, outbox.commit(commit)).pipe(
      Effect.tap(({ accepted }) => cameIn(accepted)),
      Effect.tap((done) => (commit.source.startsWith("~") ? Effect.void : committed(commit, done)))
    )

  const left = (): void => {
    waitingSince = time.now()
  }

  return {
    watch: OutboxWatch.of({
      sources: () =>
        Array.from(sources, ([source, { cursor, open }]) => ({ source, cursor, open: open.size })).sort(
          (a, b) => (a.source < b.source ? -1 : 1)
        ),
      runs: (limit) => {
        const all = Array.from(sources, ([source, { open }]) =>
          // The newest came last.
          Array.from(open.values().drop(Math.max(0, open.size - limit)), (run) => ({ ...run, source }))
        ).flat()
        const start = (run: TrackedRun) => (run.startedAt ?? run.observedAt).epochMilliseconds
        return all.sort((a, b) => start(b) - start(a)).slice(0, limit)
      },
      counts: () => ({ ...counts }),
      committingSince: () => {
        retries()
        let first: number | undefined
        for (const { kind, since } of [...working, ...failed.values()]) {
          if (kind === "commit") first = Math.min(first ?? since, since)
        }
        return first === undefined ? undefined : time.toSystem(first)
      },
      sinceHeldUp: (who) => {
        if (retries()) return 0
        const awaited = who === "sender" ? "settle" : "commit"
        for (const { kind } of working) if (kind === awaited) return 0
        return time.now() - heldUntil[who]
      },
      forgetSources: Effect.suspend(() => {
        const all = Array.from(sources.values())
        sources.clear()
        return Effect.forEach(all, ({ scope }) => Scope.close(scope, Exit.void), { discard: true })
      })
    }),
    outbox: {
      ...outbox,
      commit,
      checkpoint: (name) =>
        Effect.tap(store("read", `checkpoint ${name}`, outbox.checkpoint(name)), ({ cursor, runs }) => {
          if (name.startsWith("~") || sources.has(name)) return Effect.void
          return Effect.map(sourceOf(name), (source) => {
            source.cursor = Option.getOrUndefined(cursor)
            for (const run of runs.values()) if (isOpen(run)) source.open.set(run.key, run)
          })
        }),
      delivered: (claim) =>
        Effect.tap(store("settle", claim, outbox.delivered(claim)), () => {
          const { event } = claim.entry
          const { timestamp } = event
          const seconds =
            timestamp === undefined
              ? undefined
              : Math.max(0, time.toSystem(time.now()) - timestamp.epochMilliseconds) / 1000
          left()
          counts.delivered += 1
          counts.lag += seconds ?? 0
          return Effect.all(
            [
              deliveredBy(Activity.typeOf(event)),
              seconds === undefined ? Effect.void : Metric.update(lag, seconds),
              tell(() => ({ kind: "delivered", event: Activity.subject(event), lag: seconds }))
            ],
            { discard: true }
          )
        }),
      retry: (claim, options) =>
        Effect.tap(store("settle", claim, outbox.retry(claim, options)), () =>
          tell(() => ({
            kind: "retried",
            event: Activity.subject(claim.entry.event),
            attempts: claim.attempts + 1,
            after: Duration.toSeconds(options.after),
            error: options.error
          }))
        ),
      release: (claim) => store("settle", claim, outbox.release(claim)),
      replay: (numbers) => Effect.tap(outbox.replay(numbers), ({ length }) => cameIn(length)),
      bury: (claim, options) =>
        Effect.tap(store("settle", claim, outbox.bury(claim, options)), () => {
          left()
          counts.rejected += 1
          return Effect.andThen(
            rejectedBy(Activity.typeOf(claim.entry.event)),
            tell(() => ({ kind: "rejected", event: Activity.subject(claim.entry.event), ...options }))
          )
        })
    }
  }
})

/** Something that the store is to do, and since when. */
interface Work {
  readonly kind: "commit" | "settle" | "read"
  readonly since: number
}

/** What takes the store this long holds up. What failed is tried again within less, as `OutboxAccess.persist` does. */
const LONG_MILLIS = 10_000
