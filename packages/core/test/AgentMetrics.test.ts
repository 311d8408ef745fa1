import { assert, describe, it } from "@effect/vitest"
import { DateTime, Effect, Layer, Metric, Scope, Exit } from "effect"
import { TestClock } from "effect/testing"
import { spawnSync } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import * as Activity from "../src/Activity.ts"
import * as AgentMetrics from "../src/AgentMetrics.ts"
import { Health } from "../src/Health.ts"
import * as Loop from "../src/Loop.ts"
import { Supervisor } from "../src/Supervisor.ts"
import { run } from "./support/scripted.ts"
import * as Status from "./support/status.ts"

/** What only an agent for a tool with an API tells. */
const OF_TOOLS = ["tool_requests_total", "tool_request_budget_available"]

const hasPromtool = spawnSync("promtool", ["--version"]).status === 0

const ALERTS = fileURLToPath(new URL("../../../deploy/prometheus/alerts.yaml", import.meta.url))

/** Series of an agent as Prometheus sees them from its first scrape on, one value for each minute. */
const seriesOf = (instance: string, values: Readonly<Record<string, string>>) =>
  Object.entries(values).map(([series, values]) => {
    const [, name = "", labels = ""] = /^(\w+)(?:\{(.*)\})?$/.exec(series) ?? []
    return {
      series: `observability_agent_${name}{job="observability-agent",instance="${instance}"${labels && `,${labels}`}}`,
      values
    }
  })

/** What `promtool test rules` has to find: which alerts fire when, each with what its labels must hold. */
const ruleTests = {
  rule_files: [ALERTS],
  evaluation_interval: "1m",
  tests: [
    {
      interval: "1m",
      input_series: [
        ...seriesOf("broken", {
          'polls_total{source="prod",outcome="success"}': "0x40",
          'polls_total{source="prod",outcome="failure"}': "0+1x40",
          'events_rejected_total{type="run-status"}': "0 0 1x38",
          'heartbeats_total{outcome="withheld"}': "0x5 1+1x34",
          outbox_oldest_pending_seconds: "0+60x40",
          'tool_requests_total{workspace="prod",call="listRuns",outcome="timeout"}': "1+1x40"
        }),
        ...seriesOf("fine", {
          'polls_total{source="prod",outcome="success"}': "0+12x40",
          'polls_total{source="prod",outcome="failure"}': "0x40",
          'events_rejected_total{type="run-status"}': "0x40",
          'heartbeats_total{outcome="withheld"}': "0x40",
          'heartbeats_total{outcome="sent"}': "0+1x40",
          outbox_oldest_pending_seconds: "0x40",
          'tool_requests_total{workspace="prod",call="listRuns",outcome="success"}': "1+12x40"
        })
      ],
      alert_rule_test: [
        // Not at once: the first read takes its time.
        { eval_time: "2m", alertname: "AgentSourceNotRead", exp_alerts: [] },
        ...(
          [
            ["AgentSourceNotRead", { source: "prod" }, "prod was not read for 15 minutes"],
            ["AgentDeadLetters", {}, "The server refused events of broken: see its dead letters"],
            [
              "AgentHeartbeatWithheld",
              { job: "observability-agent", outcome: "withheld" },
              "broken withholds its heartbeat: a part of it has been failing"
            ],
            [
              "AgentNotDelivering",
              { job: "observability-agent" },
              "Events of broken wait for more than 15 minutes"
            ],
            ["AgentToolRefuses", { workspace: "prod" }, "Half of the requests to prod fail"]
          ] as const
        ).map(([alertname, labels, summary]) => ({
          eval_time: "25m",
          alertname,
          exp_alerts: [
            {
              exp_labels: { instance: "broken", ...labels },
              exp_annotations: { summary }
            }
          ]
        }))
      ]
    }
  ]
}

const scrape = Effect.gen(function* () {
  const status = yield* Status.start({
    poll: (now: DateTime.Utc) =>
      Effect.succeed([run("job", `r${now.epochMilliseconds}`, now, { phase: "Completed", endedAt: now })])
  })
  yield* TestClock.adjust("2 minutes")
  return (yield* status.get("/metrics")).text
})

