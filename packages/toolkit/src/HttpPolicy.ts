/**
 * How a request is tried: a time limit per attempt, and a bounded number of further attempts after failures that pass.
 *
 * Between attempts it waits an exponential, jittered back-off, or longer when the server asks for it by `Retry-After`
 * or one of the rate-limit reset headers. Such headers only ever lengthen the wait before a retry that is due anyway:
 * an answer that is no passing failure is never sent again, whatever its headers say. One bound counts all attempts
 * together, however the failures change from one to the next. Time and randomness come from `Clock` and `Random`.
 *
 * ```ts
 * import * as HttpPolicy from "@observability-agents/toolkit/HttpPolicy"
 * import * as HttpSettings from "@observability-agents/toolkit/HttpSettings"
 * import { HttpTransport } from "@observability-agents/toolkit/HttpTransport"
 * import { Effect } from "effect"
 *
 * // A client that tries each request that may be repeated up to three times.
 * export const client = Effect.gen(function* () {
 *   const transport = yield* HttpTransport
 *   const settings = { ...HttpSettings.defaults, retries: 2 }
 *   return HttpPolicy.apply(settings)(yield* transport.make(settings))
 * })
 * ```
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Headers from "effect/http/Headers"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientError from "effect/http/HttpClientError"
import type * as HttpClientRequest from "effect/http/HttpClientRequest"
import type * as HttpClientResponse from "effect/http/HttpClientResponse"
import * as UrlParams from "effect/http/UrlParams"
import * as Random from "effect/Random"
import * as Result from "effect/Result"
import * as HttpAnswer from "./HttpAnswer.ts"
import * as HttpFailure from "./HttpFailure.ts"
import type { HttpSettings } from "./HttpSettings.ts"
import * as TelemetryRelay from "./TelemetryRelay.ts"

/** What a policy may be told beyond the settings. */
export interface Options {
  /**
   * Which requests may arrive twice without harm. Only those are repeated after a 500 and after a connection that
   * broke or timed out once the request may have been sent. Default: GET, HEAD, OPTIONS, QUERY, PUT and DELETE.
   */
  readonly repeatable?: boolean | ((request: HttpClientRequest.HttpClientRequest) => boolean) | undefined
  /** The first back-off, doubled for each further one. Default: 1 second. */
  readonly baseDelay?: Duration.Input | undefined
  /** The longest back-off of our own choice. Default: 10 seconds. */
  readonly maxBackoff?: Duration.Input | undefined
  /** The longest wait that a server can ask for. Default: 60 seconds. */
  readonly maxRetryDelay?: Duration.Input | undefined
}

/**
 * Puts a client under the policy of its settings: each attempt ends after `readTimeout` with a `TransportError` whose
 * cause is a `TimeoutError`, and passing failures are repeated at most `retries` times. These are: a connection that
 * could not be opened, 408, 429, 502, 503 and 504; for repeatable requests also 500, broken connections and timed-out
 * attempts. When the bound is reached, the last answer or error is passed on as it is.
 */
export const apply = (
  settings: Pick<HttpSettings, "readTimeout" | "retries" | "tracePropagation">,
  options?: Options
) => {
  const rules = rulesOf(settings, options)
  return <E, R>(
    client: HttpClient.HttpClient.With<E, R>
  ): HttpClient.HttpClient.With<E | HttpClientError.HttpClientError, R> =>
    HttpClient.transform(client, (attempt, request) => perform(attempt, request, rules))
}

/**
 * How long an answer asks to wait, from `Retry-After` (seconds or HTTP date) and `X-RateLimit-Reset`, `RateLimit-Reset`
 * or `X-Rate-Limit-Reset` (seconds, or a moment in seconds or milliseconds since 1970); the first that can be read
 * counts. A moment that has passed asks for nothing (zero); undefined when no header can be read. `nowMillis` is
 * the time in milliseconds since 1970.
 */
export const askedDelay = (headers: Headers.Headers, nowMillis: number): Duration.Duration | undefined => {
  for (const name of delayHeaders) {
    const value = headers[name]
    const millis = value === undefined ? undefined : delayMillis(value, nowMillis)
    if (millis !== undefined) return Duration.millis(millis)
  }
  return undefined
}

// ---- private parts

const delayHeaders = ["retry-after", "x-ratelimit-reset", "ratelimit-reset", "x-rate-limit-reset"] as const

/** Longer asked-for waits are cut to this, so that no arithmetic overflows; every policy caps far below it. */
const A_WEEK = 7 * 24 * 3_600_000

const delayMillis = (value: string, nowMillis: number): number | undefined => {
  const date = Headers.parseHttpDate(value)
  if (Result.isSuccess(date)) return clamp(date.success.epochMilliseconds - nowMillis)
  // Repeated headers arrive joined by commas, and the newer draft appends parameters: the first value is meant.
  const first = value.split(/[,;]/, 1)[0]?.trim() ?? ""
  if (!/^[+-]?\d+(\.\d+)?$/.test(first)) return undefined
  const number = Number(first)
  // 10^9 seconds is the year 2001 as a moment and 32 years as a span: no server means a span.
  if (number > 1e12) return clamp(number - nowMillis)
  if (number > 1e9) return clamp(number * 1000 - nowMillis)
  return clamp(number * 1000)
}

