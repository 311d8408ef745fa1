import { Cassette } from "@observability-agents/testing/Cassette"
import * as CassetteTape from "@observability-agents/testing/CassetteTape"
import * as NodeCassette from "@observability-agents/testing/NodeCassette"
import * as NodeFakeObservability from "@observability-agents/testing/NodeFakeObservability"
import * as ServerFault from "@observability-agents/testing/ServerFault"
import * as Event from "@observability-agents/toolkit/Event"
import * as Observability from "@observability-agents/toolkit/Observability"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as Secrecy from "@observability-agents/toolkit/Secrecy"
import { assert, describe, it } from "@effect/vitest"
import { Cause, ConfigProvider, DateTime, Effect, Exit, FileSystem, Layer, Redacted } from "effect"
import { HttpClient, HttpClientError, HttpClientRequest } from "effect/http"
import * as Zlib from "node:zlib"
import { layer, serve, tool, type Tool } from "./support/cassettes.ts"

const request = HttpClientRequest

/** What is written of these requests to this tool. */
const recorded = Effect.fnUntraced(function* (
  requests: ReadonlyArray<HttpClientRequest.HttpClientRequest>,
  answer: Tool,
  options: Parameters<typeof layer>[1] = {}
) {
  const contents = new Map<string, string>()
  yield* Effect.flatMap(Cassette, ({ client }) =>
    Effect.forEach(requests, (one) => Effect.flatMap(client.execute(one), ({ arrayBuffer }) => arrayBuffer))
  ).pipe(Effect.provide(layer(contents, { mode: "record", ...options }, { client: tool(answer).client })))
  return contents.get("tape.json") ?? ""
})

/** Nothing of these in any form that toolkit's mask knows, which is what is written in logs, too. */
const noneIn = (text: string, canaries: Iterable<string>) => {
  for (const canary of canaries) {
    assert.isTrue(Secrecy.hide(text, [canary]) === text, `${canary} stands in\n${text}`)
  }
}

/** Each place where a secret may stand, the canary in it, and the request that has it there. Nobody tells the cassette. */
const places: Readonly<Record<string, (canary: string) => HttpClientRequest.HttpClientRequest>> = {
  "a bearer token": (canary) => request.bearerToken(request.get("https://tool.test/"), canary),
  "a scheme of its own": (canary) =>
    request.setHeader(request.get("https://tool.test/"), "authorization", `ApiKey ${canary}`),
  "the password of Basic": (canary) =>
    request.basicAuth(request.get("https://tool.test/"), "someone", canary),
  "a cookie": (canary) =>
    request.setHeader(request.get("https://tool.test/"), "cookie", `theme=dark; sid=${canary}`),
  "a header for keys": (canary) =>
    request.setHeader(request.get("https://tool.test/"), "X-Tool-Api-Key", canary),
  "the header for keys of Observability": (canary) =>
    request.setHeader(request.get("https://tool.test/"), "ServiceAccountAuthenticationKey", canary),
  "a header for proxies": (canary) =>
    request.setHeader(
      request.get("https://tool.test/"),
      "Proxy-Authorization",
      `Basic ${btoa(`me:${canary}`)}`
    ),
  "a query parameter": (canary) => request.setUrlParam(request.get("https://tool.test/"), "api_key", canary),
  "a signed URL": (canary) =>
    request.get(`https://tool.test/?X-Amz-Signature=${encodeURIComponent(canary)}&part=1`),
  "the password of a URL": (canary) =>
    request.get(`https://someone:${encodeURIComponent(canary)}@tool.test/`),
  "the user of a URL": (canary) => request.get(`https://${encodeURIComponent(canary)}@tool.test/`),
  "a field of a form": (canary) =>
    request.bodyUrlParams(request.post("https://tool.test/"), { grant_type: "x", client_secret: canary }),
  "a field of JSON": (canary) =>
    request.bodyJsonUnsafe(request.post("https://tool.test/"), { user: "me", login: { Password: canary } }),
  "a list in JSON": (canary) =>
    request.bodyJsonUnsafe(request.post("https://tool.test/"), { credentials: [{ value: canary }] }),
  "JSON within JSON": (canary) =>
    request.bodyJsonUnsafe(request.post("https://tool.test/"), {
      payload: JSON.stringify({ credentials: { value: canary } })
    }),
  "a text": (canary) =>
    request.bodyText(request.post("https://tool.test/"), `connect to db; password='${canary}' and go on`),
  XML: (canary) =>
    request.bodyText(
      request.post("https://tool.test/"),
      `<login><password>${canary.replaceAll("&", "").replaceAll("<", "")}</password></login>`
    )
}

