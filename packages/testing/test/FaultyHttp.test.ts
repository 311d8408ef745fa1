import { FakeObservability } from "@observability-agents/testing/FakeObservability"
import * as FaultyHttp from "@observability-agents/testing/FaultyHttp"
import * as HttpFault from "@observability-agents/testing/HttpFault"
import * as ServerFault from "@observability-agents/testing/ServerFault"
import * as Event from "@observability-agents/toolkit/Event"
import * as HttpPolicy from "@observability-agents/toolkit/HttpPolicy"
import * as Observability from "@observability-agents/toolkit/Observability"
import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Fiber, Layer } from "effect"
import { HttpClient, HttpServerResponse } from "effect/http"
import { TestClock } from "effect/testing"

/** A list of two pages, `runs: [1, 2]` and `runs: [3, 4]`, that counts how often it was read. */
const makeTool = () => {
  const tool = { calls: 0 }
  const client = HttpClient.make((request, url) =>
    Effect.sync(() => {
      tool.calls += 1
      const runs = url.searchParams.has("page") ? [3, 4] : [1, 2]
      return HttpServerResponse.toClientResponse(HttpServerResponse.jsonUnsafe({ runs }), { request })
    })
  )
  return { tool, client }
}

const setUp = Effect.suspend(() => {
  const { client, tool } = makeTool()
  return Effect.map(FaultyHttp.make(client), (faulty) => ({ faulty, tool }))
})

const FIRST = "http://tool.test/runs"
const NEXT = "http://tool.test/runs?page=2"

const read = (client: HttpClient.HttpClient, url = FIRST) =>
  Effect.gen(function* () {
    const response = yield* client.get(url)
    return { status: response.status, text: yield* response.text, headers: response.headers }
  })

/** What a client without any time-out of its own has of it after these seconds. */
const after = <A, E>(seconds: number, effect: Effect.Effect<A, E>) =>
  Effect.gen(function* () {
    const fiber = yield* Effect.forkChild(Effect.exit(effect))
    yield* TestClock.adjust(Duration.seconds(seconds))
    return fiber.pollUnsafe() === undefined ? undefined : yield* Effect.flatten(Fiber.join(fiber))
  })

