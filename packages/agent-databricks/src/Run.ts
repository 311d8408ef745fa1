/**
 * What Databricks says of a run: the Jobs API's records (2.1 and 2.2) as Schemas, and the pure way from them to the
 * tool-neutral RunSnapshot.
 *
 * The Schemas are lenient where the service is: every field but the id of a run may be missing, `null` means missing, ids
 * come as numbers or as text, a time of 0 means "not yet", and the words for states are open, because Databricks adds
 * new ones without a new version. A field of another type than is known is read as missing, too: it must not hide the run. Only
 * what tells runs and tasks from each other has to be right. Field names are the service's own.
 */
import type * as RunSnapshot from "@observability-agents/core/RunSnapshot"
import * as DateTime from "effect/DateTime"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as SchemaGetter from "effect/SchemaGetter"

// ---- the service's records

/** A field that may be missing; `null` is read as missing. */
const lenient = <S extends Schema.Constraint>(schema: S) =>
  Schema.optionalKey(Schema.NullOr(schema)).pipe(
    Schema.decodeTo(Schema.optionalKey(Schema.toType(schema)), {
      decode: SchemaGetter.transformOptional(Option.filter(Predicate.isNotNull)),
      encode: SchemaGetter.passthroughSupertype()
    })
  )

/** A field that may be missing; what is not of its type is read as missing, too. */
const forgiving = <S extends Schema.Constraint & { readonly DecodingServices: never }>(schema: S) => {
  const decode = Schema.decodeUnknownOption(schema)
  return Schema.optionalKey(Schema.Unknown).pipe(
    Schema.decodeTo(Schema.optionalKey(Schema.toType(schema)), {
      decode: SchemaGetter.transformOptional(Option.flatMap((input: unknown) => decode(input))),
      encode: SchemaGetter.passthroughSupertype()
    })
  )
}

/** A 64-bit id: a number or text on the wire, text here, so that no digit is lost. */
const Id = Schema.Union([Schema.NonEmptyString, Schema.Int]).pipe(
  Schema.decodeTo(Schema.NonEmptyString, {
    decode: SchemaGetter.transform(String),
    encode: SchemaGetter.passthrough()
  })
)

/** The id of a run or of one attempt of a task, which has a run id of its own. */
export const RunId = Id.pipe(Schema.brand("@observability-agents/agent-databricks/RunId"))
/** The id of a run or of one attempt of a task. */
export type RunId = typeof RunId.Type

/** A count, or a time span in milliseconds: a number, or its digits as text. */
const Quantity = Schema.Union([Schema.Finite, Schema.FiniteFromString])

/** `state` of a run, task or repair. Databricks calls it deprecated, but it is the only one in older answers. */
export const RunState = Schema.Struct({
  life_cycle_state: forgiving(Schema.String),
  result_state: forgiving(Schema.String),
  state_message: forgiving(Schema.String)
})

/** `status` of a run, task or repair: the successor of `state`. */
export const RunStatus = Schema.Struct({
  state: forgiving(Schema.String),
  termination_details: forgiving(
    Schema.Struct({
      code: forgiving(Schema.String),
      type: forgiving(Schema.String),
      message: forgiving(Schema.String)
    })
  )
})

const shared = {
  state: forgiving(RunState),
  status: forgiving(RunStatus),
  /** Milliseconds since 1970; 0 until it is known. */
  start_time: forgiving(Quantity),
  /** Milliseconds since 1970; 0 until it is known. */
  end_time: forgiving(Quantity),
  /** Milliseconds. 0 for a run of several tasks, as the next two. */
  setup_duration: forgiving(Quantity),
  execution_duration: forgiving(Quantity),
  cleanup_duration: forgiving(Quantity),
  queue_duration: forgiving(Quantity),
  run_duration: forgiving(Quantity),
  run_page_url: forgiving(Schema.String)
}

/**
 * One attempt of one task. A retried or repaired task has several entries with the same `task_key`, each with its own
 * `run_id` and a higher `attempt_number`.
 */
export const RunTask = Schema.Struct({
  ...shared,
  task_key: Schema.NonEmptyString,
  /** With the key, what tells one attempt from the others. */
  attempt_number: lenient(Quantity),
  run_id: forgiving(RunId),
  description: forgiving(Schema.String)
})
/** One attempt of one task. */
export type RunTask = typeof RunTask.Type

