/**
 * A fake tool on a port of this machine, for programs: what answers inside of the process answers over real sockets.
 *
 * ```ts
 * import * as NodeLoopback from "@observability-agents/testing/NodeLoopback"
 * import { Effect } from "effect"
 * import { HttpServerRequest, HttpServerResponse } from "effect/http"
 *
 * const tool = Effect.map(HttpServerRequest.HttpServerRequest, ({ url }) =>
 *   HttpServerResponse.text(`you asked for ${url}`)
 * )
 *
 * // http://127.0.0.1:41234
 * export const origin = NodeLoopback.serve(tool)
 * ```
 */
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as NodeHttpServerRequest from "@effect/platform-node/NodeHttpServerRequest"
import * as Effect from "effect/Effect"
import * as Scope from "effect/Scope"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as NodeHttp from "node:http"
import type * as NodeNet from "node:net"

/**
 * Serves it on the loopback address until the Scope closes, which cuts all that is still connected; gives the origin, without a
 * slash at its end. Websockets work by `request.upgrade`. Where the answer fails, the connection is closed without one. A port
 * that is taken is a defect; any that is free is taken unless one is given.
 */
export const serve = Effect.fnUntraced(function* <E, R>(
  answer: Effect.Effect<HttpServerResponse.HttpServerResponse, E, R>,
  options: { readonly port?: number | undefined } = {}
) {
  // The server takes things into its Scope as late as when somebody comes: they must not go after those who come.
  const own = yield* Scope.fork(yield* Effect.scope)
  const sockets = new Set<NodeNet.Socket>()
  const node = NodeHttp.createServer().on("connection", (socket) => {
    sockets.add(socket)
    socket.once("close", () => sockets.delete(socket))
  })
  const server = yield* NodeHttpServer.make(() => node, {
    host: "127.0.0.1",
    port: options.port ?? 0,
    gracefulShutdownTimeout: "100 millis"
  }).pipe(Scope.provide(own), Effect.orDie)
  // Interruptible, which a server's handler is not by itself: otherwise a request without an answer would outlive its client.
  const app = Effect.interruptible(answer).pipe(Effect.catch(() => hangUp))
  yield* Scope.provide(server.serve(app), own)
  // A stop does not wait for those who are connected.
  yield* Effect.addFinalizer(() => Effect.sync(() => sockets.forEach((socket) => socket.destroy())))
  return `http://127.0.0.1:${server.address._tag === "UnixPathAddress" ? "" : server.address.port}`
})

// ---- private

const hangUp = Effect.map(HttpServerRequest.HttpServerRequest, (request) => {
  NodeHttpServerRequest.toIncomingMessage(request).socket.destroy()
  // Nothing is written to a connection that is gone.
  return HttpServerResponse.empty()
})
