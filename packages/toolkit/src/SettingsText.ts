/**
 * Reading settings that arrive as text: numbers, spans of time, lists and tables, whichever way people write
 * them in a TOML file or in a variable of the environment; and finding the name that was probably meant.
 * Everything here is pure and total: what cannot be read is undefined.
 */
import * as Duration from "effect/Duration"

/**
 * A value as a source holds it: text, or a list or table of such values. Numbers, booleans and times of the
 * file are represented by their text, so that both sources are read by the same rules.
 */
export type Raw = string | ReadonlyArray<Raw> | { readonly [key: string]: Raw }

/** Represents a value of a parsed TOML or JSON document. Null and undefined have no representation. */
export const fromUnknown = (value: unknown): Raw | undefined => {
  switch (typeof value) {
    case "string":
      return value
    case "number":
    case "bigint":
    case "boolean":
      return String(value)
    case "object": {
      if (value === null) return undefined
      if (value instanceof Date) return value.toISOString()
      if (Array.isArray(value)) return fromArray(value)
      return fromEntries(Object.entries(value))
    }
    default:
      return undefined
  }
}

/** Represents the text of a JSON document. */
export const fromJson = (text: string): Raw | undefined => {
  try {
    return fromUnknown(JSON.parse(text))
  } catch {
    return undefined
  }
}

/** Whether a raw value is a table. */
export const isTable = (raw: Raw): raw is { readonly [key: string]: Raw } =>
  typeof raw === "object" && !Array.isArray(raw)

/** Reads a decimal number; thousands may be separated by `_`, as TOML allows. */
export const toNumber = (raw: Raw): number | undefined => {
  if (typeof raw !== "string") return undefined
  const text = raw.trim()
  if (!decimal.test(text)) return undefined
  const value = Number(text.replaceAll("_", ""))
  return Number.isFinite(value) ? value : undefined
}

/** Reads a boolean: true/false, yes/no, on/off, t/f, y/n or 1/0, in any case. */
export const toBoolean = (raw: Raw): boolean | undefined =>
  typeof raw === "string" ? booleans.get(raw.trim().toLowerCase()) : undefined

/** Reads a span of time: a number of seconds, or one or more numbers with units (`5 minutes`, `1h 30m`). */
export const toDuration = (raw: Raw): Duration.Duration | undefined => {
  const number = toNumber(raw)
  if (number !== undefined) return number < 0 ? undefined : finite(number * 1000)
  if (typeof raw !== "string" || !span.test(raw)) return undefined
  let millis = 0
  for (const [, amount, unit] of raw.matchAll(spanPart)) {
    const factor = units.get((unit ?? "").toLowerCase())
    if (factor === undefined) return undefined
    millis += Number(amount) * factor
  }
  return finite(millis)
}

/** Reads a list: a list, the text of a JSON array, or text separated by commas (parts are trimmed, empty ones left out). */
export const toItems = (raw: Raw): ReadonlyArray<Raw> | undefined => {
  if (Array.isArray(raw)) return raw
  if (typeof raw !== "string") return undefined
  const text = raw.trim()
  // A list in brackets is meant as JSON; a name such as "[prod] load" is not.
  if (text.startsWith("[") && text.endsWith("]")) {
    const parsed = fromJson(text)
    return Array.isArray(parsed) ? parsed : undefined
  }
  return parts(text)
}

/** Reads a list of tables: a list, or the text of a JSON array. */
export const toTables = (raw: Raw): ReadonlyArray<Raw> | undefined => {
  const items = typeof raw === "string" ? fromJson(raw) : raw
  return Array.isArray(items) ? items : undefined
}

/** Reads a table of texts: a table, the text of a JSON object, or `name=value` separated by commas. */
export const toEntries = (raw: Raw): Readonly<Record<string, string>> | undefined => {
  if (typeof raw === "string") {
    const text = raw.trim()
    if (text.startsWith("{")) {
      const parsed = fromJson(text)
      return parsed === undefined || !isTable(parsed) ? undefined : texts(Object.entries(parsed))
    }
    return texts(
      parts(text).map((part) => {
        const at = part.indexOf("=")
        return at < 1 ? [part, undefined] : [part.slice(0, at).trim(), part.slice(at + 1).trim()]
      })
    )
  }
  return isTable(raw) ? texts(Object.entries(raw)) : undefined
}

/** The name of a setting in the file for the name of a property: `readTimeout` becomes `read_timeout`. */
export const snakeCase = (name: string): string =>
  name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)

/**
 * How a value is told in a report or listing: quoted, shortened, and without what may be a user and password (all
 * between a colon and the last `@`, because passwords in addresses are often not escaped), and without the parameters of
 * an address, of which one may be a key. Tables are told by their names alone, because anything can stand in them.
 */
