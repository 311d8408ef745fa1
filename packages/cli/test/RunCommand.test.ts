import { assert, describe, it } from "@effect/vitest"
import * as FakeDatabricks from "@observability-agents/agent-databricks/testing/FakeDatabricks"
import * as OutboxSqliteReader from "@observability-agents/core/OutboxSqliteReader"
import { FakeObservability } from "@observability-agents/testing/FakeObservability"
import * as ServerFault from "@observability-agents/testing/ServerFault"
import * as TestNetwork from "@observability-agents/testing/TestNetwork"
import type { Entry } from "@observability-agents/core/Outbox"
import { Effect, Fiber, FileSystem, type Layer, Redacted, type Scope } from "effect"
import { TestClock, TestConsole } from "effect/testing"
import * as DryRun from "../src/DryRun.ts"
import * as Here from "./ProgramHere.ts"
import * as StoreFixture from "./StoreFixture.ts"

const TOKEN = "dapi-secret-of-the-test"
const HOST = "adb-1.example.com"

/** A workspace with a run that goes on, a server, and a place for the state file. */
const ground = Effect.gen(function* () {
  const server = yield* FakeObservability
  const workspace = yield* FakeDatabricks.make({
    token: TOKEN,
    jobs: [
      {
        name: "nightly",
        id: "1001",
        runs: [{ id: "7001", ago: "1 minute", tasks: [{ key: "load", takes: "1 hour" }] }]
      }
    ]
  })
  const fs = yield* FileSystem.FileSystem
  const directory = yield* fs.makeTempDirectoryScoped({ prefix: "run-command-" })
  const state = `${directory}/state.db`
  const env = {
    DK_AGENT_TYPE: "databricks",
    DK_AGENT_KEY: "production",
    DK_STATE_PATH: state,
    DK_OBSERVABILITY_BASE_URL: server.baseUrl,
    DK_OBSERVABILITY_SERVICE_ACCOUNT_KEY: Redacted.value(server.key),
    DK_OBSERVABILITY_RETRIES: "0",
    DK_HTTP_RETRIES: "0",
    DK_DATABRICKS_HOST: HOST,
    DK_AGENT_TOKEN: TOKEN
  }
  const client = TestNetwork.client({
    [new URL(server.baseUrl).host]: server.client,
    [HOST]: workspace.client
  })
  const run = (args: ReadonlyArray<string>, more: Readonly<Record<string, string>> = {}) =>
    Here.run({ args: ["run", ...args], env: { ...env, ...more }, client })
  return { server, workspace, fs, directory, state, run }
})

const live = <E>(
  name: string,
  test: Effect.Effect<void, E, Layer.Success<typeof Here.services> | FakeObservability | Scope.Scope>
) =>
  it.live(
    name,
    () => test.pipe(Effect.scoped, Effect.provide([FakeObservability.layer, Here.services])),
    30_000
  )

