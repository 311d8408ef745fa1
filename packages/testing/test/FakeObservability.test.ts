import { assert, describe, it } from "@effect/vitest"
import { FakeObservability } from "@observability-agents/testing/FakeObservability"
import * as ServerFault from "@observability-agents/testing/ServerFault"
import { DateTime, Duration, Effect, Exit, Fiber, Redacted, Stream } from "effect"
import { HttpClientRequest } from "effect/http"
import { TestClock } from "effect/testing"

const run = { pipeline_key: "p", run_key: "r" }
const key = "ServiceAccountAuthenticationKey"

interface Sent {
  readonly path?: string
  readonly method?: "GET" | "POST" | "PUT" | "OPTIONS"
  readonly headers?: Record<string, string>
  readonly withoutKey?: boolean
  readonly body?: unknown
  readonly text?: string
  readonly contentType?: string
}

const send = Effect.fnUntraced(function* (sent: Sent) {
  const fake = yield* FakeObservability
  const text = sent.text ?? JSON.stringify(sent.body ?? { ...run, status: "RUNNING" })
  const request = HttpClientRequest.make(sent.method ?? "POST")(
    `${fake.baseUrl}/${sent.path ?? "events/v1/run-status"}`
  ).pipe(
    HttpClientRequest.setHeaders(sent.withoutKey === true ? {} : { [key]: Redacted.value(fake.key) }),
    sent.method === "GET" || sent.method === "OPTIONS"
      ? (same) => same
      : HttpClientRequest.bodyText(text, sent.contentType ?? "application/json"),
    HttpClientRequest.setHeaders(sent.headers ?? {})
  )
  const response = yield* fake.client.execute(request)
  const body = yield* response.text
  return { status: response.status, body, type: response.headers["content-type"] }
})

const errorOf = (body: string): string => {
  const json: unknown = JSON.parse(body)
  assert.isTrue(typeof json === "object" && json !== null && "error" in json && "details" in json, body)
  return String(Object.entries(json ?? {}).find(([name]) => name === "error")?.[1])
}

const refused = Effect.fnUntraced(function* (status: number, words: string, sent: Sent) {
  const fake = yield* FakeObservability
  const before = (yield* fake.accepted).length
  const answer = yield* send(sent)
  assert.strictEqual(answer.status, status, answer.body)
  assert.include(errorOf(answer.body), words)
  assert.strictEqual((yield* fake.accepted).length, before)
})

const fresh = Effect.provide(FakeObservability.layer)

