/** Numbers, times and spans as the status page writes them. Times are UTC. */
import * as DateTime from "effect/DateTime"
import * as EventTitle from "./EventTitle.ts"
import { type Html, markup } from "./StatusHtml.ts"

/** `12,345`. */
export const count = (value: number): string => value.toLocaleString("en")

/** `1 event`, `12,345 events`. */
export const counted = (value: number, noun: string): string =>
  `${count(value)} ${noun}${value === 1 ? "" : "s"}`

/** `0.8 s`, `12 s`, `4 min`, `3.5 h`, `12 days`. */
export const span = (seconds: number): string => {
  if (seconds < 9.95) return `${round(seconds)} s`
  if (seconds < 120) return `${Math.round(seconds)} s`
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`
  if (seconds < 172_800) return `${round(seconds / 3600)} h`
  return `${Math.round(seconds / 86_400)} days`
}

/** The span between two moments, both ISO 8601. */
export const between = (from: string, to: string): string =>
  span(Math.max(0, millis(to) - millis(from)) / 1000)

/** What went wrong, without the error's name before it, and not longer than that. */
export const cause = (text: string, longest: number): string =>
  EventTitle.cut(text.replace(/^[A-Za-z]*Error: /, ""), longest)

/** A moment: `15:04:05`, with the day where that is not the day of `now`. A dash for none. */
export const time = (at: string | null, now: string): Html => {
  if (at === null) return markup`<span class="none" aria-label="never">–</span>`
  const clock = at.slice(11, 19)
  const shown = at.slice(0, 10) === now.slice(0, 10) ? clock : `${at.slice(5, 10)} ${clock}`
  return markup`<time datetime="${at}">${shown}</time>`
}

const round = (value: number): number => Math.round(value * 10) / 10

const millis = (iso: string): number => DateTime.makeUnsafe(iso).epochMilliseconds
