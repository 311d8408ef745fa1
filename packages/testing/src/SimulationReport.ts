/**
 * The report of a script whose expectations are not met: what was expected and what came side by side, with the first
 * difference marked, and where else something much like it is found.
 */
import type { DeadLetter } from "@observability-agents/core/Outbox"
import type { Accepted } from "./FakeObservability.ts"
import * as Expectation from "./SimulationExpectation.ts"
import * as Match from "./SimulationMatch.ts"
import type * as Moments from "./SimulationMoments.ts"

/** What is known when expectations are not met. */
export interface Evidence {
  readonly verdict: Match.Verdict
  readonly moments: Moments.Moments
  /** All that came. */
  readonly all: ReadonlyArray<Accepted>
  readonly isTaken: (accepted: Accepted) => boolean
  readonly letters: ReadonlyArray<DeadLetter>
  /** How many events still wait to be sent. */
  readonly pending: number
}

/** The lines of the report. */
export const lines = (evidence: Evidence): ReadonlyArray<string> => {
  const { moments, verdict } = evidence
  const other = verdict.pairs.find(({ is }) => is === "other")
  const reasons =
    other?.expectation === undefined || other.came === undefined
      ? []
      : Match.differences(other.expectation, other.came, moments)
  const near = Match.missing(verdict).flatMap(({ expectation = "", lane }) => {
    const all = evidence.all.filter(({ event }) => lane === undefined || Expectation.isOfLane(event, lane))
    const miss = nearMiss(expectation, { ...evidence, all }, other)
    return miss === undefined ? [] : [`  ${Expectation.describe(expectation)}: ${miss}`]
  })
  return [
    ...table(verdict.pairs, moments),
    ...(reasons.length === 0 ? [] : [`The first difference: ${reasons.join("; ")}.`]),
    ...(near.length === 0 ? [] : ["Near misses:", ...[...new Set(near)].slice(0, MOST)]),
    ...(evidence.pending === 0 ? [] : [`Still waiting to be sent: ${events(evidence.pending)}.`]),
    ...(evidence.letters.length === 0
      ? []
      : ["Dead letters:", ...evidence.letters.slice(0, MOST).map((letter) => `  ${letterLine(letter)}`)])
  ]
}

/** What is wrong, in a sentence without its full stop. */
export const sentence = (
  expected: Expectation.Expected,
  { pairs, state }: Match.Verdict,
  now: string
): string => {
  const count = expected.expectations.length
  if (state === "open") {
    const missing = Match.missing({ pairs, state }).length
    return count === 1
      ? `The expected event had not come by ${now}`
      : `${missing} of the ${count} expected events had not come by ${now}`
  }
  if (expected._tag === "InAnyOrder") {
    return `An event came that is none of the ${count} that were expected next, in any order`
  }
  const index = pairs.findIndex(({ is }) => is === "other")
  const lane = pairs[index]?.lane
  const first = lane === undefined ? 0 : pairs.findIndex((pair) => pair.lane === lane)
  const wanted = lane === undefined ? count : expected.expectations.filter((one) => one.lane === lane).length
  const place = lane === undefined ? "" : ` in lane ${lane}`
  return wanted === 1
    ? `The next event${place} is another one than was expected`
    : `Event ${index - first + 1} of the ${wanted} that were expected next${place} is another one`
}

/** Events that came, a line each. */
export const list = (came: ReadonlyArray<Accepted>, moments: Moments.Moments): ReadonlyArray<string> => [
  ...came.slice(0, MOST).map((one) => `  ${line(one, moments)}`),
  ...(came.length > MOST ? [`  … and ${came.length - MOST} more`] : [])
]

/** A dead letter in a line. */
export const letterLine = ({ entry, reason, words }: DeadLetter): string =>
  `${Expectation.nameOf(entry.event)}: ${reason}: ${words}`

/** `1 event`, `3 events`. */
export const events = (count: number): string => (count === 1 ? "1 event" : `${count} events`)

// ---- private

/** Lines of a list that are shown. */
const MOST = 20

/** Characters of an expectation that are shown in the table. */
const WIDTH = 64

const line = ({ at, event }: Accepted, moments: Moments.Moments): string =>
  `${moments.show(at.epochMilliseconds)}  ${Expectation.nameOf(event)}`

const table = (pairs: ReadonlyArray<Match.Pair>, moments: Moments.Moments): ReadonlyArray<string> => {
  const rows = pairs.map(({ came, expectation, is, lane }) => {
    const text = expectation === undefined ? "" : Expectation.describe(expectation)
    const expected = lane === undefined || text === "" ? text : `${lane} ${text}`
    return {
      sign: is === "same" ? "=" : is === "other" ? "≠" : " ",
      expected: expected.length > WIDTH ? `${expected.slice(0, WIDTH - 1)}…` : expected,
      came: came === undefined ? (expectation === undefined ? "" : "(nothing)") : line(came, moments)
    }
  })
  const width = Math.max(...rows.map(({ expected }) => expected.length), "expected".length)
  return [
    `    ${"expected".padEnd(width)}  came`,
    ...rows.map(({ came, expected, sign }) => `  ${sign} ${expected.padEnd(width)}  ${came}`.trimEnd())
  ]
}

/** Where the expectation was all but met, if anywhere. */
const nearMiss = (
  expectation: Expectation.Expectation,
  { all, isTaken, letters, moments, verdict }: Evidence,
  other: Match.Pair | undefined
): string | undefined => {
  const isUsed = new Set(Match.taken(verdict))
  const fitting = all.filter(({ event }) => Expectation.differences(expectation, event).length === 0)
  // What it was compared with is told as the first difference.
  const free = fitting.filter((one) => !isUsed.has(one) && !isTaken(one) && one !== other?.came)
  for (const one of free) {
    const untimely = moments.untimely(Expectation.timing(expectation), one.at.epochMilliseconds)
    if (untimely !== undefined) return `it came ${untimely}`
  }
  const [elsewhere] = free
  if (elsewhere !== undefined) {
    // What is after the first difference is out of its turn anyway.
    return other === undefined || other.expectation === expectation
      ? `it came, but not in its turn: ${line(elsewhere, moments)}`
      : undefined
  }
  const letter = letters.find(({ entry }) => Expectation.differences(expectation, entry.event).length === 0)
  if (letter !== undefined) return `it is a dead letter: ${letter.reason}: ${letter.words}`
  const [before] = fitting.filter(isTaken)
  if (before !== undefined) {
    return `it came once, and an earlier expectation has taken that one: ${line(before, moments)}`
  }
  const close = all
    .filter((one) => !isUsed.has(one) && one !== other?.came)
    .map((one) => ({ one, reasons: Expectation.differences(expectation, one.event) }))
    .filter(({ one, reasons }) => reasons.length === 1 && isAlike(expectation, one))
  const [closest] = close
  return closest === undefined
    ? undefined
    : `${line(closest.one, moments)} is much like it, but ${closest.reasons.join("; ")}`
}

/** Whether they have more in common than that both are events. */
const isAlike = (expectation: Expectation.Expectation, { event }: Accepted): boolean => {
  if (typeof expectation !== "string") return !("where" in expectation) && Object.keys(expectation).length > 1
  const words = Expectation.nameOf(event).split(" ")
  const wanted = expectation.split(" ")
  return wanted.length > 1 && wanted.filter((word) => words.includes(word)).length === wanted.length - 1
}
