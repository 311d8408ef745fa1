/** A piece of news of a running agent as one line: for people, and for scripts as JSON. */
import type * as Activity from "@observability-agents/core/Activity"
import * as EventTitle from "@observability-agents/core/EventTitle"
import * as EventLine from "./EventLine.ts"
import * as Table from "./Table.ts"

/** How lines look. */
export type Style = EventLine.Style

/** News as it came over the network, with times as texts. */
export const render = (style: Style, news: Activity.Told): string => {
  if (style.json) return Table.jsonLine(news)
  const clock = String(news.at).slice(11, 19)
  return `${clock}  ${Table.paint(style.colours, tones[news.kind], (news.kind === "health" ? news.state : news.kind).padEnd(9))}  ${words(style, news)}`
}

const tones: Partial<Record<Activity.Kind, Table.Tone>> = {
  delivered: "good",
  retried: "doubtful",
  rejected: "bad",
  log: "doubtful",
  sent: "quiet",
  polled: "quiet",
  committed: "quiet"
}

const words = (style: Style, news: Activity.Told): string => {
  switch (news.kind) {
    case "polled":
      return EventTitle.oneLine(`${news.source} read up to ${stamp(news.cursor)}`)
    case "committed":
      return EventTitle.oneLine(
        `${news.source}: ${Table.count(news.accepted, "new event")} of ${Table.count(news.runs, "run")}${news.repeated === 0 ? "" : `, ${news.repeated} known already`}`
      )
    case "sent":
      return EventLine.about(style, news.event)
    case "delivered": {
      const lag = typeof news.lag !== "number" ? "" : `  (${span(news.lag)} after it happened)`
      return `${EventLine.about(style, news.event)}${Table.paint(style.colours, "quiet", lag)}`
    }
    case "retried":
      return `${EventLine.about(style, news.event)}  ${Table.count(news.attempts, "try", "tries")} failed, again in ${span(news.after)}: ${EventTitle.cut(news.error, LONGEST)}`
    case "rejected":
      return `${EventLine.about(style, news.event)}  dead letter (${news.reason}): ${EventTitle.cut(news.words, LONGEST)}`
    case "health":
      return EventTitle.oneLine(`${news.part}${news.reason === undefined ? "" : `: ${news.reason}`}`)
    case "log":
      return EventTitle.cut(
        `${news.level} ${news.message}${news.loop === undefined ? "" : ` (${news.loop})`}${news.cause === undefined ? "" : `: ${news.cause}`}`,
        LONGEST
      )
    default:
      // Of an agent of a later release.
      return EventTitle.cut(JSON.stringify(news), LONGEST)
  }
}

const LONGEST = 300

const stamp = (at: unknown): string => String(at).slice(0, 19).replace("T", " ")

const span = (seconds: number): string =>
  seconds < 10 ? `${Math.round(seconds * 10) / 10} s` : Table.span(seconds * 1000)
