import * as Authorization from "@observability-agents/agent-databricks/Authorization"
import { Databricks } from "@observability-agents/agent-databricks/Databricks"
import * as DatabricksAuth from "@observability-agents/agent-databricks/DatabricksAuth"
import * as Credentials from "@observability-agents/toolkit/Credentials"
import { HttpTransport } from "@observability-agents/toolkit/HttpTransport"
import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Effect, Layer, Redacted, Ref, Stream, Tracer } from "effect"
import { HttpClient, HttpClientResponse } from "effect/http"
import { TestClock } from "effect/testing"

interface Asked {
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly form: string
}

/** Answers by address; what has no answer is answered 404. The addresses of tokens give t1, t2, … */
const scripted = Effect.fnUntraced(function* (
  answers: Readonly<Record<string, object | string | number | "hang">> = {}
) {
  const asked = yield* Ref.make<ReadonlyArray<Asked>>([])
  const client = HttpClient.make((request) =>
    Effect.gen(function* () {
      const form = request.body._tag === "Uint8Array" ? new TextDecoder().decode(request.body.body) : ""
      const all = yield* Ref.updateAndGet(asked, (all) => [
        ...all,
        { url: request.url, headers: { ...request.headers }, form }
      ])
      const tokens = all.filter(({ url }) => url.endsWith("/token")).length
      const answer =
        answers[request.url] ??
        (request.url.endsWith("/token")
          ? { access_token: `t${tokens}`, expires_in: "3600" }
          : request.url.includes("/api/")
            ? {}
            : 404)
      if (answer === "hang") return yield* Effect.never
      const status = typeof answer === "number" ? answer : 200
      const body = typeof answer === "object" ? JSON.stringify(answer) : String(answer)
      return HttpClientResponse.fromWeb(request, new Response(body, { status }))
    })
  )
  return { client, asked: Ref.get(asked) }
})

const HOST = "https://x.example"
const API = `${HOST}/api/2.2/jobs/runs/list`
const CONFIG = `${HOST}/.well-known/databricks-config`
const METADATA = `${HOST}/oidc/.well-known/oauth-authorization-server`

const m2m = Credentials.OAuthClient({
  clientId: "id",
  clientSecret: Redacted.make("canary"),
  tokenUrl: DatabricksAuth.tokenUrl(HOST),
  scope: "all-apis"
})

const azure = Credentials.AzureServicePrincipal({
  clientId: "id",
  clientSecret: Redacted.make("canary"),
  tenantId: "tenant",
  scope: DatabricksAuth.AZURE_SCOPE,
  authority: DatabricksAuth.AUTHORITY
})

/** Asks the Jobs API once, and gives all addresses that were asked for. */
const addresses = Effect.fnUntraced(function* (
  answers: Parameters<typeof scripted>[0],
  workspace: Partial<Authorization.Target> = {}
) {
  const { asked, client } = yield* scripted(answers)
  const authorized = yield* Authorization.make({ host: HOST, credentials: m2m, ...workspace }, { client })
  yield* authorized(client).get(API)
  return (yield* asked).map(({ url }) => url)
})