const clamp = (millis: number): number => Math.min(Math.max(Math.ceil(millis), 0), A_WEEK)

interface Rules {
  readonly readTimeout: Duration.Duration
  readonly retries: number
  readonly tracePropagation: boolean
  readonly repeatable: (request: HttpClientRequest.HttpClientRequest) => boolean
  readonly baseMillis: number
  readonly maxBackoffMillis: number
  readonly maxRetryMillis: number
}

const rulesOf = (
  settings: Pick<HttpSettings, "readTimeout" | "retries" | "tracePropagation">,
  options: Options = {}
): Rules => {
  const { repeatable } = options
  return {
    readTimeout: settings.readTimeout,
    retries: settings.retries,
    tracePropagation: settings.tracePropagation === true,
    repeatable:
      repeatable === undefined
        ? (request) => repeatableMethods.has(request.method)
        : typeof repeatable === "boolean"
          ? () => repeatable
          : repeatable,
    baseMillis: Duration.toMillis(options.baseDelay ?? "1 second"),
    maxBackoffMillis: Duration.toMillis(options.maxBackoff ?? "10 seconds"),
    maxRetryMillis: Duration.toMillis(options.maxRetryDelay ?? "60 seconds")
  }
}

const repeatableMethods: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS", "QUERY", "PUT", "DELETE"])

const perform = Effect.fnUntraced(function* <E, R>(
  attempt: Effect.Effect<HttpClientResponse.HttpClientResponse, E, R>,
  request: HttpClientRequest.HttpClientRequest,
  rules: Rules
): Effect.fn.Return<HttpClientResponse.HttpClientResponse, E | HttpClientError.HttpClientError, R> {
  const limited = Effect.timeoutOrElse(rules.tracePropagation ? attempt : untraced(attempt), {
    duration: rules.readTimeout,
    orElse: () => {
      const description = `no answer within ${Duration.format(rules.readTimeout)} (read_timeout)`
      return Effect.fail(HttpFailure.transport(request, new Cause.TimeoutError(description), description))
    }
  })
  for (let retry = 1; ; retry++) {
    const outcome = yield* Effect.result(limited)
    if (retry > rules.retries || !passes(outcome, request, rules)) return yield* Effect.fromResult(outcome)
    const response = responseOf(outcome)
    const delay = yield* delayBefore(retry, response, rules)
    yield* Effect.logDebug("Sending an HTTP request again").pipe(
      Effect.annotateLogs({
        method: request.method,
        url: UrlParams.redactUrl(request.url),
        retry,
        delay: Duration.format(delay),
        reason: response?.status ?? (Result.isFailure(outcome) ? HttpFailure.words(outcome.failure) : "")
      })
    )
    // The answer's body is read away or cut off while waiting, so that its connection can be used again.
    yield* response === undefined
      ? Effect.sleep(delay)
      : Effect.timeoutOrElse(Effect.andThen(HttpAnswer.discard(response), Effect.never), {
          duration: delay,
          orElse: () => Effect.void
        })
  }
})

/**
 * Where nobody collects spans, describing the request in one is a third of what it costs, for nothing. Not for a server that is
 * told of the trace: it may be that of a request from elsewhere.
 */
const untraced = <A, E, R>(attempt: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.withFiber((fiber) =>
    TelemetryRelay.isCollecting(fiber.cache.tracer)
      ? attempt
      : Effect.provideService(attempt, HttpClient.TracerDisabledWhen, always)
  )

const always = () => true

const passes = (
  outcome: Result.Result<HttpClientResponse.HttpClientResponse, unknown>,
  request: HttpClientRequest.HttpClientRequest,
  rules: Rules
): boolean => {
  const response = responseOf(outcome)
  if (response !== undefined) {
    switch (response.status) {
      case 408:
      case 429:
      case 502:
      case 503:
      case 504:
        return true
      case 500:
        return rules.repeatable(request)
      default:
        return false
    }
  }
  const error = Result.isFailure(outcome) ? outcome.failure : undefined
  return (
    HttpClientError.isHttpClientError(error) &&
    !HttpFailure.isLasting(error) &&
    (HttpFailure.neverSent(error) || rules.repeatable(request))
  )
}

/** The answer, also when the client below already made an error of its status. */
const responseOf = (
  outcome: Result.Result<HttpClientResponse.HttpClientResponse, unknown>
): HttpClientResponse.HttpClientResponse | undefined => {
  if (Result.isSuccess(outcome)) return outcome.success
  const error = outcome.failure
  return HttpClientError.isHttpClientError(error) && error.reason._tag === "StatusCodeError"
    ? error.reason.response
    : undefined
}

/** Our back-off, drawn from the upper half of its range, or what the server asks for if that is longer. */
const delayBefore = Effect.fnUntraced(function* (
  retry: number,
  response: HttpClientResponse.HttpClientResponse | undefined,
  rules: Rules
) {
  const full = Math.min(rules.baseMillis * 2 ** (retry - 1), rules.maxBackoffMillis)
  const backoff = full * (yield* Random.nextBetween(0.5, 1))
  const now = yield* Clock.currentTimeMillis
  const asked = response === undefined ? undefined : askedDelay(response.headers, now)
  return Duration.millis(
    asked === undefined
      ? backoff
      : Math.max(Math.min(Duration.toMillis(asked), rules.maxRetryMillis), backoff)
  )
})
