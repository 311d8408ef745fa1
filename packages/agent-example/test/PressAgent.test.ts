import { assert, describe, it } from "@effect/vitest"
import { Health } from "@observability-agents/core/Health"
import { Outbox } from "@observability-agents/core/Outbox"
import { FakeObservability } from "@observability-agents/testing/FakeObservability"
import * as SettingsFixture from "@observability-agents/testing/SettingsFixture"
import { HttpTransport } from "@observability-agents/toolkit/HttpTransport"
import { DateTime, Effect, Layer } from "effect"
import { HttpClient } from "effect/http"
import { TestClock } from "effect/testing"
import * as PressAgent from "../src/PressAgent.ts"
import * as FakePress from "./support/FakePress.ts"
import { done, printing, told } from "./support/orders.ts"
import * as PressFixture from "./support/PressFixture.ts"

const NoNetwork = HttpTransport.layerClient(
  HttpClient.make(() => Effect.die(new Error("this agent asks nothing by HTTP")))
)

describe("the agent that listens", () => {
  it.effect("tells an order from its beginning to its end", () =>
    PressFixture.running(
      Effect.fnUntraced(function* (press) {
        const started = yield* DateTime.now
        yield* press.order(printing("4711", started))
        yield* PressFixture.receives(told.slice(0, 2))
        yield* press.order(done("4711", started))
        yield* PressFixture.receives(told)
      })
    )
  )

  it.effect("tells nothing twice, and nothing of the past, of news that come twice or in disorder", () =>
    PressFixture.running(
      Effect.fnUntraced(function* (press) {
        const started = yield* DateTime.now
        const ended = DateTime.add(started, { seconds: 1 })
        yield* TestClock.adjust("1 minute")
        yield* press.order(done("4711", started), ended)
        yield* press.order(printing("4711", started), started)
        yield* press.order(done("4711", started), ended)
        yield* PressFixture.receives(told)
      })
    )
  )

  it.effect("is not well while the connection fails, goes on where it was, and is well again", () =>
    PressFixture.running(
      Effect.fnUntraced(function* (press) {
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
      })
    )
  )

  it.effect("does not skip the time by which the clock of the service is ahead", () =>
    PressFixture.running(
      Effect.fnUntraced(function* (press) {
        const outbox = yield* Outbox
        const now = yield* DateTime.now
        yield* press.order(printing("4711", now), DateTime.add(now, { hours: 1 }))
        yield* TestClock.adjust("1 minute")
        const { cursor } = yield* outbox.checkpoint("press http://press.test")
        assert.strictEqual(
          cursor._tag === "Some" ? DateTime.formatIso(cursor.value) : "",
          DateTime.formatIso(now)
        )
      })
    )
  )

  it.effect("goes on after a restart where it was, and begins where it began before the first news", () =>
    Effect.gen(function* () {
      const { agent, press } = yield* PressFixture.make(yield* PressFixture.stateFile)
      const started = yield* DateTime.now
      /** An agent that comes and goes, while this happens. */
      const during = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
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
          yield* PressFixture.receives(told)
        })
      )
      assert.deepStrictEqual(press.asked, [
        "2026-01-05T08:00:00.000Z",
        "2026-01-05T07:59:00.000Z",
        "2026-01-05T08:59:01.000Z"
      ])
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
      Effect.provide([SettingsFixture.layer(PressFixture.settings), NoNetwork]),
      Effect.provide(FakeObservability.layer)
    )
  )
})
