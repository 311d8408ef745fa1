import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as support from "./support/sources.ts"

const HOST = "https://x.example"

/** Host and credentials of the single workspace that is found. */
const found = (given: support.Given) =>
  Effect.map(support.workspaces(given), ([workspace, ...others]) => {
    assert.isEmpty(others)
    const told = ["_tag", "clientId", "clientSecret", "password", "token", "username"]
    const credentials = Object.entries(workspace?.credentials ?? {}).filter(([name]) => told.includes(name))
    return Object.fromEntries([["host", workspace?.host], ...credentials])
  })

const profiles = `
[DEFAULT]
host = https://default.example
token = default

[prod]
host = https://prod.example
client_id = prod-id
client_secret = prod-secret # rotated in May

[cli]
host = https://cli.example
auth_type = databricks-cli
`
const files = { [support.PROFILES]: profiles }

describe("the variables of Databricks' own tools", () => {
  it.effect("give address and credentials", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* found({ env: { DATABRICKS_HOST: "x.example", DATABRICKS_TOKEN: "t" } }), {
        host: HOST,
        _tag: "ApiToken",
        token: "t"
      })
      assert.deepStrictEqual(
        yield* found({
          env: { DATABRICKS_HOST: HOST, DATABRICKS_CLIENT_ID: "c", DATABRICKS_CLIENT_SECRET: "s" }
        }),
        { host: HOST, _tag: "OAuthClient", clientId: "c", clientSecret: "s" }
      )
      assert.deepStrictEqual(
        yield* found({
          env: { DATABRICKS_HOST: HOST, ARM_CLIENT_ID: "c", ARM_CLIENT_SECRET: "s", ARM_TENANT_ID: "t" }
        }),
        { host: HOST, _tag: "AzureServicePrincipal", clientId: "c", clientSecret: "s" }
      )
      assert.deepStrictEqual(
        yield* found({
          env: { DATABRICKS_HOST: HOST, DATABRICKS_USERNAME: "u", DATABRICKS_PASSWORD: "p" }
        }),
        { host: HOST, _tag: "UserPassword", username: "u", password: "p" }
      )
    })
  )

  it.effect("count for less than our own settings, of whatever kind these are", () =>
    Effect.gen(function* () {
      const env = { DATABRICKS_HOST: "https://other.example", DATABRICKS_TOKEN: "theirs" }
      assert.deepStrictEqual(
        yield* found({ env: { ...env, DK_DATABRICKS_HOST: HOST, DK_AGENT_TOKEN: "ours" } }),
        { host: HOST, _tag: "ApiToken", token: "ours" }
      )
      const toml = `
        [databricks]
        host = "x.example"
        [auth_oauth]
        client_id = "c"
        client_secret = "s"
      `
      assert.deepStrictEqual(yield* found({ toml, env }), {
        host: HOST,
        _tag: "OAuthClient",
        clientId: "c",
        clientSecret: "s"
      })
    })
  )

  it.effect("lend our own settings what they lack of the same kind", () =>
    Effect.gen(function* () {
      const toml = `
        [databricks]
        host = "x.example"
        [auth_oauth]
        client_id = "c"
      `
      const env = { DATABRICKS_CLIENT_SECRET: "s", DATABRICKS_TOKEN: "not meant" }
      assert.deepStrictEqual(yield* found({ toml, env }), {
        host: HOST,
        _tag: "OAuthClient",
        clientId: "c",
        clientSecret: "s"
      })
    })
  )

  it.effect("are told where they contradict each other", () =>
    Effect.gen(function* () {
      const env = { DATABRICKS_HOST: HOST, DATABRICKS_TOKEN: "canary", ARM_CLIENT_SECRET: "canary" }
      const [problem] = yield* support.problems({ env })
      assert.strictEqual(problem?.where, "pat: DATABRICKS_TOKEN; azure-client-secret: ARM_CLIENT_SECRET")
    })
  )

  it.effect("do not matter where auth_type is not ours, but credentials are set for this agent", () =>
    Effect.gen(function* () {
      const env = { DATABRICKS_HOST: HOST, DATABRICKS_AUTH_TYPE: "azure-cli" }
      const [problem] = yield* support.problems({ env })
      assert.match(problem?.what ?? "", /not supported/)
      assert.deepStrictEqual(yield* support.problems({ env: { ...env, DK_AGENT_TOKEN: "t" } }), [])
    })
  )

  it.effect("choose the sign-in host of an Azure cloud", () =>
    Effect.gen(function* () {
      const env = { DATABRICKS_HOST: HOST, ARM_CLIENT_ID: "c", ARM_CLIENT_SECRET: "s", ARM_TENANT_ID: "t" }
      const authority = (more: Record<string, string>) =>
        Effect.map(
          support.workspaces({ env: { ...env, ...more } }),
          ([workspace]) => workspace?.credentials["authority"]
        )
      assert.strictEqual(yield* authority({}), "https://login.microsoftonline.com")
      assert.strictEqual(yield* authority({ ARM_ENVIRONMENT: "CHINA" }), "https://login.chinacloudapi.cn")
      assert.strictEqual(
        yield* authority({ DATABRICKS_HOST: "https://adb-1.1.databricks.azure.us" }),
        "https://login.microsoftonline.us"
      )
    })
  )
})

