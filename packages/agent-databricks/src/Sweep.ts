/**
 * The Task that reads a workspace once: all that runs now, all that ended lately, and what of the known runs appears in
 * neither.
 *
 * It costs the pages of two lists, whatever the number of runs: that of active runs, and one of ended runs. The latter is one of
 * two: runs that **began** in the Window or shortly before, which Databricks finds by itself; or, where a run is
 * missing that began earlier, and now and then in any case, those that **ended** since ({@link Finished}). Besides it asks for
 * single runs whose tasks do not fit into a list, that were repaired, or that no list shows ({@link Snapshots},
 * `Histories`, {@link Gone}), and for single tasks that failed ({@link Outputs}). What was read goes on page by page; the end of the Window goes last, and
 * only when nothing of it is missing, so that a disturbed sweep is read again.
 *
 * **The first Window.** What is promised for the time from `start_from` on is every run that ends in it. Where ended runs
 * cannot be read by their end, those are read that began up to a day before; what had ended before is left out.
 *
 * **A backfill.** Only what was active in the Window is read. The list reaches from a week before the Window to its end; what
 * was not active in it is left out before anything more is asked for. The active runs are listed only where the Window ends
 * now.
 */
import type * as Channel from "@observability-agents/core/Channel"
import { Outbox, type OutboxError } from "@observability-agents/core/Outbox"
import type * as RunTracker from "@observability-agents/core/RunTracker"
import * as TrackedRun from "@observability-agents/core/TrackedRun"
import * as Window from "@observability-agents/core/Window"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { Databricks, type Page, type Query } from "./Databricks.ts"
import type { DatabricksError } from "./DatabricksError.ts"
import * as Filter from "./Filter.ts"
import * as Finished from "./Finished.ts"
import * as Floor from "./Floor.ts"
import * as Gone from "./Gone.ts"
import * as Outputs from "./Outputs.ts"
import * as Round from "./Round.ts"
import type * as Run from "./Run.ts"
import * as RunPhase from "./RunPhase.ts"
import * as Snapshots from "./Snapshots.ts"
import * as Watch from "./Watch.ts"

/** What a sweep needs to know, and where it sends to. */
export interface Options
  extends
    Filter.Options,
    Pick<Run.SnapshotOptions, "metrics" | "results" | "iterationTasks" | "keyPrefix" | "groupSubmits"> {
  /** The name of the workspace's Checkpoint. */
  readonly source: string
  readonly sender: Channel.Sender<RunTracker.Poll>
  /** How far before the Window runs are listed again. */
  readonly lookBack: Duration.Duration
  readonly period: Duration.Duration
  readonly failedWatchPeriod: Duration.Duration
  readonly failedWatchMaxTime: Duration.Duration
  /** What is asked for of for-each tasks. Default `failures`. */
  readonly iterations?: "failures" | "tasks" | "none" | undefined
  /** How many requests for single tasks one sweep may make. Default 50. */
  readonly outputRequests?: number | undefined
  /** Whether only the runs that were active in the Window are read, which may have passed long ago. Default false. */
  readonly isBackfill?: boolean | undefined
}

/** Something of the Window could not be read, so it is read again. What could be read was passed on. */
export class Incomplete extends Schema.TaggedError<Incomplete>()("Incomplete", {
  problems: Schema.Array(Schema.String)
}) {
  override get message(): string {
    return `Databricks did not give all runs; the same time is read again: ${this.problems.join(" ")}`
  }
}

export { firstStartOf } from "./Floor.ts"

/**
 * Makes the Task. Between runs it remembers only what saves requests: losing that costs some, nothing else.
 */
