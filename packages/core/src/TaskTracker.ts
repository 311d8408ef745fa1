/**
 * The rules for one task within an open run: from what was reported of it and the attempts that a snapshot shows, to
 * what has to be told now and what is known then. Pure; `RunTracker` calls it for each task and holds the rules' table.
 */
import * as DateTime from "effect/DateTime"
import type { Metadata } from "@observability-agents/toolkit/Event"
import type { Entry } from "./Outbox.ts"
import * as RunEvents from "./RunEvents.ts"
import * as RunFacts from "./RunFacts.ts"
import type { Message, Outcome, Phase, TaskSnapshot } from "./RunSnapshot.ts"
import * as RunTimes from "./RunTimes.ts"
import { isOver, type TrackedTask } from "./TrackedRun.ts"

/** How the run of the task stands. */
export interface Around {
  readonly subject: RunEvents.Subject
  /** When the snapshot was taken. */
  readonly observedAt: DateTime.Utc
  /** The run's own end, when the snapshot brings it. */
  readonly end?:
    | { readonly at: DateTime.Utc; readonly outcome: Outcome; readonly inferred: boolean }
    | undefined
  /** The messages, metrics and tests that were told, as `TrackedRun` remembers them. */
  readonly told: ReadonlySet<string>
}

/** What follows for the task. */
export interface Step {
  readonly task: TrackedTask
  readonly entries: ReadonlyArray<Entry>
  /** The messages, metrics and tests told by `entries`. */
  readonly messages: ReadonlyArray<string>
}

/** Whether the phase is reported as an end. */
export const isOutcome = (phase: Phase): phase is Outcome =>
  phase === "Completed" || phase === "CompletedWithWarnings" || phase === "Failed"

/** Whether what is in this phase has begun. */
export const hasBegun = (phase: Phase): phase is Outcome | "Running" =>
  phase === "Running" || isOutcome(phase)

/** Whether something of the task was reported. */
const isReported = (task: TrackedTask): boolean => hasBegun(task.phase)

/** The attempts by number, each once: of two views of one attempt, the one that has come further. Zero times removed. */
export const attemptsOf = (snapshots: ReadonlyArray<TaskSnapshot>): ReadonlyArray<TaskSnapshot> => {
  const byAttempt = new Map<number, TaskSnapshot>()
  for (const snapshot of snapshots) {
    const attempt = count(snapshot.attempt)
    const other = byAttempt.get(attempt)
    if (other !== undefined && progress[other.phase] >= progress[snapshot.phase]) continue
    byAttempt.set(attempt, {
      ...snapshot,
      attempt,
      startedAt: RunTimes.given(snapshot.startedAt),
      endedAt: RunTimes.given(snapshot.endedAt)
    })
  }
  return Array.from(byAttempt.values()).sort((a, b) => a.attempt - b.attempt)
}
/** A count as it can be stored, whatever the tool sent. */
export const count = (told: number): number => (Number.isSafeInteger(told) && told > 0 ? told : 0)

const progress: Record<Phase, number> = {
  Pending: 0,
  Skipped: 1,
  Running: 2,
  Completed: 3,
  CompletedWithWarnings: 3,
  Failed: 3
}

/** Whether this attempt is a further run of a task whose end was reported. */
export const isAnew = (known: TrackedTask, attempt: TaskSnapshot): boolean => {
  if (attempt.attempt !== known.attempt) return attempt.attempt > known.attempt
  if (known.lost === true) return true
  if (
    RunTimes.isLater(attempt.startedAt, known.endedAt) &&
    RunTimes.isLater(attempt.startedAt, known.startedAt)
  ) {
    return true
  }
  return (
    known.endInferred !== true &&
    isOutcome(attempt.phase) &&
    attempt.phase !== known.phase &&
    RunTimes.isLater(attempt.endedAt, known.endedAt)
  )
}

/** What the attempts of a snapshot (see {@link attemptsOf}; at least one) mean for a task of an open run. */
export const track = (
  known: TrackedTask | undefined,
  attempts: ReadonlyArray<TaskSnapshot>,
  around: Around
): Step | undefined => {
  const begun = attempts.filter((attempt) => hasBegun(attempt.phase))
  const highest = attempts.at(-1)
  const current = begun.at(-1)
  if (highest === undefined) return undefined
  if (current === undefined) return unbegun(known, highest, around)
  if (known !== undefined && isReported(known) && current.attempt < known.attempt) return undefined
  return proceed(known, begun, current, highest, around)
}

/** No attempt in the snapshot has begun. */
const unbegun = (known: TrackedTask | undefined, highest: TaskSnapshot, around: Around): Step | undefined => {
  if (known === undefined || !isReported(known)) {
    const task = { attempt: highest.attempt, phase: highest.phase }
    return { task, entries: [], messages: [] }
  }
  if (known.phase !== "Running" || highest.phase !== "Skipped" || highest.attempt < known.attempt)
    return undefined
  const metadata = { ...highest.metadata, skipped: true }
  return close(
    known,
    { ...highest, metadata, isTriedAgain: highest.attempt > 0 },
    "CompletedWithWarnings",
    around
  )
}

