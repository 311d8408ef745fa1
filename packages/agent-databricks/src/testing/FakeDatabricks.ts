/**
 * A Databricks workspace for tests and demonstrations: the parts of the Jobs API (2.1 and 2.2) that an observer reads,
 * played from a {@link Scenario} against the Clock.
 *
 * It holds clients to the service's rules (paging, limits, filters, permissions, error shapes), can be disturbed, and
 * counts what it is asked. It has two faces over one handler: `client` answers within the process, without sockets or
 * promises, so that tests on a TestClock are exact; `NodeFakeDatabricks` serves the same over real HTTP.
 */
import { HttpTransport } from "@observability-agents/toolkit/HttpTransport"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientError from "effect/http/HttpClientError"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Layer from "effect/Layer"
import type * as Answer from "./Answer.ts"
import type * as Fault from "./Fault.ts"
import type * as Plan from "./Plan.ts"
import type * as Scenario from "./Scenario.ts"
import * as Workspace from "./Workspace.ts"

/** See {@link Workspace.Options}. */
export type Options = Workspace.Options

/** See {@link Workspace.Call}. */
export type Call = Workspace.Call

/** See {@link Workspace.When}. */
export type When = Workspace.When

/** A request as it came in, and the status it was answered with (0: not answered). */
export interface Received {
  readonly call: Call
  readonly at: number
  readonly method: string
  readonly path: string
  readonly query: Readonly<Record<string, string>>
  readonly status: number
}

/** The connection was closed without an answer. */
export class Dropped extends Data.TaggedError("Dropped")<{}> {}

/** A fake workspace, to be asked and to be played with. */
export class FakeDatabricks extends Context.Service<
  FakeDatabricks,
  {
    /** Adds a run of a job (which is made if need be) whose times are relative to now; gives its id. */
    readonly run: (job: string, spec?: Scenario.Run) => Effect.Effect<string>
    /** Adds jobs with their runs, whose times are relative to now; gives the ids of all runs that there will be. */
    readonly add: (jobs: ReadonlyArray<Scenario.Job>) => Effect.Effect<ReadonlyArray<string>>
    /** Deletes a run, as Databricks does after 60 days. */
    readonly remove: (runId: string) => Effect.Effect<void>
    /** All runs there are and will be, with all their times: what `Expected` reads. */
    readonly plan: Effect.Effect<ReadonlyArray<Plan.Run>>
    /** Disturbs answers from now on. Of several faults the oldest that fits strikes. */
    readonly fail: (fault: Fault.Fault, when?: When) => Effect.Effect<void>
    /** Ends all disturbances. */
    readonly recover: Effect.Effect<void>
    /** Revokes the token and all that were given out. */
    readonly revoke: Effect.Effect<void>
    /** Accepts this personal access token from now on. */
    readonly grant: (token: string) => Effect.Effect<void>
    /** All requests so far. */
    readonly requests: Effect.Effect<ReadonlyArray<Received>>
    /** How many requests there were, in all or of one kind. */
    readonly count: (call?: Call) => Effect.Effect<number>
    /** Its own address, as its options have it. */
    readonly host: string
    /** The Entra tenant of its service principals, if it has any. */
    readonly tenantId: string | undefined
    /** The face within the process. It answers for every host, and follows redirects as real clients are set to do. */
    readonly client: HttpClient.HttpClient
    /** The handler behind both faces. */
    readonly app: Effect.Effect<
      HttpServerResponse.HttpServerResponse,
      Dropped,
      HttpServerRequest.HttpServerRequest
    >
  }
>()("@observability-agents/agent-databricks/testing/FakeDatabricks") {
  /** A fake workspace, and the HttpTransport whose clients all talk to it. */
  static layer(options: Options = {}): Layer.Layer<FakeDatabricks | HttpTransport> {
    return Layer.unwrap(
      Effect.map(make(options), (fake) =>
        Layer.merge(Layer.succeed(FakeDatabricks, fake), HttpTransport.layerClient(fake.client))
      )
    )
  }
}

/**
 * Makes a fake workspace whose time begins now.
 */