describe("a secret that nobody named", () => {
  for (const [place, ask] of Object.entries(places)) {
    it.effect(`in ${place} is never written, though the tool repeats it before and after`, () =>
      Effect.gen(function* () {
        const canary =
          place === "XML" ? "cAnAry-xml-0123456789" : `cAnAry/+${place.replaceAll(" ", "-")}="0123%`
        const echo = JSON.stringify({
          message: `not allowed: ${canary} (${encodeURIComponent(canary)}, ${btoa(`someone:${canary}`)})`,
          nested: JSON.stringify({ canary })
        })
        const text = yield* recorded(
          [request.get("https://tool.test/before"), ask(canary), request.get("https://tool.test/after")],
          () =>
            new Response(echo, { status: 401, headers: { location: `/x?y=${encodeURIComponent(canary)}` } })
        )
        noneIn(text, [canary])
        assert.include(text, "not allowed: ")
      })
    )
  }

  it.effect("in an answer is never written: fields of JSON, cookies, and where they come again", () =>
    Effect.gen(function* () {
      const canaries = ["cAnAry-access-token", "cAnAry-refresh+token=", "cAnAry-set-cookie", "cAnAry-signed"]
      const [access, refresh, cookie, signed] = canaries
      const text = yield* recorded(
        [request.post("https://tool.test/token"), request.get("https://tool.test/next")],
        ({ pathname }) =>
          pathname === "/token"
            ? new Response(
                JSON.stringify({ access_token: access, refreshToken: refresh, expires_in: 3600 }),
                {
                  headers: [
                    ["set-cookie", `session=${cookie}; Path=/; HttpOnly`],
                    ["location", `https://store.test/file?sig=${signed}&part=2`]
                  ]
                }
              )
            : `expired: ${access}, ${encodeURIComponent(refresh ?? "")}, ${cookie}, ${signed}`
      )
      noneIn(text, canaries)
      assert.include(text, '"expires_in": 3600')
      assert.include(text, "part=2")
    })
  )

  it.effect("and is a large number is never written, as a number or in a text", () =>
    Effect.gen(function* () {
      const canary = "12345678901234567890"
      const answer = `{"access_token": ${canary}, "id": ${canary}, "other": 98765432109876543210, "words": "as ${canary}"}`
      const file = yield* recorded([request.get(`https://tool.test/?of=${canary}`)], () => answer)
      noneIn(file, [canary])
      const { interactions } = yield* CassetteTape.parse(file, "it")
      assert.deepStrictEqual(interactions[0]?.answer?.body, {
        json: {
          access_token: 0,
          id: Secrecy.MASK,
          other: "\u000098765432109876543210",
          words: `as ${Secrecy.MASK}`
        }
      })
    })
  )

  it.effect("in the words of an error of the network is never written", () =>
    Effect.gen(function* () {
      const contents = new Map<string, string>()
      const client = HttpClient.make((asked) =>
        Effect.fail(
          new HttpClientError.HttpClientError({
            reason: new HttpClientError.TransportError({
              request: asked,
              description: "the proxy http://me:cAnAry-of-the-proxy@proxy.test refused"
            })
          })
        )
      )
      yield* Effect.flatMap(Cassette, (cassette) =>
        Effect.ignore(cassette.client.get("https://tool.test/"))
      ).pipe(Effect.provide(layer(contents, { mode: "record" }, { client })))
      noneIn(contents.get("tape.json") ?? "", ["cAnAry-of-the-proxy"])
      assert.include(contents.get("tape.json"), "the proxy http://proxy.test refused")
    })
  )

  it.effect("is known by its shape, wherever it stands", () =>
    Effect.gen(function* () {
      const shapes = [
        `dapi${"0123456789abcdef".repeat(2)}`,
        `ghp_${"aB3".repeat(12)}`,
        `AKIA${"A1B2".repeat(4)}`,
        `eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.${"sIg".repeat(9)}`,
        "-----BEGIN RSA PRIVATE KEY-----\nMIIEow\n-----END RSA PRIVATE KEY-----"
      ]
      const text = yield* recorded([request.get("https://tool.test/")], () =>
        JSON.stringify({ notes: shapes })
      )
      noneIn(text, shapes)
    })
  )

  it.effect("is not seen in what only looks like one: numbers of pages, types of tokens, counts", () =>
    Effect.gen(function* () {
      const text = yield* recorded([request.get("https://tool.test/?page_token=abcdefghijkl")], () =>
        JSON.stringify({
          next_page_token: "mnopqrstuvwx",
          token_type: "Bearer",
          max_tokens: 5,
          plan: "Basic cluster"
        })
      )
      for (const kept of ["abcdefghijkl", "mnopqrstuvwx", '"Bearer"', '"max_tokens": 5', "Basic cluster"]) {
        assert.include(text, kept)
      }
    })
  )

  it.effect("is looked for in one pass, also in texts that are made to take long", () =>
    Effect.gen(function* () {
      const odd = ["a.", "a=", "a@", "basic ", "http://", 'password="', "<password>", "eyJaaaaaaaaaaa.", "\\"]
      const text = yield* recorded([request.get("https://tool.test/")], () =>
        JSON.stringify(odd.map((part) => part.repeat(40_000)))
      )
      assert.isAbove(text.length, 500_000)
    })
  )

  it.effect("is a matter of names: more of them, or fewer", () =>
    Effect.gen(function* () {
      const ask = request.get("https://tool.test/?token=page-seventeen&dsn=cAnAry-of-the-dsn")
      const text = yield* recorded([ask], () => "{}", { names: ["DSN"], keep: ["token"] })
      assert.include(text, "page-seventeen")
      assert.notInclude(text, "cAnAry")
    })
  )
})

