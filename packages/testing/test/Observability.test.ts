import { assert, describe, it } from "@effect/vitest"
import { FakeObservability } from "@observability-agents/testing/FakeObservability"
import * as ServerFault from "@observability-agents/testing/ServerFault"
import * as Event from "@observability-agents/toolkit/Event"
import type { HttpSettings } from "@observability-agents/toolkit/HttpSettings"
import { HttpTransport } from "@observability-agents/toolkit/HttpTransport"
import * as Observability from "@observability-agents/toolkit/Observability"
import type { ObservabilityError } from "@observability-agents/toolkit/ObservabilityError"
import {
  Cause,
  ConfigProvider,
  DateTime,
  Duration,
  Effect,
  Fiber,
  Layer,
  Logger,
  Redacted,
  References,
  Result,
  Tracer
} from "effect"
import { inspect } from "node:util"
import { HttpClient, HttpClientError, HttpClientResponse } from "effect/http"
import { TestClock } from "effect/testing"

const at = DateTime.makeUnsafe("2026-01-01T10:00:00.123Z")
const run = { pipelineKey: "p", runKey: "r", timestamp: at }
const running = Event.runStatus({ ...run, status: "RUNNING" })
const beat = { key: "a", tool: "t", version: "1" }

const connected = (settings: Partial<HttpSettings> = {}) =>
  FakeObservability.layerObservability(settings).pipe(Layer.provideMerge(FakeObservability.layer))

const post = Effect.flatMap(Observability.Observability, (server) => server.post(running))

/** The error of a post that meets this fault. */
const failing = Effect.fnUntraced(function* (fault: ServerFault.ServerFault) {
  const fake = yield* FakeObservability
  yield* fake.fail(fault, { times: 1 })
  return yield* Effect.flip(post)
})

const reasonOf = (error: ObservabilityError): object => ({ ...error.reason })

