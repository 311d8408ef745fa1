/**
 * What a tool says of one run and its tasks at one moment, in words that fit every tool. An agent turns what it polled
 * into RunSnapshots and leaves all else (what is new, in which order it is told, what a re-opened run means) to the
 * RunTracker. Snapshots may come late, twice or out of order, and may lack what the tool did not say.
 *
 * A run with one task that has failed, as an agent says it:
 *
 * ```ts
 * import type { RunSnapshot } from "@observability-agents/core/RunSnapshot"
 * import type { DateTime } from "effect"
 *
 * export const failed = (observedAt: DateTime.Utc): RunSnapshot => ({
 *   pipeline: { key: "nightly-load" },
 *   run: { key: "2026-01-31" },
 *   tool: "scheduler",
 *   observedAt,
 *   phase: "Failed",
 *   messages: [],
 *   tasks: [{ key: "copy", attempt: 0, phase: "Failed", messages: [{ key: "error", level: "ERROR", message: "no space left" }] }]
 * })
 * ```
 */
import type * as DateTime from "effect/DateTime"
import * as Schema from "effect/Schema"
import type { Metadata, TestOutcome } from "@observability-agents/toolkit/Event"

/**
 * How far a run or task has come.
 *
 * - `Pending`: it waits (queued, blocked, between two attempts). Nothing is reported yet.
 * - `Running`: it has begun.
 * - `Completed`, `CompletedWithWarnings`, `Failed`: it has ended. A cancelled or timed-out run is `Failed`.
 * - `Skipped`: it will never run. Nothing is reported, unless it had begun already.
 */
export const Phase = Schema.Literals([
  "Pending",
  "Running",
  "Completed",
  "CompletedWithWarnings",
  "Failed",
  "Skipped"
])

/** The type of {@link Phase}. */
export type Phase = typeof Phase.Type

/** A phase that is reported as an end. */
export type Outcome = Extract<Phase, "Completed" | "CompletedWithWarnings" | "Failed">

/**
 * A line of log that belongs to a run, or to one attempt of a task.
 *
 * It is told between the RUNNING and the end of what it belongs to, so it has to be in the snapshot that brings the end,
 * or in an earlier one: a message that appears only after the end was reported is not told any more. The same holds for
 * {@link Metric} and {@link Tests}. What one snapshot brings of one run, or of one attempt, is told in order of time.
 *
 * An ERROR of an attempt that is tried again is told at level WARNING.
 */
export interface Message {
  /** Tells it from the other messages of the same run, or of the same attempt of a task. Stable across polls. */
  readonly key: string
  readonly level: "ERROR" | "WARNING" | "INFO"
  readonly message: string
  readonly details?: string | undefined
  /** When it was written. Absent: the end of what it belongs to, or the time of the snapshot. */
  readonly timestamp?: DateTime.Utc | undefined
  /**
   * Of a run's own message: told before what the snapshot brings of tasks, right after the RUNNING where that is new. For
   * what stands at the beginning of a run or of its re-opening ("Repair 1 started by …"). The others come after the tasks'
   * events. Says nothing for a task's message.
   */
  readonly early?: boolean | undefined
}

/** One value of a metric of a run, or of one attempt of a task: how long it waited, how many rows it wrote. */
export interface Metric {
  /** Tells it from the other metrics of the same run, or of the same attempt of a task. Stable across polls. */
  readonly key: string
  /** The metric's name, reported as `metric_key`: the same in all runs. */
  readonly metric: string
  /** A decimal number, in the unit that the name tells; as text it keeps its precision. */
  readonly value: number | string
  /** When it was measured. Absent: the end of what it belongs to, or the time of the snapshot. */
  readonly timestamp?: DateTime.Utc | undefined
}

/** The outcomes of tests that ran within a run, or within one attempt of a task. Without any, nothing is told. */
export interface Tests {
  /** Tells them from the other tests of the same run, or of the same attempt of a task. Stable across polls. */
  readonly key: string
  /** Any number: they are told in as many events as the server's limits ask for. */
  readonly outcomes: ReadonlyArray<TestOutcome>
  /** When they ended. Absent: the end of what they belong to, or the time of the snapshot. */
  readonly timestamp?: DateTime.Utc | undefined
}

/** One attempt of one task. */
export interface TaskSnapshot {
  /** Stable across runs: the server keeps one task per pipeline and key. */
  readonly key: string
  readonly name?: string | undefined
  /** 0 for the first attempt; retries and repairs count up. The highest attempt is the task's state. */
  readonly attempt: number
  readonly phase: Phase
  readonly startedAt?: DateTime.Utc | undefined
  readonly endedAt?: DateTime.Utc | undefined
  readonly externalUrl?: string | undefined
  readonly metadata?: Metadata | undefined
  readonly messages: ReadonlyArray<Message>
  readonly metrics?: ReadonlyArray<Metric> | undefined
  readonly tests?: ReadonlyArray<Tests> | undefined
  /**
   * This attempt failed, and the tool will try the task again, although the next attempt is not there yet: its end is told
   * as a warning, and the task stays RUNNING until an attempt is the last one, or the run ends. Counts for the highest
   * attempt only, and only while it is `Failed`.
   */
  readonly willRetry?: boolean | undefined
}

/** One run. Times the tool did not give are absent; a tool's zero (1970 and before) is taken for absent, too. */
export interface RunSnapshot {
  readonly pipeline: { readonly key: string; readonly name?: string | undefined }
  readonly run: { readonly key: string; readonly name?: string | undefined }
  /** The tool's name, reported as `component_tool`. */
  readonly tool: string
  /** When the tool was asked, by our clock. Of two snapshots of a run, the later one counts. */
  readonly observedAt: DateTime.Utc
  readonly phase: Phase
  readonly startedAt?: DateTime.Utc | undefined
  readonly endedAt?: DateTime.Utc | undefined
  readonly externalUrl?: string | undefined
  readonly metadata?: Metadata | undefined
  readonly messages: ReadonlyArray<Message>
  readonly metrics?: ReadonlyArray<Metric> | undefined
  readonly tests?: ReadonlyArray<Tests> | undefined
  /** One entry per task, or one per attempt of a task, in any order. Tasks that are left out are not forgotten. */
  readonly tasks: ReadonlyArray<TaskSnapshot>
  /** How often this run was re-opened (repaired, cleared) so far, where the tool counts it. Absent: not told. */
  readonly reopening?: number | undefined
  /**
   * When the last re-opening began, where the tool tells it: the time of the RUNNING that tells it, if it is later than
   * the end before. Absent: the earliest start of what is new.
   */
  readonly reopenedAt?: DateTime.Utc | undefined
}

/** The names by which checkpoints know a run: pipeline and run, unambiguous whatever characters the keys hold. */
export const key = (snapshot: Pick<RunSnapshot, "pipeline" | "run">): string =>
  `${escape(snapshot.pipeline.key)}/${escape(snapshot.run.key)}`

/** Makes a key fit to stand between the separators of an identity (`/`, `#`, `@`, `:`). */
export const escape = (key: string): string => key.replace(/[%/#@:]/g, encodeURIComponent)
