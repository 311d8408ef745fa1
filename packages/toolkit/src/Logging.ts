/**
 * Where log lines go and how they look. Lines are constant sentences with annotations; they go to the standard
 * error stream, so that what a program prints as its result stays separable. `pretty` is for a terminal, `json` for
 * a log collector (one object per line), `logfmt` for people who read collected logs.
 *
 * A failure that was foreseen is told in words, without a stack trace: what an operator needs is in its message. Defects
 * keep theirs, and so does everything at the level `debug`.
 */
import * as Cause from "effect/Cause"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as References from "effect/References"

/**
 * The levels of the setting `log_level`, from the most talkative to the most silent.
 */
export type Level = "debug" | "info" | "warning" | "error"

/**
 * How one log line is written.
 */
export type Format = "pretty" | "json" | "logfmt"

/**
 * Replaces Effect's loggers by one of the given format and hides what is less severe than the given level.
 */
export const layer = (options: { readonly level: Level; readonly format: Format }): Layer.Layer<never> =>
  Layer.mergeAll(
    Logger.layer([
      options.level === "debug" ? loggers[options.format] : withoutTraces(loggers[options.format])
    ]),
    Layer.succeed(Logger.LogToStderr, true),
    Layer.succeed(References.MinimumLogLevel, levels[options.level])
  )

const loggers = {
  pretty: Logger.consolePretty(),
  json: Logger.withConsoleError(Logger.formatJson),
  logfmt: Logger.withConsoleError(Logger.formatLogFmt)
} as const

const levels = { debug: "Debug", info: "Info", warning: "Warn", error: "Error" } as const

const withoutTraces = <Output>(logger: Logger.Logger<unknown, Output>): Logger.Logger<unknown, Output> =>
  Logger.make((options) =>
    logger.log({
      ...options,
      cause: Cause.fromReasons(
        options.cause.reasons.map((reason) =>
          Cause.isFailReason(reason) && reason.error instanceof Error
            ? Cause.makeFailReason(inWords(reason.error))
            : reason
        )
      )
    })
  )

/** The same error, of which nothing but its words is printed. */
const inWords = (error: Error): Error => {
  const words = new Error(error.message)
  words.name = error.name
  words.stack = error.message === "" ? error.name : error.message
  return words
}
