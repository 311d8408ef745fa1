import * as Settings from "@observability-agents/toolkit/Settings"
import * as TelemetrySettings from "@observability-agents/toolkit/TelemetrySettings"
import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Redacted } from "effect"
import { sources } from "./SettingsFixture.ts"

const section = TelemetrySettings.TelemetrySettings

const read = (options: { readonly toml?: string; readonly env?: Readonly<Record<string, string>> }) =>
  Effect.flatMap(sources(options), (found) =>
    Effect.provide(section.config, Settings.layer(found, [section]))
  )

const problems = (env: Readonly<Record<string, string>>) =>
  Effect.map(sources({ env }), (found) =>
    Settings.validate(found, [section]).map(({ setting, what }) => `${setting}: ${what}`)
  )

describe("the settings of telemetry", () => {
  it.effect(
    "export nothing where nothing is set, and have the same defaults as programs without settings",
    () =>
      Effect.gen(function* () {
        const settings = yield* read({})
        assert.strictEqual(TelemetrySettings.endpoints(settings).size, 0)
        assert.deepStrictEqual(settings, TelemetrySettings.make({}))
      })
  )

  it.effect("take OpenTelemetry's variables", () =>
    Effect.gen(function* () {
      const settings = yield* read({
        env: {
          OTEL_EXPORTER_OTLP_ENDPOINT: "https://collector.example:4318/",
          OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: "https://traces.example/in",
          OTEL_METRICS_EXPORTER: "prometheus",
          OTEL_LOGS_EXPORTER: "console,otlp",
          OTEL_EXPORTER_OTLP_HEADERS: "api-key=a%2Cb%3Dc, x=plain%",
          OTEL_EXPORTER_OTLP_PROTOCOL: "http/json",
          OTEL_EXPORTER_OTLP_COMPRESSION: "gzip",
          OTEL_SERVICE_NAME: "my-agent",
          OTEL_RESOURCE_ATTRIBUTES: "deployment.environment=prod%20eu",
          OTEL_TRACES_SAMPLER: "parentbased_traceidratio",
          OTEL_TRACES_SAMPLER_ARG: "0.25"
        }
      })
      assert.deepStrictEqual(
        [...TelemetrySettings.endpoints(settings)],
        [
          ["traces", "https://traces.example/in"],
          ["logs", "https://collector.example:4318/v1/logs"]
        ]
      )
      const headers = Object.entries(settings.headers).map(([name, value]) => [name, Redacted.value(value)])
      assert.deepStrictEqual(headers, [
        ["api-key", "a,b=c"],
        ["x", "plain%"]
      ])
      assert.notInclude(JSON.stringify(settings), "a,b=c")
      assert.strictEqual(TelemetrySettings.ratio(settings), 0.25)
      assert.deepStrictEqual(
        [settings.protocol, settings.compression, settings.serviceName, settings.resourceAttributes],
        ["http/json", "gzip", "my-agent", { "deployment.environment": "prod eu" }]
      )
    })
  )

  it.effect("prefer our own settings to OpenTelemetry's variables", () =>
    Effect.gen(function* () {
      const settings = yield* read({
        toml: `
          [telemetry]
          otlp_endpoint = "http://ours:4318"
          metrics = false
          export_interval = "30 seconds"
          headers = { key = "100%25" }
        `,
        env: { OTEL_EXPORTER_OTLP_ENDPOINT: "http://theirs:4318", OTEL_METRICS_EXPORTER: "otlp" }
      })
      assert.deepStrictEqual(
        [...TelemetrySettings.endpoints(settings).values()],
        ["http://ours:4318/v1/traces", "http://ours:4318/v1/logs"]
      )
      assert.strictEqual(Duration.toSeconds(settings.exportInterval), 30)
      const { key } = settings.headers
      assert.strictEqual(
        key === undefined ? "" : Redacted.value(key),
        "100%25",
        "a table has values as they are"
      )
    })
  )

  it.effect("sample all or none where the sampler says so, whatever the ratio", () =>
    Effect.gen(function* () {
      for (const [sampler, expected] of [
        ["always_on", 1],
        ["parentbased_always_off", 0],
        ["traceidratio", 0.5]
      ] as const) {
        assert.strictEqual(TelemetrySettings.ratio({ sampler, sampleRatio: 0.5 }), expected)
      }
    })
  )

  it.effect("are off where OTEL_SDK_DISABLED says so", () =>
    Effect.gen(function* () {
      const env = { OTEL_EXPORTER_OTLP_ENDPOINT: "http://collector:4318", OTEL_SDK_DISABLED: "true" }
      assert.strictEqual(TelemetrySettings.endpoints(yield* read({ env })).size, 0)
    })
  )

  it.effect("refuse gRPC once there is somewhere to export to", () =>
    Effect.gen(function* () {
      const grpc = { OTEL_EXPORTER_OTLP_PROTOCOL: "grpc" }
      assert.deepStrictEqual(yield* problems(grpc), [])
      assert.deepStrictEqual(
        yield* problems({ ...grpc, OTEL_EXPORTER_OTLP_ENDPOINT: "http://collector:4317" }),
        ["[telemetry] protocol: the collector can be reached by HTTP only"]
      )
    })
  )
})
