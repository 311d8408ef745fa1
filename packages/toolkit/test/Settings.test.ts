import { assert, describe, it } from "@effect/vitest"
import {
  Config,
  ConfigProvider,
  Duration,
  Effect,
  Logger,
  Option,
  Redacted,
  References,
  Runtime
} from "effect"
import * as Settings from "../src/Settings.ts"
import { Core, Databricks, Http, needed, Observability, sections, sources } from "./SettingsFixture.ts"

interface Given {
  readonly toml?: string
  readonly env?: Readonly<Record<string, string>>
  readonly files?: Readonly<Record<string, string>>
}

/** Reads something as a program would: validated, through the layer. */
const read = <A, E>(given: Given, effect: Effect.Effect<A, E>) =>
  Effect.flatMap(sources({ ...given, env: { ...needed, ...given.env } }), (found) =>
    Effect.provide(effect, Settings.layer(found, sections))
  )

const problems = (given: Given) =>
  Effect.map(sources({ ...given, env: { ...needed, ...given.env } }), (found) =>
    Settings.validate(found, sections)
  )

const warnings = (given: Given, options?: Settings.InspectOptions) =>
  Effect.map(
    sources({ ...given, env: { ...needed, ...given.env } }),
    (found) => Settings.inspect(found, sections, options).warnings
  )

const tokenOf = Effect.map(Databricks.config, ({ token }) =>
  token === undefined ? undefined : Redacted.value(token)
)

