import * as DatabricksAgent from "@observability-agents/agent-databricks/DatabricksAgent"
import * as Fake from "@observability-agents/agent-databricks/testing/FakeDatabricks"
import * as Fault from "@observability-agents/agent-databricks/testing/Fault"
import * as HttpFailure from "@observability-agents/toolkit/HttpFailure"
import { HttpTransport } from "@observability-agents/toolkit/HttpTransport"
import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, DateTime, Effect, Layer, References, Result } from "effect"
import { HttpClient, type HttpClientRequest } from "effect/http"
import { TestClock } from "effect/testing"

const HOST = "https://dbc-1.cloud.databricks.com"

const M2M = { clientId: "principal", clientSecret: "canary-m2m" }

const AZURE = { tenantId: "tenant-1", clientId: "application", clientSecret: "canary-azure" }

const noon = DateTime.toEpochMillis(DateTime.makeUnsafe("2026-03-01T12:00:00Z"))

type Tables = Readonly<Record<string, unknown>>

const settings = (tables: Tables) =>
  ConfigProvider.layer(
    ConfigProvider.fromUnknown({
      databricks: { host: HOST },
      http: { retries: 0, read_timeout: 5 },
      ...tables
    })
  )

/** What the check says of a workspace with these settings: its words, and its exit code where it fails. */
const checked = Effect.fnUntraced(function* (tables: Tables, transport: HttpClient.HttpClient) {
  const outcome = yield* DatabricksAgent.check.pipe(
    Effect.provide(Layer.merge(settings(tables), HttpTransport.layerClient(transport))),
    Effect.result
  )
  const said = Result.isSuccess(outcome) ? { words: outcome.success, exitCode: 0 } : told(outcome.failure)
  assert.notInclude(said.words, "canary")
  return said
})

const told = (error: { readonly message: string; readonly exitCode?: number }) => ({
  words: error.message,
  exitCode: error.exitCode
})

const quiet = Effect.provideService(References.MinimumLogLevel, "None")

const workspace = (options: Fake.Options = {}) =>
  Effect.gen(function* () {
    yield* TestClock.setTime(noon)
    return yield* Fake.make({
      host: HOST,
      token: "dapi-canary",
      oauth: M2M,
      azure: AZURE,
      basic: { username: "me", password: "canary-basic" },
      jobs: [{ name: "nightly", runs: [{ id: "5" }] }],
      ...options
    })
  })

const kinds: Readonly<Record<string, Tables>> = {
  pat: { auth_api_token: { agent_token: "dapi-canary" } },
  m2m: { auth_oauth: { client_id: M2M.clientId, client_secret: M2M.clientSecret } },
  azure: {
    auth_azure_spn: {
      client_id: AZURE.clientId,
      client_secret: AZURE.clientSecret,
      tenant_id: AZURE.tenantId
    }
  },
  basic: { auth_username_password: { agent_username: "me", agent_password: "canary-basic" } }
}

const changed = (kind: string, change: Tables): Tables =>
  Object.fromEntries(
    Object.entries(kinds[kind] ?? {}).map(([table, keys]) => [table, { ...Object(keys), ...change }])
  )

