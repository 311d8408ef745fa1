/**
 * The Observability server as agents get it: every try to deliver an event is measured, and told to those who look on.
 */
import { Observability } from "@observability-agents/toolkit/Observability"
import { ObservabilitySettings } from "@observability-agents/toolkit/ObservabilitySettings"
import type { ObservabilityError } from "@observability-agents/toolkit/ObservabilityError"
import type { HttpTransport } from "@observability-agents/toolkit/HttpTransport"
import * as Cause from "effect/Cause"
import type * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import * as Activity from "./Activity.ts"
import * as AgentMetrics from "./AgentMetrics.ts"
import * as Reload from "./Reload.ts"
import * as SteadyTime from "./SteadyTime.ts"

/**
 * When the last heartbeat was accepted.
 *
 * @category services
 */
export class HeartbeatWatch extends Context.Service<
  HeartbeatWatch,
  { readonly lastSent: () => DateTime.Utc | undefined }
>()("@observability-agents/core/AgentObservability/HeartbeatWatch") {}

/** The server that the settings name, watched. */
export const layer: Layer.Layer<
  Observability | HeartbeatWatch,
  Config.ConfigError,
  HttpTransport | Activity.Activity
> = Layer.suspend(() => watch).pipe(Layer.provide(Layer.suspend(() => connected())))

/** The settings of the connection: what sends by it is started anew with it. */
export const reads: Reload.Reads = Reload.reads(ObservabilitySettings)

/** The server as it is connected now: where its settings change, whoever holds it need not notice. */
const connected = (): Layer.Layer<Observability, Config.ConfigError, HttpTransport> => {
  let current: Observability["Service"] | undefined
  const now = Effect.suspend(() =>
    current === undefined ? Effect.die(new Error("The server is not connected yet")) : Effect.succeed(current)
  )
  return Layer.succeed(Observability, {
    post: (event) => Effect.flatMap(now, ({ post }) => post(event)),
    heartbeat: (beat) => Effect.flatMap(now, ({ heartbeat }) => heartbeat(beat)),
    ready: Effect.flatMap(now, ({ ready }) => ready),
    authorized: Effect.flatMap(now, ({ authorized }) => authorized)
  }).pipe(
    Layer.merge(
      Reload.part(
        { name: "connection to the server", reads: [reads] },
        Layer.effectDiscard(
          Effect.map(Observability, (server) => {
            current = server
          })
        ).pipe(Layer.provide(Observability.layerNoDeps))
      )
    )
  )
}

/** Watches whatever server is provided. */
export const watch: Layer.Layer<Observability | HeartbeatWatch, never, Observability | Activity.Activity> =
  Layer.effectContext(
    Effect.gen(function* () {
      const observability = yield* Observability
      const { tell } = yield* Activity.Activity
      const attempts = AgentMetrics.family("delivery_attempts_total", (outcome) => ({ outcome }))
      const duration = AgentMetrics.histogram("delivery_duration_seconds", {})
      let lastSent: DateTime.Utc | undefined
      return Context.make(HeartbeatWatch, { lastSent: () => lastSent }).pipe(
        Context.add(Observability, {
          ...observability,
          heartbeat: (beat) =>
            Effect.andThen(
              observability.heartbeat(beat),
              Effect.map(DateTime.now, (at) => {
                lastSent = at
              })
            ),
          post: (event) =>
            Effect.flatMap(SteadyTime.elapsed, (began) =>
              Effect.andThen(
                tell(() => ({ kind: "sent", event: Activity.subject(event) })),
                Effect.onExit(observability.post(event), (exit) =>
                  Effect.flatMap(SteadyTime.elapsed, (now) =>
                    Effect.andThen(Metric.update(duration, (now - began) / 1000), attempts(outcomeOf(exit)))
                  )
                )
              )
            )
        })
      )
    })
  )

const outcomeOf = (exit: Exit.Exit<void, ObservabilityError>): string => {
  if (Exit.isSuccess(exit)) return "delivered"
  const failure = exit.cause.reasons.find(Cause.isFailReason)
  switch (failure?.error.reason._tag) {
    case "Rejected":
      return "rejected"
    case "Unauthorized":
      return "unauthorized"
    case "Unavailable":
      return "unavailable"
    case undefined:
      return Cause.hasInterrupts(exit.cause) ? "interrupted" : "broken"
  }
}