describe("AgentMetrics", () => {
  it.effect("a running agent tells all metrics of the list, with its labels, and no other of its own", () =>
    Effect.gen(function* () {
      const text = yield* scrape
      const told = new Set(
        Array.from(
          text.matchAll(/^# TYPE observability_agent_(\S+) (\S+)$/gm),
          ([, name, type]) => `${name} ${type}`
        )
      )
      const expected = Object.entries(AgentMetrics.definitions).flatMap(([name, { type }]) =>
        OF_TOOLS.includes(name) ? [] : [`${name} ${type}`]
      )
      assert.deepStrictEqual(Array.from(told).sort(), expected.sort())
      for (const [name, { labels }] of Object.entries(AgentMetrics.definitions)) {
        const line = new RegExp(`^observability_agent_${name}(?:_count)?(?:\\{(.*)\\})? `, "m").exec(text)
        if (line === null) continue
        const keys = Array.from((line[1] ?? "").matchAll(/(\w+)="/g), ([, key]) => key)
        assert.deepStrictEqual(keys.sort(), [...labels].sort(), name)
      }
      assert.match(text, /^observability_agent_polls_total\{source="list runs",outcome="success"\} 1[123]$/m)
      assert.match(text, /^observability_agent_heartbeats_total\{outcome="sent"\} [23]$/m)
    })
  )

  it.effect("names keep to the conventions", () =>
    Effect.sync(() => {
      for (const [name, definition] of Object.entries<AgentMetrics.Definition>(AgentMetrics.definitions)) {
        assert.match(name, /^[a-z]+(_[a-z]+)*$/)
        assert.strictEqual(name.endsWith("_total"), definition.type === "counter", name)
        assert.match(definition.description, /^[A-Z].*\.$/, name)
        if (definition.unit === "seconds") assert.match(name, /_seconds$/)
      }
    })
  )

  it.effect("the documentation lists them as they are", () =>
    Effect.sync(() => {
      const page = readFileSync(new URL("../../../docs/status.md", import.meta.url), "utf8")
      const rows = Array.from(page.matchAll(/^\| `(\w+)` \| (\w+) \| (.*?) \| (.*?) \|$/gm), (row) =>
        row.slice(1, 5)
      )
      assert.deepStrictEqual(
        rows,
        Object.entries<AgentMetrics.Definition>(AgentMetrics.definitions).map(
          ([name, { description, labels, type }]) => [
            name,
            type,
            labels.map((label) => `\`${label}\``).join(", "),
            description
          ]
        )
      )
    })
  )

  it.effect("counters that alerts ask for are there with 0 before anything is counted", () =>
    Effect.gen(function* () {
      const status = yield* Status.start({ poll: () => Effect.never })
      // The Loops are there, and no read has come to an end.
      yield* TestClock.adjust("1 second")
      const { text } = yield* status.get("/metrics")
      const zero = [
        ...Activity.eventTypes.flatMap((type) =>
          ["committed", "delivered", "rejected"].map((what) => `events_${what}_total{type="${type}"}`)
        ),
        ...["success", "failure"].map((outcome) => `polls_total{source="list runs",outcome="${outcome}"}`),
        ...["withheld", "failed"].map((outcome) => `heartbeats_total{outcome="${outcome}"}`),
        "delivery_lag_seconds_count",
        `delivery_lag_seconds_bucket{le="300"}`,
        `poll_duration_seconds_count{source="list runs"}`
      ]
      const lines = text.split("\n")
      for (const series of zero) assert.include(lines, `observability_agent_${series} 0`)
      assert.match(text, /^observability_agent_heartbeats_total\{outcome="sent"\} [01]$/m)
    })
  )

  it.effect("what is told of a source's polls is gone with its Loop", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      yield* Loop.periodic(
        "read",
        { period: "1 second", from: DateTime.now, source: "prod" },
        () => Effect.void
      ).pipe(Layer.provide(Layer.merge(Health.layer, Supervisor.layer)), Layer.buildWithScope(scope))
      const polls = Effect.map(Metric.snapshot, (all) =>
        all
          .filter(({ id }) => id.includes("_poll"))
          .map(({ attributes, id }) => [id, Object(attributes).source])
      )
      yield* TestClock.adjust("2 seconds")
      assert.strictEqual((yield* polls).length, 3)
      assert.isTrue((yield* polls).every(([, source]) => source === "prod"))
      yield* Scope.close(scope, Exit.void)
      assert.deepStrictEqual(yield* polls, [])
    }).pipe(Effect.provideService(Metric.MetricRegistry, new Map()))
  )

  it.effect(
    "the alerts fire for an agent that fails from its first moment, and not for one that works",
    (context) =>
      Effect.gen(function* () {
        if (!hasPromtool)
          return context.skip("promtool is not installed (Debian: apt-get install prometheus)")
        const directory = yield* Effect.acquireRelease(
          Effect.sync(() => mkdtempSync(join(tmpdir(), "alerts-"))),
          (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
        )
        const file = join(directory, "test.json")
        yield* Effect.sync(() => writeFileSync(file, JSON.stringify(ruleTests)))
        const { status, stderr, stdout } = spawnSync("promtool", ["test", "rules", file])
        assert.strictEqual(status, 0, `${String(stdout)}${String(stderr)}`)
      })
  )

  it.effect("the alerts ask for metrics that there are, and the documentation names them all", () =>
    Effect.sync(() => {
      const page = readFileSync(ALERTS, "utf8")
      const documented = readFileSync(new URL("../../../docs/status.md", import.meta.url), "utf8")
      for (const [, name] of page.matchAll(/alert: (\w+)/g)) assert.include(documented, `| \`${name}\` |`)
      assert.notInclude(documented, "expr:")
      const asked = Array.from(
        page.matchAll(/observability_agent_(\w+?)(?:_bucket)?[{[ )]/g),
        ([, name]) => name
      )
      assert.isAbove(asked.length, 6)
      for (const name of asked) assert.property(AgentMetrics.definitions, String(name))
    })
  )

  it.effect("promtool finds nothing to say about them", (context) =>
    Effect.gen(function* () {
      if (!hasPromtool) return context.skip("promtool is not installed (Debian: apt-get install prometheus)")
      const text = yield* scrape
      const { status, stderr, stdout } = spawnSync("promtool", ["check", "metrics"], { input: text })
      assert.deepStrictEqual([status, String(stdout), String(stderr)], [0, "", ""])
    })
  )

  it.effect("what is read when asked is gone with its Scope", () =>
    Effect.gen(function* () {
      const depth = Effect.map(Metric.snapshot, (all) => all.map(({ id }) => id))
      yield* Effect.scoped(
        Effect.gen(function* () {
          yield* AgentMetrics.toolBudget("prod", () => 7)
          yield* AgentMetrics.family("tool_requests_total", (outcome: string) => ({
            workspace: "prod",
            call: "list",
            outcome
          }))("success")
          assert.deepStrictEqual(
            yield* depth,
            OF_TOOLS.map((name) => `observability_agent_${name}`).reverse()
          )
        })
      )
      assert.deepStrictEqual(yield* depth, ["observability_agent_tool_requests_total"])
    }).pipe(Effect.provideService(Metric.MetricRegistry, new Map()))
  )
})
