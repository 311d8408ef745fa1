/**
 * Whether what came is what was expected: a pure judgement over the events that nobody has expected so far. It tells what
 * is met, what may still be met when more comes, and what cannot be any more, and pairs both sides for the report.
 */
import * as Expectation from "./SimulationExpectation.ts"
import type { Accepted } from "./FakeObservability.ts"
import type * as Moments from "./SimulationMoments.ts"

/** What was expected, and what came in its place. */
export interface Pair {
  /** `same`: they fit. `other`: they do not. `rest`: not compared, since an earlier one did not fit, or there is only one. */
  readonly is: "same" | "other" | "rest"
  readonly expectation?: Expectation.Expectation | undefined
  /** The lane in which it is expected, if in one. */
  readonly lane?: string | undefined
  readonly came?: Accepted | undefined
}

/** What is thought of several expectations. */
export interface Verdict {
  /** `open`: what came fits so far, and something is missing. */
  readonly state: "met" | "open" | "failed"
  /** Both sides, in the order of the report. */
  readonly pairs: ReadonlyArray<Pair>
}

/** What a pair differs in, in words; nothing where both sides fit. */
export const differences = (
  expectation: Expectation.Expectation,
  came: Accepted,
  moments: Moments.Moments
): ReadonlyArray<string> => {
  const untimely = moments.untimely(Expectation.timing(expectation), came.at.epochMilliseconds)
  return [
    ...Expectation.differences(expectation, came.event),
    ...(untimely === undefined ? [] : [`it came ${untimely}`])
  ]
}

/** Judges the expectations by the events that nobody has expected so far, in order of arrival. */
export const judge = (
  { _tag, expectations }: Expectation.Expected,
  unread: ReadonlyArray<Accepted>,
  moments: Moments.Moments
): Verdict => {
  const fits: Fits = (expectation, came) => differences(expectation, came, moments).length === 0
  const list = expectations.map(({ expectation }) => expectation)
  switch (_tag) {
    case "InOrder":
      return inOrder(list, unread, fits)
    case "InAnyOrder":
      return inAnyOrder(list, unread, fits)
    case "Among":
      return among(list, unread, fits)
    case "PerLane": {
      const verdicts = [...new Set(expectations.map(({ lane }) => lane ?? ""))].map((lane) => {
        const own = expectations.filter((one) => one.lane === lane).map(({ expectation }) => expectation)
        const came = unread.filter(({ event }) => Expectation.isOfLane(event, lane))
        const verdict = inOrder(own, came, fits)
        return { ...verdict, pairs: verdict.pairs.map((pair) => ({ ...pair, lane })) }
      })
      const states = new Set(verdicts.map(({ state }) => state))
      return {
        state: states.has("failed") ? "failed" : states.has("open") ? "open" : "met",
        pairs: verdicts.flatMap(({ pairs }) => pairs)
      }
    }
  }
}

/** The events that were expected and came. */
export const taken = ({ pairs }: Verdict): ReadonlyArray<Accepted> =>
  pairs.flatMap(({ came, is }) => (is === "same" && came !== undefined ? [came] : []))

/** The pairs whose expectations are not met. */
export const missing = ({ pairs }: Verdict): ReadonlyArray<Pair> =>
  pairs.filter(({ expectation, is }) => is !== "same" && expectation !== undefined)

// ---- private

type Fits = (expectation: Expectation.Expectation, came: Accepted) => boolean

/** How many more of what came than was expected are shown. */
const MORE = 5

const inOrder = (
  expectations: ReadonlyArray<Expectation.Expectation>,
  unread: ReadonlyArray<Accepted>,
  fits: Fits
): Verdict => {
  const differs = expectations.findIndex((expectation, index) => {
    const came = unread[index]
    return came === undefined || !fits(expectation, came)
  })
  const first = differs === -1 ? expectations.length : differs
  const isMet = first === expectations.length
  const length = isMet
    ? expectations.length
    : Math.max(expectations.length, Math.min(unread.length, expectations.length + MORE))
  return {
    state: isMet ? "met" : unread[first] === undefined ? "open" : "failed",
    pairs: Array.from({ length }, (_, index) => ({
      is: index < first ? "same" : index === first && unread[index] !== undefined ? "other" : "rest",
      expectation: expectations[index],
      came: unread[index]
    }))
  }
}

const among = (
  expectations: ReadonlyArray<Expectation.Expectation>,
  unread: ReadonlyArray<Accepted>,
  fits: Fits
): Verdict => {
  let from = 0
  const pairs = expectations.map((expectation): Pair => {
    const index = unread.findIndex((came, index) => index >= from && fits(expectation, came))
    if (index === -1) return { is: "rest", expectation }
    from = index + 1
    return { is: "same", expectation, came: unread[index] }
  })
  const state = pairs.every(({ is }) => is === "same") ? "met" : "open"
  const found = new Set(pairs.map(({ came }) => came))
  const others = unread.filter((came) => !found.has(came)).slice(0, expectations.length + MORE)
  return { state, pairs: [...pairs, ...others.map((came): Pair => ({ is: "rest", came }))] }
}

const inAnyOrder = (
  expectations: ReadonlyArray<Expectation.Expectation>,
  unread: ReadonlyArray<Accepted>,
  fits: Fits
): Verdict => {
  const next = unread.slice(0, expectations.length)
  // The most pairs that are possible, by augmenting paths: an expectation that fits several gives way.
  const cameOf = new Map<number, number>()
  const place = (expected: number, tried: Set<number>): boolean =>
    next.some((came, index) => {
      const expectation = expectations[expected]
      if (expectation === undefined || tried.has(index) || !fits(expectation, came)) return false
      tried.add(index)
      const holder = [...cameOf].find(([, held]) => held === index)?.[0]
      if (holder !== undefined && !place(holder, tried)) return false
      cameOf.set(expected, index)
      return true
    })
  expectations.forEach((_, expected) => place(expected, new Set()))
  const used = new Set(cameOf.values())
  const surplus = next.filter((_, index) => !used.has(index))
  const pairs = expectations.map((expectation, expected): Pair => {
    const index = cameOf.get(expected)
    return index === undefined ? { is: "rest", expectation } : { is: "same", expectation, came: next[index] }
  })
  return {
    state: cameOf.size === expectations.length ? "met" : surplus.length === 0 ? "open" : "failed",
    pairs: [...pairs, ...surplus.map((came): Pair => ({ is: "other", came }))]
  }
}
