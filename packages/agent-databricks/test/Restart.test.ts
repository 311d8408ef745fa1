import { assert, describe, it } from "@effect/vitest"
import * as DatabricksAgent from "@observability-agents/agent-databricks/DatabricksAgent"
import * as FakeDatabricks from "@observability-agents/agent-databricks/testing/FakeDatabricks"
import { Health } from "@observability-agents/core/Health"
import { Outbox } from "@observability-agents/core/Outbox"
import { OutboxFault } from "@observability-agents/core/OutboxSqliteFault"
import { Supervisor, Unrecoverable } from "@observability-agents/core/Supervisor"
import * as AgentFixture from "@observability-agents/testing/AgentFixture"
import * as EventLog from "@observability-agents/testing/EventLog"
import { FakeObservability } from "@observability-agents/testing/FakeObservability"
import * as ServerFault from "@observability-agents/testing/ServerFault"
import { type Duration, Effect, Exit, Fiber, Layer, Scope } from "effect"
import { TestClock } from "effect/testing"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"

/** A workspace, a server and a state file that agents come to and leave. */
const world = Effect.fnUntraced(function* (settings: Record<string, unknown> = {}) {
  yield* TestClock.setTime(AgentFixture.START)
  const directory = yield* Effect.acquireRelease(
    Effect.sync(() => Fs.mkdtempSync(Path.join(Os.tmpdir(), "restart-"))),
    (directory) => Effect.sync(() => Fs.rmSync(directory, { recursive: true }))
  )
  const path = Path.join(directory, "state.db")
  const workspace = yield* FakeDatabricks.make()
  const server = yield* FakeObservability

  /** Starts an agent; gives what can be asked of it, and how to stop it in order. */
  const start = Effect.gen(function* () {
    const scope = yield* Scope.make()
    const context = yield* Layer.buildWithScope(
      AgentFixture.layerAgent(DatabricksAgent.agent, {
        hosts: { "workspace.test": workspace.client },
        settings: {
          core: { state_path: path, ...settings },
          databricks: { host: "https://workspace.test", look_back: 60 },
          auth_api_token: { agent_token: "dapi-fake" }
        }
      }),
      scope
    )
    yield* TestClock.adjust("1 second")
    const stop = Effect.gen(function* () {
      const closing = yield* Effect.forkChild(Scope.close(scope, Exit.void))
      // Waiting for answers takes no longer than shutdown_timeout.
      yield* TestClock.adjust("10 seconds")
      assert.isDefined(closing.pollUnsafe(), "it has stopped in time")
      yield* Fiber.join(closing)
    })
    return {
      stop,
      use: <A, E>(effect: Effect.Effect<A, E, Outbox | Health | Supervisor>) =>
        Effect.provide(effect, context)
    }
  })
  const titles = Effect.map(server.events, (events) =>
    events.map((event) => `${event.runKey} ${EventLog.title(event)}`)
  )
  return { path, server, start, titles, workspace }
})

const test = <A, E>(name: string, body: Effect.Effect<A, E, FakeObservability | Scope.Scope>) =>
  it.effect(name, () => body.pipe(Effect.scoped, Effect.provide(FakeObservability.layer)))

const oneTask = (takes: Duration.Input) => [{ key: "load", takes }]

