/**
 * Times as tools give them, made fit to be told: what stands for "none" is none, and what has to be later is later.
 */
import * as DateTime from "effect/DateTime"

/** Before 1971 there was no tool to observe: such a time is a zero, whatever the tool's zero is (1970, 1900, year 1). */
const FIRST = Date.UTC(1971, 0, 1)

/** The server cannot store what lies behind the year 9999. */
const LAST = Date.UTC(9999, 11, 31)

/** The time, if it is one. */
export const given = (time: DateTime.Utc | undefined): DateTime.Utc | undefined => {
  if (time === undefined) return undefined
  const millis = DateTime.toEpochMillis(time)
  return millis >= FIRST && millis <= LAST ? time : undefined
}

/** The earliest of those that are given. */
export const earliest = (times: Iterable<DateTime.Utc | undefined>): DateTime.Utc | undefined => {
  let found: DateTime.Utc | undefined
  for (const time of times) {
    if (time !== undefined && (found === undefined || DateTime.isLessThan(time, found))) found = time
  }
  return found
}

/** The time, or the earliest that the server takes for later than `before`: it ignores equal times. */
export const after = (time: DateTime.Utc, before: DateTime.Utc): DateTime.Utc =>
  DateTime.isGreaterThan(time, before) ? time : DateTime.add(before, { milliseconds: 1 })

/** Whether there is such a time and it is later than the other. */
export const isLater = (time: DateTime.Utc | undefined, than: DateTime.Utc | undefined): boolean =>
  time !== undefined && than !== undefined && DateTime.isGreaterThan(time, than)
