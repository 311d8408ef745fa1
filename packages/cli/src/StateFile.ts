/**
 * The state file that a command looks at or changes. Only `state_path` and the settings of the history are needed for it,
 * so these commands work also where the rest of the settings is missing.
 */
import { CoreSettings } from "@observability-agents/core/CoreSettings"
import * as OutboxSqlite from "@observability-agents/core/OutboxSqlite"
import * as OutboxSqliteFile from "@observability-agents/core/OutboxSqliteFile"
import * as OutboxSqliteReader from "@observability-agents/core/OutboxSqliteReader"
import * as OutboxSqliteRequests from "@observability-agents/core/OutboxSqliteRequests"
import * as Logging from "@observability-agents/toolkit/Logging"
import * as Settings from "@observability-agents/toolkit/Settings"
import type { SettingsError } from "@observability-agents/toolkit/SettingsProblem"
import type { Sources } from "@observability-agents/toolkit/Sources"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Flag from "effect/cli/Flag"
import { CommandFailed, orStateFile } from "./CommandFailed.ts"
import { config, type Environment } from "./Environment.ts"

/** Which file: `--state FILE`, else the setting `state_path`. */
export const flags = {
  config,
  state: Flag.File("state", { mustExist: false }).pipe(
    Flag.withDescription("The state file. Without it the one that the setting state_path names."),
    Flag.optional
  )
}

/** The flags as they were given. */
export interface Given {
  readonly config: Option.Option<string>
  readonly state: Option.Option<string>
}

/** A state file, opened to be read, and the settings it was found by. */
export interface StateFile {
  readonly reader: OutboxSqliteReader.Reader
  readonly sources: Sources
  /** In words, such as `1d`. */
  readonly historyRetention: string
}

/** Opens the file until the end of the scope. An agent may be using it. */
export const open = Effect.fnUntraced(function* (
  environment: Environment,
  given: Given
): Effect.fn.Return<StateFile, CommandFailed | SettingsError, FileSystem.FileSystem | Scope.Scope> {
  const sources = yield* Settings.sources({
    env: environment.env,
    file: Option.getOrUndefined(given.config)
  })
  const value = <K extends "statePath" | "historyRetention" | "historyLimit">(field: K, name: string) =>
    Effect.mapError(
      Effect.fromOption(Settings.value(sources, CoreSettings, field)),
      () =>
        new CommandFailed({
          exitCode: 78,
          message: `The setting ${name} of [core] is not valid. \`${environment.name} check\` says what is wrong with it.`
        })
    )
  const path = Option.isSome(given.state) ? given.state.value : yield* value("statePath", "state_path")
  const historyRetention = yield* value("historyRetention", "history_retention")
  const reader = yield* orStateFile(
    OutboxSqliteReader.open({
      path,
      historyRetention,
      historyLimit: yield* value("historyLimit", "history_limit")
    })
  )
  return { reader, sources, historyRetention: Duration.format(historyRetention) }
})

/**
 * Has dead letters changed: by the agent that owns the file, within a few seconds, or, where none does, here and now.
 * Gives the numbers of those that were there, and who did it.
 */
export const change = Effect.fnUntraced(function* (
  environment: Environment,
  { bounds, path }: OutboxSqliteReader.Reader,
  request: OutboxSqliteRequests.Request
) {
  const own = Effect.scoped(
    Effect.flatMap(OutboxSqlite.make({ path, ...bounds }), (outbox) => outbox[request.does](request.numbers))
  ).pipe(
    Effect.map((done) => ({ done, by: Option.none<string>() })),
    Effect.provide(Logging.layer({ level: "warning", format: environment.terminal ? "pretty" : "json" }))
  )
  const ask = Effect.suspend(() => {
    const holder = Option.getOrElse(OutboxSqliteFile.holder(path), () => "another process")
    return Effect.map(OutboxSqliteRequests.ask(path, request, holder), (done) => ({
      done,
      by: Option.some(holder)
    }))
  })
  return yield* orStateFile(Effect.catchIf(own, OutboxSqliteFile.isInUse, () => ask))
})