describe("observability-agent run --dry-run --once", () => {
  live(
    "prints what would be sent, in order, and sends nothing: no event, no heartbeat, no state file",
    Effect.gen(function* () {
      const { directory, fs, run, server } = yield* ground
      const { exitCode, stderr, stdout } = yield* run(["--dry-run", "--once"])
      assert.strictEqual(exitCode, 0)
      assert.deepStrictEqual(
        stdout
          .trimEnd()
          .split("\n")
          .map((line) => line.slice(21).replaceAll(/ {2,}/g, " | ")),
        ["run-status | 1001/7001 (nightly) | RUNNING", "run-status | 1001/7001 (nightly) | task load RUNNING"]
      )
      assert.include(stderr, "Nothing was.")
      assert.include(stderr, "2 events of 1 run would be sent")
      assert.deepStrictEqual(yield* server.requests, [])
      assert.deepStrictEqual(yield* fs.readDirectory(directory), [])
    })
  )

  live(
    "with --json prints one object per line: lane, identity, type, and the body as it would be sent",
    Effect.gen(function* () {
      const { run, server } = yield* ground
      const { stdout } = yield* run(["--dry-run", "--once", "--json"])
      const printed = stdout
        .trimEnd()
        .split("\n")
        .map((line) => JSON.parse(line))
      assert.deepStrictEqual(
        printed.map(({ lane, type }) => [lane, type]),
        [
          ["pipeline:1001/7001", "run-status"],
          ["pipeline:1001/7001", "run-status"]
        ]
      )
      // The same bodies as those that are sent then.
      yield* run(["--once"])
      const sent = (yield* server.requests)
        .filter(({ path }) => path.endsWith("run-status"))
        .map(({ body }) => JSON.parse(body))
      assert.strictEqual(sent.length, 2)
      // The metadata tell how long the run has taken so far.
      const bare = (body: object) => ({ ...body, metadata: null })
      assert.deepStrictEqual(
        printed.map(({ body }) => bare(body)),
        sent.map(bare)
      )
    })
  )

  live(
    "goes on from what the state file knows, beside the agent that owns it, and leaves the file as it is",
    Effect.gen(function* () {
      const { fs, run, server, state } = yield* ground
      yield* run(["--once"])
      const before = yield* fs.readFile(state)
      const requests = (yield* server.requests).length
      yield* StoreFixture.own(state)
      const { exitCode, stderr, stdout } = yield* run(["--dry-run", "--once"])
      assert.strictEqual(exitCode, 0)
      assert.strictEqual(stdout, "")
      assert.match(stderr, /goes on from what .*state\.db knows, in use by process \d+/)
      assert.strictEqual((yield* server.requests).length, requests)
      assert.deepStrictEqual(yield* fs.readFile(state), before)
    })
  )

  live(
    "says which source was not read, and ends with 69",
    Effect.gen(function* () {
      const { run } = yield* ground
      const { exitCode, stderr } = yield* run(["--dry-run", "--once"], { DK_AGENT_TOKEN: "wrong" })
      assert.strictEqual(exitCode, 69)
      assert.match(stderr, /Not everything could be done:\n- list runs: /)
    })
  )
})

describe("observability-agent run --dry-run", () => {
  live(
    "goes on until it is stopped",
    Effect.gen(function* () {
      const { run, server } = yield* ground
      const fiber = yield* Effect.forkChild(run(["--dry-run"]))
      while ((yield* TestConsole.logLines).length < 2) yield* Effect.sleep("10 millis")
      yield* Fiber.interrupt(fiber)
      assert.include((yield* TestConsole.errorLines).at(-1), "2 events of 1 run would be sent. Nothing was.")
      assert.deepStrictEqual(yield* server.requests, [])
    })
  )

  it.effect(
    "takes as known what the state file knew at the start, and as news what the agent commits meanwhile",
    () =>
      Effect.gen(function* () {
        yield* TestClock.setTime(Date.UTC(2026, 0, 5, 8))
        const fs = yield* FileSystem.FileSystem
        const state = `${yield* fs.makeTempDirectoryScoped({ prefix: "run-command-" })}/state.db`
        const entry = (id: string): Entry => ({
          id,
          lane: "pipeline:1001/1",
          event: { _tag: "RunStatus", pipelineKey: "1001", runKey: "1", status: "RUNNING" }
        })
        const commit = (...ids: ReadonlyArray<string>) => ({
          source: "test",
          runs: [],
          forget: [],
          entries: ids.map(entry)
        })
        const agent = yield* StoreFixture.own(state)
        yield* agent.commit(commit("before"))
        yield* TestClock.adjust("1 second")
        const { known, outbox, words } = yield* DryRun.rehearsal(state)
        assert.isTrue(known)
        assert.include(words, "1 event waiting in it is not shown")
        yield* TestClock.adjust("1 second")
        yield* agent.commit(commit("meanwhile"))
        const committed = yield* outbox.commit(commit("before", "meanwhile", "ours"))
        assert.deepStrictEqual(committed, { accepted: 2, repeated: 1 })
        assert.strictEqual((yield* agent.status).pending, 2)
      }).pipe(Effect.scoped, Effect.provide(Here.services))
  )
})

