/** Sections like those of a real agent, and sources made from texts instead of from the machine. */
import { Effect, FileSystem, PlatformError, Schema } from "effect"
import * as Settings from "../src/Settings.ts"
import type { Sources } from "../src/Sources.ts"

export const Core = Settings.section("core", {
  description: "What the agent is.",
  variablePrefix: "",
  fields: {
    agentKey: Settings.nonEmptyString({ description: "Name of this agent.", example: '"prod-databricks"' }),
    logLevel: Settings.literals(["debug", "info", "warning", "error"], {
      description: "Least severe level that is logged.",
      default: "info"
    })
  }
})

export const Http = Settings.section("http", {
  description: "How tools are called.",
  fields: {
    readTimeout: Settings.seconds({ description: "Longest wait.", default: 60, exclusiveMinimum: 0 }),
    retries: Settings.integer({ description: "Further attempts.", default: 3, min: 0, max: 10 }),
    sslVerify: Settings.boolean({ description: "Verify certificates.", default: true }),
    sslCertFile: Settings.optional(Settings.string({ description: "Certificate authority." })),
    params: Settings.record({ description: "Query parameters.", default: {} })
  }
})

export const Observability = Settings.section("observability", {
  description: "The server.",
  fields: {
    baseUrl: Settings.url({ description: "Its address.", aliases: ["core.observability_base_url"] }),
    serviceAccountKey: Settings.secret({
      description: "Its key.",
      aliases: ["core.observability_service_account_key"]
    })
  }
})

export const Databricks = Settings.section("databricks", {
  description: "The workspace.",
  fields: {
    host: Settings.url({ description: "Its address.", aliases: ["databricks_host"] }),
    token: Settings.optional(Settings.secret({ description: "Its token." })),
    jobs: Settings.list(Schema.NonEmptyString, {
      description: "Names of jobs.",
      aliases: ["databricks_jobs"],
      default: []
    }),
    period: Settings.seconds({
      description: "Pause between polls.",
      default: 5,
      exclusiveMinimum: 0,
      variables: ["DK_PERIOD"]
    })
  }
})

export const sections: ReadonlyArray<Settings.Section<unknown>> = [Core, Http, Observability, Databricks]

/** The least that all of the sections need. */
export const needed = {
  DK_AGENT_KEY: "an-agent",
  DK_OBSERVABILITY_BASE_URL: "https://observability.example.com",
  DK_OBSERVABILITY_SERVICE_ACCOUNT_KEY: "key-of-the-account",
  DK_DATABRICKS_HOST: "https://workspace.example.com"
}

/** Reads sources from a machine that has these files only; `toml` is the text of `./agent.toml`. */
export const sources = (options: {
  readonly toml?: string | undefined
  readonly files?: Readonly<Record<string, string>>
  readonly file?: string | undefined
  readonly env?: Readonly<Record<string, string | undefined>>
}): Effect.Effect<Sources, Settings.SettingsError> => {
  const files = { ...options.files, ...(options.toml === undefined ? {} : { "./agent.toml": options.toml }) }
  return Settings.sources({ file: options.file, env: options.env ?? {} }).pipe(
    Effect.provide(
      FileSystem.layerNoop({
        readFileString: (path) => {
          const text = new Map(Object.entries(files)).get(path)
          return text === undefined
            ? Effect.fail(
                PlatformError.systemError({
                  _tag: "NotFound",
                  module: "FileSystem",
                  method: "readFileString"
                })
              )
            : text === FORBIDDEN
              ? Effect.fail(
                  PlatformError.systemError({
                    _tag: "PermissionDenied",
                    module: "FileSystem",
                    method: "readFileString"
                  })
                )
              : Effect.succeed(text)
        }
      })
    )
  )
}

/** A file with this text is one that must not be read. */
export const FORBIDDEN = "(permission denied)"
