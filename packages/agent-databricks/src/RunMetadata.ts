/**
 * What is told of a run or a task beside its status: the metadata of its events. All names are documented in the README;
 * durations are in milliseconds, as Databricks gives them. What is not known is left out.
 */
import type { Metadata } from "@observability-agents/toolkit/Event"
import * as RunPhase from "./RunPhase.ts"
import type * as RunRecord from "./RunRecord.ts"
import type { TaskOutput } from "./TaskOutput.ts"

/** The fields that have a value: optional properties are left out, not set to `undefined`. */
export const defined = <A extends object>(
  fields: A
): { readonly [K in keyof A]?: Exclude<A[K], undefined> } => {
  const kept: { [K in keyof A]?: A[K] } = {}
  for (const name in fields) if (fields[name] !== undefined) kept[name] = fields[name]
  // SAFETY: exactly the properties whose value is undefined are left out.
  return kept as { readonly [K in keyof A]?: Exclude<A[K], undefined> }
}

/** The repairs of a run, the oldest first; none without the history. */
export const repairsOf = (run: Pick<RunRecord.Run, "repair_history">): ReadonlyArray<RunRecord.RepairItem> =>
  (run.repair_history ?? [])
    .filter(({ type }) => type === "REPAIR")
    .toSorted((a, b) => (a.start_time || Infinity) - (b.start_time || Infinity) || 0)

/** The metadata of a run. */
export const ofRun = (run: RunRecord.Run): Metadata => {
  const repairs = repairsOf(run)
  return defined({
    ...shared(run),
    job_id: run.job_id,
    run_type: run.run_type,
    trigger: run.trigger,
    creator_user_name: run.creator_user_name,
    schedule: run.schedule?.quartz_cron_expression,
    schedule_timezone: run.schedule?.timezone_id,
    original_attempt_run_id:
      run.original_attempt_run_id === run.run_id ? undefined : run.original_attempt_run_id,
    parent_task_run_id: id(run.trigger_info?.run_id),
    repair_number: repairs.length || undefined,
    latest_repair_id: repairs.at(-1)?.id
  })
}

/** The metadata of one attempt of a task. */
export const ofTask = (
  task: RunRecord.RunTask,
  run: Pick<RunRecord.Run, "repair_history">,
  output: TaskOutput | undefined
): Metadata => {
  const stats = task.for_each_task?.stats?.task_run_stats
  const repair = repairsOf(run).findIndex(({ task_run_ids }) =>
    task_run_ids?.some((taskRun) => taskRun === task.run_id)
  )
  return defined({
    ...shared(task),
    task_run_id: task.run_id,
    task_kind: task.kind,
    notebook_path: task.notebook_task?.notebook_path,
    pipeline_id: task.pipeline_task?.pipeline_id,
    condition_outcome: task.condition_task?.outcome,
    run_if: task.run_if === "ALL_SUCCESS" ? undefined : task.run_if,
    max_retries: task.max_retries || undefined,
    repair_number: repair < 0 ? undefined : repair + 1,
    child_job_id: id(task.run_job_task?.job_id),
    child_run_id: output?.run_job_output?.run_id,
    dbt_url: output?.dbt_platform_output?.dbt_platform_job_run_url,
    iterations:
      stats === undefined
        ? undefined
        : defined({
            total: stats.total_iterations,
            scheduled: stats.scheduled_iterations,
            active: stats.active_iterations,
            completed: stats.completed_iterations,
            succeeded: stats.succeeded_iterations,
            failed: stats.failed_iterations
          })
  })
}

/** A span of time in milliseconds, as the service tells it; `undefined` for what cannot be one (negative, longer than a year). */
export const span = (millis: number | undefined): number | undefined =>
  millis === undefined || millis < 0 || millis > MAX_MILLIS ? undefined : millis

// ---- private

const shared = (of: Omit<RunRecord.RunTask, "task_key" | "run_id" | "description">) => {
  const phase = RunPhase.phase(of)
  // Some answers have a result although it goes on: it is none yet.
  const ended = phase !== undefined && RunPhase.isTerminal(phase)
  return defined({
    attempt_number: of.attempt_number,
    termination_code: ended ? (of.status?.termination_details?.code ?? of.state?.result_state) : undefined,
    termination_type: ended ? of.status?.termination_details?.type : undefined,
    queue_reason:
      of.status?.queue_details?.code ??
      of.status?.queue_details?.message ??
      (of.state?.queue_reason || undefined),
    queue_duration_ms: span(of.queue_duration),
    setup_duration_ms: span(of.setup_duration) || undefined,
    execution_duration_ms: span(of.execution_duration) || undefined,
    cleanup_duration_ms: span(of.cleanup_duration) || undefined,
    run_duration_ms: span(of.run_duration)
  })
}

/** A longer span is none: the service's documentation has a time where a span belongs, and so may its answers. */
const MAX_MILLIS = 366 * 86_400_000

/** The service writes 0 where there is no run or job. */
const id = (value: string | undefined): string | undefined => (value === "0" ? undefined : value)
