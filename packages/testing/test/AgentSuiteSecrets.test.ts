import * as Secrets from "@observability-agents/testing/AgentSuiteSecrets"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Metric, Tracer } from "effect"

const SECRET = 'p@ss/w0rd of "the" test'

const texts = () => {
  const seen: Array<readonly [string, string]> = []
  const look: Secrets.Look = (where, text) => seen.push([where, text])
  const hasSecret = Secrets.finder([SECRET])
  const places = () => seen.filter(([, text]) => hasSecret(text)).map(([where]) => where)
  return { look, places }
}

describe("a secret", () => {
  it("is found as it is, and as URLs, JSON and headers write it", () => {
    const hasSecret = Secrets.finder([SECRET, ""])
    for (const text of [
      `key ${SECRET}.`,
      `?key=${encodeURIComponent(SECRET)}&x`,
      `?key=${encodeURIComponent(SECRET).replaceAll(/%../g, (code) => code.toLowerCase())}&x`,
      `key=${new URLSearchParams([["", SECRET]]).toString().slice(1)}&x`,
      JSON.stringify({ key: SECRET }),
      JSON.stringify(JSON.stringify({ key: SECRET })),
      Buffer.from(`user:${SECRET}?>`).toString("base64url"),
      ...["", "u", "us", "use"].map((user) => Buffer.from(`${user}:${SECRET}:x`).toString("base64"))
    ]) {
      assert.isTrue(hasSecret(text), text)
    }
    assert.isFalse(hasSecret("p@ss/w0rd of the test"))
  })

  it("is found only as it is where it is short, and never where it is empty", () => {
    assert.isTrue(Secrets.finder(["abc"])("xabcx"))
    assert.isFalse(Secrets.finder(["abc"])(Buffer.from("abc").toString("base64")))
    assert.isFalse(Secrets.finder([""])("anything"))
  })

  it("is masked in what the suite says", () => {
    assert.strictEqual(Secrets.masked([SECRET, ""], `with ${SECRET}`), "with ***")
    assert.strictEqual(Secrets.masked([SECRET], `?key=${encodeURIComponent(SECRET)}`), "?key=***")
    assert.strictEqual(Secrets.masked(["token", "token-of-it"], "with token-of-it"), "with ***")
  })
})

describe("what is looked at", () => {
  it.effect("of spans: names, attributes, events, links and failures", () =>
    Effect.gen(function* () {
      const { look, places } = texts()
      const link = { span: Tracer.externalSpan({ spanId: "a", traceId: "b" }), attributes: { key: [SECRET] } }
      yield* Effect.gen(function* () {
        yield* Effect.annotateCurrentSpan("request", { headers: { key: SECRET } })
        const span = yield* Effect.currentSpan
        span.event("asked", 0n, { key: SECRET })
        span.addLinks([link])
        return yield* Effect.fail(`no access with ${SECRET}`)
      }).pipe(
        Effect.withSpan(`ask ${SECRET}`),
        Effect.exit,
        Effect.provideService(Tracer.Tracer, Secrets.tracer(look))
      )
      const name = `ask ${SECRET}`
      assert.deepStrictEqual(places(), [
        "a span's name",
        `an attribute of the span ${name}`,
        `an event of the span ${name}`,
        `a link of the span ${name}`,
        `the failure of the span ${name}`
      ])
    })
  )

  it.effect("of metrics: names, descriptions, attributes, and words that are counted", () =>
    Effect.gen(function* () {
      const { look, places } = texts()
      yield* Metric.update(Metric.counter(`asked ${SECRET}`), 1)
      yield* Metric.update(Metric.counter("described", { description: SECRET }), 1)
      yield* Metric.update(Metric.counter("labelled", { attributes: { key: SECRET } }), 1)
      yield* Metric.update(Metric.frequency("answers"), SECRET)
      yield* Metric.update(Metric.counter("well"), 1)
      Secrets.lookAtMetrics(yield* Effect.context<never>(), look)
      assert.deepStrictEqual(places().toSorted(), [
        "the metric answers",
        `the metric asked ${SECRET}`,
        "the metric described",
        "the metric labelled"
      ])
    }).pipe(Effect.provideService(Metric.MetricRegistry, new Map()))
  )
})
