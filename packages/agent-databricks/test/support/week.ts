/**
 * A week in the life of a whole agent: the jobs of a company, every quarter of an hour, hourly, and every night, and all that goes
 * wrong meanwhile with the workspace, with the server and with the agent's own machine. A seed chooses what happens.
 *
 * Left out is what makes it impossible to say how often an event arrives: a server that works and gives no answer, and a process
 * that dies between the server's answer and its own disk. Both may bring one event twice, and have tests of their own.
 */
import * as DatabricksAgent from "@observability-agents/agent-databricks/DatabricksAgent"
import * as Expected from "@observability-agents/agent-databricks/testing/Expected"
import { FakeDatabricks } from "@observability-agents/agent-databricks/testing/FakeDatabricks"
import { Health } from "@observability-agents/core/Health"
import { Outbox } from "@observability-agents/core/Outbox"
import * as AgentFixture from "@observability-agents/testing/AgentFixture"
import * as EventLog from "@observability-agents/testing/EventLog"
import { FakeObservability } from "@observability-agents/testing/FakeObservability"
import { FaultyClock } from "@observability-agents/testing/FaultyClock"
import * as FaultyHttp from "@observability-agents/testing/FaultyHttp"
import * as Simulation from "@observability-agents/testing/Simulation"
import type * as Event from "@observability-agents/toolkit/Event"
import { Context, Duration, Effect, Layer } from "effect"
import type { HttpClient } from "effect/http"
import * as WeekJobs from "./weekJobs.ts"
import * as WeekTrouble from "./weekTrouble.ts"

/** Which week, and how much of it. */
export interface Options {
  readonly seed: string
  /** Days in which something begins; it goes on for 8 hours after them. Default 7. */
  readonly days?: number | undefined
  /** Called after each day. */
  readonly onDay?: ((day: number) => void) | undefined
}

/**
 * From one look to the next. With the default of 5 seconds a week has 120 000 sweeps, nearly all of which find what the one before
 * found. With a minute it has 10 000, and the runs of the quickest job come and go between two of them, which is harder.
 */
export const PERIOD = Duration.minutes(1)

/** How the week went. */
export interface Week {
  readonly seed: string
  /** All that happened, in virtual time: some six thousand lines a day. */
  readonly timeline: string
  /** What the server received, in the order in which it did. */
  readonly events: ReadonlyArray<Event.Event>
  /** What it had to receive; see `Expected`. */
  readonly expected: ReadonlySet<string>
  /** When it received a sign of life, in milliseconds since the start. */
  readonly beats: ReadonlyArray<number>
  readonly troubles: ReadonlyArray<WeekTrouble.Span>
  /** What is left to do in the end, or does not work then. */
  readonly leftOver: ReadonlyArray<string>
  /** Milliseconds. */
  readonly lasted: number
  readonly sweeps: number
  /** Requests to the workspace, and those that something struck. */
  readonly requests: number
  readonly struck: number
}

/** Lives through the week. What goes wrong on the way fails with a report; what is wrong in the end {@link problems} finds. */
export const simulate = Effect.fnUntraced(function* ({ days = 7, onDay, seed }: Options) {
  return yield* Effect.gen(function* () {
    const sim = yield* Simulation.Simulation
    const tool = yield* Tool
    const workspace = yield* FakeDatabricks
    const server = yield* FakeObservability
    yield* workspace.add(yield* WeekJobs.make(days))
    const { spans, steps } = yield* WeekTrouble.make(days, { tool, server, sim, clock: yield* FaultyClock })
    const pending = [...steps]
    for (let day = 1; day <= days; day++) {
      for (let next = pending[0]; next !== undefined && next.at < day * DAY; next = pending[0]) {
        pending.shift()
        yield* sim.advanceTo(Duration.millis(next.at))
        yield* sim.act(next.name, next.effect)
      }
      yield* sim.advanceTo(Duration.millis(day * DAY))
      onDay?.(day)
    }
    for (const { at, effect, name } of pending) {
      yield* sim.advanceTo(Duration.millis(at))
      yield* sim.act(name, effect)
    }
    // What began late takes its time, and what failed is repaired.
    yield* sim.advanceTo(Duration.millis(days * DAY + AFTER))

    const requests = yield* tool.requests
    const plan = yield* workspace.plan
    const week: Week = {
      seed,
      timeline: yield* sim.timeline,
      events: yield* server.events,
      expected: Expected.ofPlan(plan, { submitKey: ({ name }) => `submit:${name}` }),
      beats: (yield* server.heartbeats).map(
        ({ at }) => Math.floor(at.epochMilliseconds) - AgentFixture.START
      ),
      troubles: spans,
      leftOver: yield* sim.ask(leftOver),
      lasted: yield* sim.elapsed,
      sweeps: requests.filter(({ url }) => url.searchParams.get("active_only") === "true").length,
      requests: requests.length,
      struck: requests.filter(({ fault }) => fault !== undefined).length
    }
    return week
  }).pipe(Effect.provide(simulation(seed)))
})

