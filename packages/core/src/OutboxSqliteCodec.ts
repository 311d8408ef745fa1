/**
 * How events, runs and names are written into the tables. Events are kept as the JSON bodies that go to the server.
 * Whether the server would take them is not asked here: what breaks a rule is kept too, so that the sender can bury it
 * with the reason, and a commit never fails because of one event.
 */
import * as Result from "effect/Result"
import type * as Schema from "effect/Schema"
import * as SchemaParser from "effect/SchemaParser"
import * as Event from "@observability-agents/toolkit/Event"
import * as EventUnchecked from "@observability-agents/toolkit/EventUnchecked"
import { TrackedRun } from "./TrackedRun.ts"

const UNCHECKED = { disableChecks: true } as const

interface Way {
  readonly encode: (event: unknown) => Result.Result<unknown, unknown>
  readonly decode: (body: unknown) => Result.Result<Event.Event, unknown>
}
const way = <A extends Event.Event, I>(schema: Schema.Codec<A, I>): Way => ({
  encode: SchemaParser.encodeUnknownResult(schema, UNCHECKED),
  decode: SchemaParser.decodeUnknownResult(schema, UNCHECKED)
})

/** By the path of the endpoint. */
const ways: ReadonlyMap<string, Way> = new Map([
  ["run-status", way(Event.RunStatus)],
  ["message-log", way(Event.MessageLog)],
  ["metric-log", way(Event.MetricLog)],
  ["dataset-operation", way(Event.DatasetOperation)],
  ["test-outcomes", way(Event.TestOutcomes)]
])

const encodeTracked = SchemaParser.encodeUnknownResult(TrackedRun, UNCHECKED)
const decodeTracked = SchemaParser.decodeUnknownResult(TrackedRun)

/** The JSON body of an event, or why it has not even the shape of one. */
export const encodeEvent = (path: string, event: Event.Event): Result.Result<string, string> => {
  try {
    const quick = EventUnchecked.body(event)
    if (quick !== undefined) return Result.succeed(quick)
    const encoded = ways.get(path)?.encode(event) ?? unknownType(path)
    return Result.isSuccess(encoded)
      ? Result.succeed(JSON.stringify(encoded.success))
      : Result.fail(String(encoded.failure))
  } catch (cause) {
    // An object that contains itself.
    return Result.fail(String(cause))
  }
}

/** The event in a body of that endpoint, or why there is none. */
export const decodeEvent = (path: string, body: string): Result.Result<Event.Event, string> =>
  parsed(body, ways.get(path)?.decode ?? (() => unknownType(path)))

const unknownType = (path: string) => Result.fail(`there is no event type ${path}`)

/** A tracked run as JSON. */
export const encodeRun = (run: TrackedRun): string => JSON.stringify(Result.getOrThrow(encodeTracked(run)))

/** The tracked run in its JSON, or why there is none. */
export const decodeRun = (body: string): Result.Result<TrackedRun, string> => parsed(body, decodeTracked)

const parsed = <A>(
  body: string,
  decode: (value: unknown) => Result.Result<A, unknown>
): Result.Result<A, string> => {
  let value: unknown
  try {
    value = JSON.parse(body)
  } catch (cause) {
    return Result.fail(String(cause))
  }
  return Result.mapError(decode(value), String)
}

// SQLite keeps UTF-8, in which half a surrogate pair does not exist: two names that differ in one would become the same.
const MARK = "\u0001"

/** A name as it is stored: itself, or an escaped form for the rare one that UTF-8 cannot hold. */
export const encodeName = (name: string): string =>
  name.isWellFormed() && !name.startsWith(MARK) ? name : MARK + JSON.stringify(name)

/** The name that was stored. */
export const decodeName = (stored: string): string => {
  if (!stored.startsWith(MARK)) return stored
  const name: unknown = JSON.parse(stored.slice(MARK.length))
  return String(name)
}
