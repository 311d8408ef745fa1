/**
 * A Loop is a Layer that runs a Task again and again, for as long as the Layer is there.
 *
 * Failing is not stopping: whatever a Task does, its Loop logs the cause and goes on with the next run. A Loop ends when
 * the Task says so ({@link end}), when its Channel has ended, when its Schedule is over, when its Layer's Scope closes,
 * or, together with the whole agent, when the Task fails with `Unrecoverable`.
 *
 * Every five seconds, for what happened since the last look that worked:
 *
 * ```ts
 * import * as Loop from "@observability-agents/core/Loop"
 * import type * as Window from "@observability-agents/core/Window"
 * import { DateTime, Effect } from "effect"
 *
 * const poll = Effect.fn("Jobs.poll")(function* (window: Window.Window) {
 *   yield* Effect.logDebug("Reads what was changed", { since: DateTime.formatIso(window.from) })
 * })
 *
 * export const layer = Loop.periodic("list jobs", { period: "5 seconds", from: DateTime.now }, poll)
 * ```
 */
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import * as Option from "effect/Option"
import * as Pull from "effect/Pull"
import * as Queue from "effect/Queue"
import * as Schedule from "effect/Schedule"
import type { Scope } from "effect/Scope"
import type * as Tracer from "effect/Tracer"
import * as AgentMetrics from "./AgentMetrics.ts"
import * as Channel from "./Channel.ts"
import type { Health } from "./Health.ts"
import * as LoopRun from "./LoopRun.ts"
import * as Pace from "./Pace.ts"
import * as SteadyTime from "./SteadyTime.ts"
import type { Supervisor } from "./Supervisor.ts"
import * as Window from "./Window.ts"
import * as Wiring from "./Wiring.ts"

/**
 * What a Task can do to the Loop that runs it. Tasks use {@link end} and {@link setPeriod}.
 *
 * @category services
 */
export class Control extends Context.Service<
  Control,
  {
    /** See {@link end}. */
    readonly end: Effect.Effect<void>
    /** See {@link setPeriod}. */
    readonly setPeriod: (period: Duration.Input) => Effect.Effect<void>
    /** See {@link progress}. */
    readonly progress: Effect.Effect<void>
  }
>()("@observability-agents/core/Loop/Control") {}

/**
 * Ends the Loop after the run that is in work now. Of a Loop that receives, other messages in work are finished too.
 *
 * @category control
 */
export const end: Effect.Effect<void, never, Control> = Effect.flatMap(Control, (control) => control.end)

/**
 * Changes the time from the start of one run to the start of the next, from the next run on. A period that is not
 * longer than 0 and finite is a defect. It means nothing to a Loop that does not run by time.
 *
 * @category control
 */
export const setPeriod = (period: Duration.Input): Effect.Effect<void, never, Control> =>
  Effect.flatMap(Control, (control) => control.setPeriod(period))

/**
 * Says that the run gets on, so that it does not count as stuck however long it takes: for Tasks with many steps, such as
 * reading page after page. Of a Loop that has several messages in work, it speaks for all of them. Outside of a Loop it says
 * nothing, so that Handles can say it, too.
 *
 * @category control
 */
export const progress: Effect.Effect<void> = Effect.flatMap(
  Effect.serviceOption(Control),
  Option.match({ onNone: () => Effect.void, onSome: (control) => control.progress })
)

/**
 * What every Loop can be told besides what its kind asks for.
 *
 * @category models
 */
export interface Options<R = never> {
  /** Runs once when the Loop has ended, for whatever reason. Close here what the Loop sends by, so that the end travels on. */
  readonly onEnd?: Effect.Effect<void, never, R> | undefined
  /**
   * The Senders that the Task sends by, where `onEnd` is not the `close` of the one it has: the graph of the agent shows the
   * way the messages take. They are not closed by it.
   */
  readonly sends?: ReadonlyArray<Channel.Sender<never>> | undefined
  /**
   * A run, or a message in work, that takes this long counts as failing in Health, since a Task that hangs reports
   * nothing; so does one that said {@link progress} and then nothing for so long. Unless given, what `LoopRun.StuckAfter`
   * says: in an agent its setting `health_grace`, else 15 minutes. `Infinity` for a Task whose runs may take any time.
   */
  readonly stuckAfter?: Duration.Input | undefined
}

/**
 * What a Loop needs: what its Task needs, save what each run is given, and the two services that it reports to.
 *
 * @category models
 */
