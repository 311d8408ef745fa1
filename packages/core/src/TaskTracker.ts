/**
 * The rules for one task within an open run: from what was reported of it and the attempts that a snapshot shows, to
 * what has to be told now and what is known then. Pure; `RunTracker` calls it for each task and holds the rules' table.
 */
import * as DateTime from "effect/DateTime"
import type { Metadata } from "@observability-agents/toolkit/Event"
import type { Entry } from "./Outbox.ts"
import * as RunEvents from "./RunEvents.ts"
import type { Message, Outcome, Phase, TaskSnapshot } from "./RunSnapshot.ts"
import * as RunTimes from "./RunTimes.ts"
import { messageId, type TrackedTask } from "./TrackedRun.ts"

/** How the run of the task stands. */
export interface Around {
  readonly subject: RunEvents.Subject
  /** When the snapshot was taken. */
  readonly observedAt: DateTime.Utc
  /** The run's own end, when the snapshot brings it. */
  readonly end?:
    | { readonly at: DateTime.Utc; readonly outcome: Outcome; readonly inferred: boolean }
    | undefined
  /** The messages of the run that were told. */
  readonly told: ReadonlySet<string>
}

/** What follows for the task. */
export interface Step {
  readonly task: TrackedTask
  readonly entries: ReadonlyArray<Entry>
  /** The messages told by `entries`. */
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
  return close(known, { ...highest, metadata }, "CompletedWithWarnings", around)
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

  const entries: Array<Entry> = []
  const messages: Array<string> = []
  let task = reported
  if (task === undefined || task.phase !== "Running") {
    task = begin(task, begun, current, around)
    entries.push(
      RunEvents.taskStatus(around.subject, named(current, task), "Running", {
        timestamp: task.startedAt ?? around.observedAt,
        externalUrl: current.externalUrl,
        metadata: metadataOf(current)
      })
    )
  } else if (task.attempt !== current.attempt) {
    const { again: _, ...rest } = task
    task = { ...rest, attempt: current.attempt }
  }

  // Between two attempts the task as a whole goes on; without a run around it, there will be no further attempt.
  const isWaiting =
    around.end === undefined && highest.attempt > current.attempt && highest.phase === "Pending"

  const tell = (attempt: TaskSnapshot, told: Message): void => {
    const id = messageId({ key: told.key, task: attempt })
    if (around.told.has(id) || messages.includes(id)) return
    messages.push(id)
    const timestamp = RunTimes.given(told.timestamp) ?? attempt.endedAt ?? around.end?.at ?? around.observedAt
    entries.push(
      RunEvents.message(around.subject, attempt, told, { timestamp, metadata: metadataOf(attempt) })
    )
  }
  for (const attempt of begun) {
    for (const told of attempt.messages) tell(attempt, told)
    if (!isOutcome(attempt.phase) || attempt.attempt <= (task.ended ?? -1)) continue
    if (attempt.attempt < current.attempt || isWaiting) {
      tell(attempt, endOfAttempt(attempt, attempt.phase))
    }
  }

  if (!isOutcome(current.phase) || isWaiting) return { task, entries, messages }
  const closing = close(task, current, current.phase, around)
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
  const ended = closed?.ended === undefined ? {} : { ended: closed.ended }
  return { attempt: current.attempt, phase: "Running", startedAt, ...again, ...ended }
}

/** The end of an open task. */
export const close = (
  task: TrackedTask,
  told: Pick<TaskSnapshot, "key" | "name" | "endedAt" | "externalUrl" | "metadata">,
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
    metadata: metadataOf({ attempt: task.attempt, metadata: told.metadata })
  })
  return { task: closed, entries: [entry], messages: [] }
}

const named = (told: Pick<TaskSnapshot, "key" | "name">, task: TrackedTask): RunEvents.TaskSubject => ({
  key: told.key,
  name: told.name,
  attempt: task.attempt,
  again: task.again
})

const metadataOf = (told: {
  readonly attempt: number
  readonly metadata?: Metadata | undefined
}): Metadata | undefined => (told.attempt === 0 ? told.metadata : { ...told.metadata, attempt: told.attempt })

/** That an attempt ended which was not the task's last one, as a message: the task's status goes on. */
const endOfAttempt = (attempt: TaskSnapshot, outcome: Outcome): Message => ({
  key: "~end",
  level: outcome === "Completed" ? "INFO" : "WARNING",
  message: `Attempt ${attempt.attempt} ${ends[outcome]}; the task was tried again.`
})
const ends = { Completed: "completed", CompletedWithWarnings: "completed with warnings", Failed: "failed" }
