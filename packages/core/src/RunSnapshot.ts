/**
 * What a tool says of one run and its tasks at one moment, in words that fit every tool. An agent turns what it polled
 * into RunSnapshots and leaves all else (what is new, in which order it is told, what a re-opened run means) to the
 * RunTracker. Snapshots may come late, twice or out of order, and may lack what the tool did not say.
 */
import type * as DateTime from "effect/DateTime"
import * as Schema from "effect/Schema"
import type { Metadata } from "@observability-agents/toolkit/Event"

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
 * or in an earlier one: a message that appears only after the end was reported is not told any more.
 */
export interface Message {
  /** Tells it from the other messages of the same run, or of the same attempt of a task. Stable across polls. */
  readonly key: string
  readonly level: "ERROR" | "WARNING" | "INFO"
  readonly message: string
  readonly details?: string | undefined
  /** When it was written. Absent: the end of what it belongs to, or the time of the snapshot. */
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
  /** One entry per task, or one per attempt of a task, in any order. Tasks that are left out are not forgotten. */
  readonly tasks: ReadonlyArray<TaskSnapshot>
  /** How often this run was re-opened (repaired, cleared) so far, where the tool counts it. Absent: not told. */
  readonly reopening?: number | undefined
}

/** The names by which checkpoints know a run: pipeline and run, unambiguous whatever characters the keys hold. */
export const key = (snapshot: Pick<RunSnapshot, "pipeline" | "run">): string =>
  `${escape(snapshot.pipeline.key)}/${escape(snapshot.run.key)}`

/** Makes a key fit to stand between the separators of an identity (`/`, `#`, `@`, `:`). */
export const escape = (key: string): string => key.replace(/[%/#@:]/g, encodeURIComponent)
