/** A logger that keeps what is logged, for tests that say what a reader of the log gets to see. */
import { Cause, Effect, Layer, Logger, References } from "effect"

export interface Line {
  readonly level: string
  readonly sentence: string
  readonly cause: string
  readonly annotations: Readonly<Record<string, unknown>>
}

/** The lines so far, and the Layer that makes them the only log. */
export const capture = Effect.sync(() => {
  const lines: Array<Line> = []
  const layer = Layer.mergeAll(
    Logger.layer([
      Logger.make(({ message, logLevel, cause, fiber }) => {
        const parts = Array.isArray(message) ? message : [message]
        lines.push({
          level: logLevel,
          sentence: parts.map(String).join(" "),
          cause: Cause.pretty(cause),
          annotations: fiber.getRef(References.CurrentLogAnnotations)
        })
      })
    ]),
    Layer.succeed(References.MinimumLogLevel, "Debug")
  )
  return { lines, layer }
})
