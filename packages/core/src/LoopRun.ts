/**
 * What surrounds the runs of one Loop's Task: each run's Scope and span, what Health, the log and metrics learn of it,
 * and the ways a Loop comes to its end.
 *
 * Channels carry every message of an agent through here, so what a run that went well costs is kept small: spans only
 * where somebody traces, Health once a second and on change, metrics and the probe for hanging read only when asked.
 */
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import * as Tracer from "effect/Tracer"
import * as AgentMetrics from "./AgentMetrics.ts"
import * as FailureLog from "./FailureLog.ts"
import { Health, type Stuck } from "./Health.ts"
import * as SteadyTime from "./SteadyTime.ts"
import { Supervisor, Unrecoverable } from "./Supervisor.ts"
import * as TraceContext from "./TraceContext.ts"

/**
 * The runs of one Loop.
 *
 * @category models
 */
export interface LoopRun {
  /** Runs the Task once, and never fails. */
  readonly run: <E, R>(task: Effect.Effect<void, E, R>) => Effect.Effect<void, never, Exclude<R, Scope.Scope>>
  /**
   * Runs the Task for one message after the other that `next` gives, until the Loop is to end. Fails as `next` does.
   * `slot` tells those apart that do so at the same time, from 0 on. `parent` is the span that a message's run continues;
   * without one it begins a trace. It is asked only where somebody traces.
   */
  readonly each: <A, E, R, E2, R2>(
    slot: number,
    next: Effect.Effect<A, E2, R2>,
    task: (message: A) => Effect.Effect<void, E, R>,
    parent: (message: A) => Tracer.AnySpan | undefined
  ) => Effect.Effect<void, E2, Exclude<R | R2, Scope.Scope>>
  /** The runs in work get on: the time after which they count as stuck begins anew. */
  readonly progress: Effect.Effect<void>
  /** Since when, in milliseconds since 1970, the run has been in work without progress that has been so for longest. */
  readonly busySince: () => number | undefined
  /** For how many milliseconds it has, by the monotonic clock: what is decided is decided by this. */
  readonly busyFor: () => number | undefined
  /** After how many milliseconds a run counts as stuck. */
  readonly stuckAfter: number
  /** How many runs came to an end, and how many of them failed. */
  readonly runs: () => { readonly total: number; readonly failed: number }
  /** When the newest run that came to a good end began, in milliseconds since 1970. */
  readonly lastSuccess: () => number | undefined
  /** How many milliseconds ago that was, by the monotonic clock. */
  readonly sinceSuccess: () => number | undefined
  /** Whether a run is in work in this slot. */
  readonly busy: (slot: number) => boolean
  /** Whether the Loop is to end. */
  readonly ended: () => boolean
  /** Ends the Loop after the runs in work, and calls what `onEnded` left. */
  readonly end: Effect.Effect<void>
  /** Leaves a function to be called when the Loop is to end. */
  readonly onEnded: (f: () => void) => void
  /**
   * Takes note that the Loop's work failed outside of a run. Runs do it by themselves: the cause is logged, Health told,
   * and where the cause holds `Unrecoverable`, the Loop and the agent end.
   */
  readonly failed: (cause: Cause.Cause<unknown>) => Effect.Effect<void>
  /** Takes note that the Loop works, or works again. */
  readonly well: Effect.Effect<void>
  /** Ends the agent because the Loop itself broke, which no Task can bring about. */
  readonly broke: (cause: Cause.Cause<unknown>) => Effect.Effect<void>
}

/**
 * How long a run may be in work without progress before its Loop counts as failing, where the Loop does not say: 15
 * minutes unless provided otherwise, as an agent does from its setting `health_grace`.
 *
 * @category references
 */
export const StuckAfter: Context.Reference<Duration.Input> = Context.Reference<Duration.Input>(
  "@observability-agents/core/LoopRun/StuckAfter",
  { defaultValue: () => "15 minutes" }
)

/**
 * Begins the runs of the Loop `name`, and ends their metrics and their part in Health with the Scope.
 *
 * @category constructors
 */
