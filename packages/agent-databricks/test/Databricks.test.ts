import { assert, describe, it } from "@effect/vitest"
import { Cause, ConfigProvider, DateTime, Duration, Effect, Exit, Fiber, Layer, Stream } from "effect"
import { HttpClient, HttpClientRequest, HttpServerResponse } from "effect/http"
import { TestClock } from "effect/testing"
import { inspect } from "node:util"
import { HttpTransport } from "@observability-agents/toolkit/HttpTransport"
import { Databricks, make, origin, type Query } from "@observability-agents/agent-databricks/Databricks"
import { RunId } from "@observability-agents/agent-databricks/RunRecord"
import * as Fake from "@observability-agents/agent-databricks/testing/FakeDatabricks"
import * as Fault from "@observability-agents/agent-databricks/testing/Fault"

const handle = (fake: Fake.FakeDatabricks["Service"], version: "2.1" | "2.2" = "2.2") =>
  make({
    client: HttpClient.mapRequest(fake.client, HttpClientRequest.bearerToken("dapi-fake")),
    host: "fake.example",
    version
  })
const pages = (databricks: Databricks["Service"], query: Query = {}) =>
  Stream.runCollect(databricks.listRuns(query))
const ids = (found: ReadonlyArray<{ readonly runs: ReadonlyArray<{ readonly run_id: string }> }>) =>
  found.flatMap(({ runs }) => runs.map(({ run_id }) => run_id))
const sixty = { name: "job", runs: Array.from({ length: 60 }, (_, index) => ({ id: String(index + 1) })) }

