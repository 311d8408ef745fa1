/**
 * A fake Observability server that keeps the whole contract of the real one: its checks in their order, its answers
 * in their words, its limits. It remembers what it accepted, and fails by script. Its routes come from the same
 * description as the client, `ObservabilityApi`.
 *
 * It has two faces: `client` reaches it without a socket, in pure Effect, so that everything happens in virtual time;
 * the module `NodeFakeObservability` serves it on a port. Like the real one it goes on working for a client that has given
 * up: an event may be stored after the sender's time-out. Its time is that of the Clock where it was made, whatever that of its
 * clients is.
 *
 * ```ts
 * import { assert, it } from "@effect/vitest"
 * import { FakeObservability } from "@observability-agents/testing/FakeObservability"
 * import * as Event from "@observability-agents/toolkit/Event"
 * import { Observability } from "@observability-agents/toolkit/Observability"
 * import { Effect, Layer } from "effect"
 *
 * const layer = Layer.provideMerge(FakeObservability.layerObservability(), FakeObservability.layer)
 *
 * it.effect("an event is received", () =>
 *   Effect.gen(function* () {
 *     const server = yield* FakeObservability
 *     const observability = yield* Observability
 *     yield* observability.post(Event.runStatus({ pipelineKey: "p", runKey: "r", status: "RUNNING" }))
 *     assert.strictEqual((yield* server.events).length, 1)
 *   }).pipe(Effect.provide(layer))
 * )
 * ```
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientError from "effect/http/HttpClientError"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Ref from "effect/Ref"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as SubscriptionRef from "effect/SubscriptionRef"
import type * as Event from "@observability-agents/toolkit/Event"
import type { HttpSettings } from "@observability-agents/toolkit/HttpSettings"
import { HttpTransport } from "@observability-agents/toolkit/HttpTransport"
import * as Observability from "@observability-agents/toolkit/Observability"
import type { Heartbeat } from "@observability-agents/toolkit/ObservabilityApi"
import * as FakeRoutes from "./FakeRoutes.ts"
import * as FlaskAnswer from "./FlaskAnswer.ts"
import * as FaultScript from "./FaultScript.ts"
import * as ServerFault from "./ServerFault.ts"

/** One request that reached the server, whether accepted or not. */
export interface Received {
  readonly method: string
  /** Below the base URL, without a leading slash: `events/v1/run-status`. */
  readonly path: string
  /** By name in lower case. The key is in here as it was sent. */
  readonly headers: Readonly<Record<string, string | undefined>>
  readonly body: string
  readonly at: DateTime.Utc
}

/** One event that the server accepted. */
export interface Accepted extends Received {
  readonly event: Event.Event
}

/** One heartbeat that the server accepted. */
export interface AcceptedHeartbeat {
  readonly heartbeat: Heartbeat
  readonly at: DateTime.Utc
}

/** What the service account key is good for. */
export type KeyState = "valid" | "expired" | "inactive project" | "events only" | "agent only"

/** When a fault happens: see {@link FaultScript.When}. */
export type FaultOptions = FaultScript.When<Received>

/** How the server is set up. */
export interface Options {
  /** The path that a proxy puts before the server's own: `/api` as shipped, empty for a direct connection. */
  readonly basePath?: string | undefined
  /** The one key it knows. */
  readonly key?: string | undefined
  /** Scheme, host and port, for `baseUrl`. */
  readonly origin?: string | undefined
}

/** The connection was closed without an answer. Faces turn it into what their clients see then. */
export class ConnectionDropped extends Schema.TaggedError<ConnectionDropped>()("ConnectionDropped", {}) {
  /** What happened. */
  override get message(): string {
    return "The fake server closed the connection without an answer."
  }
}

