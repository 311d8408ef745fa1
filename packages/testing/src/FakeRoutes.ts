/**
 * The work of the fake Observability server: the routes of `ObservabilityApi` with every check of the real server, in its
 * order — key valid, if one is sent; path and method; key present and allowed here; size; content type; JSON; schema;
 * event source. The early ones therefore say nothing about the body.
 */
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServer from "effect/http/HttpServer"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Ref from "effect/Ref"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as SchemaIssue from "effect/SchemaIssue"
import type * as Scope from "effect/Scope"
import * as Event from "@observability-agents/toolkit/Event"
import {
  Heartbeat,
  KEY_HEADER,
  ObservabilityApi,
  ServiceAccountKey
} from "@observability-agents/toolkit/ObservabilityApi"
import type { KeyState, Received } from "./FakeObservability.ts"
import * as FlaskAnswer from "./FlaskAnswer.ts"

/** What the routes need of the server round them. */
export interface Options {
  /** The one key that is known. */
  readonly key: string
  /** What the key is good for at the moment. */
  readonly keyState: Effect.Effect<KeyState>
  /** Takes an event that passed all checks. */
  readonly accept: (event: Event.Event, request: Received) => Effect.Effect<void>
  /** Takes a heartbeat that passed all checks. */
  readonly beat: (heartbeat: Heartbeat, request: Received) => Effect.Effect<void>
}

/** Makes the routes. The request's path is taken from `arrived`, below the base URL. */
export const make = Effect.fnUntraced(function* (
  options: Options
): Effect.fn.Return<
  (
    request: HttpServerRequest.HttpServerRequest,
    arrived: Received
  ) => Effect.Effect<HttpServerResponse.HttpServerResponse>,
  never,
  Scope.Scope
> {
  const errorCount = yield* Ref.make(0)
  const unexpected = Effect.fnUntraced(function* (message: string) {
    const number = yield* Ref.updateAndGet(errorCount, (count) => count + 1)
    const errorId = `00000000-0000-4000-8000-${String(number).padStart(12, "0")}`
    return FlaskAnswer.unexpected(message, errorId, DateTime.formatIso(yield* DateTime.now))
  })

  const acceptEvent = (path: Event.Path) =>
    Effect.fnUntraced(function* () {
      const arrived = yield* Arrived
      const length = Number(arrived.headers["content-length"] ?? Number.NaN)
      if (Number.isNaN(length))
        return yield* unexpected("'>' not supported between instances of 'NoneType' and 'int'")
      if (length > Event.MAX_BODY_BYTES) return FlaskAnswer.tooLarge()
      const json = parse(arrived)
      if (Result.isFailure(json)) return FlaskAnswer.badRequest()
      const event = yield* Effect.result(Event.decode(path, json.success))
      if (Result.isFailure(event)) return FlaskAnswer.invalid(event.failure.issues, "Invalid request: ")
      if (!eventSources.test(arrived.headers["event-source"] ?? "API")) return FlaskAnswer.badRequest()
      yield* options.accept(event.success, arrived)
      return HttpServerResponse.empty({ status: 204 })
    })

  const acceptHeartbeat = Effect.fnUntraced(function* () {
    const arrived = yield* Arrived
    const json = parse(arrived)
    if (Result.isFailure(json)) return FlaskAnswer.badRequest()
    const heartbeat = yield* Effect.result(decodeHeartbeat(json.success))
    if (Result.isFailure(heartbeat)) return FlaskAnswer.invalid(faultsOf(heartbeat.failure.issue))
    yield* options.beat(heartbeat.success, arrived)
    return HttpServerResponse.empty({ status: 204 })
  })

  const groups = Layer.mergeAll(
    HttpApiBuilder.group(ObservabilityApi, "events", (handlers) =>
      handlers
        .handleRaw("RunStatus", acceptEvent("run-status"))
        .handleRaw("MessageLog", acceptEvent("message-log"))
        .handleRaw("MetricLog", acceptEvent("metric-log"))
        .handleRaw("DatasetOperation", acceptEvent("dataset-operation"))
        .handleRaw("TestOutcomes", acceptEvent("test-outcomes"))
    ),
    HttpApiBuilder.group(ObservabilityApi, "agents", (handlers) =>
      handlers.handleRaw("heartbeat", acceptHeartbeat)
    ),
    HttpApiBuilder.group(ObservabilityApi, "readiness", (handlers) =>
      handlers.handleAll({ events: alive, agents: alive, eventsAlive: alive, agentsAlive: alive })
    )
  )

  const keyCheck = Layer.succeed(ServiceAccountKey, {
    key: (route, { credential, group }) =>
      Effect.flatMap(options.keyState, (state) => {
        const allowed =
          state === "valid" || (state === "events only" ? "events" : "agents") === group.identifier
        return Redacted.value(credential) !== "" && state !== "inactive project" && allowed
          ? route
          : Effect.succeed(FlaskAnswer.unauthorized())
      })
  })

  const routes = yield* HttpRouter.toHttpEffect(
    HttpApiBuilder.layer(ObservabilityApi).pipe(Layer.provide(groups), Layer.provide(keyCheck))
  ).pipe(
    Effect.provide(HttpServer.layerServices),
    Effect.provideService(HttpRouter.RouterConfig, {
      caseSensitive: true,
      ignoreDuplicateSlashes: false,
      ignoreTrailingSlash: false
    })
  )

  return Effect.fnUntraced(function* (request, arrived) {
    const key = arrived.headers[KEY_HEADER.toLowerCase()]
    if (key !== undefined && (key !== options.key || (yield* options.keyState) === "expired")) {
      return FlaskAnswer.invalidKey()
    }
    if (request.method === "OPTIONS") return HttpServerResponse.empty({ status: 204 })
    return yield* routes.pipe(
      Effect.scoped,
      Effect.provideService(HttpServerRequest.HttpServerRequest, request.modify({ url: `/${arrived.path}` })),
      Effect.provideService(Arrived, arrived),
      Effect.catchReason("HttpServerError", "RouteNotFound", () => Effect.succeed(FlaskAnswer.notFound())),
      Effect.catchCause((cause) => unexpected(String(cause)))
    )
  })
})

// The request as it arrived, its body already read. A reference, since routes may not ask for services of a request.
const Arrived = Context.Reference<Received>("@observability-agents/testing/FakeRoutes/Arrived", {
  defaultValue: () => ({ method: "GET", path: "", headers: {}, body: "", at: DateTime.makeUnsafe(0) })
})

const alive = () => Effect.succeed({})

const eventSources = /^(API|USER|SCHEDULER|RULES_ENGINE|UNKNOWN)$/i

const parse = ({ body, headers }: Received): Result.Result<unknown, unknown> =>
  /^application\/(json|[^;\s]+\+json)\s*(;|$)/i.test(headers["content-type"] ?? "") &&
  headers["content-encoding"] === undefined
    ? Result.try((): unknown => JSON.parse(body))
    : Result.fail(undefined)

const decodeHeartbeat = Schema.decodeUnknownEffect(Heartbeat, { onExcessProperty: "error", errors: "all" })

const standardIssues = SchemaIssue.makeFormatterStandardSchemaV1()

const faultsOf = (issue: SchemaIssue.Issue): ReadonlyArray<FlaskAnswer.Fault> =>
  standardIssues(issue).issues.map(({ message, path }) => ({
    field: (path ?? [])
      .map((segment) => String(typeof segment === "object" ? segment.key : segment))
      .join("."),
    rule: message
  }))
