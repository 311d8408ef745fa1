/**
 * The language of scenarios: what shall happen in a fake workspace, as plain data.
 *
 * Jobs have runs, runs have tasks, tasks take their time and end well or not. All times are relative, so the same
 * script plays under a test clock and in real time. What is left out is the ordinary case: `{}` is a run that starts at once and
 * has one task, `main`, that takes a minute and succeeds. What contradicts itself does not compile; what only shows in the
 * whole (a task that waits for itself) is refused when the fake is made, with the names of job, run and task.
 */
import type * as Duration from "effect/Duration"
import type * as RunRecord from "../RunRecord.ts"

/** A job and the runs it has or will have. */
export interface Job {
  readonly name: string
  /** Digits; numbered from 1001 where left out. */
  readonly id?: string
  readonly runs?: ReadonlyArray<Run>
  /**
   * A continuous job: each run begins when the one before has ended, with its own `at` after that, and with the trigger
   * CONTINUOUS, or CONTINUOUS_RESTART after a failure.
   */
  readonly continuous?: boolean
  /** Who may view it, by the names in `Access.Options`; all others never see it. Default: everybody. */
  readonly visibleTo?: ReadonlyArray<string>
}

/** A run of a job: one that is executed, one that never is, or one that breaks before its tasks begin. */
export type Run = Executed | Skipped | Broken

/** When a run is started: so long after the beginning of the scenario (or after it was added), or so long before. */
export type Start =
  | { readonly at?: Duration.Input; readonly ago?: never }
  | { readonly ago?: Duration.Input; readonly at?: never }

/** What may be said of every run. */
export type AnyRun = Start & {
  /** Digits, also beyond 2^53; numbered from 500001 where left out. */
  readonly id?: string
  /** How long after its start it first appears in lists, as happens to the service when it is busy. */
  readonly listedAfter?: Duration.Input
  /** Such as PERIODIC (the default), ONE_TIME, FILE_ARRIVAL. One-time submits have none. */
  readonly trigger?: string
  /** SUBMIT_RUN and WORKFLOW_RUN belong to no job: each gets a job id of its own, and the job's name as its run name. */
  readonly type?: "JOB_RUN" | "SUBMIT_RUN" | "WORKFLOW_RUN"
} & Oddities

/** A run whose tasks are executed. */
export type Executed = AnyRun & {
  /** How long it is QUEUED before its tasks begin; with the reason, if that shall be told. */
  readonly queued?: Duration.Input | Queued
  /** How long it is PENDING then, e.g. for a cluster. */
  readonly pending?: Duration.Input
  readonly tasks?: ReadonlyArray<Task>
  /** How long it is TERMINATING after its last task has ended, or after it was stopped. */
  readonly terminating?: Duration.Input
  /** It is repaired: some tasks run again, in the same run. */
  readonly repairs?: ReadonlyArray<Repair>
  /**
   * The job starts it anew when it has failed: further runs, each so long after the end of the one before, with the first
   * as their `original_attempt_run_id`.
   */
  readonly retriedBy?: ReadonlyArray<Retry>
  readonly skipped?: never
  readonly breaks?: never
} & (
    | { readonly cancelledAfter?: Duration.Input; readonly timesOutAfter?: never }
    | { readonly timesOutAfter?: Duration.Input; readonly cancelledAfter?: never }
  )

/** A run that never runs, for this reason. */
export type Skipped = AnyRun & Never & { readonly skipped: SkipReason; readonly breaks?: never }

/** A run that ends with an internal error before any of its tasks begins, by default after 100 ms. */
export type Broken = AnyRun &
  Never & { readonly breaks: Breakdown & { readonly after?: Duration.Input }; readonly skipped?: never }

/** What does not go with a run that never gets to its tasks. */
export interface Never {
  readonly queued?: never
  readonly pending?: never
  readonly tasks?: never
  readonly terminating?: never
  readonly repairs?: never
  readonly retriedBy?: never
  readonly cancelledAfter?: never
  readonly timesOutAfter?: never
}

/** Why a run was skipped: a termination code. */
export type SkipReason =
  | "MAX_CONCURRENT_RUNS_EXCEEDED"
  | "MAX_JOB_QUEUE_SIZE_EXCEEDED"
  | "SKIPPED"
  | "DISABLED"

/** A time in the queue, and its reason. */
export interface Queued {
  readonly for: Duration.Input
  readonly code:
    | "ACTIVE_RUNS_LIMIT_REACHED"
    | "MAX_CONCURRENT_RUNS_REACHED"
    | "ACTIVE_RUN_JOB_TASKS_LIMIT_REACHED"
  readonly message?: string
}

/** A repair of a run: tasks that run once more. Those that are not named stay as they ended. */
export interface Repair {
  /** How long after the run had ended it is begun. */
  readonly after: Duration.Input
  readonly tasks: ReadonlyArray<Task>
  /** Somebody stops it so long after its begin. */
  readonly cancelledAfter?: Duration.Input
}

/** A job's own retry of a run that failed: a new run. */
export interface Retry {
  readonly id?: string
  /** How long after the end of the run before. */
  readonly after: Duration.Input
  readonly tasks?: ReadonlyArray<Task>
}