describe("values", () => {
  it.effect("come from the environment alone when there is no file", () =>
    Effect.gen(function* () {
      const core = yield* read({ env: { DK_LOG_LEVEL: "error" } }, Core.config)
      assert.deepStrictEqual(core, { agentKey: "an-agent", logLevel: "error" })
    })
  )

  it.effect("come from the file, with the types that TOML has", () =>
    Effect.gen(function* () {
      const toml = `
        [http]
        read_timeout = 1.5
        retries = 7
        ssl_verify = false
        params = { page = 2, sort = "asc" }
        [databricks]
        jobs = ["a", 12345678901234567890]
        period = "2 minutes"`
      const http = yield* read({ toml }, Http.config)
      assert.deepStrictEqual(http, {
        readTimeout: Duration.millis(1500),
        retries: 7,
        sslVerify: false,
        sslCertFile: undefined,
        params: { page: "2", sort: "asc" }
      })
      const databricks = yield* read({ toml }, Databricks.config)
      assert.deepStrictEqual(databricks.jobs, ["a", "12345678901234567890"])
      assert.deepStrictEqual(databricks.period, Duration.minutes(2))
    })
  )

  it.effect("have their defaults when nothing is set", () =>
    Effect.gen(function* () {
      const http = yield* read({}, Http.config)
      assert.deepStrictEqual(http.readTimeout, Duration.seconds(60))
      assert.deepStrictEqual((yield* read({}, Databricks.config)).jobs, [])
    })
  )

  it.effect("are found under variables in any case", () =>
    Effect.gen(function* () {
      const core = yield* read({ env: { dk_Log_level: "debug" } }, Core.config)
      assert.strictEqual(core.logLevel, "debug")
    })
  )

  it.effect("are found under their old names in the file and in the environment", () =>
    Effect.gen(function* () {
      const toml = `
        [core]
        observability_base_url = "https://old.example.com"
        [databricks]
        databricks_host = "https://old-workspace.example.com"
        databricks_jobs = ["nightly"]`
      const env = { DK_OBSERVABILITY_BASE_URL: "", DK_DATABRICKS_HOST: "", DK_PERIOD: "30" }
      assert.strictEqual(
        (yield* read({ toml, env }, Observability.config)).baseUrl,
        "https://old.example.com"
      )
      const databricks = yield* read({ toml, env }, Databricks.config)
      assert.strictEqual(databricks.host, "https://old-workspace.example.com")
      assert.deepStrictEqual(databricks.jobs, ["nightly"])
      assert.deepStrictEqual(databricks.period, Duration.seconds(30))
    })
  )

  it.effect("of lists in variables are JSON or separated by commas", () =>
    Effect.gen(function* () {
      const env = { DK_DATABRICKS_JOBS: '["load, all", "clean"]' }
      assert.deepStrictEqual((yield* read({ env }, Databricks.config)).jobs, ["load, all", "clean"])
      assert.deepStrictEqual((yield* read({ env: { DK_DATABRICKS_JOBS: "a,b" } }, Databricks.config)).jobs, [
        "a",
        "b"
      ])
    })
  )

  it.effect("of empty text count as not set, in both sources", () =>
    Effect.gen(function* () {
      const core = yield* read(
        { toml: '[core]\nlog_level = ""\nagent_key = ""', env: { DK_LOG_LEVEL: "" } },
        Core.config
      )
      assert.deepStrictEqual(core, { agentKey: "an-agent", logLevel: "info" })
    })
  )

  it.effect("that are not settings of the sections still come from the environment", () =>
    Effect.gen(function* () {
      const value = yield* read({ env: { MY_OWN: "mine" } }, Config.String("MY_OWN"))
      assert.strictEqual(value, "mine")
    })
  )

  it.effect("read the same through any other ConfigProvider", () =>
    Effect.gen(function* () {
      const provider = ConfigProvider.fromUnknown({
        http: { read_timeout: 5, retries: "1", params: { a: 1 } },
        databricks: { host: "https://a.b", jobs: ["x", 1], token: "word" }
      })
      const http = yield* Http.config.parse(provider)
      assert.deepStrictEqual(
        [http.readTimeout, http.retries, http.params],
        [Duration.seconds(5), 1, { a: "1" }]
      )
      const databricks = yield* Databricks.config.parse(provider)
      assert.deepStrictEqual(databricks.jobs, ["x", "1"])
      assert.deepStrictEqual(
        databricks.token === undefined ? undefined : Redacted.value(databricks.token),
        "word"
      )
    })
  )

  it.effect("that are wrong under any other ConfigProvider name the setting, and no secret", () =>
    Effect.gen(function* () {
      const missing = yield* Effect.flip(Core.config.parse(ConfigProvider.fromUnknown({})))
      assert.include(missing.message, "[core] agent_key is required")
      const wrong = yield* Effect.flip(
        Http.config.parse(ConfigProvider.fromUnknown({ http: { retries: "many" } }))
      )
      assert.include(
        wrong.message,
        '[http] retries is not valid: expected a whole number from 0 to 10, found "many"'
      )
      const secret = yield* Effect.flip(
        Databricks.config.parse(
          ConfigProvider.fromUnknown({ databricks: { host: "https://a.b", token: ["hidden-word"] } })
        )
      )
      assert.include(secret.message, "[databricks] token is not valid")
      assert.notInclude(`${secret.message} ${String(secret)} ${JSON.stringify(secret)}`, "hidden-word")
    })
  )
})

