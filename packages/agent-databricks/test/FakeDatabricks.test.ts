import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Duration, Effect, Fiber, Layer, Option, Schema, Struct } from "effect"
import { FetchHttpClient, HttpClient, HttpClientRequest } from "effect/http"
import { TestClock } from "effect/testing"
import * as NodeHttp from "@observability-agents/toolkit/NodeHttp"
import * as DatabricksAgent from "@observability-agents/agent-databricks/DatabricksAgent"
import * as Fake from "@observability-agents/agent-databricks/testing/FakeDatabricks"
import * as Fault from "@observability-agents/agent-databricks/testing/Fault"
import * as NodeFake from "@observability-agents/agent-databricks/testing/NodeFakeDatabricks"

const Status = Schema.Struct({
  state: Schema.String,
  termination_details: Schema.optionalKey(Schema.Struct({ code: Schema.String }))
})
const Task = Schema.Struct({
  task_key: Schema.String,
  run_id: Schema.Int,
  attempt_number: Schema.Int,
  start_time: Schema.Int,
  status: Status
})
const run = {
  run_id: Schema.Finite,
  start_time: Schema.Int,
  end_time: Schema.Int,
  state: Schema.Struct({ result_state: Schema.optionalKey(Schema.String) }),
  status: Status,
  has_more: Schema.Boolean,
  tasks: Schema.Array(Task),
  repair_history: Schema.Array(Schema.Struct({ type: Schema.String }))
}
/** What these tests look at in any answer. */
const Body = Schema.Struct({
  ...run,
  runs: Schema.Array(Schema.Struct(run).mapFields(Struct.map(Schema.optionalKey))),
  next_page_token: Schema.String,
  error_code: Schema.Union([Schema.String, Schema.Int]),
  error: Schema.String,
  error_trace: Schema.String,
  access_token: Schema.String,
  expires_in: Schema.String,
  odd: Schema.Boolean
}).mapFields(Struct.map(Schema.optionalKey))
type Body = typeof Body.Type
const parse = Schema.decodeSync(Schema.fromJsonString(Body))

const ask = Effect.fnUntraced(function* (
  client: HttpClient.HttpClient,
  path: string,
  params: Record<string, string> = {},
  token = "dapi-fake"
) {
  const response = yield* client.execute(
    HttpClientRequest.get(`https://any.example${path}`).pipe(
      HttpClientRequest.setUrlParams(params),
      HttpClientRequest.bearerToken(token)
    )
  )
  const text = yield* response.text
  const body = parse(text.startsWith("{") ? text : "{}")
  return { status: response.status, headers: response.headers, text, body }
})
const list = (client: HttpClient.HttpClient, params: Record<string, string> = {}, version = "2.2") =>
  ask(client, `/api/${version}/jobs/runs/list`, params)
const get = (client: HttpClient.HttpClient, id: string, params: Record<string, string> = {}) =>
  ask(client, "/api/2.2/jobs/runs/get", { run_id: id, ...params })
const output = (client: HttpClient.HttpClient, id: string) =>
  ask(client, "/api/2.2/jobs/runs/get-output", { run_id: id })
const states = (body: Body) =>
  Object.fromEntries(
    (body.tasks ?? []).map(({ task_key, status }) => [
      task_key,
      status.termination_details?.code ?? status.state
    ])
  )