export const make = Effect.fnUntraced(function* (
  options: Options = {}
): Effect.fn.Return<FakeDatabricks["Service"]> {
  const workspace = new Workspace.Workspace(options, yield* Clock.currentTimeMillis)
  const requests: Array<Received> = []

  const app = Effect.gen(function* () {
    const request = yield* HttpServerRequest.HttpServerRequest
    const body = yield* Effect.orDie(request.text)
    const at = yield* Clock.currentTimeMillis
    const { host = "fake", "x-forwarded-proto": scheme = "http" } = request.headers
    const url = new URL(request.url, `${scheme}://${host}`)
    const question: Answer.Question = {
      origin: url.origin,
      method: request.method,
      path: url.pathname,
      query: Object.fromEntries(url.searchParams),
      authorization: request.headers["authorization"],
      management: request.headers["x-databricks-azure-sp-management-token"],
      resourceId: request.headers["x-databricks-azure-workspace-resource-id"],
      body
    }
    const call = workspace.callOf(question)
    const fault = workspace.strike(call, question, at)
    const reply = workspace.answer(question, at)
    const changed = fault?._tag === "Change" ? fault.change(reply) : reply
    const answered = fault?._tag !== "Hang" && fault?._tag !== "Drop"
    requests.push({
      call,
      at,
      method: question.method,
      path: question.path,
      query: question.query,
      status: answered ? changed.status : 0
    })
    // Servers run handlers uninterruptibly, but a client that gives up ends the wait.
    if (fault?._tag === "Hang") return yield* Effect.interruptible(Effect.never)
    if (fault?._tag === "Drop") return yield* new Dropped()
    if (fault?._tag === "Slow") yield* Effect.interruptible(Effect.sleep(fault.by))
    return HttpServerResponse.text(changed.body, {
      status: changed.status,
      contentType: changed.contentType,
      headers: changed.headers
    })
  })

  return FakeDatabricks.of({
    run: (job, spec = {}) => Effect.map(Clock.currentTimeMillis, (now) => workspace.add(job, spec, now)),
    add: (jobs) => Effect.map(Clock.currentTimeMillis, (now) => workspace.addJobs(jobs, now)),
    remove: (runId) => Effect.sync(() => workspace.remove(runId)),
    plan: Effect.sync(() => workspace.plan()),
    fail: (fault, when = {}) =>
      Effect.map(Clock.currentTimeMillis, (now) => workspace.disturb(fault, when, now)),
    recover: Effect.sync(() => workspace.recover()),
    revoke: Effect.sync(() => workspace.revoke()),
    grant: (token) => Effect.sync(() => workspace.grant(token)),
    host: workspace.host,
    tenantId: options.azure?.tenantId,
    requests: Effect.sync(() => [...requests]),
    count: (call) =>
      Effect.sync(() => requests.filter((each) => call === undefined || each.call === call).length),
    client: HttpClient.followRedirects(clientOf(app)),
    app
  })
})

/**
 * Several workspaces in one network: a client that reaches each by the host of its own address, and the sign-in hosts of
 * Entra for all of them. A host that is none of these fails as one that no name server knows.
 */
export const network = (fakes: ReadonlyArray<FakeDatabricks["Service"]>): HttpClient.HttpClient => {
  const byHost = new Map(fakes.map((fake) => [new URL(fake.host).host, fake] as const))
  return HttpClient.make((request, url) => {
    const found = byHost.get(url.host)
    if (found !== undefined) return found.client.execute(request)
    const signIn = ENTRA_HOSTS.has(url.host)
      ? fakes.find(({ tenantId }) => tenantId === url.pathname.split("/")[1])
      : undefined
    if (signIn !== undefined) return signIn.client.execute(request)
    const cause = new Error(`getaddrinfo ENOTFOUND ${url.hostname} (known: ${[...byHost.keys()].join(", ")})`)
    return Effect.fail(
      new HttpClientError.HttpClientError({
        reason: new HttpClientError.TransportError({ request, cause })
      })
    )
  })
}

/** The HttpTransport whose clients all live in such a network. */
export const layerNetwork = (fakes: ReadonlyArray<FakeDatabricks["Service"]>): Layer.Layer<HttpTransport> =>
  HttpTransport.layerClient(network(fakes))

// ---- private

const ENTRA_HOSTS: ReadonlySet<string> = new Set([
  "login.microsoftonline.com",
  "login.microsoftonline.us",
  "login.chinacloudapi.cn"
])

const clientOf = (app: FakeDatabricks["Service"]["app"]): HttpClient.HttpClient =>
  HttpClient.make((request, url) =>
    app.pipe(
      Effect.provideService(
        HttpServerRequest.HttpServerRequest,
        HttpServerRequest.fromClientRequest(
          HttpClientRequest.setHeaders(request, {
            host: url.host,
            "x-forwarded-proto": url.protocol.slice(0, -1)
          })
        )
      ),
      Effect.map((response) => HttpServerResponse.toClientResponse(response, { request })),
      Effect.mapError(
        (cause) =>
          new HttpClientError.HttpClientError({
            reason: new HttpClientError.TransportError({ request, cause, description: "socket hang up" })
          })
      )
    )
  )
