/**
 * A collector of OTLP/HTTP on a real port of the loopback interface: for tests that look at what a program exports of its
 * own traces, metrics and logs. It reads bodies in JSON; others are kept as bytes only.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import type * as NodeHttp from "node:http"
import * as NodeServer from "node:http"
import * as NodeZlib from "node:zlib"

/** One request as it arrived. */
export interface Exported {
  /** `/v1/traces`, `/v1/metrics` or `/v1/logs`, after whatever the endpoint begins with. */
  readonly path: string
  readonly headers: NodeHttp.IncomingHttpHeaders
  /** Decompressed. */
  readonly body: Buffer
}

/** What the tests look at of a span. */
export interface ExportedSpan {
  readonly name: string
  readonly traceId: string
  readonly spanId: string
  readonly parentSpanId: string | undefined
  readonly attributes: Readonly<Record<string, unknown>>
}

/** What the tests look at of a log line. */
export interface ExportedLine {
  readonly text: unknown
  readonly severity: string | undefined
  readonly traceId: string | undefined
  readonly attributes: Readonly<Record<string, unknown>>
}

/** A collector that listens. */
export interface Collector {
  /** The endpoint to export to. */
  readonly url: string
  /** Everything that arrived, in its order. */
  readonly requests: () => ReadonlyArray<Exported>
  readonly spans: () => ReadonlyArray<ExportedSpan>
  /** The names of the metrics that arrived. */
  readonly metrics: () => ReadonlySet<string>
  readonly logs: () => ReadonlyArray<ExportedLine>
  /** The attributes of the resource that exported the first request in JSON. */
  readonly resource: () => Readonly<Record<string, unknown>>
  /** How it answers from now on: with that status, or never. 200 at first. */
  readonly answerWith: (answer: number | "never") => void
  /** Waits until something holds of what has arrived. Interrupt it to give up. */
  readonly until: (isTrue: (collector: Collector) => boolean) => Effect.Effect<void>
}

/** Listens on a port of 127.0.0.1 until the scope closes, which cuts all connections. */
export const make: Effect.Effect<Collector, never, Scope.Scope> = Effect.gen(function* () {
  const requests: Array<Exported> = []
  const looks = new Set<() => void>()
  let answer: number | "never" = 200
  const server = yield* Effect.acquireRelease(
    Effect.callback<NodeHttp.Server>((resume) => {
      const created = NodeServer.createServer((request, response) => {
        const chunks: Array<Buffer> = []
        request.on("data", (chunk: Buffer) => chunks.push(chunk))
        request.on("end", () => {
          const bytes = Buffer.concat(chunks)
          const body = request.headers["content-encoding"] === "gzip" ? NodeZlib.gunzipSync(bytes) : bytes
          requests.push({ path: request.url ?? "", headers: request.headers, body })
          if (answer !== "never") response.writeHead(answer, { "content-type": "application/json" }).end("{}")
          for (const look of looks) look()
        })
      })
      created.once("error", (error) => resume(Effect.die(error)))
      created.listen(0, "127.0.0.1", () => resume(Effect.succeed(created)))
    }),
    (running) =>
      Effect.callback<void>((resume) => {
        running.close(() => resume(Effect.void))
        running.closeAllConnections()
      })
  )
  const address = server.address()
  const port = typeof address === "object" && address !== null ? address.port : 0
  const bodies = () =>
    requests.flatMap(({ body, headers }) =>
      headers["content-type"]?.includes("json") === true
        ? Option.toArray(decodeBody(body.toString("utf8")))
        : []
    )
  const collector: Collector = {
    url: `http://127.0.0.1:${port}`,
    requests: () => requests,
    spans: () =>
      bodies().flatMap(({ resourceSpans = [] }) =>
        resourceSpans.flatMap(({ scopeSpans }) =>
          scopeSpans.flatMap(({ spans }) =>
            spans.map((span) => ({
              name: span.name,
              traceId: span.traceId,
              spanId: span.spanId,
              parentSpanId: span.parentSpanId,
              attributes: attributesOf(span.attributes)
            }))
          )
        )
      ),
    metrics: () =>
      new Set(
        bodies().flatMap(({ resourceMetrics = [] }) =>
          resourceMetrics.flatMap(({ scopeMetrics }) =>
            scopeMetrics.flatMap(({ metrics }) => metrics.map(({ name }) => name))
          )
        )
      ),
    logs: () =>
      bodies().flatMap(({ resourceLogs = [] }) =>
        resourceLogs.flatMap(({ scopeLogs }) =>
          scopeLogs.flatMap(({ logRecords }) =>
            logRecords.map((line) => ({
              text: valueOf(line.body),
              severity: line.severityText,
              traceId: line.traceId,
              attributes: attributesOf(line.attributes)
            }))
          )
        )
      ),
    resource: () => {
      const [first] = bodies()
      const resource = first?.resourceSpans?.[0] ?? first?.resourceMetrics?.[0] ?? first?.resourceLogs?.[0]
      return attributesOf(resource?.resource.attributes ?? [])
    },
    answerWith: (next) => {
      answer = next
    },
    until: (isTrue) =>
      Effect.callback<void>((resume) => {
        const look = () => {
          if (!isTrue(collector)) return
          looks.delete(look)
          resume(Effect.void)
        }
        looks.add(look)
        look()
        return Effect.sync(() => looks.delete(look))
      })
  }
  return collector
})

// ---- private parts: of the messages of OTLP/JSON what the tests look at

const Value = Schema.Record(Schema.String, Schema.Unknown)
const Attributes = Schema.Array(Schema.Struct({ key: Schema.String, value: Value }))
const Resource = Schema.Struct({ attributes: Attributes })

const Body = Schema.Struct({
  resourceSpans: Schema.optional(
    Schema.Array(
      Schema.Struct({
        resource: Resource,
        scopeSpans: Schema.Array(
          Schema.Struct({
            spans: Schema.Array(
              Schema.Struct({
                name: Schema.String,
                traceId: Schema.String,
                spanId: Schema.String,
                parentSpanId: Schema.optional(Schema.String),
                attributes: Attributes
              })
            )
          })
        )
      })
    )
  ),
  resourceMetrics: Schema.optional(
    Schema.Array(
      Schema.Struct({
        resource: Resource,
        scopeMetrics: Schema.Array(
          Schema.Struct({ metrics: Schema.Array(Schema.Struct({ name: Schema.String })) })
        )
      })
    )
  ),
  resourceLogs: Schema.optional(
    Schema.Array(
      Schema.Struct({
        resource: Resource,
        scopeLogs: Schema.Array(
          Schema.Struct({
            logRecords: Schema.Array(
              Schema.Struct({
                body: Value,
                severityText: Schema.optional(Schema.String),
                traceId: Schema.optional(Schema.String),
                attributes: Attributes
              })
            )
          })
        )
      })
    )
  )
})

const decodeBody = Schema.decodeUnknownOption(Schema.fromJsonString(Body))

const valueOf = (value: Readonly<Record<string, unknown>>): unknown => Object.values(value)[0]

const attributesOf = (attributes: typeof Attributes.Type): Readonly<Record<string, unknown>> =>
  Object.fromEntries(attributes.map(({ key, value }) => [key, valueOf(value)]))
