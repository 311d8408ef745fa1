/**
 * The parts of the status page that change, each rendered from a snapshot.
 *
 * Nothing is said by colour alone, every table has a caption, and what changes is announced only where it matters: the state
 * of the agent and the number of dead letters.
 */
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import type { Subject, Told } from "./Activity.ts"
import type { Graph } from "./Graph.ts"
import type { Snapshot } from "./Status.ts"
import * as StatusGraph from "./StatusGraph.ts"
import { type Html, markup, text, type Value } from "./StatusHtml.ts"
import * as StatusPlot from "./StatusPlot.ts"
import { SAMPLE_PERIOD, SAMPLES } from "./StatusState.ts"
import * as Words from "./StatusWords.ts"

/** The name of a part, and of its place on the page. */
export type Name = keyof typeof parts

/** Renders all parts. */
export const render = (snapshot: Snapshot, graph: Graph): Readonly<Record<string, string>> =>
  Object.fromEntries(Object.entries(parts).map(([name, part]) => [name, text(part(snapshot, graph))]))

/** How many events and problems are listed. */
const LISTED = 40

/** How many samples make a minute. */
const MINUTE = 60_000 / Duration.toMillis(SAMPLE_PERIOD)

/** Renders each part by itself. */
export const parts = {
  head: (snapshot: Snapshot): Html => {
    const { agent, startedAt } = snapshot
    const { name, sign, words } = stateOf(snapshot)
    return markup`<div class="head"><div><h1>${agent.key}</h1><p>${agent.tool} agent ${agent.version}, since ${Words.time(startedAt, snapshot.at)}</p></div>
<p class="state ${name}"><span aria-hidden="true">${sign}</span> ${words}</p></div>`
  },
  news: (snapshot: Snapshot): Html => {
    const { deadLetters } = snapshot.outbox
    const letters = deadLetters === 0 ? "" : ` ${Words.counted(deadLetters, "dead letter")}.`
    return markup`${snapshot.agent.key}: ${stateOf(snapshot).words}.${letters}`
  },
  reasons: (snapshot: Snapshot): Html => {
    const reasons = [...snapshot.live.reasons, ...snapshot.ready.reasons]
    if (reasons.length === 0) return markup``
    const items = reasons.map(({ part, reason, since }) => {
      const when =
        since !== null &&
        markup` <span class="since">since ${Words.time(since, snapshot.at)} (${Words.between(since, snapshot.at)})</span>`
      return markup`<li><strong>${part}</strong>: ${Words.cause(reason, 300)}${when}</li>`
    })
    const isNew = stateOf(snapshot).name === "new"
    return markup`<section class="${isNew ? "reasons new" : "reasons"}" aria-labelledby="reasons"><h2 id="reasons">${isNew ? "Not ready yet" : "What is wrong"}</h2><ul>${items}</ul></section>`
  },
  tiles: ({ at, heartbeat, lastMinute, outbox, runs, sources }: Snapshot): Html => {
    const oldest = outbox.oldestPending
    const none = lastMinute.lag === null
    return markup`<dl class="tiles">
${tile("Waiting", Words.count(outbox.pending), oldest === null ? "everything was sent" : `the oldest for ${Words.between(oldest, at)}`)}
${tile("Delivered", Words.count(lastMinute.delivered), `in the last minute, ${Words.count(outbox.delivered)} in all`)}
${tile("Lag", none ? "–" : Words.span(lastMinute.lag ?? 0), none ? "nothing delivered in the last minute" : "from what happened to its delivery")}
${tile("Runs followed", Words.count(runs.open), `of ${Words.counted(sources.length, "source")}`)}
${tile("Dead letters", Words.count(outbox.deadLetters), outbox.deadLetters === 0 ? "none" : "▲ not accepted by the server", outbox.deadLetters > 0)}
${tile("Heartbeat", HEARTBEAT[heartbeat.state], heartbeat.lastSent === null ? "none so far" : markup`last at ${Words.time(heartbeat.lastSent, at)}`, heartbeat.state === "withheld" || heartbeat.state === "failing")}
</dl>`
  },
  graph: (snapshot: Snapshot, graph: Graph): Html => StatusGraph.draw(graph, snapshot),
  plots: ({ samples }: Snapshot): Html => {
    const plot = (
      title: string,
      values: ReadonlyArray<number | undefined>,
      say: (value: number) => string
    ): Html => StatusPlot.draw({ title, values, say, slots: SAMPLES, over: "last 10 min" })
    // Each point is the minute before it: a few seconds hold too few events to be a rate.
    const perMinute = samples.map((_, index) =>
      samples
        .slice(Math.max(0, index + 1 - MINUTE), index + 1)
        .reduce((sum, sample) => sum + sample.deliveredEvents, 0)
    )
    const lag = samples.map((sample) => sample.lag)
    const waiting = samples.map(({ pending }) => pending)
    return markup`<div class="plots">
${plot("Lag", lag, Words.span)}
${plot("Delivered per minute", perMinute, Words.count)}
${plot("Waiting", waiting, Words.count)}
</div>`
  },
  runs: ({ at, runs }: Snapshot): Html => {
    if (runs.newest.length === 0) return empty("No run is open.")
    const all = Words.counted(runs.open, "open run")
    const caption = runs.newest.length < runs.open ? `The newest ${runs.newest.length} of ${all}` : all
    return table(
      `${caption}, the newest first`,
      ["Pipeline", "Run", "Started", "#For", "#Tasks"],
      runs.newest.map((run) => {
        const named = run.runName !== null && run.runName !== run.pipelineName
        return [
          run.pipelineName ?? run.pipeline,
          named ? markup`${run.runName} ${id(run.run)}` : run.run,
          Words.time(run.startedAt, at),
          run.startedAt === null ? "–" : Words.between(run.startedAt, at),
          run.tasks.known === 0 ? "–" : `${run.tasks.ended} of ${run.tasks.known}`
        ]
      })
    )
  },
  events: ({ at, events }: Snapshot): Html =>
    events.length === 0
      ? empty("Nothing was sent since the agent started.")
      : table(
          "What became of the newest events, the newest first",
          ["Event", "Of", "Outcome", "Time", "#Lag"],
          events
            .slice(0, LISTED)
            .flatMap((told) =>
              "event" in told
                ? [
                    [
                      told.event.title,
                      of(told.event),
                      outcome(told),
                      Words.time(DateTime.formatIso(told.at), at),
                      told.kind === "delivered" && told.lag !== undefined ? Words.span(told.lag) : "–"
                    ]
                  ]
                : []
            )
        ),
  problems: ({ at, problems }: Snapshot): Html =>
    problems.length === 0
      ? empty("None since the agent started.")
      : table(
          "The newest first",
          ["Where", "What", "Time"],
          problems
            .slice(0, LISTED)
            .map((told) => [...problem(told), Words.time(DateTime.formatIso(told.at), at)])
        ),
  letters: ({ at, deadLetters, outbox }: Snapshot): Html =>
    deadLetters.length === 0
      ? empty("None: the server accepted everything that was sent.")
      : table(
          markup`The newest ${deadLetters.length} of ${Words.count(outbox.deadLetters)}. The command <code>dead-letters</code> shows, repeats and drops them.`,
          ["Event", "Of", "Why", "Time", "#No."],
          deadLetters.map(({ at: buried, event, number, reason, words }) => [
            event.title,
            of(event),
            `${reason}: ${words}`,
            Words.time(buried, at),
            number
          ])
        ),
  parts: ({ at, loops, parts }: Snapshot): Html =>
    table(
      "Whether the last try of each part worked",
      ["Part", "State", "Since", "Last success", "#Runs", "#Failed"],
      parts.map((part) => {
        const loop = loops.find(({ name }) => name === part.name)
        return [
          part.name,
          part.state === "ok"
            ? sign("ok", "●", "works")
            : sign("failing", "▲", `fails: ${Words.cause(part.reason ?? "", 90)}`),
          Words.time(part.since, at),
          Words.time(part.lastSuccess, at),
          loop === undefined ? "–" : Words.count(loop.runs),
          loop === undefined ? "–" : Words.count(loop.failures)
        ]
      })
    ),
  sources: ({ at, channels, sources }: Snapshot): Html =>
    markup`${table(
      "Up to when each source was read and committed",
      ["Source", "Read up to", "#Open runs"],
      sources.map(({ openRuns, readUpTo, source }) => [
        source,
        Words.time(readUpTo, at),
        Words.count(openRuns)
      ])
    )}${table(
      "How full each Channel is",
      ["Channel", "#Messages", "#Capacity", "#Sends held back"],
      channels.map(({ capacity, depth, name, waiting }) => [
        name,
        ...[depth, capacity, waiting].map(Words.count)
      ])
    )}`
} as const

