import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect } from "effect"
import * as Host from "@observability-agents/agent-databricks/Host"
import * as support from "./support/sources.ts"

const two = `
[databricks]
period = 20
jobs = ["nightly*"]

[[databricks.workspaces]]
host = "https://adb-11.1.azuredatabricks.net"
token = "canary-one"

[[databricks.workspaces]]
name = "prod"
host = "dbc-2.cloud.databricks.com"
client_id = "c"
client_secret = "canary-two"
key_prefix = "p-"
period = 60
jobs = []
`

const settingsOf = (given: support.Given) =>
  Effect.map(support.problems(given), (problems) => {
    assert.notInclude(JSON.stringify(problems), "canary")
    return problems.map(({ setting, what }) => `${setting}: ${what}`)
  })

describe("several workspaces", () => {
  it.effect(
    "have their own address, name, prefix and credentials, and share what stands in [databricks]",
    () =>
      Effect.gen(function* () {
        assert.deepStrictEqual(yield* support.problems({ toml: two }), [])
        const [one, other] = yield* support.workspaces({ toml: two })
        assert.strictEqual(one?.host, "https://adb-11.1.azuredatabricks.net")
        assert.strictEqual(one?.name, "adb-11.1")
        assert.strictEqual(one?.keyPrefix, "adb-11.1/")
        assert.deepStrictEqual(one?.credentials, { _tag: "ApiToken", token: "canary-one" })
        assert.deepStrictEqual(one?.period, Duration.seconds(20))
        assert.deepStrictEqual(one?.jobs, ["nightly*"])
        assert.strictEqual(other?.host, "https://dbc-2.cloud.databricks.com")
        assert.strictEqual(other?.name, "prod")
        assert.strictEqual(other?.keyPrefix, "p-")
        assert.strictEqual(other?.credentials["clientSecret"], "canary-two")
        assert.strictEqual(other?.credentials["tokenUrl"], "https://dbc-2.cloud.databricks.com/oidc/v1/token")
        assert.deepStrictEqual(other?.period, Duration.seconds(60))
        assert.deepStrictEqual(other?.jobs, [])
        assert.deepStrictEqual(other?.failedWatchPeriod, Duration.minutes(10))
      })
  )

  it.effect("may turn the prefix off, each for itself", () =>
    Effect.gen(function* () {
      const toml = two
        .replace('key_prefix = "p-"', 'key_prefix = ""')
        .replace("token =", 'key_prefix = ""\ntoken =')
      assert.deepStrictEqual(yield* support.problems({ toml }), [])
      const found = yield* support.workspaces({ toml })
      assert.deepStrictEqual(
        found.map(({ keyPrefix }) => keyPrefix),
        ["", ""]
      )
    })
  )

  it.effect("may be given in the environment as JSON", () =>
    Effect.gen(function* () {
      const DK_DATABRICKS_WORKSPACES = JSON.stringify([
        { host: "a.example", token: "canary-a", key_prefix: "" },
        { host: "b.example", token: "canary-b" }
      ])
      const found = yield* support.workspaces({ env: { DK_DATABRICKS_WORKSPACES } })
      assert.deepStrictEqual(
        found.map(({ credentials, host, keyPrefix }) => [host, keyPrefix, credentials["token"]]),
        [
          ["https://a.example", "", "canary-a"],
          ["https://b.example", "b/", "canary-b"]
        ]
      )
    })
  )

  it.effect("may read their tokens from files", () =>
    Effect.gen(function* () {
      const toml = `
        [[databricks.workspaces]]
        host = "a.example"
        token_file = "/run/secrets/a"
      `
      const [workspace] = yield* support.workspaces({ toml, files: { "/run/secrets/a": "canary\n" } })
      assert.strictEqual(workspace?.credentials["token"], "canary")
    })
  )

  it.effect("may each name a profile", () =>
    Effect.gen(function* () {
      const toml = `
        [[databricks.workspaces]]
        profile = "one"
        [[databricks.workspaces]]
        profile = "two"
        name = "second"
        client_secret = "canary-own"
      `
      const files = {
        [support.PROFILES]: `
          [one]
          host = one.example
          token = canary-one
          [two]
          host = two.example
          client_id = c
          client_secret = canary-profile
        `
      }
      // Left over for other tools, and nobody's business here.
      const env = { DATABRICKS_HOST: "other.example", DATABRICKS_TOKEN: "t", DATABRICKS_CLIENT_ID: "x" }
      assert.deepStrictEqual(yield* support.problems({ toml, files, env }), [])
      const found = yield* support.workspaces({ toml, files, env })
      assert.deepStrictEqual(
        found.map(({ credentials, host, name }) => [
          name,
          host,
          credentials["token"] ?? credentials["clientSecret"]
        ]),
        [
          ["one", "https://one.example", "canary-one"],
          ["second", "https://two.example", "canary-own"]
        ]
      )
      const unknown = yield* support.problems({ toml: toml.replace('"two"', '"tow"'), files })
      assert.match(unknown[0]?.where ?? "", /\[\[databricks.workspaces\]\] 2 "second" profile/)
      assert.strictEqual(unknown[0]?.expected, "one of one, two")
    })
  )

  it.effect("without credentials of their own use those that all share", () =>
    Effect.gen(function* () {
      const toml = `
        [auth_oauth]
        client_id = "c"
        client_secret = "canary"
        [[databricks.workspaces]]
        host = "a.example"
        [[databricks.workspaces]]
        host = "b.example"
      `
      assert.deepStrictEqual(yield* support.problems({ toml }), [])
      const found = yield* support.workspaces({ toml })
      assert.deepStrictEqual(
        found.map(({ credentials }) => [credentials["clientSecret"], credentials["tokenUrl"]]),
        [
          ["canary", "https://a.example/oidc/v1/token"],
          ["canary", "https://b.example/oidc/v1/token"]
        ]
      )
      const env = { DATABRICKS_CLIENT_ID: "c", DATABRICKS_CLIENT_SECRET: "canary" }
      const bare = toml.slice(toml.indexOf("[[databricks"))
      assert.deepStrictEqual(yield* support.problems({ toml: bare, env }), [])
      const [problem] = yield* support.problems({ toml: bare })
      assert.match(problem?.what ?? "", /no credentials/)
    })
  )

  it.effect("are not sent each other's token", () =>
    Effect.gen(function* () {
      const toml = `
        [[databricks.workspaces]]
        host = "a.example"
        [[databricks.workspaces]]
        host = "b.example"
      `
      const found = yield* settingsOf({ toml, env: { DK_AGENT_TOKEN: "canary" } })
      assert.lengthOf(found, 1)
      assert.match(found[0] ?? "", /one token for 2 workspaces/)
    })
  )

  it.effect("exclude a single one, and each other's address, name and prefix", () =>
    Effect.gen(function* () {
      const workspace = (more: string) => `[[databricks.workspaces]]\ntoken = "canary"\n${more}\n`
      const a = `host = "a.example"`
      assert.deepStrictEqual(
        yield* settingsOf({ toml: `[databricks]\nhost = "x.example"\n${workspace(a)}` }),
        ["[databricks] host: set though there are several workspaces in [[databricks.workspaces]]"]
      )
      assert.deepStrictEqual(
        yield* settingsOf({ toml: workspace(a), env: { DK_DATABRICKS_HOST: "x.example" } }),
        ["[databricks] host: set though there are several workspaces in [[databricks.workspaces]]"]
      )
      assert.deepStrictEqual(yield* settingsOf({ toml: `${workspace(a)}${workspace(`${a}\nname = "b"`)}` }), [
        `[[databricks.workspaces]] 2 "b" host: the same as that of [[databricks.workspaces]] 1`
      ])
      assert.deepStrictEqual(
        yield* settingsOf({ toml: `${workspace(a)}${workspace(`host = "b.example"\nname = "A"`)}` }),
        [`[[databricks.workspaces]] 2 "A" name: the same as that of [[databricks.workspaces]] 1`]
      )
      assert.deepStrictEqual(
        yield* settingsOf({
          toml: `${workspace(a)}${workspace(`host = "b.example"\nkey_prefix = "a/"`)}`
        }),
        ["[[databricks.workspaces]] 2 key_prefix: the same as that of [[databricks.workspaces]] 1"]
      )
    })
  )

  it.effect("take nothing from [databricks] that says which workspace it is", () =>
    Effect.gen(function* () {
      const workspace = `[[databricks.workspaces]]\nhost = "a.example"\ntoken = "canary"\n`
      const keys = ["key_prefix", "workspace_id", "azure_workspace_resource_id"]
      const single = keys.map((key) => `${key} = "x"`).join("\n")
      assert.deepStrictEqual(
        yield* settingsOf({ toml: `[databricks]\n${single}\n${workspace}` }),
        keys.map(
          (key) => `[databricks] ${key}: set though there are several workspaces in [[databricks.workspaces]]`
        )
      )
      const env = { DATABRICKS_WORKSPACE_ID: "5", DATABRICKS_AZURE_RESOURCE_ID: "/x" }
      assert.deepStrictEqual(yield* support.problems({ toml: workspace, env }), [])
    })
  )

  it.effect("have no prefixes by which the keys of two jobs may be the same", () =>
    Effect.gen(function* () {
      const workspaces = (...prefixes: ReadonlyArray<string>) => ({
        toml: prefixes
          .map(
            (prefix, index) =>
              `[[databricks.workspaces]]\nhost = "h${index}.example"\ntoken = "canary"\nkey_prefix = "${prefix}"\n`
          )
          .join("")
      })
      for (const [one, two] of [
        ["p", "p1"],
        ["p1", "p"],
        ["p/", "P/20"],
        ["", "7"],
        ["p", "psubmit:"]
      ] as const) {
        const [problem, ...others] = yield* settingsOf(workspaces(one, two))
        assert.match(problem ?? "", /^\[\[databricks.workspaces\]\] 2 key_prefix: .* may be the same/)
        assert.deepStrictEqual(others, [])
      }
      for (const prefixes of [
        ["p/", "p1/"],
        ["p-", "p-1-"],
        ["p", "prod"],
        ["", ""],
        ["", "p"]
      ])
        assert.deepStrictEqual(yield* settingsOf(workspaces(...prefixes)), [])
    })
  )

  it.effect("may be in other Azure clouds than their addresses tell", () =>
    Effect.gen(function* () {
      const profile = `
        [p]
        host = x.example
        azure_client_id = c
        azure_client_secret = canary
        azure_tenant_id = t
      `
      const authority = (environment: string, toml = "") =>
        Effect.map(
          support.workspaces({
            toml: `[[databricks.workspaces]]\nprofile = "p"\n${toml}`,
            files: { [support.PROFILES]: `${profile}\n${environment}` }
          }),
          ([found]) => found?.credentials["authority"]
        )
      assert.strictEqual(
        yield* authority("azure_environment = usgovernment"),
        "https://login.microsoftonline.us"
      )
      assert.strictEqual(
        yield* authority("azure_environment = public", 'azure_environment = "AzureChinaCloud"'),
        "https://login.chinacloudapi.cn"
      )
      assert.strictEqual(yield* authority(""), "https://login.microsoftonline.com")
      const wrong = `[[databricks.workspaces]]\nhost = "x.example"\ntoken = "canary"\nazure_environment = "mars"`
      const [problem] = yield* support.problems({ toml: wrong })
      assert.include(problem?.expected, 'one of "public", "usgovernment", "china"')
    })
  )

  it.effect("have no numbers where text is meant", () =>
    Effect.gen(function* () {
      const found = yield* settingsOf({ toml: `[[databricks.workspaces]]\nhost = 5\ntoken = 7\n` })
      assert.lengthOf(found, 2)
      assert.match(found[0] ?? "", /\[\[databricks.workspaces\]\] 1 host: .*a number is no address/)
      assert.match(found[1] ?? "", /\[\[databricks.workspaces\]\] 1 token: not an accepted value/)
    })
  )

  it.effect("that are the same are told once, though their names come from the address", () =>
    Effect.gen(function* () {
      const workspace = (host: string) => `[[databricks.workspaces]]\nhost = "${host}"\ntoken = "canary"\n`
      assert.deepStrictEqual(
        yield* settingsOf({ toml: workspace("a.example") + workspace("https://A.example/") }),
        ["[[databricks.workspaces]] 2 host: the same as that of [[databricks.workspaces]] 1"]
      )
    })
  )

  it.effect("may share an address where their numbers tell them apart", () =>
    Effect.gen(function* () {
      const workspace = (name: string, id: string) =>
        `[[databricks.workspaces]]\nname = "${name}"\nhost = "a.example"\ntoken = "canary"\nworkspace_id = "${id}"\n`
      assert.deepStrictEqual(yield* support.problems({ toml: workspace("a", "1") + workspace("b", "2") }), [])
      assert.lengthOf(yield* support.problems({ toml: workspace("a", "1") + workspace("b", "1") }), 1)
    })
  )

  it.effect("each need an address and clear credentials", () =>
    Effect.gen(function* () {
      const toml = `
        [[databricks.workspaces]]
        name = "one"
        token = "canary"
        [[databricks.workspaces]]
        host = "b.example"
        token = "canary"
        azure_client_secret = "canary"
        [[databricks.workspaces]]
        host = "c.example"
        client_id = "c"
        tokne = "canary"
      `
      const found = yield* settingsOf({ toml })
      assert.match(found.join("\n"), /\[\[databricks.workspaces\]\] 1 "one" host: required, but not set/)
      assert.match(found.join("\n"), /\[\[databricks.workspaces\]\] 2: credentials of more than one kind/)
      assert.match(
        found.join("\n"),
        /\[\[databricks.workspaces\]\] 3: credentials of the kind oauth-m2m are not complete/
      )
      assert.match(found.join("\n"), /\[\[databricks.workspaces\]\] 3 tokne: unknown setting/)
      const twice = (yield* support.problems({ toml })).find(({ what }) => /more than one/.test(what))
      assert.include(
        twice?.where ?? "",
        "azure-client-secret: agent.toml [[databricks.workspaces]] 2 azure_client_secret"
      )
    })
  )
})

