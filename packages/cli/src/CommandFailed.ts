/** A command that could not do what it was asked for, in words for people and with the exit code for scripts. */
import { OutboxError } from "@observability-agents/core/Outbox"
import * as Effect from "effect/Effect"
import * as Runtime from "effect/Runtime"
import * as Schema from "effect/Schema"

/** `message` is printed to the standard error stream. */
export class CommandFailed extends Schema.TaggedError<CommandFailed>()("CommandFailed", {
  exitCode: Schema.Literals([64, 70, 74, 78]),
  message: Schema.String
}) {
  override readonly [Runtime.errorExitCode] = this.exitCode
}

/** Wrong usage. */
export const usage = (message: string): CommandFailed => new CommandFailed({ exitCode: 64, message })

/** The state file cannot be used. */
export const stateFile = (message: string): CommandFailed =>
  new CommandFailed({ exitCode: 74, message: message.endsWith(".") ? message : `${message}.` })

/** Errors of the Outbox as failures of the command. */
export const orStateFile = <A, E, R>(
  effect: Effect.Effect<A, E | OutboxError, R>
): Effect.Effect<A, Exclude<E, OutboxError> | CommandFailed, R> =>
  Effect.mapError(effect, (error) =>
    error instanceof OutboxError
      ? stateFile(error.message)
      : // SAFETY: what is no OutboxError is one of the others.
        (error as Exclude<E, OutboxError>)
  )