export type Services<R> = Supervisor | Health | Exclude<R, Scope | Control>

/**
 * Runs a Task at a fixed rate, each time with the Window that it has to cover.
 *
 * The first run is at once, the next ones at multiples of the period after it, however long the runs take. A run that
 * takes longer than the period is followed by one run at once, never by all those it made late. The pace follows the
 * monotonic clock, so setting the system's time disturbs only the Windows.
 *
 * A Window ends at the moment its run begins. It starts where the last run that succeeded ended; with `committed`, at
 * the instant that was last committed durably, which is read anew for each run. What a failed run had to cover is
 * therefore part of the next one's Window. Where that instant lies ahead of the clock, because the clock was ahead before,
 * it counts as this moment, and a warning says so, at most once a minute. A period that is not longer than 0 and finite is a defect when the Layer is
 * built, as is a jitter outside of 0 to 1.
 *
 * @category constructors
 */
export const periodic = <E, R, E2 = never, R2 = never, E3 = never, R3 = never, R4 = never>(
  name: string,
  options: Options<R4> & {
    /** From the start of one run to the start of the next. */
    readonly period: Duration.Input
    /** Up to what fraction of the period, 0 to 1, each run after the first is late by chance. 0 unless given. */
    readonly jitter?: number | undefined
    /** Where the first Window starts if nothing was committed. Asked until it answers, and then remembered. */
    readonly from: Effect.Effect<DateTime.Utc, E2, R2>
    /** What is read, as the label `source` of metrics names it. The Loop's name unless given. */
    readonly source?: string | undefined
    /** The last committed end, if there is one. */
    readonly committed?: Effect.Effect<Option.Option<DateTime.Utc>, E3, R3> | undefined
  },
  task: (window: Window.Window) => Effect.Effect<void, E, R>
): Layer.Layer<never, never, Services<R | R2 | R3 | R4>> =>
  layer(
    Effect.gen(function* () {
      const initial = yield* positive(name, options.period)
      const jitter = options.jitter ?? 0
      if (!(jitter >= 0 && jitter <= 1)) {
        return yield* Effect.die(new RangeError(`Loop "${name}" needs a jitter from 0 to 1, not ${jitter}`))
      }
      let start: DateTime.Utc | undefined
      const warn = aheadOfClock()
      const timed = yield* polled(options.source ?? name)
      const run = Effect.gen(function* () {
        const committed = options.committed === undefined ? Option.none() : yield* options.committed
        const covered = Option.getOrUndefined(committed) ?? start
        const from = covered ?? (start = yield* options.from)
        const now = yield* DateTime.now
        if (covered !== undefined && DateTime.isGreaterThan(covered, now)) yield* warn(covered, now)
        const window = Window.make(from, now)
        yield* timed(task(window))
        if (options.committed === undefined) start = window.to
      })
      yield* launch(
        name,
        options,
        (loop, period) =>
          Effect.gen(function* () {
            const pace = yield* Pace.make
            while (true) {
              yield* loop.run(run)
              if (loop.ended() || (yield* isOnce)) return
              yield* pace.next(period() ?? initial, jitter)
            }
          }),
        { kind: "periodic", period: initial }
      )
    })
  )

/**
 * Runs a Task for each message of a Channel, in their order, until the Channel has ended and is empty. Instead of a
 * Channel's receiver, any Effect may be given that waits for the next message: where it fails, that is logged and it is
 * asked again after a while, half a second first and at most 30 seconds; where it fails with `Cause.Done`, the Loop ends.
 *
 * A message whose Task failed is not handed out again. With a `concurrency` above 1 (a whole number), as many messages
 * are in work at a time, and their order is lost. When the Scope closes, the messages in work are interrupted, and
 * closing waits until their Tasks have cleaned up.
 *
 * @category constructors
 */
