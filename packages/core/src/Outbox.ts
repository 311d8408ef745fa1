/**
 * The Outbox: the one place between reading a tool and telling the server. It keeps, per source, what was read (cursor
 * and tracked runs), and, per lane, the events still to be sent. A commit changes all of it at once, so that after a
 * crash nothing was read that is not going to be told, and nothing is told twice.
 *
 * This module is the port; drivers implement it (`OutboxMemory`, a database). What every driver promises is written at
 * each member. A driver keeps, in one transactional store:
 *
 * - **events**: `seq` (ascending), `id`, `lane`, the event, `attempts`, `committedAt`, `dueAt`, and, if its
 *   commit was traced, the `traceparent` of that. An event is there until
 *   it was delivered or buried. `dueAt` is `committedAt` at first; only the head of a lane ever has a later one.
 * - **identities**: every `id` ever committed, also of events long gone. They are kept for {@link IDENTITY_RETENTION}
 *   after they were first committed or last replayed, and may be removed after that, but never while the event is pending.
 * - **tracked runs**: by source and key; **cursors**: by source.
 * - **dead letters**, at most {@link DEAD_LETTER_CAPACITY}: of more, the oldest go.
 * - **history**: for a time and up to a number, what became of the events that are gone, and notes: what the tool said of
 *   the runs that the events are about, and what people did with dead letters.
 * - two facts that outlive the events: how many were delivered, and the newest timestamp among the delivered ones (the
 *   heartbeat repeats it after a restart).
 *
 * Claims are not stored: they belong to the process, so after a crash every event is free again. Whoever dies between
 * the server's answer and `delivered` sends once more; that is the one doubt that a server without idempotency leaves.
 *
 * How far a source was read, and what still waits:
 *
 * ```ts
 * import { Outbox } from "@observability-agents/core/Outbox"
 * import { Effect } from "effect"
 *
 * export const program = Effect.gen(function* () {
 *   const outbox = yield* Outbox
 *   const { cursor } = yield* outbox.checkpoint("scheduler")
 *   const { deadLetters, pending } = yield* outbox.status
 *   return { cursor, deadLetters, pending }
 * })
 * ```
 */
import * as Context from "effect/Context"
import type * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type * as Event from "@observability-agents/toolkit/Event"
import type { TrackedRun } from "./TrackedRun.ts"

/**
 * How long the identity of an event is remembered. Much longer than any tool is looked back at, and than the seven days
 * for which a failed run is watched for a repair: what is read again in that time is known, and is not sent again.
 */
export const IDENTITY_RETENTION: Duration.Duration = Duration.days(30)

/** How many dead letters are kept unless said otherwise. */
export const DEAD_LETTER_CAPACITY = 10_000

/** How long history is kept unless said otherwise. */
export const HISTORY_RETENTION: Duration.Duration = Duration.hours(24)

/** How many delivered events, and how many notes, are kept as history unless said otherwise. */
export const HISTORY_LIMIT = 100_000

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
  /**
   * Whose cursor and runs these are: one name per poller, unique in the store. A name that begins with `~` is a mark that
   * an agent keeps for itself, with a moment as its cursor; people are not shown it.
   */
  readonly source: string
  /**
   * How far the source was read. An earlier one than the committed changes nothing, for cursors do not go back; only one
   * that lies ahead of the clock at the time of the commit is replaced by any other. See `Cursor`.
   */
  readonly cursor?: DateTime.Utc | undefined
  /** What is known of these runs now; replaces what was known of them. */
  readonly runs: ReadonlyArray<TrackedRun>
  /** Keys of tracked runs to remove. A key that is unknown is no error. Removed after `runs` were written. */
  readonly forget: ReadonlyArray<string>
  /** In the order in which they are to be sent. */
  readonly entries: ReadonlyArray<Entry>
  /** What the tool said that is worth remembering, for the history of the lanes. */
  readonly notes?: ReadonlyArray<Note> | undefined
}

