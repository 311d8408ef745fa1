import * as DatabricksAgent from "@observability-agents/agent-databricks/DatabricksAgent"
import * as Fake from "@observability-agents/agent-databricks/testing/FakeDatabricks"
import * as Fault from "@observability-agents/agent-databricks/testing/Fault"
import * as Health from "@observability-agents/core/Health"
import { Outbox } from "@observability-agents/core/Outbox"
import * as OutboxMemory from "@observability-agents/core/OutboxMemory"
import type * as RunTracker from "@observability-agents/core/RunTracker"
import { Supervisor } from "@observability-agents/core/Supervisor"
import type * as Event from "@observability-agents/toolkit/Event"
import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, DateTime, Duration, Effect, Layer, References, Stream } from "effect"
import { TestClock } from "effect/testing"

const noon = DateTime.makeUnsafe("2026-03-01T12:00:00Z")

const ONE = "https://one.cloud.databricks.com"
const TWO = "https://two.cloud.databricks.com"

const settings = (first: object = {}, second: object = {}) =>
  ConfigProvider.layer(
    ConfigProvider.fromUnknown({
      core: { agent_type: "databricks", agent_key: "test" },
      databricks: {
        workspaces: [
          { host: ONE, token: "dapi-one", ...first },
          { host: TWO, token: "dapi-two", ...second }
        ]
      }
    })
  )

const two = (first: Fake.Options = {}, second: Fake.Options = {}) =>
  Effect.gen(function* () {
    yield* TestClock.setTime(DateTime.toEpochMillis(noon))
    const one = yield* Fake.make({ host: ONE, token: "dapi-one", ...first })
    const other = yield* Fake.make({ host: TWO, token: "dapi-two", ...second })
    return { one, other, network: Fake.layerNetwork([one, other]) }
  })

const ground = Layer.mergeAll(OutboxMemory.layer(), Health.Health.layer, Supervisor.layer)

const start = (network: ReturnType<typeof Fake.layerNetwork>, config = settings()) =>
  Effect.andThen(
    Effect.forkChild(Layer.launch(DatabricksAgent.layer.pipe(Layer.provide(Layer.merge(config, network))))),
    TestClock.adjust("1 millis")
  )

/** Takes all events there are out of the Outbox. */
const taken = Effect.gen(function* () {
  const outbox = yield* Outbox
  const found: Array<Event.Event> = []
  while ((yield* outbox.status).pending > 0) {
    const claim = yield* outbox.claim
    found.push(claim.entry.event)
    yield* outbox.delivered(claim)
  }
  return found
})

/** `one/1001 5 run RUNNING` */
const brief = (found: ReadonlyArray<Event.Event>): ReadonlyArray<string> =>
  found.map((event) => {
    const key = "pipelineKey" in event ? event.pipelineKey : ""
    const run = "runKey" in event ? event.runKey : ""
    const task = "taskKey" in event && event.taskKey !== undefined ? event.taskKey : "run"
    return `${key} ${run} ${task} ${event._tag === "RunStatus" ? event.status : event._tag}`
  })

const quiet = Effect.provideService(References.MinimumLogLevel, "None")

const job = (id: string): Fake.Options => ({
  jobs: [
    {
      name: "nightly",
      id: "1001",
      runs: [{ id, at: "2 minutes", tasks: [{ key: "a", takes: "30 seconds" }] }]
    }
  ]
})

const told = (prefix: string, id: string) => [
  `${prefix}1001 ${id} run RUNNING`,
  `${prefix}1001 ${id} a RUNNING`,
  `${prefix}1001 ${id} a COMPLETED`,
  `${prefix}1001 ${id} run COMPLETED`
]

