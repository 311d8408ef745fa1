/**
 * Answers that mean "later", whatever their status says. Databricks reports that it is asked too often by 429, but at times by
 * 400 with the words for it, and passing trouble of its workers by 400 likewise (official clients try those again). Here
 * such an answer gets the status that it means, so that what retries by status waits and asks again.
 */
import * as HttpAnswer from "@observability-agents/toolkit/HttpAnswer"
import * as Effect from "effect/Effect"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientResponse from "effect/http/HttpClientResponse"

/** Gives refusals (400) that mean "too often" the status 429, and those that mean "not now" 503; the rest stays as it is. */
export const translate = (client: HttpClient.HttpClient): HttpClient.HttpClient =>
  HttpClient.transformResponse(
    client,
    Effect.flatMap((response) => (response.status === 400 ? read(response) : Effect.succeed(response)))
  )

/** The words for "too many requests", in an error report of whatever shape. */
export const RATE_WORDS = /REQUEST_LIMIT_EXCEEDED|RPC token bucket limit has been exceeded/

/** The codes for it. */
export const RATE_CODES: ReadonlySet<string> = new Set(["REQUEST_LIMIT_EXCEEDED", "RESOURCE_EXHAUSTED"])

// ---- private

/** Passing trouble, as the official clients know it (Go and Python SDKs, 2026). */
const PASSING =
  /UnknownWorkerEnvironment|does not have any associated worker environments|no worker environment with id|unknown worker environment|ClusterNotReadyException|worker env\S* .*not found|timed out after|deadline exceeded|please try again later or try a faster operation/i

const RATE_CODE = /"error_?code"\s*:\s*"(?:REQUEST_LIMIT_EXCEEDED|RESOURCE_EXHAUSTED)"/i

/** A refusal is short. If it is slow to arrive, so is the service. */
const WITHIN = "10 seconds"

const read = Effect.fnUntraced(function* (response: HttpClientResponse.HttpClientResponse) {
  const { text } = yield* HttpAnswer.text(response, WITHIN)
  const status =
    RATE_CODE.test(text) || RATE_WORDS.test(text) ? 429 : PASSING.test(text) ? 503 : response.status
  const headers = KEPT.flatMap((name) => {
    const value = response.headers[name]
    return value === undefined ? [] : [[name, value] as const]
  })
  // The body was read, so it is put into a new answer in any case.
  return HttpClientResponse.fromWeb(
    response.request,
    new Response(text, { status, headers: Object.fromEntries(headers) })
  )
})

/** What is still of use of an answer's headers. */
const KEPT = ["content-type", "retry-after", "x-ratelimit-reset", "ratelimit-reset", "x-rate-limit-reset"]
