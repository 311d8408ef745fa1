/**
 * The Outbox: the one place between reading a tool and telling the server. It keeps, per source, what was read (cursor
 * and tracked runs), and, per lane, the events still to be sent. A commit changes all of it at once, so that after a
 * crash nothing was read that is not going to be told, and nothing is told twice.
 *
 * This module is the port; drivers implement it (`OutboxMemory`, a database). What every driver promises is written at
 * each member. A driver keeps, in one transactional store:
 *
 * - **events**: `seq` (ascending), `id`, `lane`, the event, `attempts`, `committedAt`, `dueAt`. An event is there until
 *   it was delivered or buried. `dueAt` is `committedAt` at first; only the head of a lane ever has a later one.
 * - **identities**: every `id` ever committed, with the time of the latest commit that named it, also of events long
 *   gone. They are kept longer than any tool's look-back and than the retention of closed runs, and may be removed by age
 *   after that, but never while the event is pending.
 * - **tracked runs**: by source and key; **cursors**: by source.
 * - **dead letters**, and two facts that outlive the events: how many were delivered, and the newest timestamp among
 *   the delivered ones (the heartbeat repeats it after a restart).
 *
 * Claims are not stored: they belong to the process, so after a crash every event is free again. Whoever dies between
 * the server's answer and `delivered` sends once more; that is the one doubt that a server without idempotency leaves.
 */
import * as Context from "effect/Context"
import type * as DateTime from "effect/DateTime"
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type * as Event from "@observability-agents/toolkit/Event"
import type { TrackedRun } from "./TrackedRun.ts"

/** One event to be sent. */
export interface Entry {
  /** Its identity: the same transition of the same run always has the same one, whoever sees it and how often. */
  readonly id: string
  /** The events of one lane are sent one after the other, in the order of their commits. See `Event.lane`. */
  readonly lane: string
  readonly event: Event.Event
}

/** What becomes true at once. */
export interface Commit {
  /** Whose cursor and runs these are: one name per poller, unique in the store. */
  readonly source: string
  /** How far the source was read. An earlier one than the committed changes nothing: cursors never go back. */
  readonly cursor?: DateTime.Utc | undefined
  /** What is known of these runs now; replaces what was known of them. */
  readonly runs: ReadonlyArray<TrackedRun>
  /** Keys of tracked runs to remove. A key that is unknown is no error. Removed after `runs` were written. */
  readonly forget: ReadonlyArray<string>
  /** In the order in which they are to be sent. */
  readonly entries: ReadonlyArray<Entry>
}

/** What a commit did: entries taken into the lanes, and entries whose identity was known already. */
export interface Committed {
  readonly accepted: number
  readonly repeated: number
}

/** What a source has committed. */
export interface Checkpoint {
  readonly cursor: Option.Option<DateTime.Utc>
  /** By `TrackedRun.key`. */
  readonly runs: ReadonlyMap<string, TrackedRun>
}

/** The head of a lane, handed out to one sender; the lane waits until the claim is settled. */
export interface Claim {
  readonly entry: Entry
  /** How often sending it was tried before: the number of `retry`. */
  readonly attempts: number
  readonly committedAt: DateTime.Utc
  /** Names this claim: settling it a second time, or after another claim of the event, changes nothing. */
  readonly token: string
}

/** An event that will not be sent any more, and why. */
export interface DeadLetter {
  readonly entry: Entry
  readonly attempts: number
  readonly committedAt: DateTime.Utc
  readonly buriedAt: DateTime.Utc
  /** `rejected`: it can never be accepted. `server errors`: the server kept failing on this one event. */
  readonly reason: BurialReason
  /** What the server, or our own check, said. */
  readonly words: string
}

/** Why an event became a dead letter. */
export type BurialReason = "rejected" | "server errors"

/** How the Outbox stands. */
export interface OutboxStatus {
  /** Events not delivered and not buried, those in flight included. */
  readonly pending: number
  /** Claims not settled. */
  readonly inFlight: number
  /** Lanes that have pending events. */
  readonly lanes: number
  readonly deadLetters: number
  /** Events delivered since the store was made. */
  readonly delivered: number
  /** When the oldest pending event was committed. */
  readonly oldestPending: Option.Option<DateTime.Utc>
  /** The newest timestamp among all delivered events; survives a restart. */
  readonly latestDelivered: Option.Option<DateTime.Utc>
}

/**
 * The store cannot do its work. `Unavailable`: for the moment (locked, disk full); trying again is right, and nothing was
 * changed. `Unusable`: for good (corrupt, from a newer version); the agent has to stop.
 */
export class OutboxError extends Schema.TaggedError<OutboxError>()("OutboxError", {
  /** The member of the Outbox that failed. */
  method: Schema.String,
  reason: Schema.Literals(["Unavailable", "Unusable"]),
  /** What happened and what can be done, for people. */
  message: Schema.String,
  cause: Schema.optionalKey(Schema.Defect())
}) {}

/** The durable queue of events, with what was read so far. */
export class Outbox extends Context.Service<
  Outbox,
  {
    /**
     * Makes all of it true, or nothing of it. Entries whose identity is known are counted as `repeated` and left out,
     * also when it was delivered, buried, or stands earlier in the same commit.
     *
     * Waits while as many events are pending as the Outbox may hold, whether the commit brings entries or not; then
     * takes it whole, however large, so that no commit is too big to ever get in. Commits that wait get in in their
     * order. Interruptible only while it waits. Wakes claims that wait.
     */
    readonly commit: (commit: Commit) => Effect.Effect<Committed, OutboxError>
    /** What this source has committed; empty for a source not known yet. Later commits do not change the answer. */
    readonly checkpoint: (source: string) => Effect.Effect<Checkpoint, OutboxError>
    /**
     * Takes the next event to be sent: among the heads of the lanes that have no claim, the one with the earliest
     * `dueAt` (then `seq`), as soon as that time has come. So the oldest go first, and one that was put off stands
     * behind what came in the meantime. Waits without polling while there is none.
     *
     * Its waiting can be interrupted also inside an uninterruptible region, nothing else of it can: so a caller that
     * calls it in such a region never loses what it took. The claim is then the caller's, to be settled with one of the
     * four members below.
     */
    readonly claim: Effect.Effect<Claim, OutboxError>
    /** The server took it: it leaves the Outbox, its lane goes on. */
    readonly delivered: (claim: Claim) => Effect.Effect<void, OutboxError>
    /** It stays the head of its lane, with one more attempt, and is due after that time. `error` is kept for people. */
    readonly retry: (
      claim: Claim,
      options: { readonly after: Duration.Duration; readonly error: string }
    ) => Effect.Effect<void, OutboxError>
    /** As if it had not been claimed: no attempt is counted and it is due when it was. */
    readonly release: (claim: Claim) => Effect.Effect<void, OutboxError>
    /** It becomes a dead letter, its lane goes on. */
    readonly bury: (
      claim: Claim,
      options: { readonly reason: BurialReason; readonly words: string }
    ) => Effect.Effect<void, OutboxError>
    /** All dead letters, the oldest first. */
    readonly deadLetters: Effect.Effect<ReadonlyArray<DeadLetter>, OutboxError>
    /** How it stands now. Never fails and is cheap enough to ask every second: a driver counts along in memory. */
    readonly status: Effect.Effect<OutboxStatus>
  }
>()("@observability-agents/core/Outbox") {}