/** The fake server. */
export class FakeObservability extends Context.Service<
  FakeObservability,
  {
    /** Where it is, with the path that a proxy puts before it: `http://127.0.0.1:PORT/api`. */
    readonly baseUrl: string
    /** The one key it knows. */
    readonly key: Redacted.Redacted
    /** What leads to it, as the table `[observability]` of a settings file. */
    readonly settings: {
      readonly observability: { readonly base_url: string; readonly service_account_key: string }
    }
    /** Reaches the server without a socket, whatever host the URL names; pure, so it works in virtual time. */
    readonly client: HttpClient.HttpClient
    /** Answers one request: what every face of the server is made of. */
    readonly handle: (
      request: HttpServerRequest.HttpServerRequest
    ) => Effect.Effect<HttpServerResponse.HttpServerResponse, ConnectionDropped>
    /** The accepted events, in order of arrival. */
    readonly accepted: Effect.Effect<ReadonlyArray<Accepted>>
    /** The events of `accepted` alone. */
    readonly events: Effect.Effect<ReadonlyArray<Event.Event>>
    /** Waits until that many events were accepted in all, and gives all. */
    readonly awaitEvents: (count: number) => Effect.Effect<ReadonlyArray<Event.Event>>
    /** The accepted heartbeats, in order of arrival. */
    readonly heartbeats: Effect.Effect<ReadonlyArray<AcceptedHeartbeat>>
    /** What the server knows of each agent: the last heartbeat of each key and tool. */
    readonly agents: Effect.Effect<ReadonlyArray<Heartbeat>>
    /** All requests, in order of arrival. */
    readonly requests: Effect.Effect<ReadonlyArray<Received>>
    /** From now on, do this instead. The script that was given first goes first. */
    readonly fail: (fault: ServerFault.ServerFault, options?: FaultOptions) => Effect.Effect<void>
    /** Forgets all faults. */
    readonly recover: Effect.Effect<void>
    /** Changes what the key is good for. */
    readonly setKey: (state: KeyState) => Effect.Effect<void>
    /** Forgets everything received. */
    readonly clear: Effect.Effect<void>
  }
>()("@observability-agents/testing/FakeObservability") {
  /** In process, no socket, behind a proxy's `/api`. */
  static readonly layer: Layer.Layer<FakeObservability> = Layer.effect(
    FakeObservability,
    Effect.suspend(() => make())
  )

  /** In process, set up otherwise. */
  static layerOptions(options: Options): Layer.Layer<FakeObservability> {
    return Layer.effect(FakeObservability, make(options))
  }

  /** The transport of which every client reaches the fake server, without a socket. */
  static readonly layerTransport: Layer.Layer<HttpTransport, never, FakeObservability> = Layer.effect(
    HttpTransport,
    Effect.map(FakeObservability, ({ client }) => HttpTransport.of({ make: () => Effect.succeed(client) }))
  )

  /** The Handle to the fake server, without a socket and without retries unless `settings` say otherwise. */
  static layerObservability(
    settings: Partial<HttpSettings> = {}
  ): Layer.Layer<Observability.Observability, never, FakeObservability> {
    return Layer.effect(
      Observability.Observability,
      Effect.flatMap(FakeObservability, ({ baseUrl, key }) =>
        Observability.make({ retries: 0, ...settings, baseUrl, key })
      )
    ).pipe(Layer.provide(FakeObservability.layerTransport))
  }
}

