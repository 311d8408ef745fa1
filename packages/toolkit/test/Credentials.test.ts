import * as Credentials from "@observability-agents/toolkit/Credentials"
import * as HttpAnswer from "@observability-agents/toolkit/HttpAnswer"
import * as HttpFailure from "@observability-agents/toolkit/HttpFailure"
import * as HttpPolicy from "@observability-agents/toolkit/HttpPolicy"
import * as HttpSettings from "@observability-agents/toolkit/HttpSettings"
import { assert, describe, it } from "@effect/vitest"
import { Cause, Deferred, Effect, Fiber, Redacted, Ref, Tracer } from "effect"
import { TestClock } from "effect/testing"
import { HttpClient, type HttpClientError, HttpClientResponse } from "effect/http"
import * as NodeUtil from "node:util"

interface Asked {
  readonly url: string
  readonly authorization: string | undefined
  readonly form: string
}

type Answer = (count: number) => Response | Effect.Effect<Response, HttpClientError.HttpClientError>

/** A tool and a token endpoint (whatever is at a path ending in /token) in one client, which remembers what it was asked. */
const fake = Effect.fnUntraced(function* (options: { readonly token?: Answer; readonly tool?: Answer } = {}) {
  const token = yield* Ref.make<ReadonlyArray<Asked>>([])
  const tool = yield* Ref.make<ReadonlyArray<Asked>>([])
  const client = HttpClient.make((request) =>
    Effect.gen(function* () {
      const [seen, answers] = request.url.endsWith("/token")
        ? [token, options.token ?? tokens()]
        : [tool, options.tool ?? (() => new Response("data"))]
      const asked = {
        url: request.url,
        authorization: request.headers["authorization"],
        form: request.body._tag === "Uint8Array" ? new TextDecoder().decode(request.body.body) : ""
      }
      const count = yield* Ref.modify(seen, (all) => [all.length + 1, [...all, asked]])
      const answer = answers(count)
      return HttpClientResponse.fromWeb(request, Effect.isEffect(answer) ? yield* answer : answer)
    })
  )
  return { client, token: Ref.get(token), tool: Ref.get(tool) }
})

const json = (body: unknown, status = 200) => new Response(JSON.stringify(body), { status })

/** Tokens t1, t2, … */
const tokens =
  (expires_in: unknown = 3600): Answer =>
  (count) =>
    json({ access_token: `t${count}`, token_type: "Bearer", expires_in })

const SECRET = "canary+secret/ü"

const oauth = Credentials.OAuthClient({
  clientId: "client:1",
  clientSecret: Redacted.make(SECRET),
  tokenUrl: "https://tool.test/oidc/v1/token",
  scope: "all-apis"
})

const spn = Credentials.AzureServicePrincipal({
  clientId: "client-1",
  clientSecret: Redacted.make(SECRET),
  tenantId: "tenant 1",
  scope: "tool/.default",
  authority: "https://login.microsoftonline.com/"
})

const ropc = Credentials.AzureUserPassword({
  clientId: "client-1",
  username: "me@example.com",
  password: Redacted.make(SECRET),
  tenantId: "t",
  scope: "",
  authority: "https://login.microsoftonline.us"
})

const URL_OF_TOOL = "https://tool.test/api/runs"

const get = (client: HttpClient.HttpClient) =>
  Effect.map(client.get(URL_OF_TOOL), (response) => response.status)

const authorized = Effect.fnUntraced(function* (
  credentials: Credentials.Credentials,
  client: HttpClient.HttpClient,
  options: Partial<Credentials.Options> = {}
) {
  const authorize = yield* Credentials.authorize(credentials, { client, ...options })
  return authorize(client)
})

const headers = (asked: ReadonlyArray<Asked>) => asked.map(({ authorization }) => authorization)

