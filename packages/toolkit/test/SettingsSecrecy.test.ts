import { inspect } from "node:util"
import { assert, describe, it } from "@effect/vitest"
import { Cause, Config, ConfigProvider, Effect, Exit, Logger, Redacted } from "effect"
import * as FastCheck from "fast-check"
import * as Settings from "../src/Settings.ts"
import { Databricks, needed, Observability, sections as others, sources } from "./SettingsFixture.ts"

const Depot = Settings.section("depot", {
  description: "A depot of several halls.",
  fields: {
    host: Settings.optional(Settings.url({ description: "Its address.", variables: ["DEPOT_HOST"] })),
    token: Settings.optional(Settings.secret({ description: "Its token.", variables: ["DEPOT_TOKEN"] })),
    halls: Settings.tables(
      {
        name: Settings.optional(Settings.nonEmptyString({ description: "A name." })),
        host: Settings.optional(Settings.url({ description: "Its address." })),
        token: Settings.optional(Settings.secret({ description: "Its token." }))
      },
      { description: "Halls." }
    )
  }
})

const sections = [...others, Depot]

/** Words that stand nowhere else, so that finding one in an output means that a secret got there. */
const canary = FastCheck.stringMatching(/^[A-Za-z0-9+/=_-]{12,40}$/).map((text) => `zQ${text}Qz`)

const quoted = (text: string): string => JSON.stringify(text)

