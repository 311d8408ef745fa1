/**
 * When something fails: the script that the fake server, `FaultyHttp` and `FaultyStore` follow. Faults are given one after the
 * other, each with its conditions; whoever is about to do something asks which one strikes it, if any.
 *
 * Spans are measured by the steady clock of where the script was made, so that a program whose wall clock jumps (`FaultyClock`)
 * does not shift them. Chance comes from a seed and from how often it was asked, and from nothing else: what happens
 * beside it does not change which requests are struck.
 */
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"

/** When a fault strikes. All of the given conditions must hold; without any, always until `recover`. */
export interface When<A> {
  /** At most this many times. */
  readonly times?: number | undefined
  /** Only what this holds of. */
  readonly where?: ((about: A) => boolean) | undefined
  /** From this long after now. */
  readonly after?: Duration.Input | undefined
  /** For this long (counted from `after`). */
  readonly during?: Duration.Input | undefined
  /** Of what is left, this share (0 to 1), by chance. */
  readonly share?: number | undefined
}

/** Faults that strike one after the other. `F` is a fault, `A` what it may strike. */
export interface FaultScript<F, A> {
  /** From now on, this. The fault that was given first goes first. */
  readonly fail: (fault: F, when?: When<A>) => Effect.Effect<void>
  /** The fault that strikes now, which is counted. Synchronous, for those who cannot wait. */
  readonly next: (about: A) => F | undefined
  /** Forgets all faults. */
  readonly recover: Effect.Effect<void>
  /** How many times something was struck so far. */
  readonly struck: () => number
}

/**
 * What chance comes from where a fault is given no seed of its own: that of the simulation around it. Without one, chance is the
 * same in every run.
 */
export const Seed: Context.Reference<string | undefined> = Context.Reference<string | undefined>(
  "@observability-agents/testing/FaultScript/Seed",
  { defaultValue: () => undefined }
)

/** The seed of something that has this name: the one it is given, or one of its own of {@link Seed}. */
export const seedOf = (name: string, given?: string): Effect.Effect<string> =>
  given === undefined
    ? Effect.map(Seed, (seed) => (seed === undefined ? name : `${seed}: ${name}`))
    : Effect.succeed(given)

/** A script without faults. `seed` decides which are struck of a share. */
export const make = <F, A>(options: { readonly seed: string }): Effect.Effect<FaultScript<F, A>> =>
  Effect.clockWith((clock) => {
    const now = () => Math.round(Number(clock.monotonicTimeNanosUnsafe()) / 1_000_000)
    const lines: Array<Line<F, A>> = []
    let struck = 0
    const next = chance(options.seed)
    return Effect.succeed<FaultScript<F, A>>({
      fail: (fault, { after = 0, during = Infinity, share = 1, times = Infinity, where = () => true } = {}) =>
        Effect.sync(() => {
          const from = now() + millis(after)
          lines.push({ fault, from, until: from + millis(during), left: times, share, where })
        }),
      next: (about) => {
        const at = now()
        // What can never strike again is dropped: scripts may be asked many thousands of times.
        for (let index = lines.length - 1; index >= 0; index--) {
          const line = lines[index]
          if (line !== undefined && (line.left <= 0 || at >= line.until)) lines.splice(index, 1)
        }
        const line = lines.find(
          ({ from, share, where }) => from <= at && where(about) && (share >= 1 || next() < share)
        )
        if (line === undefined) return undefined
        line.left -= 1
        struck += 1
        return line.fault
      },
      recover: Effect.sync(() => {
        lines.length = 0
      }),
      struck: () => struck
    })
  })

/** Numbers from 0 to 1 (exclusive), one after the other, by a seed. Synchronous. */
export const chance = (seed: string): (() => number) => {
  let count = 0
  return () => {
    count += 1
    return Effect.runSync(Random.withSeed(Random.next, `${seed}: ${count}`))
  }
}

// ---- private

interface Line<F, A> {
  readonly fault: F
  /** Milliseconds of the steady clock, from and until (exclusive). */
  readonly from: number
  readonly until: number
  left: number
  readonly share: number
  readonly where: (about: A) => boolean
}

const millis = (duration: Duration.Input): number => Duration.toMillis(Duration.fromInputUnsafe(duration))
