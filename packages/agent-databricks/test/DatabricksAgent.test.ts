import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, DateTime, Effect, Fiber, Layer, References } from "effect"
import { TestClock } from "effect/testing"
import * as Health from "@observability-agents/core/Health"
import { Outbox } from "@observability-agents/core/Outbox"
import * as OutboxMemory from "@observability-agents/core/OutboxMemory"
import { Supervisor } from "@observability-agents/core/Supervisor"
import type * as Event from "@observability-agents/toolkit/Event"
import * as DatabricksAgent from "@observability-agents/agent-databricks/DatabricksAgent"
import * as Fake from "@observability-agents/agent-databricks/testing/FakeDatabricks"
import * as Fault from "@observability-agents/agent-databricks/testing/Fault"

const noon = DateTime.makeUnsafe("2026-03-01T12:00:00Z")

const settings = (databricks: object = {}, core: object = {}) =>
  ConfigProvider.layer(
    ConfigProvider.fromUnknown({
      core: { agent_type: "databricks", agent_key: "test", ...core },
      databricks: { host: "fake.example", ...databricks },
      auth_api_token: { agent_token: "dapi-fake" },
      http: { retries: 0 }
    })
  )

/** What the agent stands on, without the agent. */
const ground = (options: Fake.Options) =>
  Layer.mergeAll(
    OutboxMemory.layer(),
    Health.Health.layer,
    Supervisor.layer,
    Fake.FakeDatabricks.layer(options)
  )

/** Starts the agent and lets it look at the workspace once. */
const start = Effect.fnUntraced(function* (databricks?: object, core?: object) {
  const agent = DatabricksAgent.layer.pipe(Layer.provide(settings(databricks, core)))
  const fiber = yield* Effect.forkChild(Layer.launch(agent))
  yield* TestClock.adjust("1 millis")
  return fiber
})

/** Takes all events there are out of the Outbox. */
const events = Effect.gen(function* () {
  const outbox = yield* Outbox
  const found: Array<Event.Event> = []
  while ((yield* outbox.status).pending > 0) {
    const claim = yield* outbox.claim
    found.push(claim.entry.event)
    yield* outbox.delivered(claim)
  }
  return found
})

/** Events in short: `run RUNNING`, `load ERROR boom`. */
const brief = (found: ReadonlyArray<Event.Event>): ReadonlyArray<string> =>
  found.map((event) => {
    const task = "taskKey" in event && event.taskKey !== undefined ? event.taskKey : "run"
    switch (event._tag) {
      case "RunStatus":
        return `${task} ${event.status}`
      case "MessageLog":
        return `${task} ${event.level} ${event.message}`
      default:
        return `${task} ${event._tag}`
    }
  })

const at = <A, E>(
  options: Fake.Options,
  test: Effect.Effect<
    A,
    E,
    Outbox | Health.Health | Supervisor | Fake.FakeDatabricks | Layer.Success<ReturnType<typeof ground>>
  >
) =>
  Effect.gen(function* () {
    yield* TestClock.setTime(DateTime.toEpochMillis(noon))
    return yield* Effect.provide(test, ground(options))
  }).pipe(Effect.provideService(References.MinimumLogLevel, "None"))

const etl = [
  { key: "extract", takes: "30 seconds" },
  { key: "load", takes: "20 seconds", after: ["extract"] }
] as const