const proceed = (
  known: TrackedTask | undefined,
  begun: ReadonlyArray<TaskSnapshot>,
  current: TaskSnapshot,
  highest: TaskSnapshot,
  around: Around
): Step | undefined => {
  const reported = known !== undefined && isReported(known) ? known : undefined
  if (reported !== undefined && reported.phase !== "Running" && !isAnew(reported, current)) return undefined

  // Between two attempts the task as a whole goes on; without a run around it, there will be no further attempt.
  const isWaiting =
    around.end === undefined &&
    (highest.attempt > current.attempt
      ? highest.phase === "Pending"
      : current.phase === "Failed" && current.willRetry === true)
  const isTriedAgain = highest.attempt > 0 || isWaiting

  const entries: Array<Entry> = []
  const messages: Array<string> = []
  let task = reported
  if (task === undefined || task.phase !== "Running") {
    task = begin(task, begun, current, around)
    entries.push(
      RunEvents.taskStatus(around.subject, named(current, task), "Running", {
        timestamp: task.startedAt ?? around.observedAt,
        externalUrl: current.externalUrl,
        metadata: metadataOf(current, isTriedAgain)
      })
    )
  } else if (task.attempt !== current.attempt) {
    const { again: _, ...rest } = task
    task = { ...rest, attempt: current.attempt }
  }

  for (const attempt of begun) {
    if (isOver(task, attempt.attempt)) continue
    const isFollowed = isOutcome(attempt.phase) && (attempt.attempt < current.attempt || isWaiting)
    const facts = RunFacts.tell(isFollowed ? withEnd(attempt, attempt.phase) : attempt, {
      subject: around.subject,
      task: attempt,
      told: around.told,
      otherwise: attempt.endedAt ?? around.end?.at ?? around.observedAt,
      isTriedAgain: isFollowed,
      metadata: metadataOf(attempt, isTriedAgain)
    })
    messages.push(...facts.ids)
    entries.push(...facts.entries)
  }

  if (!isOutcome(current.phase) || isWaiting) return { task, entries, messages }
  const closing = close(task, { ...current, isTriedAgain }, current.phase, around)
  return { task: closing.task, entries: [...entries, ...closing.entries], messages }
}

/** The task as it is once its RUNNING is told. */
const begin = (
  closed: TrackedTask | undefined,
  begun: ReadonlyArray<TaskSnapshot>,
  current: TaskSnapshot,
  around: Around
): TrackedTask => {
  const fresh = begun.filter((attempt) => closed === undefined || attempt.attempt > closed.attempt)
  const start =
    RunTimes.earliest(fresh.map((attempt) => attempt.startedAt)) ??
    current.startedAt ??
    current.endedAt ??
    around.end?.at ??
    around.observedAt
  const startedAt = closed?.endedAt === undefined ? start : RunTimes.after(start, closed.endedAt)
  const again = closed?.attempt === current.attempt ? { again: (closed.again ?? 0) + 1 } : {}
  // What is begun anew is not over any more.
  const over = Math.min(closed?.ended ?? -1, current.attempt - 1)
  const ended = over < 0 ? {} : { ended: over }
  return { attempt: current.attempt, phase: "Running", startedAt, ...again, ...ended }
}

/** The end of an open task. */
export const close = (
  task: TrackedTask,
  told: Pick<TaskSnapshot, "key" | "name" | "endedAt" | "externalUrl" | "metadata"> & {
    /** The task has, or had, more than one attempt. */
    readonly isTriedAgain?: boolean | undefined
  },
  outcome: Outcome,
  around: Around
): Step => {
  const end = told.endedAt ?? around.end?.at ?? around.observedAt
  const endedAt = task.startedAt === undefined ? end : DateTime.max(end, task.startedAt)
  const { endInferred: _, ...rest } = task
  const closed: TrackedTask = {
    ...rest,
    phase: outcome,
    endedAt,
    ...(told.endedAt === undefined ? { endInferred: true } : {}),
    ended: Math.max(task.attempt, task.ended ?? -1)
  }
  const entry = RunEvents.taskStatus(around.subject, named(told, task), outcome, {
    timestamp: endedAt,
    externalUrl: told.externalUrl,
    metadata: metadataOf({ attempt: task.attempt, metadata: told.metadata }, told.isTriedAgain === true)
  })
  return { task: closed, entries: [entry], messages: [] }
}

const named = (told: Pick<TaskSnapshot, "key" | "name">, task: TrackedTask): RunEvents.TaskSubject => ({
  key: told.key,
  name: told.name,
  attempt: task.attempt,
  again: task.again
})

/** With the attempt's number, where there is more than one. */
const metadataOf = (
  told: { readonly attempt: number; readonly metadata?: Metadata | undefined },
  isTriedAgain: boolean
): Metadata | undefined =>
  told.attempt === 0 && !isTriedAgain ? told.metadata : { ...told.metadata, attempt: told.attempt }

/**
 * The attempt with the message that it ended and was not the task's last one, for the task's status goes on. Where the
 * attempt itself says what went wrong, that is said already.
 */
const withEnd = (attempt: TaskSnapshot, outcome: Outcome): TaskSnapshot => {
  if (attempt.messages.some(({ level }) => outcome === "Completed" || level !== "INFO")) return attempt
  const end: Message = {
    key: "~end",
    level: outcome === "Completed" ? "INFO" : "WARNING",
    message: `Attempt ${attempt.attempt} ${ends[outcome]}; the task is tried again.`
  }
  return { ...attempt, messages: [...attempt.messages, end] }
}
const ends = { Completed: "completed", CompletedWithWarnings: "completed with warnings", Failed: "failed" }
