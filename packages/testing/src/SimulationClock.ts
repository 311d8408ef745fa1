/**
 * The clock of a Simulation: a TestClock of its own, set before anything is made, that also tells when the next sleeper is
 * due. With that, virtual time goes from one thing that happens to the next, and not in steps of any size.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Scheduler from "effect/Scheduler"
import * as TestClock from "effect/testing/TestClock"

/** How virtual time is read and moved. Times are milliseconds since 1970. */
export class SimulationClock extends Context.Service<
  SimulationClock,
  {
    readonly now: () => number
    /** When the next sleeper is due, later than now. */
    readonly nextDue: () => number | undefined
    /**
     * Moves time there, and waits until all that happens then is done; who sleeps until then, or until a moment on the way, wakes in
     * order.
     */
    readonly moveTo: (time: number) => Effect.Effect<void>
    /** Waits until all that needs no time is done. */
    readonly settle: Effect.Effect<void>
    readonly clock: TestClock.TestClock
  }
>()("@observability-agents/testing/SimulationClock") {
  /** A clock that stands at this time, as the Clock of all that is built on this Layer. */
  static layer(startAt: number): Layer.Layer<SimulationClock> {
    return Layer.effectContext(
      Effect.gen(function* () {
        // It waits for what it woke: a backlog may take longer to work off than the clock's usual patience.
        const context = yield* Layer.build(TestClock.layer({ warningDelay: "1 minute" }))
        const inner = yield* Effect.provideContext(TestClock.testClockWith(Effect.succeed), context)
        const sleepers = sleeping(inner)
        const { scheduler, settle } = settling(Context.get(context, Scheduler.Scheduler))
        const clock: TestClock.TestClock = { ...inner, sleep: sleepers.sleep }
        yield* inner.setTime(startAt)
        return Context.merge(
          context.pipe(Context.add(Clock.Clock, clock), Context.add(Scheduler.Scheduler, scheduler)),
          Context.make(
            SimulationClock,
            SimulationClock.of({
              now: () => inner.currentTimeMillisUnsafe(),
              nextDue: sleepers.nextDue,
              moveTo: (time) => Effect.andThen(inner.setTime(time), settle),
              settle,
              clock
            })
          )
        )
      })
    )
  }
}

// ---- private

/** So many turns without anything to do mean that all is done, and nothing waits for a promise that is about to be kept. */
const QUIET_TURNS = 3

/** What is never done is not waited for any longer. */
const MOST_TURNS = 10_000

/**
 * TestClock waits for the fibers that it woke, and not for those that go on after a promise, such as the body of a response: time
 * would go on without them. So all that is scheduled is counted, and time stands until nothing is any more.
 */
const settling = (inner: Scheduler.Scheduler) => {
  let scheduled = 0
  const scheduler: Scheduler.Scheduler = {
    executionMode: inner.executionMode,
    shouldYield: (fiber) => inner.shouldYield(fiber),
    makeDispatcher: () => {
      const dispatcher = inner.makeDispatcher()
      return {
        scheduleTask: (task, priority) => {
          scheduled += 1
          dispatcher.scheduleTask(task, priority)
        },
        flush: () => dispatcher.flush()
      }
    }
  }
  const settle = Effect.gen(function* () {
    let quiet = 0
    for (let turn = 0; turn < MOST_TURNS && quiet < QUIET_TURNS; turn++) {
      const before = scheduled
      yield* Effect.yieldNow
      // One is this turn itself.
      quiet = scheduled - before <= 1 ? quiet + 1 : 0
    }
  })
  return { scheduler, settle }
}

/** Sleeps as the clock does, and keeps when each sleeper is due: the earliest last. */
const sleeping = (clock: TestClock.TestClock) => {
  const due: Array<number> = []
  const sleep = (duration: Duration.Duration): Effect.Effect<void> =>
    Effect.suspend(() => {
      const end = clock.currentTimeMillisUnsafe() + Duration.toMillis(duration)
      if (!Number.isFinite(end)) return clock.sleep(duration)
      due.splice(place(due, end), 0, end)
      return Effect.ensuring(
        clock.sleep(duration),
        Effect.sync(() => {
          const index = place(due, end)
          if (due[index] === end) due.splice(index, 1)
        })
      )
    })
  const nextDue = (): number | undefined => {
    const now = clock.currentTimeMillisUnsafe()
    while ((due.at(-1) ?? Infinity) <= now) due.pop()
    return due.at(-1)
  }
  return { sleep, nextDue }
}

/** Where the first entry is that is not later, in a list that falls. */
const place = (falling: ReadonlyArray<number>, value: number): number => {
  let low = 0
  let high = falling.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((falling[middle] ?? -Infinity) > value) low = middle + 1
    else high = middle
  }
  return low
}