describe("listRuns", () => {
  it.effect("follows the pages to the end, though no page says that there are more", () =>
    Effect.gen(function* () {
      const fake = yield* Fake.make({ jobs: [sixty] })
      const found = yield* pages(handle(fake))
      assert.deepStrictEqual(
        found.map(({ runs }) => runs.length),
        [25, 25, 10]
      )
      assert.strictEqual(new Set(ids(found)).size, 60)
    })
  )

  it.effect("works the same with version 2.1", () =>
    Effect.gen(function* () {
      const fake = yield* Fake.make({ jobs: [sixty] })
      assert.lengthOf(ids(yield* pages(handle(fake, "2.1"))), 60)
      assert.isTrue((yield* fake.requests).every(({ path }) => path === "/api/2.1/jobs/runs/list"))
    })
  )

  it.effect("asks for what the query says, in the service's spelling", () =>
    Effect.gen(function* () {
      const fake = yield* Fake.make()
      const startedFrom = DateTime.makeUnsafe(1_700_000_000_000)
      yield* pages(handle(fake), { activeOnly: true, startedFrom, limit: 500 })
      yield* pages(handle(fake), { expandTasks: false, limit: 1 })
      assert.deepStrictEqual(
        (yield* fake.requests).map(({ query }) => query),
        [
          { limit: "25", expand_tasks: "true", active_only: "true", start_time_from: "1700000000000" },
          { limit: "1", expand_tasks: "false" }
        ]
      )
    })
  )

  it.effect("reads a page only when the one before has been taken", () =>
    Effect.gen(function* () {
      const fake = yield* Fake.make({ jobs: [sixty] })
      yield* Stream.runHead(handle(fake).listRuns({}))
      assert.strictEqual(yield* fake.count("list"), 1)
    })
  )

  it.effect("goes on after an empty page that has a token", () =>
    Effect.gen(function* () {
      const fake = yield* Fake.make({ jobs: [sixty] })
      yield* fake.fail(
        Fault.json(({ next_page_token }) => ({ next_page_token })),
        { times: 1 }
      )
      assert.lengthOf(ids(yield* pages(handle(fake))), 35)
    })
  )

  it.effect("ends at an empty token", () =>
    Effect.gen(function* () {
      const fake = yield* Fake.make({ jobs: [sixty] })
      yield* fake.fail(
        Fault.json((body) => ({ ...body, next_page_token: "" })),
        { times: 1 }
      )
      assert.lengthOf(ids(yield* pages(handle(fake))), 25)
    })
  )

  it.effect("does not go round for ever when a token comes a second time", () =>
    Effect.gen(function* () {
      const fake = yield* Fake.make()
      yield* fake.fail(
        Fault.reply({ status: 200, body: '{"runs":[{"run_id":1}],"next_page_token":"again"}' })
      )
      const found = yield* pages(handle(fake))
      assert.lengthOf(found, 2)
      assert.isUndefined(found[0]?.cutShort)
      assert.match(found[1]?.cutShort ?? "", /again/)
    })
  )

  it.effect("leaves out a run that cannot be read, says so, and gives the others", () =>
    Effect.gen(function* () {
      const fake = yield* Fake.make({
        jobs: [
          {
            name: "job",
            runs: [
              { id: "1" },
              { id: "2", fields: { job_id: {} } },
              { id: "3", fields: { run_id: null } },
              { id: "4" }
            ]
          }
        ]
      })
      const [page] = yield* pages(handle(fake))
      assert.deepStrictEqual(ids([page ?? { runs: [] }]), ["4", "1"])
      assert.deepStrictEqual(
        page?.malformed.map(({ runId }) => runId),
        [undefined, "2"]
      )
    })
  )

  it.effect("keeps ids beyond 2^53 exact", () =>
    Effect.gen(function* () {
      const id = "9223372036854775807"
      const fake = yield* Fake.make({ jobs: [{ name: "job", id: "9007199254740993", runs: [{ id }] }] })
      const [page] = yield* pages(handle(fake))
      assert.strictEqual(page?.runs[0]?.run_id, id)
      assert.strictEqual(page?.runs[0]?.job_id, "9007199254740993")
      const { run } = yield* handle(fake).getRun(RunId.make(id))
      assert.strictEqual(run.run_id, id)
    })
  )

  it.effect.each([
    ["a login page", Fault.loginPage, "Invalid"],
    ["an empty answer", Fault.empty, "Invalid"],
    ["a cut answer", Fault.truncated, "Invalid"],
    ["runs that are no list", Fault.reply({ status: 200, body: '{"runs":{}}' }), "Invalid"],
    [
      "an error report with a number for a code",
      Fault.reply({ status: 403, body: '{"error_code":403}' }),
      "Unauthorized"
    ],
    ["a rate limit", Fault.rateLimited(1), "RateLimited"],
    ["an error of the service", Fault.serverError(503), "Unavailable"],
    ["a closed connection", Fault.drop, "Unavailable"]
  ] as const)("fails on %s", ([_, fault, reason]) =>
    Effect.gen(function* () {
      const fake = yield* Fake.make({ jobs: [sixty] })
      yield* fake.fail(fault)
      const error = yield* Effect.flip(pages(handle(fake)))
      assert.strictEqual(error.reason._tag, reason)
      assert.strictEqual(error.method, "listRuns")
      assert.include(error.message, "https://fake.example/api/2.2/jobs/runs/list")
    })
  )
})