describe("precedence", () => {
  const toml = '[core]\nlog_level = "error"'

  it.effect("lets the file win over the environment", () =>
    Effect.gen(function* () {
      const core = yield* read({ toml, env: { DK_LOG_LEVEL: "debug" } }, Core.config)
      assert.strictEqual(core.logLevel, "error")
    })
  )

  it.effect("is turned round by DK_CONFIG_PRECEDENCE=env", () =>
    Effect.gen(function* () {
      const core = yield* read(
        { toml, env: { DK_LOG_LEVEL: "debug", dk_config_precedence: "ENV" } },
        Core.config
      )
      assert.strictEqual(core.logLevel, "debug")
      const onlyFile = yield* read({ toml, env: { DK_CONFIG_PRECEDENCE: "env" } }, Core.config)
      assert.strictEqual(onlyFile.logLevel, "error")
    })
  )

  it.effect("of any other kind is a problem", () =>
    Effect.gen(function* () {
      const [problem, ...others] = yield* problems({ env: { DK_CONFIG_PRECEDENCE: "both" } })
      assert.deepStrictEqual(others, [])
      assert.deepInclude(problem, {
        setting: "DK_CONFIG_PRECEDENCE",
        expected: '"file" or "env"',
        found: '"both"'
      })
    })
  )

  it.effect("is told in one warning per setting, only when the sources differ", () =>
    Effect.gen(function* () {
      const env = { DK_LOG_LEVEL: "debug", DK_HTTP_READ_TIMEOUT: "5.0" }
      const found = yield* warnings({ toml: `${toml}\n[http]\nread_timeout = 5`, env })
      assert.deepStrictEqual(
        found.map(({ setting, where }) => [setting, where]),
        [["[core] log_level", "./agent.toml [core] log_level (used) and DK_LOG_LEVEL (not used)"]]
      )
    })
  )

  it.effect("is logged when the layer is built, with names and not with values", () =>
    Effect.gen(function* () {
      const lines: Array<string> = []
      const logger = Logger.make(({ fiber, logLevel, message }) => {
        lines.push(JSON.stringify([logLevel, message, fiber.getRef(References.CurrentLogAnnotations)]))
      })
      yield* read(
        { toml: '[databricks]\ntoken = "word-one"', env: { DK_DATABRICKS_TOKEN: "word-two" } },
        Effect.void
      ).pipe(Effect.provide(Logger.layer([logger])))
      assert.strictEqual(lines.length, 1)
      assert.include(lines[0], "Warn")
      assert.include(lines[0], "./agent.toml [databricks] token (used) and DK_DATABRICKS_TOKEN (not used)")
      assert.notInclude(lines[0], "word-")
    })
  )
})

describe("two names of one setting", () => {
  it.effect("in the file must agree", () =>
    Effect.gen(function* () {
      const [problem, ...others] = yield* problems({
        toml: '[core]\nobservability_base_url = "https://a.b"\n[observability]\nbase_url = "https://c.d"'
      })
      assert.deepStrictEqual(others, [])
      assert.deepStrictEqual(problem, {
        setting: "[observability] base_url",
        what: "given under two names with different values",
        where: "./agent.toml [observability] base_url and ./agent.toml [core] observability_base_url",
        expected: "only one of them; the present name is [observability] base_url",
        found: '"https://c.d" and "https://a.b"'
      })
    })
  )

  it.effect("in the environment must agree, also when they differ in case alone", () =>
    Effect.gen(function* () {
      const [old] = yield* problems({ env: { DK_PERIOD: "5", DK_DATABRICKS_PERIOD: "6" } })
      assert.strictEqual(old?.where, "DK_DATABRICKS_PERIOD and DK_PERIOD")
      const [cases] = yield* problems({ env: { DK_LOG_LEVEL: "info", dk_log_level: "debug" } })
      assert.strictEqual(cases?.where, "DK_LOG_LEVEL and dk_log_level")
    })
  )

  it.effect("may be given both when they say the same", () =>
    Effect.gen(function* () {
      const toml = '[databricks]\nhost = "https://a.b/"\ndatabricks_host = "https://a.b"'
      assert.deepStrictEqual(
        yield* problems({ toml, env: { DK_PERIOD: "60", DK_DATABRICKS_PERIOD: "1 minute" } }),
        []
      )
    })
  )
})

