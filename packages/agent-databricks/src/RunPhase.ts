/**
 * What Databricks' words for states mean: the one table from a run's, task's or repair's `state` and `status` to a Phase. The
 * table is data, which the functions here follow and from which the README's table is made ({@link markdown}), so that
 * both always say the same.
 *
 * `status` is read before `state`, which Databricks calls deprecated: where the two contradict each other, `status` is
 * right. All words are an open set. A word for how far it has come that is not in the table changes nothing; see
 * {@link phase} for unknown outcomes.
 */
import type * as RunSnapshot from "@observability-agents/core/RunSnapshot"
import * as DateTime from "effect/DateTime"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import type { RunTask } from "./RunRecord.ts"

/** What is read of a run or a task to tell how it stands. */
export type Standing = Pick<
  RunTask,
  "state" | "status" | "start_time" | "end_time" | "setup_duration" | "execution_duration"
>

/** What an outcome means, before it is known whether the run or task had begun. */
export type Outcome = Exclude<RunSnapshot.Phase, "Pending" | "Running"> | "Cancelled" | "TimedOut"

/** A line of a table: words of Databricks that mean the same. */
export interface Row<Meaning> {
  readonly meaning: Meaning
  readonly words: ReadonlyArray<string>
}

// ---- the tables

/** How far it has come: `status.state`, else `state.life_cycle_state` (Jobs API 2.2, RunLifecycleStateV2State and RunLifeCycleState). */
export const lifeCycles: ReadonlyArray<Row<"Pending" | "Running" | "Ended">> = [
  { meaning: "Pending", words: ["QUEUED", "PENDING", "BLOCKED", "WAITING", "WAITING_FOR_RETRY"] },
  { meaning: "Running", words: ["RUNNING", "TERMINATING"] },
  { meaning: "Ended", words: ["TERMINATED", "SKIPPED", "INTERNAL_ERROR"] }
]

/**
 * How it has ended: the first of `status.termination_details.code`, its `type`, and `state.result_state` that is in the
 * table (Jobs API 2.2, TerminationCode, TerminationType and RunResultState).
 */
export const outcomes: ReadonlyArray<Row<Outcome>> = [
  { meaning: "Completed", words: ["SUCCESS"] },
  { meaning: "CompletedWithWarnings", words: ["SUCCESS_WITH_FAILURES"] },
  {
    meaning: "Skipped",
    words: [
      "SKIPPED",
      "EXCLUDED",
      "DISABLED",
      "UPSTREAM_FAILED",
      "UPSTREAM_CANCELED",
      "UPSTREAM_EVICTED",
      "MAX_CONCURRENT_RUNS_EXCEEDED",
      "MAXIMUM_CONCURRENT_RUNS_REACHED",
      "MAX_JOB_QUEUE_SIZE_EXCEEDED"
    ]
  },
  { meaning: "Cancelled", words: ["CANCELED", "USER_CANCELED", "EVICTED"] },
  { meaning: "TimedOut", words: ["TIMEDOUT"] },
  {
    meaning: "Failed",
    words: [
      "FAILED",
      "RUN_EXECUTION_ERROR",
      "INTERNAL_ERROR",
      "CLIENT_ERROR",
      "CLOUD_FAILURE",
      "DRIVER_ERROR",
      "CLUSTER_ERROR",
      "CLUSTER_TERMINATED_BY_USER",
      "REPOSITORY_CHECKOUT_FAILED",
      "INVALID_CLUSTER_REQUEST",
      "WORKSPACE_RUN_LIMIT_EXCEEDED",
      "FEATURE_DISABLED",
      "CLUSTER_REQUEST_LIMIT_EXCEEDED",
      "STORAGE_ACCESS_ERROR",
      "UNAUTHORIZED_ERROR",
      "LIBRARY_INSTALLATION_ERROR",
      "MAX_SPARK_CONTEXTS_EXCEEDED",
      "RESOURCE_NOT_FOUND",
      "INVALID_RUN_CONFIGURATION",
      "BUDGET_POLICY_LIMIT_EXCEEDED",
      "BREAKING_CHANGE"
    ]
  }
]

