import * as HttpFailure from "@observability-agents/toolkit/HttpFailure"
import { HttpTransport } from "@observability-agents/toolkit/HttpTransport"
import * as Logging from "@observability-agents/toolkit/Logging"
import * as Secrecy from "@observability-agents/toolkit/Secrecy"
import { Telemetry } from "@observability-agents/toolkit/Telemetry"
import * as Exporting from "@observability-agents/toolkit/Telemetry"
import * as TelemetrySettings from "@observability-agents/toolkit/TelemetrySettings"
import { assert, describe, it } from "@effect/vitest"
import { type Duration, Effect, Layer, Logger, References, Tracer } from "effect"
import { HttpClient, HttpClientResponse } from "effect/http"
import { TestClock } from "effect/testing"

const SECRET = "s3cret-of-the-test"

type Answer = number | "never" | "refused"

/** A collector without sockets, what it got, and what the program logged; `answer` may be changed at any time. */
const setUp = (given: Partial<TelemetrySettings.TelemetrySettings> = {}) => {
  const collector = { answer: 200 as Answer, bodies: Array<string>(), underWay: 0, most: 0 }
  const client = HttpClient.make((request) =>
    Effect.suspend(() => {
      collector.underWay += 1
      collector.most = Math.max(collector.most, collector.underWay)
      if (request.body._tag === "Uint8Array")
        collector.bodies.push(new TextDecoder().decode(request.body.body))
      return collector.answer === "never"
        ? Effect.never
        : collector.answer === "refused"
          ? Effect.fail(
              HttpFailure.transport(request, new Error(`connect ECONNREFUSED, asked with ${SECRET}`))
            )
          : Effect.succeed(
              HttpClientResponse.fromWeb(request, new Response("{}", { status: collector.answer }))
            )
    }).pipe(
      Effect.ensuring(
        Effect.sync(() => {
          collector.underWay -= 1
        })
      )
    )
  )
  const lines: Array<string> = []
  const logger = Logger.make<unknown, void>(({ fiber, logLevel, message }) => {
    const { reason = "" } = fiber.getRef(References.CurrentLogAnnotations)
    lines.push([logLevel, ...(Array.isArray(message) ? message : [message]), reason].map(String).join(" "))
  })
  const settings = TelemetrySettings.make({
    otlpEndpoint: "http://collector",
    protocol: "http/json",
    metrics: false,
    logs: false,
    ...given
  })
  const layer = Exporting.layerWith(settings, { version: "1" }).pipe(
    Layer.provide(HttpTransport.layerClient(client)),
    Layer.provideMerge(
      Layer.merge(
        Logger.layer([logger]),
        Layer.succeed(Logging.Selection, { level: "info", mask: Secrecy.masker([SECRET]) })
      )
    )
  )
  return { collector, lines, layer }
}

const spans = (count: number) =>
  Effect.replicateEffect(Effect.withSpan(Effect.void, "work"), count, { discard: true })

/** Lets time pass in steps, so that what waits in between goes on, with some work in each step. */
const pass = (steps: number, step: Duration.Input) =>
  Effect.replicateEffect(Effect.andThen(spans(3), TestClock.adjust(step)), steps, { discard: true })

