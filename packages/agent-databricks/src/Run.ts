/**
 * The pure way from what Databricks says of a run to the tool-neutral RunSnapshot, and what else has to be asked for on
 * that way. The records are read by `RunRecord`; what their words mean stands in `RunPhase`, and what is told beside the
 * status in `RunMetadata`, `RunMessages`, `RunMetrics` and `TestResults`.
 */
import type * as RunSnapshot from "@observability-agents/core/RunSnapshot"
import type * as DateTime from "effect/DateTime"
import * as ForEach from "./ForEach.ts"
import * as RunMessages from "./RunMessages.ts"
import * as RunMetadata from "./RunMetadata.ts"
import * as RunMetrics from "./RunMetrics.ts"
import * as RunPhase from "./RunPhase.ts"
import * as RunRecord from "./RunRecord.ts"
import * as RunRetry from "./RunRetry.ts"
import type { TaskOutput } from "./TaskOutput.ts"
import * as TestResults from "./TestResults.ts"

/** What the agent calls Databricks' runs on the server. */
export const TOOL = "databricks"

/** What is known beside the run itself, and what of it is told. */
export interface SnapshotOptions {
  /** The output of an attempt of a task or of an iteration, where it was read. */
  readonly outputOf?: ((task: RunRecord.RunTask) => TaskOutput | undefined) | undefined
  /** The iterations of a for-each task, where they were read. */
  readonly iterationsOf?:
    | ((task: RunRecord.RunTask) => ReadonlyArray<RunRecord.RunTask> | undefined)
    | undefined
  /** Whether durations are told as metrics. Default false. */
  readonly metrics?: boolean | undefined
  /** Whether test results, metrics and exit values are taken from the outputs that were read. Default true. */
  readonly results?: boolean | undefined
  /** Whether each iteration that was read is a task, too. Default false. */
  readonly iterationTasks?: boolean | undefined
  /** Stands before the key of each pipeline, to keep those of several workspaces apart. Default: nothing. */
  readonly keyPrefix?: string | undefined
  /** Whether one-time runs (SUBMIT_RUN) of one name are runs of one pipeline. Default true. */
  readonly groupSubmits?: boolean | undefined
}

/**
 * The key under which the server knows what a run is a run of:
 *
 * - `submit:NAME` for a one-time run, whose job id is made for it alone; UUIDs in its name do not count, as orchestrators
 *   put one into each. One without a name, or with Databricks' own (`Untitled`), stands for itself.
 * - the id of the job for all others; without one, the run's own id.
 */
export const pipelineKey = (
  run: Pick<RunRecord.Run, "run_id" | "job_id" | "run_type" | "run_name">,
  options?: Pick<SnapshotOptions, "keyPrefix" | "groupSubmits">
): string => {
  const group = submitName(run, options)
  return `${options?.keyPrefix ?? ""}${group === undefined ? (run.job_id ?? run.run_id) : `submit:${group}`}`
}

/**
 * Whether `runs/get-output` is worth a call for this attempt of a task or iteration, and what for: `error` once for each that
 * failed (not for what was cancelled, nor for kinds of tasks without output), `result` for what ended well and may hold
 * results, where results are wanted.
 */
export const wantsOutput = (
  task: RunRecord.RunTask,
  options: { readonly results: boolean }
): "error" | "result" | undefined => {
  if (task.run_id === undefined || (task.kind !== undefined && WITHOUT_OUTPUT.has(task.kind)))
    return undefined
  switch (RunPhase.phase(task)) {
    case "Failed":
      return RunPhase.isCancelled(task) ? undefined : "error"
    case "Completed":
    case "CompletedWithWarnings":
      return options.results && task.kind !== undefined && WITH_RESULT.has(task.kind) ? "result" : undefined
    default:
      return undefined
  }
}

/**
 * Whether the iterations of this task are worth a call (`runs/get` of the task's run): `failures` for a for-each task that
 * ended with failed iterations, `tasks` for each that has begun.
 */
export const wantsIterations = (
  task: RunRecord.RunTask,
  options: { readonly iterations: "failures" | "tasks" | "none" }
): boolean => {
  if (task.run_id === undefined || !ForEach.is(task) || options.iterations === "none") return false
  const phase = RunPhase.phase(task)
  if (phase === undefined || phase === "Pending" || phase === "Skipped") return false
  if (options.iterations === "tasks") return true
  return (
    (phase === "Failed" || phase === "CompletedWithWarnings") &&
    task.for_each_task?.stats?.task_run_stats?.failed_iterations !== 0
  )
}

/**
 * Whether a run whose end was not told has been repaired, as far as can be told from an answer without the history of repairs:
 * a task was run more often than by its own retries.
 */
export const wantsHistory = (run: RunRecord.Run): boolean =>
  run.repair_history === undefined &&
  run.tasks.some((task) => RunRecord.attempt(task) > Math.max(0, task.max_retries ?? 0))

/**
 * The run as a RunSnapshot; `undefined` when its state is not known to this version.
 *
 * - `pipeline.key` is told by {@link pipelineKey}, `pipeline.name` is the run's name (which is the job's), `run.key` the run's id.
 * - Each attempt of a task is an entry of its own; tasks of unknown state are left out.
 * - A run that waits (for a retry, say) while one of its tasks has begun is Running; one that is called skipped after a
 *   task has begun is Failed.
 * - `reopening` counts the repairs and `reopenedAt` is the start of the last one, when the answer has the history.
 */
