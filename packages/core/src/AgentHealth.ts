/**
 * Health as agents get it: the register, with news of each change to those who look on, and the gauge `health_parts`.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import { Activity } from "./Activity.ts"
import * as AgentMetrics from "./AgentMetrics.ts"
import { Health } from "./Health.ts"

/** Health in memory, watched. */
export const layer: Layer.Layer<Health, never, Activity> = Layer.effect(
  Health,
  Effect.gen(function* () {
    const health = yield* Health
    const { tell } = yield* Activity
    const known = new Map<string, "ok" | "failing">()

    const parts = (state: "ok" | "failing") => () => {
      // Probes look at what is there; one that would have to wait is left out of a scrape, which cannot.
      const exit = Effect.runSyncExit(health.report)
      return Exit.isSuccess(exit)
        ? exit.value.parts.filter((part) => part.state === state).length
        : Number.NaN
    }
    yield* AgentMetrics.observe("health_parts", { state: "ok" }, parts("ok"))
    yield* AgentMetrics.observe("health_parts", { state: "failing" }, parts("failing"))

    const changed = (part: string, state: "ok" | "failing", reason?: string) => {
      if (known.get(part) === state) return Effect.void
      known.set(part, state)
      return tell(() => ({ kind: "health", part, state, reason }))
    }
    return Health.of({
      ...health,
      succeeded: (name) =>
        Effect.andThen(
          health.succeeded(name),
          Effect.suspend(() => changed(name, "ok"))
        ),
      failed: (name, reason, tried) =>
        Effect.andThen(
          health.failed(name, reason, tried),
          Effect.suspend(() => changed(name, "failing", reason))
        )
    })
  })
).pipe(Layer.provide(Health.layer))
