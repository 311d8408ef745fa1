/**
 * The course of a simulation: time goes on from one thing that happens to the next, and what the script has scheduled is done
 * at its moment.
 */
import * as Cause from "effect/Cause"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import type * as Scope from "effect/Scope"
import type { Witness } from "./AgentWitness.ts"
import type { SimulationClock } from "./SimulationClock.ts"
import type * as Expectation from "./SimulationExpectation.ts"
import type * as Moments from "./SimulationMoments.ts"

/** What the script does, and when. What fails, fails with a reason in words. */
export interface Script {
  /** Schedules something. A moment that is over is refused. */
  readonly at: <R>(
    when: Expectation.When,
    name: string | undefined,
    effect: Effect.Effect<unknown, unknown, R>
  ) => Effect.Effect<void, string, R>
  /** What is scheduled, and has not been begun. */
  readonly left: () => ReadonlyArray<{ readonly name: string; readonly at: number }>
  /** Moves time there (milliseconds since 1970), or until `isEnough` says so, which is asked after every step. */
  readonly advance: (until: number, isEnough?: Effect.Effect<boolean, string>) => Effect.Effect<void, string>
}

/** What a course is made of. */
export interface Options {
  readonly clock: SimulationClock["Service"]
  readonly moments: Moments.Moments
  readonly witness: Witness
  /** Done after every step of the time. */
  readonly look: Effect.Effect<void, string>
}

/** A script with nothing in it. What it does goes on until the scope closes, if it takes so long. */
export const make = Effect.fnUntraced(function* (
  options: Options
): Effect.fn.Return<Script, never, Scope.Scope> {
  const { clock, look, moments, witness } = options
  const scope = yield* Effect.scope
  const planned: Array<Planned> = []
  let running: Array<{ readonly name: string; readonly fiber: Fiber.Fiber<Exit.Exit<unknown, unknown>> }> = []
  let count = 0

  const begin = Effect.fnUntraced(function* ({ at, effect, name }: Planned) {
    const late = clock.now() - at
    witness.see("test", late < 1 ? name : `${name} (due at ${moments.show(at)})`)
    const fiber = yield* Effect.forkIn(Effect.exit(effect), scope)
    // Most are done within the moment; one that sleeps or waits goes on while time does.
    yield* clock.settle
    running.push({ name, fiber })
  })
  const check = Effect.suspend(() => {
    const ended = running.flatMap(({ fiber, name }) => {
      const exit = fiber.pollUnsafe()
      return exit === undefined ? [] : [{ name, exit }]
    })
    running = running.filter(({ fiber }) => fiber.pollUnsafe() === undefined)
    for (const { exit, name } of ended) {
      const inner = Exit.isSuccess(exit) ? exit.value : exit
      if (Exit.isFailure(inner)) {
        return Effect.fail(
          `What the script does failed: ${JSON.stringify(name)}: ${Cause.pretty(inner.cause)}`
        )
      }
    }
    return Effect.void
  })

  return {
    at: <R>(when: Expectation.When, name: string | undefined, effect: Effect.Effect<unknown, unknown, R>) =>
      Effect.contextWith((context: Context.Context<R>) => {
        const at = moments.find(when)
        if (typeof at === "string") return Effect.fail(`Nothing can be scheduled: ${at}`)
        if (at < clock.now()) {
          return Effect.fail(
            `Nothing can be scheduled for ${moments.show(at)}: it is ${moments.show(clock.now())} already, and times count from the start`
          )
        }
        count += 1
        const action = { at, name: name ?? `action ${count}`, effect: Effect.provideContext(effect, context) }
        moments.name(action.name, at)
        const index = planned.findIndex((other) => other.at > at)
        planned.splice(index === -1 ? planned.length : index, 0, action)
        return Effect.void
      }),
    left: () => planned,
    advance: Effect.fnUntraced(function* (until, isEnough) {
      for (;;) {
        while (planned[0] !== undefined && planned[0].at <= clock.now()) {
          const [next] = planned.splice(0, 1)
          if (next !== undefined) yield* begin(next)
        }
        yield* look
        yield* check
        if (isEnough !== undefined && (yield* isEnough)) return
        const now = clock.now()
        if (now >= until) return
        yield* clock.moveTo(
          Math.min(until, planned[0]?.at ?? Infinity, clock.nextDue() ?? Infinity, now + LONGEST)
        )
      }
    })
  }
})

// ---- private

interface Planned {
  readonly at: number
  readonly name: string
  readonly effect: Effect.Effect<unknown, unknown>
}

/** Milliseconds of the longest step: something real, such as a file that is read, gets turns in between. */
const LONGEST = 60_000
