import { assert, describe, it } from "@effect/vitest"
import { NodeServices } from "@effect/platform-node"
import * as Settings from "@observability-agents/toolkit/Settings"
import { keyOf, variablesOf } from "@observability-agents/toolkit/SettingsSection"
import { Effect, FileSystem, Schema } from "effect"
import * as ConfigurationPage from "../src/ConfigurationPage.ts"
import * as Agents from "../src/Agents.ts"
import * as Process from "./ProgramProcess.ts"

const live = <E>(name: string, test: Effect.Effect<void, E>) => it.live(name, () => test, 60_000)

const Shown = Schema.fromJsonString(
  Schema.Struct({
    agent: Schema.NullOr(Schema.String),
    file: Schema.NullOr(Schema.String),
    precedence: Schema.String,
    settings: Schema.Array(
      Schema.Struct({
        setting: Schema.String,
        value: Schema.NullOr(Schema.String),
        origin: Schema.NullOr(Schema.Struct({ _tag: Schema.String })),
        olderName: Schema.NullOr(Schema.String),
        others: Schema.Array(Schema.Struct({ isSame: Schema.Boolean })),
        valid: Schema.Boolean
      })
    ),
    problems: Schema.Array(Schema.Struct({ setting: Schema.String }))
  })
)

const CANARY = "zQcanary"

/** The row of a setting, its columns separated by bars. */
const row = (stdout: string, setting: string): string | undefined =>
  stdout
    .split("\n")
    .find((line) => line.startsWith(`${setting} `))
    ?.trim()
    .replaceAll(/ {2,}/g, " | ")

const env = {
  DK_AGENT_TYPE: "databricks",
  DK_AGENT_KEY: "production",
  DK_OBSERVABILITY_BASE_URL: "https://observability.example.com",
  DK_OBSERVABILITY_SERVICE_ACCOUNT_KEY: "the-key-of-the-account",
  DK_AGENT_TOKEN: "the-token-of-the-workspace"
}

