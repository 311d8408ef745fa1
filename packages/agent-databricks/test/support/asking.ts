/** Asking a fake workspace, and showing in short what it says of runs. */
import * as JobsApi from "@observability-agents/agent-databricks/JobsApi"
import * as RunRecord from "@observability-agents/agent-databricks/RunRecord"
import * as TaskOutput from "@observability-agents/agent-databricks/TaskOutput"
import type * as Fake from "@observability-agents/agent-databricks/testing/FakeDatabricks"
import { Effect, Result, Schema } from "effect"
import { HttpClientRequest } from "effect/http"

/** The fields that these tests look at in any answer. */
const Body = Schema.Struct({
  runs: Schema.optionalKey(Schema.Array(Schema.Unknown)),
  has_more: Schema.optionalKey(Schema.Boolean),
  next_page_token: Schema.optionalKey(Schema.String),
  prev_page_token: Schema.optionalKey(Schema.String),
  error_code: Schema.optionalKey(Schema.Union([Schema.String, Schema.Int])),
  message: Schema.optionalKey(Schema.String)
})

const readBody = Schema.decodeUnknownSync(Body)

/** An answer: as text, as any object, and the fields that tests look at. */
export type Answer = Effect.Success<ReturnType<typeof ask>>

/** Asks with a personal token. */
export const ask = Effect.fnUntraced(function* (
  fake: Fake.FakeDatabricks["Service"],
  path: string,
  params: Readonly<Record<string, string>> = {},
  token = "dapi-fake"
) {
  const response = yield* fake.client.execute(
    HttpClientRequest.get(`${fake.host}${path}`).pipe(
      HttpClientRequest.setUrlParams(params),
      HttpClientRequest.bearerToken(token)
    )
  )
  const text = yield* response.text
  const json: unknown = text.startsWith("{") ? JSON.parse(text) : {}
  return {
    status: response.status,
    headers: response.headers,
    url: response.url,
    text,
    json,
    ...readBody(json)
  }
})

/** `runs/list`. */
export const list = (
  fake: Fake.FakeDatabricks["Service"],
  query: Readonly<Record<string, string>> = {},
  version: JobsApi.Version = "2.2",
  token?: string
) => ask(fake, JobsApi.endpoints.list.path(version), query, token)

/** `runs/get`, decoded. */
export const get = (
  fake: Fake.FakeDatabricks["Service"],
  id: string,
  query: Readonly<Record<string, string>> = {},
  version: JobsApi.Version = "2.2"
) =>
  Effect.map(ask(fake, JobsApi.endpoints.get.path(version), { run_id: id, ...query }), (answer) =>
    Result.getOrThrowWith(
      RunRecord.decode(answer.json),
      ({ problem }) => new Error(`${answer.status} ${answer.text}: ${problem}`)
    )
  )

/** `runs/get-output`. */
export const output = (fake: Fake.FakeDatabricks["Service"], id: string | undefined) =>
  Effect.map(ask(fake, JobsApi.endpoints.output.path("2.2"), { run_id: id ?? "0" }), (answer) => ({
    ...answer,
    output: TaskOutput.decode(answer.json)
  }))

/** The runs of a list, decoded. */
export const runsOf = ({ runs = [] }: Answer): ReadonlyArray<RunRecord.Run> =>
  runs.map((run) => Result.getOrThrowWith(RunRecord.decode(run), ({ problem }) => new Error(problem)))

/** The ids of all runs over all pages, and how many pages there were. */
export const pages = Effect.fnUntraced(function* (
  fake: Fake.FakeDatabricks["Service"],
  query: Readonly<Record<string, string>> = {},
  between: Effect.Effect<void> = Effect.void
) {
  const found: Array<ReadonlyArray<string>> = []
  let token = ""
  do {
    const answer = yield* list(fake, { ...query, ...(token === "" ? {} : { page_token: token }) })
    found.push(runsOf(answer).map(({ run_id }) => run_id))
    token = answer.next_page_token ?? ""
    yield* between
  } while (token !== "")
  return found
})

/** How a run or task stands, by both of its words: `TERMINATED FAILED | TERMINATED RUN_EXECUTION_ERROR`. */
export const stands = ({ state, status }: Pick<RunRecord.RunTask, "state" | "status">): string =>
  [
    [state?.life_cycle_state, state?.result_state],
    [status?.state, status?.termination_details?.code]
  ]
    .map((words) => words.filter((word) => word !== undefined).join(" "))
    .filter((words) => words !== "")
    .join(" | ")

/** By the newer of the two alone. */
export const brief = ({ status }: Pick<RunRecord.RunTask, "status">): string =>
  status?.termination_details?.code ?? status?.state ?? "?"

/** The run, and each of its attempts, e.g. `["RUNNING", "extract@0 SUCCESS", "load@0 RUNNING"]`. */
export const picture = (run: RunRecord.Run): ReadonlyArray<string> => [
  brief(run),
  ...run.tasks.map((task) => `${task.task_key}@${task.attempt_number} ${brief(task)}`)
]