export const receive = <A, E, R, E2 = never, R2 = never, R4 = never>(
  name: string,
  source: Queue.Dequeue<A, Cause.Done> | Effect.Effect<A, E2, R2>,
  task: (message: A) => Effect.Effect<void, E, R>,
  options?: Options<R4> & {
    /** How many messages are in work at a time. 1 unless given. */
    readonly concurrency?: number | undefined
    /**
     * The span that the run of a message continues, where somebody traces; a run without one begins a trace. Unless given, it
     * is the span that the message was sent in, if it came through a Channel.
     */
    readonly parent?: ((message: A) => Tracer.AnySpan | undefined) | undefined
  }
): Layer.Layer<never, never, Services<R | R2 | R4>> =>
  layer(
    Effect.gen(function* () {
      const concurrency = options?.concurrency ?? 1
      if (!Number.isInteger(concurrency) || concurrency < 1) {
        return yield* Effect.die(
          new RangeError(
            `Loop "${name}" needs a concurrency that is a whole number of at least 1, not ${concurrency}`
          )
        )
      }
      const parent = options?.parent ?? Channel.spanOf(source)
      yield* launch(
        name,
        options,
        (loop) => {
          const next = Queue.isDequeue(source) ? Queue.take(source) : patient(source, loop)
          const worker = (slot: number) =>
            Effect.catchCause(loop.each(slot, next, task, parent), (cause) =>
              Pull.isDoneCause(cause) ? Effect.void : loop.broke(cause)
            )
          return Effect.gen(function* () {
            const fibers: Array<Fiber.Fiber<void>> = []
            // A worker that waits for a message does not notice the end. Those in work do, when they are done.
            loop.onEnded(() =>
              fibers.forEach((fiber, slot) => {
                if (!loop.busy(slot)) fiber.interruptUnsafe()
              })
            )
            for (let slot = 0; slot < concurrency; slot++) fibers.push(yield* Effect.forkChild(worker(slot)))
            // All of them are over before the Loop is: only then may it close what they send by.
            yield* Effect.ensuring(Fiber.awaitAll(fibers), Fiber.interruptAll(fibers))
          })
        },
        { kind: "receive", receiver: source }
      )
    })
  )

/**
 * Runs a Task once, at once.
 *
 * @category constructors
 */
export const once = <E, R, R4 = never>(
  name: string,
  task: Effect.Effect<void, E, R>,
  options?: Options<R4>
): Layer.Layer<never, never, Services<R | R4>> =>
  layer(launch(name, options, (loop) => loop.run(task), { kind: "once" }))

/**
 * Runs a Task at once and then by a Schedule, until that is over. The Schedule is given how each run came out. After
 * {@link setPeriod} the Loop runs at that fixed rate and no longer by the Schedule.
 *
 * @category constructors
 */
export const make = <E, R, R2 = never, R4 = never>(
  name: string,
  schedule: Schedule.Schedule<unknown, Exit.Exit<void, E>, never, R2>,
  task: Effect.Effect<void, E, R>,
  options?: Options<R4>
): Layer.Layer<never, never, Services<R | R2 | R4>> =>
  layer(
    launch(
      name,
      options,
      (loop, period) =>
        Effect.gen(function* () {
          const step = yield* Schedule.toStepWithSleep(schedule)
          const pace = yield* Pace.make
          let exit: Exit.Exit<void, E> = Exit.void
          const run = Effect.onExit(task, (result) =>
            Effect.sync(() => {
              exit = result
            })
          )
          while (true) {
            if (period() === undefined) yield* pace.restart
            yield* loop.run(run)
            if (loop.ended() || (yield* isOnce)) return
            const fixed = period()
            const over =
              fixed === undefined
                ? yield* Pull.catchDone(Effect.as(step(exit), false), () => Effect.succeed(true))
                : yield* Effect.as(pace.next(fixed, 0), false)
            if (over) return
          }
        }),
      { kind: "schedule" }
    )
  )

// ---------------------------------------------------------------------------------------------------------------------

/** Forks the Loop into the Scope of its Layer, with everything around it that is the same for all kinds. */
const launch = Effect.fnUntraced(function* <R, R4>(
  name: string,
  options: Options<R4> | undefined,
  program: (loop: LoopRun.LoopRun, period: () => number | undefined) => Effect.Effect<void, never, R>,
  kind: {
    readonly kind: Wiring.Loop["kind"]
    readonly receiver?: unknown
    readonly period?: number | undefined
  }
) {
  const loop = yield* LoopRun.make(name, options?.stuckAfter)
  let period: number | undefined
  let over = false
  const wiring = yield* Wiring.Current
  if (wiring !== undefined) {
    const { busyFor, busySince, lastSuccess, runs, sinceSuccess, stuckAfter } = loop
    yield* wiring.loop(
      {
        name,
        kind: kind.kind,
        period: () => period ?? kind.period,
        busySince,
        busyFor,
        lastSuccess,
        sinceSuccess,
        runs,
        stuckAfter,
        ended: () => over
      },
      {
        receiver: kind.receiver,
        closes: [options?.onEnd, ...(options?.sends ?? []).map(({ close }) => close)]
      }
    )
    if (wiring.dry) return
  }
  const control = Control.of({
    end: loop.end,
    progress: loop.progress,
    setPeriod: (input) =>
      Effect.map(positive(name, input), (millis) => {
        period = millis
      })
  })
  yield* program(loop, () => period).pipe(
    Effect.ensuring(options?.onEnd ?? Effect.void),
    Effect.catchCause(loop.broke),
    Effect.ensuring(
      Effect.sync(() => {
        over = true
      })
    ),
    Effect.provideService(Control, control),
    Effect.annotateLogs({ loop: name }),
    Effect.forkScoped
  )
})

