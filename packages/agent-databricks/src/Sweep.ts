/**
 * The Task that reads a workspace once: all that runs now, all that was started lately, and what of the known runs
 * appears in neither list.
 *
 * It costs a few requests, whatever the number of runs: the pages of the two lists, plus `runs/get` for runs whose tasks
 * do not fit into a list and for runs that vanished from it, plus `runs/get-output` once for each attempt of a task that
 * failed. What was read goes on page by page; the end of the Window goes last, and only when nothing of it is missing,
 * so that a disturbed sweep is read again.
 *
 * **The first Window.** Databricks finds runs by their start only, but what is promised for the time from `start_from` on is
 * every run that ends in it. So the first list reaches a day further back, and what had ended before is left out. A run that
 * had begun more than a day before `start_from` is told if it is still active at the first sweep.
 *
 * **A backfill.** Only what was active in the Window is read. The list reaches from a week before the Window to its end; what
 * was not active in it is left out before anything more is asked for. The active runs are listed only where the Window ends
 * now.
 */
import * as Backfill from "@observability-agents/core/Backfill"
import type * as Channel from "@observability-agents/core/Channel"
import { Outbox, type OutboxError } from "@observability-agents/core/Outbox"
import * as RunSnapshot from "@observability-agents/core/RunSnapshot"
import type * as RunTracker from "@observability-agents/core/RunTracker"
import * as TrackedRun from "@observability-agents/core/TrackedRun"
import * as Window from "@observability-agents/core/Window"
import * as Cache from "effect/Cache"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { Databricks, type Observed, type Query } from "./Databricks.ts"
import type { DatabricksError } from "./DatabricksError.ts"
import * as Run from "./Run.ts"
import * as Watch from "./Watch.ts"

/** What a sweep needs to know, and where it sends to. */
export interface Options {
  /** The name of the workspace's Checkpoint. */
  readonly source: string
  readonly sender: Channel.Sender<RunTracker.Poll>
  /** Names or ids of the jobs to observe; none: all. */
  readonly jobs: ReadonlyArray<string>
  /** How far before the Window runs are listed again. */
  readonly lookBack: Duration.Duration
  readonly period: Duration.Duration
  readonly failedWatchPeriod: Duration.Duration
  readonly failedWatchMaxTime: Duration.Duration
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
  const unknown = new Set<string>()
  const reported = new Set<string>()
  const misses = new Map<string, number>()
  const watch = Watch.make(options)
  /** What had ended before the very first start is none of ours: that moment is kept beside the cursor. */
  let floor: DateTime.Utc | undefined
  let isFloorKnown = false
  /** Runs that Databricks called unknown in the last sweep. That may be an error; if it lasts, they are gone. */
  let suspects: ReadonlyMap<string, Suspicion> = new Map()
  /** The pipelines under which runs were passed on, by run id, until the tracker knows them. */
  const passed = new Map<string, string>()

  const outputs = yield* Cache.makeWith((id: Run.RunId) => outputOf(databricks, id), {
    capacity: MAX_OUTPUTS,
    timeToLive: (exit) => (Exit.isSuccess(exit) ? Duration.infinity : Duration.zero)
  })

  const isAsked = (run: Run.Run, window: Window.Window): boolean =>
    options.isBackfill !== true ||
    Backfill.wasActiveIn(window, {
      startedAt: Run.time(run.start_time),
      endedAt: hasEnded(run) ? Run.time(run.end_time) : undefined
    })

  const wanted = (run: Run.Run, tracked: TrackedRun.TrackedRun | undefined): boolean =>
    options.jobs.length === 0 ||
    options.jobs.some((job) => job === run.job_id || job === run.run_name?.trim()) ||
    // Databricks left the job out this time; it was wanted when it was there.
    (run.job_id === undefined && tracked !== undefined)

  /** What the failed tasks say that were not reported yet, by the id of the task's run. */
  const errorsOf = Effect.fnUntraced(function* (run: Run.Run, known: TrackedRun.TrackedRun | undefined) {
    const failed = run.tasks.filter(
      (task) =>
        Run.phase(task) === "Failed" &&
        !Run.isCancelled(task) &&
        (known === undefined ||
          !TrackedRun.hasMessage(known, {
            key: Run.ERROR_KEY,
            task: { key: task.task_key, attempt: Run.attempt(task) }
          }))
    )
    const told = yield* Effect.forEach(
      failed.flatMap(({ run_id }) => (run_id === undefined ? [] : [run_id])),
      (id) =>
        Cache.get(outputs, id).pipe(
          Effect.map((error) => [id, Option.getOrUndefined(error)] as const),
          // The state's own words stand in for it; the failure itself must not wait.
          Effect.catchTag("DatabricksError", (error) =>
            Effect.as(
              Effect.logWarning("A failed task's output could not be read").pipe(
                Effect.annotateLogs({ run: run.run_id, taskRun: id, reason: error.message })
              ),
              [id, undefined] as const
            )
          )
        ),
      { concurrency: CONCURRENCY }
    )
    return new Map<string, Run.TaskError | undefined>(told)
  })

