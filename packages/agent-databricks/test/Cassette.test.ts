import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, DateTime, Effect, FileSystem, Layer, Stream } from "effect"
import { TestClock } from "effect/testing"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as DatabricksAgent from "@observability-agents/agent-databricks/DatabricksAgent"
import { Databricks } from "@observability-agents/agent-databricks/Databricks"
import { RunId } from "@observability-agents/agent-databricks/RunRecord"
import * as Fake from "@observability-agents/agent-databricks/testing/FakeDatabricks"
import * as NodeFake from "@observability-agents/agent-databricks/testing/NodeFakeDatabricks"
import * as AgentFixture from "@observability-agents/testing/AgentFixture"
import { Cassette } from "@observability-agents/testing/Cassette"
import * as FakeObservability from "@observability-agents/testing/FakeObservability"
import * as FastClock from "@observability-agents/testing/FastClock"
import * as NodeCassette from "@observability-agents/testing/NodeCassette"
import { Simulation } from "@observability-agents/testing/Simulation"
import { fileURLToPath } from "node:url"

const TOKEN = "dapi-canary-of-the-cassette"

const committed = new URL("cassettes/nightly.json", import.meta.url)

const environment = (variables: Readonly<Record<string, string>>, tables: object = {}) =>
  ConfigProvider.layer(ConfigProvider.fromUnknown({ ...tables, ...variables }))

/** The cassette of these tests; the environment is theirs alone. */
const cassette = (options: NodeCassette.Options) =>
  NodeCassette.layer({ ignore: ["start_time_from"], exhausted: "last", secrets: [TOKEN], ...options }).pipe(
    Layer.provide(environment({}))
  )

const settings = {
  databricks: { host: "https://workspace.test", period: 5 },
  auth_api_token: { agent_token: TOKEN }
}

/** The agent with all of its tool on the cassette. */
const agent = Layer.unwrap(
  Effect.map(Cassette, ({ client }) =>
    AgentFixture.layer(DatabricksAgent.agent, { hosts: { "workspace.test": client }, settings })
  )
)

/** The same in a simulation, which begins when the recording did. */
const simulation = Layer.unwrap(
  Effect.map(Cassette, ({ client, recordedAt }) =>
    Simulation.layer(DatabricksAgent.agent, {
      hosts: { "workspace.test": client },
      settings,
      startAt: recordedAt,
      store: "file"
    })
  )
)

const received = Effect.flatMap(FakeObservability.FakeObservability, ({ events }) => events)

/** A run of two tasks, of which the second fails, recorded by the whole agent from a workspace behind a real port. */
const record = (path: string | URL, options: Partial<NodeCassette.Options> = {}) =>
  Effect.gen(function* () {
    const workspace = yield* Fake.make({ token: TOKEN })
    const origin = yield* NodeFake.serve(workspace)
    return yield* Effect.gen(function* () {
      yield* Effect.sleep("6 seconds")
      yield* workspace.add([
        {
          name: "nightly",
          id: "1001",
          runs: [
            {
              id: "7001",
              tasks: [
                { key: "extract", takes: "12 seconds" },
                { key: "load", takes: "8 seconds", after: ["extract"], fails: "no such table" }
              ]
            }
          ]
        }
      ])
      yield* Effect.repeat(Effect.andThen(Effect.sleep("1 second"), received), {
        until: (events) =>
          events.some(
            (event) => event._tag === "RunStatus" && event.status === "FAILED" && event.taskKey === undefined
          )
      })
      return yield* received
    }).pipe(
      Effect.provide(
        agent.pipe(
          Layer.provide(cassette({ path, mode: "record", hosts: { "workspace.test": origin }, ...options }))
        )
      )
    )
  }).pipe(Effect.scoped, Effect.provide(FastClock.layer({ speed: 20, startAt: AgentFixture.START })))

/** The same agent in virtual time, on the cassette alone. */
const replay = (path: string | URL, options: Partial<NodeCassette.Options> = {}) =>
  Effect.gen(function* () {
    const { recordedAt, unused } = yield* Cassette
    yield* TestClock.setTime(DateTime.toEpochMillis(recordedAt))
    const events = yield* Effect.gen(function* () {
      yield* TestClock.adjust("2 minutes")
      return yield* received
    }).pipe(Effect.provide(agent))
    return { events, unused: yield* unused }
  }).pipe(Effect.provide(cassette({ path, ...options })))

