/**
 * How Loops deal with an Outbox that fails: what is unusable ends the agent, what is unavailable is tried again.
 */
import * as Effect from "effect/Effect"
import type { OutboxError } from "./Outbox.ts"
import { Unrecoverable } from "./Supervisor.ts"

export type { OutboxError } from "./Outbox.ts"

/** The store may work again later, or the agent ends. */
export type AccessError = OutboxError | Unrecoverable

/** The exit code of a program whose state store is unusable. */
const STATE_STORE_UNUSABLE = 74

/** An Outbox that is unusable for good ends the agent. */
export const unusableIsFatal = <A, R>(
  effect: Effect.Effect<A, OutboxError, R>
): Effect.Effect<A, AccessError, R> =>
  Effect.mapError(effect, (error) =>
    error.reason === "Unusable"
      ? new Unrecoverable({ exitCode: STATE_STORE_UNUSABLE, message: error.message, cause: error })
      : error
  )

/**
 * Tries again, every second, until the store can take it. The tries cannot be interrupted inside an uninterruptible
 * region, the waits between them can: a stop does not hang on a store that is gone.
 */
export const persist = <A, R>(
  effect: Effect.Effect<A, OutboxError, R>,
  onUnavailable: (error: OutboxError) => Effect.Effect<void> = () => Effect.void
): Effect.Effect<A, AccessError, R> =>
  Effect.catchTag(unusableIsFatal(effect), "OutboxError", (error) =>
    Effect.flatMap(Effect.andThen(onUnavailable(error), Effect.interruptible(Effect.sleep("1 second"))), () =>
      persist(effect, onUnavailable)
    )
  )
