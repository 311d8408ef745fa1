/**
 * What the demo shows: one row per accepted event, a progress line below them on a terminal, and the summary. Pure
 * functions from facts to text; colours only where asked for.
 */
import * as EventTitle from "@observability-agents/core/EventTitle"
import type * as Event from "@observability-agents/toolkit/Event"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"

/**
 * How text is shown: with or without colours, and how many columns there are.
 */
export interface Style {
  readonly colours: boolean
  readonly columns: number
}

/**
 * What the progress line tells.
 */
export interface Progress {
  readonly elapsed: Duration.Duration
  readonly total: Duration.Duration
  readonly runs: number
  readonly accepted: number
  readonly waiting: number
  readonly note: string
}

/**
 * What the summary tells. The verdict is good when nothing was rejected and the lists are empty.
 */
export interface Summary {
  readonly runs: number
  readonly expected: number
  readonly accepted: number
  readonly refusedRequests: number
  readonly rejected: number
  readonly lost: ReadonlyArray<string>
  readonly duplicated: ReadonlyArray<string>
  readonly unexpected: ReadonlyArray<string>
  readonly outOfOrder: ReadonlyArray<string>
}

/**
 * The head of the table.
 */
export const header = (style: Style): string =>
  paint(style, "dim", [...columns("TIME", "EVENT", "JOB", "RUN", "TASK", "WHAT HAPPENED")].join(""))

/**
 * One accepted event as a row of the table.
 */
export const row = (style: Style, event: Event.Event, acceptedAt: DateTime.Utc): string => {
  const cells = columns(
    DateTime.formatIso(event.timestamp ?? acceptedAt).slice(11, 19),
    event._tag === "MessageLog" ? "message" : event.taskKey === undefined ? "run" : "task",
    event.pipelineName ?? event.pipelineKey ?? "",
    event.runKey ?? "",
    event.taskName ?? event.taskKey ?? "",
    ""
  )
  const left = cells.join("")
  const { text, colour } = what(event)
  return left + paint(style, colour, EventTitle.cut(text, Math.max(style.columns - left.length, 20)))
}

/**
 * The progress line, without a line feed.
 */
export const progress = (style: Style, facts: Progress): string => {
  const width = 24
  const share = Math.min(Duration.toMillis(facts.elapsed) / Duration.toMillis(facts.total), 1)
  const full = Math.round(share * width)
  const bar = `${"█".repeat(full)}${"░".repeat(width - full)}`
  const text = [
    `${minutes(facts.elapsed)} of ${minutes(facts.total)}`,
    `${facts.runs} runs`,
    `${facts.accepted} events accepted`,
    `${facts.waiting} waiting`,
    ...(facts.note === "" ? [] : [facts.note])
  ].join(" · ")
  return `${paint(style, "cyan", bar)} ${EventTitle.cut(text, style.columns - width - 2)}`
}

/**
 * A line about something that happens in the story, between the rows.
 */
export const notice = (style: Style, text: string): string =>
  paint(style, "yellow", EventTitle.cut(`── ${text}`, Math.max(style.columns, 20)))

/**
 * The summary at the end.
 */
export const summary = (style: Style, facts: Summary): string => {
  const good = isGood(facts)
  const line = (name: string, value: number | string, bad = false) =>
    `  ${name.padEnd(22)}${paint(style, bad ? "red" : "plain", String(value).padStart(6))}`
  return [
    "",
    paint(style, "bold", "Summary"),
    line("runs seen", facts.runs),
    line("events expected", facts.expected),
    line("events accepted", facts.accepted),
    line("rejected", facts.rejected, facts.rejected > 0),
    line("lost", facts.lost.length, facts.lost.length > 0),
    line("duplicated", facts.duplicated.length, facts.duplicated.length > 0),
    line("out of order", facts.outOfOrder.length, facts.outOfOrder.length > 0),
    line("answered with an error", facts.refusedRequests),
    ...[
      ...facts.lost.map((id) => `lost: ${id}`),
      ...facts.duplicated.map((id) => `duplicated: ${id}`),
      ...facts.unexpected.map((id) => `nobody expected: ${id}`),
      ...facts.outOfOrder
    ]
      .slice(0, 20)
      .map((text) => paint(style, "red", `  ${text}`)),
    "",
    good
      ? paint(style, "green", "Every event arrived once and in order, also those of the outage.")
      : paint(style, "red", "Something did not arrive as it should have; see above."),
    ""
  ].join("\n")
}

/**
 * Whether everything arrived once, in order, and was taken.
 */
export const isGood = (facts: Summary): boolean =>
  facts.rejected === 0 &&
  [facts.lost, facts.duplicated, facts.unexpected, facts.outOfOrder].every(
    (findings) => findings.length === 0
  )

/** `m:ss` of a duration. */
const minutes = (duration: Duration.Duration): string => {
  const seconds = Math.floor(Duration.toSeconds(duration))
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`
}

const columns = (time: string, kind: string, job: string, run: string, task: string, text: string) => [
  time.padEnd(10),
  kind.padEnd(9),
  EventTitle.cut(job, 14).padEnd(16),
  EventTitle.cut(run, 6).padEnd(8),
  EventTitle.cut(task, 14).padEnd(16),
  text
]

const what = (event: Event.Event): { readonly text: string; readonly colour: Colour } => {
  switch (event._tag) {
    case "RunStatus":
      return { text: event.status, colour: statusColours[event.status] }
    case "MessageLog":
      return {
        text: `${event.level}: ${event.message}`,
        colour: levelColours[event.level]
      }
    case "MetricLog":
      return { text: `${event.metricKey} = ${event.metricValue}`, colour: "plain" }
    case "DatasetOperation":
      return { text: event.operation, colour: "plain" }
    case "TestOutcomes":
      return { text: `${event.outcomes.length} test outcomes`, colour: "plain" }
  }
}

const statusColours = {
  RUNNING: "cyan",
  COMPLETED: "green",
  COMPLETED_WITH_WARNINGS: "yellow",
  FAILED: "red"
} as const

const levelColours = { ERROR: "red", WARNING: "yellow", INFO: "plain" } as const

type Colour = "plain" | "dim" | "bold" | "red" | "green" | "yellow" | "cyan"

const codes: Readonly<Record<Colour, string>> = {
  plain: "",
  dim: "\u001b[2m",
  bold: "\u001b[1m",
  red: "\u001b[31m",
  green: "\u001b[32m",
  yellow: "\u001b[33m",
  cyan: "\u001b[36m"
}

const paint = (style: Style, colour: Colour, text: string): string =>
  style.colours && colour !== "plain" ? `${codes[colour]}${text}\u001b[0m` : text
