/**
 * The Handle to a workspace's Jobs API (2.1 or 2.2): runs, run, output of a task.
 *
 * It follows pages to their end, whatever the service calls its last page, completes what a page leaves out, and turns all
 * that can go wrong into one error. Requests are retried within the limits of `[http]`; nothing here writes to the
 * workspace.
 */
import * as Credentials from "@observability-agents/toolkit/Credentials"
import * as HttpFailure from "@observability-agents/toolkit/HttpFailure"
import * as HttpPolicy from "@observability-agents/toolkit/HttpPolicy"
import { HttpSettings } from "@observability-agents/toolkit/HttpSettings"
import { HttpTransport } from "@observability-agents/toolkit/HttpTransport"
import * as Arr from "effect/Array"
import type * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import type * as HttpClient from "effect/http/HttpClient"
import type * as HttpClientError from "effect/http/HttpClientError"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import * as DatabricksError from "./DatabricksError.ts"
import { DatabricksCredentials, DatabricksSettings } from "./DatabricksSettings.ts"
import * as Run from "./Run.ts"

/** What to list. Without any field: all runs that the credentials may see. */
export interface Query {
  /** Only runs that have not ended. */
  readonly activeOnly?: boolean | undefined
  /** Only runs whose start is not before this (the start, not the end: there is no filter for that). */
  readonly startedFrom?: DateTime.Utc | undefined
  /** Runs per page, at most and by default 25. */
  readonly limit?: number | undefined
  /** Whether the tasks are listed too (the first 100 of each run). Default true. */
  readonly expandTasks?: boolean | undefined
}

/** One page of a list of runs. It may be empty and not be the last. */
export interface Page {
  /** When it was asked for: what it says was true then or later. */
  readonly observedAt: DateTime.Utc
  readonly runs: ReadonlyArray<Run.Run>
  /** Those that could not be read. The others are not affected. */
  readonly malformed: ReadonlyArray<Run.Malformed>
  /** Why the list is known to end too early here (a page token came a second time); absent otherwise. */
  readonly cutShort?: string
}

/**
 * A workspace's jobs, to read.
 */
export class Databricks extends Context.Service<
  Databricks,
  {
    /** The pages of the list of runs, in the service's order, each asked for when the one before was taken. */
    readonly listRuns: (query: Query) => Stream.Stream<Page, DatabricksError.DatabricksError>
    /** One run (or the run of one task) with all its tasks and its history of repairs. */
    readonly getRun: (id: Run.RunId) => Effect.Effect<Observed, DatabricksError.DatabricksError>
    /** The error of one task's run. The run of a job with several tasks has none, and is Refused. */
    readonly getOutput: (id: Run.RunId) => Effect.Effect<Run.TaskError, DatabricksError.DatabricksError>
  }
>()("@observability-agents/agent-databricks/Databricks") {
  /** The workspace and credentials of the settings, over the HttpTransport of the program. */
  static readonly layer: Layer.Layer<Databricks, Config.ConfigError, HttpTransport> = Layer.effect(
    Databricks,
    Effect.suspend(() => fromSettings)
  )
}

/** A run and when it was asked for. */
export interface Observed {
  readonly observedAt: DateTime.Utc
  readonly run: Run.Run
}

/**
 * The Handle over a client that already authorizes, retries and times out.
 */
