/**
 * What `top` shows of an agent: one screen of text, as wide and high as the terminal. Pure: from what the agent says of itself
 * to lines.
 */
import * as EventTitle from "@observability-agents/core/EventTitle"
import type { Told } from "@observability-agents/core/Activity"
import type { Snapshot } from "@observability-agents/core/Status"
import * as DateTime from "effect/DateTime"
import * as Table from "./Table.ts"

/** How much room there is, and whether in colours. */
export interface Style {
  /** `Infinity`: as wide as it is. */
  readonly columns: number
  /** `Infinity`: everything. */
  readonly rows: number
  readonly colours: boolean
}

/** The screen. `trouble` is why what is shown is not of now. */
export const render = (style: Style, snapshot: Snapshot, trouble?: string): ReadonlyArray<string> => {
  const { at } = snapshot
  const blocks: ReadonlyArray<ReadonlyArray<Line>> = [
    head(snapshot, trouble),
    table(
      ["SOURCE", "READ UP TO (UTC)", "OPEN RUNS"],
      snapshot.sources.map(({ openRuns, readUpTo, source }) => [
        cell(source),
        cell(readUpTo === null ? "not read to the end yet" : stamp(readUpTo)),
        cell(number(openRuns))
      ])
    ),
    table(
      ["LOOP", "STATE", "EVERY", "RUNS", "FAILED", "LAST GOOD"],
      snapshot.loops.map((loop) => [
        cell(loop.name),
        stateOf(snapshot, loop.name, loop.ended),
        cell(loop.period === null ? "–" : span(loop.period)),
        cell(number(loop.runs)),
        cell(number(loop.failures), loop.failures > 0 ? "doubtful" : undefined),
        cell(loop.lastSuccess === null ? "never" : `${ago(loop.lastSuccess, at)} ago`)
      ])
    ),
    table(
      ["CHANNEL", "HOLDS", "OF", "SENDS HELD BACK"],
      snapshot.channels.map(({ capacity, depth, name, waiting }) => [
        cell(name),
        cell(number(depth), depth >= capacity ? "doubtful" : undefined),
        cell(number(capacity)),
        cell(number(waiting), waiting > 0 ? "doubtful" : undefined)
      ])
    ),
    outbox(snapshot),
    errors(snapshot)
  ]
  const lines = blocks
    .filter((block) => block.length > 0)
    .flatMap((block, index) => (index === 0 ? block : [[], ...block]))
  const shown = lines.length <= style.rows ? lines : lines.slice(0, Math.max(1, style.rows))
  return shown.map((line) => paint(style, line))
}

/** A piece of a line. */
interface Cell {
  readonly text: string
  readonly tone?: Table.Tone | undefined
}

type Line = ReadonlyArray<Cell>

const cell = (text: string, tone?: Table.Tone): Cell => ({ text: EventTitle.oneLine(text), tone })

const label = (text: string): Cell => ({ text: text.padEnd(9), tone: "quiet" })

const GAP: Cell = { text: "  " }

const head = ({ agent, at, heartbeat, live, ready, startedAt }: Snapshot, trouble: string | undefined) => {
  const answer = (word: string, isOk: boolean) => cell(isOk ? word : `not ${word}`, isOk ? "good" : "bad")
  const beat =
    heartbeat.lastSent === null
      ? heartbeat.state
      : `${heartbeat.state}, last ${ago(heartbeat.lastSent, at)} ago`
  const first: Line = [
    cell(`${agent.key} (${agent.type} ${agent.version})`),
    GAP,
    cell(`up ${ago(startedAt, at)}`),
    GAP,
    answer("ready", ready.ok),
    GAP,
    answer("live", live.ok),
    GAP,
    cell(`heartbeat ${beat}`, heartbeat.state === "sent" ? undefined : "doubtful")
  ]
  const reasons = [...ready.reasons, ...live.reasons].map(({ part, reason, since }): Line => [
    cell(`${part}: ${reason}${since === null ? "" : ` since ${stamp(since)}`}`, "bad")
  ])
  return [first, ...(trouble === undefined ? [] : [[cell(trouble, "bad")]]), ...reasons]
}

