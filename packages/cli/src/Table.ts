/** Text for people: tables, times, numbers of things, colours. Nothing in it can move the cursor of a terminal. */
import * as DateTime from "effect/DateTime"
import * as Option from "effect/Option"

/** A moment in UTC, with seconds: `2026-01-31 08:00:00`. */
export const time = (at: DateTime.Utc): string => DateTime.formatIso(at).slice(0, 19).replace("T", " ")

/** The same for scripts: ISO 8601, or null. */
export const isoOrNull = (at: Option.Option<DateTime.Utc>): string | null =>
  Option.match(at, { onNone: () => null, onSome: DateTime.formatIso })

/** `1 event`, `12 events`. */
export const count = (number: number, one: string, many = `${one}s`): string =>
  `${number.toLocaleString("en")} ${number === 1 ? one : many}`

/** Bytes as people read them: `312 bytes`, `4.2 MB`. */
export const bytes = (number: number): string =>
  number < 1000
    ? count(number, "byte")
    : number < 1e6
      ? `${(number / 1e3).toFixed(1)} kB`
      : `${(number / 1e6).toFixed(1)} MB`

/** A span of time in its largest unit: `40 s`, `12 min`, `3 h`, `2 days`. */
export const span = (millis: number): string => {
  const seconds = Math.max(0, Math.round(millis / 1000))
  if (seconds < 90) return `${seconds} s`
  if (seconds < 90 * 60) return `${Math.round(seconds / 60)} min`
  if (seconds < 36 * 3600) return `${Math.round(seconds / 3600)} h`
  return `${Math.round(seconds / 86_400)} days`
}

/** Columns under their headings; the last one as wide as it is. */
export const table = (
  headings: ReadonlyArray<string>,
  rows: ReadonlyArray<ReadonlyArray<string>>
): string => {
  const widths = headings.map((heading, column) =>
    Math.max(heading.length, ...rows.map((row) => row[column]?.length ?? 0))
  )
  return [headings, ...rows]
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join("  ")
        .trimEnd()
    )
    .join("\n")
}

/** Names and values, one pair a line. */
export const pairs = (rows: ReadonlyArray<readonly [string, string]>): string => {
  const width = Math.max(...rows.map(([name]) => name.length))
  return rows.map(([name, value]) => `${name.padEnd(width)}  ${value}`.trimEnd()).join("\n")
}

/** What a text is about: decides its colour. */
export type Tone = "good" | "bad" | "doubtful" | "quiet"

const codes: Record<Tone, number> = { good: 32, bad: 31, doubtful: 33, quiet: 90 }

/** The text in the colour of its tone, where colours are wanted. */
export const paint = (isColoured: boolean, tone: Tone | undefined, text: string): string =>
  isColoured && tone !== undefined ? `\u001b[${codes[tone]}m${text}\u001b[0m` : text

/** A JSON document. */
export const json = (value: unknown): string => harmless(JSON.stringify(value, null, 2))

/** A JSON document on one line, for outputs of many. */
export const jsonLine = (value: unknown): string => harmless(JSON.stringify(value))

// JSON leaves these as they are; a terminal obeys some of them, others turn text round.
const harmless = (text: string): string =>
  text.replaceAll(
    /[\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`
  )
