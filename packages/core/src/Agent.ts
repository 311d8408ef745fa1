/**
 * The definition of an agent, and the Layer and the Effect that run one.
 *
 * An agent package says what is particular to its tool: a name, its settings, a Layer of Loops that poll the tool and
 * commit to the Outbox, and a check of its connection. The framework adds what all agents share: the Outbox, the
 * sender, the heartbeat, Health and the Supervisor. Agents are Layers: several can run in one process, and one can
 * run inside a bigger Effect application.
 */
import type { HttpTransport } from "@observability-agents/toolkit/HttpTransport"
import { HttpSettings } from "@observability-agents/toolkit/HttpSettings"
import { Observability } from "@observability-agents/toolkit/Observability"
import { ObservabilitySettings } from "@observability-agents/toolkit/ObservabilitySettings"
import type * as Settings from "@observability-agents/toolkit/Settings"
import type * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import type * as Stream from "effect/Stream"
import * as AgentOutbox from "./AgentOutbox.ts"
import * as Channel from "./Channel.ts"
import { CoreSettings } from "./CoreSettings.ts"
import * as EventSender from "./EventSender.ts"
import { Health } from "./Health.ts"
import * as Heartbeat from "./Heartbeat.ts"
import { Outbox } from "./Outbox.ts"
import type * as RunTracker from "./RunTracker.ts"
import { Supervisor, type Unrecoverable } from "./Supervisor.ts"
import type { Window } from "./Window.ts"

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
  /** The Loops of the agent. Settings are read while it is built. */
  readonly layer: Layer.Layer<never, E, Services>
  /** Talks to the tool once and says in a sentence what it found. */
  readonly check: Effect.Effect<string, CheckFailed | Config.ConfigError, HttpTransport>
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
  HttpSettings
]

/**
 * All settings sections that are read when the agent runs: the shared ones and its own.
 */
export const sections = (agent: Agent<unknown>): ReadonlyArray<Settings.Section<unknown>> => [
  ...sharedSections,
  ...agent.sections
]

/**
 * The agent with all that it needs around it; its Outbox is the file that `state_path` of `[core]` names. What is left to
 * provide is the way to the network, and the Supervisor that learns of failures nothing can go on after. Fails as
 * `Unrecoverable` with exit code 74 where the state file cannot be used; agents that are built together share one.
 */
export const layer = <E>(
  agent: Agent<E>,
  options: { readonly version: string }
): Layer.Layer<
  Outbox | Health | Observability,
  E | Config.ConfigError | Unrecoverable,
  HttpTransport | Supervisor
> =>
  // Closed in the reverse order: the pollers stop, then what is under way to the server is finished, then all the rest.
  agent.layer.pipe(
    Layer.provide(finishSending),
    Layer.provide(channelCapacity),
    Layer.provide(
      Layer.merge(EventSender.layer, Heartbeat.layer({ tool: agent.tool, version: options.version }))
    ),
    Layer.provideMerge(Layer.mergeAll(AgentOutbox.layer, Health.layer, Observability.layerNoDeps))
  )

/**
 * Runs the agent until it is interrupted, or until something happens that it cannot go on after.
 */
export const run = <E>(
  agent: Agent<E>,
  options: { readonly version: string }
): Effect.Effect<never, E | Config.ConfigError | Unrecoverable, HttpTransport> =>
  Effect.gen(function* () {
    const supervisor = yield* Supervisor
    return yield* Effect.raceFirst(Layer.launch(layer(agent, options)), supervisor.failure)
  }).pipe(Effect.provide(Supervisor.layer))

/** Channels that do not say how much they hold take it from the settings. */
const channelCapacity = Layer.effect(
  Channel.DefaultCapacity,
  Effect.map(CoreSettings.config, ({ maxChannelCapacity }) => maxChannelCapacity)
)

/** On a stop, waits for the answers to what was sent, but no longer than `shutdown_timeout`, and says what is left. */
const finishSending = Layer.effectDiscard(
  Effect.gen(function* () {
    const { shutdownTimeout, statePath } = yield* CoreSettings.config
    const sender = yield* EventSender.EventSender
    const outbox = yield* Outbox
    yield* Effect.addFinalizer(() =>
      Effect.ignore(Effect.timeout(sender.drain, shutdownTimeout)).pipe(
        Effect.andThen(outbox.status),
        Effect.flatMap(({ deadLetters, pending }) => {
          if (pending === 0) return Effect.void
          const left =
            statePath === ":memory:"
              ? Effect.logWarning("Events that were not sent yet are lost: the state is kept in memory only")
              : Effect.logInfo(
                  "Events that were not sent yet stay in the state file and are sent after the next start"
                )
          return Effect.annotateLogs(left, { pending, deadLetters })
        })
      )
    )
  })
)