describe("a scenario", () => {
  it.effect("plays by the clock: queued, running task after task, ended", () =>
    Effect.gen(function* () {
      const fake = yield* Fake.make({
        jobs: [
          {
            name: "nightly",
            runs: [
              {
                id: "7",
                at: "10 seconds",
                queued: "5 seconds",
                tasks: [
                  { key: "extract", takes: "30 seconds" },
                  { key: "load", takes: "20 seconds", after: ["extract"] }
                ]
              }
            ]
          }
        ]
      })
      assert.notProperty((yield* list(fake.client)).body, "runs")
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual((yield* get(fake.client, "7")).body.status?.state, "QUEUED")
      yield* TestClock.adjust("5 seconds")
      const running = (yield* get(fake.client, "7")).body
      assert.strictEqual(running.status?.state, "RUNNING")
      assert.strictEqual(running.start_time, 10_000)
      assert.strictEqual(running.end_time, 0)
      assert.deepStrictEqual(states(running), { extract: "RUNNING", load: "BLOCKED" })
      yield* TestClock.adjust("30 seconds")
      assert.deepStrictEqual(states((yield* get(fake.client, "7")).body), {
        extract: "SUCCESS",
        load: "RUNNING"
      })
      yield* TestClock.adjust("20 seconds")
      const ended = (yield* get(fake.client, "7")).body
      assert.strictEqual(ended.status?.termination_details?.code, "SUCCESS")
      assert.strictEqual(ended.end_time, 65_000)
    })
  )

  it.effect("stops what comes after a failure, unless it runs in any case", () =>
    Effect.gen(function* () {
      const fake = yield* Fake.make()
      const id = yield* fake.run("job", {
        tasks: [
          { key: "a", takes: "1 second", fails: "boom" },
          { key: "b", after: ["a"] },
          { key: "c", after: ["a"], takes: "1 second", runIf: "ALL_DONE" }
        ]
      })
      yield* TestClock.adjust("2 seconds")
      const { body } = yield* get(fake.client, id)
      assert.deepStrictEqual(states(body), { a: "RUN_EXECUTION_ERROR", b: "SKIPPED", c: "SUCCESS" })
      assert.strictEqual(body.tasks?.find((task) => task.task_key === "b")?.start_time, 0)
      assert.strictEqual(body.state?.result_state, "FAILED")
    })
  )

  it.effect("shows retries as further attempts of the same task", () =>
    Effect.gen(function* () {
      const fake = yield* Fake.make()
      const id = yield* fake.run("job", {
        tasks: [{ key: "a", takes: "1 minute", retriesOf: [{ takes: "10 seconds", fails: "flaky" }] }]
      })
      yield* TestClock.adjust("15 seconds")
      const { tasks } = (yield* get(fake.client, id)).body
      assert.deepStrictEqual(
        tasks?.map((task) => [task.attempt_number, task.status.state]),
        [
          [0, "TERMINATED"],
          [1, "RUNNING"]
        ]
      )
    })
  )

  it.effect("repairs a run in place", () =>
    Effect.gen(function* () {
      const fake = yield* Fake.make()
      const id = yield* fake.run("job", {
        tasks: [
          { key: "a", takes: "1 second" },
          { key: "b", takes: "1 second", after: ["a"], fails: "boom" }
        ],
        repairs: [{ after: "1 hour", tasks: [{ key: "b", takes: "1 minute", after: ["a"] }] }]
      })
      yield* TestClock.adjust("2 seconds")
      assert.strictEqual((yield* get(fake.client, id)).body.status?.state, "TERMINATED")
      yield* TestClock.adjust("1 hour")
      const open = (yield* get(fake.client, id, { include_history: "true" })).body
      assert.strictEqual(open.status?.state, "RUNNING")
      assert.strictEqual(open.end_time, 0)
      assert.strictEqual(open.start_time, 0)
      assert.deepStrictEqual(
        open.repair_history?.map(({ type }) => type),
        ["ORIGINAL", "REPAIR"]
      )
      assert.deepStrictEqual(
        open.tasks?.map((task) => [task.task_key, task.attempt_number]),
        [
          ["a", 0],
          ["b", 0],
          ["b", 1]
        ]
      )
      yield* TestClock.adjust("1 minute")
      assert.strictEqual((yield* get(fake.client, id)).body.status?.termination_details?.code, "SUCCESS")
    })
  )

  it.effect("cancels and skips", () =>
    Effect.gen(function* () {
      const fake = yield* Fake.make()
      const cancelled = yield* fake.run("job", { cancelledAfter: "5 seconds" })
      const skipped = yield* fake.run("job", { skipped: "MAX_CONCURRENT_RUNS_EXCEEDED" })
      yield* TestClock.adjust("5 seconds")
      assert.strictEqual(
        (yield* get(fake.client, cancelled)).body.status?.termination_details?.code,
        "USER_CANCELED"
      )
      const { body } = yield* get(fake.client, skipped)
      assert.strictEqual(body.status?.termination_details?.code, "MAX_CONCURRENT_RUNS_EXCEEDED")
      assert.deepStrictEqual(body.tasks, [])
    })
  )

  it.effect("refuses scripts that make no sense", () =>
    Effect.gen(function* () {
      const fake = yield* Fake.make()
      const circle = yield* Effect.exit(
        fake.run("job", {
          tasks: [
            { key: "a", after: ["b"] },
            { key: "b", after: ["a"] }
          ]
        })
      )
      assert.match(String(circle), /waits for itself/)
      assert.match(
        String(yield* Effect.exit(fake.run("job", { tasks: [{ key: "a", after: ["z"] }] }))),
        /not there/
      )
    })
  )

  it.effect("gives older versions only what they know", () =>
    Effect.gen(function* () {
      const fake = yield* Fake.make()
      yield* fake.run("job")
      const { body } = yield* list(fake.client, {}, "2.1")
      assert.strictEqual(body.has_more, false)
      assert.notProperty(body.runs?.[0], "status")
      assert.notProperty((yield* list(fake.client)).body, "has_more")
    })
  )
})

