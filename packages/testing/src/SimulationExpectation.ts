/**
 * What is expected of one event, and of several: the words of a Simulation's script. One event is named by its title, by
 * some of its fields, or by a predicate with a name; several come in order, in any order, in order within each lane, or among
 * others.
 */
import * as Event from "@observability-agents/toolkit/Event"
import * as DateTime from "effect/DateTime"
import type * as Duration from "effect/Duration"
import * as EventLog from "./EventLog.ts"

/**
 * A moment: so long after the start of the simulation, a date, or the name of something that the script does, as it was given
 * to `at` or `act`. A name goes before a duration.
 */
export type When = Duration.Input | DateTime.DateTime | (string & {})

/** When an event arrives at the server. All of the given conditions must hold. */
export interface Timing {
  /** At this moment or later. */
  readonly after?: When | undefined
  /** Before this moment, or at it. */
  readonly before?: When | undefined
  /** At most so long after the moment of `of`, and not before it. */
  readonly within?: Duration.Input | undefined
  /** What `within` counts from. Default: the start of the simulation. */
  readonly of?: When | undefined
}

/** What a field has to be: the same; a text that fits; what the predicate takes; or an object or list that fits part by part. */
export type Match<V> =
  | V
  | (V extends string ? RegExp : never)
  | ((value: V) => boolean)
  | (V extends DateTime.DateTime
      ? never
      : V extends ReadonlyArray<infer Item>
        ? ReadonlyArray<Match<Item>>
        : V extends object
          ? { readonly [K in keyof V]?: Match<V[K]> }
          : never)

type Names<E> = E extends unknown ? keyof E : never
type Value<E, K> = E extends unknown ? (K extends keyof E ? E[K] : never) : never

/** Some fields of an event. What is not named may be anything; what is `undefined` must not be there. */
export type Fields = {
  readonly [K in Names<Event.Event>]?: Match<Exclude<Value<Event.Event, K>, undefined>> | undefined
}

/** An event by its fields, its title, its lane and its time: all that are given. */
export interface Pattern extends Fields {
  /** As {@link EventLog.title} says it: `task load RUNNING`. */
  readonly title?: string | undefined
  /** Its component and run: `nightly/42`, or `dataset:orders`. */
  readonly lane?: string | undefined
  readonly at?: Timing | undefined
}

/** An event by a predicate. */
export interface Named {
  /** What is looked for, in words, for the report. */
  readonly name: string
  readonly where: (event: Event.Event) => boolean
  readonly at?: Timing | undefined
}

/** What is expected of one event. A text is its title, `RUNNING`, or its lane and title, `nightly/42 RUNNING`. */
export type Expectation = string | Pattern | Named

/** How several events are expected. */
export interface Expected {
  readonly _tag: "InOrder" | "InAnyOrder" | "PerLane" | "Among"
  /** With the lane, where they are expected per lane. */
  readonly expectations: ReadonlyArray<{ readonly lane?: string; readonly expectation: Expectation }>
}

/** The next events are these, whatever their order. */
export const inAnyOrder = (expectations: ReadonlyArray<Expectation>): Expected => ({
  _tag: "InAnyOrder",
  expectations: expectations.map((expectation) => ({ expectation }))
})

/** The next events of each of these lanes are these, in order. Other lanes are left for later. */
export const perLane = (lanes: Readonly<Record<string, ReadonlyArray<Expectation>>>): Expected => ({
  _tag: "PerLane",
  expectations: Object.entries(lanes).flatMap(([lane, expectations]) =>
    // Under one name, however it is written: an event is not to be met in two lanes.
    expectations.map((expectation) => ({ lane: withoutKind(lane), expectation }))
  )
})

/** These come in this order, and others before, between and after them, which are left for later. */
export const among = (expectations: ReadonlyArray<Expectation>): Expected => ({
  _tag: "Among",
  expectations: expectations.map((expectation) => ({ expectation }))
})

/** A list is what comes next, in this order. */
export const of = (expected: ReadonlyArray<Expectation> | Expected): Expected =>
  isList(expected)
    ? { _tag: "InOrder", expectations: expected.map((expectation) => ({ expectation })) }
    : expected

/** The lane as a person writes it: without `pipeline:`. */
export const laneOf = (event: Event.Event): string => withoutKind(Event.lane(event))

/** An event in a line: its lane and its title. */
export const nameOf = (event: Event.Event): string => `${laneOf(event)} ${EventLog.title(event)}`

