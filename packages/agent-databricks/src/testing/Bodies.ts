/**
 * The records that the Jobs API would give of a run and its tasks at a moment. They are typed by the description of the API
 * that the agent reads with, so that the fake cannot answer in a shape of its own.
 */
import type * as RunRecord from "../RunRecord.ts"
import * as Attempts from "./Attempts.ts"
import * as Digits from "./Digits.ts"
import * as Plan from "./Plan.ts"
import * as Standing from "./Standing.ts"
import * as TaskBody from "./TaskBody.ts"

/** A run with all its tasks and repairs, however many. */
export type Run = Omit<RunRecord.Wire, "tasks" | "repair_history"> & {
  readonly tasks: ReadonlyArray<TaskBody.Task>
  readonly repair_history?: ReadonlyArray<NonNullable<RunRecord.Wire["repair_history"]>[number]>
  /** Of the run of a task. */
  readonly parent_run_id?: string
  readonly task_key?: string
}

/**
 * The record of a run at a moment, with all its tasks. Ids are wrapped by `Digits.id`; give the whole answer to
 * `Digits.stringify`.
 */
export const run = (planned: Plan.Run, now: number, options: TaskBody.Options): Run => {
  const { spec } = planned
  const begun = planned.rounds.filter(({ start }, index) => index === 0 || start <= now)
  const attempts = begun.flatMap((round) => round.attempts).filter(({ shown }) => shown <= now)
  const only = attempts.length === 1 ? attempts[0] : undefined
  const isSubmit = spec.type === "SUBMIT_RUN" || spec.type === "WORKFLOW_RUN"
  const round = Plan.current(planned, now)
  return {
    job_id: Digits.id(planned.jobId),
    run_id: Digits.id(planned.id),
    number_in_job: Digits.id(planned.id),
    job_run_id: Digits.id(planned.id),
    run_name: planned.name,
    run_type: spec.type ?? "JOB_RUN",
    ...(planned.trigger === undefined ? {} : { trigger: planned.trigger }),
    ...(planned.triggeredBy === undefined
      ? {}
      : { trigger_info: { run_id: Digits.id(planned.triggeredBy) } }),
    ...(planned.trigger === "PERIODIC" ? { schedule: SCHEDULE } : {}),
    ...(isSubmit ? {} : { original_attempt_run_id: Digits.id(planned.originalId) }),
    ...(planned.attempt === 0 ? {} : { attempt_number: planned.attempt }),
    creator_user_name: "operator@example.com",
    run_page_url: TaskBody.page(planned, planned.id, options),
    start_time: planned.submitted,
    end_time: now >= round.over ? round.over : 0,
    run_duration: begun.reduce((sum, { over }, index) => {
      const from = index === 0 ? planned.submitted : (begun[index]?.start ?? over)
      return sum + Math.max(0, Math.min(now, over) - from)
    }, 0),
    ...(planned.dequeued > planned.submitted
      ? { queue_duration: Math.min(now, planned.dequeued) - planned.submitted }
      : {}),
    // Only the run of a single task has these of its own.
    ...(only === undefined ? NO_DURATIONS : TaskBody.durations(only, now)),
    ...Standing.fields(standing(planned, now), TaskBody.carries(spec, options)),
    tasks: ordered(attempts, options).map((attempt) => TaskBody.at(planned, attempt, now, options)),
    repair_history: begun.map((each, index) => ({
      type: index === 0 ? "ORIGINAL" : "REPAIR",
      ...(index === 0 ? {} : { id: Digits.id(`${planned.id.slice(-15)}${index}`) }),
      start_time: index === 0 ? planned.submitted : each.start,
      end_time: now >= each.over ? each.over : 0,
      ...Standing.fields(standingOf(planned, each, now), TaskBody.carries(spec, options)),
      task_run_ids: each.attempts.filter(({ shown }) => shown <= now).map(({ runId }) => Digits.id(runId))
    })),
    ...TaskBody.odd(spec, planned, now)
  }
}

