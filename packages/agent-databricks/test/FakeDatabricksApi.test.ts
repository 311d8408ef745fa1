import { assert, describe, it } from "@effect/vitest"
import * as JobsApi from "@observability-agents/agent-databricks/JobsApi"
import * as RunRecord from "@observability-agents/agent-databricks/RunRecord"
import * as TaskOutput from "@observability-agents/agent-databricks/TaskOutput"
import * as Fake from "@observability-agents/agent-databricks/testing/FakeDatabricks"
import * as Plan from "@observability-agents/agent-databricks/testing/Plan"
import type * as Scenario from "@observability-agents/agent-databricks/testing/Scenario"
import { Duration, Effect, Predicate, Result, Schema } from "effect"
import { TestClock } from "effect/testing"
import { ask } from "./support/asking.ts"

const START = Date.UTC(2026, 0, 5, 8)

const kinds: ReadonlyArray<Scenario.Kind> = [
  "notebook",
  "spark_python",
  "pipeline",
  "dbt",
  "sql",
  "spark_jar"
]

/** All that the language can say. */
const everything: ReadonlyArray<Scenario.Job> = [
  {
    name: "all",
    runs: [
      {
        queued: { for: "1 minute", code: "ACTIVE_RUNS_LIMIT_REACHED" },
        pending: "1 minute",
        terminating: "1 minute",
        tasks: [
          ...kinds.map((kind) => ({ key: kind, kind, setup: "1 minute" as const })),
          {
            key: "failed",
            fails: "boom",
            trace: "line 3",
            maxRetries: 1,
            retryInterval: "1 minute",
            retryGap: "waiting"
          },
          { key: "late", ends: "TIMEDOUT", maxRetries: 1, retryOnTimeout: true },
          { key: "broken", ends: { code: "CLUSTER_ERROR", message: "gone", type: "CLOUD_FAILURE" } },
          { key: "cancelled", ends: "CANCELED" },
          { key: "evicted", ends: "EVICTED", compute: "serverless" },
          { key: "disabled", ends: "DISABLED" },
          { key: "excluded", ends: "EXCLUDED" },
          { key: "after failure", after: ["failed"] },
          { key: "after cancel", after: ["cancelled"] },
          { key: "asks", condition: { outcome: "true" } },
          { key: "answered", after: [{ key: "asks", outcome: "false" }] },
          { key: "calls", runJob: { job: "called" } },
          {
            key: "each",
            forEach: { concurrency: 2, iterations: [{}, { fails: "bad" }, { takes: "2 minutes" }] }
          }
        ],
        repairs: [
          { after: "5 minutes", tasks: [{ key: "failed" }, { key: "after failure", after: ["failed"] }] },
          { after: "5 minutes", tasks: [{ key: "late" }], cancelledAfter: "10 seconds" }
        ],
        retriedBy: [{ after: "1 minute" }]
      },
      { skipped: "MAX_JOB_QUEUE_SIZE_EXCEEDED" },
      { breaks: { code: "INVALID_RUN_CONFIGURATION", message: "no" } },
      { cancelledAfter: "1 minute", type: "SUBMIT_RUN" },
      { timesOutAfter: "30 seconds", type: "WORKFLOW_RUN" },
      { carries: "state" },
      { carries: "status" }
    ]
  },
  { name: "stream", continuous: true, runs: [{}, {}] }
]

/** Fields that the fake tells as the service does, and that nobody here reads. */
const unread = new Set([
  "number_in_job",
  "job_run_id",
  "cluster_instance",
  "job_cluster_key",
  "environment_key",
  "parent_run_id",
  "task_key",
  "op",
  "left",
  "right",
  "inputs",
  ...kinds.map((kind) => `${kind}_task`)
])

/**
 * What a body tells and its decoded form does not: a field of another name or type than the agent reads, by its path. A
 * field of a wrong type is read as missing, so it is found here, too.
 */
const drift = (body: unknown, read: unknown, path: string): ReadonlyArray<string> => {
  if (Array.isArray(body)) {
    return Array.isArray(read) && body.length === read.length
      ? body.flatMap((each, index) => drift(each, read[index], `${path}[${index}]`))
      : [`${path} has another length`]
  }
  if (Predicate.isObject(body)) {
    return Object.entries(body).flatMap(([name, value]) =>
      Predicate.hasProperty(read, name)
        ? drift(value, read[name], `${path}.${name}`)
        : unread.has(name)
          ? []
          : [`${path}.${name} is not read`]
    )
  }
  // Ids are numbers on the wire, and text here.
  return String(body) === String(read) ? [] : [`${path} is ${String(body)}, read as ${String(read)}`]
}

const decodeRun = (body: unknown, path: string) =>
  Result.match(RunRecord.decode(body), {
    onFailure: ({ problem }) => [`${path}: ${problem}`],
    onSuccess: (run) => drift(body, run, path)
  })

