import { Cassette } from "@observability-agents/testing/Cassette"
import * as CassetteTape from "@observability-agents/testing/CassetteTape"
import { CassetteError } from "@observability-agents/testing/CassetteTape"
import { assert, describe, it } from "@effect/vitest"
import { Cause, DateTime, Effect, Exit, Fiber, Layer, Logger, References } from "effect"
import { HttpClient, HttpClientError, HttpClientRequest } from "effect/http"
import { TestClock } from "effect/testing"
import { layer, tool } from "./support/cassettes.ts"

const START = Date.UTC(2026, 0, 5, 8)

/** The text of the answer to a GET of this address. */
const get = (address: string) =>
  Effect.flatMap(Cassette, ({ client }) =>
    Effect.flatMap(client.get(`https://tool.test${address}`), ({ text }) => text)
  )

/** What is on the cassette after these requests to a tool that counts its answers. */
const recording = Effect.fnUntraced(function* (...addresses: ReadonlyArray<string>) {
  const contents = new Map<string, string>()
  let count = 0
  const { client } = tool(() => `{"answer":${++count}}`)
  yield* TestClock.setTime(START)
  yield* Effect.forEach(addresses, get).pipe(Effect.provide(layer(contents, { mode: "record" }, { client })))
  return contents
})

const messageOf = <A, E>(exit: Exit.Exit<A, E>): string =>
  Exit.isFailure(exit) ? Cause.pretty(exit.cause) : ""

const file = (contents: Map<string, string>) => contents.get("tape.json") ?? ""

describe("the file of a cassette", () => {
  it.effect("is JSON for people, in one order, the same for the same answers", () =>
    Effect.gen(function* () {
      const contents = new Map<string, string>()
      yield* TestClock.setTime(START)
      const { client } = tool((url) =>
        url.pathname === "/page"
          ? new Response("<html>\n<p>busy</p>", {
              status: 503,
              headers: { "retry-after": "3", "content-type": "text/html" }
            })
          : '{"runs": [{"id": 12345678901234567890, "rate": 1.0}]}'
      )
      yield* Effect.gen(function* () {
        yield* get("/runs?to=2&from=1")
        yield* TestClock.adjust("3 seconds")
        yield* get("/page")
      }).pipe(Effect.provide(layer(contents, { mode: "record" }, { client })))
      assert.strictEqual(
        file(contents),
        `{
  "cassette": 1,
  "recordedAt": "2026-01-05T08:00:00.000Z",
  "interactions": [
    {
      "at": 0,
      "took": 0,
      "request": {
        "method": "GET",
        "url": "https://tool.test/runs",
        "query": { "from": "1", "to": "2" }
      },
      "answer": {
        "status": 200,
        "headers": { "content-type": "application/json" },
        "body": {
          "json": {
            "runs": [
              {
                "id": 12345678901234567890,
                "rate": 1.0
              }
            ]
          }
        }
      }
    },
    {
      "at": 3000,
      "took": 0,
      "request": { "method": "GET", "url": "https://tool.test/page" },
      "answer": {
        "status": 503,
        "headers": { "content-type": "text/html", "retry-after": "3" },
        "body": {
          "text": ["<html>", "<p>busy</p>"]
        }
      }
    }
  ]
}
`
      )
    })
  )

  it.effect("gives back status, headers and bodies as they were, with every digit and every byte", () =>
    Effect.gen(function* () {
      const contents = new Map<string, string>()
      const bytes = new Uint8Array(300).map((_, index) => index % 256)
      const answers: Readonly<Record<string, () => Response | string>> = {
        "/json": () => '{"id":12345678901234567890,"small":-0.10,"text":"12345678901234567890"}',
        "/bytes": () => new Response(bytes, { status: 206, headers: { etag: '"1"' } }),
        "/lines": () => new Response("a,b\r\n1,2\n", { headers: { "content-type": "text/csv" } }),
        "/form": () =>
          new Response("a=1&a=2&b=x+y", { headers: { "content-type": "application/x-www-form-urlencoded" } }),
        "/nothing": () => new Response(null, { status: 204 }),
        "/empty": () => new Response("")
      }
      const { client } = tool((url) => answers[url.pathname]?.() ?? "")
      const all = Effect.flatMap(Cassette, (cassette) =>
        Effect.forEach(Object.keys(answers), (path) =>
          Effect.gen(function* () {
            const answer = yield* cassette.client.get(`https://tool.test${path}`)
            const body = new Uint8Array(yield* answer.arrayBuffer)
            return [answer.status, answer.headers["content-type"], answer.headers["etag"], [...body]]
          })
        )
      )
      const live = yield* all.pipe(Effect.provide(layer(contents, { mode: "record" }, { client })))
      const played = yield* all.pipe(Effect.provide(layer(contents)))
      assert.deepStrictEqual(played, live)
      assert.deepStrictEqual(played[1]?.[3], [...bytes])
    })
  )

  it.effect("that cannot be played says why, and what to do", () =>
    Effect.gen(function* () {
      const whole = file(yield* recording("/a"))
      const said = (text: string | undefined) =>
        get("/a").pipe(
          Effect.provide(layer(text === undefined ? new Map() : new Map([["tape.json", text]]))),
          Effect.exit,
          Effect.map((exit) => messageOf(exit).split("\n")[0] ?? "")
        )
      const cases: ReadonlyArray<readonly [text: string | undefined, words: string]> = [
        [undefined, "There is no cassette tape.json. Record it: run the same test with CASSETTE=record."],
        ["", "The cassette tape.json cannot be read: it is empty."],
        [whole.slice(0, 200), "The cassette tape.json cannot be read: it is not JSON"],
        [`<<<<<<< HEAD\n${whole}`, "the marks of a merge conflict stand in it"],
        ["[1]", 'it has no number "cassette"'],
        [
          whole.replace('"cassette": 1', '"cassette": 2'),
          "has the form 2, and this version of @observability-agents/testing reads forms up to 1. Update the package, or record"
        ],
        [whole.replace('"status": 200', '"status": "ok"'), '["interactions"][0]["answer"]["status"]'],
        [whole.replace('"2026-', '"once'), '"recordedAt" is not a time']
      ]
      for (const [text, words] of cases) assert.include(yield* said(text), words)
    })
  )
})

