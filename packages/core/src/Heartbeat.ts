/**
 * The Heartbeat: tells the server at regular times that the agent lives, and up to when it has delivered. It is a claim
 * that all is well, so it is withheld while a part of the agent has been failing for too long: then the server shows the
 * agent as unhealthy, and as offline after a while, which is the truth.
 */
import { Observability } from "@observability-agents/toolkit/Observability"
import type * as Config from "effect/Config"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as AgentMetrics from "./AgentMetrics.ts"
import { CoreSettings } from "./CoreSettings.ts"
import { Health } from "./Health.ts"
import * as Loop from "./Loop.ts"
import { Outbox } from "./Outbox.ts"
import * as SteadyTime from "./SteadyTime.ts"
import type { Supervisor } from "./Supervisor.ts"

/** The name of the Loop that sends it. */
export const LOOP = "heartbeat"

/** Who sends the heartbeat, and how. */
export interface Options {
  /** The agent's identity at the server, unique together with the tool. */
  readonly key: string
  readonly tool: string
  readonly version: string
  readonly period: Duration.Duration
  /** How long a part may be failing before heartbeats are withheld. */
  readonly grace: Duration.Duration
}

/**
 * Sends heartbeats at a fixed rate while the Layer is there, the first one at once. Each says the newest timestamp among
 * all delivered events, from the Outbox: the server would forget the one it has if it were left out.
 */
export const layerWith = (
  options: Options
): Layer.Layer<never, never, Outbox | Observability | Health | Supervisor> =>
  Layer.unwrap(
    Effect.gen(function* () {
      const outbox = yield* Outbox
      const observability = yield* Observability
      const health = yield* Health
      const count = AgentMetrics.family("heartbeats_total", (outcome) => ({ outcome }))
      yield* AgentMetrics.begun(
        "heartbeats_total",
        ["sent", "failed", "withheld"].map((outcome) => ({ outcome }))
      )
      let withheld = ""
      let saidAt = Number.NEGATIVE_INFINITY

      const beat = Effect.gen(function* () {
        const stuck = yield* health.failingFor(options.grace)
        // That heartbeats fail is no reason to withhold them: they would never be sent again.
        const parts = stuck.filter((part) => part.name !== LOOP)
        const names = parts.map((part) => part.name).join(", ")
        const now = yield* SteadyTime.elapsed
        if (names !== withheld || (names !== "" && now - saidAt >= SAY_AGAIN_MILLIS)) {
          saidAt = now
          yield* names === ""
            ? Effect.logInfo("Heartbeat sent again: no part of the agent has been failing for long any more")
            : Effect.annotateLogs(
                Effect.logWarning("Heartbeat withheld: a part of the agent has been failing for long"),
                {
                  parts: parts.map((part) => `${part.name}: ${part.reason ?? "failing"}`).join("; ")
                }
              )
          withheld = names
        }
        if (names !== "") return yield* count("withheld")
        const { latestDelivered } = yield* outbox.status
        yield* Effect.tapError(
          observability.heartbeat({
            key: options.key,
            tool: options.tool,
            version: options.version,
            latestEventTimestamp: Option.getOrUndefined(latestDelivered)
          }),
          () => count("failed")
        )
        yield* count("sent")
      })
      return Loop.make(LOOP, Schedule.fixed(options.period), beat)
    })
  )

/** How often it is said again that heartbeats are withheld, and why. */
const SAY_AGAIN_MILLIS = 600_000

/** Sends heartbeats as the settings of `[core]` say. See {@link layerWith}. */
export const layer = (agent: {
  readonly tool: string
  readonly version: string
}): Layer.Layer<never, Config.ConfigError, Outbox | Observability | Health | Supervisor> =>
  Layer.unwrap(
    Effect.gen(function* () {
      const settings = yield* CoreSettings.config
      return layerWith({
        ...agent,
        key: settings.agentKey,
        period: settings.heartbeatPeriod,
        grace: settings.healthGrace
      })
    })
  )
