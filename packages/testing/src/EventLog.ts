/**
 * What can be seen of a list of events as the server received them: whether something came twice, and whether the
 * order was one that the server takes without raising false alerts. Both are promises to users, so tests of agents end
 * with `problems(events)` being empty.
 *
 * ```ts
 * import { assert } from "@effect/vitest"
 * import * as EventLog from "@observability-agents/testing/EventLog"
 * import { FakeObservability } from "@observability-agents/testing/FakeObservability"
 * import { Effect } from "effect"
 *
 * export const nothingWrong = Effect.gen(function* () {
 *   const server = yield* FakeObservability
 *   assert.deepStrictEqual(EventLog.problems(yield* server.events), [])
 * })
 * ```
 */
import * as DateTime from "effect/DateTime"
import * as Event from "@observability-agents/toolkit/Event"

/** Events of which an equal one was received before: each is a row too many, or a false alert, on the server. */
export const duplicates = (events: ReadonlyArray<Event.Event>): ReadonlyArray<Event.Event> => {
  const seen = new Set<string>()
  return events.filter((event) => {
    const identity = canonical(event)
    const repeated = seen.has(identity)
    seen.add(identity)
    return repeated
  })
}

/**
 * What is wrong with the order, in words, one line per finding. Per run: the first event is the run's RUNNING; a task is
 * RUNNING before it ends; nothing follows the run's end except a new RUNNING, with a later time than the end; and no
 * status comes a second time.
 */
export const disorder = (events: ReadonlyArray<Event.Event>): ReadonlyArray<string> => {
  const findings: Array<string> = []
  const runs = new Map<string, Run>()
  for (const event of events) {
    if (event.pipelineKey === undefined) continue
    const lane = Event.lane(event)
    const run = runs.get(lane) ?? { state: undefined, endedAt: undefined, tasks: new Map() }
    runs.set(lane, run)
    findings.push(...observe(run, event).map((finding) => `${lane}: ${finding}`))
  }
  return findings
}

/** All that {@link duplicates} and {@link disorder} find, in words. */
export const problems = (events: ReadonlyArray<Event.Event>): ReadonlyArray<string> => [
  ...duplicates(events).map((event) => `${Event.lane(event)}: ${title(event)} was received twice`),
  ...disorder(events)
]

/** The events of each lane (component and run), in order of arrival. */
export const lanes = (
  events: ReadonlyArray<Event.Event>
): ReadonlyMap<string, ReadonlyArray<Event.Event>> => {
  const byLane = new Map<string, Array<Event.Event>>()
  for (const event of events) {
    const lane = Event.lane(event)
    const known = byLane.get(lane)
    if (known === undefined) byLane.set(lane, [event])
    else known.push(event)
  }
  return byLane
}

/** An event in a few words: `RUNNING`, `task load COMPLETED`, `message ERROR`. */
export const title = (event: Event.Event): string => {
  const task = event.pipelineKey === undefined || event.taskKey === undefined ? "" : `task ${event.taskKey} `
  switch (event._tag) {
    case "RunStatus":
      return `${task}${event.status}`
    case "MessageLog":
      return `${task}message ${event.level}`
    case "MetricLog":
      return `${task}metric ${event.metricKey}`
    case "DatasetOperation":
      return `${event.operation} of ${event.datasetKey}`
    case "TestOutcomes":
      return `${task}${event.outcomes.length} test outcomes`
  }
}

interface Run {
  state: Event.RunState | undefined
  endedAt: DateTime.Utc | undefined
  readonly tasks: Map<string, Event.RunState>
}

const observe = (run: Run, event: Event.Event): ReadonlyArray<string> => {
  const isRunLevel = event._tag === "RunStatus" && event.taskKey === undefined
  const findings: Array<string> = []
  if (run.state === undefined && !(isRunLevel && event.status === "RUNNING")) {
    findings.push(`${title(event)} came before the run's RUNNING`)
  }
  if (run.state !== undefined && run.state !== "RUNNING" && !(isRunLevel && event.status === "RUNNING")) {
    findings.push(`${title(event)} came after the run's end (${run.state})`)
  }
  if (event._tag !== "RunStatus") return findings
  if (event.taskKey !== undefined) {
    const before = run.tasks.get(event.taskKey)
    if (event.status === before) findings.push(`${title(event)} came again`)
    if (event.status !== "RUNNING" && before !== "RUNNING")
      findings.push(`${title(event)} came without its RUNNING`)
    run.tasks.set(event.taskKey, event.status)
    return findings
  }
  if (event.status === "RUNNING") {
    if (run.state === "RUNNING") findings.push("RUNNING came again")
    const reopened = run.endedAt !== undefined && event.timestamp !== undefined
    if (reopened && run.endedAt !== undefined && DateTime.isLessThanOrEqualTo(event.timestamp, run.endedAt)) {
      findings.push("RUNNING after the run's end is not later than that end")
    }
    run.tasks.clear()
  } else {
    run.endedAt = event.timestamp
  }
  run.state = event.status
  return findings
}

// Property order must not hide that two events are equal.
const canonical = (event: Event.Event): string =>
  JSON.stringify(event, (_key, value: unknown) =>
    typeof value === "object" && value !== null && !Array.isArray(value)
      ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
      : value
  )
