/**
 * From settings to an agent: finds the settings file, reads the environment, chooses the agent named by `agent_type` and
 * validates everything before anything starts, so that a user sees all mistakes at once.
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
import { agents } from "./Agents.ts"

/**
 * A validated start: the agent, and the Layer that makes the settings the ConfigProvider of what it is provided to.
 */
export interface Startup {
  readonly agent: Agent.Agent<unknown>
  readonly sources: Sources.Sources
  readonly settings: Layer.Layer<never, SettingsError>
}

/**
 * Reads and validates the settings. Fails with one report of all problems, those of the chosen agent's
 * own settings included.
 */
export const make = Effect.fnUntraced(function* (
  options: Sources.Options
): Effect.fn.Return<Startup, SettingsError, FileSystem.FileSystem> {
  const sources = yield* Settings.sources(options)
  const type = Settings.value(sources, CoreSettings, "agentType")
  const agent = agents.find((agent) => Option.contains(type, agent.type))
  const known = { known: agents.flatMap((agent) => agent.sections) }
  if (agent === undefined) {
    const problems = Settings.validate(sources, Agent.sharedSections, known)
    return yield* new SettingsError({
      problems: Option.isNone(type) ? problems : [unknownAgent(sources, type.value), ...problems]
    })
  }
  const sections = Agent.sections(agent)
  const problems = Settings.validate(sources, sections, known)
  if (problems.length > 0) return yield* new SettingsError({ problems })
  return { agent, sources, settings: Settings.layer(sources, sections, known) }
})

const unknownAgent = (sources: Sources.Sources, type: string): Problem => {
  const setting = Settings.resolve(sources, CoreSettings).find(({ field }) => field === "agentType")
  return {
    setting: setting?.setting ?? "",
    what: "no agent of this name is built in",
    where: setting?.origin === undefined ? "" : Settings.describeOrigin(setting.origin),
    expected: `one of: ${agents.map((agent) => agent.type).join(", ")}`,
    found: type
  }
}
