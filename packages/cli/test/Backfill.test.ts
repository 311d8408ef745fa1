import { NodeServices } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import * as FakeDatabricks from "@observability-agents/agent-databricks/testing/FakeDatabricks"
import * as NodeFakeDatabricks from "@observability-agents/agent-databricks/testing/NodeFakeDatabricks"
import * as OutboxSqlite from "@observability-agents/core/OutboxSqlite"
import * as EventLog from "@observability-agents/testing/EventLog"
import * as ServerFault from "@observability-agents/testing/ServerFault"
import { FakeObservability } from "@observability-agents/testing/FakeObservability"
import * as NodeFakeObservability from "@observability-agents/testing/NodeFakeObservability"
import { Effect, Fiber, FileSystem, Redacted, type Scope } from "effect"
import { TestClock } from "effect/testing"
import * as BackfillCommand from "../src/BackfillCommand.ts"
import * as Process from "./ProgramProcess.ts"
import * as Store from "./StoreFixture.ts"

const TOKEN = "dapi-secret-of-the-test"

/** A workspace with a run of five hours ago, one of three hours ago, and one that is running; a server; a folder. */
const services = Effect.gen(function* () {
  const server = yield* FakeObservability
  const workspace = yield* FakeDatabricks.make({
    token: TOKEN,
    jobs: [
      {
        name: "nightly",
        id: "1001",
        runs: [
          { id: "7001", ago: "5 hours", tasks: [{ key: "load", takes: "10 minutes" }] },
          {
            id: "7002",
            ago: "3 hours",
            tasks: [{ key: "load", takes: "10 minutes", fails: "No such table" }]
          },
          { id: "7003", ago: "10 minutes", tasks: [{ key: "load", takes: "2 hours" }] }
        ]
      }
    ]
  })
  const host = yield* NodeFakeDatabricks.serve(workspace)
  const fs = yield* FileSystem.FileSystem
  const path = `${yield* fs.makeTempDirectoryScoped({ prefix: "backfill-" })}/state.db`
  const env = {
    DK_AGENT_TYPE: "databricks",
    DK_AGENT_KEY: "production",
    DK_OBSERVABILITY_BASE_URL: server.baseUrl,
    DK_OBSERVABILITY_SERVICE_ACCOUNT_KEY: Redacted.value(server.key),
    DK_AGENT_TOKEN: TOKEN,
    DK_DATABRICKS_HOST: host,
    DK_STATE_PATH: path
  }
  const run = (...args: ReadonlyArray<string>) =>
    Effect.map(Process.run({ args: ["backfill", ...args], env }), (result) => {
      for (const secret of [TOKEN, Redacted.value(server.key)])
        assert.notInclude(result.stderr + result.stdout, secret)
      return result
    })
  return { server, path, run, env }
})

const live = (
  name: string,
  test: Effect.Effect<void, unknown, FakeObservability | NodeServices.NodeServices | Scope.Scope>
) =>
  it.live(
    name,
    () => test.pipe(Effect.scoped, Effect.provide([NodeFakeObservability.layer(), NodeServices.layer])),
    60_000
  )

