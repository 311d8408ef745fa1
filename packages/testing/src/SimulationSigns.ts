/**
 * What a simulation expects beside events: signs of life, dead letters, and how the parts of the agent stand. Each gives what is
 * wrong in lines, the first of which is the sentence; none where nothing is.
 */
import type { Report } from "@observability-agents/core/Health"
import type { DeadLetter } from "@observability-agents/core/Outbox"
import * as Duration from "effect/Duration"
import type { AcceptedHeartbeat } from "./FakeObservability.ts"
import * as Expectation from "./SimulationExpectation.ts"
import * as Moments from "./SimulationMoments.ts"
import * as SimulationReport from "./SimulationReport.ts"

/** How many signs of life are expected, and when. */
export interface Heartbeats {
  /** The beginning of the span. Default: the start of the simulation. */
  readonly from?: Expectation.When | undefined
  /** The end of the span, which does not belong to it. Default: now, which does. */
  readonly until?: Expectation.When | undefined
  /** Default 1, unless `exactly` or `atMost` says otherwise. */
  readonly atLeast?: number | undefined
  readonly atMost?: number | undefined
  readonly exactly?: number | undefined
  /** No two that follow one another are further apart, nor the first and the last from the ends of the span. */
  readonly gap?: Duration.Input | undefined
}

/** What is wrong with the signs of life. */
export const heartbeats = (
  expected: Heartbeats,
  all: ReadonlyArray<AcceptedHeartbeat>,
  moments: Moments.Moments,
  now: number
): ReadonlyArray<string> => {
  const from = moments.find(expected.from ?? 0)
  const until = expected.until === undefined ? now + 1 : moments.find(expected.until)
  if (typeof from === "string") return [`The span of the signs of life cannot be told: ${from}`]
  if (typeof until === "string") return [`The span of the signs of life cannot be told: ${until}`]
  if (until > now + 1) {
    return [
      `The span of the signs of life ends at ${moments.show(until)}, and it is only ${moments.show(now)}: let the time go by first`
    ]
  }
  if (from > until) {
    return [
      `The span of the signs of life begins at ${moments.show(from)}, and ends before, at ${moments.show(Math.min(until, now))}`
    ]
  }
  const times = all.map(({ at }) => at.epochMilliseconds).filter((at) => at >= from && at < until)
  const isFree = expected.exactly === undefined && expected.atMost === undefined
  const least = expected.exactly ?? expected.atLeast ?? (isFree ? 1 : 0)
  const most = expected.exactly ?? expected.atMost ?? Infinity
  const span = `from ${moments.show(from)} until ${moments.show(Math.min(until, now))}`
  const shown = times.length === 0 ? [] : [`They came at ${times.slice(0, 20).map(moments.show).join(", ")}.`]
  if (times.length < least || times.length > most) {
    const wanted =
      least === most ? String(least) : most === Infinity ? `at least ${least}` : `${least} to ${most}`
    return [
      `The server received ${times.length} signs of life ${span}, and ${wanted} were expected`,
      ...shown
    ]
  }
  if (expected.gap === undefined) return []
  const gap = Duration.toMillis(Duration.fromInputUnsafe(expected.gap))
  const marks = [from, ...times, Math.min(until, now)]
  const index = marks.findIndex((mark, index) => mark - (marks[index - 1] ?? mark) > gap)
  const [before = 0, after = 0] = marks.slice(Math.max(0, index - 1))
  return index === -1
    ? []
    : [
        `There was no sign of life from ${moments.show(before)} to ${moments.show(after)}, for ${Moments.words(after - before)}, and ${Moments.words(gap)} is the longest gap that was expected`,
        ...shown
      ]
}

/** What is wrong with the dead letters. */
export const letters = (
  expected: ReadonlyArray<Expectation.Expectation>,
  found: ReadonlyArray<DeadLetter>,
  moments: Moments.Moments
): ReadonlyArray<string> => {
  const count = Math.max(expected.length, found.length)
  for (let index = 0; index < count; index++) {
    const expectation = expected[index]
    const letter = found[index]
    const shown = ["Dead letters:", ...found.map((letter) => `  ${SimulationReport.letterLine(letter)}`)]
    if (letter === undefined) {
      const missing = expectation === undefined ? "" : Expectation.describe(expectation)
      return [
        `${expected.length} dead letters were expected, and there are ${found.length}: ${missing} is none of them`,
        ...(found.length === 0 ? [] : shown)
      ]
    }
    if (expectation === undefined) {
      return [`${expected.length} dead letters were expected, and there are ${found.length}`, ...shown]
    }
    const untimely = moments.untimely(Expectation.timing(expectation), letter.buriedAt.epochMilliseconds)
    const reasons = [
      ...Expectation.differences(expectation, letter.entry.event),
      ...(untimely === undefined ? [] : [`it was buried ${untimely}`])
    ]
    if (reasons.length > 0) {
      return [
        `Dead letter ${index + 1} is not ${Expectation.describe(expectation)}: ${reasons.join("; ")}`,
        ...shown
      ]
    }
  }
  return []
}

/** What is wrong with the parts of the agent: just these are expected to fail. */
export const health = (expected: ReadonlyArray<string>, { parts }: Report): ReadonlyArray<string> => {
  const failing = parts.filter(({ state }) => state === "failing")
  const names = failing.map(({ name }) => name)
  const isSame = names.toSorted().join("\n") === [...expected].toSorted().join("\n")
  if (isSame) return []
  const wanted = expected.length === 0 ? "none was expected to" : `expected to fail: ${expected.join(", ")}`
  return [
    names.length === 0
      ? `No part of the agent fails; ${wanted}`
      : `These parts of the agent fail: ${names.join(", ")}; ${wanted}`,
    ...failing.map(({ name, reason }) => `  ${name}: ${reason ?? "failing"}`)
  ]
}
