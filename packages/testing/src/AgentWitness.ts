/**
 * What the conformance suite of agents sees of an agent's lives: everything that goes over the network, its log, its news,
 * its fibers. It outlives the agent, which may be stopped or killed and started again.
 */
import type * as Activity from "@observability-agents/core/Activity"
import * as Cause from "effect/Cause"
import type * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Logger from "effect/Logger"
import type * as Metric from "effect/Metric"
import * as References from "effect/References"
import * as Secrets from "./AgentSuiteSecrets.ts"
import * as Timeline from "./Timeline.ts"

/** A place where the agent moved its cursor to, and when; milliseconds since 1970. */
export interface Polled {
  readonly source: string
  readonly cursor: number
  readonly at: number
}

/** A request to the tool; milliseconds since 1970. */
export interface Asked {
  readonly began: number
  /** When the answer, or none, was there. */
  readonly ended: number
}

/** What was seen so far. */
export interface Witness {
  readonly timeline: Timeline.Timeline
  /** Every text with a secret that the agent gave away, and where: the log, events, signs of life, news, spans. */
  readonly texts: Array<{ readonly where: string; readonly text: string }>
  readonly polled: Array<Polled>
  readonly asked: Array<Asked>
  /** How often each request may come again, since the agent was not told that it was accepted; by path and body. */
  readonly mayRepeat: Map<string, number>
  readonly now: () => number
  /** Adds a line to the timeline, at this moment. */
  readonly see: (actor: Timeline.Actor, text: string) => void
  /** Looks for secrets in a text that the agent gave away; keeps it only if there is one. */
  readonly look: Secrets.Look
}

/** Begins to watch at the Clock's present time. */
export const make = (clock: Clock.Clock, secrets: ReadonlyArray<string>): Witness => {
  const now = () => Math.floor(clock.currentTimeMillisUnsafe())
  const timeline = Timeline.make(now(), secrets)
  const texts: Array<{ readonly where: string; readonly text: string }> = []
  const hasSecret = Secrets.finder(secrets)
  return {
    timeline,
    texts,
    polled: [],
    asked: [],
    mayRepeat: new Map(),
    now,
    see: (actor, text) => timeline.add(now(), actor, text),
    look: (where, text) => {
      if (hasSecret(text)) texts.push({ where, text })
    }
  }
}

/** Allows that this request comes once more. */
export const allowRepeat = ({ mayRepeat }: Witness, request: string): void => {
  mayRepeat.set(request, (mayRepeat.get(request) ?? 0) + 1)
}

/** A log that the witness reads: all of it for secrets, and the warnings and errors of who is alive for the timeline. */
export const logger = (witness: Witness, isAlive: () => boolean): Logger.Logger<unknown, void> =>
  Logger.make((options) => {
    const json = Logger.formatJson.log(options)
    const cause = options.cause.reasons.length === 0 ? "" : Cause.pretty(options.cause)
    witness.look("the log", `${json} ${cause}`)
    const { fiber, logLevel, message } = options
    if (!isAlive()) return
    if (logLevel !== "Warn" && logLevel !== "Error" && logLevel !== "Fatal") return
    const sentence = Array.isArray(message) ? message.map(String).join(" ") : String(message)
    const part = partOf(fiber.context)
    const why = cause === "" ? "" : `: ${witness.timeline.mask(cause).split("\n")[0]}`
    witness.see("log", `${logLevel.toUpperCase()} ${part === undefined ? "" : `${part}: `}${sentence}${why}`)
  })

/** Adds news to the timeline. */
export const hear = (witness: Witness, news: Activity.Told): void => {
  // News is heard a little later than it is told; and the agent's clock may be wrong.
  const at =
    Math.abs(news.at.epochMilliseconds - witness.now()) > 1000 ? witness.now() : news.at.epochMilliseconds
  const add = (actor: Timeline.Actor, text: string) => witness.timeline.add(at, actor, text)
  witness.look(PLACES[news.kind] ?? "the news of Activity", JSON.stringify(news))
  switch (news.kind) {
    case "polled":
      witness.polled.push({ source: news.source, cursor: news.cursor.epochMilliseconds, at })
      return add("agent", `read ${news.source} up to ${news.cursor.toJSON()}`)
    case "committed":
      if (news.accepted + news.repeated === 0) return
      return add("agent", `made ${news.accepted} events, ${news.repeated} known ones, from ${news.source}`)
    case "delivered":
      return add("outbox", `delivered ${about(news.event)}`)
    case "retried":
      return add("outbox", `puts off ${about(news.event)} for ${news.after} s: ${news.error}`)
    case "rejected":
      return add("outbox", `dead letter ${about(news.event)}: ${news.reason}, ${news.words}`)
    case "health":
      return add(
        "health",
        `${news.part} is ${news.state}${news.reason === undefined ? "" : `: ${news.reason}`}`
      )
    default:
      return
  }
}

/** Where news of these kinds come from. */
const PLACES: Readonly<Record<string, string>> = {
  health: "a reason of Health",
  rejected: "a dead letter",
  log: "the log, as the status page shows it"
}

const about = ({ component, run, title }: Activity.Subject): string =>
  `${[component, run].filter((key) => key !== undefined).join("/")} ${title}`

/** The fibers of one life. */
export interface Fibers {
  readonly service: Metric.FiberRuntimeMetricsService
  /** The parts of the agent whose fibers run, one entry per fiber. */
  readonly running: () => ReadonlyArray<string>
}

/** Counts fibers by the part of the agent that forked them. */
export const fibers = (): Fibers => {
  const counts = new Map<string, number>()
  const count = (context: Context.Context<never>, by: number) => {
    const part = partOf(context) ?? "no Loop"
    counts.set(part, (counts.get(part) ?? 0) + by)
  }
  return {
    service: {
      recordFiberStart: (context) => count(context, 1),
      recordFiberEnd: (context) => count(context, -1)
    },
    running: () => {
      // A fiber may end under another name than it began with, so the sum is right, whatever the parts are.
      const total = [...counts.values()].reduce((sum, running) => sum + running, 0)
      return [...counts]
        .flatMap(([part, running]) => Array.from({ length: Math.max(0, running) }, () => part))
        .slice(0, Math.max(0, total))
    }
  }
}

/** The Loop that a fiber works for, or else its module. */
const partOf = (context: Context.Context<never>): string | undefined => {
  const annotations = Context.get(context, References.CurrentLogAnnotations)
  const part = annotations["loop"] ?? annotations["module"]
  return typeof part === "string" ? part : undefined
}
