import { assert, describe, it } from "@effect/vitest"
import * as Access from "@observability-agents/agent-databricks/testing/Access"
import * as Fake from "@observability-agents/agent-databricks/testing/FakeDatabricks"
import * as Fault from "@observability-agents/agent-databricks/testing/Fault"
import { Effect, Schema } from "effect"
import { HttpClientRequest } from "effect/http"
import { TestClock } from "effect/testing"
import { ask, list, output, pages, runsOf, get } from "./support/asking.ts"

const LIST = "/api/2.2/jobs/runs/list"

const Token = Schema.Struct({
  access_token: Schema.optionalKey(Schema.String),
  expires_in: Schema.optionalKey(Schema.Union([Schema.String, Schema.Int])),
  error: Schema.optionalKey(Schema.String),
  error_codes: Schema.optionalKey(Schema.Array(Schema.Int)),
  token_endpoint: Schema.optionalKey(Schema.String)
})
const decodeToken = Schema.decodeUnknownSync(Schema.fromJsonString(Token))

const entra = { tenantId: "tenant", clientId: "sp", clientSecret: "s3cret" } as const

const signIn = Effect.fnUntraced(function* (
  fake: Fake.FakeDatabricks["Service"],
  path: string,
  form: Readonly<Record<string, string>>
) {
  const response = yield* fake.client.execute(
    HttpClientRequest.post(`https://login.microsoftonline.com${path}`).pipe(
      HttpClientRequest.bodyUrlParams(form)
    )
  )
  return { status: response.status, ...decodeToken(yield* response.text) }
})