describe("secrets", () => {
  it.effect("may be given by a file, of which one line break at the end is dropped", () =>
    Effect.gen(function* () {
      const given = { env: { DK_DATABRICKS_TOKEN_FILE: "/run/token" }, files: { "/run/token": "the word\n" } }
      assert.strictEqual(yield* read(given, tokenOf), "the word")
      const found = yield* read(given, Settings.origin(Databricks, "token"))
      assert.deepStrictEqual(
        found,
        Option.some({ _tag: "Variable" as const, name: "DK_DATABRICKS_TOKEN_FILE", file: "/run/token" })
      )
    })
  )

  it.effect("whose file is missing or empty are problems that name variable and file", () =>
    Effect.gen(function* () {
      const env = { DK_DATABRICKS_TOKEN_FILE: "/run/token" }
      const [missing] = yield* problems({ env })
      assert.deepInclude(missing, {
        setting: "[databricks] token",
        what: "its file cannot be used",
        where: "DK_DATABRICKS_TOKEN_FILE (file /run/token)",
        found: "no such file"
      })
      const [empty] = yield* problems({ env, files: { "/run/token": "\n" } })
      assert.strictEqual(empty?.found, "an empty file")
      const [long] = yield* problems({ env, files: { "/run/token": "x".repeat(70_000) } })
      assert.strictEqual(long?.found, "a file that is too long for a secret")
    })
  )

  it.effect("given directly and by a file must agree", () =>
    Effect.gen(function* () {
      const given = { DK_DATABRICKS_TOKEN: "word-one", DK_DATABRICKS_TOKEN_FILE: "/run/token" }
      assert.strictEqual(
        yield* read({ env: given, files: { "/run/token": "word-one" } }, tokenOf),
        "word-one"
      )
      const [problem] = yield* problems({ env: given, files: { "/run/token": "word-two" } })
      assert.strictEqual(problem?.where, "DK_DATABRICKS_TOKEN and DK_DATABRICKS_TOKEN_FILE (file /run/token)")
      assert.strictEqual(problem?.found, "two different values")
    })
  )

  it.effect(
    "only: the file of another setting is an unknown variable, unless it is a setting of that name",
    () =>
      Effect.gen(function* () {
        const found = yield* warnings({
          env: { DK_LOG_LEVEL_FILE: "/run/level", DK_HTTP_SSL_CERT_FILE: "/etc/ca.pem" }
        })
        assert.deepStrictEqual(
          found.map(({ expected, setting }) => [setting, expected]),
          [["DK_LOG_LEVEL_FILE", "DK_LOG_LEVEL; only secrets can be given by a file"]]
        )
      })
  )

  it.effect("of any length are not shown when they are of the wrong type", () =>
    Effect.gen(function* () {
      const [problem] = yield* problems({ toml: '[databricks]\ntoken = ["abc"]' })
      assert.deepInclude(problem, { what: "not an accepted value", found: "a value that is not shown" })
    })
  )

  it.effect("alone may be given by a file: what it holds is no value of another setting", () =>
    Effect.gen(function* () {
      const given = { env: { DK_LOG_LEVEL_FILE: "/run/level" }, files: { "/run/level": "debug" } }
      assert.strictEqual((yield* read(given, Core.config)).logLevel, "info")
    })
  )
})