describe("Credentials.authorize with fixed credentials", () => {
  it.effect("sends a token as bearer token", () =>
    Effect.gen(function* () {
      const { client, tool } = yield* fake()
      yield* get(yield* authorized(Credentials.ApiToken({ token: Redacted.make("abc") }), client))
      assert.deepStrictEqual(headers(yield* tool), ["Bearer abc"])
    })
  )

  it.effect("sends user name and password by HTTP Basic", () =>
    Effect.gen(function* () {
      const { client, tool } = yield* fake()
      const credentials = Credentials.UserPassword({ username: "me", password: Redacted.make("p:ü") })
      yield* get(yield* authorized(credentials, client))
      assert.deepStrictEqual(headers(yield* tool), [`Basic ${Buffer.from("me:p:ü").toString("base64")}`])
    })
  )

  it.effect("passes a 401 on at once", () =>
    Effect.gen(function* () {
      const { client, tool } = yield* fake({ tool: () => new Response("no", { status: 401 }) })
      const status = yield* get(
        yield* authorized(Credentials.ApiToken({ token: Redacted.make("abc") }), client)
      )
      assert.strictEqual(status, 401)
      assert.strictEqual((yield* tool).length, 1)
    })
  )
})

describe("Credentials.authorize with a token endpoint", () => {
  it.effect("asks as an OAuth client with its id and secret in the header", () =>
    Effect.gen(function* () {
      const { client, token, tool } = yield* fake()
      yield* get(yield* authorized(oauth, client))
      const encoded = Buffer.from("client%3A1:canary%2Bsecret%2F%C3%BC").toString("base64")
      assert.deepStrictEqual(yield* token, [
        {
          url: "https://tool.test/oidc/v1/token",
          authorization: `Basic ${encoded}`,
          form: "grant_type=client_credentials&scope=all-apis"
        }
      ])
      assert.deepStrictEqual(headers(yield* tool), ["Bearer t1"])
    })
  )

  it.effect("looks up the token endpoint before each question, where that is said", () =>
    Effect.gen(function* () {
      const { client, token } = yield* fake({ token: tokens(600) })
      const looked = yield* Ref.make(0)
      const endpoint = Effect.map(
        Ref.updateAndGet(looked, (count) => count + 1),
        (count) => `https://sign-in.test/${count}/token`
      )
      const http = yield* authorized(oauth, client, { endpoint })
      yield* get(http)
      yield* get(http)
      assert.strictEqual(yield* Ref.get(looked), 1)
      yield* TestClock.adjust("20 minutes")
      yield* get(http)
      assert.deepStrictEqual(
        (yield* token).map(({ url }) => url),
        ["https://sign-in.test/1/token", "https://sign-in.test/2/token"]
      )
    })
  )

  it.effect("gives the tokens themselves, for headers of another name", () =>
    Effect.gen(function* () {
      const { client, token } = yield* fake()
      const source = yield* Credentials.tokens(spn, { client })
      assert.strictEqual(Redacted.value((yield* source.get).value), "t1")
      assert.strictEqual(Redacted.value((yield* source.get).value), "t1")
      assert.lengthOf(yield* token, 1)
    })
  )

  it.effect("asks Entra's token endpoint as a service principal", () =>
    Effect.gen(function* () {
      const { client, token } = yield* fake()
      yield* get(yield* authorized(spn, client))
      assert.deepStrictEqual(yield* token, [
        {
          url: "https://login.microsoftonline.com/tenant%201/oauth2/v2.0/token",
          authorization: undefined,
          form: "grant_type=client_credentials&client_id=client-1&client_secret=canary%2Bsecret%2F%C3%BC&scope=tool%2F.default"
        }
      ])
    })
  )

  it.effect("asks Entra's token endpoint as a user with a password", () =>
    Effect.gen(function* () {
      const { client, token } = yield* fake()
      yield* get(yield* authorized(ropc, client))
      assert.deepStrictEqual(yield* token, [
        {
          url: "https://login.microsoftonline.us/t/oauth2/v2.0/token",
          authorization: undefined,
          form: "grant_type=password&client_id=client-1&username=me%40example.com&password=canary%2Bsecret%2F%C3%BC"
        }
      ])
    })
  )

  it.effect("asks for nothing before the first request", () =>
    Effect.gen(function* () {
      const { client, token } = yield* fake()
      yield* authorized(oauth, client)
      assert.deepStrictEqual(yield* token, [])
    })
  )

  it.effect("asks once for many concurrent requests", () =>
    Effect.gen(function* () {
      const gate = yield* Deferred.make<void>()
      const answer: Answer = () =>
        Effect.as(Deferred.await(gate), json({ access_token: "t1", expires_in: 3600 }))
      const { client, token, tool } = yield* fake({ token: answer })
      const http = yield* authorized(oauth, client)
      const fiber = yield* Effect.forkChild(
        Effect.all(
          Array.from({ length: 50 }, () => get(http)),
          { concurrency: 50 }
        )
      )
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(yield* tool, [])
      yield* Deferred.succeed(gate, undefined)
      yield* Fiber.join(fiber)
      assert.strictEqual((yield* token).length, 1)
      assert.deepStrictEqual(
        headers(yield* tool),
        Array.from({ length: 50 }, () => "Bearer t1")
      )
    })
  )

  it.effect("lets another request ask when the one that asked was interrupted", () =>
    Effect.gen(function* () {
      const answer: Answer = (count) =>
        count === 1 ? Effect.never : json({ access_token: "t2", expires_in: 3600 })
      const { client, tool } = yield* fake({ token: answer })
      const http = yield* authorized(oauth, client)
      const first = yield* Effect.forkChild(get(http))
      const second = yield* Effect.forkChild(get(http))
      yield* TestClock.adjust("1 second")
      yield* Fiber.interrupt(first)
      assert.strictEqual(yield* Fiber.join(second), 200)
      assert.deepStrictEqual(headers(yield* tool), ["Bearer t2"])
    })
  )

  // life in seconds, and the age in seconds from which on a token is renewed
  const lives: ReadonlyArray<[string, unknown, number]> = [
    ["five minutes early", 3600, 3300],
    ["five minutes early when the life is told as a string", "3600", 3300],
    ["at half its life when that is short", 500, 250],
    ["forty seconds early when it is very short", 60, 20],
    ["after half of ten minutes when no life is told", null, 300],
    ["after half of ten minutes when the life is nonsense", "soon", 300]
  ]
  for (const [when, life, age] of lives) {
    it.effect(`renews a token ${when}`, () =>
      Effect.gen(function* () {
        const { client, tool } = yield* fake({ token: tokens(life) })
        const http = yield* authorized(oauth, client)
        yield* get(http)
        yield* TestClock.adjust(`${age - 1} seconds`)
        yield* get(http)
        yield* TestClock.adjust("1 second")
        yield* get(http)
        assert.deepStrictEqual(headers(yield* tool), ["Bearer t1", "Bearer t1", "Bearer t2"])
      })
    )
  }

  it.effect("renews as early as it is told to, but never later than forty seconds before the end", () =>
    Effect.gen(function* () {
      for (const [refreshAhead, age] of [
        ["10 minutes", 3000],
        ["1 second", 3560]
      ] as const) {
        const { client, token } = yield* fake()
        const http = yield* authorized(oauth, client, { refreshAhead })
        yield* get(http)
        yield* TestClock.adjust(`${age - 1} seconds`)
        yield* get(http)
        assert.strictEqual((yield* token).length, 1)
        yield* TestClock.adjust("1 second")
        yield* get(http)
        assert.strictEqual((yield* token).length, 2)
      }
    })
  )

  it.effect("goes on with a valid token while it cannot be renewed, trying once a minute", () =>
    Effect.gen(function* () {
      const answer: Answer = (count) =>
        count === 1 ? json({ access_token: "t1", expires_in: 3600 }) : json({ error: "busy" }, 503)
      const { client, token, tool } = yield* fake({ token: answer })
      const settings = { ...HttpSettings.defaults, retries: 0 }
      const http = yield* authorized(oauth, client, { settings })
      yield* get(http)
      yield* TestClock.adjust("3300 seconds")
      for (let i = 0; i < 26; i++) {
        assert.strictEqual(yield* get(http), 200)
        yield* TestClock.adjust("10 seconds")
      }
      assert.strictEqual((yield* token).length, 6)
      assert.deepStrictEqual(new Set(headers(yield* tool)), new Set(["Bearer t1"]))
      const error = yield* Effect.flip(get(http))
      assert.strictEqual(Credentials.failureOf(error)?.reason, "Unavailable")
    })
  )

  it.effect("renews the token once after a 401 and repeats the request", () =>
    Effect.gen(function* () {
      const answer: Answer = (count) => new Response("x", { status: count === 1 ? 401 : 200 })
      const { client, token, tool } = yield* fake({ tool: answer })
      assert.strictEqual(yield* get(yield* authorized(oauth, client)), 200)
      assert.strictEqual((yield* token).length, 2)
      assert.deepStrictEqual(headers(yield* tool), ["Bearer t1", "Bearer t2"])
    })
  )

  it.effect("passes a second 401 on", () =>
    Effect.gen(function* () {
      const { client, token, tool } = yield* fake({ tool: () => new Response("x", { status: 401 }) })
      assert.strictEqual(yield* get(yield* authorized(oauth, client)), 401)
      assert.strictEqual((yield* token).length, 2)
      assert.strictEqual((yield* tool).length, 2)
    })
  )

  it.effect("renews once for many concurrent requests that are answered 401", () =>
    Effect.gen(function* () {
      const answer: Answer = (count) => new Response("x", { status: count <= 20 ? 401 : 200 })
      const { client, token } = yield* fake({ tool: answer })
      const http = yield* authorized(oauth, client)
      const statuses = yield* Effect.all(
        Array.from({ length: 20 }, () => get(http)),
        { concurrency: 20 }
      )
      assert.deepStrictEqual(new Set(statuses), new Set([200]))
      assert.strictEqual((yield* token).length, 2)
    })
  )

  it.effect("takes a new token for each attempt when it stands below the policy", () =>
    Effect.gen(function* () {
      const answer: Answer = (count) =>
        new Response("x", { status: count === 1 ? 503 : 200, headers: { "retry-after": "59" } })
      const { client, tool } = yield* fake({ token: tokens(80), tool: answer })
      const http = HttpPolicy.apply(HttpSettings.defaults)(yield* authorized(oauth, client))
      const fiber = yield* Effect.forkChild(get(http))
      yield* TestClock.adjust("2 minutes")
      assert.strictEqual(yield* Fiber.join(fiber), 200)
      assert.deepStrictEqual(headers(yield* tool), ["Bearer t1", "Bearer t2"])
    })
  )
})

