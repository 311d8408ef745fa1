/**
 * What works in an agent and what does not, part by part.
 *
 * A part is a Loop or a piece of it, known by its name. It is told here of each success and failure; and because what
 * hangs tells nothing, a part may also leave a probe that says since when it has been at the same thing. The heartbeat
 * and the status page read the report.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"

/**
 * The state of one part.
 *
 * @category models
 */
export interface Part {
  /** The part's name, which is the Loop's name for Loops. */
  readonly name: string
  /** Whether its last try worked, and it is not stuck in one. */
  readonly state: "ok" | "failing"
  /** Since when it has been in this state without a break. */
  readonly since: DateTime.Utc
  /** When it last worked. Absent while it has not worked yet. */
  readonly lastSuccess?: DateTime.Utc
  /** What is wrong, in one line. Present while failing. */
  readonly reason?: string
}

/**
 * The state of the agent: healthy while no part is failing.
 *
 * @category models
 */
export interface Report {
  readonly healthy: boolean
  /** All parts that reported so far, by name. */
  readonly parts: ReadonlyArray<Part>
}

/**
 * What a probe answers about a part that seems stuck: since when, and at what.
 *
 * @category models
 */
export interface Stuck {
  readonly since: DateTime.Utc
  readonly reason: string
}

/**
 * The register of all parts of an agent.
 *
 * @category services
 */
export class Health extends Context.Service<
  Health,
  {
    /** The part worked: it is well from now on, if it was not already. */
    readonly succeeded: (name: string) => Effect.Effect<void>
    /** The part did not work. `reason` is one line for people; it must hold no secret. */
    readonly failed: (name: string, reason: string) => Effect.Effect<void>
    /**
     * Asks `stuck` at each report whether the part hangs, until the Scope closes, and forgets the part then. Costs
     * nothing between reports. Many probes may stand for one part: it is stuck as long as one of them says so.
     */
    readonly watch: (
      name: string,
      stuck: Effect.Effect<Option.Option<Stuck>>
    ) => Effect.Effect<void, never, Scope.Scope>
    /** The state of all parts at this moment. */
    readonly report: Effect.Effect<Report>
    /** The parts that have been failing for at least so long. */
    readonly failingFor: (duration: Duration.Input) => Effect.Effect<ReadonlyArray<Part>>
  }
>()("@observability-agents/core/Health") {
  /**
   * Keeps the register in memory: health says how things stand in this process, so it starts afresh with it.
   */
  static readonly layer: Layer.Layer<Health> = Layer.effect(
    Health,
    Effect.sync(() => {
      const parts = new Map<string, Part>()
      const probes = new Set<{ readonly name: string; readonly stuck: Effect.Effect<Option.Option<Stuck>> }>()

      const succeeded = (name: string) =>
        Clock.clockWith((clock) =>
          Effect.sync(() => {
            const now = DateTime.makeUnsafe(clock.currentTimeMillisUnsafe())
            const known = parts.get(name)
            const since = known?.state === "ok" ? known.since : now
            parts.set(name, { name, state: "ok", since, lastSuccess: now })
          })
        )

      const failed = (name: string, reason: string) =>
        Clock.clockWith((clock) =>
          Effect.sync(() => {
            const known = parts.get(name)
            const since =
              known?.state === "failing" ? known.since : DateTime.makeUnsafe(clock.currentTimeMillisUnsafe())
            parts.set(name, { name, state: "failing", since, ...lastSuccess(known), reason })
          })
        )

      const watch = (name: string, stuck: Effect.Effect<Option.Option<Stuck>>) => {
        const probe = { name, stuck }
        return Effect.asVoid(
          Effect.acquireRelease(
            Effect.sync(() => probes.add(probe)),
            () =>
              Effect.sync(() => {
                probes.delete(probe)
                for (const other of probes) if (other.name === name) return
                parts.delete(name)
              })
          )
        )
      }

      const report = Effect.gen(function* () {
        const now = new Map(parts)
        for (const { name, stuck } of Array.from(probes)) {
          const found = Option.getOrUndefined(yield* stuck)
          const known = now.get(name)
          if (found === undefined || known?.state === "failing") continue
          now.set(name, { name, state: "failing", ...found, ...lastSuccess(known) })
        }
        const sorted = Array.from(now.values()).sort((a, b) =>
          a.name < b.name ? -1 : a.name > b.name ? 1 : 0
        )
        return { healthy: sorted.every((part) => part.state === "ok"), parts: sorted }
      })

      const failingFor = (duration: Duration.Input) =>
        Effect.gen(function* () {
          const latest = DateTime.subtractDuration(yield* DateTime.now, duration)
          const { parts } = yield* report
          return parts.filter(
            (part) => part.state === "failing" && DateTime.isLessThanOrEqualTo(part.since, latest)
          )
        })

      return Health.of({ succeeded, failed, watch, report, failingFor })
    })
  )
}

const lastSuccess = (part: Part | undefined): { readonly lastSuccess?: DateTime.Utc } =>
  part?.lastSuccess === undefined ? {} : { lastSuccess: part.lastSuccess }
