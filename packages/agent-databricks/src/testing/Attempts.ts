/**
 * The attempts that a task makes: how long each takes, how it ends, what waits between them, and the iterations of a loop.
 * All times are milliseconds since 1970.
 */
import * as Duration from "effect/Duration"
import type * as Scenario from "./Scenario.ts"

/** How an attempt or a run ends. Of INTERNAL_ERROR the breakdown tells the code. */
export type Outcome =
  | "SUCCESS"
  | "SUCCESS_WITH_FAILURES"
  | "FAILED"
  | "INTERNAL_ERROR"
  | "CANCELED"
  | "TIMEDOUT"
  | "EVICTED"
  | "EXCLUDED"
  | "DISABLED"
  | "UPSTREAM_FAILED"
  | "UPSTREAM_CANCELED"
  | "SKIPPED"

/** One attempt of one task, or one iteration of a for-each task, with its times. */
export interface Attempt {
  readonly key: string
  readonly runId: string
  readonly attempt: number
  readonly task: Scenario.Task
  /** From when on it has an entry in the record. */
  readonly shown: number
  /** Absent: it never begins. */
  readonly start?: number
  /** When the wait for compute is over; absent with `start`. */
  readonly ready?: number
  readonly end: number
  readonly outcome: Outcome
  /** Another attempt follows this one. */
  readonly retried: boolean
  readonly error?: string
  readonly trace?: string
  readonly breakdown?: Scenario.Breakdown
  readonly iterations: ReadonlyArray<Attempt>
  /** The run that a run-job task started. */
  readonly child?: { readonly id: string; readonly jobId: string }
}

/** What a course needs from the run it belongs to. */
export interface Around {
  /** Where it stands in the script, for complaints: `job "nightly", run 7`. */
  readonly where: string
  readonly nextId: () => string
  /** Makes the run that a run-job task starts. */
  readonly child: (
    runJob: Scenario.RunJob,
    start: number,
    taskRunId: string
  ) => {
    readonly id: string
    readonly jobId: string
    readonly end: number
    readonly outcome: Outcome
  }
}

/** Whether it ended as it should not have. */
export const isFailure = (outcome: Outcome): boolean => FAILURES.has(outcome)

/** The attempts that a task makes from `begin` on. */
export const tries = (
  task: Scenario.Task,
  { begin, first, shown }: { readonly begin: number; readonly first: number; readonly shown: number },
  around: Around
): ReadonlyArray<Attempt> => {
  const last: Scenario.Attempt = task
  const isRetried = isFailing(last) && (last.ends !== "TIMEDOUT" || task.retryOnTimeout === true)
  const earlier: ReadonlyArray<Scenario.Attempt> =
    task.retriesOf?.map((each) =>
      isFailing(each) ? each : { takes: each.takes ?? "1 minute", fails: "failed" }
    ) ?? (isRetried ? Array.from({ length: Math.max(0, task.maxRetries ?? 0) }, () => last) : [])
  const gap = Duration.toMillis(task.retryInterval ?? 0)
  let next = begin
  let appears = shown
  return [...earlier, last].map((each, index): Attempt => {
    const runId = around.nextId()
    const work = workOf(task, each, next, runId, around)
    const made: Attempt = {
      ...outline(task, runId, appears),
      ...work,
      attempt: first + index,
      retried: index < earlier.length
    }
    next = made.end + gap
    appears = task.retryGap === "waiting" ? made.end : next
    return made
  })
}

/** What all attempts of a task have in common, and those that never begin. */
export const outline = (task: Scenario.Task, runId: string, shown: number) => ({
  key: task.key,
  runId,
  task,
  shown,
  retried: false,
  iterations: []
})

/** The attempt as it is when its run is stopped at a moment: none, if it was not in sight yet. */
export const stop = (
  attempt: Attempt,
  at: number,
  outcome: "CANCELED" | "TIMEDOUT"
): ReadonlyArray<Attempt> => {
  if (attempt.end <= at) return [attempt]
  if (attempt.shown >= at) return []
  const { breakdown: _breakdown, error: _error, ready, start, trace: _trace, ...rest } = attempt
  const hasBegun = start !== undefined && start < at
  return [
    {
      ...rest,
      ...(hasBegun ? { start, ready: Math.min(ready ?? start, at) } : {}),
      end: at,
      // What has not begun has not taken too long.
      outcome: hasBegun ? outcome : "CANCELED",
      retried: false,
      iterations: attempt.iterations.flatMap((each) => stop(each, at, outcome))
    }
  ]
}

// ---- private

const FAILURES: ReadonlySet<Outcome> = new Set(["FAILED", "INTERNAL_ERROR", "TIMEDOUT", "EVICTED"])

const isFailing = ({ ends, fails }: Scenario.Attempt): boolean =>
  fails !== undefined || ends === "TIMEDOUT" || typeof ends === "object"

type Worked = Pick<Attempt, "start" | "ready" | "end" | "outcome" | "iterations"> &
  Partial<Pick<Attempt, "error" | "trace" | "breakdown" | "child">>

const workOf = (
  task: Scenario.Task,
  attempt: Scenario.Attempt,
  start: number,
  runId: string,
  around: Around
): Worked => {
  const ready = start + Duration.toMillis(task.setup ?? 0)
  if (task.runJob !== undefined) {
    const child = around.child(task.runJob, ready, runId)
    const outcome = child.outcome === "SUCCESS" || child.outcome === "CANCELED" ? child.outcome : "FAILED"
    return {
      start,
      ready,
      end: child.end,
      outcome,
      iterations: [],
      child: { id: child.id, jobId: child.jobId },
      ...(outcome === "FAILED" ? { error: `Run ${child.id} ended with ${child.outcome}.` } : {})
    }
  }
  if (task.forEach !== undefined) {
    const iterations = loop(task, task.forEach, ready, around)
    const failed = iterations.filter(({ outcome }) => isFailure(outcome)).length
    return {
      start,
      ready,
      iterations,
      end: Math.max(ready, ...iterations.map(({ end }) => end)),
      outcome: failed > 0 ? "FAILED" : "SUCCESS",
      ...(failed > 0 ? { error: `${failed} of ${iterations.length} iterations failed.` } : {})
    }
  }
  const end = ready + Duration.toMillis(attempt.takes ?? (task.condition === undefined ? "1 minute" : 0))
  return { start, ready, end, iterations: [], ...endOf(attempt) }
}

const endOf = ({
  ends = "SUCCESS",
  fails,
  trace
}: Scenario.Attempt): Pick<Worked, "outcome" | "error" | "trace" | "breakdown"> =>
  fails !== undefined
    ? { outcome: "FAILED", error: fails, ...(trace === undefined ? {} : { trace }) }
    : typeof ends === "object"
      ? { outcome: "INTERNAL_ERROR", breakdown: ends }
      : { outcome: ends }

const loop = (
  task: Scenario.Task,
  { concurrency = Number.POSITIVE_INFINITY, iterations }: Scenario.ForEach,
  start: number,
  around: Around
): ReadonlyArray<Attempt> => {
  const free: Array<number> = []
  return iterations.map((each): Attempt => {
    const begin = free.length < concurrency ? start : Math.min(...free)
    if (free.length >= concurrency) free.splice(free.indexOf(begin), 1)
    const end = begin + Duration.toMillis(each.takes ?? "1 minute")
    free.push(end)
    const work = { start: begin, ready: begin, end, iterations: [], ...endOf(each) }
    return { ...outline(task, around.nextId(), begin), key: `${task.key}_iteration`, attempt: 0, ...work }
  })
}
