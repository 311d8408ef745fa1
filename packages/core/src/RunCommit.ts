/**
 * What a Poll changes in the store: the events of its runs, what is known of them then, the cursor, and what is forgotten,
 * as one Commit of the Outbox. Pure; `RunTracker` commits it.
 */
import * as DateTime from "effect/DateTime"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Cursor from "./Cursor.ts"
import type { Checkpoint, Commit, Entry, Note } from "./Outbox.ts"
import * as RunNote from "./RunNote.ts"
import * as RunRetention from "./RunRetention.ts"
import * as RunRules from "./RunRules.ts"
import { key, type RunSnapshot } from "./RunSnapshot.ts"
import type { TrackedRun } from "./TrackedRun.ts"

/** What one poll of a tool brought. */
export interface Poll {
  /** Whose checkpoint this belongs to: one name per poller. Only one RunTracker may write a source. */
  readonly source: string
  readonly snapshots: ReadonlyArray<RunSnapshot>
  /** The end of the Window that this poll covered, on the last Poll of a sweep. It is committed with the rest. */
  readonly cursor?: DateTime.Utc | undefined
  /** Keys (`RunSnapshot.key`) of tracked runs that the tool does not know any more. */
  readonly gone?: ReadonlyArray<string> | undefined
}

/** A snapshot, or a run that is gone, that could not be folded. That is a defect. */
export interface Broken {
  readonly run: string
  readonly cause: unknown
}

/**
 * What a Poll changes, given what was committed before. Pure. What throws while one run is folded goes to `onBroken`, if
 * there is one, and that snapshot changes nothing.
 */
export const commitOf = (
  checkpoint: Checkpoint,
  poll: Poll,
  now: DateTime.Utc,
  retention: RunRetention.Retention,
  onBroken?: (broken: Broken) => void
): Commit => {
  const runs = new Map<string, TrackedRun>()
  const entries: Array<Entry> = []
  const notes: Array<Note> = []
  const fold = (
    key: string,
    next: (known: TrackedRun | undefined) => RunRules.Tracked | undefined,
    note: (tracked: RunRules.Tracked) => Note
  ): void => {
    const known = runs.get(key) ?? checkpoint.runs.get(key)
    const tracked = next(known)
    if (tracked === undefined || tracked.known === known) return
    // Made before anything is changed: it may throw.
    const isNoted = tracked.entries.length > 0 || tracked.known.phase !== known?.phase
    if (isNoted) notes.push(note(tracked))
    runs.set(key, tracked.known)
    for (const entry of tracked.entries) entries.push(entry)
  }
  const guard = (run: () => string, work: () => void): void => {
    if (onBroken === undefined) return work()
    try {
      work()
    } catch (cause) {
      onBroken({ run: nameOf(run), cause })
    }
  }
  for (const snapshot of poll.snapshots) {
    guard(
      () => key(snapshot),
      () =>
        fold(
          key(snapshot),
          (known) => RunRules.track(known, snapshot),
          ({ entries }) => RunNote.make(snapshot, entries)
        )
    )
  }
  const gone = new Set(poll.gone)
  for (const key of gone) {
    guard(
      () => key,
      () =>
        fold(
          key,
          (known) => (known === undefined ? undefined : RunRules.lose(known, now)),
          ({ known }) => RunNote.gone(known, now)
        )
    )
  }

  const forget: Array<string> = []
  const cursor = Cursor.move(
    Option.getOrUndefined(checkpoint.cursor)?.epochMilliseconds,
    poll.cursor?.epochMilliseconds,
    now.epochMilliseconds
  )
  const known = latest(checkpoint.runs, runs)
  const review = RunRetention.review(
    known,
    now,
    cursor === undefined ? undefined : DateTime.makeUnsafe(cursor),
    retention
  )
  for (const run of review.reduced) runs.set(run.key, run)
  for (const key of review.forgotten) forget.push(key)
  for (const key of gone) {
    if ((runs.get(key) ?? checkpoint.runs.get(key))?.phase === "Pending") forget.push(key)
  }
  for (const key of forget) runs.delete(key)
  for (const run of runs.values()) if (isOldNews(checkpoint.runs.get(run.key), run)) runs.delete(run.key)
  return { source: poll.source, cursor: poll.cursor, runs: Array.from(runs.values()), forget, entries, notes }
}

/** All runs that are known, each once. */
function* latest(
  committed: ReadonlyMap<string, TrackedRun>,
  changed: ReadonlyMap<string, TrackedRun>
): Generator<TrackedRun> {
  for (const [key, run] of committed) if (!changed.has(key)) yield run
  yield* changed.values()
}

/** The key of a run whose snapshot may be broken. */
const nameOf = (run: () => string): string => {
  try {
    return run()
  } catch {
    return "unknown"
  }
}

/**
 * Whether a run was seen as it was known, and not long after it was last written. Most runs of most polls are, and are not
 * worth a write each: a moment of observation that lags by a minute makes no difference to retentions of hours.
 */
const isOldNews = (before: TrackedRun | undefined, after: TrackedRun): boolean => {
  if (before === undefined) return false
  const lag = DateTime.toEpochMillis(after.observedAt) - DateTime.toEpochMillis(before.observedAt)
  return Math.abs(lag) < REWRITE_MILLIS && isSame({ ...before, observedAt: after.observedAt }, after)
}

const isSame = (a: unknown, b: unknown): boolean => {
  if (a === b) return true
  if (!Predicate.isObjectOrArray(a) || !Predicate.isObjectOrArray(b)) return false
  if (DateTime.isDateTime(a)) return DateTime.isDateTime(b) && DateTime.Equivalence(a, b)
  const entries = Object.entries(a)
  return (
    entries.length === Object.keys(b).length &&
    entries.every(([key, value]) => Predicate.hasProperty(b, key) && isSame(value, b[key]))
  )
}

const REWRITE_MILLIS = 60_000
