/**
 * The status server's routes, for any HTTP server: health, metrics, how the agent stands, what it does, and a page of all that.
 * Everything is read, nothing can be changed by it.
 *
 * | path | answers |
 * |---|---|
 * | `/health/live`, `/health/ready` | 200, or 503 with reasons |
 * | `/metrics` | metrics in the format of Prometheus |
 * | `/status.json` | `Status.Snapshot` |
 * | `/graph`, `/graph?format=dot` | the graph as Mermaid, or as DOT |
 * | `/events` | server-sent events: `snapshot` each second, `activity` as it happens |
 * | `/` | the page, with `/status.css`, `/status.js`, `/status.svg` |
 *
 * Who asks is checked first: see `StatusGuard`.
 */
import * as Logging from "@observability-agents/toolkit/Logging"
import * as Cause from "effect/Cause"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import { HttpServerRequest } from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as PrometheusMetrics from "effect/observability/PrometheusMetrics"
import type * as Scope from "effect/Scope"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import * as Activity from "./Activity.ts"
import * as Graph from "./Graph.ts"
import { type Answer, Status } from "./Status.ts"
import * as StatusGuard from "./StatusGuard.ts"
import * as StatusPage from "./StatusPage.ts"
import * as StatusParts from "./StatusParts.ts"
import * as StatusScript from "./StatusScript.ts"
import * as StatusStyle from "./StatusStyle.ts"

/** How many may listen to `/events` at once. */
export const LISTENERS = 32

/**
 * The status server without its socket.
 *
 * @category models
 */
export interface StatusApp {
  /** Answers one request. Its Scope is that of the answer's body. */
  readonly answer: Effect.Effect<
    HttpServerResponse.HttpServerResponse,
    never,
    HttpServerRequest | Scope.Scope
  >
}

/** Makes the routes, open to whom the options say. */
export const make = Effect.fnUntraced(function* (
  options: StatusGuard.Options
): Effect.fn.Return<StatusApp, never, Status | Activity.Activity | Scope.Scope> {
  const status = yield* Status
  const activity = yield* Activity.Activity
  // The last line of defence, as in the log: nothing that is shown is meant to hold a secret.
  const { mask = (text: string) => text } = yield* Logging.Selection
  const events = makeEvents(status, activity, mask)

  const page = Effect.gen(function* () {
    const document = StatusPage.document(yield* status.snapshot, yield* status.graph)
    return HttpServerResponse.text(mask(document), { contentType: "text/html; charset=utf-8" })
  })
  const graph = Effect.gen(function* () {
    const { searchParams } = StatusGuard.urlOf(yield* HttpServerRequest)
    const write = searchParams.get("format") === "dot" ? Graph.dot : Graph.mermaid
    return HttpServerResponse.text(mask(write(yield* status.graph)))
  })
  const metrics = Effect.map(PrometheusMetrics.format(), (text) =>
    HttpServerResponse.text(mask(text), { contentType: "text/plain; version=0.0.4; charset=utf-8" })
  )
  const file = (content: string, contentType: string) => HttpServerResponse.text(content, { contentType })

  const routes = HttpRouter.addAll([
    HttpRouter.route("GET", "/", page),
    HttpRouter.route("GET", "/status.css", file(StatusStyle.css, "text/css; charset=utf-8")),
    HttpRouter.route("GET", "/status.js", file(StatusScript.script, "text/javascript; charset=utf-8")),
    HttpRouter.route("GET", "/status.svg", file(StatusStyle.icon, "image/svg+xml")),
    HttpRouter.route("GET", "/health/live", health(status.live, mask)),
    HttpRouter.route("GET", "/health/ready", health(status.ready, mask)),
    HttpRouter.route("GET", "/metrics", metrics),
    HttpRouter.route(
      "GET",
      "/status.json",
      Effect.map(status.snapshot, (snapshot) => file(mask(JSON.stringify(snapshot)), "application/json"))
    ),
    HttpRouter.route("GET", "/graph", graph),
    HttpRouter.route("GET", "/events", events),
    HttpRouter.route(
      "GET",
      "*",
      HttpServerResponse.text("There is nothing at this address.\n", { status: 404 })
    )
  ])
  const app = yield* HttpRouter.toHttpEffect(routes)
  const guard = yield* StatusGuard.make(options)
  const answered = Effect.catchCause(guard(app), (cause) =>
    Cause.hasInterruptsOnly(cause)
      ? Effect.interrupt
      : Effect.as(
          Effect.logError("The status server broke on a request", cause),
          HttpServerResponse.text("The status server broke on this request; the agent's log says more.\n", {
            status: 500
          })
        )
  )
  return { answer: Effect.map(answered, StatusGuard.secured) }
})

