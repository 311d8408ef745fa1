/**
 * What the blocking client and its thread say to each other: texts and plain data only, since other values lose their
 * prototypes on the way between threads, or cannot go it at all.
 */
import type * as Event from "./Event.ts"
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

/** What is to be done there. Bodies are JSON as it is sent, made and checked in the calling thread. */
export type Request =
  | { readonly _tag: "Open" }
  | { readonly _tag: "Post"; readonly path: ReturnType<typeof Event.path>; readonly body: string }
  | { readonly _tag: "Heartbeat"; readonly body: string }
  | { readonly _tag: "Ready" }

/** How it went, and where it was sent (without secrets). `error` is an ObservabilityError or a SettingsError as JSON, or the text of anything else. */
export type Answer =
  | { readonly _tag: "Done"; readonly baseUrl: string }
  | { readonly _tag: "Failed"; readonly known: boolean; readonly error: unknown }

/** The work of the thread. */
export type Perform = (target: Target, request: Request) => Promise<Answer>

/** Turns a failure of the thread into what it answers. */
export const toAnswer = (error: unknown): Answer =>
  isKnown(error)
    ? { _tag: "Failed", known: true, error: encode(error) }
    : { _tag: "Failed", known: false, error: error instanceof Error ? error.message : String(error) }

/** Turns an answer back into the error that the caller gets. */
export const toError = (answer: Extract<Answer, { _tag: "Failed" }>): Error =>
  answer.known ? decode(answer.error) : new Error(String(answer.error))

const Known = Schema.Union([ObservabilityError, SettingsError])
const isKnown = Schema.is(Known)
const encode = Schema.encodeSync(Schema.toCodecJson(Known))
const decode = Schema.decodeUnknownSync(Schema.toCodecJson(Known))
