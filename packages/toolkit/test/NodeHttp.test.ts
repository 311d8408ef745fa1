import * as HttpAnswer from "@observability-agents/toolkit/HttpAnswer"
import * as HttpFailure from "@observability-agents/toolkit/HttpFailure"
import * as HttpPolicy from "@observability-agents/toolkit/HttpPolicy"
import * as HttpSettings from "@observability-agents/toolkit/HttpSettings"
import { HttpTransport } from "@observability-agents/toolkit/HttpTransport"
import * as NodeHttp from "@observability-agents/toolkit/NodeHttp"
import { assert, describe, it } from "@effect/vitest"
import { Cause, Deferred, Duration, Effect, Exit, Fiber, Logger, Redacted, References, Tracer } from "effect"
import { type HttpClientError, HttpClientRequest, type HttpClientResponse } from "effect/http"
import * as NodeFs from "node:fs/promises"
import * as NodeHttpServer from "node:http"
import * as NodeHttp2 from "node:http2"
import * as NodeHttps from "node:https"
import * as NodeNet from "node:net"
import * as NodeOs from "node:os"
import * as NodePath from "node:path"
import * as NodeUtil from "node:util"
import { certificate, key } from "./loopbackCertificate.ts"

// These tests use real sockets on loopback and therefore the live clock. None of them waits for a fixed time: they wait for
// what the server sees, and time-outs are either far away or the very thing that is tested.

type Handler = (request: NodeHttpServer.IncomingMessage, response: NodeHttpServer.ServerResponse) => void

/** Starts a server and tells its port and the number of its connections: those open now, the most at once, all ever. */
const listen = Effect.fnUntraced(function* (server: NodeNet.Server) {
  const sockets = new Set<NodeNet.Socket>()
  const counts = { open: () => sockets.size, most: 0, total: 0 }
  server.on("connection", (socket: NodeNet.Socket) => {
    sockets.add(socket)
    counts.total++
    counts.most = Math.max(counts.most, sockets.size)
    socket.on("error", () => {})
    socket.on("close", () => {
      sockets.delete(socket)
      server.emit("gone")
    })
  })
  yield* Effect.acquireRelease(
    Effect.callback<void>((resume) => {
      server.listen(0, "127.0.0.1", () => resume(Effect.void))
    }),
    () =>
      Effect.callback<void>((resume) => {
        for (const socket of sockets) socket.destroy()
        server.close(() => resume(Effect.void))
      })
  )
  const address = server.address()
  const port = address !== null && typeof address === "object" ? address.port : 0
  /** Waits until at most so many connections are open. */
  const openAtMost = (count: number) =>
    Effect.callback<void>((resume) => {
      const look = () => {
        if (sockets.size > count) return
        server.off("gone", look)
        resume(Effect.void)
      }
      server.on("gone", look)
      look()
    }).pipe(Effect.timeout("5 seconds"))
  return { port, counts, openAtMost }
})

const serve = Effect.fnUntraced(function* (handler: Handler) {
  const server = yield* listen(NodeHttpServer.createServer({ keepAliveTimeout: 60_000 }, handler))
  return { ...server, url: `http://127.0.0.1:${server.port}` }
})

const serveTls = Effect.fnUntraced(function* (handler: Handler) {
  const server = yield* listen(NodeHttps.createServer({ key, cert: certificate }, handler))
  return { ...server, url: `https://127.0.0.1:${server.port}` }
})

const client = (changes: Partial<HttpSettings.HttpSettings> = {}, environment: NodeHttp.Environment = {}) =>
  NodeHttp.make({ ...HttpSettings.defaults, ...changes }, environment)

/** For what is expected to log an error. */
const quietly = Effect.provideService(References.MinimumLogLevel, "None")

type Answer = HttpClientResponse.HttpClientResponse

const say =
  (text: string): Handler =>
  (_, response) => {
    response.end(text)
  }

const errorOf = <A>(effect: Effect.Effect<A, HttpClientError.HttpClientError>) => Effect.flip(effect)

