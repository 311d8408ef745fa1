/**
 * Logs what goes wrong again and again without flooding the log.
 *
 * A kind of failure is logged when it first shows, with its whole cause, and then at most once a minute with the count
 * of those left out; of many kinds at most five lines a minute are written. The return to normal is logged once, and
 * only where the failure was. What flickers between the two is held to the same measure.
 *
 * A failure that comes again each second is in the log once a minute:
 *
 * ```ts
 * import * as FailureLog from "@observability-agents/core/FailureLog"
 * import { Effect } from "effect"
 *
 * const log = FailureLog.make({ failed: "The price list cannot be read", recovered: "The price list can be read again" })
 *
 * export const attempt = <A, E, R>(read: Effect.Effect<A, E, R>) =>
 *   Effect.tapCause(
 *     Effect.tap(read, () => log.recovered),
 *     log.failed
 *   )
 * ```
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"

/**
 * The log of one thing that can fail.
 *
 * @category models
 */
export interface FailureLog {
  /** Takes note of a failure: as WARN, and as ERROR where the cause holds a defect. */
  readonly failed: (cause: Cause.Cause<unknown>) => Effect.Effect<void>
  /** Takes note of a success. Logs at INFO if there was a failure before it that was logged. */
  readonly recovered: Effect.Effect<void>
  /** Whether the last thing noted was a failure. */
  readonly failing: () => boolean
}

/**
 * Makes the log of one thing. The sentences are constant; what differs stands in annotations: `failures` (in a row),
 * `unlogged` (left out since the last line) and, on recovery, `since`.
 *
 * @category constructors
 */
export const make = (sentences: { readonly failed: string; readonly recovered: string }): FailureLog => {
  const lastLogged = new Map<string, number>()
  let failures = 0
  let unlogged = 0
  let since = 0
  let shown = false

  const mayLog = (kind: string, now: number): boolean => {
    for (const [other, time] of lastLogged) if (now - time >= INTERVAL_MILLIS) lastLogged.delete(other)
    if (lastLogged.has(kind) || lastLogged.size >= MAX_KINDS) return false
    lastLogged.set(kind, now)
    return true
  }

  const failed = (cause: Cause.Cause<unknown>) =>
    Clock.clockWith((clock) => {
      const now = clock.currentTimeMillisUnsafe()
      if (failures === 0) since = now
      failures += 1
      if (!mayLog(describe(cause), now)) {
        unlogged += 1
        return Effect.void
      }
      const annotations = { failures, unlogged }
      unlogged = 0
      shown = true
      const log = Cause.hasDies(cause) ? Effect.logError : Effect.logWarning
      return Effect.annotateLogs(log(sentences.failed, cause), annotations)
    })

  const recovered = Effect.suspend(() => {
    if (failures === 0) return Effect.void
    const annotations = { failures, unlogged, since: DateTime.formatIso(DateTime.makeUnsafe(since)) }
    failures = 0
    if (!shown) return Effect.void
    shown = false
    unlogged = 0
    return Effect.annotateLogs(Effect.logInfo(sentences.recovered), annotations)
  })

  return { failed, recovered, failing: () => failures > 0 }
}

/**
 * What happened, in one line of at most 300 characters: the name and the message of the error.
 *
 * @category getters
 */
export const describe = (
  cause: Cause.Cause<unknown>,
  mask: (text: string) => string = (text) => text
): string => {
  if (Cause.hasInterruptsOnly(cause)) return "interrupted"
  const error = Cause.squash(cause)
  const words =
    error instanceof Error
      ? error.message === ""
        ? error.name
        : `${error.name}: ${error.message}`
      : typeof error === "string"
        ? error
        : Cause.pretty(Cause.fail(error))
  // Before the cut, which could leave a part of what is to be masked.
  const line = mask(words).replace(/\s+/g, " ").trim()
  return line.length <= MAX_LINE ? line : `${line.slice(0, MAX_LINE - 1)}…`
}

const INTERVAL_MILLIS = 60_000
const MAX_KINDS = 5
const MAX_LINE = 300
