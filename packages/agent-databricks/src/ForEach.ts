/**
 * What is told of a for-each task beside its own status: the failures of its iterations as messages of the task, and,
 * where that is asked for, every iteration as a task of its own.
 *
 * The iterations come with `runs/get` of the task's run (Jobs API 2.2). Where they were not read, the statistics that stand
 * with the task name its commonest errors.
 */
import type * as RunSnapshot from "@observability-agents/core/RunSnapshot"
import * as RunMessages from "./RunMessages.ts"
import * as RunPhase from "./RunPhase.ts"
import * as RunRecord from "./RunRecord.ts"
import type { TaskOutput } from "./TaskOutput.ts"

/** How many failed iterations are told one by one. */
export const MAX_FAILURES = 25

/** Whether the task runs another one for each element of a list. */
export const is = (task: RunRecord.RunTask): boolean => task.kind === "for_each"

/**
 * The failures of a for-each task that has ended, as ERROR messages of it: of each failed iteration (`iteration-RUN`),
 * 25 at most and a line that counts the others; or, without iterations, the commonest errors and how many failed by each.
 */
export const failures = (
  task: RunRecord.RunTask,
  iterations: ReadonlyArray<RunRecord.RunTask> | undefined,
  outputOf: (iteration: RunRecord.RunTask) => TaskOutput | undefined
): ReadonlyArray<RunSnapshot.Message> => {
  const phase = RunPhase.phase(task)
  if (!is(task) || phase === undefined || !RunPhase.isTerminal(phase)) return []
  if (iterations === undefined || iterations.length === 0) return commonErrors(task)
  const named = identify(task, iterations)
  const latest = new Map(named.map((iteration) => [iteration.key, iteration.attempt]))
  for (const { attempt, key } of named) latest.set(key, Math.max(attempt, latest.get(key) ?? 0))
  const failed = named.filter(
    ({ attempt, iteration, key }) =>
      RunPhase.phase(iteration) === "Failed" &&
      !RunPhase.isCancelled(iteration) &&
      attempt === latest.get(key)
  )
  const told = failed
    .slice(0, MAX_FAILURES)
    .map(({ iteration, name }) =>
      RunMessages.failure(
        `iteration-${iteration.run_id ?? name}`,
        iteration,
        outputOf(iteration),
        `Iteration ${name} failed: `
      )
    )
  const more = failed.length - told.length
  return more > 0
    ? [
        ...told,
        RunMessages.message(
          "iterations-more",
          "ERROR",
          `${more} more ${more === 1 ? "iteration" : "iterations"} failed.`,
          undefined,
          task.end_time
        )
      ]
    : told
}

/** An iteration, and what it is called. */
export interface Identified {
  readonly iteration: RunRecord.RunTask
  /** As a task: `parent[name]`, the same in every run. */
  readonly key: string
  readonly name: string
  readonly attempt: number
}

/**
 * What the iterations are called. An iteration with a task key of its own, other than the nested task's, is called by it.
 * The others, which all bear one key, are numbered in the order in which they began: that is the order of the list when
 * they run one after the other, and there is nothing else in the answer that two runs have in common.
 */
export const identify = (
  task: RunRecord.RunTask,
  iterations: ReadonlyArray<RunRecord.RunTask>
): ReadonlyArray<Identified> => {
  const nested = task.for_each_task?.task?.task_key
  const shares = (key: string) =>
    key === nested ||
    key === task.task_key ||
    key === RunRecord.ITERATION_KEY ||
    // Without the nested task's key, a key that several first attempts bear is it.
    (nested === undefined &&
      iterations.filter((other) => other.task_key === key && RunRecord.attempt(other) === 0).length > 1)
  const numbered = iterations
    .filter(({ task_key }) => shares(task_key))
    .toSorted((a, b) => begun(a) - begun(b) || compareIds(a.run_id, b.run_id))
  const numbers = new Map(numbered.map((iteration, index) => [iteration, String(index)] as const))
  return iterations.map((iteration) => {
    const number = numbers.get(iteration)
    const name = number ?? iteration.task_key
    return {
      iteration,
      key: `${task.task_key}[${name}]`,
      name,
      // Which of the numbered ones is a further attempt of another cannot be told.
      attempt: number === undefined ? RunRecord.attempt(iteration) : 0
    }
  })
}

// ---- private

const commonErrors = (task: RunRecord.RunTask): ReadonlyArray<RunSnapshot.Message> =>
  (task.for_each_task?.stats?.error_message_stats ?? []).flatMap(
    ({ count = 0, error_message, termination_category }, index) =>
      error_message === undefined
        ? []
        : [
            RunMessages.message(
              `iterations-error-${index}`,
              "ERROR",
              `${count > 0 ? Math.trunc(count) : "Some"} ${count === 1 ? "iteration" : "iterations"} failed: ${error_message}`,
              termination_category,
              task.end_time
            )
          ]
  )

/** Those that have not begun come last. */
const begun = ({ start_time = 0 }: RunRecord.RunTask): number =>
  start_time > 0 ? start_time : Number.MAX_SAFE_INTEGER

/** As numbers, which they are: by length, then by digits. */
const compareIds = (a = "", b = ""): number => a.length - b.length || (a < b ? -1 : a > b ? 1 : 0)
