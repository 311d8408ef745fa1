import { FakeObservability } from "@observability-agents/testing/FakeObservability"
import * as NodeFakeObservability from "@observability-agents/testing/NodeFakeObservability"
import * as NodeFaultyProxy from "@observability-agents/testing/NodeFaultyProxy"
import * as Event from "@observability-agents/toolkit/Event"
import * as HttpSettings from "@observability-agents/toolkit/HttpSettings"
import * as NodeHttp from "@observability-agents/toolkit/NodeHttp"
import * as Observability from "@observability-agents/toolkit/Observability"
import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Fiber, Layer, Schedule } from "effect"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import * as net from "node:net"

const READ_TIMEOUT = 300

const served = Layer.merge(NodeFakeObservability.layer(), NodeHttp.layerEnvironment({}))

const running = Event.runStatus({ pipelineKey: "p", runKey: "r", status: "RUNNING" })

/** The fake server, and a client that reaches it through the proxy. */
const setUp = (retries = 0) =>
  Effect.gen(function* () {
    const server = yield* FakeObservability
    const url = new URL(server.baseUrl)
    const proxy = yield* NodeFaultyProxy.make({ target: { host: url.hostname, port: Number(url.port) } })
    const observability = yield* Observability.make({
      baseUrl: `http://127.0.0.1:${proxy.port}${url.pathname}`,
      key: server.key,
      retries,
      readTimeout: Duration.millis(READ_TIMEOUT)
    })
    return { server, proxy, observability }
  })

/** A server that says 10 000 bytes, and a client that reads them through the proxy; each answer is on a new connection. */
const page = Effect.gen(function* () {
  let requests = 0
  const server = yield* Effect.acquireRelease(
    Effect.callback<net.Server>((resume) => {
      const created = createServer((_, response) => {
        requests += 1
        response.end("x".repeat(10_000))
      })
      created.listen(0, "127.0.0.1", () => resume(Effect.succeed(created)))
    }),
    (created) => Effect.callback<void>((resume) => void created.close(() => resume(Effect.void)))
  )
  // SAFETY: the address of a server that listens on a port.
  const { port } = server.address() as AddressInfo
  const proxy = yield* NodeFaultyProxy.make({ target: { host: "127.0.0.1", port } })
  const client = yield* NodeHttp.make(
    { ...HttpSettings.defaults, readTimeout: Duration.millis(READ_TIMEOUT) },
    {}
  )
  const read = Effect.flatMap(client.get(`http://127.0.0.1:${proxy.port}/`), ({ text }) => text)
  return { proxy, read, requests: () => requests }
})

const timed = <A, E>(effect: Effect.Effect<A, E>) =>
  Effect.map(Effect.timed(effect), ([duration, value]) => ({ millis: Duration.toMillis(duration), value }))