export const show = (raw: Raw): string => {
  if (isTable(raw)) return `a table with ${Object.keys(raw).join(", ") || "nothing in it"}`
  if (Array.isArray(raw) && raw.some((item) => typeof item !== "string")) return "a list of lists or tables"
  if (typeof raw === "string" && (decimal.test(raw) || raw === "true" || raw === "false")) return raw
  const text = JSON.stringify(raw)
    .replace(/:.*@/s, ":***@")
    .replaceAll(/(:(?:\/\/|\*{3}@)[^?#"]*[?#])(?:[^"\\]|\\.)+/g, "$1***")
  return text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN - 1)}…` : text
}

/**
 * The candidate that was probably meant by a misspelt name: the same letters apart from case and separators, one
 * that it is the beginning of, or the nearest one by inserted, left out, changed and swapped letters, when it is
 * near enough.
 */
export const nearest = (name: string, candidates: Iterable<string>): string | undefined => {
  const plain = normalise(name)
  let best: string | undefined
  let bestDistance = Math.max(1, Math.floor(plain.length / 3)) + 1
  for (const candidate of candidates) {
    const other = normalise(candidate)
    // The beginning of a name is an abbreviation of it, however much is missing.
    const distance =
      plain.length > 2 && other.startsWith(plain) ? Number(other !== plain) : editDistance(plain, other)
    if (distance < bestDistance) {
      best = candidate
      bestDistance = distance
    }
  }
  return best
}

const MAX_SHOWN = 80

const decimal = /^[+-]?(\d+(_\d+)*)(\.\d+(_\d+)*)?([eE][+-]?\d+)?$/
const span = /^\s*(\d+(\.\d+)?\s*[a-z]+\s*)+$/i
const spanPart = /(\d+(?:\.\d+)?)\s*([a-z]+)/gi

const unitNames: ReadonlyArray<readonly [millis: number, names: ReadonlyArray<string>]> = [
  [1, ["ms", "milli", "millis", "millisecond", "milliseconds"]],
  [1_000, ["s", "sec", "secs", "second", "seconds"]],
  [60_000, ["m", "min", "mins", "minute", "minutes"]],
  [3_600_000, ["h", "hour", "hours"]],
  [86_400_000, ["d", "day", "days"]],
  [604_800_000, ["w", "week", "weeks"]]
]

/** What spans of time look like, as a regular expression for the schema of the settings file. */
export const SPAN_PATTERN: string = `^\\s*(\\d+(\\.\\d+)?\\s*(${unitNames
  .flatMap(([, names]) => names)
  .sort((a, b) => b.length - a.length)
  .join("|")})\\s*)+$`

const units: ReadonlyMap<string, number> = new Map(
  unitNames.flatMap(([millis, names]) => names.map((name) => [name, millis] as const))
)

const booleans: ReadonlyMap<string, boolean> = new Map([
  ...["true", "yes", "on", "t", "y", "1"].map((word) => [word, true] as const),
  ...["false", "no", "off", "f", "n", "0"].map((word) => [word, false] as const)
])

const finite = (millis: number): Duration.Duration | undefined =>
  Number.isFinite(millis) ? Duration.millis(millis) : undefined

const fromArray = (values: ReadonlyArray<unknown>): ReadonlyArray<Raw> | undefined => {
  const raws = values.map(fromUnknown)
  return raws.every((raw) => raw !== undefined) ? raws : undefined
}

const fromEntries = (
  entries: ReadonlyArray<[string, unknown]>
): { readonly [key: string]: Raw } | undefined => {
  const raws: Array<[string, Raw]> = []
  for (const [key, value] of entries) {
    const raw = fromUnknown(value)
    if (raw === undefined) return undefined
    raws.push([key, raw])
  }
  return Object.fromEntries(raws)
}

const parts = (text: string): ReadonlyArray<string> =>
  text
    .split(",")
    .map((part) => part.trim())
    .filter((part) => part !== "")

const texts = (
  entries: ReadonlyArray<readonly [string, Raw | undefined]>
): Readonly<Record<string, string>> | undefined => {
  const out: Array<[string, string]> = []
  for (const [key, value] of entries) {
    if (typeof value !== "string") return undefined
    out.push([key, value])
  }
  return Object.fromEntries(out)
}

const normalise = (name: string): string => name.toLowerCase().replaceAll("-", "_")

/** Optimal string alignment distance: a swap of two neighbours counts as one change. */
const editDistance = (a: string, b: string): number => {
  let beforeLast: ReadonlyArray<number> = []
  let last: ReadonlyArray<number> = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1]
      let cost = Math.min((last[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1, (last[j - 1] ?? 0) + (same ? 0 : 1))
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        cost = Math.min(cost, (beforeLast[j - 2] ?? 0) + 1)
      }
      row.push(cost)
    }
    beforeLast = last
    last = row
  }
  return last[b.length] ?? 0
}
