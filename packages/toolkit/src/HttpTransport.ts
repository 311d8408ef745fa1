/**
 * The port through which a Handle gets an HTTP client that follows its settings (connections, time-outs, TLS,
 * redirects, proxies). Programs run with `NodeHttp.layer`; tests put any `HttpClient` in its place.
 *
 * A Handle makes its client once, in its Layer:
 *
 * ```ts
 * import * as HttpSettings from "@observability-agents/toolkit/HttpSettings"
 * import { HttpTransport } from "@observability-agents/toolkit/HttpTransport"
 * import { Effect } from "effect"
 *
 * export const make = Effect.gen(function* () {
 *   const transport = yield* HttpTransport
 *   const client = yield* transport.make(HttpSettings.defaults)
 *   return { list: Effect.flatMap(client.get("https://scheduler.test/jobs"), (response) => response.json) }
 * })
 * ```
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as HttpClient from "effect/http/HttpClient"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import type { HttpSettings } from "./HttpSettings.ts"

/**
 * Makes HTTP clients.
 *
 * `make` gives a client with a connection pool of its own, which closes with the scope. The client neither retries
 * nor limits the wait for an answer: put `HttpPolicy.apply(settings)` round it. Read every answer's body, or at least begin
 * to: its connection is in use until then. A setting that cannot be put into effect (a certificate file
 * that cannot be read, say) does not fail here: it is logged, and every request then fails with a message that says so.
 */
export class HttpTransport extends Context.Service<
  HttpTransport,
  {
    readonly make: (settings: HttpSettings) => Effect.Effect<HttpClient.HttpClient, never, Scope.Scope>
  }
>()("@observability-agents/toolkit/HttpTransport") {
  /** A transport that gives this one client whatever the settings are: for tests with a fake client. */
  static layerClient(client: HttpClient.HttpClient): Layer.Layer<HttpTransport> {
    return Layer.succeed(HttpTransport, HttpTransport.of({ make: () => Effect.succeed(client) }))
  }
}
