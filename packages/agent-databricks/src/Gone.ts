/**
 * Asking for single runs that no list shows any more, and what to make of the answer that there is no such run: said once,
 * that may be an error; said in several sweeps and for a minute, the run is gone.
 */
import * as TrackedRun from "@observability-agents/core/TrackedRun"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { Databricks, Observed } from "./Databricks.ts"
import type { DatabricksError } from "./DatabricksError.ts"
import { RunId } from "./RunRecord.ts"
import type { Watch } from "./Watch.ts"

/** In how many sweeps in a row, and for how long, Databricks has to call a run unknown until it is taken for gone. */
const GONE_SWEEPS = 3
const GONE_MILLIS = 60_000

/** How long a run that was taken for gone is asked for now and then. */
const LOST_MILLIS = 86_400_000

/** A run that cannot be read is warned of once in this time, however often it is asked for. */
const QUIET_MILLIS = 3_600_000

/** The runs of one workspace that vanished. */
export interface Gone {
  /** Begins a sweep. */
  readonly begin: () => Questions
}

/** The questions of one sweep. */
export interface Questions {
  /** Asks for the run. None where there is no answer, or that of a run that does not exist. */
  readonly ask: (tracked: TrackedRun.TrackedRun) => Effect.Effect<Option.Option<Observed>>
  /** The keys of those that are gone now. */
  readonly gone: ReadonlyArray<string>
}

/** Makes the memory of one workspace. */
export const make = (databricks: Pick<Databricks["Service"], "getRun">, watch: Watch): Gone => {
  let suspects: ReadonlyMap<string, Suspicion> = new Map()
  /** When a run was warned of that cannot be read. */
  const warned = new Map<string, number>()

  const begin = (): Questions => {
    const suspected = suspects
    const unconfirmed = new Map<string, Suspicion>()
    suspects = unconfirmed
    const gone: Array<string> = []

    /** Databricks calls the run unknown. */
    const miss = Effect.fnUntraced(function* (tracked: TrackedRun.TrackedRun) {
      const now = DateTime.toEpochMillis(yield* DateTime.now)
      if (tracked.lost === true) {
        // It is gone already, and asked for rarely, in case that was an error.
        if (now >= DateTime.toEpochMillis(tracked.closedAt ?? tracked.observedAt) + LOST_MILLIS)
          watch.dismiss(tracked)
        return
      }
      const before = suspected.get(tracked.key)
      const suspicion = { sweeps: (before?.sweeps ?? 0) + 1, since: Math.min(before?.since ?? now, now) }
      if (suspicion.sweeps < GONE_SWEEPS || now - suspicion.since < GONE_MILLIS) {
        unconfirmed.set(tracked.key, suspicion)
        watch.confirm(tracked)
        return
      }
      gone.push(tracked.key)
      if (TrackedRun.isClosed(tracked)) return watch.dismiss(tracked)
      yield* Effect.logWarning(
        "Databricks does not know a run any more that had not ended; it is ended with a warning"
      ).pipe(Effect.annotateLogs({ run: tracked.run.key, sweeps: suspicion.sweeps }))
    })

    /** It may be unreadable for good: its job may not be visible to these credentials any more. */
    const warn = Effect.fnUntraced(function* (tracked: TrackedRun.TrackedRun, error: DatabricksError) {
      const now = DateTime.toEpochMillis(yield* DateTime.now)
      for (const [key, at] of warned) if (Math.abs(now - at) >= QUIET_MILLIS) warned.delete(key)
      if (warned.has(tracked.key)) return
      warned.set(tracked.key, now)
      yield* Effect.logWarning("A run that is no longer listed could not be read; it is tried again").pipe(
        Effect.annotateLogs({ run: tracked.run.key, reason: error.message })
      )
    })

    const ask = (tracked: TrackedRun.TrackedRun) =>
      databricks.getRun(RunId.make(tracked.run.key)).pipe(
        Effect.asSome,
        Effect.catchReason("DatabricksError", "NotFound", () =>
          Effect.as(miss(tracked), Option.none<Observed>())
        ),
        Effect.tap(() => Effect.sync(() => warned.delete(tracked.key))),
        Effect.catchTag("DatabricksError", (error) =>
          Effect.as(warn(tracked, error), Option.none<Observed>())
        )
      )

    return { ask, gone }
  }

  return { begin }
}

// ---- private

/** In how many sweeps a run was unknown, and since when. */
interface Suspicion {
  readonly sweeps: number
  readonly since: number
}
