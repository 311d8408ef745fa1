/**
 * Where log lines go and how they look. Lines are constant sentences with annotations; they go to the standard
 * error stream, so that what a program prints as its result stays separable. `pretty` is for a terminal, `json` for
 * a log collector (one object per line), `logfmt` for people who read collected logs. Times are UTC in ISO 8601.
 *
 * Which lines are written is decided line by line: a level for all, and levels for single Loops (annotation `loop`) and
 * modules (annotation `module`, see {@link layerModule}). Where somebody traces, `json` and `logfmt` lines name the span
 * that they were written in (`trace_id`, `span_id`).
 *
 * A failure that was foreseen is told in words, without a stack trace: what an operator needs is in its message. Defects
 * keep theirs, and so does everything where the level is `debug`.
 *
 * ```ts
 * import * as Logging from "@observability-agents/toolkit/Logging"
 * import { Effect } from "effect"
 *
 * export const program = Effect.logInfo("Reads the list").pipe(
 *   Effect.annotateLogs({ entries: 12 }),
 *   Effect.provide(Logging.layer({ level: "info", format: "json" }))
 * )
 * ```
 */
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type { Fiber } from "effect/Fiber"
import * as Formatter from "effect/Formatter"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import * as References from "effect/References"
import type * as Tracer from "effect/Tracer"
import * as TelemetryRelay from "./TelemetryRelay.ts"

/**
 * The levels of the setting `log_level`, from the most talkative to the most silent.
 */
export type Level = "debug" | "info" | "warning" | "error"

/** All levels. */
export const levels: ReadonlyArray<Level> = ["debug", "info", "warning", "error"]

/**
 * How one log line is written.
 */
export type Format = "pretty" | "json" | "logfmt"

/** How a program logs. */
export interface Options {
  /** The least important lines that are written, where `levels` says nothing else. */
  readonly level: Level
  readonly format: Format
  /** The same for single Loops and modules, by name; a Loop's own goes before that of its module. */
  readonly levels?: Readonly<Record<string, Level>> | undefined
  /** Changes every finished line: where secrets are masked that got in against all precautions. */
  readonly mask?: ((text: string) => string) | undefined
  /** Takes a secret that was given at run time, such as an access token, so that `mask` hides it from then on. */
  readonly learn?: ((secret: string) => void) | undefined
  /** Annotations of all lines, such as the agent's key. */
  readonly annotations?: Readonly<Record<string, string>> | undefined
  /** Whether `pretty` lines have colours. */
  readonly colours?: boolean | undefined
}

/**
 * Replaces Effect's loggers by one of the given format and hides what is less severe than the given levels.
 */
export const layer = (options: Options): Layer.Layer<never> => {
  const all = [options.level, ...Object.values(options.levels ?? {})].map((level) => thresholds[level])
  const lowest = all.reduce<LogLevel.LogLevel>(
    (least, level) => (LogLevel.isLessThan(level, least) ? level : least),
    "Fatal"
  )
  const mask = options.mask ?? ((text) => text)
  return Layer.mergeAll(
    Logger.layer([logger(options)]),
    Layer.succeed(Selection, { level: options.level, levels: options.levels, mask, learn: options.learn }),
    Layer.succeed(Logger.LogToStderr, true),
    // What no rule wants is not even made a line of.
    Layer.succeed(References.MinimumLogLevel, lowest),
    layerAnnotations(options.annotations ?? {})
  )
}

/** The logger of {@link layer} alone: writes the lines that the options want to the standard error stream. */
export const logger = (options: Options): Logger.Logger<unknown, void> => {
  const format = formats[options.format](options.colours === true)
  return select(options, Logger.withConsoleError(Logger.map(format, options.mask ?? ((text) => text))))
}

/** What {@link layer} was told of lines that are not to be written or shown as they are, for further loggers. */
export const Selection: Context.Reference<Pick<Options, "level" | "levels" | "mask" | "learn">> =
  Context.Reference("@observability-agents/toolkit/Logging/Selection", {
    defaultValue: (): Pick<Options, "level" | "levels" | "mask" | "learn"> => ({ level: "debug" })
  })

