import { assert, describe, it } from "@effect/vitest"
import { LISTENERS } from "@observability-agents/core/StatusApp"
import { Effect } from "effect"
import type * as Http from "node:http"
import * as Net from "node:net"
import * as StatusSocket from "../src/StatusSocket.ts"

/** Listens with these limits, and answers `/` at once and `/stream` for ever. */
const listen = (limits: Partial<StatusSocket.Limits>) =>
  Effect.gen(function* () {
    const server = yield* Effect.acquireRelease(
      Effect.callback<Http.Server>((resume) => {
        const server = StatusSocket.make({ ...StatusSocket.LIMITS, ...limits })
        server.on("request", (request, response) => {
          if (request.url !== "/stream") {
            response.end("well")
            return
          }
          const pour = (): void => {
            while (!response.destroyed && response.write("x".repeat(65_536)));
          }
          response.on("drain", pour)
          pour()
        })
        server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
      }),
      (server) => Effect.sync(() => (server.closeAllConnections(), server.close()))
    )
    const address = server.address()
    return typeof address === "object" && address !== null ? address.port : 0
  })

const connect = (port: number) =>
  Effect.acquireRelease(
    Effect.callback<Net.Socket>((resume) => {
      const socket = Net.connect(port, "127.0.0.1", () => resume(Effect.succeed(socket)))
      socket.on("error", () => {})
    }),
    (socket) => Effect.sync(() => socket.destroy())
  )

const closed = (socket: Net.Socket) =>
  Effect.callback<void>((resume) => {
    if (socket.closed) return resume(Effect.void)
    socket.once("close", () => resume(Effect.void))
  })

describe("StatusSocket", () => {
  it.live("a probe gets its answer, however many connections ask for nothing", () =>
    Effect.gen(function* () {
      const port = yield* listen({})
      const idle = yield* Effect.forEach(Array.from({ length: 140 }), () => connect(port), {
        concurrency: 20
      })
      const text = yield* Effect.promise(() =>
        fetch(`http://127.0.0.1:${port}/`, { signal: AbortSignal.timeout(3000) }).then((answer) =>
          answer.text()
        )
      )
      assert.strictEqual(text, "well")
      assert.strictEqual(idle.length, 140)
    }).pipe(Effect.scoped)
  )

  it.live("who does not say what it wants is cut off", () =>
    Effect.gen(function* () {
      const port = yield* listen({ head: 200, request: 300, check: 50 })
      const silent = yield* connect(port)
      const slow = yield* connect(port)
      slow.write("GET / HTTP/1.1\r\n")
      for (const socket of [silent, slow]) {
        socket.resume()
        yield* closed(socket)
      }
    }).pipe(Effect.scoped)
  )

  it.live("who does not read is cut off; who reads is not, however long the answer takes", () =>
    Effect.gen(function* () {
      const port = yield* listen({ head: 100, request: 200, check: 50, silence: 400 })
      const reader = yield* connect(port)
      let read = 0
      reader.on("data", (chunk) => (read += chunk.length))
      const deaf = yield* connect(port)
      for (const socket of [reader, deaf]) socket.write("GET /stream HTTP/1.1\r\nHost: localhost\r\n\r\n")
      deaf.pause()
      yield* Effect.sleep("2500 millis")
      assert.isFalse(reader.closed)
      assert.isAbove(read, 0)
      // Only now it learns what has happened.
      deaf.resume()
      yield* closed(deaf)
    }).pipe(Effect.scoped)
  )

  it.effect("the limits leave room for probes beside those who listen", () =>
    Effect.sync(() => {
      const { check, connections, head, idle, request, silence } = StatusSocket.LIMITS
      assert.deepStrictEqual([head, request, silence, check], [5000, 10_000, 30_000, 1000])
      assert.isAbove(connections, idle + LISTENERS)
    })
  )
})
