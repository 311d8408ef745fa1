/** Settings as the program reads them, from texts in place of the machine: file, environment, and files beside them. */
import * as DatabricksFallbacks from "@observability-agents/agent-databricks/DatabricksFallbacks"
import * as DatabricksAgent from "@observability-agents/agent-databricks/DatabricksAgent"
import * as Workspaces from "@observability-agents/agent-databricks/Workspaces"
import * as Settings from "@observability-agents/toolkit/Settings"
import { Effect, FileSystem, PlatformError, Redacted } from "effect"

export interface Given {
  /** The settings file. */
  readonly toml?: string
  readonly env?: Readonly<Record<string, string>>
  /** Further files by path. `false`: one that may not be read. */
  readonly files?: Readonly<Record<string, string | false>>
}

/** Where the environment says that the user is at home. */
export const HOME = "/home/me"

export const PROFILES = `${HOME}/.databrickscfg`

/** The sources, with what the agent finds elsewhere. */
export const sources = Effect.fnUntraced(
  function* (given: Given) {
    const own = yield* Settings.sources({
      env: { HOME, ...given.env },
      ...(given.toml === undefined ? {} : { file: "agent.toml" })
    })
    return Settings.withFallbacks(own, yield* DatabricksFallbacks.find(own))
  },
  (effect, given) => Effect.provideService(effect, FileSystem.FileSystem, files(given))
)

/** All that is wrong, in one text. */
export const problems = (given: Given) =>
  sources(given).pipe(
    Effect.map((sources) => Settings.validate(sources, DatabricksAgent.sections)),
    Effect.catchTag("SettingsError", ({ problems }) => Effect.succeed(problems))
  )

/** The workspaces, with their secrets uncovered. */
export const workspaces = Effect.fnUntraced(function* (given: Given) {
  const layer = Settings.layer(yield* sources(given), DatabricksAgent.sections)
  const found = yield* Effect.provide(
    Effect.suspend(() => Workspaces.load),
    layer
  )
  return found.map((workspace) => ({ ...workspace, credentials: uncovered(workspace.credentials) }))
})

export const uncovered = (credentials: object): Readonly<Record<string, unknown>> =>
  Object.fromEntries(
    Object.entries(credentials).map(([name, value]) => [
      name,
      Redacted.isRedacted(value) ? Redacted.value(value) : value
    ])
  )

const files = (given: Given) =>
  FileSystem.makeNoop({
    readFileString: (path) => {
      const text = path === "agent.toml" ? given.toml : given.files?.[path]
      return typeof text === "string"
        ? Effect.succeed(text)
        : Effect.fail(
            PlatformError.systemError({
              _tag: text === false ? "PermissionDenied" : "NotFound",
              module: "FileSystem",
              method: "readFileString"
            })
          )
    }
  })
