/**
 * Redirects, as a sender of events may follow them. The usual way is not good enough: it turns a POST into a GET on 301
 * and 302, whose success would be taken for the event's, and it carries the service account key to whatever host the
 * answer names. So only 307 and 308 are followed, which keep method and body, only on the same host, and never from
 * https back to http. Every other redirect is left as it is: it means that the base URL is wrong.
 */
import * as Effect from "effect/Effect"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import type * as HttpClientResponse from "effect/http/HttpClientResponse"
import * as HttpAnswer from "./HttpAnswer.ts"

/** Follows such redirects, at most five in a row. */
export const follow = <E, R>(client: HttpClient.HttpClient.With<E, R>): HttpClient.HttpClient.With<E, R> =>
  HttpClient.transform(
    client,
    Effect.fnUntraced(function* (first, request) {
      let response = yield* first
      let from = request.url
      for (let hops = 0; hops < 5; hops++) {
        const to = target(response, from)
        if (to === undefined) return response
        from = to
        yield* HttpAnswer.discard(response)
        response = yield* client.execute(HttpClientRequest.setUrl(request, to))
      }
      return response
    })
  )

const target = (response: HttpClientResponse.HttpClientResponse, from: string): string | undefined => {
  const location = response.headers["location"]
  if ((response.status !== 307 && response.status !== 308) || location === undefined) return undefined
  if (!URL.canParse(location, from)) return undefined
  const old = new URL(from)
  const next = new URL(location, from)
  // Another port is another service, which must not be given the key.
  const isSecured =
    old.protocol === "http:" && next.protocol === "https:" && old.port === "" && next.port === ""
  const allowed = next.origin === old.origin || (isSecured && next.hostname === old.hostname)
  return allowed ? next.href : undefined
}
