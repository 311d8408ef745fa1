/**
 * What is known of one run: just enough to tell, when the next RunSnapshot comes, what has not been reported yet. It is
 * part of a source's Checkpoint and is stored as JSON, so it is small and nothing but data.
 */
import * as Schema from "effect/Schema"
import { escape, Phase } from "./RunSnapshot.ts"

/** What is known of one task. `phase` is what was reported: it is `Running` until its end was reported. */
export const TrackedTask = Schema.Struct({
  /** The highest attempt that was reported, or, while nothing was reported, the highest one seen. */
  attempt: Schema.Int,
  phase: Phase,
  /** The timestamp of the RUNNING that was reported last. */
  startedAt: Schema.optionalKey(Schema.DateTimeUtcFromString),
  /** The timestamp of the end that was reported last. */
  endedAt: Schema.optionalKey(Schema.DateTimeUtcFromString),
  /** The tool had not told the end: it was taken from the run, or from the time of the snapshot. */
  endInferred: Schema.optionalKey(Schema.Boolean),
  /** Its end was told because the tool did not know the run any more: what it says later of this attempt is news. */
  lost: Schema.optionalKey(Schema.Boolean),
  /** The highest attempt whose end was told as a status; the ends of others are told as messages. */
  ended: Schema.optionalKey(Schema.Int),
  /** How often this same attempt was begun anew, in tools that run a task again without counting attempts. */
  again: Schema.optionalKey(Schema.Int)
})

/** The type of {@link TrackedTask}. */
export type TrackedTask = typeof TrackedTask.Type

/** What is known of one run. */
export const TrackedRun = Schema.Struct({
  /** See `RunSnapshot.key`: unique among the runs of a source. */
  key: Schema.String,
  pipeline: Schema.Struct({ key: Schema.String, name: Schema.optionalKey(Schema.String) }),
  run: Schema.Struct({ key: Schema.String, name: Schema.optionalKey(Schema.String) }),
  tool: Schema.String,
  /** The time of the newest snapshot; older ones change nothing. */
  observedAt: Schema.DateTimeUtcFromString,
  /** What was reported: `Pending` or `Skipped` while nothing was, `Running` while it is open, else its outcome. */
  phase: Phase,
  /** How many times it was re-opened; part of the identity of its events. */
  opening: Schema.Int,
  /** The tool's own count of re-openings at the run's known end, if it was told there. */
  reopening: Schema.optionalKey(Schema.Int),
  /** The timestamp of the RUNNING that was reported last. */
  startedAt: Schema.optionalKey(Schema.DateTimeUtcFromString),
  /** The timestamp of the end that was reported last. */
  endedAt: Schema.optionalKey(Schema.DateTimeUtcFromString),
  /** The tool had not told the end: it is the time of the snapshot. */
  endInferred: Schema.optionalKey(Schema.Boolean),
  /** It was ended because the tool did not know it any more: if the tool knows it after all, it is re-opened. */
  lost: Schema.optionalKey(Schema.Boolean),
  /** The time of the snapshot that closed it. Absent while it is open. */
  closedAt: Schema.optionalKey(Schema.DateTimeUtcFromString),
  /** By task key. */
  tasks: Schema.Record(Schema.String, TrackedTask),
  /** The messages that were reported: `msg:key` of the run, `task@attempt/msg:key` of a task. */
  messages: Schema.Array(Schema.String),
  /** Attempts that had ended by then may be left out of `tasks`, and were reported nevertheless: see {@link outline}. */
  outline: Schema.optionalKey(Schema.DateTimeUtcFromString)
})

/** The type of {@link TrackedRun}. */
export type TrackedRun = typeof TrackedRun.Type

/** Whether the run's RUNNING was reported and its end was not: the tool has to be asked for it until it ends. */
export const isOpen = (run: TrackedRun): boolean => run.phase === "Running"

/** Whether the run has ended, or was skipped: nothing more is expected, unless it is re-opened. */
export const isClosed = (run: TrackedRun): boolean => run.phase !== "Running" && run.phase !== "Pending"

/** Whether people may run it again, because something of it did not succeed. */
export const mayBeReopened = (run: TrackedRun): boolean =>
  run.phase === "Failed" || run.phase === "CompletedWithWarnings"

/**
 * What has to be remembered of an ended run for long, so that its re-opening is recognised and told as one. Left out are
 * names, messages (the Outbox knows their identities), and those tasks of which the tool itself had told an end: it
 * tells it again when the run is re-opened, and what is not later than the run's end was reported. Of a lost run that is
 * not certain: it stays known in full.
 */
export const outline = (run: TrackedRun): TrackedRun => {
  if (run.endedAt === undefined || run.lost === true || isOutline(run)) return run
  const { messages: _1, startedAt: _2, tasks, ...rest } = run
  const left = Object.entries(tasks).filter(
    ([, task]) => task.endedAt === undefined || task.endInferred === true || task.again !== undefined
  )
  return {
    ...rest,
    pipeline: { key: run.pipeline.key },
    run: { key: run.run.key },
    tasks: left.length === 0 ? NO_TASKS : Object.fromEntries(left),
    messages: NO_MESSAGES,
    outline: run.endedAt
  }
}

/** Whether no more than the outline is known of the ended run. */
export const isOutline = (run: TrackedRun): boolean =>
  run.outline !== undefined && run.outline.epochMilliseconds === run.endedAt?.epochMilliseconds

// Shared by all outlines, of which there may be many.
const NO_TASKS: TrackedRun["tasks"] = {}
const NO_MESSAGES: ReadonlyArray<string> = []

/** Whether this message of the run (or of a task's attempt) was reported already. Keys as in the snapshots. */
export const hasMessage = (
  run: TrackedRun,
  message: {
    readonly key: string
    readonly task?: { readonly key: string; readonly attempt: number } | undefined
  }
): boolean => run.messages.includes(messageId(message))

/** How {@link TrackedRun} remembers a message. */
export const messageId = (message: {
  readonly key: string
  readonly task?: { readonly key: string; readonly attempt: number } | undefined
}): string =>
  message.task === undefined
    ? `msg:${message.key}`
    : `${escape(message.task.key)}@${message.task.attempt}/msg:${message.key}`