const layer = <R>(effect: Effect.Effect<void, never, R>): Layer.Layer<never, never, Services<R>> =>
  // SAFETY: `launch` has provided Control and each run's Scope, and the Layer provides its own Scope: what is left of
  // the requirements is what Services says. TypeScript cannot see that for an R that is not known yet.
  Layer.effectDiscard(effect) as Layer.Layer<never, never, Services<R>>

/** Whether Loops that run by time are to end after one run. */
const isOnce: Effect.Effect<boolean> = Effect.map(Wiring.Current, (wiring) => wiring?.once === true)

/**
 * Measures the polls of a source until the Scope closes. One that was interrupted by the end of its Loop is none.
 */
const polled = Effect.fnUntraced(function* (source: string) {
  const success = AgentMetrics.counter("polls_total", { source, outcome: "success" })
  const failure = AgentMetrics.counter("polls_total", { source, outcome: "failure" })
  const duration = AgentMetrics.histogram("poll_duration_seconds", { source })
  yield* AgentMetrics.shown(success)
  yield* AgentMetrics.shown(failure)
  yield* AgentMetrics.shown(duration)
  return <A, E, R>(poll: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Effect.flatMap(SteadyTime.elapsed, (began) =>
      Effect.onExit(poll, (exit) => {
        if (Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause)) return Effect.void
        return Effect.flatMap(SteadyTime.elapsed, (now) =>
          Effect.andThen(
            Metric.update(duration, (now - began) / 1000),
            Metric.update(Exit.isSuccess(exit) ? success : failure, 1)
          )
        )
      })
    )
})

/** Warns that the clock was ahead, at most once a minute. */
const aheadOfClock = () => {
  let warnedAt = Number.NEGATIVE_INFINITY
  return (covered: DateTime.Utc, now: DateTime.Utc): Effect.Effect<void> =>
    Effect.flatMap(SteadyTime.elapsed, (elapsed) => {
      if (elapsed - warnedAt < WARNING_MILLIS) return Effect.void
      warnedAt = elapsed
      return Effect.annotateLogs(
        Effect.logWarning(
          "The clock was ahead: what was read last lies in the future, and is read from this moment on instead"
        ),
        { covered: DateTime.formatIso(covered), now: DateTime.formatIso(now) }
      )
    })
}

const WARNING_MILLIS = 60_000

const positive = (name: string, input: Duration.Input): Effect.Effect<number> =>
  Effect.suspend(() => {
    const millis = Duration.toMillis(input)
    return millis > 0 && Number.isFinite(millis)
      ? Effect.succeed(millis)
      : Effect.die(new RangeError(`Loop "${name}" needs a period longer than 0 and finite, not ${millis} ms`))
  })

/** Asks for the next message until there is one, more and more patiently while asking fails. */
const patient = <A, E, R>(
  source: Effect.Effect<A, E, R>,
  loop: LoopRun.LoopRun
): Effect.Effect<A, Cause.Done, R> => {
  // To wait for a message without failing, for as long as a failure would have been waited out, is to work again.
  const again = Effect.scopedWith((scope) =>
    Effect.andThen(Effect.forkIn(Effect.delay(loop.well, MAX_DELAY_MILLIS), scope), source)
  )
  return Effect.gen(function* () {
    let exit = yield* Effect.exit(source)
    for (let delay = MIN_DELAY_MILLIS; Exit.isFailure(exit); delay = Math.min(delay * 2, MAX_DELAY_MILLIS)) {
      if (Pull.isDoneCause(exit.cause)) return yield* Cause.done()
      yield* loop.failed(exit.cause)
      if (loop.ended()) return yield* Cause.done()
      yield* Effect.sleep(delay)
      exit = yield* Effect.exit(again)
    }
    return exit.value
  })
}

const MIN_DELAY_MILLIS = 500
const MAX_DELAY_MILLIS = 30_000
