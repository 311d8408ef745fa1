/**
 * Shortens an event until its body is within the server's size: what matters least loses length first, and each part
 * keeps as much as there is room for.
 */
import * as Result from "effect/Result"
import type * as Event from "./Event.ts"
import * as Codec from "./EventCodec.ts"
import * as Shorten from "./EventShorten.ts"
import * as Value from "./EventValue.ts"

/** Whether an event can be sent as it is. */
export const isStorable = (event: Event.Event): boolean => {
  const body = Codec.bodyOf(event)
  return Result.isSuccess(body) && Value.isWithinBytes(body.success, Value.MAX_BODY_BYTES)
}

/** A way to shorten one part of an event to a limit; the smaller the limit, the smaller the body. */
type Step = (event: Event.Event, limit: number) => Event.Event

/** Shortens an event that breaks no rule but that of size. */
export const shrink = (event: Event.Event): Event.Event => {
  let shortened = event
  for (const [step, floor] of steps) {
    if (isStorable(shortened)) return shortened
    if (isStorable(step(shortened, floor))) return largest(step, shortened, floor)
    shortened = step(shortened, floor)
  }
  return shortened
}

/** The event shortened by the largest limit that suffices, given one that does. */
const largest = (step: Step, event: Event.Event, floor: number): Event.Event => {
  let enough = floor
  let best = step(event, floor)
  let tooMuch = Value.MAX_BODY_BYTES
  while (tooMuch - enough > 1) {
    const limit = Math.floor((enough + tooMuch) / 2)
    const candidate = step(event, limit)
    if (isStorable(candidate)) {
      enough = limit
      best = candidate
    } else {
      tooMuch = limit
    }
  }
  return best
}

const metadata: Step = (event, limit) => ({
  ...event,
  metadata: shortMetadata(event.metadata, limit),
  ...ofOutcomes(event, (outcome) => ({ ...outcome, metadata: shortMetadata(outcome.metadata, limit) }))
})

const shortMetadata = (value: Event.Metadata | undefined, limit: number): Event.Metadata | undefined => {
  if (value === undefined) return undefined
  const entries = Object.entries(value)
    // The count of what was left out survives everything else.
    .filter(([key], index) => index < limit || key === OMITTED)
    .map(
      ([key, item]) =>
        [Shorten.cut(key, Math.max(limit, OMITTED.length)), Shorten.within(item, limit)] as const
    )
  return entries.length === 0 ? undefined : Object.fromEntries(entries)
}

const details: Step = (event, limit) => {
  if (event._tag === "MessageLog") return { ...event, details: Shorten.text(event.details, limit) }
  return {
    ...event,
    ...ofOutcomes(event, (outcome) => ({
      ...outcome,
      result: Shorten.text(outcome.result, limit),
      dimensions:
        limit < 1
          ? undefined
          : outcome.dimensions?.slice(0, limit).map((dimension) => Shorten.cut(dimension, limit))
    }))
  }
}

const payloadKeys: Step = (event, limit) => ({ ...event, payloadKeys: event.payloadKeys?.slice(0, limit) })

const message: Step = (event, limit) =>
  event._tag === "MessageLog" ? { ...event, message: Shorten.cut(event.message, limit) } : event

const metric: Step = (event, limit) =>
  event._tag === "MetricLog"
    ? {
        ...event,
        metricKey: Shorten.distinct(event.metricKey, limit),
        metricValue: Value.shortDecimal(event.metricValue) ?? event.metricValue
      }
    : event

const externalUrl: Step = (event) => ({ ...event, externalUrl: undefined })

/** Without what TestGen adds: it goes with all outcomes or none. */
export const withoutIntegrations = (event: Event.TestOutcomes): Event.TestOutcomes => ({
  ...event,
  componentIntegrations: undefined,
  outcomes: event.outcomes.map((outcome) => ({ ...outcome, integrations: undefined }))
})

const integrations: Step = (event) => (event._tag === "TestOutcomes" ? withoutIntegrations(event) : event)

const OMITTED = "omitted_test_outcomes"

/** The first outcomes, and in the metadata how many were left out. */
export const firstOutcomes = (event: Event.TestOutcomes, limit: number): Event.TestOutcomes => {
  const omitted = event.outcomes.length - limit
  if (omitted <= 0) return event
  const before = event.metadata?.[OMITTED]
  return {
    ...event,
    outcomes: event.outcomes.slice(0, limit),
    metadata: { ...event.metadata, [OMITTED]: omitted + (typeof before === "number" ? before : 0) }
  }
}

const outcomes: Step = (event, limit) => (event._tag === "TestOutcomes" ? firstOutcomes(event, limit) : event)

const ofOutcomes = (event: Event.Event, change: (outcome: Event.TestOutcome) => Event.TestOutcome) =>
  event._tag === "TestOutcomes" ? { outcomes: event.outcomes.map(change) } : {}

/**
 * In this order, each down to its floor. A part comes twice where losing some of it costs less than losing all of the
 * next part. What is left at the end is bounded by the rules of the single fields.
 */
const steps: ReadonlyArray<readonly [step: Step, floor: number]> = [
  [metadata, 64],
  [details, 2048],
  [payloadKeys, 100],
  [message, 8192],
  [details, 64],
  [metadata, 0],
  [details, 0],
  [payloadKeys, 0],
  [message, 1024],
  [metric, Value.MAX_NAME],
  [externalUrl, 0],
  [integrations, 0],
  [outcomes, 1]
]
