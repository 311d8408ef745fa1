/**
 * How long runs that have ended stay known, and how much of them.
 *
 * | the run | while it may still be listed | then |
 * |---|---|---|
 * | open, or waiting | known in full | known in full |
 * | `Completed`, `Skipped` | known in full | forgotten |
 * | `Failed`, `CompletedWithWarnings` | known in full | its outline is known (see `TrackedRun.outline`), for as long as it is watched and the Outbox knows the identities of its events; then forgotten |
 *
 * So a run that people repair late is known again and told as a further opening. A forgotten one would be told with the
 * identities of its first opening, which the Outbox leaves out, and what is new of it would stand outside of any run.
 *
 * How far the source was read, not the clock, says whether a run may still be listed: after a long outage, the time from
 * before it is read again. Outlines are bounded: of more than {@link OUTLINES}, those go first that ended first.
 */
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import { IDENTITY_RETENTION } from "./Outbox.ts"
import { isClosed, isOutline, mayBeReopened, outline, type TrackedRun } from "./TrackedRun.ts"

/** How long runs that have ended stay known. */
export interface Retention {
  /**
   * From when they were seen last to how far the source was read. Longer than the tool is looked back at, so that no old
   * run is taken for a new one.
   */
  readonly closed: Duration.Input
  /** Of failed runs and those with warnings: since they ended, at least. As long as they are watched for a repair. */
  readonly failed: Duration.Input
}

/** How many outlines of one source are kept. One takes less than a kilobyte of memory. */
export const OUTLINES = 100_000

/** What becomes of the known runs. */
export interface Review {
  /** Runs of which the outline is kept. */
  readonly reduced: ReadonlyArray<TrackedRun>
  /** Keys of runs that are forgotten. */
  readonly forgotten: ReadonlyArray<string>
}

/** Looks at all known runs. Where nothing was ever read up to a cursor, the clock takes its place. */
export const review = (
  runs: Iterable<TrackedRun>,
  now: DateTime.Utc,
  cursor: DateTime.Utc | undefined,
  retention: Retention,
  outlines: number = OUTLINES
): Review => {
  const read = cursor === undefined ? now : DateTime.min(cursor, now)
  const listed = DateTime.toEpochMillis(DateTime.subtractDuration(read, retention.closed))
  const watched = Duration.max(Duration.fromInputUnsafe(retention.failed), IDENTITY_RETENTION)
  const expired = DateTime.toEpochMillis(DateTime.subtractDuration(now, watched))
  const reduced: Array<TrackedRun> = []
  const forgotten: Array<string> = []
  const kept: Array<TrackedRun> = []
  for (const run of runs) {
    if (!isClosed(run) || run.observedAt.epochMilliseconds >= listed) continue
    if (!mayBeReopened(run) || endOf(run) < expired) forgotten.push(run.key)
    else {
      kept.push(run)
      if (!isOutline(run)) reduced.push(outline(run))
    }
  }
  if (kept.length <= outlines) return { reduced, forgotten }
  const excess = kept.toSorted((a, b) => endOf(a) - endOf(b)).slice(0, kept.length - outlines)
  const gone = new Set(excess.map((run) => run.key))
  return { reduced: reduced.filter((run) => !gone.has(run.key)), forgotten: [...forgotten, ...gone] }
}

const endOf = (run: TrackedRun): number => (run.closedAt ?? run.observedAt).epochMilliseconds
