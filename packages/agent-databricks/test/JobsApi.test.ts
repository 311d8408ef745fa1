import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import * as JobsApi from "@observability-agents/agent-databricks/JobsApi"

const { get, list, output } = JobsApi.endpoints
const refused = (params: Record<string, string>) => Result.isFailure(JobsApi.decodeQuery(list, params))

describe("JobsApi", () => {
  it("has the paths of both versions", () => {
    assert.strictEqual(list.path("2.2"), "/api/2.2/jobs/runs/list")
    assert.strictEqual(get.path("2.1"), "/api/2.1/jobs/runs/get")
    assert.strictEqual(output.path("2.2"), "/api/2.2/jobs/runs/get-output")
  })

  it("writes booleans in lower case and times in whole milliseconds", () => {
    const query = { active_only: true, expand_tasks: false, limit: 25, start_time_from: 1_700_000_000_000.7 }
    const params = JobsApi.encodeQuery(list, query)
    assert.deepStrictEqual(params, {
      active_only: "true",
      expand_tasks: "false",
      limit: "25",
      start_time_from: "1700000000000"
    })
    assert.deepStrictEqual(
      JobsApi.decodeQuery(list, params),
      Result.succeed({ ...query, start_time_from: 1_700_000_000_000 })
    )
  })

  it("keeps every digit of an id", () => {
    const params = JobsApi.encodeQuery(get, { run_id: "9223372036854775807", include_history: true })
    assert.deepStrictEqual(params, { run_id: "9223372036854775807", include_history: "true" })
  })

  it.each([
    [{ active_only: "True" }],
    [{ active_only: "1" }],
    [{ active_only: "true", completed_only: "true" }],
    [{ limit: "27" }],
    [{ limit: "-1" }],
    [{ limit: "2.5" }],
    [{ offset: "10001" }],
    [{ start_time_from: "yesterday" }],
    [{ start_time_to: "9223372036854775808" }],
    [{ run_type: "job_run" }],
    [{ job_id: "nightly" }],
    [{ job: "1" }]
  ])("refuses %j, as the service does", (params) => {
    assert.isTrue(refused(params))
  })

  it("takes what the service takes", () => {
    assert.isFalse(refused({}))
    assert.isFalse(refused({ limit: "0", completed_only: "true", run_type: "SUBMIT_RUN", job_id: "12" }))
    assert.isFalse(refused({ active_only: "true", completed_only: "false", limit: "26", page_token: "CAA=" }))
    assert.isTrue(Result.isFailure(JobsApi.decodeQuery(output, {})))
  })
})
