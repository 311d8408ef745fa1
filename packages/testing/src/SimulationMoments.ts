/**
 * The moments of a simulation: its start, and whatever its script does, by name. They turn what a script says of time
 * ("3 minutes", a date, "the server goes down") into milliseconds, and say how far something was from its time.
 */
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Option from "effect/Option"
import type * as Expectation from "./SimulationExpectation.ts"
import { stamp } from "./Timeline.ts"

/** The moments that have names so far. Times are milliseconds since 1970. */
export interface Moments {
  readonly start: number
  readonly name: (name: string, at: number) => void
  /** When that is, or in words why nobody can tell. */
  readonly find: (when: Expectation.When) => number | string
  /** A time as the timeline shows it: `+0:03:00.000`. */
  readonly show: (at: number) => string
  /** How far this time is from what was expected, in words (`12 s too late, …`); nothing where it fits. */
  readonly untimely: (timing: Expectation.Timing | undefined, at: number) => string | undefined
}

/** The moments of a simulation that starts then, in milliseconds since 1970. */
export const make = (start: number): Moments => {
  const names = new Map<string, Set<number>>()
  const show = (at: number) => stamp(Math.floor(at) - start)
  const find = (when: Expectation.When): number | string => {
    if (DateTime.isDateTime(when)) return DateTime.toEpochMillis(when)
    const named = typeof when === "string" ? names.get(when) : undefined
    if (named !== undefined && named.size > 1) {
      const all = [...named].map(show).join(", ")
      return `${JSON.stringify(when)} is the name of several moments: ${all}. Give each a name of its own`
    }
    for (const at of named ?? []) return at
    // SAFETY: fromInput finds out whether a text is a duration, and gives None where it is not.
    const duration = Duration.fromInput(when as Duration.Input)
    if (Option.isSome(duration)) return start + Duration.toMillis(duration.value)
    const known = names.size === 0 ? "none" : [...names.keys()].map((name) => JSON.stringify(name)).join(", ")
    return `${JSON.stringify(when)} is neither a duration nor the name of something the script does (those are: ${known})`
  }
  return {
    start,
    show,
    find,
    name: (name, at) => {
      names.set(name, (names.get(name) ?? new Set()).add(at))
    },
    untimely: (timing, at) => {
      if (timing === undefined) return undefined
      const { after, before, of = 0, within } = timing
      if (timing.of !== undefined && within === undefined) {
        return "at a time that cannot be told: `of` says what `within` counts from, and there is no `within`"
      }
      const from = after === undefined ? undefined : find(after)
      const until = before === undefined ? undefined : find(before)
      const origin = within === undefined ? undefined : find(of)
      const unknown = [from, until, origin].find((found) => typeof found === "string")
      if (unknown !== undefined) return `at a time that cannot be told: ${unknown}`
      const earliest = Math.max(numberOr(from, -Infinity), numberOr(origin, -Infinity))
      const span = within === undefined ? Infinity : Duration.toMillis(Duration.fromInputUnsafe(within))
      const latest = Math.min(numberOr(until, Infinity), numberOr(origin, Infinity) + span)
      if (at < earliest)
        return `${words(earliest - at)} too early: at ${show(at)}, and not before ${show(earliest)}`
      if (at > latest) return `${words(at - latest)} too late: at ${show(at)}, and not after ${show(latest)}`
      return undefined
    }
  }
}

/** A span of time in words: `250 ms`, `12 s`, `2 min 5 s`, `1 h 2 min`. */
export const words = (millis: number): string => {
  const seconds = millis / 1000
  if (millis < 1000) return `${Math.round(millis)} ms`
  if (seconds < 60) return `${Number(seconds.toFixed(3))} s`
  const [whole, part, unit, smaller] =
    seconds < 3600
      ? [Math.floor(seconds / 60), Math.floor(seconds % 60), "min", "s"]
      : [Math.floor(seconds / 3600), Math.floor((seconds % 3600) / 60), "h", "min"]
  return part === 0 ? `${whole} ${unit}` : `${whole} ${unit} ${part} ${smaller}`
}

const numberOr = (value: number | string | undefined, otherwise: number): number =>
  typeof value === "number" ? value : otherwise
