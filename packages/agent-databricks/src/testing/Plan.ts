/**
 * The plan of a scenario: every run that there will be, with all its times worked out once, among them those that others
 * bring about (a job's retries, the runs that a run-job task starts). What the fake answers and what an observer has to
 * report are both read from it. All times are milliseconds since 1970.
 */
import * as Duration from "effect/Duration"
import type * as Attempts from "./Attempts.ts"
import * as Course from "./Course.ts"
import type * as Scenario from "./Scenario.ts"

/** A run with all its times. */
export interface Run {
  readonly jobId: string
  readonly name: string
  readonly id: string
  /** What the API calls its start: the time it was asked for. */
  readonly submitted: number
  /** Until when it is QUEUED. */
  readonly dequeued: number
  /** Until when it is PENDING then. */
  readonly begins: number
  /** The original course, and that of each repair. */
  readonly rounds: readonly [Round, ...Array<Round>]
  readonly trigger: string | undefined
  /** The run of the task that started it. */
  readonly triggeredBy: string | undefined
  /** The first of the runs that a job's retries belong to; its own id if there is no other. */
  readonly originalId: string
  readonly attempt: number
  readonly visibleTo: ReadonlyArray<string> | undefined
  readonly spec: Scenario.Run
}

/** The original course of a run, or that of a repair. */
export interface Round extends Course.Course {
  /** When it is over for the service: after `end` it may be TERMINATING for a while. */
  readonly over: number
  readonly breakdown?: Scenario.Breakdown
}

/** A job that is known. */
export interface Job {
  readonly id: string
  readonly name: string
  readonly visibleTo: ReadonlyArray<string> | undefined
}

/** Gives out the ids that the scenario leaves open; in the same order always, so that they can be foretold. */
export class Ids {
  private readonly jobs = new Map<string, Job>()
  private lastJob = 1000
  private lastRun = 500_000
  private lastTask = 700_000
  private lastOwn = 900_000_000

  job({ id, name, visibleTo }: Pick<Scenario.Job, "name" | "id" | "visibleTo">): Job {
    const known = this.jobs.get(name) ?? { id: id ?? String(++this.lastJob), name, visibleTo }
    this.jobs.set(name, known)
    return known
  }

  /** A job id that is used once, as submits have it. */
  own(): string {
    return String(++this.lastOwn)
  }

  run(): string {
    return String(++this.lastRun)
  }

  task(): string {
    return String(++this.lastTask)
  }
}

/**
 * The runs of these jobs, with times relative to `base`. Throws for what makes no sense, naming job, run and task. With `ids`
 * of its own it is the plan of a fake that is made with these jobs.
 */
export const ofJobs = (
  jobs: ReadonlyArray<Scenario.Job>,
  base: number,
  ids: Ids = new Ids()
): ReadonlyArray<Run> => {
  // All first, for the tasks of one may run another that comes later.
  for (const job of jobs) ids.job(job)
  return jobs.flatMap((job) => {
    const planned: Array<Run> = []
    let last: Run | undefined
    for (const spec of job.runs ?? []) {
      const previous = job.continuous === true ? last : undefined
      const trigger =
        job.continuous !== true
          ? undefined
          : previous === undefined || endOf(previous).outcome === "SUCCESS"
            ? "CONTINUOUS"
            : "CONTINUOUS_RESTART"
      const made = ofRun(job, spec, {
        base: previous === undefined ? base : endOf(previous).over,
        ids,
        ...(trigger === undefined ? {} : { trigger })
      })
      planned.push(...made)
      last = made[0]
    }
    return planned
  })
}

/** How a run of a job comes about. */
export interface Occasion {
  readonly base: number
  readonly ids: Ids
  readonly trigger?: string
  readonly triggeredBy?: string
  readonly original?: { readonly id: string; readonly attempt: number }
}

/** A run, followed by those that it brings about. */
export const ofRun = (
  job: Pick<Scenario.Job, "name" | "id" | "visibleTo">,
  spec: Scenario.Run,
  occasion: Occasion
): readonly [Run, ...Array<Run>] => {
  const { base, ids } = occasion
  const isSubmit = spec.type === "SUBMIT_RUN" || spec.type === "WORKFLOW_RUN"
  const owner = isSubmit ? { id: ids.own(), name: job.name, visibleTo: job.visibleTo } : ids.job(job)
  const id = spec.id ?? ids.run()
  for (const [name, digits] of [
    ["id of the job", owner.id],
    ["id of run", id]
  ] as const) {
    if (!/^\d{1,19}$/.test(digits)) {
      throw new Error(`Scenario: job "${job.name}": the ${name} has to be digits, and is "${digits}"`)
    }
  }
  const submitted = base + millis(spec.at) - millis(spec.ago)
  const queued = spec.queued
  const dequeued = submitted + millis(isQueued(queued) ? queued.for : queued)
  const begins = dequeued + millis(spec.pending)
  const children: Array<Run> = []
  const around: Attempts.Around = {
    where: `job "${job.name}", run ${id}`,
    nextId: () => ids.task(),
    child: (runJob, start, taskRunId) => {
      const made = ofRun({ name: runJob.job }, runJob.run ?? {}, {
        base: start,
        ids,
        trigger: "RUN_JOB_TASK",
        triggeredBy: taskRunId
      })
      children.push(...made)
      const last = endOf(made[0])
      return { id: made[0].id, jobId: made[0].jobId, end: last.over, outcome: last.outcome }
    }
  }
  const run: Run = {
    jobId: owner.id,
    name: owner.name,
    visibleTo: owner.visibleTo,
    id,
    submitted,
    dequeued,
    begins,
    spec,
    trigger: spec.trigger ?? occasion.trigger ?? (isSubmit ? undefined : "PERIODIC"),
    triggeredBy: occasion.triggeredBy,
    originalId: occasion.original?.id ?? id,
    attempt: occasion.original?.attempt ?? 0,
    rounds: roundsOf(spec, { submitted, begins }, around)
  }
  const cut = new Map(
    run.rounds.flatMap(({ attempts }) => attempts.map((each) => [each.child?.id, each.end] as const))
  )
  return [
    run,
    ...children.map((child) => stopped(child, cut.get(child.id))),
    ...retriesOf(job, run, occasion)
  ]
}

