/**
 * The tool for tests: its API with runs that begin and end by the Clock, and with ways to fail. It has two faces: `client`
 * answers within the process, so that TestClock is in charge; `NodeFakeMyTool.ts` serves it on a port.
 *
 * YOUR TOOL: let it answer as the tool's documentation says, mistakes included. The better it lies, the better your tests.
 */
import { Clock, Context, DateTime, Duration, Effect, Layer, Schema } from "effect"
import {
  HttpClient,
  HttpClientError,
  type HttpClientRequest,
  HttpServerRequest,
  HttpServerResponse
} from "effect/http"
import { Page } from "../../src/MyTool.ts"
import type * as Run from "../../src/Run.ts"

/** A run that begins now, or after a while, and ends by itself. */
export interface Plan {
  readonly id: string
  readonly job: string
  /** Default: at once. */
  readonly after?: Duration.Input
  /** Default: a minute. */
  readonly takes?: Duration.Input
  /** With this error. Without it, it succeeds, and has written 1200 rows. */
  readonly fails?: string
}

/** What the tool does instead of answering. */
export type Fault =
  | "is down"
  | "says nothing"
  | "closes the connection"
  | "answers with a page"
  | "knows us no more"

/** How many runs a page has. */
const PAGE = 2

/** The fake as a service, for `Simulation`. */
export class FakeMyTool extends Context.Service<FakeMyTool, Effect.Success<ReturnType<typeof make>>>()(
  "@my-scope/my-tool/test/FakeMyTool"
) {
  /** One that nobody gets into without its token. */
  static layer(options: { readonly token: string }) {
    return Layer.effect(FakeMyTool, make(options))
  }
}

/** Makes one. Nobody gets in without its token. */
export const make = (options: { readonly token: string }) =>
  Effect.sync(() => {
    const planned: Array<{ readonly plan: Plan; readonly begins: number; readonly ends: number }> = []
    let fault: Fault | undefined

    /** The runs that are there at a moment, those first that began first, each with when it changed last. */
    const runsAt = (now: number) =>
      planned
        .filter(({ begins }) => begins <= now)
        .map(({ begins, ends, plan }) => ({
          run: runAt(plan, begins, ends, now),
          changed: now < ends ? now : ends
        }))

    /** Answers one request; fails where the connection is closed. */
    const handle = Effect.fnUntraced(function* (request: HttpServerRequest.HttpServerRequest) {
      if (fault === "says nothing") return yield* Effect.never
      if (fault === "closes the connection") return yield* Effect.fail("closed" as const)
      if (fault === "is down") return HttpServerResponse.text("<h1>Bad Gateway</h1>", { status: 502 })
      if (fault === "answers with a page")
        return HttpServerResponse.text("<h1>We are renovating</h1>", { contentType: "text/html" })
      if (fault === "knows us no more" || request.headers["authorization"] !== `Bearer ${options.token}`)
        return HttpServerResponse.empty({ status: 401 })
      const { pathname, searchParams } = new URL(request.url, "http://my-tool.test")
      if (pathname !== "/runs") return HttpServerResponse.empty({ status: 404 })
      const since = Date.parse(searchParams.get("since") ?? "")
      const found = runsAt(yield* Clock.currentTimeMillis).filter(({ changed }) => changed >= since)
      const page = Number(searchParams.get("page"))
      return HttpServerResponse.text(
        encode({
          runs: found.slice(PAGE * (page - 1), PAGE * page).map(({ run }) => run),
          next: found.length > PAGE * page
        }),
        { contentType: "application/json" }
      )
    })

    const client = HttpClient.make((request) =>
      handle(HttpServerRequest.fromClientRequest(request)).pipe(
        Effect.map((response) => HttpServerResponse.toClientResponse(response, { request })),
        Effect.mapError(() => closed(request))
      )
    )

    return {
      client,
      handle,
      /** Plans runs, from now on. */
      plan: (...plans: ReadonlyArray<Plan>) =>
        Effect.map(Clock.currentTimeMillis, (now) => {
          for (const plan of plans) {
            const begins = now + millis(plan.after ?? 0)
            planned.push({ plan, begins, ends: begins + millis(plan.takes ?? "1 minute") })
          }
        }),
      /** Does this from now on. */
      fail: (next: Fault) =>
        Effect.sync(() => {
          fault = next
        }),
      /** Is well again. */
      recover: Effect.sync(() => {
        fault = undefined
      }),
      /** What has to be told of all that was planned, by the names of `AgentSuite`: the lane and the title of each event. */
      expected: Effect.sync(() =>
        planned.flatMap(({ begins, ends, plan }) =>
          told(plan).map((title) => ({
            identity: `pipeline:${plan.job}/${plan.id} ${title}`,
            at: title.endsWith("RUNNING") ? begins : ends
          }))
        )
      )
    }
  })

/** The titles of the events of a run, in their order. */
export const told = ({ fails }: Pick<Plan, "fails">): ReadonlyArray<string> => [
  "RUNNING",
  "task load RUNNING",
  ...(fails === undefined
    ? ["task load COMPLETED", "metric rows", "COMPLETED"]
    : ["task load FAILED", "message ERROR", "FAILED"])
]

// ---- private parts

const encode = Schema.encodeSync(Schema.fromJsonString(Page))

const millis = (duration: Duration.Input): number => Duration.toMillis(Duration.fromInputUnsafe(duration))

const runAt = ({ fails, id, job }: Plan, begins: number, ends: number, now: number): Run.Run => {
  const started = DateTime.makeUnsafe(begins)
  if (now < ends)
    return { id, job, state: "running", started, steps: [{ name: "load", state: "running", started }] }
  const state = fails === undefined ? "succeeded" : "failed"
  const ended = DateTime.makeUnsafe(ends)
  const steps: Run.Run["steps"] = [{ name: "load", state, started, ended }]
  const run = { id, job, state, started, ended, steps } as const
  return fails === undefined ? { ...run, rows: 1200 } : { ...run, error: fails }
}

const closed = (request: HttpClientRequest.HttpClientRequest) =>
  new HttpClientError.HttpClientError({
    reason: new HttpClientError.TransportError({ request, cause: new Error("other side closed") })
  })