describe("the token endpoint of a Databricks service principal", () => {
  it.effect("is where the workspace says", () =>
    Effect.gen(function* () {
      const endpoint = "https://sign-in.example/oidc/v1/token"
      const asked = yield* addresses({
        [CONFIG]: { oidc_endpoint: "https://sign-in.example/oidc" },
        ["https://sign-in.example/oidc/.well-known/oauth-authorization-server"]: { token_endpoint: endpoint }
      })
      assert.deepStrictEqual(asked, [
        CONFIG,
        "https://sign-in.example/oidc/.well-known/oauth-authorization-server",
        endpoint,
        API
      ])
    })
  )

  it.effect("may be the account's, whose id the workspace or the settings tell", () =>
    Effect.gen(function* () {
      const template = "https://accounts.example/oidc/accounts/{account_id}"
      const service = (id: string) => `https://accounts.example/oidc/accounts/${id}`
      const metadata = (id: string) => ({
        [`${service(id)}/.well-known/oauth-authorization-server`]: {
          token_endpoint: `${service(id)}/v1/token`
        }
      })
      const told = { [CONFIG]: { oidc_endpoint: template, account_id: "a-1" } }
      assert.include(yield* addresses({ ...told, ...metadata("a-1") }), `${service("a-1")}/v1/token`)
      assert.include(
        yield* addresses({ ...told, ...metadata("a-2") }, { accountId: "a-2" }),
        `${service("a-2")}/v1/token`
      )
    })
  )

  it.effect("is the workspace's own where it says nothing, or nothing of use", () =>
    Effect.gen(function* () {
      const own = DatabricksAuth.tokenUrl(HOST)
      const elsewhere = { token_endpoint: "https://x.example/elsewhere/token" }
      assert.include(yield* addresses({ [METADATA]: elsewhere }), "https://x.example/elsewhere/token")
      for (const answers of [
        {},
        { [CONFIG]: 500, [METADATA]: 503 },
        { [CONFIG]: "<html>Sign in</html>", [METADATA]: "<html>Sign in</html>" },
        { [CONFIG]: {}, [METADATA]: { token_endpoint: 7 } },
        { [METADATA]: { token_endpoint: "http://x.example/oidc/v1/token" } },
        { [METADATA]: { token_endpoint: "https://me:pa55@x.example/token" } },
        { [METADATA]: { token_endpoint: "javascript:alert(1)" } }
      ]) {
        const asked = yield* addresses(answers)
        assert.deepStrictEqual(asked.slice(-2), [own, API])
      }
    })
  )

  it.effect("is not looked for where the settings name it", () =>
    Effect.gen(function* () {
      const credentials = { ...m2m, tokenUrl: "https://mine.example/token" }
      assert.deepStrictEqual(yield* addresses({}, { credentials }), ["https://mine.example/token", API])
    })
  )

  it.effect("is found although the documents never come", () =>
    Effect.gen(function* () {
      const { asked, client } = yield* scripted({ [CONFIG]: "hang", [METADATA]: "hang" })
      const authorized = yield* Authorization.make({ host: HOST, credentials: m2m }, { client })
      yield* Effect.forkChild(authorized(client).get(API))
      yield* TestClock.adjust("30 seconds")
      assert.deepStrictEqual((yield* asked).map(({ url }) => url).slice(-2), [
        DatabricksAuth.tokenUrl(HOST),
        API
      ])
    })
  )

  it.effect("is remembered while the workspace told it, and asked for again after an hour", () =>
    Effect.gen(function* () {
      const { asked, client } = yield* scripted({
        [METADATA]: { token_endpoint: "https://x.example/v2/token" },
        ["https://x.example/v2/token"]: { access_token: "short", expires_in: 600 }
      })
      const authorized = yield* Authorization.make({ host: HOST, credentials: m2m }, { client })
      const count = (url: string) => Effect.map(asked, (all) => all.filter((each) => each.url === url).length)
      for (let i = 0; i < 6; i++) {
        yield* authorized(client).get(API)
        yield* TestClock.adjust("9 minutes")
      }
      assert.strictEqual(yield* count(CONFIG), 1)
      assert.isAbove(yield* count("https://x.example/v2/token"), 4)
      yield* TestClock.adjust("1 hour")
      yield* authorized(client).get(API)
      assert.strictEqual(yield* count(CONFIG), 2)
    })
  )

  it.effect("asks for nothing before it is needed", () =>
    Effect.gen(function* () {
      const { asked, client } = yield* scripted()
      yield* Authorization.make({ host: HOST, credentials: m2m }, { client })
      assert.deepStrictEqual(yield* asked, [])
    })
  )
})

