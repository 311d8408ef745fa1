/**
 * Which of the known runs are asked for by their id, because no list shows them.
 *
 * Two kinds: runs that have not ended as far as we know and are not active any more (as a rule they ended just now, and
 * if no list of ended runs shows them, one question settles it), and runs that may go on after their end. Those are failed
 * runs, which people may repair for days, where no list shows what ended lately; and runs that were ended because Databricks
 * did not know them any more. Both are asked for ever more rarely or rarely, so that no run costs a request per period for
 * long.
 */
import * as TrackedRun from "@observability-agents/core/TrackedRun"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"

/** How often to ask. */
export interface Policy {
  /** The time between two sweeps: a vanished run that has not ended is asked for again after that, then after twice that, … */
  readonly period: Duration.Duration
  /** … but at least this often; and failed runs are asked for at this interval. */
  readonly failedWatchPeriod: Duration.Duration
  /** For how long after its end a failed run is asked for. */
  readonly failedWatchMaxTime: Duration.Duration
}

/** The memory of what was asked when. Without it, after a restart, some runs are asked for a little early. */
export interface Watch {
  /**
   * The runs to ask for now, given all known ones and the ids of those that are active. They count as asked. Of failed
   * runs no more than 25 come at once, those first that have waited longest; and none if `failed` is false, save lost ones.
   */
  readonly due: (
    known: Iterable<TrackedRun.TrackedRun>,
    active: ReadonlySet<string>,
    now: DateTime.Utc,
    options?: { readonly failed: boolean }
  ) => ReadonlyArray<TrackedRun.TrackedRun>
  /** Asks for this run in the next sweep again, whatever the intervals: its answer wants confirming. */
  readonly confirm: (run: TrackedRun.TrackedRun) => void
  /** Never asks for this run again: Databricks has deleted it. Not for runs that are open, or lost just now. */
  readonly dismiss: (run: TrackedRun.TrackedRun) => void
}

/** Makes the memory of one workspace. */
export const make = (policy: Policy): Watch => {
  let asked = new Map<string, Asked>()
  const period = Duration.toMillis(policy.period)
  const rarely = Duration.toMillis(policy.failedWatchPeriod)
  const longest = Duration.toMillis(policy.failedWatchMaxTime)

  return {
    due: (known, active, now, { failed: asksForFailed } = { failed: true }) => {
      const time = DateTime.toEpochMillis(now)
      const kept = new Map<string, Asked>()
      const vanished: Array<TrackedRun.TrackedRun> = []
      const failed: Array<{ readonly run: TrackedRun.TrackedRun; readonly since: number }> = []
      for (const run of known) {
        if (active.has(run.run.key)) continue
        const last = asked.get(run.key)
        if (last !== undefined) kept.set(run.key, last)
        if (!TrackedRun.isClosed(run)) {
          if (last !== undefined && isEarly(last, time)) continue
          const wait = last === undefined ? period : Math.max(last.wait * 2, period)
          kept.set(run.key, { at: time, wait: Math.min(wait, rarely) })
          vanished.push(run)
        } else if (mayBeRepaired(run) && (asksForFailed || run.lost === true || last?.wait === AT_ONCE)) {
          const end = DateTime.toEpochMillis(run.closedAt ?? run.observedAt)
          const since = last?.at ?? end
          const wait = last?.wait === NEVER ? NEVER : rarely
          if (time <= end + longest && !isEarly({ at: since, wait }, time)) failed.push({ run, since })
        }
      }
      const chosen = failed.toSorted((a, b) => a.since - b.since).slice(0, MAX_FAILED)
      for (const { run } of chosen) kept.set(run.key, { at: time, wait: rarely })
      asked = kept
      return [...vanished, ...chosen.map(({ run }) => run)]
    },
    confirm: (run) => {
      // As if it had not been asked for since 1970: it is due, and comes before all others.
      asked.set(run.key, { at: 0, wait: AT_ONCE })
    },
    dismiss: (run) => {
      asked.set(run.key, { at: 0, wait: NEVER })
    }
  }
}

/** Databricks repairs runs of which something did not succeed. */
export const mayBeRepaired: (run: TrackedRun.TrackedRun) => boolean = TrackedRun.mayBeReopened

interface Asked {
  readonly at: number
  readonly wait: number
}

/** Whether to wait longer. A moment that lies ahead comes from before the clock was set back. */
const isEarly = ({ at, wait }: Asked, time: number): boolean => at <= time && time < at + wait

const NEVER = Number.POSITIVE_INFINITY
const AT_ONCE = 0

/** After a restart all failed runs of a week are due at once; they are spread over as many sweeps as it takes. */
const MAX_FAILED = 25
