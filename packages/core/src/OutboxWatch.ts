/**
 * What goes through an Outbox, watched: metrics, news to those who look on, the sources and the runs that are followed, and
 * whether delivery gets on. Nothing of what the Outbox promises is changed by it.
 *
 * Two parts of Health come from here. `state store` fails while the store cannot do its work. `delivery` fails while events
 * wait and none has left the Outbox for {@link PATIENCE}, whatever the reason.
 */
import * as Clock from "effect/Clock"
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
  const clock = yield* Clock.clockWith(Effect.succeed)
  const scope = yield* Effect.scope
  const began = clock.currentTimeMillisUnsafe()
  const sources = new Map<
    string,
    {
      cursor: DateTime.Utc | undefined
      readonly open: Map<string, TrackedRun>
      readonly scope: Scope.Closeable
    }
  >()
  const committing = new Set<{ readonly since: number }>()
  const counts = { committed: 0, delivered: 0, rejected: 0, lag: 0 }
  let leftAt = began
  let storeFails = false

  const committedBy = AgentMetrics.family("events_committed_total", (type) => ({ type }))
  const deliveredBy = AgentMetrics.family("events_delivered_total", (type) => ({ type }))
  const rejectedBy = AgentMetrics.family("events_rejected_total", (type) => ({ type }))
  const lag = AgentMetrics.histogram("delivery_lag_seconds", {})

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
        onSome: ({ epochMilliseconds }) =>
          Math.max(0, clock.currentTimeMillisUnsafe() - epochMilliseconds) / 1000
      })
    )
  )

  yield* health.watch(
    DELIVERY,
    Effect.map(outbox.status, ({ oldestPending, pending }) => {
      if (pending === 0 || Option.isNone(oldestPending)) return Option.none<Stuck>()
      const now = clock.currentTimeMillisUnsafe()
      // Events that come in after a long silence have not waited yet.
      const since = Math.min(now, Math.max(leftAt, oldestPending.value.epochMilliseconds))
      if (now - since < Duration.toMillis(PATIENCE)) return Option.none<Stuck>()
      return Option.some({
        since: DateTime.makeUnsafe(since),
        reason: pending === 1 ? "an event waits and does not leave" : `${pending} events wait and none leaves`
      })
    })
  )

  const store = <A>(effect: Effect.Effect<A, OutboxError>): Effect.Effect<A, OutboxError> =>
    Effect.onExit(effect, (exit) => {
      if (Exit.isSuccess(exit)) {
        if (!storeFails) return Effect.void
        storeFails = false
        return health.succeeded(STORE)
      }
      const failure = exit.cause.reasons.find((reason) => reason._tag === "Fail")
      if (failure === undefined) return Effect.void
      storeFails = true
      return health.failed(STORE, failure.error.message)
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
    Effect.suspend(() => {
      const work = { since: clock.currentTimeMillisUnsafe() }
      committing.add(work)
      return store(outbox.commit(commit)).pipe(
        Effect.ensuring(Effect.sync(() => committing.delete(work))),
        Effect.tap((done) => (commit.source.startsWith("~") ? Effect.void : committed(commit, done)))
      )
    })

  const left = (): void => {
    leftAt = clock.currentTimeMillisUnsafe()
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
        let since: number | undefined
        for (const work of committing) since = Math.min(since ?? work.since, work.since)
        return since
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
        Effect.tap(store(outbox.checkpoint(name)), ({ cursor, runs }) => {
          if (name.startsWith("~") || sources.has(name)) return Effect.void
          return Effect.map(sourceOf(name), (source) => {
            source.cursor = Option.getOrUndefined(cursor)
            for (const run of runs.values()) if (isOpen(run)) source.open.set(run.key, run)
          })
        }),
      delivered: (claim) =>
        Effect.tap(store(outbox.delivered(claim)), () => {
          const { event } = claim.entry
          const { timestamp } = event
          const seconds =
            timestamp === undefined
              ? undefined
              : Math.max(0, clock.currentTimeMillisUnsafe() - timestamp.epochMilliseconds) / 1000
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
        Effect.tap(store(outbox.retry(claim, options)), () =>
          tell(() => ({
            kind: "retried",
            event: Activity.subject(claim.entry.event),
            attempts: claim.attempts + 1,
            after: Duration.toSeconds(options.after),
            error: options.error
          }))
        ),
      bury: (claim, options) =>
        Effect.tap(store(outbox.bury(claim, options)), () => {
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