describe("Credentials.authorize when no token can be had", () => {
  const failing = Effect.fnUntraced(function* (
    credentials: Credentials.Credentials,
    token: Answer,
    then: (http: HttpClient.HttpClient) => Effect.Effect<void> = () => Effect.void
  ) {
    const { client, token: asked, tool } = yield* fake({ token })
    const http = yield* authorized(credentials, client)
    const fiber = yield* Effect.forkChild(Effect.flip(get(http)))
    yield* TestClock.adjust("10 minutes")
    const error = yield* Fiber.join(fiber)
    yield* then(http)
    assert.deepStrictEqual(yield* tool, [])
    const failure = Credentials.failureOf(error)
    assert.isDefined(failure)
    return { error, failure, asked: yield* asked }
  })

  it.effect("tells a wrong secret in the server's words, without repeating the request", () =>
    Effect.gen(function* () {
      const { asked, error, failure } = yield* failing(spn, () =>
        json(
          {
            error: "invalid_client",
            error_description: "AADSTS7000215: Invalid client secret provided.\r\nTrace ID: 1",
            error_codes: [7000215]
          },
          401
        )
      )
      assert.strictEqual(failure.reason, "Rejected")
      assert.strictEqual(failure.status, 401)
      assert.strictEqual(failure.error, "invalid_client")
      assert.strictEqual(
        error.message,
        "Transport: The token endpoint https://login.microsoftonline.com/tenant%201/oauth2/v2.0/token refused the credentials (401): invalid_client: AADSTS7000215: Invalid client secret provided. Trace ID: 1. Check client_id, client_secret, tenant_id and scope. (GET https://tool.test/api/runs)"
      )
      assert.strictEqual(asked.length, 1)
      assert.isTrue(HttpFailure.isLasting(error))
      assert.isTrue(HttpFailure.neverSent(error))
    })
  )

  it.effect("does not try refused credentials again before a minute has passed", () =>
    Effect.gen(function* () {
      const { client, token } = yield* fake({ token: () => json({ error: "invalid_grant" }, 400) })
      const http = yield* authorized(ropc, client)
      for (let i = 0; i < 13; i++) {
        assert.strictEqual(Credentials.failureOf(yield* Effect.flip(get(http)))?.reason, "Rejected")
        yield* TestClock.adjust("5 seconds")
      }
      assert.strictEqual((yield* token).length, 2)
    })
  )

  it.effect(
    "asks an unavailable endpoint again as often as the settings say, for all waiting requests together",
    () =>
      Effect.gen(function* () {
        const { client, token } = yield* fake({
          token: () => new Response("<h1>Bad Gateway</h1>", { status: 502 })
        })
        const http = yield* authorized(oauth, client)
        const fiber = yield* Effect.forkChild(
          Effect.all(
            Array.from({ length: 5 }, () => Effect.flip(get(http))),
            { concurrency: 5 }
          )
        )
        yield* TestClock.adjust("10 minutes")
        for (const error of yield* Fiber.join(fiber)) {
          assert.include(error.message, "is not available (502): Bad Gateway.")
        }
        assert.strictEqual((yield* token).length, 4)
      })
  )

  it.effect("does not ask again through the policy of the tool's requests", () =>
    Effect.gen(function* () {
      const { client, token } = yield* fake({ token: () => json({ error: "invalid_client" }, 401) })
      const http = HttpPolicy.apply(HttpSettings.defaults)(yield* authorized(oauth, client))
      const error = yield* Effect.flip(get(http))
      assert.strictEqual(Credentials.failureOf(error)?.reason, "Rejected")
      assert.strictEqual((yield* token).length, 1)
    })
  )

  it.effect("tells an endpoint that never answers", () =>
    Effect.gen(function* () {
      const { failure } = yield* failing(oauth, () => Effect.never)
      assert.include(failure.message, "is not available: no answer within 1m (read_timeout).")
    })
  )

  for (const [what, body] of [
    ["HTML", "<html>Sign in</html>"],
    ["nothing", ""],
    ["a JSON object without token", '{"token_type":"Bearer"}'],
    ["a token that is no text", '{"access_token":7}'],
    ["a JSON list", "[]"],
    ["half an answer", '{"access_token":"canary']
  ] as const) {
    it.effect(`tells a 200 with ${what}`, () =>
      Effect.gen(function* () {
        const { failure } = yield* failing(oauth, () => new Response(body))
        assert.strictEqual(failure.reason, "Invalid")
        assert.include(failure.message, "gave no token (200): the answer holds no access_token.")
        assert.notInclude(failure.message, "canary")
      })
    )
  }

  it.effect("reads the words of servers that name them otherwise", () =>
    Effect.gen(function* () {
      const { failure } = yield* failing(oauth, () =>
        json({ errorCode: "E1", errorSummary: "No such app" }, 400)
      )
      assert.include(failure.message, "(400): E1: No such app. Check")
    })
  )
})

