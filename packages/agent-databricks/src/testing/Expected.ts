/**
 * What an observer has to report of a scenario: one identity for each thing that happens, whoever reports it. Comparing
 * these with the identities of what arrived shows what was lost and what came twice.
 */
import * as Event from "@observability-agents/toolkit/Event"
import * as Scenario from "./Scenario.ts"

/** A job whose id, and whose runs' ids, are known before the scenario is played. */
export type NamedJob = Scenario.Job & { readonly id: string }

/** Names what an event says: the run, the task, and the status, or the level of the message. */
export const identity = (event: Event.Event): string => {
  const task = event.pipelineKey === undefined || event.taskKey === undefined ? "" : ` task ${event.taskKey}`
  const what =
    event._tag === "RunStatus"
      ? event.status
      : event._tag === "MessageLog"
        ? `message ${event.level}`
        : event._tag
  return `${Event.lane(event)}${task} ${what}`
}

/**
 * The identities of all that happens in these jobs, once the last run has ended: each run that began and each task that
 * began, with its end, and a message for each failure. Scenarios with repairs or retries are not covered.
 */
export const identities = (jobs: ReadonlyArray<NamedJob>): ReadonlySet<string> =>
  new Set(jobs.flatMap((job) => (job.runs ?? []).flatMap((run) => ofRun(job, run))).map(identity))

/** What of it has not arrived, and what arrived more than once. */
export const compare = (
  expected: ReadonlySet<string>,
  events: ReadonlyArray<Event.Event>
): {
  readonly lost: ReadonlyArray<string>
  readonly unexpected: ReadonlyArray<string>
  readonly duplicated: ReadonlyArray<string>
} => {
  const arrived = new Set<string>()
  const duplicated: Array<string> = []
  for (const event of events) {
    const id = identity(event)
    if (arrived.has(id)) duplicated.push(id)
    arrived.add(id)
  }
  return {
    lost: [...expected].filter((id) => !arrived.has(id)),
    unexpected: [...arrived].filter((id) => !expected.has(id)),
    duplicated
  }
}

const ofRun = (job: NamedJob, spec: Scenario.Run): ReadonlyArray<Event.Event> => {
  const { rounds } = Scenario.plan({ job, id: spec.id ?? "", spec, base: 0, nextId: () => "0" })
  const [{ attempts, outcome }] = rounds
  const end = statuses[outcome]
  if (end === undefined) return []
  const about = { pipelineKey: job.id, runKey: spec.id ?? "" }
  return [
    ...ofOne(about, end),
    ...attempts.flatMap((attempt) => {
      const taskEnd = statuses[attempt.outcome]
      if (taskEnd === undefined || attempt.start === undefined) return []
      return ofOne({ ...about, taskKey: attempt.key }, taskEnd)
    })
  ]
}

const ofOne = (about: Event.PipelineComponent, end: Event.RunState): ReadonlyArray<Event.Event> => [
  Event.runStatus({ ...about, status: "RUNNING" }),
  Event.runStatus({ ...about, status: end }),
  ...(end === "FAILED" ? [Event.messageLog({ ...about, level: "ERROR", message: "failed" })] : [])
]

const statuses: Readonly<Record<Scenario.Outcome, Event.RunState | undefined>> = {
  SUCCESS: "COMPLETED",
  SUCCESS_WITH_FAILURES: "COMPLETED_WITH_WARNINGS",
  FAILED: "FAILED",
  CANCELED: "FAILED",
  UPSTREAM_FAILED: undefined,
  SKIPPED: undefined
}
