/**
 * Makes events storable: repairs what the server would refuse or could not store. An event that can be sent as it is
 * comes back as it is, therefore fitting twice is fitting once.
 */
import * as DateTime from "effect/DateTime"
import * as Result from "effect/Result"
import type * as Event from "./Event.ts"
import * as Codec from "./EventCodec.ts"
import * as Shorten from "./EventShorten.ts"
import * as Shrink from "./EventShrink.ts"
import * as Value from "./EventValue.ts"

/** The event as the server can store it. Never throws; an event with an empty key cannot be helped. */
export const fit = (event: Event.Event): Event.Event => {
  if (Shrink.isStorable(event)) return event
  const repaired = withStorableIntegrations(repair(event))
  return Result.isSuccess(Codec.bodyOf(repaired)) ? Shrink.shrink(repaired) : repaired
}

/** Test results in as many events as the limits of items and bytes ask for; any other event alone. */
export const split = (event: Event.Event): ReadonlyArray<Event.Event> => {
  if (event._tag !== "TestOutcomes" || event.outcomes.length < 2 || Shrink.isStorable(event)) return [event]
  // Fewer items help against nothing but the two limits.
  if (event.outcomes.length <= Value.MAX_TEST_OUTCOMES && Result.isFailure(Codec.bodyOf(event)))
    return [event]
  const half = Math.ceil(event.outcomes.length / 2)
  return [event.outcomes.slice(0, half), event.outcomes.slice(half)].flatMap((outcomes) =>
    split({ ...event, outcomes })
  )
}

const repair = (event: Event.Event): Event.Event => {
  const shared = common(event)
  switch (event._tag) {
    case "RunStatus": {
      const metadata = withExpectedStart(shared.metadata)
      return Codec.present({
        _tag: event._tag,
        status: event.status,
        ...shared,
        metadata,
        ...pipeline(event)
      })
    }
    case "MessageLog":
      return withComponent(event, {
        _tag: event._tag,
        level: event.level,
        message: Shorten.text(event.message, Value.MAX_BODY_BYTES) ?? "(no message)",
        details: Shorten.text(event.details, Value.MAX_BODY_BYTES),
        ...shared
      })
    case "MetricLog":
      // A metric without a number is still worth a warning.
      return Value.isDecimal(event.metricValue)
        ? withComponent(event, {
            _tag: event._tag,
            metricKey: event.metricKey.toWellFormed(),
            metricValue: event.metricValue,
            ...shared
          })
        : withComponent(event, {
            _tag: "MessageLog" as const,
            level: "WARNING" as const,
            message: `The value of metric ${named(event.metricKey)} is no number: ${named(String(event.metricValue))}`,
            ...shared
          })
    case "DatasetOperation":
      return Codec.present({
        _tag: event._tag,
        operation: event.operation,
        path: Shorten.text(event.path, Value.MAX_PATH),
        ...shared,
        ...dataset(event)
      })
    case "TestOutcomes": {
      const { componentIntegrations } = event
      const outcomes = event.outcomes.map(outcome)
      const all = withComponent(event, { _tag: event._tag, outcomes, componentIntegrations, ...shared })
      return Shrink.firstOutcomes(all, Value.MAX_TEST_OUTCOMES)
    }
  }
}

const named = (text: string): string => JSON.stringify(Shorten.cut(text.toWellFormed(), Value.MAX_NAME))

const common = (event: Event.Common) => {
  const url = event.externalUrl?.toWellFormed()
  const isUrl = url === undefined || Value.isExternalUrl(url)
  const isTime = event.timestamp === undefined || Value.isStorableInstant(event.timestamp)
  const moved = Codec.present({
    external_url: isUrl ? undefined : Shorten.text(url, Value.MAX_PATH),
    event_timestamp: isTime ? undefined : timeText(event.timestamp)
  })
  const metadata = Shorten.metadata(event.metadata)
  return {
    timestamp: isTime ? event.timestamp : undefined,
    componentTool: Shorten.tool(event.componentTool),
    externalUrl: isUrl ? url : undefined,
    metadata: Object.keys(moved).length === 0 ? metadata : { ...moved, ...metadata },
    payloadKeys: event.payloadKeys
      ?.filter((key) => key !== "")
      .map((key) => Shorten.distinct(key, Value.MAX_NAME))
  }
}

const timeText = (time: DateTime.Utc | undefined): string | undefined => time && DateTime.formatIso(time)

