/**
 * A fake workspace over real HTTP, on a port of this machine: for demonstrations, and for what can only be seen with
 * sockets.
 */
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as NodeHttpServerRequest from "@effect/platform-node/NodeHttpServerRequest"
import * as Effect from "effect/Effect"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import type * as HttpServerError from "effect/http/HttpServerError"
import type * as Scope from "effect/Scope"
import * as Http from "node:http"
import type { FakeDatabricks } from "./FakeDatabricks.ts"

/**
 * Serves the fake on the loopback address until the Scope closes, and gives its address, e.g. `http://127.0.0.1:41234`.
 * Port 0, the default, takes any free one.
 */
export const serve = Effect.fnUntraced(function* (
  fake: FakeDatabricks["Service"],
  options: { readonly port?: number } = {}
): Effect.fn.Return<string, HttpServerError.ServeError, Scope.Scope> {
  const node = Http.createServer()
  const server = yield* NodeHttpServer.make(() => node, {
    host: "127.0.0.1",
    port: options.port ?? 0,
    gracefulShutdownTimeout: "100 millis"
  })
  // A connection that stays open would hold back the end.
  yield* Effect.addFinalizer(() => Effect.sync(() => node.closeAllConnections()))
  yield* server.serve(Effect.catchTag(fake.app, "Dropped", () => hangUp))
  const address = node.address()
  return `http://127.0.0.1:${typeof address === "object" ? address?.port : options.port}`
})

const hangUp = Effect.map(HttpServerRequest.HttpServerRequest, (request) => {
  NodeHttpServerRequest.toIncomingMessage(request).socket.destroy()
  // Nothing is written to a connection that is gone.
  return HttpServerResponse.empty()
})
