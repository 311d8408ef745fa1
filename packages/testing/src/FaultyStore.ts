/**
 * A state store that fails: a full disk, a broken one, a locked or damaged file, slow commits, and commits that are done although
 * the one who asked is told otherwise.
 *
 * Faults of the disk are thrown inside the SQLite driver, where the operating system's would come up, so that its own roll-back
 * and its own words for people are tried. All others are put around the port, and work with every driver. Both reach a whole
 * agent by one layer, below `AgentFixture.layer`:
 *
 * ```ts
 * import * as AgentFixture from "@observability-agents/testing/AgentFixture"
 * import type * as Agent from "@observability-agents/core/Agent"
 * import { FaultyStore, diskFull } from "@observability-agents/testing/FaultyStore"
 * import { Effect, Layer } from "effect"
 * import { TestClock } from "effect/testing"
 *
 * export const story = (agent: Agent.Agent<never>, options: AgentFixture.Options) =>
 *   Effect.gen(function* () {
 *     const store = yield* FaultyStore
 *     yield* store.fail(diskFull, { after: "1 minute", during: "10 minutes" })
 *     yield* TestClock.adjust("1 hour")
 *   }).pipe(Effect.provide(Layer.provideMerge(AgentFixture.layer(agent, options), FaultyStore.layer)))
 * ```
 */
import { Outbox, OutboxError } from "@observability-agents/core/Outbox"
import {
  type Fault,
  OutboxAround,
  OutboxFault,
  type OutboxStep
} from "@observability-agents/core/OutboxSqliteFault"
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as FaultScript from "./FaultScript.ts"

/** What the store does instead of, before, or after its work. */
export type StoreFault = Data.TaggedEnum<{
  /** SQLite fails with this result code and these words. Nothing was changed: the driver rolls back. */
  Sqlite: { readonly code: number; readonly words: string }
  /** The Outbox says that it cannot work, for the moment or for good; with `afterWork` it has done all the same. */
  Refuse: { readonly reason: OutboxError["reason"]; readonly afterWork: boolean }
  /** The Outbox works as it should, but waits first. */
  Slow: { readonly by: Duration.Duration }
}>

const { Refuse, Slow, Sqlite } = Data.taggedEnum<StoreFault>()

/**
 * No room on the disk (`SQLITE_FULL`). The driver tries a transaction again at once, after it has given up its history for it, so
 * `times` counts more than commits.
 */
export const diskFull: StoreFault = Sqlite({ code: 13, words: "database or disk is full" })

/** The disk cannot be read or written (`SQLITE_IOERR`). */
export const diskBroken: StoreFault = Sqlite({ code: 10, words: "disk I/O error" })

/** Another program holds the file (`SQLITE_BUSY`). */
export const busy: StoreFault = Sqlite({ code: 5, words: "database is locked" })

/** The disk is mounted for reading only, as after an error of the file system (`SQLITE_READONLY`). */
export const readOnly: StoreFault = Sqlite({ code: 8, words: "attempt to write a readonly database" })

/** The file is damaged (`SQLITE_CORRUPT`): an agent cannot go on. */
export const damaged: StoreFault = Sqlite({ code: 11, words: "database disk image is malformed" })

/** The store cannot work for the moment, whichever it is, as a database behind a network. */
export const unavailable: StoreFault = Refuse({ reason: "Unavailable", afterWork: false })

/** The store cannot be used for good: an agent cannot go on. */
export const unusable: StoreFault = Refuse({ reason: "Unusable", afterWork: false })

/** The work is done and durable, but the one who asked is told that the store is unavailable, as when a connection breaks then. */
export const doneButUnavailable: StoreFault = Refuse({ reason: "Unavailable", afterWork: true })

/** The right answer, later, as of a disk that is busy. */
export const slow = (by: Duration.Input): StoreFault => Slow({ by: Duration.fromInputUnsafe(by) })

/** What a fault may strike. */
export interface Access {
  /**
   * For faults of SQLite, the step that is about to be done; a transaction goes from `begin` to `commit`. For all others, the method
   * of the Outbox: `commit`, `checkpoint`, `claim`, `delivered` and so on.
   */
  readonly name: OutboxStep | Method
}

/** The methods of the Outbox that a fault may strike: all but its status, which is kept in memory. */
export type Method = Exclude<keyof Outbox["Service"], "status">

/** When a fault strikes: see {@link FaultScript.When}. */
export type When = FaultScript.When<Access>

