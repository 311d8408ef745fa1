/** What the generator could not do, in words for people and with the exit code for scripts. */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Runtime from "effect/Runtime"
import * as Schema from "effect/Schema"

/** `message` is printed to the standard error stream. 64: wrong usage. 69: everything is written, but npm failed. */
export class CreateFailed extends Schema.TaggedError<CreateFailed>()("CreateFailed", {
  exitCode: Schema.Literals([64, 69]),
  message: Schema.String
}) {
  override readonly [Runtime.errorExitCode] = this.exitCode
}

/** Wrong usage. */
export const usage = (message: string): CreateFailed => new CreateFailed({ exitCode: 64, message })

/** The value, or its mistake as wrong usage. */
export const orUsage = <A>(result: Result.Result<A, string>): Effect.Effect<A, CreateFailed> =>
  Effect.fromResult(Result.mapError(result, (words) => usage(`${words}.`)))