describe("a cassette of a workspace", () => {
  it.live(
    "has the whole agent tell in virtual time what it told while it was recorded",
    () =>
      Effect.gen(function* () {
        const files = yield* FileSystem.FileSystem
        const folder = yield* files.makeTempDirectoryScoped()
        const path = `${folder}/cassettes/nightly.json`
        const live = yield* record(path, { emails: "keep" })
        assert.isAbove(live.length, 5)

        const text = yield* files.readFileString(path)
        assert.notInclude(text, TOKEN)
        assert.notInclude(text, "127.0.0.1")

        for (const order of ["sequence", "time"] as const) {
          const played = yield* replay(path, { order }).pipe(Effect.provide(TestClock.layer()))
          assert.deepStrictEqual(played.events, live, order)
        }
      }).pipe(Effect.scoped, Effect.provide(NodeFileSystem.layer)),
    60_000
  )

  if (process.env["CASSETTE"] === "record") {
    it.live("is recorded anew with CASSETTE=record", () => record(committed), 60_000)
  }

  it.effect("that is committed tells the story of a run whose second task fails, in times of its own", () =>
    Effect.gen(function* () {
      const { events, unused } = yield* replay(committed)
      assert.deepStrictEqual(
        events
          .filter((event) => event._tag === "RunStatus")
          .map(({ status, taskKey }) => `${taskKey ?? "run"} ${status}`),
        ["run RUNNING", "extract RUNNING", "extract COMPLETED", "load RUNNING", "load FAILED", "run FAILED"]
      )
      assert.include(
        events.map((event) => (event._tag === "MessageLog" ? event.message : "")),
        "no such table"
      )
      assert.deepStrictEqual(unused, [])
      const text = yield* Effect.flatMap(FileSystem.FileSystem, (files) =>
        files.readFileString(fileURLToPath(committed))
      )
      for (const hidden of [TOKEN, "127.0.0.1", "fake.example"]) assert.notInclude(text, hidden)
    }).pipe(Effect.provide(NodeFileSystem.layer))
  )

  it.effect("plays in a simulation, also through a crash of the agent", () =>
    Effect.gen(function* () {
      const sim = yield* Simulation
      yield* sim.expectWithin("1 minute", [
        "RUNNING",
        "task extract RUNNING",
        "task extract COMPLETED",
        "task load RUNNING"
      ])
      yield* sim.crash
      yield* sim.start
      yield* sim.expectWithin("1 minute", [
        { _tag: "MessageLog", message: "no such table" },
        "task load FAILED",
        { _tag: "MessageLog", level: "ERROR" },
        "FAILED"
      ])
      yield* sim.expectNoMoreFor("10 minutes")
      yield* sim.expectHealthy
    }).pipe(Effect.provide(Layer.provide(simulation, cassette({ path: committed, order: "time" }))))
  )

  it.live("serves the Handle: pages in their order, and tokens whose secrets are on no cassette", () =>
    Effect.gen(function* () {
      const secret = "canary-of-the-principal"
      const files = yield* FileSystem.FileSystem
      const path = `${yield* files.makeTempDirectoryScoped()}/pages.json`
      const workspace = yield* Fake.make({
        oauth: { clientId: "principal", clientSecret: secret },
        jobs: [{ name: "job", runs: Array.from({ length: 60 }, (_, index) => ({ id: String(index + 1) })) }]
      })
      const origin = yield* NodeFake.serve(workspace)
      const ids = (clientSecret: string, options: Partial<NodeCassette.Options>) =>
        Effect.gen(function* () {
          const databricks = yield* Databricks
          const pages = yield* Stream.runCollect(databricks.listRuns({}))
          const first = yield* databricks.getRun(pages[0]?.runs[0]?.run_id ?? RunId.make("1"))
          return [...pages.map(({ runs }) => runs.map(({ run_id }) => run_id)), first.run.run_name]
        }).pipe(
          Effect.provide(
            Databricks.layer.pipe(
              Layer.provide(
                environment(
                  {},
                  {
                    databricks: { host: "https://workspace.test" },
                    auth_oauth: { client_id: "principal", client_secret: clientSecret }
                  }
                )
              ),
              Layer.provide(Cassette.layerTransport),
              Layer.provide(cassette({ path, exhausted: "fail", secrets: [clientSecret], ...options }))
            )
          )
        )
      const live = yield* ids(secret, { mode: "record", hosts: { "workspace.test": origin } })
      assert.deepStrictEqual(
        live.map((page) => page?.length),
        [25, 25, 10, 3]
      )
      const asked = yield* workspace.count()
      assert.deepStrictEqual(yield* ids("another", {}), live)
      assert.strictEqual(yield* workspace.count(), asked)
      const text = yield* files.readFileString(path)
      for (const hidden of [secret, btoa(`principal:${secret}`), "127.0.0.1"]) assert.notInclude(text, hidden)
      assert.include(text, '"access_token": "********"')
    }).pipe(Effect.scoped, Effect.provide(NodeFileSystem.layer))
  )
})
