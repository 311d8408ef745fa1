import { assert, describe, it } from "@effect/vitest"
import * as Fake from "@observability-agents/agent-databricks/testing/FakeDatabricks"
import * as Scenario from "@observability-agents/agent-databricks/testing/Scenario"
import { Duration, Effect } from "effect"
import { TestClock } from "effect/testing"
import { get, list, output, pages, runsOf } from "./support/asking.ts"

const START = Date.UTC(2026, 0, 5, 8)

/** A workspace whose runs have the ids 0, 1, …, one started each minute, and so many still running. */
const workspace = Effect.fnUntraced(function* (
  options: Fake.Options["list"],
  runs: ReadonlyArray<Scenario.Run>
) {
  yield* TestClock.setTime(START)
  return yield* Fake.make({ ...(options && { list: options }), jobs: [{ name: "job", runs }] })
})

const sixty = Scenario.times(60, (i) => ({ id: String(i + 1), ago: Duration.minutes(120 - i) }))

describe("the order of a list", () => {
  const runs: ReadonlyArray<Scenario.Run> = [
    { id: "1", ago: "50 minutes", tasks: [{ key: "a", takes: "49 minutes" }] },
    { id: "2", ago: "40 minutes", tasks: [{ key: "a", takes: "1 minute" }] },
    { id: "3", ago: "30 minutes", tasks: [{ key: "a", takes: "1 day" }] }
  ]

  it.effect("is by end, and for those that have not ended by start", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* pages(yield* workspace({}, runs)), [["1", "3", "2"]])
    })
  )

  it.effect("is by start if that is wanted", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* pages(yield* workspace({ order: "start" }, runs)), [["3", "2", "1"]])
    })
  )
})

describe("the pages of a list", () => {
  const moving = Scenario.times(4, (i) => ({
    id: String(i + 1),
    ago: Duration.minutes(10 - i),
    tasks: [{ key: "a", takes: Duration.seconds(601 - 58 * i) }]
  }))

  it.effect("have tokens that need to be encoded, forwards and backwards", () =>
    Effect.gen(function* () {
      const fake = yield* workspace({}, sixty)
      const one = yield* list(fake, { limit: "20" })
      assert.match(one.next_page_token ?? "", /[=+/]/)
      assert.isUndefined(one.prev_page_token)
      const two = yield* list(fake, { limit: "20", page_token: one.next_page_token ?? "" })
      const back = yield* list(fake, { limit: "20", page_token: two.prev_page_token ?? "" })
      assert.deepStrictEqual(runsOf(back), runsOf(one))
      const three = yield* list(fake, { limit: "20", page_token: two.next_page_token ?? "" })
      assert.isUndefined(three.next_page_token)
      assert.strictEqual(new Set([one, two, three].flatMap(runsOf).map(({ run_id }) => run_id)).size, 60)
    })
  )

  it.effect("stay whole while runs come and end, unless they are torn", () =>
    Effect.gen(function* () {
      const play = Effect.fnUntraced(function* (kind: "stable" | "torn") {
        const fake = yield* workspace({ pages: kind }, moving)
        const between = Effect.andThen(TestClock.adjust("2 seconds"), fake.run("job"))
        return (yield* pages(fake, { limit: "2" }, Effect.asVoid(between))).flat()
      })
      assert.deepStrictEqual(yield* play("stable"), ["4", "3", "2", "1"])
      const torn = yield* play("torn")
      assert.notDeepEqual(torn, [...new Set(torn)])
    })
  )

  it.effect("show what a run is by now, and no longer those that the filter does not fit any more", () =>
    Effect.gen(function* () {
      const fake = yield* workspace({}, moving)
      const found = yield* pages(fake, { limit: "2", active_only: "true" }, TestClock.adjust("1 minute"))
      assert.deepStrictEqual(found, [["4", "3"], []])
    })
  )

  it.effect("go on behind runs that were deleted meanwhile", () =>
    Effect.gen(function* () {
      const fake = yield* workspace({}, sixty.slice(0, 6))
      assert.deepStrictEqual(yield* pages(fake, { limit: "2" }, fake.remove("5")), [
        ["6", "5"],
        ["4", "3"],
        ["2", "1"]
      ])
    })
  )

  it.effect("may be empty and have a token, or end with an empty one", () =>
    Effect.gen(function* () {
      const fake = yield* workspace({ emptyPages: 1, lastToken: "empty" }, sixty.slice(0, 4))
      assert.deepStrictEqual(yield* pages(fake, { limit: "2" }), [[], ["4", "3"], [], ["2", "1"]])
      assert.strictEqual((yield* list(fake, { limit: "26", active_only: "true" })).next_page_token, "")
    })
  )

  it.effect("have 20 runs, 26 at most, and 26 for a limit of 0", () =>
    Effect.gen(function* () {
      const fake = yield* workspace({}, sixty)
      for (const [limit, count] of [
        [{}, 20],
        [{ limit: "26" }, 26],
        [{ limit: "0" }, 26]
      ] as const) {
        assert.lengthOf(runsOf(yield* list(fake, limit)), count)
      }
      const refused = yield* list(fake, { limit: "27" })
      assert.strictEqual(refused.status, 400)
      assert.match(refused.message ?? "", /between 0 and 26/)
    })
  )

  it.effect("say in 2.1 alone whether there are more", () =>
    Effect.gen(function* () {
      const fake = yield* workspace({}, sixty)
      assert.deepStrictEqual(
        [(yield* list(fake, {}, "2.1")).has_more, (yield* list(fake)).has_more],
        [true, undefined]
      )
    })
  )
})

