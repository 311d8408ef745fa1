import { assert, describe, it } from "@effect/vitest"
import { DateTime, Duration, Effect, Layer, Logger, References, type Scope } from "effect"
import { TestClock } from "effect/testing"
import * as Health from "@observability-agents/core/Health"
import { Outbox } from "@observability-agents/core/Outbox"
import * as OutboxMemory from "@observability-agents/core/OutboxMemory"
import * as RunTracker from "@observability-agents/core/RunTracker"
import * as Window from "@observability-agents/core/Window"
import { HttpClient, HttpClientRequest } from "effect/http"
import { Databricks, make } from "@observability-agents/agent-databricks/Databricks"
import * as Sweep from "@observability-agents/agent-databricks/Sweep"
import * as Fake from "@observability-agents/agent-databricks/testing/FakeDatabricks"
import * as Fault from "@observability-agents/agent-databricks/testing/Fault"

const noon = DateTime.makeUnsafe("2026-03-01T12:00:00Z")
const source = "databricks test"
const retention = { closed: "1 hour", failed: "7 days" } as const

/** A workspace, and a sweep over it whose Polls are tracked at once and kept. */
const scene = Effect.fnUntraced(function* (options: Partial<Sweep.Options> = {}) {
  yield* TestClock.setTime(DateTime.toEpochMillis(noon))
  const fake = yield* Fake.make()
  const polls: Array<RunTracker.Poll> = []
  const logs: Array<string> = []
  const logger = Logger.make(({ message }) => void logs.push(String(message)))
  const context = yield* Layer.build(
    Layer.mergeAll(
      OutboxMemory.layer(),
      Health.Health.layer,
      Logger.layer([logger]),
      Layer.succeed(References.MinimumLogLevel, "Warn"),
      Layer.succeed(
        Databricks,
        make({
          client: HttpClient.mapRequest(fake.client, HttpClientRequest.bearerToken("dapi-fake")),
          host: "fake.example",
          version: "2.2"
        })
      )
    )
  )
  const send = (poll: RunTracker.Poll) =>
    Effect.andThen(
      Effect.sync(() => polls.push(poll)),
      Effect.asVoid(Effect.orDie(RunTracker.apply(poll, { retention })))
    ).pipe(Effect.provide(context))
  const task = yield* Effect.provide(
    Sweep.make({
      source,
      sender: { send, sendAll: Effect.forEach(send, { discard: true }), close: Effect.void },
      jobs: [],
      lookBack: Duration.minutes(5),
      period: Duration.seconds(5),
      failedWatchPeriod: Duration.minutes(10),
      failedWatchMaxTime: Duration.days(7),
      ...options
    }),
    context
  )
  let from = noon
  const sweep = Effect.gen(function* () {
    polls.length = 0
    const to = yield* DateTime.now
    const result = yield* Effect.result(task(Window.make(from, to)))
    const cursor = polls.at(-1)?.cursor
    if (cursor !== undefined) from = cursor
    return { result, polls: [...polls], cursor }
  }).pipe(Effect.provide(context))
  const messages = Effect.gen(function* () {
    const outbox = yield* Outbox
    const found: Array<string> = []
    while ((yield* outbox.status).pending > 0) {
      const claim = yield* outbox.claim
      if (claim.entry.event._tag === "MessageLog") found.push(claim.entry.event.message)
      yield* outbox.delivered(claim)
    }
    return found
  }).pipe(Effect.provide(context))
  return { fake, sweep, logs, messages }
})

const test = <A, E>(name: string, body: Effect.Effect<A, E, Scope.Scope>) =>
  it.effect(name, () => Effect.scoped(body))

