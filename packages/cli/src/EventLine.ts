/** An event as one line: for people, and for scripts as JSON. */
import * as Activity from "@observability-agents/core/Activity"
import * as EventTitle from "@observability-agents/core/EventTitle"
import type { Entry } from "@observability-agents/core/Outbox"
import * as Event from "@observability-agents/toolkit/Event"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Table from "./Table.ts"

/** How lines look. */
export interface Style {
  readonly json: boolean
  readonly colours: boolean
}

/** An event that is to be sent: whose, what, and, as JSON, the body that goes to the server. */
export const entry = Effect.fnUntraced(function* (
  style: Style,
  { event, id, lane }: Entry
): Effect.fn.Return<string> {
  const encoded = yield* Effect.result(Event.encode(event))
  const rejected = Result.isFailure(encoded) ? encoded.failure.message : undefined
  if (style.json) {
    return Table.jsonLine({
      lane,
      identity: id,
      type: Activity.typeOf(event),
      body: Result.isSuccess(encoded) ? JSON.parse(encoded.success) : null,
      ...(rejected === undefined ? {} : { rejected })
    })
  }
  const at = event.timestamp === undefined ? "without a time" : Table.time(event.timestamp)
  const words = about(style, Activity.subject(event))
  return `${at.padEnd(19)}  ${words}${rejected === undefined ? "" : `  ${Table.paint(style.colours, "bad", `would become a dead letter: ${EventTitle.oneLine(rejected)}`)}`}`
})

/** What an event is about, and what it says: `run-status  1001/7001 (nightly)  task load COMPLETED`. */
export const about = ({ colours }: Style, subject: Activity.Subject): string => {
  const key = subject.run === undefined ? subject.component : `${subject.component}/${subject.run}`
  const name = subject.componentName === undefined ? "" : ` (${subject.componentName})`
  const whose = EventTitle.cut(`${key}${name}`, LONGEST_NAME)
  return `${subject.type.padEnd(17)}  ${whose.padEnd(WIDTH)}  ${Table.paint(colours, toneOf(subject.title), EventTitle.oneLine(subject.title))}`
}

const WIDTH = 28
const LONGEST_NAME = 60

/** The tone of an event by what `EventTitle` says of it. */
const toneOf = (title: string): Table.Tone | undefined => {
  if (/\b(FAILED|ERROR)\b/.test(title)) return "bad"
  if (/\b(COMPLETED_WITH_WARNINGS|MISSING|WARNING)\b/.test(title)) return "doubtful"
  return /\bCOMPLETED$/.test(title) ? "good" : undefined
}