/** Ways to get a secret into the sources: as it should be, under old names, misspelt, of the wrong type, in the wrong place. */
const planted = FastCheck.record({
  toml: FastCheck.array(
    FastCheck.constantFrom<ReadonlyArray<(secret: string) => readonly [table: string, line: string]>[number]>(
      (secret) => ["observability", `service_account_key = ${quoted(secret)}`],
      (secret) => ["observability", `service_account_key = [${quoted(secret)}]`],
      (secret) => ["observability", `service_account_key = { value = ${quoted(secret)} }`],
      (secret) => ["observability", `service_acount_key = ${quoted(secret)}`],
      (secret) => ["observability", `base_url = ${quoted(`https://user:${secret}@example.com`)}`],
      (secret) => ["observability", `base_url = ${quoted(`user:${secret}@example.com`)}`],
      (secret) => ["core", `observability_service_account_key = ${quoted(`${secret}x`)}`],
      (secret) => ["core", `api_key = ${quoted(secret)}`],
      (secret) => ["databricks", `token = ${quoted(secret)}`],
      (secret) => ["databricks", `tokn = ${quoted(secret)}`],
      (secret) => ["http", `params = { key = ${quoted(secret)} }`],
      (secret) => ["http", `params = [[${quoted(secret)}]]`],
      (secret) => ["http", `retries = { key = ${quoted(secret)} }`],
      (secret) => ["htpp", `key = ${quoted(secret)}`],
      (secret) => ["depot", `halls = [{ token = ${quoted(secret)}, name = ${quoted(`of ${secret}`)} }]`],
      (secret) => ["depot", `halls = [{ token = [${quoted(secret)}], tokn = ${quoted(secret)} }]`],
      (secret) => ["depot", `halls = { token = ${quoted(secret)} }`],
      (secret) => ["depot", `halls = [${quoted(secret)}]`],
      (secret) => ["depot", `halls = ${quoted(secret)}`],
      () => ["depot", `token_file = "/run/secret"`],
      () => ["depot", `halls = [{ token_file = "/run/secret" }]`],
      (secret) => ["core", `agent_key = ${secret}`],
      (secret) => ["core", `agent_key = "${secret}`]
    ),
    { maxLength: 6 }
  ),
  env: FastCheck.array(
    FastCheck.constantFrom<ReadonlyArray<(secret: string) => Record<string, string>>[number]>(
      (secret) => ({ DK_OBSERVABILITY_SERVICE_ACCOUNT_KEY: secret }),
      (secret) => ({ dk_observability_service_account_key: `${secret}x` }),
      (secret) => ({ DK_OBSERVABILITY_SERVICE_ACCOUNT_KEY: `${secret}\n` }),
      () => ({ DK_OBSERVABILITY_SERVICE_ACCOUNT_KEY_FILE: "/run/secret" }),
      () => ({ DK_DATABRICKS_TOKEN_FILE: "/run/secret" }),
      (secret) => ({ DK_DATABRICKS_TOKEN: secret, DK_DATABRICKS_HOST: secret }),
      (secret) => ({ DK_DATABRICKS_TOKEN: secret, DK_LOG_LEVEL: `level ${secret}` }),
      (secret) => ({ DK_DATABRICKS_TOKEN: secret, DK_DATABRICKS_JOBS: `[${secret}]` }),
      (secret) => ({ DK_DATABRICKS_TOKN: secret }),
      (secret) => ({ DEPOT_TOKEN: secret, DEPOT_HOST: secret }),
      (secret) => ({ DK_DEPOT_HALLS: `[{"token": ${quoted(secret)}, "host": ${quoted(secret)}}]` }),
      (secret) => ({ DK_DEPOT_HALLS: `[{"token": ${quoted(secret)}` }),
      (secret) => ({ DK_HTTP_PARAMS: `{"key": ${quoted(secret)}}` })
    ),
    { maxLength: 5 }
  ),
  precedence: FastCheck.constantFrom("file", "env")
})

/** Everything that can be printed of some settings. */
const outputs = (toml: string, env: Record<string, string>, secret: string) =>
  Effect.gen(function* () {
    const printed: Array<unknown> = []
    const logger = Logger.make((options) => {
      printed.push(Logger.formatStructured.log(options), Logger.formatLogFmt.log(options))
    })
    const found = yield* Effect.exit(sources({ toml, env, files: { "/run/secret": `${secret}\n` } }))
    printed.push(found)
    if (Exit.isFailure(found)) {
      printed.push(Cause.pretty(found.cause))
      const [error] = found.cause.reasons
      if (error !== undefined && Cause.isFailReason(error)) printed.push(error.error.message, error.error)
      return printed
    }
    const origin = { _tag: "External" as const, description: "elsewhere" }
    const whole = Settings.withFallbacks(found.value, [
      { table: "depot", key: "token", value: Redacted.make(`${secret}-elsewhere`), origin },
      { table: "depot.halls", index: 0, key: "token", value: Redacted.make(`${secret}-elsewhere`), origin },
      { table: "depot.halls", index: 0, key: "host", value: `${secret}-elsewhere`, origin }
    ])
    for (const read of [found.value, whole]) {
      printed.push(read, Settings.inspect(read, sections), Settings.resolve(read, sections))
      printed.push(Settings.report(Settings.validate(read, sections)))
    }
    const exit = yield* Config.all([Observability.config, Databricks.config]).pipe(
      Effect.provide(Settings.layer(found.value, sections)),
      Effect.tapError((error) => Effect.sync(() => printed.push(error, error.message, String(error)))),
      Effect.tapCause((cause) => Effect.logError("The start failed", cause)),
      Effect.provide(Logger.layer([logger])),
      Effect.exit
    )
    if (Exit.isFailure(exit)) printed.push(exit, Cause.pretty(exit.cause))
    else printed.push(exit.value[1].token, exit.value[0].serviceAccountKey)
    return printed
  })

const print = (printed: ReadonlyArray<unknown>): string =>
  printed
    .map((part) =>
      typeof part === "string" ? part : `${JSON.stringify(part)} ${inspect(part, { depth: 20 })}`
    )
    .join("\n")

describe("secrets", () => {
  it.effect("never appear in anything that is printed, however they got into the sources", () =>
    Effect.promise(() =>
      FastCheck.assert(
        FastCheck.asyncProperty(canary, planted, async (secret, { env, precedence, toml }) => {
          const tables = Map.groupBy(
            new Set(toml).values().map((plant) => plant(secret)),
            ([table]) => table
          )
          const text = [...tables]
            .map(([table, lines]) => `[${table}]\n${lines.map(([, line]) => line).join("\n")}`)
            .join("\n")
          const variables = Object.assign(
            { ...needed, DK_CONFIG_PRECEDENCE: precedence },
            ...env.map((plant) => plant(secret))
          )
          const printed = print(await Effect.runPromise(outputs(text, variables, secret)))
          assert.isAbove(printed.length, 100)
          assert.notInclude(printed, secret)
        }),
        { numRuns: 500, seed: 42 }
      )
    )
  )

  it.effect("are not shown when a required setting beside them is missing", () =>
    Effect.gen(function* () {
      const env = {
        ...needed,
        DK_AGENT_KEY: "",
        DK_DATABRICKS_HOST: "",
        DK_DATABRICKS_TOKEN: "the-secret-word"
      }
      const printed = print(yield* outputs("", env, ""))
      assert.include(printed, "[databricks] host")
      assert.notInclude(printed, "the-secret-word")
      assert.notInclude(printed, needed.DK_OBSERVABILITY_SERVICE_ACCOUNT_KEY)
    })
  )

  it.effect("are not shown by the configuration errors of other providers", () =>
    Effect.gen(function* () {
      const provider = ConfigProvider.fromUnknown({
        observability: { base_url: "https://a:the-secret-word@b.c", service_account_key: ["the-secret-word"] }
      })
      const error = yield* Effect.flip(Observability.config.parse(provider))
      assert.notInclude(print([error, error.message, String(error)]), "the-secret-word")
    })
  )
})
