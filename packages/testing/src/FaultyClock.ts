/**
 * The clock of a machine that does not tell the time well: it jumps when it is set right, it runs too fast or too slow, and it
 * stands when the machine sleeps. Laid over the Clock that is there, TestClock or a real one.
 *
 * Machines have two clocks. The **wall clock** (`Clock.currentTimeMillis`, `DateTime.now`) tells the time of day, and it is the
 * one that is set: by NTP, by people, by a virtual machine's host. The **steady clock** (`Clock.monotonicTimeNanos`) only goes
 * on. Sleeps, time-outs and Schedules go by the steady clock, as those of Node do.
 *
 * The jumps are those of one machine: what stands elsewhere, such as the fake of a tool, has to be reached through `elsewhere`,
 * or it jumps along.
 *
 * ```ts
 * import type * as Agent from "@observability-agents/core/Agent"
 * import * as AgentFixture from "@observability-agents/testing/AgentFixture"
 * import * as FaultyClock from "@observability-agents/testing/FaultyClock"
 * import { Effect, Layer } from "effect"
 * import type { HttpClient } from "effect/http"
 * import { TestClock } from "effect/testing"
 *
 * export const story = (agent: Agent.Agent<never>, tool: HttpClient.HttpClient) =>
 *   Effect.gen(function* () {
 *     yield* TestClock.setTime(AgentFixture.START)
 *     const clock = yield* FaultyClock.make
 *     const machine = AgentFixture.layer(agent, {
 *       hosts: { "tool.test": clock.elsewhere(tool) },
 *       settings: { tool: { host: "tool.test" } }
 *     }).pipe(Layer.provide(FaultyClock.FaultyClock.layerOf(clock)))
 *     yield* Effect.gen(function* () {
 *       yield* clock.jump("-10 minutes")
 *       yield* TestClock.adjust("1 hour")
 *       yield* clock.suspend("8 hours")
 *       yield* TestClock.adjust("9 hours")
 *     }).pipe(Effect.provide(machine))
 *   })
 * ```
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as HttpClient from "effect/http/HttpClient"
import * as Layer from "effect/Layer"

/**
 * What the steady clock does while the machine sleeps: it stands on Linux, and goes on elsewhere, where timers that came due
 * meanwhile fire at once.
 */
export type SteadyClock = "stands" | "goes on"

/** A clock that can be disturbed. */
export class FaultyClock extends Context.Service<
  FaultyClock,
  {
    /** The clock of the disturbed machine. */
    readonly clock: Clock.Clock
    /** The wall clock leaps by this, at once: `"1 hour"` forward, `"-1 hour"` back. The steady clock does not notice. */
    readonly jump: (by: Duration.Input) => Effect.Effect<void>
    /**
     * From now on the wall clock gains this many seconds in each second: 0.001 is 3.6 seconds per hour, -0.001 loses as much. 0
     * ends it; what was gained stays.
     */
    readonly drift: (rate: number) => Effect.Effect<void>
    /** The wall clock tells the right time again and keeps it, as after NTP has set it. */
    readonly setRight: Effect.Effect<void>
    /** How far the wall clock is ahead at the moment; less than zero when it is behind. */
    readonly ahead: Effect.Effect<Duration.Duration>
    /**
     * The machine sleeps, from now on, for this long: none of its sleeps ends, no answer that comes from `elsewhere` is read. Then
     * its wall clock tells the right time, as the battery's clock does. Does not wait: time has to pass, in tests by `TestClock`.
     * Linux is meant unless `steady` says otherwise.
     */
    readonly suspend: (
      lasts: Duration.Input,
      options?: { readonly steady?: SteadyClock | undefined }
    ) => Effect.Effect<void>
    /** The client, whose other side goes by the clock that was there before. */
    readonly elsewhere: (client: HttpClient.HttpClient) => HttpClient.HttpClient
  }
>()("@observability-agents/testing/FaultyClock") {
  /** Puts the clock in place of the Clock that is there; `TestClock.adjust` goes on working. It tells the right time at first. */
  static readonly layer: Layer.Layer<FaultyClock> = Layer.effectContext(
    Effect.map(
      Effect.suspend(() => make),
      context
    )
  )

  /** The same with a clock that was made before, so that an agent has it and the test around the agent has not. */
  static layerOf(faulty: FaultyClock["Service"]): Layer.Layer<FaultyClock> {
    return Layer.succeedContext(context(faulty))
  }
}

