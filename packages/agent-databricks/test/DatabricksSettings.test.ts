import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Duration, Effect, FileSystem } from "effect"
import * as Settings from "@observability-agents/toolkit/Settings"
import * as DatabricksAgent from "@observability-agents/agent-databricks/DatabricksAgent"
import { DatabricksSettings } from "@observability-agents/agent-databricks/DatabricksSettings"

const load = (options: { readonly toml?: string; readonly env?: Record<string, string> }) =>
  Effect.gen(function* () {
    const sources = yield* Settings.sources({
      env: options.env ?? {},
      ...(options.toml === undefined ? {} : { file: "agent.toml" })
    })
    const problems = Settings.validate(sources, DatabricksAgent.sections)
    const values = yield* Effect.result(
      Effect.provide(
        Effect.suspend(() => DatabricksSettings.config),
        Settings.layer(sources, DatabricksAgent.sections)
      )
    )
    return { problems, values }
  }).pipe(
    Effect.provideService(
      FileSystem.FileSystem,
      FileSystem.makeNoop({
        exists: (path) => Effect.succeed(path === "agent.toml" && options.toml !== undefined),
        readFileString: () => Effect.succeed(options.toml ?? "")
      })
    )
  )
const token = { DK_AGENT_TOKEN: "t" }

describe("DatabricksSettings", () => {
  it.effect("reads the file of the older agent", () =>
    Effect.gen(function* () {
      const { problems, values } = yield* load({
        toml: `
          [databricks]
          databricks_host = "https://x.example"
          databricks_jobs_version = "2.1"
          databricks_jobs = ["a", "b"]
          databricks_failed_watch_period = 60
          databricks_failed_watch_max_time = 3600
          timeout = 30
          period = 7
        `,
        env: token
      })
      assert.deepStrictEqual(problems, [])
      const settings = values._tag === "Success" ? values.success : undefined
      assert.strictEqual(settings?.host, "https://x.example")
      assert.strictEqual(settings?.jobsVersion, "2.1")
      assert.deepStrictEqual(settings?.jobs, ["a", "b"])
      assert.strictEqual(settings && Duration.toSeconds(settings.period), 7)
      assert.strictEqual(settings && Duration.toSeconds(settings.failedWatchPeriod), 60)
      assert.strictEqual(settings && Duration.toSeconds(settings.failedWatchMaxTime), 3600)
    })
  )

  it.effect("reads the variables of the older agent", () =>
    Effect.gen(function* () {
      const { problems, values } = yield* load({
        env: {
          ...token,
          DK_DATABRICKS_HOST: "x.example",
          DK_PERIOD: "7",
          DK_TIMEOUT: "1",
          DK_DATABRICKS_JOBS: "a,b",
          DK_DATABRICKS_FAILED_WATCH_PERIOD: "60"
        }
      })
      assert.deepStrictEqual(problems, [])
      const settings = values._tag === "Success" ? values.success : undefined
      assert.deepStrictEqual(settings?.jobs, ["a", "b"])
      assert.strictEqual(settings && Duration.toSeconds(settings.period), 7)
      assert.strictEqual(settings && Duration.toSeconds(settings.failedWatchPeriod), 60)
      assert.strictEqual(settings && Duration.toSeconds(settings.lookBack), 300)
      assert.strictEqual(settings?.jobsVersion, "2.2")
    })
  )

  it.effect("refuses a period of nothing, an unknown version and a missing host, all at once", () =>
    Effect.gen(function* () {
      const { problems } = yield* load({ env: { ...token, DK_PERIOD: "0", DK_DATABRICKS_JOBS_VERSION: "3" } })
      assert.lengthOf(problems, 3)
    })
  )

  it.effect.each([
    "http://[::1",
    "my host name",
    "ftp://example.com",
    "https://",
    "https:x.example",
    "a,b",
    "mailto:me"
  ])("refuses %j as an address, and says what is expected", (host) =>
    Effect.gen(function* () {
      const { problems, values } = yield* load({ env: { ...token, DK_DATABRICKS_HOST: host } })
      assert.deepStrictEqual(
        problems.map(({ setting }) => setting),
        ["[databricks] host"]
      )
      assert.match(problems[0]?.expected ?? "", /name of a host/)
      assert.strictEqual(values._tag, "Failure")
    })
  )

  it.effect.each(["https://me:pa55word@x.example", "me:pa55word@x.example"])(
    "refuses credentials in the address (%#), and does not show them",
    (host) =>
      Effect.gen(function* () {
        const { problems } = yield* load({ env: { ...token, DK_DATABRICKS_HOST: host } })
        assert.lengthOf(problems, 1)
        assert.notInclude(JSON.stringify(problems), "pa55word")
        const config = DatabricksSettings.config.pipe(
          Effect.provide(ConfigProvider.layer(ConfigProvider.fromUnknown({ databricks: { host } })))
        )
        assert.notInclude(String(yield* Effect.flip(config)), "pa55word")
      })
  )

  it.effect.each([
    ["x.example", "https://x.example"],
    ["x.example:8443/", "https://x.example:8443"],
    ["localhost:8080", "https://localhost:8080"],
    ["http://[::1]:80/", "http://[::1]"],
    [" HTTPS://X.example:443/?o=12#job/1 ", "https://x.example"]
  ] as const)("reads %j as %s", ([host, expected]) =>
    Effect.gen(function* () {
      const { problems, values } = yield* load({ env: { ...token, DK_DATABRICKS_HOST: host } })
      assert.deepStrictEqual(problems, [])
      assert.strictEqual(values._tag === "Success" ? values.success.host : undefined, expected)
    })
  )

  it.effect.each([
    ["PERIOD", "0.05", "0.1"],
    ["FAILED_WATCH_PERIOD", "0.5", "1"],
    ["LOOK_BACK", "2592001", "2592000"],
    ["LOOK_BACK", "1e300", "2592000"]
  ] as const)("bounds %s, so that %s is refused and %s is not", ([name, refused, accepted]) =>
    Effect.gen(function* () {
      const given = (value: string) =>
        load({ env: { ...token, DK_DATABRICKS_HOST: "x.example", [`DK_DATABRICKS_${name}`]: value } })
      assert.lengthOf((yield* given(refused)).problems, 1)
      assert.lengthOf((yield* given(accepted)).problems, 0)
    })
  )

  it.effect.each(["c4nary-\u00e9", "c4nary\nsecond line", "c4nary\u{1f600}"])(
    "refuses a token that no header can carry (%#), and does not show it",
    (value) =>
      Effect.gen(function* () {
        const { problems } = yield* load({ env: { DK_AGENT_TOKEN: value, DK_DATABRICKS_HOST: "x.example" } })
        assert.deepStrictEqual(
          problems.map(({ setting, where }) => [setting, where]),
          [["[auth_api_token] agent_token", "DK_AGENT_TOKEN"]]
        )
        assert.match(problems[0]?.what ?? "", /no HTTP header can carry/)
        assert.notInclude(JSON.stringify(problems), "c4nary")
      })
  )

  it.effect("wants credentials", () =>
    Effect.gen(function* () {
      const { problems } = yield* load({ env: { DK_DATABRICKS_HOST: "x.example" } })
      assert.lengthOf(problems, 1)
      assert.match(problems[0]?.what ?? "", /no credentials/)
    })
  )
})
