import { assert, describe, it } from "@effect/vitest"
import * as Filter from "@observability-agents/agent-databricks/Filter"

const run = { job_id: "42", run_name: " nightly load ", run_type: "JOB_RUN", trigger: "PERIODIC" }
const wants = (options: Partial<Filter.Options>, subject: Filter.Subject = run, isTracked = false) =>
  Filter.make({ jobs: [], ...options }).wants(subject, isTracked)

describe("Filter", () => {
  it("takes everything where nothing is said", () => {
    assert.isTrue(wants({}))
    assert.isTrue(wants({}, {}))
  })

  it("finds jobs by id, by name and by pattern of the name", () => {
    assert.isTrue(wants({ jobs: ["other", "42"] }))
    assert.isTrue(wants({ jobs: ["nightly load"] }))
    assert.isTrue(wants({ jobs: ["night*"] }))
    assert.isTrue(wants({ jobs: ["n?ghtly lo??"] }))
    assert.isFalse(wants({ jobs: ["nightly"] }))
    assert.isFalse(wants({ jobs: ["Night*"] }), "upper and lower case differ")
    assert.isFalse(wants({ jobs: ["4*"] }), "patterns are for names")
    assert.isTrue(wants({ jobs: ["a*b"] }, { run_name: "a*b" }))
  })

  it("leaves out what is excluded, also where it is included", () => {
    assert.isFalse(wants({ jobs: ["night*"], excludeJobs: ["*load"] }))
    assert.isFalse(wants({ excludeJobs: ["42"] }))
    assert.isTrue(wants({ excludeJobs: ["43", "daily*"] }))
  })

  it("selects by kind of run and by trigger", () => {
    assert.isFalse(wants({ runTypes: ["SUBMIT_RUN"] }))
    assert.isTrue(wants({ runTypes: ["SUBMIT_RUN", "JOB_RUN"] }))
    assert.isTrue(wants({ runTypes: ["SUBMIT_RUN"] }, {}), "a kind that is not told may be any")
    assert.isFalse(wants({ triggers: ["ONE_TIME"] }))
    assert.isTrue(wants({ triggers: ["PERIODIC"] }))
    assert.isFalse(wants({ triggers: ["PERIODIC"] }, {}))
  })

  it("follows a run that was told before, whatever it is called now", () => {
    assert.isTrue(wants({ jobs: ["other"] }, run, true))
    assert.isTrue(wants({ jobs: ["nightly load"] }, {}, true))
    assert.isFalse(wants({ jobs: ["nightly load"] }, {}))
  })

  it("lets Databricks select where it can: by one id, by one kind", () => {
    const query = (options: Partial<Filter.Options>) => Filter.make({ jobs: [], ...options }).query
    assert.deepStrictEqual(query({ jobs: ["42"], runTypes: ["JOB_RUN"] }), {
      jobId: "42",
      runType: "JOB_RUN"
    })
    assert.deepStrictEqual(query({ jobs: ["42", "43"], runTypes: ["JOB_RUN", "SUBMIT_RUN"] }), {})
    assert.deepStrictEqual(query({ jobs: ["nightly load"], runTypes: ["FUTURE_RUN"] }), {})
    assert.deepStrictEqual(query({ jobs: ["4*"] }), {})
  })
})

describe("matches", () => {
  it("knows stars, question marks and everything else as it is", () => {
    const cases: ReadonlyArray<readonly [string, string, boolean]> = [
      ["", "", true],
      ["*", "", true],
      ["?", "", false],
      ["a*c", "abbbc", true],
      ["a*c", "abbbcd", false],
      ["*a*b*", "xxaxxbxx", true],
      ["*aab", "aaaab", true],
      ["a.c", "abc", false],
      ["[ab]", "a", false],
      ["?", "\u{1f600}", true],
      ["a**b", "ab", true]
    ]
    for (const [pattern, text, expected] of cases) {
      assert.strictEqual(Filter.matches(pattern, text), expected, `${pattern} ${text}`)
    }
  })

  it("takes no long time for a pattern that is made to take it", () => {
    const begin = process.hrtime.bigint()
    assert.isFalse(Filter.matches(`${"*a".repeat(100)}b`, "a".repeat(4096)))
    assert.isBelow(Number(process.hrtime.bigint() - begin) / 1e6, 1000)
  })
})