describe("runs/list", () => {
  const workspace = Fake.make({
    jobs: [
      {
        name: "old",
        id: "11",
        runs: Array.from({ length: 60 }, (_, index) => ({ ago: Duration.minutes(10 + index) }))
      },
      { name: "now", id: "12", runs: [{ ago: "10 seconds" }] }
    ]
  })
  const ids = (body: Body): ReadonlyArray<number> => (body.runs ?? []).flatMap(({ run_id }) => run_id ?? [])

  it.effect("gives every run once over its pages, the newest first", () =>
    Effect.gen(function* () {
      const fake = yield* workspace
      const all: Array<number> = []
      let token: string | undefined
      do {
        const { body } = yield* list(fake.client, { limit: "25", ...(token && { page_token: token }) })
        all.push(...ids(body))
        token = body.next_page_token
      } while (token !== undefined)
      assert.lengthOf(all, 61)
      assert.strictEqual(new Set(all).size, 61)
      assert.strictEqual(all[0], 500_061)
    })
  )

  it.effect("filters", () =>
    Effect.gen(function* () {
      const now = 1_000_000_000
      yield* TestClock.setTime(now)
      const fake = yield* workspace
      const count = (params: Record<string, string>) =>
        Effect.map(list(fake.client, { limit: "25", ...params }), ({ body }) => ids(body).length)
      assert.strictEqual(yield* count({ active_only: "true" }), 1)
      assert.strictEqual(yield* count({ job_id: "12" }), 1)
      assert.strictEqual(yield* count({ job_id: "12", completed_only: "true" }), 0)
      const [from, to] = [now - 12 * 60_000, now - 11 * 60_000]
      assert.strictEqual(yield* count({ start_time_from: `${from}`, start_time_to: `${to}` }), 2)
    })
  )

  it.effect("leaves tasks out unless asked", () =>
    Effect.gen(function* () {
      const fake = yield* workspace
      assert.notProperty((yield* list(fake.client)).body.runs?.[0], "tasks")
      assert.property((yield* list(fake.client, { expand_tasks: "true" })).body.runs?.[0], "tasks")
    })
  )

  it.effect("refuses what the service refuses", () =>
    Effect.gen(function* () {
      const fake = yield* workspace
      for (const params of [
        { limit: "27" },
        { limit: "x" },
        { active_only: "True" },
        { actve_only: "true" },
        { start_time_from: "1.5" },
        { run_type: "JOB" },
        { page_token: "made up" },
        { active_only: "true", completed_only: "true" },
        { offset: "10001" }
      ]) {
        const { status, body } = yield* list(fake.client, params)
        assert.deepStrictEqual(
          [status, body.error_code],
          [400, "INVALID_PARAMETER_VALUE"],
          JSON.stringify(params)
        )
      }
    })
  )
})

