/** What the entry point knows of the process and the commands need, and what all commands that read settings share. */
import { CoreSettings } from "@observability-agents/core/CoreSettings"
import * as Logging from "@observability-agents/toolkit/Logging"
import * as Settings from "@observability-agents/toolkit/Settings"
import type { SettingsError } from "@observability-agents/toolkit/SettingsProblem"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Flag from "effect/cli/Flag"
import * as Startup from "./Startup.ts"

/** What the entry point knows. */
export interface Environment {
  readonly version: string
  /** The process's environment variables. */
  readonly env: Readonly<Record<string, string | undefined>>
  /** Whether a person is looking: decides between pretty and JSON log lines. */
  readonly terminal: boolean
  /** Whether that person wants colours. */
  readonly colours: boolean
}

/** The flag `--config FILE`. */
export const config = Flag.File("config", { mustExist: false }).pipe(
  Flag.withAlias("c"),
  Flag.withDescription(
    "The settings file. Without it the first that exists of ./agent.toml and /etc/observability/agent.toml; variables DK_… mix with it."
  ),
  Flag.optional
)

/** The flag `--json`. */
export const json = Flag.Boolean("json").pipe(
  Flag.withDescription("Prints one JSON document, for scripts"),
  Flag.withDefault(false)
)

/** The validated settings of that file and the environment. */
export const startup = (environment: Environment, file: Option.Option<string>) =>
  Startup.make({ env: environment.env, file: Option.getOrUndefined(file) })

/** The settings, and above them the loggers, so that what is wrong with the settings is logged in the same way. */
export const settled = (
  environment: Environment,
  { settings, sources }: Startup.Startup
): Layer.Layer<never, SettingsError> => {
  const level = Option.getOrElse(Settings.value(sources, CoreSettings, "logLevel"), () => "info" as const)
  return settings.pipe(
    Layer.provideMerge(Logging.layer({ level, format: environment.terminal ? "pretty" : "json" }))
  )
}