describe("the agent", () => {
  it.effect(
    "tells a run's story in order, once",
    () =>
      at(
        {},
        Effect.gen(function* () {
          const fake = yield* Fake.FakeDatabricks
          yield* start()
          yield* TestClock.adjust("10 seconds")
          const id = yield* fake.run("nightly", { queued: "8 seconds", tasks: etl })
          yield* TestClock.adjust("5 minutes")
          const found = yield* events
          assert.deepStrictEqual(brief(found), [
            "run RUNNING",
            "extract RUNNING",
            "extract COMPLETED",
            "load RUNNING",
            "load COMPLETED",
            "run COMPLETED"
          ])
          for (const event of found) {
            assert.strictEqual("pipelineKey" in event && event.pipelineKey, "1001")
            assert.strictEqual("runKey" in event && event.runKey, id)
            assert.strictEqual(event.componentTool, "databricks")
            assert.isTrue(event.timestamp !== undefined && DateTime.isGreaterThan(event.timestamp, noon))
          }
          yield* TestClock.adjust("1 hour")
          assert.deepStrictEqual(brief(yield* events), [])
        })
      ),
    30_000
  )

  it.effect("tells why a task failed, with its trace, before the end of the run", () =>
    at(
      {},
      Effect.gen(function* () {
        const fake = yield* Fake.FakeDatabricks
        yield* start()
        yield* fake.run("nightly", {
          tasks: [
            {
              key: "a",
              takes: "7 seconds",
              fails: "ValueError: no rows",
              trace: "\u001b[31mline 3\u001b[0m"
            },
            { key: "b", after: ["a"] }
          ]
        })
        yield* TestClock.adjust("1 minute")
        const found = yield* events
        assert.deepStrictEqual(brief(found), [
          "run RUNNING",
          "a RUNNING",
          "a ERROR ValueError: no rows",
          "a FAILED",
          "run ERROR Task a failed with message: Workload failed, see run output for details.",
          "run FAILED"
        ])
        const message = found.find((event) => event._tag === "MessageLog")
        assert.strictEqual(message?.details, "line 3")
        assert.strictEqual(yield* fake.count("output"), 1)
      })
    )
  )

  it.effect("follows runs that are active at its first start, and leaves finished ones alone", () =>
    at(
      {
        jobs: [
          {
            name: "nightly",
            runs: [
              { ago: "1 day", tasks: [{ key: "long", takes: "86430 seconds" }], id: "1" },
              { ago: "2 minutes", tasks: [{ key: "short", takes: "1 minute" }], id: "2" }
            ]
          }
        ]
      },
      Effect.gen(function* () {
        yield* start()
        yield* TestClock.adjust("1 minute")
        const found = yield* events
        assert.deepStrictEqual(
          found.map((event) => "runKey" in event && event.runKey),
          ["1", "1", "1", "1"]
        )
        assert.deepStrictEqual(brief(found), [
          "run RUNNING",
          "long RUNNING",
          "long COMPLETED",
          "run COMPLETED"
        ])
      })
    )
  )

  it.effect("reads finished runs as far back as start_from says", () =>
    at(
      {
        jobs: [
          {
            name: "nightly",
            runs: [
              { ago: "3 hours", id: "1" },
              { ago: "90 minutes", id: "2" }
            ]
          }
        ]
      },
      Effect.gen(function* () {
        yield* start({}, { start_from: "2 hours" })
        yield* TestClock.adjust("1 minute")
        const found = yield* events
        assert.isTrue(found.length === 4 && found.every((event) => "runKey" in event && event.runKey === "2"))
      })
    )
  )

  it.effect("loses no run to a time when the workspace does not answer", () =>
    at(
      {},
      Effect.gen(function* () {
        const fake = yield* Fake.FakeDatabricks
        const health = yield* Health.Health
        yield* start()
        yield* TestClock.adjust("1 minute")
        for (const fault of [
          Fault.serverError(),
          Fault.loginPage,
          Fault.truncated,
          Fault.empty,
          Fault.drop
        ]) {
          yield* fake.fail(fault)
          yield* fake.run("nightly", { tasks: [{ key: "a", takes: "1 minute" }] })
          yield* TestClock.adjust("20 minutes")
          assert.isFalse((yield* health.report).healthy)
          assert.deepStrictEqual(brief(yield* events), [])
          yield* fake.recover
          yield* TestClock.adjust("1 minute")
          assert.isTrue((yield* health.report).healthy)
          assert.deepStrictEqual(brief(yield* events), [
            "run RUNNING",
            "a RUNNING",
            "a COMPLETED",
            "run COMPLETED"
          ])
        }
      })
    )
  )

  it.effect("tells all of a run that came and went between two looks", () =>
    at(
      {},
      Effect.gen(function* () {
        const fake = yield* Fake.FakeDatabricks
        yield* start({ period: 60 })
        yield* TestClock.adjust("10 seconds")
        yield* fake.run("quick", { tasks: [{ key: "a", takes: "1 second", fails: "no library" }] })
        yield* TestClock.adjust("2 minutes")
        assert.deepStrictEqual(brief(yield* events).slice(0, 4), [
          "run RUNNING",
          "a RUNNING",
          "a ERROR no library",
          "a FAILED"
        ])
      })
    )
  )

  it.effect("tells all of a short run that Databricks lists late", () =>
    at(
      {},
      Effect.gen(function* () {
        const fake = yield* Fake.FakeDatabricks
        yield* start()
        yield* TestClock.adjust("1 minute")
        yield* fake.run("late", { tasks: [{ key: "a", takes: "10 seconds" }], listedAfter: "4 minutes" })
        yield* TestClock.adjust("200 seconds")
        assert.deepStrictEqual(brief(yield* events), [])
        yield* TestClock.adjust("1 minute")
        assert.deepStrictEqual(brief(yield* events), [
          "run RUNNING",
          "a RUNNING",
          "a COMPLETED",
          "run COMPLETED"
        ])
      })
    )
  )

  it.effect("reports nothing of runs that are skipped, and a cancelled one as failed", () =>
    at(
      {},
      Effect.gen(function* () {
        const fake = yield* Fake.FakeDatabricks
        yield* start()
        yield* fake.run("busy", { skipped: "MAX_CONCURRENT_RUNS_EXCEEDED" })
        yield* TestClock.adjust("1 minute")
        assert.deepStrictEqual(brief(yield* events), [])
        yield* fake.run("nightly", { tasks: etl, cancelledAfter: "40 seconds" })
        yield* TestClock.adjust("1 minute")
        const told = brief(yield* events)
        assert.deepStrictEqual(told.at(-1), "run FAILED")
        assert.include(told, "load FAILED")
        assert.strictEqual(yield* fake.count("output"), 0)
      })
    )
  )

  it.effect("tells all 250 tasks of a run", () =>
    at(
      {},
      Effect.gen(function* () {
        const fake = yield* Fake.FakeDatabricks
        yield* start()
        yield* fake.run("wide", {
          tasks: Array.from({ length: 250 }, (_, i) => ({ key: `t${i}`, takes: "20 seconds" }))
        })
        yield* TestClock.adjust("2 minutes")
        const told = brief(yield* events)
        assert.strictEqual(told.filter((line) => line.endsWith("COMPLETED")).length, 251)
        assert.strictEqual(told.at(-1), "run COMPLETED")
        const before = yield* fake.count("get")
        yield* TestClock.adjust("1 minute")
        assert.strictEqual(yield* fake.count("get"), before)
      })
    )
  )

  it.effect("keeps the time open while a run's further tasks cannot be read", () =>
    at(
      {},
      Effect.gen(function* () {
        const fake = yield* Fake.FakeDatabricks
        yield* start({ look_back: 0 })
        yield* TestClock.adjust("1 minute")
        yield* fake.fail(Fault.serverError(), { call: "get" })
        yield* fake.run("small", { tasks: [{ key: "a", takes: "1 second" }] })
        yield* fake.run("wide", {
          tasks: Array.from({ length: 101 }, (_, i) => ({ key: `t${i}`, takes: "1 second" }))
        })
        yield* TestClock.adjust("30 seconds")
        assert.lengthOf(yield* events, 4)
        yield* fake.recover
        yield* TestClock.adjust("10 seconds")
        assert.lengthOf(yield* events, 204)
      })
    )
  )

  it.effect("does not read as data what is an error with a number for its code", () =>
    at(
      {},
      Effect.gen(function* () {
        const fake = yield* Fake.FakeDatabricks
        yield* start()
        yield* fake.fail(Fault.reply({ status: 200, body: '{"error_code":403,"message":"no"}' }))
        yield* TestClock.adjust("1 minute")
        const { parts } = yield* (yield* Health.Health).report
        assert.match(parts.find(({ state }) => state === "failing")?.reason ?? "", /no/)
      })
    )
  )

  it.effect("observes only the jobs that are named, by name or id", () =>
    at(
      {
        jobs: [
          { name: "wanted", runs: [{ id: "1" }] },
          { name: "by id", id: "77", runs: [{ id: "2" }] },
          { name: "other", runs: [{ id: "3" }] }
        ]
      },
      Effect.gen(function* () {
        yield* start({ jobs: ["wanted", "77"] })
        yield* TestClock.adjust("2 minutes")
        const runs = new Set((yield* events).map((event) => "runKey" in event && event.runKey))
        assert.deepStrictEqual([...runs].sort(), ["1", "2"])
      })
    )
  )

  it.effect("goes on after states it does not know, for runs and for tasks", () =>
    at(
      {},
      Effect.gen(function* () {
        const fake = yield* Fake.FakeDatabricks
        const odd = { state: { life_cycle_state: "HIBERNATING" }, status: { state: "HIBERNATING" } }
        yield* start()
        yield* fake.run("odd", { fields: odd })
        yield* fake.run("nightly", { tasks: [{ key: "a", takes: "10 seconds" }] })
        yield* TestClock.adjust("1 minute")
        assert.lengthOf(yield* events, 4)
      })
    )
  )

  it.effect("asks a bounded number of times, however many runs there are", () =>
    at(
      {
        jobs: [
          {
            name: "many",
            runs: Array.from({ length: 100 }, () => ({ tasks: [{ key: "a", takes: "1 hour" }] }))
          }
        ]
      },
      Effect.gen(function* () {
        const fake = yield* Fake.FakeDatabricks
        yield* start({ period: 10 })
        yield* TestClock.adjust("59 seconds")
        assert.strictEqual(yield* fake.count("get"), 0)
        assert.isAtMost(yield* fake.count("list"), 6 * 8)
      })
    )
  )

  it.effect("closes a run that Databricks deleted, and asks for it rarely from then on", () =>
    at(
      {},
      Effect.gen(function* () {
        const fake = yield* Fake.FakeDatabricks
        yield* start()
        const id = yield* fake.run("nightly", { tasks: etl })
        yield* TestClock.adjust("10 seconds")
        yield* fake.remove(id)
        yield* TestClock.adjust("2 minutes")
        assert.match(brief(yield* events).at(-1) ?? "", /^run COMPLETED_WITH_WARNINGS/)
        const before = yield* fake.count("get")
        yield* TestClock.adjust("1 hour")
        assert.isAtMost((yield* fake.count("get")) - before, 6)
      })
    )
  )

  it.effect("sees a repair that began after the failure, also one between two looks", () =>
    at(
      {},
      Effect.gen(function* () {
        const fake = yield* Fake.FakeDatabricks
        yield* start({ period: 60 })
        const first = { key: "a", takes: "10 seconds", fails: "boom" } as const
        yield* fake.run("slow repair", {
          tasks: [first],
          repairs: [{ after: "3 hours", tasks: [{ key: "a", takes: "1 minute" }] }]
        })
        yield* fake.run("quick repair", {
          tasks: [first],
          repairs: [{ after: "4 hours", tasks: [{ key: "a", takes: "1 second" }] }]
        })
        yield* TestClock.adjust("1 hour")
        assert.lengthOf(yield* events, 12)
        yield* TestClock.adjust("2 hours")
        yield* TestClock.adjust("10 minutes")
        assert.deepStrictEqual(brief(yield* events), [
          "run RUNNING",
          "run INFO Repair 1 of this run began. Databricks does not tell who started it; the run was created by operator@example.com.",
          "a RUNNING",
          "a COMPLETED",
          "run COMPLETED"
        ])
        yield* TestClock.adjust("2 hours")
        assert.deepStrictEqual(brief(yield* events), [
          "run RUNNING",
          "run INFO Repair 1 of this run began. Databricks does not tell who started it; the run was created by operator@example.com.",
          "a RUNNING",
          "a COMPLETED",
          "run COMPLETED"
        ])
      })
    )
  )

  it.effect("goes on where it stopped", () =>
    at(
      {},
      Effect.gen(function* () {
        const fake = yield* Fake.FakeDatabricks
        const first = yield* start()
        yield* TestClock.adjust("1 minute")
        yield* fake.run("open", { tasks: [{ key: "a", takes: "2 hours" }] })
        yield* TestClock.adjust("1 minute")
        yield* Fiber.interrupt(first)
        yield* fake.run("missed", { tasks: [{ key: "b", takes: "1 minute" }] })
        yield* TestClock.adjust("3 hours")
        assert.deepStrictEqual(brief(yield* events), ["run RUNNING", "a RUNNING"])
        yield* start()
        yield* TestClock.adjust("1 minute")
        const told = brief(yield* events)
        assert.sameMembers(
          [...told],
          ["a COMPLETED", "run COMPLETED", "run RUNNING", "b RUNNING", "b COMPLETED", "run COMPLETED"]
        )
      })
    )
  )
})