/** What is wrong with a week, in lines; none if all is well. */
export const problems = (week: Week): ReadonlyArray<string> => {
  const { duplicated, lost, unexpected } = Expected.compare(week.expected, week.events)
  return [
    ...lost.map((id) => `lost: ${id}`),
    ...unexpected.map((id) => `never happened: ${id}`),
    ...duplicated.map((id) => `came twice: ${id}`),
    ...EventLog.problems(week.events),
    ...week.leftOver,
    ...WeekTrouble.heartbeatProblems(week.beats, week.troubles, week.lasted)
  ]
}

/** What is wrong, with the seed, and of the timeline what concerns the run that is mentioned first; nothing if all is well. */
export const report = (week: Week): string => {
  const found = problems(week)
  if (found.length === 0) return ""
  const run = /\/(\d+)/.exec(found.join("\n"))?.[1]
  const lines = week.timeline.split("\n")
  const related = lines.filter(
    (line) => (run !== undefined && line.includes(run)) || line.includes("  test  ")
  )
  return [
    `The week with the seed ${JSON.stringify(week.seed)} has ${found.length} problems:`,
    ...found.slice(0, SHOWN).map((problem) => `  ${problem}`),
    ...(found.length > SHOWN ? [`  … and ${found.length - SHOWN} more`] : []),
    run === undefined
      ? "What went wrong meanwhile:"
      : `What was seen of run ${run}, and what went wrong meanwhile:`,
    ...related.slice(0, LINES),
    ...(related.length > LINES ? [`… and ${related.length - LINES} lines more`] : [])
  ].join("\n")
}

// ---- private

const DAY = Duration.toMillis("1 day")
const AFTER = Duration.toMillis("8 hours")

/** Of a report: problems, and lines of the timeline. */
const SHOWN = 20
const LINES = 150

/** The workspace, with faults around it. */
class Tool extends Context.Service<
  Tool,
  FaultyHttp.FaultyHttp["Service"] & { readonly client: HttpClient.HttpClient }
>()("test/support/week/Tool") {}

const simulation = (seed: string) =>
  Simulation.Simulation.layer(DatabricksAgent.agent, {
    tool: Layer.provideMerge(
      Layer.effect(
        Tool,
        Effect.flatMap(FakeDatabricks, ({ client }) => FaultyHttp.make(client, { seed }))
      ),
      FakeDatabricks.layer({ list: { pages: "torn" }, taskOrder: "arbitrary" })
    ),
    hosts: Effect.map(Tool, ({ client }) => ({ "workspace.test": client })),
    around: FaultyClock.layer,
    settings: {
      databricks: { host: "https://workspace.test", period: Duration.toSeconds(PERIOD) },
      auth_api_token: { agent_token: "dapi-fake" }
    },
    secrets: ["dapi-fake"],
    store: "file",
    seed
  })

const leftOver = Effect.gen(function* () {
  const { deadLetters, pending } = yield* (yield* Outbox).status
  const { parts } = yield* (yield* Health).report
  return [
    ...(pending === 0 ? [] : [`${pending} events are still waiting`]),
    ...(deadLetters === 0 ? [] : [`there are ${deadLetters} dead letters`]),
    ...parts.flatMap(({ name, reason, state }) =>
      state === "ok" ? [] : [`in the end "${name}" is ${state}: ${reason ?? "no reason"}`]
    )
  ]
})
