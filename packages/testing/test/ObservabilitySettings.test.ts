import { assert, describe, it } from "@effect/vitest"
import { HttpSettings } from "@observability-agents/toolkit/HttpSettings"
import { ObservabilitySettings } from "@observability-agents/toolkit/ObservabilitySettings"
import * as Settings from "@observability-agents/toolkit/Settings"
import { ConfigProvider, Duration, Effect, FileSystem, Redacted } from "effect"

const file = (text: string) =>
  FileSystem.layerNoop({
    exists: () => Effect.succeed(true),
    readFileString: () => Effect.succeed(text)
  })

const read = (text: string, env: Record<string, string> = {}) =>
  Effect.gen(function* () {
    const sources = yield* Settings.sources({ file: "agent.toml", env })
    return yield* ObservabilitySettings.config.pipe(
      Effect.provide(Settings.layer(sources, [ObservabilitySettings, HttpSettings]))
    )
  }).pipe(Effect.provide(file(text)))

const table = `[observability]\nbase_url = "http://host:8082/api/"\nservice_account_key = "canary"\n`

describe("ObservabilitySettings", () => {
  it.effect("reads address, key and connection from its table, with the defaults of every connection", () =>
    Effect.gen(function* () {
      const settings = yield* read(`${table}read_timeout = 90\nretries = 0\n`)
      assert.strictEqual(settings.baseUrl.replace(/\/$/, ""), "http://host:8082/api")
      assert.strictEqual(Redacted.value(settings.serviceAccountKey), "canary")
      assert.deepStrictEqual(settings.readTimeout, Duration.seconds(90))
      assert.strictEqual(settings.retries, 0)
      assert.deepStrictEqual(settings.connectionTimeout, Duration.seconds(10))
    })
  )

  it.effect("still takes address and key from [core], and everything from variables", () =>
    Effect.gen(function* () {
      const old = yield* read(
        `[core]\nobservability_base_url = "http://host/api"\nobservability_service_account_key = "canary"\n`
      )
      assert.strictEqual(old.baseUrl, "http://host/api")
      assert.strictEqual(Redacted.value(old.serviceAccountKey), "canary")
      const variables = yield* read("", {
        DK_OBSERVABILITY_BASE_URL: "http://host/api",
        DK_OBSERVABILITY_SERVICE_ACCOUNT_KEY: "canary",
        DK_OBSERVABILITY_READ_TIMEOUT: "2 minutes"
      })
      assert.strictEqual(variables.baseUrl, "http://host/api")
      assert.deepStrictEqual(variables.readTimeout, Duration.minutes(2))
    })
  )

  it.effect("says what is missing or wrong, and never the key", () =>
    Effect.gen(function* () {
      const nothing = yield* Effect.flip(read(""))
      assert.include(String(nothing), "base_url")
      assert.include(String(nothing), "service_account_key")
      const wrong = yield* Effect.flip(read(table.replace("http://host:8082/api/", "host:8082")))
      assert.include(String(wrong), "base_url")
      assert.notInclude(String(wrong), "canary")
    })
  )

  it.effect("reads from any other provider by its own names", () =>
    Effect.gen(function* () {
      const provider = ConfigProvider.fromUnknown({
        observability: { base_url: "http://host/api", service_account_key: "k" }
      })
      const settings = yield* ObservabilitySettings.config.pipe(
        Effect.provide(ConfigProvider.layer(provider))
      )
      assert.strictEqual(settings.baseUrl, "http://host/api")
      assert.strictEqual(settings.retries, 3)
    })
  )
})
