import { assert, describe, it } from "@effect/vitest"
import * as Agent from "@observability-agents/core/Agent"
import * as Channel from "@observability-agents/core/Channel"
import * as Loop from "@observability-agents/core/Loop"
import * as RunTracker from "@observability-agents/core/RunTracker"
import { Supervisor } from "@observability-agents/core/Supervisor"
import { FakeObservability } from "@observability-agents/testing/FakeObservability"
import * as NodeCollector from "@observability-agents/testing/NodeCollector"
import * as NodeFakeObservability from "@observability-agents/testing/NodeFakeObservability"
import * as ServerFault from "@observability-agents/testing/ServerFault"
import * as SettingsFixture from "@observability-agents/testing/SettingsFixture"
import * as Logging from "@observability-agents/toolkit/Logging"
import * as NodeHttp from "@observability-agents/toolkit/NodeHttp"
import * as Secrecy from "@observability-agents/toolkit/Secrecy"
import { Telemetry } from "@observability-agents/toolkit/Telemetry"
import * as Exporting from "@observability-agents/toolkit/Telemetry"
import { DateTime, Deferred, Duration, Effect, Exit, Layer, Logger, References, Scope } from "effect"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"

// Real sockets on loopback, and therefore the live clock. Nothing here waits for a fixed time: what is exported is asked for
// by `flush`, or is waited for at the collector.

const SECRET = "s3cret-of-the-test"

/** An agent that polls once; its one run has one event, RUNNING. */
const agent = Agent.make({
  type: "test",
  tool: "TEST",
  description: "Polls once.",
  sections: [],
  check: Effect.succeed(""),
  layer: Layer.unwrap(
    Effect.gen(function* () {
      const channel = yield* Channel.make<RunTracker.Poll>("runs")
      const sender = yield* Channel.sender(channel)
      const poll = Effect.fn("Test.sweep")(function* () {
        const now = yield* DateTime.now
        yield* Effect.annotateCurrentSpan({ url: `https://tool.example/?token=${SECRET}` })
        yield* Effect.logWarning(`The tool repeats what it was asked: ${SECRET}`)
        yield* sender.send({
          source: "test",
          cursor: now,
          snapshots: [
            {
              pipeline: { key: "nightly" },
              run: { key: "r1" },
              tool: "TEST",
              observedAt: now,
              phase: "Running",
              startedAt: now,
              tasks: [],
              messages: []
            }
          ]
        })
      })
      return Layer.merge(
        Loop.once("list runs", poll(), { onEnd: sender.close }),
        RunTracker.layer({ channel, retention: { closed: Duration.hours(1), failed: Duration.days(7) } })
      )
    })
  )
})

interface Line {
  readonly level: string
  readonly text: string
}

/** The agent with the export around it; and what it logs. */
const start = Effect.fnUntraced(function* (
  telemetry: Readonly<Record<string, unknown>>,
  more: SettingsFixture.Tables = {}
) {
  const lines: Array<Line> = []
  const kept = Logger.make<unknown, void>(({ logLevel, message }) => {
    lines.push({
      level: logLevel,
      text: (Array.isArray(message) ? message : [message]).map(String).join(" ")
    })
  })
  const mask = Secrecy.masker([SECRET])
  const layer = Agent.layer(agent, { version: "0.0.0-test" }).pipe(
    Layer.provideMerge(Exporting.layer({ version: "0.0.0-test" })),
    Layer.provide(SettingsFixture.layer({ telemetry, ...more })),
    Layer.provide(
      Layer.mergeAll(
        Logger.layer([kept]),
        Layer.succeed(Logging.Selection, { level: "info", mask }),
        Layer.succeed(References.MinimumLogLevel, "Info")
      )
    ),
    Layer.provide(NodeHttp.layerEnvironment({})),
    Layer.provide(Supervisor.layer)
  )
  const scope = yield* Effect.acquireRelease(Scope.make(), (scope, exit) => Scope.close(scope, exit))
  const context = yield* Scope.provide(Layer.build(layer), scope)
  return {
    lines,
    flush: Effect.provide(
      Effect.flatMap(Telemetry, ({ flush }) => flush),
      context
    ),
    scope
  }
})

const live = <E>(name: string, test: Effect.Effect<void, E, FakeObservability | Scope.Scope>) =>
  it.live(name, () => test.pipe(Effect.scoped, Effect.provide(NodeFakeObservability.layer())), 20_000)

const FAST = { export_interval: 1, protocol: "http/json" }

