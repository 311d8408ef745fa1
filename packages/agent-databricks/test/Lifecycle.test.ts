/**
 * Every way in which a run or a task of Databricks can go, through the whole agent: from the workspace's answers to what the
 * server has in the end. Each table has the time since the run was started, what it is about, and what is said of it.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Scenario from "@observability-agents/agent-databricks/testing/Scenario"
import { Duration, Effect } from "effect"
import { story, told } from "./support/lifecycle.ts"

const generic = "Workload failed, see run output for details"
const failed = (task: string, words = generic) => `ERROR Task ${task} failed with message: ${words}.`

/** A run of one job, and the rows of its table. */
const runs = (
  name: string,
  run: Scenario.Run,
  rows: ReadonlyArray<string>,
  play: Parameters<typeof story>[1] = {}
) =>
  it.effect(name, () =>
    Effect.map(told([{ name: "nightly", id: "7", runs: [{ ...run, id: "1" }] }], play), (tables) => {
      assert.deepStrictEqual(tables, rows.length === 0 ? {} : { "7/1": rows })
    })
  )

describe("a run", () => {
  runs(
    "that is queued and pending is told from its start on",
    {
      queued: { for: "1 minute", code: "MAX_CONCURRENT_RUNS_REACHED" },
      pending: "1 minute",
      tasks: [
        { key: "extract", takes: "30 seconds" },
        { key: "load", takes: "90 seconds", after: ["extract"] }
      ],
      terminating: "5 seconds"
    },
    [
      "0:00 run RUNNING",
      "2:00 extract RUNNING",
      "2:30 extract COMPLETED",
      "2:30 load RUNNING",
      "4:00 load COMPLETED",
      "4:05 run COMPLETED"
    ]
  )

  runs(
    "that is over within milliseconds is told whole",
    {
      tasks: [
        { key: "a", takes: "4 millis", ends: { code: "LIBRARY_INSTALLATION_ERROR", message: "no wheel" } }
      ]
    },
    [
      "0:00 run RUNNING",
      "0:00 a RUNNING",
      "0:00.004 a ERROR no wheel",
      "0:00.004 a FAILED",
      `0:00.004 run ${failed("a", "no wheel")}`,
      "0:00.004 run FAILED"
    ]
  )

  for (const skipped of ["MAX_CONCURRENT_RUNS_EXCEEDED", "MAX_JOB_QUEUE_SIZE_EXCEEDED", "SKIPPED"] as const) {
    runs(`that is skipped (${skipped}) is not told`, { skipped }, [])
  }

  runs(
    "that breaks before its tasks has failed",
    {
      breaks: {
        after: "30 seconds",
        code: "CLUSTER_ERROR",
        message: "the cluster is gone",
        type: "CLOUD_FAILURE"
      }
    },
    ["0:00 run RUNNING", "0:30 run ERROR the cluster is gone", "0:30 run FAILED"]
  )

  runs(
    "that is cancelled has failed, with the task that ran; those that had not begun are not told",
    {
      cancelledAfter: "1 minute",
      terminating: "10 seconds",
      tasks: [
        { key: "a", takes: "2 minutes" },
        { key: "b", after: ["a"] }
      ]
    },
    [
      "0:00 run RUNNING",
      "0:00 a RUNNING",
      "1:00 a ERROR Run cancelled.",
      "1:00 a FAILED",
      "1:10 run ERROR Run cancelled.",
      "1:10 run FAILED"
    ]
  )

  runs("that is cancelled in the queue has failed", { queued: "5 minutes", cancelledAfter: "1 minute" }, [
    "0:00 run RUNNING",
    "1:00 run ERROR Run cancelled.",
    "1:00 run FAILED"
  ])

  runs(
    "that began before the agent is told from its start on",
    { ago: "2 hours", tasks: [{ key: "a", takes: "125 minutes" }] },
    ["-120:00 run RUNNING", "-120:00 a RUNNING", "5:00 a COMPLETED", "5:00 run COMPLETED"]
  )

  runs("that takes longer than it may has failed", { timesOutAfter: "45 seconds" }, [
    "0:00 run RUNNING",
    "0:00 main RUNNING",
    "0:45 main ERROR The task took longer than it may.",
    "0:45 main FAILED",
    "0:45 run ERROR The run took longer than it may.",
    "0:45 run FAILED"
  ])

  runs(
    "that goes on in spite of a failure has completed with warnings",
    {
      tasks: [
        { key: "a", takes: "10 seconds", fails: "boom", trace: "\u001b[31mline 3\u001b[0m" },
        { key: "tidy", takes: "10 seconds", after: ["a"], runIf: "ALL_DONE" }
      ]
    },
    [
      "0:00 run RUNNING",
      "0:00 a RUNNING",
      "0:10 a ERROR boom",
      "0:10 a FAILED",
      "0:10 tidy RUNNING",
      "0:20 tidy COMPLETED",
      "0:20 run COMPLETED_WITH_WARNINGS"
    ]
  )

  it.effect("of 230 tasks, which come in any order, is told with all of them", () =>
    Effect.gen(function* () {
      const tasks = Scenario.times(230, (i) => ({ key: `t${i}`, takes: "30 seconds" as const }))
      const rows = yield* story({ tasks }, { for: "30 minutes", workspace: { taskOrder: "arbitrary" } })
      assert.deepStrictEqual([rows[0], rows.at(-1)], ["0:00 run RUNNING", "0:30 run COMPLETED"])
      assert.sameMembers(
        rows.slice(1, -1),
        tasks.flatMap(({ key }) => [`0:00 ${key} RUNNING`, `0:30 ${key} COMPLETED`])
      )
    })
  )
})

