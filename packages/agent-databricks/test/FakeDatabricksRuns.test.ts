import { assert, describe, it } from "@effect/vitest"
import * as Fake from "@observability-agents/agent-databricks/testing/FakeDatabricks"
import * as Scenario from "@observability-agents/agent-databricks/testing/Scenario"
import { type Duration, Effect } from "effect"
import { TestClock } from "effect/testing"
import { brief, get, list, output, picture, runsOf, stands } from "./support/asking.ts"

const START = Date.UTC(2026, 0, 5, 8)

/** Plays a run of job `job`, and looks at it at these moments after its start. */
const film = Effect.fnUntraced(function* (
  spec: Scenario.Run,
  moments: ReadonlyArray<Duration.Input>,
  options: Fake.Options = {}
) {
  yield* TestClock.setTime(START)
  const fake = yield* Fake.make(options)
  const id = yield* fake.run("job", spec)
  const pictures: Array<ReadonlyArray<string>> = []
  for (const moment of moments) {
    yield* TestClock.setTime(START)
    yield* TestClock.adjust(moment)
    pictures.push(picture(yield* get(fake, id)))
  }
  return pictures
})

describe("a run", () => {
  it.effect("is queued with a reason, pending, running, terminating, and has ended", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(START)
      const fake = yield* Fake.make()
      const id = yield* fake.run("job", {
        queued: { for: "10 seconds", code: "MAX_CONCURRENT_RUNS_REACHED", message: "one at a time" },
        pending: "5 seconds",
        tasks: [{ key: "a", takes: "20 seconds" }],
        terminating: "2 seconds"
      })
      const queued = yield* get(fake, id)
      assert.strictEqual(stands(queued), "QUEUED | QUEUED")
      assert.deepStrictEqual(queued.status?.queue_details, {
        code: "MAX_CONCURRENT_RUNS_REACHED",
        message: "one at a time"
      })
      assert.strictEqual(queued.state?.queue_reason, "one at a time")
      assert.deepStrictEqual(queued.tasks.map(stands), ["QUEUED | QUEUED"])
      const told: Array<string> = []
      for (const step of ["10 seconds", "5 seconds", "20 seconds", "2 seconds"] as const) {
        yield* TestClock.adjust(step)
        told.push(stands(yield* get(fake, id)))
      }
      assert.deepStrictEqual(told, [
        "PENDING | PENDING",
        "RUNNING | RUNNING",
        "TERMINATING | TERMINATING SUCCESS",
        "TERMINATED SUCCESS | TERMINATED SUCCESS"
      ])
      const ended = yield* get(fake, id)
      assert.strictEqual(ended.queue_duration, 10_000)
      assert.strictEqual(ended.end_time, START + 37_000)
      assert.strictEqual(ended.tasks[0]?.end_time, START + 35_000)
    })
  )

  it.effect("has durations in whole seconds by task, and none of its own but for a single task", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(START)
      const fake = yield* Fake.make()
      const one = yield* fake.run("job", {
        tasks: [{ key: "a", setup: "3400 millis", takes: "1600 millis" }]
      })
      const two = yield* fake.run("job", { tasks: [{ key: "a" }, { key: "b" }] })
      yield* TestClock.adjust("1 second")
      assert.strictEqual(brief((yield* get(fake, one)).tasks[0] ?? {}), "PENDING")
      yield* TestClock.adjust("1 hour")
      const single = yield* get(fake, one)
      assert.deepInclude(single.tasks[0], { setup_duration: 3000, execution_duration: 2000 })
      assert.deepInclude(single, { setup_duration: 3000, execution_duration: 2000, run_duration: 5000 })
      assert.deepInclude(yield* get(fake, two), { execution_duration: 0, run_duration: 60_000 })
    })
  )

  const endings: ReadonlyArray<readonly [string, Scenario.Run, string, ReadonlyArray<string>]> = [
    [
      "was skipped for too many runs",
      { skipped: "MAX_CONCURRENT_RUNS_EXCEEDED" },
      "SKIPPED | TERMINATED MAX_CONCURRENT_RUNS_EXCEEDED",
      []
    ],
    [
      "was skipped for a full queue",
      { skipped: "MAX_JOB_QUEUE_SIZE_EXCEEDED" },
      "SKIPPED | TERMINATED MAX_JOB_QUEUE_SIZE_EXCEEDED",
      []
    ],
    [
      "broke before its tasks",
      { breaks: { code: "INVALID_RUN_CONFIGURATION", message: "no such cluster" } },
      "INTERNAL_ERROR FAILED | TERMINATED INVALID_RUN_CONFIGURATION",
      []
    ],
    [
      "has a task that failed",
      { tasks: [{ key: "a", fails: "boom" }] },
      "INTERNAL_ERROR FAILED | TERMINATED RUN_EXECUTION_ERROR",
      ["TERMINATED FAILED | TERMINATED RUN_EXECUTION_ERROR"]
    ],
    [
      "has a task whose library could not be installed",
      {
        tasks: [
          { key: "a", takes: "4 millis", ends: { code: "LIBRARY_INSTALLATION_ERROR", message: "no wheel" } }
        ]
      },
      "INTERNAL_ERROR FAILED | TERMINATED RUN_EXECUTION_ERROR",
      ["INTERNAL_ERROR FAILED | TERMINATED LIBRARY_INSTALLATION_ERROR"]
    ],
    [
      "was cancelled",
      { cancelledAfter: "10 seconds", tasks: [{ key: "a" }, { key: "b", after: ["a"] }] },
      "TERMINATED CANCELED | TERMINATED USER_CANCELED",
      ["TERMINATED CANCELED | TERMINATED USER_CANCELED", "TERMINATED CANCELED | TERMINATED USER_CANCELED"]
    ],
    [
      "took longer than it may",
      { timesOutAfter: "10 seconds" },
      "TERMINATED TIMEDOUT | TERMINATED CANCELED",
      ["TERMINATED TIMEDOUT | TERMINATED CANCELED"]
    ],
    [
      "has a task that was cancelled",
      {
        tasks: [
          { key: "a", ends: "CANCELED" },
          { key: "b", after: ["a"] }
        ]
      },
      "TERMINATED CANCELED | TERMINATED USER_CANCELED",
      ["TERMINATED CANCELED | TERMINATED USER_CANCELED", "SKIPPED UPSTREAM_CANCELED | TERMINATED SKIPPED"]
    ],
    [
      "has a task that was evicted",
      { tasks: [{ key: "a", ends: "EVICTED" }] },
      "INTERNAL_ERROR FAILED | TERMINATED RUN_EXECUTION_ERROR",
      ["TERMINATED EVICTED | TERMINATED CANCELED"]
    ],
    [
      "has tasks that are left out",
      { tasks: [{ key: "a", ends: "DISABLED" }, { key: "b", ends: "EXCLUDED" }, { key: "c" }] },
      "TERMINATED SUCCESS | TERMINATED SUCCESS",
      [
        "SKIPPED DISABLED | TERMINATED DISABLED",
        "SKIPPED EXCLUDED | TERMINATED SKIPPED",
        "TERMINATED SUCCESS | TERMINATED SUCCESS"
      ]
    ],
    [
      "succeeded in spite of a failure in between",
      {
        tasks: [
          { key: "a", fails: "boom" },
          { key: "b", after: ["a"], runIf: "ALL_DONE" }
        ]
      },
      "TERMINATED SUCCESS_WITH_FAILURES | TERMINATED SUCCESS_WITH_FAILURES",
      ["TERMINATED FAILED | TERMINATED RUN_EXECUTION_ERROR", "TERMINATED SUCCESS | TERMINATED SUCCESS"]
    ],
    [
      "asks a question",
      {
        tasks: [
          { key: "full?", condition: { outcome: "true" } },
          { key: "full", after: [{ key: "full?", outcome: "true" }] },
          { key: "delta", after: [{ key: "full?", outcome: "false" }] }
        ]
      },
      "TERMINATED SUCCESS | TERMINATED SUCCESS",
      [
        "TERMINATED SUCCESS | TERMINATED SUCCESS",
        "TERMINATED SUCCESS | TERMINATED SUCCESS",
        "SKIPPED EXCLUDED | TERMINATED SKIPPED"
      ]
    ]
  ]
  for (const [name, spec, run, tasks] of endings) {
    it.effect(`that ${name}`, () =>
      Effect.gen(function* () {
        yield* TestClock.setTime(START)
        const fake = yield* Fake.make()
        const id = yield* fake.run("job", spec)
        yield* TestClock.adjust("1 hour")
        const ended = yield* get(fake, id)
        assert.strictEqual(stands(ended), run)
        assert.deepStrictEqual(ended.tasks.map(stands), tasks)
        assert.isAbove(ended.end_time ?? 0, 0)
      })
    )
  }

  it.effect("of a kind that runs when others fail does so, and only then", () =>
    Effect.gen(function* () {
      const tasks = (runIf: Scenario.RunIf): ReadonlyArray<Scenario.Task> => [
        { key: "good" },
        { key: "bad", fails: "boom" },
        { key: "next", after: ["good", "bad"], runIf }
      ]
      const ends: Array<string | undefined> = []
      for (const runIf of [
        "ALL_SUCCESS",
        "ALL_DONE",
        "NONE_FAILED",
        "AT_LEAST_ONE_SUCCESS",
        "ALL_FAILED",
        "AT_LEAST_ONE_FAILED"
      ] as const) {
        const [ended] = yield* film({ tasks: tasks(runIf) }, ["1 hour"])
        ends.push(ended?.at(-1))
      }
      assert.deepStrictEqual(ends, [
        "next@0 SKIPPED",
        "next@0 SUCCESS",
        "next@0 SKIPPED",
        "next@0 SUCCESS",
        "next@0 SKIPPED",
        "next@0 SUCCESS"
      ])
    })
  )
})