describe("an agent of several workspaces", () => {
  it.effect("tells the runs of each under keys of their own, though jobs and runs have the same ids", () =>
    Effect.gen(function* () {
      const { network } = yield* two(job("5"), job("5"))
      yield* start(network)
      yield* TestClock.adjust("5 minutes")
      const found = brief(yield* taken)
      assert.deepStrictEqual(
        found.filter((line) => line.startsWith("one/")),
        told("one/", "5")
      )
      assert.deepStrictEqual(
        found.filter((line) => line.startsWith("two/")),
        told("two/", "5")
      )
      assert.lengthOf(found, 8)
    }).pipe(Effect.provide(ground), quiet)
  )

  it.effect("leaves the prefix out where it is turned off", () =>
    Effect.gen(function* () {
      const { network } = yield* two(job("5"), job("6"))
      yield* start(network, settings({ key_prefix: "p-" }, {}))
      yield* TestClock.adjust("5 minutes")
      const found = brief(yield* taken)
      assert.deepStrictEqual(
        found.filter((line) => line.includes(" 5 ")),
        told("p-", "5")
      )
    }).pipe(Effect.provide(ground), quiet)
  )

  it.effect.each([
    ["never answers", Fault.hang],
    ["takes 50 seconds to answer", Fault.slow("50 seconds")],
    ["is down", Fault.serverError(503)],
    ["does not take the token", Fault.refused(401, "UNAUTHENTICATED", "no")],
    ["breaks off", Fault.drop]
  ] as const)(
    "tells of one on time while the other %s for an hour, and of that one later",
    ([_, fault]) =>
      Effect.gen(function* () {
        const { network, one, other } = yield* two()
        const health = yield* Health.Health
        yield* start(network, settings({ period: 20 }, { period: 20 }))
        yield* TestClock.adjust("1 minute")
        yield* other.fail(fault)
        yield* other.run("nightly", { id: "900", tasks: [{ key: "a", takes: "1 minute" }] })
        const late: Array<string> = []
        /** What is told of the first workspace until then; what is told of the other is kept for later. */
        const toldOfOne = Effect.map(taken, (found) => {
          const lines = brief(found)
          late.push(...lines.filter((line) => line.startsWith("two/")))
          return lines.filter((line) => line.startsWith("one/"))
        })
        for (let round = 0; round < 6; round++) {
          const id = yield* one.run("nightly", { tasks: [{ key: "a", takes: "1 minute" }] })
          const lines = told("one/", id)
          // A period, and what chance adds to it.
          yield* TestClock.adjust("23 seconds")
          assert.deepStrictEqual(yield* toldOfOne, lines.slice(0, 2))
          yield* TestClock.adjust("1 minute")
          assert.deepStrictEqual(yield* toldOfOne, lines.slice(2))
          yield* TestClock.adjust("9 minutes")
        }
        const parts = (state: string) =>
          Effect.map(health.report, (report) =>
            report.parts.filter((part) => part.state === state).map(({ name }) => name)
          )
        if (fault._tag !== "Slow") assert.deepStrictEqual(yield* parts("failing"), ["list runs of two"])
        assert.includeMembers([...(yield* parts("ok"))], ["list runs of one", "track runs of one"])
        yield* other.recover
        yield* TestClock.adjust("5 minutes")
        assert.deepStrictEqual(yield* toldOfOne, [])
        assert.deepStrictEqual(late, told("two/", "900"))
        assert.isTrue((yield* health.report).healthy)
      }).pipe(Effect.provide(ground), quiet),
    30_000
  )

  it.effect("starts although the sign-in service of one is down", () =>
    Effect.gen(function* () {
      const oauth = { clientId: "c", clientSecret: "s" }
      const { network, other } = yield* two(job("5"), { ...job("6"), oauth })
      yield* other.fail(Fault.hang, { call: "token" })
      yield* start(network, settings({}, { token: undefined, client_id: "c", client_secret: "s" }))
      yield* TestClock.adjust("3 minutes")
      assert.deepStrictEqual(brief(yield* taken), told("one/", "5"))
      yield* other.recover
      yield* TestClock.adjust("5 minutes")
      assert.deepStrictEqual(brief(yield* taken), told("two/", "6"))
    }).pipe(Effect.provide(ground), quiet)
  )

  it.effect("goes on with each where it stopped, under the names that a single one has", () =>
    Effect.gen(function* () {
      const { network } = yield* two(job("5"), job("6"))
      yield* start(network)
      yield* TestClock.adjust("1 minute")
      const outbox = yield* Outbox
      for (const host of [ONE, TWO]) {
        const { cursor } = yield* outbox.checkpoint(`databricks ${host}`)
        assert.isTrue(cursor._tag === "Some" && DateTime.isGreaterThan(cursor.value, noon))
      }
    }).pipe(Effect.provide(ground), quiet)
  )
})

describe("a backfill of several workspaces", () => {
  const window = { from: DateTime.subtractDuration(noon, Duration.hours(2)), to: noon }

  const past: (id: string) => Fake.Options = (id) => ({
    jobs: [
      {
        name: "nightly",
        id: "1001",
        runs: [{ id, ago: "90 minutes", tasks: [{ key: "a", takes: "1 minute" }] }]
      }
    ]
  })

  it.effect("reads them all, and tells what is wrong with one when it has read the others", () =>
    Effect.gen(function* () {
      const { network, one } = yield* two(past("5"), past("6"))
      const read = (polls: Array<RunTracker.Poll>) =>
        DatabricksAgent.backfill(window).pipe(
          Stream.runForEach((poll) => Effect.sync(() => polls.push(poll))),
          Effect.provide(Layer.merge(settings(), network))
        )
      const keys = (polls: ReadonlyArray<RunTracker.Poll>) =>
        polls.flatMap(({ snapshots, source }) =>
          snapshots.map(({ pipeline, run }) => `${source} ${pipeline.key} ${run.key}`)
        )
      const all: Array<RunTracker.Poll> = []
      yield* read(all)
      assert.deepStrictEqual(keys(all), [`databricks ${ONE} one/1001 5`, `databricks ${TWO} two/1001 6`])
      yield* one.revoke
      const rest: Array<RunTracker.Poll> = []
      const failure = yield* Effect.flip(read(rest))
      assert.deepStrictEqual(keys(rest), [`databricks ${TWO} two/1001 6`])
      assert.match(failure.message, /^Workspace one: /)
      assert.isTrue(failure._tag === "CheckFailed" && failure.exitCode === 77)
    }).pipe(quiet)
  )

  it.effect("says of each what its settings leave out", () =>
    Effect.gen(function* () {
      const found = yield* DatabricksAgent.omissions.pipe(
        Effect.provide(settings({ jobs: ["a*"], exclude_jobs: ["b"] }, { run_types: ["job_run"] }))
      )
      assert.deepStrictEqual(found, [
        "Of the jobs, only these are watched (`jobs` of the workspace one): a*.",
        "These jobs are left out (`exclude_jobs` of the workspace one): b.",
        "Only runs of these types are watched (`run_types` of the workspace two): JOB_RUN."
      ])
    })
  )
})