export const make = Effect.fnUntraced(function* (
  name: string,
  stuckAfter?: Duration.Input | undefined
): Effect.fn.Return<LoopRun, never, Health | Supervisor | Scope.Scope> {
  const health = yield* Health
  const supervisor = yield* Supervisor
  const time = yield* SteadyTime.make
  const stuckMillis = Duration.toMillis(stuckAfter ?? (yield* StuckAfter))
  const log = FailureLog.make({ failed: "Loop run failed", recovered: "Loop recovered" })
  const busySince: Array<number | undefined> = []
  const spans: Array<Tracer.AnySpan | undefined> = []
  let runs = 0
  let failures = 0
  let lastSuccess: number | undefined
  let progressAt = Number.NEGATIVE_INFINITY
  let told = Number.NEGATIVE_INFINITY
  let ended = false
  let onEnded = () => {}

  const longest = (): number | undefined => {
    const since = Math.min(...busySince.filter((time) => time !== undefined))
    return since === Number.POSITIVE_INFINITY ? undefined : Math.max(since, progressAt)
  }
  const ago = (moment: number | undefined) => (moment === undefined ? undefined : time.now() - moment)
  const system = (moment: number | undefined) => (moment === undefined ? undefined : time.toSystem(moment))

  yield* health.watch(
    name,
    Effect.sync(() => {
      const since = longest()
      const lasted = ago(since)
      if (since === undefined || lasted === undefined || lasted < stuckMillis) return Option.none<Stuck>()
      const stuck = {
        since: DateTime.makeUnsafe(time.toSystem(since)),
        lasted,
        reason:
          since === progressAt
            ? "a run has not got on since then"
            : "a run that began then has not come to its end"
      }
      return Option.some(stuck)
    })
  )
  const outcome = (outcome: string, count: () => number) =>
    AgentMetrics.observe("loop_runs_total", { loop: name, outcome }, count)
  yield* outcome("success", () => runs - failures)
  yield* outcome("failure", () => failures)
  yield* AgentMetrics.observe(
    "loop_last_success_timestamp_seconds",
    { loop: name },
    () => (system(lastSuccess) ?? 0) / 1000
  )

  const end = Effect.sync(() => {
    if (ended) return
    ended = true
    onEnded()
  })

  const well = Effect.andThen(health.succeeded(name), log.recovered)
  const failed = Effect.fnUntraced(function* (cause: Cause.Cause<unknown>, tried?: number) {
    yield* health.failed(name, FailureLog.describe(cause), tried)
    const error = findUnrecoverable(cause)
    if (error === undefined) return yield* log.failed(cause)
    yield* Effect.logError("The agent cannot go on", cause)
    yield* supervisor.fail(error)
    yield* end
  })

  /** Notes that the run in this slot came to a good end, and answers whether that is to be told. */
  const succeeded = (slot: number): boolean => {
    const began = busySince[slot] ?? told
    busySince[slot] = undefined
    runs += 1
    lastSuccess = began
    if (!log.failing() && began - told < TELL_MILLIS) return false
    told = began
    return true
  }
  const runFailed = (slot: number, cause: Cause.Cause<unknown>): Effect.Effect<void> => {
    runs += 1
    failures += 1
    const began = busySince[slot]
    // Its failure counts since it began, or got on: a run that hung until it was given up has failed all the while.
    const tried = began === undefined ? 0 : ago(Math.max(began, progressAt))
    // In work until it is noted: what is not in work is interrupted when the Loop ends.
    const noted = Effect.map(failed(cause, tried), () => {
      busySince[slot] = undefined
    })
    const span = spans[slot]
    return span === undefined ? noted : Effect.provideService(noted, Tracer.ParentSpan, span)
  }

  const broke = Effect.fnUntraced(function* (cause: Cause.Cause<unknown>) {
    yield* Effect.logFatal("A Loop broke", cause)
    yield* supervisor.fail(
      new Unrecoverable({
        exitCode: INTERNAL_ERROR,
        message: `Loop "${name}" broke, which is a defect of this program: ${FailureLog.describe(cause)}`,
        cause: Cause.squash(cause)
      })
    )
  })

  const attributes = { loop: name }
  /** A run in a span of its own, which is kept for the log line in case that it fails. */
  const inSpan = <E, R>(
    slot: number,
    work: Effect.Effect<void, E, R>,
    parent: Tracer.AnySpan | undefined
  ): Effect.Effect<void, E, Exclude<R, Tracer.ParentSpan>> =>
    Effect.withSpan(
      Effect.withFiber<void, E, R>((fiber) => {
        spans[slot] = TraceContext.spanOf(fiber)
        return work
      }),
      `Loop.${name}`,
      parent === undefined ? { root: true, attributes } : { parent, attributes }
    )
  const traced = Effect.withFiber((fiber) => Effect.succeed(TraceContext.isTraced(fiber)))

  const run = <E, R>(task: Effect.Effect<void, E, R>): Effect.Effect<void, never, Exclude<R, Scope.Scope>> =>
    Effect.flatMap(traced, (tracing) => {
      busySince[0] = time.now()
      const scoped = Effect.scoped(task)
      return Effect.matchCauseEffect(tracing ? inSpan(0, scoped, undefined) : scoped, {
        onSuccess: () => (succeeded(0) ? well : Effect.void),
        // An interruption of the Loop passes by here: what comes in is the run's own doing.
        onFailure: (cause) => runFailed(0, cause)
      })
    })

  const each = <A, E, R, E2, R2>(
    slot: number,
    next: Effect.Effect<A, E2, R2>,
    task: (message: A) => Effect.Effect<void, E, R>,
    parent: (message: A) => Tracer.AnySpan | undefined
  ): Effect.Effect<void, E2, Exclude<R | R2, Scope.Scope>> =>
    Effect.withFiber((worker) => {
      // What is rarely needed is kept out of the way of each message: failures are caught, success is told and a Scope
      // that something was put into is closed around a stretch of messages, which stops where one of these is due.
      let scope = Scope.makeUnsafe()
      let tell = false
      const one = Effect.flatMap(next, (message) => {
        busySince[slot] = time.now()
        const started = start(task, message)
        // Asked each time: telemetry may begin and end while the Loop runs.
        return TraceContext.isTraced(worker) ? inSpan(slot, started, parent(message)) : started
      })
      const stretch = Effect.whileLoop({
        while: () => !ended && !tell && unused(scope),
        body: () => one,
        step: () => {
          if (unused(scope)) tell = succeeded(slot)
        }
      })
      const busy = () => busySince[slot] !== undefined
      return Effect.whileLoop({
        while: () => !ended,
        body: () => {
          scope = Scope.makeUnsafe()
          tell = false
          return Effect.matchCauseEffect(Scope.use(stretch, scope), {
            onSuccess: () => (tell || (busy() && succeeded(slot)) ? well : Effect.void),
            onFailure: (cause) =>
              // SAFETY: outside of a run, nothing but `next` can have failed.
              busy() ? runFailed(slot, cause) : Effect.failCause(cause as Cause.Cause<E2>)
          })
        },
        step: () => {}
      })
    })

  return {
    run,
    each,
    progress: Effect.sync(() => {
      progressAt = time.now()
    }),
    busySince: () => system(longest()),
    busyFor: () => ago(longest()),
    stuckAfter: stuckMillis,
    runs: () => ({ total: runs, failed: failures }),
    lastSuccess: () => system(lastSuccess),
    sinceSuccess: () => ago(lastSuccess),
    busy: (slot) => busySince[slot] !== undefined,
    ended: () => ended,
    end,
    onEnded: (f) => {
      onEnded = f
    },
    failed,
    well,
    broke
  }
})

const TELL_MILLIS = 1000
const INTERNAL_ERROR = 70

const unused = (scope: Scope.Scope): boolean => scope.state._tag === "Empty"

/** A Task may throw before it is an Effect: that is a failed run too. */
const start = <A, E, R>(
  task: (message: A) => Effect.Effect<void, E, R>,
  message: A
): Effect.Effect<void, E, R> => {
  try {
    return task(message)
  } catch (defect) {
    return Effect.die(defect)
  }
}

const findUnrecoverable = (cause: Cause.Cause<unknown>): Unrecoverable | undefined => {
  for (const reason of cause.reasons) {
    const error = Cause.isFailReason(reason)
      ? reason.error
      : Cause.isDieReason(reason)
        ? reason.defect
        : undefined
    if (error instanceof Unrecoverable) return error
  }
  return undefined
}
