import { assert, describe, it } from "@effect/vitest"
import { type DateTime, Effect, Metric } from "effect"
import { TestClock } from "effect/testing"
import { spawnSync } from "node:child_process"
import { readFileSync } from "node:fs"
import * as AgentMetrics from "../src/AgentMetrics.ts"
import { run } from "./support/scripted.ts"
import * as Status from "./support/status.ts"

/** What only an agent for a tool with an API tells. */
const OF_TOOLS = ["tool_requests_total", "tool_request_budget_available"]

const hasPromtool = spawnSync("promtool", ["--version"]).status === 0

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
        // Nothing was rejected here.
        OF_TOOLS.includes(name) || name === "events_rejected_total" ? [] : [`${name} ${type}`]
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

  it.effect("the alerts of the documentation ask for metrics that there are", () =>
    Effect.sync(() => {
      const page = readFileSync(new URL("../../../docs/status.md", import.meta.url), "utf8")
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
          yield* AgentMetrics.toolRequests({ workspace: "prod", call: "listRuns", outcome: "success" })
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