/** How it has ended when only the life cycle tells it, as in older answers. */
export const lifeCycleOutcomes: ReadonlyArray<Row<Outcome>> = [
  { meaning: "Skipped", words: ["SKIPPED"] },
  { meaning: "Failed", words: ["INTERNAL_ERROR"] }
]

// ---- reading

/**
 * The phase that a state stands for; `undefined` when Databricks uses a word for how far it has come that is not in the
 * table, so that the run stays as it was known.
 *
 * - What is called skipped after it had begun to run (a start, and a setup or execution time) has Failed.
 * - What was cancelled, or ran out of time, before it had a start (a time of 0, or none) is Skipped: it never ran. Of a task
 *   that did not begin before its run timed out, 2.2 has the code of what was cancelled, and 2.1 only TIMEDOUT.
 * - An outcome by a word that is not in the table, with an end time, is CompletedWithWarnings: it must not count as running
 *   for ever, and nobody knows whether it succeeded.
 * - It has ended and nothing tells how: it is Running until that is told.
 */
export const phase = (standing: Standing): RunSnapshot.Phase | undefined => {
  const lifeCycle = firstKnown(LIFE_CYCLE, lifeCycleWords(standing))
  if (lifeCycle !== "Ended") return lifeCycle
  const outcome =
    firstKnown(OUTCOME, outcomeWords(standing)) ?? firstKnown(LIFE_CYCLE_OUTCOME, lifeCycleWords(standing))
  switch (outcome) {
    case undefined:
      return unknownOutcome(standing) === undefined ? "Running" : "CompletedWithWarnings"
    case "Skipped":
      return hasRun(standing) ? "Failed" : "Skipped"
    case "Cancelled":
    case "TimedOut":
      return hasStart(standing) ? "Failed" : "Skipped"
    default:
      return outcome
  }
}

/** The word for the outcome of what has an end time, when no such word is in the table. */
export const unknownOutcome = (standing: Standing): string | undefined => {
  const words = outcomeWords(standing).filter(Predicate.isNotUndefined)
  const known =
    words.some((word) => OUTCOME.has(word)) ||
    firstKnown(LIFE_CYCLE_OUTCOME, lifeCycleWords(standing)) !== undefined ||
    firstKnown(LIFE_CYCLE, lifeCycleWords(standing)) !== "Ended"
  return known || time(standing.end_time) === undefined ? undefined : words[0]
}

/** Whether somebody or a schedule stopped it: its output holds no error that is worth a call. */
export const isCancelled = (standing: Standing): boolean =>
  [standing.status?.termination_details?.code, standing.state?.result_state].some(
    (word) => word !== undefined && OUTCOME.get(word) === "Cancelled"
  )

/** Whether it was stopped because it took longer than it may. */
export const isTimedOut = (standing: Standing): boolean =>
  outcomeWords(standing).some((word) => word === "TIMEDOUT")

/** The word that says best how it ended: TIMEDOUT, else the code, type or result, else the life cycle where that tells it. */
export const outcomeWord = (standing: Standing): string | undefined =>
  isTimedOut(standing)
    ? "TIMEDOUT"
    : (outcomeWords(standing).find((word) => word !== undefined && word.trim() !== "") ??
      lifeCycleWords(standing).find((word) => word !== undefined && LIFE_CYCLE_OUTCOME.has(word)))

/** Whether it is over, whatever the outcome. */
export const isTerminal = (phase: RunSnapshot.Phase): boolean => phase !== "Pending" && phase !== "Running"

/** Whether the run or task is over, as far as its words are known. */
export const hasEnded = (standing: Standing): boolean => {
  const now = phase(standing)
  return now !== undefined && isTerminal(now)
}