describe("limits", () => {
  /** Answers each request with the given JSON, of which the number of the request is known. */
  const serving = (body: (n: number) => object) => {
    let n = 0
    const client = HttpClient.make((request) =>
      Effect.sync(() =>
        HttpServerResponse.toClientResponse(HttpServerResponse.jsonUnsafe(body(++n)), { request })
      )
    )
    const databricks = make({ client, host: "x.example", version: "2.2", maxPages: { all: 10, empty: 4 } })
    return { databricks, count: () => n }
  }
  /** Answers with a body that comes in pieces. */
  const streaming = (body: Stream.Stream<Uint8Array>) =>
    make({
      client: HttpClient.make((request) =>
        Effect.succeed(HttpServerResponse.toClientResponse(HttpServerResponse.stream(body), { request }))
      ),
      host: "x.example",
      version: "2.2",
      readTimeout: Duration.seconds(10)
    })

  it.effect("ends a list of ever new tokens, and says why", () =>
    Effect.gen(function* () {
      const full = serving((n) => ({ runs: [{ run_id: n }], next_page_token: `t${n}` }))
      const found = yield* pages(full.databricks)
      assert.strictEqual(full.count(), 10)
      assert.lengthOf(ids(found), 10)
      assert.match(found.at(-1)?.cutShort ?? "", /did not end within 10 pages/)
      const empty = serving((n) => ({ next_page_token: `t${n}` }))
      assert.match((yield* pages(empty.databricks)).at(-1)?.cutShort ?? "", /4 pages in a row/)
      assert.strictEqual(empty.count(), 4)
    })
  )

  it.effect("reads on over empty pages between others", () =>
    Effect.gen(function* () {
      const { databricks } = serving((n) => ({
        ...(n % 4 === 0 ? { runs: [{ run_id: n }] } : {}),
        ...(n < 9 ? { next_page_token: `t${n}` } : {})
      }))
      const found = yield* pages(databricks)
      assert.deepStrictEqual(ids(found), ["4", "8"])
      assert.isUndefined(found.at(-1)?.cutShort)
    })
  )

  it.effect("ends a run of ever new tokens", () =>
    Effect.gen(function* () {
      const { count, databricks } = serving((n) => ({ run_id: 1, next_page_token: `t${n}` }))
      const error = yield* Effect.flip(databricks.getRun(RunId.make("1")))
      assert.match(error.message, /within 1000 pages/)
      assert.strictEqual(count(), 1000)
    })
  )

  it.effect("gives up an answer that keeps arriving", () =>
    Effect.gen(function* () {
      const drip = Stream.fromEffectRepeat(Effect.as(Effect.sleep("1 second"), new Uint8Array([32])))
      const fiber = yield* Effect.forkChild(Effect.flip(pages(streaming(drip))))
      yield* TestClock.adjust("49 seconds")
      assert.isUndefined(fiber.pollUnsafe())
      yield* TestClock.adjust("1 second")
      const error = yield* Fiber.join(fiber)
      assert.strictEqual(error.reason._tag, "Unavailable")
      assert.match(error.message, /50s.*read_timeout/)
    })
  )

  it.effect("gives up an answer of more than 64 MB", () =>
    Effect.gen(function* () {
      let sent = 0
      const flood = Stream.fromEffectRepeat(
        Effect.sync(() => {
          sent++
          return new Uint8Array(1 << 20).fill(32)
        })
      )
      const error = yield* Effect.flip(pages(streaming(flood)))
      assert.strictEqual(error.reason._tag, "Invalid")
      assert.match(error.message, /64 MB/)
      assert.strictEqual(sent, 65)
    })
  )

  it.effect("keeps characters whole that come in two pieces", () =>
    Effect.gen(function* () {
      const body = new TextEncoder().encode('{"runs":[{"run_id":1,"run_name":"n\u00e4chtlich"}]}')
      const split = body.indexOf(0xc3) + 1
      const found = yield* pages(streaming(Stream.make(body.slice(0, split), body.slice(split))))
      assert.strictEqual(found[0]?.runs[0]?.run_name, "n\u00e4chtlich")
    })
  )

  it.effect.each([
    [DateTime.makeUnsafe(-5), "0"],
    [DateTime.makeUnsafe(1_700_000_000_000.7), "1700000000000"]
  ] as const)("asks for a start that the service takes (%#)", ([startedFrom, expected]) =>
    Effect.gen(function* () {
      const fake = yield* Fake.make()
      yield* pages(handle(fake), { startedFrom })
      assert.strictEqual((yield* fake.requests)[0]?.query["start_time_from"], expected)
      for (const wrong of ["-5", "1.5", "1e300", "99999999999999999999", "", "x"]) {
        const response = yield* fake.client.get(`http://x/api/2.2/jobs/runs/list?start_time_from=${wrong}`, {
          headers: { authorization: "Bearer dapi-fake" }
        })
        assert.strictEqual(response.status, 400)
      }
    })
  )
})

