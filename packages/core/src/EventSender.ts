/**
 * The EventSender: takes events out of the Outbox and brings them to the server, lane by lane, until each was delivered
 * or turned out to be undeliverable.
 *
 * | the server | the event | sending |
 * |---|---|---|
 * | takes it (2xx) | leaves the Outbox | goes on |
 * | `Rejected`: it, or our own check, refuses the event | becomes a dead letter | goes on |
 * | `Unauthorized`: it refuses the key or the address | stays, as if it had not been tried | stops; one probe per `unauthorized_retry_period` |
 * | `Unavailable`: it cannot, or does not answer | stays the head of its lane and is tried again, more and more patiently | goes on with other lanes; when the events of five lanes failed in succession, or the server names a time to wait: one probe at a time |
 * | 500, `max_server_errors` times on one event, while others pass | becomes a dead letter | goes on |
 *
 * No event is given up for its age. Health knows how the last event came out, under the Loop's name `send events`. How
 * many events are under way at once follows the server's latency: see `SendPace`.
 *
 * Events whose last try failed never fill all slots: the server may leave each of them without an answer until its time
 * is over, and one slot is always left to the lanes that are well. Where there is only one slot at all, they go when
 * nothing else is due.
 */
import type { ObservabilityError } from "@observability-agents/toolkit/ObservabilityError"
import { Observability } from "@observability-agents/toolkit/Observability"
import * as Cause from "effect/Cause"
import type * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Random from "effect/Random"
import { CoreSettings } from "./CoreSettings.ts"
import type { Health } from "./Health.ts"
import * as Loop from "./Loop.ts"
import { type Claim, Outbox } from "./Outbox.ts"
import * as OutboxAccess from "./OutboxAccess.ts"
import * as SendGate from "./SendGate.ts"
import * as SendLimit from "./SendLimit.ts"
import type { Supervisor } from "./Supervisor.ts"
import * as TraceContext from "./TraceContext.ts"

/** The sending of events, while its Layer is there. */
export class EventSender extends Context.Service<
  EventSender,
  {
    /**
     * Takes no further events, and waits until those under way are settled. For a stop in good order: what is
     * interrupted instead may arrive and be sent again after the next start.
     */
    readonly drain: Effect.Effect<void>
  }
>()("@observability-agents/core/EventSender") {}

/** The name of the Loop that sends. */
export const LOOP = "send events"

/** How sending behaves. */
export interface Options {
  /**
   * How many events are under way at once: at the start, and at least while there are so many lanes. 1 counts as 2 where
   * `concurrencyMaximum` allows it, so that there is a slot beside that of an event that is tried again.
   */
  readonly concurrency: number
  /** How many it may become while the server answers quickly. `concurrency` unless given more: then it is fixed. */
  readonly concurrencyMaximum?: number | undefined
  /** Longest wait before an event is tried again. */
  readonly retryMaximum: Duration.Duration
  /** Between two probes while the server refuses us. */
  readonly unauthorizedRetryPeriod: Duration.Duration
  /** See the table. */
  readonly maxServerErrors: number
}

/** Sends events as long as the Layer is there, with the options given. */
export const layerWith = (
  options: Options
): Layer.Layer<EventSender, never, Outbox | Observability | Supervisor | Health> =>
  Layer.unwrap(
    Effect.map(make(options), ({ loop, service }) => Layer.merge(loop, Layer.succeed(EventSender, service)))
  )

/** Sends events as long as the Layer is there, as the settings of `[core]` say. */
export const layer: Layer.Layer<
  EventSender,
  Config.ConfigError,
  Outbox | Observability | Supervisor | Health
> = Layer.unwrap(
  Effect.gen(function* () {
    const settings = yield* CoreSettings.config
    return layerWith({
      concurrency: settings.sendConcurrency,
      concurrencyMaximum: settings.sendConcurrencyMaximum,
      retryMaximum: settings.sendRetryMaximum,
      unauthorizedRetryPeriod: settings.unauthorizedRetryPeriod,
      maxServerErrors: settings.maxServerErrors
    })
  })
)

/** A proxy that asks to wait for days is not believed. */
const RETRY_AFTER_MAXIMUM = Duration.toMillis("1 hour")

/** An event in the hands of a worker. */
interface Taken {
  readonly turn: SendGate.Turn
  readonly claim: Claim
}