describe("a task", () => {
  runs(
    "that waits for compute runs from its start on",
    {
      tasks: [{ key: "a", setup: "2 minutes", takes: "1 minute" }]
    },
    ["0:00 run RUNNING", "0:00 a RUNNING", "3:00 a COMPLETED", "3:00 run COMPLETED"]
  )

  runs(
    "that never begins is not told",
    {
      tasks: [
        { key: "bad", takes: "10 seconds", fails: "boom" },
        { key: "after failure", after: ["bad"] },
        { key: "stopped", takes: "10 seconds", ends: "CANCELED" },
        { key: "after cancel", after: ["stopped"] },
        { key: "off", ends: "DISABLED" },
        { key: "no", ends: "EXCLUDED" },
        { key: "ask", condition: { outcome: "false" } },
        { key: "yes", after: [{ key: "ask", outcome: "true" }] }
      ]
    },
    [
      "0:00 run RUNNING",
      "0:00 bad RUNNING",
      "0:10 bad ERROR boom",
      "0:10 bad FAILED",
      "0:00 stopped RUNNING",
      "0:10 stopped ERROR Run cancelled.",
      "0:10 stopped FAILED",
      "0:00 ask RUNNING",
      "0:00 ask COMPLETED",
      `0:10 run ${failed("bad")}`,
      "0:10 run FAILED"
    ]
  )

  for (const [ends, words] of [
    ["EVICTED", "The task was evicted."],
    ["TIMEDOUT", "The task took longer than it may."]
  ] as const) {
    runs(`that ended as ${ends} has failed`, { tasks: [{ key: "a", takes: "10 seconds", ends }] }, [
      "0:00 run RUNNING",
      "0:00 a RUNNING",
      `0:10 a ERROR ${words}`,
      "0:10 a FAILED",
      `0:10 run ${failed("a")}`,
      "0:10 run FAILED"
    ])
  }

  runs(
    "that is tried again warns, and fails only when no attempt is left",
    {
      tasks: [{ key: "a", takes: "1 minute", fails: "boom", maxRetries: 2, retryInterval: "2 minutes" }]
    },
    [
      "0:00 run RUNNING",
      "0:00 a RUNNING",
      "1:00 a WARNING boom",
      "4:00 a WARNING boom",
      "7:00 a ERROR boom",
      "7:00 a FAILED",
      `7:00 run ${failed("a")}`,
      "7:00 run FAILED"
    ]
  )

  runs(
    "whose wait for the next attempt is shown runs on, and may complete",
    {
      tasks: [
        {
          key: "a",
          takes: "1 minute",
          retriesOf: [{ takes: "1 minute", fails: "flaky" }],
          retryInterval: "2 minutes",
          retryGap: "waiting"
        }
      ]
    },
    ["0:00 run RUNNING", "0:00 a RUNNING", "1:00 a WARNING flaky", "4:00 a COMPLETED", "4:00 run COMPLETED"]
  )

  runs(
    "that took too long is tried again when that is said",
    {
      tasks: [
        {
          key: "a",
          takes: "1 minute",
          ends: "TIMEDOUT",
          maxRetries: 1,
          retryOnTimeout: true,
          retryInterval: "1 minute"
        }
      ]
    },
    [
      "0:00 run RUNNING",
      "0:00 a RUNNING",
      "1:00 a WARNING The task took longer than it may.",
      "3:00 a ERROR The task took longer than it may.",
      "3:00 a FAILED",
      `3:00 run ${failed("a")}`,
      "3:00 run FAILED"
    ]
  )
})

