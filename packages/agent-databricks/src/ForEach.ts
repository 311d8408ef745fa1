/**
 * What is told of a for-each task beside its own status: the failures of its iterations as messages of the task, and,
 * where that is asked for, every iteration as a task of its own.
 *
 * The iterations come with `runs/get` of the task's run (Jobs API 2.2). Where they were not read, the statistics that stand
 * with the task name its commonest errors. Both have the same keys, `iteration-0`, `iteration-1`, …: an attempt that will be
 * tried again is looked at several times, its iterations are read once, and what was told of them must not be told anew
 * from the numbers.
 */
import type * as RunSnapshot from "@observability-agents/core/RunSnapshot"
import * as RunMessages from "./RunMessages.ts"
import * as RunPhase from "./RunPhase.ts"
import * as RunRecord from "./RunRecord.ts"
import * as TaskOutput from "./TaskOutput.ts"

/** How many failed iterations are told one by one. */
export const MAX_FAILURES = 25

/** Whether the task runs another one for each element of a list. */
export const is = (task: RunRecord.RunTask): boolean => task.kind === "for_each"

/**
 * The failures of a for-each task that has ended, as ERROR messages of it: of each failed iteration, 25 at most and a line
 * that counts the others; or, without iterations, the commonest errors and how many failed by each, as well as those that no
 * iteration shows. No more iterations are told than the task's statistics count (of what was tried again they count the latest
 * attempt).
 */
export const failures = (
  task: RunRecord.RunTask,
  iterations: ReadonlyArray<RunRecord.RunTask> | undefined,
  outputOf: (iteration: RunRecord.RunTask) => TaskOutput.TaskOutput | undefined
): ReadonlyArray<Message> => {
  const phase = RunPhase.phase(task)
  if (!is(task) || phase === undefined || !RunPhase.isTerminal(phase)) return []
  const count = task.for_each_task?.stats?.task_run_stats?.failed_iterations ?? Infinity
  if (count <= 0) return []
  const named = identify(task, iterations ?? [])
  const latest = new Map(named.map((iteration) => [iteration.key, iteration.attempt]))
  for (const { attempt, key } of named) latest.set(key, Math.max(attempt, latest.get(key) ?? 0))
  const failed = named
    .filter(
      ({ attempt, iteration, key }) =>
        RunPhase.phase(iteration) === "Failed" && !isStopped(iteration) && attempt === latest.get(key)
    )
    .slice(0, count)
  const told = failed
    .slice(0, MAX_FAILURES)
    .map(({ iteration, name }) =>
      RunMessages.failure("", iteration, outputOf(iteration), `Iteration ${name} failed: `)
    )
  const errors = commonErrors(task)
  const others = errors.filter(({ text }) => !told.some(({ message }) => message.endsWith(text)))
  // As many keys in all as without the iterations, so that none is left for the numbers at the next look.
  const lacking = others.slice(0, Math.max(0, errors.length - told.length)).map(({ message }) => message)
  const messages = [...told, ...lacking].map((message, index) => ({ ...message, key: `iteration-${index}` }))
  const more = failed.length - told.length
  return more > 0
    ? [
        ...messages,
        RunMessages.message(
          "iterations-more",
          "ERROR",
          `${more} more ${more === 1 ? "iteration" : "iterations"} failed.`,
          undefined,
          task.end_time
        )
      ]
    : messages
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
 * The others, which all bear one key, are numbered in the order in which their first attempts began: that is the order of the
 * list when they run one after the other, and there is nothing else in the answer that two runs have in common. Of a
 * further attempt the answer does not say what it tries again: it counts to the iteration whose attempt before it failed
 * and ended first, and has a number of its own where there is none. With several failures at once it may be another
 * one's attempt, but the number of those that failed in the end is right.
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
  const numbers = number(iterations.filter(({ task_key }) => shares(task_key)))
  return iterations.map((iteration) => {
    const name = numbers.get(iteration) ?? iteration.task_key
    return { iteration, key: `${task.task_key}[${name}]`, name, attempt: RunRecord.attempt(iteration) }
  })
}

// ---- private

type Message = RunSnapshot.Message

/** Whether somebody cancelled it: it neither failed nor will be tried again. What took too long has the same code. */
const isStopped = (iteration: RunRecord.RunTask): boolean =>
  RunPhase.isCancelled(iteration) && !RunPhase.isTimedOut(iteration)

/** The numbers of iterations that have one key, by their first attempts. */
const number = (attempts: ReadonlyArray<RunRecord.RunTask>): ReadonlyMap<RunRecord.RunTask, string> => {
  const numbers = new Map<RunRecord.RunTask, string>()
  /** What failed and was not tried again so far, by the number of the attempt; the first to end comes first. */
  const waiting = new Map<number, Array<RunRecord.RunTask>>()
  let next = 0
  const sorted = attempts.toSorted(
    (a, b) =>
      RunRecord.attempt(a) - RunRecord.attempt(b) || begun(a) - begun(b) || compareIds(a.run_id, b.run_id)
  )
  for (const each of sorted) {
    if (RunPhase.phase(each) !== "Failed" || isStopped(each)) continue
    const attempt = RunRecord.attempt(each)
    const others = waiting.get(attempt)
    if (others === undefined) waiting.set(attempt, [each])
    else others.push(each)
  }
  for (const others of waiting.values())
    others.sort((a, b) => ended(a) - ended(b) || compareIds(a.run_id, b.run_id))
  for (const each of sorted) {
    const before = waiting.get(RunRecord.attempt(each) - 1)?.shift()
    const known = before === undefined ? undefined : numbers.get(before)
    numbers.set(each, known ?? String(next++))
  }
  return numbers
}

/** The commonest errors, three at most, each as a message that says how many iterations failed by it. */
const commonErrors = (task: RunRecord.RunTask): ReadonlyArray<{ text: string; message: Message }> =>
  (task.for_each_task?.stats?.error_message_stats ?? []).flatMap(
    ({ count = 0, error_message, termination_category }) => {
      const text = TaskOutput.excerpt(error_message)
      if (text === undefined) return []
      const words = `${count > 0 ? Math.trunc(count) : "Some"} ${count === 1 ? "iteration" : "iterations"} failed: ${text}`
      return [{ text, message: RunMessages.message("", "ERROR", words, termination_category, task.end_time) }]
    }
  )

/** Those that have not begun come last. */
const begun = ({ start_time = 0 }: RunRecord.RunTask): number =>
  start_time > 0 ? start_time : Number.MAX_SAFE_INTEGER

const ended = ({ end_time = 0 }: RunRecord.RunTask): number =>
  end_time > 0 ? end_time : Number.MAX_SAFE_INTEGER

/** As numbers, which they are: by length, then by digits. */
const compareIds = (a = "", b = ""): number => a.length - b.length || (a < b ? -1 : a > b ? 1 : 0)
