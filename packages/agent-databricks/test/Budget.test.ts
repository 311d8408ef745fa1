import { assert, describe, it } from "@effect/vitest"
import { Clock, Duration, Effect, Fiber, Logger, Metric } from "effect"
import { TestClock } from "effect/testing"
import { HttpClient, HttpClientRequest, HttpClientResponse } from "effect/http"
import * as HttpPolicy from "@observability-agents/toolkit/HttpPolicy"
import * as Budget from "@observability-agents/agent-databricks/Budget"

/** A service that answers so, and a client whose requests have a budget. */
const scene = Effect.fnUntraced(function* (
  requestsPerSecond: number,
  answer: (index: number) => Response = () => new Response("{}")
) {
  const clock = yield* Clock.Clock
  const times: Array<number> = []
  const begin = clock.currentTimeMillisUnsafe()
  const service = HttpClient.make((request) =>
    Effect.sync(() => {
      times.push(clock.currentTimeMillisUnsafe() - begin)
      return HttpClientResponse.fromWeb(request, answer(times.length - 1))
    })
  )
  const budget = yield* Budget.make({ workspace: "test", requestsPerSecond })
  const policy = HttpPolicy.apply({ readTimeout: Duration.seconds(5), retries: 3 })
  const client = budget.admit(policy(budget.meter(service)))
  const ask = client.execute(HttpClientRequest.get("https://fake/api/2.2/jobs/runs/list"))
  return { budget, ask, times }
})

describe("Budget", () => {
  it.effect("sends two seconds' requests at once, and then one after the other at the rate", () =>
    Effect.gen(function* () {
      const { ask, budget, times } = yield* scene(10)
      assert.strictEqual(budget.available(), 20)
      const all = yield* Effect.forkChild(
        Effect.all(
          Array.from({ length: 25 }, () => ask),
          { concurrency: 25 }
        )
      )
      yield* TestClock.adjust("10 seconds")
      yield* Fiber.join(all)
      assert.deepStrictEqual(times.slice(19), [0, 100, 200, 300, 400, 500])
    })
  )

  it.effect("fills again with time", () =>
    Effect.gen(function* () {
      const { ask, budget } = yield* scene(10)
      yield* Effect.all(Array.from({ length: 20 }, () => ask))
      assert.strictEqual(budget.available(), 0)
      yield* TestClock.adjust("1 second")
      assert.strictEqual(budget.available(), 10)
      yield* TestClock.adjust("1 hour")
      assert.strictEqual(budget.available(), 20)
    })
  )

  it.effect("does not take a wait for a silent service", () =>
    Effect.gen(function* () {
      // One request in ten seconds, and an answer within five.
      const { ask, times } = yield* scene(0.1)
      const all = yield* Effect.forkChild(Effect.all([ask, ask, ask], { concurrency: 3 }))
      yield* TestClock.adjust("1 minute")
      yield* Fiber.join(all)
      assert.deepStrictEqual(times, [0, 10_000, 20_000])
    })
  )

  it.effect("counts a request that is sent again, too", () =>
    Effect.gen(function* () {
      // One request in ten seconds.
      const { ask, times } = yield* scene(
        0.1,
        (index) => new Response("{}", { status: index < 2 ? 503 : 200 })
      )
      const all = yield* Effect.forkChild(Effect.all([ask, ask]))
      yield* TestClock.adjust("5 seconds")
      assert.lengthOf(times, 3, "what is sent again does not wait for its turn")
      yield* TestClock.adjust("1 minute")
      yield* Fiber.join(all)
      assert.closeTo(times[3] ?? 0, 30_000, 5, "but the next one does")
    })
  )

  it.effect("lets all requests wait for as long as the service asks one to", () =>
    Effect.gen(function* () {
      const { ask, budget, times } = yield* scene(10, (index) =>
        index === 0
          ? new Response("{}", { status: 429, headers: { "retry-after": "30" } })
          : new Response("{}")
      )
      const first = yield* Effect.forkChild(ask)
      yield* TestClock.adjust("1 second")
      assert.strictEqual(budget.available(), 0)
      const second = yield* Effect.forkChild(ask)
      yield* TestClock.adjust("1 minute")
      yield* Fiber.joinAll([first, second])
      assert.lengthOf(times, 3)
      assert.isTrue(
        times.slice(1).every((time) => time >= 30_000),
        String(times)
      )
    })
  )

  it.effect("is not upset by a clock that is set back", () =>
    Effect.gen(function* () {
      const { ask, times } = yield* scene(10)
      yield* Effect.all(Array.from({ length: 20 }, () => ask))
      yield* TestClock.setTime((yield* Clock.currentTimeMillis) - 3_600_000)
      const all = yield* Effect.forkChild(Effect.all([ask, ask]))
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(all)
      assert.lengthOf(times, 22)
    })
  )

  it.effect("says once in a while that it is used up, and what to do", () => {
    const lines: Array<string> = []
    const logger = Logger.make(({ message }) => void lines.push(String(message)))
    return Effect.gen(function* () {
      const { ask } = yield* scene(1)
      const all = yield* Effect.forkChild(Effect.all(Array.from({ length: 120 }, () => ask)))
      for (let second = 0; second < 125; second++) yield* TestClock.adjust("1 second")
      yield* Fiber.join(all)
      assert.lengthOf(lines, 1)
      assert.match(lines[0] ?? "", /request budget is used up.*requests_per_second/)
    }).pipe(Effect.provide(Logger.layer([logger])))
  })

  it.effect("tells metrics how much is left, and what became of requests", () =>
    Effect.gen(function* () {
      const { ask } = yield* scene(10, (index) => new Response("{}", { status: index === 1 ? 403 : 200 }))
      yield* Effect.all([ask, ask])
      const found = (yield* Metric.snapshot).flatMap(({ attributes, id, state }) =>
        attributes?.["workspace"] === "test" ? [{ id, outcome: attributes["outcome"], state }] : []
      )
      assert.deepInclude(
        found.map(({ id, outcome }) => ({ id, outcome })),
        { id: "observability_agent_tool_requests_total", outcome: "403" }
      )
      const left = found.find(({ id }) => id === "observability_agent_tool_request_budget_available")
      assert.deepStrictEqual(left?.state, { value: 18 })
    })
  )
})