describe("a sweep", () => {
  test(
    "sends the end of its Window last, and only when all was read",
    Effect.gen(function* () {
      const { fake, sweep } = yield* scene()
      for (let index = 0; index < 230; index++) yield* fake.run("many")
      yield* TestClock.adjust("10 seconds")
      const good = yield* sweep
      assert.deepStrictEqual(
        good.polls.map(({ snapshots, cursor }) => [snapshots.length, cursor !== undefined]),
        [
          [100, false],
          [100, false],
          [30, true]
        ]
      )
      yield* fake.fail(Fault.serverError(), { call: "list", times: 1 })
      assert.deepStrictEqual((yield* sweep).polls, [])
      yield* fake.fail(Fault.loginPage, {
        query: { start_time_from: `${DateTime.toEpochMillis(noon) - 290_000}` }
      })
      const half = yield* sweep
      assert.strictEqual(half.result._tag, "Failure")
      assert.isUndefined(half.cursor)
    })
  )

  test(
    "keeps the Window, and passes on what it has, when the list goes round in circles",
    Effect.gen(function* () {
      const { fake, sweep } = yield* scene()
      yield* fake.run("job", { id: "5" })
      yield* fake.fail(
        Fault.json((body) => ({ ...body, next_page_token: Buffer.from("runs:9e15:x").toString("base64") }))
      )
      const { result, polls, cursor } = yield* sweep
      assert.isTrue(result._tag === "Failure" && result.failure._tag === "Incomplete")
      assert.isUndefined(cursor)
      assert.deepStrictEqual(
        new Set(polls.flatMap(({ snapshots }) => snapshots.map(({ run }) => run.key))),
        new Set(["5"])
      )
    })
  )

  test(
    "leaves out a run that cannot be read and says so",
    Effect.gen(function* () {
      const { fake, sweep, logs } = yield* scene()
      yield* fake.run("job", { fields: { run_id: "broken", start_time: "soon" } })
      yield* fake.run("job", { id: "6" })
      const { polls, cursor } = yield* sweep
      assert.deepStrictEqual(
        polls.flatMap(({ snapshots }) => snapshots.map(({ run }) => run.key)),
        ["6"]
      )
      assert.isDefined(cursor)
      yield* sweep
      assert.lengthOf(
        logs.filter((line) => /cannot be read/.test(line)),
        1
      )
    })
  )

  test(
    "tells a failed task's state when its output cannot be had",
    Effect.gen(function* () {
      const { fake, sweep, messages } = yield* scene()
      yield* fake.fail(Fault.serverError(), { call: "output" })
      yield* fake.run("job", { tasks: [{ key: "a", takes: "1 second", fails: "boom" }] })
      yield* TestClock.adjust("2 seconds")
      assert.isDefined((yield* sweep).cursor)
      assert.match((yield* messages)[0] ?? "", /see run output/)
    })
  )

  test(
    "asks for a failed attempt's output once, also for each of several attempts",
    Effect.gen(function* () {
      const { fake, sweep, messages } = yield* scene()
      yield* fake.run("job", {
        tasks: [
          {
            key: "a",
            takes: "10 seconds",
            fails: "third",
            retriesOf: [
              { takes: "10 seconds", fails: "first" },
              { takes: "10 seconds", fails: "second" }
            ]
          }
        ]
      })
      for (let index = 0; index < 10; index++) {
        yield* TestClock.adjust("5 seconds")
        yield* sweep
      }
      assert.strictEqual(yield* fake.count("output"), 3)
      assert.includeMembers([...(yield* messages)], ["first", "second", "third"])
    })
  )

  test(
    "goes on with the first 100 tasks when the others stay out of reach",
    Effect.gen(function* () {
      const { fake, sweep, logs } = yield* scene()
      yield* fake.fail(Fault.loginPage, { call: "get" })
      yield* fake.run("wide", { tasks: Array.from({ length: 101 }, (_, i) => ({ key: `t${i}` })) })
      for (let index = 0; index < 20; index++) {
        yield* TestClock.adjust("5 seconds")
        assert.isUndefined((yield* sweep).cursor)
      }
      const { polls, cursor } = yield* sweep
      assert.isDefined(cursor)
      assert.lengthOf(polls[0]?.snapshots[0]?.tasks ?? [], 100)
      yield* sweep
      assert.lengthOf(
        logs.filter((line) => /first 100/.test(line)),
        1
      )
    })
  )

  test(
    "says once that a state is unknown",
    Effect.gen(function* () {
      const { fake, sweep, logs } = yield* scene()
      yield* fake.run("odd", { fields: { status: { state: "HIBERNATING" }, state: null } })
      yield* sweep
      yield* sweep
      assert.lengthOf(
        logs.filter((line) => /does not know/.test(line)),
        1
      )
    })
  )

  test(
    "goes on when one vanished run cannot be read",
    Effect.gen(function* () {
      const { fake, sweep } = yield* scene({ lookBack: Duration.zero })
      yield* fake.run("job", { id: "8", tasks: [{ key: "a", takes: "1 minute" }] })
      yield* TestClock.adjust("10 seconds")
      yield* sweep
      yield* TestClock.adjust("50 seconds")
      yield* fake.fail(Fault.reply({ status: 403, body: '{"error_code":"PERMISSION_DENIED"}' }), {
        call: "get",
        times: 1
      })
      const blind = yield* sweep
      assert.isDefined(blind.cursor)
      assert.deepStrictEqual(blind.polls[0]?.snapshots, [])
      yield* TestClock.adjust("5 seconds")
      const seeing = yield* sweep
      assert.strictEqual(seeing.polls[0]?.snapshots[0]?.phase, "Completed")
    })
  )
})
