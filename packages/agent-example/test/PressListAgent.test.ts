import { assert, describe, it } from "@effect/vitest"
import * as AgentFixture from "@observability-agents/testing/AgentFixture"
import * as EventLog from "@observability-agents/testing/EventLog"
import { FakeObservability } from "@observability-agents/testing/FakeObservability"
import * as SettingsFixture from "@observability-agents/testing/SettingsFixture"
import * as NodeHttp from "@observability-agents/toolkit/NodeHttp"
import { DateTime, Effect, Layer } from "effect"
import { TestClock } from "effect/testing"
import { PressError } from "../src/Press.ts"
import { PressList } from "../src/PressList.ts"
import * as PressListAgent from "../src/PressListAgent.ts"
import type * as Run from "../src/Run.ts"
import * as NodePress from "./support/NodePress.ts"
import { done, printing, told } from "./support/orders.ts"

const settings = { press: { url: "http://press.test", token: "a-token" } }

describe("the agent that asks", () => {
  it.effect("tells what it sees, and asks again for the time of a failed poll", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(AgentFixture.START)
      const asked: Array<string> = []
      let answer: Effect.Effect<ReadonlyArray<Run.Order>, PressError> = Effect.succeed([])
      const list = Layer.succeed(
        PressList,
        PressList.of({
          orders: (since) => {
            asked.push(DateTime.formatIso(since))
            return answer
          }
        })
      )
      const agent = AgentFixture.layer(PressListAgent.make(list), {
        hosts: {},
        settings: { press: { ...settings.press, look_back: 0 } }
      })
      yield* Effect.gen(function* () {
        const server = yield* FakeObservability
        const started = yield* DateTime.now
        answer = Effect.succeed([printing("4711", started)])
        yield* TestClock.adjust("1 minute")
        yield* server.awaitEvents(2)
        assert.isAtLeast(asked.length, 6)

        const committed = asked.at(-1)
        answer = Effect.fail(new PressError({ reason: "Unreachable", message: "It is down." }))
        yield* TestClock.adjust("5 minutes")
        const whileDown = new Set(asked.slice(-25))
        assert.isAtMost(whileDown.size, 2, "the Window begins where it began")
        assert.isAtLeast(Date.parse([...whileDown][0] ?? ""), Date.parse(committed ?? ""))

        answer = Effect.succeed([done("4711", started)])
        yield* TestClock.adjust("1 minute")
        yield* server.awaitEvents(told.length)
        const events = yield* server.events
        assert.deepStrictEqual(events.map(EventLog.title), told)
        assert.deepStrictEqual(EventLog.problems(events), [])
      }).pipe(Effect.provide(agent))
    })
  )
})

describe("the Handle to the list of orders", () => {
  it.live("reads orders, and says what to do about a token that is not known", () =>
    Effect.gen(function* () {
      const press = yield* NodePress.make({ token: "a-token" })
      const now = yield* DateTime.now
      yield* press.publish(printing("1", now), DateTime.subtract(now, { hours: 2 }))
      yield* press.publish(done("2", now), DateTime.subtract(now, { hours: 2 }))
      yield* press.publish(done("3", now), now)
      const ask = (token: string) =>
        Effect.flatMap(PressList, (list) => list.orders(DateTime.subtract(now, { hours: 1 }))).pipe(
          Effect.provide(
            PressList.layer.pipe(
              Layer.provide(NodeHttp.layer),
              Layer.provide(SettingsFixture.layer({ press: { url: press.url, token } })),
              Layer.provide(FakeObservability.layer)
            )
          )
        )
      const orders = yield* ask("a-token")
      assert.deepStrictEqual(
        orders.map(({ id }) => id),
        ["1", "3"]
      )
      const error = yield* Effect.flip(ask("another-token"))
      assert.strictEqual(error._tag === "PressError" ? error.reason : "", "Unauthorized")
    }).pipe(Effect.scoped)
  )
})
