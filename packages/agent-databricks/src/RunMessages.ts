/**
 * What is told of a run and its tasks in words: why they failed, that they were repaired, that Databricks started the
 * whole run again. Each message has a key that stays the same however often the run is looked at.
 */
import type * as RunSnapshot from "@observability-agents/core/RunSnapshot"
import { defined, repairsOf } from "./RunMetadata.ts"
import * as RunPhase from "./RunPhase.ts"
import * as RunRecord from "./RunRecord.ts"
import * as TaskOutput from "./TaskOutput.ts"

/** The key of the message that tells why an attempt of a task failed. */
export const ERROR_KEY = "error"

/** How many failed tasks the details of a failed run name, and how many of its tasks a repair names. */
const MAX_TASKS = 20

type OutputOf = (task: RunRecord.RunTask) => TaskOutput.TaskOutput | undefined

/**
 * The messages of a run itself, without those of its tasks:
 *
 * | key | level | when |
 * |---|---|---|
 * | `attempt` | INFO | Databricks started the run because another one had failed |
 * | `repair-ID` | INFO | each repair, at its start |
 * | `error`, `error-END` | ERROR | it failed (a repaired run can fail again, at another time) |
 * | `unknown-outcome` | WARNING | it ended in a way that is not known |
 */
export const ofRun = (
  run: RunRecord.Run,
  phase: RunSnapshot.Phase,
  outputOf: OutputOf
): ReadonlyArray<RunSnapshot.Message> => [
  ...furtherAttempt(run),
  ...repairsOf(run).map((repair, index) => repaired(run, repair, index + 1)),
  ...(phase === "Failed"
    ? [
        message(
          runErrorKey(run),
          "ERROR",
          wordsOf(run) ?? without(run, "run"),
          failedTasks(run, outputOf),
          run.end_time
        )
      ]
    : []),
  ...unknownOutcome(run, "run")
]

/** The messages of one attempt of a task: `error` when it failed, `unknown-outcome`. */
export const ofTask = (
  task: RunRecord.RunTask,
  phase: RunSnapshot.Phase,
  output: TaskOutput.TaskOutput | undefined
): ReadonlyArray<RunSnapshot.Message> => [
  ...(phase === "Failed" ? [failure(ERROR_KEY, task, output, "")] : []),
  ...unknownOutcome(task, "task")
]

/** Why an attempt failed: its error with the stack trace or the end of the log, or else the words of its state. */
export const failure = (
  key: string,
  task: RunRecord.RunTask,
  output: TaskOutput.TaskOutput | undefined,
  prefix: string
): RunSnapshot.Message => {
  const words = wordsOf(task)
  const error = TaskOutput.errorOf(output)
  return message(
    key,
    "ERROR",
    `${prefix}${error ?? words ?? without(task, "task")}`,
    TaskOutput.detailsOf(output) ?? (error === undefined ? undefined : words),
    task.end_time
  )
}

/** A message; `at` in milliseconds since 1970. */
export const message = (
  key: string,
  level: RunSnapshot.Message["level"],
  text: string,
  details: string | undefined,
  at: number | undefined
): RunSnapshot.Message => ({
  key,
  level,
  message: text,
  ...defined({ details, timestamp: RunPhase.time(at) })
})

// ---- private

/** What the state itself says. */
const wordsOf = (of: RunPhase.Standing): string | undefined =>
  TaskOutput.excerpt(of.status?.termination_details?.message) ?? TaskOutput.excerpt(of.state?.state_message)

/** What is said where nobody says anything: the code. */
const without = (of: RunPhase.Standing, noun: string): string => {
  const word = RunPhase.outcomeWord(of)?.slice(0, 100)
  return `The ${noun} ${word === undefined ? "failed" : `ended with ${word}`}; Databricks gives no reason.`
}

/** A repaired run can fail again, which is another failure of the same run. */
const runErrorKey = ({ end_time }: RunRecord.Run): string =>
  RunPhase.time(end_time) === undefined ? ERROR_KEY : `${ERROR_KEY}-${end_time}`

const furtherAttempt = (run: RunRecord.Run): ReadonlyArray<RunSnapshot.Message> => {
  const { attempt_number: number = 0, original_attempt_run_id: original, run_id } = run
  if (original === undefined || original === "0" || original === run_id) return []
  const which = number > 0 ? `attempt ${Math.trunc(number) + 1}` : "a further attempt"
  return [
    {
      ...message("attempt", "INFO", `This run is ${which} of run ${original}.`, undefined, run.start_time),
      early: true
    }
  ]
}

const repaired = (run: RunRecord.Run, repair: RunRecord.RepairItem, number: number): RunSnapshot.Message => {
  const creator = run.creator_user_name?.trim() || undefined
  const who = `Databricks does not tell who started it${creator === undefined ? "" : `; the run was created by ${creator}`}.`
  const keys = new Set(
    run.tasks
      .filter(({ run_id }) => repair.task_run_ids?.some((taskRun) => taskRun === run_id))
      .map(({ task_key }) => task_key)
  )
  const names = [...keys].slice(0, MAX_TASKS).join(", ")
  const more = keys.size > MAX_TASKS ? ` and ${keys.size - MAX_TASKS} more` : ""
  return {
    ...message(
      `repair-${repair.id ?? number}`,
      "INFO",
      `Repair ${number} of this run began. ${who}`,
      keys.size === 0 ? undefined : `Tasks that it ran again: ${names}${more}`,
      repair.start_time
    ),
    early: true
  }
}

/** The tasks whose last attempt failed, each with the first line of its error. */
const failedTasks = (run: RunRecord.Run, outputOf: OutputOf): string | undefined => {
  const latest = new Map<string, RunRecord.RunTask>()
  for (const task of run.tasks) {
    const known = latest.get(task.task_key)
    if (known === undefined || RunRecord.attempt(known) <= RunRecord.attempt(task))
      latest.set(task.task_key, task)
  }
  const failed = [...latest.values()].filter((task) => RunPhase.phase(task) === "Failed")
  const lines = failed.slice(0, MAX_TASKS).map((task) => {
    const text = TaskOutput.errorOf(outputOf(task)) ?? wordsOf(task)
    return text === undefined ? task.task_key : `${task.task_key}: ${text.split("\n", 1)[0]?.slice(0, 500)}`
  })
  if (failed.length > MAX_TASKS) lines.push(`and ${failed.length - MAX_TASKS} more failed tasks`)
  return lines.join("\n") || undefined
}

const unknownOutcome = (of: RunPhase.Standing, noun: string): ReadonlyArray<RunSnapshot.Message> => {
  const word = RunPhase.unknownOutcome(of)
  return word === undefined
    ? []
    : [
        message(
          "unknown-outcome",
          "WARNING",
          `Databricks ended this ${noun} with ${word.slice(0, 100)}, which this agent does not know; it counts as completed with warnings.`,
          wordsOf(of),
          of.end_time
        )
      ]
}
