/**
 * One question to Databricks and the whole of its answer, within limits: an answer that never ends, in time or in size, is
 * given up.
 */
import * as Credentials from "@observability-agents/toolkit/Credentials"
import * as HttpFailure from "@observability-agents/toolkit/HttpFailure"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as HttpClient from "effect/http/HttpClient"
import type * as HttpClientError from "effect/http/HttpClientError"
import type * as HttpClientRequest from "effect/http/HttpClientRequest"
import type * as HttpClientResponse from "effect/http/HttpClientResponse"
import * as Stream from "effect/Stream"
import * as DatabricksError from "./DatabricksError.ts"
import * as Secrets from "./Secrets.ts"

/** With what, and within which limits, questions are asked. */
export interface Options {
  /** A client that authorizes, retries, and limits the wait for an answer to begin. */
  readonly client: HttpClient.HttpClient
  /** The longest silence of `[http]`. An answer's body may take five times as long in all. */
  readonly readTimeout: Duration.Duration
  /** Masks secrets. */
  readonly hide: (text: string) => string
}

/** Asks, and reads the answer whatever its status. */
export const ask = (
  request: HttpClientRequest.HttpClientRequest,
  options: Options
): Effect.Effect<DatabricksError.Answer, DatabricksError.Reason> =>
  options.client.execute(request).pipe(
    Effect.mapError((error) => disturbance(error, options.hide)),
    Effect.flatMap((response) =>
      Effect.map(bodyOf(response, options), (body): DatabricksError.Answer => ({
        status: response.status,
        contentType: response.headers["content-type"] ?? "",
        url: response.url,
        body,
        hide: options.hide
      }))
    )
  )

// ---- private

/** A page of 25 runs with a hundred tasks each is a few megabytes. */
const MAX_BYTES = 64 * 1024 * 1024

const ENDLESS = Duration.hours(1)

const bodyOf = (
  response: HttpClientResponse.HttpClientResponse,
  { hide, readTimeout }: Options
): Effect.Effect<string, DatabricksError.Reason> => {
  const { status } = response
  const limit = Duration.isFinite(readTimeout) ? Duration.times(readTimeout, 5) : ENDLESS
  return Effect.suspend(() => {
    const decoder = new TextDecoder()
    let size = 0
    let text = ""
    return response.stream.pipe(
      Stream.runForEach((chunk) => {
        size += chunk.byteLength
        if (size > MAX_BYTES) {
          const words = "the answer is longer than 64 MB"
          return Effect.fail(new DatabricksError.Invalid({ status, words, answer: "" }))
        }
        text += decoder.decode(chunk, { stream: true })
        return Effect.void
      }),
      Effect.catchTag("HttpClientError", (error) =>
        error.reason._tag === "EmptyBodyError" ? Effect.void : Effect.fail(disturbance(error, hide))
      ),
      Effect.map(() => text + decoder.decode())
    )
  }).pipe(
    Effect.timeoutOrElse({
      duration: limit,
      orElse: () => {
        const words = `the answer was still arriving after ${Duration.format(limit)}, five times read_timeout of [http]`
        return Effect.fail(new DatabricksError.Unavailable({ status, words }))
      }
    })
  )
}

const disturbance = (
  error: HttpClientError.HttpClientError,
  hide: (text: string) => string
): DatabricksError.Reason => {
  const refused = Credentials.failureOf(error)
  if (refused !== undefined && refused.reason !== "Unavailable") {
    return new DatabricksError.Unauthorized({
      words: hide(refused.message),
      ...(refused.status === undefined ? {} : { status: refused.status })
    })
  }
  const cause = "cause" in error.reason ? error.reason.cause : undefined
  if (Secrets.isUnsendable(cause)) return new DatabricksError.Unauthorized({ words: cause.message })
  return new DatabricksError.Unavailable({
    words: hide(cause === undefined ? error.message : HttpFailure.words(cause))
  })
}
