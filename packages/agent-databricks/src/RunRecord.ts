/**
 * What Databricks says of a run: the Jobs API's records (2.1 and 2.2) as Schemas.
 *
 * They are lenient where the service is: every field but the id of a run may be missing, `null` means missing, ids come as
 * numbers or as text, a time of 0 means "not yet", and the words for states are open, because Databricks adds new ones
 * without a new version. A field of another type than is known is read as missing, too: it must not hide the run. Only what
 * tells runs and tasks from each other has to be right. Field names are the service's own; the encoded side of each Schema
 * is the shape on the wire, for whoever writes such answers.
 */
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Lenient from "./Lenient.ts"

/** The id of a run or of one attempt of a task, which has a run id of its own. */
export const RunId = Lenient.Id.pipe(Schema.brand("@observability-agents/agent-databricks/RunId"))
/** The id of a run or of one attempt of a task. */
export type RunId = typeof RunId.Type

/** `state` of a run, task or repair. Databricks calls it deprecated, but it is the only one in older answers. */
export const RunState = Schema.Struct({
  life_cycle_state: Lenient.forgiving(Schema.String),
  result_state: Lenient.forgiving(Schema.String),
  state_message: Lenient.forgiving(Schema.String),
  queue_reason: Lenient.forgiving(Schema.String),
  user_cancelled_or_timedout: Lenient.forgiving(Schema.Boolean)
})

/** `status` of a run, task or repair: the successor of `state`. */
export const RunStatus = Schema.Struct({
  state: Lenient.forgiving(Schema.String),
  queue_details: Lenient.forgiving(
    Schema.Struct({ code: Lenient.forgiving(Schema.String), message: Lenient.forgiving(Schema.String) })
  ),
  termination_details: Lenient.forgiving(
    Schema.Struct({
      code: Lenient.forgiving(Schema.String),
      type: Lenient.forgiving(Schema.String),
      message: Lenient.forgiving(Schema.String)
    })
  )
})

const standing = {
  state: Lenient.forgiving(RunState),
  status: Lenient.forgiving(RunStatus),
  /** Milliseconds since 1970; 0 until it is known. */
  start_time: Lenient.forgiving(Lenient.Quantity),
  /** Milliseconds since 1970; 0 until it is known. */
  end_time: Lenient.forgiving(Lenient.Quantity)
}

const shared = {
  ...standing,
  /** Milliseconds. 0 for a run of several tasks, as the next two. */
  setup_duration: Lenient.forgiving(Lenient.Quantity),
  execution_duration: Lenient.forgiving(Lenient.Quantity),
  cleanup_duration: Lenient.forgiving(Lenient.Quantity),
  queue_duration: Lenient.forgiving(Lenient.Quantity),
  /** Milliseconds: of a run, the sum of the original and all repairs, without the time between them. */
  run_duration: Lenient.forgiving(Lenient.Quantity),
  run_page_url: Lenient.forgiving(Schema.String)
}

// ---- tasks

/** The numbers of a for-each task's iterations; of those that were retried, the latest attempt counts. */
export const ForEachStats = Schema.Struct({
  task_run_stats: Lenient.forgiving(
    Schema.Struct({
      total_iterations: Lenient.forgiving(Lenient.Quantity),
      scheduled_iterations: Lenient.forgiving(Lenient.Quantity),
      active_iterations: Lenient.forgiving(Lenient.Quantity),
      completed_iterations: Lenient.forgiving(Lenient.Quantity),
      succeeded_iterations: Lenient.forgiving(Lenient.Quantity),
      failed_iterations: Lenient.forgiving(Lenient.Quantity)
    })
  ),
  /** The three commonest errors at most. */
  error_message_stats: Lenient.forgiving(
    Schema.Array(
      Schema.Struct({
        error_message: Lenient.forgiving(Schema.String),
        count: Lenient.forgiving(Lenient.Quantity),
        termination_category: Lenient.forgiving(Schema.String)
      })
    )
  )
})