describe("Telemetry", () => {
  it.effect(
    "warns at most once a minute while the collector is down, and says when it is there again",
    () => {
      const { collector, layer, lines } = setUp()
      return Effect.gen(function* () {
        collector.answer = "refused"
        yield* pass(360, "10 seconds")
        assert.isAtLeast(lines.length, 2)
        assert.isAtMost(lines.length, 60)
        assert.strictEqual(new Set(lines).size, 1)
        assert.match(
          lines[0] ?? "",
          /^Warn Telemetry cannot be exported .* connect ECONNREFUSED, asked with \*{8}/
        )
        collector.answer = 200
        yield* pass(12, "10 seconds")
        assert.strictEqual(lines.at(-1), "Info Telemetry is exported again ")
      }).pipe(Effect.provide(layer))
    }
  )

  it.effect("warns at the first answer that trying again cannot mend, but not for one that it can", () =>
    Effect.gen(function* () {
      for (const [answer, warnings] of [
        [401, 1],
        [503, 0]
      ] as const) {
        const { collector, layer, lines } = setUp()
        yield* Effect.gen(function* () {
          collector.answer = answer
          yield* pass(1, "10 seconds")
          assert.strictEqual(lines.length, warnings)
          collector.answer = 200
          yield* pass(2, "10 seconds")
        }).pipe(Effect.provide(layer))
      }
    })
  )

  it.effect(
    "has at most eight exports under way, and keeps no more, while the collector does not answer",
    () => {
      const { collector, layer, lines } = setUp()
      return Effect.gen(function* () {
        collector.answer = "never"
        yield* spans(20_000)
        yield* TestClock.adjust(0)
        assert.strictEqual(collector.most, 8)
        yield* pass(50, "1 second")
        assert.strictEqual(collector.most, 8)
        assert.strictEqual(lines.filter((line) => line.startsWith("Warn")).length, 1)
        collector.answer = 200
        yield* pass(30, "10 seconds")
        assert.strictEqual(collector.underWay, 0)
        const kept = collector.bodies.slice(-20).map((body) => body.split('"name":"work"').length - 1)
        assert.isAtMost(Math.max(...kept), 30, "what was made meanwhile was discarded")
      }).pipe(Effect.provide(layer))
    }
  )

  it.effect("masks secrets in names, attributes and errors of spans", () => {
    const { collector, layer } = setUp()
    return Effect.gen(function* () {
      const work = Effect.andThen(
        Effect.annotateCurrentSpan({ key: [`a ${SECRET}`], url: `https://x/?t=${SECRET}` }),
        Effect.die(new Error(`failed with ${SECRET}`))
      )
      yield* Effect.exit(Effect.withSpan(work, `work on ${SECRET}`))
      yield* Effect.flatMap(Telemetry, ({ flush }) => flush)
      assert.strictEqual(collector.bodies.length, 1)
      assert.notInclude(collector.bodies[0], SECRET)
      assert.include(collector.bodies[0], `failed with ${Secrecy.MASK}`)
      assert.include(collector.bodies[0], `work on ${Secrecy.MASK}`)
    }).pipe(Effect.provide(layer))
  })

  it.effect("exports in protobuf too", () => {
    const { collector, layer } = setUp({ protocol: "http/protobuf" })
    return Effect.gen(function* () {
      yield* Effect.withSpan(Effect.void, `work on ${SECRET}`)
      yield* Effect.flatMap(Telemetry, ({ flush }) => flush)
      assert.include(collector.bodies[0], `work on ${Secrecy.MASK}`)
      assert.notInclude(collector.bodies[0], "resourceSpans")
    }).pipe(Effect.provide(layer))
  })

  it.effect("leaves the Tracer as it was, unless traces are exported", () =>
    Effect.gen(function* () {
      for (const given of [{ disabled: true }, { traces: false, metrics: true }, {}]) {
        const { layer } = setUp(given)
        const tracer = yield* Effect.provide(Tracer.Tracer, layer)
        assert.strictEqual(tracer !== Tracer.nativeTracer, Object.keys(given).length === 0)
      }
    })
  )

  it.effect("samples at the root, and lets all that follows share its fate", () => {
    const { collector, layer } = setUp({ sampleRatio: 0.5 })
    return Effect.gen(function* () {
      const trace = Effect.withSpan(Effect.withSpan(Effect.void, "child"), "root")
      yield* Effect.replicateEffect(trace, 400, { discard: true })
      // A trace that began elsewhere, before a restart.
      const earlier = (sampled: boolean) =>
        Effect.withSpan(Effect.void, `sent ${sampled}`, {
          parent: Tracer.externalSpan({ traceId: "1".repeat(32), spanId: "2".repeat(16), sampled })
        })
      yield* Effect.replicateEffect(Effect.andThen(earlier(true), earlier(false)), 20, { discard: true })
      yield* Effect.flatMap(Telemetry, ({ flush }) => flush)
      const count = (name: string) => collector.bodies.join("").split(`"name":"${name}"`).length - 1
      assert.strictEqual(count("child"), count("root"))
      assert.isAbove(count("root"), 100)
      assert.isBelow(count("root"), 300)
      assert.deepStrictEqual([count("sent true"), count("sent false")], [20, 0])
    }).pipe(Effect.provide(layer))
  })

  it.effect("flushes what was gathered when it closes", () => {
    const { collector, layer } = setUp()
    return Effect.gen(function* () {
      yield* Effect.provide(spans(3), layer)
      assert.strictEqual(collector.bodies.length, 1)
      assert.strictEqual((collector.bodies[0] ?? "").split('"name":"work"').length - 1, 3)
    })
  })
})
