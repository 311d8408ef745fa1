import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, FileSystem } from "effect"
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

  it.effect("wants credentials", () =>
    Effect.gen(function* () {
      const { problems } = yield* load({ env: { DK_DATABRICKS_HOST: "x.example" } })
      assert.lengthOf(problems, 1)
      assert.match(problems[0]?.what ?? "", /no credentials/)
    })
  )
})