/** Makes the server's state and its in-process face. What it still works on ends with the scope. */
export const make = Effect.fnUntraced(function* (
  options: Options = {}
): Effect.fn.Return<FakeObservability["Service"], never, Scope.Scope> {
  const key = options.key ?? "a-service-account-key-for-tests"
  const basePath = (options.basePath ?? "/api").replace(/\/+$/, "")
  const scope = yield* Effect.scope
  // Arrays that grow in place: scenarios run to many thousands of events, and copying for each would be quadratic.
  const received: Array<Received> = []
  const accepted: Array<Accepted> = []
  const heartbeats: Array<AcceptedHeartbeat> = []
  const acceptedCount = yield* SubscriptionRef.make(0)
  const agents = yield* Ref.make<ReadonlyMap<string, Heartbeat>>(new Map())
  const script = yield* FaultScript.make<ServerFault.ServerFault, Received>({
    seed: yield* FaultScript.seedOf("fake server")
  })
  const keyState = yield* Ref.make<KeyState>("valid")

  const work = yield* FakeRoutes.make({
    key,
    keyState: Ref.get(keyState),
    accept: (event, request) =>
      Effect.suspend(() => SubscriptionRef.set(acceptedCount, accepted.push({ ...request, event }))),
    beat: (heartbeat, { at }) =>
      Effect.andThen(
        Effect.sync(() => heartbeats.push({ heartbeat, at })),
        Ref.update(agents, (all) =>
          new Map(all).set(JSON.stringify([heartbeat.key, heartbeat.tool]), heartbeat)
        )
      )
  })

  const perform = Effect.fnUntraced(function* (
    request: HttpServerRequest.HttpServerRequest,
    arrived: Received
  ) {
    const fault = script.next(arrived)
    switch (fault?._tag) {
      case undefined:
        return yield* work(request, arrived)
      case "Slow":
        yield* Effect.sleep(fault.by)
        return yield* work(request, arrived)
      case "Answer":
        if (fault.afterWork) yield* work(request, arrived)
        return ServerFault.response(fault)
      case "Drop":
        if (fault.afterWork) yield* work(request, arrived)
        return yield* new ConnectionDropped()
      case "Silence":
        if (fault.afterWork) yield* work(request, arrived)
        return yield* Effect.never
    }
  })

  const handle = Effect.fnUntraced(
    function* (request: HttpServerRequest.HttpServerRequest) {
      if (!request.url.startsWith(`${basePath}/`)) return FlaskAnswer.proxyNotFound()
      const body = yield* Effect.orElseSucceed(request.text, () => "")
      const arrived: Received = {
        method: request.method,
        path: request.url.slice(basePath.length + 1),
        headers: { ...request.headers },
        body,
        at: yield* DateTime.now
      }
      received.push(arrived)
      // In a fiber of the server, which does not notice that a client has given up.
      const working = yield* Effect.forkIn(perform(request, arrived), scope)
      return yield* Fiber.join(working)
    },
    Effect.provideService(Clock.Clock, yield* Clock.Clock)
  )

  const baseUrl = `${options.origin ?? "http://observability.test:8082"}${basePath}`
  return {
    baseUrl,
    key: Redacted.make(key),
    settings: { observability: { base_url: baseUrl, service_account_key: key } },
    handle,
    client: HttpClient.make((request) =>
      handle(HttpServerRequest.fromClientRequest(request)).pipe(
        Effect.map((response) => HttpServerResponse.toClientResponse(response, { request })),
        Effect.mapError(
          () =>
            new HttpClientError.HttpClientError({
              reason: new HttpClientError.TransportError({
                request,
                cause: new Error("other side closed"),
                description: "other side closed"
              })
            })
        )
      )
    ),
    accepted: Effect.sync(() => [...accepted]),
    events: Effect.sync(() => accepted.map(({ event }) => event)),
    awaitEvents: (count) =>
      SubscriptionRef.changes(acceptedCount).pipe(
        Stream.filter((reached) => reached >= count),
        Stream.runHead,
        Effect.andThen(Effect.sync(() => accepted.map(({ event }) => event)))
      ),
    heartbeats: Effect.sync(() => [...heartbeats]),
    agents: Effect.map(Ref.get(agents), (all) => [...all.values()]),
    requests: Effect.sync(() => [...received]),
    fail: script.fail,
    recover: script.recover,
    setKey: (state) => Ref.set(keyState, state),
    clear: Effect.gen(function* () {
      for (const kept of [received, accepted, heartbeats]) kept.length = 0
      yield* Ref.set(agents, new Map())
      yield* SubscriptionRef.set(acceptedCount, 0)
    })
  }
})
