import { assert, describe, it } from "@effect/vitest"
import { Health } from "@observability-agents/core/Health"
import { Outbox } from "@observability-agents/core/Outbox"
import * as AgentFixture from "@observability-agents/testing/AgentFixture"
import * as EventLog from "@observability-agents/testing/EventLog"
import { FakeObservability } from "@observability-agents/testing/FakeObservability"
import * as SettingsFixture from "@observability-agents/testing/SettingsFixture"
import { HttpTransport } from "@observability-agents/toolkit/HttpTransport"
import { DateTime, Effect, Layer } from "effect"
import { HttpClient } from "effect/http"
import { TestClock } from "effect/testing"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import * as PressAgent from "../src/PressAgent.ts"
import * as FakePress from "./support/FakePress.ts"
import { done, printing, told } from "./support/orders.ts"

const NoNetwork = HttpTransport.layerClient(
  HttpClient.make(() => Effect.die(new Error("this agent asks nothing by HTTP")))
)

const settings = { press: { url: "http://press.test", token: "a-token" } }

describe("the agent that listens", () => {
  it.effect("tells an order from its beginning to its end", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(AgentFixture.START)
      const press = yield* FakePress.make
      const agent = AgentFixture.layer(PressAgent.make(press.layer), { hosts: {}, settings })
      yield* Effect.gen(function* () {
        const server = yield* FakeObservability
        const started = yield* DateTime.now
        yield* press.order(printing("4711", started))
        yield* TestClock.adjust("1 minute")
        yield* server.awaitEvents(2)
        assert.deepStrictEqual((yield* server.events).map(EventLog.title), told.slice(0, 2))

        yield* press.order(done("4711", started))
        yield* TestClock.adjust("1 minute")
        yield* server.awaitEvents(told.length)
        yield* TestClock.adjust("1 minute")
        const events = yield* server.events
        assert.deepStrictEqual(events.map(EventLog.title), told)
        assert.deepStrictEqual(EventLog.problems(events), [])
      }).pipe(Effect.provide(agent))
    })
  )

  it.effect("tells nothing twice, and nothing of the past, of news that come twice or in disorder", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(AgentFixture.START)
      const press = yield* FakePress.make
      const agent = AgentFixture.layer(PressAgent.make(press.layer), { hosts: {}, settings })
      yield* Effect.gen(function* () {
        const server = yield* FakeObservability
        const started = yield* DateTime.now
        const ended = DateTime.add(started, { seconds: 1 })
        yield* TestClock.adjust("1 minute")
        yield* press.order(done("4711", started), ended)
        yield* press.order(printing("4711", started), started)
        yield* press.order(done("4711", started), ended)
        yield* TestClock.adjust("1 minute")
        yield* server.awaitEvents(told.length)
        yield* TestClock.adjust("1 minute")
        const events = yield* server.events
        assert.deepStrictEqual(events.map(EventLog.title), told)
        assert.deepStrictEqual(EventLog.problems(events), [])
      }).pipe(Effect.provide(agent))
    })
  )

  it.effect("is not well while the connection fails, goes on where it was, and is well again", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(AgentFixture.START)
      const press = yield* FakePress.make
      const agent = AgentFixture.layer(PressAgent.make(press.layer), { hosts: {}, settings })
      yield* Effect.gen(function* () {
        const health = yield* Health
        yield* TestClock.adjust("10 minutes")
        yield* press.ping
        yield* TestClock.adjust("1 second")
        assert.isTrue((yield* health.report).healthy)

        yield* press.fail
        yield* TestClock.adjust("100 millis")
        const { parts } = yield* health.report
        assert.include(parts.find(({ name }) => name === "hear news")?.reason, "closed the connection")

        yield* TestClock.adjust("1 second")
        // From the start; and then a minute (`look_back`) before the ping.
        assert.deepStrictEqual(press.asked, ["2026-01-05T08:00:00.000Z", "2026-01-05T08:09:00.000Z"])
        yield* press.ping
        yield* TestClock.adjust("1 second")
        assert.isTrue((yield* health.report).healthy)
      }).pipe(Effect.provide(agent))
    })
  )

  it.effect("does not skip the time by which the clock of the service is ahead", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(AgentFixture.START)
      const press = yield* FakePress.make
      const agent = AgentFixture.layer(PressAgent.make(press.layer), { hosts: {}, settings })
      yield* Effect.gen(function* () {
        const outbox = yield* Outbox
        const now = yield* DateTime.now
        yield* press.order(printing("4711", now), DateTime.add(now, { hours: 1 }))
        yield* TestClock.adjust("1 minute")
        const { cursor } = yield* outbox.checkpoint("press http://press.test")
        assert.strictEqual(
          cursor._tag === "Some" ? DateTime.formatIso(cursor.value) : "",
          DateTime.formatIso(now)
        )
      }).pipe(Effect.provide(agent))
    })
  )

  it.effect("goes on after a restart where it was, and begins where it began before the first news", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(AgentFixture.START)
      const directory = yield* Effect.acquireRelease(
        Effect.sync(() => Fs.mkdtempSync(Path.join(Os.tmpdir(), "press-"))),
        (path) => Effect.sync(() => Fs.rmSync(path, { recursive: true }))
      )
      const state = { core: { state_path: Path.join(directory, "state.db") } }
      const press = yield* FakePress.make
      const server = yield* FakeObservability
      const agent = AgentFixture.layerAgent(PressAgent.make(press.layer), {
        hosts: {},
        settings: { ...settings, ...state }
      })
      const started = yield* DateTime.now
      /** An agent that comes and goes, while this happens. */
      const during = <A, E>(effect: Effect.Effect<A, E>) =>
        Effect.scoped(Effect.andThen(Layer.build(agent), effect))

      yield* during(TestClock.adjust("1 second"))
      yield* TestClock.adjust("1 hour")
      yield* during(
        Effect.gen(function* () {
          yield* press.order(printing("4711", started))
          yield* TestClock.adjust("1 minute")
        })
      )
      yield* TestClock.adjust("1 hour")
      yield* during(
        Effect.gen(function* () {
          // As the service does: what is in work, and what has happened since.
          yield* press.order(printing("4711", started), DateTime.add(started, { hours: 1, seconds: 1 }))
          yield* press.order(done("4711", started))
          yield* TestClock.adjust("1 minute")
          yield* server.awaitEvents(told.length)
          yield* TestClock.adjust("1 minute")
        })
      )
      assert.deepStrictEqual(press.asked, [
        "2026-01-05T08:00:00.000Z",
        "2026-01-05T07:59:00.000Z",
        "2026-01-05T08:59:01.000Z"
      ])
      const events = yield* server.events
      assert.deepStrictEqual(events.map(EventLog.title), told)
      assert.deepStrictEqual(EventLog.problems(events), [])
    }).pipe(Effect.scoped, Effect.provide(FakeObservability.layer))
  )

  it.effect("checks the connection", () =>
    Effect.gen(function* () {
      const press = yield* FakePress.make
      const { check } = PressAgent.make(press.layer)
      yield* press.ping
      yield* press.fail
      assert.strictEqual(yield* check, "The press at http://press.test answers.")
      const error = yield* Effect.flip(check)
      assert.strictEqual(error._tag === "CheckFailed" ? error.exitCode : 0, 69)
    }).pipe(
      Effect.provide([SettingsFixture.layer(settings), NoNetwork]),
      Effect.provide(FakeObservability.layer)
    )
  )
})