/** A point in time, or `undefined` for Databricks' "not yet" (0) and for what is no time of our calendar. */
export const time = (millis: number | undefined): DateTime.Utc | undefined =>
  millis === undefined || millis <= 0 || millis > LAST_MILLISECOND
    ? undefined
    : Option.getOrUndefined(Option.map(DateTime.make(Math.trunc(millis)), DateTime.toUtc))

// ---- the tables for people

/** The tables as Markdown: Databricks' words, what they mean, and which event tells it. */
export const markdown = (): string =>
  [
    "| `status.state`, else `state.life_cycle_state` | event |",
    "|---|---|",
    ...lifeCycles.map(({ meaning, words }) => `| ${list(words)} | ${LIFE_CYCLE_EVENTS[meaning]} |`),
    "| any other word | none: the run or task stays as it was, and the word is logged once |",
    "",
    "| first known of `status.termination_details.code`, `.type`, `state.result_state` | event |",
    "|---|---|",
    ...outcomes.map(({ meaning, words }) => `| ${list(words)} | ${OUTCOME_EVENTS[meaning]} |`),
    ...lifeCycleOutcomes.map(
      ({ meaning, words }) =>
        `| none of these, and the life cycle is ${list(words)} | as ${meaning === "Skipped" ? "skipped" : "failed"} above |`
    ),
    "| only words that are not in this table, and an end time | `COMPLETED_WITH_WARNINGS`, and a `WARNING` message with the word |",
    "| nothing at all | `RUNNING` until it is told how it ended |"
  ].join("\n")

// ---- private

const rows = <A>(table: ReadonlyArray<Row<A>>): ReadonlyMap<string, A> =>
  new Map(table.flatMap(({ meaning, words }) => words.map((word) => [word, meaning] as const)))

const LIFE_CYCLE = rows(lifeCycles)
const OUTCOME = rows(outcomes)
const LIFE_CYCLE_OUTCOME = rows(lifeCycleOutcomes)

const LIFE_CYCLE_EVENTS = {
  Pending: "none yet",
  Running: "`RUNNING`",
  Ended: "by the outcome, see the next table"
} as const satisfies Record<(typeof lifeCycles)[number]["meaning"], string>

const OUTCOME_EVENTS = {
  Completed: "`COMPLETED`",
  CompletedWithWarnings: "`COMPLETED_WITH_WARNINGS`",
  Skipped: "none; `FAILED` when it had begun to work",
  Cancelled: "`FAILED`; none for what was cancelled before it had a start",
  TimedOut: "`FAILED`; none for what had no start before its time was up",
  Failed: "`FAILED`"
} as const satisfies Record<Outcome, string>

const list = (words: ReadonlyArray<string>): string => words.map((word) => `\`${word}\``).join(", ")

const lifeCycleWords = (standing: Standing): ReadonlyArray<string | undefined> => [
  standing.status?.state,
  standing.state?.life_cycle_state
]

const outcomeWords = (standing: Standing): ReadonlyArray<string | undefined> => [
  standing.status?.termination_details?.code,
  standing.status?.termination_details?.type,
  standing.state?.result_state
]

/** A start, or the time that only what began can have taken. */
const hasStart = ({ execution_duration = 0, setup_duration = 0, start_time = 0 }: Standing): boolean =>
  start_time > 0 || setup_duration > 0 || execution_duration > 0

/** A start alone does not tell it, nor does a cluster: what was skipped may have either. */
const hasRun = (standing: Standing): boolean =>
  (standing.start_time ?? 0) > 0 &&
  ((standing.setup_duration ?? 0) > 0 || (standing.execution_duration ?? 0) > 0)

const firstKnown = <A>(
  table: ReadonlyMap<string, A>,
  words: ReadonlyArray<string | undefined>
): A | undefined =>
  words.map((word) => (word === undefined ? undefined : table.get(word))).find(Predicate.isNotUndefined)

/** 9999-12-31T23:59:59.999Z: the server cannot store a later time. */
const LAST_MILLISECOND = 253_402_300_799_999
