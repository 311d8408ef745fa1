/**
 * What the conformance suite of agents finds wrong with a story: events that are lost, came twice or out of order, and
 * secrets that were given away. Each finding is a sentence that begins with the name of the bug.
 */
import type * as Event from "@observability-agents/toolkit/Event"
import type { Witness } from "./AgentWitness.ts"
import * as EventLog from "./EventLog.ts"
import type { Accepted } from "./FakeObservability.ts"
import type { Expected } from "./Scenario.ts"
import { stamp } from "./Timeline.ts"

/** What is known in the end of a story. */
export interface Evidence {
  readonly accepted: ReadonlyArray<Accepted>
  /** How many signs of life the server got. */
  readonly heartbeats: number
  readonly expected: ReadonlyArray<Expected>
  readonly identity: (event: Event.Event) => string
  readonly secrets: ReadonlyArray<string>
  /** Whether the tool failed meanwhile. */
  readonly hasToolFailed: boolean
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
  return [
    ...[...twice].map((event) => `sent twice: ${evidence.identity(event)} was received again, just the same`),
    ...EventLog.disorder(once).map((finding) => `order broken: ${finding}`),
    ...missing.map((expected) => lost(expected, evidence)),
    ...surplus,
    ...(evidence.heartbeats > 0 ? [] : ["no sign of life: the server received no heartbeat"]),
    ...givenAway(evidence)
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

const compare = ({ expected, identity }: Evidence, events: ReadonlyArray<Event.Event>) => {
  const counts = new Map<string, number>()
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
const lost = ({ at, identity }: Expected, { began, death, hasToolFailed, witness }: Evidence): string => {
  const passed = at === undefined ? undefined : witness.polled.find(({ cursor }) => cursor > at)
  const happened = at === undefined ? "" : ` It happened at ${stamp(at - began)}.`
  const cursor =
    passed === undefined
      ? ""
      : ` The cursor of ${passed.source} was moved past it, to ${stamp(passed.cursor - began)}, at ${stamp(passed.at - began)}.`
  const [bug, after] =
    death !== undefined
      ? ["event lost in a crash", ` after the process died ${death}`]
      : [hasToolFailed && passed !== undefined ? "cursor moved too early" : "event lost", ""]
  return `${bug}: ${identity} was never received${after}.${happened}${cursor}`
}

const givenAway = ({ secrets, witness }: Evidence): ReadonlyArray<string> => {
  const places = new Set<string>()
  for (const { text, where } of witness.texts) {
    if (secrets.some((secret) => secret !== "" && text.includes(secret))) places.add(where)
  }
  return [...places].map((where) => `secret given away: a secret of the settings stands in ${where}`)
}
