/**
 * What the status page remembers while it is on: the newest events, the newest problems, and some minutes of numbers for its
 * plots. All of it is bounded, and gone with the process: what has to last is in the Outbox.
 */
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as PubSub from "effect/PubSub"
import type * as Scope from "effect/Scope"
import { Activity, type Told } from "./Activity.ts"
import { type DeadLetter, Outbox } from "./Outbox.ts"
import { OutboxWatch } from "./OutboxWatch.ts"

/** How many events, and how many problems, are remembered. */
export const REMEMBERED = 200

/** How far apart the samples are. */
export const SAMPLE_PERIOD: Duration.Duration = Duration.seconds(5)

/** How many samples are remembered: those of ten minutes. */
export const SAMPLES = 120

/** How many dead letters are shown. */
export const LETTERS = 20

/**
 * The numbers of one stretch of time.
 *
 * @category models
 */
export interface Sample {
  readonly at: DateTime.Utc
  /** Events committed and delivered per second. */
  readonly committed: number
  readonly delivered: number
  /** Events waiting at the end of it. */
  readonly pending: number
  /** Mean seconds from what an event tells of to its delivery; none where nothing was delivered. */
  readonly lag: number | undefined
  /** How many were delivered in it. */
  readonly deliveredEvents: number
}

/**
 * What is remembered now.
 *
 * @category models
 */
export interface StatusState {
  /** Since when it is remembered. */
  readonly startedAt: DateTime.Utc
  /** The newest first. */
  readonly events: () => ReadonlyArray<Told>
  readonly problems: () => ReadonlyArray<Told>
  /** The oldest first. */
  readonly samples: () => ReadonlyArray<Sample>
  /** The newest dead letters, the newest first. Read anew when their number has changed, at most every two seconds. */
  readonly deadLetters: Effect.Effect<ReadonlyArray<DeadLetter>>
}

/**
 * Remembers from now on, until the Scope closes.
 *
 * @category constructors
 */
export const make: Effect.Effect<StatusState, never, Outbox | OutboxWatch | Activity | Scope.Scope> =
  Effect.gen(function* () {
    const outbox = yield* Outbox
    const watch = yield* OutboxWatch
    const activity = yield* Activity
    const startedAt = yield* DateTime.now
    const events = ring<Told>(REMEMBERED)
    const problems = ring<Told>(REMEMBERED)
    const samples = ring<Sample>(SAMPLES)

    const news = yield* activity.listen
    // All that is there at once: taken one by one, a burst of it would be told faster than heard.
    yield* PubSub.takeAll(news).pipe(
      Effect.map((all) => {
        for (const told of all) {
          if ("event" in told && told.kind !== "sent") events.add(told)
          if (isProblem(told)) problems.add(told)
        }
      }),
      Effect.forever,
      Effect.forkScoped
    )

    let before = watch.counts()
    let sampledAt = startedAt.epochMilliseconds
    const sample = Effect.gen(function* () {
      const at = yield* DateTime.now
      const { pending } = yield* outbox.status
      const counts = watch.counts()
      const seconds = Math.max(0.001, (at.epochMilliseconds - sampledAt) / 1000)
      const delivered = counts.delivered - before.delivered
      samples.add({
        at,
        committed: (counts.committed - before.committed) / seconds,
        delivered: delivered / seconds,
        pending,
        lag: delivered === 0 ? undefined : (counts.lag - before.lag) / delivered,
        deliveredEvents: delivered
      })
      before = counts
      sampledAt = at.epochMilliseconds
    })
    yield* Effect.forkScoped(Effect.forever(Effect.andThen(Effect.sleep(SAMPLE_PERIOD), sample)))

    let letters: ReadonlyArray<DeadLetter> = []
    let lettersOf = 0
    let lettersAt = Number.NEGATIVE_INFINITY
    const deadLetters = Effect.gen(function* () {
      const { deadLetters } = yield* outbox.status
      const now = (yield* DateTime.now).epochMilliseconds
      // All of them are read, and there may be thousands: not for each look at the page.
      if (deadLetters === lettersOf || now - lettersAt < LETTERS_MILLIS) return letters
      lettersAt = now
      const read = yield* Effect.option(outbox.deadLetters)
      if (Option.isNone(read)) return letters
      letters = read.value.slice(-LETTERS).reverse()
      lettersOf = deadLetters
      return letters
    })

    return {
      startedAt,
      events: events.newest,
      problems: problems.newest,
      samples: () => samples.newest().toReversed(),
      deadLetters
    }
  })

const LETTERS_MILLIS = 2000

const isProblem = (news: Told): boolean =>
  news.kind === "log" || news.kind === "retried" || (news.kind === "health" && news.state === "failing")

/** Remembers the newest of so many. */
const ring = <A>(capacity: number) => {
  const items: Array<A> = []
  let next = 0
  return {
    add: (item: A): void => {
      items[next] = item
      next = (next + 1) % capacity
    },
    newest: (): ReadonlyArray<A> => [...items.slice(next), ...items.slice(0, next)].reverse()
  }
}
