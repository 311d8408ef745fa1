import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import * as DatabricksError from "@observability-agents/agent-databricks/DatabricksError"

const read = (
  status: number,
  body: unknown,
  extra: Partial<DatabricksError.Answer> = {},
  runId: string | undefined = "1"
) =>
  DatabricksError.read(
    {
      status,
      contentType: "application/json",
      url: "https://x.example/api",
      body: typeof body === "string" ? body : JSON.stringify(body),
      ...extra
    },
    runId
  )
const reason = (...args: Parameters<typeof read>) => {
  const result = read(...args)
  if (Result.isSuccess(result)) throw new Error("an error was expected")
  return result.failure
}

describe("read", () => {
  it("takes a JSON object with status 200 for data", () => {
    assert.deepStrictEqual(Result.getOrThrow(read(200, { runs: [] })), { runs: [] })
    assert.deepStrictEqual(Result.getOrThrow(read(200, "{}")), {})
  })

  it.each([
    [401, {}, "Unauthorized"],
    [403, { error_code: 403, message: "Invalid access token." }, "Unauthorized"],
    [403, { error_code: "PERMISSION_DENIED", message: "no" }, "Unauthorized"],
    [400, "Invalid Token", "Unauthorized"],
    [404, { error_code: "RESOURCE_DOES_NOT_EXIST", message: "Run 1 does not exist" }, "NotFound"],
    [404, { error_code: "RESOURCE_DOES_NOT_EXIST", message: "Run with id [1] was not found." }, "NotFound"],
    [404, { error_code: "RESOURCE_DOES_NOT_EXIST", message: "The run does not exist" }, "NotFound"],
    [404, { error_code: "RESOURCE_DOES_NOT_EXIST", message: "no such run" }, "NotFound"],
    [404, { error_code: "RESOURCE_DOES_NOT_EXIST", message: "Workspace not found." }, "Refused"],
    [404, { error_code: "RESOURCE_DOES_NOT_EXIST", message: "Job 1 does not exist." }, "Refused"],
    [404, { error_code: "RESOURCE_DOES_NOT_EXIST", message: "Run 12 does not exist." }, "Refused"],
    [404, { error_code: "RESOURCE_DOES_NOT_EXIST" }, "Refused"],
    [400, { error_code: "INVALID_PARAMETER_VALUE", message: "Run 1 does not exist." }, "NotFound"],
    [400, { error_code: "INVALID_PARAMETER_VALUE", message: "Run: 1 in job: 2 doesn't exist" }, "NotFound"],
    [404, { error_code: "INVALID_PARAMETER_VALUE", message: "Run 1 does not exist." }, "NotFound"],
    [400, { error_code: "INVALID_PARAMETER_VALUE", message: "Run 12 does not exist." }, "Refused"],
    [400, { error_code: "INVALID_STATE", message: "Run 1 failed. Metastore 7 does not exist." }, "Refused"],
    [400, { error_code: "INVALID_STATE", message: "Workspace 1 does not exist (migrating)" }, "Refused"],
    [404, { error_code: "ENDPOINT_NOT_FOUND", message: "No API found for 'GET /x'" }, "Invalid"],
    [404, "<html><title>404 Not Found</title></html>", "Invalid"],
    [404, "RESOURCE_DOES_NOT_EXIST: no such page", "Invalid"],
    [404, "", "Invalid"],
    [400, { error_code: "INVALID_PARAMETER_VALUE", message: "limit is too large" }, "Refused"],
    [429, "", "RateLimited"],
    [400, { error_code: "REQUEST_LIMIT_EXCEEDED", message: "slow down" }, "RateLimited"],
    [500, { error_code: "INTERNAL_ERROR", message: "oops" }, "Unavailable"],
    [502, "<html><title>Bad gateway</title></html>", "Unavailable"],
    [503, "", "Unavailable"]
  ] as const)("understands %i %j as %s", (status, body, tag) => {
    assert.strictEqual(reason(status, body)._tag, tag)
  })

  it.each([
    ["a login page", "<!doctype html><title>Sign in</title>", /web page \(Sign in\)/],
    ["nothing", "", /empty/],
    ["cut JSON", '{"runs": [{"run_id": 1', /only a part/],
    ["a list", "[]", /not a JSON object/],
    ["null", "null", /not a JSON object/],
    ["an error report", '{"error_code":"SOMETHING_NEW","message":"so sorry"}', /so sorry/]
  ])("does not take %s with status 200 for data", (_, body, words) => {
    const found = reason(200, body)
    assert.strictEqual(found._tag, "Invalid")
    assert.match(found.words, words)
  })

  it("recognises a workspace behind a private link by where the answer came from", () => {
    const found = reason(200, "<html></html>", {
      url: "https://x.example/login.html?error=private-link-validation-error:1"
    })
    assert.strictEqual(found._tag, "Unauthorized")
    assert.match(found.words, /private link/)
  })

  it.each([
    [{ error: "old style" }, "old style"],
    [{ detail: "scim style", status: "409", scimType: "x" }, "x: scim style"],
    [{ error: "invalid_client", error_description: "who are you" }, "who are you"],
    ["SOME_CODE: plain words", "SOME_CODE: plain words"],
    ["<html><body><pre>words in a page</pre></body></html>", "words in a page"],
    ['{"error_code":42}', "42"]
  ] as const)("finds the words in %j", (body, words) => {
    assert.strictEqual(reason(409, body).words, words)
  })

  it("takes a run for deleted only where one was asked for", () => {
    const body = { error_code: "INVALID_PARAMETER_VALUE", message: "Run undefined does not exist." }
    assert.strictEqual(reason(400, body, {}, undefined)._tag, "Refused")
  })

  it.each([250, 280, 295, 299, 310])("masks a secret before it cuts the words (%i)", (pad) => {
    const secret = "dapi0123456789abcdefghijklmnop"
    const hide = (text: string) => text.replaceAll(secret, "***")
    const body = `${"y".repeat(pad)}${secret}`
    for (const found of [
      reason(500, { message: body }, { hide }),
      reason(404, body, { hide }),
      reason(200, `<html><title>${body}</title>`, { hide }),
      reason(200, `{"a": ${body}`, { hide })
    ]) {
      assert.notInclude(JSON.stringify(found), "dapi")
    }
  })

  it("shows nothing of a secret at the end of what it looks at", () => {
    const secret = "s3cret".repeat(100)
    const body = `${" ".repeat(262_144 - 300)}${secret}`
    const found = reason(500, body, { hide: (text) => text.replaceAll(secret, "***") })
    assert.notInclude(found.words, "s3cret")
  })

  it("keeps long answers short", () => {
    assert.isAtMost(reason(500, "x".repeat(10_000)).words.length, 300)
  })
})

describe("message", () => {
  it("says what was tried, where, how it ended and what to do", () => {
    const error = new DatabricksError.DatabricksError({
      method: "listRuns",
      url: "https://x.example/api/2.2/jobs/runs/list",
      reason: reason(403, { error_code: 403, message: "Invalid access token." })
    })
    assert.match(error.message, /list of runs/)
    assert.match(error.message, /https:\/\/x\.example/)
    assert.match(error.message, /403/)
    assert.match(error.message, /Invalid access token/)
    assert.match(error.message, /CAN VIEW/)
  })
})