const stateOf = ({ parts }: Snapshot, name: string, hasEnded: boolean): Cell => {
  if (hasEnded) return cell("ended")
  const part = parts.find((part) => part.name === name)
  if (part === undefined) return cell("–")
  return part.state === "ok" ? cell("ok", "good") : cell("fails", "bad")
}

const outbox = ({ at, lastMinute, outbox }: Snapshot): ReadonlyArray<Line> => {
  const { deadLetters, delivered, inFlight, lanes, oldestPending, pending } = outbox
  return [
    [
      label("OUTBOX"),
      GAP,
      cell(
        `${number(pending)} waiting in ${Table.count(lanes, "lane")}, ${number(inFlight)} under way`,
        pending > 0 ? "doubtful" : undefined
      ),
      { text: oldestPending === null ? "" : `, the oldest for ${ago(oldestPending, at)}` }
    ],
    [
      label("DELIVERED"),
      GAP,
      cell(`${number(delivered)} in all`),
      GAP,
      cell(
        deadLetters === 0 ? "no dead letters" : Table.count(deadLetters, "dead letter"),
        deadLetters === 0 ? undefined : "bad"
      )
    ],
    [
      label("MINUTE"),
      GAP,
      cell(`${number(lastMinute.committed)} made, ${number(lastMinute.delivered)} delivered`),
      GAP,
      cell(lastMinute.lag === null ? "" : `on average ${span(lastMinute.lag)} after they happened`)
    ]
  ]
}

const errors = ({ problems }: Snapshot): ReadonlyArray<Line> => {
  if (problems.length === 0) return []
  return [
    [cell("LAST PROBLEMS", "quiet")],
    ...problems
      .slice(0, MOST_PROBLEMS)
      .map((news): Line => [cell(`${String(news.at).slice(11, 19)}`, "quiet"), GAP, cell(wordsOf(news))])
  ]
}

const MOST_PROBLEMS = 8

const wordsOf = (news: Told): string => {
  switch (news.kind) {
    case "log":
      return `${news.message}${news.loop === undefined ? "" : ` (${news.loop})`}${news.cause === undefined ? "" : `: ${news.cause}`}`
    case "retried":
      return `${news.event.component}${news.event.run === undefined ? "" : `/${news.event.run}`} ${news.event.title}: ${Table.count(news.attempts, "try", "tries")} failed, again in ${span(news.after)}: ${news.error}`
    case "health":
      return `${news.part} ${news.state === "ok" ? "works again" : "fails"}${news.reason === undefined ? "" : `: ${news.reason}`}`
    default:
      return news.kind
  }
}

const table = (headings: ReadonlyArray<string>, rows: ReadonlyArray<Line>): ReadonlyArray<Line> => {
  if (rows.length === 0) return []
  const widths = headings.map((heading, column) =>
    Math.max(heading.length, ...rows.map((row) => row[column]?.text.length ?? 0))
  )
  return [headings.map((text) => cell(text, "quiet")), ...rows].map((row) =>
    row.flatMap(({ text, tone }, column) => [{ text: text.padEnd(widths[column] ?? 0), tone }, GAP])
  )
}

/** As much of a line as fits. */
const paint = ({ colours, columns }: Style, line: Line): string => {
  let room = columns
  const out: Array<string> = []
  for (const { text, tone } of line) {
    if (room <= 0) break
    const fits = text.length <= room ? text : `${text.slice(0, Math.max(0, room - 1)).toWellFormed()}…`
    room -= fits.length
    out.push(Table.paint(colours, tone, fits))
  }
  return out.join("").trimEnd()
}

const number = (value: number): string => value.toLocaleString("en")

const stamp = (at: string): string => at.slice(0, 19).replace("T", " ")

const millis = (at: string): number => DateTime.makeUnsafe(at).epochMilliseconds

const ago = (at: string, now: string): string => span((millis(now) - millis(at)) / 1000)

const span = (seconds: number): string =>
  seconds > 0 && seconds < 9.95 ? `${Math.round(seconds * 10) / 10} s` : Table.span(seconds * 1000)
