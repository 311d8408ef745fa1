/**
 * Whether Databricks will try a failed task again by itself: from the task's retry policy and the attempts that are there.
 * Jobs API 2.2: `max_retries` counts the attempts after the first (-1: without end), `retry_on_timeout` says whether a
 * task that took too long is tried again; what somebody cancelled is not.
 */
import { repairsOf } from "./RunMetadata.ts"
import * as RunPhase from "./RunPhase.ts"
import * as RunRecord from "./RunRecord.ts"

/**
 * Whether another attempt of this task will come although it is not there yet. Each repair grants a task its retries
 * anew; without the history of repairs all attempts are counted as one round, so that a repaired task's retry may come
 * unannounced, but none is announced that does not come.
 */
export const willRetry = (task: RunRecord.RunTask, run: RunRecord.Run): boolean => {
  const allowed = task.max_retries ?? 0
  if (allowed === 0 || RunPhase.phase(task) !== "Failed" || isEnding(run)) return false
  // What took too long has the code of what was cancelled.
  const isTimedOut = RunPhase.isTimedOut(task)
  if (isTimedOut ? task.retry_on_timeout !== true : RunPhase.isCancelled(task)) return false
  const attempts = run.tasks.filter(({ task_key }) => task_key === task.task_key)
  if (attempts.some((other) => RunRecord.attempt(other) > RunRecord.attempt(task))) return false
  return allowed < 0 || roundOf(attempts, run).length <= allowed
}

// ---- private

/** Nothing is tried again in a run that ends or has ended. */
const isEnding = (run: RunRecord.Run): boolean => {
  const phase = RunPhase.phase(run)
  return (
    (phase !== undefined && RunPhase.isTerminal(phase)) ||
    (run.status?.state ?? run.state?.life_cycle_state) === "TERMINATING"
  )
}

/** The attempts since the last repair began. */
const roundOf = (attempts: ReadonlyArray<RunRecord.RunTask>, run: RunRecord.Run) => {
  const repair = repairsOf(run).at(-1)
  if (repair === undefined) return attempts
  const since = repair.start_time ?? 0
  return attempts.filter(
    ({ run_id, start_time }) =>
      repair.task_run_ids?.some((taskRun) => taskRun === run_id) === true ||
      (since > 0 && (start_time ?? 0) >= since)
  )
}
