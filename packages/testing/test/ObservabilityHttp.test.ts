import { assert, describe, it } from "@effect/vitest"
import { FakeObservability } from "@observability-agents/testing/FakeObservability"
import * as NodeFakeObservability from "@observability-agents/testing/NodeFakeObservability"
import * as ServerFault from "@observability-agents/testing/ServerFault"
import * as Event from "@observability-agents/toolkit/Event"
import * as NodeHttp from "@observability-agents/toolkit/NodeHttp"
import * as Observability from "@observability-agents/toolkit/Observability"
import { DateTime, Duration, Effect, Layer, Redacted, Result } from "effect"
import { createServer } from "node:http"
import * as net from "node:net"

const run = { pipelineKey: "p", runKey: "r", timestamp: DateTime.makeUnsafe("2026-01-01T10:00:00Z") }
const running = Event.runStatus({ ...run, status: "RUNNING" })

const served = Layer.merge(NodeFakeObservability.layer(), NodeHttp.layerEnvironment({}))

const connect = Effect.flatMap(FakeObservability, ({ baseUrl, key }) =>
  Observability.make({ baseUrl: `${baseUrl}/`, key, retries: 0, readTimeout: Duration.millis(300) })
)

/** Sends bytes to the server as they are, and gives what comes back until it closes. */
const raw = (baseUrl: string, text: string) =>
  Effect.callback<string>((resume) => {
    const { hostname, port } = new URL(baseUrl)
    let received = ""
    const socket = net.connect(Number(port), hostname, () => socket.write(text))
    socket.on("data", (data) => (received += data.toString()))
    socket.on("close", () => resume(Effect.succeed(received)))
    socket.on("error", () => resume(Effect.succeed(received)))
    return Effect.sync(() => socket.destroy())
  })

