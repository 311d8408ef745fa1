/**
 * What is on a cassette, and the text form of it: a JSON file that people read in reviews. Each body stands in it in the way
 * in which a change of it is easiest to see; keys stand in one order, headers and parameters by their names. Numbers of JSON
 * bodies keep all of their digits, because ids of tools are often larger than what JavaScript can count.
 */
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"

/** The version of the form that is written. Files of older versions are read, files of newer ones refused. */
export const FORMAT = 1

/**
 * What is wrong with a cassette, in `message`. The reason says which: there is no file, it cannot be read, it is of a newer
 * form, a secret stands in it, it cannot be written, an option or variable is wrong, requests were made that it has no answer
 * for, or recorded requests were not made.
 */
export class CassetteError extends Schema.TaggedError<CassetteError>()("CassetteError", {
  reason: Schema.Literals([
    "Missing",
    "Unreadable",
    "Newer",
    "Secret",
    "Unwritable",
    "Settings",
    "Missed",
    "Unused"
  ]),
  message: Schema.String
}) {}

const Words = Schema.Union([Schema.String, Schema.Array(Schema.String)])

/** Names with a value each, or with several in their order. */
export const Fields = Schema.Record(Schema.String, Words)
export type Fields = typeof Fields.Type

/**
 * A body: a JSON value; the fields of a form; a text, which is a list of lines where it has several; or bytes in base64, in
 * lines of 76 characters. A large number within a JSON value is the text that {@link protect} made of it.
 */
export const Body = Schema.Union([
  Schema.Struct({ json: Schema.Unknown }),
  Schema.Struct({ form: Fields }),
  Schema.Struct({ text: Words }),
  Schema.Struct({ base64: Words })
])
export type Body = typeof Body.Type

const Headers = Schema.Record(Schema.String, Schema.String)

/** A request. `url` is without its query. */
export const Request = Schema.Struct({
  method: Schema.String,
  url: Schema.String,
  query: Schema.optionalKey(Fields),
  headers: Schema.optionalKey(Headers),
  body: Schema.optionalKey(Body)
})
export type Request = typeof Request.Type

/** An answer. */
export const Answer = Schema.Struct({
  status: Schema.Int.check(Schema.isBetween({ minimum: 200, maximum: 599 })),
  headers: Schema.optionalKey(Headers),
  body: Schema.optionalKey(Body)
})
export type Answer = typeof Answer.Type

/**
 * One request and what came of it: an answer, or, in `failure`, the words of an error of the network. `at` is when it was
 * made, in milliseconds since the recording began, and `took` how long the answer took, in milliseconds.
 */
export const Interaction = Schema.Struct({
  at: Schema.Finite,
  took: Schema.Finite,
  request: Request,
  answer: Schema.optionalKey(Answer),
  failure: Schema.optionalKey(Schema.String)
})
export type Interaction = typeof Interaction.Type

const Tape = Schema.Struct({
  cassette: Schema.Literal(FORMAT),
  recordedAt: Schema.String,
  interactions: Schema.Array(Interaction)
})

/** All of a cassette. `recordedAt` is when its recording began, in milliseconds since 1970. */
export interface Tape {
  readonly recordedAt: number
  readonly interactions: ReadonlyArray<Interaction>
}

/**
 * The file's text: JSON with an indent of two, which ends with a line break. Objects and lists without others in them stand
 * in one line where they fit into 80 columns, but for objects in lists: so formatters of JSON leave nearly all as it is.
 */
export const print = (tape: Tape): string => {
  const file = {
    cassette: FORMAT,
    recordedAt: DateTime.formatIso(DateTime.makeUnsafe(tape.recordedAt)),
    interactions: tape.interactions.map(({ answer, at, failure, request, took }) => ({
      at,
      took,
      request: {
        method: request.method,
        url: request.url,
        query: sorted(request.query),
        headers: sorted(request.headers),
        body: request.body
      },
      answer:
        answer === undefined
          ? undefined
          : { status: answer.status, headers: sorted(answer.headers), body: answer.body },
      failure
    }))
  }
  return `${restore(rendered(file, "", 0, true))}\n`
}

/**
 * Reads a file's text. `where` is what the messages call the file.
 */