/** One attempt of one task, without the kind of task (see {@link RunTask}). */
export const TaskFields = Schema.Struct({
  ...shared,
  task_key: Schema.NonEmptyString,
  /** With the key, what tells one attempt from the others. */
  attempt_number: Lenient.nullable(Lenient.Quantity),
  run_id: Lenient.forgiving(RunId),
  description: Lenient.forgiving(Schema.String),
  disabled: Lenient.forgiving(Schema.Boolean),
  run_if: Lenient.forgiving(Schema.String),
  depends_on: Lenient.forgiving(
    Schema.Array(
      Schema.Struct({ task_key: Lenient.forgiving(Schema.String), outcome: Lenient.forgiving(Schema.String) })
    )
  ),
  /** How often it is tried again after a failure: 0 or absent never, -1 for ever. */
  max_retries: Lenient.forgiving(Lenient.Quantity),
  min_retry_interval_millis: Lenient.forgiving(Lenient.Quantity),
  /** Whether it is tried again when it took longer than `timeout_seconds`, too. */
  retry_on_timeout: Lenient.forgiving(Schema.Boolean),
  timeout_seconds: Lenient.forgiving(Lenient.Quantity),
  for_each_task: Lenient.forgiving(
    Schema.Struct({
      concurrency: Lenient.forgiving(Lenient.Quantity),
      /** The nested task: each iteration runs it once. */
      task: Lenient.forgiving(Schema.Struct({ task_key: Lenient.forgiving(Schema.String) })),
      stats: Lenient.forgiving(ForEachStats)
    })
  ),
  run_job_task: Lenient.forgiving(Schema.Struct({ job_id: Lenient.forgiving(Lenient.Id) })),
  condition_task: Lenient.forgiving(
    Schema.Struct({
      op: Lenient.forgiving(Schema.String),
      left: Lenient.forgiving(Schema.String),
      right: Lenient.forgiving(Schema.String),
      /** Once it was evaluated: `true` or `false`. */
      outcome: Lenient.forgiving(Schema.String)
    })
  ),
  notebook_task: Lenient.forgiving(Schema.Struct({ notebook_path: Lenient.forgiving(Schema.String) })),
  pipeline_task: Lenient.forgiving(Schema.Struct({ pipeline_id: Lenient.forgiving(Schema.String) }))
})

/**
 * One attempt of one task. A retried or repaired task has several entries with the same `task_key`, each with its own
 * `run_id` and a higher `attempt_number`.
 */
export interface RunTask extends Schema.Schema.Type<typeof TaskFields> {
  /** What kind of task it is, from the field that describes it: `notebook`, `dbt`, `for_each`, … (an open set). */
  readonly kind?: string
}

// ---- runs

/** One piece of a run's history: the original, or a repair. */
export const RepairItem = Schema.Struct({
  ...standing,
  /** ORIGINAL or REPAIR. */
  type: Lenient.forgiving(Schema.String),
  /** Of a repair only. */
  id: Lenient.forgiving(Lenient.Id),
  /** The runs of tasks that belong to it. */
  task_run_ids: Lenient.forgiving(Schema.Array(Lenient.Id))
})
/** One piece of a run's history: the original, or a repair. */
export type RepairItem = typeof RepairItem.Type

/** A run, before its tasks are read one by one. */
export const RunFields = Schema.Struct({
  ...shared,
  run_id: RunId,
  attempt_number: Lenient.forgiving(Lenient.Quantity),
  job_id: Lenient.nullable(Lenient.Id),
  run_name: Lenient.forgiving(Schema.String),
  run_type: Lenient.forgiving(Schema.String),
  trigger: Lenient.forgiving(Schema.String),
  /** Of a run that a task of another run started: the run id of that task. */
  trigger_info: Lenient.forgiving(Schema.Struct({ run_id: Lenient.forgiving(Lenient.Id) })),
  schedule: Lenient.forgiving(
    Schema.Struct({
      quartz_cron_expression: Lenient.forgiving(Schema.String),
      timezone_id: Lenient.forgiving(Schema.String),
      pause_status: Lenient.forgiving(Schema.String)
    })
  ),
  description: Lenient.forgiving(Schema.String),
  creator_user_name: Lenient.forgiving(Schema.String),
  original_attempt_run_id: Lenient.forgiving(Lenient.Id),
  /** 2.2: some of the arrays were cut at 100 elements; `runs/get` has the rest. */
  has_more: Lenient.forgiving(Schema.Boolean),
  tasks: Lenient.nullable(Schema.Array(Schema.Unknown)),
  /** Runs of a for-each task, when the run asked for is that task's. */
  iterations: Lenient.nullable(Schema.Array(Schema.Unknown)),
  /** The original and each repair, when `include_history` was asked for. */
  repair_history: Lenient.forgiving(Schema.Array(RepairItem)),
  next_page_token: Lenient.forgiving(Schema.String)
})

/** A run of a job, with those of its tasks that could be read. */
export interface Run extends Omit<typeof RunFields.Type, "tasks" | "iterations"> {
  readonly tasks: ReadonlyArray<RunTask>
  /** Of a for-each task's run. An iteration without a key of its own has the key `iteration`. */
  readonly iterations: ReadonlyArray<RunTask>
}

// ---- the shapes on the wire

