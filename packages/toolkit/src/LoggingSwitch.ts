/**
 * Loggers whose options can change while the program runs: what logs need not be started anew for it.
 */
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as References from "effect/References"
import * as Logging from "./Logging.ts"

/** Loggers with the options of the moment. */
export interface LoggingSwitch {
  /** The same as `Logging.layer` of the first options, which follows later ones; save their annotations. */
  readonly layer: Layer.Layer<never>
  /** Logs by these options from the next line on. */
  readonly use: (options: Logging.Options) => void
}

/** Loggers that begin with these options. */
export const make = (options: Logging.Options): LoggingSwitch => {
  let now = options
  let logger = Logging.logger(options)
  return {
    layer: Layer.mergeAll(
      // Last of all, because it makes a line of what any options may want.
      Layer.succeed(References.MinimumLogLevel, "Debug"),
      Logger.layer([Logger.make((line) => logger.log(line))]),
      Layer.succeed(Logging.Selection, {
        get level() {
          return now.level
        },
        get levels() {
          return now.levels
        },
        mask: (text: string) => now.mask?.(text) ?? text,
        learn: (secret: string) => now.learn?.(secret)
      })
    ).pipe(Layer.provideMerge(Logging.layer(options))),
    use: (options) => {
      now = options
      logger = Logging.logger(options)
    }
  }
}
