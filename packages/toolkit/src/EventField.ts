/**
 * The fields of an event's JSON body, each a Schema that knows its rule in words: both what the server answers with 400
 * and what it accepts (204) and then cuts, changes or cannot store. Rules read on after "must be".
 */
import * as DateTime from "effect/DateTime"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as SchemaGetter from "effect/SchemaGetter"
import * as Value from "./EventValue.ts"

/** A JSON object whose content the server does not interpret. */
export type Metadata = { readonly [key: string]: Schema.Json }

/** Of every text: the server accepts a lone half of a surrogate pair and then cannot store it. */
const WELL_FORMED = "text without unpaired surrogates"
/** Of every key that components, runs and tasks are looked up by. */
const BASIC_PLANE = "without characters outside the Basic Multilingual Plane (emoji and the like)"

type Rule<A> = readonly [holds: (value: A) => boolean, words: string]

/** A string under one main rule, which also says what a value of another type should have been, and further ones. */
const string = (main: string, holds: (value: string) => boolean, ...further: ReadonlyArray<Rule<string>>) => {
  const rules: ReadonlyArray<Rule<string>> = [
    [holds, main],
    [(value) => value.isWellFormed(), WELL_FORMED],
    ...further
  ]
  return Schema.String.annotate({ message: main }).check(
    Schema.makeFilter((value) => {
      const broken = rules.filter(([holds]) => !holds(value))
      return broken.length === 0 ? undefined : broken.map(([, words]) => words)
    })
  )
}

/** Text of 1 to `max` characters. */
export const text = (max: number) =>
  string(`text of 1 to ${max} characters`, (value) => value !== "" && Value.isWithin(value, max))

/** Text of 0 to `max` characters. */
export const textOrEmpty = (max: number) =>
  string(`text of at most ${max} characters`, (value) => Value.isWithin(value, max))

/** Text of at least one character; only the size of the body bounds it. */
export const anyText = string("text of at least 1 character", (value) => value !== "")

/** Text that may be empty; only the size of the body bounds it. */
export const anyTextOrEmpty = string("text", () => true)

/** A key of a component, run or task: 1 to 255 characters of the Basic Multilingual Plane. */
export const key = string(
  `text of 1 to ${Value.MAX_NAME} characters`,
  (value) => value !== "" && Value.isWithin(value, Value.MAX_NAME),
  [Value.isBasicPlane, BASIC_PLANE]
)

/** A display name of 1 to 255 characters. */
export const name = text(Value.MAX_NAME)

/** A test's result: 1 character to 65 535 bytes of UTF-8. */
export const result = string(
  `text of 1 character to ${Value.MAX_RESULT_BYTES} bytes of UTF-8`,
  (value) => value !== "" && Value.isWithinBytes(value, Value.MAX_RESULT_BYTES)
)

/** A UUID. */
export const uuid = string("a UUID", (value) =>
  /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i.test(value)
)

/** A list of texts. */
export const list = <S extends Schema.Top>(item: S) => Schema.Array(item).annotate({ message: "a list" })

/** A list with at least one item. */
export const filledList = <S extends Schema.Top>(item: S) => {
  const message = "a list of at least 1 item"
  return Schema.Array(item).annotate({ message }).check(Schema.isMinLength(1, { message }))
}

/** One of the words, which the server takes in any case and turns to upper case. */
export const word = <const Words extends ReadonlyArray<string>>(words: Words) => {
  const message = `one of ${words.join(", ")}`
  return Schema.String.annotate({ message }).pipe(
    Schema.decodeTo(Schema.String, {
      decode: SchemaGetter.toUpperCase(),
      encode: SchemaGetter.passthrough()
    }),
    Schema.decodeTo(Schema.Literals(words).annotate({ message }), {
      decode: SchemaGetter.passthrough({ strict: false }),
      encode: SchemaGetter.passthrough({ strict: false })
    })
  )
}

const TIME =
  "an ISO-8601 date and time (YYYY-MM-DDTHH:MM:SS, up to 12 decimals, Z or ±HH:MM) in the years 1 to 9999 in UTC"

