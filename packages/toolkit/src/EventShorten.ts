/**
 * Single values as the server can store them: texts cut to a length, keys that stay different from one another when
 * cut, JSON without what JSON or the database cannot hold.
 */
import type * as Schema from "effect/Schema"
import * as Value from "./EventValue.ts"

const ELLIPSIS = "…"

/** The first characters of a text, at most `max` with the ellipsis that says that there was more. */
export const cut = (text: string, max: number): string => {
  if (Value.isWithin(text, max)) return text
  let end = 0
  for (let count = 0; count < max - 1; count++) end += (text.codePointAt(end) ?? 0) > 0xffff ? 2 : 1
  return text.slice(0, end) + ELLIPSIS
}

/** The beginning of a text, at most `max` bytes of UTF-8 with the ellipsis. */
export const cutBytes = (text: string, max: number): string =>
  Value.isWithinBytes(text, max)
    ? text
    : text.slice(0, new TextEncoder().encodeInto(text, new Uint8Array(max - 3)).read) + ELLIPSIS

/** A text of whole characters, at most `max`. Undefined for what is absent or empty, or has no room. */
export const text = (value: string | undefined, max: number): string | undefined =>
  value === undefined || value === "" || max < 1 ? undefined : cut(value.toWellFormed(), max)

/** A text that may have to be told apart from others by its end: what is cut off is replaced by its hash. */
export const distinct = (value: string, max: number): string => {
  const whole = value.toWellFormed()
  return Value.isWithin(whole, max) ? whole : cut(whole, max - HASH_LENGTH) + hash(whole)
}

const HASH_LENGTH = 8

/** FNV-1a over the UTF-16 units. Enough to tell the few keys apart that agree in their first 246 characters. */
const hash = (text: string): string => {
  let state = 0x811c9dc5
  for (let index = 0; index < text.length; index++)
    state = Math.imul(state ^ text.charCodeAt(index), 0x01000193)
  return (state >>> 0).toString(16).padStart(HASH_LENGTH, "0")
}

/** A key of a component, run or task. Characters that the look-up cannot store are spelled out. */
export const key = (value: string): string =>
  distinct(
    value
      .toWellFormed()
      .replace(
        /[\u{10000}-\u{10ffff}]/gu,
        (character) => `U+${(character.codePointAt(0) ?? 0).toString(16).toUpperCase()}`
      ),
    Value.MAX_NAME
  )

/** A tool's name with `_` for what the server does not take in it. Undefined when nothing is left. */
export const tool = (value: string | undefined): string | undefined => {
  if (value === undefined) return undefined
  const name = Value.componentToolOf(value).replace(/[^\p{L}\p{N}]+/gu, (run) =>
    /[^_]/.test(run) ? "_" : run
  )
  const within = Value.isWithin(name, Value.MAX_NAME)
    ? name
    : Array.from(name).slice(0, Value.MAX_NAME).join("")
  return within.replace(/^_+|_+$/g, "") || undefined
}

/** An object as storable metadata: see `json`. Undefined for what is absent. */
export const metadata = (value: Schema.JsonObject | undefined): Schema.JsonObject | undefined => {
  if (value === undefined) return undefined
  const object = json(value, 0, [])
  return isObject(object) ? object : undefined
}

const isObject = (value: Schema.Json | undefined): value is Schema.JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value)

/**
 * A value of any kind as storable JSON: texts of whole characters, texts for numbers that are not finite, the JSON text
 * of what lies too deep. Undefined for what has no JSON form.
 */
const json = (value: unknown, depth: number, above: ReadonlyArray<object>): Schema.Json | undefined => {
  switch (typeof value) {
    case "string":
      return cut(value.toWellFormed(), Value.MAX_BODY_BYTES)
    case "number":
      return Number.isFinite(value) ? value : String(value)
    case "boolean":
      return value
    case "bigint":
      return String(value)
    case "object":
      if (value === null) return null
      if (above.includes(value)) return "(contains itself)"
      if ("toJSON" in value && typeof value.toJSON === "function")
        return json(plain(value), depth, [...above, value])
      if (depth >= Value.MAX_METADATA_DEPTH) return cut(jsonText(value), Value.MAX_BODY_BYTES)
      return Array.isArray(value)
        ? value.slice(0, MAX_ENTRIES).map((item) => json(item, depth + 1, [...above, value]) ?? null)
        : Object.fromEntries(
            Object.entries(value)
              .slice(0, MAX_ENTRIES)
              .flatMap(([key, item]) => {
                const storable = json(item, depth + 1, [...above, value])
                return storable === undefined ? [] : [[key.toWellFormed(), storable] as const]
              })
          )
    default:
      return undefined
  }
}

/** More entries than a body has room for, so that shortening starts from a bounded size. */
const MAX_ENTRIES = Value.MAX_BODY_BYTES / 2

const jsonText = (value: object): string => {
  try {
    return JSON.stringify(value)
  } catch {
    // Too deep for the stack, or it contains itself.
    return "(not JSON)"
  }
}

/** What an object that knows its JSON form (a date, an address) says it is. */
const plain = (value: object): unknown => {
  try {
    return JSON.parse(JSON.stringify(value))
  } catch {
    return "(not JSON)"
  }
}

/** JSON in which no text has more than `limit` characters and no list or object more than `limit` entries. */
export const within = (value: Schema.Json, limit: number): Schema.Json => {
  if (typeof value === "string") return limit < 1 ? "" : cut(value, limit)
  if (Array.isArray(value)) return value.slice(0, limit).map((item) => within(item, limit))
  if (!isObject(value)) return value
  return Object.fromEntries(
    Object.entries(value)
      .slice(0, limit)
      .map(([key, item]) => [cut(key, Math.max(limit, 1)), within(item, limit)])
  )
}
