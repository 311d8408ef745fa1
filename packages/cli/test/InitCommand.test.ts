import { assert, describe, it } from "@effect/vitest"
import * as Agent from "@observability-agents/core/Agent"
import * as CredentialsSections from "@observability-agents/toolkit/CredentialsSections"
import { keyOf } from "@observability-agents/toolkit/SettingsSection"
import { type Cause, Effect, FileSystem, Option, Queue, Result, type Scope, Terminal } from "effect"
import * as Toml from "effect/encoding/Toml"
import * as Agents from "../src/Agents.ts"
import { agents } from "../src/Agents.ts"
import * as InitFile from "../src/InitFile.ts"
import * as Startup from "../src/Startup.ts"
import * as Here from "./ProgramHere.ts"

const live = <E>(
  name: string,
  test: Effect.Effect<void, E, Effect.Services<ReturnType<typeof Here.run>> | Scope.Scope>
) => it.live(name, () => test.pipe(Effect.scoped, Effect.provide(Here.services)), 30_000)

const ground = Effect.gen(function* () {
  const fs = yield* FileSystem.FileSystem
  const directory = yield* fs.makeTempDirectoryScoped({ prefix: "init-command-" })
  const file = `${directory}/agent.toml`
  const run = (args: ReadonlyArray<string>) => Here.run({ args: ["init", file, ...args] })
  return { fs, directory, file, run }
})

const ANSWERS = [
  "--yes",
  "--set",
  "observability.base_url=http://observability.example:8082/api",
  "--set",
  "databricks.host=https://adb-1.example.com"
]

/** What is needed of the environment where secrets are variables. */
const SECRETS = {
  DK_OBSERVABILITY_SERVICE_ACCOUNT_KEY: "key",
  DK_AGENT_TOKEN: "",
  DK_OAUTH_CLIENT_SECRET: "",
  DK_AGENT_PASSWORD: "",
  DK_AZURE_CLIENT_SECRET: "",
  DK_AZURE_PASSWORD: ""
}

