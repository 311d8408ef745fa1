/**
 * What the ingestion server makes of single values: lengths, times, addresses, decimal numbers, tool names. Pure
 * predicates and normalisations, shared by the rules that refuse a value and the repairs that make it storable.
 */
import * as DateTime from "effect/DateTime"
import * as Option from "effect/Option"

/** The largest body the server takes: 102 400 bytes of UTF-8 (one more is answered with 413). */
export const MAX_BODY_BYTES = 102_400

/** The most items one `test-outcomes` event may carry. */
export const MAX_TEST_OUTCOMES = 500

/**
 * The most levels of objects and arrays in metadata, the outermost object included. The server stores 20 and stops at
 * 200; where between them the limit lies is not known.
 */
export const MAX_METADATA_DEPTH = 20

/** The most characters of keys and names. */
export const MAX_NAME = 255

/** The most characters of a run's name. */
export const MAX_RUN_NAME = 1024

/** The most characters of a dataset operation's path. */
export const MAX_PATH = 4096

/** The most characters the database keeps of a test outcome's `type` and `metric_name`. */
export const MAX_SHORT_NAME = 40

/** The most bytes of UTF-8 the database keeps of a test outcome's `result`. */
export const MAX_RESULT_BYTES = 65_535

/** Whether a text has at most `max` characters, which the server counts as code points. */
export const isWithin = (text: string, max: number): boolean => {
  if (text.length <= max) return true
  if (text.length > max * 2) return false
  let count = 0
  for (const _ of text) if (++count > max) return false
  return true
}

const utf8 = new TextEncoder()

/** The number of bytes of a text in UTF-8. */
export const byteLength = (text: string): number => utf8.encode(text).length

/** Whether a text has at most `max` bytes of UTF-8. One UTF-16 unit never takes more than three. */
export const isWithinBytes = (text: string, max: number): boolean =>
  text.length * 3 <= max || (text.length <= max && byteLength(text) <= max)

const OUTSIDE_BASIC_PLANE = /[\u{10000}-\u{10ffff}]/u

/** Whether every character lies in the Basic Multilingual Plane. */
export const isBasicPlane = (text: string): boolean => !OUTSIDE_BASIC_PLANE.test(text)

const TIME =
  /^(\d{4})-(\d\d)-(\d\d)[T ](\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,12}))?)?(?:Z|([+-])(\d\d)(?::?(\d\d))?)?$/

/**
 * The instant an ISO-8601 text names in the server's reading: date and time of day, with or without seconds and fraction
 * (cut to milliseconds), no zone meaning UTC. None for everything the server refuses, and for instants outside of the
 * years 1 to 9999 in UTC, which it accepts and then drops.
 */
export const instantOf = (text: string): Option.Option<DateTime.Utc> => {
  const match = TIME.exec(text)
  if (match === null) return Option.none()
  const [
    ,
    year,
    month,
    day,
    hour,
    minute,
    second = "00",
    fraction = "",
    sign,
    zoneHour = "00",
    zoneMinute = "00"
  ] = match
  if (year === "0000" || Number(hour) > 23 || Number(zoneHour) * 60 + Number(zoneMinute) >= 24 * 60)
    return Option.none()
  const local = `${year}-${month}-${day}T${hour}:${minute}:${second}.${fraction.slice(0, 3).padEnd(3, "0")}Z`
  return DateTime.make(local).pipe(
    // Days and minutes that do not exist are carried over by some engines: what comes back has to be what went in.
    Option.filter((utc) => DateTime.formatIso(utc) === local),
    Option.map((utc) => {
      const ahead = (sign === "-" ? -1 : 1) * (Number(zoneHour) * 60 + Number(zoneMinute))
      return ahead === 0 ? utc : DateTime.subtract(utc, { minutes: ahead })
    }),
    Option.filter(isStorableInstant)
  )
}

const FIRST_INSTANT = DateTime.makeUnsafe("0001-01-01T00:00:00.000Z").epochMilliseconds
const LAST_INSTANT = DateTime.makeUnsafe("9999-12-31T23:59:59.999Z").epochMilliseconds

/** Whether an instant lies in the years 1 to 9999. */
export const isStorableInstant = (instant: DateTime.Utc): boolean =>
  instant.epochMilliseconds >= FIRST_INSTANT && instant.epochMilliseconds <= LAST_INSTANT

