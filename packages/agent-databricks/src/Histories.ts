/**
 * The histories of repaired runs (Jobs API 2.2, `repair_history`), which lists leave out: when one is asked for, for how long it
 * holds, and how a run stood at the end of each round that passed without being looked at.
 *
 * A history is asked for when a run goes on after its end, or when its tasks ran more often than their own retries explain. It
 * holds while it has all attempts that are listed and as many repairs as there must have been. One that does not, because it
 * lags behind or cannot be read, is asked for again; and the end of such a run waits for it for a while, because a message about a
 * repair is not told after it.
 */
import * as TrackedRun from "@observability-agents/core/TrackedRun"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type { Databricks, Observed } from "./Databricks.ts"
import * as Run from "./Run.ts"
import { defined, repairsOf } from "./RunMetadata.ts"
import * as RunPhase from "./RunPhase.ts"
import * as RunRecord from "./RunRecord.ts"

/** A run with the history that could be had. */
export interface Found {
  readonly observed: Observed
  /** Whether its end should wait for the history. */
  readonly waits: boolean
}

/** The histories of one workspace's runs. */
export interface Histories {
  /** The run with its history where it wants one, given what is known of it. A run that has a history already keeps it. */
  readonly of: (listed: Observed, known: TrackedRun.TrackedRun | undefined) => Effect.Effect<Found>
  /** Forgets the history of a run that has ended and is passed on: the next repair has another one. */
  readonly forget: (run: string) => void
  /** Forgets all but these runs. */
  readonly retain: (isKept: (run: string) => boolean) => void
}

/** In so many sweeps in a row a history that lags behind is asked for while the run is active; then no more. */
export const MAX_LOOKS = 10

/** For so many sweeps the end of a run waits for a history that lags behind, or that cannot be read. */
export const MAX_WAITS = { late: 3, unreadable: 20 }

/** Makes the memory of one workspace. */
export const make = (databricks: Pick<Databricks["Service"], "getRun">): Histories => {
  const entries = new Map<string, Entry>()

  const ask = Effect.fnUntraced(function* (listed: Observed, entry: Entry) {
    const result = yield* Effect.result(databricks.getRun(listed.run.run_id))
    if (Result.isFailure(result)) {
      entry.failure = result.failure.message
      return listed
    }
    entry.failure = undefined
    keep(entry, result.success.run)
    return result.success
  })

  const of = Effect.fnUntraced(function* (
    listed: Observed,
    known: TrackedRun.TrackedRun | undefined
  ): Effect.fn.Return<Found> {
    const { run } = listed
    const before = entries.get(run.run_id)
    if (before === undefined && !isWanted(run, known)) return { observed: listed, waits: false }
    const entry = before ?? { repairs: 0, listed: 0, looks: 0, waits: 0 }
    entries.set(run.run_id, entry)
    entry.repairs = Math.max(entry.repairs, repairsSince(known))
    if (entry.listed !== run.tasks.length) {
      entry.listed = run.tasks.length
      entry.looks = 0
    }
    if (run.repair_history !== undefined) keep(entry, run)
    const hasEnded = RunPhase.hasEnded(run)
    let observed = withHistory(listed, entry)
    if (isBehind(run, entry)) {
      entry.looks += 1
      // One that cannot be read is asked for ever after, but rarely.
      const isTime =
        entry.looks <= MAX_LOOKS || (entry.failure !== undefined && entry.looks % MAX_LOOKS === 0)
      if (run.repair_history === undefined && (isTime || hasEnded)) {
        observed = withHistory(yield* ask(listed, entry), entry)
      }
    }
    if (!RunPhase.hasEnded(observed.run)) return { observed, waits: false }
    if (isBehind(observed.run, entry)) {
      entry.waits += 1
      const most = entry.failure === undefined ? MAX_WAITS.late : MAX_WAITS.unreadable
      if (entry.waits <= most) return { observed, waits: true }
      if (entry.failure !== undefined && entry.waits === most + 1) {
        yield* Effect.logWarning("A run's repairs cannot be read; its end is told without them").pipe(
          Effect.annotateLogs({ run: run.run_id, reason: entry.failure })
        )
      }
    }
    return { observed, waits: false }
  })

  return {
    of,
    forget: (run) => {
      entries.delete(run)
    },
    retain: (isKept) => {
      for (const id of entries.keys()) if (!isKept(id)) entries.delete(id)
    }
  }
}

/**
 * The run as it stood at the end of each round (the original, or a repair) that ended after what is known of it and before its
 * last one, the oldest first: what would have been seen by looking more often. Nothing where the history does not tell it
 * for certain, and of runs that were not known.
 */