describe("retries", () => {
  it.effect("of a task wait between the attempts, unseen or as an entry", () =>
    Effect.gen(function* () {
      const task = {
        key: "a",
        takes: "10 seconds",
        fails: "boom",
        maxRetries: 1,
        retryInterval: "30 seconds"
      } as const
      const moments = ["5 seconds", "20 seconds", "45 seconds", "1 hour"] as const
      assert.deepStrictEqual(yield* film({ tasks: [task] }, moments), [
        ["RUNNING", "a@0 RUNNING"],
        ["RUNNING", "a@0 RUN_EXECUTION_ERROR"],
        ["RUNNING", "a@0 RUN_EXECUTION_ERROR", "a@1 RUNNING"],
        ["RUN_EXECUTION_ERROR", "a@0 RUN_EXECUTION_ERROR", "a@1 RUN_EXECUTION_ERROR"]
      ])
      const [, waiting] = yield* film({ tasks: [{ ...task, retryGap: "waiting" }] }, moments)
      assert.deepStrictEqual(waiting, ["WAITING", "a@0 RUN_EXECUTION_ERROR", "a@1 WAITING"])
    })
  )

  it.effect("tell how many there may be, and after a time-out only come when that is said", () =>
    Effect.gen(function* () {
      const timedOut = { key: "a", takes: "10 seconds", ends: "TIMEDOUT", maxRetries: 2 } as const
      const [never] = yield* film({ tasks: [timedOut] }, ["1 hour"])
      assert.deepStrictEqual(never, ["RUN_EXECUTION_ERROR", "a@0 CANCELED"])
      yield* TestClock.setTime(START)
      const fake = yield* Fake.make()
      const id = yield* fake.run("job", { tasks: [{ ...timedOut, retryOnTimeout: true }] })
      yield* TestClock.adjust("1 hour")
      const { tasks } = yield* get(fake, id)
      assert.lengthOf(tasks, 3)
      assert.deepInclude(tasks[0], { max_retries: 2, retry_on_timeout: true, timeout_seconds: 10 })
    })
  )

  it.effect("of a job are runs of their own", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(START)
      const fake = yield* Fake.make()
      const id = yield* fake.run("job", {
        tasks: [{ key: "a", fails: "boom" }],
        retriedBy: [
          { id: "2", after: "1 minute", tasks: [{ key: "a", fails: "boom" }] },
          { id: "3", after: "1 minute" }
        ]
      })
      yield* TestClock.adjust("1 hour")
      const runs = runsOf(yield* list(fake))
      assert.deepStrictEqual(
        runs.map((run) => [
          run.run_id,
          run.trigger,
          run.original_attempt_run_id,
          run.attempt_number,
          run.start_time
        ]),
        [
          ["3", "RETRY", id, 2, START + 240_000],
          ["2", "RETRY", id, 1, START + 120_000],
          [id, "PERIODIC", id, undefined, START]
        ]
      )
    })
  )
})

