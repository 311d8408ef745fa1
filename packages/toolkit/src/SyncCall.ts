/**
 * What the blocking client and its thread say to each other: plain data only, since class instances lose their
 * prototypes on the way between threads.
 */
import * as DateTime from "effect/DateTime"
import * as Schema from "effect/Schema"
import { ObservabilityError } from "./ObservabilityError.ts"
import { SettingsError } from "./SettingsProblem.ts"

/** The server that a call is for: as given, or as the settings name it. */
export type Target =
  | {
      readonly _tag: "Options"
      readonly baseUrl: string
      readonly key: string
      readonly readTimeout?: number
      readonly retries?: number
    }
  | { readonly _tag: "Settings"; readonly file?: string }

/** What is to be done there. */
export type Request =
  | { readonly _tag: "Open" }
  | { readonly _tag: "Post"; readonly event: unknown }
  | { readonly _tag: "Heartbeat"; readonly beat: unknown }
  | { readonly _tag: "Ready" }

/** How it went. `error` is an ObservabilityError or a SettingsError as JSON, or the text of anything else. */
export type Answer =
  | { readonly _tag: "Done" }
  | { readonly _tag: "Failed"; readonly known: boolean; readonly error: unknown }

/** The work of the thread. */
export type Perform = (target: Target, request: Request) => Promise<Answer>

/** Makes plain data of what holds times. Times become `{ "~time": milliseconds }`. */
export const flatten = (value: unknown): unknown => {
  if (DateTime.isDateTime(value)) return { [TIME]: DateTime.toEpochMillis(value) }
  if (Array.isArray(value)) return value.map(flatten)
  if (typeof value !== "object" || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, flatten(item)]))
}

/** The reverse of {@link flatten}. */
export const restore = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(restore)
  if (typeof value !== "object" || value === null) return value
  const entries = Object.entries(value)
  const [first] = entries
  if (first !== undefined && entries.length === 1 && first[0] === TIME && typeof first[1] === "number") {
    return DateTime.makeUnsafe(first[1])
  }
  return Object.fromEntries(entries.map(([key, item]) => [key, restore(item)]))
}

/** Turns a failure of the thread into what it answers. */
export const toAnswer = (error: unknown): Answer =>
  isKnown(error)
    ? { _tag: "Failed", known: true, error: encode(error) }
    : { _tag: "Failed", known: false, error: error instanceof Error ? error.message : String(error) }

/** Turns an answer back into the error that the caller gets. */
export const toError = (answer: Extract<Answer, { _tag: "Failed" }>): Error =>
  answer.known ? decode(answer.error) : new Error(String(answer.error))

const TIME = "~time"

const Known = Schema.Union([ObservabilityError, SettingsError])
const isKnown = Schema.is(Known)
const encode = Schema.encodeSync(Schema.toCodecJson(Known))
const decode = Schema.decodeUnknownSync(Schema.toCodecJson(Known))
