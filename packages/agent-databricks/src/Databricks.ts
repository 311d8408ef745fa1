/**
 * The Handle to a workspace's Jobs API (2.1 or 2.2): runs, run, output of a task.
 *
 * It follows pages to their end, whatever the service calls its last page, completes what a page leaves out, and turns all
 * that can go wrong into one error. Requests are retried within the limits of `[http]` and sent at no higher rate than the
 * settings allow ({@link Budget}), and a workspace that is down is spared ({@link Outage}); nothing here writes to it.
 */
import { defaults, HttpSettings } from "@observability-agents/toolkit/HttpSettings"
import { HttpTransport } from "@observability-agents/toolkit/HttpTransport"
import * as Arr from "effect/Array"
import * as Config from "effect/Config"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Budget from "./Budget.ts"
import * as Authorization from "./Authorization.ts"
import * as DatabricksError from "./DatabricksError.ts"
import * as Exchange from "./Exchange.ts"
import * as Host from "./Host.ts"
import * as JobsApi from "./JobsApi.ts"
import * as Outage from "./Outage.ts"
import * as Overload from "./Overload.ts"
import * as RunRecord from "./RunRecord.ts"
import * as Secrets from "./Secrets.ts"
import * as TaskOutput from "./TaskOutput.ts"
import * as Workspaces from "./Workspaces.ts"

/** What to list. Without any field: all runs that the credentials may see. */
export interface Query {
  /** Only runs that have not ended. */
  readonly activeOnly?: boolean | undefined
  /** Only runs that have ended. Not together with `activeOnly`. */
  readonly completedOnly?: boolean | undefined
  /** Only runs of the job with this id. */
  readonly jobId?: string | undefined
  /** Only runs of this kind. */
  readonly runType?: "JOB_RUN" | "SUBMIT_RUN" | "WORKFLOW_RUN" | undefined
  /** Only runs whose start is not before this (the start, not the end: there is no filter for that). */
  readonly startedFrom?: DateTime.Utc | undefined
  /** Only runs whose start is not after this. Both bounds belong to the span. */
  readonly startedTo?: DateTime.Utc | undefined
  /** Runs per page, at most and by default 25. */
  readonly limit?: number | undefined
  /** Whether the tasks are listed too (the first 100 of each run). Default true. */
  readonly expandTasks?: boolean | undefined
}

/** One page of a list of runs. It may be empty and not be the last. */
export interface Page {
  /** When it was asked for: what it says was true then or later. */
  readonly observedAt: DateTime.Utc
  readonly runs: ReadonlyArray<RunRecord.Run>
  /** Those that could not be read. The others are not affected. */
  readonly malformed: ReadonlyArray<RunRecord.Malformed>
  /** Why the list ends too early here (its pages go round in circles, or do not end); absent otherwise. */
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
    readonly getRun: (id: RunRecord.RunId) => Effect.Effect<Observed, DatabricksError.DatabricksError>
    /** The output of one attempt of a task. The run of a job with several tasks has none, and is Refused. */
    readonly getOutput: (
      id: RunRecord.RunId
    ) => Effect.Effect<TaskOutput.TaskOutput, DatabricksError.DatabricksError>
  }
>()("@observability-agents/agent-databricks/Databricks") {
  /** The (first) workspace of the settings, over the HttpTransport of the program. */
  static readonly layer: Layer.Layer<Databricks, Config.ConfigError, HttpTransport> = Layer.effect(
    Databricks,
    Effect.suspend(() =>
      Effect.flatMap(Workspaces.load, ([first]) =>
        first === undefined
          ? Effect.die("the settings have a workspace at least")
          : Databricks.fromWorkspace(first)
      )
    )
  )

  /**
   * The Handle to one workspace, over the HttpTransport of the program, with a circuit breaker and a request budget of its
   * own. The settings are those of `[http]`.
   */
  static readonly fromWorkspace = (
    workspace: Workspace
  ): Effect.Effect<Databricks["Service"], Config.ConfigError, HttpTransport | Scope.Scope> =>
    connect(workspace)
}

/** What is needed of a workspace to speak with it. */
export type Workspace = Pick<
  Workspaces.Workspace,
  "name" | "host" | "credentials" | "jobsVersion" | "requestsPerSecond"
> &
  Partial<Pick<Workspaces.Workspace, "workspaceId" | "accountId" | "azureWorkspaceResourceId">>

/** A run and when it was asked for. */
export interface Observed {
  readonly observedAt: DateTime.Utc
  readonly run: RunRecord.Run
}

/**
 * The Handle over a client that already authorizes, retries and times out.
 */