describe("repairs", () => {
  it.effect("run some tasks again while others stay, as often as somebody likes", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(START)
      const fake = yield* Fake.make()
      const id = yield* fake.run("job", {
        tasks: [
          { key: "a", takes: "10 seconds" },
          { key: "b", takes: "10 seconds", after: ["a"], fails: "boom" },
          { key: "c", takes: "10 seconds", after: ["b"] }
        ],
        repairs: [
          {
            after: "1 hour",
            tasks: [
              { key: "b", takes: "10 seconds", after: ["a"], fails: "boom again" },
              { key: "c", takes: "10 seconds", after: ["b"] }
            ]
          },
          {
            after: "1 hour",
            tasks: [
              { key: "b", takes: "10 seconds", after: ["a"] },
              { key: "c", after: ["b"] }
            ]
          }
        ]
      })
      yield* TestClock.adjust("3600 seconds")
      yield* TestClock.adjust("25 seconds")
      const open = yield* get(fake, id, { include_history: "true" })
      assert.deepStrictEqual(picture(open), [
        "RUNNING",
        "a@0 SUCCESS",
        "b@0 RUN_EXECUTION_ERROR",
        "c@0 SKIPPED",
        "b@1 RUNNING",
        "c@1 BLOCKED"
      ])
      assert.deepStrictEqual([open.start_time, open.end_time, open.run_duration], [START, 0, 25_000])
      assert.strictEqual(open.repair_history?.at(-1)?.end_time, 0)
      yield* TestClock.adjust("3 hours")
      const ended = yield* get(fake, id, { include_history: "true" })
      assert.deepStrictEqual(picture(ended).slice(-2), ["b@2 SUCCESS", "c@2 SUCCESS"])
      assert.deepStrictEqual(
        ended.repair_history?.map(({ end_time, start_time, task_run_ids, type, ...item }) => [
          type,
          brief(item),
          (start_time ?? 0) - START,
          (end_time ?? 0) - START,
          task_run_ids?.length
        ]),
        [
          ["ORIGINAL", "RUN_EXECUTION_ERROR", 0, 20_000, 3],
          ["REPAIR", "RUN_EXECUTION_ERROR", 3_620_000, 3_630_000, 2],
          ["REPAIR", "SUCCESS", 7_230_000, 7_300_000, 2]
        ]
      )
      assert.notProperty(yield* get(fake, id), "repair_history")
    })
  )

  it.effect("leave a run failed whose other failures they do not touch", () =>
    Effect.gen(function* () {
      const [ended] = yield* film(
        {
          tasks: [
            { key: "a", takes: "1 second", fails: "boom" },
            { key: "b", takes: "1 second", fails: "boom" }
          ],
          repairs: [{ after: "1 minute", tasks: [{ key: "a" }] }]
        },
        ["1 hour"]
      )
      assert.strictEqual(ended?.[0], "RUN_EXECUTION_ERROR")
    })
  )
})

