import * as HttpFailure from "@observability-agents/toolkit/HttpFailure"
import * as HttpPolicy from "@observability-agents/toolkit/HttpPolicy"
import { assert, describe, it } from "@effect/vitest"
import { Cause, Clock, Duration, Effect, Exit, Fiber, Option, Random, Ref, Tracer } from "effect"
import { TestClock } from "effect/testing"
import {
  Headers,
  HttpClient,
  type HttpClientError,
  type HttpClientRequest,
  HttpClientResponse
} from "effect/http"

type Step =
  | { readonly status: number; readonly headers?: Record<string, string>; readonly after?: Duration.Input }
  | { readonly code: string }
  | "never"

/** A client that answers by a script, its last step for ever, and remembers when it was asked (seconds). */
const scripted = Effect.fnUntraced(function* (...steps: ReadonlyArray<Step>) {
  const times = yield* Ref.make<ReadonlyArray<number>>([])
  const client = HttpClient.make((request) =>
    Effect.gen(function* () {
      const now = yield* Clock.currentTimeMillis
      const count = yield* Ref.modify(times, (all) => [all.length, [...all, (now - START) / 1000]])
      const step = steps[Math.min(count, steps.length - 1)]
      if (step === undefined || step === "never") return yield* Effect.never
      if ("code" in step) {
        return yield* Effect.fail(
          HttpFailure.transport(request, Object.assign(new Error(`it was ${step.code}`), { code: step.code }))
        )
      }
      yield* Effect.sleep(step.after ?? 0)
      return answer(request, step.status, step.headers)
    })
  )
  return { client, times: Ref.get(times) }
})

const answer = (
  request: HttpClientRequest.HttpClientRequest,
  status: number,
  headers: Record<string, string> = {}
) => HttpClientResponse.fromWeb(request, new Response(status === 204 ? null : "body", { status, headers }))

const START = Date.UTC(2030, 0, 1)

const settings = { readTimeout: Duration.seconds(60), retries: 3 }

interface Trial {
  readonly method?: "GET" | "POST"
  readonly settings?: typeof settings
  readonly options?: HttpPolicy.Options
}

/** Runs one request through the policy until it has an outcome. */
const attempt = Effect.fnUntraced(function* (steps: ReadonlyArray<Step>, trial: Trial = {}) {
  yield* TestClock.setTime(START)
  const { client, times } = yield* scripted(...steps)
  const limited = HttpPolicy.apply(trial.settings ?? settings, trial.options)(client)
  const fiber = yield* Effect.forkChild(
    trial.method === "POST" ? limited.post("http://tool/x") : limited.get("http://tool/x")
  )
  yield* TestClock.adjust("1 hour")
  const exit = yield* Fiber.await(fiber)
  return { exit, times: yield* times, outcome: outcomeOf(exit) }
})

const outcomeOf = (exit: Exit.Exit<HttpClientResponse.HttpClientResponse, HttpClientError.HttpClientError>) =>
  Exit.isSuccess(exit) ? exit.value.status : String(Cause.squash(exit.cause))

