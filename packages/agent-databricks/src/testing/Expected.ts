/**
 * What an observer has to report of a scenario: one identity for each thing that happens, whoever reports it. Comparing
 * these with the identities of what arrived shows what was lost and what came twice.
 *
 * It is worked out from the plan of the scenario alone, and not from the records that the API gives of it, so that an
 * observer that misreads those is found out.
 */
import * as Event from "@observability-agents/toolkit/Event"
import * as Attempts from "./Attempts.ts"
import * as Plan from "./Plan.ts"
import type * as Scenario from "./Scenario.ts"

/** A job whose id, and whose runs' ids, are known before the scenario is played. */
export type NamedJob = Scenario.Job & { readonly id: string }

/** Which of the ways to report is compared with. */
export interface Options {
  /** What stands before every pipeline's key. Default: nothing. */
  readonly keyPrefix?: string
  /** Under which key one-time submits of the same name are grouped. Default: each has the key of its own job. */
  readonly submitKey?: (run: Plan.Run) => string
}

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

/** The identities of all that happens in these jobs, as {@link ofPlan} has them of a fake that is made with them. */
export const identities = (jobs: ReadonlyArray<NamedJob>, options: Options = {}): ReadonlySet<string> =>
  ofPlan(Plan.ofJobs(jobs, 0), options)

/**
 * The identities of all that happens in these runs, once the last of them has ended:
 *
 * - each run that began and each task that began, with its end, and a message ERROR for each failure;
 * - a failed attempt that is followed by another is a message WARNING, and no end of its task;
 * - each iteration that failed is a message ERROR of its task, 25 at most, and one more for the others;
 * - a run that is a job's retry of another says so in a message INFO;
 * - a repair is the run RUNNING anew, a message INFO, its tasks, and another end;
 * - nothing of what never began: skipped runs, excluded and disabled tasks, those after a failure.
 *
 * What happens more than once in a run is numbered: ` (2)` and so on.
 */
export const ofPlan = (runs: ReadonlyArray<Plan.Run>, options: Options = {}): ReadonlySet<string> =>
  numbered(runs.flatMap((run) => ofRun(run, options)).map(identity))

/** What of it has not arrived, what arrived and is none of it, and what arrived more often than it happened. */
export const compare = (
  expected: ReadonlySet<string>,
  events: ReadonlyArray<Event.Event>
): {
  readonly lost: ReadonlyArray<string>
  readonly unexpected: ReadonlyArray<string>
  readonly duplicated: ReadonlyArray<string>
} => {
  const plain = events.map(identity)
  const arrived = numbered(plain)
  const surplus = [...arrived].filter((id) => !expected.has(id))
  const first = (id: string) => id.replace(/ \(\d+\)$/, "")
  return {
    lost: [...expected].filter((id) => !arrived.has(id)),
    unexpected: surplus.filter((id) => !expected.has(first(id))),
    duplicated: surplus.filter((id) => expected.has(first(id))).map(first)
  }
}

// ---- private

/** How many failed iterations are told one by one. */
const MAX_ITERATIONS = 25

/** The second of a kind is another than the first. */
const numbered = (ids: ReadonlyArray<string>): ReadonlySet<string> => {
  const counts = new Map<string, number>()
  return new Set(
    ids.map((id) => {
      const count = (counts.get(id) ?? 0) + 1
      counts.set(id, count)
      return count === 1 ? id : `${id} (${count})`
    })
  )
}

const ofRun = (run: Plan.Run, options: Options): ReadonlyArray<Event.Event> => {
  const isSubmit = run.spec.type === "SUBMIT_RUN"
  const key = isSubmit && options.submitKey !== undefined ? options.submitKey(run) : run.jobId
  const about = { pipelineKey: `${options.keyPrefix ?? ""}${key}`, runKey: run.id }
  return run.rounds.flatMap((round, index) => {
    const end = statuses[round.outcome]
    if (end === undefined) return []
    const isSpecial = index > 0 || run.originalId !== run.id
    return [
      ...begin(about),
      ...(isSpecial ? [Event.messageLog({ ...about, level: "INFO", message: "repair or retry" })] : []),
      ...ofTasks(round, about),
      ...finish(about, end)
    ]
  })
}

const ofTasks = ({ attempts }: Plan.Round, run: Event.PipelineComponent): ReadonlyArray<Event.Event> => {
  const begun = attempts.filter(
    ({ outcome, start }) => start !== undefined && statuses[outcome] !== undefined
  )
  const keys = new Set(begun.map(({ key }) => key))
  return [...keys].flatMap((taskKey) => {
    const about = { ...run, taskKey }
    const own = begun.filter(({ key }) => key === taskKey)
    const last = own.at(-1)
    const end = last === undefined ? undefined : statuses[last.outcome]
    if (last === undefined || end === undefined) return []
    return [
      ...begin(about),
      ...own.slice(0, -1).map(() => Event.messageLog({ ...about, level: "WARNING", message: "tried again" })),
      ...last.iterations
        .filter(({ outcome }) => Attempts.isFailure(outcome))
        .slice(0, MAX_ITERATIONS + 1)
        .map(() => Event.messageLog({ ...about, level: "ERROR", message: "iteration" })),
      ...finish(about, end)
    ]
  })
}

const begin = (about: Event.PipelineComponent) => [Event.runStatus({ ...about, status: "RUNNING" })]

const finish = (about: Event.PipelineComponent, status: Event.RunState): ReadonlyArray<Event.Event> => [
  Event.runStatus({ ...about, status }),
  ...(status === "FAILED" ? [Event.messageLog({ ...about, level: "ERROR", message: "failed" })] : [])
]

const statuses: Readonly<Record<Attempts.Outcome, Event.RunState | undefined>> = {
  SUCCESS: "COMPLETED",
  SUCCESS_WITH_FAILURES: "COMPLETED_WITH_WARNINGS",
  FAILED: "FAILED",
  INTERNAL_ERROR: "FAILED",
  CANCELED: "FAILED",
  TIMEDOUT: "FAILED",
  EVICTED: "FAILED",
  EXCLUDED: undefined,
  DISABLED: undefined,
  UPSTREAM_FAILED: undefined,
  UPSTREAM_CANCELED: undefined,
  SKIPPED: undefined
}