describe("observability-agent init", () => {
  for (const [kind, more, secret] of [
    ["api_token", [], "DK_AGENT_TOKEN"],
    ["oauth", ["auth_oauth.client_id=x"], "DK_OAUTH_CLIENT_SECRET"],
    ["username_password", ["auth_username_password.agent_username=x"], "DK_AGENT_PASSWORD"],
    ["azure_spn", ["auth_azure_spn.client_id=x", "auth_azure_spn.tenant_id=y"], "DK_AZURE_CLIENT_SECRET"],
    [
      "azure_basic_oauth",
      [
        "auth_azure_basic_oauth.client_id=x",
        "auth_azure_basic_oauth.tenant_id=y",
        "auth_azure_basic_oauth.username=z"
      ],
      "DK_AZURE_PASSWORD"
    ]
  ] as const) {
    live(
      `writes a file that is valid, with the variables that it names: ${kind}`,
      Effect.gen(function* () {
        const { file, run } = yield* ground
        const { exitCode, stdout } = yield* run([
          ...ANSWERS,
          "--credentials",
          kind,
          ...more.flatMap((setting) => ["--set", setting])
        ])
        assert.strictEqual(exitCode, 0)
        assert.include(stdout, "export DK_OBSERVABILITY_SERVICE_ACCOUNT_KEY=…")
        assert.include(stdout, `export ${secret}=…`)
        assert.include(stdout, `observability-agent check --config ${file}`)
        const { agent, problems } = yield* Startup.read(Agents.agents, {
          env: { ...SECRETS, [secret]: "secret" },
          file
        })
        assert.deepStrictEqual(problems, [])
        assert.strictEqual(agent?.type, "databricks")
      })
    )
  }

  live(
    "takes secrets from files, and any other setting",
    Effect.gen(function* () {
      const { directory, file, fs, run } = yield* ground
      yield* fs.writeFileString(`${directory}/key`, "key\n")
      yield* fs.writeFileString(`${directory}/token`, "token\n")
      const { exitCode, stdout } = yield* run([
        ...ANSWERS,
        "--credentials",
        "api_token",
        "--set",
        `observability.service_account_key_file=${directory}/key`,
        "--set",
        `auth_api_token.agent_token_file=${directory}/token`,
        "--set",
        "core.agent_key=production",
        "--set",
        "databricks.jobs=nightly*,1014961373700837",
        "--set",
        "status.port=8080",
        "--set",
        "core.log_level=debug"
      ])
      assert.strictEqual(exitCode, 0)
      assert.notInclude(stdout, "export")
      assert.include(stdout, "observability-agent top")
      const { problems } = yield* Startup.read(Agents.agents, { env: {}, file })
      assert.deepStrictEqual(problems, [])
      const written = Result.getOrThrow(Toml.parse(yield* fs.readFileString(file)))
      assert.deepNestedInclude(written, {
        "core.agent_key": "production",
        "core.log_level": "debug",
        "status.port": 8080,
        "databricks.jobs": ["nightly*", "1014961373700837"]
      })
    })
  )

  live(
    "says which flags are missing where nobody can be asked, all at once, and writes nothing",
    Effect.gen(function* () {
      const { directory, fs, run } = yield* ground
      const { exitCode, stderr } = yield* run([])
      assert.strictEqual(exitCode, 64)
      for (const flag of [
        "--set observability.base_url=",
        "--set databricks.host=",
        "--credentials api_token|"
      ])
        assert.include(stderr, flag)
      assert.deepStrictEqual(yield* fs.readDirectory(directory), [])
    })
  )

  live(
    "does not replace a file unless told so",
    Effect.gen(function* () {
      const { file, fs, run } = yield* ground
      yield* fs.writeFileString(file, "# mine\n")
      const args = [...ANSWERS, "--credentials", "elsewhere"]
      const refused = yield* run(args)
      assert.strictEqual(refused.exitCode, 64)
      assert.match(refused.stderr, /is there already, and was not changed.*--force/)
      assert.strictEqual(yield* fs.readFileString(file), "# mine\n")
      assert.strictEqual((yield* run([...args, "--force"])).exitCode, 0)
      assert.include(yield* fs.readFileString(file), "[databricks]")
    })
  )

  live(
    "refuses values that are not valid, settings that there are not, and secrets on the command line",
    Effect.gen(function* () {
      const { directory, fs, run } = yield* ground
      for (const [setting, words] of [
        ["core.log_level=loud", "--set core.log_level=loud is not valid: expected"],
        ["core.nothing=1", "--set core.nothing=… names no setting"],
        ["auth_api_token.agent_token=dapi-secret", "is a secret: its value does not belong on a command line"]
      ] as const) {
        const { exitCode, stderr } = yield* run([...ANSWERS, "--credentials", "api_token", "--set", setting])
        assert.strictEqual(exitCode, 64)
        assert.include(stderr, words)
        assert.notInclude(stderr, "dapi-secret")
      }
      assert.deepStrictEqual(yield* fs.readDirectory(directory), [])
    })
  )
})