describe("a secret that is known", () => {
  const known = 'cAnAry "of" the/settings'

  it.effect("is masked wherever it stands, in whatever form", () =>
    Effect.gen(function* () {
      const text = yield* recorded(
        [request.get(`https://tool.test/hooks/${encodeURIComponent(known)}/x`)],
        () =>
          `<p>${known.replaceAll('"', "&quot;")}</p> ${btoa(known)} ${JSON.stringify(JSON.stringify(known))}`,
        { secrets: [Redacted.make(known), ""] }
      )
      noneIn(text, [known])
      assert.include(text, "/hooks/********/x")
    })
  )

  it.effect("is the same on the cassette as another one is when it is played", () =>
    Effect.gen(function* () {
      const contents = new Map<string, string>()
      const ask = (secret: string) =>
        Effect.flatMap(Cassette, ({ client }) =>
          client.get(`https://tool.test/hooks/${secret}/x?password=${secret}`)
        )
      const { client } = tool(() => "{}")
      yield* ask("the-real-one").pipe(
        Effect.provide(layer(contents, { mode: "record", secrets: ["the-real-one"] }, { client }))
      )
      const { status } = yield* ask("some-other").pipe(
        Effect.provide(layer(contents, { secrets: ["some-other"] }))
      )
      assert.strictEqual(status, 200)
    })
  )

  for (const [place, answer] of [
    [
      "the body of the answer",
      () => new Response(new Uint8Array([0, ...new TextEncoder().encode(known), 0]))
    ],
    [
      "the body of the answer (unpacked)",
      () => new Response(new Uint8Array(Zlib.gzipSync(`{"a":${JSON.stringify(known)}}`)))
    ]
  ] as const) {
    it.effect(`stops the cassette from being written when it is in ${place}, and is not in the message`, () =>
      Effect.gen(function* () {
        const exit = yield* recorded(
          [request.get("https://tool.test/a"), request.get("https://tool.test/b")],
          ({ pathname }) => (pathname === "/a" ? "{}" : answer()),
          { secrets: [known] }
        ).pipe(Effect.exit)
        assert.isTrue(Exit.isFailure(exit))
        const message = Exit.isFailure(exit) ? Cause.pretty(exit.cause) : ""
        assert.include(message, `  - interaction 2, ${place}\n`)
        noneIn(message, [known])
      })
    )
  }

  it.effect("stops it also when one's own changes bring it back, or the real name of a host", () =>
    Effect.gen(function* () {
      const contents = new Map([["tape.json", "old"]])
      const edit = (interaction: CassetteTape.Interaction): CassetteTape.Interaction => ({
        ...interaction,
        request: { ...interaction.request, query: { a: `x${known}`, b: "www.real.example.org" } }
      })
      const exit = yield* Effect.flatMap(Cassette, ({ client }) => client.get("https://tool.test/")).pipe(
        Effect.provide(
          layer(
            contents,
            { mode: "record", secrets: [known], hosts: { "tool.test": "www.real.example.org" }, edit },
            { client: tool(() => "{}").client }
          )
        ),
        Effect.exit
      )
      const message = Exit.isFailure(exit) ? Cause.pretty(exit.cause) : ""
      assert.include(message, "interaction 1, the query parameter b")
      // What is known is masked once more before the check, also in what one changed.
      assert.notInclude(message, "parameter a")
      assert.strictEqual(contents.get("tape.json"), "old")
    })
  )

  it.effect("stops it when an answer is packed in a way that cannot be looked into", () =>
    Effect.gen(function* () {
      const packed = new Uint8Array(Zlib.brotliCompressSync(JSON.stringify({ a: known })))
      const exit = yield* recorded(
        [request.get("https://tool.test/")],
        () => new Response(packed, { headers: { "content-encoding": "br" } })
      ).pipe(Effect.exit)
      assert.include(Exit.isFailure(exit) ? Cause.pretty(exit.cause) : "", "as br cannot be looked into")
    })
  )
})