describe("observability-agent config show", () => {
  live(
    "tells value and origin of each setting of a file mixed with an environment",
    Effect.gen(function* () {
      const { exitCode, stderr, stdout } = yield* Process.run({
        args: ["config", "show"],
        env: {
          ...env,
          DK_AGENT_TOKEN: "",
          DK_AGENT_TOKEN_FILE: "token.txt",
          DK_LOG_LEVEL: "debug",
          DK_PERIOD: "30",
          DK_HTTP_RETRIES: "5",
          DATABRICKS_HOST: "https://theirs.example.com"
        },
        file: `
[core]
log_level = "error"
[http]
retries = 5
[databricks]
databricks_host = "https://ours.example.com"
jobs = ["a", "b"]
`
      })
      // The file behind DK_AGENT_TOKEN_FILE is not there, and that is the only problem.
      assert.strictEqual(exitCode, 78)
      assert.include(stderr, "The settings have 1 problem:")
      assert.include(stderr, "[auth_api_token] agent_token")
      const find = (setting: string) => row(stdout, setting)
      assert.strictEqual(
        find("[core] log_level"),
        '[core] log_level | "error" | ./agent.toml [core] log_level | overrides DK_LOG_LEVEL'
      )
      assert.strictEqual(find("[core] agent_key"), '[core] agent_key | "production" | DK_AGENT_KEY')
      assert.strictEqual(find("[core] heartbeat_period"), "[core] heartbeat_period | 60 | default")
      assert.strictEqual(find("[http] ssl_cert_file"), "[http] ssl_cert_file | – | not set")
      assert.strictEqual(
        find("[http] retries"),
        "[http] retries | 5 | ./agent.toml [http] retries | the same in DK_HTTP_RETRIES"
      )
      assert.strictEqual(
        find("[databricks] host"),
        '[databricks] host | "https://ours.example.com" | ./agent.toml [databricks] databricks_host | overrides DATABRICKS_HOST; older name [databricks] databricks_host'
      )
      assert.strictEqual(
        find("[databricks] period"),
        "[databricks] period | 30 | DK_PERIOD | older name DK_PERIOD"
      )
      assert.strictEqual(
        find("[databricks] jobs"),
        '[databricks] jobs | ["a","b"] | ./agent.toml [databricks] jobs'
      )
      assert.strictEqual(
        find("[observability] service_account_key"),
        "[observability] service_account_key | ******** | DK_OBSERVABILITY_SERVICE_ACCOUNT_KEY"
      )
      assert.strictEqual(
        find("[auth_api_token] agent_token"),
        "[auth_api_token] agent_token | ******** | DK_AGENT_TOKEN_FILE (file token.txt) | not valid"
      )
    })
  )

  live(
    "shows the tables of a list, and with --set nothing that is not set",
    Effect.gen(function* () {
      const { exitCode, stderr, stdout } = yield* Process.run({
        args: ["config", "show", "--set"],
        env,
        file: `
[[databricks.workspaces]]
name = "east"
host = "https://east.example.com"
[[databricks.workspaces]]
name = "west"
host = "https://west.example.com"
period = 20
token = "the-token-of-west"
`
      })
      assert.strictEqual(exitCode, 0, stderr)
      assert.strictEqual(
        row(stdout, '[[databricks.workspaces]] 2 "west" period'),
        '[[databricks.workspaces]] 2 "west" period | 20 | ./agent.toml [[databricks.workspaces]] 2 "west" period'
      )
      assert.include(row(stdout, '[[databricks.workspaces]] 2 "west" token'), "| ******** |")
      assert.isUndefined(row(stdout, '[[databricks.workspaces]] 1 "east" period'))
      assert.isUndefined(row(stdout, "[http] retries"))
      assert.notInclude(stdout, "the-token")
    })
  )

  live(
    "tells what comes from the tool's own configuration",
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const home = yield* fs.makeTempDirectoryScoped()
      yield* fs.writeFileString(
        `${home}/.databrickscfg`,
        `[DEFAULT]\nhost = https://profile.example.com\ntoken = ${CANARY}\n`
      )
      const { exitCode, stderr, stdout } = yield* Process.run({
        args: ["config", "show"],
        env: { ...env, DK_AGENT_TOKEN: "", HOME: home }
      })
      assert.strictEqual(exitCode, 0, stderr)
      assert.match(
        row(stdout, "[databricks] host") ?? "",
        /^\[databricks\] host \| "https:\/\/profile.example.com" \| ~\/.databrickscfg, profile DEFAULT/
      )
      assert.match(
        row(stdout, "[auth_api_token] agent_token") ?? "",
        /\| \*{8} \| ~\/.databrickscfg, profile DEFAULT/
      )
      assert.notInclude(stdout + stderr, CANARY)

      const failed = yield* Process.run({
        args: ["config", "show"],
        env: {
          ...env,
          DK_AGENT_TOKEN: "",
          DK_HTTP_RETRIES: "many",
          HOME: home,
          DK_DATABRICKS_PROFILE: "none"
        }
      })
      assert.strictEqual(failed.exitCode, 78)
      assert.include(failed.stderr, "there is no profile of this name")
      assert.include(failed.stderr, "[http] retries")
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )

  live(
    "prints the same as JSON, and the problems in it",
    Effect.gen(function* () {
      const { exitCode, stderr, stdout } = yield* Process.run({
        args: ["config", "show", "--json"],
        env: { ...env, DK_HTTP_RETRIES: "many", DATABRICKS_HOST: "https://theirs.example.com" }
      })
      const shown = yield* Schema.decodeEffect(Shown)(stdout).pipe(Effect.orDie)
      assert.deepInclude(shown, { agent: "databricks", file: null, precedence: "file" })
      const find = (name: string) => shown.settings.find(({ setting }) => setting === name)
      assert.deepInclude(find("[http] retries"), { value: '"many"', valid: false })
      assert.deepInclude(find("[databricks] host"), { value: '"https://theirs.example.com"', valid: true })
      assert.deepStrictEqual(
        shown.problems.map(({ setting }) => setting),
        ["[http] retries"]
      )
      assert.strictEqual(exitCode, 78)
      assert.include(stderr, "[http] retries")
    })
  )

  live(
    "shows what it can where nothing is right",
    Effect.gen(function* () {
      const { exitCode, stderr, stdout } = yield* Process.run({
        args: ["config", "show"],
        env: { DK_AGENT_TYPE: "databrick", DK_AGENT_KEY: "a", dk_agent_key: "b" }
      })
      assert.strictEqual(exitCode, 78)
      assert.strictEqual(
        row(stdout, "[core] agent_key"),
        "[core] agent_key | – | not set | contradictory: DK_AGENT_KEY, dk_agent_key"
      )
      assert.strictEqual(
        row(stdout, "[observability] base_url"),
        "[observability] base_url | – | not set | required"
      )
      assert.include(stderr, "no agent of this name is built in")
      const missing = yield* Process.run({ args: ["config", "show", "--config", "none.toml"] })
      assert.strictEqual(missing.exitCode, 78)
      assert.include(missing.stderr, "the settings file does not exist")
    })
  )
})

