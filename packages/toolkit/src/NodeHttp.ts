/**
 * HTTP clients on Node, over undici: connection pool, TLS, proxies, redirects. The one module of the toolkit's HTTP part
 * that knows the platform.
 *
 * Proxies come from the environment: `HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY`, lower case first. HTTPS
 * requests go through a tunnel, so that a proxy never sees them.
 */
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as HttpClient from "effect/http/HttpClient"
import type * as HttpClientError from "effect/http/HttpClientError"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import * as NodeFs from "node:fs/promises"
import { type Dispatcher, EnvHttpProxyAgent } from "undici"
import * as HttpFailure from "./HttpFailure.ts"
import * as HttpSettings from "./HttpSettings.ts"
import { HttpTransport } from "./HttpTransport.ts"

/** The variables of the environment that name proxies; other variables are not looked at. */
export type Environment = Readonly<Record<string, string | undefined>>

/**
 * A client that follows the settings, with a connection pool of its own that closes with the scope.
 *
 * At most `maxTotalConnections` requests are on their way at once, a request counting until its answer's body has been
 * read; further ones wait up to `poolTimeout` and then fail without having been sent. A setting that cannot be used is
 * logged, and makes every request fail with an `UnusableSetting` as cause.
 */
export const make = Effect.fnUntraced(function* (
  settings: HttpSettings.HttpSettings,
  environment: Environment = process.env
): Effect.fn.Return<HttpClient.HttpClient, never, Scope.Scope> {
  if (!Duration.Equivalence(settings.writeTimeout, HttpSettings.defaults.writeTimeout)) {
    yield* Effect.logWarning(
      "The setting write_timeout has no effect of its own: read_timeout bounds sending and waiting together"
    )
  }
  const dispatcher = yield* makeDispatcher(settings, environment).pipe(Effect.result)
  if (dispatcher._tag === "Failure") {
    yield* Effect.logError("The HTTP settings cannot be used, so that every request will fail").pipe(
      Effect.annotateLogs({ reason: dispatcher.failure.message })
    )
    return HttpClient.make((request) => Effect.fail(HttpFailure.transport(request, dispatcher.failure)))
  }
  return pooled(dispatcher.success, settings).pipe(
    HttpClient.transformResponse((response) =>
      // Who is asked learns nothing of our traces unless somebody wants that: the platform's clients tell all of them.
      Effect.provideService(
        Effect.mapError(response, inWords),
        HttpClient.TracerPropagationEnabled,
        settings.tracePropagation === true
      )
    ),
    settings.followRedirects ? HttpClient.followRedirects(10) : (same) => same,
    HttpClient.mapRequest((request) => withParams(withAuth(request, settings), settings))
  )
})

/** The transport over undici, with the proxies that the given variables name. */
export const layerEnvironment = (environment: Environment): Layer.Layer<HttpTransport> =>
  Layer.succeed(HttpTransport, HttpTransport.of({ make: (settings) => make(settings, environment) }))

/** The transport over undici, with the proxies of the process's environment. */
export const layer: Layer.Layer<HttpTransport> = Layer.suspend(() => layerEnvironment(process.env))

// ---- private parts

const makeDispatcher = Effect.fnUntraced(function* (
  settings: HttpSettings.HttpSettings,
  environment: Environment
): Effect.fn.Return<Dispatcher, HttpFailure.UnusableSetting, Scope.Scope> {
  const file = settings.sslCertFile
  const ca =
    file === undefined || !settings.sslVerify
      ? undefined
      : yield* Effect.tryPromise({
          try: () => NodeFs.readFile(file, "utf8"),
          catch: (cause) =>
            new HttpFailure.UnusableSetting({ setting: "ssl_cert_file", words: HttpFailure.words(cause) })
        })
  if (ca !== undefined && !ca.includes("-----BEGIN CERTIFICATE-----")) {
    return yield* new HttpFailure.UnusableSetting({
      setting: "ssl_cert_file",
      words: `${file} holds no certificate in PEM form`
    })
  }
  const all = variable(environment, "all_proxy")
  const proxies = {
    httpProxy: yield* proxyAddress("HTTP_PROXY", variable(environment, "http_proxy") ?? all),
    httpsProxy: yield* proxyAddress("HTTPS_PROXY", variable(environment, "https_proxy") ?? all),
    noProxy: variable(environment, "no_proxy") ?? ""
  }
  const connectTimeout = Duration.toMillis(settings.connectionTimeout)
  const tls = {
    timeout: connectTimeout,
    rejectUnauthorized: settings.sslVerify,
    ...(ca === undefined ? {} : { ca })
  }
  const idle = Math.max(Duration.toMillis(settings.keepaliveExpiration), 1)
  return yield* Effect.acquireRelease(
    Effect.try({
      try: () =>
        new EnvHttpProxyAgent({
          ...proxies,
          connections: settings.maxTotalConnections,
          connectTimeout,
          connect: tls,
          requestTls: tls,
          proxyTls: { ...tls, allowH2: false },
          allowH2: settings.http2,
          keepAliveTimeout: idle,
          keepAliveMaxTimeout: idle
        }),
      catch: (cause) =>
        new HttpFailure.UnusableSetting({ setting: "the connection or proxy settings", words: nameOf(cause) })
    }),
    (agent) => Effect.promise(() => agent.destroy())
  )
})

const variable = (environment: Environment, name: string): string | undefined => {
  const value = environment[name] ?? environment[name.toUpperCase()]
  return value === undefined || value.trim() === "" ? undefined : value.trim()
}