export const make = (options: {
  readonly client: HttpClient.HttpClient
  /** Address of the workspace, as people write it. */
  readonly host: string
  readonly version: "2.1" | "2.2"
}): Databricks["Service"] => {
  const base = `${origin(options.host)}/api/${options.version}/jobs/runs`

  const ask = Effect.fnUntraced(function* (
    method: DatabricksError.DatabricksError["method"],
    path: string,
    params: Record<string, string>
  ) {
    const url = `${base}/${path}`
    const fail = (reason: DatabricksError.Reason, cause?: unknown) =>
      new DatabricksError.DatabricksError({ method, url, reason, ...(cause === undefined ? {} : { cause }) })
    const request = HttpClientRequest.get(url).pipe(
      HttpClientRequest.acceptJson,
      HttpClientRequest.setUrlParams(params)
    )
    const answer = yield* options.client.execute(request).pipe(
      Effect.flatMap((response) =>
        Effect.map(response.text, (body): DatabricksError.Answer => ({
          status: response.status,
          contentType: response.headers["content-type"] ?? "",
          url: response.url,
          body
        }))
      ),
      Effect.mapError((error) => fail(disturbance(error), error))
    )
    return yield* Result.match(DatabricksError.read(answer), {
      onFailure: (reason) => Effect.fail(fail(reason)),
      onSuccess: (body) =>
        Effect.succeed({
          body,
          invalid: (words: string) =>
            fail(
              new DatabricksError.Invalid({ status: answer.status, words, answer: answer.body.slice(0, 300) })
            )
        })
    })
  })

  const listRuns = (query: Query) => {
    const params = {
      limit: String(Math.min(query.limit ?? MAX_LIMIT, MAX_LIMIT)),
      expand_tasks: String(query.expandTasks ?? true),
      ...(query.activeOnly === true ? { active_only: "true" } : {}),
      ...(query.startedFrom === undefined
        ? {}
        : { start_time_from: String(DateTime.toEpochMillis(query.startedFrom)) })
    }
    const pages = (seen: Set<string>) =>
      Stream.paginate<string | undefined, Page, DatabricksError.DatabricksError>(
        undefined,
        Effect.fnUntraced(function* (token) {
          const observedAt = yield* DateTime.now
          const { body, invalid } = yield* ask("listRuns", "list", {
            ...params,
            ...(token === undefined ? {} : { page_token: token })
          })
          const runs = body["runs"] ?? []
          if (!Array.isArray(runs)) return yield* invalid("`runs` is not a list")
          const [readable, malformed] = Arr.partition(runs, Run.decode)
          const next = nextToken(body)
          const page: Page = { observedAt, runs: readable, malformed }
          if (next === undefined) return [[page], Option.none()] as const
          if (seen.has(next)) {
            // Following it would go round for ever.
            const cutShort = `Databricks gave the page token ${next.slice(0, 60)} a second time`
            return [[{ ...page, cutShort }], Option.none()] as const
          }
          seen.add(next)
          return [[page], Option.some(next)] as const
        })
      )
    return Stream.suspend(() => pages(new Set())).pipe(Stream.withSpan("Databricks.listRuns"))
  }

  const getRun = Effect.fn("Databricks.getRun")(function* (id: Run.RunId) {
    const observedAt = yield* DateTime.now
    const page = Effect.fnUntraced(function* (token: string | undefined) {
      const { body, invalid } = yield* ask("getRun", "get", {
        run_id: id,
        include_history: "true",
        ...(token === undefined ? {} : { page_token: token })
      })
      // Pages after the first need not repeat the id.
      return yield* Result.match(Run.decode({ run_id: id, ...body }), {
        onFailure: ({ problem }) => Effect.fail(invalid(problem)),
        onSuccess: (run) => Effect.succeed({ run, next: nextToken(body), invalid })
      })
    })
    let { run, next, invalid } = yield* page(undefined)
    const seen = new Set<string>()
    while (next !== undefined) {
      if (seen.has(next)) return yield* invalid("a page token came a second time")
      seen.add(next)
      const further = yield* page(next)
      run = Run.merge(run, further.run)
      next = further.next
    }
    return { observedAt, run }
  })

  const getOutput = Effect.fn("Databricks.getOutput")(function* (id: Run.RunId) {
    const { body } = yield* ask("getOutput", "get-output", { run_id: id })
    const text = (field: string) => (typeof body[field] === "string" ? body[field] : undefined)
    return { error: text("error"), trace: text("error_trace") }
  })

  return Databricks.of({ listRuns, getRun, getOutput })
}

/**
 * The origin of an address as people write it: scheme added (https unless given), path, query, trailing slash, user and
 * standard port left out.
 */
export const origin = (host: string): string => {
  const address = /^https?:\/\//i.test(host.trim()) ? host.trim() : `https://${host.trim()}`
  return URL.canParse(address) ? new URL(address).origin : address
}

// ---- private

/** The service refuses more. */
const MAX_LIMIT = 25

const fromSettings = Effect.gen(function* () {
  const { host, jobsVersion } = yield* DatabricksSettings.config
  const http = yield* HttpSettings.config
  const credentials = yield* DatabricksCredentials.load({
    tokenUrl: `${origin(host)}/oidc/v1/token`,
    scope: "all-apis",
    azureScope: AZURE_SCOPE
  })
  const bare = yield* Effect.flatMap(HttpTransport, (transport) => transport.make(http))
  const authorized = yield* Credentials.authorize(credentials, { client: bare, settings: http })
  return make({ client: HttpPolicy.apply(http)(authorized(bare)), host, version: jobsVersion })
})

/** Every Azure workspace is this one application to Entra, in all clouds. */
const AZURE_SCOPE = "2ff814a6-3304-4ab8-85cb-cd0e6f879c1d/.default"

const nextToken = (body: Readonly<Record<string, unknown>>): string | undefined => {
  const token = body["next_page_token"]
  return typeof token === "string" && token !== "" ? token : undefined
}

const disturbance = (error: HttpClientError.HttpClientError): DatabricksError.Reason => {
  const refused = Credentials.failureOf(error)
  return refused === undefined || refused.reason === "Unavailable"
    ? new DatabricksError.Unavailable({
        words: error.reason._tag === "TransportError" ? HttpFailure.words(error.reason.cause) : error.message
      })
    : new DatabricksError.Unauthorized({
        words: refused.message,
        ...(refused.status === undefined ? {} : { status: refused.status })
      })
}
