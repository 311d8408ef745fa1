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
  /**
   * The highest attempt whose end was told as a status, and which was not begun anew since; the ends of higher ones that
   * are followed by another are told as messages.
   */
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
  /**
   * The messages, metrics and tests that were reported: `msg:key`, `metric:key`, `tests:key` of the run,
   * `task@attempt/msg:key` and so on of a task. Those of attempts that are over are left out: see {@link isOver}.
   */
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

/** A message, a metric or tests of a run, or of a task's attempt. Keys as in the snapshots. */
export interface Fact {
  readonly key: string
  readonly task?: { readonly key: string; readonly attempt: number } | undefined
}

/**
 * Whether this message was reported already, or would not be reported any more, because the end of its attempt was. So
 * nobody has to ask the tool for it.
 */
export const hasMessage = (run: TrackedRun, message: Fact): boolean => {
  if (run.messages.includes(factId("msg", message))) return true
  if (message.task === undefined || !Object.hasOwn(run.tasks, message.task.key)) return false
  const task = run.tasks[message.task.key]
  return task !== undefined && isSettled(task) && isOver(task, message.task.attempt)
}

/** How {@link TrackedRun} remembers a message, a metric, or tests. */
export const factId = (kind: "msg" | "metric" | "tests", { key, task }: Fact): string =>
  task === undefined ? `${kind}:${key}` : `${escape(task.key)}@${task.attempt}/${kind}:${key}`

/** Whether an attempt's end was reported as the task's status, so that nothing more is told of this attempt. */
export const isOver = (task: TrackedTask, attempt: number): boolean => attempt <= (task.ended ?? -1)

/** Whether the tool itself told the end: what was told within an end that was inferred may be shown anew. */
const isSettled = (task: TrackedTask): boolean => task.endInferred !== true && task.lost !== true

/** What has to be remembered of the reported facts: not those of attempts that are over, for they are not told again. */
export const unsettled = (
  messages: ReadonlyArray<string>,
  tasks: ReadonlyMap<string, TrackedTask>
): ReadonlyArray<string> => {
  const settled = new Map<string, TrackedTask>()
  for (const [key, task] of tasks) {
    if (task.ended !== undefined && isSettled(task)) settled.set(escape(key), task)
  }
  if (settled.size === 0) return messages
  return messages.filter((id) => {
    const [, key, attempt] = OF_TASK.exec(id) ?? []
    const task = key === undefined ? undefined : settled.get(key)
    return task === undefined || !isOver(task, Number(attempt))
  })
}

/** What {@link factId} makes of a task's attempt: the key has none of the separators. */
const OF_TASK = /^([^/#@:]*)@(\d+)\//