describe("telemetry", () => {
  live(
    "exports one trace per event: poll, track, commit and post; and metrics, and log lines",
    Effect.gen(function* () {
      const server = yield* FakeObservability
      const collector = yield* NodeCollector.make
      yield* start({ otlp_endpoint: collector.url, headers: { "x-key": SECRET }, ...FAST })
      yield* server.awaitEvents(1)
      const named = (name: string) => collector.spans().find((span) => span.name === name)
      yield* collector.until(
        () =>
          named("Loop.send events") !== undefined &&
          collector.metrics().size > 0 &&
          collector.logs().length > 0
      )
      const way = [
        "Loop.list runs",
        "Test.sweep",
        "Loop.track runs",
        "RunTracker.apply",
        "Outbox.commit",
        "Loop.send events",
        "Observability.post"
      ].map((name) => ({ name, span: named(name) }))
      for (const [index, { name, span }] of way.entries()) {
        assert.strictEqual(span?.traceId, way[0]?.span?.traceId, name)
        assert.strictEqual(span?.parentSpanId, way[index - 1]?.span?.spanId, name)
      }
      assert.strictEqual(named("Loop.send events")?.attributes["event"], "nightly/r1#0:RUNNING")
      assert.include([...collector.metrics()].join(" "), "channel_depth")
      const line = collector.logs().find(({ text }) => String(text).startsWith("The tool repeats"))
      assert.strictEqual(line?.traceId, way[0]?.span?.traceId)
      assert.strictEqual(line?.attributes["loop"], "list runs")
      assert.strictEqual(line?.attributes["module"], "agent-test")
      assert.strictEqual(collector.resource()["service.name"], "observability-agent")
      assert.strictEqual(collector.resource()["service.version"], "0.0.0-test")
      // It is sent to the collector as a header, which is what it is for, and nowhere else.
      for (const { body, headers } of collector.requests()) {
        assert.strictEqual(headers["x-key"], SECRET)
        assert.notInclude(body.toString(), SECRET)
      }
      assert.include(JSON.stringify(named("Test.sweep")), Secrecy.MASK)
      assert.include(String(line?.text), Secrecy.MASK)
    })
  )

  live(
    "continues the trace of an event that is sent after a restart",
    Effect.gen(function* () {
      const server = yield* FakeObservability
      const collector = yield* NodeCollector.make
      const directory = yield* Effect.acquireRelease(
        Effect.sync(() => Fs.mkdtempSync(Path.join(Os.tmpdir(), "telemetry-"))),
        (path) => Effect.sync(() => Fs.rmSync(path, { recursive: true }))
      )
      const settings = { otlp_endpoint: collector.url, ...FAST }
      const core = { agent_type: "test", agent_key: "k", state_path: Path.join(directory, "state.db") }
      yield* server.fail(ServerFault.badGateway)
      const first = yield* start(settings, { core, observability: { retries: 0 } })
      yield* collector.until(() => collector.spans().some(({ name }) => name === "Loop.send events"))
      yield* Scope.close(first.scope, Exit.void)
      assert.strictEqual((yield* server.events).length, 0)
      yield* server.recover
      const second = yield* start(settings, { core })
      yield* server.awaitEvents(1)
      yield* Scope.close(second.scope, Exit.void)
      const spans = collector.spans()
      const commit = spans.find(({ name }) => name === "Outbox.commit")
      const sent = spans.filter(({ name }) => name === "Loop.send events")
      assert.isAtLeast(sent.length, 2)
      assert.isDefined(commit)
      for (const span of sent) {
        assert.deepStrictEqual([span.traceId, span.parentSpanId], [commit?.traceId, commit?.spanId])
      }
    })
  )

  live(
    "is off unless an endpoint is set: requests name no trace, and nothing is exported",
    Effect.gen(function* () {
      const server = yield* FakeObservability
      const collector = yield* NodeCollector.make
      yield* start({})
      yield* server.awaitEvents(1)
      yield* start({ otlp_endpoint: collector.url, disabled: true })
      yield* server.awaitEvents(2)
      assert.strictEqual(collector.requests().length, 0)
    })
  )

  live(
    "tells the server nothing of our traces, unless trace_propagation says so",
    Effect.gen(function* () {
      const server = yield* FakeObservability
      const collector = yield* NodeCollector.make
      yield* start({ otlp_endpoint: collector.url, ...FAST })
      yield* server.awaitEvents(1)
      for (const { headers } of yield* server.requests) {
        assert.notProperty(headers, "traceparent")
        assert.notProperty(headers, "b3")
      }
      yield* start(
        { otlp_endpoint: collector.url, ...FAST },
        { observability: { trace_propagation: true, base_url: server.baseUrl } }
      )
      yield* server.awaitEvents(2)
      assert.isTrue((yield* server.requests).some(({ headers }) => "traceparent" in headers))
    })
  )

  live(
    "exports only the part of the traces that the sample ratio names, and of a poll all or nothing",
    Effect.gen(function* () {
      const server = yield* FakeObservability
      const collector = yield* NodeCollector.make
      const { flush } = yield* start({ otlp_endpoint: collector.url, sample_ratio: 0, ...FAST })
      yield* server.awaitEvents(1)
      yield* flush
      yield* collector.until(() => collector.logs().length > 0)
      assert.strictEqual(collector.spans().length, 0)
    })
  )

  live(
    "does not disturb the agent while the collector is down, and warns once",
    Effect.gen(function* () {
      const server = yield* FakeObservability
      const { flush, lines } = yield* start({ otlp_endpoint: "http://127.0.0.1:9", ...FAST })
      yield* server.awaitEvents(1)
      yield* flush
      yield* flush
      const warnings = () => lines.filter(({ text }) => text.startsWith("Telemetry cannot be exported"))
      yield* Effect.yieldNow.pipe(
        Effect.andThen(Effect.sleep("20 millis")),
        Effect.repeat({ until: () => warnings().length > 0 }),
        Effect.timeout("10 seconds")
      )
      assert.deepStrictEqual(
        warnings().map(({ level }) => level),
        ["Warn"]
      )
    })
  )

  live(
    "stops in time although the collector never answers",
    Effect.gen(function* () {
      const server = yield* FakeObservability
      const collector = yield* NodeCollector.make
      collector.answerWith("never")
      const { scope } = yield* start({ otlp_endpoint: collector.url, flush_timeout: 0.2, ...FAST })
      yield* server.awaitEvents(1)
      const closed = yield* Deferred.make<void>()
      yield* Effect.forkChild(
        Effect.andThen(Scope.close(scope, Exit.void), Deferred.succeed(closed, undefined))
      )
      yield* Effect.timeout(Deferred.await(closed), "3 seconds")
    })
  )
})