/** Whether this is the event's lane. */
export const isOfLane = (event: Event.Event, lane: string): boolean =>
  lane === laneOf(event) || lane === Event.lane(event)

/** What is expected, in a line. */
export const describe = (expectation: Expectation): string => {
  if (typeof expectation === "string") return expectation
  const timing = expectation.at === undefined ? "" : ` at ${show(expectation.at)}`
  if (isNamed(expectation)) return `${expectation.name}${timing}`
  const { at: _at, lane, title, ...fields } = expectation
  const rest = Object.keys(fields).length === 0 ? [] : [show(fields)]
  return `${[lane, title]
    .filter((word) => word !== undefined)
    .concat(rest)
    .join(" ")}${timing}`
}

/** What keeps this event from being the expected one, its time aside: one entry per reason, and none where it fits. */
export const differences = (expectation: Expectation, event: Event.Event): ReadonlyArray<string> => {
  if (typeof expectation === "string") {
    const title = EventLog.title(event)
    const isIt = expectation === title || expectation === nameOf(event)
    return isIt ? [] : [`it is ${JSON.stringify(title)}`]
  }
  if (isNamed(expectation)) return expectation.where(event) ? [] : [`it is not ${expectation.name}`]
  const { at: _at, lane, title, ...fields } = expectation
  return [
    ...(title === undefined || title === EventLog.title(event)
      ? []
      : [`it is ${JSON.stringify(EventLog.title(event))}`]),
    ...(lane === undefined || isOfLane(event, lane) ? [] : [`its lane is ${laneOf(event)}`]),
    ...unlike(fields, event, "")
  ]
}

/** The time that is expected of it. */
export const timing = (expectation: Expectation): Timing | undefined =>
  typeof expectation === "string" ? undefined : expectation.at

// ---- private

const withoutKind = (lane: string): string => lane.replace(/^pipeline:/, "")

const isNamed = (expectation: Pattern | Named): expectation is Named => "where" in expectation

const isList = (expected: ReadonlyArray<Expectation> | Expected): expected is ReadonlyArray<Expectation> =>
  Array.isArray(expected)

/** Compares part by part, and says where it differs. */
const unlike = (expected: unknown, found: unknown, path: string): ReadonlyArray<string> => {
  const name = path === "" ? "it" : path
  if (typeof expected === "function") {
    return expected(found) === true ? [] : [`${name} is ${show(found)}, which its predicate does not take`]
  }
  if (expected instanceof RegExp) {
    // Not by `test`, which goes on behind the last match where the flag is `g`.
    return typeof found === "string" && found.search(expected) >= 0
      ? []
      : [`${name} is ${show(found)}, and ${expected} was expected`]
  }
  if (DateTime.isDateTime(expected)) {
    const isSame =
      DateTime.isDateTime(found) && DateTime.toEpochMillis(found) === DateTime.toEpochMillis(expected)
    return isSame ? [] : [`${name} is ${show(found)}, and ${show(expected)} was expected`]
  }
  if (Array.isArray(expected)) {
    if (!Array.isArray(found)) return [`${name} is ${show(found)}, and a list was expected`]
    if (found.length !== expected.length) {
      return [`${name} has ${found.length} entries, and ${expected.length} were expected`]
    }
    return expected.flatMap((part, index) => unlike(part, found[index], `${path}[${index}]`))
  }
  if (typeof expected === "object" && expected !== null) {
    if (typeof found !== "object" || found === null) {
      return [`${name} is ${show(found)}, and ${show(expected)} was expected`]
    }
    const parts = new Map(Object.entries(found))
    return Object.entries(expected).flatMap(([key, part]) =>
      unlike(part, parts.get(key), path === "" ? key : `${path}.${key}`)
    )
  }
  return Object.is(expected, found) ? [] : [`${name} is ${show(found)}, and ${show(expected)} was expected`]
}

/** A value in a line, as it is written in a script. */
const show = (value: unknown): string => {
  if (value === undefined) return "not there"
  if (typeof value === "function") return value.name === "" ? "(a predicate)" : `(${value.name})`
  if (value instanceof RegExp) return String(value)
  if (DateTime.isDateTime(value)) return DateTime.formatIso(value)
  if (Array.isArray(value)) return `[${value.map(show).join(", ")}]`
  if (typeof value === "object" && value !== null) {
    const fields = Object.entries(value).map(([key, part]) => `${key}: ${show(part)}`)
    return `{ ${fields.join(", ")} }`
  }
  return JSON.stringify(value) ?? String(value)
}