describe("getRun", () => {
  it.effect("has all tasks of a run of 250, each once", () =>
    Effect.gen(function* () {
      const fake = yield* Fake.make()
      const id = yield* fake.run("wide", { tasks: Array.from({ length: 250 }, (_, i) => ({ key: `t${i}` })) })
      const { run } = yield* handle(fake).getRun(RunId.make(id))
      assert.strictEqual(new Set(run.tasks.map(({ task_key }) => task_key)).size, 250)
      assert.strictEqual(run.run_name, "wide")
      assert.strictEqual(yield* fake.count("get"), 3)
    })
  )

  it.effect("knows how often the run was repaired", () =>
    Effect.gen(function* () {
      const fake = yield* Fake.make()
      const id = yield* fake.run("job", {
        tasks: [{ key: "a", takes: "1 second", fails: "boom" }],
        repairs: [{ after: "1 second", tasks: [{ key: "a" }] }]
      })
      yield* TestClock.adjust("3 seconds")
      const { run } = yield* handle(fake).getRun(RunId.make(id))
      assert.deepStrictEqual(
        run.repair_history?.map(({ type }) => type),
        ["ORIGINAL", "REPAIR"]
      )
    })
  )

  it.effect("tells a deleted run from other failures", () =>
    Effect.gen(function* () {
      const fake = yield* Fake.make()
      const error = yield* Effect.flip(handle(fake).getRun(RunId.make("77")))
      assert.strictEqual(error.reason._tag, "NotFound")
      yield* fake.fail(Fault.reply({ status: 404, body: "" }))
      assert.strictEqual((yield* Effect.flip(handle(fake).getRun(RunId.make("77")))).reason._tag, "Invalid")
    })
  )

  it.effect("does not go round for ever", () =>
    Effect.gen(function* () {
      const fake = yield* Fake.make()
      yield* fake.fail(Fault.reply({ status: 200, body: '{"run_id":1,"next_page_token":"again"}' }))
      assert.strictEqual((yield* Effect.flip(handle(fake).getRun(RunId.make("1")))).reason._tag, "Invalid")
    })
  )
})

describe("getOutput", () => {
  it.effect("has a failed task's error, and refuses runs of several tasks", () =>
    Effect.gen(function* () {
      const fake = yield* Fake.make()
      const id = yield* fake.run("job", {
        tasks: [{ key: "a", takes: "1 second", fails: "boom" }, { key: "b" }]
      })
      yield* TestClock.adjust("1 second")
      const databricks = handle(fake)
      const { run } = yield* databricks.getRun(RunId.make(id))
      const task = run.tasks.find(({ task_key }) => task_key === "a")?.run_id ?? RunId.make("?")
      assert.strictEqual((yield* databricks.getOutput(task)).error, "boom")
      assert.strictEqual((yield* Effect.flip(databricks.getOutput(RunId.make(id)))).reason._tag, "Refused")
    })
  )
})

describe("origin", () => {
  it.each([
    ["x.example", "https://x.example"],
    ["https://x.example/", "https://x.example"],
    ["https://X.example:443/?o=12#job/1", "https://x.example"],
    [" http://127.0.0.1:8080/api/ ", "http://127.0.0.1:8080"]
  ])("of %j is %s", (host, expected) => {
    assert.strictEqual(origin(host), expected)
  })
})

