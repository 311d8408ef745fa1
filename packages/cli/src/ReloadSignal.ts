/**
 * SIGHUP makes a running agent read its settings again: the settings file, the files that hold secrets, and what the agent
 * looks up where its tool keeps settings. The environment is that of the process, which nobody can change from outside. What
 * becomes of that is said in the module Reload of the framework; here is what the program has around the agent: its loggers, which
 * change without a break, and the export of its telemetry, which is exchanged.
 */
import * as Agent from "@observability-agents/core/Agent"
import { CoreSettings } from "@observability-agents/core/CoreSettings"
import * as Reload from "@observability-agents/core/Reload"
import type { HttpTransport } from "@observability-agents/toolkit/HttpTransport"
import * as KnownSecrets from "@observability-agents/toolkit/KnownSecrets"
import * as LoadedSecrets from "@observability-agents/toolkit/LoadedSecrets"
import * as LoggingSwitch from "@observability-agents/toolkit/LoggingSwitch"
import type { SettingsError } from "@observability-agents/toolkit/SettingsProblem"
import * as TelemetryRelay from "@observability-agents/toolkit/TelemetryRelay"
import { TelemetrySettings } from "@observability-agents/toolkit/TelemetrySettings"
import type * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import { type Environment, logFormat, logging, telemetry } from "./Environment.ts"
import * as Startup from "./Startup.ts"

/**
 * From now on SIGHUP does not end the program any more, nor does the end of the terminal that it was started in, which tells it
 * in the same way. The Effect waits for the next signal; those that come while nobody waits count as one.
 */
export const listen: Effect.Effect<Effect.Effect<void>> = Effect.map(Queue.sliding<void>(1), (signals) => {
  // For good: one that comes while the program ends must not end it either.
  process.on("SIGHUP", () => Queue.offerUnsafe(signals, undefined))
  // The log was written to that terminal, and has nowhere to go: no reason to stop.
  process.stderr.on("error", () => {})
  return Queue.take(signals)
})

/**
 * The settings, the loggers and the export of telemetry for an agent that runs, and its Reload, which is asked by `request`. It
 * takes the place of `Environment.observed`.
 */
export const layer = (
  environment: Environment,
  file: Option.Option<string>,
  started: Startup.Startup,
  request: Effect.Effect<void>
): Layer.Layer<never, SettingsError | Config.ConfigError, HttpTransport | FileSystem.FileSystem> =>
  Layer.unwrap(
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const { agent } = started
      const sections = Agent.sections(agent)
      const secrets = environment.secrets ?? KnownSecrets.make()
      secrets.know(LoadedSecrets.of(started.sources, sections))
      const options = { ...logging(environment, started), mask: secrets.mask, learn: secrets.learn }
      const loggers = LoggingSwitch.make(options)
      const relay = TelemetryRelay.make()
      const reload = Reload.make({
        initial: started.sources,
        sections,
        request,
        read: Startup.make(
          environment.agents,
          { env: environment.env, file: Option.getOrUndefined(file) },
          agent
        ).pipe(
          // Before anything is made of them that could tell them.
          Effect.tap(({ sources }) => Effect.sync(() => secrets.know(LoadedSecrets.of(sources, sections)))),
          Effect.provideService(FileSystem.FileSystem, fs)
        )
      })
      const log = reload.add({
        name: "log",
        isInPlace: true,
        reads: [Reload.reads(CoreSettings, "logLevel", "logLevels", "logFormat")],
        stop: Effect.void,
        start: (settings) =>
          Effect.gen(function* () {
            const core = yield* CoreSettings.config
            const format = logFormat(environment, core.logFormat)
            loggers.use({ ...options, level: core.logLevel, levels: core.logLevels, format })
          }).pipe(Effect.provideContext(settings))
      })
      return Reload.part(
        { name: "telemetry", reads: [Reload.reads(TelemetrySettings)] },
        relay.attach(telemetry(environment))
      ).pipe(
        Layer.provideMerge(Layer.merge(relay.layer, Layer.effectDiscard(log))),
        Layer.provideMerge(Layer.succeed(Reload.Current, reload)),
        Layer.provideMerge(started.settings),
        Layer.provideMerge(loggers.layer)
      )
    })
  )
