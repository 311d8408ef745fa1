/**
 * The Handle to DataOps Observability: posts events and heartbeats, and asks whether the server is ready. It checks
 * what it sends against the server's contract first, adds the service account key, repeats what failed for a
 * moment, and says in one error, `ObservabilityError`, what went wrong and what to do.
 *
 * ```ts
 * import * as Event from "@observability-agents/toolkit/Event"
 * import * as NodeObservability from "@observability-agents/toolkit/NodeObservability"
 * import { Observability } from "@observability-agents/toolkit/Observability"
 * import { Effect } from "effect"
 *
 * // Address and key come from the settings `[observability]`.
 * export const program = Effect.gen(function* () {
 *   const observability = yield* Observability
 *   yield* observability.post(Event.runStatus({ pipelineKey: "nightly-load", runKey: "1", status: "RUNNING" }))
 * }).pipe(Effect.provide(NodeObservability.layer))
 * ```
 */
import type * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import { identity } from "effect/Function"
import * as HttpApiClient from "effect/http-api/HttpApiClient"
import * as HttpApiMiddleware from "effect/http-api/HttpApiMiddleware"
import * as Headers from "effect/http/Headers"
import * as HttpClient from "effect/http/HttpClient"
import type * as HttpClientError from "effect/http/HttpClientError"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import type * as HttpClientResponse from "effect/http/HttpClientResponse"
import * as Layer from "effect/Layer"
import * as MutableRef from "effect/MutableRef"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as SchemaIssue from "effect/SchemaIssue"
import type * as Scope from "effect/Scope"
import * as Event from "./Event.ts"
import * as HttpAnswer from "./HttpAnswer.ts"
import * as HttpPolicy from "./HttpPolicy.ts"
import * as HttpSettings from "./HttpSettings.ts"
import { HttpTransport } from "./HttpTransport.ts"
import { Heartbeat, KEY_HEADER, ObservabilityApi, ServiceAccountKey } from "./ObservabilityApi.ts"
import { type Issue, ObservabilityError, type Reason, Rejected, Unauthorized } from "./ObservabilityError.ts"
import * as ObservabilityFailure from "./ObservabilityFailure.ts"
import * as ObservabilityRedirect from "./ObservabilityRedirect.ts"
import { ObservabilitySettings } from "./ObservabilitySettings.ts"
import * as Secrecy from "./Secrecy.ts"

/** The Observability server, as its ingestion API. */
export class Observability extends Context.Service<
  Observability,
  {
    /** Sends one event; done when the server has queued it (it answers 204). */
    readonly post: (event: Event.Event) => Effect.Effect<void, ObservabilityError>
    /** Sends a sign of life of an agent. */
    readonly heartbeat: (beat: Heartbeat) => Effect.Effect<void, ObservabilityError>
    /** Asks both APIs (events and agent) whether they are ready. Does not check the key. */
    readonly ready: Effect.Effect<void, ObservabilityError>
    /**
     * Asks both APIs whether they take the key. Nothing is stored: each is sent an empty object, which the server refuses
     * as such only after it has accepted the key.
     */
    readonly authorized: Effect.Effect<void, ObservabilityError>
  }
>()("@observability-agents/toolkit/Observability") {
  /** The server that the settings `[observability]` name, reached through any transport. */
  static readonly layerNoDeps: Layer.Layer<Observability, Config.ConfigError, HttpTransport> = Layer.effect(
    Observability,
    Effect.gen(function* () {
      const { serviceAccountKey, ...settings } = yield* ObservabilitySettings.config
      return yield* make({ ...settings, key: serviceAccountKey })
    })
  )
}

/** Where the server is, the key, and everything about the connection that shall not be as by default. */
export interface Options extends Partial<HttpSettings.HttpSettings> {
  /** All that stands before `events/…` and `agent/…`, with or without a slash at the end. */
  readonly baseUrl: string
  /** The service account key; it must allow both the Events API and the Agent API. */
  readonly key: Redacted.Redacted
}

