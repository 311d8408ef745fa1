/**
 * Puts changed settings in force while the agent runs, and restarts of it only what reads what has changed.
 *
 * An agent has parts ({@link part}): Layers that say which settings they read. On a request the sources are read anew. What
 * is not valid is reported, and nothing happens. Otherwise the parts that read a changed setting are stopped, the
 * last one first, and built again in their order, with what they need (the Outbox, Health) left standing. Where one of them
 * cannot be built, all of them are built again with the settings from before. A setting that no part reads keeps its
 * value, for all that reads it, until the program is started again.
 *
 * Requests are handled one after the other; those that come while one is handled count as one. Nothing of this is there
 * unless a Reload is provided as {@link Current}; then a part is no more than its Layer.
 */
import * as Settings from "@observability-agents/toolkit/Settings"
import * as SettingsSection from "@observability-agents/toolkit/SettingsSection"
import type { Sources } from "@observability-agents/toolkit/Sources"
import * as Cause from "effect/Cause"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import * as FailureLog from "./FailureLog.ts"
import { Supervisor, Unrecoverable } from "./Supervisor.ts"

/**
 * Settings that were read.
 *
 * @category models
 */
export interface Reading {
  readonly sources: Sources
  /** Makes them the ConfigProvider of what it is provided to; fails where they are not valid. */
  readonly settings: Layer.Layer<never, Settings.SettingsError>
}

/**
 * What a part reads: a section, or some fields of it. See {@link reads}.
 *
 * @category models
 */
export interface Reads {
  readonly table: string
  /** By their names in the section's values. All of them unless given. */
  readonly fields: ReadonlyArray<string> | undefined
}

/**
 * A part of an agent that can be started anew by itself. Most are made of Layers, by {@link part}.
 *
 * @category models
 */
export interface Part {
  /** What it is, for the log: `polling`. */
  readonly name: string
  readonly reads: ReadonlyArray<Reads>
  /** It takes other settings without a break, so that it is nothing to tell that it was started anew. */
  readonly isInPlace?: boolean | undefined
  /** Stops it in good order. It is not started yet, or was stopped already: nothing happens. */
  readonly stop: Effect.Effect<void>
  /** Starts it with the settings of this context, after a stop. Where that fails, nothing of it is left. */
  readonly start: (settings: Context.Context<never>) => Effect.Effect<void, unknown>
}

/**
 * The parts of one agent, and what changes them.
 *
 * @category models
 */
export interface Reload {
  /** Takes a part that was started with the first settings, until the Scope closes. Parts may need those that came before. */
  readonly add: (part: Part) => Effect.Effect<void, never, Scope.Scope>
  /** Handles requests for ever. To be run when all parts are there, and interrupted before they close. */
  readonly run: Effect.Effect<never, never, Supervisor>
}

/**
 * Where the settings come from.
 *
 * @category models
 */
export interface Options {
  /** What the settings were read from that the agent was started with. */
  readonly initial: Sources
  /** The sections that the agent reads. */
  readonly sections: ReadonlyArray<Settings.Section<unknown>>
  /** Waits for the next request to read the sources again. */
  readonly request: Effect.Effect<unknown>
  /** Reads them. */
  readonly read: Effect.Effect<Reading, Settings.SettingsError>
}

/**
 * The Reload of the agent that is built; none unless provided.
 *
 * @category references
 */
export const Current: Context.Reference<Reload | undefined> = Context.Reference<Reload | undefined>(
  "@observability-agents/core/Reload",
  { defaultValue: () => undefined }
)

/**
 * A section, or the named fields of it, as something that a part reads.
 *
 * @category constructors
 */
export const reads = <A>(
  section: Settings.Section<A>,
  ...fields: ReadonlyArray<keyof A & string>
): Reads => ({
  table: section.table,
  fields: fields.length === 0 ? undefined : fields
})

/**
 * A Layer that is built anew when one of the settings changes that it reads. What it provides stays within it.
 *
 * @category constructors
 */
export const part = <E, R>(
  options: { readonly name: string; readonly reads: ReadonlyArray<Reads> },
  layer: Layer.Layer<never, E, R>
): Layer.Layer<never, E, R> =>
  Layer.unwrap(
    Effect.map(Current, (reload) =>
      reload === undefined
        ? layer
        : Layer.effectDiscard(
            Effect.gen(function* () {
              const { start, stop } = yield* restartable(layer)
              // Before it is started, so that closing stops it also where a start was interrupted.
              yield* Effect.addFinalizer(() => stop)
              yield* start(Context.empty())
              yield* reload.add({ ...options, start, stop })
            })
          )
    )
  )

/**
 * Makes the Reload of one agent.
 *
 * @category constructors
 */
