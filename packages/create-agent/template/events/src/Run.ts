/**
 * What the tool says, as Schema, and how it is told: the one place where the tool's words meet those of Observability. Pure,
 * so it is tested without an agent (test/Run.test.ts).
 *
 * YOUR TOOL: describe its records here, and say in `toSnapshot` what they mean. You need not know what was told before, or
 * in which order things have to be told: the RunTracker finds out.
 */
import type * as RunSnapshot from "@observability-agents/core/RunSnapshot"
import type * as DateTime from "effect/DateTime"
import * as Schema from "effect/Schema"

/** The tool's name, as events and heartbeats report it. */
export const TOOL = "My Tool"

/** The tool's words for how far a run or a step is. */
export const State = Schema.Literals(["queued", "running", "succeeded", "failed", "cancelled"])

/** One step of a run. */
export const Step = Schema.Struct({
  name: Schema.String,
  state: State,
  started: Schema.optionalKey(Schema.DateTimeUtcFromString),
  ended: Schema.optionalKey(Schema.DateTimeUtcFromString)
})

/** One run of a job, whole, as it is at one moment. */
export const Run = Schema.Struct({
  id: Schema.String,
  job: Schema.String,
  state: State,
  started: Schema.optionalKey(Schema.DateTimeUtcFromString),
  ended: Schema.optionalKey(Schema.DateTimeUtcFromString),
  steps: Schema.Array(Step),
  /** Rows that it wrote, as soon as it has ended. */
  rows: Schema.optionalKey(Schema.Finite),
  /** Why it failed. */
  error: Schema.optionalKey(Schema.String)
})

/** The type of {@link Run}. */
export type Run = typeof Run.Type

/** A message of the websocket. A ping says that all that happened before `at` was said. */
export const Message = Schema.Union([
  Schema.Struct({ type: Schema.Literal("ping"), at: Schema.DateTimeUtcFromString }),
  Schema.Struct({ type: Schema.Literal("run"), at: Schema.DateTimeUtcFromString, run: Run })
])

/** The type of {@link Message}. */
export type Message = typeof Message.Type

/** How a run is told that was as it is at the moment `observedAt`. */
export const toSnapshot = (run: Run, observedAt: DateTime.Utc): RunSnapshot.RunSnapshot => ({
  // A pipeline is what runs again and again, a run is one time that it does.
  pipeline: { key: run.job },
  run: { key: run.id },
  tool: TOOL,
  observedAt,
  phase: phases[run.state],
  startedAt: run.started,
  endedAt: run.ended,
  messages: run.error === undefined ? [] : [{ key: "error", level: "ERROR", message: run.error }],
  metrics: run.rows === undefined ? [] : [{ key: "rows", metric: "rows", value: run.rows }],
  tasks: run.steps.map((step) => ({
    key: step.name,
    attempt: 0,
    phase: phases[step.state],
    startedAt: step.started,
    endedAt: step.ended,
    messages: []
  }))
})

// ---- private parts

const phases: Record<typeof State.Type, RunSnapshot.Phase> = {
  queued: "Pending",
  running: "Running",
  succeeded: "Completed",
  failed: "Failed",
  cancelled: "Failed"
}