/** A path of a file with this content, which goes with the test. */
const file = Effect.fnUntraced(function* (content: string) {
  const folder = yield* Effect.acquireRelease(
    Effect.promise(() => NodeFs.mkdtemp(NodePath.join(NodeOs.tmpdir(), "toolkit-"))),
    (path) => Effect.promise(() => NodeFs.rm(path, { recursive: true }))
  )
  const path = NodePath.join(folder, "file.pem")
  yield* Effect.promise(() => NodeFs.writeFile(path, content))
  return path
})

describe("NodeHttp requests", () => {
  it.live("sends a request and reads the answer", () =>
    Effect.gen(function* () {
      const { url } = yield* serve((request, response) => {
        request.on("data", (chunk) => response.write(`${request.method} ${request.url} ${chunk}`))
        request.on("end", () => response.end())
      })
      const http = yield* client()
      const response = yield* http.post(`${url}/a?b=c`, {
        body: HttpClientRequest.post("/").pipe(HttpClientRequest.bodyText("hello")).body
      })
      assert.strictEqual(response.status, 200)
      assert.strictEqual(yield* response.text, "POST /a?b=c hello")
    }).pipe(Effect.scoped)
  )

  it.live("is what the layer provides", () =>
    Effect.gen(function* () {
      const { url } = yield* serve(say("hello"))
      const transport = yield* HttpTransport
      const http = yield* transport.make(HttpSettings.defaults)
      assert.strictEqual(yield* Effect.flatMap(http.get(url), (response) => response.text), "hello")
    }).pipe(Effect.scoped, Effect.provide(NodeHttp.layerEnvironment({})))
  )

  it.live("adds the parameters of the settings where the request has none of that name", () =>
    Effect.gen(function* () {
      const { url } = yield* serve((request, response) => response.end(request.url))
      const http = yield* client({ params: { key: Redacted.make("k&k"), page: Redacted.make("1") } })
      const response = yield* http.get(`${url}/x`, { urlParams: { page: "7" } })
      assert.strictEqual(yield* response.text, "/x?page=7&key=k%26k")
    }).pipe(Effect.scoped)
  )

  it.live("does not show such parameters in spans and failures", () =>
    Effect.gen(function* () {
      const { url } = yield* serve((request) => request.socket.destroy())
      const spans: Array<Tracer.Span> = []
      const tracer = Tracer.make({
        span: (options) => {
          const span = new Tracer.NativeSpan(options)
          spans.push(span)
          return span
        }
      })
      const http = yield* client({ params: { key: Redacted.make("canary") } })
      const error = yield* errorOf(http.get(url)).pipe(Effect.withTracer(tracer))
      assert.strictEqual(spans.length, 1)
      assert.notInclude(NodeUtil.inspect([spans[0]?.attributes, error], { depth: 12 }), "canary")
      assert.notInclude(`${JSON.stringify(error)} ${Cause.pretty(Cause.fail(error))}`, "canary")
    }).pipe(Effect.scoped)
  )

  it.live("names the trace of a request to nobody, unless that is wanted", () =>
    Effect.gen(function* () {
      const { url } = yield* serve((request, response) =>
        response.end(String(request.headers["traceparent"] ?? request.headers["b3"]))
      )
      const asked = (changes: Partial<HttpSettings.HttpSettings>) =>
        Effect.flatMap(client(changes), (http) => Effect.flatMap(http.get(url), ({ text }) => text)).pipe(
          Effect.withSpan("asking")
        )
      assert.strictEqual(yield* asked({}), "undefined")
      assert.match(yield* asked({ tracePropagation: true }), /^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/)
    }).pipe(Effect.scoped)
  )

  it.live("warns that write_timeout has no effect of its own, only when it was changed", () =>
    Effect.gen(function* () {
      const lines: Array<string> = []
      const logger = Logger.layer([Logger.make(({ message }) => lines.push(String(message)))])
      yield* client().pipe(Effect.provide(logger))
      assert.deepStrictEqual(lines, [])
      yield* client({ writeTimeout: Duration.seconds(5) }).pipe(Effect.provide(logger))
      assert.strictEqual(lines.length, 1)
      assert.include(lines[0], "write_timeout")
    }).pipe(Effect.scoped)
  )

  it.live("adds user name and password of the settings to requests without credentials", () =>
    Effect.gen(function* () {
      const { url } = yield* serve((request, response) => response.end(request.headers.authorization))
      const http = yield* client({ auth: [Redacted.make("me"), Redacted.make("pä:ss")] })
      const plain = yield* Effect.flatMap(http.get(url), (response) => response.text)
      assert.strictEqual(plain, `Basic ${Buffer.from("me:pä:ss").toString("base64")}`)
      const own = yield* Effect.flatMap(
        http.get(url, { headers: { authorization: "Bearer t" } }),
        (response) => response.text
      )
      assert.strictEqual(own, "Bearer t")
    }).pipe(Effect.scoped)
  )

  it.live("gives the connection of a redirect back, whatever its body", () =>
    Effect.gen(function* () {
      const { url } = yield* serve((request, response) => {
        const location = request.url === "/loop" ? "/loop" : "/there"
        if (request.url === "/there") response.end("arrived")
        else response.writeHead(302, { location })
        if (request.url === "/large") response.end("x".repeat(3_000_000))
        if (request.url === "/slow") response.write("begun")
        if (request.url === "/loop") response.end("turning")
      })
      const http = yield* client({ maxTotalConnections: 1, poolTimeout: Duration.seconds(5) })
      for (const path of ["/large", "/slow", "/large"]) {
        assert.strictEqual(yield* Effect.flatMap(http.get(url + path), ({ text }) => text), "arrived")
      }
      // The last of too many is passed on, and can be read like any other answer.
      const last = yield* http.get(`${url}/loop`)
      assert.strictEqual(last.status, 302)
      assert.strictEqual(yield* last.text, "turning")
      assert.strictEqual(yield* Effect.flatMap(http.get(`${url}/there`), ({ text }) => text), "arrived")
    })
  )

  it.live(
    "gives the connection back of an answer that is read for its words only, however long it goes on",
    () =>
      Effect.gen(function* () {
        const { url } = yield* serve((request, response) => {
          if (request.url === "/") {
            response.end("arrived")
            return
          }
          response.writeHead(500)
          const more = () => {
            while (response.write("x".repeat(60_000)));
          }
          response.on("drain", more)
          more()
        })
        const http = yield* client({ maxTotalConnections: 1, poolTimeout: Duration.seconds(5) })
        for (const read of [HttpAnswer.discard, (answer: Answer) => HttpAnswer.text(answer, "30 seconds")]) {
          yield* read(yield* http.get(`${url}/endless`))
          assert.strictEqual(yield* Effect.flatMap(http.get(url), ({ text }) => text), "arrived")
        }
      })
  )

  it.live("gives the connection of an answer back before the request is repeated, whatever its body", () =>
    Effect.gen(function* () {
      let asked = 0
      const { url } = yield* serve((_, response) => {
        if (++asked > 2) response.end("arrived")
        else if (asked === 2) response.writeHead(503).write("begun")
        else response.writeHead(503).end("x".repeat(3_000_000))
      })
      const http = HttpPolicy.apply(
        { readTimeout: Duration.seconds(20), retries: 2 },
        { baseDelay: "10 millis" }
      )(yield* client({ maxTotalConnections: 1, poolTimeout: Duration.seconds(5) }))
      assert.strictEqual(yield* Effect.flatMap(http.get(url), ({ text }) => text), "arrived")
    })
  )

  it.live("follows redirects only if told to, and leaves credentials behind when the origin changes", () =>
    Effect.gen(function* () {
      const other = yield* serve((request, response) =>
        response.end(`other ${request.headers.authorization}`)
      )
      const { url } = yield* serve((request, response) => {
        if (request.url === "/end") return response.end(`same ${request.headers.authorization}`)
        const location = request.url === "/away" ? other.url : "/end"
        return response.writeHead(302, { location }).end()
      })
      const options = { headers: { authorization: "Bearer t" } }
      const following = yield* client({ maxTotalConnections: 1, poolTimeout: Duration.seconds(5) })
      assert.strictEqual(
        yield* Effect.flatMap(following.get(`${url}/here`, options), (r) => r.text),
        "same Bearer t"
      )
      assert.strictEqual(
        yield* Effect.flatMap(following.get(`${url}/away`, options), (r) => r.text),
        "other undefined"
      )
      const staying = yield* client({ followRedirects: false })
      assert.strictEqual((yield* staying.get(`${url}/here`, options)).status, 302)
    }).pipe(Effect.scoped)
  )

  it.live("says in words that nobody listens, and that the request was not sent", () =>
    Effect.gen(function* () {
      const { port } = yield* Effect.scoped(serve(say("")))
      const http = yield* client()
      const error = yield* errorOf(http.post(`http://127.0.0.1:${port}/x`))
      assert.match(error.message, /connect ECONNREFUSED 127\.0\.0\.1/)
      assert.isTrue(HttpFailure.neverSent(error))
      assert.isFalse(HttpFailure.isLasting(error))
    }).pipe(Effect.scoped)
  )

  it.live("tells a connection that broke after sending from one that was never there", () =>
    Effect.gen(function* () {
      const { url } = yield* serve((request) => request.socket.destroy())
      const http = yield* client()
      const error = yield* errorOf(http.post(`${url}/x`))
      assert.isFalse(HttpFailure.neverSent(error))
      assert.isFalse(HttpFailure.isLasting(error))
    }).pipe(Effect.scoped)
  )

  it.live("gives up on an answer whose body stops arriving", () =>
    Effect.gen(function* () {
      const { url } = yield* serve((_, response) => response.write("half"))
      const http = yield* client({ readTimeout: Duration.millis(100) })
      const response = yield* http.get(url)
      const error = yield* errorOf(response.text)
      assert.strictEqual(error.reason._tag, "DecodeError")
      assert.match(HttpFailure.words(error.cause), /body timeout/i)
    }).pipe(Effect.scoped)
  )

  it.live("closes its connections with the scope", () =>
    Effect.gen(function* () {
      const { url, counts, openAtMost } = yield* serve(say("hello"))
      yield* Effect.scoped(
        Effect.gen(function* () {
          const http = yield* client()
          yield* Effect.flatMap(http.get(url), (response) => response.text)
          assert.strictEqual(counts.open(), 1)
        })
      )
      yield* openAtMost(0)
    }).pipe(Effect.scoped)
  )
})