describe("check", () => {
  const check = DatabricksAgent.check.pipe(Effect.provide(settings()))

  it.effect("says what it found, with one request", () =>
    at(
      { jobs: [{ name: "nightly", runs: [{ id: "5" }] }] },
      Effect.gen(function* () {
        const fake = yield* Fake.FakeDatabricks
        assert.strictEqual(
          yield* check,
          'Jobs API 2.2 of https://fake.example answers; its newest run is 5 of "nightly", started 2026-03-01T12:00:00.000Z.'
        )
        assert.strictEqual(yield* fake.count(), 1)
      })
    )
  )

  it.effect("says that an empty list may be a lack of permission", () =>
    at(
      {},
      Effect.gen(function* () {
        assert.match(yield* check, /CAN VIEW/)
      })
    )
  )

  it.effect("tells a refusal from an address that does not answer", () =>
    at(
      {},
      Effect.gen(function* () {
        const fake = yield* Fake.FakeDatabricks
        yield* fake.revoke
        const refused = yield* Effect.flip(check)
        assert.isTrue(refused._tag === "CheckFailed" && refused.exitCode === 77)
        yield* fake.fail(Fault.loginPage)
        const elsewhere = yield* Effect.flip(check)
        assert.isTrue(elsewhere._tag === "CheckFailed" && elsewhere.exitCode === 69)
        assert.match(elsewhere.message, /host of \[databricks\]/)
      })
    )
  )
})
