/**
 * The JSON body of an event, made without asking whether the server would take it: for stores, which keep what breaks a
 * rule as well, and write thousands of events at once. What goes to the server is always made by `Event.encode`.
 */
import * as DateTime from "effect/DateTime"
import type * as Event from "./Event.ts"
import * as Value from "./EventValue.ts"

/**
 * The same body as the event's Schema makes with its checks turned off. Undefined for what has not the shape of an event,
 * and for test outcomes, whose bodies are deep: then the Schema has to be asked. Throws what `JSON.stringify` throws.
 */
export const body = (event: Event.Event): string | undefined => {
  const fields: Record<string, unknown> = {}
  if (!own(event, fields)) return undefined
  for (const [name, field] of TEXTS) {
    const value = event[name]
    if (value === undefined || value === null) continue
    if (typeof value !== "string") return undefined
    fields[field] = value
  }
  const { componentTool, metadata, payloadKeys, timestamp } = event
  if (isThere(componentTool)) {
    if (typeof componentTool !== "string") return undefined
    fields["component_tool"] = Value.componentToolOf(componentTool)
  }
  if (isThere(timestamp)) {
    if (!DateTime.isDateTime(timestamp) || !DateTime.isUtc(timestamp)) return undefined
    fields["event_timestamp"] = DateTime.formatIso(timestamp)
  }
  if (isThere(metadata)) {
    if (typeof metadata !== "object" || Array.isArray(metadata)) return undefined
    fields["metadata"] = metadata
  }
  if (isThere(payloadKeys)) {
    if (!Array.isArray(payloadKeys) || !payloadKeys.every((key) => typeof key === "string")) return undefined
    fields["payload_keys"] = payloadKeys
  }
  return JSON.stringify(fields)
}

const isThere = <A>(value: A): value is NonNullable<A> => value !== undefined && value !== null

const TEXTS = [
  ["pipelineKey", "pipeline_key"],
  ["pipelineName", "pipeline_name"],
  ["runKey", "run_key"],
  ["runName", "run_name"],
  ["taskKey", "task_key"],
  ["taskName", "task_name"],
  ["datasetKey", "dataset_key"],
  ["datasetName", "dataset_name"],
  ["serverKey", "server_key"],
  ["serverName", "server_name"],
  ["streamKey", "stream_key"],
  ["streamName", "stream_name"],
  ["externalUrl", "external_url"]
] as const

const STATES: ReadonlySet<unknown> = new Set(["RUNNING", "COMPLETED", "COMPLETED_WITH_WARNINGS", "FAILED"])
const LEVELS: ReadonlySet<unknown> = new Set(["ERROR", "WARNING", "INFO"])
const OPERATIONS: ReadonlySet<unknown> = new Set(["READ", "WRITE"])

/** Writes the fields of the event's type; says whether they have their shape. */
const own = (event: Event.Event, fields: Record<string, unknown>): boolean => {
  switch (event._tag) {
    case "RunStatus":
      fields["status"] = event.status
      return STATES.has(event.status)
    case "MessageLog":
      fields["log_level"] = event.level
      fields["message"] = event.message
      if (isThere(event.details)) fields["message_details"] = event.details
      return (
        LEVELS.has(event.level) &&
        typeof event.message === "string" &&
        (!isThere(event.details) || typeof event.details === "string")
      )
    case "MetricLog":
      fields["metric_key"] = event.metricKey
      fields["metric_value"] = event.metricValue
      return (
        typeof event.metricKey === "string" &&
        (typeof event.metricValue === "number" || typeof event.metricValue === "string")
      )
    case "DatasetOperation":
      fields["operation"] = event.operation
      if (isThere(event.path)) fields["path"] = event.path
      return OPERATIONS.has(event.operation) && (!isThere(event.path) || typeof event.path === "string")
    default:
      return false
  }
}