/** A server that answers its requests only when all of a group have come, so that they are certainly simultaneous. */
const gathering = Effect.fnUntraced(function* (size: number) {
  let waiting: Array<NodeHttpServer.ServerResponse> = []
  let most = 0
  const server = yield* serve((_, response) => {
    waiting.push(response)
    most = Math.max(most, waiting.length)
    if (waiting.length < size) return
    const group = waiting
    waiting = []
    for (const each of group) each.end("hello")
  })
  return { ...server, most: () => most }
})

const getAll = (http: Effect.Success<ReturnType<typeof client>>, url: string, count: number) =>
  Effect.all(
    Array.from({ length: count }, () => Effect.flatMap(http.get(url), (response) => response.text)),
    { concurrency: "unbounded" }
  )

describe("NodeHttp connections", () => {
  it.live("opens no more connections than max_total_connections", () =>
    Effect.gen(function* () {
      const { url, counts, most } = yield* gathering(3)
      const http = yield* client({ maxTotalConnections: 3, maxKeepaliveConnections: 3 })
      const answers = yield* getAll(http, url, 24)
      assert.strictEqual(answers.length, 24)
      assert.strictEqual(counts.most, 3)
      assert.strictEqual(counts.total, 3)
      assert.strictEqual(most(), 3)
    }).pipe(Effect.scoped)
  )

  it.live("counts a connection as used until the answer has been read", () =>
    Effect.gen(function* () {
      const { url } = yield* serve((_, response) => response.write("half"))
      const http = yield* client({ maxTotalConnections: 1, poolTimeout: Duration.millis(50) })
      const first = yield* http.get(url)
      const error = yield* errorOf(http.get(url))
      assert.match(
        error.message,
        /all 1 connections \(max_total_connections\) were in use for 50ms \(pool_timeout\)/
      )
      assert.isTrue(HttpFailure.neverSent(error))
      assert.strictEqual(first.status, 200)
    }).pipe(Effect.scoped)
  )

  it.live("gives the place of an interrupted or failed request to the next one", () =>
    Effect.gen(function* () {
      const asked = yield* Deferred.make<void>()
      let count = 0
      const { url } = yield* serve((request, response) => {
        count++
        if (count === 1) Deferred.doneUnsafe(asked, Effect.void)
        else if (count === 2) request.socket.destroy()
        else response.end("hello")
      })
      const http = yield* client({ maxTotalConnections: 1 })
      const stuck = yield* Effect.forkChild(http.get(url))
      yield* Deferred.await(asked)
      const waiting = yield* Effect.forkChild(http.get(url))
      yield* Fiber.interrupt(stuck)
      assert.isTrue(Exit.isFailure(yield* Fiber.await(waiting)))
      assert.deepStrictEqual(yield* getAll(http, url, 2), ["hello", "hello"])
    }).pipe(Effect.scoped)
  )

  it.live("gives the place of a request that could not even be begun to the next one", () =>
    Effect.gen(function* () {
      const { url } = yield* serve(say("hello"))
      const http = yield* client({ maxTotalConnections: 1, poolTimeout: Duration.seconds(2) })
      assert.strictEqual((yield* errorOf(http.get("http://[nowhere"))).reason._tag, "InvalidUrlError")
      yield* errorOf(http.get(url, { headers: { "x-broken": "a\nb" } }))
      assert.deepStrictEqual(yield* getAll(http, url, 1), ["hello"])
    }).pipe(Effect.scoped)
  )

  it.live("keeps as few idle connections when one request follows the other at once", () =>
    Effect.gen(function* () {
      const { url, openAtMost } = yield* serve(say("hello"))
      const http = yield* client({ maxKeepaliveConnections: 1 })
      for (let i = 0; i < 6; i++) yield* getAll(http, url, 1)
      yield* openAtMost(1)
    }).pipe(Effect.scoped)
  )

  it.live("keeps no more idle connections than max_keepalive_connections", () =>
    Effect.gen(function* () {
      const { url, counts, openAtMost } = yield* gathering(6)
      const http = yield* client({ maxTotalConnections: 6, maxKeepaliveConnections: 2 })
      yield* getAll(http, url, 6)
      yield* openAtMost(2)
      assert.strictEqual(counts.most, 6)
      yield* getAll(http, url, 6)
      yield* openAtMost(2)
    }).pipe(Effect.scoped)
  )

  it.live("uses an idle connection again", () =>
    Effect.gen(function* () {
      const { url, counts } = yield* serve(say("hello"))
      const http = yield* client({ maxTotalConnections: 1 })
      for (let i = 0; i < 3; i++) yield* getAll(http, url, 1)
      assert.strictEqual(counts.total, 1)
    }).pipe(Effect.scoped)
  )

  it.live("keeps none at all when keep-alive is off", () =>
    Effect.gen(function* () {
      for (const changes of [{ maxKeepaliveConnections: 0 }, { keepaliveExpiration: Duration.zero }]) {
        const { url, counts, openAtMost } = yield* serve(say("hello"))
        const http = yield* client(changes)
        for (let i = 0; i < 3; i++) {
          yield* getAll(http, url, 1)
          yield* openAtMost(0)
        }
        assert.strictEqual(counts.total, 3)
      }
    }).pipe(Effect.scoped)
  )

  it.live("closes an idle connection after keepalive_expiration", () =>
    Effect.gen(function* () {
      const { url, openAtMost } = yield* serve(say("hello"))
      const http = yield* client({ keepaliveExpiration: Duration.millis(50) })
      yield* getAll(http, url, 1)
      yield* openAtMost(0)
    }).pipe(Effect.scoped)
  )
})

