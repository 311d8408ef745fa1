/**
 * The HTTP client by which telemetry is exported. It keeps to bounds that Effect's exporters do not have, and says in the log
 * what they keep to themselves.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientError from "effect/http/HttpClientError"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import * as HttpFailure from "./HttpFailure.ts"
import * as HttpSettings from "./HttpSettings.ts"
import { HttpTransport } from "./HttpTransport.ts"
import * as Logging from "./Logging.ts"
import type { TelemetrySettings } from "./TelemetrySettings.ts"

/**
 * The client of the exporters: it limits how long an answer may take and how many exports are under way, and warns in the
 * log, at most once a minute, when they fail. The exporters themselves would start one after the other while none is
 * answered.
 */
export const layer = (
  settings: TelemetrySettings
): Layer.Layer<HttpClient.HttpClient, never, HttpTransport> =>
  Layer.effect(HttpClient.HttpClient, make(settings))

const make = Effect.fnUntraced(function* (
  settings: TelemetrySettings
): Effect.fn.Return<HttpClient.HttpClient, never, HttpTransport | Scope.Scope> {
  const transport = yield* HttpTransport
  const { mask = (text: string) => text } = yield* Logging.Selection
  const below = yield* transport.make({
    ...HttpSettings.defaults,
    readTimeout: settings.exportTimeout,
    followRedirects: false,
    sslCertFile: settings.certificate
  })
  const report = yield* reporter(mask)
  let underWay = 0
  return HttpClient.transform(below, (attempt, request) =>
    Effect.suspend(() => {
      if (underWay >= MOST_UNDER_WAY) {
        const description = `${underWay} exports have no answer yet`
        return Effect.fail(
          // Of the kinds of errors one that the exporter does not try again.
          new HttpClientError.HttpClientError({
            reason: new HttpClientError.EncodeError({ request, description })
          })
        )
      }
      underWay += 1
      return Effect.timeoutOrElse(attempt, {
        duration: settings.exportTimeout,
        orElse: () => {
          const words = `no answer within ${Duration.format(settings.exportTimeout)} (export_timeout)`
          return Effect.fail(HttpFailure.transport(request, words, words))
        }
      }).pipe(
        Effect.ensuring(
          Effect.sync(() => {
            underWay -= 1
          })
        )
      )
    }).pipe(
      Effect.result,
      Effect.tap((result) => report(request.url, result)),
      Effect.flatMap(Effect.fromResult)
    )
  )
})

/** Each holds about a thousand spans or lines. */
const MOST_UNDER_WAY = 8

/** As often an export is tried until the exporter gives it up. */
const TRIES = 4

const WARNING_MILLIS = 60_000

/** Warns at most once a minute, for all signals together, and says when each of them gets through again. */
const reporter = (mask: (text: string) => string) =>
  Effect.map(Clock.clockWith(Effect.succeed), (clock) => {
    const failures = new Map<string, number>()
    let warnedAt = Number.NEGATIVE_INFINITY
    let isWarned = false
    return (
      url: string,
      result: Result.Result<{ readonly status: number }, HttpClientError.HttpClientError>
    ): Effect.Effect<void> => {
      const status = Result.isSuccess(result) ? result.success.status : undefined
      if (status !== undefined && status < 300) {
        failures.delete(url)
        if (!isWarned || failures.size > 0) return Effect.void
        isWarned = false
        return Effect.logInfo("Telemetry is exported again")
      }
      const count = (failures.get(url) ?? 0) + 1
      failures.set(url, count)
      const passes = status === undefined || status === 429 || status === 408 || status >= 500
      const now = clock.currentTimeMillisUnsafe()
      if ((passes && count < TRIES) || now - warnedAt < WARNING_MILLIS) return Effect.void
      warnedAt = now
      isWarned = true
      const reason = Result.isFailure(result) ? HttpFailure.words(result.failure) : `answer ${status}`
      return Effect.annotateLogs(
        Effect.logWarning("Telemetry cannot be exported and is discarded; the agent goes on without it"),
        { endpoint: mask(url), reason: mask(reason), failures: count }
      )
    }
  })