/** A clock over the one that is there. It disturbs nobody until it is put in place: see `FaultyClock.layerOf`. */
export const make: Effect.Effect<FaultyClock["Service"]> = Effect.clockWith((real) => {
  const realNanos = () => real.monotonicTimeNanosUnsafe()

  // The wall clock: what it gained until `driftsFrom`, and what it gains since.
  let gained = 0
  let rate = 0
  let driftsFrom = realNanos()
  const ahead = () => gained + rate * millisOf(realNanos() - driftsFrom)
  const setAhead = (millis: number, nextRate = rate) => {
    gained = millis
    driftsFrom = realNanos()
    rate = nextRate
  }
  const wallMillis = () => Math.floor(real.currentTimeMillisUnsafe() + ahead())
  const wallNanos = () => real.currentTimeNanosUnsafe() + BigInt(Math.round(ahead() * 1_000_000))

  // The steady clock: the spans in which it stood, of which the last may still last.
  let stood = 0n
  let sleep: { readonly from: bigint; readonly until: bigint; readonly steady: SteadyClock } | undefined
  const standing = (): bigint => {
    if (sleep === undefined || sleep.steady === "goes on") return stood
    const now = realNanos()
    return stood + (now < sleep.until ? now : sleep.until) - sleep.from
  }
  const steadyNanos = () => realNanos() - standing()

  const awake: Effect.Effect<void> = Effect.suspend(() => {
    const left = sleep === undefined ? 0 : millisOf(sleep.until - realNanos())
    return left < A_MICROSECOND ? Effect.void : Effect.andThen(real.sleep(Duration.millis(left)), awake)
  })
  // A sleep goes by what the steady clock has told, however often the machine sleeps meanwhile.
  const sleepUntil = (end: bigint): Effect.Effect<void> =>
    Effect.andThen(
      awake,
      Effect.suspend(() => {
        const left = millisOf(end - steadyNanos())
        return left < A_MICROSECOND
          ? Effect.void
          : Effect.andThen(real.sleep(Duration.millis(left)), sleepUntil(end))
      })
    )

  const clock: Clock.Clock = {
    // TestClock has more than a Clock has: `adjust` and `setTime`, by which a test moves it.
    ...real,
    currentTimeMillisUnsafe: wallMillis,
    currentTimeMillis: Effect.sync(wallMillis),
    currentTimeNanosUnsafe: wallNanos,
    currentTimeNanos: Effect.sync(wallNanos),
    monotonicTimeNanosUnsafe: steadyNanos,
    monotonicTimeNanos: Effect.sync(steadyNanos),
    sleep: (duration) =>
      Effect.suspend(() => {
        const millis = Duration.toMillis(duration)
        // A sleep of no time is left as it is: on a real clock it lets others run.
        return Number.isFinite(millis) && millis > 0
          ? sleepUntil(steadyNanos() + BigInt(Math.round(millis * 1_000_000)))
          : real.sleep(duration)
      })
  }

  return Effect.succeed(
    FaultyClock.of({
      clock,
      jump: (by) => Effect.sync(() => setAhead(ahead() + Duration.toMillis(Duration.fromInputUnsafe(by)))),
      drift: (next) => Effect.sync(() => setAhead(ahead(), next)),
      setRight: Effect.sync(() => setAhead(0, 0)),
      ahead: Effect.sync(() => Duration.millis(ahead())),
      suspend: (lasts, { steady = "stands" } = {}) =>
        Effect.sync(() => {
          const from = realNanos()
          const until = from + BigInt(Math.round(Duration.toMillis(Duration.fromInputUnsafe(lasts)) * 1e6))
          stood = standing()
          sleep = { from, until, steady }
          setAhead(0)
        }),
      elsewhere: (client) =>
        HttpClient.transform(client, (work) =>
          Effect.provideService(Effect.exit(work), Clock.Clock, real).pipe(
            Effect.flatMap((exit) => Effect.andThen(awake, exit))
          )
        )
    })
  )
})

// ---- private

/** What rounding may leave of a sleep. */
const A_MICROSECOND = 0.001

const millisOf = (nanos: bigint): number => Number(nanos) / 1_000_000

function context(faulty: FaultyClock["Service"]): Context.Context<FaultyClock> {
  return Context.make(FaultyClock, faulty).pipe(Context.add(Clock.Clock, faulty.clock))
}
