import { assert, describe, it } from "@effect/vitest"
import * as DatabricksAgent from "@observability-agents/agent-databricks/DatabricksAgent"
import * as FakeDatabricks from "@observability-agents/agent-databricks/testing/FakeDatabricks"
import * as Agent from "@observability-agents/core/Agent"
import { Health } from "@observability-agents/core/Health"
import { Outbox } from "@observability-agents/core/Outbox"
import { OutboxWatch } from "@observability-agents/core/OutboxWatch"
import * as Wiring from "@observability-agents/core/Wiring"
import * as AgentFixture from "@observability-agents/testing/AgentFixture"
import * as EventLog from "@observability-agents/testing/EventLog"
import { FakeObservability } from "@observability-agents/testing/FakeObservability"
import * as ReloadFixture from "@observability-agents/testing/ReloadFixture"
import * as ServerFault from "@observability-agents/testing/ServerFault"
import * as SettingsFixture from "@observability-agents/testing/SettingsFixture"
import { Effect, Exit, Fiber, Layer, Logger, References, Scope } from "effect"
import { TestClock } from "effect/testing"

type Tables = Readonly<Record<string, Readonly<Record<string, unknown>>>>

const merged = (base: Tables, more: Tables): Tables => {
  const all: Record<string, Readonly<Record<string, unknown>>> = { ...base }
  for (const [table, keys] of Object.entries(more)) all[table] = { ...all[table], ...keys }
  return all
}

/** An agent that runs, and whose settings can be changed. */
const world = Effect.fnUntraced(function* (given: Tables = {}) {
  yield* TestClock.setTime(AgentFixture.START)
  const workspace = yield* FakeDatabricks.make()
  const other = yield* FakeDatabricks.make()
  const server = yield* FakeObservability
  const base: Tables = {
    databricks: { host: "https://workspace.test", look_back: 60, period: 5 },
    auth_api_token: { agent_token: "dapi-fake" }
  }
  const settings = merged(base, given)
  const sections = Agent.sections(DatabricksAgent.agent)
  const reload = yield* ReloadFixture.make(SettingsFixture.tables(server, settings), sections)
  const lines: Array<string> = []
  const restarted: Array<unknown> = []
  const scope = yield* Scope.make()
  const context = yield* Layer.buildWithScope(
    AgentFixture.layerAgent(DatabricksAgent.agent, {
      hosts: { "workspace.test": workspace.client, "other.test": other.client },
      settings
    }).pipe(
      Layer.provide(reload.layer),
      Layer.provide(
        Logger.layer([
          Logger.make(({ fiber, logLevel, message }) => {
            lines.push(`${logLevel}: ${String(message)}`)
            const annotations = fiber.getRef(References.CurrentLogAnnotations)
            if ("restarted" in annotations) restarted.push(annotations["restarted"])
          })
        ])
      )
    ),
    scope
  )
  yield* TestClock.adjust("1 second")
  const stop = Effect.gen(function* () {
    const closing = yield* Effect.forkChild(Scope.close(scope, Exit.void))
    yield* TestClock.adjust("10 seconds")
    assert.isDefined(closing.pollUnsafe(), "it has stopped in time")
    yield* Fiber.join(closing)
  })
  yield* Effect.addFinalizer(() => Effect.orDie(stop))
  return {
    lines,
    /** What each change that was put in force has started anew. */
    restarted: () => restarted.splice(0),
    other,
    server,
    workspace,
    /** Changes these settings, as seen from the first ones, and lets it come about. */
    change: (more: Tables) =>
      Effect.gen(function* () {
        const before = lines.length
        yield* reload.change(SettingsFixture.tables(server, merged(settings, more)))
        for (let steps = 0; steps < 50 && lines.length === before; steps++) yield* TestClock.adjust(0)
        yield* TestClock.adjust("1 second")
      }),
    titles: Effect.map(server.events, (events) =>
      events.map((event) => `${event.runKey} ${EventLog.title(event)}`)
    ),
    parts: Effect.map(
      Effect.flatMap(Health, ({ report }) => report),
      ({ parts }) => parts.map(({ name, state }) => `${name}: ${state}`)
    ).pipe(Effect.provide(context)),
    sources: Effect.map(OutboxWatch, (watch) =>
      watch.sources().map(({ open, source }) => `${source}: ${open}`)
    ).pipe(Effect.provide(context)),
    wired: Effect.map(Wiring.Current, (wiring) => ({
      loops: (wiring?.loops() ?? []).map(({ name }) => name),
      channels: (wiring?.channels() ?? []).map(({ name }) => name)
    })).pipe(Effect.provide(context)),
    pending: Effect.flatMap(Outbox, ({ status }) => Effect.map(status, ({ pending }) => pending)).pipe(
      Effect.provide(context)
    )
  }
})

