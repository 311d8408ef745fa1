/**
 * The definition of an agent, and the Layer and the Effect that run one.
 *
 * An agent package says what is particular to its tool: a name, its settings, a Layer of Loops that poll the tool and
 * commit to the Outbox, and a check of its connection. The framework adds what all agents share: the Outbox, the
 * sender, the heartbeat, Health and the Supervisor. Agents are Layers: several can run in one process, and one can
 * run inside a bigger Effect application.
 *
 * The smallest agent says each minute that it is there, and sends events of nothing else:
 *
 * ```ts
 * import * as Agent from "@observability-agents/core/Agent"
 * import * as Loop from "@observability-agents/core/Loop"
 * import * as NodeHttp from "@observability-agents/toolkit/NodeHttp"
 * import { DateTime, Effect } from "effect"
 *
 * const agent = Agent.make({
 *   type: "quiet",
 *   tool: "nothing",
 *   description: "Watches nothing.",
 *   sections: [],
 *   layer: Loop.periodic("look", { period: "1 minute", from: DateTime.now }, () => Effect.logInfo("Nothing to see")),
 *   check: Effect.succeed("There is nothing to reach.")
 * })
 *
 * // Runs until it is interrupted. The settings come from the ConfigProvider in force, or from `Settings.layer`.
 * export const program = Agent.run(agent, { version: "1.0.0" }).pipe(Effect.provide(NodeHttp.layer))
 * ```
 */
import type { HttpTransport } from "@observability-agents/toolkit/HttpTransport"
import { HttpSettings } from "@observability-agents/toolkit/HttpSettings"
import type { Observability } from "@observability-agents/toolkit/Observability"
import { ObservabilitySettings } from "@observability-agents/toolkit/ObservabilitySettings"
import type * as Settings from "@observability-agents/toolkit/Settings"
import type { Sources } from "@observability-agents/toolkit/Sources"
import { TelemetrySettings } from "@observability-agents/toolkit/TelemetrySettings"
import type * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import type * as Stream from "effect/Stream"
import { Activity } from "./Activity.ts"
import * as AgentHealth from "./AgentHealth.ts"
import * as AgentObservability from "./AgentObservability.ts"
import * as AgentOutbox from "./AgentOutbox.ts"
import * as AgentParts from "./AgentParts.ts"
import { CoreSettings } from "./CoreSettings.ts"
import type { Health } from "./Health.ts"
import type { Outbox } from "./Outbox.ts"
import type { OutboxWatch } from "./OutboxWatch.ts"
import * as Readiness from "./Readiness.ts"
import type * as RunTracker from "./RunTracker.ts"
import { Supervisor, type Unrecoverable } from "./Supervisor.ts"
import * as StatusLog from "./StatusLog.ts"
import { StatusSettings } from "./StatusSettings.ts"
import type { Window } from "./Window.ts"
import * as Wiring from "./Wiring.ts"

/**
 * What the framework hands to an agent's Layer.
 */
export type Services = Outbox | Supervisor | Health | HttpTransport

/**
 * An agent as the program `observability-agent` knows it: what it can run, check and document.
 */
export interface Agent<out E = never> {
  /** The value of the setting `agent_type` that chooses this agent. */
  readonly type: string
  /** The tool's name as the heartbeat reports it. */
  readonly tool: string
  /** One sentence for the help text and the documentation. */
  readonly description: string
  /** The settings sections that only this agent reads. Those that all agents share are {@link sharedSections}. */
  readonly sections: ReadonlyArray<Settings.Section<unknown>>
  /**
   * Reads settings from where the tool's own programs have theirs (a profile file, say). It is run before the settings are
   * validated; what it gives holds where neither the settings file nor the environment sets the setting.
   */
  readonly fallbacks?:
    | ((
        sources: Sources
      ) => Effect.Effect<ReadonlyArray<Settings.Fallback>, Settings.SettingsError, FileSystem.FileSystem>)
    | undefined
  /**
   * The Loops of the agent. Settings are read while it is built. Where settings change while the agent runs, it is closed and built
   * again for those of `sections` and of `[http]`, and for `start_from` and `max_channel_capacity` (see `Reload`).
   */
  readonly layer: Layer.Layer<never, E, Services>
  /** Talks to the tool once and says in a sentence what it found. */
  readonly check: Effect.Effect<string, CheckFailed | Config.ConfigError, HttpTransport>
  /** The same one by one, for an agent that may have several connections. Absent where there is only one. */
  readonly checks?: Effect.Effect<ReadonlyArray<Check>, Config.ConfigError> | undefined
  /**
   * Reads the runs of a time span that has passed, as the agent's Task would have. It may bring runs that were active
   * outside of the span: those are left out by the caller. Absent where the tool cannot be asked for the past.
   */
  readonly backfill?:
    | ((window: Window) => Stream.Stream<RunTracker.Poll, CheckFailed | Config.ConfigError, HttpTransport>)
    | undefined
  /** Sentences about what the settings leave out, for somebody who misses a run. */
  readonly omissions?: Effect.Effect<ReadonlyArray<string>, Config.ConfigError> | undefined
}