export const make = (options: {
  readonly client: HttpClient.HttpClient
  /** Address of the workspace, as people write it. */
  readonly host: string
  readonly version: JobsApi.Version
  /** `read_timeout` of `[http]`, from which the time for a whole answer is taken. Default: that of `[http]`. */
  readonly readTimeout?: Duration.Duration | undefined
  /** What must not be shown. Default: what looks like a header `Authorization`. */
  readonly secrets?: Secrets.Secrets | undefined
  /** How many pages of a list are read at most, and how many without a run in a row. Default 20,000 and 400. */
  readonly maxPages?: { readonly all: number; readonly empty: number } | undefined
}): Databricks["Service"] => {
  const base = origin(options.host)
  const { hide } = options.secrets ?? Secrets.make()
  const limits: Exchange.Options = {
    client: options.client,
    readTimeout: options.readTimeout ?? defaults.readTimeout,
    hide
  }
  const maxPages = options.maxPages ?? MAX_PAGES

  // What is seen after a clock was set back a little would look older than what is known, and be ignored until then.
  let latest = 0
  const present = Effect.map(DateTime.now, (now) => {
    const behind = latest - now.epochMilliseconds
    if (behind > 0 && behind <= A_LITTLE) return DateTime.makeUnsafe(latest)
    latest = now.epochMilliseconds
    return now
  })

  const ask = Effect.fnUntraced(function* <Q>(endpoint: JobsApi.Endpoint<Q>, query: Q, runId?: string) {
    const url = base + endpoint.path(options.version)
    const fail = (reason: DatabricksError.Reason) =>
      new DatabricksError.DatabricksError({ method: endpoint.name, url, reason })
    const params = yield* Effect.try({
      try: () => JobsApi.encodeQuery(endpoint, query),
      // An id that is none, from a list that the service did not write.
      catch: () =>
        fail(
          new DatabricksError.Refused({ words: "it was not sent, for the service takes no such parameters" })
        )
    })
    const request = HttpClientRequest.get(url).pipe(
      HttpClientRequest.acceptJson,
      HttpClientRequest.setUrlParams(params)
    )
    const answer = yield* Effect.mapError(Exchange.ask(request, limits), fail)
    return yield* Result.match(DatabricksError.read(answer, runId), {
      onFailure: (reason) => Effect.fail(fail(reason)),
      onSuccess: (body) =>
        Effect.succeed({
          body,
          invalid: (words: string) => fail(DatabricksError.invalid(answer, words))
        })
    })
  })

  const listRuns = (query: Query) => {
    const params: JobsApi.ListQuery = {
      limit: Math.min(query.limit ?? MAX_LIMIT, MAX_LIMIT),
      expand_tasks: query.expandTasks ?? true,
      ...(query.activeOnly === true ? { active_only: true } : {}),
      ...(query.completedOnly === true ? { completed_only: true } : {}),
      ...(query.jobId === undefined ? {} : { job_id: query.jobId }),
      ...(query.runType === undefined ? {} : { run_type: query.runType }),
      ...(query.startedFrom === undefined ? {} : { start_time_from: wholeMillis(query.startedFrom) }),
      ...(query.startedTo === undefined ? {} : { start_time_to: wholeMillis(query.startedTo) })
    }
    const pages = (seen: Set<string>) => {
      let empty = 0
      return Stream.paginate<string | undefined, Page, DatabricksError.DatabricksError>(
        undefined,
        Effect.fnUntraced(function* (token) {
          const observedAt = yield* present
          const { body, invalid } = yield* ask(JobsApi.endpoints.list, {
            ...params,
            ...(token === undefined ? {} : { page_token: token })
          })
          const runs = body["runs"] ?? []
          if (!Array.isArray(runs)) return yield* invalid("`runs` is not a list")
          const [readable, malformed] = Arr.partition(runs, (run) => RunRecord.decode(run, hide))
          const next = nextToken(body)
          const page: Page = { observedAt, runs: readable, malformed }
          if (next === undefined) return [[page], Option.none()] as const
          empty = runs.length === 0 ? empty + 1 : 0
          const cutShort = seen.has(next)
            ? // Following it would go round for ever.
              `Databricks gave the page token ${hide(next).slice(0, 60)} a second time`
            : empty >= maxPages.empty
              ? `Databricks' list goes on though ${empty} pages in a row showed no run; no more are read`
              : seen.size + 1 >= maxPages.all
                ? `Databricks' list did not end within ${maxPages.all} pages; no more are read`
                : undefined
          if (cutShort !== undefined) return [[{ ...page, cutShort }], Option.none()] as const
          seen.add(next)
          return [[page], Option.some(next)] as const
        })
      )
    }
    return Stream.suspend(() => pages(new Set())).pipe(Stream.withSpan("Databricks.listRuns"))
  }

  const getRun = Effect.fn("Databricks.getRun")(function* (id: RunRecord.RunId) {
    const observedAt = yield* present
    const page = Effect.fnUntraced(function* (token: string | undefined) {
      const { body, invalid } = yield* ask(
        JobsApi.endpoints.get,
        { run_id: id, include_history: true, ...(token === undefined ? {} : { page_token: token }) },
        id
      )
      // Pages after the first need not repeat the id.
      return yield* Result.match(RunRecord.decode({ run_id: id, ...body }, hide), {
        onFailure: ({ problem }) => Effect.fail(invalid(problem)),
        onSuccess: (run) => Effect.succeed({ run, next: nextToken(body), invalid })
      })
    })
    let { run, next, invalid } = yield* page(undefined)
    const seen = new Set<string>()
    while (next !== undefined) {
      if (seen.has(next)) return yield* invalid("a page token came a second time")
      if (seen.size + 1 >= MAX_RUN_PAGES) {
        return yield* invalid(`the run did not end within ${MAX_RUN_PAGES} pages`)
      }
      seen.add(next)
      const further = yield* page(next)
      run = RunRecord.merge(run, further.run)
      next = further.next
    }
    // All of its pages are here.
    const { has_more: _, ...whole } = run
    return { observedAt, run: whole }
  })

  const getOutput = Effect.fn("Databricks.getOutput")(function* (id: RunRecord.RunId) {
    const { body } = yield* ask(JobsApi.endpoints.output, { run_id: id }, id)
    return TaskOutput.decode(body)
  })

  return Databricks.of({ listRuns, getRun, getOutput })
}