/** The same for each call. */
const drifts = {
  list: (json: unknown) => {
    const { runs = [] } = Schema.decodeUnknownSync(
      Schema.Struct({ runs: Schema.optionalKey(Schema.Array(Schema.Unknown)) })
    )(json)
    return runs.flatMap((run, index) => decodeRun(run, `list.runs[${index}]`))
  },
  get: (json: unknown) => decodeRun(json, "get"),
  output: (json: unknown) => {
    const body = Schema.decodeUnknownSync(Schema.Record(Schema.String, Schema.Unknown))(json)
    const { metadata: _metadata, ...rest } = body
    return drift(rest, TaskOutput.decode(json), "output")
  }
} as const

describe("every body of the fake", () => {
  it.effect(
    "says nothing that the agent's description of the API does not read, in any version, at any moment",
    () =>
      Effect.gen(function* () {
        yield* TestClock.setTime(START)
        const fake = yield* Fake.make({ jobs: everything })
        const ids = (yield* fake.plan).flatMap((run) => [
          run.id,
          ...Plan.attemptsOf(run).map(({ runId }) => runId)
        ])
        const words = new Set<string>()
        const found = new Set<string>()
        let bodies = 0
        for (const seconds of [30, 60, 60, 60, 30, 30, 90, 60, 400, 10, 400]) {
          for (const version of ["2.1", "2.2"] as const) {
            const look = Effect.fnUntraced(function* (
              call: keyof typeof drifts,
              query: Readonly<Record<string, string>>
            ) {
              const { json, status, text } = yield* ask(fake, JobsApi.endpoints[call].path(version), query)
              if (status !== 200) return
              bodies += 1
              for (const [, word] of text.matchAll(
                /"(?:life_cycle_state|result_state|state|code)":"(\w+)"/g
              )) {
                if (word !== undefined) words.add(word)
              }
              for (const problem of drifts[call](json)) found.add(problem.replaceAll(/\[\d+\]/g, "[]"))
            })
            yield* look("list", { expand_tasks: "true", limit: "26" })
            if (version === "2.1") continue
            for (const id of ids) {
              yield* look("get", { run_id: id, include_history: "true" })
              yield* look("output", { run_id: id })
            }
          }
          yield* TestClock.adjust(Duration.seconds(seconds))
        }
        assert.deepStrictEqual([...found], [])
        assert.isAbove(bodies, 500)
        // The scenario must have been through all there is, or the rest proves little.
        for (const word of [
          "QUEUED",
          "PENDING",
          "BLOCKED",
          "WAITING",
          "WAITING_FOR_RETRY",
          "RUNNING",
          "TERMINATING",
          "TERMINATED",
          "SKIPPED",
          "INTERNAL_ERROR",
          "EXCLUDED",
          "DISABLED",
          "EVICTED",
          "TIMEDOUT",
          "UPSTREAM_CANCELED"
        ]) {
          assert.include([...words], word)
        }
      })
  )
})

describe("every query of the agent's description", () => {
  it.effect("is understood by the fake", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(START)
      const fake = yield* Fake.make({ jobs: [{ name: "job", id: "7", runs: [{ id: "1" }] }] })
      const list = JobsApi.encodeQuery(JobsApi.endpoints.list, {
        job_id: "7",
        active_only: true,
        completed_only: false,
        expand_tasks: true,
        limit: 25,
        run_type: "JOB_RUN",
        start_time_from: START,
        start_time_to: START
      })
      const answer = yield* ask(fake, JobsApi.endpoints.list.path("2.2"), list)
      assert.lengthOf(answer.runs ?? [], 1, answer.text)
      const get = JobsApi.encodeQuery(JobsApi.endpoints.get, {
        run_id: "1",
        include_history: true,
        include_resolved_values: false
      })
      assert.strictEqual((yield* ask(fake, JobsApi.endpoints.get.path("2.1"), get)).status, 200)
      const output = JobsApi.encodeQuery(JobsApi.endpoints.output, { run_id: "1" })
      assert.strictEqual((yield* ask(fake, JobsApi.endpoints.output.path("2.2"), output)).status, 200)
    })
  )

  it.effect("is all that the fake understands", () =>
    Effect.gen(function* () {
      const fake = yield* Fake.make({ jobs: [{ name: "job", runs: [{ id: "1" }] }] })
      for (const [call, query] of [
        ["list", { active_only: "True" }],
        ["list", { activeOnly: "true" }],
        ["list", { job_id: "seven" }],
        ["list", { start_time_from: "2026-01-05" }],
        ["get", { run_id: "1", include_history: "True" }],
        ["get", { run_id: "1", expand_tasks: "true" }],
        ["get", {}],
        ["output", { run_id: "1", page_token: "x" }]
      ] as const) {
        const { error_code, status } = yield* ask(fake, JobsApi.endpoints[call].path("2.2"), query)
        assert.deepStrictEqual([status, error_code], [400, "INVALID_PARAMETER_VALUE"], JSON.stringify(query))
      }
    })
  )
})