/** A value for every secret there is, each a different one, in the file and as variables; and for other settings the same. */
const planted = (wrap: (secret: string) => unknown) => {
  const tables = new Map<string, Record<string, unknown>>()
  const variables: Record<string, string> = {}
  let number = 0
  const next = () => `${CANARY}${(number += 1)}`
  const plant = (fields: Settings.Fields): Record<string, unknown> =>
    Object.fromEntries(
      Object.entries(fields).flatMap(([name, field]) =>
        field.inner !== undefined
          ? [[keyOf(name, field), [plant(field.inner), plant(field.inner)]]]
          : field.secret
            ? [[keyOf(name, field), wrap(next())]]
            : []
      )
    )
  for (const section of Agents.allSections) {
    const table = { ...tables.get(section.table), ...plant(section.fields) }
    const [secret] = Object.entries(section.fields).filter(([, field]) => field.secret)
    for (const [name, field] of Object.entries(section.fields)) {
      const variable = variablesOf(section, name, field)[0] ?? ""
      if (field.inner !== undefined) variables[variable] = JSON.stringify([plant(field.inner)])
      else if (field.secret) variables[variable] = next()
      else if (secret !== undefined) table[keyOf(name, field)] = table[keyOf(...secret)]
    }
    tables.set(section.table, table)
  }
  tables.set("core", { ...tables.get("core"), agent_type: "databricks" })
  return { tables, variables, count: number }
}

/** TOML of tables, of which JSON is a part for all that stands to the right of `=`. */
const toml = (tables: ReadonlyMap<string, Record<string, unknown>>): string =>
  [...tables]
    .map(([table, keys]) =>
      [`[${table}]`, ...Object.entries(keys).map(([key, value]) => `${key} = ${inline(value)}`)].join("\n")
    )
    .join("\n")

const inline = (value: unknown): string =>
  Array.isArray(value)
    ? `[${value.map(inline).join(", ")}]`
    : typeof value === "object" && value !== null
      ? `{ ${Object.entries(value)
          .map(([key, item]) => `${key} = ${inline(item)}`)
          .join(", ")} }`
      : JSON.stringify(value)

