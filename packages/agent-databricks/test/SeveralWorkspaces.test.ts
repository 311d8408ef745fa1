import * as DatabricksAgent from "@observability-agents/agent-databricks/DatabricksAgent"
import * as Fake from "@observability-agents/agent-databricks/testing/FakeDatabricks"
import * as Fault from "@observability-agents/agent-databricks/testing/Fault"
import { Outbox } from "@observability-agents/core/Outbox"
import type * as RunTracker from "@observability-agents/core/RunTracker"
import * as EventLog from "@observability-agents/testing/EventLog"
import { FakeObservability } from "@observability-agents/testing/FakeObservability"
import { Simulation } from "@observability-agents/testing/Simulation"
import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Context, DateTime, Duration, Effect, Layer, References, Stream } from "effect"
import { TestClock } from "effect/testing"

const noon = DateTime.makeUnsafe("2026-03-01T12:00:00Z")

const ONE = "https://one.cloud.databricks.com"
const TWO = "https://two.cloud.databricks.com"

const databricks = (first: object = {}, second: object = {}) => ({
  workspaces: [
    { host: ONE, token: "dapi-one", ...first },
    { host: TWO, token: "dapi-two", ...second }
  ]
})

/** Both workspaces. */
class Workspaces extends Context.Service<
  Workspaces,
  { readonly one: Fake.FakeDatabricks["Service"]; readonly other: Fake.FakeDatabricks["Service"] }
>()("test/Workspaces") {}

const workspaces = (first: Fake.Options = {}, second: Fake.Options = {}) =>
  Effect.gen(function* () {
    const one = yield* Fake.make({ host: ONE, token: "dapi-one", ...first })
    const other = yield* Fake.make({ host: TWO, token: "dapi-two", ...second })
    return Workspaces.of({ one, other })
  })

const simulation = (
  made: ReturnType<typeof workspaces>,
  settings = databricks(),
  options: { readonly autoStart?: boolean } = {}
) =>
  Simulation.layer(DatabricksAgent.agent, {
    ...options,
    tool: Layer.effect(Workspaces, made),
    hosts: Effect.map(Workspaces, ({ one, other }) => ({
      [new URL(ONE).host]: one.client,
      [new URL(TWO).host]: other.client
    })),
    settings: { databricks: settings },
    secrets: ["dapi-one", "dapi-two"],
    startAt: noon
  })

const job = (id: string): Fake.Options => ({
  jobs: [
    {
      name: "nightly",
      id: "1001",
      runs: [{ id, at: "2 minutes", tasks: [{ key: "a", takes: "30 seconds" }] }]
    }
  ]
})

const TOLD = ["RUNNING", "task a RUNNING", "task a COMPLETED", "COMPLETED"]

