/**
 * The part of Databricks' Jobs API that is used here, described once: the three calls, their queries, and the shapes of
 * their answers. The Handle writes its queries with it, and the fake workspace reads them with it, as strictly as the service
 * does: booleans are `true` and `false` in lower case, times whole milliseconds since 1970, ids digits.
 */
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as SchemaGetter from "effect/SchemaGetter"
import type * as RunRecord from "./RunRecord.ts"
import type * as TaskOutput from "./TaskOutput.ts"

// ---- values in a query

const Flag = Schema.Literals(["true", "false"]).pipe(
  Schema.decodeTo(Schema.Boolean, {
    decode: SchemaGetter.transform((text) => text === "true"),
    encode: SchemaGetter.transform((flag) => (flag ? ("true" as const) : ("false" as const)))
  })
)

/** A 64-bit id. */
const Id = Schema.String.check(
  Schema.isPattern(/^\d{1,19}$/, { expected: "an id, which has 1 to 19 digits" })
)

/** A whole, not negative number of at most 64 bits. What is written is rounded down. */
const Whole = Schema.String.check(
  Schema.makeFilter((text: string) =>
    /^\d{1,19}$/.test(text) && BigInt(text) < 2n ** 63n ? undefined : "a whole number from 0 to 2^63 - 1"
  )
).pipe(
  Schema.decodeTo(Schema.Finite, {
    decode: SchemaGetter.transform(Number),
    encode: SchemaGetter.transform((value) => String(BigInt(Math.floor(value))))
  })
)

/** The most runs that a page of `runs/list` can have. Its documentation says 25, the service takes one more. */
export const MAX_LIMIT = 26

// ---- queries

/** What `runs/list` can be asked. */
export const ListQuery = Schema.Struct({
  job_id: Schema.optionalKey(Id),
  /** Only runs that are queued, pending, running or terminating. */
  active_only: Schema.optionalKey(Flag),
  /** Only runs that have ended. Excludes `active_only`. */
  completed_only: Schema.optionalKey(Flag),
  /** Whether the first 100 tasks of each run come with it. */
  expand_tasks: Schema.optionalKey(Flag),
  /** Runs per page; 0 stands for the most that is possible. */
  limit: Schema.optionalKey(Whole.check(Schema.isLessThanOrEqualTo(MAX_LIMIT))),
  /** Deprecated by `page_token`, and refused beyond 10,000. */
  offset: Schema.optionalKey(Whole.check(Schema.isLessThanOrEqualTo(10_000))),
  page_token: Schema.optionalKey(Schema.String),
  run_type: Schema.optionalKey(Schema.Literals(["JOB_RUN", "WORKFLOW_RUN", "SUBMIT_RUN"])),
  /** Milliseconds since 1970, compared with a run's start. Both bounds belong to the span. */
  start_time_from: Schema.optionalKey(Whole),
  start_time_to: Schema.optionalKey(Whole)
}).check(
  Schema.makeFilter((query: { readonly active_only?: boolean; readonly completed_only?: boolean }) =>
    query.active_only === true && query.completed_only === true
      ? "active_only and completed_only exclude each other"
      : undefined
  )
)
/** What `runs/list` can be asked. */
export type ListQuery = typeof ListQuery.Type

/** What `runs/get` can be asked. */
export const GetQuery = Schema.Struct({
  /** A run, or one attempt of a task. */
  run_id: Id,
  /** Whether `repair_history` comes with it. */
  include_history: Schema.optionalKey(Flag),
  include_resolved_values: Schema.optionalKey(Flag),
  page_token: Schema.optionalKey(Schema.String)
})
/** What `runs/get` can be asked. */
export type GetQuery = typeof GetQuery.Type

/** What `runs/get-output` can be asked. */
export const OutputQuery = Schema.Struct({
  /** One attempt of a task; of a run with several tasks there is no output. */
  run_id: Id
})
/** What `runs/get-output` can be asked. */
export type OutputQuery = typeof OutputQuery.Type

// ---- calls

/** The versions of the Jobs API that are understood. */
export type Version = "2.1" | "2.2"

/** One call: all are GET, with everything in the query. */
export interface Endpoint<Query> {
  readonly name: "listRuns" | "getRun" | "getOutput"
  readonly path: (version: Version) => string
  readonly query: Schema.Codec<Query, Readonly<Record<string, string>>>
}

const endpoint = <Query>(
  name: Endpoint<Query>["name"],
  last: string,
  query: Schema.Codec<Query, object>
): Endpoint<Query> => ({
  name,
  path: (version) => `/api/${version}/jobs/runs/${last}`,
  // SAFETY: all fields of the queries above are text when they are encoded.
  query: query as unknown as Endpoint<Query>["query"]
})

/** The calls. */
export const endpoints = {
  list: endpoint("listRuns", "list", ListQuery),
  get: endpoint("getRun", "get", GetQuery),
  output: endpoint("getOutput", "get-output", OutputQuery)
} as const

/** The parameters of a request. Throws for what the service would refuse: that is a mistake of the caller. */
export const encodeQuery = <Query>(
  { query }: Endpoint<Query>,
  value: Query
): Readonly<Record<string, string>> => Schema.encodeSync(query)(value)

/** What is asked by these parameters, or why the service refuses them. Unknown parameters are refused, too. */
export const decodeQuery = <Query>(
  { query }: Endpoint<Query>,
  params: Readonly<Record<string, string>>
): Result.Result<Query, string> =>
  Result.mapError(Schema.decodeResult(query, { onExcessProperty: "error" })(params), (issue) => issue.message)

// ---- answers

/** What `runs/list` answers. `runs` is absent when there are none; only 2.1 has `has_more`. */
export interface ListAnswer {
  readonly runs?: ReadonlyArray<RunRecord.Wire>
  readonly has_more?: boolean
  readonly next_page_token?: string
  readonly prev_page_token?: string
}

/** What `runs/get` answers: a run, or one page of its arrays. */
export type GetAnswer = RunRecord.Wire

/** What `runs/get-output` answers. */
export type OutputAnswer = typeof TaskOutput.OutputFields.Encoded & {
  /** A signed address of an archive, good for half an hour: never read, so that it cannot be shown. */
  readonly dbt_output?: { readonly artifacts_link?: string; readonly artifacts_headers?: object }
}

/** What every call answers that fails. Behind some gateways `error_code` is the HTTP status as a number. */
export interface ErrorAnswer {
  readonly error_code: string | number
  readonly message: string
  readonly details?: ReadonlyArray<object>
}