describe("an agent that starts again on its state file", () => {
  test(
    "goes on following the runs that it followed, and tells nothing twice",
    Effect.gen(function* () {
      const { server, start, titles, workspace } = yield* world()
      const first = yield* start
      yield* workspace.run("nightly", { id: "7001", tasks: oneTask("10 minutes") })
      yield* TestClock.adjust("10 seconds")
      yield* first.stop
      assert.deepStrictEqual(yield* titles, ["7001 RUNNING", "7001 task load RUNNING"])

      const second = yield* start
      yield* TestClock.adjust("15 minutes")
      assert.deepStrictEqual(yield* titles, [
        "7001 RUNNING",
        "7001 task load RUNNING",
        "7001 task load COMPLETED",
        "7001 COMPLETED"
      ])
      assert.deepStrictEqual(EventLog.problems(yield* server.events), [])
      yield* second.stop
    })
  )

  test(
    "closes the runs that ended meanwhile, at the time at which they ended, and reports those that came and went",
    Effect.gen(function* () {
      const { server, start, titles, workspace } = yield* world()
      const first = yield* start
      yield* workspace.run("nightly", { id: "7001", tasks: oneTask("30 minutes") })
      yield* TestClock.adjust("1 minute")
      yield* first.stop
      yield* workspace.run("hourly", { id: "7002", at: "1 hour", tasks: oneTask("5 minutes") })
      yield* TestClock.adjust("3 hours")

      const second = yield* start
      yield* TestClock.adjust("1 minute")
      yield* second.stop
      const events = yield* server.events
      assert.sameMembers(yield* titles, [
        "7001 RUNNING",
        "7001 task load RUNNING",
        "7001 task load COMPLETED",
        "7001 COMPLETED",
        "7002 RUNNING",
        "7002 task load RUNNING",
        "7002 task load COMPLETED",
        "7002 COMPLETED"
      ])
      assert.deepStrictEqual(EventLog.problems(events), [])
      const end = events.findLast(({ runKey }) => runKey === "7001")
      // The run was added a second after the start.
      assert.strictEqual(end?.timestamp?.epochMilliseconds, AgentFixture.START + 1000 + 30 * 60_000)
    })
  )

  test(
    "sends what the one before could not, in order, when the server was down to the end",
    Effect.gen(function* () {
      const { server, start, titles, workspace } = yield* world()
      const first = yield* start
      yield* server.fail(ServerFault.badGateway)
      yield* workspace.run("nightly", { id: "7001", tasks: oneTask("30 seconds") })
      yield* TestClock.adjust("1 minute")
      const { pending } = yield* first.use(Effect.flatMap(Outbox, ({ status }) => status))
      assert.strictEqual(pending, 4)
      yield* first.stop
      assert.deepStrictEqual(yield* titles, [])

      yield* server.recover
      yield* workspace.remove("7001")
      const second = yield* start
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(yield* titles, [
        "7001 RUNNING",
        "7001 task load RUNNING",
        "7001 task load COMPLETED",
        "7001 COMPLETED"
      ])
      yield* second.stop
    })
  )

  test(
    "repeats in its first heartbeat the newest event that was ever delivered",
    Effect.gen(function* () {
      const { server, start, workspace } = yield* world()
      const first = yield* start
      yield* workspace.run("nightly", { id: "7001", tasks: oneTask("30 seconds") })
      yield* TestClock.adjust("2 minutes")
      yield* first.stop
      const before = (yield* server.heartbeats).length

      yield* start
      const beats = (yield* server.heartbeats).map(
        ({ heartbeat }) => heartbeat.latestEventTimestamp?.epochMilliseconds
      )
      assert.isUndefined(beats[0], "nothing was delivered before the very first one")
      assert.strictEqual(beats[before], AgentFixture.START + 1000 + 30_000)
    })
  )

  test(
    "reads back to start_from on its first start only",
    Effect.gen(function* () {
      const { start, titles, workspace } = yield* world({ start_from: "2 hours" })
      yield* workspace.run("nightly", { id: "7000", ago: "3 hours", tasks: oneTask("1 minute") })
      yield* workspace.run("nightly", { id: "7001", ago: "1 hour", tasks: oneTask("1 minute") })
      const first = yield* start
      yield* TestClock.adjust("1 minute")
      yield* first.stop
      const atFirst = yield* titles
      assert.include(atFirst, "7001 COMPLETED")
      assert.notInclude(atFirst, "7000 COMPLETED")

      // One that is listed so late that the cursor and the look-back have passed it.
      yield* workspace.run("nightly", { id: "7002", ago: "1 hour", tasks: oneTask("1 minute") })
      const second = yield* start
      yield* TestClock.adjust("1 minute")
      yield* second.stop
      assert.deepStrictEqual(yield* titles, atFirst)
    })
  )
})

describe("an agent that is started again soon after its first start", () => {
  test(
    "does not tell of what had ended before that first start",
    Effect.gen(function* () {
      const { start, titles, workspace } = yield* world()
      yield* workspace.run("nightly", { id: "7000", ago: "2 minutes", tasks: oneTask("1 minute") })
      const first = yield* start
      yield* TestClock.adjust("10 seconds")
      yield* first.stop
      const second = yield* start
      yield* TestClock.adjust("1 minute")
      yield* second.stop
      assert.deepStrictEqual(yield* titles, [])
    })
  )
})

