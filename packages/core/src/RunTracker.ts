/**
 * The RunTracker: takes the Polls of a tool and commits what follows from them. What that is say the rules (`RunRules` of a
 * run, `TaskTracker` of a task) and, for a whole Poll, `RunCommit`; all of them are pure.
 *
 * Takes what an agent has polled from a Channel, and commits what is new:
 *
 * ```ts
 * import * as Channel from "@observability-agents/core/Channel"
 * import * as RunTracker from "@observability-agents/core/RunTracker"
 * import { DateTime, Effect, Layer } from "effect"
 *
 * export const layer = Layer.unwrap(
 *   Effect.gen(function* () {
 *     const channel = yield* Channel.make<RunTracker.Poll>("runs")
 *     const sender = yield* Channel.sender(channel)
 *     // A Loop of the agent sends what it has read, and how far.
 *     yield* sender.send({ source: "scheduler", snapshots: [], cursor: yield* DateTime.now })
 *     return RunTracker.layer({ channel, retention: { closed: "1 hour", failed: "7 days" } })
 *   })
 * )
 * ```
 */
import * as Cause from "effect/Cause"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { Channel } from "./Channel.ts"
import { Health } from "./Health.ts"
import * as Loop from "./Loop.ts"
import { type Committed, Outbox } from "./Outbox.ts"
import * as OutboxAccess from "./OutboxAccess.ts"
import { type Broken, commitOf, type Poll } from "./RunCommit.ts"
import type { Retention } from "./RunRetention.ts"
import type { Supervisor } from "./Supervisor.ts"

/** What one poll of a tool brought. */
export type { Poll } from "./RunCommit.ts"

/** How long runs that have ended stay known. */
export type { Retention } from "./RunRetention.ts"

/** The pure state machine, for one run: what is known of it and a new snapshot, or its loss, to the events to be told. */
export { lose, track } from "./RunRules.ts"

/**
 * Tracks the runs of the Polls of a Channel: for each Poll, events, tracked runs and cursor become true in one commit. A
 * full Outbox holds the Channel back; a store that is unavailable is tried until it is there; one that is unusable ends
 * the agent.
 *
 * A snapshot that breaks the rules' code is logged and left out. Where a whole Poll cannot be committed, the next cursor
 * of its source is not committed either, so that the Window is read again.
 */
export const layer = (options: {
  readonly channel: Channel<Poll>
  readonly retention: Retention
  /** The Loop's name, where several RunTrackers work in one program. */
  readonly name?: string | undefined
}): Layer.Layer<never, never, Outbox | Supervisor | Health> =>
  Layer.suspend(() => {
    const name = options.name ?? "track runs"
    const reported = new Set<string>()
    const isNews = ({ cause, run }: Broken): boolean => {
      const report = `${run}: ${String(cause)}`
      if (reported.has(report)) return false
      if (reported.size >= MAX_REPORTS) reported.clear()
      reported.add(report)
      return true
    }
    const incomplete = new Set<string>()
    return Loop.receive(name, options.channel.receiver, (poll) => {
      const isHeldBack = poll.cursor !== undefined && incomplete.delete(poll.source)
      const task = apply(isHeldBack ? { ...poll, cursor: undefined } : poll, { ...options, name, isNews })
      // A Poll with a cursor that is not committed leaves the cursor where it was by itself.
      return poll.cursor !== undefined
        ? task
        : Effect.onError(task, () => Effect.sync(() => incomplete.add(poll.source)))
    })
  })

/** Broken snapshots that are remembered, so that each is reported once. */
const MAX_REPORTS = 1000

/** The Task of {@link layer}: commits what a Poll changes. */
export const apply = Effect.fn("RunTracker.apply")(function* (
  poll: Poll,
  options: {
    readonly retention: Retention
    readonly name?: string | undefined
    /** Whether a broken snapshot is to be logged. */
    readonly isNews?: ((broken: Broken) => boolean) | undefined
  }
): Effect.fn.Return<Committed, OutboxAccess.AccessError, Outbox | Health> {
  const outbox = yield* Outbox
  const health = yield* Health
  const name = options.name ?? "track runs"
  const unavailable = (error: { readonly message: string }) => health.failed(name, error.message)
  const checkpoint = yield* OutboxAccess.persist(outbox.checkpoint(poll.source), unavailable)
  const now = yield* DateTime.now
  const broken: Array<Broken> = []
  const commit = commitOf(checkpoint, poll, now, options.retention, (one) => broken.push(one))
  for (const one of broken) {
    if (options.isNews?.(one) === false) continue
    yield* Effect.annotateLogs(
      Effect.logError("A run's snapshot broke the RunTracker and is left out", Cause.die(one.cause)),
      { source: poll.source, run: one.run }
    )
  }
  return yield* OutboxAccess.persist(outbox.commit(commit), unavailable)
})
