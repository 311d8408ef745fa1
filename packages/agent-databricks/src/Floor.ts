/**
 * The moment from which a workspace is observed. What had ended before the very first start is none of ours, however often it
 * is listed; so that moment is kept beside the cursor, for all starts to come.
 */
import type * as Outbox from "@observability-agents/core/Outbox"
import type * as Window from "@observability-agents/core/Window"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"

/** Under which name the moment of a source's very first start is kept: that of its first Window. */
export const firstStartOf = (source: string): string => `~first start of ${source}`

/** Tells whether a run had ended before that moment, given its id and its end. */
export type Floor = (run: string, end: DateTime.Utc | undefined) => boolean

/** Tells it for a sweep, given its Window and how far was read before. */
export type OfSweep = (
  window: Window.Window,
  cursor: Option.Option<DateTime.Utc>
) => Effect.Effect<Floor, Outbox.OutboxError>

/**
 * Makes the memory of one source. An agent that has read before and knows no such moment has none.
 *
 * The moment is one of this agent's clock, and ends of runs are of Databricks'. Where this one is ahead (by less than
 * `tolerance`), a run that ends just after the first sweep bears an earlier time. Such a run is told apart from those that
 * had ended before: they stood in the first sweep's list already. Only the process that made that sweep knows it.
 */
export const make = (
  source: string,
  outbox: Outbox.Outbox["Service"],
  tolerance: Duration.Duration
): OfSweep => {
  const mark = firstStartOf(source)
  let floor: DateTime.Utc | undefined
  let isKnown = false
  /** The runs that had ended within the tolerance before that moment; none where the first sweep was another process's. */
  let older: Set<string> | undefined
  return Effect.fnUntraced(function* (window, cursor) {
    const isFirst = Option.isNone(cursor)
    if (!isKnown) {
      floor = Option.getOrUndefined((yield* outbox.checkpoint(mark)).cursor)
      if (floor === undefined && isFirst) {
        floor = window.from
        older = new Set()
        yield* outbox.commit({ source: mark, cursor: floor, runs: [], forget: [], entries: [] })
      }
      isKnown = true
    }
    if (floor === undefined) return () => false
    // No later Window starts before that moment, unless the clock was ahead then.
    const from = DateTime.min(floor, window.from)
    const doubtful = DateTime.subtractDuration(from, tolerance)
    floor = from
    // What ended so long ago stands in no list that is read from now on.
    if (DateTime.isGreaterThan(DateTime.subtractDuration(window.from, Duration.times(tolerance, 2)), from)) {
      older = undefined
    }
    const known = older
    return (run, end) => {
      if (end === undefined || DateTime.isGreaterThanOrEqualTo(end, from)) return false
      if (known === undefined || DateTime.isLessThan(end, doubtful)) return true
      if (isFirst) known.add(run)
      return known.has(run)
    }
  })
}