/**
 * Makes the Handle for one server, for scripts and for agents with more than one. `retries: 0` turns its own retries
 * off. Requests that are repeated by it may arrive twice when the first answer got lost.
 */
export const make = Effect.fnUntraced(function* (
  options: Options
): Effect.fn.Return<Observability["Service"], never, HttpTransport | Scope.Scope> {
  const settings = { ...HttpSettings.defaults, ...options }
  const transport = yield* HttpTransport
  const httpClient = (yield* transport.make({ ...settings, followRedirects: false })).pipe(
    ObservabilityFailure.observe,
    HttpPolicy.apply(settings),
    settings.followRedirects ? ObservabilityRedirect.follow : identity,
    HttpClient.mapRequest(HttpClientRequest.acceptJson),
    HttpClient.transformResponse(
      Effect.updateService(Headers.CurrentRedactedNames, (names) => [...names, KEY_HEADER])
    )
  )
  const key = Redacted.value(options.key).trim()
  const baseUrl = options.baseUrl.replace(/\/+$/, "")
  // A server or proxy that repeats the request must not bring its secrets into logs.
  const mask = Secrecy.masker(secretsOf(key, baseUrl, settings))
  const hide = (text: string) => Secrecy.hideAuthorization(mask(text))
  const shown = shownBaseUrl(baseUrl)
  const api = yield* HttpApiClient.makeWith(ObservabilityApi, { httpClient, baseUrl }).pipe(
    Effect.provide(
      HttpApiMiddleware.layerClient(ServiceAccountKey, ({ next, request }) =>
        next(HttpClientRequest.setHeader(request, KEY_HEADER, key))
      )
    )
  )

  const call = Effect.fnUntraced(function* (
    method: ObservabilityError["method"],
    path: string,
    send: Effect.Effect<
      HttpClientResponse.HttpClientResponse,
      HttpClientError.HttpClientError | Schema.SchemaError
    >
  ) {
    const fail = (reason: Reason) => new ObservabilityError({ method, url: `${shown}/${path}`, reason })
    // What no header can carry must not get as far as an HTTP library: some quote it in their errors.
    if (method !== "ready" && !/^[\x21-\x7e]+$/.test(key)) return yield* fail(unusableKey)
    const reason = yield* send.pipe(
      Effect.flatMap((response) =>
        Effect.flatMap(HttpAnswer.text(response, settings.readTimeout), (body) =>
          ObservabilityFailure.fromResponse(response, HttpAnswer.shown(body, hide), hide)
        )
      ),
      Effect.catchTags({
        HttpClientError: (error) => ObservabilityFailure.fromClientError(error, hide),
        SchemaError: (error) => Effect.succeed(rejected(error))
      }),
      Effect.provideService(ObservabilityFailure.Doubt, MutableRef.make(false))
    )
    if (reason !== undefined) return yield* fail(reason)
  })

  const probe = (path: string) =>
    call(
      "authorized",
      path,
      httpClient.execute(
        HttpClientRequest.post(`${baseUrl}/${path}`).pipe(
          HttpClientRequest.setHeader(KEY_HEADER, key),
          HttpClientRequest.bodyText("{}", "application/json")
        )
      )
    ).pipe(Effect.catchReason("ObservabilityError", "Rejected", () => Effect.void))

  const send = (event: Event.Event) => {
    switch (event._tag) {
      case "RunStatus":
        return api.events.RunStatus({ payload: event, responseMode: "response-only" })
      case "MessageLog":
        return api.events.MessageLog({ payload: event, responseMode: "response-only" })
      case "MetricLog":
        return api.events.MetricLog({ payload: event, responseMode: "response-only" })
      case "DatasetOperation":
        return api.events.DatasetOperation({ payload: event, responseMode: "response-only" })
      case "TestOutcomes":
        return api.events.TestOutcomes({ payload: event, responseMode: "response-only" })
    }
  }

  return {
    post: Effect.fn("Observability.post")(function* (event) {
      const path = `events/v1/${Event.path(event)}`
      yield* Effect.annotateCurrentSpan({ event: Event.path(event), lane: Event.lane(event) })
      yield* encode(event, shown)
      yield* call("post", path, send(event))
    }),
    heartbeat: Effect.fn("Observability.heartbeat")(function* (beat) {
      yield* call(
        "heartbeat",
        "agent/v1/heartbeat",
        api.agents.heartbeat({ payload: beat, responseMode: "response-only" })
      )
    }),
    ready: Effect.all(
      [
        call("ready", "events/readyz", api.readiness.events({ responseMode: "response-only" })),
        call("ready", "agent/readyz", api.readiness.agents({ responseMode: "response-only" }))
      ],
      { concurrency: "unbounded", discard: true }
    ).pipe(Effect.withSpan("Observability.ready")),
    authorized: Effect.all([probe("events/v1/run-status"), probe("agent/v1/heartbeat")], {
      concurrency: "unbounded",
      discard: true
    }).pipe(Effect.withSpan("Observability.authorized"))
  }
})