/** The kinds of tasks that the Jobs API names today, without the `_task` of their fields. */
export type Kind =
  | "ai_runtime"
  | "alert"
  | "clean_rooms_notebook"
  | "condition"
  | "dashboard"
  | "dbt"
  | "dbt_cloud"
  | "dbt_platform"
  | "for_each"
  | "gen_ai_compute"
  | "notebook"
  | "pipeline"
  | "power_bi"
  | "python_wheel"
  | "run_job"
  | "spark_jar"
  | "spark_python"
  | "spark_submit"
  | "sql"

type ReadKind = "for_each" | "run_job" | "condition" | "notebook" | "pipeline"

/** An entry of `tasks` or `iterations` as it stands in an answer. */
export type WireTask = typeof TaskFields.Encoded & {
  readonly [K in Exclude<Kind, ReadKind> as `${K}_task`]?: object
}

/** A run as it stands in an answer of `runs/list` or `runs/get`. */
export type Wire = Omit<typeof RunFields.Encoded, "tasks" | "iterations"> & {
  readonly tasks?: ReadonlyArray<WireTask>
  readonly iterations?: ReadonlyArray<WireTask>
  readonly job_run_id?: string | number
  readonly number_in_job?: string | number
}

// ---- reading them

/** The task key of an iteration that has none of its own. */
export const ITERATION_KEY = "iteration"

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
    // Most runs of a list are left aside by their times: it takes three times as long to read their tasks, too.
    onSuccess: ({ tasks, iterations, ...fields }): Run => {
      const read = lazy(() => (tasks ?? []).flatMap(readTask))
      const readIterations = lazy(() => (iterations ?? []).flatMap((each) => readTask(keyed(each))))
      return {
        ...fields,
        get tasks() {
          return read()
        },
        get iterations() {
          return readIterations()
        }
      }
    }
  })

/**
 * Joins the pages of one run: the fields of the first, the arrays of all. What stands on every page is kept once: the single
 * entry of a for-each task's run in `tasks`, and a history that is short.
 */
export const merge = (first: Run, next: Run): Run => ({
  ...first,
  tasks: union(first.tasks, next.tasks),
  iterations: union(first.iterations, next.iterations),
  ...(next.repair_history === undefined
    ? {}
    : { repair_history: unionOfRepairs(first.repair_history ?? [], next.repair_history) })
})

/** The number of the attempt, counted from 0. */
export const attempt = (task: Pick<RunTask, "attempt_number">): number =>
  Math.max(0, Math.trunc(task.attempt_number ?? 0))

// ---- private

const decodeFields = Schema.decodeUnknownResult(RunFields)
const decodeTask = Schema.decodeUnknownOption(TaskFields)
const decodeId = (input: unknown): Option.Option<string> =>
  Predicate.hasProperty(input, "run_id")
    ? Schema.decodeUnknownOption(Lenient.Id)(input.run_id)
    : Option.none()

const lazy = <A>(make: () => ReadonlyArray<A>): (() => ReadonlyArray<A>) => {
  let made: ReadonlyArray<A> | undefined
  return () => (made ??= make())
}

const readTask = (input: unknown): ReadonlyArray<RunTask> =>
  Option.match(decodeTask(input), {
    onNone: () => [],
    onSome: (task): ReadonlyArray<RunTask> => {
      const kind = kindOf(input)
      return [kind === undefined ? task : { ...task, kind }]
    }
  })

/** Kinds are told by the one field that ends in `_task`; new ones are understood without a new version. */
const kindOf = (input: unknown): string | undefined =>
  Predicate.isObject(input)
    ? Object.entries(input)
        .find(([name, value]) => name.endsWith("_task") && Predicate.isObject(value))?.[0]
        .slice(0, -"_task".length)
    : undefined

const keyed = (iteration: unknown): unknown =>
  Predicate.isObject(iteration) && !Predicate.hasProperty(iteration, "task_key")
    ? { ...iteration, task_key: ITERATION_KEY }
    : iteration

const union = (first: ReadonlyArray<RunTask>, next: ReadonlyArray<RunTask>): ReadonlyArray<RunTask> => [
  ...new Map(
    [...first, ...next].map((task) => [task.run_id ?? `${task.task_key}@${attempt(task)}`, task])
  ).values()
]

/** A repair by its id, the original (which has none) by its start. */
const unionOfRepairs = (
  first: ReadonlyArray<RepairItem>,
  next: ReadonlyArray<RepairItem>
): ReadonlyArray<RepairItem> => [
  ...new Map(
    [...first, ...next].map((item) => [`${item.type} ${item.id} ${item.start_time}`, item] as const)
  ).values()
]
