/**
 * What happened to one run, told from the history of its lane: one line of time, and why something is not there. Pure.
 */
import * as EventTitle from "@observability-agents/core/EventTitle"
import type { LaneHistory, PastEvent } from "@observability-agents/core/Outbox"
import type { Quarantined } from "@observability-agents/core/OutboxSqliteHistory"
import type { TrackedRun } from "@observability-agents/core/TrackedRun"
import type * as DateTime from "effect/DateTime"
import * as Option from "effect/Option"
import * as Table from "./Table.ts"

/** One line. */
export interface Line {
  readonly at: DateTime.Utc
  readonly what: "tool" | "made" | "accepted" | "rejected" | "retried" | "waiting" | "operator"
  readonly text: string
}

/** What happened, the oldest first; what is still waiting stands at the end. */
export const lines = ({ events, notes }: LaneHistory, now: DateTime.Utc): ReadonlyArray<Line> => {
  const past: Array<Line> = notes.map(({ at, by, text }) => ({
    at,
    what: by === "tool" ? "tool" : "operator",
    text: by === "tool" ? `says: ${EventTitle.oneLine(text)}` : EventTitle.oneLine(text)
  }))
  const waiting: Array<Line> = []
  for (const event of events) {
    past.push({ at: event.committedAt, what: "made", text: made(event) })
    switch (event.state._tag) {
      case "Delivered":
        past.push({ at: event.state.at, what: "accepted", text: `${event.title}${tries(event)}` })
        break
      case "Buried":
        past.push({
          at: event.state.at,
          what: "rejected",
          text: `${event.title} (${event.state.reason}): ${EventTitle.cut(event.state.words, 200)} (dead letter ${event.state.number})`
        })
        break
      case "Waiting":
        waiting.push(
          event.attempts === 0
            ? { at: now, what: "waiting", text: `${event.title}: not tried yet` }
            : { at: now, what: "retried", text: `${event.title}${retries(event, event.state.dueAt)}` }
        )
    }
  }
  // At the same moment, what the tool said stands before what followed from it.
  past.sort((a, b) => a.at.epochMilliseconds - b.at.epochMilliseconds || ranks[a.what] - ranks[b.what])
  return [...past, ...waiting]
}

const ranks: Record<Line["what"], number> = {
  tool: 0,
  operator: 1,
  made: 2,
  accepted: 3,
  rejected: 3,
  retried: 4,
  waiting: 4
}

const made = ({ timestamp, title }: PastEvent): string =>
  `${title}${Option.match(timestamp, { onNone: () => "", onSome: (at) => ` of ${Table.time(at)}` })}`

const tries = ({ attempts, error }: PastEvent): string =>
  attempts === 0
    ? " at the first try"
    : ` after ${Table.count(attempts, "try", "tries")} that failed${Option.match(error, {
        onNone: () => "",
        onSome: (words) => ` (last: ${EventTitle.cut(words, 120)})`
      })}`

const retries = ({ attempts, error }: PastEvent, dueAt: DateTime.Utc): string =>
  `: ${Table.count(attempts, "try", "tries")} failed (last: ${EventTitle.cut(
    Option.getOrElse(error, () => "not told"),
    120
  )}); next try ${Table.time(dueAt)}`

/** What is known of the run beside its history. */
export interface Known {
  readonly tracked: TrackedRun | undefined
  /** Whether the identity of the run's RUNNING is known. */
  readonly isRunningKnown: boolean
  /** Rows of it that could not be read and were set aside. */
  readonly quarantined: ReadonlyArray<Quarantined>
  readonly historyRetention: string
}

/** How the run stands, and why something that one may miss is not there. */
export const conclusions = (
  { events, notes }: LaneHistory,
  { historyRetention, isRunningKnown, quarantined, tracked }: Known
): ReadonlyArray<string> => {
  const count = (tag: PastEvent["state"]["_tag"]) => events.filter(({ state }) => state._tag === tag).length
  const said: Array<string> = []
  if (events.length > 0) {
    const parts = [
      `${Table.count(count("Delivered"), "event")} accepted`,
      ...(count("Waiting") === 0 ? [] : [`${count("Waiting")} still waiting`]),
      ...(count("Buried") === 0 ? [] : [`${count("Buried")} rejected`])
    ]
    said.push(`${parts.join(", ")}.`)
  }
  if (quarantined.length > 0) {
    const shown = quarantined
      .slice(0, 5)
      .map(({ at, id, origin }) => `${EventTitle.cut(id ?? origin, 100)} at ${Table.time(at)}`)
    said.push(
      `${Table.count(quarantined.length, "row")} of it could not be read and ${quarantined.length === 1 ? "was" : "were"} set aside (table \`quarantine\`), so ${quarantined.length === 1 ? "it is" : "they are"} not sent: ${shown.join(", ")}${quarantined.length > 5 ? ", …" : ""}.`
    )
  }
  if (tracked === undefined) {
    said.push(
      "The run is not followed any more: it ended, and the tool is not looked back at for so long. Its end is in the timeline, unless the history has gone since."
    )
    return said
  }
  switch (tracked.phase) {
    case "Pending":
      said.push(
        `It has not begun: the tool said Pending at ${Table.time(tracked.observedAt)}. Nothing is told of a run before it begins.`
      )
      break
    case "Skipped":
      said.push("It was skipped: the tool said that it will never run. Nothing is told of such a run.")
      break
    case "Running": {
      const open = Object.entries(tracked.tasks)
        .filter(([, { phase }]) => phase === "Running")
        .map(([key]) => key)
      said.push(
        `It has not ended: the tool said so last at ${Table.time(tracked.observedAt)}. Its end is told when the tool says that it has ended.${open.length === 0 ? "" : ` Tasks still running: ${EventTitle.cut(open.join(", "), 200)}.`}`
      )
      break
    }
    default:
      said.push(`It has ended as ${tracked.phase}; nothing more is expected, unless it is re-opened.`)
  }
  const hasRunning = events.some(({ title }) => title === "RUNNING")
  if (!hasRunning && isRunningKnown && quarantined.length === 0) {
    const isOnlyRead = events.length === 0 && notes.length > 0
    said.push(
      isOnlyRead
        ? "Its events were known already (their identities are kept for 30 days), so nothing was made of it a second time."
        : `Earlier events of it were made, but the history has gone since: it is kept for ${historyRetention} (history_retention), up to history_limit events.`
    )
  }
  return said
}

const tones: Partial<Record<Line["what"], Table.Tone>> = {
  accepted: "good",
  rejected: "bad",
  retried: "doubtful",
  waiting: "doubtful",
  made: "quiet"
}

/** The lines as text. */
export const render = (lines: ReadonlyArray<Line>, isColoured: boolean): string =>
  lines
    .map(
      ({ at, text, what }) =>
        `${Table.time(at)}  ${Table.paint(isColoured, tones[what], what.padEnd(8))}  ${text}`
    )
    .join("\n")