describe("HttpPolicy.apply", () => {
  it.effect("reads no more than a little of an answer that it does not pass on", () =>
    Effect.gen(function* () {
      let chunks = 0
      const client = HttpClient.make((request) => {
        const body = new ReadableStream<Uint8Array>({
          pull: (controller) => {
            if (++chunks === 100) controller.close()
            else controller.enqueue(new Uint8Array(50_000))
          }
        })
        return Effect.succeed(HttpClientResponse.fromWeb(request, new Response(body, { status: 503 })))
      })
      const limited = HttpPolicy.apply({ ...settings, retries: 1 })(client)
      const fiber = yield* Effect.forkChild(limited.get("http://tool/x"))
      yield* TestClock.adjust("1 hour")
      assert.strictEqual((yield* Fiber.join(fiber)).status, 503)
      assert.isBelow(chunks, 20)
    })
  )

  for (const status of [408, 429, 502, 503, 504]) {
    it.effect(`repeats a request of any method that is answered ${status}`, () =>
      Effect.gen(function* () {
        for (const method of ["GET", "POST"] as const) {
          const { outcome, times } = yield* attempt([{ status }, { status: 200 }], { method })
          assert.strictEqual(outcome, 200)
          assert.strictEqual(times.length, 2)
        }
      })
    )
  }

  it.effect("repeats after a 500 only what may arrive twice", () =>
    Effect.gen(function* () {
      const steps = [{ status: 500 }, { status: 200 }]
      assert.strictEqual((yield* attempt(steps)).outcome, 200)
      assert.strictEqual((yield* attempt(steps, { method: "POST" })).outcome, 500)
      assert.strictEqual(
        (yield* attempt(steps, { method: "POST", options: { repeatable: true } })).outcome,
        200
      )
      assert.strictEqual((yield* attempt(steps, { options: { repeatable: () => false } })).outcome, 500)
    })
  )

  for (const status of [200, 201, 204, 400, 401, 403, 404, 409, 413, 501]) {
    it.effect(`never sends again what was answered ${status}, whatever its headers say`, () =>
      Effect.gen(function* () {
        for (const method of ["GET", "POST"] as const) {
          const headers = { "x-ratelimit-reset": "1", "ratelimit-reset": "0", "retry-after": "1" }
          const { outcome, times } = yield* attempt([{ status, headers }], { method })
          assert.strictEqual(outcome, status)
          assert.deepStrictEqual(times, [0])
        }
      })
    )
  }

  it.effect("counts all kinds of failures of one request against one bound", () =>
    Effect.gen(function* () {
      const steps = [{ status: 503 }, { status: 502 }, { code: "ECONNREFUSED" }]
      const passed = yield* attempt([...steps, { status: 200 }], { method: "POST" })
      assert.strictEqual(passed.outcome, 200)
      assert.strictEqual(passed.times.length, 4)
      const failed = yield* attempt([...steps, { status: 504 }], { method: "POST" })
      assert.strictEqual(failed.outcome, 504)
      assert.strictEqual(failed.times.length, 4)
    })
  )

  it.effect("sends once when retries is 0", () =>
    Effect.gen(function* () {
      const { outcome, times } = yield* attempt([{ status: 503 }], { settings: { ...settings, retries: 0 } })
      assert.strictEqual(outcome, 503)
      assert.strictEqual(times.length, 1)
    })
  )

  it.effect("repeats any request that could not be connected, and passes the last error on", () =>
    Effect.gen(function* () {
      for (const code of ["ECONNREFUSED", "ENOTFOUND", "EAI_AGAIN", "UND_ERR_CONNECT_TIMEOUT"]) {
        const { outcome, times } = yield* attempt([{ code }], { method: "POST" })
        assert.include(String(outcome), code)
        assert.strictEqual(times.length, 4)
      }
    })
  )

  it.effect("repeats after a broken connection only what may arrive twice", () =>
    Effect.gen(function* () {
      const steps = [{ code: "ECONNRESET" }, { status: 200 }]
      assert.strictEqual((yield* attempt(steps)).outcome, 200)
      assert.include(String((yield* attempt(steps, { method: "POST" })).outcome), "ECONNRESET")
    })
  )

  it.effect("does not repeat when the server's certificate is not trusted", () =>
    Effect.gen(function* () {
      const { times } = yield* attempt([{ code: "DEPTH_ZERO_SELF_SIGNED_CERT" }])
      assert.strictEqual(times.length, 1)
    })
  )

  it.effect("limits the time of each attempt, not of all together", () =>
    Effect.gen(function* () {
      const { outcome, times } = yield* attempt([
        { status: 503, after: "59 seconds" },
        { status: 503, after: "59 seconds" },
        { status: 200, after: "59 seconds" }
      ])
      assert.strictEqual(outcome, 200)
      assert.strictEqual(times.length, 3)
    })
  )

  it.effect("ends an attempt at the read time-out with an error that names the setting", () =>
    Effect.gen(function* () {
      const once = yield* attempt(["never"], { method: "POST" })
      assert.match(String(once.outcome), /no answer within 1m \(read_timeout\) \(POST http:\/\/tool\/x\)/)
      assert.deepStrictEqual(once.times, [0])
      const again = yield* attempt(["never", { status: 200 }])
      assert.strictEqual(again.outcome, 200)
      assert.isTrue((again.times[1] ?? 0) >= 60)
    })
  )

  it.effect("tells time-outs by their cause", () =>
    Effect.gen(function* () {
      const { exit } = yield* attempt(["never"], { method: "POST" })
      const error = Exit.isFailure(exit) ? Cause.squash(exit.cause) : undefined
      assert.isTrue(error instanceof Error && Cause.isTimeoutError(error.cause))
    })
  )

  it.effect("doubles its back-off up to a limit and draws it from the upper half", () =>
    Effect.gen(function* () {
      const firsts = new Set<number>()
      for (let seed = 0; seed < 40; seed++) {
        const { times } = yield* attempt([{ status: 503 }], { settings: { ...settings, retries: 7 } }).pipe(
          Random.withSeed(seed)
        )
        const delays = times.slice(1).map((time, index) => time - (times[index] ?? 0))
        firsts.add(delays[0] ?? 0)
        for (const [index, full] of [1, 2, 4, 8, 10, 10, 10].entries()) {
          const delay = delays[index] ?? 0
          assert.isAtLeast(delay, full / 2 - 0.002)
          assert.isAtMost(delay, full + 0.002)
        }
      }
      assert.isAbove(firsts.size, 20)
    })
  )

  const waits: ReadonlyArray<[string, Record<string, string>, number]> = [
    ["Retry-After in seconds", { "retry-after": "7" }, 7],
    ["Retry-After as a date", { "retry-after": new Date(START + 9000).toUTCString() }, 9],
    ["X-RateLimit-Reset in seconds", { "x-ratelimit-reset": "12" }, 12],
    ["RateLimit-Reset in seconds", { "ratelimit-reset": "12" }, 12],
    ["X-Rate-Limit-Reset in seconds", { "x-rate-limit-reset": "12.5" }, 12.5],
    ["a reset as a moment in seconds", { "x-ratelimit-reset": String(START / 1000 + 30) }, 30],
    ["a reset as a moment in milliseconds", { "x-ratelimit-reset": String(START + 30_500) }, 30.5],
    ["a far reset, cut to the longest wait", { "x-ratelimit-reset": String(START / 1000 + 86_400) }, 60],
    ["a huge Retry-After, cut to the longest wait", { "retry-after": "9".repeat(400) }, 60],
    ["Retry-After before a reset", { "retry-after": "5", "x-ratelimit-reset": "50" }, 5],
    ["a reset when Retry-After cannot be read", { "retry-after": "soon", "x-ratelimit-reset": "50" }, 50],
    ["the first of several values", { "ratelimit-reset": "8, 20" }, 8]
  ]
  for (const [what, headers, seconds] of waits) {
    it.effect(`waits as asked: ${what}`, () =>
      Effect.gen(function* () {
        for (const status of [429, 503]) {
          const { times, outcome } = yield* attempt([{ status, headers }, { status: 204 }], {
            method: "POST"
          })
          assert.strictEqual(outcome, 204)
          assert.deepStrictEqual(times, [0, seconds])
        }
      })
    )
  }

  const nothings: ReadonlyArray<Record<string, string>> = [
    { "retry-after": "0" },
    { "retry-after": "-3" },
    { "retry-after": new Date(START - 9000).toUTCString() },
    { "retry-after": "soon" },
    { "retry-after": "" },
    { "retry-after": "NaN" },
    { "retry-after": "Infinity" },
    { "retry-after": "Wed, 99 Xyz 2030 25:61:61 GMT" },
    { "x-ratelimit-reset": "0" },
    { "x-ratelimit-reset": String(START / 1000 - 100) },
    { "x-ratelimit-reset": "-1" },
    { "x-ratelimit-reset": "1e3" },
    { "ratelimit-reset": "{}" }
  ]
  it.effect("keeps to its own back-off when a header asks for nothing, the past, or nonsense", () =>
    Effect.gen(function* () {
      for (const headers of nothings) {
        const { times, outcome } = yield* attempt([{ status: 429, headers }])
        assert.strictEqual(outcome, 429)
        assert.strictEqual(times.length, 4)
        assert.isTrue((times[1] ?? 0) >= 0.49 && (times[1] ?? 0) <= 1.01, JSON.stringify([headers, times]))
      }
    })
  )

  it.effect("stops at once when it is interrupted while waiting", () =>
    Effect.gen(function* () {
      const { client, times } = yield* scripted({ status: 503 })
      const fiber = yield* Effect.forkChild(HttpPolicy.apply(settings)(client).get("http://tool/x"))
      yield* TestClock.adjust("100 millis")
      yield* Fiber.interrupt(fiber)
      yield* TestClock.adjust("1 hour")
      assert.strictEqual((yield* times).length, 1)
    })
  )

  it.effect("repeats also below a client that makes errors of bad answers", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(START)
      const { client, times } = yield* scripted(
        { status: 503, headers: { "retry-after": "20" } },
        { status: 200 }
      )
      const fiber = yield* client
        .pipe(HttpClient.filterStatusOk, HttpPolicy.apply(settings))
        .get("http://tool/x")
        .pipe(Effect.forkChild)
      yield* TestClock.adjust("1 minute")
      assert.strictEqual((yield* Fiber.join(fiber)).status, 200)
      assert.deepStrictEqual(yield* times, [0, 20])
    })
  )
})

