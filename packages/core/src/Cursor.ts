/**
 * The rule by which a source's cursor moves: forward only, for what was read once is not given up. The one exception is a
 * cursor that lies ahead of the clock: it was committed while the clock was ahead, and nothing can have been read up to
 * it. Any other takes its place, for else all that happens until the clock has come so far would pass unread.
 */

/** The cursor that is true after a commit at the moment `now` that brings `next`. Milliseconds since 1970. */
export const move = (known: number | undefined, next: number | undefined, now: number): number | undefined =>
  next === undefined || (known !== undefined && known >= next && known <= now) ? known : next