/** A sentence about what a lane's events tell of, kept as part of its history. */
export interface Note {
  readonly lane: string
  /** When it was observed. */
  readonly at: DateTime.Utc
  /** Who says it: the tool that is watched, or the Outbox of what somebody did with a dead letter. */
  readonly by: "tool" | "outbox"
  readonly text: string
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
  /**
   * The span of its commit in the form of the header `traceparent` (W3C Trace Context), so that sending belongs to the same
   * trace, also after a restart. Undefined where nobody traced, and for what was replayed.
   */
  readonly traceparent?: string | undefined
  /** Names this claim: settling it a second time, or after another claim of the event, changes nothing. */
  readonly token: string
}

/** An event that will not be sent any more, and why. */
export interface DeadLetter {
  /** Names it: ascending in the order of burial, and never given again. */
  readonly number: number
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

/** An event, and what became of it. */
export interface PastEvent {
  readonly id: string
  /** The event in a few words, as `EventTitle` makes them. */
  readonly title: string
  /** The time that it tells. */
  readonly timestamp: Option.Option<DateTime.Utc>
  readonly committedAt: DateTime.Utc
  /** How often sending it failed and was put off. */
  readonly attempts: number
  /** Why it failed the last time. A dead letter says it in `words` instead. */
  readonly error: Option.Option<string>
  readonly state:
    | { readonly _tag: "Waiting"; readonly dueAt: DateTime.Utc }
    | { readonly _tag: "Delivered"; readonly at: DateTime.Utc }
    | {
        readonly _tag: "Buried"
        readonly at: DateTime.Utc
        readonly number: number
        readonly reason: BurialReason
        readonly words: string
      }
}

/** What is known of one lane. */
export interface LaneHistory {
  /** By the time of observation, then in the order in which they came. */
  readonly notes: ReadonlyArray<Note>
  /** By the time of their commit, then in the order of the lane. */
  readonly events: ReadonlyArray<PastEvent>
}

/** How the Outbox stands. */
export interface OutboxStatus {
  /** Events not delivered and not buried, those in flight included. */
  readonly pending: number
  /** Claims not settled. */
  readonly inFlight: number
  /** Lanes that have pending events. */
  readonly lanes: number
  /** Dead letters that are there. */
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
     *
     * Where somebody traces, it makes a span `Outbox.commit`, which the entries keep: see {@link Claim}.
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
    /**
     * Makes the dead letters of these numbers events to be sent again: each at the end of its lane, as if it were committed
     * now, with no attempts. Their identities stay known. Does not wait for room. One whose event is pending again is
     * only taken away. All or nothing; numbers without a dead letter are left out. Gives those that were there, and
     * leaves a note in each lane.
     */
    readonly replay: (numbers: ReadonlyArray<number>) => Effect.Effect<ReadonlyArray<number>, OutboxError>
    /**
     * Takes the dead letters of these numbers away for good; their identities stay known. All or nothing; numbers without a
     * dead letter are left out. Gives those that were there, and leaves a note in each lane.
     */
    readonly drop: (numbers: ReadonlyArray<number>) => Effect.Effect<ReadonlyArray<number>, OutboxError>
    /**
     * What is known of a lane: its notes, and its events that are pending, buried or delivered. Of notes and delivered
     * events, those that are older than the retention (since they were stored) or beyond the limit are not shown.
     */
    readonly history: (lane: string) => Effect.Effect<LaneHistory, OutboxError>
    /** Reads everything, and says in a sentence each what is not as it has to be. Changes nothing. */
    readonly verify: Effect.Effect<ReadonlyArray<string>, OutboxError>
    /** How it stands now. Never fails and is cheap enough to ask every second: a driver counts along in memory. */
    readonly status: Effect.Effect<OutboxStatus>
  }
>()("@observability-agents/core/Outbox") {}