/**
 * The origin of an address as people write it: scheme added (https unless given), path, query, trailing slash and standard
 * port left out. What is no address stays as it is; the settings do not accept it.
 */
export const origin = (host: string): string => Result.getOrElse(Host.parse(host), () => host)

// ---- private

/** Milliseconds by which a clock is set back without the RunTracker taking it for that: rule 1 of `RunRules`. */
const A_LITTLE = 300_000

/** The service refuses more. */
const MAX_LIMIT = 25

/**
 * A list that never ends would keep the rest from being read for good. Half a million runs are more than the largest
 * workspaces keep in the 60 days after which Databricks deletes them.
 */
const MAX_PAGES = { all: 20_000, empty: 400 }

/** A hundred tasks, or attempts of tasks, each. A job has at most a thousand or two. */
const MAX_RUN_PAGES = 1000

/** What the service takes: a whole number of milliseconds since 1970, not before that. */
const wholeMillis = (time: DateTime.Utc): number => {
  const millis = Math.floor(DateTime.toEpochMillis(time))
  return millis > 0 ? Math.min(millis, Number.MAX_SAFE_INTEGER) : 0
}

const connect = Effect.fnUntraced(function* (workspace: Workspace) {
  const { credentials, host, jobsVersion, name, requestsPerSecond, workspaceId } = workspace
  const http = yield* HttpSettings.config
  if (credentials._tag === "ApiToken" && !Secrets.isSendable(Redacted.value(credentials.token))) {
    const message = `[auth_api_token] agent_token cannot be used: ${Secrets.UNSENDABLE}.`
    return yield* Effect.fail(new Config.ConfigError(new ConfigProvider.SourceError({ message })))
  }
  const secrets = Secrets.make(Secrets.ofSettings(credentials, http))
  const budget = yield* Budget.make({ workspace: name, requestsPerSecond })
  const bare = yield* Effect.flatMap(HttpTransport, (transport) => transport.make(http))
  const authorized = yield* Authorization.make(workspace, { client: bare, settings: http })
  const addressed = HttpClient.mapRequest(
    bare,
    workspaceId === undefined
      ? (request) => request
      : HttpClientRequest.setHeader("X-Databricks-Workspace-Id", workspaceId)
  )
  const sent = budget.meter(Overload.translate(secrets.watch(addressed)))
  return make({
    client: yield* Outage.guard(authorized(sent), http, budget.admit),
    host,
    version: jobsVersion,
    readTimeout: http.readTimeout,
    secrets
  })
})

const nextToken = (body: Readonly<Record<string, unknown>>): string | undefined => {
  const token = body["next_page_token"]
  return typeof token === "string" && token !== "" ? token : undefined
}
