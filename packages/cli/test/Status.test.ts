import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as Net from "node:net"
import * as StatusProcess from "./StatusProcess.ts"

const get = (url: string, headers: Record<string, string> = {}) =>
  Effect.promise(async () => {
    const response = await fetch(url, { headers, redirect: "manual" })
    return { status: response.status, headers: response.headers, text: await response.text() }
  })

/** Asks until the answer is as it should be. */
const until = (
  url: string,
  isRight: (answer: { readonly status: number; readonly text: string }) => boolean
) =>
  Effect.gen(function* () {
    for (;;) {
      const answer = yield* get(url)
      if (isRight(answer)) return answer
      yield* Effect.sleep("50 millis")
    }
  })

/** The answer to an address that is sent as it stands. */
const raw = (port: number, target: string) =>
  Effect.callback<string>((resume) => {
    let text = ""
    const socket = Net.connect(port, "127.0.0.1", () =>
      socket.end(`GET ${target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`)
    )
    socket.setEncoding("utf8").on("data", (chunk) => (text += chunk))
    socket.on("error", () => {}).on("close", () => resume(Effect.succeed(text)))
  })

/** Whether somebody may listen, who leaves at once. */
const events = (url: string) =>
  Effect.promise(async () => {
    const response = await fetch(url)
    await response.body?.cancel()
    return response.status
  })

const TIMEOUT = 60_000

describe("the status server", () => {
  it.live(
    "is there with the agent, and a stop does not wait for those who listen",
    () =>
      Effect.gen(function* () {
        const program = yield* StatusProcess.start()
        const url = yield* program.url
        assert.match(url, /^http:\/\/127\.0\.0\.1:\d+\/$/)
        yield* until(`${url}health/ready`, ({ status }) => status === 200)
        assert.strictEqual((yield* get(`${url}health/live`)).status, 200)
        assert.include((yield* get(`${url}metrics`)).text, 'observability_agent_polls_total{source="')
        assert.include((yield* get(`${url}graph`)).text, "flowchart LR")
        assert.strictEqual((yield* get(url, { accept: "text/html" })).status, 200)
        const port = Number(new URL(url).port)
        const listening = Net.connect(port, "127.0.0.1")
        yield* Effect.callback<void>((resume) => {
          listening.on("error", () => {})
          listening.once("data", () => resume(Effect.void))
          listening.write("GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        })
        // A place is taken as long as somebody listens, and no longer.
        const more = Array.from({ length: 31 }, () => Net.connect(port, "127.0.0.1"))
        yield* Effect.forEach(
          more,
          (socket) =>
            Effect.callback<void>((resume) => {
              socket.on("error", () => {})
              socket.once("data", () => resume(Effect.void))
              socket.write("GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n")
            }),
          { concurrency: "unbounded" }
        )
        assert.match(yield* raw(port, "/events"), /^HTTP\/1.1 503 /)
        for (const socket of more) socket.destroy()
        yield* Effect.gen(function* () {
          while ((yield* events(`${url}events`)) !== 200) yield* Effect.sleep("20 millis")
        })
        const began = performance.now()
        yield* program.kill("SIGTERM")
        assert.strictEqual(yield* program.exited, 0)
        assert.isBelow(performance.now() - began, 5000)
      }).pipe(Effect.scoped),
    TIMEOUT
  )

  it.live(
    "keeps a token out of the log, and lets in who has it",
    () =>
      Effect.gen(function* () {
        const token = "a-token-that-nobody-guesses"
        const program = yield* StatusProcess.start({ DK_STATUS_TOKEN: token, DK_LOG_LEVEL: "debug" })
        const url = yield* program.url
        assert.strictEqual((yield* get(`${url}status.json`)).status, 401)
        assert.strictEqual(
          (yield* get(`${url}status.json`, { authorization: `Bearer ${token}` })).status,
          200
        )
        // The server and its router must not read an address in two ways, of which one is open.
        const port = Number(new URL(url).port)
        const odd = ["/status.json", "/metrics", "/", "/events"].map((path) => `${path};/../health/live`)
        for (const target of [...odd, "//", "//[", "http://[", "/health/live#"]) {
          const answer = yield* raw(port, target)
          assert.match(answer, /^HTTP\/1.1 400 /, target)
          assert.include(answer, "x-content-type-options: nosniff", target)
        }
        assert.match(yield* raw(port, "/status.json?/health/live"), /^HTTP\/1.1 401 /)
        // An address with its host is put right before anything looks at it.
        assert.match(yield* raw(port, "http://localhost/metrics"), /^HTTP\/1.1 401 /)
        assert.include(yield* raw(port, "http://localhost/metrics;/../health/live"), '{"ok":true}')
        assert.match(yield* raw(port, "/health/live?x"), /^HTTP\/1.1 200 /)
        const entered = yield* get(`${url}?token=${token}`)
        const cookie = entered.headers.get("set-cookie")?.split(";")[0] ?? ""
        const page = yield* get(url, { cookie })
        assert.deepStrictEqual([entered.status, page.status], [303, 200])
        assert.notInclude(page.text, token)
        yield* program.kill("SIGTERM")
        yield* program.exited
        assert.notInclude(program.log(), token)
      }).pipe(Effect.scoped),
    TIMEOUT
  )

  it.live(
    "a port that is taken, and an open door without a token, end the program with 69, 78 and what to do",
    () =>
      Effect.gen(function* () {
        const taken = yield* Effect.acquireRelease(
          Effect.callback<Net.Server>((resume) => {
            const server = Net.createServer().listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
          }),
          (server) => Effect.sync(() => server.close())
        )
        const address = taken.address()
        const port = typeof address === "object" && address !== null ? address.port : 0
        const [inUse, open] = yield* Effect.all(
          [
            StatusProcess.start({ DK_STATUS_PORT: String(port) }),
            StatusProcess.start({ DK_STATUS_HOST: "0.0.0.0" })
          ],
          { concurrency: 2 }
        )
        assert.strictEqual(yield* inUse.exited, 69)
        assert.include(inUse.log(), `cannot listen on 127.0.0.1, port ${port}: another program listens there`)
        assert.strictEqual(yield* open.exited, 78)
        assert.include(open.log(), "would be open to everybody who reaches 0.0.0.0")
        assert.include(open.log(), "[status] token")
      }).pipe(Effect.scoped),
    TIMEOUT
  )
})
