/**
 * How long a run and its tasks took, as metrics: told once they have ended, in seconds, under names that say the unit.
 *
 * | metric | of | |
 * |---|---|---|
 * | `run_duration_seconds` | run | the time it worked: original and repairs together, without the time between them |
 * | `run_queue_seconds` | run | how long it waited for room |
 * | `run_setup_seconds`, `run_execution_seconds` | run of one task | how long its cluster took, and its work |
 * | `task_duration_seconds`, `task_queue_seconds`, `task_setup_seconds`, `task_execution_seconds` | attempt of a task | likewise |
 *
 * Databricks writes 0 for the set-up and execution of a run with several tasks: these are left out, not told as 0.
 */
import type * as RunSnapshot from "@observability-agents/core/RunSnapshot"
import { defined, span } from "./RunMetadata.ts"
import * as RunPhase from "./RunPhase.ts"
import type * as RunRecord from "./RunRecord.ts"

type Timed = Pick<
  RunRecord.RunTask,
  | "start_time"
  | "end_time"
  | "run_duration"
  | "queue_duration"
  | "setup_duration"
  | "execution_duration"
  | "cleanup_duration"
>

/** The metrics of a run that has ended; none before. Their keys hold its end: after a repair there are new values. */
export const ofRun = (run: RunRecord.Run, phase: RunSnapshot.Phase): ReadonlyArray<RunSnapshot.Metric> =>
  metrics("run", run, phase, run.repair_history === undefined || run.repair_history.length < 2)

/** The metrics of an attempt of a task that has ended; none before. */
export const ofTask = (
  task: RunRecord.RunTask,
  phase: RunSnapshot.Phase
): ReadonlyArray<RunSnapshot.Metric> => metrics("task", task, phase, true)

// ---- private

const metrics = (
  noun: "run" | "task",
  of: Timed,
  phase: RunSnapshot.Phase,
  isOnePiece: boolean
): ReadonlyArray<RunSnapshot.Metric> => {
  if (!RunPhase.isTerminal(phase) || phase === "Skipped") return []
  const values = [
    ["duration", of.run_duration ?? (summed(of) || (isOnePiece ? between(of) : undefined))],
    ["queue", of.queue_duration],
    ["setup", of.setup_duration || undefined],
    ["execution", of.execution_duration || undefined]
  ] as const
  const timestamp = RunPhase.time(of.end_time)
  return values.flatMap(([name, told]) => {
    const millis = span(told)
    if (millis === undefined) return []
    const metric = `${noun}_${name}_seconds`
    const key = noun === "run" && timestamp !== undefined ? `${metric}-${of.end_time}` : metric
    return [{ key, metric, value: millis / 1000, ...defined({ timestamp }) }]
  })
}

const summed = ({ cleanup_duration = 0, execution_duration = 0, setup_duration = 0 }: Timed): number =>
  setup_duration + execution_duration + cleanup_duration

const between = ({ end_time = 0, start_time = 0 }: Timed): number | undefined =>
  start_time > 0 && end_time >= start_time ? end_time - start_time : undefined
