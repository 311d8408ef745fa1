import { NodeServices } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import * as FakeDatabricks from "@observability-agents/agent-databricks/testing/FakeDatabricks"
import * as NodeFakeDatabricks from "@observability-agents/agent-databricks/testing/NodeFakeDatabricks"
import { FakeObservability } from "@observability-agents/testing/FakeObservability"
import * as NodeCollector from "@observability-agents/testing/NodeCollector"
import * as NodeFakeObservability from "@observability-agents/testing/NodeFakeObservability"
import { Effect, Redacted } from "effect"
import * as Process from "./ProgramProcess.ts"

const TOKEN = "dapi-secret-of-the-test"
const COLLECTOR_KEY = "collector-secret-of-the-test"

const workspaceOf = FakeDatabricks.make({
  token: TOKEN,
  jobs: [
    {
      name: "nightly",
      id: "1001",
      runs: [{ id: "7001", ago: "1 minute", tasks: [{ key: "load", takes: "1 hour" }] }]
    }
  ]
})

const parse = (line: string): Record<string, Record<string, unknown>> => JSON.parse(line)

describe("observability-agent run with OpenTelemetry's variables", () => {
  it.live(
    "exports the trace of each event, metrics and logs, without a secret, and logs with trace ids",
    () =>
      Effect.gen(function* () {
        const server = yield* FakeObservability
        const host = yield* NodeFakeDatabricks.serve(yield* workspaceOf)
        const collector = yield* NodeCollector.make
        const program = yield* Process.start({
          args: ["run"],
          env: {
            DK_AGENT_TYPE: "databricks",
            DK_AGENT_KEY: "production",
            DK_LOG_LEVEL: "debug",
            DK_STATE_PATH: ":memory:",
            DK_OBSERVABILITY_BASE_URL: server.baseUrl,
            DK_OBSERVABILITY_SERVICE_ACCOUNT_KEY: Redacted.value(server.key),
            DK_DATABRICKS_HOST: host,
            DK_AGENT_TOKEN: TOKEN,
            OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
            OTEL_EXPORTER_OTLP_PROTOCOL: "http/json",
            OTEL_EXPORTER_OTLP_HEADERS: `api-key=${COLLECTOR_KEY}`,
            OTEL_EXPORTER_OTLP_COMPRESSION: "gzip",
            OTEL_SERVICE_NAME: "agent-of-the-test"
          }
        })
        yield* Effect.raceFirst(
          server.awaitEvents(2),
          Effect.flatMap(program.result, (result) => Effect.die(new Error(JSON.stringify(result))))
        )
        yield* program.signal("SIGTERM")
        const { exitCode, stderr, stdout } = yield* program.result
        assert.strictEqual(exitCode, 0)

        const spans = collector.spans()
        const posts = spans.filter(({ name }) => name === "Observability.post")
        assert.isAtLeast(posts.length, 2)
        for (const post of posts) {
          const trace = new Set(
            spans.filter(({ traceId }) => traceId === post.traceId).map(({ name }) => name)
          )
          for (const name of ["Databricks.sweep", "RunTracker.apply", "Outbox.commit", "Loop.send events"]) {
            assert.isTrue(trace.has(name), `${name} is not among ${[...trace].join()}`)
          }
        }
        assert.isAbove(collector.metrics().size, 5)
        assert.include(
          collector.logs().map(({ text }) => text),
          "Agent starts"
        )
        assert.include(
          collector.logs().map(({ text }) => text),
          "Agent stopped"
        )
        const { "service.instance.id": instance, "service.name": service } = collector.resource()
        assert.deepStrictEqual([service, instance], ["agent-of-the-test", "production"])

        const lines = stderr
          .trim()
          .split("\n")
          .map((line) => ({ line, parsed: parse(line) }))
        for (const { line, parsed } of lines)
          assert.strictEqual(parsed["annotations"]?.["agent"], "production", line)

        const exported = collector.requests().map(({ body }) => body.toString())
        for (const secret of [TOKEN, COLLECTOR_KEY, Redacted.value(server.key)]) {
          for (const text of [stderr, stdout, ...exported]) assert.notInclude(text, secret)
        }
        for (const { headers } of yield* server.requests) assert.notProperty(headers, "traceparent")
        assert.strictEqual(collector.requests()[0]?.headers["api-key"], COLLECTOR_KEY)
      }).pipe(Effect.scoped, Effect.provide([NodeFakeObservability.layer(), NodeServices.layer])),
    30_000
  )
})
