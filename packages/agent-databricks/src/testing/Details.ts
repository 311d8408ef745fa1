/**
 * `runs/get` and `runs/get-output` of a fake workspace: one run, or the run of one attempt of a task or of one iteration of a
 * loop.
 */
import * as Base64 from "effect/encoding/Base64"
import * as Result from "effect/Result"
import * as JobsApi from "../JobsApi.ts"
import type * as RunRecord from "../RunRecord.ts"
import type * as Attempts from "./Attempts.ts"
import * as Answer from "./Answer.ts"
import { PAGE_OF_TASKS } from "./Listing.ts"
import type * as Plan from "./Plan.ts"
import * as Bodies from "./Bodies.ts"
import * as Digits from "./Digits.ts"
import type * as TaskBody from "./TaskBody.ts"

/** What has the id that was asked for. */
export interface Found {
  readonly run: Plan.Run
  /** Absent: the id is that of the run itself. */
  readonly attempt?: Attempts.Attempt
}

/** Looks a run up, as far as the asker may see it; a Reply says why not. */
export type Find = (id: string) => Result.Result<Found, Answer.Reply>

/** Answers `runs/get`. */
export const get = (
  question: Answer.Question,
  find: Find,
  now: number,
  options: TaskBody.Options
): Answer.Reply => {
  const asked = JobsApi.decodeQuery(JobsApi.endpoints.get, question.query)
  if (Result.isFailure(asked)) return Answer.invalid(asked.failure)
  const { include_history = false, page_token, run_id } = asked.success
  const found = find(run_id)
  if (Result.isFailure(found)) return found.failure
  const { attempt, run } = found.success
  const record =
    attempt === undefined ? Bodies.run(run, now, options) : Bodies.attemptRun(run, attempt, now, options)
  const skip = page_token === undefined ? 0 : fromToken(page_token, run_id)
  if (skip === undefined) return Answer.invalid("page_token is not valid.")
  const page = <A>(all: ReadonlyArray<A>) => all.slice(skip, skip + PAGE_OF_TASKS)
  const { iterations, repair_history, tasks, ...fields } = record
  const history = include_history ? repair_history : undefined
  const isLoop = iterations !== undefined
  const longest = Math.max(isLoop ? 0 : tasks.length, iterations?.length ?? 0, history?.length ?? 0)
  // 2.1 has no pages: it leaves out the rest without a word.
  const hasMore = longest > skip + PAGE_OF_TASKS && options.version !== "2.1"
  return Answer.ok({
    ...fields,
    // The one entry of a loop stands on every page.
    tasks: isLoop ? tasks : page(tasks),
    ...(iterations === undefined ? {} : { iterations: page(iterations) }),
    ...(history === undefined ? {} : { repair_history: page(history) }),
    ...(hasMore ? { next_page_token: toToken(skip + PAGE_OF_TASKS, run_id) } : {})
  } satisfies RunRecord.Wire)
}

/** Answers `runs/get-output`. */
export const output = (
  question: Answer.Question,
  find: Find,
  now: number,
  options: TaskBody.Options
): Answer.Reply => {
  const asked = JobsApi.decodeQuery(JobsApi.endpoints.output, question.query)
  if (Result.isFailure(asked)) return Answer.invalid(asked.failure)
  const found = find(asked.success.run_id)
  if (Result.isFailure(found)) return found.failure
  const { run } = found.success
  const attempts = run.rounds.flatMap((round) => round.attempts).filter(({ shown }) => shown <= now)
  const isSingle = new Set(attempts.map(({ key }) => key)).size === 1
  const attempt = found.success.attempt ?? (isSingle ? attempts.at(-1) : undefined)
  if (attempt === undefined) {
    return Answer.invalid(
      "Retrieving the output of runs with multiple tasks is not supported; ask for each task's run."
    )
  }
  const {
    iterations: _iterations,
    tasks: _tasks,
    ...metadata
  } = Bodies.attemptRun(run, attempt, now, options)
  return Answer.ok({ metadata, ...told(attempt, now) })
}

// ---- private

const told = (attempt: Attempts.Attempt, now: number): JobsApi.OutputAnswer => {
  const { breakdown, child, end, outcome, start, task, trace } = attempt
  const error = attempt.error ?? breakdown?.message
  const childId = child !== undefined && start !== undefined && start <= now ? Digits.id(child.id) : undefined
  return {
    ...(childId === undefined ? {} : { run_job_output: { run_id: childId } }),
    ...(now < end
      ? {}
      : {
          ...(error === undefined ? {} : { error }),
          ...(trace === undefined ? {} : { error_trace: trace }),
          ...(isNotebook(attempt) && outcome === "SUCCESS" ? { notebook_output: {} } : {}),
          ...task.output
        })
  }
}

const isNotebook = ({ task }: Attempts.Attempt): boolean =>
  (task.kind ?? "notebook") === "notebook" &&
  task.condition === undefined &&
  task.forEach === undefined &&
  task.runJob === undefined

/** A token is good for the run it was given for. */
const toToken = (skip: number, runId: string): string => Base64.encode(`tasks:${runId}:${skip}`)

const fromToken = (token: string, runId: string): number | undefined => {
  const text = Result.getOrElse(Base64.decodeString(token), () => "")
  const [, of, skip] = /^tasks:(\d+):(\d+)$/.exec(text) ?? []
  return of === runId ? Number(skip) : undefined
}
