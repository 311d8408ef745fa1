/**
 * Reading the list of ended runs from its newest end: what ended lately, however long ago it began, for a few requests.
 *
 * Databricks filters runs by their start only. A run that began long ago and ended just now is found by its end alone: the
 * list of completed runs without a filter. According to the present documentation (Jobs API 2.2, runs/list) it begins with
 * the run that ended last; an older text says, with the one that began last. So the order is not taken for granted. Each
 * page is checked, and the page after it is asked for until one shows a run that ended before all that is looked for:
 *
 * - If runs descend by their end, what was read is all that ended since.
 * - If they descend by their start, it is all that began since, as a filter by start would have given it.
 * - If they do neither, that is remembered for an hour, and the list is read with the filter instead.
 *
 * What is known of the order, and what changes that:
 *
 * | known | is read | by its end | becomes |
 * |---|---|---|---|
 * | `unknown`: at first; the runs so far could stand in either order | yes | no | `end`, once a page descends by the end and not by the start |
 * | `end`: the last one to end comes first | yes | yes | `other`, where a page is out of order or three runs in succession stand elsewhere |
 * | `other`: neither of the two | not for an hour | no | `unknown` or `end`, by the first page after that hour |
 *
 * How far it was read counts only when the sweep's cursor was committed: `end` opens that question, `promise` notes the
 * cursor that answers it, and `confirm`, at the beginning of the next sweep, keeps the reading or takes it back.
 */
import * as Duration from "effect/Duration"
import type { Run } from "./RunRecord.ts"

/** When to read the list although nothing seems to have ended. */
export interface Policy {
  /** At least as often as this, for repairs that were begun and ended between two sweeps. */
  readonly every: Duration.Duration
}

/** What became of a reading. */
export type Outcome =
  /** The page reaches further back than was asked for. */
  | "Reached"
  /** Runs stand in no order that could be relied upon. */
  | "Disordered"

/** One reading of the list. */
export interface Reading {
  /** Runs that ended before this (milliseconds since 1970) are not looked for. */
  readonly since: number
  /** Takes the next page: the outcome, or `undefined` where the next page is needed. */
  readonly take: (runs: ReadonlyArray<Pick<Run, "run_id" | "start_time" | "end_time">>) => Outcome | undefined
  /** Whether a run that nobody knows is news if it ended then: pages show older ones, too, which were told long ago. */
  readonly isNews: (end: number) => boolean
  /** The newest end so far. */
  readonly newest: () => number | undefined
  /** Whether the runs so far could as well stand in the order of their starts. */
  readonly isByStart: () => boolean
}

/** What is known of a workspace's list of ended runs. All times in milliseconds since 1970, by the agent's clock. */
export interface Finished {
  /** Whether the list can be relied upon, as far as is known. */
  readonly isUsable: (now: number) => boolean
  /** Whether runs are known to stand in the order of their ends. */
  readonly isByEnd: () => boolean
  /** Whether it is time to read it. */
  readonly isDue: (now: number) => boolean
  /** Begins a reading of what ended since then, or since the newest end of the reading before, if that is earlier. */
  readonly begin: (since: number) => Reading
  /**
   * Ends a reading that was carried through to its outcome; none where the list came to its end. It counts once the sweep
   * has told how far it read ({@link promise}), and that is committed ({@link confirm}). Until then it is repeated.
   */
  readonly end: (reading: Reading, now: number, outcome: Outcome | undefined) => void
  /** Takes note of the cursor that the sweep gave; none where its Window is to be read again. */
  readonly promise: (cursor: number | undefined) => void
  /** Takes note of the cursor that is committed, at the beginning of a sweep. */
  readonly confirm: (cursor: number | undefined) => void
  /**
   * Takes note whether a run that had just ended stood where it should. If several in succession did not, the order
   * is another one.
   */
  readonly expected: (wasFound: boolean, now: number) => void
}

/** Knows nothing yet. */
export const make = (policy: Policy): Finished => {
  const every = Duration.toMillis(policy.every)
  let order: "unknown" | "end" | "other" = "unknown"
  let unusableUntil = 0
  let misses = 0
  let readAt: number | undefined
  let newest = Number.POSITIVE_INFINITY
  /** The cursor with which the last reading becomes true, as far as it is not. */
  let open: { readonly cursor: number | undefined } | undefined

  const distrust = (now: number) => {
    order = "other"
    unusableUntil = now + RETRY_MILLIS
    misses = 0
    newest = Number.POSITIVE_INFINITY
  }

  return {
    isUsable: (now) => order !== "other" || now >= unusableUntil || now < unusableUntil - RETRY_MILLIS,
    isByEnd: () => order === "end",
    isDue: (now) => readAt === undefined || now < readAt || now - readAt >= every,
    begin: (since) => read(since, newest),
    end: (reading, now, outcome) => {
      readAt = now
      open = { cursor: undefined }
      if (outcome === "Disordered") return distrust(now)
      if (order === "other") order = "unknown"
      if (!reading.isByStart()) order = "end"
      newest = reading.newest() ?? newest
    },
    promise: (cursor) => {
      if (open !== undefined && open.cursor === undefined) open = { cursor }
    },
    confirm: (cursor) => {
      if (open === undefined) return
      if (open.cursor === undefined || cursor === undefined || cursor < open.cursor) {
        readAt = undefined
        newest = Number.POSITIVE_INFINITY
      }
      open = undefined
    },
    expected: (wasFound, now) => {
      misses = wasFound ? 0 : misses + 1
      if (misses >= MAX_MISSES) distrust(now)
    }
  }
}

// ---- private

/** After this time an order that could not be relied upon is looked at again. */
const RETRY_MILLIS = 3_600_000

/** A run may stand a little out of its place: times are noted by different parts of the service. */
const TOLERANCE_MILLIS = 5000

/** One run that is missing may have been late. */
const MAX_MISSES = 3

const read = (from: number, last: number): Reading => {
  const since = Math.min(from, last)
  const seen = new Set<string>()
  let lowestEnd = Number.POSITIVE_INFINITY
  let lowestStart = Number.POSITIVE_INFINITY
  let newest: number | undefined
  let isByStart = true
  const take: Reading["take"] = (runs) => {
    let outcome: Outcome | undefined
    for (const { end_time: end = 0, run_id, start_time: start = 0 } of runs) {
      // Pages shift when runs end between two requests; what comes again says nothing of the order.
      if (end <= 0 || seen.has(run_id)) continue
      seen.add(run_id)
      if (end > lowestEnd + TOLERANCE_MILLIS) return "Disordered"
      if (start > lowestStart + TOLERANCE_MILLIS) isByStart = false
      if (end < since) outcome = "Reached"
      lowestEnd = Math.min(lowestEnd, end)
      if (start > 0) lowestStart = Math.min(lowestStart, start)
      newest = Math.max(newest ?? end, end)
    }
    return outcome
  }
  return {
    since,
    take,
    isNews: (end) => end >= from || end > last,
    newest: () => newest,
    isByStart: () => isByStart
  }
}
