/** The fake tool on a port of the loopback interface, for programs. */
import { NodeHttpServer, NodeHttpServerRequest } from "@effect/platform-node"
import { Effect, Option } from "effect"
import { HttpServerRequest, HttpServerResponse } from "effect/http"
import * as NodeHttp from "node:http"
import * as FakeMyTool from "./FakeMyTool.ts"

/** Serves one until the Scope closes. */
export const make = Effect.fnUntraced(function* (options: { readonly token: string }) {
  const tool = yield* FakeMyTool.make(options)
  const scope = yield* Effect.scope
  const answer = Effect.gen(function* () {
    const request = yield* HttpServerRequest.HttpServerRequest
    const answered = yield* Effect.option(Effect.interruptible(tool.handle(request)))
    if (Option.isSome(answered)) return answered.value
    NodeHttpServerRequest.toServerResponse(request).destroy()
    return HttpServerResponse.empty()
  })
  const handler = yield* NodeHttpServer.makeHandler(answer, { scope })
  const server = yield* Effect.acquireRelease(
    Effect.callback<NodeHttp.Server>((resume) => {
      const created = NodeHttp.createServer(handler)
      created.listen(0, "127.0.0.1", () => resume(Effect.succeed(created)))
    }),
    (server) =>
      Effect.callback<void>((resume) => {
        server.close(() => resume(Effect.void))
        server.closeAllConnections()
      })
  )
  const address = server.address()
  return { ...tool, url: `http://127.0.0.1:${typeof address === "object" ? address?.port : ""}` }
})
