/**
 * A network of named hosts inside the process: every HttpTransport client made in a test reaches the fakes by the host
 * of the URL, without a socket, so that requests take no real time and TestClock stays in charge. A host that the
 * test does not know fails as one that no name server knows.
 */
import { HttpTransport } from "@observability-agents/toolkit/HttpTransport"
import * as Effect from "effect/Effect"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientError from "effect/http/HttpClientError"
import type * as Layer from "effect/Layer"

/**
 * In-process clients by host name (with the port, where the URL names one).
 */
export type Hosts = Readonly<Record<string, HttpClient.HttpClient>>

/**
 * A client that reaches these hosts and no other.
 */
export const client = (hosts: Hosts): HttpClient.HttpClient =>
  HttpClient.make((request, url) => {
    const host = hosts[url.host]
    return host === undefined
      ? Effect.fail(
          new HttpClientError.HttpClientError({
            reason: new HttpClientError.TransportError({
              request,
              cause: new Error(
                `getaddrinfo ENOTFOUND ${url.hostname} (this test knows: ${Object.keys(hosts).join(", ")})`
              )
            })
          })
        )
      : host.execute(request)
  })

/**
 * The transport of these hosts.
 */
export const layer = (hosts: Hosts): Layer.Layer<HttpTransport> => HttpTransport.layerClient(client(hosts))
