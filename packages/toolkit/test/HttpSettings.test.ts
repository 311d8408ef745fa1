import * as HttpSettings from "@observability-agents/toolkit/HttpSettings"
import { assert, describe, it } from "@effect/vitest"
import { Config, ConfigProvider, Duration, Effect, Redacted } from "effect"
import { sources } from "./SettingsFixture.ts"
import * as Settings from "../src/Settings.ts"

const read = (http: Record<string, unknown>) =>
  HttpSettings.HttpSettings.config.pipe(
    Effect.provideService(ConfigProvider.ConfigProvider, ConfigProvider.fromUnknown({ http }))
  )

const plain = (params: Readonly<Record<string, Redacted.Redacted>>) =>
  Object.fromEntries(Object.entries(params).map(([name, value]) => [name, Redacted.value(value)]))

const problemsOf = Effect.fnUntraced(function* (options: Parameters<typeof sources>[0]) {
  return Settings.validate(yield* sources(options), [HttpSettings.HttpSettings])
})

describe("HttpSettings", () => {
  it.effect("are the defaults when nothing is set", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(
        { ...(yield* read({})) },
        { ...HttpSettings.defaults, sslCertFile: undefined, auth: undefined }
      )
    })
  )

  it.effect("read every option of the older framework under its name, in file and environment", () =>
    Effect.gen(function* () {
      const toml = `
        [http]
        read_timeout = 5
        write_timeout = 6.5
        connection_timeout = 7
        pool_timeout = 8
        retries = 0
        max_total_connections = 2
        max_keepalive_connections = 0
        keepalive_expiration = 0
        follow_redirects = false
        http2 = true
        ssl_verify = false
        ssl_cert_file = "/ca.pem"
        params = { a = "b", key = "canary" }
        auth = ["me", "canary"]`
      const env = {
        DK_HTTP_READ_TIMEOUT: "5",
        DK_HTTP_WRITE_TIMEOUT: "6.5",
        DK_HTTP_CONNECTION_TIMEOUT: "7",
        DK_HTTP_POOL_TIMEOUT: "8",
        DK_HTTP_RETRIES: "0",
        DK_HTTP_MAX_TOTAL_CONNECTIONS: "2",
        DK_HTTP_MAX_KEEPALIVE_CONNECTIONS: "0",
        DK_HTTP_KEEPALIVE_EXPIRATION: "0",
        DK_HTTP_FOLLOW_REDIRECTS: "False",
        DK_HTTP_HTTP2: "True",
        DK_HTTP_SSL_VERIFY: "False",
        DK_HTTP_SSL_CERT_FILE: "/ca.pem",
        DK_HTTP_PARAMS: '{"a":"b","key":"canary"}',
        DK_HTTP_AUTH: '["me","canary"]'
      }
      for (const options of [{ toml }, { env }]) {
        const read = yield* sources(options)
        const settings = yield* HttpSettings.HttpSettings.config.pipe(
          Effect.provide(Settings.layer(read, [HttpSettings.HttpSettings]))
        )
        assert.deepStrictEqual(
          { ...settings, params: plain(settings.params), auth: settings.auth?.map(Redacted.value) },
          {
            readTimeout: Duration.seconds(5),
            writeTimeout: Duration.millis(6500),
            connectionTimeout: Duration.seconds(7),
            poolTimeout: Duration.seconds(8),
            retries: 0,
            maxTotalConnections: 2,
            maxKeepaliveConnections: 0,
            keepaliveExpiration: Duration.zero,
            followRedirects: false,
            http2: true,
            sslVerify: false,
            sslCertFile: "/ca.pem",
            tracePropagation: false,
            params: { a: "b", key: "canary" },
            auth: ["me", "canary"]
          }
        )
        const shown = Settings.resolve(read, HttpSettings.HttpSettings)
        assert.notInclude(JSON.stringify([shown, settings]), "canary")
      }
    })
  )

  it.effect("read parameters as pairs too", () =>
    Effect.gen(function* () {
      const { params } = yield* read({
        params: [
          ["a", "b"],
          ["c", "d"]
        ]
      })
      assert.deepStrictEqual(plain(params), { a: "b", c: "d" })
    })
  )

  it.effect("refuse time-outs of nothing, no connections at all, and other mistakes, each by its name", () =>
    Effect.gen(function* () {
      const problems = yield* problemsOf({
        toml: `
          [http]
          read_timeout = 0
          connection_timeout = -1
          pool_timeout = "soon"
          retries = 1.5
          max_total_connections = 0
          params = 7
          auth = ["only me: canary"]`
      })
      assert.deepStrictEqual(
        problems.map(({ setting }) => setting),
        [
          "[http] read_timeout",
          "[http] connection_timeout",
          "[http] pool_timeout",
          "[http] retries",
          "[http] max_total_connections",
          "[http] params",
          "[http] auth"
        ]
      )
      assert.notInclude(JSON.stringify(problems), "canary")
    })
  )

  it.effect("tell no password in the error of another ConfigProvider", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(read({ auth: ["only me: canary"] }))
      assert.instanceOf(error, Config.ConfigError)
      assert.notInclude(`${error.message} ${JSON.stringify(error)}`, "canary")
    })
  )
})