/** 200 or 503, and the reasons for those who may read everything. */
const health = (answer: Effect.Effect<Answer>, mask: (text: string) => string) =>
  Effect.zipWith(answer, StatusGuard.IsKnown, ({ ok, reasons }, isKnown) => {
    const body = JSON.stringify(isKnown ? { ok, reasons } : { ok })
    return HttpServerResponse.text(`${mask(body)}\n`, {
      status: ok ? 200 : 503,
      contentType: "application/json"
    })
  })

/** The answer to `/events`. */
const makeEvents = (
  status: Status["Service"],
  activity: Activity.Activity["Service"],
  mask: (text: string) => string
) => {
  let listeners = 0
  // Taken before it is asked whether there was one: many may come in at the same moment. It is given back with the answer.
  const slot = Effect.acquireRelease(
    Effect.sync(() => {
      if (listeners >= LISTENERS) return false
      listeners += 1
      return true
    }),
    (taken) =>
      Effect.sync(() => {
        if (taken) listeners -= 1
      })
  )
  return Effect.zipWith(HttpServerRequest, slot, (request, taken) => {
    const { searchParams } = StatusGuard.urlOf(request)
    if (!taken) {
      return HttpServerResponse.text(`No more than ${LISTENERS} may listen at once.\n`, { status: 503 })
    }
    const all = (name: string) => {
      const given = searchParams.getAll(name).flatMap((value) => value.split(","))
      return given.length === 0 ? undefined : new Set(given)
    }
    const stream =
      searchParams.get("view") === "page"
        ? pageEvents(status)
        : Stream.merge(
            searchParams.get("snapshots") === "no" ? pings : snapshots(status),
            Stream.filter(
              activity.stream,
              Activity.passes({
                kinds: all("kind"),
                types: all("type"),
                run: searchParams.get("run") ?? undefined,
                component: searchParams.get("component") ?? undefined
              })
            ).pipe(Stream.map((news) => message("activity", news, news.number)))
          )
    return HttpServerResponse.stream(Stream.encodeText(Stream.map(stream, mask)), {
      contentType: "text/event-stream",
      headers: { "x-accel-buffering": "no" }
    })
  })
}

const each = Schedule.spaced("1 second")

const snapshots = (status: Status["Service"]): Stream.Stream<string> =>
  now(status.snapshot).pipe(Stream.map((snapshot) => message("snapshot", snapshot)))

/** Keeps the connection open, and lets a server notice that nobody listens any more. */
const pings: Stream.Stream<string> = Stream.fromEffectSchedule(
  Effect.succeed(": \n\n"),
  Schedule.spaced("15 seconds")
)

/** The parts of the page that have changed. */
const pageEvents = (status: Status["Service"]): Stream.Stream<string> =>
  Stream.suspend(() => {
    let known: Readonly<Record<string, string>> = {}
    const next = Effect.gen(function* () {
      const snapshot = yield* status.snapshot
      const parts = StatusParts.render(snapshot, yield* status.graph)
      const before = known
      const changed = Object.entries(parts).filter(([name, content]) => before[name] !== content)
      known = parts
      return message("page", {
        at: DateTime.formatIso(yield* DateTime.now),
        parts: Object.fromEntries(changed)
      })
    })
    return now(next)
  })

/** At once and then each second. */
const now = <A>(effect: Effect.Effect<A>): Stream.Stream<A> =>
  Stream.concat(Stream.fromEffect(effect), Stream.fromEffectSchedule(effect, each))

const message = (event: string, data: unknown, id?: number): string =>
  `${id === undefined ? "" : `id: ${id}\n`}event: ${event}\ndata: ${JSON.stringify(data)}\n\n`
