/**
 * The parts that every agent is made of. Each says which settings it reads, and is started anew when one of these changes (see
 * `Reload`).
 */
import * as Logging from "@observability-agents/toolkit/Logging"
import { HttpSettings } from "@observability-agents/toolkit/HttpSettings"
import type { Observability } from "@observability-agents/toolkit/Observability"
import type * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { Agent, Options, Services } from "./Agent.ts"
import * as AgentObservability from "./AgentObservability.ts"
import * as Channel from "./Channel.ts"
import { CoreSettings } from "./CoreSettings.ts"
import * as EventSender from "./EventSender.ts"
import type { Health } from "./Health.ts"
import * as Heartbeat from "./Heartbeat.ts"
import * as LoopRun from "./LoopRun.ts"
import { Outbox } from "./Outbox.ts"
import { OutboxWatch } from "./OutboxWatch.ts"
import * as Readiness from "./Readiness.ts"
import * as Reload from "./Reload.ts"
import type { Supervisor } from "./Supervisor.ts"
import * as Wiring from "./Wiring.ts"

/** A Task that hangs for longer than a part may fail counts as failing. */
export const stuckAfter: Layer.Layer<never, Config.ConfigError> = Layer.effect(
  LoopRun.StuckAfter,
  Effect.map(CoreSettings.config, ({ healthGrace }) => healthGrace)
)

/** The agent's own Loops. */
export const polling = <E>(
  agent: Pick<Agent<E>, "type" | "layer" | "sections">
): Layer.Layer<never, E | Config.ConfigError, Services | Readiness.Start | OutboxWatch> =>
  Reload.part(
    {
      name: "polling",
      reads: [
        ...agent.sections.map((section) => Reload.reads(section)),
        Reload.reads(HttpSettings),
        Reload.reads(CoreSettings, "startFrom", "maxChannelCapacity", "healthGrace")
      ]
    },
    starting(agent.layer).pipe(
      Layer.provide(Logging.layerModule(`agent-${agent.type}`)),
      Layer.provide(channelCapacity),
      Layer.provide(stuckAfter),
      Layer.provide(Wiring.layerWithin),
      Layer.provide(forgetSources)
    )
  )

/** When it stops, it waits for the answers to what was sent, but no longer than `shutdown_timeout`. */
export const sending: Layer.Layer<never, Config.ConfigError, Sending> = Reload.part(
  {
    name: "sending",
    reads: [
      AgentObservability.reads,
      Reload.reads(
        CoreSettings,
        "sendConcurrency",
        "sendConcurrencyMaximum",
        "sendRetryMaximum",
        "unauthorizedRetryPeriod",
        "maxServerErrors",
        "shutdownTimeout",
        "healthGrace"
      )
    ]
  },
  Layer.effectDiscard(
    Effect.gen(function* () {
      const { shutdownTimeout } = yield* CoreSettings.config
      const { drain } = yield* EventSender.EventSender
      yield* Effect.addFinalizer(() => Effect.ignore(Effect.timeout(drain, shutdownTimeout)))
    })
  ).pipe(
    Layer.provide(EventSender.layer),
    Layer.provide(stuckAfter),
    Layer.provide(Logging.layerModule("core"))
  )
)

/** The signs of life. */
export const heartbeat = (
  { tool }: Pick<Agent, "tool">,
  { version }: Pick<Options, "version">
): Layer.Layer<never, Config.ConfigError, Sending> =>
  Reload.part(
    {
      name: "heartbeat",
      reads: [AgentObservability.reads, Reload.reads(CoreSettings, "heartbeatPeriod", "healthGrace")]
    },
    Heartbeat.layer({ tool, version }).pipe(
      Layer.provide(stuckAfter),
      Layer.provide(Logging.layerModule("core"))
    )
  )

/** Says after a stop what could not be sent. */
export const sayWhatIsLeft: Layer.Layer<never, Config.ConfigError, Outbox> = Layer.effectDiscard(
  Effect.gen(function* () {
    const { statePath } = yield* CoreSettings.config
    const outbox = yield* Outbox
    yield* Effect.addFinalizer(() =>
      Effect.flatMap(outbox.status, ({ deadLetters, pending }) => {
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
  })
)

/** Follows changed settings, where a Reload is provided. */
export const reloading: Layer.Layer<never, never, Supervisor> = Layer.effectDiscard(
  Effect.gen(function* () {
    const reload = yield* Reload.Current
    if (reload !== undefined) yield* Effect.forkScoped(reload.run)
  })
).pipe(Layer.provide(Logging.layerModule("core")))

// ---- private parts

type Sending = Outbox | Observability | Health | Supervisor

/** Says when an agent's Layer is there. It may be built more than once. */
const starting = <A, E, R>(layer: Layer.Layer<A, E, R>): Layer.Layer<A, E, R | Readiness.Start> =>
  Layer.unwrap(
    Effect.gen(function* () {
      const start = yield* Readiness.Start
      yield* start.begin
      return Layer.tap(layer, () => start.done)
    })
  )

/** What is not read any more after the next start is not to be shown as if it were. */
const forgetSources = Layer.effectDiscard(
  Effect.flatMap(OutboxWatch, (watch) => Effect.addFinalizer(() => watch.forgetSources))
)

/** Channels that do not say how much they hold take it from the settings. */
const channelCapacity = Layer.effect(
  Channel.DefaultCapacity,
  Effect.map(CoreSettings.config, ({ maxChannelCapacity }) => maxChannelCapacity)
)
