/** A scenario through the whole agent, and what the server has of it in the end, as a table to be read. */
import * as Expected from "@observability-agents/agent-databricks/testing/Expected"
import * as Fake from "@observability-agents/agent-databricks/testing/FakeDatabricks"
import type * as Scenario from "@observability-agents/agent-databricks/testing/Scenario"
import * as AgentFixture from "@observability-agents/testing/AgentFixture"
import * as EventLog from "@observability-agents/testing/EventLog"
import { FakeObservability } from "@observability-agents/testing/FakeObservability"
import type * as Event from "@observability-agents/toolkit/Event"
import { assert } from "@effect/vitest"
import { DateTime, Duration, Effect } from "effect"
import { TestClock } from "effect/testing"
import { agent } from "./days.ts"

/** What is played. */
export interface Play {
  /** How long the agent looks on. Default 10 minutes. */
  readonly for?: Duration.Input
  /** Its settings `[databricks]`. Default: a period of 20 seconds. */
  readonly settings?: Readonly<Record<string, unknown>>
  readonly workspace?: Omit<Fake.Options, "jobs">
  /** Whether it differs from what the scenario says by intent, e.g. because the workspace tells it otherwise. */
  readonly unlikeScenario?: boolean
}

/**
 * Starts the agent, then the scenario ten seconds later, and gives what the server was told: by `pipeline/run`, in order,
 * each event with its time since the beginning of the scenario, e.g. `1:30 load RUNNING`. Before that it proves that nothing came twice or out
 * of order, and nothing was lost.
 */
export const told = Effect.fnUntraced(function* (jobs: ReadonlyArray<Scenario.Job>, play: Play = {}) {
  yield* TestClock.setTime(AgentFixture.START)
  const fake = yield* Fake.make(play.workspace)
  const settings = { databricks: { period: 20, ...play.settings } }
  return yield* Effect.gen(function* () {
    yield* TestClock.adjust(DELAY)
    yield* fake.add(jobs)
    const until = Duration.toMillis(play.for ?? "10 minutes")
    for (let at = 0; at < until; at += HOUR) yield* TestClock.adjust(Math.min(HOUR, until - at))
    const { events } = yield* FakeObservability
    const all = yield* events
    assert.deepStrictEqual(EventLog.problems(all), [])
    if (play.unlikeScenario !== true) {
      const expected = Expected.ofPlan(yield* fake.plan, { submitKey: ({ name }) => `submit:${name}` })
      assert.deepStrictEqual(Expected.compare(expected, all), { lost: [], unexpected: [], duplicated: [] })
    }
    return tables(all)
  }).pipe(Effect.scoped, Effect.provide(agent(fake, settings)))
})

/** One run of job 7, whose id is 1: the rows alone. */
export const story = (run: Scenario.Run, play: Play = {}) =>
  Effect.map(told([{ name: "nightly", id: "7", runs: [{ ...run, id: "1" }] }], play), (tables) => {
    assert.includeMembers(["7/1"], Object.keys(tables))
    return tables["7/1"] ?? []
  })

/** The events as rows, by `pipeline/run`. */
export const tables = (
  events: ReadonlyArray<Event.Event>
): Readonly<Record<string, ReadonlyArray<string>>> => {
  const found: Record<string, Array<string>> = {}
  for (const event of events) {
    if (event.pipelineKey === undefined) continue
    ;(found[`${event.pipelineKey}/${event.runKey}`] ??= []).push(
      `${since(event)} ${event.taskKey ?? "run"} ${what(event)}`
    )
  }
  return found
}

// ---- private

const HOUR = Duration.toMillis("1 hour")

/** The scenario begins when the agent has looked once: what is over before that is none of its business. */
const DELAY = 10_000

/** Minutes and seconds, and what is left of a second. */
const since = ({ timestamp }: Event.Event): string => {
  if (timestamp === undefined) return "?"
  const millis = DateTime.toEpochMillis(timestamp) - AgentFixture.START - DELAY
  const sign = millis < 0 ? "-" : ""
  const rest = Math.abs(millis) % 1000
  const seconds = Math.floor(Math.abs(millis) / 1000)
  return `${sign}${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}${rest === 0 ? "" : `.${String(rest).padStart(3, "0")}`}`
}

const what = (event: Event.Event): string => {
  switch (event._tag) {
    case "RunStatus":
      return event.status
    case "MessageLog":
      return `${event.level} ${event.message}`
    case "MetricLog":
      return `metric ${event.metricKey} ${event.metricValue}`
    case "TestOutcomes":
      return event.outcomes.map(({ name, status }) => `${name} ${status}`).join(", ")
    case "DatasetOperation":
      return event.operation
  }
}