describe("a repair", () => {
  const first = [
    { key: "a", takes: "30 seconds" },
    { key: "b", takes: "30 seconds", after: ["a"], fails: "boom" }
  ] as const

  runs(
    "opens the run again, with new attempts of some tasks and a new end",
    {
      tasks: first,
      repairs: [{ after: "30 minutes", tasks: [{ key: "b", takes: "2 minutes", after: ["a"] }] }]
    },
    [
      "0:00 run RUNNING",
      "0:00 a RUNNING",
      "0:30 a COMPLETED",
      "0:30 b RUNNING",
      "1:00 b ERROR boom",
      "1:00 b FAILED",
      `1:00 run ${failed("b")}`,
      "1:00 run FAILED",
      "31:00 run RUNNING",
      "31:00 run INFO Repair 1 of this run began. Databricks does not tell who started it; the run was created by operator@example.com.",
      "31:00 b RUNNING",
      "33:00 b COMPLETED",
      "33:00 run COMPLETED"
    ],
    { for: "40 minutes" }
  )

  runs(
    "of a run that had ended before the agent looked is told with its number",
    {
      ago: "1 hour",
      tasks: first,
      repairs: [{ after: "60 minutes", tasks: [{ key: "b", takes: "2 minutes", after: ["a"] }] }]
    },
    [
      "-60:00 run RUNNING",
      "1:00 run INFO Repair 1 of this run began. Databricks does not tell who started it; the run was created by operator@example.com.",
      "-60:00 a RUNNING",
      "-59:30 a COMPLETED",
      "-59:30 b RUNNING",
      "-59:00 b WARNING boom",
      "3:00 b COMPLETED",
      "3:00 run COMPLETED"
    ],
    { for: "10 minutes", unlikeScenario: true }
  )

  runs(
    "may fail, and be followed by another",
    {
      tasks: first,
      repairs: [
        { after: "10 minutes", tasks: [{ key: "b", takes: "1 minute", after: ["a"], fails: "boom again" }] },
        {
          after: "10 minutes",
          tasks: [{ key: "b", takes: "1 minute", after: ["a"] }],
          cancelledAfter: "30 seconds"
        }
      ]
    },
    [
      "0:00 run RUNNING",
      "0:00 a RUNNING",
      "0:30 a COMPLETED",
      "0:30 b RUNNING",
      "1:00 b ERROR boom",
      "1:00 b FAILED",
      `1:00 run ${failed("b")}`,
      "1:00 run FAILED",
      "11:00 run RUNNING",
      "11:00 run INFO Repair 1 of this run began. Databricks does not tell who started it; the run was created by operator@example.com.",
      "11:00 b RUNNING",
      "12:00 b ERROR boom again",
      "12:00 b FAILED",
      `12:00 run ${failed("b")}`,
      "12:00 run FAILED",
      "22:00 run RUNNING",
      "22:00 run INFO Repair 2 of this run began. Databricks does not tell who started it; the run was created by operator@example.com.",
      "22:00 b RUNNING",
      "22:30 b ERROR Run cancelled.",
      "22:30 b FAILED",
      "22:30 run ERROR Run cancelled.",
      "22:30 run FAILED"
    ],
    { for: "30 minutes" }
  )

  runs(
    "that comes and goes between two looks is told with its own times",
    {
      tasks: first,
      repairs: [{ after: "13 minutes", tasks: [{ key: "b", takes: "1 second", after: ["a"] }] }]
    },
    [
      "0:00 run RUNNING",
      "0:00 a RUNNING",
      "0:30 a COMPLETED",
      "0:30 b RUNNING",
      "1:00 b ERROR boom",
      "1:00 b FAILED",
      `1:00 run ${failed("b")}`,
      "1:00 run FAILED",
      "14:00 run RUNNING",
      "14:00 run INFO Repair 1 of this run began. Databricks does not tell who started it; the run was created by operator@example.com.",
      "14:00 b RUNNING",
      "14:01 b COMPLETED",
      "14:01 run COMPLETED"
    ],
    { for: "30 minutes" }
  )
})