const RunFields = Schema.Struct({
  ...shared,
  run_id: RunId,
  attempt_number: forgiving(Quantity),
  job_id: lenient(Id),
  run_name: forgiving(Schema.String),
  run_type: forgiving(Schema.String),
  trigger: forgiving(Schema.String),
  creator_user_name: forgiving(Schema.String),
  original_attempt_run_id: forgiving(Id),
  /** 2.2: some of the arrays were cut at 100 elements; `runs/get` has the rest. */
  has_more: forgiving(Schema.Boolean),
  tasks: lenient(Schema.Array(Schema.Unknown)),
  /** Runs of a for-each task, when the run asked for is that task's. */
  iterations: lenient(Schema.Array(Schema.Unknown)),
  /** The original and each repair, when `include_history` was asked for. */
  repair_history: forgiving(Schema.Array(Schema.Struct({ type: forgiving(Schema.String) }))),
  next_page_token: forgiving(Schema.String)
})

/** A run of a job, with those of its tasks that could be read. */
export interface Run extends Omit<typeof RunFields.Type, "tasks" | "iterations"> {
  readonly tasks: ReadonlyArray<RunTask>
  readonly iterations: ReadonlyArray<RunTask>
}

/** A record that could not be read: its id where that much was legible, and what is wrong. */
export interface Malformed {
  readonly runId: string | undefined
  readonly problem: string
}

/**
 * Reads one run of an answer. It is unreadable without its id, with a job's id that is none, and where its tasks are no list. A
 * task that cannot be read (in practice: one without a key) is left out, for the sake of the others. `hide` masks secrets in
 * what is told of an unreadable run.
 */
export const decode = (
  input: unknown,
  hide: (text: string) => string = (text) => text
): Result.Result<Run, Malformed> =>
  Result.mapBoth(decodeFields(input), {
    onFailure: (issue): Malformed => ({
      runId: Option.getOrUndefined(decodeId(input)),
      problem: hide(issue.message).replaceAll(/\s+/g, " ").slice(0, 300)
    }),
    onSuccess: ({ tasks, iterations, ...fields }): Run => ({
      ...fields,
      tasks: decodeTasks(tasks),
      iterations: decodeTasks(iterations)
    })
  })

/**
 * Joins the pages of one run: the fields of the first, the arrays of all. The single entry of a for-each task's run
 * stands in `tasks` of every page and is kept once.
 */
export const merge = (first: Run, next: Run): Run => ({
  ...first,
  tasks: union(first.tasks, next.tasks),
  iterations: union(first.iterations, next.iterations),
  ...(next.repair_history === undefined
    ? {}
    : { repair_history: [...(first.repair_history ?? []), ...next.repair_history] })
})

// ---- what its state means

/** What is read of a run or a task to tell how it stands. */
export type Standing = Pick<
  RunTask,
  "state" | "status" | "start_time" | "setup_duration" | "execution_duration"
>

/**
 * The phase that a state stands for; `undefined` when Databricks uses a word that is not in this table, so that the
 * run stays as it was known.
 *
 * `status.state` is read first, then `state.life_cycle_state`:
 *
 * | word | phase |
 * |---|---|
 * | QUEUED, PENDING, BLOCKED, WAITING, WAITING_FOR_RETRY | Pending |
 * | RUNNING, TERMINATING | Running |
 * | TERMINATED, INTERNAL_ERROR, SKIPPED | by the outcome below |
 * | any other | unknown, changes nothing |
 *
 * The outcome is the first of `status.termination_details.code`, `.type` and `state.result_state` that is in this table:
 *
 * | word | phase |
 * |---|---|
 * | SUCCESS | Completed |
 * | SUCCESS_WITH_FAILURES | CompletedWithWarnings |
 * | SKIPPED, EXCLUDED, DISABLED, UPSTREAM_FAILED, UPSTREAM_CANCELED, UPSTREAM_EVICTED, MAX_CONCURRENT_RUNS_EXCEEDED, MAXIMUM_CONCURRENT_RUNS_REACHED, MAX_JOB_QUEUE_SIZE_EXCEEDED | Skipped; Failed when it had begun to run |
 * | FAILED, TIMEDOUT, CANCELED, USER_CANCELED, EVICTED, INTERNAL_ERROR, CLIENT_ERROR, CLOUD_FAILURE and every termination code that names an error | Failed |
 * | none of them, but the life cycle is SKIPPED or INTERNAL_ERROR | Skipped or Failed |
 * | none of them | Running: it has ended, how is not told yet |
 *
 * "Had begun to run" is told by a start together with a setup or execution time. A start or a cluster alone does not tell
 * it: what was skipped may have either.
 */
