/**
 * What works in an agent and what does not, part by part.
 *
 * A part is a Loop or a piece of it, known by its name. It is told here of each success and failure; and because what
 * hangs tells nothing, a part may also leave a probe that says since when it has been at the same thing. The heartbeat
 * and the status page read the report.
 *
 * How long a part has been failing is measured by the monotonic clock: setting the system's clock makes nothing well, and
 * nothing ill. The moments in a report are on the system's clock as it stands when the report is made.
 *
 * A part of an agent that is no Loop says how it is; Loops do so by themselves:
 *
 * ```ts
 * import { Health } from "@observability-agents/core/Health"
 * import { Effect } from "effect"
 *
 * export const program = Effect.gen(function* () {
 *   const health = yield* Health
 *   yield* health.failed("price list", "the service answers 503")
 *   const { healthy, parts } = yield* health.report
 *   return healthy ? "well" : parts.map(({ name, reason }) => `${name}: ${reason ?? ""}`).join(", ")
 * }).pipe(Effect.provide(Health.layer))
 * ```
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as SteadyTime from "./SteadyTime.ts"

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
  /**
   * For how many milliseconds, measured by a clock that nobody sets. Unless given, it is reckoned from `since`, so it is
   * wrong for as long as the system's clock was set in between.
   */
  readonly lasted?: number | undefined
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
    /**
     * The part did not work. `reason` is one line for people; it must hold no secret. `tried` is how long the try took
     * since it last got on, in milliseconds, 0 unless given: a part that was well fails since then, but not since before
     * its last success.
     */
    readonly failed: (name: string, reason: string, tried?: number) => Effect.Effect<void>
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
      const parts = new Map<string, Known>()
      const probes = new Set<{ readonly name: string; readonly stuck: Effect.Effect<Option.Option<Stuck>> }>()

      const succeeded = (name: string) =>
        Effect.map(present, (now) => {
          const known = parts.get(name)
          const since = known?.state === "ok" ? known.since : now
          parts.set(name, { name, state: "ok", since, lastSuccess: now })
        })

      const failed = (name: string, reason: string, tried = 0) =>
        Effect.map(present, (now) => {
          const known = parts.get(name)
          const last = known?.lastSuccess
          const well = last === undefined ? Number.POSITIVE_INFINITY : now.steady - last.steady
          const since = known?.state === "failing" ? known.since : before(now, Math.min(tried, well))
          parts.set(name, { name, state: "failing", since, lastSuccess: last, reason })
        })

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

      /** All parts by name, those that hang as failing. */
      const look = Effect.gen(function* () {
        const all = new Map(parts)
        for (const { name, stuck } of Array.from(probes)) {
          const found = Option.getOrUndefined(yield* stuck)
          if (found === undefined) continue
          const now = yield* present
          const since = before(now, found.lasted ?? now.wall - found.since.epochMilliseconds)
          const known = all.get(name)
          // What failed in between does not make the hanging begin anew.
          if (known?.state === "failing" && known.since.steady <= since.steady) continue
          const reason = known?.state === "failing" ? known.reason : found.reason
          all.set(name, { name, state: "failing", since, lastSuccess: known?.lastSuccess, reason })
        }
        return Array.from(all.values()).sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0))
      })

      const report = Effect.gen(function* () {
        const all = yield* look
        const now = yield* present
        return {
          healthy: all.every((part) => part.state === "ok"),
          parts: all.map((part) => partOf(part, now))
        }
      })

      const failingFor = (duration: Duration.Input) =>
        Effect.gen(function* () {
          const millis = Duration.toMillis(duration)
          const all = yield* look
          const now = yield* present
          return all
            .filter(({ since, state }) => state === "failing" && now.steady - since.steady >= millis)
            .map((part) => partOf(part, now))
        })

      return Health.of({ succeeded, failed, watch, report, failingFor })
    })
  )
}

/** A moment by both clocks, in milliseconds. */
interface Moment {
  readonly steady: number
  readonly wall: number
}

interface Known {
  readonly name: string
  readonly state: "ok" | "failing"
  readonly since: Moment
  readonly lastSuccess?: Moment | undefined
  readonly reason?: string | undefined
}

const present: Effect.Effect<Moment> = Effect.zipWith(
  SteadyTime.elapsed,
  Clock.currentTimeMillis,
  (steady, wall) => ({ steady, wall })
)

const before = ({ steady, wall }: Moment, millis: number): Moment => ({
  steady: steady - millis,
  wall: Math.round(wall - millis)
})

/** As it was noted, unless the system's clock was set since: then as long ago on that clock as it is. */
const shown = (moment: Moment, now: Moment): DateTime.Utc => {
  const wall = Math.round(now.wall - (now.steady - moment.steady))
  return DateTime.makeUnsafe(Math.abs(wall - moment.wall) < SET_MILLIS ? moment.wall : wall)
}

/** Clocks differ by less where nobody set one. */
const SET_MILLIS = 1000

const partOf = ({ lastSuccess, name, reason, since, state }: Known, now: Moment): Part => ({
  name,
  state,
  since: shown(since, now),
  ...(lastSuccess === undefined ? {} : { lastSuccess: shown(lastSuccess, now) }),
  ...(reason === undefined ? {} : { reason })
})