describe("HttpPolicy.askedDelay", () => {
  it("is nothing for the past and never endless", () => {
    const asked = (value: string) => HttpPolicy.askedDelay(Headers.fromInput({ "retry-after": value }), START)
    for (const past of ["0", "-5", String(START / 1000 - 60), new Date(START - 1000).toUTCString()]) {
      assert.deepStrictEqual(asked(past), Duration.zero)
    }
    for (const far of ["9".repeat(400), "99999999", "Fri, 31 Dec 9999 23:59:59 GMT"]) {
      assert.deepStrictEqual(asked(far), Duration.days(7))
    }
  })

  it("reads nothing from an answer without such headers", () => {
    assert.isUndefined(HttpPolicy.askedDelay(Headers.fromInput({ date: "x" }), START))
  })
})

describe("HttpFailure.neverSent", () => {
  it.effect("tells what cannot have arrived from what may have", () =>
    Effect.gen(function* () {
      for (const [step, expected] of [
        [{ code: "ECONNREFUSED" }, true],
        [{ code: "CERT_HAS_EXPIRED" }, true],
        [{ code: "ECONNRESET" }, false],
        [{ code: "UND_ERR_SOCKET" }, false],
        ["never", false]
      ] as const) {
        const { exit } = yield* attempt([step], { method: "POST", settings: { ...settings, retries: 0 } })
        const error = yield* Effect.flip(exit)
        assert.strictEqual(HttpFailure.neverSent(error), expected)
      }
    })
  )
})

describe("the span of a request", () => {
  const spanOf = (client: HttpClient.HttpClient, tracePropagation = false) =>
    Effect.map(
      HttpPolicy.apply({ ...settings, tracePropagation })(client).get("http://tool.test/"),
      ({ headers }) => headers["x-span"] ?? "none"
    )
  const client = HttpClient.make((request) =>
    Effect.map(Effect.option(Effect.currentSpan), (span) =>
      answer(request, 200, Option.isSome(span) ? { "x-span": span.value.name } : {})
    )
  )

  it.effect("is made where somebody collects spans", () =>
    Effect.gen(function* () {
      const tracer = Tracer.make({ span: (options) => new Tracer.NativeSpan(options) })
      assert.strictEqual(yield* Effect.provideService(spanOf(client), Tracer.Tracer, tracer), "GET")
    })
  )

  it.effect("is made for a server that is told of the trace, which may have begun elsewhere", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* spanOf(client, true), "GET")
    })
  )

  it.effect("is not made for nobody", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* spanOf(client), "none")
      assert.strictEqual(
        yield* Effect.provideService(spanOf(client), Tracer.Tracer, Tracer.nativeTracer),
        "none"
      )
    })
  )
})
