/**
 * Sparing a workspace that is down: after several failures in a row, its list of runs is asked for only now and then, by
 * one request without retries, until it answers.
 *
 * Only the list is guarded. Each sweep begins with it, so that an outage gets no further; and what else is asked for stands
 * for single runs, which must not be held up because another run's request keeps failing.
 */
import * as HttpFailure from "@observability-agents/toolkit/HttpFailure"
import * as HttpPolicy from "@observability-agents/toolkit/HttpPolicy"
import type { HttpSettings } from "@observability-agents/toolkit/HttpSettings"
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientError from "effect/http/HttpClientError"
import type * as HttpClientRequest from "effect/http/HttpClientRequest"
import type * as HttpClientResponse from "effect/http/HttpClientResponse"
import * as CircuitBreaker from "effect/persistence/CircuitBreaker"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"

/**
 * So many failed requests in a row are an outage. Each was tried again by the policy of `[http]` already, so these are
 * a dozen bad answers, spread over half a minute.
 */
export const FAILURES = 3

/** How long the workspace is left alone at first; twice as long after each probe that failed. */
export const FIRST_PAUSE = Duration.seconds(5)

/** With chance added (up to a fifth) and a period of polling, runs are found within a minute of the workspace's return. */
export const LONGEST_PAUSE = Duration.seconds(45)

/** The request was not sent, because the workspace is down as far as is known. */
export class LeftAlone extends Error {
  override readonly name = "LeftAlone"
  constructor(last: string) {
    super(
      `the last requests all failed (${last}), so the workspace is left alone and asked again within a minute`
    )
  }
}

/**
 * The policy of `[http]` over a client, and a circuit breaker for lists of runs around it. A request that it keeps back
 * fails as one whose connection failed, with {@link LeftAlone} as the cause.
 */
export const guard = Effect.fnUntraced(function* (
  client: HttpClient.HttpClient,
  settings: Pick<HttpSettings, "readTimeout" | "retries">,
  /** What each request has to pass that is let through, before its time-outs begin; nothing unless given. */
  admit: (client: HttpClient.HttpClient) => HttpClient.HttpClient = (client) => client
): Effect.fn.Return<HttpClient.HttpClient, never, Scope.Scope> {
  const breaker = yield* CircuitBreaker.make({
    tripPolicy: CircuitBreaker.consecutive(FAILURES),
    openDuration: Schedule.jittered(
      Schedule.min([Schedule.exponential(FIRST_PAUSE), Schedule.spaced(LONGEST_PAUSE)])
    ),
    maxOpenDuration: LONGEST_PAUSE
  }).pipe(Effect.provide(CircuitBreaker.layerStoreMemory()))
  const patient = admit(HttpPolicy.apply(settings)(client))
  const once = admit(HttpPolicy.apply({ ...settings, retries: 0 })(client))
  let last = ""

  const classify = Effect.fnUntraced(function* (exit: Answer) {
    const outcome =
      Exit.isSuccess(exit) && exit.value.status === 429
        ? CircuitBreaker.failure({
            retryAfter: HttpPolicy.askedDelay(exit.value.headers, yield* Clock.currentTimeMillis)
          })
        : yield* HttpClient.circuitBreakerClassifier(exit)
    if (outcome._tag === "Failure") last = describe(exit)
    return outcome
  })

  return HttpClient.transform(patient, (attempt, request) => {
    if (!isList(request)) return attempt
    return Effect.flatMap(Effect.orDie(breaker.state(KEY)), ({ _tag }) =>
      // While it is not closed, what gets through is the probe.
      _tag === "Closed" ? attempt : once.postprocess(Effect.succeed(request))
    ).pipe(
      breaker.execute({ key: KEY, classify }),
      Effect.catchTag("CircuitBreakerError", () =>
        Effect.fail(HttpFailure.transport(request, new LeftAlone(last)))
      )
    )
  })
})

// ---- private

type Answer = Exit.Exit<HttpClientResponse.HttpClientResponse, HttpClientError.HttpClientError>

const KEY = "list"

const isList = (request: HttpClientRequest.HttpClientRequest): boolean => request.url.endsWith("/runs/list")

const describe = (exit: Answer): string => {
  if (Exit.isSuccess(exit)) return `answer ${exit.value.status}`
  const error = Cause.squash(exit.cause)
  return HttpClientError.isHttpClientError(error) && error.reason._tag === "TransportError"
    ? HttpFailure.words(error.reason.cause)
    : HttpFailure.words(error)
}
