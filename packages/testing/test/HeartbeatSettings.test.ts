import { assert, describe, it } from "@effect/vitest"
import { CoreSettings } from "@observability-agents/core/CoreSettings"
import { FakeObservability } from "@observability-agents/testing/FakeObservability"
import * as Observability from "@observability-agents/toolkit/Observability"
import { ConfigProvider, Effect, Layer } from "effect"

const read = (core: Record<string, unknown>) =>
  Effect.provideService(
    CoreSettings.config,
    ConfigProvider.ConfigProvider,
    ConfigProvider.fromUnknown({ core: { agent_type: "databricks", agent_key: "key", ...core } })
  )

describe("the settings of heartbeats", () => {
  it.effect("admit the names that the server admits, and no longer ones", () =>
    Effect.gen(function* () {
      const fake = yield* FakeObservability
      const server = yield* Observability.make({ baseUrl: fake.baseUrl, key: fake.key, retries: 0 })
      const { agentKey } = yield* read({ agent_key: "😀".repeat(255) })
      yield* server.heartbeat({ key: agentKey, tool: "t", version: "1" })
      assert.strictEqual((yield* fake.heartbeats)[0]?.heartbeat.key, agentKey)
      const { message } = yield* Effect.flip(read({ agent_key: "k".repeat(256) }))
      assert.include(message, "text of 1 to 255 characters")
    }).pipe(
      Effect.provide(FakeObservability.layerTransport.pipe(Layer.provideMerge(FakeObservability.layer)))
    )
  )

  it.effect("admit no less than a second between two", () =>
    Effect.gen(function* () {
      yield* read({ heartbeat_period: 1 })
      const { message } = yield* Effect.flip(read({ heartbeat_period: 0.9 }))
      assert.include(message, "a number of seconds of 1 or more")
    })
  )
})