/** A store that can be made to fail. */
export class FaultyStore extends Context.Service<
  FaultyStore,
  {
    /** From now on, do this instead. The fault that was given first goes first. */
    readonly fail: (fault: StoreFault, when?: When) => Effect.Effect<void>
    /** Forgets all faults. */
    readonly recover: Effect.Effect<void>
    /** How many accesses were struck so far. */
    readonly struck: Effect.Effect<number>
    /** The faults of SQLite, for those who set `OutboxFault` themselves: to be called by theirs. */
    readonly fault: Fault
    /** Puts all other faults around an Outbox. */
    readonly around: (outbox: Outbox["Service"]) => Outbox["Service"]
  }
>()("@observability-agents/testing/FaultyStore") {
  /** Disturbs the store of every agent, and every SQLite store, that is made with it below. Nothing fails at first. */
  static readonly layer: Layer.Layer<FaultyStore> = Layer.effectContext(
    Effect.map(
      Effect.suspend(() => make()),
      context
    )
  )

  /** The same with faults that were made before, so that several lives of an agent can share them. */
  static layerOf(store: FaultyStore["Service"]): Layer.Layer<FaultyStore> {
    return Layer.succeedContext(context(store))
  }

  /** The Outbox that is there, with all faults but SQLite's around it: for drivers that are used without an agent. */
  static readonly layerOutbox: Layer.Layer<Outbox, never, Outbox | FaultyStore> = Layer.effect(
    Outbox,
    Effect.gen(function* () {
      return (yield* FaultyStore).around(yield* Outbox)
    })
  )
}

/** Makes the faults of one store. `seed` decides which accesses are struck of a share. */
export const make = Effect.fnUntraced(function* (
  options: { readonly seed?: string | undefined } = {}
): Effect.fn.Return<FaultyStore["Service"]> {
  const seed = yield* FaultScript.seedOf("faulty store", options.seed)
  const disk = yield* FaultScript.make<Sqlite, Access>({ seed })
  const port = yield* FaultScript.make<Exclude<StoreFault, Sqlite>, Access>({ seed })

  const disturbed = <A>(name: Method, work: Effect.Effect<A, OutboxError>): Effect.Effect<A, OutboxError> =>
    Effect.suspend(() => {
      const fault = port.next({ name })
      if (fault === undefined) return work
      if (fault._tag === "Slow") return Effect.andThen(Effect.interruptible(Effect.sleep(fault.by)), work)
      const refused = new OutboxError({ method: name, reason: fault.reason, message: words[fault.reason] })
      return fault.afterWork ? Effect.andThen(work, Effect.fail(refused)) : Effect.fail(refused)
    })

  return {
    fail: (fault, when) => (fault._tag === "Sqlite" ? disk.fail(fault, when) : port.fail(fault, when)),
    recover: Effect.andThen(disk.recover, port.recover),
    struck: Effect.sync(() => disk.struck() + port.struck()),
    fault: (step, when) => {
      // Not `after`: SQLite does not fail behind what it has done.
      const fault = when === "before" ? disk.next({ name: step }) : undefined
      if (fault === undefined) return
      throw Object.assign(new Error(fault.words), {
        code: "ERR_SQLITE_ERROR",
        errcode: fault.code,
        errstr: fault.words
      })
    },
    around: (outbox) => ({
      commit: (commit) => disturbed("commit", outbox.commit(commit)),
      checkpoint: (source) => disturbed("checkpoint", outbox.checkpoint(source)),
      claim: disturbed("claim", outbox.claim),
      delivered: (claim) => disturbed("delivered", outbox.delivered(claim)),
      retry: (claim, options) => disturbed("retry", outbox.retry(claim, options)),
      release: (claim) => disturbed("release", outbox.release(claim)),
      bury: (claim, options) => disturbed("bury", outbox.bury(claim, options)),
      deadLetters: disturbed("deadLetters", outbox.deadLetters),
      replay: (numbers) => disturbed("replay", outbox.replay(numbers)),
      drop: (numbers) => disturbed("drop", outbox.drop(numbers)),
      history: (lane) => disturbed("history", outbox.history(lane)),
      verify: disturbed("verify", outbox.verify),
      status: outbox.status
    })
  }
})

// ---- private

type Sqlite = Extract<StoreFault, { readonly _tag: "Sqlite" }>

const words: Readonly<Record<OutboxError["reason"], string>> = {
  Unavailable: "The store is unavailable, as a test wants it",
  Unusable: "The store is unusable, as a test wants it"
}

function context(store: FaultyStore["Service"]): Context.Context<FaultyStore> {
  return Context.make(FaultyStore, store).pipe(
    Context.add(OutboxFault, store.fault),
    Context.add(OutboxAround, store.around)
  )
}