/** A proxy's address with its scheme; empty for none. Errors do not show it, because it may hold a password. */
const proxyAddress = (setting: string, value = ""): Effect.Effect<string, HttpFailure.UnusableSetting> => {
  if (value === "") return Effect.succeed("")
  const address = value.includes("://") ? value : `http://${value}`
  return URL.canParse(address) && /^(https?|socks5?):/i.test(address)
    ? Effect.succeed(address)
    : Effect.fail(
        new HttpFailure.UnusableSetting({ setting, words: "it is no address of the form http://host:port" })
      )
}

/** Only the kind of an error, for errors whose message may hold a proxy's password. */
const nameOf = (cause: unknown): string => (cause instanceof Error ? cause.name : "they were refused")

/** The client over a dispatcher that lets only so many requests be on their way at once. */
const pooled = (dispatcher: Dispatcher, settings: HttpSettings.HttpSettings): HttpClient.HttpClient => {
  const { maxTotalConnections, maxKeepaliveConnections, poolTimeout } = settings
  const keepalive = Duration.isGreaterThan(settings.keepaliveExpiration, Duration.zero)
    ? maxKeepaliveConnections
    : 0
  const bodyTimeout = Duration.isFinite(settings.readTimeout) ? Duration.toMillis(settings.readTimeout) : 0
  const semaphore = Semaphore.makeUnsafe(maxTotalConnections)
  let busy = 0

  // A place is held by a scope, because taking it races with its time limit: whichever way that ends, closing the
  // scope gives the place back exactly once.
  const take = (request: HttpClientRequest.HttpClientRequest, place: Scope.Scope) =>
    semaphore.takeScoped(1).pipe(
      Scope.provide(place),
      Effect.timeoutOrElse({
        duration: poolTimeout,
        orElse: () => {
          const words = `all ${maxTotalConnections} connections (max_total_connections) were in use for ${Duration.format(poolTimeout)} (pool_timeout)`
          return Effect.fail(HttpFailure.transport(request, new HttpFailure.PoolTimeout({ words })))
        }
      })
    )

  const exchange = (request: HttpClientRequest.HttpClientRequest) =>
    Effect.uninterruptibleMask((restore) => {
      const place = Scope.makeUnsafe()
      let begun = false
      const end = Effect.suspend(() => {
        if (begun) {
          begun = false
          busy--
        }
        return Scope.close(place, Exit.void)
      })
      const perform = Effect.suspend(() => {
        begun = true
        busy++
        // A connection is opened only while all others are busy. So the ones opened beyond the limit serve requests
        // that begin while that many are under way, and these close theirs behind them.
        const reset = busy > keepalive
        const watched = dispatcher.compose(
          (dispatch) => (options, handler) =>
            dispatch(
              { ...options, bodyTimeout, reset },
              untilEnd(handler, () => Effect.runSync(end))
            )
        )
        return Effect.provideService(NodeHttpClient.makeUndici, NodeHttpClient.Dispatcher, watched).pipe(
          Effect.flatMap((client) => restore(client.execute(request)))
        )
      })
      return restore(take(request, place)).pipe(
        Effect.andThen(perform),
        Effect.onError(() => end)
      )
    })

  return HttpClient.makeWith(
    (request: Effect.Effect<HttpClientRequest.HttpClientRequest, HttpClientError.HttpClientError>) =>
      Effect.flatMap(request, exchange),
    Effect.succeed<HttpClientRequest.HttpClientRequest>
  )
}

/** Tells when an exchange is over: the answer has been read to its end, or the request has failed or was given up. */
const untilEnd = (handler: Dispatcher.DispatchHandler, end: () => void): Dispatcher.DispatchHandler => ({
  onRequestStart: (controller, context) => handler.onRequestStart?.(controller, context),
  onRequestUpgrade: (controller, status, headers, socket) => {
    end()
    handler.onRequestUpgrade?.(controller, status, headers, socket)
  },
  onResponseStart: (controller, status, headers, text) =>
    handler.onResponseStart?.(controller, status, headers, text),
  onResponseData: (controller, chunk) => handler.onResponseData?.(controller, chunk),
  onResponseEnd: (controller, trailers) => {
    handler.onResponseEnd?.(controller, trailers)
    // undici takes one turn of the event loop before it uses the connection again, and would open a further one for
    // a request that came in that turn.
    setImmediate(() => setImmediate(end))
  },
  onResponseError: (controller, error) => {
    end()
    handler.onResponseError?.(controller, error)
  }
})

/** Says in words what happened to the connection: the platform's errors alone read "Transport error". */
const inWords = (error: HttpClientError.HttpClientError): HttpClientError.HttpClientError =>
  error.reason._tag === "TransportError" && error.reason.description === undefined
    ? HttpFailure.transport(error.reason.request, error.reason.cause)
    : error

const withAuth = (
  request: HttpClientRequest.HttpClientRequest,
  { auth }: HttpSettings.HttpSettings
): HttpClientRequest.HttpClientRequest =>
  auth === undefined || "authorization" in request.headers
    ? request
    : HttpClientRequest.basicAuth(request, auth[0], auth[1])

const withParams = (
  request: HttpClientRequest.HttpClientRequest,
  { params }: HttpSettings.HttpSettings
): HttpClientRequest.HttpClientRequest => {
  const given = new Set(request.urlParams.params.map(([name]) => name))
  const missing = Object.entries(params).filter(([name]) => !given.has(name))
  return missing.length === 0 ? request : HttpClientRequest.appendUrlParams(request, missing)
}