describe("replay", () => {
  it.effect("reaches no network, and is the default", () =>
    Effect.gen(function* () {
      const contents = yield* recording("/a")
      const { asked, client } = tool(() => "{}")
      const text = yield* get("/a").pipe(Effect.provide(layer(contents, {}, { client })))
      assert.strictEqual(text, '{"answer":1}')
      assert.deepStrictEqual(asked, [])
    })
  )

  it.effect("finds a request whatever the order of its query, and whatever is in what it ignores", () =>
    Effect.gen(function* () {
      const contents = yield* recording("/runs?limit=5&from=100&tag=a&tag=b")
      const text = yield* get("/runs?tag=a&tag=b&from=777&limit=5").pipe(
        Effect.provide(layer(contents, { ignore: ["from"] }))
      )
      assert.strictEqual(text, '{"answer":1}')
    })
  )

  it.effect("compares JSON bodies by what they say, without what it ignores", () =>
    Effect.gen(function* () {
      const contents = new Map<string, string>()
      const post = (body: unknown) =>
        Effect.flatMap(Cassette, ({ client }) =>
          Effect.map(
            client.execute(
              HttpClientRequest.bodyJsonUnsafe(HttpClientRequest.post("https://tool.test/q"), body)
            ),
            ({ status }) => status
          )
        )
      yield* post({ b: 1, a: { at: 5, c: 2 } }).pipe(
        Effect.provide(layer(contents, { mode: "record" }, { client: tool(() => "{}").client }))
      )
      const options = { ignore: ["at"] }
      assert.strictEqual(
        yield* post({ a: { c: 2, at: 9 }, b: 1 }).pipe(Effect.provide(layer(contents, options))),
        200
      )
      const exit = yield* post({ a: { c: 3 }, b: 1 }).pipe(
        Effect.provide(layer(contents, options)),
        Effect.exit
      )
      assert.include(messageOf(exit), 'field of the body a: "{\\"c\\":2}" on the cassette, "{\\"c\\":3}" now')
    })
  )

  it.effect("compares by a key of one's own", () =>
    Effect.gen(function* () {
      const contents = yield* recording("/runs/17")
      const key = ({ url }: CassetteTape.Request) => url.replaceAll(/\d+/g, "N")
      assert.strictEqual(
        yield* get("/runs/99").pipe(Effect.provide(layer(contents, { key }))),
        '{"answer":1}'
      )
    })
  )

  it.effect(
    "answers the same request in the order of the recording, then fails, or says the last again",
    () =>
      Effect.gen(function* () {
        const contents = yield* recording("/a", "/b", "/a")
        const three = Effect.forEach(["/a", "/a", "/a"], (path) => Effect.result(get(path)))
        const last = yield* three.pipe(Effect.provide(layer(contents, { exhausted: "last" })))
        assert.deepStrictEqual(
          last.map((one) => (one._tag === "Success" ? one.success : one.failure.message)),
          ['{"answer":1}', '{"answer":3}', '{"answer":3}']
        )
        const exit = yield* three.pipe(Effect.provide(layer(contents)), Effect.exit)
        assert.include(
          messageOf(exit),
          "The cassette tape.json has no further answer for this request:\n  GET https://tool.test/a\nIt was recorded 2 times (#1, #3), and every answer was given."
        )
      })
  )

  it.effect("gives same requests at the same time the answers in the order in which they were made", () =>
    Effect.gen(function* () {
      const contents = new Map<string, string>()
      let count = 0
      // The first is answered last.
      const { client } = tool(() => {
        const mine = ++count
        return Effect.as(Effect.sleep(`${10 - mine} seconds`), new Response(`${mine}`))
      })
      const four = Effect.forEach(["/a", "/a", "/a", "/a"], get, { concurrency: "unbounded" })
      const recorded = yield* Effect.gen(function* () {
        const fiber = yield* Effect.forkChild(four)
        yield* TestClock.adjust("1 minute")
        return yield* Fiber.join(fiber)
      }).pipe(Effect.provide(layer(contents, { mode: "record" }, { client })))
      assert.deepStrictEqual(recorded, ["1", "2", "3", "4"])
      assert.deepStrictEqual(yield* four.pipe(Effect.provide(layer(contents))), ["1", "2", "3", "4"])
    })
  )

  it.effect("answers by the time of the recording, if told so", () =>
    Effect.gen(function* () {
      const contents = new Map<string, string>()
      yield* TestClock.setTime(START)
      let state = "RUNNING"
      const { client } = tool(() => state)
      yield* Effect.gen(function* () {
        yield* get("/run")
        yield* TestClock.adjust("1 minute")
        state = "DONE"
        yield* get("/run")
      }).pipe(Effect.provide(layer(contents, { mode: "record" }, { client })))
      const seen = yield* Effect.gen(function* () {
        const { recordedAt } = yield* Cassette
        assert.strictEqual(DateTime.toEpochMillis(recordedAt), START)
        yield* TestClock.setTime(START)
        const states: Array<string> = []
        for (let poll = 0; poll < 6; poll++) {
          states.push(yield* get("/run"))
          yield* TestClock.adjust("20 seconds")
        }
        return states
      }).pipe(Effect.provide(layer(contents, { order: "time" })))
      assert.deepStrictEqual(seen, ["RUNNING", "RUNNING", "RUNNING", "DONE", "DONE", "DONE"])
    })
  )

  it.effect("answers together what it answered together, though it was asked one after the other", () =>
    Effect.gen(function* () {
      const contents = new Map<string, string>()
      yield* TestClock.setTime(START)
      let look = 0
      const { client } = tool(() => String(look))
      // Each look asks for what is active, and a moment later for what has ended.
      yield* Effect.gen(function* () {
        for (look = 1; look <= 3; look++) {
          yield* get("/active")
          yield* TestClock.adjust("2 seconds")
          yield* get("/ended")
          yield* TestClock.adjust("18 seconds")
        }
      }).pipe(Effect.provide(layer(contents, { mode: "record" }, { client })))
      const looks = yield* Effect.gen(function* () {
        yield* TestClock.setTime(START)
        const looks: Array<string> = []
        // In between as well: at 21 seconds the second look had begun, and had not asked for what has ended.
        for (const seconds of [0, 1, 19, 2, 18, 1, 60]) {
          yield* TestClock.adjust(`${seconds} seconds`)
          looks.push(`${yield* get("/active")} ${yield* get("/ended")}`)
        }
        return looks
      }).pipe(Effect.provide(layer(contents, { order: "time" })))
      assert.deepStrictEqual(looks, ["1 1", "1 1", "2 2", "2 2", "3 3", "3 3", "3 3"])
    })
  )

  it.effect("takes as long as the tool took, in virtual time, if told so", () =>
    Effect.gen(function* () {
      const contents = new Map<string, string>()
      yield* TestClock.setTime(START)
      const { client } = tool(() => Effect.as(Effect.sleep("7 seconds"), new Response("slow")))
      const forked = Effect.forkChild(get("/a"))
      yield* Effect.gen(function* () {
        const fiber = yield* forked
        yield* TestClock.adjust("7 seconds")
        yield* Fiber.join(fiber)
      }).pipe(Effect.provide(layer(contents, { mode: "record" }, { client })))
      yield* Effect.gen(function* () {
        const fiber = yield* forked
        yield* TestClock.adjust("6999 millis")
        assert.isUndefined(fiber.pollUnsafe())
        yield* TestClock.adjust("1 millis")
        assert.strictEqual(yield* Fiber.join(fiber), "slow")
      }).pipe(Effect.provide(layer(contents, { latency: true })))
      assert.strictEqual(yield* get("/a").pipe(Effect.provide(layer(contents))), "slow")
    })
  )

  it.effect("plays an error of the network as one", () =>
    Effect.gen(function* () {
      const contents = new Map<string, string>()
      const client = HttpClient.make((request) =>
        Effect.fail(
          new HttpClientError.HttpClientError({
            reason: new HttpClientError.TransportError({ request, cause: new Error("other side closed") })
          })
        )
      )
      const said = Effect.flip(get("/a"))
      yield* said.pipe(Effect.provide(layer(contents, { mode: "record" }, { client })))
      const played = yield* said.pipe(Effect.provide(layer(contents)))
      assert.isTrue(HttpClientError.isHttpClientError(played))
      assert.include(played.message, "other side closed")
    })
  )

  it.effect("names a request that is not on it, the nearest ones, and what differs", () =>
    Effect.gen(function* () {
      const contents = yield* recording("/jobs", "/runs/get?id=1", "/runs?limit=25")
      const exit = yield* get("/runs?limit=26&offset=50").pipe(Effect.provide(layer(contents)), Effect.exit)
      assert.include(
        messageOf(exit),
        `The cassette tape.json has no answer for this request:
  GET https://tool.test/runs?limit=26&offset=50
The nearest of the 3 on it:
  #3 GET https://tool.test/runs?limit=25
     query parameter limit: "25" on the cassette, "26" now
     query parameter offset: not on the cassette, "50" now
`
      )
      assert.include(
        messageOf(exit),
        '`ignore: ["limit","offset"]`. Otherwise record anew: run the same test with CASSETTE=record.'
      )
    })
  )

  it.effect("fails the test in its end when somebody swallowed that, unless told otherwise", () =>
    Effect.gen(function* () {
      const contents = yield* recording("/a")
      const swallowed = Effect.ignore(get("/b"))
      const exit = yield* swallowed.pipe(Effect.provide(layer(contents)), Effect.exit)
      assert.include(messageOf(exit), "has no answer for this request:\n  GET https://tool.test/b")
      yield* swallowed.pipe(Effect.provide(layer(contents, { missed: "ignore" })))
    })
  )

  it.effect("knows which recorded requests were not made", () =>
    Effect.gen(function* () {
      const contents = yield* recording("/a", "/b?x=1", "/a")
      yield* Effect.gen(function* () {
        const cassette = yield* Cassette
        yield* get("/a")
        assert.deepStrictEqual(yield* cassette.unused, [
          "#2 GET https://tool.test/b?x=1",
          "#3 GET https://tool.test/a"
        ])
        const error = yield* Effect.flip(cassette.allUsed)
        assert.strictEqual(error.reason, "Unused")
        assert.include(
          error.message,
          "2 of the 3 requests on the cassette tape.json were not made:\n  #2 GET"
        )
        yield* get("/a")
        yield* get("/b?x=1")
        yield* cassette.allUsed
      }).pipe(Effect.provide(layer(contents)))
    })
  )

  it.effect("tells hosts apart where there are several, and ignores the host where there is one", () =>
    Effect.gen(function* () {
      const contents = new Map<string, string>()
      const { client } = tool((url) => url.host)
      const ask = (url: string) =>
        Effect.flatMap(Cassette, (cassette) => Effect.flatMap(cassette.client.get(url), ({ text }) => text))
      yield* Effect.andThen(ask("https://one.test/x"), ask("https://two.test/x")).pipe(
        Effect.provide(layer(contents, { mode: "record" }, { client }))
      )
      const both = Effect.all([ask("http://two.test/x"), ask("http://one.test/x")])
      assert.deepStrictEqual(yield* both.pipe(Effect.provide(layer(contents))), ["two.test", "one.test"])
      const one = yield* recording("/x")
      assert.strictEqual(
        yield* ask("http://elsewhere.test/x").pipe(Effect.provide(layer(one))),
        '{"answer":1}'
      )
    })
  )

  it.effect("warns of a recording that is too old, by the real clock", () =>
    Effect.gen(function* () {
      const contents = new Map([["tape.json", file(yield* recording("/a")).replace('"2026-', '"2001-')]])
      yield* TestClock.setTime(0)
      const lines: Array<string> = []
      const log = Logger.layer([Logger.make(({ message }) => void lines.push(String(message)))])
      const play = (maxAge: "30 days" | "100000 days") =>
        get("/a").pipe(Effect.provide(Layer.provideMerge(layer(contents, { maxAge }), log)))
      yield* play("100000 days")
      assert.deepStrictEqual(lines, [])
      yield* play("30 days")
      assert.deepStrictEqual(lines, ["A cassette is older than it should be; record it anew"])
    })
  )
})

