/**
 * What can be wrong with the press, in words for people.
 */
import * as Agent from "@observability-agents/core/Agent"
import * as Schema from "effect/Schema"

/** The press cannot be read at the moment. `message` says why, and what to do where somebody can do something. */
export class PressError extends Schema.TaggedError<PressError>()("PressError", {
  reason: Schema.Literals(["Unreachable", "Unauthorized", "Silent", "Closed"]),
  message: Schema.String
}) {}

/** What a check says of a press that cannot be read: the exit code is 77 where it does not let us in, and 69 otherwise. */
export const checkFailed = ({ message, reason }: PressError): Agent.CheckFailed =>
  new Agent.CheckFailed({ message, exitCode: reason === "Unauthorized" ? 77 : 69 })

/** The press does not know the token. */
export const unknownToken = (url: string): PressError =>
  new PressError({
    reason: "Unauthorized",
    message: `The press at ${url} does not know the token. Check \`token\` of [press].`
  })