/**
 * The check of one connection.
 */
export interface Check {
  /** What it connects to, in a word or two: `databricks prod`. */
  readonly what: string
  /** Talks to it once and says in a sentence what it found. */
  readonly probe: Effect.Effect<string, CheckFailed | Config.ConfigError, HttpTransport>
}

/**
 * A connection that a check found wanting. `message` says what is wrong, where, and what to do; `exitCode` is 69 where the
 * service could not be reached and 77 where it does not let us in.
 */
export class CheckFailed extends Schema.TaggedError<CheckFailed>()("CheckFailed", {
  message: Schema.String,
  exitCode: Schema.Literals([69, 77])
}) {}

/**
 * Defines an agent.
 */
export const make = <E = never>(agent: Agent<E>): Agent<E> => agent

/**
 * The settings sections that every agent reads.
 */
export const sharedSections: ReadonlyArray<Settings.Section<unknown>> = [
  CoreSettings,
  ObservabilitySettings,
  HttpSettings,
  StatusSettings,
  TelemetrySettings
]

/**
 * All settings sections that are read when the agent runs: the shared ones and its own.
 */
export const sections = (agent: Agent<unknown>): ReadonlyArray<Settings.Section<unknown>> => [
  ...sharedSections,
  ...agent.sections
]

/**
 * What somebody who looks on is provided with, besides the Outbox, Health and `Wiring.Current`.
 */
export type Onlooker = Activity | OutboxWatch | AgentObservability.HeartbeatWatch

/**
 * How an agent is run.
 */
export interface Options<out E = never> {
  /** The version that the heartbeat reports. */
  readonly version: string
  /** Its Loops that run by time run once and end; sending goes on. `Wiring.Current` of what the Layer gives tells how far it is. */
  readonly once?: boolean | undefined
  /** What is there from before the agent's own Layer is built until after it is gone, such as a status page. */
  readonly beside?: Layer.Layer<never, E, Outbox | Health | Supervisor | Onlooker> | undefined
}

/**
 * The agent with all that it needs around it; its Outbox is the file that `state_path` of `[core]` names. What is left to
 * provide is the way to the network, and the Supervisor that learns of failures nothing can go on after. Fails as
 * `Unrecoverable` with exit code 74 where the state file cannot be used.
 *
 * Agents that are built together share nothing: each has the settings, the Outbox, the Health and the connection that it was
 * provided with. For several parts of an application to have one agent in common, it is provided with its settings first:
 * `Layer.provide(Agent.layer(agent, options), settings)`, kept in a constant, is built once; without, each part has an agent of
 * its own.
 */
export const layer = <E, E2 = never>(
  agent: Agent<E>,
  options: Options<E2>
): Layer.Layer<
  Outbox | Health | Observability | Onlooker,
  E | E2 | Config.ConfigError | Unrecoverable,
  HttpTransport | Supervisor
> =>
  // Closed in the reverse order: no more is reloaded, the pollers stop, then what is under way to the server is finished,
  // then all the rest.
  AgentParts.reloading.pipe(
    Layer.provide(AgentParts.polling(agent)),
    Layer.provide(AgentParts.sending),
    Layer.provide(AgentParts.heartbeat(agent, options)),
    Layer.provide(AgentParts.sayWhatIsLeft),
    Layer.provide(options.beside ?? Layer.empty),
    Layer.provideMerge(Layer.merge(AgentOutbox.layer, AgentObservability.layer)),
    Layer.provide(Readiness.Start.layer),
    Layer.provideMerge(Layer.merge(AgentHealth.layer, StatusLog.layer)),
    Layer.provideMerge(
      Layer.mergeAll(Activity.layer, AgentParts.stuckAfter, options.once === true ? wiringOnce : wiring)
    ),
    // What is built together builds a Layer once only: the first agent's Outbox, with its settings, would be everybody's.
    Layer.fresh
  )

/**
 * Runs the agent until it is interrupted, or until something happens that it cannot go on after.
 */
export const run = <E, E2 = never>(
  agent: Agent<E>,
  options: Options<E2>
): Effect.Effect<never, E | E2 | Config.ConfigError | Unrecoverable, HttpTransport> =>
  Effect.gen(function* () {
    const supervisor = yield* Supervisor
    return yield* Effect.raceFirst(Layer.launch(layer(agent, options)), supervisor.failure)
    // Of its own, also where the application around it has one.
  }).pipe(Effect.provide(Layer.fresh(Supervisor.layer)))

const wiring = Layer.effect(
  Wiring.Current,
  Effect.sync(() => Wiring.make())
)

const wiringOnce = Layer.effect(
  Wiring.Current,
  Effect.sync(() => Wiring.make({ once: true }))
)
