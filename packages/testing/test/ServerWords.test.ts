import { assert, describe, it } from "@effect/vitest"
import * as FlaskAnswer from "@observability-agents/testing/FlaskAnswer"
import * as ServerWords from "@observability-agents/toolkit/ServerWords"
import * as fc from "fast-check"

const words = (body: string) => ServerWords.fromBody(body).words

describe("ServerWords", () => {
  it("turns the server's printed Python dictionary into one line per field", () => {
    const error = `Invalid request: {'status': ['Must be one of: RUNNING.', "isn't known"], 'test_outcomes': {3: {'name': ['Field may not be null.']}}}`
    assert.strictEqual(
      words(JSON.stringify({ error, details: {} })),
      "Invalid request: status: Must be one of: RUNNING; status: isn't known; test_outcomes[3].name: Field may not be null"
    )
  })

  it("gives rules that belong to no field without a field", () => {
    assert.strictEqual(
      words(
        `{"error":"{'_schema': ['There must be at least one valid component key specified.']}","details":{}}`
      ),
      "There must be at least one valid component key specified"
    )
  })

  it("reads back whatever dictionary a server prints", () =>
    fc.assert(
      fc.property(
        fc.dictionary(fc.stringMatching(/^[a-z_]{1,9}$/), fc.string({ minLength: 1, unit: "grapheme" })),
        (rules) => {
          const faults = Object.entries(rules).map(([field, rule]) => ({ field, rule }))
          fc.pre(faults.length > 0 && faults.every(({ field }) => field !== "_schema"))
          const printed = FlaskAnswer.dictionary(faults)
          const expected = faults.map(({ field, rule }) => `${field}: ${rule}`.replace(/\.$/, "")).join("; ")
          assert.strictEqual(
            words(JSON.stringify({ error: printed, details: {} })),
            ServerWords.line(expected)
          )
        }
      )
    ))

  it("keeps words that only look like a dictionary as they are", () => {
    assert.strictEqual(words(`{"error":"bad {'value': [","details":{}}`), "bad {'value': [")
    assert.strictEqual(words(`{"error":"use {name} here","details":{}}`), "use {name} here")
  })

  it("adds the details and finds the number of the error in the server's log", () => {
    const body = JSON.stringify({
      error: "It broke",
      error_id: "4711",
      details: { timestamp: "now", message: "why" }
    })
    assert.deepStrictEqual(ServerWords.fromBody(body), {
      words: "It broke — why",
      errorId: "4711",
      fromApplication: true
    })
    assert.strictEqual(
      words(`{"error":"No","details":"Queue is gone","timestamp":"x"}`),
      "No — Queue is gone"
    )
  })

  it("masks before it cuts", () => {
    const hide = (text: string) => text.replaceAll("canary", "***")
    for (const cut of [ServerWords.MAX_LENGTH - 1, 100_000]) {
      for (let at = cut - 7; at <= cut; at++) {
        const filling = cut === 100_000 ? `y${" ".repeat(at - 1)}` : "y".repeat(at)
        assert.notInclude(ServerWords.fromBody(`${filling}canary canary`, hide).words, "ca")
      }
    }
  })

  it("tells a page by what follows its comments, however many", () => {
    const comments = "<!-- a --> <!---->".repeat(20_000)
    assert.isTrue(ServerWords.isHtml(`\n${comments}\n<!DOCTYPE html>`))
    assert.isFalse(ServerWords.isHtml(`${comments}x`))
    assert.isFalse(ServerWords.isHtml("<!-- <html>"))
    assert.isFalse(ServerWords.isHtml(""))
  })

  it("takes title and sentence out of the pages of Werkzeug, gunicorn and nginx", () => {
    assert.strictEqual(
      words(
        "<!doctype html>\n<html lang=en>\n<title>400 Bad Request</title>\n<h1>Bad Request</h1>\n<p>You &amp; it&#39;s wrong.</p>\n"
      ),
      "400 Bad Request: You & it's wrong."
    )
    assert.strictEqual(
      words(
        "<html><head><title>Internal Server Error</title></head><body><h1><p>Internal Server Error</p></h1></body></html>"
      ),
      "Internal Server Error"
    )
    assert.strictEqual(
      words(
        "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body><center><h1>502 Bad Gateway</h1></center></body></html>"
      ),
      "502 Bad Gateway"
    )
  })

  it("says so when an answer is empty, and never gives an empty text", () => {
    assert.strictEqual(words(""), "the answer was empty.")
    assert.strictEqual(words(" \r\n"), "the answer was empty.")
    fc.assert(fc.property(fc.string({ unit: "grapheme" }), (body) => words(body) !== ""))
    fc.assert(fc.property(fc.json(), (body) => words(body) !== ""))
  })

  it("cuts long words, and puts them on one line", () => {
    const long = words("line one\nline two\n" + "x".repeat(5000))
    assert.strictEqual(long.length, ServerWords.MAX_LENGTH)
    assert.isTrue(long.startsWith("line one line two x") && long.endsWith("…"))
  })

  it("survives hostile nesting", () => {
    const deep = `${"{'a': ".repeat(5000)}1${"}".repeat(5000)}`
    assert.isTrue(words(JSON.stringify({ error: deep, details: {} })).startsWith("{'a': {'a':"))
    assert.isTrue(words(`${"[".repeat(40_000)}1${"]".repeat(40_000)}`).startsWith("[[["))
  })
})