describe("recording", () => {
  it.effect("writes the file anew, in the place of the old one", () =>
    Effect.gen(function* () {
      const contents = yield* recording("/old", "/old")
      yield* get("/new").pipe(
        Effect.provide(layer(contents, { mode: "record" }, { client: tool(() => "{}").client }))
      )
      assert.deepStrictEqual([...contents.keys()], ["tape.json"])
      const tape = yield* CassetteTape.parse(file(contents), "it")
      assert.deepStrictEqual(
        tape.interactions.map(({ request }) => request.url),
        ["https://tool.test/new"]
      )
    })
  )

  it.effect("leaves the file as it was when it ends with a failure", () =>
    Effect.gen(function* () {
      const contents = yield* recording("/old")
      const before = file(contents)
      const exit = yield* Effect.andThen(get("/new"), Effect.fail("no")).pipe(
        Effect.provide(layer(contents, { mode: "record" }, { client: tool(() => "{}").client })),
        Effect.provideService(References.MinimumLogLevel, "None"),
        Effect.exit
      )
      assert.isTrue(Exit.isFailure(exit))
      assert.strictEqual(file(contents), before)
    })
  )

  it.effect("leaves the old file whole when the new one cannot be written", () =>
    Effect.gen(function* () {
      const contents = yield* recording("/old")
      const before = file(contents)
      const exit = yield* get("/new").pipe(
        Effect.provide(
          layer(contents, { mode: "record" }, { client: tool(() => "{}").client, isFull: true })
        ),
        Effect.exit
      )
      assert.include(messageOf(exit), "The cassette tape.json cannot be written: ")
      assert.deepStrictEqual([...contents], [["tape.json", before]])
    })
  )

  it.effect("knows when it was made, also under a TestClock that nobody set", () =>
    Effect.gen(function* () {
      const contents = new Map<string, string>()
      yield* get("/a").pipe(
        Effect.provide(layer(contents, { mode: "record" }, { client: tool(() => "{}").client }))
      )
      const { recordedAt } = yield* CassetteTape.parse(file(contents), "it")
      assert.isAbove(recordedAt, Date.UTC(2026, 0))
    })
  )

  it.effect("can be written before its end", () =>
    Effect.gen(function* () {
      const contents = new Map<string, string>()
      yield* Effect.gen(function* () {
        const { save } = yield* Cassette
        yield* get("/a")
        yield* save
        assert.include(file(contents), "/a")
      }).pipe(Effect.provide(layer(contents, { mode: "record" }, { client: tool(() => "{}").client })))
    })
  )

  it.effect("goes to where the host really is, and keeps the name that stands for it", () =>
    Effect.gen(function* () {
      const contents = new Map<string, string>()
      const { asked, client } = tool(
        () =>
          '{"next":"https://adb-1.real.example.org/api?page=2","at":"https%3A%2F%2Fadb-1.real.example.org%2F"}'
      )
      const options = { hosts: { "tool.test": "https://adb-1.real.example.org/" } }
      const live = yield* get("/api?page=1").pipe(
        Effect.provide(layer(contents, { mode: "record", ...options }, { client }))
      )
      assert.deepStrictEqual(asked, ["GET adb-1.real.example.org/api?page=1"])
      assert.include(live, "adb-1.real.example.org")
      assert.notInclude(file(contents), "real.example.org")
      const played = yield* get("/api?page=1").pipe(
        Effect.provide(layer(contents, { hosts: { "tool.test": undefined } }))
      )
      assert.strictEqual(played, '{"next":"https://tool.test/api?page=2","at":"https%3A%2F%2Ftool.test%2F"}')
    })
  )

  it.effect("does not begin without knowing where the host really is", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(
        get("/a").pipe(Effect.provide(layer(new Map(), { mode: "record", hosts: { "tool.test": "" } })))
      )
      assert.instanceOf(error, CassetteError)
      assert.include(error.message, "`hosts` does not say where tool.test really is")
    })
  )

  it.effect("leaves out and changes what one wants", () =>
    Effect.gen(function* () {
      const contents = new Map<string, string>()
      const edit = (interaction: CassetteTape.Interaction) =>
        interaction.request.url.endsWith("/ping") ? undefined : { ...interaction, took: 1 }
      yield* Effect.andThen(get("/ping"), get("/a")).pipe(
        Effect.provide(layer(contents, { mode: "record", edit }, { client: tool(() => "{}").client }))
      )
      const { interactions } = yield* CassetteTape.parse(file(contents), "it")
      assert.deepStrictEqual(
        interactions.map(({ request, took }) => [request.url, took]),
        [["https://tool.test/a", 1]]
      )
    })
  )
})