describe("an agent that is told to stop", () => {
  test(
    "waits for the answer to what is under way, and leaves the rest on the disk",
    Effect.gen(function* () {
      const { server, start, titles, workspace } = yield* world()
      const first = yield* start
      yield* server.fail(ServerFault.slow("8 seconds"))
      yield* workspace.run("nightly", { id: "7001", tasks: oneTask("1 hour") })
      yield* TestClock.adjust("6 seconds")
      yield* first.stop
      yield* server.recover
      assert.deepStrictEqual(yield* titles, ["7001 RUNNING"], "sent, and nothing after it")

      const second = yield* start
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(yield* titles, ["7001 RUNNING", "7001 task load RUNNING"])
      yield* second.stop
    })
  )

  test(
    "gives up after shutdown_timeout, and sends again what it has got no answer to",
    Effect.gen(function* () {
      const { server, start, titles, workspace } = yield* world()
      const first = yield* start
      yield* server.fail(ServerFault.silence, { times: 1, where: ({ path }) => path.startsWith("events/") })
      yield* workspace.run("nightly", { id: "7001", tasks: oneTask("1 hour") })
      yield* TestClock.adjust("6 seconds")
      yield* first.stop
      assert.deepStrictEqual(yield* titles, [])

      const second = yield* start
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(yield* titles, ["7001 RUNNING", "7001 task load RUNNING"])
      yield* second.stop
    })
  )
})

describe("an agent whose state file", () => {
  test(
    "cannot be used at the start does not start: exit code 74, and the words for people",
    Effect.gen(function* () {
      const { path, start } = yield* world()
      Fs.writeFileSync(path, "this is no database".repeat(1000))
      const error = yield* Effect.flip(start)
      assert.instanceOf(error, Unrecoverable)
      assert.strictEqual(error._tag === "Unrecoverable" && error.exitCode, 74)
      assert.include(error.message, path)
      assert.strictEqual(Fs.readFileSync(path, "utf8"), "this is no database".repeat(1000))
    })
  )

  test(
    "becomes unusable later ends: the Supervisor fails with exit code 74",
    Effect.gen(function* () {
      const { start, workspace } = yield* world()
      let isBroken = false
      const agent = yield* start.pipe(
        Effect.provideService(OutboxFault, (step) => {
          if (isBroken && step === "begin")
            throw Object.assign(new Error("disk image is malformed"), { errcode: 11 })
        })
      )
      const failure = yield* agent.use(
        Effect.flatMap(Supervisor, (supervisor) => Effect.forkChild(Effect.flip(supervisor.failure)))
      )
      isBroken = true
      yield* workspace.run("nightly")
      yield* TestClock.adjust("10 seconds")
      const error = yield* Fiber.join(failure)
      assert.strictEqual(error.exitCode, 74)
      assert.match(error.message, /is damaged/)
      isBroken = false
    })
  )

  test(
    "finds no room makes polling wait, is unhealthy, and loses nothing",
    Effect.gen(function* () {
      const { server, start, titles, workspace } = yield* world({ health_grace: 60 })
      let isFull = false
      const agent = yield* start.pipe(
        Effect.provideService(OutboxFault, (step) => {
          if (isFull && step === "begin")
            throw Object.assign(new Error("database or disk is full"), { errcode: 13 })
        })
      )
      yield* TestClock.adjust("10 seconds")
      isFull = true
      yield* workspace.run("nightly", { id: "7001", tasks: oneTask("2 minutes") })
      yield* TestClock.adjust("10 minutes")
      const { healthy, parts } = yield* agent.use(Effect.flatMap(Health, ({ report }) => report))
      assert.isFalse(healthy)
      assert.match(
        parts.find(({ name }) => name === "track runs")?.reason ?? "",
        /no room left for the state file/
      )
      const beats = (yield* server.heartbeats).length
      yield* TestClock.adjust("10 minutes")
      assert.strictEqual((yield* server.heartbeats).length, beats, "heartbeats are withheld")
      const lists = yield* workspace.count("list")
      yield* TestClock.adjust("10 minutes")
      assert.isAtMost((yield* workspace.count("list")) - lists, 4, "polling waits")

      isFull = false
      yield* TestClock.adjust("2 minutes")
      assert.deepStrictEqual(yield* titles, [
        "7001 RUNNING",
        "7001 task load RUNNING",
        "7001 task load COMPLETED",
        "7001 COMPLETED"
      ])
      assert.isAbove((yield* server.heartbeats).length, beats)
      assert.isTrue((yield* agent.use(Effect.flatMap(Health, ({ report }) => report))).healthy)
      yield* agent.stop
    })
  )
})