describe("layer", () => {
  const settings = (extra: object) =>
    ConfigProvider.layer(ConfigProvider.fromUnknown({ databricks: { host: "fake.example" }, ...extra }))
  const listed = (extra: object, options: Fake.Options) =>
    Effect.gen(function* () {
      const databricks = yield* Databricks
      const fake = yield* Fake.FakeDatabricks
      return { runs: ids(yield* pages(databricks)), requests: yield* fake.requests }
    }).pipe(
      Effect.provide(
        Databricks.layer.pipe(
          Layer.provide(settings(extra)),
          Layer.provideMerge(Fake.FakeDatabricks.layer(options))
        )
      )
    )
  const jobs = [{ name: "job", runs: [{ id: "1" }] }]

  it.effect("sends the token of the settings", () =>
    Effect.gen(function* () {
      const { runs } = yield* listed({ auth_api_token: { agent_token: "t0ken" } }, { token: "t0ken", jobs })
      assert.deepStrictEqual(runs, ["1"])
      const error = yield* Effect.flip(
        listed({ auth_api_token: { agent_token: "stale" } }, { token: "t0ken" })
      )
      assert.match(error.message, /403/)
      assert.notInclude(error.message, "stale")
    })
  )

  it.effect("gets a service principal's token from the workspace itself", () =>
    Effect.gen(function* () {
      const { runs, requests } = yield* listed(
        { auth_oauth: { client_id: "me", client_secret: "s3cret" } },
        { oauth: { clientId: "me", clientSecret: "s3cret" }, jobs }
      )
      assert.deepStrictEqual(runs, ["1"])
      assert.include(
        requests.map(({ path }) => path),
        "/oidc/v1/token"
      )
    })
  )

  it.effect("calls refused credentials what they are", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(
        listed(
          { auth_oauth: { client_id: "me", client_secret: "wr0ng" } },
          { oauth: { clientId: "me", clientSecret: "s3cret" } }
        )
      )
      assert.isTrue(error._tag === "DatabricksError" && error.reason._tag === "Unauthorized")
      assert.notInclude(error.message, "wr0ng")
    })
  )

  it.effect("tries again what may pass, and waits as long as it is asked to", () =>
    Effect.gen(function* () {
      const result = yield* Effect.gen(function* () {
        const fake = yield* Fake.FakeDatabricks
        yield* fake.fail(Fault.rateLimited(7), { times: 1 })
        yield* fake.fail(Fault.drop, { times: 1 })
        const databricks = yield* Databricks
        const fiber = yield* Effect.forkChild(pages(databricks))
        yield* TestClock.adjust("6 seconds")
        assert.strictEqual(yield* fake.count(), 1)
        yield* TestClock.adjust("1 minute")
        return ids(yield* Fiber.join(fiber))
      }).pipe(
        Effect.provide(
          Databricks.layer.pipe(
            Layer.provide(settings({ auth_api_token: { agent_token: "dapi-fake" } })),
            Layer.provideMerge(Fake.FakeDatabricks.layer({ jobs }))
          )
        )
      )
      assert.deepStrictEqual(result, ["1"])
    })
  )

  it.effect.each([
    Fault.drop,
    Fault.loginPage,
    Fault.serverError(),
    Fault.reply({ status: 403, body: "no" })
  ])("shows no secret in any form of its errors (%#)", (fault) =>
    Effect.gen(function* () {
      const fake = yield* Fake.FakeDatabricks
      yield* fake.fail(fault)
      const fiber = yield* Effect.forkChild(Effect.exit(Effect.flatMap(Databricks, pages)))
      yield* TestClock.adjust("10 minutes")
      const exit = yield* Fiber.join(fiber)
      assert.isTrue(Exit.isFailure(exit))
      const cause = Exit.isFailure(exit) ? exit.cause : Cause.empty
      const error = Cause.squash(cause)
      const shown = [String(error), inspect(error, { depth: 20 }), JSON.stringify(error), Cause.pretty(cause)]
      assert.notInclude(shown.join("\n"), "c4nary")
    }).pipe(
      Effect.provide(
        Databricks.layer.pipe(
          Layer.provide(settings({ auth_api_token: { agent_token: "c4nary" } })),
          Layer.provideMerge(Fake.FakeDatabricks.layer({ token: "c4nary" }))
        )
      )
    )
  )

  /** What the layer fails with where each answer is the authorization it was sent, in the middle of words. */
  const echoed = (extra: object, options: Fake.Options, around: (header: string) => string) =>
    Effect.gen(function* () {
      const fake = yield* Fake.make(options)
      const client = HttpClient.make((request) =>
        request.url.endsWith("/token")
          ? fake.client.execute(request)
          : Effect.succeed(
              HttpServerResponse.toClientResponse(
                HttpServerResponse.text(around(request.headers["authorization"] ?? ""), { status: 400 }),
                { request }
              )
            )
      )
      return yield* Effect.flip(Effect.flatMap(Databricks, pages)).pipe(
        Effect.provide(
          Databricks.layer.pipe(
            Layer.provide(settings(extra)),
            Layer.provide(HttpTransport.layerClient(client))
          )
        )
      )
    })
  const bare = (header: string) => header.replace(/^\w+ /, "")

  it.effect.each([
    [
      "token",
      { auth_api_token: { agent_token: "c4nary-0123456789" } },
      {},
      ["c4nary"],
      (header: string) => `who is ${bare(header)}?`
    ],
    [
      "password",
      { auth_username_password: { agent_username: "me", agent_password: "c4nary" } },
      {},
      ["c4nary", btoa("me:c4nary").slice(0, 8)],
      (header: string) => `${atob(bare(header))} ${bare(header)} ${header}`
    ],
    [
      "fetched token",
      { auth_oauth: { client_id: "me", client_secret: "s3cret" } },
      { oauth: { clientId: "me", clientSecret: "s3cret" } },
      ["oauth-1", "s3cret"],
      (header: string) => `token ${bare(header)} of me:s3cret`
    ],
    [
      "query parameter",
      {
        auth_api_token: { agent_token: "dapi-fake" },
        http: { params: { sig: "c4nary" }, auth: ["service", "c4nary2"] }
      },
      {},
      ["c4nary", "service"],
      () => `no c4nary, service:c4nary2 ${btoa("service:c4nary2")}`
    ]
  ] as const)("masks a %s that an answer repeats", ([, extra, options, secrets, around]) =>
    Effect.gen(function* () {
      const error = yield* echoed(extra, options, around)
      assert.include(error.message, "********")
      const shown = [error.message, inspect(error, { depth: 20 }), JSON.stringify(error)].join("\n")
      for (const secret of secrets) assert.notInclude(shown, secret)
    })
  )

  it.effect("says of a token that no header can carry what is wrong, before it asks anything", () =>
    Effect.gen(function* () {
      const exit = yield* Effect.exit(listed({ auth_api_token: { agent_token: "c4nary\n2" } }, {}))
      assert.match(String(exit), /agent_token cannot be used: .*header/)
      assert.notInclude(String(exit), "c4nary")
    })
  )

  it.effect("does not send a fetched token that no header can carry, and does not try again", () =>
    Effect.gen(function* () {
      const fake = yield* Fake.FakeDatabricks
      yield* fake.fail(
        Fault.json((body) => ({ ...body, access_token: "c4n\u00e4ry" })),
        { call: "token" }
      )
      const fiber = yield* Effect.forkChild(Effect.flip(Effect.flatMap(Databricks, pages)))
      yield* TestClock.adjust("1 millis")
      const error = yield* Fiber.join(fiber)
      assert.isTrue(error._tag === "DatabricksError" && error.reason._tag === "Unauthorized")
      assert.match(error.message, /access token cannot be used: .*header/)
      assert.strictEqual(yield* fake.count("list"), 0)
    }).pipe(
      Effect.provide(
        Databricks.layer.pipe(
          Layer.provide(settings({ auth_oauth: { client_id: "me", client_secret: "s3cret" } })),
          Layer.provideMerge(Fake.FakeDatabricks.layer({ oauth: { clientId: "me", clientSecret: "s3cret" } }))
        )
      )
    )
  )

  it.effect("does not start without credentials", () =>
    Effect.gen(function* () {
      const exit = yield* Effect.exit(listed({}, {}))
      assert.isTrue(Exit.isFailure(exit))
      assert.match(String(exit), /credentials/)
    })
  )
})
