/**
 * `observability-agent run --dry-run`: the agent as it is, but for both of its ends: its Outbox is in memory and begins with what
 * the state file knows, and what would be sent is printed. There is no heartbeat and no status server, and the state
 * file is only read, so it works beside the running agent.
 */
import type * as Agent from "@observability-agents/core/Agent"
import * as Channel from "@observability-agents/core/Channel"
import { CoreSettings } from "@observability-agents/core/CoreSettings"
import { Health } from "@observability-agents/core/Health"
import { type Commit, Outbox } from "@observability-agents/core/Outbox"
import * as OutboxMemory from "@observability-agents/core/OutboxMemory"
import * as OutboxSqliteFile from "@observability-agents/core/OutboxSqliteFile"
import * as OutboxSqliteReader from "@observability-agents/core/OutboxSqliteReader"
import { Supervisor } from "@observability-agents/core/Supervisor"
import * as Wiring from "@observability-agents/core/Wiring"
import * as Logging from "@observability-agents/toolkit/Logging"
import * as Fs from "node:fs"
import * as Console from "effect/Console"
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { orStateFile } from "./CommandFailed.ts"
import * as EventLine from "./EventLine.ts"
import * as OnePass from "./OnePass.ts"
import { NotDone } from "./NotDone.ts"
import * as Table from "./Table.ts"

/** How it is run. */
export interface Options {
  /** Ends when every source was read once. */
  readonly once: boolean
  /** How long that may take. */
  readonly timeout: Duration.Duration
  /** JSON lines. */
  readonly json: boolean
  readonly colours: boolean
}

/** Runs it until it is interrupted, or, with `once`, until all was read and printed. Fails with 69 where something was not read. */
export const run = Effect.fnUntraced(function* (agent: Agent.Agent<unknown>, options: Options) {
  const core = yield* CoreSettings.config
  const { known, outbox, words } = yield* orStateFile(rehearsal(core.statePath))
  yield* Console.error(
    `Dry run: nothing is sent, no heartbeat either, and the state file is neither locked nor written. ${known ? words : `${words} It begins at start_from (${Duration.isDuration(core.startFrom) ? (Duration.isZero(core.startFrom) ? "now" : `${Duration.format(core.startFrom)} back`) : `${Table.time(core.startFrom)} UTC`}), with what is active now.`}`
  )
  let printed = 0
  const runs = new Set<string>()
  const print = Effect.gen(function* () {
    const claim = yield* outbox.claim
    yield* Console.log(yield* EventLine.entry(options, claim.entry))
    printed += 1
    runs.add(claim.entry.lane)
    yield* outbox.delivered(claim)
  })
  const around = Layer.mergeAll(
    Layer.succeed(Outbox, outbox),
    Layer.effect(Channel.DefaultCapacity, Effect.succeed(core.maxChannelCapacity)),
    Layer.succeedContext(Context.make(Wiring.Current, Wiring.make({ once: options.once }))),
    Logging.layerModule(`agent-${agent.type}`)
  ).pipe(Layer.provideMerge(Layer.merge(Health.layer, Supervisor.layer)))
  const work = Effect.gen(function* () {
    const { failure } = yield* Supervisor
    yield* Effect.forkScoped(Effect.forever(print))
    const layer = Layer.build(agent.layer)
    const sum = Effect.suspend(() =>
      Console.error(
        `${Table.count(printed, "event")} of ${Table.count(runs.size, "run")} would be sent. Nothing was.`
      )
    )
    if (!options.once) {
      const endless = Effect.raceFirst(Effect.andThen(layer, Effect.never), failure)
      return yield* Effect.onInterrupt(endless, () => sum)
    }
    const all = Effect.andThen(layer, Effect.andThen(OnePass.done, empty(outbox)))
    yield* Effect.raceFirst(Effect.timeoutOption(all, options.timeout), failure)
    yield* sum
    const troubles = yield* OnePass.troubles
    if (troubles.length > 0) return yield* NotDone.of(troubles)
  })
  yield* work.pipe(Effect.scoped, Effect.provide(around))
}, Effect.scoped)

const empty = (outbox: Outbox["Service"]): Effect.Effect<void> =>
  Effect.flatMap(outbox.status, ({ pending }) =>
    pending === 0 ? Effect.void : Effect.andThen(Effect.sleep("20 millis"), empty(outbox))
  )

/** An Outbox in memory that begins with what the state file knew at this moment, if there is one; and how to tell that. */
export const rehearsal = Effect.fnUntraced(function* (path: string) {
  const outbox = yield* OutboxMemory.make()
  if (path === OutboxSqliteFile.MEMORY || !Fs.existsSync(path)) {
    return { outbox, known: false, words: "No state file is there yet." }
  }
  const began = yield* DateTime.now
  const reader = yield* OutboxSqliteReader.open({ path })
  for (const { cursor, runs, source } of yield* reader.sources) {
    yield* outbox.commit({ source, runs, cursor: Option.getOrUndefined(cursor), forget: [], entries: [] })
  }
  const { pending } = yield* reader.summary
  const commit = Effect.fnUntraced(function* (commit: Commit) {
    // What the agent beside us commits in the meantime is news to us, too.
    const news = yield* Effect.filter(commit.entries, ({ id }) =>
      Effect.map(reader.knows(id, began), (isKnown) => !isKnown)
    )
    const { accepted } = yield* outbox.commit({ ...commit, entries: news })
    return { accepted, repeated: commit.entries.length - accepted }
  })
  const holder = Option.match(reader.holder, { onNone: () => "", onSome: (who) => `, in use by ${who}` })
  const waiting =
    pending === 0
      ? ""
      : ` ${Table.count(pending, "event")} waiting in it ${pending === 1 ? "is" : "are"} not shown.`
  return {
    outbox: { ...outbox, commit },
    known: true,
    words: `It goes on from what ${reader.path} knows${holder}.${waiting}`
  }
})