export const phase = (standing: Standing): RunSnapshot.Phase | undefined => {
  const lifeCycle = firstKnown(LIFE_CYCLE, [standing.status?.state, standing.state?.life_cycle_state])
  if (lifeCycle !== "Ended") return lifeCycle
  const outcome =
    firstKnown(OUTCOME, [
      standing.status?.termination_details?.code,
      standing.status?.termination_details?.type,
      standing.state?.result_state
    ]) ?? firstKnown(LIFE_CYCLE_OUTCOME, [standing.state?.life_cycle_state])
  return outcome === "Skipped" && hasRun(standing) ? "Failed" : (outcome ?? "Running")
}

/** Whether somebody or a schedule stopped it: its output holds no error that is worth a call. */
export const isCancelled = (standing: Standing): boolean =>
  [standing.status?.termination_details?.code, standing.state?.result_state].some(
    (word) => word === "CANCELED" || word === "USER_CANCELED"
  )

/** Whether it is over, whatever the outcome. */
export const isTerminal = (phase: RunSnapshot.Phase): boolean => phase !== "Pending" && phase !== "Running"

/** A point in time, or `undefined` for Databricks' "not yet" (0) and for what is no time of our calendar. */
export const time = (millis: number | undefined): DateTime.Utc | undefined =>
  millis === undefined || millis <= 0 || millis > LAST_MILLISECOND
    ? undefined
    : Option.getOrUndefined(Option.map(DateTime.make(Math.trunc(millis)), DateTime.toUtc))

/** The number of the attempt, counted from 0. */
export const attempt = (task: RunTask): number => Math.max(0, Math.trunc(task.attempt_number ?? 0))

// ---- the way to a RunSnapshot

/** What `runs/get-output` says of a failed task. */
export interface TaskError {
  readonly error?: string | undefined
  /** May carry terminal colours, which are removed. */
  readonly trace?: string | undefined
}

/** What the agent calls Databricks' runs on the server. */
export const TOOL = "databricks"

/** The key of the message that tells why an attempt of a task failed. */
export const ERROR_KEY = "error"

/** The key under which the server knows the job of a run. A run without a job stands for itself. */
export const pipelineKey = (run: Run): string => run.job_id ?? run.run_id

/**
 * The run as a RunSnapshot; `undefined` when its state is not known to this version.
 *
 * - `pipeline.key` is the job's id, `pipeline.name` the run's name (which is the job's), `run.key` the run's id.
 * - Each attempt of a task is an entry of its own; tasks of unknown state are left out.
 * - A run that waits (for a retry, say) while one of its tasks has begun is Running; one that is called skipped after a
 *   task has begun is Failed.
 * - A failed attempt has an ERROR message: the error and trace from `errorOf`, or else the state's words.
 * - A failed run has an ERROR message with the state's words.
 * - `reopening` counts the repairs, when the answer has the history.
 */