const test = <A, E>(name: string, body: Effect.Effect<A, E, FakeObservability | Scope.Scope>) =>
  it.effect(name, () => body.pipe(Effect.scoped, Effect.provide(FakeObservability.layer)))

const load = [{ key: "load", takes: "2 minutes" as const }]

const told = (run: string) => [
  `${run} RUNNING`,
  `${run} task load RUNNING`,
  `${run} task load COMPLETED`,
  `${run} COMPLETED`
]

describe("the Databricks agent, whose settings change while it runs", () => {
  test(
    "goes on with another token, loses nothing and tells nothing twice",
    Effect.gen(function* () {
      const { change, lines, parts, server, titles, workspace } = yield* world()
      yield* workspace.run("nightly", { id: "7001", tasks: load })
      yield* TestClock.adjust("30 seconds")
      yield* workspace.revoke
      yield* workspace.grant("dapi-second")
      yield* TestClock.adjust("1 minute")
      assert.include(yield* parts, "list runs: failing")
      const beats = (yield* server.heartbeats).length
      yield* change({ auth_api_token: { agent_token: "dapi-second" } })
      yield* TestClock.adjust("3 minutes")
      assert.deepStrictEqual(yield* titles, told("7001"))
      assert.deepStrictEqual(EventLog.problems(yield* server.events), [])
      assert.include(yield* parts, "list runs: ok")
      assert.include(lines, "Info: Settings were read again and are in force")
      // One each minute, and none because of the change.
      assert.strictEqual((yield* server.heartbeats).length, beats + 3)
    })
  )

  test(
    "polls by another period at once",
    Effect.gen(function* () {
      const { change, workspace } = yield* world({ databricks: { period: 600 } })
      yield* TestClock.adjust("1 minute")
      const before = yield* workspace.count()
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(yield* workspace.count(), before)
      yield* change({ databricks: { period: 5 } })
      yield* TestClock.adjust("1 minute")
      assert.isAbove(yield* workspace.count(), before + 8)
    })
  )

  test(
    "delivers with another key what the server refused, while the polling goes on untouched",
    Effect.gen(function* () {
      const { change, pending, server, titles, workspace } = yield* world({
        observability: { service_account_key: "not the key of this server" }
      })
      yield* workspace.run("nightly", { id: "7001", tasks: load })
      yield* TestClock.adjust("4 minutes")
      assert.deepStrictEqual(yield* titles, [])
      assert.strictEqual(yield* pending, 4)
      const polls = yield* workspace.count("list")
      const { observability } = SettingsFixture.tables(server)
      yield* change({ observability: observability ?? {} })
      assert.isAtMost((yield* workspace.count("list")) - polls, 1)
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(yield* titles, told("7001"))
      assert.strictEqual(yield* pending, 0)
      assert.isAbove((yield* server.heartbeats).length, 0)
    })
  )

  test(
    "waits for the answer to what is on its way to the server before it connects anew",
    Effect.gen(function* () {
      const { change, server, titles, workspace } = yield* world()
      yield* server.fail(ServerFault.slow("8 seconds"), {
        times: 2,
        where: ({ path }) => path.startsWith("events/")
      })
      yield* workspace.run("nightly", { id: "7001", tasks: load })
      yield* TestClock.adjust("6 seconds")
      yield* change({ observability: { read_timeout: 30 } })
      yield* TestClock.adjust("4 minutes")
      assert.deepStrictEqual(yield* titles, told("7001"))
      const posts = (yield* server.requests).filter(({ path }) => path.startsWith("events/"))
      assert.strictEqual(posts.length, 4)
    })
  )

  test(
    "goes on as before with settings that are not valid",
    Effect.gen(function* () {
      const { change, lines, titles, workspace } = yield* world()
      yield* workspace.run("nightly", { id: "7001", tasks: load })
      yield* TestClock.adjust("30 seconds")
      const polls = yield* workspace.count("list")
      yield* change({ databricks: { period: -1 }, core: { heartbeat_period: "often" } })
      assert.include(
        lines,
        "Error: Settings were read again and are not valid; those from before stay in force"
      )
      yield* TestClock.adjust("3 minutes")
      assert.isAbove(yield* workspace.count("list"), polls + 20)
      assert.deepStrictEqual(yield* titles, told("7001"))
    })
  )

  test(
    "starts anew only what reads the setting",
    Effect.gen(function* () {
      const { change, lines, restarted } = yield* world()
      const all: ReadonlyArray<readonly [Tables, string]> = [
        [{ databricks: { period: 7 } }, "polling"],
        [{ http: { retries: 1 } }, "polling"],
        [{ core: { start_from: "1 hour" } }, "polling"],
        [{ core: { max_channel_capacity: 3 } }, "polling"],
        [{ core: { send_concurrency: 4 } }, "sending"],
        [{ core: { shutdown_timeout: 5 } }, "sending"],
        [{ core: { heartbeat_period: 30 } }, "heartbeat"],
        [{ observability: { retries: 1 } }, "connection to the server, heartbeat, sending"],
        [{ core: { health_grace: 60 } }, "heartbeat, sending, polling"]
      ]
      for (const [settings, parts] of all) {
        yield* change(settings)
        yield* change({})
        assert.deepStrictEqual(restarted(), [parts, parts], JSON.stringify(settings))
      }
      lines.splice(0)
      for (const settings of [
        { core: { agent_key: "other" } },
        { core: { state_path: "other.db" } },
        { core: { history_limit: 1 } },
        { core: { outbox_max_events: 1 } }
      ]) {
        yield* change(settings)
        assert.deepStrictEqual(restarted(), [], JSON.stringify(settings))
        assert.deepStrictEqual(lines.splice(0), [
          "Warn: Settings that cannot change while the agent runs take effect after a restart",
          "Info: Settings were read again: nothing else has changed"
        ])
      }
    })
  )

  test(
    "whatever changes in the midst of its work, and however often: loses nothing, tells nothing twice, keeps the order",
    Effect.gen(function* () {
      const { change, restarted, server, titles, workspace } = yield* world()
      yield* server.fail(ServerFault.slow("700 millis"), { where: ({ path }) => path.startsWith("events/") })
      const runs = Array.from({ length: 40 }, (_, n) => String(7001 + n))
      const changes: ReadonlyArray<Tables> = [
        { databricks: { period: 3 } },
        { observability: { retries: 1 }, databricks: { period: 3 } },
        { core: { send_concurrency: 3, health_grace: 200 } },
        {}
      ]
      for (const [n, run] of runs.entries()) {
        yield* workspace.run(`job ${n % 7}`, {
          id: run,
          tasks: [
            { key: "load", takes: "20 seconds" },
            { key: "check", takes: "9 seconds", after: ["load"] }
          ]
        })
        yield* TestClock.adjust(`${300 + n * 137} millis`)
        yield* change(changes[n % changes.length] ?? {})
      }
      yield* TestClock.adjust("5 minutes")
      assert.isAbove(restarted().length, 30)
      assert.sameMembers(
        [...(yield* titles)],
        runs.flatMap((run) => [
          `${run} RUNNING`,
          `${run} task load RUNNING`,
          `${run} task load COMPLETED`,
          `${run} task check RUNNING`,
          `${run} task check COMPLETED`,
          `${run} COMPLETED`
        ])
      )
      assert.deepStrictEqual(EventLog.problems(yield* server.events), [])
    })
  )

  test(
    "forgets the Loops, Channels and parts of a workspace that is not watched any more",
    Effect.gen(function* () {
      const { change, other, parts, sources, titles, wired, workspace } = yield* world()
      yield* workspace.run("nightly", { id: "7001", tasks: load })
      yield* TestClock.adjust("10 seconds")
      yield* change({
        databricks: {
          host: "",
          look_back: 60,
          workspaces: [
            { name: "a", host: "https://workspace.test", token: "dapi-fake" },
            { name: "b", host: "https://other.test", token: "dapi-fake" }
          ]
        },
        auth_api_token: { agent_token: "" }
      })
      yield* other.run("hourly", { id: "8001", tasks: load })
      yield* TestClock.adjust("30 seconds")
      const all = yield* wired
      assert.sameMembers(all.channels, ["runs of a", "runs of b"])
      assert.sameMembers(all.loops, [
        "send events",
        "heartbeat",
        "list runs of a",
        "track runs of a",
        "list runs of b",
        "track runs of b"
      ])
      assert.isFalse((yield* parts).some((part) => part.startsWith("list runs:")))
      assert.includeMembers([...(yield* titles)], ["8001 RUNNING"])
      assert.deepStrictEqual(yield* sources, [
        "databricks https://other.test: 1",
        "databricks https://workspace.test: 1"
      ])
      yield* change({})
      yield* TestClock.adjust("10 seconds")
      assert.sameMembers((yield* wired).channels, ["runs"])
      assert.deepStrictEqual(yield* sources, ["databricks https://workspace.test: 1"])
    })
  )
})