describe("observability-agent init on a terminal", () => {
  /** A person who answers the questions in their order: text, or how often to go down before pressing return. */
  const person = Effect.fnUntraced(function* (answers: ReadonlyArray<string | number>) {
    const keys = yield* Queue.make<Terminal.UserInput, Cause.Done>()
    const shown: Array<string> = []
    const press = (name: string, input?: string) =>
      Queue.offer(keys, {
        input: Option.fromUndefinedOr(input),
        key: { name, ctrl: false, meta: false, shift: false }
      })
    for (const answer of answers) {
      if (typeof answer === "number") for (let index = 0; index < answer; index++) yield* press("down")
      else for (const character of answer) yield* press(character, character)
      yield* press("return", "\r")
    }
    // Nothing more is said: like the end of the input.
    yield* Queue.end(keys)
    const service = Terminal.make({
      columns: Effect.succeed(100),
      rows: Effect.succeed(40),
      size: Effect.never,
      readInput: Effect.succeed(keys),
      readLine: Effect.never,
      display: (text) => Effect.sync(() => void shown.push(text))
    })
    return { service, shown }
  })

  live(
    "asks, keeps typed secrets out of the file and off the screen, and writes what was answered",
    Effect.gen(function* () {
      const { directory, file, fs } = yield* ground
      const { service, shown } = yield* person([
        "",
        "http://observability.example:8082/api",
        2,
        "the-typed-key",
        "https://adb-1.example.com",
        0,
        2,
        "the-typed-token",
        "8080"
      ])
      const { exitCode, stdout } = yield* Effect.provideService(
        Here.run({ args: ["init", file], terminal: true, interactive: true }),
        Terminal.Terminal,
        service
      )
      assert.strictEqual(exitCode, 0)
      const { problems } = yield* Startup.read(Agents.agents, { env: {}, file })
      assert.deepStrictEqual(problems, [])
      const content = yield* fs.readFileString(file)
      for (const secret of ["the-typed-key", "the-typed-token"]) {
        assert.notInclude(content + stdout + shown.join(""), secret)
      }
      for (const name of ["service_account_key.secret", "agent_token.secret"]) {
        const { mode } = yield* fs.stat(`${directory}/${name}`)
        assert.strictEqual(mode & 0o777, 0o600)
      }
      assert.include(content, "port = 8080")
      assert.include(content, 'agent_key = "databricks-agent"')
    })
  )

  live(
    "writes nothing when it is broken off",
    Effect.gen(function* () {
      const { directory, file, fs } = yield* ground
      const { service } = yield* person(["production", "http://observability.example:8082/api"])
      const { exit, exitCode, stderr } = yield* Effect.provideService(
        Here.run({ args: ["init", file], terminal: true, interactive: true }),
        Terminal.Terminal,
        service
      )
      assert.isTrue(Here.wasInterrupted(exit))
      assert.strictEqual(exitCode, 130)
      assert.include(stderr, "Nothing was written.")
      assert.deepStrictEqual(yield* fs.readDirectory(directory), [])
    })
  )
})

describe("the file that init writes", () => {
  const sections = [...Agent.sharedSections, ...agents.flatMap((agent) => agent.sections)]

  it("shows of every setting a value that the setting takes: uncommented, it is valid", () => {
    for (const section of sections) {
      const text = InitFile.render("observability-agent", ["Head."], [{ section }], new Map())
      for (const [name, field] of Object.entries(section.fields)) {
        const key = keyOf(name, field)
        const line = text.split("\n").find((line) => line.startsWith(`# ${key} = `))
        if (line === undefined) continue
        const parsed = Result.getOrThrow(Toml.parse(line.slice(2)))
        // Numbers reach a field as text, as from a variable.
        const value = parsed[key]
        const raw = typeof value === "number" || typeof value === "boolean" ? String(value) : value
        // SAFETY: a value of TOML, with texts for numbers, is what fields read.
        const decoded = field.decode(raw as Parameters<typeof field.decode>[0])
        assert.isTrue(Result.isSuccess(decoded), `[${section.table}] ${line}`)
      }
    }
  })

  it("has no line that is too long for a terminal, but for values", () => {
    for (const section of sections) {
      const text = InitFile.render("observability-agent", ["Head."], [{ section }], new Map())
      for (const line of text.split("\n")) if (!line.includes(" = ")) assert.isAtMost(line.length, 98, line)
    }
  })

  it("writes any text so that it is read as it was", () => {
    const field = CredentialsSections.UserPasswordSettings.fields["agentUsername"]
    assert.isDefined(field)
    if (field === undefined) return
    for (const text of ['a"b', "back\\slash", "tab\tline\nfeed", "\u007f\u0001", "ünïcode 🚀", "'single'"]) {
      const line = `x = ${InitFile.literal(field, text)}`
      assert.deepStrictEqual(Result.getOrThrow(Toml.parse(line)), { x: text }, line)
    }
  })
})