describe("FakeObservability", () => {
  it.effect("takes each type of event with 204 and keeps it as event, text and time", () =>
    Effect.gen(function* () {
      const fake = yield* FakeObservability
      yield* TestClock.adjust("5 minutes")
      const bodies: ReadonlyArray<readonly [string, object]> = [
        ["run-status", { ...run, status: "RUNNING" }],
        ["message-log", { server_key: "s", log_level: "ERROR", message: "no" }],
        ["metric-log", { stream_key: "s", metric_key: "rows", metric_value: "1.50" }],
        ["dataset-operation", { dataset_key: "d", operation: "WRITE", path: "/a" }],
        ["test-outcomes", { dataset_key: "d", test_outcomes: [{ name: "t", status: "PASSED" }] }]
      ]
      for (const [path, body] of bodies) {
        assert.deepStrictEqual(yield* send({ path: `events/v1/${path}`, body }), {
          status: 204,
          body: "",
          type: undefined
        })
      }
      const accepted = yield* fake.accepted
      assert.deepStrictEqual(
        accepted.map(({ event }) => event._tag),
        ["RunStatus", "MessageLog", "MetricLog", "DatasetOperation", "TestOutcomes"]
      )
      assert.deepStrictEqual(
        accepted.map(({ body }) => body),
        bodies.map(([, body]) => JSON.stringify(body))
      )
      assert.isTrue(accepted.every(({ at }) => at.epochMilliseconds === 300_000))
    }).pipe(fresh)
  )

  it.effect("tells a broken rule as the server does: a Python dictionary in JSON", () =>
    Effect.gen(function* () {
      const answer = yield* send({ body: { ...run, status: "PENDING" } })
      assert.strictEqual(answer.status, 400)
      assert.match(errorOf(answer.body), /^Invalid request: \{'status': \['.+'\]\}$/)
      const nested = yield* send({
        path: "events/v1/test-outcomes",
        body: {
          dataset_key: "d",
          test_outcomes: [
            { name: "t", status: "PASSED" },
            { name: "", status: "PASSED" }
          ]
        }
      })
      assert.match(
        errorOf(nested.body),
        /^Invalid request: \{'test_outcomes': \{1: \{'name': \['.+'\]\}\}\}$/
      )
    }).pipe(fresh)
  )

  it.effect("refuses what breaks the rules of fields, with the field's name", () =>
    Effect.gen(function* () {
      const at = (path: string, body: object, field: string) =>
        refused(400, field, { path: `events/v1/${path}`, body })
      yield* at("run-status", { ...run, status: "RUNNING", event_id: "1" }, "'event_id'")
      yield* at("run-status", { ...run, status: "RUNNING", event_timestamp: null }, "'event_timestamp'")
      yield* at("run-status", { ...run, status: "RUNNING", metadata: null }, "'metadata'")
      yield* at("run-status", { ...run, status: "RUNNING", payload_keys: null }, "'payload_keys'")
      yield* at(
        "run-status",
        { ...run, status: "RUNNING", event_timestamp: "2026-01-01" },
        "'event_timestamp'"
      )
      yield* at("run-status", { ...run, status: "RUNNING", external_url: "http://web:80/" }, "'external_url'")
      yield* at("run-status", { ...run, status: "RUNNING", component_tool: "_x" }, "'component_tool'")
      yield* at("run-status", { ...run, run_key: "", status: "RUNNING" }, "'run_key'")
      yield* at("run-status", { ...run, pipeline_key: "x".repeat(256), status: "RUNNING" }, "'pipeline_key'")
      yield* at("message-log", { ...run, log_level: "DEBUG", message: "m" }, "'log_level'")
      yield* at("message-log", { ...run, log_level: "INFO", message: "" }, "'message'")
      yield* at("metric-log", { ...run, metric_key: "k", metric_value: true }, "'metric_value'")
      yield* at("metric-log", { ...run, metric_key: "k", metric_value: "NaN" }, "'metric_value'")
      yield* at("dataset-operation", { dataset_key: "d", operation: "DELETE" }, "'operation'")
      yield* at("test-outcomes", { dataset_key: "d", test_outcomes: [] }, "'test_outcomes'")
      yield* at("message-log", { log_level: "INFO", message: "m" }, "Invalid request")
      yield* at(
        "message-log",
        { ...run, dataset_key: "d", log_level: "INFO", message: "m" },
        "Invalid request"
      )
      yield* at("message-log", { pipeline_key: "p", log_level: "INFO", message: "m" }, "Invalid request")
      yield* at("run-status", { dataset_key: "d", status: "RUNNING" }, "Invalid request")
    }).pipe(fresh)
  )

  it.effect("refuses what it cannot read with 400: no JSON, no body, another content type, compression", () =>
    Effect.gen(function* () {
      const words = "browser (or proxy) sent a request"
      yield* refused(400, words, { text: "{" })
      yield* refused(400, words, { text: "", headers: { "content-length": "0" } })
      yield* refused(400, words, { contentType: "text/plain" })
      yield* refused(400, words, { headers: { "content-encoding": "gzip" } })
      yield* refused(400, words, { headers: { "event-source": "ROBOT" } })
      const accepted = yield* Effect.forEach(
        ["application/json; charset=utf-8", "application/problem+json", "Application/JSON"],
        (contentType) => send({ contentType })
      )
      assert.deepStrictEqual(
        accepted.map(({ status }) => status),
        [204, 204, 204]
      )
      assert.strictEqual((yield* send({ headers: { "event-source": "scheduler" } })).status, 204)
    }).pipe(fresh)
  )

  it.effect("takes 102 400 bytes, refuses one more with 413, and fails with 500 without Content-Length", () =>
    Effect.gen(function* () {
      const fake = yield* FakeObservability
      const body = (bytes: number) => {
        const frame = JSON.stringify({ ...run, log_level: "INFO", message: "" })
        return JSON.stringify({ ...run, log_level: "INFO", message: "x".repeat(bytes - frame.length) })
      }
      assert.strictEqual((yield* send({ path: "events/v1/message-log", text: body(102_400) })).status, 204)
      yield* refused(413, "Request Entity Too Large", { path: "events/v1/message-log", text: body(102_401) })
      const chunked = HttpClientRequest.post(`${fake.baseUrl}/events/v1/run-status`).pipe(
        HttpClientRequest.setHeader(key, Redacted.value(fake.key)),
        HttpClientRequest.bodyStream(Stream.make(new TextEncoder().encode("{}")), {
          contentType: "application/json"
        })
      )
      const response = yield* fake.client.execute(chunked)
      assert.strictEqual(response.status, 500)
      assert.include(yield* response.text, `"error_id"`)
    }).pipe(fresh)
  )

  it.effect("answers 404 to unknown paths, wrong methods and a slash at the end", () =>
    Effect.gen(function* () {
      const words = "The requested URL was not found"
      yield* refused(404, words, { path: "events/v1/run-status/" })
      yield* refused(404, words, { path: "events/v1/batch-pipeline-status" })
      yield* refused(404, words, { path: "events/v1/Run-Status" })
      yield* refused(404, words, { path: "events//v1/run-status" })
      yield* refused(404, words, { method: "GET" })
      yield* refused(404, words, { method: "PUT" })
      assert.strictEqual((yield* send({ method: "OPTIONS" })).status, 204)
    }).pipe(fresh)
  )

  it.effect("checks in the real server's order", () =>
    Effect.gen(function* () {
      const tooLarge = { "content-length": "102401" }
      const wrong = { [key]: "Bearer x" }
      yield* refused(401, "Invalid service account key", { path: "nowhere", headers: wrong })
      yield* refused(404, "not found", { path: "nowhere", withoutKey: true, headers: tooLarge })
      yield* refused(401, "could not verify", { withoutKey: true, headers: tooLarge })
      yield* refused(413, "Too Large", { headers: tooLarge, contentType: "text/plain" })
      yield* refused(400, "browser", { contentType: "text/plain", body: {} })
      yield* refused(400, "browser", { text: "{", headers: { "event-source": "ROBOT" } })
      yield* refused(400, "Invalid request", { body: {}, headers: { "event-source": "ROBOT" } })
    }).pipe(fresh)
  )

  it.effect("lets the key do only what it is good for", () =>
    Effect.gen(function* () {
      const fake = yield* FakeObservability
      const beat = { path: "agent/v1/heartbeat", body: { key: "a", tool: "t", version: "1" } }
      yield* fake.setKey("expired")
      yield* refused(401, "Invalid service account key", {})
      yield* fake.setKey("inactive project")
      yield* refused(401, "could not verify", {})
      yield* fake.setKey("agent only")
      yield* refused(401, "could not verify", {})
      assert.strictEqual((yield* send(beat)).status, 204)
      yield* fake.setKey("events only")
      yield* refused(401, "could not verify", beat)
      assert.strictEqual((yield* send({})).status, 204)
    }).pipe(fresh)
  )

  it.effect("keeps the last heartbeat of each agent, and forgets its event time when that is absent", () =>
    Effect.gen(function* () {
      const fake = yield* FakeObservability
      const beat = (body: object) => send({ path: "agent/v1/heartbeat", body })
      const latest = "2026-01-01T10:00:00.123456+01"
      yield* beat({ key: "a", tool: "t", version: "1", latest_event_timestamp: latest })
      yield* beat({ key: "b", tool: "t", version: "1", latest_event_timestamp: null })
      assert.deepStrictEqual((yield* fake.agents)[0], {
        key: "a",
        tool: "t",
        version: "1",
        latestEventTimestamp: DateTime.makeUnsafe("2026-01-01T09:00:00.123Z")
      })
      yield* beat({ key: "a", tool: "t", version: "2" })
      assert.deepStrictEqual(yield* fake.agents, [
        { key: "a", tool: "t", version: "2" },
        { key: "b", tool: "t", version: "1" }
      ])
      assert.strictEqual((yield* fake.heartbeats).length, 3)
    }).pipe(fresh)
  )

  it.effect("refuses heartbeats that break rules, without the prefix that events have", () =>
    Effect.gen(function* () {
      const good = { key: "a", tool: "t", version: "1" }
      const at = (body: object, field: string) =>
        refused(400, `{'${field}': [`, { path: "agent/v1/heartbeat", body })
      yield* at({ key: "a", tool: "t" }, "version")
      yield* at({ ...good, key: "x".repeat(256) }, "key")
      yield* at({ ...good, tool: null }, "tool")
      yield* at({ ...good, more: 1 }, "more")
      yield* at({ ...good, latest_event_timestamp: "2026-01-01T10:00:00" }, "latest_event_timestamp")
      yield* at({ ...good, latest_event_timestamp: "2026-13-01T10:00:00Z" }, "latest_event_timestamp")
      const answer = yield* send({ path: "agent/v1/heartbeat", body: { tool: "t", version: "1" } })
      assert.isTrue(errorOf(answer.body).startsWith("{'key': ["), answer.body)
      assert.strictEqual(
        (yield* send({ path: "agent/v1/heartbeat", body: { ...good, key: "" } })).status,
        204
      )
    }).pipe(fresh)
  )

  it.effect("says that it lives and is ready without a key", () =>
    Effect.gen(function* () {
      for (const path of ["events/livez", "events/readyz", "agent/livez", "agent/readyz"]) {
        const answer = yield* send({ path, method: "GET", withoutKey: true })
        assert.deepStrictEqual([answer.status, answer.body], [200, "{}"])
      }
    }).pipe(fresh)
  )

  it.effect("is the proxy's where the path is not its own", () =>
    Effect.gen(function* () {
      const fake = yield* FakeObservability
      const response = yield* fake.client.post("http://observability.test:8082/events/v1/run-status")
      assert.strictEqual(response.status, 404)
      assert.include(yield* response.text, "<html>")
    }).pipe(fresh)
  )

  it.effect("fails by script: so many times, for some requests, at some time", () =>
    Effect.gen(function* () {
      const fake = yield* FakeObservability
      const status = Effect.map(send({}), (answer) => answer.status)
      yield* fake.fail(ServerFault.badGateway, { times: 2 })
      yield* fake.fail(ServerFault.queueDown, { times: 1 })
      assert.deepStrictEqual(
        [yield* status, yield* status, yield* status, yield* status],
        [502, 502, 500, 204]
      )

      yield* fake.fail(ServerFault.empty(503), { where: ({ path }) => path === "agent/v1/heartbeat" })
      const beat = { path: "agent/v1/heartbeat", body: { key: "a", tool: "t", version: "1" } }
      assert.deepStrictEqual([yield* status, (yield* send(beat)).status], [204, 503])
      yield* fake.recover
      assert.strictEqual((yield* send(beat)).status, 204)

      yield* fake.fail(ServerFault.gatewayTimeout, { after: "1 minute", during: "30 seconds" })
      const seen = []
      for (const pause of [0, 59, 1, 29, 1]) {
        yield* TestClock.adjust(Duration.seconds(pause))
        seen.push(yield* status)
      }
      assert.deepStrictEqual(seen, [204, 204, 504, 504, 204])
    }).pipe(fresh)
  )

  it.effect("drops, delays and swallows requests, and may have worked on them before", () =>
    Effect.gen(function* () {
      const fake = yield* FakeObservability
      const stored = Effect.map(fake.events, (events) => events.length)
      yield* fake.fail(ServerFault.drop, { times: 1 })
      assert.isTrue(Exit.isFailure(yield* Effect.exit(send({}))))
      assert.strictEqual(yield* stored, 0)
      yield* fake.fail(ServerFault.afterWork(ServerFault.drop), { times: 1 })
      assert.isTrue(Exit.isFailure(yield* Effect.exit(send({}))))
      assert.strictEqual(yield* stored, 1)
      yield* fake.fail(ServerFault.afterWork(ServerFault.workerKilled), { times: 1 })
      assert.strictEqual((yield* send({})).status, 500)
      assert.strictEqual(yield* stored, 2)
      yield* fake.fail(ServerFault.silence, { times: 1 })
      const silent = yield* Effect.forkChild(Effect.timeoutOption(send({}), "1 day"))
      yield* TestClock.adjust("1 day")
      assert.strictEqual((yield* Fiber.join(silent))._tag, "None")
      assert.strictEqual(yield* stored, 2)
    }).pipe(fresh)
  )

  it.effect("goes on working for a client that has given up", () =>
    Effect.gen(function* () {
      const fake = yield* FakeObservability
      yield* fake.fail(ServerFault.slow("20 seconds"), { times: 1 })
      const impatient = yield* Effect.forkChild(Effect.timeoutOption(send({}), "10 seconds"))
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual((yield* Fiber.join(impatient))._tag, "None")
      assert.strictEqual((yield* fake.events).length, 0)
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual((yield* fake.awaitEvents(1)).length, 1)
    }).pipe(fresh)
  )

  it.effect("waits for events, and forgets what it received when told so", () =>
    Effect.gen(function* () {
      const fake = yield* FakeObservability
      const waiting = yield* Effect.forkChild(fake.awaitEvents(2))
      yield* send({})
      yield* send({ body: { ...run, status: "COMPLETED" } })
      assert.strictEqual((yield* Fiber.join(waiting)).length, 2)
      yield* fake.clear
      assert.deepStrictEqual([yield* fake.events, yield* fake.requests, yield* fake.heartbeats], [[], [], []])
    }).pipe(fresh)
  )
})
