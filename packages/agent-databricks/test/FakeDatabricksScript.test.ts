import { assert, describe, it } from "@effect/vitest"
import * as Expected from "@observability-agents/agent-databricks/testing/Expected"
import * as Fake from "@observability-agents/agent-databricks/testing/FakeDatabricks"
import type * as Scenario from "@observability-agents/agent-databricks/testing/Scenario"
import * as Event from "@observability-agents/toolkit/Event"
import { Effect } from "effect"

const refusal = (jobs: ReadonlyArray<Scenario.Job>) =>
  Effect.map(Effect.exit(Effect.suspend(() => Fake.make({ jobs }))), (exit) =>
    exit._tag === "Success" ? "accepted" : String(exit.cause)
  )

describe("a script", () => {
  it("that contradicts itself does not compile", () => {
    const nonsense: ReadonlyArray<Scenario.Run> = [
      // @ts-expect-error It cannot be started at two times.
      { at: "1 minute", ago: "1 minute" },
      // @ts-expect-error A skipped run has no tasks.
      { skipped: "SKIPPED", tasks: [{ key: "a" }] },
      // @ts-expect-error A run that breaks is not skipped, too.
      { skipped: "SKIPPED", breaks: { code: "CLUSTER_ERROR", message: "gone" } },
      // @ts-expect-error It is stopped in one way.
      { cancelledAfter: "1 minute", timesOutAfter: "1 minute" },
      // @ts-expect-error A task ends in one way.
      { tasks: [{ key: "a", fails: "boom", ends: "CANCELED" }] },
      // @ts-expect-error A trace belongs to an error of the program.
      { tasks: [{ key: "a", ends: "CANCELED", trace: "line 3" }] },
      // @ts-expect-error A loop takes as long as its iterations.
      { tasks: [{ key: "a", forEach: { iterations: [] }, takes: "1 minute" }] },
      // @ts-expect-error A task is of one kind.
      { tasks: [{ key: "a", kind: "dbt", condition: { outcome: "true" } }] },
      // @ts-expect-error There is no such rule.
      { tasks: [{ key: "a", runIf: "SOMETIMES" }] },
      // @ts-expect-error There is no such kind.
      { tasks: [{ key: "a", kind: "cobol" }] }
    ]
    assert.lengthOf(nonsense, 10)
  })

  it.effect("that makes no sense as a whole is refused, with the names of job, run and task", () =>
    Effect.gen(function* () {
      const cases: ReadonlyArray<readonly [ReadonlyArray<Scenario.Run>, RegExp]> = [
        [
          [
            {
              id: "7",
              tasks: [
                { key: "a", after: ["b"] },
                { key: "b", after: ["a"] }
              ]
            }
          ],
          /job "nightly", run 7: task "a" waits for itself: a after b after a/
        ],
        [
          [{ id: "7", tasks: [{ key: "a", after: ["z"] }] }],
          /run 7: task "a" waits for "z", which is not there/
        ],
        [[{ id: "7", tasks: [{ key: "a" }, { key: "a" }] }], /run 7: task "a" is there twice/],
        [
          [{ id: "7", tasks: [{ key: "a" }, { key: "b", after: [{ key: "a", outcome: "true" }] }] }],
          /task "b" asks for the answer true of "a", which is no condition/
        ],
        [
          [{ id: "7", tasks: [{ key: "a", maxRetries: 0, retriesOf: [{}] }] }],
          /task "a" has 1 attempts before the last, but maxRetries 0/
        ],
        [
          [{ id: "7", tasks: [{ key: "a", forEach: { iterations: [{}], concurrency: 0 } }] }],
          /task "a" runs less than one/
        ],
        [
          [{ id: "7", repairs: [{ after: "1 hour", tasks: [{ key: "z", after: ["y"] }] }] }],
          /run 7: task "z" waits for "y"/
        ],
        [[{ id: "seven" }], /job "nightly": the id of run has to be digits, and is "seven"/],
        [[{ id: "7" }, { id: "7" }], /job "nightly": there is a run 7 already/]
      ]
      for (const [runs, words] of cases) assert.match(yield* refusal([{ name: "nightly", runs }]), words)
    })
  )
})

