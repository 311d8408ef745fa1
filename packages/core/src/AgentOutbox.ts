/**
 * The Outbox as agents get it: the file that the settings name, watched (`OutboxWatch`). Where it turns out to be unusable, at the start or
 * later, the agent ends, whoever noticed; the framework's own Loops see to that themselves, but those of an agent should
 * not have to know of it. Where it cannot work for the moment, the log says so.
 */
import * as Cause from "effect/Cause"
import type * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { Activity } from "./Activity.ts"
import * as FailureLog from "./FailureLog.ts"
import type { Health } from "./Health.ts"
import { Outbox, type OutboxError } from "./Outbox.ts"
import * as OutboxSqlite from "./OutboxSqlite.ts"
import { OutboxAround } from "./OutboxSqliteFault.ts"
import * as OutboxWatch from "./OutboxWatch.ts"
import { Supervisor, Unrecoverable } from "./Supervisor.ts"

/**
 * The Outbox in the file that `state_path` of `[core]` names. Fails as `Unrecoverable` with exit code 74 where that file
 * cannot be used.
 */
export const layer: Layer.Layer<
  Outbox | OutboxWatch.OutboxWatch,
  Config.ConfigError | Unrecoverable,
  Supervisor | Activity | Health
> = Layer.effectContext(
  Effect.gen(function* () {
    const { outbox, watch: watched } = yield* OutboxWatch.make((yield* OutboxAround)(yield* Outbox))
    const { fail } = yield* Supervisor
    const log = FailureLog.make({
      failed: "The state file cannot be read or written at the moment; it is tried again",
      recovered: "The state file can be read and written again"
    })
    const watch = <A>(effect: Effect.Effect<A, OutboxError>): Effect.Effect<A, OutboxError> =>
      effect.pipe(
        Effect.tapError((error) =>
          error.reason === "Unusable" ? fail(unusable(error)) : log.failed(Cause.fail(error))
        ),
        Effect.tap(() => log.recovered)
      )
    return Context.make(OutboxWatch.OutboxWatch, watched).pipe(
      Context.add(Outbox, {
        ...outbox,
        commit: (commit) => watch(outbox.commit(commit)),
        checkpoint: (source) => watch(outbox.checkpoint(source)),
        delivered: (claim) => watch(outbox.delivered(claim)),
        retry: (claim, options) => watch(outbox.retry(claim, options)),
        bury: (claim, options) => watch(outbox.bury(claim, options))
      })
    )
  })
).pipe(
  Layer.provide(
    OutboxSqlite.layerConfig.pipe(
      Layer.catchTag("OutboxError", (error) => Layer.effect(Outbox, Effect.fail(unusable(error))))
    )
  )
)

/** The exit code of a program whose state file cannot be used. */
const STATE_FILE_UNUSABLE = 74

const unusable = (error: OutboxError): Unrecoverable =>
  new Unrecoverable({ exitCode: STATE_FILE_UNUSABLE, message: error.message, cause: error })