describe("Credentials and their secrets", () => {
  /** Everything that a failure, a span, or printed credentials could show. */
  const shown = (value: unknown) =>
    [
      String(value),
      JSON.stringify(value),
      NodeUtil.inspect(value, { depth: 12 }),
      value instanceof Error ? `${value.stack} ${Cause.pretty(Cause.fail(value))}` : ""
    ].join("\n")

  const basic = Buffer.from("client%3A1:canary%2Bsecret%2F%C3%BC").toString("base64")

  it.effect("do not show them when printed", () =>
    Effect.sync(() => {
      for (const credentials of [oauth, spn, ropc]) assert.notInclude(shown(credentials), "canary")
    })
  )

  it.effect("do not show them in failures, even if the server repeats them", () =>
    Effect.gen(function* () {
      for (const credentials of [oauth, spn, ropc]) {
        const sent = `${SECRET} canary%2Bsecret%2F%C3%BC ${credentials._tag === "OAuthClient" ? basic : ""}`
        const { client } = yield* fake({
          token: () => json({ error: sent, error_description: `you sent ${sent}` }, 400)
        })
        const error = yield* Effect.flip(get(yield* authorized(credentials, client)))
        const text = `${shown(error)} ${shown(Credentials.failureOf(error))}`
        assert.include(text, "********")
        assert.notInclude(text, "canary")
        assert.notInclude(text, basic)
      }
    })
  )

  it.effect("do not show a part of them, wherever the server's words are cut", () =>
    Effect.gen(function* () {
      const secret = "canary+9876543210/ü"
      const parts = Array.from({ length: secret.length - 3 }, (_, at) => secret.slice(at, at + 4))
      const credentials = Credentials.OAuthClient({ ...oauth, clientSecret: Redacted.make(secret) })
      const bodies: ReadonlyArray<[number, (at: number) => string]> = [
        [500, (at) => JSON.stringify({ error: "no", error_description: `${"y".repeat(at)}${secret}zzz` })],
        [500, (at) => JSON.stringify({ error: `${"y".repeat(at)}${secret}zzz` })],
        [500, (at) => `{"error_description":"${"y".repeat(at)}${secret.replace("+", "\\u002b")}zzz"}`],
        [20_000, (at) => `<p>${" ".repeat(at - 3)}${secret}zzz`],
        [
          HttpAnswer.MAX_BYTES,
          (at) =>
            `${"-".repeat(at % secret.length)}${secret.repeat(HttpAnswer.MAX_BYTES / secret.length + 1)}`
        ]
      ]
      for (const [cut, body] of bodies) {
        for (let at = cut - secret.length - 1; at <= cut + 1; at++) {
          const { client } = yield* fake({ token: () => new Response(body(at), { status: 401 }) })
          const text = shown(yield* Effect.flip(get(yield* authorized(credentials, client))))
          assert.deepStrictEqual(
            parts.filter((part) => text.includes(part)),
            [],
            `cut at ${cut}, secret at ${at}`
          )
        }
      }
    })
  )

  it.effect("do not mistake a token that holds a short secret", () =>
    Effect.gen(function* () {
      const { client, tool } = yield* fake({ token: () => json({ access_token: "a-test-token" }) })
      const credentials = Credentials.OAuthClient({ ...oauth, clientSecret: Redacted.make("test") })
      yield* get(yield* authorized(credentials, client))
      assert.deepStrictEqual(headers(yield* tool), ["Bearer a-test-token"])
    })
  )

  it.effect("do not show them in the failure of a request that carried them", () =>
    Effect.gen(function* () {
      const { client } = yield* fake({
        token: () => json({ access_token: "canary-token", expires_in: 3600 }),
        tool: () => Effect.die("not used")
      })
      const broken = HttpClient.make((request) =>
        request.url.endsWith("/token")
          ? client.execute(request)
          : Effect.fail(
              HttpFailure.transport(request, Object.assign(new Error("reset"), { code: "ECONNRESET" }))
            )
      )
      const http = HttpPolicy.apply({ ...HttpSettings.defaults, retries: 0 })(
        yield* authorized(oauth, broken)
      )
      assert.notInclude(shown(yield* Effect.flip(get(http))), "canary")
    })
  )

  it.effect("do not show them in spans", () =>
    Effect.gen(function* () {
      const spans: Array<Tracer.Span> = []
      const tracer = Tracer.make({
        span: (options) => {
          const span = new Tracer.NativeSpan(options)
          spans.push(span)
          return span
        }
      })
      const { client } = yield* fake({
        token: () => json({ access_token: "canary-token", expires_in: 3600 })
      })
      const http = yield* authorized(spn, client)
      yield* get(http).pipe(Effect.withTracer(tracer))
      assert.strictEqual(spans.length, 2)
      for (const span of spans) {
        assert.notInclude(`${span.name} ${NodeUtil.inspect([...span.attributes], { depth: 8 })}`, "canary")
      }
    })
  )
})