describe("a filter", () => {
  it.effect("by the time of the start has both its bounds in it", () =>
    Effect.gen(function* () {
      const fake = yield* workspace({}, sixty)
      const at = (minutes: number) => String(START - minutes * 60_000)
      const found = yield* list(fake, { start_time_from: at(72), start_time_to: at(70) })
      assert.deepStrictEqual(
        runsOf(found).map(({ run_id }) => run_id),
        ["51", "50", "49"]
      )
    })
  )

  it.effect("for the active or the completed takes one of them only", () =>
    Effect.gen(function* () {
      const fake = yield* workspace({}, [
        { id: "1" },
        { id: "2", ago: "1 hour" },
        { id: "3", queued: "1 hour" }
      ])
      assert.deepStrictEqual((yield* pages(fake, { active_only: "true" })).flat().sort(), ["1", "3"])
      assert.deepStrictEqual(yield* pages(fake, { completed_only: "true" }), [["2"]])
      assert.strictEqual((yield* list(fake, { active_only: "true", completed_only: "true" })).status, 400)
    })
  )
})

describe("a run", () => {
  it.effect("with more than 100 tasks has them on several pages, in any order if that is wanted", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(START)
      const tasks = Scenario.times(150, (i) => ({ key: `t${i}` }))
      const fake = yield* Fake.make({ taskOrder: "arbitrary" })
      const id = yield* fake.run("job", { tasks })
      const one = yield* get(fake, id)
      const two = yield* get(fake, id, { page_token: one.next_page_token ?? "" })
      assert.deepStrictEqual([one.tasks.length, two.tasks.length], [100, 50])
      assert.notDeepEqual(
        one.tasks.map(({ task_key }) => task_key),
        tasks.slice(0, 100).map(({ key }) => key)
      )
      assert.strictEqual(new Set([...one.tasks, ...two.tasks].map(({ task_key }) => task_key)).size, 150)
      assert.lengthOf((yield* get(fake, id, {}, "2.1")).tasks, 100)
      const other = yield* fake.run("job", { tasks })
      const refused = yield* Effect.exit(get(fake, other, { page_token: one.next_page_token ?? "" }))
      assert.strictEqual(refused._tag, "Failure")
    })
  )

  it.effect("of a loop has its iterations on several pages, and its one entry on each", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(START)
      const fake = yield* Fake.make()
      const id = yield* fake.run("job", {
        tasks: [{ key: "each", forEach: { iterations: Scenario.times(230, () => ({ takes: "1 minute" })) } }]
      })
      const parent = (yield* get(fake, id)).tasks[0]?.run_id ?? ""
      const found: Array<readonly [number, number]> = []
      let token: string | undefined
      do {
        const page = yield* get(fake, parent, token === undefined ? {} : { page_token: token })
        found.push([page.tasks.length, page.iterations.length])
        token = page.next_page_token
      } while (token !== undefined)
      assert.deepStrictEqual(found, [
        [1, 100],
        [1, 100],
        [1, 30]
      ])
    })
  )

  it.effect("can be asked for by the run of one of its tasks", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(START)
      const fake = yield* Fake.make()
      const id = yield* fake.run("job", { tasks: [{ key: "a" }, { key: "b" }] })
      const task = (yield* get(fake, id)).tasks[1]
      const run = yield* get(fake, task?.run_id ?? "")
      assert.deepStrictEqual([run.run_id, run.tasks.map(({ task_key }) => task_key)], [task?.run_id, ["b"]])
    })
  )

  it.effect("is deleted after 60 days", () =>
    Effect.gen(function* () {
      const fake = yield* workspace({}, [
        { id: "1", ago: Duration.days(60) },
        { id: "2", ago: Duration.days(59) }
      ])
      assert.deepStrictEqual(yield* pages(fake), [["2"]])
      assert.match(String(yield* Effect.exit(get(fake, "1"))), /400 .*Run 1 does not exist/)
      yield* TestClock.adjust("1 day")
      assert.deepStrictEqual(yield* pages(fake), [[]])
    })
  )
})

describe("the output", () => {
  it.effect("is that of the kind of task", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(START)
      const fake = yield* Fake.make()
      const id = yield* fake.run("job", {
        tasks: [
          { key: "notebook", output: { notebook_output: { result: "42 rows", truncated: false } } },
          { key: "dbt", kind: "dbt", output: { logs: "done", logs_truncated: true } },
          { key: "failed", fails: "boom", trace: "\u001b[31mline 3\u001b[0m" },
          { key: "broken", ends: { code: "LIBRARY_INSTALLATION_ERROR", message: "no wheel" } }
        ]
      })
      const { tasks } = yield* get(fake, id)
      assert.deepStrictEqual(
        tasks.map(({ kind }) => kind),
        ["notebook", "dbt", "notebook", "notebook"]
      )
      const outputs = Effect.forEach(tasks, ({ run_id }) =>
        Effect.map(output(fake, run_id), ({ output: { metadata: _metadata, ...rest } }) => rest)
      )
      assert.deepStrictEqual(yield* outputs, [{}, {}, {}, {}])
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(yield* outputs, [
        { notebook_output: { result: "42 rows", truncated: false } },
        { logs: "done", logs_truncated: true },
        { error: "boom", error_trace: "\u001b[31mline 3\u001b[0m" },
        { error: "no wheel" }
      ])
      const all = yield* output(fake, id)
      assert.strictEqual(all.status, 400)
      assert.match(all.message ?? "", /multiple tasks is not supported/)
    })
  )
})
