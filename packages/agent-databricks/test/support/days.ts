/** Days in the life of a whole agent, for tests: what a workspace does, and what the log says meanwhile. */
import * as DatabricksAgent from "@observability-agents/agent-databricks/DatabricksAgent"
import type * as Expected from "@observability-agents/agent-databricks/testing/Expected"
import * as FakeDatabricks from "@observability-agents/agent-databricks/testing/FakeDatabricks"
import * as AgentFixture from "@observability-agents/testing/AgentFixture"
import type * as SettingsFixture from "@observability-agents/testing/SettingsFixture"
import { Simulation } from "@observability-agents/testing/Simulation"
import { Clock, Duration, Effect, Layer, Logger, References } from "effect"
import { TestClock } from "effect/testing"

/** A day of runs of two tasks, one every so many minutes, taking from 2 to 40 minutes; one in five fails. */
export const everyMinutes = (minutes: number): ReadonlyArray<Expected.NamedJob> => [
  {
    name: "nightly",
    id: "1001",
    runs: Array.from({ length: Math.floor((24 * 60) / minutes) }, (_, index) => ({
      id: String(5_000 + index),
      at: Duration.minutes(index * minutes),
      tasks: [
        { key: "extract", takes: Duration.minutes(1 + (index % 20)) },
        {
          key: "load",
          takes: Duration.minutes(1 + ((index * 7) % 20)),
          after: ["extract"],
          ...(index % 5 === 0 ? { fails: `Error of run ${index}` } : {})
        }
      ]
    }))
  }
]

/**
 * A TestClock that waits until all that it woke has come to rest, however long that takes: a day's backlog takes seconds,
 * and the clock of `it.effect` goes on after one.
 */
export const clock = TestClock.layer({ warningDelay: "1 minute" })

/** The whole agent between this workspace and a fake server of its own. */
export const agent = (
  workspace: FakeDatabricks.FakeDatabricks["Service"],
  settings: SettingsFixture.Tables
) =>
  AgentFixture.layer(DatabricksAgent.agent, {
    hosts: { "workspace.test": workspace.client },
    settings: {
      auth_api_token: { agent_token: "dapi-fake" },
      ...settings,
      databricks: { host: "https://workspace.test", ...settings["databricks"] }
    }
  })

/** The agent in a simulation, between a workspace with these jobs and a server. */
export const simulation = (
  jobs: ReadonlyArray<Expected.NamedJob>,
  databricks: Readonly<Record<string, unknown>>,
  options: { readonly autoStart?: boolean } = {}
) =>
  Simulation.layer(DatabricksAgent.agent, {
    ...options,
    tool: FakeDatabricks.FakeDatabricks.layer({ jobs }),
    hosts: Effect.map(FakeDatabricks.FakeDatabricks, ({ client }) => ({ "workspace.test": client })),
    settings: {
      auth_api_token: { agent_token: "dapi-fake" },
      databricks: { host: "https://workspace.test", ...databricks }
    },
    secrets: ["dapi-fake"]
  })

/** A line of the log: when (milliseconds since the start of the day), which Loop, and the sentence. */
export interface Line {
  readonly at: number
  readonly loop: unknown
  readonly level: string
  readonly sentence: string
}

/** A log that keeps its lines. */
export const capture = () => {
  const lines: Array<Line> = []
  const layer = Layer.merge(
    Logger.layer([
      Logger.make(({ fiber, logLevel, message }) => {
        const [sentence] = Array.isArray(message) ? message : [message]
        lines.push({
          at: fiber.getRef(Clock.Clock).currentTimeMillisUnsafe() - AgentFixture.START,
          loop: fiber.getRef(References.CurrentLogAnnotations)["loop"],
          level: logLevel,
          sentence: String(sentence)
        })
      })
    ]),
    Layer.succeed(References.MinimumLogLevel, "Info")
  )
  return { lines, layer }
}

/** The most lines within any one minute. */
export const mostPerMinute = (lines: ReadonlyArray<{ readonly at: number }>): number =>
  Math.max(0, ...lines.map((line) => lines.filter(({ at }) => at >= line.at && at < line.at + 60_000).length))
