/**
 * A network of named hosts inside the process: every HttpTransport client made in a test reaches the fakes by the host
 * of the URL, without a socket, so that requests take no real time and TestClock stays in charge. A host that the
 * test does not know fails as one that no name server knows.
 *
 * ```ts
 * import * as TestNetwork from "@observability-agents/testing/TestNetwork"
 * import { Effect } from "effect"
 * import { HttpClient, HttpClientResponse } from "effect/http"
 *
 * const scheduler = HttpClient.make((request) =>
 *   Effect.succeed(HttpClientResponse.fromWeb(request, Response.json([{ job: "nightly-load" }])))
 * )
 *
 * // An HttpTransport of which each client reaches this one host, and no other.
 * export const layer = TestNetwork.layer({ "scheduler.test": scheduler })
 * ```
 */
import { HttpTransport } from "@observability-agents/toolkit/HttpTransport"
import * as Effect from "effect/Effect"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientError from "effect/http/HttpClientError"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import type * as Layer from "effect/Layer"
import * as Option from "effect/Option"

/**
 * In-process clients by host name (with the port, where the URL names one).
 */
export type Hosts = Readonly<Record<string, HttpClient.HttpClient>>

/**
 * A client that reaches these hosts and no other.
 */
export const client = (hosts: Hosts): HttpClient.HttpClient =>
  // Not by `make`: the fakes were made so, and a second time the same span and controller would be made for each request.
  HttpClient.makeWith<HttpClientError.HttpClientError, never, HttpClientError.HttpClientError, never>(
    Effect.flatMap((request) => {
      const url = HttpClientRequest.toUrl(request)
      const host = Option.isSome(url) ? hosts[url.value.host] : undefined
      if (host !== undefined) return host.execute(request)
      const words = Option.isSome(url)
        ? `getaddrinfo ENOTFOUND ${url.value.hostname} (this test knows: ${Object.keys(hosts).join(", ")})`
        : `not a URL: ${request.url}`
      return Effect.fail(
        new HttpClientError.HttpClientError({
          reason: new HttpClientError.TransportError({ request, cause: new Error(words) })
        })
      )
    }),
    Effect.succeed
  )

/**
 * The transport of these hosts.
 */
export const layer = (hosts: Hosts): Layer.Layer<HttpTransport> => HttpTransport.layerClient(client(hosts))
