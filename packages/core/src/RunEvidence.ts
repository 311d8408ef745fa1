/**
 * What a snapshot shows of a run, and whether that proves that an ended run was re-opened. Tools tell it in different
 * ways, or not at all; the rules are in the table of `RunTracker`.
 */
import type { Outcome, RunSnapshot, TaskSnapshot } from "./RunSnapshot.ts"
import * as RunTimes from "./RunTimes.ts"
import * as TaskTracker from "./TaskTracker.ts"
import type { TrackedRun } from "./TrackedRun.ts"

/** A snapshot without its zero times, and with its tasks' attempts in order. */
export interface Seen extends Omit<RunSnapshot, "tasks"> {
  /** Its phase, if that is an end. */
  readonly outcome: Outcome | undefined
  /** Whether the run has begun, be it by its tasks' word only. */
  readonly hasBegun: boolean
  /** The attempts of each task, by task key, in the snapshot's order of tasks. */
  readonly attempts: ReadonlyMap<string, ReadonlyArray<TaskSnapshot>>
  /** The attempts of all tasks that have begun. */
  readonly begun: ReadonlyArray<TaskSnapshot>
}

/** Prepares a snapshot. */
export const look = (snapshot: RunSnapshot): Seen => {
  const byKey = new Map<string, Array<TaskSnapshot>>()
  for (const task of snapshot.tasks) {
    const others = byKey.get(task.key)
    if (others === undefined) byKey.set(task.key, [task])
    else others.push(task)
  }
  const attempts = new Map(Array.from(byKey, ([task, all]) => [task, TaskTracker.attemptsOf(all)] as const))
  const begun = Array.from(attempts.values()).flatMap((all) =>
    all.filter((one) => TaskTracker.hasBegun(one.phase))
  )
  return {
    ...snapshot,
    startedAt: RunTimes.given(snapshot.startedAt),
    endedAt: RunTimes.given(snapshot.endedAt),
    reopenedAt: RunTimes.given(snapshot.reopenedAt),
    reopening: snapshot.reopening === undefined ? undefined : TaskTracker.count(snapshot.reopening),
    outcome: TaskTracker.isOutcome(snapshot.phase) ? snapshot.phase : undefined,
    hasBegun: TaskTracker.hasBegun(snapshot.phase) || begun.length > 0,
    attempts,
    begun
  }
}

/**
 * The run with the attempts that its outline left out, as far as the snapshot shows them: what had ended by the time of
 * the outline was reported.
 */
export const recall = (known: TrackedRun, seen: Seen): TrackedRun => {
  const { outline } = known
  if (outline === undefined) return known
  const tasks = new Map(Object.entries(known.tasks))
  for (const [key, attempts] of seen.attempts) {
    const old = attempts.findLast(
      ({ endedAt, phase }) =>
        TaskTracker.isOutcome(phase) && endedAt !== undefined && !RunTimes.isLater(endedAt, outline)
    )
    const task = tasks.get(key)
    if (old === undefined || (task !== undefined && task.attempt >= old.attempt)) continue
    if (task?.phase === "Running") continue
    const { attempt, endedAt, phase, startedAt } = old
    tasks.set(key, {
      attempt,
      phase,
      ...(startedAt === undefined ? {} : { startedAt }),
      ...(endedAt === undefined ? {} : { endedAt }),
      ended: attempt
    })
  }
  return { ...known, tasks: Object.fromEntries(tasks) }
}

/** Whether the snapshot proves that the ended run was re-opened. */
export const isReopened = (known: TrackedRun, seen: Seen): boolean => {
  if (known.lost === true && isFound(known, seen)) return true
  const end = known.endedAt
  const isTold = known.endInferred !== true
  const ended = seen.outcome === undefined ? undefined : seen.endedAt
  if (isTold && ended !== undefined && !RunTimes.isLater(ended, end)) return false
  for (const attempt of seen.begun) {
    const task = Object.hasOwn(known.tasks, attempt.key) ? known.tasks[attempt.key] : undefined
    const isOld =
      isTold &&
      TaskTracker.isOutcome(attempt.phase) &&
      !RunTimes.isLater(attempt.endedAt ?? seen.observedAt, end)
    if (task !== undefined && attempt.attempt > task.attempt && !isOld) return true
    if (isTold && RunTimes.isLater(attempt.startedAt, end)) return true
  }
  if (!TaskTracker.hasBegun(seen.phase)) return false
  if (seen.reopening !== undefined && known.reopening !== undefined && seen.reopening > known.reopening)
    return true
  return isTold && [seen.startedAt, seen.reopenedAt, ended].some((time) => RunTimes.isLater(time, end))
}

/** Whether the tool knows a lost run after all: it runs, or has an end of which the tool itself speaks. */
const isFound = (known: TrackedRun, seen: Seen): boolean =>
  (seen.outcome !== undefined && seen.endedAt !== undefined) ||
  (TaskTracker.hasBegun(seen.phase) && RunTimes.isLater(seen.observedAt, known.closedAt))

/** Takes up the tool's count of an ended run whose end came without one: from then on, a higher one is evidence. */
export const count = (known: TrackedRun, seen: Seen): TrackedRun =>
  known.reopening === undefined && seen.reopening !== undefined && seen.outcome !== undefined
    ? { ...known, reopening: seen.reopening }
    : known