const pipeline = (event: Event.PipelineComponent) => ({
  pipelineKey: Shorten.key(event.pipelineKey),
  pipelineName: Shorten.text(event.pipelineName, Value.MAX_NAME),
  runKey: Shorten.key(event.runKey),
  runName: Shorten.text(event.runName, Value.MAX_RUN_NAME),
  taskKey: event.taskKey === undefined || event.taskKey === "" ? undefined : Shorten.key(event.taskKey),
  taskName: Shorten.text(event.taskName, Value.MAX_NAME)
})
const dataset = (event: Event.DatasetComponent) => ({
  datasetKey: Shorten.key(event.datasetKey),
  datasetName: Shorten.text(event.datasetName, Value.MAX_NAME)
})
const server = (event: Event.ServerComponent) => ({
  serverKey: Shorten.key(event.serverKey),
  serverName: Shorten.text(event.serverName, Value.MAX_NAME)
})
const stream = (event: Event.StreamComponent) => ({
  streamKey: Shorten.key(event.streamKey),
  streamName: Shorten.text(event.streamName, Value.MAX_NAME)
})

const withComponent = <A extends object>(event: Event.Component, fields: A) => {
  if (event.pipelineKey !== undefined) return Codec.present({ ...fields, ...pipeline(event) })
  if (event.datasetKey !== undefined) return Codec.present({ ...fields, ...dataset(event) })
  if (event.serverKey !== undefined) return Codec.present({ ...fields, ...server(event) })
  return Codec.present({ ...fields, ...stream(event) })
}

/** The server reads the expected start only from a number with a fraction: the smallest one that JSON keeps. */
const withExpectedStart = (metadata: Event.Metadata | undefined): Event.Metadata | undefined => {
  const start = metadata?.["expected_start_time"]
  if (typeof start !== "number" || !Number.isInteger(start)) return metadata
  const nudged = start === 0 ? Number.MIN_VALUE : start * (1 + Number.EPSILON)
  return { ...metadata, expected_start_time: Number.isInteger(nudged) ? String(start) : nudged }
}

const outcome = (item: Event.TestOutcome): Event.TestOutcome => {
  const moved = Codec.present({
    start_time: unstorableTime(item.startTime),
    end_time: unstorableTime(item.endTime),
    metric_value: noNumber(item.metricValue),
    min_threshold: noNumber(item.minThreshold),
    max_threshold: noNumber(item.maxThreshold)
  })
  const metadata = Shorten.metadata(item.metadata)
  const dimensions = item.dimensions?.flatMap(
    (dimension) => Shorten.text(dimension, Value.MAX_BODY_BYTES) ?? []
  )
  return Codec.present({
    name: Shorten.text(item.name, Value.MAX_NAME) ?? "(no name)",
    status: item.status,
    description: Shorten.text(item.description, Value.MAX_NAME),
    startTime: moved.start_time === undefined ? item.startTime : undefined,
    endTime: moved.end_time === undefined ? item.endTime : undefined,
    metricValue: number(item.metricValue),
    minThreshold: number(item.minThreshold),
    maxThreshold: number(item.maxThreshold),
    metricName: Shorten.text(item.metricName, Value.MAX_SHORT_NAME),
    metricDescription: Shorten.text(item.metricDescription, Value.MAX_NAME),
    dimensions: dimensions?.length === 0 ? undefined : dimensions,
    result: item.result ? Shorten.cutBytes(item.result.toWellFormed(), Value.MAX_RESULT_BYTES) : undefined,
    type: Shorten.text(item.type, Value.MAX_SHORT_NAME),
    key: item.key ? Shorten.distinct(item.key, Value.MAX_NAME) : undefined,
    metadata: Object.keys(moved).length === 0 ? metadata : { ...moved, ...metadata },
    integrations: item.integrations
  })
}

const unstorableTime = (time: DateTime.Utc | undefined): string | undefined =>
  time === undefined || Value.isStorableInstant(time) ? undefined : timeText(time)

const number = (value: number | string | undefined): number | string | undefined =>
  value === undefined ? undefined : Value.storableDecimal(value)

/** What to keep of a value that should have been a number. */
const noNumber = (value: number | string | undefined): string | undefined =>
  value === undefined || Value.isDecimal(value) ? undefined : Shorten.text(String(value), Value.MAX_NAME)

const withStorableIntegrations = (event: Event.Event): Event.Event =>
  event._tag === "TestOutcomes" && Result.isFailure(Codec.bodyOf(event))
    ? Shrink.withoutIntegrations(event)
    : event