describe("tasks with parts", () => {
  it.effect("run once for each input, some at a time, and count them", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(START)
      const fake = yield* Fake.make()
      const id = yield* fake.run("job", {
        tasks: [
          {
            key: "each",
            forEach: {
              concurrency: 2,
              iterations: Scenario.times(5, (i) => ({
                takes: "10 seconds",
                ...(i % 2 === 1 ? { fails: `bad input ${i}` } : {})
              }))
            }
          }
        ]
      })
      yield* TestClock.adjust("15 seconds")
      const parent = (yield* get(fake, id)).tasks[0]
      assert.deepInclude(parent?.for_each_task, {
        concurrency: 2,
        stats: {
          task_run_stats: {
            total_iterations: 5,
            scheduled_iterations: 4,
            active_iterations: 2,
            completed_iterations: 2,
            succeeded_iterations: 1,
            failed_iterations: 1
          },
          error_message_stats: [
            { error_message: "bad input 1", count: 1, termination_category: "USER_ERROR" }
          ]
        }
      })
      const loop = yield* get(fake, parent?.run_id ?? "")
      assert.lengthOf(loop.iterations, 4)
      yield* TestClock.adjust("1 hour")
      const ended = yield* get(fake, parent?.run_id ?? "")
      assert.deepStrictEqual(ended.iterations.map(brief), [
        "SUCCESS",
        "RUN_EXECUTION_ERROR",
        "SUCCESS",
        "RUN_EXECUTION_ERROR",
        "SUCCESS"
      ])
      assert.strictEqual(ended.end_time, START + 30_000)
      assert.strictEqual((yield* output(fake, ended.iterations[3]?.run_id)).output.error, "bad input 3")
    })
  )

  it.effect("run another job, whose run says so, and end as it does", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(START)
      const fake = yield* Fake.make({ jobs: [{ name: "load", id: "77" }] })
      const id = yield* fake.run("job", {
        tasks: [
          {
            key: "call",
            runJob: {
              job: "load",
              run: { id: "9", tasks: [{ key: "a", takes: "20 seconds", fails: "boom" }] }
            }
          }
        ]
      })
      yield* TestClock.adjust("1 second")
      const task = (yield* get(fake, id)).tasks[0]
      assert.strictEqual(task?.run_job_task?.job_id, "77")
      assert.strictEqual((yield* output(fake, task?.run_id)).output.run_job_output?.run_id, "9")
      const child = yield* get(fake, "9")
      assert.deepInclude(child, { job_id: "77", run_name: "load", trigger: "RUN_JOB_TASK" })
      assert.strictEqual(child.trigger_info?.run_id, task?.run_id)
      yield* TestClock.adjust("20 seconds")
      assert.deepStrictEqual(picture(yield* get(fake, id)), [
        "RUN_EXECUTION_ERROR",
        "call@0 RUN_EXECUTION_ERROR"
      ])
    })
  )

  it.effect("stop the run that they started when they are stopped", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(START)
      const fake = yield* Fake.make()
      yield* fake.run("job", {
        cancelledAfter: "10 seconds",
        tasks: [{ key: "call", runJob: { job: "load", run: { id: "9" } } }]
      })
      yield* TestClock.adjust("10 seconds")
      assert.deepStrictEqual(picture(yield* get(fake, "9")), ["USER_CANCELED", "main@0 USER_CANCELED"])
    })
  )
})

