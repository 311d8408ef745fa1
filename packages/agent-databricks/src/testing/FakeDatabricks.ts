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
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Layer from "effect/Layer"
import type * as Fault from "./Fault.ts"
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
    /** Deletes a run, as Databricks does after 60 days. */
    readonly remove: (runId: string) => Effect.Effect<void>
    /** Disturbs answers from now on. Of several faults the oldest that fits strikes. */
    readonly fail: (fault: Fault.Fault, when?: When) => Effect.Effect<void>
    /** Ends all disturbances. */
    readonly recover: Effect.Effect<void>
    /** Revokes the token and all that were given out. */
    readonly revoke: Effect.Effect<void>
    /** All requests so far. */
    readonly requests: Effect.Effect<ReadonlyArray<Received>>
    /** How many requests there were, in all or of one kind. */
    readonly count: (call?: Call) => Effect.Effect<number>
    /** The face within the process. It answers for every host. */
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
  const workspace = new Workspace.Workspace(options)
  const requests: Array<Received> = []
  const base = yield* Clock.currentTimeMillis
  for (const job of options.jobs ?? []) {
    workspace.job(job.name, job.id)
    for (const run of job.runs ?? []) workspace.add(job.name, run, base)
  }

  const app = Effect.gen(function* () {
    const request = yield* HttpServerRequest.HttpServerRequest
    const body = yield* Effect.orDie(request.text)
    const at = yield* Clock.currentTimeMillis
    const url = new URL(request.url, "http://fake")
    const question: Workspace.Question = {
      method: request.method,
      path: url.pathname,
      query: Object.fromEntries(url.searchParams),
      authorization: request.headers["authorization"],
      body
    }
    const call = Workspace.callOf(question)
    const fault = workspace.strike(call, question)
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
    remove: (runId) => Effect.sync(() => workspace.remove(runId)),
    fail: (fault, when = {}) => Effect.sync(() => workspace.disturb(fault, when)),
    recover: Effect.sync(() => workspace.recover()),
    revoke: Effect.sync(() => workspace.revoke()),
    requests: Effect.sync(() => [...requests]),
    count: (call) =>
      Effect.sync(() => requests.filter((each) => call === undefined || each.call === call).length),
    client: clientOf(app),
    app
  })
})

// ---- private

const clientOf = (app: FakeDatabricks["Service"]["app"]): HttpClient.HttpClient =>
  HttpClient.make((request) =>
    app.pipe(
      Effect.provideService(
        HttpServerRequest.HttpServerRequest,
        HttpServerRequest.fromClientRequest(request)
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