describe("tokens", () => {
  it.effect("end after a while, and others may be accepted later", () =>
    Effect.gen(function* () {
      const fake = yield* Fake.make({ token: "short", tokenLifetime: "1 hour" })
      assert.strictEqual((yield* ask(fake, LIST, {}, "short")).status, 200)
      yield* TestClock.adjust("1 hour")
      const late = yield* ask(fake, LIST, {}, "short")
      assert.deepStrictEqual([late.status, late.error_code], [403, 403])
      yield* fake.grant("new")
      assert.strictEqual((yield* ask(fake, LIST, {}, "new")).status, 200)
    })
  )

  it.effect("of a service principal come from where discovery says", () =>
    Effect.gen(function* () {
      const fake = yield* Fake.make({
        oauth: { clientId: "me", clientSecret: "s3cret", tokenPath: "/oidc/v9/token" },
        expiresIn: "number"
      })
      const document = yield* fake.client.get(`${fake.host}/oidc/.well-known/oauth-authorization-server`)
      const endpoint = decodeToken(yield* document.text).token_endpoint ?? ""
      assert.strictEqual(endpoint, `${fake.host}/oidc/v9/token`)
      const response = yield* fake.client.execute(
        HttpClientRequest.post(endpoint).pipe(
          HttpClientRequest.basicAuth("me", "s3cret"),
          HttpClientRequest.bodyUrlParams({ grant_type: "client_credentials", scope: "all-apis" })
        )
      )
      const { access_token, expires_in } = decodeToken(yield* response.text)
      assert.strictEqual(expires_in, 3600)
      assert.strictEqual((yield* ask(fake, LIST, {}, access_token)).status, 200)
      const config = yield* fake.client.get(`${fake.host}/.well-known/databricks-config`)
      assert.include(yield* config.text, '"oidc_endpoint":"https://fake.cloud.databricks.com/oidc"')
    })
  )

  it.effect("of Entra need its resource or, in version 2, its scope", () =>
    Effect.gen(function* () {
      const fake = yield* Fake.make({ azure: entra })
      const form = { client_id: "sp", client_secret: "s3cret", grant_type: "client_credentials" }
      const v1 = yield* signIn(fake, "/tenant/oauth2/token", { ...form, resource: Access.AZURE_RESOURCE })
      const v2 = yield* signIn(fake, "/tenant/oauth2/v2.0/token", {
        ...form,
        scope: `${Access.AZURE_RESOURCE}/.default`
      })
      for (const { access_token } of [v1, v2]) {
        assert.strictEqual((yield* ask(fake, LIST, {}, access_token)).status, 200)
      }
      const wrong = [
        yield* signIn(fake, "/tenant/oauth2/token", { ...form, resource: "else" }),
        yield* signIn(fake, "/tenant/oauth2/v2.0/token", { ...form, scope: "all-apis" }),
        yield* signIn(fake, "/elsewhere/oauth2/v2.0/token", form),
        yield* signIn(fake, "/tenant/oauth2/v2.0/token", { ...form, client_id: "who" }),
        yield* signIn(fake, "/tenant/oauth2/v2.0/token", {
          ...form,
          client_secret: "wr0ng",
          scope: `${Access.AZURE_RESOURCE}/.default`
        })
      ]
      assert.deepStrictEqual(
        wrong.map(({ error_codes, status }) => [status, ...(error_codes ?? [])]),
        [
          [400, 500011],
          [400, 70011],
          [400, 90002],
          [400, 700016],
          [401, 7000215]
        ]
      )
    })
  )

  it.effect("of Entra need another one beside them where the principal is no user of the workspace", () =>
    Effect.gen(function* () {
      const fake = yield* Fake.make({ azure: { ...entra, workspaceResourceId: "/subscriptions/1" } })
      const form = { client_id: "sp", client_secret: "s3cret", grant_type: "client_credentials" }
      const token = (scope: string) =>
        Effect.map(
          signIn(fake, "/tenant/oauth2/v2.0/token", { ...form, scope }),
          ({ access_token = "" }) => access_token
        )
      const own = yield* token(`${Access.AZURE_RESOURCE}/.default`)
      const management = yield* token("https://management.core.windows.net//.default")
      const asked = (headers: Readonly<Record<string, string>>) =>
        Effect.map(
          fake.client.execute(
            HttpClientRequest.get(`${fake.host}${LIST}`).pipe(
              HttpClientRequest.bearerToken(own),
              HttpClientRequest.setHeaders(headers)
            )
          ),
          ({ status }) => status
        )
      const both = {
        "X-Databricks-Azure-SP-Management-Token": management,
        "X-Databricks-Azure-Workspace-Resource-Id": "/subscriptions/1"
      }
      assert.deepStrictEqual(
        [
          yield* asked({}),
          yield* asked({ ...both, "X-Databricks-Azure-Workspace-Resource-Id": "/subscriptions/2" }),
          yield* asked({ ...both, "X-Databricks-Azure-SP-Management-Token": own }),
          yield* asked(both)
        ],
        [403, 403, 403, 200]
      )
      assert.strictEqual((yield* ask(fake, LIST, {}, management)).status, 403)
    })
  )

  it.effect("are not needed by a user with a password, where those are accepted", () =>
    Effect.gen(function* () {
      const fake = yield* Fake.make({ basic: { username: "me", password: "s3cret" } })
      const asked = (password: string) =>
        fake.client.execute(
          HttpClientRequest.get(`${fake.host}${LIST}`).pipe(HttpClientRequest.basicAuth("me", password))
        )
      assert.strictEqual((yield* asked("s3cret")).status, 200)
      assert.strictEqual((yield* asked("wr0ng")).status, 401)
      yield* fake.revoke
      assert.strictEqual((yield* asked("s3cret")).status, 401)
    })
  )
})

describe("jobs that somebody may not view", () => {
  it.effect("are not in lists, and refused when asked for", () =>
    Effect.gen(function* () {
      const fake = yield* Fake.make({
        jobs: [
          { name: "open", runs: [{ id: "1" }] },
          { name: "closed", id: "77", visibleTo: ["somebody else"], runs: [{ id: "2" }] }
        ]
      })
      assert.deepStrictEqual(yield* pages(fake), [["1"]])
      const refused = yield* ask(fake, "/api/2.2/jobs/runs/get", { run_id: "2" })
      assert.deepStrictEqual([refused.status, refused.error_code], [403, "PERMISSION_DENIED"])
      assert.match(refused.message ?? "", /permissions on job 77/)
    })
  )
})