export const toSnapshot = (
  run: RunRecord.Run,
  observedAt: DateTime.Utc,
  options: SnapshotOptions = {}
): RunSnapshot.RunSnapshot | undefined => {
  const own = RunPhase.phase(run)
  if (own === undefined) return undefined
  const outputOf = options.outputOf ?? (() => undefined)
  const tasks = run.tasks.flatMap((task) => taskSnapshots(task, run, outputOf, options))
  const begun = tasks.some(({ phase }) => phase !== "Pending" && phase !== "Skipped")
  const phase = begun ? afterBegin(own) : own
  const group = submitName(run, options)
  const name = run.run_name?.trim() || undefined
  const repairs = RunMetadata.repairsOf(run)
  return {
    pipeline: { key: pipelineKey(run, options), ...RunMetadata.defined({ name: group ?? name }) },
    run: {
      key: run.run_id,
      ...RunMetadata.defined({ name: group === undefined || group === name ? undefined : name })
    },
    tool: TOOL,
    observedAt,
    phase,
    ...times(run, phase),
    ...RunMetadata.defined({ externalUrl: run.run_page_url || undefined }),
    metadata: RunMetadata.ofRun(run),
    messages: RunMessages.ofRun(run, phase, outputOf),
    ...(options.metrics === true ? { metrics: RunMetrics.ofRun(run, phase) } : {}),
    tasks,
    ...RunMetadata.defined({
      reopening: run.repair_history === undefined ? undefined : repairs.length,
      reopenedAt: RunPhase.time(repairs.at(-1)?.start_time)
    })
  }
}

// ---- private

/** Kinds of tasks of which `runs/get-output` has nothing. */
const WITHOUT_OUTPUT: ReadonlySet<string> = new Set(["for_each", "condition"])

/** Kinds of tasks whose output tells something although they ended well. */
const WITH_RESULT: ReadonlySet<string> = new Set([...TestResults.kinds, "dbt_platform", "run_job"])

const UUID = /[\s_\-:/.]*[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}/gi

/** The name under which one-time runs are one pipeline; `undefined` for other runs, and for those without such a name. */
const submitName = (
  run: Pick<RunRecord.Run, "run_type" | "run_name">,
  options: Pick<SnapshotOptions, "groupSubmits"> | undefined
): string | undefined => {
  if (run.run_type !== "SUBMIT_RUN" || options?.groupSubmits === false) return undefined
  const name = run.run_name?.replaceAll(UUID, "").trim()
  return name === undefined || name === "" || name === "Untitled" ? undefined : name
}

/** What a run is whose own state leaves out that a task has begun. */
const afterBegin = (own: RunSnapshot.Phase): RunSnapshot.Phase =>
  own === "Pending" ? "Running" : own === "Skipped" ? "Failed" : own

/** The task, and its iterations where they are tasks, too. */
const taskSnapshots = (
  task: RunRecord.RunTask,
  run: RunRecord.Run,
  outputOf: (task: RunRecord.RunTask) => TaskOutput | undefined,
  options: SnapshotOptions
): ReadonlyArray<RunSnapshot.TaskSnapshot> => {
  const iterations = ForEach.is(task) ? options.iterationsOf?.(task) : undefined
  const own = taskSnapshot(task, run, outputOf(task), options)
  if (own === undefined) return []
  const failures = ForEach.failures(task, iterations, outputOf)
  const parent = {
    ...own,
    messages: [...own.messages, ...failures],
    ...(RunRetry.willRetry(task, run) ? { willRetry: true } : {})
  }
  if (options.iterationTasks !== true || iterations === undefined) return [parent]
  const named = ForEach.identify(task, iterations)
  const parts = named.flatMap(({ attempt, iteration, key }) => {
    const snapshot = taskSnapshot(iteration, run, outputOf(iteration), options)
    if (snapshot === undefined) return []
    const own = named.filter((other) => other.key === key).map((other) => other.iteration)
    return [
      {
        ...snapshot,
        key,
        // When the whole task is tried again, its iterations begin to count anew.
        attempt: RunRecord.attempt(task) * ATTEMPTS_OF_ITERATION + attempt,
        // Nothing is tried again within a task that has ended.
        ...(!RunPhase.hasEnded(task) && RunRetry.willRetry(iteration, { ...run, tasks: own })
          ? { willRetry: true }
          : {})
      }
    ]
  })
  return [parent, ...parts]
}

/** More attempts than this an iteration has not. */
const ATTEMPTS_OF_ITERATION = 1000

const taskSnapshot = (
  task: RunRecord.RunTask,
  run: RunRecord.Run,
  output: TaskOutput | undefined,
  options: SnapshotOptions
): RunSnapshot.TaskSnapshot | undefined => {
  const phase = RunPhase.phase(task)
  if (phase === undefined) return undefined
  const isRead = output !== undefined && options.results !== false && RunPhase.isTerminal(phase)
  const results = isRead ? TestResults.read(task.kind, output) : undefined
  const metrics = [
    ...(options.metrics === true ? RunMetrics.ofTask(task, phase) : []),
    ...(results?.metrics ?? []).map(([metric, value]) => ({ key: `result:${metric}`, metric, value }))
  ]
  return {
    key: task.task_key,
    attempt: RunRecord.attempt(task),
    phase,
    ...times(task, phase),
    ...RunMetadata.defined({ externalUrl: task.run_page_url || undefined }),
    metadata: {
      ...RunMetadata.ofTask(task, run, output),
      ...RunMetadata.defined({ notebook_result: results?.other })
    },
    messages: RunMessages.ofTask(task, phase, output),
    ...(metrics.length === 0 ? {} : { metrics }),
    ...(results === undefined || results.tests.length === 0
      ? {}
      : { tests: [{ key: "results", outcomes: results.tests }] })
  }
}

const times = (of: { readonly start_time?: number; readonly end_time?: number }, phase: RunSnapshot.Phase) =>
  RunMetadata.defined({
    startedAt: RunPhase.time(of.start_time),
    endedAt: RunPhase.isTerminal(phase) ? RunPhase.time(of.end_time) : undefined
  })