export const rounds = (
  run: RunRecord.Run,
  known: TrackedRun.TrackedRun | undefined
): ReadonlyArray<RunRecord.Run> => {
  const original = run.repair_history?.find(({ type }) => type === "ORIGINAL")
  if (known === undefined || known.lost === true || original === undefined) return []
  const all = [original, ...repairsOf(run)]
  const isClosed = TrackedRun.isClosed(known)
  const since = isClosed ? known.endedAt : known.startedAt
  const found: Array<RunRecord.Run> = []
  for (let index = known.opening + (isClosed ? 1 : 0); index < all.length - 1; index++) {
    const past = atEnd(run, all, index)
    if (past === undefined) return found
    const end = RunPhase.time(past.end_time)
    if (since === undefined || (end !== undefined && DateTime.isGreaterThan(end, since))) found.push(past)
  }
  return found
}

// ---- private

/** What is remembered of a run whose history was asked for. */
interface Entry {
  history?: ReadonlyArray<RunRecord.RepairItem> | undefined
  /** The attempts that were there when the run was read. The workspace need not tell a history then, nor ever. */
  attempts?: ReadonlySet<string | undefined>
  /** How many repairs there must have been. */
  repairs: number
  /** How many attempts were listed last. */
  listed: number
  /** In how many sweeps the history was behind that list. */
  looks: number
  /** For how many sweeps the end has waited. */
  waits: number
  /** Why the history could not be read the last time. */
  failure?: string | undefined
}

const keep = (entry: Entry, run: RunRecord.Run) => {
  entry.history = run.repair_history
  entry.attempts = new Set(run.tasks.map(({ run_id }) => run_id))
}

const withHistory = (observed: Observed, { history }: Entry): Observed =>
  history === undefined || observed.run.repair_history !== undefined
    ? observed
    : { ...observed, run: { ...observed.run, repair_history: history } }

/** Whether the run goes on after its end was told, or went on; or looks as if it did, which nobody has seen. */
const isWanted = (run: RunRecord.Run, known: TrackedRun.TrackedRun | undefined): boolean =>
  (known !== undefined && (known.opening > 0 || (TrackedRun.isClosed(known) && known.phase !== "Skipped"))) ||
  Run.wantsHistory(run)

/** How many repairs a run has had if it is news after its known end. What ended without Databricks' word was not repaired. */
const repairsSince = (known: TrackedRun.TrackedRun | undefined): number =>
  known === undefined || !TrackedRun.mayBeReopened(known) || known.lost === true || known.endInferred === true
    ? 0
    : (known.reopening ?? 0) + 1

/** Whether there is more to the run than the history that is known tells. */
const isBehind = (run: RunRecord.Run, { attempts, history, repairs }: Entry): boolean => {
  if (attempts === undefined) return true
  if (history === undefined) return run.tasks.some(({ run_id }) => !attempts.has(run_id))
  const count = history.filter(({ type }) => type === "REPAIR").length
  const told = new Set(history.flatMap(({ task_run_ids }) => task_run_ids ?? []))
  return (
    count < repairs ||
    run.tasks.some(
      (task) =>
        !attempts.has(task.run_id) ||
        (roundsOf(task) > count && (task.run_id === undefined || !told.has(task.run_id)))
    )
  )
}

/** In which repair at least the attempt must have run, for each round has no more attempts than the task's own retries. */
const roundsOf = (task: RunRecord.RunTask): number => {
  const retries = task.max_retries ?? 0
  return retries < 0 ? 0 : Math.floor(RunRecord.attempt(task) / (Math.trunc(retries) + 1))
}

const atEnd = (
  run: RunRecord.Run,
  all: ReadonlyArray<RunRecord.RepairItem>,
  index: number
): RunRecord.Run | undefined => {
  const [round, next] = [all[index], all[index + 1]]
  if (round === undefined || next === undefined) return undefined
  const { end_time = 0, state, status } = round
  const begun = next.start_time ?? 0
  if (end_time <= 0 || begun <= 0 || !RunPhase.hasEnded({ ...round, start_time: run.start_time ?? begun }))
    return undefined
  const earlier = new Set(all.slice(0, index + 1).flatMap(({ task_run_ids }) => task_run_ids ?? []))
  const later = new Set(all.slice(index + 1).flatMap(({ task_run_ids }) => task_run_ids ?? []))
  const tasks = run.tasks.filter(({ end_time: ended = 0, run_id, start_time: started = 0 }) =>
    run_id !== undefined && earlier.has(run_id)
      ? true
      : run_id !== undefined && later.has(run_id)
        ? false
        : started > 0
          ? started < begun
          : ended > 0 && ended < begun
  )
  if (!tasks.every(RunPhase.hasEnded)) return undefined
  const {
    // Those are of the last round, or of all of them together.
    end_time: _1,
    state: _2,
    status: _3,
    run_duration: _4,
    setup_duration: _5,
    execution_duration: _6,
    cleanup_duration: _7,
    ...rest
  } = run
  return { ...rest, ...defined({ state, status }), end_time, tasks, repair_history: all.slice(0, index + 1) }
}