const make = Effect.fnUntraced(function* (options: Options) {
  const outbox = yield* Outbox
  const observability = yield* Observability
  const maximum = Duration.toMillis(options.retryMaximum)
  const concurrency = Math.max(options.concurrency, options.concurrencyMaximum ?? 0)
  // Whole milliseconds: clocks count no less, and a wait for a fraction would be over before its time.
  const backOff = (failures: number) =>
    Effect.map(Random.next, (random) =>
      Math.ceil(Math.min(maximum, 1000 * 2 ** Math.min(failures, 30)) * (0.5 + random / 2))
    )
  const gate = SendGate.make({ refusedPeriod: Duration.toMillis(options.unauthorizedRetryPeriod), backOff })
  const minimum = Math.max(options.concurrency, Math.min(2, concurrency))
  const slots = yield* SendLimit.make({ minimum, maximum: concurrency })

  const held = new Set<Claim>()
  /** Of those held: events in a slot whose last try failed, and such that found no room and wait aside, in their order. */
  const retrying = new Set<Claim>()
  const parked: Array<Claim> = []
  const drained = Deferred.makeUnsafe<void>()
  let draining = false
  let delivered = 0
  /** By event: how often its own post was answered 500, and how many others had been delivered at the first and last. */
  const serverErrors = new Map<
    string,
    { readonly count: number; readonly first: number; readonly last: number }
  >()

  const settle = (claim: Claim, effect: Effect.Effect<void, OutboxAccess.OutboxError>) =>
    Effect.andThen(
      OutboxAccess.persist(effect),
      Effect.sync(() => {
        held.delete(claim)
        retrying.delete(claim)
        if (draining && held.size === 0) Deferred.doneUnsafe(drained, Effect.void)
      })
    )

  /**
   * For how many more events whose last try failed there is room beside the slot that is left to others. Counted from
   * the minimum: the limit may fall to it while they are under way, and they would fill it for as long as they hang.
   */
  const roomForRetries = () => minimum - 1 - retrying.size

  /** Gives back what waits aside as far as there is room: being the longest due, it is claimed again at once. */
  const unpark = Effect.suspend(() => {
    const all = draining || concurrency === 1
    const claims = parked.splice(0, all ? parked.length : Math.max(0, roomForRetries()))
    // A store that is unusable says so at the next claim, too; what could not be given back is held until the end.
    return Effect.forEach(claims, (claim) => Effect.ignore(settle(claim, outbox.release(claim))), {
      discard: true
    })
  })

  /** Ends a turn, however its event came out. */
  const report = (turn: SendGate.Turn, outcome: SendGate.Outcome) =>
    Effect.andThen(gate.report(turn, outcome), Effect.andThen(slots.leave, unpark))

  const claimNext = OutboxAccess.unusableIsFatal(outbox.claim)

  /** What is due now, if anything is: only the waiting of a claim can be interrupted. */
  const claimNow = Effect.gen(function* () {
    const fiber = yield* Effect.forkChild(claimNext, { startImmediately: true })
    yield* Fiber.interrupt(fiber)
    const exit = yield* Fiber.await(fiber)
    return Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause) ? undefined : yield* exit
  })

  /** The next event that may have a slot, held. Events that may not are put aside, so that those behind them pass. */
  const take = Effect.gen(function* () {
    for (;;) {
      const isAlone = concurrency === 1 && parked.length > 0
      const claim = isAlone ? yield* claimNow : yield* claimNext
      if (claim === undefined) {
        const first = parked.shift()
        if (first !== undefined) return first
        continue
      }
      held.add(claim)
      if (claim.attempts === 0 || draining) return claim
      if (roomForRetries() > 0) {
        retrying.add(claim)
        return claim
      }
      parked.push(claim)
    }
  })

  // Masked: between being taken and being held, a claim must not get lost.
  const next: Effect.Effect<Taken, Cause.Done | OutboxAccess.AccessError> = Effect.uninterruptibleMask(
    (restore) =>
      Effect.gen(function* () {
        for (;;) {
          yield* restore(slots.enter)
          const turn = yield* Effect.onError(restore(gate.turn), () => slots.leave)
          const claim = yield* Effect.onError(take, () => report(turn, { _tag: "Unsent" }))
          // While this worker waited for an event, things may have changed.
          const isFit = (turn === "probe" || gate.isOpen()) && !slots.isOver()
          if (!draining && isFit) return { turn, claim }
          yield* settle(claim, outbox.release(claim))
          yield* report(turn, { _tag: "Unsent" })
          if (draining) return yield* Cause.done()
        }
      })
  )

  /** Whether an event that keeps being answered 500 is at fault itself. */
  const isPoisoned = (claim: Claim): boolean => {
    const { id, lane } = claim.entry
    const known = serverErrors.get(id) ?? { count: 0, first: delivered, last: delivered }
    const { count, first } = { ...known, count: known.count + 1 }
    serverErrors.set(id, { count, first, last: delivered })
    // Others passed, and do still: since the last time, or none but this one has failed since.
    const failing = gate.failing()
    const isAlone = failing.size === 0 || (failing.size === 1 && failing.has(lane))
    return count >= options.maxServerErrors && delivered > first && (delivered > known.last || isAlone)
  }

  const fail = Effect.fnUntraced(function* (
    { claim, turn }: Taken,
    failure: { readonly status?: number | undefined; readonly words: string; readonly retryAfter: number }
  ) {
    if (failure.status === 500 && isPoisoned(claim)) {
      serverErrors.delete(claim.entry.id)
      yield* settle(claim, outbox.bury(claim, { reason: "server errors", words: failure.words }))
      yield* report(turn, { _tag: "Unsent" })
      return yield* logBuried(
        "Event became a dead letter: the server fails on it while others pass",
        claim,
        failure.words
      )
    }
    const after = Math.max(yield* backOff(claim.attempts), failure.retryAfter)
    yield* settle(claim, outbox.retry(claim, { after: Duration.millis(after), error: failure.words }))
    yield* report(turn, { _tag: "Failed", lane: claim.entry.lane, retryAfter: failure.retryAfter })
  })

  const answer = Effect.fnUntraced(function* (taken: Taken, error: ObservabilityError) {
    const { claim, turn } = taken
    const { reason } = error
    switch (reason._tag) {
      case "Rejected": {
        serverErrors.delete(claim.entry.id)
        yield* settle(claim, outbox.bury(claim, { reason: "rejected", words: reason.words }))
        yield* report(turn, { _tag: reason.status === undefined ? "Unsent" : "Answered" })
        return yield* logBuried("Event became a dead letter: it was rejected", claim, reason.words)
      }
      case "Unauthorized":
        yield* settle(claim, outbox.release(claim))
        yield* report(turn, { _tag: "Refused" })
        return yield* error
      case "Unavailable": {
        const asked = reason.retryAfter === undefined ? 0 : Duration.toMillis(reason.retryAfter)
        const retryAfter = Math.min(Math.max(asked, 0), RETRY_AFTER_MAXIMUM)
        yield* fail(taken, { status: reason.status, words: reason.words, retryAfter })
        return yield* error
      }
    }
  })

  const send = (taken: Taken): Effect.Effect<void, ObservabilityError | OutboxAccess.AccessError> =>
    Effect.uninterruptibleMask((restore) =>
      Effect.gen(function* () {
        const { claim, turn } = taken
        if (claim.traceparent !== undefined) {
          yield* Effect.annotateCurrentSpan({ event: claim.entry.id, attempts: claim.attempts })
        }
        const sentAt = slots.sent()
        const exit = yield* Effect.exit(restore(observability.post(claim.entry.event)))
        const failure = Exit.isSuccess(exit) ? undefined : exit.cause.reasons.find(Cause.isFailReason)
        yield* slots.cameOut(sentAt, Exit.isSuccess(exit) ? "taken" : paceOf(failure?.error))
        if (Exit.isSuccess(exit)) {
          delivered += 1
          serverErrors.delete(claim.entry.id)
          yield* settle(claim, outbox.delivered(claim))
          return yield* report(turn, { _tag: "Answered" })
        }
        if (failure !== undefined) return yield* answer(taken, failure.error)
        if (Cause.hasInterrupts(exit.cause)) {
          yield* settle(claim, outbox.release(claim))
          yield* report(turn, { _tag: "Unsent" })
          return yield* Effect.interrupt
        }
        // A defect of ours on this one event: like a server that fails on it.
        yield* fail(taken, { status: 500, words: "The sender broke on this event.", retryAfter: 0 })
        return yield* exit
      })
    )

  // Registered before the Loop, so it runs after the Loop has ended: what a worker still held goes back.
  yield* Effect.addFinalizer(() =>
    Effect.forEach(Array.from(held), (claim) => Effect.ignore(outbox.release(claim)), { discard: true })
  )

  const drain = Effect.suspend(() => {
    draining = true
    if (held.size === 0) return Effect.void
    return Effect.andThen(Effect.uninterruptible(unpark), Deferred.await(drained))
  })
  return {
    // The trace of the event goes on, also after a restart.
    loop: Loop.receive(LOOP, next, send, {
      concurrency,
      parent: ({ claim }) => TraceContext.decode(claim.traceparent)
    }),
    service: EventSender.of({ drain })
  }
})

/** Only what the server could not do, or did not answer, says that it has too much to do. */
const paceOf = (error: ObservabilityError | undefined) =>
  error?.reason._tag === "Unavailable" ? "failed" : undefined

const logBuried = (sentence: string, claim: Claim, words: string) =>
  Effect.annotateLogs(Effect.logWarning(sentence), { event: claim.entry.id, attempts: claim.attempts, words })
