/**
 * The two answers that an orchestrator asks for.
 *
 * **Ready**: the agent does what it is there for. Its Layer is built, every source was read lately, what was to be sent left
 * lately, and no part has been failing for long. An outage of the tool or the server makes an agent not ready, and it
 * becomes ready again by itself.
 *
 * **Live**: a restart would not help. It is no as long as a task hangs for no reason outside of the agent. Requests
 * have time-outs, so no outage makes a task hang; what waits because the Outbox is full, or its store cannot be written, does
 * not hang either, and the time that it waited so does not count afterwards.
 *
 * Both measure time by the monotonic clock, so setting the system's clock changes no answer.
 */
import type { HttpSettings } from "@observability-agents/toolkit/HttpSettings"
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as EventSender from "./EventSender.ts"
import { Health } from "./Health.ts"
import * as Heartbeat from "./Heartbeat.ts"
import type * as OutboxWatch from "./OutboxWatch.ts"
import * as SteadyTime from "./SteadyTime.ts"
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
  /** At least what a request may take: see {@link longestRequest}. */
  readonly stuckAfter: Duration.Duration
}

/**
 * How long one request may be under way with these settings before it is given up: every try takes its whole time, and
 * before each further one the server asks for the longest wait that it is granted. What takes no longer does not hang.
 */
export const longestRequest = ({
  readTimeout,
  retries
}: Pick<HttpSettings, "readTimeout" | "retries">): Duration.Duration =>
  Duration.sum(Duration.times(readTimeout, retries + 1), Duration.times(LONGEST_RETRY_DELAY, retries))

/** As `HttpPolicy` has it. */
const LONGEST_RETRY_DELAY = Duration.minutes(1)

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
  const forLong = new Set((yield* health.failingFor(staleAfter)).map(({ name }) => name))
  const { parts } = yield* health.report
  const reasons: Array<Reason> = []
  for (const { name, reason, since, state } of parts) {
    // Being about to start is no failure, and no readiness either.
    if (state === "ok" || !(forLong.has(name) || name === START)) continue
    reasons.push({ part: name, since, reason: reason ?? "it fails" })
  }
  for (const loop of wiring?.loops() ?? []) {
    if (!isSource(loop) || loop.ended() || reasons.some(({ part }) => part === loop.name)) continue
    const sinceSuccess = loop.sinceSuccess()
    if (sinceSuccess === undefined) {
      reasons.push({ part: loop.name, reason: "it has not been read to the end yet" })
      continue
    }
    // A read that is getting on is no silence, however long it takes.
    const silent = Math.min(sinceSuccess, loop.busyFor() ?? Number.POSITIVE_INFINITY)
    if (silent < (loop.period() ?? 0) + stale) continue
    reasons.push({
      part: loop.name,
      since: DateTime.subtractDuration(now, silent),
      reason: "it is not read any more"
    })
  }
  return { ok: reasons.length === 0, reasons }
})

/** Whether a restart would not help. */
export const live = Effect.fnUntraced(function* ({
  stuckAfter,
  watch,
  wiring
}: Options): Effect.fn.Return<Answer> {
  const now = yield* DateTime.now
  const reasons: Array<Reason> = []
  for (const loop of wiring?.loops() ?? []) {
    const busyFor = loop.busyFor()
    if (busyFor === undefined || loop.stuckAfter === Number.POSITIVE_INFINITY) continue
    if (
      Math.min(busyFor, sinceHeldUp(loop, watch)) < Math.max(loop.stuckAfter, Duration.toMillis(stuckAfter))
    ) {
      continue
    }
    const since = DateTime.subtractDuration(now, busyFor)
    reasons.push({ part: loop.name, since, reason: "a run hangs" })
  }
  return { ok: reasons.length === 0, reasons }
})

/** How long the Outbox has not held up this Loop. The heartbeat never waits for it. */
const sinceHeldUp = ({ name }: Wiring.Loop, watch: Options["watch"]): number =>
  name === Heartbeat.LOOP
    ? Number.POSITIVE_INFINITY
    : watch.sinceHeldUp(name === EventSender.LOOP ? "sender" : "others")

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
      const time = yield* SteadyTime.make
      let since: number | undefined = time.now()
      yield* health.watch(
        START,
        Effect.sync(() =>
          since === undefined
            ? Option.none()
            : Option.some({
                since: DateTime.makeUnsafe(time.toSystem(since)),
                lasted: time.now() - since,
                reason: "the agent has not begun to read its tool"
              })
        )
      )
      return Start.of({
        begin: Effect.sync(() => {
          since ??= time.now()
        }),
        done: Effect.sync(() => {
          since = undefined
        })
      })
    })
  )
}