/** A table whose first column names the rows. A column whose name begins with `#` holds numbers. */
const table = (
  caption: Html | string,
  columns: ReadonlyArray<string>,
  rows: ReadonlyArray<ReadonlyArray<Value>>
): Html => {
  const isNumber = columns.map((column) => column.startsWith("#") && markup` class="number"`)
  return markup`<table><caption>${caption}</caption>
<thead><tr>${columns.map((column, index) => markup`<th scope="col"${isNumber[index]}>${column.replace("#", "")}</th>`)}</tr></thead>
<tbody>${rows.map(
    ([name, ...cells]) =>
      markup`<tr><th scope="row">${name}</th>${cells.map((cell, index) => markup`<td${isNumber[index + 1]}>${cell}</td>`)}</tr>\n`
  )}</tbody></table>`
}

const tile = (what: string, value: string, note: Html | string, isBad = false): Html =>
  markup`<div class="${isBad ? "tile bad" : "tile"}"><dt>${what}</dt><dd><span class="value">${value}</span><span class="note">${note}</span></dd></div>`

const empty = (words: string): Html => markup`<p class="empty">${words}</p>`

const id = (name: string): Html => markup`<span class="id">${name}</span>`

const of = ({ component, componentName, run }: Subject): Html =>
  markup`${componentName ?? component}${run !== undefined && markup` ${id(run)}`}`

