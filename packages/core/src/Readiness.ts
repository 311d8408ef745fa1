/**
 * The two answers that an orchestrator asks for.
 *
 * **Ready**: the agent does what it is there for. Its Layer is built, every source was read lately, what was to be sent left
 * lately, and no part has been failing for long. An outage of the tool or the server makes an agent not ready, and it
 * becomes ready again by itself.
 *
 * **Live**: a restart would not help. It is no as long as a task hangs for no reason outside of the agent. Requests
 * have time-outs, so no outage makes a task hang; what waits because the Outbox is full, or its store cannot be written, does
 * not hang either.
 */
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as EventSender from "./EventSender.ts"
import { Health } from "./Health.ts"
import * as Heartbeat from "./Heartbeat.ts"
import * as OutboxWatch from "./OutboxWatch.ts"
import type * as Wiring from "./Wiring.ts"

/** The name under which Health knows that the agent's own Layer is not there yet. */
export const START = "start"

/** Why the answer is no. */
export interface Reason {
  /** The part of the agent: the Loop's name for Loops. */
  readonly part: string
  /** In one sentence. */
  readonly reason: string
  /** Since when. Absent for what has not happened yet. */
  readonly since?: DateTime.Utc | undefined
}

/** An answer: yes where there is no reason against it. */
export interface Answer {
  readonly ok: boolean
  readonly reasons: ReadonlyArray<Reason>
}

/** What is looked at, and how patiently. */
export interface Options {
  readonly health: Health["Service"]
  readonly watch: OutboxWatch.OutboxWatch["Service"]
  readonly wiring: Wiring.Wiring | undefined
  readonly staleAfter: Duration.Duration
  readonly stuckAfter: Duration.Duration
}

/** Loops that are read from: each of them is a source of the agent. */
export const isSource = (loop: Wiring.Loop): boolean =>
  loop.kind === "periodic" && loop.receives === undefined

/** Whether the agent does what it is there for. */
export const ready = Effect.fnUntraced(function* ({
  health,
  staleAfter,
  wiring
}: Options): Effect.fn.Return<Answer> {
  const now = yield* DateTime.now
  const stale = Duration.toMillis(staleAfter)
  const { parts } = yield* health.report
  const reasons: Array<Reason> = []
  for (const { name, reason, since, state } of parts) {
    if (state === "ok") continue
    // Being about to start is no failure, and no readiness either.
    const patience = name === START ? 0 : stale
    if (now.epochMilliseconds - since.epochMilliseconds < patience) continue
    reasons.push({ part: name, since, reason: reason ?? "it fails" })
  }
  for (const loop of wiring?.loops() ?? []) {
    if (!isSource(loop) || loop.ended() || reasons.some(({ part }) => part === loop.name)) continue
    const lastSuccess = loop.lastSuccess()
    if (lastSuccess === undefined) {
      reasons.push({ part: loop.name, reason: "it has not been read to the end yet" })
      continue
    }
    // A read that is getting on is no silence, however long it takes.
    const last = Math.max(lastSuccess, loop.busySince() ?? 0)
    if (now.epochMilliseconds - last < (loop.period() ?? 0) + stale) continue
    reasons.push({
      part: loop.name,
      since: DateTime.makeUnsafe(last),
      reason: "it is not read any more"
    })
  }
  return { ok: reasons.length === 0, reasons }
})

/** Whether a restart would not help. */
export const live = Effect.fnUntraced(function* ({
  health,
  stuckAfter,
  watch,
  wiring
}: Options): Effect.fn.Return<Answer> {
  const now = yield* DateTime.now
  const { parts } = yield* health.report
  const storeFails = parts.some(({ name, state }) => name === OutboxWatch.STORE && state === "failing")
  const waits = storeFails || watch.committingSince() !== undefined
  const reasons: Array<Reason> = []
  for (const loop of wiring?.loops() ?? []) {
    const since = loop.busySince()
    if (since === undefined || (waits && !isDownstream(loop))) continue
    if (loop.stuckAfter === Number.POSITIVE_INFINITY) continue
    if (now.epochMilliseconds - since < Math.max(loop.stuckAfter, Duration.toMillis(stuckAfter))) continue
    reasons.push({ part: loop.name, since: DateTime.makeUnsafe(since), reason: "a run hangs" })
  }
  return { ok: reasons.length === 0, reasons }
})

/** What no full Outbox can hold up. */
const isDownstream = ({ name }: Wiring.Loop): boolean => name === EventSender.LOOP || name === Heartbeat.LOOP

/**
 * Tells whether the agent's own Layer is there, which no Loop can before it is: a token that is not given, or a tool that
 * does not answer, may keep it from being built.
 *
 * @category services
 */
export class Start extends Context.Service<
  Start,
  {
    /** Says that the Layer is being built, again maybe. */
    readonly begin: Effect.Effect<void>
    /** Says that the Layer is there. */
    readonly done: Effect.Effect<void>
  }
>()("@observability-agents/core/Readiness/Start") {
  /** It is not there yet: to be built before all that asks. */
  static readonly layer: Layer.Layer<Start, never, Health> = Layer.effect(
    Start,
    Effect.gen(function* () {
      const health = yield* Health
      let since: DateTime.Utc | undefined = yield* DateTime.now
      yield* health.watch(
        START,
        Effect.sync(() =>
          since === undefined
            ? Option.none()
            : Option.some({ since, reason: "the agent has not begun to read its tool" })
        )
      )
      return Start.of({
        begin: Effect.map(DateTime.now, (now) => {
          since ??= now
        }),
        done: Effect.sync(() => {
          since = undefined
        })
      })
    })
  )
}