describe("an Entra service principal", () => {
  const ENTRA = "https://login.microsoftonline.com/tenant/oauth2/v2.0/token"

  it.effect("sends one token as a rule", () =>
    Effect.gen(function* () {
      const { asked, client } = yield* scripted()
      const authorized = yield* Authorization.make({ host: HOST, credentials: azure }, { client })
      yield* authorized(client).get(API)
      const all = yield* asked
      assert.deepStrictEqual(
        all.map(({ url }) => url),
        [ENTRA, API]
      )
      assert.strictEqual(all[0]?.headers["authorization"], undefined)
      assert.include(all[0]?.form ?? "", "scope=2ff814a6-3304-4ab8-85cb-cd0e6f879c1d%2F.default")
      assert.notProperty(all[1]?.headers, Authorization.MANAGEMENT_HEADER)
    })
  )

  it.effect("shows its role on the Azure resource with a second token, where one is named", () =>
    Effect.gen(function* () {
      const { asked, client } = yield* scripted()
      const authorized = yield* Authorization.make(
        { host: HOST, credentials: azure, azureWorkspaceResourceId: "/subscriptions/1" },
        { client }
      )
      yield* authorized(client).get(API)
      yield* authorized(client).get(API)
      const all = yield* asked
      assert.deepStrictEqual(
        all.map(({ url }) => url),
        [ENTRA, ENTRA, API, API]
      )
      const [own, management] = all[0]?.form.includes("2ff814a6") === true ? ["t1", "t2"] : ["t2", "t1"]
      assert.isTrue(
        all.some(({ form }) => form.includes("scope=https%3A%2F%2Fmanagement.core.windows.net%2F%2F.default"))
      )
      for (const { headers } of all.slice(2)) {
        assert.strictEqual(headers["authorization"], `Bearer ${own}`)
        assert.strictEqual(headers[Authorization.MANAGEMENT_HEADER], management)
        assert.strictEqual(headers["x-databricks-azure-workspace-resource-id"], "/subscriptions/1")
      }
    })
  )

  it.effect("asks the management service of its own cloud", () =>
    Effect.gen(function* () {
      for (const [authority, service] of [
        ["https://login.microsoftonline.us", "management.core.usgovcloudapi.net"],
        ["https://login.chinacloudapi.cn/", "management.core.chinacloudapi.cn"]
      ] as const) {
        const { asked, client } = yield* scripted()
        const authorized = yield* Authorization.make(
          { host: HOST, credentials: { ...azure, authority }, azureWorkspaceResourceId: "/s" },
          { client }
        )
        yield* authorized(client).get(API)
        assert.isTrue((yield* asked).some(({ form }) => form.includes(service)))
      }
    })
  )

  it.effect("does not show the second token where the workspace repeats it", () =>
    Effect.gen(function* () {
      const workspace = {
        name: "x",
        host: HOST,
        credentials: azure,
        azureWorkspaceResourceId: "/s",
        jobsVersion: "2.2",
        requestsPerSecond: 10
      } as const
      const client = HttpClient.make((request) => {
        const form = request.body._tag === "Uint8Array" ? new TextDecoder().decode(request.body.body) : ""
        const isToken = request.url.endsWith("/token")
        const body = isToken
          ? JSON.stringify({
              access_token: form.includes("management") ? "canary-token-2" : "canary-token-1"
            })
          : `bad request ${request.headers[Authorization.MANAGEMENT_HEADER] ?? ""}!`
        return Effect.succeed(
          HttpClientResponse.fromWeb(request, new Response(body, { status: isToken ? 200 : 400 }))
        )
      })
      const databricks = yield* Databricks.fromWorkspace(workspace).pipe(
        Effect.provide(
          Layer.merge(HttpTransport.layerClient(client), ConfigProvider.layer(ConfigProvider.fromUnknown({})))
        )
      )
      const error = yield* Effect.flip(Stream.runDrain(databricks.listRuns({})))
      assert.match(error.message, /bad request \*+!/)
      assert.notInclude(error.message, "canary-token")
    })
  )

  it.effect("does not show the second token in traces", () =>
    Effect.gen(function* () {
      const spans: Array<Tracer.Span> = []
      const tracer = Tracer.make({
        span: (options) => {
          const span = new Tracer.NativeSpan(options)
          spans.push(span)
          return span
        }
      })
      const { client } = yield* scripted({ [ENTRA]: { access_token: "canary-token" } })
      const authorized = yield* Authorization.make(
        { host: HOST, credentials: azure, azureWorkspaceResourceId: "/s" },
        { client }
      )
      yield* authorized(client)
        .get(API)
        .pipe(
          Effect.withTracer(tracer),
          Effect.provideService(HttpClient.TracerHeaderFilter, () => true)
        )
      const told = JSON.stringify(spans.map(({ attributes }) => [...attributes]))
      assert.include(told, "azure-workspace-resource-id")
      assert.notInclude(told, "canary-token")
    })
  )
})
