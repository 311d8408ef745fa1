/**
 * The time span that one run of a periodic Task has to cover.
 *
 * A Window is half-open: it contains its start and not its end, so that Windows which follow each other cover each
 * instant exactly once.
 *
 * ```ts
 * import * as Window from "@observability-agents/core/Window"
 * import { DateTime } from "effect"
 *
 * const window = Window.make(DateTime.makeUnsafe("2026-01-31T12:00:00Z"), DateTime.makeUnsafe("2026-01-31T12:00:05Z"))
 *
 * // What the tool may have written down late is read again.
 * export const read = Window.lookBack(window, "5 minutes")
 * ```
 */
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"

/**
 * The span `[from, to)`. `to` is never before `from`; where both are equal there is no time to cover, as on the first
 * run of an agent that starts from now.
 *
 * @category models
 */
export interface Window {
  /** The first instant that belongs to the Window. */
  readonly from: DateTime.Utc
  /** The first instant that no longer belongs to it: usually the moment the run began. */
  readonly to: DateTime.Utc
}

/**
 * The Window from one instant to another. Where the clock was set back, so that `to` is before `from`, the Window is
 * empty at `to`: reading goes on by the clock as it stands, and looking back covers what is near.
 *
 * @category constructors
 */
export const make = (from: DateTime.Utc, to: DateTime.Utc): Window => ({ from: DateTime.min(from, to), to })

/**
 * The same Window with an earlier start, for tools whose data appears late. What it covers twice, the identity of
 * events keeps from being sent twice.
 *
 * @category combinators
 */
export const lookBack = (window: Window, duration: Duration.Input): Window => ({
  from: DateTime.subtractDuration(window.from, duration),
  to: window.to
})

/**
 * How much time the Window covers.
 *
 * @category getters
 */
export const duration = (window: Window): Duration.Duration =>
  Duration.millis(DateTime.toEpochMillis(window.to) - DateTime.toEpochMillis(window.from))

/**
 * Whether an instant belongs to the Window: its start does, its end does not.
 *
 * @category getters
 */
export const contains = (window: Window, instant: DateTime.Utc): boolean =>
  DateTime.isGreaterThanOrEqualTo(instant, window.from) && DateTime.isLessThan(instant, window.to)