/** The record of the run of one attempt of a task, or of one iteration: what `runs/get` gives for its id. */
export const attemptRun = (
  planned: Plan.Run,
  attempt: Attempts.Attempt,
  now: number,
  options: TaskBody.Options
): Run => {
  const entry = TaskBody.at(planned, attempt, now, options)
  const { cleanup_duration, end_time, execution_duration, run_id, run_page_url } = entry
  const { setup_duration, start_time, state, status, task_key } = entry
  return {
    job_id: Digits.id(planned.jobId),
    run_id: run_id ?? Digits.id(attempt.runId),
    parent_run_id: Digits.id(planned.id),
    task_key,
    run_name: task_key,
    run_type: planned.spec.type ?? "JOB_RUN",
    attempt_number: attempt.attempt,
    creator_user_name: "operator@example.com",
    ...defined({ cleanup_duration, end_time, execution_duration, run_page_url }),
    ...defined({ setup_duration, start_time, state, status }),
    tasks: [entry],
    ...(attempt.task.forEach === undefined || attempt.key !== attempt.task.key
      ? {}
      : {
          iterations: attempt.iterations
            .filter(({ shown }) => shown <= now)
            .map((each) => TaskBody.at(planned, each, now, options))
        })
  }
}

// ---- private

const SCHEDULE = { quartz_cron_expression: "0 0 * * * ?", timezone_id: "UTC", pause_status: "UNPAUSED" }

const NO_DURATIONS = { setup_duration: 0, execution_duration: 0, cleanup_duration: 0 }

const standing = (planned: Plan.Run, now: number): Standing.Standing =>
  standingOf(planned, Plan.current(planned, now), now)

const standingOf = (planned: Plan.Run, round: Plan.Round, now: number): Standing.Standing => {
  const message = runWords(round)
  const { breakdown, outcome } = round
  const of = "run"
  if (now >= round.over) return { of, word: outcome, message, breakdown }
  if (now >= round.end) return { of, word: "TERMINATING", outcome, message, breakdown }
  if (now < planned.dequeued) {
    const { queued } = planned.spec
    const queue = {
      code: Plan.isQueued(queued) ? queued.code : "MAX_CONCURRENT_RUNS_REACHED",
      message: (Plan.isQueued(queued) ? queued.message : undefined) ?? "Queued: too much runs already."
    }
    return { of, word: "QUEUED", queue }
  }
  if (now < planned.begins) return { of, word: "PENDING", message: "Waiting for cluster" }
  const under = round.attempts.filter(({ end, shown }) => shown <= now && now < end)
  const waits = under.length > 0 && under.every((each) => TaskBody.isWaiting(round, each, now))
  return { of, word: waits ? "WAITING_FOR_RETRY" : "RUNNING" }
}

const runWords = ({ attempts, outcome }: Plan.Round): string => {
  const failed = attempts.find((each) => Attempts.isFailure(each.outcome) && !each.retried)
  switch (outcome) {
    case "FAILED":
    case "SUCCESS_WITH_FAILURES":
      return failed === undefined
        ? "A task was not run."
        : `Task ${failed.key} failed with message: ${failed.breakdown?.message ?? TaskBody.GENERIC}.`
    case "CANCELED":
      return "Run cancelled."
    case "TIMEDOUT":
      return "The run took longer than it may."
    default:
      return ""
  }
}

/** Tasks come in no order that means something; which of them are on the first page is arbitrary, but lasting. */
const ordered = (attempts: ReadonlyArray<Attempts.Attempt>, { taskOrder }: TaskBody.Options) =>
  taskOrder === "declared"
    ? attempts
    : [...attempts].sort((a, b) => scrambled(a.runId) - scrambled(b.runId) || (a.runId < b.runId ? -1 : 1))

const scrambled = (runId: string): number => Number((BigInt(runId) * 2_654_435_761n) % 1_000_003n)

const defined = <A extends object>(fields: A): { readonly [K in keyof A]?: Exclude<A[K], undefined> } =>
  // SAFETY: exactly the properties whose value is undefined are removed.
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as {
    readonly [K in keyof A]?: Exclude<A[K], undefined>
  }