describe("a limit on requests", () => {
  it.effect("answers 429 when its bucket is empty, and fills again", () =>
    Effect.gen(function* () {
      const fake = yield* Fake.make({ requestsPerSecond: 2 })
      const statuses = Effect.forEach([1, 2, 3], () => Effect.map(list(fake), ({ status }) => status))
      assert.deepStrictEqual(yield* statuses, [200, 200, 429])
      assert.strictEqual((yield* list(fake)).headers["retry-after"], "1")
      yield* TestClock.adjust("500 millis")
      assert.deepStrictEqual(yield* statuses, [200, 429, 429])
    })
  )
})

describe("faults", () => {
  it.effect("strike for a time, and after a time", () =>
    Effect.gen(function* () {
      const fake = yield* Fake.make()
      yield* fake.fail(Fault.serverError(), { after: "1 minute", for: "1 minute" })
      const statuses: Array<number> = []
      for (let minute = 0; minute < 3; minute++) {
        statuses.push((yield* list(fake)).status)
        yield* TestClock.adjust("1 minute")
      }
      assert.deepStrictEqual(statuses, [200, 500, 200])
    })
  )

  it.effect("strike one run, also when it is asked for by its tasks", () =>
    Effect.gen(function* () {
      const fake = yield* Fake.make()
      const [one, two] = [yield* fake.run("job"), yield* fake.run("job")]
      const task = (yield* get(fake, one)).tasks[0]?.run_id
      yield* fake.fail(Fault.serverError(), { run: one })
      assert.strictEqual((yield* output(fake, task)).status, 500)
      assert.strictEqual((yield* ask(fake, "/api/2.2/jobs/runs/get", { run_id: one })).status, 500)
      assert.strictEqual((yield* get(fake, two)).run_id, two)
      assert.lengthOf(runsOf(yield* list(fake)), 2)
    })
  )

  it.effect("are told in all the ways of the service", () =>
    Effect.gen(function* () {
      const fake = yield* Fake.make()
      const told: Array<string> = []
      for (const fault of [
        Fault.requestLimitExceeded,
        Fault.invalidToken,
        Fault.gateway(504),
        Fault.refused(403, "PERMISSION_DENIED", "no"),
        Fault.noSuchRun("7"),
        Fault.noSuchRun("7", 404),
        Fault.privateLink,
        Fault.circular
      ]) {
        yield* fake.fail(fault, { times: 1 })
        const { error_code, next_page_token, status, text, url } = yield* list(fake)
        told.push(
          `${status} ${error_code ?? (next_page_token === undefined ? text.slice(0, 13) : "token")} ${new URL(url).search}`.trim()
        )
      }
      assert.deepStrictEqual(told, [
        "400 REQUEST_LIMIT_EXCEEDED",
        "400 Invalid Token",
        "504 <html><head><",
        "403 PERMISSION_DENIED",
        "400 INVALID_PARAMETER_VALUE",
        "404 RESOURCE_DOES_NOT_EXIST",
        "200 <!doctype htm ?error=private-link-validation-error:1",
        "200 token"
      ])
    })
  )
})

describe("several workspaces", () => {
  it.effect("are reached by their hosts, and sign-in by its tenant", () =>
    Effect.gen(function* () {
      const a = yield* Fake.make({ host: "https://a.example", jobs: [{ name: "job", runs: [{ id: "1" }] }] })
      const b = yield* Fake.make({ host: "https://b.example", token: "other", azure: entra })
      const client = Fake.network([a, b])
      const statuses = Effect.forEach(["https://a.example", "https://b.example"], (host) =>
        Effect.map(
          client.execute(HttpClientRequest.get(host + LIST).pipe(HttpClientRequest.bearerToken("other"))),
          ({ status }) => status
        )
      )
      assert.deepStrictEqual(yield* statuses, [403, 200])
      assert.deepStrictEqual([yield* a.count(), yield* b.count()], [1, 1])
      yield* client.post("https://login.microsoftonline.com/tenant/oauth2/v2.0/token")
      assert.strictEqual(yield* b.count("token"), 1)
      const nowhere = yield* Effect.flip(client.get("https://c.example/"))
      assert.match(String(nowhere.cause ?? nowhere.reason.cause), /ENOTFOUND c\.example/)
    })
  )
})