describe("NodeHttp TLS", () => {
  it.live("refuses a certificate of an unknown authority, for good", () =>
    Effect.gen(function* () {
      const { url } = yield* serveTls(say("hello"))
      const http = yield* client()
      const error = yield* errorOf(http.get(url))
      assert.match(error.message, /self-signed certificate/)
      assert.isTrue(HttpFailure.isLasting(error))
    }).pipe(Effect.scoped)
  )

  it.live("accepts it when ssl_cert_file names it, or ssl_verify is off", () =>
    Effect.gen(function* () {
      const { url } = yield* serveTls(say("hello"))
      for (const changes of [
        { sslCertFile: yield* file(certificate) },
        { sslVerify: false },
        { sslVerify: false, sslCertFile: "/nowhere.pem" }
      ]) {
        const http = yield* client(changes)
        assert.deepStrictEqual(yield* getAll(http, url, 1), ["hello"])
      }
    }).pipe(Effect.scoped)
  )

  it.live("fails every request with a plain reason when ssl_cert_file cannot be used", () =>
    Effect.gen(function* () {
      for (const [path, reason] of [
        ["/nowhere.pem", /ssl_cert_file cannot be used: ENOENT.*nowhere\.pem/],
        [yield* file("hello"), /ssl_cert_file cannot be used: .* holds no certificate in PEM form/]
      ] as const) {
        const http = yield* quietly(client({ sslCertFile: path }))
        const error = yield* errorOf(http.get("https://127.0.0.1:1/"))
        assert.match(error.message, reason)
        assert.isTrue(HttpFailure.isLasting(error))
        assert.isTrue(HttpFailure.neverSent(error))
      }
    }).pipe(Effect.scoped)
  )

  it.live("speaks HTTP/2 only if told to", () =>
    Effect.gen(function* () {
      const { port } = yield* listen(
        NodeHttp2.createSecureServer({ key, cert: certificate, allowHTTP1: true }, (request, response) => {
          response.end(request.httpVersion)
        })
      )
      const url = `https://127.0.0.1:${port}`
      const sslCertFile = yield* file(certificate)
      assert.deepStrictEqual(yield* getAll(yield* client({ sslCertFile }), url, 1), ["1.1"])
      assert.deepStrictEqual(yield* getAll(yield* client({ sslCertFile, http2: true }), url, 1), ["2.0"])
    }).pipe(Effect.scoped)
  )
})