describe("jobs", () => {
  it.effect("that start a failed run anew have runs of their own for it", () =>
    Effect.gen(function* () {
      const run: Scenario.Run = {
        id: "1",
        tasks: [{ key: "a", takes: "1 minute", fails: "boom" }],
        retriedBy: [{ id: "2", after: "1 minute", tasks: [{ key: "a", takes: "1 minute" }] }]
      }
      assert.deepStrictEqual(yield* told([{ name: "nightly", id: "7", runs: [run] }]), {
        "7/1": [
          "0:00 run RUNNING",
          "0:00 a RUNNING",
          "1:00 a ERROR boom",
          "1:00 a FAILED",
          `1:00 run ${failed("a")}`,
          "1:00 run FAILED"
        ],
        "7/2": [
          "2:00 run RUNNING",
          "2:00 run INFO This run is attempt 2 of run 1.",
          "2:00 a RUNNING",
          "3:00 a COMPLETED",
          "3:00 run COMPLETED"
        ]
      })
    })
  )

  it.effect("that are run by a task have their runs in their own pipeline", () =>
    Effect.gen(function* () {
      const call = {
        job: "load",
        run: { id: "2", tasks: [{ key: "a", takes: "1 minute", fails: "boom" }] }
      } as const
      const tables = yield* told([
        { name: "nightly", id: "7", runs: [{ id: "1", tasks: [{ key: "call", runJob: call }] }] },
        { name: "load", id: "8" }
      ])
      assert.deepStrictEqual(Object.keys(tables).sort(), ["7/1", "8/2"])
      assert.deepStrictEqual(tables["7/1"]?.slice(0, 2), ["0:00 run RUNNING", "0:00 call RUNNING"])
      assert.deepStrictEqual(tables["7/1"]?.at(-1), "1:00 run FAILED")
      assert.deepStrictEqual(tables["8/2"], [
        "0:00 run RUNNING",
        "0:00 a RUNNING",
        "1:00 a ERROR boom",
        "1:00 a FAILED",
        `1:00 run ${failed("a")}`,
        "1:00 run FAILED"
      ])
    })
  )

  it.effect("that are continuous have one run after the other", () =>
    Effect.gen(function* () {
      const stream = { name: "stream", id: "7", continuous: true } as const
      const runs: ReadonlyArray<Scenario.Run> = [
        { id: "1", tasks: [{ key: "a", takes: "20 minutes", fails: "lost" }] },
        { id: "2", at: "5 seconds", tasks: [{ key: "a", takes: "2 hours" }] }
      ]
      const tables = yield* told([{ ...stream, runs }], { for: "3 hours", settings: { period: 60 } })
      assert.strictEqual(tables["7/1"]?.at(-1), "20:00 run FAILED")
      assert.deepStrictEqual(tables["7/2"], [
        "20:05 run RUNNING",
        "20:05 a RUNNING",
        "140:05 a COMPLETED",
        "140:05 run COMPLETED"
      ])
    })
  )

  it.effect("of one-time submits are one pipeline, by the name of the run", () =>
    Effect.gen(function* () {
      const tasks = [{ key: "a", takes: "1 minute" }] as const
      const submits: ReadonlyArray<Scenario.Run> = [
        { id: "1", type: "SUBMIT_RUN", tasks },
        { id: "2", type: "SUBMIT_RUN", at: "10 minutes", tasks }
      ]
      const rows = (minute: number) => [
        `${minute}:00 run RUNNING`,
        `${minute}:00 a RUNNING`,
        `${minute + 1}:00 a COMPLETED`,
        `${minute + 1}:00 run COMPLETED`
      ]
      assert.deepStrictEqual(yield* told([{ name: "ad hoc", runs: submits }], { for: "15 minutes" }), {
        "submit:ad hoc/1": rows(0),
        "submit:ad hoc/2": rows(10)
      })
    })
  )
})