/** A task of a run. */
export type Task = {
  readonly key: string
  /** Tasks that have to end first; of a condition task, also with which answer. */
  readonly after?: ReadonlyArray<string | { readonly key: string; readonly outcome: "true" | "false" }>
  /** When it runs, given how those ended. Default ALL_SUCCESS. */
  readonly runIf?: RunIf
  /** It waits so long for compute, being PENDING with a start time, before it runs. */
  readonly setup?: Duration.Input
  /** How often the service tries it again after a failure; -1: for ever. Default: as often as `retriesOf` says. */
  readonly maxRetries?: number
  /** The least time from the end of an attempt to the next. Default: none. */
  readonly retryInterval?: Duration.Input
  readonly retryOnTimeout?: boolean
  /** How the wait for the next attempt is shown: not at all (the default), or as an entry WAITING_FOR_RETRY. */
  readonly retryGap?: "hidden" | "waiting"
  /**
   * Attempts before this one: each takes its time and fails. With `maxRetries` alone a task that fails does so in every attempt.
   */
  readonly retriesOf?: ReadonlyArray<Attempt>
  /** What runs it. Default: a job cluster. Serverless tasks name no cluster. */
  readonly compute?: "cluster" | "serverless"
} & Work &
  Oddities

/** How long an attempt takes, and how it ends. With nothing said: a minute, and well. */
export type Attempt = { readonly takes?: Duration.Input } & (
  | { readonly fails?: string; readonly trace?: string; readonly ends?: never }
  | { readonly ends?: Ends; readonly fails?: never; readonly trace?: never }
)

/** What a task does: something that takes its time, or one of the kinds that have parts of their own. */
export type Work =
  | (Attempt & {
      /** What the record calls it; it changes nothing else. Default `notebook`. */
      readonly kind?: Kind
      /** Fields of `runs/get-output`: a notebook's result, a dbt task's artifacts, logs, … */
      readonly output?: Readonly<Record<string, unknown>>
    } & NoParts)
  | (NoWork & {
      readonly condition: Condition
      readonly takes?: Duration.Input
      readonly forEach?: never
      readonly runJob?: never
    })
  | (NoWork & {
      readonly forEach: ForEach
      readonly takes?: never
      readonly condition?: never
      readonly runJob?: never
    })
  | (NoWork & {
      readonly runJob: RunJob
      readonly takes?: never
      readonly condition?: never
      readonly forEach?: never
    })

/** What does not go with a task that is no more than work. */
export interface NoParts {
  readonly condition?: never
  readonly forEach?: never
  readonly runJob?: never
}

/** What does not go with a task that has parts of its own. */
export interface NoWork {
  readonly fails?: never
  readonly trace?: never
  readonly ends?: never
  readonly kind?: never
  readonly output?: never
}

/** The kinds of tasks that need nothing said. */
export type Kind = Exclude<RunRecord.Kind, "condition" | "for_each" | "run_job">

/** A question that decides which of the tasks after it run. */
export interface Condition {
  readonly outcome: "true" | "false"
  readonly left?: string
  readonly right?: string
}

/** A task that runs once for each of its inputs, some at a time. It fails when one of them does. */
export interface ForEach {
  readonly iterations: ReadonlyArray<Attempt>
  /** How many run at a time. Default: all. */
  readonly concurrency?: number
}

/** A task that runs another job. It takes as long as that run, and ends as it does. */
export interface RunJob {
  readonly job: string
  readonly run?: Executed
}

/** When a task runs, given how those before it ended. */
export type RunIf =
  | "ALL_SUCCESS"
  | "ALL_DONE"
  | "NONE_FAILED"
  | "AT_LEAST_ONE_SUCCESS"
  | "ALL_FAILED"
  | "AT_LEAST_ONE_FAILED"

/** How an attempt ends, other than by an error of its own program. EXCLUDED and DISABLED ones never begin. */
export type Ends = "SUCCESS" | "CANCELED" | "TIMEDOUT" | "EVICTED" | "EXCLUDED" | "DISABLED" | Breakdown

/** An end that the service brought about, e.g. code LIBRARY_INSTALLATION_ERROR. */
export interface Breakdown {
  /** A termination code. */
  readonly code: string
  readonly message: string
  /** Default CLIENT_ERROR. */
  readonly type?: "CLIENT_ERROR" | "INTERNAL_ERROR" | "CLOUD_FAILURE"
}

/** How a record is told in other words than the ordinary ones. */
export interface Oddities {
  /** What the record tells its state by. Default: both, except in 2.1, which knows `state` alone. */
  readonly carries?: "both" | "state" | "status" | "neither"
  /** Fields of the record to replace, for answers that Databricks gives and nobody expects. `undefined` leaves one out. */
  readonly fields?: Readonly<Record<string, unknown>>
  /** The same for a while, counted from the start of the run. */
  readonly says?: ReadonlyArray<{
    readonly from?: Duration.Input
    readonly until?: Duration.Input
    readonly fields: Readonly<Record<string, unknown>>
  }>
}

/**
 * As many of something as said, each made from its number: runs of a job, tasks of a run, iterations of a loop.
 * `Scenario.times(24, (hour) => ({ at: Duration.hours(hour) }))` is a day of runs.
 */
export const times = <A>(count: number, make: (index: number) => A): ReadonlyArray<A> =>
  Array.from({ length: count }, (_, index) => make(index))

/** A state that no version of the API documents, in both places where one stands. */
export const unheardOf = (word: string): Readonly<Record<string, unknown>> => ({
  state: { life_cycle_state: word },
  status: { state: word }
})
