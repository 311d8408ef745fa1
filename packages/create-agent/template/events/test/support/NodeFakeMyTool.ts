/** The fake tool on a port of the loopback interface, for programs. */
import * as NodeLoopback from "@observability-agents/testing/NodeLoopback"
import { Effect, Queue } from "effect"
import { HttpServerRequest, HttpServerResponse } from "effect/http"
import { Socket } from "effect/socket"
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

  const url = yield* NodeLoopback.serve(answer)
  return { ...tool, url }
})