  const snapshot = Effect.fnUntraced(function* (
    { observedAt, run }: Observed,
    known: TrackedRun.TrackedRun | undefined
  ) {
    const errors = yield* errorsOf(run, known)
    const snapshot = Run.toSnapshot(run, observedAt, (task) => errors.get(task.run_id ?? ""))
    if (snapshot !== undefined) {
      // The id of the job may be missing at one time and not at another; the run stays with the pipeline it began under.
      const key = known?.pipeline.key ?? passed.get(run.run_id) ?? snapshot.pipeline.key
      passed.set(run.run_id, key)
      return [{ ...snapshot, pipeline: { ...snapshot.pipeline, key } }]
    }
    const word = (run.status?.state ?? run.state?.life_cycle_state ?? "none").slice(0, 100)
    if (!unknown.has(word)) {
      unknown.add(word)
      yield* Effect.logWarning(
        "Databricks uses a state that this version does not know; such runs stay as they were"
      ).pipe(Effect.annotateLogs({ state: word, run: run.run_id }))
    }
    return []
  })

  /** The run with all its tasks. None while they cannot be had: then the Window is kept. */
  const complete = Effect.fnUntraced(function* (listed: Observed, problems: Array<string>) {
    const { run } = listed
    if (run.has_more !== true) return Option.some(listed)
    const result = yield* Effect.result(databricks.getRun(run.run_id))
    if (Result.isSuccess(result)) {
      misses.delete(run.run_id)
      return Option.some(result.success)
    }
    const count = (misses.get(run.run_id) ?? 0) + 1
    misses.set(run.run_id, count)
    if (count <= MAX_MISSES) {
      problems.push(result.failure.message)
      return Option.none<Observed>()
    }
    if (count === MAX_MISSES + 1) {
      yield* Effect.logWarning("A run's further tasks cannot be read; it goes on with the first 100").pipe(
        Effect.annotateLogs({ run: run.run_id, reason: result.failure.message })
      )
    }
    return Option.some(listed)
  })

  return Effect.fn("Databricks.sweep")(function* (window: Window.Window) {
    const { cursor, runs: known } = yield* outbox.checkpoint(options.source)
    const byRun = new Map(Array.from(known.values(), (tracked) => [tracked.run.key, tracked] as const))
    for (const id of byRun.keys()) passed.delete(id)
    const trackedOf = (run: Run.Run) => known.get(keyOf(run)) ?? byRun.get(run.run_id)
    if (!isFloorKnown) {
      const source = firstStartOf(options.source)
      floor = Option.getOrUndefined((yield* outbox.checkpoint(source)).cursor)
      if (floor === undefined && Option.isNone(cursor)) {
        floor = window.from
        yield* outbox.commit({ source, cursor: floor, runs: [], forget: [], entries: [] })
      }
      isFloorKnown = true
    }
    // No later Window starts before that moment, unless the clock was ahead then.
    if (floor !== undefined) floor = DateTime.min(floor, window.from)
    const active = new Set<string>()
    const listed = new Set<string>()
    const problems: Array<string> = []
    const gone: Array<string> = []
    const suspected = suspects
    const unconfirmed = new Map<string, Suspicion>()
    let batch: Array<RunSnapshot.RunSnapshot> = []

    const pass = Effect.fnUntraced(function* (snapshots: ReadonlyArray<RunSnapshot.RunSnapshot>) {
      batch.push(...snapshots)
      if (batch.length < BATCH) return
      const full = batch
      batch = []
      yield* options.sender.send({ source: options.source, snapshots: full })
    })

    const isNews = (run: Run.Run): boolean => {
      const tracked = trackedOf(run)
      if (!hasEnded(run)) return true
      const end = Run.time(run.end_time)
      if (tracked === undefined) {
        return floor === undefined || end === undefined || DateTime.isGreaterThanOrEqualTo(end, floor)
      }
      return (
        !TrackedRun.isClosed(tracked) ||
        // Its end was not Databricks' word: that one is still to be told, whatever its time.
        tracked.lost === true ||
        (tracked.endedAt !== undefined && end !== undefined && DateTime.isGreaterThan(end, tracked.endedAt))
      )
    }

    const list = (query: Query) =>
      Stream.runForEach(
        databricks.listRuns(query),
        Effect.fnUntraced(function* (page) {
          for (const { runId, problem } of page.malformed) {
            const report = `${runId} ${problem}`
            if (reported.has(report)) continue
            if (reported.size >= MAX_REPORTS) reported.clear()
            reported.add(report)
            yield* Effect.logWarning("A run in Databricks' list cannot be read and is left out").pipe(
              Effect.annotateLogs({ run: runId ?? "unknown", problem })
            )
          }
          if (page.cutShort !== undefined) problems.push(`${page.cutShort}.`)
          const news = page.runs.filter((run) => {
            listed.add(run.run_id)
            if (query.activeOnly === true) active.add(run.run_id)
            // Active runs stand in both lists; the second time they are news only if they have ended meanwhile.
            const repeated = query.activeOnly !== true && active.has(run.run_id) && !hasEnded(run)
            return !repeated && wanted(run, trackedOf(run)) && isNews(run) && isAsked(run, window)
          })
          const found = yield* Effect.forEach(
            news,
            (run) =>
              complete({ observedAt: page.observedAt, run }, problems).pipe(
                Effect.flatMap(
                  Option.match({
                    onNone: () => Effect.succeed([]),
                    onSome: (observed) => snapshot(observed, trackedOf(run))
                  })
                )
              ),
            { concurrency: CONCURRENCY }
          )
          yield* pass(found.flat())
        })
      )

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

    const follow = Effect.fnUntraced(function* (tracked: TrackedRun.TrackedRun) {
      const answer = yield* databricks.getRun(Run.RunId.make(tracked.run.key)).pipe(
        Effect.asSome,
        Effect.catchReason("DatabricksError", "NotFound", () =>
          Effect.as(miss(tracked), Option.none<Observed>())
        ),
        Effect.catchTag("DatabricksError", (error) =>
          Effect.as(
            Effect.logWarning("A run that is no longer listed could not be read; it is tried again").pipe(
              Effect.annotateLogs({ run: tracked.run.key, reason: error.message })
            ),
            Option.none<Observed>()
          )
        )
      )
      if (Option.isSome(answer) && (isNews(answer.value.run) || TrackedRun.isOpen(tracked))) {
        yield* pass(yield* snapshot(answer.value, tracked))
      }
    })

    if (options.isBackfill === true) {
      const lately = DateTime.subtractDuration(yield* DateTime.now, LATELY)
      if (DateTime.isGreaterThanOrEqualTo(window.to, lately)) yield* list({ activeOnly: true })
      yield* list({ startedFrom: Window.lookBack(window, BACKFILL_REACH).from, startedTo: window.to })
    } else {
      // In this order a run that ends in between stands in both lists, not in none.
      yield* list({ activeOnly: true })
      const isFirst = Option.isNone(cursor) && Duration.isGreaterThan(Window.duration(window), options.period)
      const reach = isFirst ? Duration.max(options.lookBack, FIRST_REACH) : options.lookBack
      yield* list({ startedFrom: Window.lookBack(window, reach).from })
    }

    for (const id of misses.keys()) if (!listed.has(id)) misses.delete(id)
    for (const id of passed.keys()) if (!listed.has(id)) passed.delete(id)
    const missing = watch.due(known.values(), listed, yield* DateTime.now)
    suspects = unconfirmed
    yield* Effect.forEach(missing, follow, { concurrency: CONCURRENCY, discard: true })

    yield* options.sender.send({
      source: options.source,
      snapshots: batch,
      gone,
      ...(problems.length === 0 ? { cursor: window.to } : {})
    })
    if (problems.length > 0) return yield* new Incomplete({ problems: problems.slice(0, 3) })
  })
})