/** A tiny proxy that remembers what went through it, and its callers' credentials. */
const proxy = Effect.fnUntraced(function* () {
  const seen: Array<string> = []
  const server = NodeHttpServer.createServer((request, response) => {
    seen.push(`${request.method} ${request.url} ${request.headers["proxy-authorization"] ?? "-"}`)
    const target = new URL(request.url ?? "")
    NodeHttpServer.get({ host: target.hostname, port: target.port, path: target.pathname }, (answer) => {
      response.writeHead(answer.statusCode ?? 500)
      answer.pipe(response)
    })
  })
  server.on("connect", (request, socket) => {
    seen.push(`CONNECT ${request.url} ${request.headers["proxy-authorization"] ?? "-"}`)
    const [host, port] = (request.url ?? "").split(":")
    const upstream = NodeNet.connect(Number(port), host, () => {
      socket.write("HTTP/1.1 200 OK\r\n\r\n")
      upstream.pipe(socket)
      socket.pipe(upstream)
    })
    upstream.on("error", () => socket.destroy())
    socket.on("error", () => upstream.destroy())
    socket.on("close", () => upstream.destroy())
  })
  const { port } = yield* listen(server)
  return { port, seen }
})

describe("NodeHttp proxies", () => {
  it.live("goes through HTTP_PROXY with its credentials", () =>
    Effect.gen(function* () {
      const { url } = yield* serve(say("hello"))
      const { port, seen } = yield* proxy()
      for (const name of ["HTTP_PROXY", "http_proxy", "ALL_PROXY"]) {
        const http = yield* client({}, { [name]: `http://me:pw@127.0.0.1:${port}` })
        assert.deepStrictEqual(yield* getAll(http, `${url}/x`, 1), ["hello"])
      }
      const basic = `Basic ${Buffer.from("me:pw").toString("base64")}`
      assert.deepStrictEqual(
        seen,
        Array.from({ length: 3 }, () => `GET ${url}/x ${basic}`)
      )
    }).pipe(Effect.scoped)
  )

  it.live("goes through HTTPS_PROXY by a tunnel, and verifies the server behind it", () =>
    Effect.gen(function* () {
      const { url, port: target } = yield* serveTls(say("hello"))
      const { port, seen } = yield* proxy()
      const environment = { HTTPS_PROXY: `http://127.0.0.1:${port}` }
      const http = yield* client({ sslCertFile: yield* file(certificate) }, environment)
      assert.deepStrictEqual(yield* getAll(http, url, 1), ["hello"])
      assert.deepStrictEqual(seen, [`CONNECT 127.0.0.1:${target} -`])
      const doubting = yield* client({}, environment)
      assert.match((yield* errorOf(doubting.get(url))).message, /self-signed certificate/)
      const trusting = yield* client({ sslVerify: false }, environment)
      assert.deepStrictEqual(yield* getAll(trusting, url, 1), ["hello"])
    }).pipe(Effect.scoped)
  )

  it.live("speaks HTTP/2 through a tunnel only if told to", () =>
    Effect.gen(function* () {
      const target = yield* listen(
        NodeHttp2.createSecureServer({ key, cert: certificate, allowHTTP1: true }, (request, response) => {
          response.end(request.httpVersion)
        })
      )
      const { port } = yield* proxy()
      const environment = { HTTPS_PROXY: `http://127.0.0.1:${port}` }
      const url = `https://127.0.0.1:${target.port}`
      for (const [http2, version] of [
        [false, "1.1"],
        [true, "2.0"]
      ] as const) {
        const http = yield* client({ sslVerify: false, http2 }, environment)
        assert.deepStrictEqual(yield* getAll(http, url, 1), [version])
      }
    }).pipe(Effect.scoped)
  )

  it.live("goes directly where NO_PROXY says so, or no proxy is named", () =>
    Effect.gen(function* () {
      const { url } = yield* serve(say("hello"))
      const { port, seen } = yield* proxy()
      const HTTP_PROXY = `http://127.0.0.1:${port}`
      for (const environment of [
        { HTTP_PROXY, NO_PROXY: "example.com,127.0.0.1" },
        { HTTP_PROXY, no_proxy: "*" },
        { HTTP_PROXY: " " },
        { HTTPS_PROXY: HTTP_PROXY }
      ]) {
        const http = yield* client({}, environment)
        assert.deepStrictEqual(yield* getAll(http, url, 1), ["hello"])
      }
      assert.deepStrictEqual(seen, [])
    }).pipe(Effect.scoped)
  )

  it.live("says that a proxy is not reachable, or its address is none, without showing its password", () =>
    Effect.gen(function* () {
      const { port } = yield* Effect.scoped(proxy())
      const { url } = yield* serve(say("hello"))
      for (const HTTP_PROXY of [
        `http://me:canary@127.0.0.1:${port}`,
        `me:canary@127.0.0.1:${port}`,
        "http://me:canary@:x"
      ]) {
        const http = yield* quietly(client({}, { HTTP_PROXY }))
        const error = yield* errorOf(http.get(url))
        assert.match(error.message, /ECONNREFUSED|HTTP_PROXY cannot be used/)
        assert.notInclude(
          `${error.message} ${Cause.pretty(Cause.fail(error))} ${JSON.stringify(error)}`,
          "canary"
        )
      }
    }).pipe(Effect.scoped)
  )

  it.live("respects max_total_connections through a proxy too", () =>
    Effect.gen(function* () {
      const { url, counts, most } = yield* gathering(3)
      const { port } = yield* proxy()
      const http = yield* client({ maxTotalConnections: 3 }, { HTTP_PROXY: `http://127.0.0.1:${port}` })
      yield* getAll(http, url, 12)
      assert.strictEqual(most(), 3)
      assert.isAtMost(counts.most, 3)
    }).pipe(Effect.scoped)
  )
})
