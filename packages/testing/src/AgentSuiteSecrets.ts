/**
 * How the conformance suite of agents recognises a secret that was given away: as it is, and in the ways that URLs, JSON and
 * headers write it. And the tracer by which it reads spans.
 */
import * as Secrecy from "@observability-agents/toolkit/Secrecy"
import * as Cause from "effect/Cause"
import type * as Exit from "effect/Exit"
import * as Formatter from "effect/Formatter"
import * as Metric from "effect/Metric"
import type * as Context from "effect/Context"
import * as Tracer from "effect/Tracer"
import * as Timeline from "./Timeline.ts"

/** Takes what the agent gave away, and where: `the log`, `a span`. */
export type Look = (where: string, text: string) => void

/**
 * Whether a text holds one of these secrets. A secret of less than eight characters is found only as it is: otherwise it
 * might turn up by chance.
 */
export const finder = (secrets: ReadonlyArray<string>): ((text: string) => boolean) => {
  const hide = Secrecy.masker(secrets, LONG_ENOUGH)
  const short = secrets.filter((secret) => secret !== "" && secret.length < LONG_ENOUGH)
  return (text) => hide(text) !== text || short.some((secret) => text.includes(secret))
}

/** The text with `***` in place of each of these secrets. */
export const masked = (secrets: ReadonlyArray<string>, text: string): string => Timeline.mask(text, secrets)

/** A tracer that collects nothing but shows the names, attributes, events and failures of all spans to `look`. */
export const tracer = (look: Look): Tracer.Tracer =>
  Tracer.make({
    span: (options) => {
      look("a span's name", options.name)
      return new SeenSpan(options, look)
    }
  })

/** Shows all metrics of this registry to `look`: names, descriptions, attributes, and the words that are counted. */
export const lookAtMetrics = (context: Context.Context<never>, look: Look): void => {
  for (const { attributes, description, id, state } of Metric.snapshotUnsafe(context)) {
    const words = "occurrences" in state ? [...state.occurrences.keys()] : []
    look(`the metric ${id}`, Formatter.format([id, description, attributes, words]))
  }
}

// ---- private

class SeenSpan extends Tracer.NativeSpan {
  readonly #look: Look

  constructor(options: ConstructorParameters<typeof Tracer.NativeSpan>[0], look: Look) {
    super(options)
    this.#look = look
  }

  override attribute(key: string, value: unknown): void {
    this.#look(`an attribute of the span ${this.name}`, `${key} ${written(value)}`)
    super.attribute(key, value)
  }

  override event(name: string, startTime: bigint, attributes?: Record<string, unknown>): void {
    this.#look(`an event of the span ${this.name}`, `${name} ${written(attributes)}`)
    super.event(name, startTime, attributes)
  }

  override addLinks(links: ReadonlyArray<Tracer.SpanLink>): void {
    this.#look(`a link of the span ${this.name}`, written(links.map(({ attributes }) => attributes)))
    super.addLinks(links)
  }

  override end(endTime: bigint, exit: Exit.Exit<unknown, unknown>): void {
    // An exporter writes it into the span.
    if (exit._tag === "Failure" && !Cause.hasInterruptsOnly(exit.cause)) {
      this.#look(`the failure of the span ${this.name}`, Cause.pretty(exit.cause))
    }
    super.end(endTime, exit)
  }
}

const written = (value: unknown): string => (typeof value === "string" ? value : Formatter.format(value))

const LONG_ENOUGH = 8
