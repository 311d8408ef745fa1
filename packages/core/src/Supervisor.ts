/**
 * Ends the agent when something happened that it cannot go on after.
 *
 * A Loop survives whatever its Task does, so a Task needs another way to say that all of the program has to stop: the
 * state store is gone, or the settings turn out to be unusable. It fails with {@link Unrecoverable}; the Loop hands that
 * to the Supervisor, and the program, which waits for {@link Supervisor}'s `failure`, ends with the exit code.
 *
 * A Task that ends the agent:
 *
 * ```ts
 * import { Unrecoverable } from "@observability-agents/core/Supervisor"
 * import { Effect } from "effect"
 *
 * export const task = Effect.fail(new Unrecoverable({ message: "The price list is of a newer version.", exitCode: 78 }))
 * ```
 */
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Runtime from "effect/Runtime"
import * as Schema from "effect/Schema"

/**
 * The failure after which an agent does not go on. `exitCode` is the one the program ends with (70 internal error, 74
 * state store unusable, 77 not authorised, 78 configuration); `message` says to people what is wrong and what to do.
 *
 * @category errors
 */
export class Unrecoverable extends Schema.TaggedError<Unrecoverable>()("Unrecoverable", {
  exitCode: Schema.Int,
  message: Schema.String,
  cause: Schema.optional(Schema.Defect())
}) {
  /** Programs run by `NodeRuntime` end with it, too. */
  override readonly [Runtime.errorExitCode] = this.exitCode
}

/**
 * Where Loops report what cannot be survived, and where the program waits for it.
 *
 * @category services
 */
export class Supervisor extends Context.Service<
  Supervisor,
  {
    /** Ends the agent with this error. The first one counts; later ones change nothing. */
    readonly fail: (error: Unrecoverable) => Effect.Effect<void>
    /** Waits for the first error and fails with it. Waits for ever while all goes well. */
    readonly failure: Effect.Effect<never, Unrecoverable>
  }
>()("@observability-agents/core/Supervisor") {
  /**
   * A Supervisor that knows of no failure yet. It must outlive the Loops that report to it.
   */
  static readonly layer: Layer.Layer<Supervisor> = Layer.effect(
    Supervisor,
    Effect.gen(function* () {
      const failure = yield* Deferred.make<never, Unrecoverable>()
      return Supervisor.of({
        fail: (error) => Effect.asVoid(Deferred.fail(failure, error)),
        failure: Deferred.await(failure)
      })
    })
  )
}
