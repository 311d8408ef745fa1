/**
 * Broken rules in words for people: where (by the server's field names), what the rule is, and what was found there,
 * short enough for a line of log and without the user information of URLs.
 */
import * as DateTime from "effect/DateTime"
import * as Result from "effect/Result"
import * as SchemaIssue from "effect/SchemaIssue"

/** The fields of a body, known or not. */
export type Fields = { readonly [field: string]: unknown }

/** A broken rule between fields, and the field it is reported at. */
export interface Relation {
  readonly path: ReadonlyArray<string | number>
  readonly issue: string
  /** Absent: the value at the path. */
  readonly found?: string
}

/** One broken rule. */
export interface Broken {
  /** By the server's names, e.g. `test_outcomes[3].metric_name`; `(body)` for the body itself. */
  readonly field: string
  /** Reads on after "must be". */
  readonly rule: string
  /** The value, cut. */
  readonly found: string
}

const format = SchemaIssue.makeFormatterStandardSchemaV1({
  leafHook: (issue) => {
    switch (issue._tag) {
      case "MissingKey":
        return "present"
      case "UnexpectedKey":
        return "absent: the server refuses fields that it does not know"
      default:
        return SchemaIssue.defaultLeafHook(issue)
    }
  }
})

/** All broken rules of a body: of its fields as parsed, and between them. Rules between fields need a body that is an object. */
export const broken = (
  parsed: Result.Result<unknown, SchemaIssue.Issue>,
  relations: (body: Fields) => ReadonlyArray<Relation>,
  body: unknown
): ReadonlyArray<Broken> => {
  const ofFields: ReadonlyArray<Broken> = Result.isFailure(parsed)
    ? format(parsed.failure).issues.map(({ message, path = [] }) => at(body, path.map(keyOf), message))
    : []
  if (!isFields(body)) return ofFields
  const named = new Set(ofFields.map(({ field, rule }) => `${field} ${rule}`))
  return [
    ...ofFields,
    ...relations(body)
      .map(({ found, issue, path }) => ({
        ...at(body, path, issue),
        ...(found === undefined ? {} : { found })
      }))
      // A required field that is missing is reported once.
      .filter(
        ({ field, found, rule }) =>
          !named.has(`${field} ${rule}`) && !(found === NOTHING && named.has(`${field} present`))
      )
  ]
}

const keyOf = (segment: unknown): string | number => {
  const key: unknown =
    typeof segment === "object" && segment !== null && "key" in segment ? segment.key : segment
  return typeof key === "number" ? key : String(key)
}

const isFields = (value: unknown): value is Fields =>
  typeof value === "object" && value !== null && !Array.isArray(value)

const at = (body: unknown, path: ReadonlyArray<string | number>, rule: string): Broken => {
  let value: unknown = body
  for (const key of path)
    value = isFields(value) || Array.isArray(value) ? Reflect.get(value, key) : undefined
  return { field: fieldOf(path), rule, found: describe(value) }
}

const fieldOf = (path: ReadonlyArray<string | number>): string => {
  if (path.length === 0) return "(body)"
  const [first, ...rest] = path.map((key) => shorten(String(key).toWellFormed(), 60))
  return (first ?? "") + rest.map((key) => (/^\d+$/.test(key) ? `[${key}]` : `.${key}`)).join("")
}

const NOTHING = "nothing"

/** A value in a few words. */
const describe = (value: unknown): string => {
  if (value === undefined) return NOTHING
  if (typeof value === "string") return quote(value)
  if (
    typeof value === "bigint" ||
    typeof value === "number" ||
    typeof value === "boolean" ||
    value === null
  ) {
    return String(value)
  }
  if (Array.isArray(value)) return `a list of ${value.length}`
  if (DateTime.isDateTime(value)) return DateTime.formatIso(value)
  return typeof value === "object" ? "an object" : `a ${typeof value}`
}

const MAX_FOUND = 60

const quote = (text: string): string => {
  const shown = JSON.stringify(shorten(text.replace(/\/\/[^/@\s]*@/g, "//…@"), MAX_FOUND))
  return text.length > MAX_FOUND ? `${shown} (${Array.from(text).length} characters)` : shown
}

const shorten = (text: string, max: number): string =>
  text.length <= max
    ? text
    : `${Array.from(text.slice(0, max * 2))
        .slice(0, max)
        .join("")}…`
