/**
 * What a server said went wrong, made readable whatever it was wrapped in: the ingestion API's JSON
 * (`{ error, details }`, where a 400 carries a Python dictionary printed as text), Werkzeug's, gunicorn's and nginx's
 * HTML pages, other JSON, plain text, or nothing at all. Never fails, and never gives an empty text.
 */
import { identity } from "effect/Function"
import * as Result from "effect/Result"
import * as PythonText from "./PythonText.ts"

/** What an answer said. */
export interface ServerWords {
  /** One line for people, at most {@link MAX_LENGTH} characters. */
  readonly words: string
  /** The number under which the server logged the error, if it told one (`error_id`). */
  readonly errorId?: string
  /** Whether the answer came from the application itself (its JSON), not from something before it. */
  readonly fromApplication: boolean
}

/** Longer words are cut to this many characters, with an ellipsis. */
export const MAX_LENGTH = 1000

/**
 * Reads the body of an answer. `body` may be anything; only its beginning is looked at. `hide` masks secrets: it is put on the whole
 * body, and on the words once more before they are cut, since reading JSON or HTML may bring out what was written in another way.
 */
export const fromBody = (body: string, hide: (text: string) => string = identity): ServerWords => {
  const text = hide(body).slice(0, 100_000).trim()
  const line = (words: string) => inLine(words, hide)
  if (text === "") return { words: "the answer was empty.", fromApplication: false }
  if (text.startsWith("{") || text.startsWith("[") || text.startsWith('"')) {
    const json = Result.try((): unknown => JSON.parse(text))
    if (Result.isSuccess(json)) return fromJson(json.success, text, line)
  }
  if (isHtml(text)) return { words: line(fromHtml(text.slice(0, 20_000))), fromApplication: false }
  return { words: line(text), fromApplication: false }
}

/** Whether a body is a web page rather than an answer of an API. */
export const isHtml = (body: string): boolean => {
  // Comments are skipped one by one: a single expression for all would try every way to tell them apart.
  let rest = body.trimStart()
  while (rest.startsWith("<!--")) {
    const end = rest.indexOf("-->", 4)
    if (end < 0) return false
    rest = rest.slice(end + 3).trimStart()
  }
  return /^<(!doctype|html|head|body|title|h1|center)\b/i.test(rest.slice(0, 20))
}

/** Puts any text on one line of at most {@link MAX_LENGTH} characters, without control characters. */
export const line = (text: string): string => inLine(text, identity)

const inLine = (text: string, hide: (text: string) => string): string => {
  const flat = hide(
    hide(text)
      .replace(/[\s\p{Cc}]+/gu, " ")
      .trim()
  )
  if (flat.length <= MAX_LENGTH) return flat === "" ? "the answer was empty." : flat
  // A cut in the middle of a surrogate pair would leave half a character.
  return `${flat.slice(0, MAX_LENGTH - 1).toWellFormed()}…`
}

const fromJson = (json: unknown, text: string, line: (words: string) => string): ServerWords => {
  const error = property(json, "error")
  const details = property(json, "details")
  const fromApplication = error !== undefined && details !== undefined
  const words =
    [sentence(error), sentence(details) ?? sentence(property(details, "message"))]
      .filter((part) => part !== undefined)
      .join(" — ") ||
    (sentence(property(json, "message")) ??
      sentence(property(json, "detail")) ??
      (/\w/.test(text) ? text : "the answer said nothing."))
  const errorId = property(json, "error_id")
  return {
    words: line(readable(words)),
    ...(typeof errorId === "string" && errorId !== "" ? { errorId: line(errorId) } : {}),
    fromApplication
  }
}

const property = (value: unknown, key: string): unknown =>
  typeof value === "object" && value !== null && Object.hasOwn(value, key)
    ? Object.entries(value).find(([name]) => name === key)?.[1]
    : undefined

const sentence = (value: unknown): string | undefined =>
  typeof value === "string" && value.trim() !== "" ? value.trim() : undefined

// The server prints its validation errors as Python shows a dictionary: "Invalid request: {'status': ['Must be …']}".
const readable = (words: string): string => {
  const start = words.indexOf("{")
  if (start < 0) return words
  const value = PythonText.parse(words.slice(start))
  if (value === undefined) return words
  const parts = PythonText.flatten(value)
  return parts.length === 0
    ? words
    : `${words.slice(0, start)}${parts.map((part) => part.replace(/\.$/, "")).join("; ")}`
}

const fromHtml = (html: string): string => {
  const title = textOf(html.match(/<title[^>]*>([\s\S]*?)<\/title>/i)?.[1])
  const heading = textOf(html.match(/<h1[^>]*>([\s\S]*?)<\/h1>/i)?.[1])
  const paragraph = textOf(
    html.replace(/<h1[^>]*>[\s\S]*?<\/h1>/i, "").match(/<p[^>]*>([\s\S]*?)(?:<\/p>|<p|<\/body|$)/i)?.[1]
  )
  const parts: Array<string> = []
  for (const part of [title || heading, paragraph]) {
    if (part !== "" && !parts.includes(part)) parts.push(part)
  }
  return parts.length > 0 ? parts.join(": ") : textOf(html) || "a web page without text."
}

const textOf = (html: string | undefined): string =>
  (html ?? "")
    .replace(/<(script|style)[\s\S]*?<\/\1>/gi, " ")
    .replace(/<[^>]*>/g, " ")
    .replace(/&(#\d+|#x[0-9a-f]+|[a-z]+);/gi, (entity, name: string) => character(name) ?? entity)
    .replace(/\s+/g, " ")
    .trim()

const entities: Readonly<Record<string, string>> = {
  amp: "&",
  lt: "<",
  gt: ">",
  quot: '"',
  apos: "'",
  nbsp: " "
}

const character = (name: string): string | undefined => {
  if (!name.startsWith("#")) return entities[name.toLowerCase()]
  const code = /^#x/i.test(name) ? Number.parseInt(name.slice(2), 16) : Number.parseInt(name.slice(1), 10)
  return code > 0 && code <= 0x10_ff_ff ? String.fromCodePoint(code).toWellFormed() : undefined
}
