import { assert, describe, it } from "@effect/vitest"
import { DateTime, Duration, Effect, type Scope } from "effect"
import { TestClock } from "effect/testing"
import * as Fault from "@observability-agents/agent-databricks/testing/Fault"
import { noon, scene } from "./support/sweeps.ts"

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
      yield* fake.fail(Fault.circular)
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
      yield* fake.run("job", { fields: { run_id: "broken", job_id: {} } })
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

  /** Lists of ended runs show nothing. */
  const hidden = [
    Fault.json((body) => ({ ...body, runs: [] })),
    { query: { completed_only: "true" } }
  ] as const

  /** A run that is known and has vanished from the lists, and how it ends. */
  const vanished = Effect.fnUntraced(function* () {
    const stage = yield* scene({ lookBack: Duration.zero })
    yield* stage.fake.run("job", { id: "8", tasks: [{ key: "a", takes: "1 minute" }] })
    yield* stage.fake.fail(...hidden)
    yield* TestClock.adjust("10 seconds")
    yield* stage.sweep
    yield* TestClock.adjust("50 seconds")
    const ends = Effect.map(stage.sweep, ({ polls }) => ({
      gone: polls.flatMap(({ gone }) => gone ?? []),
      phases: polls.flatMap(({ snapshots }) => snapshots.map(({ phase }) => phase))
    }))
    return { ...stage, ends: Effect.tap(ends, TestClock.adjust("4900 millis")) }
  })

  for (const [what, reply] of [
    ["a gateway's page", { status: 404, contentType: "text/html", body: "<html>Not Found</html>" }],
    ["words about something else", { status: 400, body: '{"message":"Metastore 8 does not exist"}' }]
  ] as const) {
    test(
      `does not take a run for deleted because of ${what}`,
      Effect.gen(function* () {
        const { ends, fake, sweep } = yield* vanished()
        yield* fake.fail(Fault.reply(reply), { call: "get" })
        for (let index = 0; index < 20; index++) {
          assert.deepStrictEqual(yield* ends, { gone: [], phases: [] })
        }
        yield* fake.recover
        yield* TestClock.adjust("10 minutes")
        const { polls } = yield* sweep
        assert.strictEqual(polls[0]?.snapshots[0]?.phase, "Completed")
      })
    )
  }

  const missing = Fault.reply({
    status: 404,
    body: '{"error_code":"RESOURCE_DOES_NOT_EXIST","message":"Run 8 does not exist."}'
  })
  const never = { gone: [], phases: [] }
  const warnings = (logs: ReadonlyArray<string>) =>
    logs.filter((line) => /does not know a run any more/.test(line)).length

  test(
    "takes a run for deleted when Databricks says so in three sweeps in a row and for a minute, not before",
    Effect.gen(function* () {
      const { ends, fake, logs, sweep } = yield* vanished()
      yield* fake.fail(missing, { call: "get", times: 2 })
      yield* fake.fail(Fault.serverError(), { call: "get", times: 1 })
      yield* fake.fail(missing, { call: "get" })
      assert.deepStrictEqual(yield* ends, never)
      yield* TestClock.adjust("2 minutes")
      // Two sweeps are too few, however long they are apart, and a fault in between proves nothing.
      assert.deepStrictEqual(yield* ends, never)
      assert.deepStrictEqual(yield* ends, never)
      yield* TestClock.adjust("1 minute")
      // A minute is 13 sweeps of 4.9 seconds: three are too few.
      for (let index = 0; index < 13; index++) assert.deepStrictEqual(yield* ends, never)
      assert.strictEqual(warnings(logs), 0)
      assert.deepStrictEqual(yield* ends, { gone: ["1001/8"], phases: [] })
      assert.strictEqual(warnings(logs), 1)
      assert.deepStrictEqual(yield* ends, never)
      yield* TestClock.adjust("10 minutes")
      assert.deepStrictEqual(yield* ends, never)
      assert.strictEqual(warnings(logs), 1)
      // It was an error: the end is told after all, though it is earlier than the one that was told.
      yield* fake.recover
      yield* TestClock.adjust("10 minutes")
      const { polls } = yield* sweep
      assert.strictEqual(polls[0]?.snapshots[0]?.phase, "Completed")
      yield* TestClock.adjust("10 minutes")
      assert.deepStrictEqual(yield* ends, never)
    })
  )

  test(
    "tells the end of a run that was called unknown once",
    Effect.gen(function* () {
      const { ends, fake } = yield* vanished()
      yield* fake.fail(missing, { call: "get", times: 1 })
      assert.deepStrictEqual(yield* ends, { gone: [], phases: [] })
      assert.deepStrictEqual(yield* ends, { gone: [], phases: ["Completed"] })
    })
  )

  for (const [first, later] of [
    [{ job_id: null }, {}],
    [{}, { job_id: null }]
  ] as const) {
    test(
      `keeps a run with its pipeline when the job's id is ${later.job_id === null ? "left out" : "told"} later`,
      Effect.gen(function* () {
        const { fake, sweep } = yield* scene({ jobs: ["job", "1001"] })
        yield* fake.run("job", { id: "8", tasks: [{ key: "a", takes: "30 seconds" }] })
        const withFields = (fields: object) =>
          fake.fail(
            Fault.json((body) => ({
              ...body,
              ...(Array.isArray(body["runs"])
                ? { runs: body["runs"].map((run: object) => ({ ...run, ...fields })) }
                : {})
            }))
          )
        const pipelines = Effect.map(
          sweep,
          ({ polls }) =>
            new Set(polls.flatMap(({ snapshots }) => snapshots.map(({ pipeline }) => pipeline.key)))
        )
        yield* withFields(first)
        yield* TestClock.adjust("10 seconds")
        const begun = yield* pipelines
        assert.strictEqual(begun.size, 1)
        yield* fake.recover
        yield* withFields({ ...later, run_name: later.job_id === null ? null : "job" })
        yield* TestClock.adjust("30 seconds")
        assert.deepStrictEqual(yield* pipelines, begun)
      })
    )
  }

  test(
    "keeps a run with its pipeline when the job's id comes between the two lists of one sweep",
    Effect.gen(function* () {
      const { fake, sweep } = yield* scene()
      yield* fake.run("job", { id: "8", tasks: [{ key: "a", takes: "10 seconds" }] })
      yield* TestClock.adjust("12 seconds")
      const running = { run_id: 8, status: { state: "RUNNING" } }
      yield* fake.fail(
        Fault.json(() => ({ runs: [running] })),
        { times: 1 }
      )
      const { polls } = yield* sweep
      assert.deepStrictEqual(
        polls.flatMap(({ snapshots }) => snapshots.map(({ phase, pipeline }) => [pipeline.key, phase])),
        [
          ["8", "Running"],
          ["8", "Completed"]
        ]
      )
    })
  )

  test(
    "finds at first also what began before the moment to start from and ended after it",
    Effect.gen(function* () {
      const { fake, sweep } = yield* scene()
      yield* fake.run("job", { id: "1", ago: "23 hours", tasks: [{ key: "a", takes: "23 hours" }] })
      yield* fake.run("job", { id: "2", ago: "3 hours", tasks: [{ key: "a", takes: "2 hours" }] })
      yield* fake.run("job", { id: "3", ago: "25 hours", tasks: [{ key: "a", takes: "90000 seconds" }] })
      yield* TestClock.adjust("1 hour")
      const found = Effect.map(sweep, ({ polls }) =>
        polls.flatMap(({ snapshots }) => snapshots.map(({ run }) => run.key))
      )
      assert.deepStrictEqual(yield* found, ["1", "3"])
      assert.deepStrictEqual(
        (yield* fake.requests).filter(({ query }) => query["start_time_from"] !== undefined),
        []
      )
    })
  )

  test(
    "finds at first what began up to a day before, where runs are listed by their start",
    Effect.gen(function* () {
      const { fake, sweep } = yield* scene({}, { list: { order: "start" } })
      yield* fake.run("job", { id: "1", ago: "23 hours", tasks: [{ key: "a", takes: "23 hours" }] })
      for (let index = 0; index < 30; index++) {
        yield* fake.run("job", { ago: "3 hours", tasks: [{ key: "a", takes: "2 hours" }] })
      }
      yield* TestClock.adjust("1 hour")
      const { polls } = yield* sweep
      assert.deepStrictEqual(
        polls.flatMap(({ snapshots }) => snapshots.map(({ run }) => run.key)),
        ["1"]
      )
      const reach = (yield* fake.requests).flatMap(({ query }) =>
        query["start_time_from"] === undefined
          ? []
          : [(DateTime.toEpochMillis(noon) - Number(query["start_time_from"])) / 3_600_000]
      )
      assert.deepStrictEqual(reach, [24, 24])
    })
  )

  test(
    "reads no day of finished runs when it starts from now",
    Effect.gen(function* () {
      const { fake, sweep } = yield* scene()
      for (let index = 0; index < 60; index++) {
        yield* fake.run("job", { ago: "1 hour", tasks: [{ key: "a", takes: "1 minute" }] })
      }
      assert.deepStrictEqual(
        (yield* sweep).polls.flatMap(({ snapshots }) => snapshots),
        []
      )
      assert.strictEqual(yield* fake.count(), 2)
      yield* sweep
      const last = (yield* fake.requests).at(-1)
      assert.strictEqual(last?.query["start_time_from"], `${DateTime.toEpochMillis(noon) - 300_000}`)
    })
  )

  test(
    "goes on when one vanished run cannot be read",
    Effect.gen(function* () {
      const { fake, sweep } = yield* scene({ lookBack: Duration.zero })
      yield* fake.run("job", { id: "8", tasks: [{ key: "a", takes: "1 minute" }] })
      yield* fake.fail(...hidden)
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
