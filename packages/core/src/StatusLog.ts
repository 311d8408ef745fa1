/**
 * Brings what is logged to those who look on: lines of level WARN and above, beside the loggers that are there already.
 */
import * as Logging from "@observability-agents/toolkit/Logging"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import * as References from "effect/References"
import { Activity } from "./Activity.ts"
import * as EventTitle from "./EventTitle.ts"
import * as FailureLog from "./FailureLog.ts"

/** The logger. It has to be provided to what logs. */
export const layer: Layer.Layer<never, never, Activity> = Layer.unwrap(
  Effect.gen(function* () {
    const { tell } = yield* Activity
    const { mask = (text: string) => text } = yield* Logging.Selection
    return Logger.layer(
      [
        Logger.make(({ cause, fiber, logLevel, message }) => {
          if (LogLevel.isLessThan(logLevel, "Warn")) return
          const { loop } = fiber.getRef(References.CurrentLogAnnotations)
          Effect.runSyncWith(fiber.context)(
            tell(() => ({
              kind: "log",
              level: logLevel,
              message: EventTitle.cut(mask([message].flat().map(String).join(" ")), LONGEST),
              loop: typeof loop === "string" ? loop : undefined,
              cause: cause.reasons.length === 0 ? undefined : FailureLog.describe(cause, mask)
            }))
          )
        })
      ],
      { mergeWithExisting: true }
    )
  })
)

const LONGEST = 500