const LABEL = "[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
const URL = new RegExp(
  "^(?:https?|ftps?)://" +
    "(?:(?:[a-z0-9\\-._~!$&'()*+,;=:]|%[0-9a-f]{2})*@)?" +
    `(?:(?:${LABEL}\\.)+(?:[a-z]{2,6}|[a-z0-9-]{2,})\\.?|localhost|\\d{1,3}(?:\\.\\d{1,3}){3}|\\[[a-f0-9]*:[a-f0-9:]+\\])` +
    "(?::\\d+)?" +
    "(?:/?|[/?][^\\s\\u001c-\\u001f\\u0085]+)$",
  "i"
)

/**
 * Whether the server takes a text as `external_url`: http, https, ftp or ftps; a host with a dot, `localhost` or an IP
 * address; no spaces. A host without a dot, as container networks have them, is refused.
 */
export const isExternalUrl = (text: string): boolean => URL.test(text)

/** A tool's name as the server stores it: trimmed, upper case, `_` for spaces. */
export const componentToolOf = (name: string): string => name.trim().toUpperCase().replaceAll(" ", "_")

/** Whether a normalised tool name has only letters, digits and inner underscores. */
export const isComponentTool = (name: string): boolean => /^(?!_)[\p{L}\p{N}_]+(?<!_)$/u.test(name)

const DECIMAL = /^([+-]?)(?:(\d+)(?:\.(\d*))?|\.(\d+))(?:[eE]([+-]?\d{1,15}))?$/

/** Digits of an exact decimal number: its value is ± 0.DIGITS times ten to the power of `point`. */
interface Digits {
  readonly negative: boolean
  /** Without leading and trailing zeros; empty for zero. */
  readonly digits: string
  readonly point: number
}

const digitsOf = (value: number | string): Digits | undefined => {
  const match = DECIMAL.exec(typeof value === "number" ? String(value) : value.trim().replaceAll("_", ""))
  if (match === null) return undefined
  const [, sign, whole = "", fraction = match[4] ?? "", , exponent = "0"] = match
  const all = (whole + fraction).replace(/^0+/, "")
  return {
    negative: sign === "-",
    digits: withoutTrailingZeros(all),
    point: all.length - fraction.length + Number(exponent)
  }
}

/** Counted by hand: the regular expression for it takes quadratic time on long runs of inner zeros. */
const withoutTrailingZeros = (digits: string): string => {
  let end = digits.length
  while (digits[end - 1] === "0") end--
  return digits.slice(0, end)
}

/**
 * Whether the server takes a value as a number: finite, or a decimal text (exponent, surrounding spaces and `1_000`
 * included; no comma, no NaN, no Infinity).
 */
export const isDecimal = (value: number | string): boolean => digitsOf(value) !== undefined

const WHOLE_DIGITS = 15
const DECIMALS = 5
const LARGEST = "999999999999999.99999"

/** Whether the database keeps a number as it is: at most 15 digits before and 5 after the decimal point. */
export const isStorableDecimal = (value: number | string): boolean => {
  const number = digitsOf(value)
  return number !== undefined && isStorable(number)
}
const isStorable = ({ digits, point }: Digits): boolean =>
  digits === "" || (point <= WHOLE_DIGITS && digits.length - point <= DECIMALS)

/**
 * The number the database would keep: rounded to 5 decimals (halves away from zero) and clamped to
 * ±999999999999999.99999. A number stays a number where its text is as exact. Undefined for what is no number.
 */
export const storableDecimal = (value: number | string): number | string | undefined => {
  const number = digitsOf(value)
  if (number === undefined || isStorable(number)) return number === undefined ? undefined : value
  const size = roundedText(number)
  const rounded = number.negative && size !== "0" ? `-${size}` : size
  const shortest = Number(rounded)
  return typeof value === "number" && isStorableDecimal(shortest) ? shortest : rounded
}
const roundedText = ({ digits, point }: Digits): string => {
  if (point > WHOLE_DIGITS) return LARGEST
  if (point < -DECIMALS) return "0"
  const kept = digits.slice(0, point + DECIMALS)
  const up = digits.charAt(point + DECIMALS) >= "5" ? 1n : 0n
  const scaled = (BigInt(kept === "" ? "0" : kept.padEnd(point + DECIMALS, "0")) + up)
    .toString()
    .padStart(DECIMALS + 1, "0")
  return scaled.length > WHOLE_DIGITS + DECIMALS
    ? LARGEST
    : `${scaled.slice(0, -DECIMALS)}.${scaled.slice(-DECIMALS)}`.replace(/\.?0+$/, "")
}

/** A decimal number in at most 50 characters, with its first 30 digits. Undefined for what is no number. */
export const shortDecimal = (value: number | string): number | string | undefined => {
  const number = digitsOf(value)
  if (number === undefined || typeof value === "number" || value.length <= 50) return number && value
  return `${number.negative ? "-" : ""}0.${number.digits.slice(0, 30) || "0"}e${number.point}`
}
