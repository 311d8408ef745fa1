/** One pass that did not do all: a source was not read, or an event not delivered. Exit code 69. */
import * as Runtime from "effect/Runtime"
import * as Schema from "effect/Schema"

/** `message` says what was not done, a line each, and what becomes of it. */
export class NotDone extends Schema.TaggedError<NotDone>()("NotDone", { message: Schema.String }) {
  override readonly [Runtime.errorExitCode] = 69

  /** Made of the parts that failed, and further sentences. */
  static of(
    troubles: ReadonlyArray<{ readonly part: string; readonly reason: string }>,
    sentences: ReadonlyArray<string> = []
  ): NotDone {
    const lines = [
      ...troubles.map(({ part, reason }) => `- ${part}: ${reason.replace(/^[A-Za-z]+: /, "")}`),
      ...sentences
    ]
    return new NotDone({ message: ["Not everything could be done:", ...lines].join("\n") })
  }
}