describe("NodeFaultyProxy", () => {
  // The last word says whether the server got the event before.
  const faults: ReadonlyArray<readonly [string, NodeFaultyProxy.Behaviour, RegExp, boolean]> = [
    ["refused", NodeFaultyProxy.refuse, /ECONNREFUSED/, false],
    ["reset", NodeFaultyProxy.reset(), /ECONNRESET|other side closed/, false],
    ["reset within the answer", NodeFaultyProxy.reset(20), /ECONNRESET|other side closed|terminated/, true],
    ["half-open", NodeFaultyProxy.halfOpen, /read_timeout/, false],
    ["dead within the answer", NodeFaultyProxy.deadAfter(20), /read_timeout/, true],
    ["too slow", NodeFaultyProxy.slow({ latency: "1 minute" }), /read_timeout/, true]
  ]
  for (const [name, behaviour, words, arrives] of faults) {
    it.live(`a connection that is ${name} ends in an error in words, and a later post delivers`, () =>
      Effect.gen(function* () {
        const { observability, proxy, server } = yield* setUp()
        // Also what happens to a connection that is open and kept.
        yield* observability.post(running)
        yield* proxy.set(behaviour)
        const failed = yield* timed(Effect.flip(observability.post(running)))
        assert.strictEqual(failed.value.reason._tag, "Unavailable")
        assert.match(failed.value.message, words)
        assert.isBelow(failed.millis, READ_TIMEOUT * 4)
        const before = (yield* server.events).length
        assert.strictEqual(before, arrives ? 2 : 1)
        yield* proxy.set(NodeFaultyProxy.pass)
        // Another connection of the pool may have died meanwhile, which nobody knows before it is used.
        yield* Effect.retry(observability.post(running), { times: 1 })
        assert.strictEqual((yield* server.events).length, before + 1)
      }).pipe(Effect.scoped, Effect.provide(served))
    )
  }

  it.live("a refused connection is tried again by the client, which delivers when somebody listens", () =>
    Effect.gen(function* () {
      const { observability, proxy, server } = yield* setUp(1)
      yield* proxy.set(NodeFaultyProxy.refuse)
      const posting = yield* Effect.forkChild(observability.post(running))
      yield* Effect.sleep("100 millis")
      yield* proxy.set(NodeFaultyProxy.pass)
      yield* Fiber.join(posting)
      assert.strictEqual((yield* server.events).length, 1)
      assert.strictEqual((yield* proxy.connections).accepted, 1)
    }).pipe(Effect.scoped, Effect.provide(served))
  )

  it.live("a body that stops without an end, or with a reset, is given up", () =>
    Effect.gen(function* () {
      const { proxy, read } = yield* page
      assert.strictEqual((yield* read).length, 10_000)
      yield* proxy.set(NodeFaultyProxy.deadAfter(5000))
      const dead = yield* timed(Effect.flip(read))
      assert.match(String(dead.value.cause), /[Tt]imeout/)
      assert.isBelow(dead.millis, READ_TIMEOUT * 6)
      yield* proxy.set(NodeFaultyProxy.reset(5000))
      assert.match(
        String((yield* Effect.flip(read)).cause),
        /ECONNRESET|other side closed|terminated|aborted/
      )
    }).pipe(Effect.scoped)
  )

  it.live("a connection that has died stays dead, and others live", () =>
    Effect.gen(function* () {
      const { proxy, read, requests } = yield* page
      yield* proxy.set(NodeFaultyProxy.deadAfter(100))
      const socket = net.connect(proxy.port, "127.0.0.1")
      const ask = () => socket.write("GET / HTTP/1.1\r\nHost: h\r\n\r\n")
      ask()
      const first = yield* Effect.callback<Buffer>((resume) => {
        socket.once("data", (bytes) => resume(Effect.succeed(bytes)))
      })
      assert.strictEqual(first.length, 100)
      yield* proxy.set(NodeFaultyProxy.pass)
      ask()
      assert.strictEqual((yield* read).length, 10_000)
      assert.strictEqual(requests(), 2)
      socket.destroy()
    }).pipe(Effect.scoped)
  )

  it.live("a slow line delivers whole, in its time", () =>
    Effect.gen(function* () {
      const { proxy, read } = yield* page
      yield* proxy.set(NodeFaultyProxy.slow({ latency: "50 millis", bytesPerSecond: 25_000 }))
      const { millis, value } = yield* timed(read)
      assert.strictEqual(value.length, 10_000)
      assert.isAtLeast(millis, 400)
    }).pipe(Effect.scoped)
  )

  it.live("leaves no socket behind, and gives its port free", () =>
    Effect.gen(function* () {
      const sockets = () => process.getActiveResourcesInfo().filter((name) => name.startsWith("TCP")).length
      const before = sockets()
      const port = yield* Effect.gen(function* () {
        const { observability, proxy } = yield* setUp()
        yield* observability.post(running)
        assert.strictEqual((yield* proxy.connections).open, 1)
        yield* proxy.set(NodeFaultyProxy.halfOpen)
        yield* Effect.flip(observability.post(running))
        return proxy.port
      }).pipe(Effect.scoped, Effect.provide(served))
      const again = yield* NodeFaultyProxy.make({ target: { host: "127.0.0.1", port: 1 }, port }).pipe(
        Effect.flatMap(({ connections }) => connections),
        Effect.scoped
      )
      assert.deepStrictEqual(again, { accepted: 0, open: 0 })
      // A socket that was closed is gone some turns of the event loop later.
      yield* Effect.suspend(() => (sockets() <= before ? Effect.void : Effect.fail(sockets()))).pipe(
        Effect.retry({ times: 50, schedule: Schedule.spaced("10 millis") })
      )
    })
  )

  it.live("gives a connection up whose client is gone, also a dead one", () =>
    Effect.gen(function* () {
      const { proxy } = yield* page
      yield* proxy.set(NodeFaultyProxy.halfOpen)
      const socket = net.connect(proxy.port, "127.0.0.1")
      const open = Effect.map(proxy.connections, ({ open }) => open)
      const becomes = (count: number) =>
        Effect.retry(
          Effect.filterOrFail(open, (now) => now === count),
          {
            times: 50,
            schedule: Schedule.spaced("10 millis")
          }
        )
      yield* becomes(1)
      socket.destroy()
      yield* becomes(0)
    }).pipe(Effect.scoped)
  )
})