describe("Observability over HTTP", () => {
  it.live("delivers events and heartbeats, with their length and without chunks", () =>
    Effect.gen(function* () {
      const fake = yield* FakeObservability
      const server = yield* connect
      const large = Event.messageLog({ ...run, level: "INFO", message: "ü".repeat(50_000) })
      yield* server.post(running)
      yield* server.post(large)
      yield* server.heartbeat({ key: "a", tool: "t", version: "1" })
      yield* server.ready
      assert.deepStrictEqual(yield* fake.events, [running, large])
      assert.strictEqual((yield* fake.heartbeats).length, 1)
      for (const { body, headers, method } of yield* fake.requests) {
        assert.isUndefined(headers["transfer-encoding"])
        if (method === "POST") {
          assert.strictEqual(headers["content-length"], String(Buffer.byteLength(body)))
          assert.strictEqual(headers["content-type"], "application/json")
        }
      }
    }).pipe(Effect.provide(served))
  )

  it.live("maps what happens to connections", () =>
    Effect.gen(function* () {
      const fake = yield* FakeObservability
      const server = yield* connect
      const failing = Effect.fnUntraced(function* (fault: ServerFault.ServerFault) {
        yield* fake.fail(fault, { times: 1 })
        const { message, reason } = yield* Effect.flip(server.post(running))
        assert.strictEqual(reason._tag, "Unavailable", message)
        return { message, doubtful: reason._tag === "Unavailable" && reason.possiblyDelivered }
      })
      assert.isTrue((yield* failing(ServerFault.drop)).doubtful)
      const silent = yield* failing(ServerFault.silence)
      assert.isTrue(silent.doubtful)
      assert.include(silent.message, "read_timeout")
      assert.isFalse((yield* failing(ServerFault.queueDown)).doubtful)
      assert.deepStrictEqual(yield* fake.events, [])
      assert.isTrue((yield* failing(ServerFault.afterWork(ServerFault.drop))).doubtful)
      assert.strictEqual((yield* fake.events).length, 1)
      yield* server.post(running)
    }).pipe(Effect.provide(served))
  )

  it.live("goes on with an event after its sender gave up", () =>
    Effect.gen(function* () {
      const fake = yield* FakeObservability
      const server = yield* connect
      yield* fake.fail(ServerFault.slow("600 millis"), { times: 1 })
      assert.isTrue(Result.isFailure(yield* Effect.result(server.post(running))))
      assert.strictEqual((yield* fake.awaitEvents(1)).length, 1)
    }).pipe(Effect.provide(served))
  )

  it.live("says that nothing was delivered where nothing listens", () =>
    Effect.gen(function* () {
      const baseUrl = yield* Effect.scoped(Effect.map(NodeFakeObservability.make(), (fake) => fake.baseUrl))
      const { key } = yield* FakeObservability
      const server = yield* Observability.make({ baseUrl, key, retries: 0 })
      const { message, reason } = yield* Effect.flip(server.post(running))
      assert.include(message, "ECONNREFUSED")
      assert.isTrue(reason._tag === "Unavailable" && !reason.possiblyDelivered)
    }).pipe(Effect.provide(served))
  )

  it.live("refuses a chunked event with 500, as the real server does, and takes a chunked heartbeat", () =>
    Effect.gen(function* () {
      const { baseUrl } = yield* FakeObservability
      const chunked = (path: string, body: string) =>
        raw(
          baseUrl,
          `POST /api/${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\nServiceAccountAuthenticationKey: a-service-account-key-for-tests\r\nTransfer-Encoding: chunked\r\n\r\n${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`
        )
      const event = yield* chunked(
        "events/v1/run-status",
        `{"pipeline_key":"p","run_key":"r","status":"RUNNING"}`
      )
      assert.isTrue(event.startsWith("HTTP/1.1 500"), event)
      assert.include(event, "error_id")
      const beat = yield* chunked("agent/v1/heartbeat", `{"key":"a","tool":"t","version":"1"}`)
      assert.isTrue(beat.startsWith("HTTP/1.1 204"), beat)
    }).pipe(Effect.provide(served))
  )

  it.live("follows redirects on one connection, and reads no answer without end", () =>
    Effect.gen(function* () {
      const server = createServer((request, response) => {
        if (request.url?.startsWith("/moved/") === true) {
          response.writeHead(request.url.endsWith("heartbeat") ? 401 : 204).end("no")
        } else if (request.url?.endsWith("readyz") === true) {
          response.writeHead(200)
          const more = () => {
            while (response.write("x".repeat(60_000)));
          }
          response.on("drain", more)
          more()
        } else {
          response.writeHead(307, { location: `/moved${request.url ?? ""}` }).end("x".repeat(3_000_000))
        }
      })
      const port = yield* Effect.acquireRelease(
        Effect.callback<number>((resume) => {
          server.listen(0, "127.0.0.1", () => {
            const address = server.address()
            resume(Effect.succeed(address !== null && typeof address === "object" ? address.port : 0))
          })
        }),
        () =>
          Effect.sync(() => {
            server.closeAllConnections()
            server.close()
          })
      )
      const client = yield* Observability.make({
        baseUrl: `http://127.0.0.1:${port}/api`,
        key: Redacted.make("a-key"),
        retries: 0,
        maxTotalConnections: 1,
        poolTimeout: Duration.seconds(5)
      })
      for (let n = 0; n < 3; n++) yield* client.post(running)
      yield* client.ready
      const { reason } = yield* Effect.flip(client.heartbeat({ key: "a", tool: "t", version: "1" }))
      assert.strictEqual(reason._tag, "Unauthorized")
      yield* client.post(running)
    }).pipe(Effect.provide(NodeHttp.layerEnvironment({})))
  )

  it.live("closes with its scope although a request waits for its answer", () =>
    Effect.gen(function* () {
      const ended = yield* Effect.scoped(
        Effect.gen(function* () {
          const fake = yield* NodeFakeObservability.make()
          yield* fake.fail(ServerFault.silence)
          const server = yield* Observability.make({ baseUrl: fake.baseUrl, key: fake.key, retries: 0 })
          yield* Effect.forkChild(Effect.exit(server.post(running)))
          yield* Effect.repeat(Effect.sleep("5 millis"), {
            until: () => Effect.map(fake.requests, (r) => r.length > 0)
          })
          return "ended"
        })
      ).pipe(Effect.timeout("3 seconds"))
      assert.strictEqual(ended, "ended")
    }).pipe(Effect.provide(NodeHttp.layerEnvironment({})))
  )
})
