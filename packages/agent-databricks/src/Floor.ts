/**
 * The moment from which a workspace is observed. What had ended before the very first start is none of ours, however often it
 * is listed; so that moment is kept beside the cursor, for all starts to come.
 */
import type * as Outbox from "@observability-agents/core/Outbox"
import type * as Window from "@observability-agents/core/Window"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"

/** Under which name the moment of a source's very first start is kept: that of its first Window. */
export const firstStartOf = (source: string): string => `~first start of ${source}`

/** Tells that moment, given the Window of a sweep and how far was read before. */
export type Floor = (
  window: Window.Window,
  cursor: Option.Option<DateTime.Utc>
) => Effect.Effect<DateTime.Utc | undefined, Outbox.OutboxError>

/** Makes the memory of one source. An agent that has read before and knows no such moment has none. */
export const make = (source: string, outbox: Outbox.Outbox["Service"]): Floor => {
  const mark = firstStartOf(source)
  let floor: DateTime.Utc | undefined
  let isKnown = false
  return Effect.fnUntraced(function* (window, cursor) {
    if (!isKnown) {
      floor = Option.getOrUndefined((yield* outbox.checkpoint(mark)).cursor)
      if (floor === undefined && Option.isNone(cursor)) {
        floor = window.from
        yield* outbox.commit({ source: mark, cursor: floor, runs: [], forget: [], entries: [] })
      }
      isKnown = true
    }
    // No later Window starts before that moment, unless the clock was ahead then.
    if (floor !== undefined) floor = DateTime.min(floor, window.from)
    return floor
  })
}
