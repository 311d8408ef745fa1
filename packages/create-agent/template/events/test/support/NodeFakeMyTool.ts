/** The fake tool on a port of the loopback interface, for programs. */
import { NodeHttpServer } from "@effect/platform-node"
import { Effect, Queue, Scope } from "effect"
import { HttpServerRequest, HttpServerResponse } from "effect/http"
import { Socket } from "effect/socket"
import * as NodeHttp from "node:http"
import type * as NodeNet from "node:net"
import * as FakeMyTool from "./FakeMyTool.ts"

/** Serves one until the Scope closes. */
export const make = Effect.fnUntraced(function* (options: { readonly token: string }) {
  const tool = yield* FakeMyTool.make(options)

  const converse = Effect.fnUntraced(function* (socket: Socket.Socket) {
    const { pull } = yield* socket.reader
    const { write } = yield* socket.writer
    const [first] = yield* pull
    const out = yield* Queue.unbounded<string | Socket.CloseEvent>()
    const listening = tool.listen(String(first), {
      say: (text) => Queue.offerUnsafe(out, text),
      close: (code) => Queue.offerUnsafe(out, new Socket.CloseEvent(code))
    })
    const writing = Effect.forever(Effect.flatMap(Queue.take(out), write))
    return yield* Effect.raceAllFirst([
      Effect.andThen(listening, Effect.never),
      writing,
      Effect.forever(pull)
    ])
  })
  const answer = Effect.gen(function* () {
    const request = yield* HttpServerRequest.HttpServerRequest
    if (request.url !== "/news") return HttpServerResponse.empty({ status: 404 })
    const socket = yield* request.upgrade
    yield* Effect.ignore(Effect.interruptible(Effect.scoped(converse(socket))))
    return HttpServerResponse.empty()
  })

  // The server takes things into its Scope as late as when somebody comes: they must not go after those who come.
  const own = yield* Scope.fork(yield* Effect.scope)
  const sockets = new Set<NodeNet.Socket>()
  const node = NodeHttp.createServer().on("connection", (socket) => {
    sockets.add(socket)
    socket.once("close", () => sockets.delete(socket))
  })
  const server = yield* NodeHttpServer.make(() => node, {
    host: "127.0.0.1",
    port: 0,
    gracefulShutdownTimeout: "100 millis"
  }).pipe(Scope.provide(own))
  yield* Scope.provide(server.serve(answer), own)
  // A stop does not wait for those who listen: they are cut off before the server closes.
  yield* Effect.addFinalizer(() => Effect.sync(() => sockets.forEach((socket) => socket.destroy())))
  const port = server.address._tag === "UnixPathAddress" ? 0 : server.address.port
  return { ...tool, url: `http://127.0.0.1:${port}` }
})