describe("large runs", () => {
  it.effect("come in pages of 100 tasks", () =>
    Effect.gen(function* () {
      const fake = yield* Fake.make()
      const id = yield* fake.run("wide", { tasks: Array.from({ length: 250 }, (_, i) => ({ key: `t${i}` })) })
      const listed = (yield* list(fake.client, { expand_tasks: "true" })).body.runs?.[0]
      assert.strictEqual(listed?.has_more, true)
      assert.lengthOf(listed?.tasks ?? [], 100)
      const one = (yield* get(fake.client, id)).body
      const two = (yield* get(fake.client, id, { page_token: one.next_page_token ?? "" })).body
      const three = (yield* get(fake.client, id, { page_token: two.next_page_token ?? "" })).body
      assert.deepStrictEqual([one.tasks?.length, two.tasks?.length, three.tasks?.length], [100, 100, 50])
      assert.notProperty(three, "next_page_token")
    })
  )

  it.effect("may have ids of 19 digits, written as bare numbers", () =>
    Effect.gen(function* () {
      const fake = yield* Fake.make()
      yield* fake.run("job", { id: "9223372036854775807" })
      assert.include((yield* list(fake.client)).text, '"run_id":9223372036854775807,')
      assert.strictEqual((yield* get(fake.client, "9223372036854775807")).status, 200)
    })
  )
})

describe("get-output", () => {
  it.effect("has the error of a failed task's run and none for a run of several tasks", () =>
    Effect.gen(function* () {
      const fake = yield* Fake.make()
      const id = yield* fake.run("job", {
        tasks: [{ key: "a", takes: "1 second", fails: "boom", trace: "line 1" }, { key: "b" }]
      })
      yield* TestClock.adjust("1 second")
      const task = (yield* get(fake.client, id)).body.tasks?.find(({ task_key }) => task_key === "a")
      const { body } = yield* output(fake.client, String(task?.run_id))
      assert.deepStrictEqual([body.error, body.error_trace], ["boom", "line 1"])
      assert.strictEqual((yield* output(fake.client, id)).status, 400)
      assert.strictEqual((yield* output(fake.client, "1")).status, 400)
    })
  )
})

describe("access", () => {
  it.effect("is refused without and with wrong or revoked tokens", () =>
    Effect.gen(function* () {
      const fake = yield* Fake.make({ token: "right" })
      const bare = yield* fake.client.get("https://any.example/api/2.2/jobs/runs/list")
      assert.strictEqual(bare.status, 401)
      const path = "/api/2.2/jobs/runs/list"
      const wrong = yield* ask(fake.client, path, {}, "wrong")
      assert.deepStrictEqual([wrong.status, wrong.body.error_code], [403, 403])
      assert.strictEqual((yield* ask(fake.client, path, {}, "right")).status, 200)
      yield* fake.revoke
      assert.strictEqual((yield* ask(fake.client, path, {}, "right")).status, 403)
    })
  )

  it.effect("is given for a while to a service principal", () =>
    Effect.gen(function* () {
      const fake = yield* Fake.make({
        oauth: { clientId: "me", clientSecret: "s3cret", lifetime: "10 minutes" }
      })
      const token = (secret: string) =>
        HttpClientRequest.post("https://any.example/oidc/v1/token").pipe(
          HttpClientRequest.basicAuth("me", secret),
          HttpClientRequest.bodyUrlParams({ grant_type: "client_credentials", scope: "all-apis" }),
          fake.client.execute
        )
      assert.strictEqual((yield* token("wrong")).status, 401)
      const body = parse(yield* (yield* token("s3cret")).text)
      assert.strictEqual(body.expires_in, "600")
      const path = "/api/2.2/jobs/runs/list"
      assert.strictEqual((yield* ask(fake.client, path, {}, body.access_token ?? "")).status, 200)
      yield* TestClock.adjust("10 minutes")
      assert.strictEqual((yield* ask(fake.client, path, {}, body.access_token ?? "")).status, 403)
      assert.strictEqual(yield* fake.count("token"), 2)
    })
  )
})