describe("jobs", () => {
  it.effect("that are continuous start each run when the one before has ended", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(START)
      const fake = yield* Fake.make({
        jobs: [
          {
            name: "stream",
            continuous: true,
            runs: [
              { id: "1", tasks: [{ key: "a", takes: "1 hour", fails: "lost" }] },
              { id: "2", at: "5 seconds", tasks: [{ key: "a", takes: "1 hour" }] },
              { id: "3", at: "5 seconds", tasks: [{ key: "a", takes: "10 hours" }] }
            ]
          }
        ]
      })
      yield* TestClock.adjust("3 hours")
      assert.deepStrictEqual(
        runsOf(yield* list(fake)).map((run) => [
          run.run_id,
          run.trigger,
          brief(run),
          (run.start_time ?? 0) - START
        ]),
        [
          ["3", "CONTINUOUS", "RUNNING", 7_210_000],
          ["2", "CONTINUOUS_RESTART", "SUCCESS", 3_605_000],
          ["1", "CONTINUOUS", "RUN_EXECUTION_ERROR", 0]
        ]
      )
    })
  )

  it.effect("are thrown away after one-time submits, which keep their name", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(START)
      const fake = yield* Fake.make()
      yield* fake.run("ad hoc", { type: "SUBMIT_RUN" })
      yield* fake.run("ad hoc", { type: "SUBMIT_RUN" })
      const runs = runsOf(yield* list(fake, { run_type: "SUBMIT_RUN" }))
      assert.deepStrictEqual(new Set(runs.map(({ run_name }) => run_name)), new Set(["ad hoc"]))
      assert.strictEqual(new Set(runs.map(({ job_id }) => job_id)).size, 2)
      assert.notProperty(runs[0], "trigger")
      assert.notProperty(runs[0], "original_attempt_run_id")
    })
  )
})

describe("records", () => {
  it.effect("carry one of the two states, both, contradictory ones, or unknown words for a while", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(START)
      const fake = yield* Fake.make()
      const told: Array<string> = []
      for (const carries of ["both", "state", "status", "neither"] as const) {
        told.push(stands(yield* get(fake, yield* fake.run("job", { carries }))))
      }
      told.push(
        stands(
          yield* get(fake, yield* fake.run("job", { fields: { state: { life_cycle_state: "PENDING" } } }))
        )
      )
      const odd = yield* fake.run("job", {
        says: [{ from: "10 seconds", until: "20 seconds", fields: Scenario.unheardOf("HIBERNATING") }]
      })
      for (let moment = 0; moment < 3; moment++) {
        told.push(stands(yield* get(fake, odd)))
        yield* TestClock.adjust("10 seconds")
      }
      assert.deepStrictEqual(told, [
        "RUNNING | RUNNING",
        "RUNNING",
        "RUNNING",
        "",
        "PENDING | RUNNING",
        "RUNNING | RUNNING",
        "HIBERNATING | HIBERNATING",
        "RUNNING | RUNNING"
      ])
      const [old] = runsOf(yield* list(fake, {}, "2.1"))
      assert.notProperty(old, "status")
    })
  )
})