/** Under which name the moment of a source's very first start is kept: that of its first Window. */
export const firstStartOf = (source: string): string => `~first start of ${source}`

// ---- private

/** At once, so that the workspace's limit of 30 requests per second is left to others. */
const CONCURRENCY = 4

/** Snapshots that go on together. More would only wait in memory. */
const BATCH = 100

/** Outputs of failed tasks that are remembered, in case they are asked for before the tracker has seen the first. */
const MAX_OUTPUTS = 1000

/** Illegible runs that are remembered, so that each is reported once. */
const MAX_REPORTS = 1000

/** In how many sweeps in a row, and for how long, Databricks has to call a run unknown until it is taken for gone. */
const GONE_SWEEPS = 3
const GONE_MILLIS = 60_000

/** How long a run that was taken for gone is asked for now and then. */
const LOST_MILLIS = 86_400_000

/** In how many sweeps a run was unknown, and since when. */
interface Suspicion {
  readonly sweeps: number
  readonly since: number
}

/** How long before the moment to start from a run may have begun that ends after it. */
const FIRST_REACH = Duration.days(1)

/**
 * How long before the Window of a backfill a run may have begun that was active in it. Databricks finds runs by their start
 * only, so each day more is a day more of the list to read; runs that take longer than this are active when the agent runs.
 */
const BACKFILL_REACH = Duration.days(7)

/** A Window that ended no longer ago than this ends now: what is active now was active in it. */
const LATELY = Duration.minutes(5)

/** After so many sweeps in which a run's further tasks could not be read, it goes on without them. */
const MAX_MISSES = 20

const keyOf = (run: Run.Run): string =>
  RunSnapshot.key({ pipeline: { key: Run.pipelineKey(run) }, run: { key: run.run_id } })

const hasEnded = (run: Run.Run): boolean => {
  const phase = Run.phase(run)
  return phase !== undefined && Run.isTerminal(phase)
}

/** The error of a task's run; none where Databricks has no output for it. Fails only where asking again may help. */
const outputOf = (databricks: Databricks["Service"], id: Run.RunId) =>
  databricks.getOutput(id).pipe(
    Effect.asSome,
    Effect.catchReasons("DatabricksError", {
      Refused: () => Effect.succeedNone,
      NotFound: () => Effect.succeedNone
    })
  )