export const parse = Effect.fnUntraced(function* (
  text: string,
  where: string
): Effect.fn.Return<Tape, CassetteError> {
  const json = yield* Effect.try({
    try: (): unknown => JSON.parse(protect(text)),
    catch: (cause) =>
      unreadable(
        where,
        /^<{7} /m.test(text)
          ? "the marks of a merge conflict stand in it"
          : text.trim() === ""
            ? "it is empty"
            : // Engines quote the text there; what matters is the place.
              `it is not JSON (${String(cause)
                .replace(/^SyntaxError: /, "")
                .slice(0, 120)})`
      )
  })
  const version = yield* Schema.decodeUnknownEffect(Versioned)(json).pipe(
    Effect.mapError(() =>
      unreadable(where, 'it has no number "cassette", which says the version of its form')
    )
  )
  if (version.cassette > FORMAT) {
    return yield* new CassetteError({
      reason: "Newer",
      message: `The cassette ${where} has the form ${version.cassette}, and this version of @observability-agents/testing reads forms up to ${FORMAT}. Update the package, or record the cassette anew: ${AGAIN}.`
    })
  }
  const tape = yield* Schema.decodeUnknownEffect(Tape)(json).pipe(
    Effect.mapError((error) => unreadable(where, error.message.replaceAll(/\s*\n\s*/g, ", ")))
  )
  const recordedAt = DateTime.make(tape.recordedAt)
  if (Option.isNone(recordedAt)) {
    return yield* unreadable(where, '"recordedAt" is not a time such as 2026-01-05T08:00:00.000Z')
  }
  return { recordedAt: DateTime.toEpochMillis(recordedAt.value), interactions: tape.interactions }
})

/** How to record anew, for messages. */
export const AGAIN = "run the same test with CASSETTE=record"

/** A request in one line, for people: `GET https://workspace.test/api/runs?limit=25`. */
export const show = ({ method, query, url }: Request): string => {
  const params = new URLSearchParams(pairs(query).map(([name, value]): [string, string] => [name, value]))
  return `${method} ${url}${params.size === 0 ? "" : `?${params}`}`
}

/** Fields as pairs, by their names. */
export const pairs = (fields: Fields = {}): ReadonlyArray<readonly [name: string, value: string]> =>
  Object.entries(sorted(fields) ?? {}).flatMap(([name, values]) =>
    (typeof values === "string" ? [values] : values).map((value) => [name, value] as const)
  )

/** The fields that pairs make; `undefined` if there are none. */
export const fields = (entries: Iterable<readonly [string, string]>): Fields | undefined => {
  const found = new Map<string, ReadonlyArray<string>>()
  for (const [name, value] of entries) found.set(name, [...(found.get(name) ?? []), value])
  return sorted(
    Object.fromEntries(
      Array.from(found, ([name, values]) => [name, values.length === 1 ? (values[0] ?? "") : values])
    )
  )
}

/**
 * JSON text whose numbers survive `JSON.parse`: those that JavaScript would write in another way, such as ids beyond 2^53,
 * become texts that {@link restore} makes numbers again.
 */
export const protect = (json: string): string =>
  json.replaceAll(/"(?:[^"\\]|\\.)*"|-?\d[\d.eE+-]*/g, (token) =>
    token.startsWith('"') || String(Number(token)) === token ? token : `"\\u0000${token}"`
  )

/** Undoes {@link protect} in what `JSON.stringify` wrote. */
export const restore = (json: string): string => json.replaceAll(/"\\u0000(-?\d[\d.eE+-]*)"/g, "$1")

/** The digits of a number that {@link protect} has made a text; `undefined` for other texts. */
export const digitsOf = (text: string): string | undefined =>
  text.startsWith("\0") && /^-?\d[\d.eE+-]*$/.test(text.slice(1)) ? text.slice(1) : undefined

// ---- private

const COLUMNS = 80

/** `before` is how much stands before the value in its line: the indent, and its name. */
const rendered = (value: unknown, indent: string, before: number, isListed: boolean): string => {
  if (typeof value !== "object" || value === null) return JSON.stringify(value)
  const isList = Array.isArray(value)
  const entries = Object.entries(value).filter(([, one]) => one !== undefined)
  const [open, close] = isList ? ["[", "]"] : ["{", "}"]
  if (entries.length === 0) return open + close
  const named = (name: string) => (isList ? "" : `${JSON.stringify(name)}: `)
  if ((isList || !isListed) && entries.every(([, one]) => typeof one !== "object" || one === null)) {
    const all = entries.map(([name, one]) => named(name) + JSON.stringify(one)).join(", ")
    const line = isList ? `[${all}]` : `{ ${all} }`
    // One more for the comma behind it.
    if (before + restore(line).length < COLUMNS) return line
  }
  const inner = `${indent}  `
  const lines = entries.map(([name, one]) => {
    const start = inner + named(name)
    return start + rendered(one, inner, start.length, isList)
  })
  return `${open}\n${lines.join(",\n")}\n${indent}${close}`
}

const Versioned = Schema.Struct({ cassette: Schema.Finite })

const unreadable = (where: string, why: string) =>
  new CassetteError({
    reason: "Unreadable",
    message: `The cassette ${where} cannot be read: ${why}. Take it from version control again, or record it anew: ${AGAIN}.`
  })

const sorted = <A>(
  record: Readonly<Record<string, A>> | undefined
): Readonly<Record<string, A>> | undefined => {
  const entries = Object.entries(record ?? {})
  if (entries.length === 0) return undefined
  return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)))
}
