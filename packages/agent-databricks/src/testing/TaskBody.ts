/**
 * The entry of one attempt of a task, or of one iteration of a loop, as the Jobs API would give it at a moment.
 */
import * as Duration from "effect/Duration"
import type * as JobsApi from "../JobsApi.ts"
import type * as RunRecord from "../RunRecord.ts"
import type * as Attempts from "./Attempts.ts"
import * as Course from "./Course.ts"
import * as Digits from "./Digits.ts"
import type * as Plan from "./Plan.ts"
import type * as Scenario from "./Scenario.ts"
import * as Standing from "./Standing.ts"

/** What the records depend on, beside the plan and the moment. */
export interface Options {
  readonly version: JobsApi.Version
  /** Where page addresses point, e.g. `https://fake.cloud.databricks.com`. */
  readonly host: string
  readonly taskOrder: "declared" | "arbitrary"
}

/** Fields of a task that no observer here reads, but that are there. */
export type Task = RunRecord.WireTask & {
  readonly cluster_instance?: { readonly cluster_id: string; readonly spark_context_id: string }
  readonly job_cluster_key?: string
  readonly environment_key?: string
}

/** The entry of an attempt or of an iteration. */
export const at = (planned: Plan.Run, attempt: Attempts.Attempt, now: number, options: Options): Task => {
  const { task: spec } = attempt
  const isStarted = attempt.start !== undefined && attempt.start <= now
  return {
    task_key: attempt.key,
    run_id: Digits.id(attempt.runId),
    attempt_number: attempt.attempt,
    ...(spec.after === undefined ? {} : { depends_on: Course.dependencies(spec).map(dependency) }),
    run_if: spec.runIf ?? "ALL_SUCCESS",
    run_page_url: page(planned, attempt.runId, options),
    start_time: isStarted ? attempt.start : 0,
    end_time: now >= attempt.end ? attempt.end : 0,
    ...durations(attempt, now),
    ...(spec.ends === "DISABLED" ? { disabled: true } : {}),
    ...(spec.ends === "TIMEDOUT"
      ? { timeout_seconds: Math.max(1, Math.round((attempt.end - (attempt.start ?? attempt.end)) / 1000)) }
      : {}),
    ...retries(spec),
    ...compute(attempt, isStarted),
    ...kind(attempt, now),
    ...Standing.fields(
      { of: "task", ...attemptStanding(planned, attempt, now), breakdown: attempt.breakdown },
      carries(spec, options)
    ),
    ...(attempt.key === spec.key ? odd(spec, planned, now) : {})
  }
}

/** The address of a run's page. */
export const page = ({ jobId }: Plan.Run, runId: string, { host }: Options) =>
  `${host}/?o=1#job/${jobId}/run/${runId}`

/** What a record tells its state by. */
export const carries = ({ carries }: Scenario.Oddities, { version }: Options) =>
  carries ?? (version === "2.1" ? "state" : "both")

/** The durations of an attempt: the service rounds them to seconds. */
export const durations = ({ end, ready, start }: Attempts.Attempt, now: number) => ({
  setup_duration: start === undefined || ready === undefined || now < ready ? 0 : seconds(ready - start),
  execution_duration: ready === undefined || now < end ? 0 : seconds(end - ready),
  cleanup_duration: 0
})

/** The fields that are told otherwise than they are. */
export const odd = (
  { fields, says = [] }: Scenario.Oddities,
  { submitted }: Plan.Run,
  now: number
): Readonly<Record<string, unknown>> =>
  Object.assign(
    {},
    fields,
    ...says
      .filter(
        ({ from = 0, until }) =>
          now >= submitted + Duration.toMillis(from) &&
          (until === undefined || now < submitted + Duration.toMillis(until))
      )
      .map((each) => each.fields)
  )

/** What the service says of a failed task, whose output tells more. */
export const GENERIC = "Workload failed, see run output for details"

/** Whether it is the wait for a further attempt that is shown. */
export const isWaiting = (
  { attempts }: Pick<Course.Course, "attempts">,
  attempt: Attempts.Attempt,
  now: number
) =>
  attempt.start !== undefined &&
  now < attempt.start &&
  attempts.some((before) => before.key === attempt.key && before.attempt < attempt.attempt && before.retried)

// ---- private

const dependency = ({ key, outcome }: ReturnType<typeof Course.dependencies>[number]) => ({
  task_key: key,
  ...(outcome === undefined ? {} : { outcome })
})

const seconds = (millis: number): number => Math.round(Math.max(0, millis) / 1000) * 1000

