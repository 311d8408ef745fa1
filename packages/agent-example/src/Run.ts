/**
 * What the press says, as Schema, and how it is told: an order is a run of the pipeline of its product, the steps of an
 * order are tasks.
 */
import type * as RunSnapshot from "@observability-agents/core/RunSnapshot"
import type * as DateTime from "effect/DateTime"
import * as Schema from "effect/Schema"

/** The tool's name, as events and heartbeats report it. */
export const TOOL = "press"

/** The press's words for how far an order or a step is. */
export const State = Schema.Literals(["waiting", "printing", "done", "spoiled"])

/** One step of an order. */
export const Step = Schema.Struct({
  name: Schema.String,
  state: State,
  started: Schema.optionalKey(Schema.DateTimeUtcFromString),
  ended: Schema.optionalKey(Schema.DateTimeUtcFromString)
})

/** An order, whole, as it is at one moment. */
export const Order = Schema.Struct({
  id: Schema.String,
  product: Schema.String,
  state: State,
  started: Schema.optionalKey(Schema.DateTimeUtcFromString),
  ended: Schema.optionalKey(Schema.DateTimeUtcFromString),
  steps: Schema.Array(Step),
  /** Sheets that were printed, as soon as the order is done. */
  sheets: Schema.optionalKey(Schema.Finite),
  /** Why it was spoiled. */
  fault: Schema.optionalKey(Schema.String)
})

/** The type of {@link Order}. */
export type Order = typeof Order.Type

/** A message of the websocket. A ping says that all that happened before `at` was said. */
export const Message = Schema.Union([
  Schema.Struct({ type: Schema.Literal("ping"), at: Schema.DateTimeUtcFromString }),
  Schema.Struct({ type: Schema.Literal("order"), at: Schema.DateTimeUtcFromString, order: Order })
])

/** The type of {@link Message}. */
export type Message = typeof Message.Type

const phases: Record<typeof State.Type, RunSnapshot.Phase> = {
  waiting: "Pending",
  printing: "Running",
  done: "Completed",
  spoiled: "Failed"
}

/** How an order is told that was as it is at the moment `observedAt`. */
export const toSnapshot = (order: Order, observedAt: DateTime.Utc): RunSnapshot.RunSnapshot => ({
  pipeline: { key: order.product },
  run: { key: order.id },
  tool: TOOL,
  observedAt,
  phase: phases[order.state],
  startedAt: order.started,
  endedAt: order.ended,
  messages: order.fault === undefined ? [] : [{ key: "fault", level: "ERROR", message: order.fault }],
  metrics: order.sheets === undefined ? [] : [{ key: "sheets", metric: "sheets", value: order.sheets }],
  tasks: order.steps.map((step) => ({
    key: step.name,
    attempt: 0,
    phase: phases[step.state],
    startedAt: step.started,
    endedAt: step.ended,
    messages: []
  }))
})
