/** What fibers wait for in the SQLite driver of the Outbox: room for a commit, and signals that something has changed. */
import * as Effect from "effect/Effect"
import type { Lanes } from "./OutboxSqliteLanes.ts"

/** From `high` on commits wait, until there is less than `low`. One number stands for both. */
export type Capacity = number | { readonly high: number; readonly low: number }

/**
 * Whether commits have to wait: from one of the high marks on, until both are below their low marks. It has to be asked
 * after each change, because it remembers which of the two came last.
 */
export const fullness = (
  lanes: Lanes,
  options: { readonly capacity?: Capacity | undefined; readonly capacityBytes?: Capacity | undefined }
): (() => boolean) => {
  const events = marks(options.capacity ?? { high: 100_000, low: 80_000 })
  const bytes = marks(options.capacityBytes ?? { high: 512 * 1024 * 1024, low: 400 * 1024 * 1024 })
  let isFull = false
  return () => {
    if (lanes.pending() >= events.high || lanes.bytes() >= bytes.high) isFull = true
    else if (lanes.pending() < events.low && lanes.bytes() < bytes.low) isFull = false
    return isFull
  }
}

const marks = (capacity: Capacity) => {
  const { high, low } = typeof capacity === "number" ? { high: capacity, low: capacity } : capacity
  // Below 1 nothing would ever get in, or nobody would ever be woken.
  return { high: Math.max(1, high), low: Math.max(1, Math.min(low, high)) }
}

/** Something that fibers wait for. They are woken all at once and look again, so an interrupted one costs nobody his turn. */
export const makeSignal = () => {
  let waiting = new Set<() => void>()
  let count = 0
  return {
    wake: () => {
      count += 1
      const woken = waiting
      waiting = new Set()
      for (const resume of woken) resume()
    },
    /** How often it has woken. */
    count: () => count,
    /** Looks and begins to wait in one step, so that no wake-up falls between the two. */
    waitUntil: (isTrue: () => boolean): Effect.Effect<void> =>
      Effect.callback((resume) => {
        if (isTrue()) return resume(Effect.void)
        const wake = () => resume(Effect.void)
        waiting.add(wake)
        return Effect.sync(() => {
          waiting.delete(wake)
        })
      })
  }
}