/** The last course of a run. */
export const endOf = (run: Run): Round => run.rounds.at(-1) ?? run.rounds[0]

/** The course of a run that is under way at a time, or was last. */
export const current = (run: Run, now: number): Round =>
  run.rounds.findLast(({ start }) => start <= now) ?? run.rounds[0]

/** Whether the run has not ended at this time. */
export const isActive = (run: Run, now: number): boolean => now < current(run, now).over

/** All attempts of all tasks, with the iterations of loops. */
export const attemptsOf = (run: Run): ReadonlyArray<Attempts.Attempt> =>
  run.rounds.flatMap(({ attempts }) => attempts.flatMap((each) => [each, ...each.iterations]))

/** How long it was in the queue, and why, if that shall be told. */
export const isQueued = (queued: Duration.Input | Scenario.Queued | undefined): queued is Scenario.Queued =>
  typeof queued === "object" && "for" in queued

// ---- private

const BREAKS = Duration.millis(100)

const millis = (input: Duration.Input | undefined): number =>
  input === undefined ? 0 : Duration.toMillis(input)

const roundsOf = (
  spec: Scenario.Run,
  { begins, submitted }: Pick<Run, "begins" | "submitted">,
  around: Attempts.Around
): Run["rounds"] => {
  if (spec.skipped !== undefined) {
    const breakdown = { code: spec.skipped, message: `The run was skipped: ${spec.skipped}.` }
    return [
      { start: submitted, end: submitted, over: submitted, outcome: "SKIPPED", attempts: [], breakdown }
    ]
  }
  if (spec.breaks !== undefined) {
    const end = submitted + Duration.toMillis(spec.breaks.after ?? BREAKS)
    return [
      { start: submitted, end, over: end, outcome: "INTERNAL_ERROR", attempts: [], breakdown: spec.breaks }
    ]
  }
  const terminating = millis(spec.terminating)
  const over = (course: Course.Course): Round => ({ ...course, over: course.end + terminating })
  const times = { shown: submitted, start: begins }
  const whole = Course.make(spec.tasks ?? [{ key: "main" }], times, new Map(), around)
  const rounds: [Round, ...Array<Round>] = [
    over(
      spec.cancelledAfter !== undefined
        ? Course.stop(whole, submitted + Duration.toMillis(spec.cancelledAfter), "CANCELED")
        : spec.timesOutAfter !== undefined
          ? Course.stop(whole, submitted + Duration.toMillis(spec.timesOutAfter), "TIMEDOUT")
          : whole
    )
  ]
  for (const repair of spec.repairs ?? []) {
    const known = new Map(rounds.flatMap(({ attempts }) => attempts).map((each) => [each.key, each]))
    const start = (rounds.at(-1) ?? rounds[0]).over + Duration.toMillis(repair.after)
    const course = Course.make(repair.tasks, { shown: start, start }, known, around)
    const { cancelledAfter } = repair
    rounds.push(
      over(
        cancelledAfter === undefined
          ? course
          : Course.stop(course, start + Duration.toMillis(cancelledAfter), "CANCELED")
      )
    )
  }
  return rounds
}

const retriesOf = (
  job: Pick<Scenario.Job, "name" | "id" | "visibleTo">,
  first: Run,
  occasion: Occasion
): ReadonlyArray<Run> => {
  let last = first
  return (first.spec.retriedBy ?? []).flatMap(({ after, id, tasks }, index) => {
    const made = ofRun(
      job,
      { ...(id === undefined ? {} : { id }), ...(tasks === undefined ? {} : { tasks }) },
      {
        ids: occasion.ids,
        trigger: "RETRY",
        base: endOf(last).over + Duration.toMillis(after),
        original: { id: first.id, attempt: index + 1 }
      }
    )
    last = made[0]
    return made
  })
}

/** A run that was stopped with the task that started it. */
const stopped = (run: Run, at: number | undefined): Run => {
  if (at === undefined || endOf(run).over <= at) return run
  const course = Course.stop(run.rounds[0], at, "CANCELED")
  return { ...run, rounds: [{ ...course, over: course.end }] }
}
