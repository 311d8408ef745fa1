/**
 * What the conformance suite of agents finds wrong with a story: events that are lost, came twice or out of order, and
 * secrets that were given away. Each finding is a sentence that begins with the name of the bug.
 */
import * as Event from "@observability-agents/toolkit/Event"
import type { Polled, Witness } from "./AgentWitness.ts"
import * as EventLog from "./EventLog.ts"
import type { Accepted } from "./FakeObservability.ts"
import type { Expected } from "./Scenario.ts"
import { stamp } from "./Timeline.ts"

/** A span of time; milliseconds since 1970. */
export interface Span {
  readonly from: number
  readonly to: number
}

/** What is known in the end of a story. */
export interface Evidence {
  readonly accepted: ReadonlyArray<Accepted>
  /** How many signs of life the server got. */
  readonly heartbeats: number
  readonly expected: ReadonlyArray<Expected>
  readonly identity: (event: Event.Event) => string
  /** When the tool, or the network to it, failed. */
  readonly toolFailed: ReadonlyArray<Span>
  /** What the server refused, by path and body. */
  readonly refused: ReadonlySet<string>
  /** How often each request came, whether it was accepted or not; by path and body. */
  readonly received: ReadonlyMap<string, number>
  /** How many dead letters there are. */
  readonly letters: number
  /** Events whose rows in the state file became illegible: nothing can be told of them. */
  readonly illegible: ReadonlyArray<Event.Event>
  /** The step at which the process died, if it did. */
  readonly death: string | undefined
  /** Milliseconds since 1970 at which the timeline begins. */
  readonly began: number
  readonly witness: Witness
}

/** All that is wrong, in words. */
export const of = (evidence: Evidence): ReadonlyArray<string> => {
  const events = withoutAllowedRepeats(evidence)
  const twice = new Set(EventLog.duplicates(events))
  const once = events.filter((event) => !twice.has(event))
  const { missing, surplus } = compare(evidence, once)
  const lanes = new Set(evidence.illegible.map(Event.lane))
  return [
    // What was lost comes first: without it, what follows on it seems to be out of order.
    ...missing.map((expected) => lost(expected, evidence)),
    ...refusals(evidence),
    ...[...twice].map((event) => `sent twice: ${evidence.identity(event)} was received again, just the same`),
    ...EventLog.disorder(once.filter((event) => !lanes.has(Event.lane(event)))).map(
      (finding) => `order broken: ${finding}`
    ),
    ...surplus,
    ...givenAway(evidence),
    ...(evidence.heartbeats > 0 ? [] : ["no sign of life: the server received no heartbeat"])
  ]
}

/** The events as received, save those which the agent had to send again, since it was not told that they were accepted. */
const withoutAllowedRepeats = ({ accepted, witness }: Evidence): ReadonlyArray<Event.Event> => {
  const left = new Map(witness.mayRepeat)
  const seen = new Set<string>()
  return accepted.flatMap(({ body, event, path }) => {
    const key = [...left.keys()].find((key) => key.endsWith(`${path} ${body}`))
    const request = `${path} ${body}`
    const isRepeated = seen.has(request)
    seen.add(request)
    const allowed = key === undefined ? 0 : (left.get(key) ?? 0)
    if (!isRepeated || key === undefined || allowed === 0) return [event]
    left.set(key, allowed - 1)
    return []
  })
}

const compare = ({ expected, identity, illegible }: Evidence, events: ReadonlyArray<Event.Event>) => {
  const counts = new Map<string, number>()
  // As if they had come.
  for (const event of illegible) counts.set(identity(event), (counts.get(identity(event)) ?? 0) + 1)
  for (const event of events) counts.set(identity(event), (counts.get(identity(event)) ?? 0) + 1)
  const missing = expected.filter((one) => {
    const count = counts.get(one.identity) ?? 0
    counts.set(one.identity, count - 1)
    return count <= 0
  })
  const known = new Set(expected.map((one) => one.identity))
  const surplus = [...counts].flatMap(([one, count]) =>
    count <= 0
      ? []
      : known.has(one)
        ? [`sent twice: ${one} was received ${count === 1 ? "once" : `${count} times`} more than it happened`]
        : [`unexpected: ${one} was received, and never happened`]
  )
  return { missing, surplus }
}

/** Why something was lost, as far as can be told from where the cursor stood. */
const lost = ({ at, identity }: Expected, evidence: Evidence): string => {
  const { began, death, toolFailed, witness } = evidence
  const passed =
    at === undefined
      ? witness.polled.find((poll) => isBlind(poll, evidence))
      : witness.polled.find(({ cursor }) => cursor > at)
  const happened =
    at !== undefined
      ? ` It happened at ${stamp(at - began)}.`
      : passed !== undefined
        ? ` The tool failed from ${toolFailed.map(({ from, to }) => `${stamp(from - began)} to ${stamp(to - began)}`).join(", and from ")}.`
        : ""
  const cursor =
    passed === undefined
      ? ""
      : ` The cursor of ${passed.source} was moved ${at === undefined ? "all the same" : "past it"}, to ${stamp(passed.cursor - began)}, at ${stamp(passed.at - began)}.`
  const [bug, after] =
    death !== undefined
      ? ["event lost on crash", ` after the process died ${death}`]
      : [passed !== undefined && isBlind(passed, evidence) ? "cursor moved too early" : "event lost", ""]
  return `${bug}: ${identity} was never received${after}.${happened}${cursor}`
}

/**
 * Whether the cursor was moved while the tool failed, and nothing that the tool was asked since the move before can have been
 * answered well: each request began while it failed.
 */
const isBlind = (poll: Polled, { toolFailed, witness }: Evidence): boolean => {
  const isFailing = (time: number) => toolFailed.some(({ from, to }) => from <= time && time < to)
  const before = witness.polled.findLast(({ at, source }) => source === poll.source && at < poll.at)
  const asked = witness.asked.filter(({ ended }) => ended > (before?.at ?? 0) && ended <= poll.at)
  return asked.length === 0 ? isFailing(poll.at) : asked.every(({ began }) => isFailing(began))
}

/** An event that the server refused for good is a dead letter, and is not sent again. */
const refusals = ({ letters, received, refused }: Evidence): ReadonlyArray<string> => [
  ...[...refused].flatMap((request) => {
    const times = received.get(request) ?? 0
    return times > 1
      ? [`refused event sent again: the server refused an event for good and got it ${times} times`]
      : []
  }),
  ...(letters < refused.size
    ? [
        `refused event forgotten: the server refused ${refused.size} events for good, and there are ${letters} dead letters`
      ]
    : [])
]

/** Each place with a secret, once; the log is named first. */
const givenAway = ({ witness }: Evidence): ReadonlyArray<string> =>
  [...new Set(witness.texts.map(({ where }) => where))]
    .map(
      (where) =>
        `${SECRET_PLACES.get(where) ?? "secret given away"}: a secret of the settings stands in ${where}`
    )
    .toSorted()
    .toReversed()

const SECRET_PLACES: ReadonlyMap<string, string> = new Map([["the log", "secret logged"]])
