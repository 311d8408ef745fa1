/**
 * Moments that are chosen by a seed: the same seed and the same use give the same choice, on every machine.
 */
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import * as FaultScript from "./FaultScript.ts"

/** What an Effect does by chance (jitter, moments), it does in the same way for the same seed and the same purpose. */
export const of =
  (seed: string, purpose: string) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Random.withSeed(effect, `${seed}: ${purpose}`).pipe(
      Effect.provideService(FaultScript.Seed, `${seed}: ${purpose}`)
    )

/** A whole number of milliseconds between these two fractions of a span. */
export const within = (span: number, from: number, to: number): Effect.Effect<number> =>
  Effect.map(Random.next, (random) => Math.floor(span * (from + random * (to - from))))

/** At most `most` of these, in their order: all, or every so many, the first by chance. */
export const spread = <A>(all: ReadonlyArray<A>, most: number): Effect.Effect<ReadonlyArray<A>> =>
  Effect.map(Random.next, (random) => {
    if (all.length <= most) return all
    const stride = all.length / most
    const chosen = new Set(Array.from({ length: most }, (_, index) => Math.floor((index + random) * stride)))
    return all.filter((_, index) => chosen.has(index))
  })
