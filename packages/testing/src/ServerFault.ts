/**
 * The ways in which the Observability server, or what stands before it, fails to answer as it should. Each is what
 * the fake server does instead of its work; `afterWork` makes it do the work first, so that an event is stored although
 * the sender is told otherwise.
 *
 * For ten minutes from now a proxy answers in place of the server, and one event is stored without its sender knowing:
 *
 * ```ts
 * import { FakeObservability } from "@observability-agents/testing/FakeObservability"
 * import * as ServerFault from "@observability-agents/testing/ServerFault"
 * import { Effect } from "effect"
 *
 * export const trouble = Effect.gen(function* () {
 *   const server = yield* FakeObservability
 *   yield* server.fail(ServerFault.badGateway, { during: "10 minutes" })
 *   yield* server.fail(ServerFault.afterWork(ServerFault.drop), { times: 1 })
 * })
 * ```
 */
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import * as HttpServerResponse from "effect/http/HttpServerResponse"

/** What the fake server does instead of, after, or before its work. */
export type ServerFault = Data.TaggedEnum<{
  /** Answers this. */
  Answer: {
    readonly status: number
    readonly body: string
    readonly contentType: string
    readonly headers: Readonly<Record<string, string>>
    readonly afterWork: boolean
  }
  /** Closes the connection without an answer. */
  Drop: { readonly afterWork: boolean }
  /** Never answers. */
  Silence: { readonly afterWork: boolean }
  /** Works as it should, but waits first. */
  Slow: { readonly by: Duration.Duration }
}>

const { Answer, Drop, Silence, Slow } = Data.taggedEnum<ServerFault>()

/** Any answer. The content type is JSON unless the body begins like a page. */
export const answer = (
  status: number,
  body = "",
  options: {
    readonly contentType?: string | undefined
    readonly headers?: Readonly<Record<string, string>> | undefined
  } = {}
): ServerFault =>
  Answer({
    status,
    body,
    contentType:
      options.contentType ?? (body.startsWith("<") ? "text/html; charset=utf-8" : "application/json"),
    headers: options.headers ?? {},
    afterWork: false
  })

/** The queue behind the server does not take the event: 500 in JSON. */
export const queueDown: ServerFault = answer(
  500,
  JSON.stringify({
    error: "An error has occurred; event could not be processed",
    details: "Message could not be produced",
    timestamp: "Thu, 01 Jan 1970 00:00:00 GMT"
  })
)

/** An error in the server that nobody expected: 500 in JSON with the number under which it was logged. */
export const serverError = (errorId = "6d1f5e0a-0000-4000-8000-000000000000"): ServerFault =>
  answer(
    500,
    JSON.stringify({
      error: "An unexpected error has occurred",
      error_id: errorId,
      details: { timestamp: "1970-01-01T00:00:00+00:00", message: "unexpected error" }
    })
  )

/** A worker that hung was killed: 500 with gunicorn's page. Whether the event was queued nobody knows. */
export const workerKilled: ServerFault = answer(
  500,
  "<html>\n  <head>\n    <title>Internal Server Error</title>\n  </head>\n  <body>\n    <h1><p>Internal Server Error</p></h1>\n    \n  </body>\n</html>\n"
)

/** Werkzeug's own page, as for an error outside the application's error handling. */
export const werkzeugPage: ServerFault = answer(
  500,
  "<!doctype html>\n<html lang=en>\n<title>500 Internal Server Error</title>\n<h1>Internal Server Error</h1>\n<p>The server encountered an internal error and was unable to complete your request. Either the server is overloaded or there is an error in the application.</p>\n"
)

/** nginx's page for a status. */
export const nginxPage = (
  status: number,
  title: string,
  headers: Readonly<Record<string, string>> = {}
): ServerFault =>
  answer(
    status,
    `<html>\r\n<head><title>${status} ${title}</title></head>\r\n<body>\r\n<center><h1>${status} ${title}</h1></center>\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n`,
    { headers }
  )

/** The proxy cannot reach the server. */
export const badGateway: ServerFault = nginxPage(502, "Bad Gateway")

/** The proxy is told to take nothing; `retryAfter` is the header's text (seconds or an HTTP date). */
export const overloaded = (retryAfter?: string): ServerFault =>
  nginxPage(
    503,
    "Service Temporarily Unavailable",
    retryAfter === undefined ? {} : { "retry-after": retryAfter }
  )

/** The proxy waited too long for the server. */
export const gatewayTimeout: ServerFault = nginxPage(504, "Gateway Time-out")

/** A proxy limits the rate. */
export const tooManyRequests = (retryAfter?: string): ServerFault =>
  nginxPage(429, "Too Many Requests", retryAfter === undefined ? {} : { "retry-after": retryAfter })

/** A status and nothing else. */
export const empty = (status: number): ServerFault => answer(status, "", { contentType: "text/plain" })

/** The connection is closed without an answer. */
export const drop: ServerFault = Drop({ afterWork: false })

/** No answer ever comes. */
export const silence: ServerFault = Silence({ afterWork: false })

/** The right answer, later. */
export const slow = (by: Duration.Input): ServerFault => Slow({ by: Duration.fromInputUnsafe(by) })

/** The fault, but only after the request was worked on: an event is stored, and the sender does not learn it. */
export const afterWork = (fault: ServerFault): ServerFault =>
  fault._tag === "Slow" ? fault : { ...fault, afterWork: true }

/** The answer of a fault that answers. */
export const response = ({
  body,
  contentType,
  headers,
  status
}: Extract<ServerFault, { readonly _tag: "Answer" }>): HttpServerResponse.HttpServerResponse =>
  body === ""
    ? HttpServerResponse.empty({ status, headers })
    : HttpServerResponse.text(body, { status, contentType, headers })