/**
 * A heartbeat as the body of its request. Fails as `heartbeat` does when it breaks rules; `baseUrl` as for {@link encode}.
 */
export const encodeHeartbeat = (
  beat: Heartbeat,
  baseUrl: string
): Effect.Effect<string, ObservabilityError> =>
  Effect.mapError(
    toHeartbeatText(beat),
    (error) =>
      new ObservabilityError({
        method: "heartbeat",
        url: `${baseUrl}/agent/v1/heartbeat`,
        reason: rejected(error)
      })
  )

/** An address as errors show it: what {@link encode} wants of a base URL. */
export const shownBaseUrl = (baseUrl: string): string =>
  ObservabilityFailure.withoutSecrets(baseUrl).replace(/\/+$/, "")

/**
 * An event as the body of its request. Fails as `post` does, with `Rejected`, when the event breaks rules. `baseUrl` is what the
 * error shows, without secrets.
 */
export const encode = (event: Event.Event, baseUrl: string): Effect.Effect<string, ObservabilityError> =>
  Effect.mapError(
    Event.encode(event),
    ({ issues, message }) =>
      new ObservabilityError({
        method: "post",
        url: `${baseUrl}/events/v1/${Event.path(event)}`,
        reason: new Rejected({
          words: message,
          issues: issues.map(({ field, found, rule }) => ({ field, found, rule }))
        })
      })
  )

// ---- private parts

const secretsOf = (
  key: string,
  baseUrl: string,
  { auth, params }: HttpSettings.HttpSettings
): ReadonlyArray<string> => {
  const [user, password] = auth?.map((each) => Redacted.value(each)) ?? []
  const userInfo = /^[a-z][a-z0-9+.-]*:\/\/([^/]*)@/i.exec(baseUrl)?.[1] ?? ""
  return [
    key,
    ...Object.values(params).map((each) => Redacted.value(each)),
    ...(user === undefined || password === undefined ? [] : [user, password, `${user}:${password}`]),
    userInfo,
    userInfo.slice(userInfo.indexOf(":") + 1)
  ]
}

const toHeartbeatText = Schema.encodeEffect(Schema.fromJsonString(Heartbeat))

const unusableKey = new Unauthorized({
  status: 401,
  words: "the key is empty or has characters that cannot be in a key, so nothing was sent."
})

// What a heartbeat breaks. Events are checked before, with the words of their own module.
const rejected = (error: Schema.SchemaError): Rejected => {
  const issues: ReadonlyArray<Issue> = standardIssues(error.issue).issues.map(({ message, path }) => ({
    field: (path ?? [])
      .map((segment) => String(typeof segment === "object" ? segment.key : segment))
      .join("."),
    rule: message,
    found: ""
  }))
  return new Rejected({ words: issues.map(({ field, rule }) => `${field}: ${rule}`).join("; "), issues })
}

const standardIssues = SchemaIssue.makeFormatterStandardSchemaV1()