describe("faults", () => {
  it.effect("strike as often as told, and only where told", () =>
    Effect.gen(function* () {
      const fake = yield* Fake.make()
      const id = yield* fake.run("job")
      yield* fake.fail(Fault.rateLimited(3), { times: 1, call: "list" })
      assert.strictEqual((yield* get(fake.client, id)).status, 200)
      const limited = yield* list(fake.client)
      assert.deepStrictEqual([limited.status, limited.headers["retry-after"]], [429, "3"])
      assert.strictEqual((yield* list(fake.client)).status, 200)
      yield* fake.fail(Fault.serverError(), { query: { run_id: id } })
      assert.strictEqual((yield* list(fake.client)).status, 200)
      assert.strictEqual((yield* get(fake.client, id)).status, 500)
      yield* fake.recover
      assert.strictEqual((yield* get(fake.client, id)).status, 200)
      assert.deepStrictEqual(
        (yield* fake.requests).map(({ call, status }) => `${call} ${status}`),
        ["get 200", "list 429", "list 200", "list 200", "get 500", "get 200"]
      )
    })
  )

  it.effect("change, cut, delay and drop answers", () =>
    Effect.gen(function* () {
      const fake = yield* Fake.make()
      yield* fake.fail(Fault.loginPage, { times: 1 })
      assert.match((yield* list(fake.client)).text, /<html>/)
      yield* fake.fail(Fault.empty, { times: 1 })
      assert.strictEqual((yield* list(fake.client)).text, "")
      yield* fake.fail(
        Fault.json(() => ({ odd: true })),
        { times: 1 }
      )
      assert.deepStrictEqual((yield* list(fake.client)).body, { odd: true })
      yield* fake.fail(Fault.drop, { times: 1 })
      const dropped = yield* Effect.flip(list(fake.client))
      assert.strictEqual(dropped.reason._tag, "TransportError")
      yield* fake.fail(Fault.slow("5 seconds"), { times: 1 })
      const waiting = yield* Effect.forkChild(list(fake.client))
      yield* TestClock.adjust("4 seconds")
      assert.isUndefined(waiting.pollUnsafe())
      yield* TestClock.adjust("1 second")
      assert.strictEqual((yield* Fiber.join(waiting)).status, 200)
      yield* fake.fail(Fault.hang)
      const patient = yield* Effect.forkChild(Effect.timeoutOption(list(fake.client), "1 hour"))
      yield* TestClock.adjust("1 hour")
      assert.isTrue(Option.isNone(yield* Fiber.join(patient)))
    })
  )
})

describe("over HTTP", () => {
  it.live("answers the same, and closes connections when told to", () =>
    Effect.gen(function* () {
      const fake = yield* Fake.make({ jobs: [{ name: "job", runs: [{ id: "5" }] }] })
      const address = yield* NodeFake.serve(fake)
      const client = HttpClient.mapRequest(yield* HttpClient.HttpClient, (request) =>
        HttpClientRequest.setUrl(request, request.url.replace("https://any.example", address))
      )
      assert.strictEqual((yield* list(client)).body.runs?.[0]?.run_id, 5)
      const config = yield* client.get("https://any.example/.well-known/databricks-config")
      assert.include(yield* config.text, `${address}/oidc`)
      assert.strictEqual((yield* get(client, "6")).status, 400)
      yield* fake.fail(Fault.drop, { times: 1 })
      assert.strictEqual((yield* Effect.flip(list(client))).reason._tag, "TransportError")
      assert.strictEqual((yield* list(client)).status, 200)
      assert.strictEqual(yield* fake.count(), 5)
      // A request that is never answered must not hold back the end of the test.
      yield* fake.fail(Fault.hang)
      assert.isTrue(Option.isNone(yield* Effect.timeoutOption(list(client), "50 millis")))
    }).pipe(Effect.scoped, Effect.provide(FetchHttpClient.layer))
  )

  it.live("is a workspace to the agent's own client", () =>
    Effect.gen(function* () {
      const fake = yield* Fake.make({ jobs: [{ name: "job", runs: [{ id: "5" }] }] })
      const host = yield* NodeFake.serve(fake)
      const settings = ConfigProvider.fromUnknown({
        databricks: { host },
        auth_api_token: { agent_token: "dapi-fake" }
      })
      const words = yield* DatabricksAgent.check.pipe(
        Effect.provide(Layer.merge(NodeHttp.layer, ConfigProvider.layer(settings)))
      )
      assert.include(words, 'its newest run is 5 of "job"')
    }).pipe(Effect.scoped)
  )
})