describe("the check of one workspace", () => {
  it.effect.each(Object.entries(kinds))("is content with right credentials of the kind %s", ([, tables]) =>
    Effect.gen(function* () {
      const fake = yield* workspace()
      assert.deepStrictEqual(yield* checked(tables, Fake.network([fake])), {
        words: `Jobs API 2.2 of ${HOST} answers; its newest run is 5 of "nightly", started 2026-03-01T12:00:00.000Z.`,
        exitCode: 0
      })
    }).pipe(quiet)
  )

  it.effect.each([
    [
      "pat",
      { agent_token: "dapi-canary-other" },
      /agent_token is not one of this workspace.*belongs to another/
    ],
    [
      "m2m",
      { client_secret: "canary-wrong" },
      /invalid_client.*Client id or secret in \[auth_oauth\] client_secret are wrong/
    ],
    ["m2m", { client_id: "nobody" }, /invalid_client.*Client id or secret/],
    [
      "azure",
      { client_secret: "canary-wrong" },
      /AADSTS7000215.*client secret in \[auth_azure_spn\] client_secret is wrong/
    ],
    ["azure", { tenant_id: "tenant-2" }, /no such tenant|ENOTFOUND/],
    ["azure", { client_id: "nobody" }, /AADSTS700016.*does not know the application/],
    [
      "basic",
      { agent_password: "canary-wrong" },
      /agent_password are wrong, or the workspace takes no passwords/
    ]
  ] as const)("says what is wrong with credentials of the kind %s: %j", ([kind, change, words]) =>
    Effect.gen(function* () {
      const fake = yield* workspace()
      const said = yield* checked(changed(kind, change), fake.client)
      assert.match(said.words, words)
      assert.strictEqual(said.exitCode, 77)
    }).pipe(quiet)
  )

  it.effect("says where to look when there is no sign-in service", () =>
    Effect.gen(function* () {
      const fake = yield* workspace()
      for (const reply of [
        { status: 404, body: "<title>Not found</title>" },
        { status: 200, body: "<html></html>" }
      ]) {
        yield* fake.fail(Fault.reply(reply), { call: "token" })
        const said = yield* checked(kinds["m2m"] ?? {}, fake.client)
        assert.match(
          said.words,
          /no sign-in service at that address: check host of \[databricks\] \(and token_url/
        )
        yield* fake.recover
      }
    }).pipe(quiet)
  )

  it.effect("says of a token that tells its own end that it has run out", () =>
    Effect.gen(function* () {
      const fake = yield* workspace()
      const claims = Buffer.from(JSON.stringify({ exp: noon / 1000 - 60 })).toString("base64url")
      const said = yield* checked(changed("pat", { agent_token: `canary.${claims}.canary` }), fake.client)
      assert.match(said.words, /ran out at 2026-03-01T11:59:00.000Z.*service principal/)
    }).pipe(quiet)
  )

  it.effect.each([
    [Fault.privateLink, /private link.*Run the agent in a network that has the private link/, 77],
    [Fault.loginPage, /web page \(Sign in\).*Check host of \[databricks\].*sign-in page/, 69],
    [Fault.invalidToken, /Invalid Token.*agent_token is not one of this workspace/, 77],
    [
      Fault.refused(
        403,
        "PERMISSION_DENIED",
        "Source IP address: 10.1.1.1 is blocked by Databricks IP ACL for workspace: 1"
      ),
      /IP access list/,
      77
    ],
    [Fault.refused(401, "401", "Token is expired"), /has run out: make a new one/, 77],
    [
      Fault.refused(
        403,
        "PERMISSION_DENIED",
        "User me does not have View or Admin or Manage Run or Owner permissions on job 1"
      ),
      /CAN VIEW/,
      77
    ],
    [
      Fault.reply({ status: 404, contentType: "text/html", body: "<title>Not here</title>" }),
      /no Jobs API.*Check host/,
      69
    ],
    [Fault.reply({ status: 302 }), /sends requests on to another.*private link/, 69],
    [Fault.serverError(503), /failed with 503.*tried again/, 69]
  ] as const)("says what to do about answer %#", ([fault, words, exitCode]) =>
    Effect.gen(function* () {
      const fake = yield* workspace()
      yield* fake.fail(fault, { call: "list" })
      const said = yield* checked(kinds["pat"] ?? {}, fake.client)
      assert.match(said.words, words)
      assert.strictEqual(said.exitCode, exitCode)
    }).pipe(quiet)
  )

  const failing = (failure: (request: HttpClientRequest.HttpClientRequest) => unknown) =>
    HttpClient.make((request) => Effect.fail(HttpFailure.transport(request, failure(request))))

  it.effect.each([
    [
      { code: "ENOTFOUND", message: "getaddrinfo ENOTFOUND dbc-1" },
      /The name dbc-1.cloud.databricks.com cannot be found.*DNS/
    ],
    [{ code: "EAI_AGAIN", message: "getaddrinfo EAI_AGAIN dbc-1" }, /cannot be found/],
    [
      { code: "ECONNREFUSED", message: "connect ECONNREFUSED 10.0.0.1:443" },
      /Nothing listens.*firewall and proxy/
    ],
    [
      { code: "SELF_SIGNED_CERT_IN_CHAIN", message: "self-signed certificate in certificate chain" },
      /ssl_cert_file of \[http\]/
    ],
    [
      { code: "ERR_TLS_CERT_ALTNAME_INVALID", message: "Hostname/IP does not match certificate's altnames" },
      /certificate of dbc-1/
    ],
    [{ code: "EPROTO", message: "write EPROTO ssl3_get_record:wrong version number" }, /does not speak TLS/],
    [{ code: "UND_ERR_CONNECT_TIMEOUT", message: "Connect Timeout Error" }, /does not answer.*port 443/]
  ] as const)("says what to do when the connection fails: %j", ([cause, words]) =>
    Effect.gen(function* () {
      const said = yield* checked(
        kinds["pat"] ?? {},
        failing(() => cause)
      )
      assert.match(said.words, words)
      assert.strictEqual(said.exitCode, 69)
    }).pipe(quiet)
  )

  it.effect("says which host it is when it is the sign-in service that cannot be reached", () =>
    Effect.gen(function* () {
      const cause = { code: "ENOTFOUND", message: "getaddrinfo ENOTFOUND login.microsoftonline.com" }
      const said = yield* checked(
        kinds["azure"] ?? {},
        failing(() => cause)
      )
      assert.match(said.words, /The name login.microsoftonline.com cannot be found/)
      assert.strictEqual(said.exitCode, 69)
    }).pipe(quiet)
  )

  it.effect("knows the address of an account's console", () =>
    Effect.gen(function* () {
      const fake = yield* workspace()
      yield* fake.fail(Fault.reply({ status: 404, body: "{}" }))
      for (const host of ["accounts.cloud.databricks.com", "accounts.azuredatabricks.net"]) {
        const said = yield* checked({ ...kinds["pat"], databricks: { host } }, fake.client)
        assert.match(
          said.words,
          /console of a Databricks account.*set host of \[databricks\] to the address of a workspace/
        )
      }
    }).pipe(quiet)
  )

  it.effect("says that an empty list may be a lack of permission", () =>
    Effect.gen(function* () {
      const fake = yield* workspace({ jobs: [] })
      assert.match((yield* checked(kinds["pat"] ?? {}, fake.client)).words, /CAN VIEW/)
    }).pipe(quiet)
  )
})

describe("the check of several workspaces", () => {
  it.effect("says a line of each, in their order, and fails if one does", () =>
    Effect.gen(function* () {
      const one = yield* workspace()
      const other = yield* workspace({ host: "https://dbc-2.cloud.databricks.com", token: "dapi-canary-2" })
      const tables = {
        databricks: {
          workspaces: [
            { host: HOST, token: "dapi-canary" },
            { host: "https://dbc-2.cloud.databricks.com", token: "dapi-canary-2", name: "prod" }
          ]
        }
      }
      const good = yield* checked(tables, Fake.network([one, other]))
      assert.deepStrictEqual(
        good.words.split("\n").map((line) => line.replace(/ answers.*/, "")),
        [
          `databricks dbc-1: Jobs API 2.2 of ${HOST}`,
          "databricks prod: Jobs API 2.2 of https://dbc-2.cloud.databricks.com"
        ]
      )
      yield* other.revoke
      const bad = yield* checked(tables, Fake.network([one, other]))
      assert.match(bad.words, /^databricks prod: .*\[auth_api_token\]|^databricks prod: .*token/)
      assert.strictEqual(bad.exitCode, 77)
    }).pipe(quiet)
  )
})