const retries = ({ maxRetries, retriesOf, retryInterval, retryOnTimeout }: Scenario.Task) => {
  const max = maxRetries ?? retriesOf?.length
  return {
    ...(max === undefined ? {} : { max_retries: max }),
    ...(retryInterval === undefined ? {} : { min_retry_interval_millis: Duration.toMillis(retryInterval) }),
    ...(retryOnTimeout === undefined ? {} : { retry_on_timeout: retryOnTimeout })
  }
}

const compute = ({ runId, task }: Attempts.Attempt, isStarted: boolean) => {
  if (task.condition !== undefined || task.runJob !== undefined || task.forEach !== undefined) return {}
  if (task.compute === "serverless") return { environment_key: "default" }
  return {
    job_cluster_key: "main",
    ...(isStarted
      ? { cluster_instance: { cluster_id: "0105-080000-fake", spark_context_id: `9${runId}` } }
      : {})
  }
}

const kind = (attempt: Attempts.Attempt, now: number): Partial<RunRecord.WireTask> => {
  const { child, iterations, key, task } = attempt
  if (task.condition !== undefined) {
    const { left = "{{job.parameters.mode}}", outcome, right = "full" } = task.condition
    const told = now >= attempt.end && attempt.outcome === "SUCCESS" ? { outcome } : {}
    const asked = { op: "EQUAL_TO", left, right, ...told }
    return { condition_task: asked }
  }
  if (task.runJob !== undefined) {
    return { run_job_task: child === undefined ? {} : { job_id: Digits.id(child.jobId) } }
  }
  if (task.forEach !== undefined && key === task.key) {
    const { concurrency, iterations: inputs } = task.forEach
    const loop = {
      inputs: JSON.stringify(inputs.map((_, index) => index)),
      task: { task_key: `${key}_iteration` },
      ...(concurrency === undefined ? {} : { concurrency }),
      stats: stats(iterations, inputs.length, now)
    }
    return { for_each_task: loop }
  }
  const name = task.kind ?? "notebook"
  switch (name) {
    case "notebook":
      return { notebook_task: { notebook_path: `/Jobs/${task.key}` } }
    case "pipeline":
      return { pipeline_task: { pipeline_id: "6f0f3a4e-0000-4000-8000-000000000000" } }
    default:
      return { [`${name}_task`]: {} }
  }
}

const stats = (iterations: ReadonlyArray<Attempts.Attempt>, total: number, now: number) => {
  const begun = iterations.filter(({ start }) => start !== undefined && start <= now)
  const ended = begun.filter(({ end }) => end <= now)
  const failed = ended.filter(({ outcome }) => outcome !== "SUCCESS")
  const errors = new Map<string, number>()
  for (const { error = GENERIC } of failed) errors.set(error, (errors.get(error) ?? 0) + 1)
  return {
    task_run_stats: {
      total_iterations: total,
      scheduled_iterations: begun.length,
      active_iterations: begun.length - ended.length,
      completed_iterations: ended.length,
      succeeded_iterations: ended.length - failed.length,
      failed_iterations: failed.length
    },
    error_message_stats: [...errors]
      .sort(([, a], [, b]) => b - a)
      .slice(0, 3)
      .map(([error_message, count]) => ({ error_message, count, termination_category: "USER_ERROR" }))
  }
}

const attemptStanding = (
  planned: Plan.Run,
  attempt: Attempts.Attempt,
  now: number
): Pick<Standing.Standing, "word" | "message"> => {
  if (now >= attempt.end) return { word: attempt.outcome, message: taskWords(attempt.outcome) }
  if (attempt.start !== undefined && attempt.start <= now) {
    return attempt.ready !== undefined && now < attempt.ready
      ? { word: "PENDING", message: "Waiting for cluster" }
      : { word: "RUNNING" }
  }
  if (planned.rounds.some((round) => isWaiting(round, attempt, now))) return { word: "WAITING_FOR_RETRY" }
  if ((attempt.task.after ?? []).length > 0) return { word: "BLOCKED" }
  return { word: now < planned.dequeued ? "QUEUED" : "PENDING" }
}

const taskWords = (outcome: Attempts.Outcome): string => {
  switch (outcome) {
    case "FAILED":
      return GENERIC
    case "UPSTREAM_FAILED":
      return "An upstream task failed."
    case "UPSTREAM_CANCELED":
      return "An upstream task was cancelled."
    case "CANCELED":
      return "Run cancelled."
    case "TIMEDOUT":
      return "The task took longer than it may."
    case "EVICTED":
      return "The task was evicted."
    default:
      return ""
  }
}
