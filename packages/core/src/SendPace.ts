/**
 * How many events may be on their way to the server at once: few at first, more while the server answers as quickly as
 * ever, fewer when it fails or slows down.
 *
 * The server has no answer that says "slower": its few workers take one request after the other, and what is too much
 * waits in a line that only its latency shows. So the limit is found by trying, like the window of TCP: it grows by one
 * per round of answers, and is halved on trouble. Latency is judged by the median of a round, beside the best one known;
 * a best that is old is measured anew at the minimum, because a line that is always there hides how quick the server is.
 *
 * | a round's median, or an event | limit |
 * |---|---|
 * | near the best (up to a quarter above), and all of the limit was in use | one more, at most the maximum |
 * | near the best, but the limit was not used | as it is: there is no backlog that could use more |
 * | between near and clearly above | as it is |
 * | clearly above the best (more than twice) | half, at least the minimum |
 * | time-out, 5xx, no connection | half, once for all that were under way together |
 * | the best is older than ten minutes | the minimum, for one round |
 *
 * Pure: a state, and what an answer makes of it. Times are milliseconds of one clock.
 */

/** Between what numbers the limit moves. Both are whole and at least 1. */
export interface Bounds {
  /** Where it starts and what it never falls below. */
  readonly minimum: number
  /** What it never exceeds; counts as `minimum` where it is below that. */
  readonly maximum: number
}

/** What is known of the pace. */
export interface SendPace {
  /** How many events may be under way now: a whole number within the bounds. */
  readonly limit: number
  /** When the limit last fell. What was sent before tells nothing of the limit in force. */
  readonly fellAt: number
  /** The answers of the round so far: their latencies, and how many of them came while all of the limit was in use. */
  readonly round: ReadonlyArray<number>
  readonly busy: number
  /** The lowest median of a round, and when it was measured. */
  readonly best: { readonly latency: number; readonly at: number } | undefined
}

/** How one event came out, as far as the pace is concerned. */
export interface Observation {
  readonly sentAt: number
  readonly now: number
  /** `taken`: the server did the work. `failed`: it could not, or did not answer. Leave out what was refused unworked. */
  readonly outcome: "taken" | "failed"
  /** How many events were under way when this one came out, itself included. */
  readonly underWay: number
}

/** Answers in a round, at least: fewer would follow chance. A larger limit has rounds of its own size. */
export const ROUND = 8

/** Up to this factor above the best, a latency is near it: less than what one more event in line for two workers makes. */
export const NEAR = 1.25

/** Above this factor of the best, latency has clearly grown: as many events stand in line as are worked on. */
export const GROWN = 2

/** Differences below this, in milliseconds, are the network's and the system's, and count for nothing. */
export const NOISE = 5

/** How long the best latency is believed, in milliseconds: then the server, or the way to it, may be another. */
export const BEST_LASTS = 600_000

/** The pace at the start: the minimum, and nothing known. */
export const start = (bounds: Bounds): SendPace => ({
  limit: bounds.minimum,
  fellAt: Number.NEGATIVE_INFINITY,
  round: [],
  busy: 0,
  best: undefined
})

/** What an answer makes of the pace. */
export const observe = (pace: SendPace, bounds: Bounds, seen: Observation): SendPace => {
  // Sent under a limit that was given up: one wave of failures is one reason to slow down, not as many as it has events.
  if (seen.sentAt < pace.fellAt) return pace
  if (seen.outcome === "failed") return fall(pace, Math.floor(pace.limit / 2), bounds, seen.now)
  const round = [...pace.round, Math.max(0, seen.now - seen.sentAt)]
  const busy = pace.busy + (seen.underWay >= pace.limit ? 1 : 0)
  if (round.length < Math.max(ROUND, pace.limit)) return { ...pace, round, busy }
  return judge({ ...pace, round, busy }, bounds, seen.now)
}

// ---- private

/** The end of a round. */
const judge = (pace: SendPace, bounds: Bounds, now: number): SendPace => {
  const latency = median(pace.round)
  const next: SendPace = { ...pace, round: [], busy: 0 }
  if (pace.best === undefined || latency <= pace.best.latency) {
    return grow({ ...next, best: { latency, at: now } }, pace, bounds)
  }
  if (now - pace.best.at >= BEST_LASTS) {
    // At the minimum this round was the measurement itself.
    return pace.limit <= bounds.minimum
      ? { ...next, best: { latency, at: now } }
      : { ...fall(next, bounds.minimum, bounds, now), best: undefined }
  }
  if (latency <= pace.best.latency * NEAR + NOISE) return grow(next, pace, bounds)
  if (latency > pace.best.latency * GROWN + NOISE) {
    return fall(next, Math.floor(pace.limit / 2), bounds, now)
  }
  return next
}

const grow = (next: SendPace, { busy, limit, round }: SendPace, bounds: Bounds): SendPace =>
  // Most of the round, not all: when the backlog is shared out, one lane or other is between two of its events.
  busy * 2 > round.length ? { ...next, limit: Math.max(limit, Math.min(limit + 1, bounds.maximum)) } : next

const fall = (pace: SendPace, limit: number, bounds: Bounds, now: number): SendPace => ({
  ...pace,
  limit: Math.max(bounds.minimum, limit),
  fellAt: now,
  round: [],
  busy: 0
})

const median = (numbers: ReadonlyArray<number>): number => {
  const sorted = numbers.toSorted((a, b) => a - b)
  return sorted[Math.floor((sorted.length - 1) / 2)] ?? 0
}