describe("no secret", () => {
  for (const [way, wrap] of [
    ["as they should be", (secret: string) => secret],
    ["of the wrong type", (secret: string) => [[secret]]]
  ] as const) {
    live(
      `appears in config show with secrets ${way} in every secret setting, and in all others`,
      Effect.gen(function* () {
        const { count, tables, variables } = planted(wrap)
        assert.isAbove(count, 15)
        for (const [precedence, ...args] of [["file"], ["env", "--json"]]) {
          const { exitCode, stderr, stdout } = yield* Process.run({
            args: ["config", "show", ...args],
            file: toml(tables),
            env: { ...variables, DK_CONFIG_PRECEDENCE: precedence ?? "" }
          })
          assert.strictEqual(exitCode, 78)
          assert.include(stdout, "********")
          assert.include(stderr, "problems")
          assert.notInclude(stdout + stderr, CANARY)
        }
      })
    )
  }

  live(
    "appears in config show when it is behind a file or in a variable of another program",
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const folder = yield* fs.makeTempDirectoryScoped()
      yield* fs.writeFileString(`${folder}/token`, `${CANARY}-file\n`)
      const { exitCode, stderr, stdout } = yield* Process.run({
        args: ["config", "show"],
        env: {
          ...env,
          DK_AGENT_TOKEN: "",
          DATABRICKS_TOKEN: `${CANARY}-theirs`,
          DK_LOG_LEVEL: `${CANARY}-file`
        },
        file: `
[auth_api_token]
agent_token_file = "${folder}/token"
[[databricks.workspaces]]
host = "https://east.example.com"
token_file = "${folder}/token"
`
      })
      assert.strictEqual(exitCode, 78)
      assert.include(
        row(stdout, "[auth_api_token] agent_token"),
        `| ******** | ./agent.toml [auth_api_token] agent_token_file (file ${folder}/token)`
      )
      assert.include(
        row(stdout, "[[databricks.workspaces]] 1 token"),
        `| ******** | ./agent.toml [[databricks.workspaces]] 1 token_file (file ${folder}/token)`
      )
      assert.notInclude(stdout + stderr, CANARY)
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )
})

describe("observability-agent config reference", () => {
  live(
    "prints the page of the documentation",
    Effect.gen(function* () {
      const { exitCode, stdout } = yield* Process.run({ args: ["config", "reference"] })
      assert.strictEqual(exitCode, 0)
      assert.strictEqual(
        stdout,
        ConfigurationPage.page({ name: "observability-agent", agents: Agents.agents })
      )
      for (const { table } of Agents.allSections) assert.include(stdout, `\n## \`[${table}]\`\n`)
      assert.include(stdout, "### `[[databricks.workspaces]]`")
    })
  )

  live(
    "prints one section, however its name is written",
    Effect.gen(function* () {
      const { stdout } = yield* Process.run({ args: ["config", "reference", "--section", "[http]"] })
      assert.isTrue(stdout.startsWith("## `[http]`\n"))
      assert.notInclude(stdout, "## `[core]`")
      const unknown = yield* Process.run({ args: ["config", "reference", "--section", "htp"] })
      assert.strictEqual(unknown.exitCode, 64)
      assert.include(unknown.stderr, "The sections are: core, observability, http")
    })
  )

  live(
    "prints a JSON Schema of the whole file, and of one section",
    Effect.gen(function* () {
      const args = ["config", "reference", "--format", "json-schema"]
      const whole = JSON.parse((yield* Process.run({ args })).stdout)
      assert.deepStrictEqual(whole, Settings.jsonSchema(Agents.allSections))
      assert.include(whole.properties.core.properties.observability_base_url, { deprecated: true })
      assert.include(whole.properties.databricks.properties.workspaces, { type: "array" })
      const one = JSON.parse((yield* Process.run({ args: [...args, "--section", "http"] })).stdout)
      assert.containsAllKeys(one.properties, ["http"])
      assert.doesNotHaveAnyKeys(one.properties.http.properties, ["agent_key"])
    })
  )

  live(
    "is found in the help",
    Effect.gen(function* () {
      const { stdout } = yield* Process.run({ args: ["config", "--help"] })
      assert.include(stdout, "show")
      assert.include(stdout, "reference")
      const { stdout: show } = yield* Process.run({ args: ["config", "show", "--help"] })
      assert.include(show, "--config")
      assert.include(show, "EXAMPLES")
    })
  )
})