describe("what else is taken out", () => {
  it.effect("addresses of e-mail become others, the same for the same one", () =>
    Effect.gen(function* () {
      const answer = () =>
        JSON.stringify({
          owner: "Jane.Doe@corp.example.org",
          again: "mail jane.doe@corp.example.org",
          other: "joe@corp.example.org",
          path: "abfss://files@account.dfs.core.windows.net/x",
          safe: "a@mail.test"
        })
      const text = yield* recorded([request.get("https://tool.test/?user=joe%40corp.example.org")], answer)
      assert.notInclude(text, "corp.example.org")
      const [owner, again, other] = text.match(/someone-[0-9a-f]{6}@mail\.test/g)?.slice(-3) ?? []
      assert.strictEqual(owner, again)
      assert.notStrictEqual(owner, other)
      assert.include(text, `"user": "${other}"`)
      assert.include(text, "abfss://files@account.dfs.core.windows.net/x")
      assert.include(text, "a@mail.test")
      assert.include(
        yield* recorded([request.get("https://tool.test/")], answer, { emails: "keep" }),
        "joe@corp.example.org"
      )
    })
  )

  it.effect("headers, but for a list of those that do not matter to secrecy, and those one asks for", () =>
    Effect.gen(function* () {
      const headers = {
        "x-request-id": "1",
        "x-tool-region": "eu",
        "content-type": "text/plain",
        etag: "2",
        server: "x"
      }
      const text = yield* recorded(
        [
          request.setHeaders(request.get("https://tool.test/"), {
            "user-agent": "me",
            accept: "*/*",
            "x-tool-key": "k"
          })
        ],
        () => new Response("", { headers }),
        { headers: ["X-Tool-Region", "x-tool-key"] }
      )
      const { interactions } = yield* CassetteTape.parse(text, "it")
      assert.deepStrictEqual(interactions[0]?.request.headers, { accept: "*/*" })
      assert.deepStrictEqual(interactions[0]?.answer?.headers, {
        "content-type": "text/plain",
        etag: "2",
        "x-tool-region": "eu"
      })
    })
  )

  it.effect("patterns of one's own, in what is recorded and in what is compared with it", () =>
    Effect.gen(function* () {
      const contents = new Map<string, string>()
      const ask = (id: string) =>
        Effect.flatMap(Cassette, ({ client }) =>
          Effect.flatMap(client.get(`https://tool.test/accounts/${id}`), ({ text }) => text)
        )
      const options = { replace: [[/acc-\d+/, "acc-N"]] as const }
      yield* ask("acc-4711").pipe(
        Effect.provide(
          layer(contents, { mode: "record", ...options }, { client: tool((url) => url.pathname).client })
        )
      )
      assert.notInclude(contents.get("tape.json"), "4711")
      assert.strictEqual(
        yield* ask("acc-1").pipe(Effect.provide(layer(contents, options))),
        "/accounts/acc-N"
      )
    })
  )
})