describe("a single workspace", () => {
  it.effect("has no prefix unless it is given one, and its host's first part for a name", () =>
    Effect.gen(function* () {
      const env = { DK_DATABRICKS_HOST: "dbc-1.cloud.databricks.com", DK_AGENT_TOKEN: "t" }
      const [plain] = yield* support.workspaces({ env })
      assert.deepStrictEqual([plain?.name, plain?.keyPrefix], ["dbc-1", ""])
      const [named] = yield* support.workspaces({
        env: { ...env, DK_DATABRICKS_NAME: "prod", DK_DATABRICKS_KEY_PREFIX: "p/" }
      })
      assert.deepStrictEqual([named?.name, named?.keyPrefix], ["prod", "p/"])
    })
  )

  it.effect("takes the limit of requests from Databricks' own variable", () =>
    Effect.gen(function* () {
      const env = { DK_DATABRICKS_HOST: "x.example", DK_AGENT_TOKEN: "t" }
      const rate = (more: Record<string, string>) =>
        Effect.map(support.workspaces({ env: { ...env, ...more } }), ([found]) => found?.requestsPerSecond)
      assert.strictEqual(yield* rate({}), 10)
      assert.strictEqual(yield* rate({ DATABRICKS_RATE_LIMIT: "3" }), 3)
      assert.strictEqual(
        yield* rate({ DATABRICKS_RATE_LIMIT: "3", DK_DATABRICKS_REQUESTS_PER_SECOND: "4" }),
        4
      )
    })
  )
})

describe("Host", () => {
  it.each([
    ["https://adb-12.3.azuredatabricks.net", "adb-12.3", "azure"],
    ["https://adb-12.3.databricks.azure.cn", "adb-12.3", "azure-cn"],
    ["https://dbc-a1-b2.cloud.databricks.com", "dbc-a1-b2", "aws"],
    ["https://123.4.gcp.databricks.com", "123.4", "gcp"],
    ["https://data.example.com", "data", undefined],
    ["http://localhost:8080", "localhost:8080", undefined],
    ["http://127.0.0.1", "127.0.0.1", undefined]
  ] as const)("calls %s %s, and tells its cloud", (origin, name, cloud) => {
    assert.strictEqual(Host.nameOf(origin), name)
    assert.strictEqual(Host.cloudOf(origin), cloud)
  })
})