describe("observability-agent backfill", () => {
  live(
    "sends what is missing of a time span, once however often it is asked",
    Effect.gen(function* () {
      const { run, server } = yield* services
      const args = ["--from", "4 hours", "--to", "2 hours"]
      const first = yield* run(...args)
      assert.strictEqual(first.exitCode, 0, first.stderr)
      assert.match(first.stdout, /^\d{4}-.* +1001\/7002 \(nightly\) +6 +0$/m)
      assert.match(first.stdout, /UTC: 1 run read, 6 events new, 0 known already\.$/m)
      assert.match(first.stdout, /^Sent 6 events\.$/m)
      const events = yield* server.events
      assert.deepStrictEqual(events.map(EventLog.title), [
        "RUNNING",
        "task load RUNNING",
        "task load message ERROR",
        "task load FAILED",
        "message ERROR",
        "FAILED"
      ])
      assert.deepStrictEqual(EventLog.problems(events), [])
      const again = yield* run(...args)
      assert.match(again.stdout, /UTC: 1 run read, 0 events new, 6 known already\.$/m)
      assert.strictEqual((yield* server.events).length, 6)
    })
  )

  live(
    "shows with --dry-run what it would make, beside a running agent, and makes nothing",
    Effect.gen(function* () {
      const { path, run, server } = yield* services
      const outbox = yield* Store.own(path)
      const { exitCode, stderr, stdout } = yield* run("--from", "1 day", "--dry-run", "--json")
      assert.strictEqual(exitCode, 0, stderr)
      const { dry_run, events_known, events_new, runs, runs_read } = JSON.parse(stdout)
      assert.deepStrictEqual(
        { dry_run, runs_read, events_new, events_known },
        { dry_run: true, runs_read: 3, events_new: 12, events_known: 0 }
      )
      assert.deepStrictEqual(
        runs
          .map((run: { readonly run: string; readonly events_new: number }) => [run.run, run.events_new])
          .sort(),
        [
          ["7001", 4],
          ["7002", 6],
          ["7003", 2]
        ]
      )
      assert.strictEqual((yield* outbox.status).pending, 0)
      assert.deepStrictEqual(yield* server.events, [])
    })
  )

  live(
    "leaves the events to the agent with --no-send, and does not touch how far was read",
    Effect.gen(function* () {
      const { path, run, server } = yield* services
      const { exitCode, stdout } = yield* run("--from", "6 hours", "--to", "4 hours", "--no-send")
      assert.strictEqual(exitCode, 0)
      assert.include(stdout, "4 events in the state file: the agent sends them when it runs next.")
      assert.deepStrictEqual(yield* server.events, [])
      const status = yield* Process.run({
        args: ["outbox", "status", "--json"],
        env: { DK_STATE_PATH: path }
      })
      const { sources, waiting } = JSON.parse(status.stdout)
      assert.strictEqual(waiting.events, 4)
      assert.isNull(sources[0].read_up_to)
    })
  )

  live(
    "stops when it is told to, and leaves the rest in the state file",
    Effect.gen(function* () {
      const { env, path, server } = yield* services
      yield* server.fail(ServerFault.queueDown, { times: 10_000, where: ({ body }) => body !== "{}" })
      const program = yield* Process.start({
        args: ["backfill", "--from", "4 hours", "--to", "2 hours"],
        env
      })
      yield* Effect.repeat(Effect.sleep("50 millis"), {
        until: () => Effect.map(server.requests, (requests) => requests.some(({ body }) => body !== "{}"))
      })
      yield* program.signal("SIGTERM")
      const { exitCode, stderr } = yield* program.result
      assert.strictEqual(exitCode, 0)
      assert.include(stderr, "6 events left in the state file")
      const outbox = yield* Store.own(path)
      assert.strictEqual((yield* outbox.status).pending, 6)
    })
  )

  live(
    "asks the server first: reads nothing when it refuses the key (77) or is not there (69)",
    Effect.gen(function* () {
      const { env, path, run, server } = yield* services
      yield* server.setKey("expired")
      const refused = yield* run("--from", "4 hours")
      assert.deepStrictEqual([refused.exitCode, refused.stdout], [77, ""])
      assert.include(refused.stderr, "Nothing was read.")
      const away = yield* Process.run({
        args: ["backfill", "--from", "4 hours"],
        env: { ...env, DK_OBSERVABILITY_BASE_URL: "http://localhost:1" }
      })
      assert.deepStrictEqual([away.exitCode, away.stdout], [69, ""])
      assert.include(away.stderr, "Nothing was read.")
      const dry = yield* run("--from", "4 hours", "--to", "2 hours", "--dry-run", "--json")
      assert.strictEqual(JSON.parse(dry.stdout).events_new, 6, dry.stderr)
      const fs = yield* FileSystem.FileSystem
      assert.isFalse(yield* fs.exists(path))
    })
  )

  live(
    "counts what was taken, and names what was rejected",
    Effect.gen(function* () {
      const { run, server } = yield* services
      yield* server.fail(ServerFault.answer(400, '{"error":"no"}'), {
        times: 1,
        where: ({ body }) => body !== "{}"
      })
      const { exitCode, stderr, stdout } = yield* run("--from", "4 hours", "--to", "2 hours", "--json")
      assert.strictEqual(exitCode, 0, stderr)
      const { events_left, events_sent, new_dead_letters } = JSON.parse(stdout)
      assert.deepStrictEqual(
        { events_left, events_sent, new_dead_letters },
        {
          events_left: 0,
          events_sent: 5,
          new_dead_letters: 1
        }
      )
    })
  )

  it.effect("gives a server up that takes nothing for a minute", () =>
    Effect.gen(function* () {
      const outbox = yield* OutboxSqlite.make({ path: ":memory:" })
      const status = Effect.map(outbox.status, (status) => ({ ...status, pending: 3 }))
      const waiting = yield* Effect.forkChild(
        Effect.flip(BackfillCommand.untilEmpty({ status }, () => Effect.void))
      )
      yield* TestClock.adjust("61 seconds")
      const { exitCode, message } = yield* Fiber.join(waiting)
      assert.strictEqual(exitCode, 69)
      assert.include(message, "3 events are left in the state file; the agent sends them when it runs.")
    }).pipe(Effect.scoped)
  )

  live(
    "refuses a file that an agent uses with 74, and an empty or odd span with 64",
    Effect.gen(function* () {
      const { path, run } = yield* services
      yield* Store.own(path)
      const used = yield* run("--from", "1 day")
      assert.deepStrictEqual([used.exitCode, used.stdout], [74, ""])
      assert.match(used.stderr, /is in use by process \d+ on .*stop that agent.*--dry-run/)
      const empty = yield* run("--from", "1 hour", "--to", "2 hours")
      assert.strictEqual(empty.exitCode, 64)
      assert.match(empty.stderr, /is empty: --from has to be before --to/)
      const odd = yield* run("--from", "yesterday")
      assert.strictEqual(odd.exitCode, 64)
      assert.include(odd.stderr + odd.stdout, "a timestamp such as 2026-01-31T08:00:00Z")
    })
  )
})
