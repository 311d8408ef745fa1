import { assert, describe, it } from "@effect/vitest"
import { FakeObservability } from "@observability-agents/testing/FakeObservability"
import * as SettingsFixture from "@observability-agents/testing/SettingsFixture"
import * as NodeHttp from "@observability-agents/toolkit/NodeHttp"
import { DateTime, Effect, Layer } from "effect"
import { PressList } from "../src/PressList.ts"
import * as NodePress from "./support/NodePress.ts"
import { done, printing } from "./support/orders.ts"

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