describe("the mode", () => {
  const modeOf = (
    contents: Map<string, string>,
    mode: "replay" | "record" | "auto" | undefined,
    environment: Readonly<Record<string, string>>
  ) =>
    Effect.map(Cassette, ({ mode }) => mode as string).pipe(
      Effect.provide(
        layer(contents, mode === undefined ? {} : { mode }, { environment, client: tool(() => "{}").client })
      ),
      Effect.catch(({ message }) => Effect.succeed(message))
    )

  it.effect("is what CASSETTE says, and otherwise what the test says", () =>
    Effect.gen(function* () {
      const one = yield* recording("/a")
      assert.strictEqual(yield* modeOf(one, undefined, {}), "replay")
      assert.strictEqual(yield* modeOf(new Map(one), undefined, { CASSETTE: "record" }), "record")
      assert.strictEqual(yield* modeOf(new Map(one), "replay", { CASSETTE: "RECORD", CI: "true" }), "record")
      assert.strictEqual(yield* modeOf(one, "record", { CASSETTE: "replay" }), "replay")
      assert.strictEqual(
        yield* modeOf(one, "replay", { CASSETTE: "rec" }),
        'The environment variable CASSETTE is "rec"; it takes replay, record or auto.'
      )
    })
  )

  it.effect("auto plays a file that is there and records one that is not, but never in CI", () =>
    Effect.gen(function* () {
      const one = yield* recording("/a")
      assert.strictEqual(yield* modeOf(one, "auto", {}), "replay")
      assert.strictEqual(yield* modeOf(one, "auto", { CI: "true" }), "replay")
      assert.strictEqual(yield* modeOf(new Map(), "auto", { CI: "false" }), "record")
      const none = new Map<string, string>()
      assert.strictEqual(
        yield* modeOf(none, "auto", { CI: "true" }),
        "There is no cassette tape.json, and none is recorded where CI is set. Record it on your machine (run the same test with CASSETTE=record) and commit the file."
      )
      assert.deepStrictEqual([...none], [])
    })
  )
})
