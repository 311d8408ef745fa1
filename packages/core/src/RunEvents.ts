/**
 * The entries of one run: each with its identity, its lane, and an event that the server can store. Identities are
 * made of keys, counts and words only, never of times, so that whoever sees a transition, however often, names it alike.
 */
import type * as DateTime from "effect/DateTime"
import * as Event from "@observability-agents/toolkit/Event"
import type { Entry } from "./Outbox.ts"
import { escape, key, type Message, type Outcome, type RunSnapshot } from "./RunSnapshot.ts"

/** What all events of one run share. */
export interface Subject {
  readonly pipeline: RunSnapshot["pipeline"]
  readonly run: RunSnapshot["run"]
  readonly tool: string
  /** Which opening of the run is being told: 0 until it is re-opened. */
  readonly opening: number
}

/** What an event says beside its subject. */
export interface Particulars {
  readonly timestamp: DateTime.Utc
  readonly externalUrl?: string | undefined
  readonly metadata?: Event.Metadata | undefined
}

/** Which task, and which attempt of it. */
export interface TaskSubject {
  readonly key: string
  readonly name?: string | undefined
  readonly attempt: number
  /** How often this same attempt was begun anew. */
  readonly again?: number | undefined
}

/** The server's words for what is reported of a run or task. */
const states = {
  Running: "RUNNING",
  Completed: "COMPLETED",
  CompletedWithWarnings: "COMPLETED_WITH_WARNINGS",
  Failed: "FAILED"
} as const satisfies Record<Outcome | "Running", Event.RunState>

/** The status of the run: identity `pipeline/run#opening:STATUS`. */
export const runStatus = (subject: Subject, phase: Outcome | "Running", particulars: Particulars): Entry =>
  entry(
    `${opening(subject)}:${states[phase]}`,
    Event.runStatus({ ...component(subject, undefined), ...particulars, status: states[phase] })
  )

/** The status of a task: identity `pipeline/run#opening/task@attempt:STATUS`. */
export const taskStatus = (
  subject: Subject,
  task: TaskSubject,
  phase: Outcome | "Running",
  particulars: Particulars
): Entry => {
  const again = task.again === undefined || task.again === 0 ? "" : `.${task.again}`
  return entry(
    `${opening(subject)}/${escape(task.key)}@${task.attempt}${again}:${states[phase]}`,
    Event.runStatus({ ...component(subject, task), ...particulars, status: states[phase] })
  )
}

/**
 * A message of the run, or of an attempt of a task: identity `pipeline/run/msg:key` or `pipeline/run/task@attempt/msg:key`.
 * It does not name the opening: a re-opened run still shows its old messages.
 */
export const message = (
  subject: Subject,
  task: TaskSubject | undefined,
  told: Message,
  particulars: Particulars
): Entry => {
  const of = task === undefined ? key(subject) : `${key(subject)}/${escape(task.key)}@${task.attempt}`
  return entry(
    `${of}/msg:${told.key}`,
    Event.messageLog({
      ...component(subject, task),
      ...particulars,
      level: told.level,
      message: told.message,
      details: told.details
    })
  )
}

const entry = (id: string, event: Event.Event): Entry => {
  const storable = Event.fit(event)
  return { id, lane: Event.lane(storable), event: storable }
}

const opening = (subject: Subject): string => `${key(subject)}#${subject.opening}`

const component = (subject: Subject, task: TaskSubject | undefined) => ({
  pipelineKey: subject.pipeline.key,
  pipelineName: subject.pipeline.name,
  runKey: subject.run.key,
  runName: subject.run.name,
  taskKey: task?.key,
  taskName: task?.name,
  componentTool: subject.tool
})