describe("FaultyHttp", () => {
  it.effect("passes everything on until something fails, and remembers each request", () =>
    Effect.gen(function* () {
      const { faulty, tool } = yield* setUp
      assert.strictEqual((yield* read(faulty.client)).text, '{"runs":[1,2]}')
      yield* faulty.fail(HttpFault.empty(500), { times: 1 })
      assert.strictEqual((yield* read(faulty.client, NEXT)).status, 500)
      assert.strictEqual((yield* read(faulty.client, NEXT)).text, '{"runs":[3,4]}')
      assert.strictEqual(tool.calls, 2)
      assert.deepStrictEqual(
        (yield* faulty.requests).map(({ fault, method, url }) => [method, url.href, fault?._tag]),
        [
          ["GET", FIRST, undefined],
          ["GET", NEXT, "Answer"],
          ["GET", NEXT, undefined]
        ]
      )
    })
  )

  it.effect("answers instead of the tool, or after it, as the fake server's faults do", () =>
    Effect.gen(function* () {
      const { faulty, tool } = yield* setUp
      yield* faulty.fail(HttpFault.tooManyRequests("7"), { times: 1 })
      const limited = yield* read(faulty.client)
      assert.deepStrictEqual([limited.status, limited.headers["retry-after"], tool.calls], [429, "7", 0])
      yield* faulty.fail(HttpFault.afterWork(ServerFault.badGateway), { times: 1 })
      const page = yield* read(faulty.client)
      assert.deepStrictEqual([page.status, tool.calls], [502, 1])
      assert.match(page.headers["content-type"] ?? "", /^text\/html/)
      assert.include(page.text, "nginx")
    })
  )

  it.effect("drops the connection before or after the work", () =>
    Effect.gen(function* () {
      const { faulty, tool } = yield* setUp
      yield* faulty.fail(HttpFault.drop, { times: 1 })
      assert.match((yield* Effect.flip(read(faulty.client))).message, /other side closed/)
      assert.strictEqual(tool.calls, 0)
      yield* faulty.fail(HttpFault.afterWork(HttpFault.drop), { times: 1 })
      assert.match((yield* Effect.flip(read(faulty.client))).message, /other side closed/)
      assert.strictEqual(tool.calls, 1)
    })
  )

  it.effect("is silent, or slow", () =>
    Effect.gen(function* () {
      const { faulty, tool } = yield* setUp
      yield* faulty.fail(HttpFault.silence, { times: 1 })
      assert.isUndefined(yield* after(3600, read(faulty.client)))
      assert.strictEqual(tool.calls, 0)
      yield* faulty.fail(HttpFault.afterWork(HttpFault.silence), { times: 1 })
      assert.isUndefined(yield* after(3600, read(faulty.client)))
      assert.strictEqual(tool.calls, 1)
      yield* faulty.fail(HttpFault.slow("30 seconds"))
      assert.isUndefined(yield* after(29, read(faulty.client)))
      assert.strictEqual((yield* after(30, read(faulty.client)))?.status, 200)
    })
  )

  it.effect("gives headers and a body that never ends: who limits the headers only waits for ever", () =>
    Effect.gen(function* () {
      const { faulty } = yield* setUp
      yield* faulty.fail(HttpFault.halfOpen(5))
      const limited = HttpPolicy.apply({ readTimeout: Duration.seconds(10), retries: 0 })(faulty.client)
      assert.strictEqual((yield* after(0, limited.get(FIRST)))?.status, 200)
      assert.isUndefined(yield* after(3600, read(limited)))
    })
  )

  it.effect("cuts the body, so that it is noticed or not", () =>
    Effect.gen(function* () {
      const { faulty } = yield* setUp
      yield* faulty.fail(HttpFault.cut(), { times: 1 })
      const error = yield* Effect.flip(read(faulty.client))
      assert.strictEqual(error.reason._tag, "DecodeError")
      yield* faulty.fail(HttpFault.truncated(), { times: 1 })
      assert.strictEqual((yield* read(faulty.client)).text, '{"runs"')
      yield* faulty.fail(HttpFault.truncated(3), { times: 1 })
      const { headers, text } = yield* read(faulty.client)
      assert.deepStrictEqual([text, headers["content-length"]], ['{"r', "3"])
    })
  )

  it.effect("lets the body drip", () =>
    Effect.gen(function* () {
      const { faulty } = yield* setUp
      yield* faulty.fail(HttpFault.trickle("10 seconds", 2))
      assert.strictEqual((yield* after(0, faulty.client.get(FIRST)))?.headers["content-length"], "14")
      assert.isUndefined(yield* after(69, read(faulty.client)))
      assert.strictEqual((yield* after(70, read(faulty.client)))?.text, '{"runs":[1,2]}')
    })
  )

  describe("changes the rows of a list:", () => {
    const rows = Effect.fnUntraced(function* (fault: HttpFault.HttpFault, ...urls: ReadonlyArray<string>) {
      const { faulty } = yield* setUp
      yield* faulty.fail(fault)
      const texts = yield* Effect.forEach(urls, (url) =>
        Effect.map(read(faulty.client, url), ({ text }) => text)
      )
      return { texts, changed: (yield* faulty.requests).map(({ isChanged }) => isChanged) }
    })
    const isNext = ({ searchParams }: URL) => searchParams.has("page")

    it.effect("each twice", () =>
      Effect.gen(function* () {
        const { changed, texts } = yield* rows(HttpFault.duplicated("runs"), FIRST)
        assert.deepStrictEqual([texts, changed], [['{"runs":[1,1,2,2]}'], [true]])
      })
    )

    it.effect("the first one missing", () =>
      Effect.gen(function* () {
        assert.deepStrictEqual((yield* rows(HttpFault.missing("runs"), FIRST)).texts, ['{"runs":[2]}'])
      })
    )

    it.effect("in another order, and with the same seed in the same", () =>
      Effect.gen(function* () {
        const urls = Array.from({ length: 8 }, () => FIRST)
        const first = yield* rows(HttpFault.shuffled("runs"), ...urls)
        assert.deepStrictEqual([...new Set(first.texts)].sort(), ['{"runs":[1,2]}', '{"runs":[2,1]}'])
        assert.deepStrictEqual(yield* rows(HttpFault.shuffled("runs"), ...urls), first)
      })
    )

    it.effect("one stands on no page, because the list moved between two requests", () =>
      Effect.gen(function* () {
        const fault = HttpFault.torn("runs", { isNext, how: "skips" })
        const { changed, texts } = yield* rows(fault, FIRST, NEXT)
        assert.deepStrictEqual(texts, ['{"runs":[1,2]}', '{"runs":[4]}'])
        assert.deepStrictEqual(changed, [false, true])
      })
    )

    it.effect("one stands on two pages, because the list moved between two requests", () =>
      Effect.gen(function* () {
        const fault = HttpFault.torn("runs", { isNext, how: "repeats" })
        const { texts } = yield* rows(fault, FIRST, NEXT)
        assert.deepStrictEqual(texts, ['{"runs":[1,2]}', '{"runs":[2,3,4]}'])
      })
    )

    it.effect("and keeps all digits of their ids", () =>
      Effect.gen(function* () {
        const rows = '[{"id":1125899906842624003,"of":-9007199254740993},{"id":1.5,"of":"9007199254740993"}]'
        const client = HttpClient.make((request, url) => {
          const body = HttpServerResponse.text(`{"runs":${url.searchParams.has("page") ? "[7]" : rows}}`)
          return Effect.succeed(HttpServerResponse.toClientResponse(body, { request }))
        })
        const change = Effect.fnUntraced(function* (fault: HttpFault.HttpFault, url = FIRST) {
          const faulty = yield* FaultyHttp.make(client)
          yield* faulty.fail(fault)
          yield* read(faulty.client)
          const { text } = yield* read(faulty.client, url)
          return { text, isChanged: (yield* faulty.requests)[1]?.isChanged }
        })
        const [first = "", second = ""] = rows.slice(1, -1).split(/(?<=\}),/)
        assert.deepStrictEqual(yield* change(HttpFault.duplicated("runs")), {
          text: `{"runs":[${first},${first},${second},${second}]}`,
          isChanged: true
        })
        assert.strictEqual((yield* change(HttpFault.missing("runs", 1))).text, `{"runs":[${second}]}`)
        const torn = HttpFault.torn("runs", { isNext, how: "repeats", count: 2 })
        assert.strictEqual((yield* change(torn, NEXT)).text, `{"runs":[${first},${second},7]}`)
        assert.deepStrictEqual(yield* change(HttpFault.json((body) => body)), {
          text: `{"runs":${rows}}`,
          isChanged: false
        })
        assert.include((yield* change(HttpFault.shuffled("runs"))).text, first)
      })
    )

    it.effect("wherever they are, and only there", () =>
      Effect.gen(function* () {
        const nested = HttpFault.json(() => ({ data: { items: [1, 2] }, runs: 1 }))
        const client = yield* FaultyHttp.make(makeTool().client)
        yield* client.fail(nested)
        const change = Effect.fnUntraced(function* (fault: HttpFault.HttpFault) {
          const outer = yield* FaultyHttp.make(client.client)
          yield* outer.fail(fault)
          return (yield* read(outer.client)).text
        })
        assert.strictEqual(
          yield* change(HttpFault.duplicated("data.items")),
          '{"data":{"items":[1,1,2,2]},"runs":1}'
        )
        assert.strictEqual(yield* change(HttpFault.duplicated("runs")), '{"data":{"items":[1,2]},"runs":1}')
        const whole = { get: () => [7], set: (_: unknown, all: ReadonlyArray<unknown>) => all }
        assert.strictEqual(yield* change(HttpFault.duplicated(whole)), "[7,7]")
      })
    )
  })

  it.effect("strikes a share of the requests by the seed, whatever else happens", () =>
    Effect.gen(function* () {
      const statuses = Effect.fnUntraced(function* (seed: string) {
        const faulty = yield* FaultyHttp.make(makeTool().client, { seed })
        yield* faulty.storm({ share: 0.3, retryAfter: "1" })
        return yield* Effect.forEach(Array.from({ length: 200 }), () =>
          Effect.map(read(faulty.client), ({ status }) => status)
        )
      })
      const first = yield* statuses("one")
      const struck = first.filter((status) => status === 429).length
      assert.isAbove(struck, 40)
      assert.isBelow(struck, 80)
      assert.deepStrictEqual(yield* statuses("one"), first)
      assert.notDeepEqual(yield* statuses("two"), first)
    })
  )

  it.effect("storms over the whole for a span, and recovers", () =>
    Effect.gen(function* () {
      const { faulty } = yield* setUp
      const status = Effect.map(read(faulty.client), ({ status }) => status)
      yield* faulty.storm({ after: "10 seconds", during: "10 seconds" })
      assert.strictEqual(yield* status, 200)
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual(yield* status, 429)
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual(yield* status, 200)
      yield* faulty.fail(HttpFault.drop)
      yield* faulty.recover
      assert.strictEqual(yield* status, 200)
    })
  )

  it.effect("stands around every client of a transport: an event that the server took is posted again", () =>
    Effect.gen(function* () {
      const server = yield* FakeObservability
      const faulty = yield* FaultyHttp.FaultyHttp
      yield* faulty.fail(HttpFault.afterWork(HttpFault.drop), {
        times: 1,
        where: ({ url }) => url.pathname.includes("/events/")
      })
      const { baseUrl, key } = server
      const observability = yield* Observability.make({ retries: 0, baseUrl, key })
      const event = Event.runStatus({ pipelineKey: "p", runKey: "r", status: "RUNNING" })
      assert.match((yield* Effect.flip(observability.post(event))).message, /other side closed/)
      yield* observability.post(event)
      assert.strictEqual((yield* server.events).length, 2)
      assert.isTrue((yield* faulty.requests).every(({ body }) => body.includes("RUNNING")))
    }).pipe(
      Effect.scoped,
      Effect.provide(
        FaultyHttp.FaultyHttp.layer.pipe(
          Layer.provide(FakeObservability.layerTransport),
          Layer.provideMerge(FakeObservability.layer)
        )
      )
    )
  )
})
