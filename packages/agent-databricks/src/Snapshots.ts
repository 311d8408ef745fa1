/**
 * From a run in a list to its RunSnapshot, with what a list leaves out: the tasks beyond the first hundred, the history of
 * repairs, the outputs of failed tasks.
 */
import type * as RunSnapshot from "@observability-agents/core/RunSnapshot"
import type * as TrackedRun from "@observability-agents/core/TrackedRun"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type { Databricks, Observed } from "./Databricks.ts"
import * as Histories from "./Histories.ts"
import type * as Outputs from "./Outputs.ts"
import * as Run from "./Run.ts"
import * as RunPhase from "./RunPhase.ts"
import type * as RunRecord from "./RunRecord.ts"

/** With what snapshots are made. */
export interface Options extends Pick<
  Run.SnapshotOptions,
  "metrics" | "results" | "iterationTasks" | "keyPrefix" | "groupSubmits"
> {
  readonly databricks: Pick<Databricks["Service"], "getRun">
  readonly outputs: Outputs.Outputs
}

/** What came of a run. */
export type Made =
  | {
      readonly _tag: "Snapshot"
      readonly snapshot: RunSnapshot.RunSnapshot
      /** How it stood at the ends that passed unseen, the oldest first: to be told before. */
      readonly past: ReadonlyArray<RunSnapshot.RunSnapshot>
    }
  /** Its state is not known to this version: it stays as it was. */
  | { readonly _tag: "Unknown" }
  /** Its tasks' outputs, or its history, come with a later sweep, and it with them. */
  | { readonly _tag: "Waits" }
  /** It could not be read whole, for this reason. */
  | { readonly _tag: "Unreadable"; readonly problem: string }

/** Makes the snapshots of one workspace. */
export interface Snapshots {
  /** The snapshot of a listed run, given what is known of it. */
  readonly of: (listed: Observed, known: TrackedRun.TrackedRun | undefined) => Effect.Effect<Made>
  /** The snapshot of an active run of which nothing can be told yet, so that it is followed from now on. */
  readonly pending: (listed: Observed) => RunSnapshot.RunSnapshot
  /** Ends a sweep in which these runs were listed: what was remembered of others is forgotten. */
  readonly end: (listed: ReadonlySet<string>) => void
}

/** After so many sweeps in which a run's further tasks could not be read, it goes on without them. */
const MAX_MISSES = 20

/** Makes the memory of one workspace. */
export const make = (options: Options): Snapshots => {
  const { databricks, outputs } = options
  const unknown = new Set<string>()
  const misses = new Map<string, number>()
  /** The pipelines under which runs were passed on, by run id, until the tracker knows them. */
  const passed = new Map<string, string>()
  const histories = Histories.make(databricks)

  /** The run with all its tasks, or why they cannot be had. */
  const complete = Effect.fnUntraced(function* (listed: Observed) {
    const id = listed.run.run_id
    const result = yield* Effect.result(databricks.getRun(id))
    if (Result.isSuccess(result)) {
      misses.delete(id)
      return result.success
    }
    const count = (misses.get(id) ?? 0) + 1
    misses.set(id, count)
    if (count <= MAX_MISSES) return result.failure.message
    if (count === MAX_MISSES + 1) {
      yield* Effect.logWarning("A run's further tasks cannot be read; it goes on with the first 100").pipe(
        Effect.annotateLogs({ run: id, reason: result.failure.message })
      )
    }
    return listed
  })

  /** The id of the job may be missing at one time and not at another; the run stays with the pipeline it began under. */
  const pipelineKeyOf = (run: RunRecord.Run, known: TrackedRun.TrackedRun | undefined): string => {
    const key = known?.pipeline.key ?? passed.get(run.run_id) ?? Run.pipelineKey(run, options)
    passed.set(run.run_id, key)
    return key
  }

  const of = Effect.fnUntraced(function* (
    listed: Observed,
    known: TrackedRun.TrackedRun | undefined
  ): Effect.fn.Return<Made> {
    const whole = listed.run.has_more === true ? yield* complete(listed) : listed
    if (typeof whole === "string") return { _tag: "Unreadable", problem: whole }
    const { observed, waits } = yield* histories.of(whole, known)
    const { observedAt, run } = observed
    const told = yield* outputs.read(run, known)
    if (waits || !told.isComplete) return { _tag: "Waits" }
    const snapshotOf = (one: RunRecord.Run) =>
      Run.toSnapshot(one, observedAt, {
        ...options,
        outputOf: told.outputOf,
        iterationsOf: told.iterationsOf
      })
    const snapshot = snapshotOf(run)
    if (snapshot === undefined) {
      yield* warn(run)
      return { _tag: "Unknown" }
    }
    if (RunPhase.hasEnded(run)) histories.forget(run.run_id)
    const key = pipelineKeyOf(run, known)
    const keyed = (one: RunSnapshot.RunSnapshot) => ({ ...one, pipeline: { ...one.pipeline, key } })
    const past = Histories.rounds(run, known).flatMap((one) => snapshotOf(one) ?? [])
    return { _tag: "Snapshot", snapshot: keyed(snapshot), past: past.map(keyed) }
  })

  const warn = Effect.fnUntraced(function* (run: RunRecord.Run) {
    const word = (run.status?.state ?? run.state?.life_cycle_state ?? "none").slice(0, 100)
    if (unknown.has(word)) return
    unknown.add(word)
    yield* Effect.logWarning(
      "Databricks uses a state that this version does not know; such runs stay as they were"
    ).pipe(Effect.annotateLogs({ state: word, run: run.run_id }))
  })

  return {
    of,
    pending: ({ observedAt, run }) => ({
      pipeline: { key: pipelineKeyOf(run, undefined) },
      run: { key: run.run_id },
      tool: Run.TOOL,
      observedAt,
      phase: "Pending",
      messages: [],
      tasks: []
    }),
    end: (listed) => {
      for (const map of [misses, passed]) for (const id of map.keys()) if (!listed.has(id)) map.delete(id)
      histories.retain((id) => listed.has(id))
    }
  }
}