describe("unknown names", () => {
  it.effect("of keys are problems that suggest what was meant", () =>
    Effect.gen(function* () {
      const found = yield* problems({
        toml: `
          [core]
          agnet_key = "x"
          [http]
          Read-Timeout = 5
          base_url = "x"
          colour = "red"`
      })
      assert.deepStrictEqual(
        found.map(({ expected, setting }) => [setting, expected]),
        [
          ["[core] agnet_key", "did you mean agent_key?"],
          ["[http] Read-Timeout", "did you mean read_timeout?"],
          ["[http] base_url", "did you mean [observability] base_url?"],
          ["[http] colour", "one of read_timeout, retries, ssl_verify, ssl_cert_file, params"]
        ]
      )
    })
  )

  it.effect("outside of tables, and tables that are none, are problems", () =>
    Effect.gen(function* () {
      const found = yield* problems({ toml: 'log_level = "info"\nhttp = 5\n[[databricks]]\nhost = "x"' })
      assert.deepStrictEqual(
        found.map(({ setting, what }) => [setting, what]),
        [
          ["log_level", "stands outside of any table"],
          ["[http]", "not a table"],
          ["[databricks]", "not a table"]
        ]
      )
      assert.strictEqual(found[0]?.expected, "did you mean [core] log_level?")
    })
  )

  it.effect("of tables and variables are warnings that suggest what was meant", () =>
    Effect.gen(function* () {
      const found = yield* warnings({
        toml: "[databrick]\n[weather]\n",
        env: { DK_HTTP_REED_TIMEOUT: "1", DK_X: "1" }
      })
      assert.deepStrictEqual(
        found.map(({ expected, setting }) => [setting, expected]),
        [
          ["[databrick]", "did you mean [databricks]?"],
          ["[weather]", ""],
          ["DK_HTTP_REED_TIMEOUT", "did you mean DK_HTTP_READ_TIMEOUT?"],
          ["DK_X", ""]
        ]
      )
    })
  )

  it.effect("that the earlier framework had for other agents are passed over in silence", () =>
    Effect.gen(function* () {
      const tables = [
        "airflow",
        "blob_storage",
        "eventhubs",
        "example",
        "powerbi",
        "qlik",
        "ssis",
        "synapse_analytics"
      ]
      const toml = [...tables, "auth_azure_spn"].map((table) => `[${table}]\nwhatever = 1`).join("\n")
      const env = {
        DK_AIRFLOW_API_URL: "x",
        DK_AZURE_EVENTHUB_NAME: "x",
        DK_AZURE_BLOB_NAME: "x",
        DK_SYNAPSE_ANALYTICS_PERIOD: "1",
        DK_AZURE_TENANT_ID: "x",
        DK_AGENT_TOKEN: "x"
      }
      assert.deepStrictEqual(yield* warnings({ toml, env }), [])
      assert.deepStrictEqual(yield* problems({ toml, env }), [])
    })
  )

  it.effect("of sections that the program knows but does not use are no mistakes", () =>
    Effect.gen(function* () {
      const Dagster = Settings.section("dagster", {
        description: "Another agent.",
        fields: { url: Settings.url({ description: "Address.", aliases: ["core.dagster_url"] }) }
      })
      const given = {
        toml: '[dagster]\nanything = 1\n[core]\ndagster_url = "x"',
        env: { DK_DAGSTER_URL: "x", DK_DAGSTER_OTHER: "x" }
      }
      const found = yield* sources({ ...given, env: { ...needed, ...given.env } })
      assert.deepStrictEqual(Settings.inspect(found, sections, { known: [Dagster] }), {
        problems: [],
        warnings: []
      })
      assert.strictEqual(Settings.inspect(found, sections).warnings.length, 3)
    })
  )
})

describe("rules over several settings", () => {
  const Choice = Settings.section("credentials", {
    description: "Which credentials.",
    fields: {},
    check: (look) => {
      const token = look.origin("databricks", "token")
      return token !== undefined && look.value("core", "logLevel") === "debug"
        ? [
            {
              setting: "credentials",
              what: "no token with debug logs",
              where: Settings.describeOrigin(token),
              expected: "",
              found: ""
            }
          ]
        : []
    }
  })

  it.effect("see origins and values, and report beside all other problems", () =>
    Effect.gen(function* () {
      const env = { ...needed, DK_DATABRICKS_TOKEN: "word", DK_LOG_LEVEL: "debug", DK_HTTP_RETRIES: "many" }
      const found = Settings.validate(yield* sources({ env }), [...sections, Choice])
      assert.deepStrictEqual(
        found.map(({ setting, where }) => [setting, where]),
        [
          ["[http] retries", "DK_HTTP_RETRIES"],
          ["credentials", "DK_DATABRICKS_TOKEN"]
        ]
      )
    })
  )
})

describe("origins", () => {
  it.effect("of settings in force are known under the layer, defaults have none", () =>
    Effect.gen(function* () {
      const given = { toml: "[http]\nretries = 1" }
      assert.deepStrictEqual(
        yield* read(given, Settings.origin(Http, "retries")),
        Option.some({ _tag: "File" as const, path: "./agent.toml", table: "http", key: "retries" })
      )
      assert.deepStrictEqual(yield* read(given, Settings.origin(Http, "readTimeout")), Option.none())
      assert.deepStrictEqual(yield* Settings.origin(Http, "retries"), Option.none())
    })
  )

  it.effect("are listed with values, secrets masked", () =>
    Effect.gen(function* () {
      const found = yield* sources({
        toml: "[databricks]\nperiod = 9",
        env: { ...needed, DK_DATABRICKS_TOKEN: "word" }
      })
      const listed = Settings.resolve(found, Databricks).map(({ field, origin, value }) => [
        field,
        value,
        origin === undefined ? undefined : Settings.describeOrigin(origin)
      ])
      assert.deepStrictEqual(listed, [
        ["host", '"https://workspace.example.com"', "DK_DATABRICKS_HOST"],
        ["token", "********", "DK_DATABRICKS_TOKEN"],
        ["jobs", "none", "default"],
        ["period", "9", "./agent.toml [databricks] period"]
      ])
    })
  )
})