export const make = Effect.fnUntraced(function* (
  options: Options
): Effect.fn.Return<
  (window: Window.Window) => Effect.Effect<void, DatabricksError | Incomplete | OutboxError>,
  never,
  Databricks | Outbox
> {
  const databricks = yield* Databricks
  const outbox = yield* Outbox
  const filter = Filter.make(options)
  const watch = Watch.make(options)
  const gone = Gone.make(databricks, watch)
  const finished = Finished.make({ every: Duration.min(options.failedWatchPeriod, options.lookBack) })
  const outputs = Outputs.make({
    databricks,
    // A backfill is nobody's period: it may take as long as it needs.
    budget:
      options.isBackfill === true ? Number.POSITIVE_INFINITY : (options.outputRequests ?? OUTPUT_REQUESTS),
    results: options.results === true,
    iterations: options.iterations ?? "failures"
  })
  const snapshots = Snapshots.make({ ...options, results: options.results === true, databricks, outputs })
  const floorOf = Floor.make(options.source, outbox, options.lookBack)
  const malformed = reportOnce()

  return Effect.fn("Databricks.sweep")(function* (window: Window.Window) {
    const checkpoint = yield* outbox.checkpoint(options.source)
    const { cursor, runs: known } = checkpoint
    finished.confirm(Option.getOrUndefined(Option.map(cursor, DateTime.toEpochMillis)))
    outputs.begin()
    const round = Round.make({
      filter,
      snapshots,
      watch,
      malformed,
      send: (some) => options.sender.send({ source: options.source, snapshots: some }),
      window,
      checkpoint,
      floor: yield* floorOf(window, cursor),
      isBackfill: options.isBackfill === true
    })
    const list = (query: Query) => databricks.listRuns({ ...filter.query, ...query })

    const listActive = Stream.runForEach(list({ activeOnly: true }), round.takeActive)

    const listStarted = (query: Query) => Stream.runForEach(list(query), (page) => round.takeEnded(page))

    /** Reads what ended since then. */
    const listFinished = Effect.fnUntraced(function* (since: DateTime.Utc) {
      const reading = finished.begin(DateTime.toEpochMillis(since))
      const asked = DateTime.toEpochMillis(yield* DateTime.now)
      let outcome: Finished.Outcome | undefined
      yield* list({ completedOnly: true }).pipe(
        Stream.takeUntil((page) => (outcome = reading.take(page.runs)) !== undefined),
        Stream.runForEach((page) =>
          round.takeEnded(
            page,
            (run) => round.isKnown(run) || reading.isNews(run.end_time || Number.POSITIVE_INFINITY)
          )
        )
      )
      finished.end(reading, asked, outcome)
      return { reading, outcome }
    })

    /** Asks for known runs that no list shows. Answers which of them are gone. */
    const follow = Effect.fnUntraced(function* (
      due: ReadonlyArray<TrackedRun.TrackedRun>,
      read: { readonly reading: Finished.Reading; readonly outcome: Finished.Outcome | undefined } | undefined
    ) {
      const now = DateTime.toEpochMillis(yield* DateTime.now)
      const questions = gone.begin()
      const isListed = (tracked: TrackedRun.TrackedRun) => round.ended.has(tracked.run.key)
      yield* Effect.forEach(
        due.filter((tracked) => !isListed(tracked)),
        Effect.fnUntraced(function* (tracked) {
          const answer = yield* questions.ask(tracked)
          if (Option.isNone(answer)) return
          const { run } = answer.value
          yield* round.takeOne(tracked, answer.value)
          if (read?.outcome !== "Reached" || TrackedRun.isClosed(tracked) || !RunPhase.hasEnded(run)) return
          if ((run.end_time ?? 0) > read.reading.since) finished.expected(false, now)
        }),
        { concurrency: CONCURRENCY, discard: true }
      )
      if (
        read?.outcome === "Reached" &&
        due.some((tracked) => TrackedRun.isOpen(tracked) && isListed(tracked))
      ) {
        finished.expected(true, now)
      }
      return questions.gone
    })

    const sweep = Effect.gen(function* () {
      // In this order a run that ends in between stands in both lists, not in none.
      yield* listActive
      const now = yield* DateTime.now
      const millis = DateTime.toEpochMillis(now)
      const isUsable = finished.isUsable(millis)
      const due = watch.due(known.values(), round.active, now, { failed: !isUsable })
      const hasVanished = due.some((tracked) => !TrackedRun.isClosed(tracked))
      const read =
        isUsable && (hasVanished || finished.isDue(millis))
          ? yield* listFinished(Window.lookBack(window, options.lookBack).from)
          : undefined

      const isFirst = Option.isNone(cursor) && Duration.isGreaterThan(Window.duration(window), options.period)
      const isAll =
        read !== undefined &&
        (read.outcome === undefined || (read.outcome === "Reached" && (!isFirst || finished.isByEnd())))
      if (!isAll) {
        const reach = isFirst ? Duration.max(options.lookBack, FIRST_REACH) : options.lookBack
        yield* listStarted({ completedOnly: true, startedFrom: Window.lookBack(window, reach).from })
      }
      return yield* follow(due, read)
    })

    const backfill = Effect.gen(function* () {
      const lately = DateTime.subtractDuration(yield* DateTime.now, LATELY)
      if (DateTime.isGreaterThanOrEqualTo(window.to, lately)) yield* listActive
      yield* listStarted({ startedFrom: Window.lookBack(window, BACKFILL_REACH).from, startedTo: window.to })
      return []
    })

    const lost = yield* options.isBackfill === true ? backfill : sweep
    snapshots.end(new Set([...round.active, ...round.ended]))
    const rest = round.rest()
    finished.promise(rest.cursor === undefined ? undefined : DateTime.toEpochMillis(rest.cursor))
    yield* options.sender.send({ source: options.source, gone: lost, ...rest })
    if (round.problems.length > 0) return yield* new Incomplete({ problems: round.problems.slice(0, 3) })
  })
})

// ---- private

/** How many runs are asked for at once. How many requests that makes per second is the request budget's affair. */
const CONCURRENCY = 4

const OUTPUT_REQUESTS = 50

/** Illegible runs that are remembered, so that each is reported once. */
const MAX_REPORTS = 1000

/** How long before the moment to start from a run may have begun that ends after it. */
const FIRST_REACH = Duration.days(1)

/**
 * How long before the Window of a backfill a run may have begun that was active in it. Databricks finds runs by their start
 * only, so each day more is a day more of the list to read; runs that take longer than this are active when the agent runs.
 */
const BACKFILL_REACH = Duration.days(7)

/** A Window that ended no longer ago than this ends now: what is active now was active in it. */
const LATELY = Duration.minutes(5)

/** Reports each illegible run once. */
const reportOnce = () => {
  const reported = new Set<string>()
  return Effect.fnUntraced(function* (malformed: Page["malformed"]) {
    for (const { problem, runId } of malformed) {
      const report = `${runId} ${problem}`
      if (reported.has(report)) continue
      if (reported.size >= MAX_REPORTS) reported.clear()
      reported.add(report)
      yield* Effect.logWarning("A run in Databricks' list cannot be read and is left out").pipe(
        Effect.annotateLogs({ run: runId ?? "unknown", problem })
      )
    }
  })
}
