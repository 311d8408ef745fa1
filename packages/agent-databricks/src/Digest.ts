/**
 * What is kept of an answer about a task until it was told: as much of it as is ever told, and no more. A log may have 5 MB, as may
 * what a notebook hands over; a digest has kilobytes. It is of the answer's own shape and reads the same: what
 * `TaskOutput`, `TestResults` and `ForEach` make of it is what they make of the answer.
 *
 * Texts are copied, because an engine may keep the whole of a long text in memory for a short piece of it.
 */
import { defined } from "./RunMetadata.ts"
import * as RunPhase from "./RunPhase.ts"
import type * as RunRecord from "./RunRecord.ts"
import * as TaskOutput from "./TaskOutput.ts"
import * as TestResults from "./TestResults.ts"

/**
 * The digest of a task's output. `kind` is that of the task; `results` says whether test results and values are wanted beside the
 * reason of a failure.
 */
export const ofOutput = (
  output: TaskOutput.TaskOutput,
  options: { readonly kind: string | undefined; readonly results: boolean }
): TaskOutput.TaskOutput => {
  const error = TaskOutput.shorten(TaskOutput.clean(output.error), MAX_ERROR)
  const trace = TaskOutput.shorten(TaskOutput.clean(output.error_trace), MAX_TRACE)
  const isDbt = options.results && options.kind === "dbt"
  const log = trace === undefined || isDbt ? logOf(output.logs, isDbt) : undefined
  return defined({
    error: flat(error),
    error_trace: flat(trace),
    logs: flat(log),
    notebook_output: options.results ? valueOf(output) : undefined,
    run_job_output: output.run_job_output,
    dbt_platform_output: output.dbt_platform_output
  })
}

/**
 * What is left to tell of an attempt after its end was told: the first line of its error, which the failure of the whole run
 * names.
 */
export const brief = (output: TaskOutput.TaskOutput): TaskOutput.TaskOutput =>
  defined({ error: flat(TaskOutput.clean(output.error)?.split("\n", 1)[0]?.slice(0, MAX_LINE)) })

/** How many characters a digest has, at most and roughly. */
export const sizeOf = (output: TaskOutput.TaskOutput): number =>
  OVERHEAD +
  (output.error?.length ?? 0) +
  (output.error_trace?.length ?? 0) +
  (output.logs?.length ?? 0) +
  (output.notebook_output?.result?.length ?? 0)

/**
 * The digest of a for-each task's iterations. Unless each is told as a task (`tasks`), only what tells them apart and how
 * they ended is kept, and of those that failed the words.
 */
export const ofIterations = (
  iterations: ReadonlyArray<RunRecord.RunTask>,
  options: { readonly tasks: boolean }
): ReadonlyArray<RunRecord.RunTask> =>
  iterations.map((iteration): RunRecord.RunTask => {
    if (options.tasks) {
      const { depends_on: _1, description: _2, ...rest } = iteration
      return rest
    }
    const { attempt_number, end_time, execution_duration, kind, run_id, setup_duration, start_time } =
      iteration
    return {
      task_key: iteration.task_key,
      ...defined({ attempt_number, end_time, execution_duration, kind, run_id, setup_duration, start_time }),
      ...(RunPhase.phase(iteration) === "Failed" ? wordsOf(iteration) : wordlessly(iteration))
    }
  })

/** How many characters these have, roughly. */
export const sizeOfIterations = (iterations: ReadonlyArray<RunRecord.RunTask>): number =>
  iterations.reduce(
    (size, { state, status }) =>
      size +
      OVERHEAD +
      (state?.state_message?.length ?? 0) +
      (status?.termination_details?.message?.length ?? 0),
    0
  )

// ---- private

/** A little below what is told, so that a digest is not shortened a second time, and says by itself how much is left out. */
const MAX_ERROR = 9900
const MAX_TRACE = 29_900

/** A little above what is told of a log (8000 characters), so that it still shows that there was more before. */
const MAX_LOG = 8200

/** Of a dbt task's log, the lines about tests that stand before its end. */
const MAX_TEST_LINES = 500_000

/** Of a line that the failure of a run names. */
const MAX_LINE = 500

/** A value that holds no results is told in 1000 characters; control characters do not count. */
const MAX_VALUE = 20_000

/** An object and its small fields. */
const OVERHEAD = 300

const logOf = (text: string | undefined, isDbt: boolean): string | undefined => {
  const log = TaskOutput.clean(text)
  if (log === undefined || log.length <= MAX_LOG) return log
  const end = log.slice(-MAX_LOG)
  if (!isDbt) return end
  // The line in which the end begins is a line about a test, perhaps.
  const line = log.lastIndexOf("\n", log.length - MAX_LOG) + 1
  const tests = log
    .slice(0, line)
    .split("\n")
    .filter((each) => TEST_LINE.test(each))
    .join("\n")
    .slice(-MAX_TEST_LINES)
  return `${tests}\n${log.slice(Math.max(line, log.length - 2 * MAX_LOG))}`
}

const TEST_LINE = /\[(?:PASS|FAIL|WARN|ERROR)\b/

const valueOf = (output: TaskOutput.TaskOutput): TaskOutput.TaskOutput["notebook_output"] => {
  const { result, truncated } = output.notebook_output ?? {}
  if (result === undefined) return output.notebook_output
  const isValue = result.length > MAX_VALUE && TestResults.read("notebook", output).other !== undefined
  return isValue
    ? { result: flat(result.slice(0, MAX_VALUE)) ?? "", truncated: true }
    : defined({ result: flat(result), truncated })
}

const wordsOf = ({ state, status }: RunRecord.RunTask) => {
  const { termination_details: details } = status ?? {}
  return defined({
    state:
      state && defined({ ...state, state_message: flat(TaskOutput.shorten(state.state_message, MAX_ERROR)) }),
    status:
      status &&
      defined({
        ...status,
        termination_details:
          details && defined({ ...details, message: flat(TaskOutput.shorten(details.message, MAX_ERROR)) })
      })
  })
}

const wordlessly = ({ state, status }: RunRecord.RunTask) => {
  const { life_cycle_state, result_state } = state ?? {}
  const { code, type } = status?.termination_details ?? {}
  return defined({
    state: state && defined({ life_cycle_state, result_state }),
    status: status && defined({ state: status.state, termination_details: defined({ code, type }) })
  })
}

/** A text that is a piece of no other one. */
const flat = (text: string | undefined): string | undefined =>
  text === undefined
    ? undefined
    : new TextDecoder("utf-8", { ignoreBOM: true }).decode(new TextEncoder().encode(text))