describe("Observability", () => {
  it.effect("delivers each type of event as it is", () =>
    Effect.gen(function* () {
      const fake = yield* FakeObservability
      const server = yield* Observability.Observability
      const events: ReadonlyArray<Event.Event> = [
        Event.runStatus({
          ...run,
          taskKey: "t",
          status: "COMPLETED_WITH_WARNINGS",
          metadata: { a: [1, null] }
        }),
        Event.messageLog({ serverKey: "s", level: "WARNING", message: "Grüße", details: "d", timestamp: at }),
        Event.metricLog({ streamKey: "s", metricKey: "rows", metricValue: 1.5, timestamp: at }),
        Event.datasetOperation({ datasetKey: "d", operation: "READ", path: "/a", timestamp: at }),
        Event.testOutcomes({ datasetKey: "d", outcomes: [{ name: "t", status: "FAILED" }], timestamp: at })
      ]
      yield* Effect.forEach(events, server.post)
      assert.deepStrictEqual(yield* fake.events, events)
    }).pipe(Effect.provide(connected()))
  )

  it.effect(
    "sends JSON with its length, to a path without a slash at the end, and nothing that the server does not know",
    () =>
      Effect.gen(function* () {
        const fake = yield* FakeObservability
        yield* post
        yield* (yield* Observability.Observability).heartbeat(beat)
        for (const { body, headers, path } of yield* fake.requests) {
          assert.strictEqual(headers["content-type"], "application/json")
          assert.strictEqual(headers["content-length"], String(new TextEncoder().encode(body).length))
          assert.strictEqual(headers["serviceaccountauthenticationkey"], Redacted.value(fake.key))
          assert.isUndefined(headers["event-source"])
          assert.isUndefined(headers["transfer-encoding"])
          assert.isFalse(path.endsWith("/"))
        }
      }).pipe(Effect.provide(connected()))
  )

  for (const [basePath, baseUrl] of [
    ["/api", "http://host:8082/api"],
    ["/api", "http://host:8082/api/"],
    ["/api", "http://host:8082/api//"],
    ["", "http://event-api:5001"],
    ["", "http://event-api:5001/"],
    ["/a/b", "https://user:pw@host/a/b/"]
  ] as const) {
    it.effect(`finds the server at ${baseUrl}`, () =>
      Effect.gen(function* () {
        const fake = yield* FakeObservability
        const server = yield* Observability.make({ baseUrl, key: fake.key })
        yield* server.post(running)
        yield* server.heartbeat(beat)
        yield* server.ready
        assert.deepStrictEqual((yield* fake.requests).map(({ path }) => path).sort(), [
          "agent/readyz",
          "agent/v1/heartbeat",
          "events/readyz",
          "events/v1/run-status"
        ])
        yield* fake.fail(ServerFault.queueDown)
        const { message, url } = yield* Effect.flip(server.post(running))
        assert.isFalse((message + url).includes("pw@"))
      }).pipe(
        Effect.provide(
          FakeObservability.layerTransport.pipe(
            Layer.provideMerge(FakeObservability.layerOptions({ basePath }))
          )
        )
      )
    )
  }

  it.effect("refuses what breaks a rule before it is sent, and says which rules", () =>
    Effect.gen(function* () {
      const fake = yield* FakeObservability
      const server = yield* Observability.Observability
      const error = yield* Effect.flip(
        server.post(
          Event.messageLog({ pipelineKey: "x".repeat(256), runKey: "", level: "INFO", message: "m" })
        )
      )
      assert.strictEqual(error.reason._tag, "Rejected")
      const issues = error.reason._tag === "Rejected" ? (error.reason.issues ?? []) : []
      assert.deepStrictEqual(issues.map(({ field }) => field).sort(), ["pipeline_key", "run_key"])
      assert.isUndefined(error.reason._tag === "Rejected" ? error.reason.status : 0)
      assert.include(error.message, "http://observability.test:8082/api/events/v1/message-log")
      assert.include(error.message, "refused before it was sent")
      assert.include(error.message, "run_key")
      const tooLarge = Event.messageLog({ ...run, level: "INFO", message: "ü".repeat(51_200) })
      assert.include((yield* Effect.flip(server.post(tooLarge))).message, "102400")
      const oldBeat = yield* Effect.flip(server.heartbeat({ ...beat, version: "x".repeat(256) }))
      assert.strictEqual(oldBeat.reason._tag, "Rejected")
      assert.include(oldBeat.message, "version: Longer than maximum length 255")
      assert.deepStrictEqual(yield* fake.requests, [])
    }).pipe(Effect.provide(connected()))
  )

  it.effect("tells a refusal by the server in the server's words: 400, 413", () =>
    Effect.gen(function* () {
      const body = `{"error":"Invalid request: {'status': ['Must be one of: RUNNING.']}","details":{}}`
      const invalid = yield* failing(ServerFault.answer(400, body))
      assert.deepStrictEqual(reasonOf(invalid), {
        _tag: "Rejected",
        status: 400,
        words: "Invalid request: status: Must be one of: RUNNING"
      })
      assert.strictEqual(
        invalid.message,
        "Sending an event to http://observability.test:8082/api/events/v1/run-status was refused with 400: Invalid request: status: Must be one of: RUNNING. Sending it again would not help."
      )
      assert.deepStrictEqual(
        reasonOf(yield* failing(ServerFault.nginxPage(413, "Request Entity Too Large"))),
        {
          _tag: "Rejected",
          status: 413,
          words: "413 Request Entity Too Large"
        }
      )
    }).pipe(Effect.provide(connected()))
  )

  it.effect("takes 400 with a proxy's page for no judgement of the event", () =>
    Effect.gen(function* () {
      const error = yield* failing(
        ServerFault.nginxPage(400, "The plain HTTP request was sent to HTTPS port")
      )
      assert.deepStrictEqual(reasonOf(error), {
        _tag: "Unavailable",
        status: 400,
        words: "400 The plain HTTP request was sent to HTTPS port",
        possiblyDelivered: false
      })
    }).pipe(Effect.provide(connected()))
  )

  it.effect("tells a key that is not good from everything else, with what to check", () =>
    Effect.gen(function* () {
      const fake = yield* FakeObservability
      const server = yield* Observability.Observability
      for (const [state, words] of [
        ["expired", "Invalid service account key"],
        ["inactive project", "could not verify"],
        ["agent only", "could not verify"]
      ] as const) {
        yield* fake.setKey(state)
        const error = yield* Effect.flip(server.post(running))
        assert.strictEqual(error.reason._tag, "Unauthorized")
        assert.include(error.reason.words, words)
        assert.include(error.message, "was answered with 401")
        assert.include(error.message, "service_account_key")
      }
      yield* fake.setKey("events only")
      assert.strictEqual((yield* Effect.flip(server.heartbeat(beat))).reason._tag, "Unauthorized")
      yield* server.post(running)
      const forbidden = yield* failing(ServerFault.answer(403, `{"error":"No","details":{}}`))
      assert.deepStrictEqual(reasonOf(forbidden), { _tag: "Unauthorized", status: 403, words: "No" })
    }).pipe(Effect.provide(connected()))
  )

  it.effect("sends nothing with a key that no header can carry", () =>
    Effect.gen(function* () {
      const fake = yield* FakeObservability
      for (const key of ["", "  ", "a\nb", "schlüssel"]) {
        const server = yield* Observability.make({ baseUrl: fake.baseUrl, key: Redacted.make(key) })
        assert.strictEqual((yield* Effect.flip(server.post(running))).reason._tag, "Unauthorized")
        yield* server.ready
      }
      assert.isTrue((yield* fake.requests).every(({ method }) => method === "GET"))
      const padded = yield* Observability.make({
        baseUrl: fake.baseUrl,
        key: Redacted.make(` ${Redacted.value(fake.key)}\n`)
      })
      yield* padded.post(running)
    }).pipe(
      Effect.provide(FakeObservability.layerTransport.pipe(Layer.provideMerge(FakeObservability.layer)))
    )
  )

  it.effect("takes 404 for a wrong base URL", () =>
    Effect.gen(function* () {
      const fake = yield* FakeObservability
      const server = yield* Observability.make({ baseUrl: "http://host:8082", key: fake.key })
      const error = yield* Effect.flip(server.post(running))
      assert.deepStrictEqual(reasonOf(error), { _tag: "Unauthorized", status: 404, words: "404 Not Found" })
      assert.include(error.message, "base_url")
    }).pipe(
      Effect.provide(FakeObservability.layerTransport.pipe(Layer.provideMerge(FakeObservability.layer)))
    )
  )

  const unavailable: ReadonlyArray<readonly [string, ServerFault.ServerFault, object]> = [
    [
      "the queue is down",
      ServerFault.queueDown,
      {
        status: 500,
        words: "An error has occurred; event could not be processed — Message could not be produced",
        possiblyDelivered: false
      }
    ],
    [
      "the server breaks",
      ServerFault.serverError("4711"),
      {
        status: 500,
        words: "An unexpected error has occurred — unexpected error",
        errorId: "4711",
        possiblyDelivered: false
      }
    ],
    [
      "a worker is killed",
      ServerFault.workerKilled,
      { status: 500, words: "Internal Server Error", possiblyDelivered: true }
    ],
    [
      "Werkzeug answers itself",
      ServerFault.werkzeugPage,
      {
        status: 500,
        words:
          "500 Internal Server Error: The server encountered an internal error and was unable to complete your request. Either the server is overloaded or there is an error in the application.",
        possiblyDelivered: true
      }
    ],
    [
      "the proxy finds no server",
      ServerFault.badGateway,
      { status: 502, words: "502 Bad Gateway", possiblyDelivered: true }
    ],
    [
      "the proxy gives up",
      ServerFault.gatewayTimeout,
      { status: 504, words: "504 Gateway Time-out", possiblyDelivered: true }
    ],
    [
      "the proxy is told to wait",
      ServerFault.overloaded("120"),
      {
        status: 503,
        words: "503 Service Temporarily Unavailable",
        retryAfter: Duration.minutes(2),
        possiblyDelivered: true
      }
    ],
    [
      "the proxy limits the rate until a time",
      ServerFault.tooManyRequests("Thu, 01 Jan 1970 00:01:30 GMT"),
      {
        status: 429,
        words: "429 Too Many Requests",
        retryAfter: Duration.seconds(90),
        possiblyDelivered: false
      }
    ],
    [
      "Retry-After is nonsense",
      ServerFault.tooManyRequests("soon"),
      { status: 429, words: "429 Too Many Requests", possiblyDelivered: false }
    ],
    [
      "the answer is empty",
      ServerFault.empty(500),
      { status: 500, words: "the answer was empty.", possiblyDelivered: true }
    ],
    [
      "the request was too slow",
      ServerFault.empty(408),
      { status: 408, words: "the answer was empty.", possiblyDelivered: false }
    ],
    [
      "another status comes",
      ServerFault.answer(418, "short and stout"),
      { status: 418, words: "short and stout", possiblyDelivered: false }
    ],
    ["the connection breaks", ServerFault.drop, { words: "other side closed", possiblyDelivered: true }]
  ]
  for (const [name, fault, expected] of unavailable) {
    it.effect(`is unavailable when ${name}`, () =>
      Effect.gen(function* () {
        const error = yield* failing(fault)
        assert.deepStrictEqual(reasonOf(error), { _tag: "Unavailable", ...expected })
        assert.include(error.message, error.reason.words.replace(/\.$/, ""))
        assert.include(error.message, "Try again later")
        const doubt = error.reason._tag === "Unavailable" && error.reason.possiblyDelivered
        assert.strictEqual(error.message.includes("may have arrived"), doubt)
      }).pipe(Effect.provide(connected()))
    )
  }

  it.effect("is unavailable, and the event possibly delivered, when no answer comes in time", () =>
    Effect.gen(function* () {
      const fake = yield* FakeObservability
      yield* fake.fail(ServerFault.afterWork(ServerFault.silence), { times: 1 })
      const posting = yield* Effect.forkChild(Effect.flip(post))
      yield* TestClock.adjust("59 seconds")
      assert.isUndefined(posting.pollUnsafe())
      yield* TestClock.adjust("1 second")
      const error = yield* Fiber.join(posting)
      assert.deepStrictEqual(reasonOf(error), {
        _tag: "Unavailable",
        words: "no answer within 1m (read_timeout)",
        possiblyDelivered: true
      })
      assert.strictEqual((yield* fake.events).length, 1)
    }).pipe(Effect.provide(connected()))
  )

  it.effect("does not take a web page for a success", () =>
    Effect.gen(function* () {
      const error = yield* failing(
        ServerFault.answer(200, "<html><head><title>Please log in</title></head></html>")
      )
      assert.strictEqual(error.reason._tag, "Unavailable")
      assert.include(error.message, "this is not the ingestion API (Please log in). Check base_url")
      const moved = yield* failing(
        ServerFault.answer(307, "", { headers: { location: "https://me:secret@login.test/x?token=1" } })
      )
      assert.include(moved.message, "it redirects to https://login.test/x (")
      yield* (yield* FakeObservability).fail(ServerFault.answer(202, `{"event_id":"x"}`), { times: 1 })
      yield* post
    }).pipe(Effect.provide(connected()))
  )

  it.effect(
    "follows a redirect only when it keeps method, host and safety, so that neither event nor key get lost",
    () =>
      Effect.gen(function* () {
        const sent: Array<string> = []
        const redirect = (status: number, location: string) => (from: string) =>
          HttpClient.make((request) => {
            sent.push(
              `${request.method} ${request.url}${request.headers["serviceaccountauthenticationkey"] ?? ""}`
            )
            return Effect.succeed(
              HttpClientResponse.fromWeb(
                request,
                request.url.startsWith(from)
                  ? new Response(null, { status, headers: { location } })
                  : new Response("{}", { status: 200 })
              )
            )
          })
        const outcome = Effect.fnUntraced(function* (
          status: number,
          location: string,
          from = "http://host/api"
        ) {
          sent.length = 0
          const server = yield* Observability.make({
            baseUrl: from,
            key: Redacted.make("k"),
            retries: 0
          }).pipe(Effect.provide(HttpTransport.layerClient(redirect(status, location)(from))))
          return yield* Effect.result(server.post(running))
        })
        const path = "/api/events/v1/run-status"
        for (const status of [307, 308]) {
          assert.isTrue(Result.isSuccess(yield* outcome(status, `https://host${path}`)))
          assert.deepStrictEqual(sent, [`POST http://host${path}k`, `POST https://host${path}k`])
        }
        for (const [status, location, from] of [
          [301, `https://host${path}`, "http://host/api"],
          [302, "/login", "http://host/api"],
          [307, `http://other.test${path}`, "http://host/api"],
          [307, `http://host:8081${path}`, "http://host/api"],
          [307, `https://host${path}`, "http://host:8082/api"],
          [308, `http://host${path}`, "https://host/api"]
        ] as const) {
          const result = yield* outcome(status, location, from)
          assert.isTrue(Result.isFailure(result) && result.failure.reason._tag === "Unavailable")
          assert.strictEqual(sent.length, 1)
        }
        assert.isTrue(Result.isFailure(yield* outcome(307, "/api/again")))
        assert.strictEqual(sent.length, 6)
      })
  )

  it.effect("repeats what passes as often as the settings say, and not otherwise", () =>
    Effect.gen(function* () {
      const fake = yield* FakeObservability
      const attempts = Effect.map(fake.requests, (requests) => requests.length)
      const posted = Effect.fnUntraced(function* (fault: ServerFault.ServerFault, times: number) {
        yield* fake.clear
        yield* fake.recover
        yield* fake.fail(fault, { times })
        const posting = yield* Effect.forkChild(Effect.result(post))
        yield* TestClock.adjust("10 minutes")
        return yield* Fiber.join(posting)
      })
      assert.isTrue(Result.isSuccess(yield* posted(ServerFault.overloaded(), 2)))
      assert.strictEqual(yield* attempts, 3)
      assert.isTrue(Result.isFailure(yield* posted(ServerFault.overloaded(), 3)))
      assert.strictEqual(yield* attempts, 3)
      assert.isTrue(Result.isFailure(yield* posted(ServerFault.queueDown, 1)))
      assert.strictEqual(yield* attempts, 1)
      // An answered event is never sent again, whatever headers the answer has.
      assert.isTrue(
        Result.isSuccess(
          yield* posted(ServerFault.answer(204, "", { headers: { "x-ratelimit-reset": "0" } }), 9)
        )
      )
      assert.strictEqual(yield* attempts, 1)
    }).pipe(Effect.provide(connected({ retries: 2 })))
  )

  it.effect("remembers the doubt of an earlier attempt", () =>
    Effect.gen(function* () {
      const fake = yield* FakeObservability
      yield* fake.fail(ServerFault.gatewayTimeout, { times: 1 })
      yield* fake.fail(ServerFault.tooManyRequests(), { times: 1 })
      const posting = yield* Effect.forkChild(Effect.flip(post))
      yield* TestClock.adjust("10 minutes")
      const { reason } = yield* Fiber.join(posting)
      assert.isTrue(reason._tag === "Unavailable" && reason.status === 429 && reason.possiblyDelivered)
      const next = yield* failing(ServerFault.queueDown)
      assert.isTrue(next.reason._tag === "Unavailable" && !next.reason.possiblyDelivered)
    }).pipe(Effect.provide(connected({ retries: 1 })))
  )

  it.effect("is ready only when both APIs are", () =>
    Effect.gen(function* () {
      const fake = yield* FakeObservability
      const server = yield* Observability.Observability
      yield* server.ready
      yield* fake.fail(ServerFault.answer(500, "{}"), { where: ({ path }) => path === "agent/readyz" })
      const error = yield* Effect.flip(server.ready)
      assert.strictEqual(error.reason._tag, "Unavailable")
      assert.include(error.message, "/agent/readyz was answered with 500: it is not ready")
      assert.isTrue(
        (yield* fake.requests).every(({ headers }) => !("serviceaccountauthenticationkey" in headers))
      )
    }).pipe(Effect.provide(connected()))
  )

  it.effect("lets a program treat each reason by itself", () =>
    Effect.gen(function* () {
      const fake = yield* FakeObservability
      yield* fake.fail(ServerFault.overloaded("7"))
      const wait = yield* post.pipe(
        Effect.as(Duration.zero),
        Effect.catchReasons("ObservabilityError", {
          Unavailable: ({ retryAfter }) => Effect.succeed(retryAfter),
          Unauthorized: () => Effect.die("unexpected"),
          Rejected: () => Effect.die("unexpected")
        })
      )
      assert.deepStrictEqual(wait, Duration.seconds(7))
    }).pipe(Effect.provide(connected()))
  )

  it.effect("reads its settings, with and without those of the connection", () =>
    Effect.gen(function* () {
      const fake = yield* FakeObservability
      const config = { observability: { ...fake.settings.observability, retries: 0, read_timeout: 5 } }
      yield* fake.fail(ServerFault.silence)
      const posting = yield* Effect.forkChild(
        Effect.flip(post).pipe(
          Effect.provide(
            Observability.Observability.layerNoDeps.pipe(
              Layer.provide(ConfigProvider.layer(ConfigProvider.fromUnknown(config)))
            )
          )
        )
      )
      yield* TestClock.adjust("5 seconds")
      assert.include((yield* Fiber.join(posting)).message, "no answer within 5s")
    }).pipe(
      Effect.provide(FakeObservability.layerTransport.pipe(Layer.provideMerge(FakeObservability.layer)))
    )
  )

  it.effect("shows the key in no message, log, error or span, not even when the server echoes it", () => {
    const output: Array<string> = []
    const plain = (_name: string, value: unknown) => (typeof value === "bigint" ? String(value) : value)
    const show = (value: unknown) =>
      output.push(inspect(value, { depth: 20 }), String(value), JSON.stringify(value, plain))
    const spans: Array<Tracer.NativeSpan> = []
    const tracer = Tracer.make({
      span(options) {
        const span = new Tracer.NativeSpan(options)
        spans.push(span)
        return span
      }
    })
    return Effect.gen(function* () {
      const fake = yield* FakeObservability
      const key = Redacted.value(fake.key)
      const server = yield* Observability.make({
        baseUrl: fake.baseUrl.replace("://", "://user:canary-password@"),
        key: fake.key,
        retries: 1
      })
      yield* fake.fail(ServerFault.answer(400, `{"error":"you sent ${key}","details":"${key}"}`), {
        times: 1
      })
      yield* fake.fail(ServerFault.answer(401, key), { times: 1 })
      yield* fake.fail(ServerFault.answer(500, `<h1>${key}</h1>`), { times: 1 })
      yield* fake.fail(ServerFault.drop, { times: 1 })
      for (let n = 0; n < 5; n++) {
        const posting = yield* Effect.forkChild(Effect.exit(server.post(running)))
        yield* TestClock.adjust("10 minutes")
        const exit = yield* Fiber.join(posting)
        show(exit)
        show(server)
        if (exit._tag === "Failure") {
          yield* Effect.logError("It failed", exit.cause)
          output.push(Cause.pretty(exit.cause))
          const error = Cause.squash(exit.cause)
          if (error instanceof Error) output.push(String(error), error.message, error.stack ?? "")
          show(error)
        }
      }
      for (const span of spans) {
        show([span.name, ...span.attributes, ...span.events])
        if (span.status._tag === "Ended" && span.status.exit._tag === "Failure") {
          output.push(Cause.pretty(span.status.exit.cause))
          show(span.status.exit.cause)
        }
      }
      assert.isTrue(spans.some(({ name }) => name === "Observability.post"))
      const header = "http.request.header.serviceaccountauthenticationkey"
      assert.isTrue(spans.some(({ attributes }) => attributes.get(header) === "<redacted>"))
      const all = output.join("\n")
      assert.include(all, "you sent ********")
      assert.notInclude(all, key)
      assert.notInclude(all, "canary-password")
    }).pipe(
      Effect.provide(
        Layer.mergeAll(
          FakeObservability.layerTransport.pipe(Layer.provideMerge(FakeObservability.layer)),
          Logger.layer([
            Logger.map(Logger.formatLogFmt, (line) => void output.push(line)),
            Logger.map(Logger.formatJson, (line) => void output.push(line))
          ])
        )
      ),
      Effect.provideService(References.MinimumLogLevel, "Trace"),
      Effect.provideService(HttpClient.TracerHeaderFilter, () => true),
      Effect.withTracer(tracer)
    )
  })

  it.effect("says what happened to a connection that could not be made, and that nothing was delivered", () =>
    Effect.gen(function* () {
      const refused = Object.assign(new Error("connect ECONNREFUSED 127.0.0.1:1"), { code: "ECONNREFUSED" })
      const client = HttpClient.make((request) =>
        Effect.fail(
          new HttpClientError.HttpClientError({
            reason: new HttpClientError.TransportError({
              request,
              cause: new TypeError("fetch failed", { cause: refused })
            })
          })
        )
      )
      const server = yield* Observability.make({
        baseUrl: "http://127.0.0.1:1",
        key: Redacted.make("k"),
        retries: 0
      }).pipe(Effect.provide(HttpTransport.layerClient(client)))
      const error = yield* Effect.flip(server.post(running))
      assert.isFalse(error.reason._tag === "Unavailable" && error.reason.possiblyDelivered)
      assert.include(error.message, "Is the server running")
    })
  )

  it.effect("fails, and does not hang, when the body of an answer never ends", () =>
    Effect.gen(function* () {
      const client = HttpClient.make((request) =>
        Effect.succeed(
          HttpClientResponse.fromWeb(
            request,
            new Response(new ReadableStream({ start() {} }), { status: 502 })
          )
        )
      )
      const server = yield* Observability.make({
        baseUrl: "http://host",
        key: Redacted.make("k"),
        retries: 0
      }).pipe(Effect.provide(HttpTransport.layerClient(client)))
      const posting = yield* Effect.forkChild(Effect.flip(server.post(running)))
      yield* TestClock.adjust("1 minute")
      assert.strictEqual((yield* Fiber.join(posting)).reason._tag, "Unavailable")
    })
  )
})
