/**
 * What one sweep gathers: which runs are news, their snapshots, which go on in batches, what could not be read, and how
 * far the workspace was read in the end.
 */
import * as Backfill from "@observability-agents/core/Backfill"
import type * as Outbox from "@observability-agents/core/Outbox"
import type * as RunSnapshot from "@observability-agents/core/RunSnapshot"
import type * as RunTracker from "@observability-agents/core/RunTracker"
import * as TrackedRun from "@observability-agents/core/TrackedRun"
import type * as Window from "@observability-agents/core/Window"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { Observed, Page } from "./Databricks.ts"
import type { Filter } from "./Filter.ts"
import type { Floor } from "./Floor.ts"
import * as RunPhase from "./RunPhase.ts"
import type * as RunRecord from "./RunRecord.ts"
import type * as Snapshots from "./Snapshots.ts"
import type { Watch } from "./Watch.ts"

/** With what a sweep works. */
export interface Options {
  readonly filter: Filter
  readonly snapshots: Snapshots.Snapshots
  readonly watch: Watch
  /** Reports what of a page cannot be read. */
  readonly malformed: (malformed: Page["malformed"]) => Effect.Effect<void>
  /** Takes snapshots on, in batches. */
  readonly send: (snapshots: ReadonlyArray<RunSnapshot.RunSnapshot>) => Effect.Effect<void>
  readonly window: Window.Window
  readonly checkpoint: Outbox.Checkpoint
  /** Whether the run had ended before the workspace was observed, so that it is not told. */
  readonly floor: Floor
  /** Whether only runs that were active in the Window are told. */
  readonly isBackfill: boolean
}

/** A sweep. */
export interface Round {
  /** The ids of the runs that were listed as active, and as ended. */
  readonly active: ReadonlySet<string>
  readonly ended: ReadonlySet<string>
  /** What could not be read, in sentences. While there is any, the Window is read again. */
  readonly problems: ReadonlyArray<string>
  /** Whether anything is known of the run. */
  readonly isKnown: (run: RunRecord.Run) => boolean
  /** Takes a page of the list of active runs. */
  readonly takeActive: (page: Page) => Effect.Effect<void>
  /** Takes a page of a list of ended runs, or those of its runs that are wanted. What was taken already is left out. */
  readonly takeEnded: (page: Page, isWanted?: (run: RunRecord.Run) => boolean) => Effect.Effect<void>
  /** Takes the answer about a single run. */
  readonly takeOne: (tracked: TrackedRun.TrackedRun, observed: Observed) => Effect.Effect<void>
  /** The last of it: snapshots that were not sent, and how far was read. No cursor where the Window is to be read again. */
  readonly rest: () => Pick<RunTracker.Poll, "snapshots" | "cursor">
}

/** Begins a sweep. */
export const make = (options: Options): Round => {
  const { filter, floor, snapshots, watch, window } = options
  const { cursor, runs: known } = options.checkpoint
  const byRun = new Map(Array.from(known.values(), (tracked) => [tracked.run.key, tracked] as const))
  const active = new Set<string>()
  const ended = new Set<string>()
  const problems: Array<string> = []
  /** The earliest start of an ended run that waits for the next sweep, and is known to nobody else. */
  let held: number | undefined
  let batch: Array<RunSnapshot.RunSnapshot> = []

  const isNews = (run: RunRecord.Run): boolean => {
    if (!RunPhase.hasEnded(run)) return true
    const tracked = byRun.get(run.run_id)
    const end = RunPhase.time(run.end_time)
    if (tracked === undefined) return !floor(run.run_id, end)
    return (
      !TrackedRun.isClosed(tracked) ||
      // Its end was not Databricks' word: that one is still to be told, whatever its time.
      tracked.lost === true ||
      (tracked.endedAt !== undefined && end !== undefined && DateTime.isGreaterThan(end, tracked.endedAt))
    )
  }

  const isAsked = (run: RunRecord.Run): boolean =>
    !options.isBackfill ||
    Backfill.wasActiveIn(window, {
      startedAt: RunPhase.time(run.start_time),
      endedAt: RunPhase.hasEnded(run) ? RunPhase.time(run.end_time) : undefined
    })

  const pass = Effect.fnUntraced(function* (snapshot: RunSnapshot.RunSnapshot) {
    batch.push(snapshot)
    if (batch.length < BATCH) return
    const full = batch
    batch = []
    yield* options.send(full)
  })

  const take = Effect.fnUntraced(function* (observed: Observed) {
    const { run } = observed
    const tracked = byRun.get(run.run_id)
    const made = yield* snapshots.of(observed, tracked)
    if (made._tag === "Snapshot") {
      for (const past of made.past) yield* pass(past)
      return yield* pass(made.snapshot)
    }
    if (made._tag === "Unreadable") problems.push(made.problem)
    // Nothing can be told of it yet. But no list need show it when it ends, so it is followed from now on.
    if (tracked === undefined && active.has(run.run_id)) yield* pass(snapshots.pending(observed))
    if (made._tag !== "Waits") return
    if (tracked !== undefined) watch.confirm(tracked)
    else if (RunPhase.hasEnded(run)) held = Math.min(held ?? Number.POSITIVE_INFINITY, run.start_time ?? 0)
  })

  const takePage = Effect.fnUntraced(function* (page: Page, isWanted: (run: RunRecord.Run) => boolean) {
    yield* options.malformed(page.malformed)
    if (page.cutShort !== undefined) problems.push(`${page.cutShort}.`)
    const news = page.runs.filter(
      (run) => isWanted(run) && filter.wants(run, byRun.has(run.run_id)) && isNews(run) && isAsked(run)
    )
    const { observedAt } = page
    yield* Effect.forEach(news, (run) => take({ observedAt, run }), {
      concurrency: CONCURRENCY,
      discard: true
    })
  })

  /** Active runs were told by the first list; what stands in two lists of ended runs is told once. */
  const isFurther = (run: RunRecord.Run): boolean => {
    if (!RunPhase.hasEnded(run)) return !active.has(run.run_id)
    if (ended.has(run.run_id)) return false
    ended.add(run.run_id)
    return true
  }

  /**
   * Ended runs that wait, and that no tracker follows, are found again by their start: the cursor stays before it. Before
   * the first cursor, the whole Window is read again.
   */
  const end = (): DateTime.Utc | undefined => {
    if (problems.length > 0) return undefined
    if (held === undefined) return window.to
    return Option.isSome(cursor)
      ? DateTime.min(window.to, DateTime.max(window.from, DateTime.makeUnsafe(held)))
      : undefined
  }

  return {
    active,
    ended,
    problems,
    isKnown: (run) => byRun.has(run.run_id),
    takeActive: (page) =>
      takePage(page, (run) => {
        active.add(run.run_id)
        return true
      }),
    takeEnded: (page, isWanted = () => true) => takePage(page, (run) => isFurther(run) && isWanted(run)),
    takeOne: (tracked, observed) =>
      isNews(observed.run) || TrackedRun.isOpen(tracked) ? take(observed) : Effect.void,
    rest: () => {
      const cursor = end()
      return { snapshots: batch, ...(cursor === undefined ? {} : { cursor }) }
    }
  }
}

// ---- private

/** How many runs are read at once. How many requests that makes per second is the request budget's affair. */
const CONCURRENCY = 4

/** Snapshots that go on together. More would only wait in memory. */
const BATCH = 100