describe("what is expected of a script", () => {
  const about = { pipelineKey: "7", runKey: "1" } as const
  const told = (fields: {
    readonly status?: Event.RunState
    readonly level?: "ERROR" | "WARNING" | "INFO"
    readonly task?: string
  }) => {
    const component = { ...about, ...(fields.task === undefined ? {} : { taskKey: fields.task }) }
    return fields.level === undefined
      ? Event.runStatus({ ...component, status: fields.status ?? "RUNNING" })
      : Event.messageLog({ ...component, level: fields.level, message: "words" })
  }
  const job = (run: Scenario.Run): ReadonlyArray<Expected.NamedJob> => [
    { name: "nightly", id: "7", runs: [{ ...run, id: "1" }] }
  ]
  const plain = [
    told({ status: "RUNNING" }),
    told({ status: "RUNNING", task: "a" }),
    told({ status: "COMPLETED", task: "a" }),
    told({ status: "COMPLETED" })
  ]

  it("is found when it is there, in whatever order", () => {
    assert.deepStrictEqual(
      Expected.compare(Expected.identities(job({ tasks: [{ key: "a" }] })), plain.toReversed()),
      {
        lost: [],
        unexpected: [],
        duplicated: []
      }
    )
  })

  it("is missed, and so is what is too much", () => {
    const events = [...plain.slice(1), ...plain.slice(3), told({ status: "FAILED", task: "b" })]
    assert.deepStrictEqual(Expected.compare(Expected.identities(job({ tasks: [{ key: "a" }] })), events), {
      lost: ["pipeline:7/1 RUNNING"],
      unexpected: ["pipeline:7/1 task b FAILED"],
      duplicated: ["pipeline:7/1 COMPLETED"]
    })
  })

  it("counts what happens more than once, as in retries, repairs and loops", () => {
    const expected = (run: Scenario.Run) =>
      [...Expected.identities(job(run))].map((id) => id.replace("pipeline:7/1 ", "")).sort()
    assert.deepStrictEqual(
      expected({
        tasks: [{ key: "a", fails: "boom", maxRetries: 2 }],
        repairs: [{ after: "1 hour", tasks: [{ key: "a" }] }]
      }),
      [
        "COMPLETED",
        "FAILED",
        "RUNNING",
        "RUNNING (2)",
        "message ERROR",
        "message INFO",
        "task a COMPLETED",
        "task a FAILED",
        "task a RUNNING",
        "task a RUNNING (2)",
        "task a message ERROR",
        "task a message WARNING",
        "task a message WARNING (2)"
      ]
    )
    assert.deepStrictEqual(
      expected({
        tasks: [{ key: "a", forEach: { iterations: [{ fails: "x" }, {}, { fails: "y" }] } }]
      }).filter((id) => id.includes("message")),
      ["message ERROR", "task a message ERROR", "task a message ERROR (2)", "task a message ERROR (3)"]
    )
  })

  it("is nothing of what never begins", () => {
    for (const run of [
      { skipped: "MAX_CONCURRENT_RUNS_EXCEEDED" },
      {
        tasks: [
          { key: "a", ends: "DISABLED" },
          { key: "b", ends: "EXCLUDED" }
        ]
      }
    ] as const) {
      assert.isFalse([...Expected.identities(job(run))].some((id) => id.includes("task")))
    }
  })

  it.effect("has the ids that a fake gives", () =>
    Effect.gen(function* () {
      const jobs: ReadonlyArray<Scenario.Job> = [
        { name: "one", runs: [{}, { type: "SUBMIT_RUN" }, { retriedBy: [{ after: "1 minute" }] }] },
        { name: "two", runs: [{ tasks: [{ key: "call", runJob: { job: "one" } }] }] }
      ]
      const fake = yield* Fake.make({ jobs })
      yield* fake.run("three")
      const keys = [
        ...Expected.ofPlan(yield* fake.plan, { keyPrefix: "a/", submitKey: ({ name }) => `submit:${name}` })
      ].filter((id) => id.endsWith(" COMPLETED") && !id.includes("task"))
      assert.deepStrictEqual(keys, [
        "pipeline:a%2F1001/500001 COMPLETED",
        "pipeline:a%2Fsubmit:one/500002 COMPLETED",
        "pipeline:a%2F1001/500003 COMPLETED",
        "pipeline:a%2F1001/500004 COMPLETED",
        "pipeline:a%2F1002/500005 COMPLETED",
        "pipeline:a%2F1001/500006 COMPLETED",
        "pipeline:a%2F1003/500007 COMPLETED"
      ])
    })
  )
})