export const toSnapshot = (
  run: Run,
  observedAt: DateTime.Utc,
  errorOf: (task: RunTask) => TaskError | undefined = () => undefined
): RunSnapshot.RunSnapshot | undefined => {
  const own = phase(run)
  if (own === undefined) return undefined
  const tasks = run.tasks.flatMap((task) => toTaskSnapshot(task, errorOf))
  const begun = tasks.some(({ phase }) => phase !== "Pending" && phase !== "Skipped")
  const now = begun ? (BEGUN.get(own) ?? own) : own
  const name = run.run_name?.trim() || undefined
  return {
    pipeline: { key: pipelineKey(run), ...defined({ name }) },
    run: { key: run.run_id },
    tool: TOOL,
    observedAt,
    phase: now,
    ...times(run, now),
    ...defined({ externalUrl: run.run_page_url || undefined }),
    metadata: {
      ...metadata(run),
      ...defined({
        job_id: run.job_id,
        run_type: run.run_type,
        trigger: run.trigger,
        creator_user_name: run.creator_user_name,
        original_attempt_run_id:
          run.original_attempt_run_id === run.run_id ? undefined : run.original_attempt_run_id
      })
    },
    messages:
      now === "Failed"
        ? [
            failure(
              runErrorKey(run),
              words(run) ?? "The run failed; Databricks gives no reason.",
              undefined,
              run
            )
          ]
        : [],
    tasks,
    ...defined({ reopening: run.repair_history?.filter(({ type }) => type === "REPAIR").length })
  }
}

const toTaskSnapshot = (
  task: RunTask,
  errorOf: (task: RunTask) => TaskError | undefined
): ReadonlyArray<RunSnapshot.TaskSnapshot> => {
  const now = phase(task)
  return now === undefined
    ? []
    : [
        {
          key: task.task_key,
          attempt: attempt(task),
          phase: now,
          ...times(task, now),
          ...defined({ externalUrl: task.run_page_url || undefined }),
          metadata: { ...metadata(task), ...defined({ task_run_id: task.run_id }) },
          messages: now === "Failed" ? [taskFailure(task, errorOf(task))] : []
        }
      ]
}

const taskFailure = (task: RunTask, told: TaskError | undefined): RunSnapshot.Message => {
  const state = words(task)
  const error = clean(told?.error)
  const details = clean(told?.trace) ?? (error === undefined ? undefined : state)
  return failure(ERROR_KEY, error ?? state ?? "The task failed; Databricks gives no reason.", details, task)
}

/** A repaired run can fail again, which is another failure of the same run. */
const runErrorKey = ({ end_time }: Run): string =>
  time(end_time) === undefined ? ERROR_KEY : `${ERROR_KEY}-${end_time}`

const failure = (
  key: string,
  message: string,
  details: string | undefined,
  of: { readonly end_time?: number }
): RunSnapshot.Message => ({
  key,
  level: "ERROR",
  message,
  ...defined({ details, timestamp: time(of.end_time) })
})

const times = (of: { readonly start_time?: number; readonly end_time?: number }, phase: RunSnapshot.Phase) =>
  defined({
    startedAt: time(of.start_time),
    endedAt: isTerminal(phase) ? time(of.end_time) : undefined
  })

const metadata = (of: Omit<RunTask, "task_key" | "run_id" | "description">) =>
  defined({
    attempt_number: of.attempt_number,
    termination_code: of.status?.termination_details?.code ?? of.state?.result_state,
    termination_type: of.status?.termination_details?.type,
    queue_duration_ms: of.queue_duration,
    setup_duration_ms: of.setup_duration || undefined,
    execution_duration_ms: of.execution_duration || undefined,
    cleanup_duration_ms: of.cleanup_duration || undefined,
    run_duration_ms: of.run_duration
  })

const words = (of: Standing): string | undefined =>
  clean(of.status?.termination_details?.message) ?? clean(of.state?.state_message)

const clean = (text: string | undefined): string | undefined => text?.replaceAll(ANSI, "").trim() || undefined

/** Control sequences of terminals (ECMA-48: CSI, OSC and two-character escapes). */
// oxlint-disable-next-line no-control-regex
const ANSI = /\u001b(?:\[[0-?]*[ -/]*[@-~]|\][^\u0007\u001b]*(?:\u0007|\u001b\\)?|[@-Z\\^_])/g

// ---- private

const decodeFields = Schema.decodeUnknownResult(RunFields)
const decodeTask = Schema.decodeUnknownOption(RunTask)
const decodeId = (input: unknown): Option.Option<string> =>
  Predicate.hasProperty(input, "run_id") ? Schema.decodeUnknownOption(Id)(input.run_id) : Option.none()

const decodeTasks = (tasks: ReadonlyArray<unknown> = []): ReadonlyArray<RunTask> =>
  tasks.flatMap((task) => Option.toArray(decodeTask(task)))