describe("an agent of several workspaces", () => {
  it.effect("tells the runs of each under keys of their own, though jobs and runs have the same ids", () =>
    Effect.gen(function* () {
      const sim = yield* Simulation
      yield* sim.advance("5 minutes")
      yield* sim.expectPerLane({ "one%2F1001/5": TOLD, "two%2F1001/5": TOLD })
      yield* sim.expectNoMore
    }).pipe(Effect.provide(simulation(workspaces(job("5"), job("5")))))
  )

  it.effect("leaves the prefix out where it is turned off", () =>
    Effect.gen(function* () {
      const sim = yield* Simulation
      yield* sim.advance("5 minutes")
      yield* sim.expectPerLane({ "p-1001/5": TOLD, "two%2F1001/6": TOLD })
      yield* sim.expectNoMore
    }).pipe(Effect.provide(simulation(workspaces(job("5"), job("6")), databricks({ key_prefix: "p-" }))))
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
        const sim = yield* Simulation
        const server = yield* FakeObservability
        const { one, other } = yield* Workspaces
        yield* sim.advance("1 minute")
        yield* sim.act("the other one fails", other.fail(fault))
        yield* other.run("nightly", { id: "900", tasks: [{ key: "a", takes: "1 minute" }] })
        /** All that was told of the first workspace so far. */
        const ofOne = Effect.map(
          server.events,
          (events) => events.filter(({ pipelineKey }) => pipelineKey === "one/1001").length
        )
        for (let round = 0; round < 6; round++) {
          const id = yield* one.run("nightly", { tasks: [{ key: "a", takes: "1 minute" }] })
          // A period, and what chance adds to it.
          yield* sim.advance("23 seconds")
          yield* sim.expectPerLane({ [`one%2F1001/${id}`]: TOLD.slice(0, 2) })
          assert.strictEqual(yield* ofOne, 4 * round + 2)
          yield* sim.advance("1 minute")
          yield* sim.expectPerLane({ [`one%2F1001/${id}`]: TOLD.slice(2) })
          assert.strictEqual(yield* ofOne, 4 * round + 4)
          yield* sim.advance("9 minutes")
        }
        if (fault._tag !== "Slow") yield* sim.expectFailing(["list runs of two"])
        const ok = (yield* sim.health).parts.filter(({ state }) => state === "ok").map(({ name }) => name)
        assert.includeMembers(ok, ["list runs of one", "track runs of one"])
        yield* sim.act("the other one is back", other.recover)
        yield* sim.advance("5 minutes")
        yield* sim.expectPerLane({ "two%2F1001/900": TOLD })
        yield* sim.expectNoMore
        yield* sim.expectHealthy
        assert.deepStrictEqual(EventLog.problems(yield* server.events), [])
      }).pipe(Effect.provide(simulation(workspaces(), databricks({ period: 20 }, { period: 20 })))),
    60_000
  )

  const oauth = { clientId: "c", clientSecret: "s" }

  it.effect(
    "starts although the sign-in service of one is down",
    () =>
      Effect.gen(function* () {
        const sim = yield* Simulation
        const { other } = yield* Workspaces
        yield* sim.act("the sign-in service is down", other.fail(Fault.hang, { call: "token" }))
        yield* sim.start
        yield* sim.advance("3 minutes")
        yield* sim.expectPerLane({ "one%2F1001/5": TOLD })
        yield* sim.expectNoMore
        yield* sim.act("the sign-in service is back", other.recover)
        yield* sim.advance("5 minutes")
        yield* sim.expectPerLane({ "two%2F1001/6": TOLD })
        yield* sim.expectNoMore
      }).pipe(
        Effect.provide(
          simulation(
            workspaces(job("5"), { ...job("6"), oauth }),
            databricks({}, { token: undefined, client_id: "c", client_secret: "s" }),
            { autoStart: false }
          )
        )
      ),
    60_000
  )

  it.effect("goes on with each where it stopped, under the names that a single one has", () =>
    Effect.gen(function* () {
      const sim = yield* Simulation
      yield* sim.advance("1 minute")
      const outbox = yield* sim.ask(Outbox)
      for (const host of [ONE, TWO]) {
        const { cursor } = yield* outbox.checkpoint(`databricks ${host}`)
        assert.isTrue(cursor._tag === "Some" && DateTime.isGreaterThan(cursor.value, noon))
      }
    }).pipe(Effect.provide(simulation(workspaces(job("5"), job("6")))))
  )
})

/** What reads without an agent, between these workspaces. */
const settings = (first: object = {}, second: object = {}) =>
  ConfigProvider.layer(
    ConfigProvider.fromUnknown({
      core: { agent_type: "databricks", agent_key: "test" },
      databricks: databricks(first, second)
    })
  )

const quiet = Effect.provideService(References.MinimumLogLevel, "None")

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
      yield* TestClock.setTime(DateTime.toEpochMillis(noon))
      const { one, other } = yield* workspaces(past("5"), past("6"))
      const network = Fake.layerNetwork([one, other])
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