export const make = ({ initial, read, request, sections }: Options): Reload => {
  const parts: Array<Part> = []
  // Parts have their first settings around them.
  let inForce = { sources: initial, context: Context.empty() }

  const isRead = (change: Setting): boolean => parts.some(readsIt(change))

  const apply = Effect.fnUntraced(function* ({ settings, sources }: Reading) {
    const given = yield* Effect.scoped(Layer.build(settings))
    const live = Settings.changes(inForce.sources, sources, sections).filter(isRead)
    // What no part reads still has its first value.
    const fixed = Settings.changes(initial, sources, sections).filter((change) => !isRead(change))
    if (fixed.length > 0) {
      yield* Effect.annotateLogs(
        Effect.logWarning("Settings that cannot change while the agent runs take effect after a restart"),
        { settings: names(fixed) }
      )
    }
    if (live.length === 0) {
      return yield* fixed.length > 0
        ? Effect.logInfo("Settings were read again: nothing else has changed")
        : Effect.logInfo("Settings were read again: nothing has changed")
    }
    const affected = parts.filter((part) => live.some((change) => readsIt(change)(part)))
    const context = yield* withFixed(given)
    yield* stopAll(affected)
    const exit = yield* Effect.exit(startAll(affected, context))
    if (Exit.isSuccess(exit)) {
      inForce = { sources, context }
      const restarted = affected.filter((part) => part.isInPlace !== true).map(({ name }) => name)
      return yield* Effect.annotateLogs(Effect.logInfo("Settings were read again and are in force"), {
        changed: names(live),
        restarted: restarted.join(", ") || "nothing"
      })
    }
    yield* Effect.logError(
      "Settings were read again and cannot be put in force; those from before stay",
      exit.cause
    ).pipe(Effect.annotateLogs({ changed: names(live) }))
    yield* stopAll(affected)
    yield* Effect.catchCause(startAll(affected, inForce.context), giveUp)
  })

  /** The settings as parts are to see them: what none of them reads is as it was at the start. */
  const withFixed = (given: Context.Context<never>) =>
    Effect.map(ConfigProvider.ConfigProvider, (first) => {
      const now = Context.get(given, ConfigProvider.ConfigProvider)
      const fixed = new Set(
        sections.flatMap(({ fields, table }) =>
          Object.entries(fields).flatMap(([field, spec]) =>
            isRead({ table, field }) ? [] : [path(table, SettingsSection.keyOf(field, spec))]
          )
        )
      )
      const provider = ConfigProvider.make((at) => (fixed.has(path(at[0], at[1])) ? first : now).load(at))
      return Context.add(given, ConfigProvider.ConfigProvider, provider)
    })

  const handle = read.pipe(
    Effect.flatMap(apply),
    Effect.catchTag("SettingsError", (error) =>
      Effect.logError(
        "Settings were read again and are not valid; those from before stay in force",
        Cause.fail(new Refused({ report: Settings.report(error.problems, "have them read again") }))
      )
    ),
    Effect.catchCause((cause) =>
      Effect.logError("Reading the settings again failed; those from before stay in force", cause)
    )
  )

  return {
    add: (part) =>
      Effect.asVoid(
        Effect.acquireRelease(
          Effect.sync(() => parts.push(part)),
          () => Effect.sync(() => parts.splice(parts.indexOf(part), 1))
        )
      ),
    run: Effect.forever(Effect.andThen(request, handle))
  }
}

// ---- private parts

/** The report of all that is wrong, for the log. */
class Refused extends Data.Error<{ readonly report: string }> {
  override readonly name = "Settings"
  override get message(): string {
    return this.report
  }
}

/** A Layer that can be built again and again, each time with the settings given and all else as it was the first time. */
const restartable = <E, R>(layer: Layer.Layer<never, E, R>) =>
  Effect.map(Effect.context<R>(), (context) => {
    let current: Scope.Closeable | undefined
    const stop = Effect.uninterruptible(
      Effect.suspend(() => {
        const scope = current
        current = undefined
        return scope === undefined ? Effect.void : Scope.close(scope, Exit.void)
      })
    )
    const start = (settings: Context.Context<never>): Effect.Effect<void, E> =>
      Effect.suspend(() => {
        const scope = (current = Scope.makeUnsafe())
        // Nothing that was built for other settings is to be found again in a map of what is there already.
        return Layer.buildWithMemoMap(layer, Layer.makeMemoMapUnsafe(), scope)
      }).pipe(
        Effect.provideContext(Context.merge(context, settings)),
        Effect.onError(() => stop),
        Effect.asVoid
      )
    return { start, stop }
  })

const stopAll = (parts: ReadonlyArray<Part>) =>
  Effect.forEach(parts.toReversed(), ({ stop }) => stop, { discard: true })

const startAll = (parts: ReadonlyArray<Part>, settings: Context.Context<never>) =>
  Effect.forEach(parts, ({ start }) => start(settings), { discard: true })

type Setting = Pick<Settings.Change, "table" | "field">

const readsIt =
  ({ field, table }: Setting) =>
  ({ reads }: Part): boolean =>
    reads.some((one) => one.table === table && (one.fields === undefined || one.fields.includes(field)))

const names = (changes: ReadonlyArray<Settings.Change>): string =>
  changes.map(({ setting }) => setting).join(", ")

const path = (table: string | number | undefined, key: string | number | undefined): string =>
  `${table}.${key}`

/** Without the part, the agent would stand there deaf or dumb. */
const giveUp = Effect.fnUntraced(function* (cause: Cause.Cause<unknown>) {
  const { fail } = yield* Supervisor
  const failure = cause.reasons.find(Cause.isFailReason)?.error
  yield* fail(
    failure instanceof Unrecoverable
      ? failure
      : new Unrecoverable({
          exitCode: INTERNAL_ERROR,
          message: `Neither the settings that were read again nor those from before could be put in force: ${FailureLog.describe(cause)}`,
          cause: Cause.squash(cause)
        })
  )
})

const INTERNAL_ERROR = 70