const sign = (name: string, shown: string, words: string): Html =>
  markup`<span class="${name}"><span aria-hidden="true">${shown}</span> ${words}</span>`

const outcome = (told: Told): Html => {
  switch (told.kind) {
    case "delivered":
      return sign("ok", "●", "delivered")
    case "retried":
      return sign("warn", "↻", "put off")
    case "rejected":
      return sign("failing", "▲", "dead letter")
    default:
      return markup`${told.kind}`
  }
}

const problem = (told: Told): readonly [Value, Value] => {
  switch (told.kind) {
    case "health":
      return [told.part, `fails: ${Words.cause(told.reason ?? "", 300)}`]
    case "retried":
      return [
        of(told.event),
        `${told.event.title}: try ${told.attempts} failed, the next one in ${Words.span(told.after)}: ${told.error}`
      ]
    case "log": {
      const cause = told.cause === undefined ? "" : ` (${Words.cause(told.cause, 300)})`
      return [told.loop ?? "log", `${told.message}${cause}`]
    }
    default:
      return [told.kind, ""]
  }
}

const HEARTBEAT = {
  sent: "Sent",
  withheld: "Withheld",
  failing: "Not accepted",
  starting: "Not sent yet"
} as const

const stateOf = ({
  live,
  ready
}: Snapshot): { readonly name: "ok" | "bad" | "new"; readonly sign: string; readonly words: string } => {
  if (!live.ok) return { name: "bad", sign: "✕", words: "Stuck" }
  if (ready.ok) return { name: "ok", sign: "●", words: "Ready" }
  const isNew = ready.reasons.every(({ part, since }) => since === null || part === "start")
  return isNew
    ? { name: "new", sign: "◌", words: "Starting" }
    : { name: "bad", sign: "▲", words: "Not ready" }
}
