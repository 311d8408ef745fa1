/**
 * The entries of one run: each with its identity, its lane, and an event that the server can store. Identities are
 * made of keys, counts and words only, never of times, so that whoever sees a transition, however often, names it alike.
 */
import type * as DateTime from "effect/DateTime"
import * as Event from "@observability-agents/toolkit/Event"
import type { Entry } from "./Outbox.ts"
import {
  escape,
  key,
  type Message,
  type Metric,
  type Outcome,
  type RunSnapshot,
  type Tests
} from "./RunSnapshot.ts"

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
): Entry =>
  entry(
    `${owner(subject, task)}/msg:${told.key}`,
    Event.messageLog({
      ...component(subject, task),
      ...particulars,
      level: told.level,
      message: told.message,
      details: told.details
    })
  )

/** A metric of the run, or of an attempt of a task: identity as of a message, with `metric:key`. */
export const metric = (
  subject: Subject,
  task: TaskSubject | undefined,
  told: Metric,
  particulars: Particulars
): Entry =>
  entry(
    `${owner(subject, task)}/metric:${told.key}`,
    Event.metricLog({
      ...component(subject, task),
      ...particulars,
      metricKey: told.metric,
      metricValue: told.value
    })
  )

/**
 * Outcomes of tests (at least one) of the run, or of an attempt of a task, in as many events as the server's limits ask
 * for: identity as of a message, with `tests:key`, then `tests.2:key` and so on.
 */
export const tests = (
  subject: Subject,
  task: TaskSubject | undefined,
  told: Tests,
  particulars: Particulars
): ReadonlyArray<Entry> =>
  Event.split(
    Event.testOutcomes({ ...component(subject, task), ...particulars, outcomes: told.outcomes })
  ).map((part, index) =>
    entry(`${owner(subject, task)}/tests${index === 0 ? "" : `.${index + 1}`}:${told.key}`, part)
  )

const entry = (id: string, event: Event.Event): Entry => {
  const storable = Event.fit(event)
  return { id, lane: Event.lane(storable), event: storable }
}

/** What a message, a metric or tests belong to. */
const owner = (subject: Subject, task: TaskSubject | undefined): string =>
  task === undefined ? key(subject) : `${key(subject)}/${escape(task.key)}@${task.attempt}`

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
