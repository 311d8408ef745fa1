/**
 * The slots in which events are on their way to the server: no more at once than its {@link SendPace} allows, whether
 * they go freely or as a probe.
 *
 * A slot is taken before an event is, so that an event that has to wait does so in the Outbox. When the limit falls, what
 * is under way is finished, and nothing goes until there is room below the new limit.
 */
import type * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import * as AgentMetrics from "./AgentMetrics.ts"
import * as SendPace from "./SendPace.ts"

/** The slots of one sender. */
export interface SendLimit {
  /** Waits for a free slot and takes it. */
  readonly enter: Effect.Effect<void>
  /** Gives the slot back. */
  readonly leave: Effect.Effect<void>
  /** Whether more slots are taken than the limit now in force allows: it fell since. */
  readonly isOver: () => boolean
  /** Notes that an event is on its way in a slot that was taken; gives the moment, in milliseconds. */
  readonly sent: () => number
  /** Notes how it came out, or, without an outcome, that nothing was learnt. Every event that was sent has to come out. */
  readonly cameOut: (
    sentAt: number,
    outcome: SendPace.Observation["outcome"] | undefined
  ) => Effect.Effect<void>
}

/** Slots at the start of the pace. The gauge `send_concurrency` tells the limit in force until the Scope closes. */
export const make = Effect.fnUntraced(function* (
  bounds: SendPace.Bounds
): Effect.fn.Return<SendLimit, never, Scope.Scope> {
  const clock = yield* Effect.clockWith(Effect.succeed)
  let pace = SendPace.start(bounds)
  let taken = 0
  let underWay = 0
  const slots = yield* Semaphore.make(pace.limit)

  yield* AgentMetrics.observe("send_concurrency", {}, () => pace.limit)

  return {
    enter: Effect.map(slots.take(1), () => {
      taken += 1
    }),
    leave: Effect.suspend(() => {
      taken -= 1
      return slots.release(1)
    }),
    isOver: () => taken > pace.limit,
    sent: () => {
      underWay += 1
      return millis(clock)
    },
    cameOut: (sentAt, outcome) =>
      Effect.suspend(() => {
        const before = pace.limit
        if (outcome !== undefined) {
          pace = SendPace.observe(pace, bounds, { sentAt, now: millis(clock), outcome, underWay })
        }
        underWay -= 1
        return pace.limit === before ? Effect.void : slots.resize(pace.limit)
      })
  }
})

// ---- private

const millis = (clock: Clock.Clock): number => Number(clock.monotonicTimeNanosUnsafe()) / 1_000_000
