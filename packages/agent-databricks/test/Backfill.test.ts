import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, DateTime, Duration, Effect, References, Stream } from "effect"
import { TestClock } from "effect/testing"
import * as Window from "@observability-agents/core/Window"
import * as DatabricksAgent from "@observability-agents/agent-databricks/DatabricksAgent"
import * as Fake from "@observability-agents/agent-databricks/testing/FakeDatabricks"

const noon = DateTime.makeUnsafe("2026-03-01T12:00:00Z")

const ago = (duration: Duration.Input) => DateTime.subtractDuration(noon, duration)

const settings = ConfigProvider.layer(
  ConfigProvider.fromUnknown({
    core: { agent_type: "databricks", agent_key: "test" },
    databricks: { host: "fake.example" },
    auth_api_token: { agent_token: "dapi-fake" },
    http: { retries: 0 }
  })
)

type Runs = NonNullable<NonNullable<Fake.Options["jobs"]>[number]["runs"]>

/** Reads a span of a workspace with these runs: the runs of each Poll, the requests by kind, and the queries of the lists. */
const read = (runs: Runs, from: Duration.Input, to: Duration.Input) =>
  Effect.gen(function* () {
    yield* TestClock.setTime(DateTime.toEpochMillis(noon))
    return yield* Effect.gen(function* () {
      const fake = yield* Fake.FakeDatabricks
      const polls = yield* DatabricksAgent.backfill(Window.make(ago(from), ago(to))).pipe(
        Stream.map(({ snapshots }) => snapshots.map(({ run }) => run.key)),
        Stream.runCollect
      )
      const requests = yield* fake.requests
      return {
        polls,
        found: polls.flat().sort(),
        list: yield* fake.count("list"),
        get: yield* fake.count("get"),
        output: yield* fake.count("output"),
        queries: requests.filter(({ call }) => call === "list").map(({ query }) => query)
      }
    }).pipe(Effect.provide([Fake.FakeDatabricks.layer({ jobs: [{ name: "nightly", runs }] }), settings]))
  }).pipe(Effect.provideService(References.MinimumLogLevel, "None"))

const failed = (id: string, begun: Duration.Input, takes: Duration.Input): Runs[number] => ({
  id,
  ago: begun,
  tasks: [{ key: "a", takes, fails: "boom" }]
})

describe("backfill", () => {
  it.effect("finds a run that began long before the span and ended in it", () =>
    Effect.gen(function* () {
      const result = yield* read([failed("1", "5 days", "3 days")], "3 days", "1 day")
      assert.deepStrictEqual(result.found, ["1"])
      assert.deepStrictEqual([result.list, result.get, result.output], [1, 0, 1])
      const [query] = result.queries
      assert.strictEqual(query?.["start_time_from"], `${DateTime.toEpochMillis(ago("10 days"))}`)
      assert.strictEqual(query?.["start_time_to"], `${DateTime.toEpochMillis(ago("1 day"))}`)
      assert.notProperty(query, "active_only")
    })
  )

  it.effect("asks for nothing of runs outside the span", () =>
    Effect.gen(function* () {
      const wide = Array.from({ length: 101 }, (_, i) => ({ key: `t${i}`, takes: "1 minute" }) as const)
      const result = yield* read(
        [
          // After the span.
          ...Array.from({ length: 40 }, (_, i) => failed(String(100 + i), "1 hour", "1 minute")),
          { id: "1", ago: "30 minutes", tasks: wide },
          { id: "2", ago: "10 minutes", tasks: [{ key: "a", takes: "1 hour" }] },
          // Before it.
          failed("3", "4 days", "1 hour"),
          { id: "4", ago: "4 days", tasks: wide },
          // In it.
          failed("5", "2 days", "1 minute")
        ],
        "3 days",
        "1 day"
      )
      assert.deepStrictEqual(result.found, ["5"])
      assert.deepStrictEqual([result.list, result.get, result.output], [1, 0, 1])
    })
  )

  it.effect("takes what was active in the half-open span", () =>
    Effect.gen(function* () {
      const result = yield* read(
        [
          failed("1", "1 day", "1 minute"),
          failed("2", Duration.millis(Duration.toMillis("1 day") + 1), "1 minute"),
          failed("3", "4 days", "1 day"),
          failed("4", "4 days", Duration.millis(Duration.toMillis("1 day") - 1)),
          {
            id: "5",
            ago: "6 days",
            tasks: [
              { key: "a", takes: "6 days" },
              { key: "b", takes: "7 days" }
            ]
          }
        ],
        "3 days",
        "1 day"
      )
      assert.deepStrictEqual(result.found, ["2", "3", "5"])
      assert.strictEqual(result.output, 2)
    })
  )

  it.effect("lists the active runs too where the span ends now", () =>
    Effect.gen(function* () {
      const result = yield* read(
        [
          { id: "1", ago: "20 days", tasks: [{ key: "a", takes: "30 days" }] },
          { id: "2", ago: "1 hour", tasks: [{ key: "a", takes: "2 hours" }] }
        ],
        "3 days",
        "0 seconds"
      )
      assert.deepStrictEqual(result.found, ["1", "2"])
      assert.deepStrictEqual([result.list, result.get, result.output], [2, 0, 0])
    })
  )

  it.effect("hands on a hundred runs or so at a time", () =>
    Effect.gen(function* () {
      const runs = Array.from({ length: 260 }, (_, i): Runs[number] => ({
        id: String(1000 + i),
        ago: "2 days"
      }))
      const result = yield* read(runs, "3 days", "1 day")
      assert.lengthOf(result.found, 260)
      assert.deepStrictEqual(
        result.polls.map(({ length }) => length),
        [100, 100, 60]
      )
      assert.strictEqual(result.list, 11)
    })
  )
})