/** An instant: ISO-8601 text on the wire, `DateTime.Utc` in memory. */
export const time = string(TIME, (value) => Option.isSome(Value.instantOf(value))).pipe(
  Schema.decodeTo(Schema.DateTimeUtc.annotate({ message: TIME }), {
    decode: SchemaGetter.transformOptional(Option.flatMap(Value.instantOf)),
    encode: SchemaGetter.transform(DateTime.formatIso)
  })
)

const TOOL = `text of 1 to ${Value.MAX_NAME} letters, digits, spaces and inner underscores (stored in upper case, with _ for spaces)`

/** A tool's name. What the server normalises is written in its normal form. */
export const componentTool = Schema.String.annotate({ message: TOOL }).pipe(
  Schema.decodeTo(
    string(TOOL, (value) => Value.isWithin(value, Value.MAX_NAME) && Value.isComponentTool(value)),
    {
      decode: SchemaGetter.transform(Value.componentToolOf),
      encode: SchemaGetter.passthrough()
    }
  )
)

/** A link to the run or component in its tool. */
export const externalUrl = string(
  "a URL of http, https, ftp or ftps without spaces whose host has a dot, is localhost or an IP address",
  Value.isExternalUrl
)

const number = (message: string, holds: (value: number | string) => boolean) =>
  Schema.Union([Schema.Finite, Schema.String])
    .annotate({ message })
    .check(Schema.makeFilter(holds, { message }))

/** A finite number, or decimal text, which keeps its precision. */
export const decimal = number("a finite number, or a decimal number as text", Value.isDecimal)

/** A number the database keeps as it is. */
export const storableDecimal = number(
  "a number of at most 15 digits before and 5 after the decimal point",
  Value.isStorableDecimal
)

/** A test parameter's value: a finite number, or text of at least one character. */
export const parameter = number(
  "a finite number, or text of at least 1 character without unpaired surrogates",
  (value) => (typeof value === "number" ? Number.isFinite(value) : value !== "" && value.isWellFormed())
)

/** A whole number. */
export const wholeNumber = Schema.Int.annotate({ message: "a whole number" })

/** `true` or `false`. */
export const flag = Schema.Boolean.annotate({ message: "true or false" })

/** The number 1. */
export const versionOne = Schema.Literal(1).annotate({ message: "the number 1" })

const OBJECT = "a JSON object"
const isObject = (value: unknown): value is Metadata =>
  typeof value === "object" && value !== null && !Array.isArray(value)

/** A JSON object of storable values: finite numbers, whole characters, at most 20 levels. */
export const metadata = Schema.declare(isObject, { message: OBJECT }).check(
  Schema.makeFilter((value) => {
    const broken: Array<Broken> = []
    inspect(value, [], broken)
    return broken.length === 0 ? undefined : broken
  })
)

interface Broken {
  readonly path: ReadonlyArray<string | number>
  readonly issue: string
}

const DEPTH = `at most ${Value.MAX_METADATA_DEPTH} levels deep`

/** Collects the rules that a value in metadata breaks. The depth bounds the recursion, also in a value that contains itself. */
const inspect = (value: unknown, path: ReadonlyArray<string | number>, broken: Array<Broken>): void => {
  switch (typeof value) {
    case "string":
      if (!value.isWellFormed()) broken.push({ path, issue: WELL_FORMED })
      return
    case "number":
      if (!Number.isFinite(value)) broken.push({ path, issue: "a finite number" })
      return
    case "boolean":
      return
    case "object": {
      if (value === null) return
      if (path.length >= Value.MAX_METADATA_DEPTH) {
        broken.push({ path, issue: DEPTH })
      } else if (Array.isArray(value)) {
        value.forEach((item, index) => inspect(item, [...path, index], broken))
      } else if (isPlain(value)) {
        for (const [key, item] of Object.entries(value)) {
          if (!key.isWellFormed()) broken.push({ path: [...path, key], issue: WELL_FORMED })
          inspect(item, [...path, key], broken)
        }
      } else {
        broken.push({ path, issue: "a JSON value" })
      }
      return
    }
    default:
      broken.push({ path, issue: "a JSON value" })
  }
}
const isPlain = (value: object): boolean => {
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null
}

/** A field that may be absent, and that the server also takes as `null`. */
export const optional = <S extends Schema.Top>(schema: S) => {
  const message = schema.ast.annotations?.["message"]
  return Schema.optionalKey(Schema.NullOr(schema).annotate(typeof message === "string" ? { message } : {}))
}
