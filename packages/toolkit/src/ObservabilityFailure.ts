/**
 * From an answer of the server, or the failure to get one, to the reason of an `ObservabilityError`: which status means
 * what, when an event may have arrived although nobody said so, and which words tell it to people.
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as HttpClient from "effect/http/HttpClient"
import type * as HttpClientError from "effect/http/HttpClientError"
import type * as HttpClientResponse from "effect/http/HttpClientResponse"
import * as MutableRef from "effect/MutableRef"
import * as HttpFailure from "./HttpFailure.ts"
import * as HttpPolicy from "./HttpPolicy.ts"
import { type Reason, Rejected, Unauthorized, Unavailable } from "./ObservabilityError.ts"
import * as ServerWords from "./ServerWords.ts"

/**
 * Whether any attempt of the current call may have reached the server without a clear answer. A call makes one, and
 * {@link observe} keeps it, so that a doubtful first attempt is not forgotten when the last one fails clearly.
 */
export const Doubt = Context.Reference<MutableRef.MutableRef<boolean>>(
  "@observability-agents/toolkit/ObservabilityFailure/Doubt",
  { defaultValue: () => MutableRef.make(false) }
)

/** Notes in {@link Doubt} what happens to each single attempt: put it below whatever repeats requests. */
export const observe = <R>(
  client: HttpClient.HttpClient.With<HttpClientError.HttpClientError, R>
): HttpClient.HttpClient.With<HttpClientError.HttpClientError, R> =>
  HttpClient.transformResponse(
    client,
    Effect.fnUntraced(function* (attempt) {
      const doubt = yield* Doubt
      return yield* Effect.onExit(attempt, (exit) =>
        Effect.sync(() => {
          if (isDoubtful(exit)) MutableRef.set(doubt, true)
        })
      )
    })
  )

// 500 in JSON is the application itself: it says that it could not queue the event. In HTML it was a worker killed in the
// middle, and 502 to 504 come from a proxy that lost sight of the server. An interruption is our own time-out.
const isDoubtful = (
  exit: Exit.Exit<HttpClientResponse.HttpClientResponse, HttpClientError.HttpClientError>
): boolean => {
  if (Exit.isSuccess(exit)) {
    const { headers, status } = exit.value
    return status > 500 || (status === 500 && !/\bjson\b/i.test(headers["content-type"] ?? ""))
  }
  const failure = exit.cause.reasons.find(Cause.isFailReason)
  return failure === undefined || !HttpFailure.neverSent(failure.error)
}

/**
 * What an answer means; `undefined` when it is a success. `body` is the answer's text without secrets; `hide` masks those that reading it brings out. A success has a 2xx status
 * and is not a web page: a page is what a log-in proxy or a wrong address answers, and believing it would lose the event.
 */
export const fromResponse = Effect.fnUntraced(function* (
  response: HttpClientResponse.HttpClientResponse,
  body: string,
  hide: (text: string) => string
): Effect.fn.Return<Reason | undefined> {
  const { status } = response
  const page = ServerWords.isHtml(body)
  if (status >= 200 && status < 300 && !page) return undefined
  const said = ServerWords.fromBody(body, hide)
  const possiblyDelivered = MutableRef.get(yield* Doubt)
  switch (status) {
    // A page with 400 is a proxy's ("plain HTTP request was sent to HTTPS port"), so it does not judge the event.
    case 400:
      if (!page) return new Rejected({ status, words: said.words })
      break
    case 413:
      return new Rejected({ status, words: said.words })
    case 401:
    case 403:
    case 404:
      return new Unauthorized({ status, words: said.words })
  }
  const retryAfter = HttpPolicy.askedDelay(response.headers, yield* Clock.currentTimeMillis)
  const location = response.headers["location"]
  return new Unavailable({
    status,
    words:
      status < 400
        ? `this is not the ingestion API${location === undefined ? "" : `, it redirects to ${ServerWords.line(withoutSecrets(hide(location)))}`} (${said.words.replace(/\.$/, "")}). Check base_url of [observability].`
        : said.words,
    ...(retryAfter === undefined ? {} : { retryAfter }),
    ...(said.errorId === undefined ? {} : { errorId: said.errorId }),
    possiblyDelivered
  })
})

/** What it means that there was no answer. */
export const fromClientError = Effect.fnUntraced(function* (
  error: HttpClientError.HttpClientError,
  hide: (text: string) => string
): Effect.fn.Return<Reason> {
  return new Unavailable({
    words: connectionWords(error, hide),
    possiblyDelivered: MutableRef.get(yield* Doubt)
  })
})

/** An address as it may be shown: without user name, password, query and fragment. */
export const withoutSecrets = (address: string): string =>
  address.replace(/[?#].*$/s, "").replace(/^([a-z][a-z0-9+.-]*:\/\/)[^/]*@/i, "$1")

const connectionWords = (error: HttpClientError.HttpClientError, hide: (text: string) => string): string =>
  error.reason._tag === "InvalidUrlError"
    ? "base_url of [observability] is not an address."
    : ServerWords.line(hide(error.reason.description ?? HttpFailure.words(error.reason.cause ?? error)))
