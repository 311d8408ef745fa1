/**
 * Whether events may go to the server now: freely, or, when it refuses our key or nothing gets through, one at a time as
 * a probe, with waits between. So an outage costs the server and the log one try per interval, whatever the backlog.
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as SteadyTime from "./SteadyTime.ts"

/** How sending one event came out. */
export type Outcome =
  /** The server took it, or refused the event itself: it works. */
  | { readonly _tag: "Answered" }
  /** The server refuses the key, the project or the address: nothing can be sent. */
  | { readonly _tag: "Refused" }
  /** The server could not take this event, or did not answer. `retryAfter`: how long it asks to wait, or 0. */
  | { readonly _tag: "Failed"; readonly lane: string; readonly retryAfter: number }
  /** Nothing was learnt: the event was not sent, or the sender was interrupted. */
  | { readonly _tag: "Unsent" }

/** Leave to send one event: freely, or as the one probe. */
export type Turn = "free" | "probe"

/** The gate that all senders of one server pass. Every turn has to be reported, and then a new one be waited for. */
export interface SendGate {
  /** Waits until an event may be sent. */
  readonly turn: Effect.Effect<Turn>
  /** Whether a free turn that was given earlier still holds. */
  readonly isOpen: () => boolean
  /** How the event of the turn came out. */
  readonly report: (turn: Turn, outcome: Outcome) => Effect.Effect<void>
  /** The lanes that failed since something was last answered, at most {@link OUTAGE_LANES} of them. */
  readonly failing: () => ReadonlySet<string>
}

/**
 * When the events of so many lanes in succession failed, it is the server and not the events: an event or two that it
 * cannot digest stop only their own lanes, and no more than so many tries are spent on finding out.
 */
export const OUTAGE_LANES = 5

/** An open gate. Times are milliseconds. */
export const make = (options: {
  /** Between two probes while the server refuses us. */
  readonly refusedPeriod: number
  /** How long to wait after so many failed probes (0: before the first one). */
  readonly backOff: (failures: number) => Effect.Effect<number>
}): SendGate => {
  let closed: { readonly nextAt: number; readonly failures: number; readonly probing: boolean } | undefined
  let changed = Deferred.makeUnsafe<void>()
  const failing = new Set<string>()

  const change = (next: typeof closed): void => {
    closed = next
    const woken = changed
    changed = Deferred.makeUnsafe()
    Deferred.doneUnsafe(woken, Effect.void)
  }

  const handBack = Effect.sync(() => {
    if (closed !== undefined) change({ ...closed, probing: false })
  })

  const turn: Effect.Effect<Turn> = Effect.suspend(() => {
    if (closed === undefined) return Effect.succeed("free")
    if (closed.probing) return Effect.andThen(Deferred.await(changed), turn)
    closed = { ...closed, probing: true }
    const { nextAt } = closed
    return Effect.flatMap(SteadyTime.elapsed, (now) => Effect.sleep(Math.max(0, nextAt - now))).pipe(
      Effect.onInterrupt(() => handBack),
      Effect.as("probe" as const)
    )
  })

  const close = (turn: Turn, wait: number) =>
    Effect.map(SteadyTime.elapsed, (now) => {
      // While it is closed, only the probe's word counts: the others were sent before.
      if (closed !== undefined && turn === "free") return
      change({ nextAt: now + wait, failures: (closed?.failures ?? 0) + 1, probing: false })
    })

  const report = (turn: Turn, outcome: Outcome): Effect.Effect<void> =>
    Effect.suspend(() => {
      switch (outcome._tag) {
        case "Unsent":
          return turn === "probe" ? handBack : Effect.void
        case "Refused":
          return close(turn, options.refusedPeriod)
        case "Answered":
          failing.clear()
          if (closed !== undefined) change(undefined)
          return Effect.void
        case "Failed": {
          if (failing.size < OUTAGE_LANES) failing.add(outcome.lane)
          // Who names a time to wait speaks for the whole server, so one is enough.
          const isOutage = failing.size >= OUTAGE_LANES || outcome.retryAfter > 0
          if (turn === "free" && (closed !== undefined || !isOutage)) return Effect.void
          return Effect.flatMap(options.backOff(closed?.failures ?? 0), (wait) =>
            close(turn, Math.max(wait, outcome.retryAfter))
          )
        }
      }
    })

  return { turn, isOpen: () => closed === undefined, report, failing: () => failing }
}
