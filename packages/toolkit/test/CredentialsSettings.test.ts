import * as CredentialsSettings from "@observability-agents/toolkit/CredentialsSettings"
import type * as Credentials from "@observability-agents/toolkit/Credentials"
import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Effect, Redacted } from "effect"
import { sources } from "./SettingsFixture.ts"
import * as Settings from "../src/Settings.ts"

interface Given {
  readonly toml?: string
  readonly env?: Readonly<Record<string, string>>
}

const load = Effect.fnUntraced(function* (
  given: Given,
  options: CredentialsSettings.Options = {},
  defaults: CredentialsSettings.Defaults = {}
) {
  const settings = CredentialsSettings.forTool(options)
  return yield* settings
    .load(defaults)
    .pipe(Effect.provide(Settings.layer(yield* sources(given), settings.sections)))
})

const problems = Effect.fnUntraced(function* (given: Given, options: CredentialsSettings.Options = {}) {
  return Settings.validate(yield* sources(given), CredentialsSettings.forTool(options).sections)
})

/** Credentials with their secrets uncovered, to compare. */
const uncovered = (credentials: Credentials.Credentials) =>
  Object.fromEntries(
    Object.entries(credentials).map(([name, value]) => [
      name,
      Redacted.isRedacted(value) ? Redacted.value(value) : value
    ])
  )

const AUTHORITY = "https://login.microsoftonline.com"

const cases: ReadonlyArray<
  [CredentialsSettings.Kind, Record<string, string>, string, Record<string, string>]
> = [
  [
    "api_token",
    { DK_AGENT_TOKEN: "canary" },
    `[auth_api_token]
     agent_token = "canary"`,
    { _tag: "ApiToken", token: "canary" }
  ],
  [
    "username_password",
    { DK_AGENT_USERNAME: "me", DK_AGENT_PASSWORD: "canary" },
    `[auth_username_password]
     agent_username = "me"
     agent_password = "canary"`,
    { _tag: "UserPassword", username: "me", password: "canary" }
  ],
  [
    "azure_spn",
    {
      DK_AZURE_CLIENT_ID: "c",
      DK_AZURE_CLIENT_SECRET: "canary",
      DK_AZURE_TENANT_ID: "t",
      DK_AZURE_SCOPE: "s"
    },
    `[auth_azure_spn]
     client_id = "c"
     client_secret = "canary"
     tenant_id = "t"
     scope = "s"`,
    {
      _tag: "AzureServicePrincipal",
      clientId: "c",
      clientSecret: "canary",
      tenantId: "t",
      scope: "s",
      authority: AUTHORITY
    }
  ],
  [
    "azure_basic_oauth",
    {
      DK_AZURE_CLIENT_ID: "c",
      DK_AZURE_USERNAME: "me",
      DK_AZURE_PASSWORD: "canary",
      DK_AZURE_TENANT_ID: "t",
      DK_AZURE_AUTHORITY: "https://login.microsoftonline.us/"
    },
    `[auth_azure_basic_oauth]
     client_id = "c"
     username = "me"
     password = "canary"
     tenant_id = "t"
     authority = "https://login.microsoftonline.us"`,
    {
      _tag: "AzureUserPassword",
      clientId: "c",
      username: "me",
      password: "canary",
      tenantId: "t",
      scope: "",
      authority: "https://login.microsoftonline.us"
    }
  ],
  [
    "oauth",
    {
      DK_OAUTH_CLIENT_ID: "c",
      DK_OAUTH_CLIENT_SECRET: "canary",
      DK_OAUTH_TOKEN_URL: "https://h/token",
      DK_OAUTH_SCOPE: "all"
    },
    `[auth_oauth]
     client_id = "c"
     client_secret = "canary"
     token_url = "https://h/token"
     scope = "all"`,
    { _tag: "OAuthClient", clientId: "c", clientSecret: "canary", tokenUrl: "https://h/token", scope: "all" }
  ]
]

