/**
 * How a run or an attempt stands, in the two ways in which the Jobs API says it: `state`, which is older, and `status`, from
 * 2.2 on.
 */
import type * as RunRecord from "../RunRecord.ts"
import type * as Attempts from "./Attempts.ts"
import type * as Scenario from "./Scenario.ts"

/** What something that has not ended does. */
export type Underway = "QUEUED" | "PENDING" | "BLOCKED" | "WAITING_FOR_RETRY" | "RUNNING" | "TERMINATING"

/** How it stands, with the words for people. */
export interface Standing {
  /** A run with a failed task has an INTERNAL_ERROR, the task itself is TERMINATED. */
  readonly of: "run" | "task"
  readonly word: Underway | Attempts.Outcome
  /** Of something that is TERMINATING: how it will have ended. */
  readonly outcome?: Attempts.Outcome | undefined
  readonly message?: string | undefined
  /** The termination code, where the outcome does not tell it. */
  readonly breakdown?: Scenario.Breakdown | undefined
  readonly queue?: { readonly code: string; readonly message: string } | undefined
}

/** `state` and `status` of a standing, as far as the record carries them. */
export const fields = (
  standing: Standing,
  carries: NonNullable<Scenario.Oddities["carries"]>
): Pick<RunRecord.WireTask, "state" | "status"> => ({
  ...(carries === "both" || carries === "state" ? { state: state(standing) } : {}),
  ...(carries === "both" || carries === "status" ? { status: status(standing) } : {})
})

// ---- private

const isUnderway = (word: Standing["word"]): word is Underway => UNDERWAY.has(word)

const UNDERWAY: ReadonlySet<string> = new Set<Underway>([
  "QUEUED",
  "PENDING",
  "BLOCKED",
  "WAITING_FOR_RETRY",
  "RUNNING",
  "TERMINATING"
])

const state = ({
  breakdown,
  message = "",
  of,
  queue,
  word
}: Standing): NonNullable<RunRecord.WireTask["state"]> => {
  if (isUnderway(word)) {
    return {
      life_cycle_state: word,
      state_message: word === "RUNNING" ? "In run" : message,
      ...(queue === undefined ? {} : { queue_reason: queue.message })
    }
  }
  const stops = word === "CANCELED" || word === "TIMEDOUT"
  const [lifeCycle, result] = STATES[word]
  return {
    life_cycle_state: of === "run" && word === "FAILED" ? "INTERNAL_ERROR" : lifeCycle,
    ...(result === undefined ? {} : { result_state: result }),
    state_message: breakdown?.message ?? message,
    user_cancelled_or_timedout: stops
  }
}

const status = ({
  breakdown,
  message = "",
  outcome,
  queue,
  word
}: Standing): NonNullable<RunRecord.WireTask["status"]> => {
  if (isUnderway(word)) {
    return {
      state: word === "WAITING_FOR_RETRY" ? "WAITING" : word,
      ...(queue === undefined ? {} : { queue_details: queue }),
      ...(outcome === undefined ? {} : { termination_details: details(outcome, message, breakdown) })
    }
  }
  return { state: "TERMINATED", termination_details: details(word, message, breakdown) }
}

const details = (outcome: Attempts.Outcome, message: string, breakdown: Scenario.Breakdown | undefined) => {
  const [code, type] = CODES[outcome]
  return {
    code: breakdown?.code ?? code,
    type: breakdown?.type ?? type,
    message: breakdown?.message ?? message
  }
}

/** The life cycle and the result that `state` has for an outcome. */
const STATES: Readonly<Record<Attempts.Outcome, readonly [string, string?]>> = {
  SUCCESS: ["TERMINATED", "SUCCESS"],
  SUCCESS_WITH_FAILURES: ["TERMINATED", "SUCCESS_WITH_FAILURES"],
  FAILED: ["TERMINATED", "FAILED"],
  INTERNAL_ERROR: ["INTERNAL_ERROR", "FAILED"],
  CANCELED: ["TERMINATED", "CANCELED"],
  TIMEDOUT: ["TERMINATED", "TIMEDOUT"],
  EVICTED: ["TERMINATED", "EVICTED"],
  EXCLUDED: ["SKIPPED", "EXCLUDED"],
  DISABLED: ["SKIPPED", "DISABLED"],
  // The documentation's example has no result here.
  UPSTREAM_FAILED: ["SKIPPED"],
  UPSTREAM_CANCELED: ["SKIPPED", "UPSTREAM_CANCELED"],
  SKIPPED: ["SKIPPED"]
}

/** The code and the type that `status` has for an outcome. CANCELED without a user is what exceeds its time, too. */
const CODES: Readonly<Record<Attempts.Outcome, readonly [string, string]>> = {
  SUCCESS: ["SUCCESS", "SUCCESS"],
  SUCCESS_WITH_FAILURES: ["SUCCESS_WITH_FAILURES", "SUCCESS"],
  FAILED: ["RUN_EXECUTION_ERROR", "CLIENT_ERROR"],
  INTERNAL_ERROR: ["INTERNAL_ERROR", "INTERNAL_ERROR"],
  CANCELED: ["USER_CANCELED", "CLIENT_ERROR"],
  TIMEDOUT: ["CANCELED", "CLIENT_ERROR"],
  EVICTED: ["CANCELED", "CLOUD_FAILURE"],
  EXCLUDED: ["SKIPPED", "SUCCESS"],
  DISABLED: ["DISABLED", "SUCCESS"],
  UPSTREAM_FAILED: ["SKIPPED", "CLIENT_ERROR"],
  UPSTREAM_CANCELED: ["SKIPPED", "CLIENT_ERROR"],
  SKIPPED: ["SKIPPED", "CLIENT_ERROR"]
}