describe("a cassette of a server behind a port", () => {
  it.live("keeps what the real client was told, unpacked and without its secrets, and plays it", () =>
    Effect.gen(function* () {
      const token = "cAnAry-of-the-port"
      const origin = yield* serve((incoming, outgoing) => {
        const body = JSON.stringify({ you: incoming.headers.authorization, path: incoming.url, origin })
        if (incoming.url === "/drop") return void outgoing.destroy()
        outgoing.writeHead(incoming.url === "/gone" ? 410 : 200, {
          "content-type": "application/json",
          "content-encoding": "gzip",
          "set-cookie": [`sid=cAnAry-of-the-cookie`, "theme=cAnAry-of-the-theme"]
        })
        outgoing.end(Zlib.gzipSync(body))
      })
      const files = yield* FileSystem.FileSystem
      const path = `${yield* files.makeTempDirectoryScoped()}/deep/down/port.json`
      const ask = Effect.flatMap(Cassette, ({ client }) =>
        Effect.forEach(["/a", "/gone", "/drop"], (address) =>
          Effect.gen(function* () {
            const answer = yield* client.get(`https://tool.test${address}`, {
              headers: { authorization: `Bearer ${token}` }
            })
            return [answer.status, answer.headers["content-type"]]
          }).pipe(
            Effect.catch(({ message }) => Effect.succeed([message.replace(origin, "https://tool.test")]))
          )
        )
      )
      const use = (options: Partial<NodeCassette.Options>) =>
        ask.pipe(
          Effect.provide(
            NodeCassette.layer({ path, ...options }).pipe(
              Layer.provide(ConfigProvider.layer(ConfigProvider.fromUnknown({})))
            )
          )
        )
      const live = yield* use({ mode: "record", hosts: { "tool.test": origin } })
      assert.deepStrictEqual(live.slice(0, 2), [
        [200, "application/json"],
        [410, "application/json"]
      ])
      const text = yield* files.readFileString(path)
      noneIn(text, [token, "cAnAry-of-the-cookie", "cAnAry-of-the-theme", new URL(origin).host])
      assert.include(text, '"you": "Bearer ********"')
      assert.include(text, '"origin": "http://tool.test"')
      assert.deepStrictEqual(yield* use({}), live)
      assert.deepStrictEqual(yield* files.readDirectory(path.replace(/\/[^/]*$/, "")), ["port.json"])
    }).pipe(Effect.scoped, Effect.provide(NodeFileSystem.layer))
  )

  it.live("serves the client of Observability, whose key is on no cassette", () =>
    Effect.gen(function* () {
      const files = yield* FileSystem.FileSystem
      const path = `${yield* files.makeTempDirectoryScoped()}/observability.json`
      const fake = yield* NodeFakeObservability.make()
      const event = (status: "RUNNING" | "COMPLETED") =>
        Event.runStatus({
          pipelineKey: "p",
          runKey: "r",
          timestamp: DateTime.makeUnsafe("2026-01-01T10:00:00Z"),
          status
        })
      const told = (key: string, options: Partial<NodeCassette.Options>) =>
        Effect.gen(function* () {
          const baseUrl = `https://server.test${new URL(fake.baseUrl).pathname}`
          const server = yield* Observability.make({ baseUrl, key: Redacted.make(key), retries: 0 })
          yield* server.post(event("RUNNING"))
          yield* fake.fail(ServerFault.badGateway)
          return (yield* Effect.flip(server.post(event("COMPLETED")))).message
        }).pipe(
          Effect.scoped,
          Effect.provide(
            Cassette.layerTransport.pipe(
              Layer.provide(NodeCassette.layer({ path, ignore: ["event_id"], ...options })),
              Layer.provide(ConfigProvider.layer(ConfigProvider.fromUnknown({})))
            )
          )
        )
      const live = yield* told(Redacted.value(fake.key), {
        mode: "record",
        hosts: { "server.test": new URL(fake.baseUrl).origin }
      })
      assert.strictEqual(yield* told("another-key", {}), live)
      assert.lengthOf(yield* fake.events, 1)
      noneIn(yield* files.readFileString(path), [Redacted.value(fake.key)])
    }).pipe(Effect.scoped, Effect.provide(NodeFileSystem.layer))
  )
})
