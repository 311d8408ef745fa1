/** What the entry point knows of the process and the commands need, and what all commands that read settings share. */
import * as Agent from "@observability-agents/core/Agent"
import { CoreSettings } from "@observability-agents/core/CoreSettings"
import type { HttpTransport } from "@observability-agents/toolkit/HttpTransport"
import * as KnownSecrets from "@observability-agents/toolkit/KnownSecrets"
import * as LoadedSecrets from "@observability-agents/toolkit/LoadedSecrets"
import * as Logging from "@observability-agents/toolkit/Logging"
import * as Settings from "@observability-agents/toolkit/Settings"
import type { SettingsError } from "@observability-agents/toolkit/SettingsProblem"
import * as Telemetry from "@observability-agents/toolkit/Telemetry"
import type * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Flag from "effect/cli/Flag"
import * as Startup from "./Startup.ts"

/** What the entry point knows. */
export interface Environment {
  /** What the program is called on the command line: help and advice name it. */
  readonly name: string
  /** Its version; agents report it, too. */
  readonly version: string
  /** The agents of which a settings file can name one, in the order in which the help lists them. */
  readonly agents: ReadonlyArray<Agent.Agent<unknown>>
  /** Whether it has the demo, which is that of the Databricks agent. */
  readonly demo?: boolean | undefined
  /** The process's environment variables. */
  readonly env: Readonly<Record<string, string | undefined>>
  /** Whether a person is looking: decides between pretty and JSON log lines. */
  readonly terminal: boolean
  /** Whether that person can be asked, too. */
  readonly interactive: boolean
  /** Whether that person wants colours. */
  readonly colours: boolean
  /** What is to be hidden in all that the process says, of which commands tell it. Without it, each hides its own. */
  readonly secrets?: KnownSecrets.KnownSecrets | undefined
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
  Effect.tap(
    Startup.make(environment.agents, { env: environment.env, file: Option.getOrUndefined(file) }),
    ({ agent, sources }) =>
      Effect.sync(() => environment.secrets?.know(LoadedSecrets.of(sources, Agent.sections(agent))))
  )

/** The settings, and above them the loggers, so that what is wrong with the settings is logged in the same way. */
export const settled = (
  environment: Environment,
  startup: Startup.Startup
): Layer.Layer<never, SettingsError> =>
  startup.settings.pipe(Layer.provideMerge(Logging.layer(logging(environment, startup))))

/** How the settings say that it is to be logged. */
export const logging = (environment: Environment, { agent, sources }: Startup.Startup): Logging.Options => {
  const format = Option.getOrElse(Settings.value(sources, CoreSettings, "logFormat"), () => "auto" as const)
  const key = Settings.value(sources, CoreSettings, "agentKey")
  const secrets = environment.secrets ?? KnownSecrets.make()
  if (environment.secrets === undefined) secrets.know(LoadedSecrets.of(sources, Agent.sections(agent)))
  return {
    level: Option.getOrElse(Settings.value(sources, CoreSettings, "logLevel"), () => "info" as const),
    levels: Option.getOrUndefined(Settings.value(sources, CoreSettings, "logLevels")),
    format: logFormat(environment, format),
    mask: secrets.mask,
    learn: secrets.learn,
    annotations: Option.match(key, { onNone: () => ({}), onSome: (agent) => ({ agent }) }),
    colours: environment.colours
  }
}

/** The setting `log_format`, of which `auto` asks who is looking. */
export const logFormat = (environment: Environment, format: Logging.Format | "auto"): Logging.Format =>
  format !== "auto" ? format : environment.terminal ? "pretty" : "json"

/** The same, and the export of what the agent traces, measures and logs, as the settings of `[telemetry]` say. */
export const observed = (
  environment: Environment,
  startup: Startup.Startup
): Layer.Layer<Telemetry.Telemetry, SettingsError | Config.ConfigError, HttpTransport> =>
  telemetry(environment).pipe(Layer.provideMerge(settled(environment, startup)))

/** The export alone. */
export const telemetry = (
  environment: Environment
): Layer.Layer<Telemetry.Telemetry, Config.ConfigError, HttpTransport> =>
  Layer.unwrap(
    Effect.map(CoreSettings.config, ({ agentKey, agentType }) =>
      Telemetry.layer({
        version: environment.version,
        attributes: { "service.instance.id": agentKey, "observability_agent.type": agentType }
      })
    )
  )