describe("observability-agent run --once", () => {
  live(
    "reads every source, delivers, says so, and ends; the next one has nothing left to do",
    Effect.gen(function* () {
      const { run, server } = yield* ground
      const first = yield* run(["--once"])
      assert.strictEqual(first.exitCode, 0)
      assert.strictEqual(first.stdout, "1 source read, 2 new events, 2 sent, 0 left.\n")
      assert.strictEqual((yield* server.events).length, 2)
      assert.strictEqual((yield* server.heartbeats).length, 1)
      const second = yield* run(["--once", "--json"])
      assert.strictEqual(second.exitCode, 0)
      assert.deepInclude(JSON.parse(second.stdout), { done: true, sources: 1, events_new: 0, events_sent: 0 })
      assert.strictEqual((yield* server.events).length, 2)
    })
  )

  live(
    "ends with 69 when the server takes nothing in time, and leaves the events for the next run",
    Effect.gen(function* () {
      const { run, server, state } = yield* ground
      yield* server.fail(ServerFault.nginxPage(503, "Service Temporarily Unavailable"))
      const { exitCode, stderr, stdout } = yield* run(["--once", "--timeout", "1"])
      assert.strictEqual(exitCode, 69)
      assert.strictEqual(stdout, "1 source read, 2 new events, 0 sent, 2 left.\n")
      assert.match(stderr, /2 events were not delivered within 1s: .*503/)
      const reader = yield* OutboxSqliteReader.open({ path: state })
      assert.strictEqual((yield* reader.summary).pending, 2)
      yield* server.recover
      const next = yield* run(["--once"])
      assert.strictEqual(next.exitCode, 0)
      assert.strictEqual(next.stdout, "1 source read, 0 new events, 2 sent, 0 left.\n")
    })
  )

  live(
    "ends with 69 when a source cannot be read, and delivers what it has all the same",
    Effect.gen(function* () {
      const { run, server } = yield* ground
      yield* server.fail(ServerFault.nginxPage(503, "Service Temporarily Unavailable"))
      yield* run(["--once", "--timeout", "1"])
      yield* server.recover
      const { exitCode, stderr, stdout } = yield* run(["--once", "--json"], { DK_AGENT_TOKEN: "wrong" })
      assert.strictEqual(exitCode, 69)
      assert.deepInclude(JSON.parse(stdout), { done: false, sources: 0, events_sent: 2, events_left: 0 })
      assert.match(stderr, /- list runs: /)
      assert.strictEqual((yield* server.events).length, 2)
    })
  )

  live(
    "ends with 69 when an event was rejected, and says where it is",
    Effect.gen(function* () {
      const { run, server } = yield* ground
      yield* server.fail(ServerFault.answer(400, "{}", { contentType: "application/json" }), {
        times: 1,
        where: ({ path }) => path.endsWith("run-status")
      })
      const { exitCode, stderr } = yield* run(["--once"])
      assert.strictEqual(exitCode, 69)
      assert.match(stderr, /1 event became a dead letter; see `observability-agent dead-letters list`/)
    })
  )

  live(
    "is refused with 74 while an agent runs on the state file",
    Effect.gen(function* () {
      const { run, state } = yield* ground
      yield* StoreFixture.own(state)
      const { exitCode } = yield* run(["--once"])
      assert.strictEqual(exitCode, 74)
    })
  )
})

describe("observability-agent run", () => {
  live(
    "refuses flags that mean nothing without another, and a time-out that is none",
    Effect.gen(function* () {
      const { run } = yield* ground
      for (const [args, words] of [
        [["--json"], "--json goes with --dry-run or --once"],
        [["--timeout", "5"], "--timeout goes with --once"],
        [["--once", "--timeout", "soon"], 'Expected seconds or a span such as "2 minutes", found "soon"'],
        [["--once", "--timeout", "0"], "Expected seconds"]
      ] as const) {
        const { exitCode, stderr, stdout } = yield* run(args)
        assert.strictEqual(exitCode, 64)
        assert.include(stdout + stderr, words)
      }
    })
  )
})
