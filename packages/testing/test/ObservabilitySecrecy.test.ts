import { assert, describe, it } from "@effect/vitest"
import * as Event from "@observability-agents/toolkit/Event"
import * as HttpAnswer from "@observability-agents/toolkit/HttpAnswer"
import { HttpTransport } from "@observability-agents/toolkit/HttpTransport"
import { KEY_HEADER } from "@observability-agents/toolkit/ObservabilityApi"
import * as Observability from "@observability-agents/toolkit/Observability"
import * as ServerWords from "@observability-agents/toolkit/ServerWords"
import { Cause, Effect, Exit, Redacted, Tracer } from "effect"
import { HttpClient, HttpClientResponse } from "effect/http"
import * as NodeUtil from "node:util"

/** No four characters of it come twice, so that any part of it can be told. */
const key = "CANARYkey.0123456789-abcdefghijklmnopqrstuvw"
const parts = Array.from({ length: key.length - 3 }, (_, at) => key.slice(at, at + 4))

const event = Event.messageLog({ pipelineKey: "p", runKey: "r", level: "INFO", message: "m" })

/** What the Handle says when the server answers this. */
const said = Effect.fnUntraced(function* (status: number, body: string, contentType = "text/plain") {
  const client = HttpClient.make((request) =>
    Effect.succeed(
      HttpClientResponse.fromWeb(
        request,
        new Response(body, {
          status,
          headers: { "content-type": contentType, location: `/${body.slice(0, 2000)}` }
        })
      )
    )
  )
  const server = yield* Observability.make({
    baseUrl: "http://host/api",
    key: Redacted.make(key),
    retries: 0,
    followRedirects: false
  }).pipe(Effect.provide(HttpTransport.layerClient(client)))
  const error = yield* Effect.flip(server.post(event))
  return `${error.message} ${JSON.stringify(error)} ${NodeUtil.inspect(error, { depth: null })}`
}, Effect.scoped)

const leaks = (text: string) => parts.filter((part) => text.includes(part))

/** Where the key is put: so that the cut comes before it, after it, and at every character of it. */
const around = (cut: number) => Array.from({ length: key.length + 3 }, (_, n) => Math.max(cut - n + 1, 0))

describe("Observability keeps its key to itself", () => {
  const { MAX_LENGTH } = ServerWords
  const forms: ReadonlyArray<[string, number, (at: number) => string]> = [
    ["plain text that is cut", MAX_LENGTH - 1, (at) => `${"y".repeat(at)}${key}${"z".repeat(50)}`],
    [
      "a JSON error that is cut",
      MAX_LENGTH - 1,
      (at) => JSON.stringify({ error: `${"y".repeat(at)}${key}z`, details: {} })
    ],
    [
      "an escaped JSON error that is cut",
      MAX_LENGTH - 1,
      (at) => `{"error":"${"y".repeat(at)}${key.replace("C", "\\u0043")}z","details":{}}`
    ],
    ["a page that is cut", MAX_LENGTH - 1, (at) => `<html><title>${"y".repeat(at)}${key}zzz</title>`],
    [
      "a long page",
      20_000,
      (at) => `<html>${"<br>".repeat((at - 6) / 4)}${" ".repeat((at - 6) % 4)}${key}zzz`
    ],
    ["a body of which only the beginning is looked at", 100_000, (at) => `y${" ".repeat(at - 1)}${key}zzz`],
    // Masking shortens this so much that the end of what was read comes into sight.
    [
      "a body of which only the beginning is read",
      HttpAnswer.MAX_BYTES,
      (at) => `${"-".repeat(at % key.length)}${key.repeat(Math.ceil(HttpAnswer.MAX_BYTES / key.length) + 1)}`
    ]
  ]

  for (const [name, cut, body] of forms) {
    it.effect(`wherever it stands in ${name}`, () =>
      Effect.gen(function* () {
        for (const at of around(cut))
          assert.deepStrictEqual(leaks(yield* said(401, body(at))), [], `at ${at}`)
      })
    )
  }

  it.effect("in other ways of writing it, headers as a server prints them, and redirects", () =>
    Effect.gen(function* () {
      const strange = Array.from(
        key,
        (each) => `\\u${each.charCodeAt(0).toString(16).padStart(4, "0")}`
      ).join("")
      for (const body of [
        `{"error":"${strange}","details":{}}`,
        `{"error":"no","error_id":"${key}","details":{}}`,
        `<html><h1>${Array.from(key, (each) => `&#${each.charCodeAt(0)};`).join("")}</h1>`,
        Buffer.from(key).toString("base64"),
        `{'${KEY_HEADER}': '${key}'}`
      ]) {
        const text = yield* said(500, body)
        assert.deepStrictEqual(leaks(text), [], body)
        assert.notInclude(text, Buffer.from(key).toString("base64").slice(0, 8))
        assert.include(text, "********")
      }
      for (const at of around(MAX_LENGTH)) {
        assert.deepStrictEqual(leaks(yield* said(302, `${"y".repeat(at)}${key}`)), [])
      }
    })
  )

  it.effect("in what a span exporter sees, even of headers and failures, outside of any fiber", () =>
    Effect.gen(function* () {
      const spans: Array<Tracer.NativeSpan> = []
      const tracer = Tracer.make({
        span: (options) => {
          const span = new Tracer.NativeSpan(options)
          spans.push(span)
          return span
        }
      })
      for (const status of [401, 500]) {
        yield* said(status, "no").pipe(
          Effect.provideService(HttpClient.TracerHeaderFilter, () => true),
          Effect.withTracer(tracer)
        )
      }
      assert.isTrue(spans.some(({ kind }) => kind === "client"))
      // As an exporter would: later, with nothing of the client's context.
      const exported = yield* Effect.promise(
        () =>
          new Promise<string>((resolve) =>
            setImmediate(() =>
              resolve(
                spans
                  .flatMap(({ attributes, events, status }) => [
                    JSON.stringify([...attributes]),
                    JSON.stringify(events),
                    NodeUtil.inspect([attributes, events], { depth: null }),
                    ...(status._tag === "Ended" && Exit.isFailure(status.exit)
                      ? [
                          Cause.pretty(status.exit.cause),
                          JSON.stringify(status.exit.cause),
                          String(status.exit.cause),
                          NodeUtil.inspect(status.exit.cause, { depth: null })
                        ]
                      : [])
                  ])
                  .join("\n")
              )
            )
          )
      )
      assert.include(exported, "StatusCode")
      assert.deepStrictEqual(leaks(exported), [])
    })
  )
})