describe("CredentialsSettings", () => {
  for (const [kind, env, toml, expected] of cases) {
    it.effect(`read ${kind} from variables and from the file`, () =>
      Effect.gen(function* () {
        for (const given of [{ env }, { toml }]) {
          assert.deepStrictEqual(yield* problems(given), [])
          assert.deepStrictEqual(uncovered(yield* load(given)), expected)
        }
      })
    )
  }

  it.effect("read under any ConfigProvider", () =>
    Effect.gen(function* () {
      const provider = ConfigProvider.fromUnknown({ auth_api_token: { agent_token: "canary" } })
      const credentials = yield* CredentialsSettings.load().pipe(
        Effect.provideService(ConfigProvider.ConfigProvider, provider)
      )
      assert.deepStrictEqual(uncovered(credentials), { _tag: "ApiToken", token: "canary" })
      const none = ConfigProvider.fromUnknown({})
      const error = yield* CredentialsSettings.load().pipe(
        Effect.provideService(ConfigProvider.ConfigProvider, none),
        Effect.flip
      )
      assert.include(error.message, "no credentials are set")
    })
  )

  it.effect("take the tool's scopes and token endpoint where none is set", () =>
    Effect.gen(function* () {
      const defaults = { tokenUrl: "https://tool/token", scope: "all", azureScope: "tool/.default" }
      const oauth = { env: { DK_OAUTH_CLIENT_ID: "c", DK_OAUTH_CLIENT_SECRET: "canary" } }
      assert.deepStrictEqual(uncovered(yield* load(oauth, { hasTokenUrl: true }, defaults)), {
        _tag: "OAuthClient",
        clientId: "c",
        clientSecret: "canary",
        tokenUrl: "https://tool/token",
        scope: "all"
      })
      const env = { DK_AZURE_CLIENT_ID: "c", DK_AZURE_CLIENT_SECRET: "canary", DK_AZURE_TENANT_ID: "t" }
      assert.strictEqual(uncovered(yield* load({ env }, {}, defaults))["scope"], "tool/.default")
    })
  )

  it.effect("tell when nothing is set, with everything that can be", () =>
    Effect.gen(function* () {
      const found = yield* problems({})
      assert.strictEqual(found.length, 1)
      assert.strictEqual(found[0]?.what, "no credentials are set")
      assert.deepStrictEqual(Settings.report(found).split("\n").slice(2, -3), [
        "[credentials] kind",
        "  what      no credentials are set",
        "  expected  the settings of one kind, as variables or in the settings file:",
        "            - api_token: DK_AGENT_TOKEN, or [auth_api_token] agent_token",
        "            - username_password: DK_AGENT_USERNAME, DK_AGENT_PASSWORD, or [auth_username_password] agent_username, agent_password",
        "            - azure_spn: DK_AZURE_CLIENT_ID, DK_AZURE_CLIENT_SECRET, DK_AZURE_TENANT_ID, or [auth_azure_spn] client_id, client_secret, tenant_id",
        "            - azure_basic_oauth: DK_AZURE_CLIENT_ID, DK_AZURE_USERNAME, DK_AZURE_PASSWORD, DK_AZURE_TENANT_ID, or [auth_azure_basic_oauth] client_id, username, password, tenant_id",
        "            - oauth: DK_OAUTH_CLIENT_ID, DK_OAUTH_CLIENT_SECRET, DK_OAUTH_TOKEN_URL, or [auth_oauth] client_id, client_secret, token_url"
      ])
    })
  )

  it.effect("tell two kinds at once, naming both and where each was set", () =>
    Effect.gen(function* () {
      const given = { toml: cases[0]?.[2] ?? "", env: cases[1]?.[1] ?? {} }
      const found = yield* problems(given)
      assert.strictEqual(found.length, 1)
      assert.strictEqual(found[0]?.what, "credentials of more than one kind are set")
      assert.strictEqual(
        found[0]?.where,
        "api_token: ./agent.toml [auth_api_token] agent_token; username_password: DK_AGENT_USERNAME, DK_AGENT_PASSWORD"
      )
      assert.include(found[0]?.expected, '"api_token" or "username_password"')
      assert.notInclude(JSON.stringify(found), "canary")
      const error = yield* Effect.flip(load(given))
      assert.include(error.message, "credentials of more than one kind are set")
    })
  )

  it.effect("let kind choose among several, and then leave the others alone", () =>
    Effect.gen(function* () {
      const env = { ...cases[0]?.[1], DK_AGENT_USERNAME: "left over", DK_CREDENTIALS_KIND: "api_token" }
      assert.deepStrictEqual(yield* problems({ env }), [])
      assert.strictEqual((yield* load({ env }))._tag, "ApiToken")
      const toml = `[credentials]
        kind = "username_password"`
      const found = yield* problems({ toml, env: cases[0]?.[1] ?? {} })
      assert.deepStrictEqual(
        found.map(({ setting }) => setting),
        ["[auth_username_password] agent_username", "[auth_username_password] agent_password"]
      )
    })
  )

  it.effect("tell the two Azure kinds apart by what only one of them has", () =>
    Effect.gen(function* () {
      const env = { ...cases[2]?.[1], ...cases[3]?.[1] }
      const found = yield* problems({ env })
      assert.deepStrictEqual(
        found.map(({ what, where }) => [what, where]),
        [
          [
            "credentials of more than one kind are set",
            "azure_spn: DK_AZURE_CLIENT_SECRET; azure_basic_oauth: DK_AZURE_USERNAME, DK_AZURE_PASSWORD"
          ]
        ]
      )
      const chosen = yield* load({ env: { ...env, DK_CREDENTIALS_KIND: "azure_basic_oauth" } })
      assert.strictEqual(chosen._tag, "AzureUserPassword")
    })
  )

  it.effect("tell what is missing from a kind that was begun", () =>
    Effect.gen(function* () {
      const found = yield* problems({ env: { DK_AZURE_CLIENT_SECRET: "canary" } })
      assert.deepStrictEqual(
        found.map(({ setting, expected, found }) => [setting, expected, found]),
        [
          [
            "[auth_azure_spn] client_id",
            "DK_AZURE_CLIENT_ID ([auth_azure_spn] client_id)",
            "nothing, though DK_AZURE_CLIENT_SECRET is set"
          ],
          [
            "[auth_azure_spn] tenant_id",
            "DK_AZURE_TENANT_ID ([auth_azure_spn] tenant_id)",
            "nothing, though DK_AZURE_CLIENT_SECRET is set"
          ]
        ]
      )
      const oauth = { DK_OAUTH_CLIENT_ID: "c", DK_OAUTH_CLIENT_SECRET: "canary" }
      assert.deepStrictEqual(
        (yield* problems({ env: oauth })).map(({ setting }) => setting),
        ["[auth_oauth] token_url"]
      )
      assert.deepStrictEqual(yield* problems({ env: oauth }, { hasTokenUrl: true }), [])
    })
  )

  it.effect("tell a kind that the tool does not accept, and which it does", () =>
    Effect.gen(function* () {
      const options: CredentialsSettings.Options = { kinds: ["username_password", "azure_spn"] }
      const found = yield* problems({ env: { DK_AGENT_TOKEN: "canary" } }, options)
      assert.deepStrictEqual(
        found.map(({ what, where, expected, found }) => [what, where, expected, found]),
        [
          [
            "the tool does not accept this kind of credentials",
            "DK_AGENT_TOKEN",
            '"username_password" or "azure_spn"',
            "api_token"
          ]
        ]
      )
      const chosen = yield* problems({ env: { ...cases[1]?.[1], DK_CREDENTIALS_KIND: "oauth" } }, options)
      assert.deepStrictEqual(
        chosen.map(({ where, found }) => [where, found]),
        [["DK_CREDENTIALS_KIND", "oauth"]]
      )
    })
  )

  it.effect("take the one kind that the tool accepts when variables of another are left over", () =>
    Effect.gen(function* () {
      const env = { ...cases[0]?.[1], ...cases[1]?.[1] }
      const credentials = yield* load({ env }, { kinds: ["username_password"] })
      assert.strictEqual(credentials._tag, "UserPassword")
    })
  )

  it.effect("do not show a secret in what is listed", () =>
    Effect.gen(function* () {
      for (const [, env] of cases) {
        const read = yield* sources({ env })
        const shown = CredentialsSettings.sections.map((section) => Settings.resolve(read, section))
        assert.notInclude(JSON.stringify(shown), "canary")
      }
    })
  )

  it.effect(
    "may be left out where the tool's other settings have them, but must be whole where they are set",
    () =>
      Effect.gen(function* () {
        const options = { isNeeded: () => false }
        assert.deepStrictEqual(yield* problems({}, options), [])
        assert.lengthOf(yield* problems({ env: { DK_AGENT_USERNAME: "me" } }, options), 1)
        assert.lengthOf(yield* problems({ env: { DK_CREDENTIALS_KIND: "api_token" } }, options), 1)
        assert.lengthOf(yield* problems({}, { isNeeded: () => true }), 1)
      })
  )

  it.effect("tell of the other places that a tool looks for them in", () =>
    Effect.gen(function* () {
      const [problem] = yield* problems({}, { otherPlaces: ["or a profile of its own"] })
      assert.match(problem?.expected ?? "", /or a profile of its own$/)
    })
  )
})