const union = (first: ReadonlyArray<RunTask>, next: ReadonlyArray<RunTask>): ReadonlyArray<RunTask> => [
  ...new Map(
    [...first, ...next].map((task) => [task.run_id ?? `${task.task_key}@${attempt(task)}`, task])
  ).values()
]

const hasRun = (standing: Standing): boolean =>
  (standing.start_time ?? 0) > 0 &&
  ((standing.setup_duration ?? 0) > 0 || (standing.execution_duration ?? 0) > 0)

const firstKnown = <A>(
  table: ReadonlyMap<string, A>,
  words: ReadonlyArray<string | undefined>
): A | undefined =>
  words.map((word) => (word === undefined ? undefined : table.get(word))).find(Predicate.isNotUndefined)

const rows = <A>(table: ReadonlyArray<readonly [A, ReadonlyArray<string>]>): ReadonlyMap<string, A> =>
  new Map(table.flatMap(([meaning, words]) => words.map((word) => [word, meaning] as const)))

const LIFE_CYCLE = rows<"Pending" | "Running" | "Ended">([
  ["Pending", ["QUEUED", "PENDING", "BLOCKED", "WAITING", "WAITING_FOR_RETRY"]],
  ["Running", ["RUNNING", "TERMINATING"]],
  ["Ended", ["TERMINATED", "INTERNAL_ERROR", "SKIPPED"]]
])

/** What a run is whose own state leaves out that a task has begun. */
const BEGUN = rows<RunSnapshot.Phase>([
  ["Running", ["Pending"]],
  ["Failed", ["Skipped"]]
])

const LIFE_CYCLE_OUTCOME = rows<RunSnapshot.Phase>([
  ["Skipped", ["SKIPPED"]],
  ["Failed", ["INTERNAL_ERROR"]]
])

const OUTCOME = rows<RunSnapshot.Phase>([
  ["Completed", ["SUCCESS"]],
  ["CompletedWithWarnings", ["SUCCESS_WITH_FAILURES"]],
  [
    "Skipped",
    [
      "SKIPPED",
      "EXCLUDED",
      "DISABLED",
      "UPSTREAM_FAILED",
      "UPSTREAM_CANCELED",
      "UPSTREAM_EVICTED",
      "MAX_CONCURRENT_RUNS_EXCEEDED",
      "MAXIMUM_CONCURRENT_RUNS_REACHED",
      "MAX_JOB_QUEUE_SIZE_EXCEEDED"
    ]
  ],
  [
    "Failed",
    [
      "FAILED",
      "TIMEDOUT",
      "CANCELED",
      "USER_CANCELED",
      "EVICTED",
      "INTERNAL_ERROR",
      "CLIENT_ERROR",
      "CLOUD_FAILURE",
      "DRIVER_ERROR",
      "CLUSTER_ERROR",
      "CLUSTER_TERMINATED_BY_USER",
      "REPOSITORY_CHECKOUT_FAILED",
      "INVALID_CLUSTER_REQUEST",
      "WORKSPACE_RUN_LIMIT_EXCEEDED",
      "FEATURE_DISABLED",
      "CLUSTER_REQUEST_LIMIT_EXCEEDED",
      "STORAGE_ACCESS_ERROR",
      "RUN_EXECUTION_ERROR",
      "UNAUTHORIZED_ERROR",
      "LIBRARY_INSTALLATION_ERROR",
      "MAX_SPARK_CONTEXTS_EXCEEDED",
      "RESOURCE_NOT_FOUND",
      "INVALID_RUN_CONFIGURATION",
      "BUDGET_POLICY_LIMIT_EXCEEDED",
      "BREAKING_CHANGE"
    ]
  ]
])

/** 9999-12-31T23:59:59.999Z: the server cannot store a later time. */
const LAST_MILLISECOND = 253_402_300_799_999

/** The fields that have a value: optional properties are left out, not set to `undefined`. */
const defined = <A extends object>(fields: A): { readonly [K in keyof A]?: Exclude<A[K], undefined> } =>
  // SAFETY: exactly the properties whose value is undefined are removed.
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as {
    readonly [K in keyof A]?: Exclude<A[K], undefined>
  }
