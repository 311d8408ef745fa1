import { assert, describe, it } from "@effect/vitest"
import { Clock, ConfigProvider, DateTime, Effect, Fiber, Layer, Redacted, Stream } from "effect"
import { TestClock } from "effect/testing"
import { Databricks, type Workspace } from "@observability-agents/agent-databricks/Databricks"
import * as Fake from "@observability-agents/agent-databricks/testing/FakeDatabricks"
import * as Fault from "@observability-agents/agent-databricks/testing/Fault"

const workspace: Workspace = {
  name: "test",
  host: "https://fake.example",
  credentials: { _tag: "ApiToken", token: Redacted.make("dapi-fake") },
  jobsVersion: "2.2",
  requestsPerSecond: 10,
  workspaceId: undefined
}

/** When a list is answered whose first request meets this fault, and what came of it. */
const ask = (fault: Fault.Fault, times = 1) =>
  Effect.gen(function* () {
    const fake = yield* Fake.FakeDatabricks
    yield* fake.run("job", { id: "1" })
    yield* fake.fail(fault, { times })
    const databricks = yield* Databricks.fromWorkspace(workspace)
    const begin = yield* Clock.currentTimeMillis
    const fiber = yield* Effect.forkChild(
      Effect.result(
        Stream.runCollect(databricks.listRuns({})).pipe(
          Effect.flatMap((pages) =>
            Effect.map(Clock.currentTimeMillis, (now) => ({
              runs: pages.flatMap(({ runs }) => runs),
              after: now - begin
            }))
          )
        )
      )
    )
    for (let second = 0; second < 200; second++) yield* TestClock.adjust("1 second")
    const result = yield* Fiber.join(fiber)
    return { result, requests: yield* fake.requests }
  }).pipe(
    Effect.scoped,
    Effect.provide(
      Layer.merge(
        Fake.FakeDatabricks.layer(),
        ConfigProvider.layer(ConfigProvider.fromUnknown({ http: { retries: 3 } }))
      )
    )
  )

describe("a workspace that is asked too often", () => {
  const cases: ReadonlyArray<readonly [string, Fault.Fault]> = [
    ["429", Fault.rateLimited()],
    ["400 with the code of a limit of requests", Fault.requestLimitExceeded],
    ["400 with the code of exhausted resources", Fault.refused(400, "RESOURCE_EXHAUSTED", "Slow down.")],
    [
      "400 in plain words",
      Fault.reply({ status: 400, contentType: "text/plain", body: "REQUEST_LIMIT_EXCEEDED: no" })
    ],
    ["400 of a full token bucket", Fault.refused(400, "X", "RPC token bucket limit has been exceeded.")],
    [
      "400 of a worker that is starting",
      Fault.refused(400, "X", "There is no worker environment with id w-1")
    ],
    ["500", Fault.serverError()],
    ["503", Fault.gateway(503)],
    ["no answer", Fault.drop]
  ]
  for (const [what, fault] of cases) {
    it.effect(`is asked again after ${what}`, () =>
      Effect.gen(function* () {
        const { requests, result } = yield* ask(fault)
        assert.isTrue(result._tag === "Success" && result.success.runs.length === 1)
        assert.lengthOf(requests, 2)
      })
    )
  }

  it.effect("is given the time that it asks for, in seconds or as a date, but a minute at most", () =>
    Effect.gen(function* () {
      const after = (retryAfter: number | string) =>
        Effect.map(ask(Fault.rateLimited(retryAfter)), ({ result }) =>
          result._tag === "Success" ? result.success.after / 1000 : undefined
        )
      assert.closeTo((yield* after(20)) ?? 0, 20, 1.5)
      const date = DateTime.toDateUtc(DateTime.add(yield* DateTime.now, { seconds: 30 })).toUTCString()
      assert.closeTo((yield* after(date)) ?? 0, 30, 30)
      assert.closeTo((yield* after(100_000)) ?? 0, 60, 1.5)
    })
  )

  it.effect("is asked again a few times only, and the error names the limit", () =>
    Effect.gen(function* () {
      const { requests, result } = yield* ask(Fault.requestLimitExceeded, 100)
      assert.isTrue(result._tag === "Failure" && result.failure.reason._tag === "RateLimited")
      assert.lengthOf(requests, 4)
    })
  )
})

describe("a workspace that refuses", () => {
  for (const [what, fault] of [
    ["the request", Fault.refused(400, "INVALID_PARAMETER_VALUE", "limit is too large")],
    ["the token", Fault.invalidToken],
    ["the user", Fault.refused(403, "PERMISSION_DENIED", "no")],
    ["the address", Fault.refused(404, "ENDPOINT_NOT_FOUND", "no")]
  ] as const) {
    it.effect(`${what} is not asked again, and its words are kept`, () =>
      Effect.gen(function* () {
        const { requests, result } = yield* ask(fault)
        assert.lengthOf(requests, 1)
        assert.isTrue(result._tag === "Failure")
        if (what === "the request" && result._tag === "Failure")
          assert.match(result.failure.message, /limit is too large/)
      })
    )
  }
})
