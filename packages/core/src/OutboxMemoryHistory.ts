/** The history of the Outbox in memory: what was delivered, and notes, for a time and up to a number. */
import * as DateTime from "effect/DateTime"
import * as Option from "effect/Option"
import * as EventTitle from "./EventTitle.ts"
import type { Entry, Note, PastEvent } from "./Outbox.ts"

/** An event that is gone or pending, as far as its history goes. */
export interface Told {
  readonly seq: number
  readonly entry: Entry
  readonly committedAt: number
  readonly attempts: number
  readonly error: string | undefined
}

/** The event as its lane's history shows it. */
export const pastEvent = (told: Told, state: PastEvent["state"]): PastEvent => ({
  id: told.entry.id,
  title: EventTitle.title(told.entry.event),
  timestamp: Option.fromUndefinedOr(told.entry.event.timestamp),
  committedAt: DateTime.makeUnsafe(told.committedAt),
  attempts: told.attempts,
  error: Option.fromUndefinedOr(told.error),
  state
})

/** An empty history, `retention` in milliseconds. */
export const make = ({ limit, retention }: { readonly limit: number; readonly retention: number }) => {
  const delivered = makeBounded<Told>(limit)
  const notes = makeBounded<Note>(limit)
  return {
    delivered: (told: Told, now: number): void => delivered.add(told, now),
    note: (added: ReadonlyArray<Note>, now: number): void => {
      for (const note of added) notes.add(note, now)
    },
    deliveredIn: (lane: string, now: number) =>
      delivered
        .since(now - retention)
        .filter(({ value }) => value.entry.lane === lane)
        .map(({ at, value }) => ({
          seq: value.seq,
          event: pastEvent(value, { _tag: "Delivered", at: DateTime.makeUnsafe(at) })
        })),
    notesIn: (lane: string, now: number): ReadonlyArray<Note> =>
      notes
        .since(now - retention)
        .map(({ value }) => value)
        .filter((note) => note.lane === lane)
        .sort((a, b) => a.at.epochMilliseconds - b.at.epochMilliseconds)
  }
}

const makeBounded = <A>(limit: number) => {
  let kept: Array<{ readonly at: number; readonly value: A }> = []
  return {
    add: (value: A, at: number): void => {
      if (limit === 0) return
      kept.push({ at, value })
      // Cut in halves, so that keeping the bound costs nothing worth counting.
      if (kept.length > 2 * limit) kept = kept.slice(-limit)
    },
    since: (time: number) => (limit === 0 ? [] : kept.slice(-limit)).filter(({ at }) => at >= time)
  }
}