describe("the report", () => {
  it.effect("tells all problems at once, grouped and aligned, and ends with what to do", () =>
    Effect.gen(function* () {
      const found = yield* sources({
        toml: '[core]\nlog_level = "warn"\n[http]\nread_timeout = 0\nretrys = 1',
        env: { ...needed, DK_AGENT_KEY: "" }
      })
      const error = yield* Effect.flip(Effect.provide(Effect.void, Settings.layer(found, sections)))
      assert.strictEqual(
        error.message,
        `The settings have 4 problems:

[core] agent_key
  what      required, but not set
  where     [core] agent_key in ./agent.toml, or DK_AGENT_KEY in the environment
  expected  text that is not blank, for example "prod-databricks"
  found     empty text in DK_AGENT_KEY

[core] log_level
  what      not an accepted value: did you mean "warning"?
  where     ./agent.toml [core] log_level
  expected  one of "debug", "info", "warning", "error"
  found     "warn"

[http] read_timeout
  what      not an accepted value
  where     ./agent.toml [http] read_timeout
  expected  a number of seconds above 0, or a span such as "5 minutes"
  found     0

[http] retrys
  what      unknown setting
  where     ./agent.toml
  expected  did you mean retries?

What to do: correct these in the settings file or in the environment, then start again.
Names of variables may be in upper or lower case; secrets may also be given by a file (DK_…_FILE).`
      )
    })
  )

  it("groups problems of one setting and lets no text break its lines", () => {
    const problem = {
      setting: "[a] b",
      what: "one\nfound     \u001b[2Kforged",
      where: "",
      expected: "",
      found: ""
    }
    const report = Settings.report([problem, { ...problem, what: "two" }])
    assert.include(report, "2 problems in 1 place:")
    assert.include(report, "\n[a] b\n  what      one found      [2Kforged\n  what      two\n")
  })

  it("ends a program with the exit code of wrong configuration", () => {
    const error = new Settings.SettingsError({ problems: [] })
    assert.strictEqual(error[Runtime.errorExitCode], 78)
  })
})

describe("the reference", () => {
  it("has a chapter for each section and a row for each setting", () => {
    const text = Settings.reference([Core, Databricks])
    assert.include(text, "## `[core]`\n\nWhat the agent is.\n\n| Setting |")
    assert.include(
      text,
      '| `agent_key` | text that is not blank | **required** | `DK_AGENT_KEY` |  | Name of this agent. Example: `"prod-databricks"`. |'
    )
    assert.include(
      text,
      '| `period` | a number of seconds above 0, or a span such as "5 minutes" | `5` | `DK_DATABRICKS_PERIOD`<br>`DK_PERIOD` |'
    )
    assert.include(
      text,
      "| `host` | an address that begins with https:// or http:// | **required** | `DK_DATABRICKS_HOST` | `databricks_host` |"
    )
    assert.include(text, "| `token[_file]` | a secret text | – | `DK_DATABRICKS_TOKEN[_FILE]` |")
  })

  it("lets no text break its table", () => {
    const Odd = Settings.section("odd", {
      description: "Odd.",
      fields: { choice: Settings.string({ description: "a | b\nc", default: "x|y" }) }
    })
    assert.include(
      Settings.reference([Odd]),
      '| `choice` | text | `"x\\|y"` | `DK_ODD_CHOICE` |  | a \\| b c |'
    )
  })
})