/** A logger that gets only those lines that these options want, and foreseen failures in words. */
export const select = <Output>(
  options: Pick<Options, "level" | "levels">,
  logger: Logger.Logger<unknown, Output>
): Logger.Logger<unknown, Output | undefined> =>
  Logger.make((line) => {
    const level = levelOf(options, line.fiber)
    if (LogLevel.isLessThan(line.logLevel, thresholds[level])) return undefined
    return logger.log(level === "debug" ? line : withoutTraces(line))
  })

/** Names the module that everything within writes its log lines as, for the setting `log_levels`. */
export const layerModule = (name: string): Layer.Layer<never> => layerAnnotations({ module: name })

// ---- private parts

const thresholds = { debug: "Debug", info: "Info", warning: "Warn", error: "Error" } as const

const layerAnnotations = (annotations: Readonly<Record<string, string>>): Layer.Layer<never> =>
  Layer.effect(
    References.CurrentLogAnnotations,
    Effect.map(References.CurrentLogAnnotations, (known) => ({ ...known, ...annotations }))
  )

const levelOf = (
  { level, levels = {} }: Pick<Options, "level" | "levels">,
  fiber: Fiber<unknown, unknown>
): Level => {
  const { loop, module } = fiber.getRef(References.CurrentLogAnnotations)
  for (const name of [loop, module]) {
    if (typeof name === "string" && Object.hasOwn(levels, name)) return levels[name] ?? level
  }
  return level
}

const withoutTraces = <Message>(line: Logger.Options<Message>): Logger.Options<Message> =>
  line.cause.reasons.length === 0
    ? line
    : {
        ...line,
        cause: Cause.fromReasons(
          line.cause.reasons.map((reason) =>
            Cause.isFailReason(reason) && reason.error instanceof Error
              ? Cause.makeFailReason(inWords(reason.error))
              : reason
          )
        )
      }

/** The same error, of which nothing but its words is printed. */
const inWords = (error: Error): Error => {
  const words = new Error(error.message)
  words.name = error.name
  words.stack = error.message === "" ? error.name : `${error.name}: ${error.message}`
  return words
}

/** The span that a line was written in, if somebody collects it. */
const spanOf = ({ cache: { span, tracer } }: Fiber<unknown, unknown>): Tracer.AnySpan | undefined =>
  TelemetryRelay.isCollecting(tracer) ? span : undefined

const json = Logger.make((line) => {
  const span = spanOf(line.fiber)
  return Formatter.formatJson({
    ...Logger.formatStructured.log(line),
    ...(span === undefined ? {} : { trace_id: span.traceId, span_id: span.spanId })
  })
})

const logfmt = Logger.make((line) => {
  const span = spanOf(line.fiber)
  const text = Logger.formatLogFmt.log(line)
  return span === undefined ? text : `${text} trace_id=${span.traceId} span_id=${span.spanId}`
})

/** One line for the sentence and its annotations, and below it, indented, the cause. */
const pretty = (colours: boolean): Logger.Logger<unknown, string> =>
  Logger.make((line) => {
    const paint = (code: string, text: string): string => (colours ? `\u001b[${code}m${text}\u001b[0m` : text)
    const { cause, date, fiber, logLevel, message } = line
    const sentence = (Array.isArray(message) ? message : [message])
      .map((part) => (typeof part === "string" ? part : Formatter.format(part)))
      .join(" ")
    const annotations = Object.entries(fiber.getRef(References.CurrentLogAnnotations)).map(
      ([name, value]) =>
        ` ${paint("2", `${name}=`)}${typeof value === "string" ? quoted(value) : Formatter.format(value)}`
    )
    const first =
      `${paint("2", date.toISOString())} ${paint(paints[logLevel] ?? "0", logLevel.toUpperCase().padEnd(5))} ` +
      `${paint("1", sentence)}${annotations.length === 0 ? "" : ` ${annotations.join("")}`}`
    return cause.reasons.length === 0 ? first : `${first}\n${Cause.pretty(cause).replaceAll(/^/gm, "    ")}`
  })

const quoted = (text: string): string => (/^[^\s"=]+$/.test(text) ? text : JSON.stringify(text))

const paints: Readonly<Partial<Record<LogLevel.LogLevel, string>>> = {
  Debug: "34",
  Info: "32",
  Warn: "33",
  Error: "31",
  Fatal: "41;30"
}

const formats: Readonly<Record<Format, (colours: boolean) => Logger.Logger<unknown, string>>> = {
  pretty,
  json: () => json,
  logfmt: () => logfmt
}