describe("a loop", () => {
  runs(
    "tells the failures of its iterations as messages of the task",
    {
      tasks: [
        {
          key: "each",
          forEach: {
            concurrency: 1,
            iterations: [
              { takes: "1 minute" },
              { takes: "1 minute", fails: "bad input" },
              { takes: "1 minute" }
            ]
          }
        }
      ]
    },
    [
      "0:00 run RUNNING",
      "0:00 each RUNNING",
      "2:00 each ERROR Iteration 1 failed: bad input",
      `3:00 each ERROR ${generic}`,
      "3:00 each FAILED",
      `3:00 run ${failed("each")}`,
      "3:00 run FAILED"
    ]
  )

  it.effect("of many failures tells 25 of them, and counts the others", () =>
    Effect.gen(function* () {
      const rows = yield* story({
        tasks: [
          {
            key: "each",
            forEach: {
              iterations: Scenario.times(230, (i) => ({
                takes: Duration.seconds(10 + i),
                ...(i >= 200 ? { fails: `bad input ${i}` } : {})
              }))
            }
          }
        ]
      })
      assert.lengthOf(
        rows.filter((row) => row.includes("ERROR Iteration")),
        25
      )
      assert.include(rows, "3:59 each ERROR 5 more iterations failed.")
    })
  )

  runs(
    "that ends well is one task",
    {
      tasks: [{ key: "each", forEach: { concurrency: 2, iterations: [{}, {}, {}] } }]
    },
    ["0:00 run RUNNING", "0:00 each RUNNING", "2:00 each COMPLETED", "2:00 run COMPLETED"]
  )
})

describe("what the workspace says", () => {
  const odd = (fields: Readonly<Record<string, unknown>>): Scenario.Run => ({
    tasks: [{ key: "a", takes: "2 minutes" }],
    says: [{ from: "30 seconds", until: "80 seconds", fields }]
  })
  const ordinary = ["0:00 run RUNNING", "0:00 a RUNNING", "2:00 a COMPLETED", "2:00 run COMPLETED"]

  runs(
    "in words that nobody knows leaves the run as it was",
    odd(Scenario.unheardOf("HIBERNATING")),
    ordinary
  )
  runs("without any state leaves the run as it was", odd({ state: undefined, status: undefined }), ordinary)
  runs(
    "in two states that contradict each other counts by the newer one",
    {
      tasks: [{ key: "a", takes: "2 minutes" }],
      fields: { state: { life_cycle_state: "PENDING", result_state: "FAILED" } }
    },
    ordinary
  )
  runs(
    "by the older state alone is understood",
    { carries: "state", tasks: [{ key: "a", takes: "2 minutes", carries: "state" }] },
    ordinary
  )
  runs(
    "by the newer state alone is understood",
    { carries: "status", tasks: [{ key: "a", takes: "2 minutes", carries: "status" }] },
    ordinary
  )
  runs(
    "on torn, empty and unordered pages is found all the same",
    { tasks: [{ key: "a", takes: "2 minutes" }] },
    ordinary,
    {
      workspace: {
        list: { pages: "torn", emptyPages: 2, order: "start", lastToken: "empty" },
        taskOrder: "arbitrary"
      }
    }
  )
  runs(
    "too late is told with the times of the run",
    { listedAfter: "4 minutes", tasks: [{ key: "a", takes: "2 minutes" }] },
    ordinary
  )
})