describe("the profiles of ~/.databrickscfg", () => {
  it.effect("give what nobody set, from the profile DEFAULT", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* found({ files }), {
        host: "https://default.example",
        _tag: "ApiToken",
        token: "default"
      })
    })
  )

  it.effect(
    "are chosen by name, in the file, the variable or the file's own settings; DEFAULT lends nothing",
    () =>
      Effect.gen(function* () {
        const prod = {
          host: "https://prod.example",
          _tag: "OAuthClient",
          clientId: "prod-id",
          clientSecret: "prod-secret"
        }
        assert.deepStrictEqual(yield* found({ files, env: { DATABRICKS_CONFIG_PROFILE: "prod" } }), prod)
        assert.deepStrictEqual(yield* found({ files, toml: `[databricks]\nprofile = "prod"` }), prod)
        const settings = `[__settings__]\ndefault_profile = prod\n${profiles}`
        assert.deepStrictEqual(yield* found({ files: { [support.PROFILES]: settings } }), prod)
        const env = { DATABRICKS_CONFIG_FILE: "~/work.cfg", DATABRICKS_CONFIG_PROFILE: "prod" }
        assert.deepStrictEqual(yield* found({ files: { [`${support.HOME}/work.cfg`]: profiles }, env }), prod)
        const [problem] = yield* support.problems({
          files: { [support.PROFILES]: `${profiles}\n[half]\nhost = x.example` },
          env: { DATABRICKS_CONFIG_PROFILE: "half" }
        })
        assert.match(problem?.what ?? "", /no credentials/)
      })
  )

  it.effect("are left alone where an address or credentials are set and nobody named one", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* found({ files, env: { DATABRICKS_HOST: HOST, DATABRICKS_TOKEN: "t" } }), {
        host: HOST,
        _tag: "ApiToken",
        token: "t"
      })
      for (const env of [{ DATABRICKS_HOST: HOST }, { DK_DATABRICKS_HOST: HOST }]) {
        const [problem] = yield* support.problems({ files, env })
        assert.match(problem?.what ?? "", /no credentials/)
      }
      for (const env of [{ DATABRICKS_TOKEN: "t" }, { DK_AGENT_TOKEN: "t" }]) {
        const [problem] = yield* support.problems({ files, env })
        assert.strictEqual(problem?.setting, "[databricks] host")
      }
    })
  )

  it.effect("count for less than variables, attribute by attribute, when they are named", () =>
    Effect.gen(function* () {
      const env = { DATABRICKS_CONFIG_PROFILE: "prod", DATABRICKS_CLIENT_SECRET: "from the environment" }
      assert.deepStrictEqual(yield* found({ files, env }), {
        host: "https://prod.example",
        _tag: "OAuthClient",
        clientId: "prod-id",
        clientSecret: "from the environment"
      })
    })
  )

  it.effect("are told beside the variables where the two contradict each other", () =>
    Effect.gen(function* () {
      const env = { DATABRICKS_CONFIG_PROFILE: "prod", DATABRICKS_TOKEN: "canary" }
      const [problem] = yield* support.problems({ files, env })
      assert.strictEqual(
        problem?.where,
        "pat: DATABRICKS_TOKEN; oauth-m2m: ~/.databrickscfg, profile prod, key client_id, ~/.databrickscfg, profile prod, key client_secret"
      )
    })
  )

  it.effect("are missed in words that help", () =>
    Effect.gen(function* () {
      const env = { DATABRICKS_CONFIG_PROFILE: "pord" }
      const [unknown] = yield* support.problems({ files, env })
      assert.strictEqual(unknown?.expected, "one of DEFAULT, prod, cli")
      assert.strictEqual(unknown?.where, "DATABRICKS_CONFIG_PROFILE, ~/.databrickscfg")
      assert.strictEqual(unknown?.found, '"pord"')
      const [missing] = yield* support.problems({ env })
      assert.match(missing?.what ?? "", /"pord" cannot be read: the file does not exist/)
      const [elsewhere] = yield* support.problems({ env: { DATABRICKS_CONFIG_FILE: "/etc/none.cfg" } })
      assert.match(elsewhere?.what ?? "", /does not exist/)
      assert.match(elsewhere?.where ?? "", /\/etc\/none\.cfg/)
      const [forbidden] = yield* support.problems({ files: { [support.PROFILES]: false }, env })
      assert.match(forbidden?.found ?? "", /permission denied/)
    })
  )

  it.effect("say in which line they cannot be read, and nothing of it", () =>
    Effect.gen(function* () {
      const [problem] = yield* support.problems({
        files: { [support.PROFILES]: "[DEFAULT]\nhost = x\ncanary-secret" }
      })
      assert.strictEqual(problem?.where, "~/.databrickscfg, line 3")
      assert.notInclude(JSON.stringify(problem), "canary")
    })
  )

  it.effect("that a person signs in to are not supported, and that is said", () =>
    Effect.gen(function* () {
      const [problem] = yield* support.problems({ files, env: { DATABRICKS_CONFIG_PROFILE: "cli" } })
      assert.match(problem?.what ?? "", /not supported/)
      assert.strictEqual(problem?.where, "~/.databrickscfg, profile cli, key auth_type")
    })
  )

  it.effect("need not be there", () =>
    Effect.gen(function* () {
      const problems = yield* support.problems({})
      assert.sameMembers(
        problems.map(({ setting }) => setting),
        ["[databricks] host", "[credentials] kind"]
      )
    })
  )
})
