/**
 * Exit codes (those of BSD's sysexits where one fits) and what is printed when the program ends with a problem: the
 * message of an error that people can act on; the whole cause where it is a bug.
 */
import * as Cause from "effect/Cause"
import * as CliError from "effect/cli/CliError"
import * as Exit from "effect/Exit"
import * as Runtime from "effect/Runtime"

/**
 * The exit code of an outcome: 0 for success and for an orderly stop by SIGTERM, 130 for Ctrl-C, 64 for wrong usage,
 * what an error says of itself, 70 for everything that nobody foresaw.
 */
export const of = (exit: Exit.Exit<unknown, unknown>, signal: string): number => {
  if (Exit.isSuccess(exit)) return 0
  if (Cause.hasInterruptsOnly(exit.cause)) return signal === "SIGTERM" ? 0 : ofSignal("SIGINT")
  const error = Cause.squash(exit.cause)
  if (CliError.isCliError(error)) return error._tag === "ShowHelp" && error.errors.length === 0 ? 0 : 64
  return hasExitCode(error) ? Runtime.getErrorExitCode(error) : 70
}

/**
 * The code of a program that a signal ended at once, by the shells' convention.
 */
export const ofSignal = (signal: "SIGINT" | "SIGTERM"): number => (signal === "SIGINT" ? 130 : 143)

/**
 * What to print for a failed outcome; empty where it was printed already, or where there is nothing to say.
 */
export const explain = (cause: Cause.Cause<unknown>): string => {
  if (Cause.hasInterruptsOnly(cause)) return ""
  const error = Cause.squash(cause)
  if (CliError.isCliError(error) || !Runtime.getErrorReported(error)) return ""
  if (hasExitCode(error) && error instanceof Error) return `${error.message}\n`
  return `Internal error. Please report it with the following lines.\n${Cause.pretty(cause)}\n`
}

const hasExitCode = (error: unknown): boolean =>
  typeof error === "object" && error !== null && Runtime.errorExitCode in error
