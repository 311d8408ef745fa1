/**
 * From settings to an agent: finds the settings file, reads the environment, chooses the agent named by `agent_type`, has
 * it look for further settings where its tool keeps them, and validates everything before anything starts, so that a user
 * sees all mistakes at once.
 */
import * as Agent from "@observability-agents/core/Agent"
import { CoreSettings } from "@observability-agents/core/CoreSettings"
import * as Settings from "@observability-agents/toolkit/Settings"
import { type Problem, SettingsError } from "@observability-agents/toolkit/SettingsProblem"
import type * as Sources from "@observability-agents/toolkit/Sources"
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import type * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Result from "effect/Result"

/** The agents that a program has. */
export type Agents = ReadonlyArray<Agent.Agent<unknown>>

/**
 * A validated start: the agent, and the Layer that makes the settings the ConfigProvider of what it is provided to.
 */
export interface Startup {
  readonly agent: Agent.Agent<unknown>
  readonly sources: Sources.Sources
  readonly settings: Layer.Layer<never, SettingsError>
}

/**
 * The settings as they were found, valid or not.
 */
export interface Reading {
  /** The agent that `agent_type` names; undefined when it names none. */
  readonly agent: Agent.Agent<unknown> | undefined
  readonly sources: Sources.Sources
  /** The sections that are read: those of the agent, or those that all agents share. */
  readonly sections: ReadonlyArray<Settings.Section<unknown>>
  /** All that is wrong. */
  readonly problems: ReadonlyArray<Problem>
}

/**
 * The settings sections of these agents, each once, those that they share first.
 */
export const sectionsOf = (agents: Agents): ReadonlyArray<Settings.Section<unknown>> => [
  ...new Set([...Agent.sharedSections, ...agents.flatMap((agent) => agent.sections)])
]

/**
 * Reads the settings, of which one names one of the agents. Fails only where there is nothing to be read: a file that is missing or no TOML. Where an agent
 * `running` is given, it is its settings that are read, whichever is named now.
 */
export const read = Effect.fnUntraced(function* (
  agents: Agents,
  options: Sources.Options,
  running?: Agent.Agent<unknown>
): Effect.fn.Return<Reading, SettingsError, FileSystem.FileSystem> {
  const own = yield* Settings.sources(options)
  const type = Settings.value(own, CoreSettings, "agentType")
  const named = agents.find((agent) => Option.contains(type, agent.type))
  const agent = running ?? named
  const sections = agent === undefined ? Agent.sharedSections : Agent.sections(agent)
  // What cannot be found elsewhere is a problem beside the others, and comes first: others may follow from it.
  const found = yield* Effect.result(agent?.fallbacks?.(own) ?? Effect.succeed([]))
  const sources = Result.isSuccess(found) ? Settings.withFallbacks(own, found.success) : own
  const problems = [
    ...(Result.isFailure(found) ? found.failure.problems : []),
    ...(named === undefined && Option.isSome(type) ? [unknownAgent(agents, own)] : []),
    ...Settings.validate(sources, sections, known(agents))
  ]
  return { agent, sources, sections, problems }
})

/**
 * Reads and validates the settings. Fails with one report of all problems, those of the chosen agent's
 * own settings included. See {@link read}.
 */
export const make = Effect.fnUntraced(function* (
  agents: Agents,
  options: Sources.Options,
  running?: Agent.Agent<unknown>
): Effect.fn.Return<Startup, SettingsError, FileSystem.FileSystem> {
  const { agent, problems, sections, sources } = yield* read(agents, options, running)
  if (agent === undefined || problems.length > 0) return yield* new SettingsError({ problems })
  return { agent, sources, settings: Settings.layer(sources, sections, known(agents)) }
})

/** What is no mistake, because another agent of this program reads it. */
const known = (agents: Agents): Settings.InspectOptions => ({
  known: agents.flatMap((agent) => agent.sections)
})

const unknownAgent = (agents: Agents, sources: Sources.Sources): Problem => {
  const setting = Settings.resolve(sources, CoreSettings).find(({ field }) => field === "agentType")
  return {
    setting: setting?.setting ?? "",
    what: "no agent of this name is built in",
    where: setting?.origin === undefined ? "" : Settings.describeOrigin(setting.origin),
    expected: `one of: ${agents.map((agent) => agent.type).join(", ")}`,
    found: setting?.value ?? ""
  }
}
