/**
 * The lives of an agent in one story of the conformance suite: one after the other, on one disk, each with an onlooker.
 */
import * as Agent from "@observability-agents/core/Agent"
import * as Reload from "@observability-agents/core/Reload"
import { OutboxAround, OutboxFault } from "@observability-agents/core/OutboxSqliteFault"
import type * as Event from "@observability-agents/toolkit/Event"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import * as Fs from "node:fs"
import * as AgentDisk from "./AgentDisk.ts"
import * as Life from "./AgentLife.ts"
import * as Corruption from "./AgentSuiteCorruption.ts"
import type { Span } from "./AgentSuiteFindings.ts"
import * as Onlooker from "./AgentSuiteOnlooker.ts"
import type { Trouble, World } from "./AgentSuiteTrouble.ts"
import type { Witness } from "./AgentWitness.ts"
import { FakeObservability } from "./FakeObservability.ts"
import * as ReloadFixture from "./ReloadFixture.ts"
import type { Scenario } from "./Scenario.ts"
import * as SettingsFixture from "./SettingsFixture.ts"

/** A step at which a process may die. */
export interface Step {
  /** 1 for the first. */
  readonly number: number
  /** Whether an event is about to be made, is sent, or has just been delivered: there is something to lose or repeat. */
  readonly isCritical: boolean
  /** Whether something fails at this moment. */
  readonly isTroubled: boolean
}

/** The lives of one agent. */
export interface Lives {
  /** The one that lives, or was just killed. None where it could not start. */
  readonly now: () => Life.Life | undefined
  readonly start: Effect.Effect<void>
  readonly stop: Effect.Effect<void>
  readonly restart: Effect.Effect<void>
  /** Starts the life that follows on a death. */
  readonly resurrect: Effect.Effect<void>
  /** Has the onlooker look at all that the agent shows. */
  readonly look: Effect.Effect<void>
  /** Stops it, makes rows of its state file illegible, and starts it. */
  readonly corrupt: Effect.Effect<void>
  /** Has the settings read again, with these changes to those at the start. */
  readonly reload: (changes: SettingsFixture.Tables) => Effect.Effect<void>
  /** The step at which it was killed, in words. */
  readonly death: () => string | undefined
  /** All steps so far, and which of them came in one of these spans. */
  readonly steps: (troubled: ReadonlyArray<Span>) => ReadonlyArray<Step>
  /** The events whose rows became illegible. */
  readonly illegible: () => ReadonlyArray<Event.Event>
  /** What is wrong with how it started, stopped, and took what came over it. */
  readonly complaints: Effect.Effect<ReadonlyArray<string>>
}

/** The lives of this agent; the first is not started yet. */
export const make = Effect.fnUntraced(function* <E, S extends Scenario>(
  { agent, settings }: { readonly agent: Agent.Agent<E>; readonly settings: SettingsFixture.Tables },
  trouble: Trouble<S>,
  world: World<S>,
  witness: Witness
): Effect.fn.Return<Lives, never, Scope.Scope> {
  const isStored = trouble.restarts !== undefined || trouble.step !== undefined || trouble.corrupts === true
  const disk = isStored ? yield* AgentDisk.make : undefined
  const tables = () => disk?.settings(settings) ?? settings
  const file = () => String(tables()["core"]?.["state_path"])
  const fails = (who: string) => trouble.incidents?.some((incident) => incident.who === who) === true
  const elsewhere = fails("clock") ? world.clock.elsewhere : (client: typeof world.server.client) => client

  const steps: Array<{ readonly name: string; readonly at: number }> = []
  const complaints: Array<string> = []
  let death: string | undefined
  let life: Life.Life | undefined
  let onlooker: Onlooker.Onlooker | undefined
  let reload: ReloadFixture.ReloadFixture | undefined
  let corruption: Corruption.Corruption | undefined

  const step = (name: string): boolean => {
    steps.push({ name, at: witness.now() })
    if (steps.length !== trouble.step) return false
    death = `${name}, step ${steps.length}`
    witness.see("suite", `kills the process ${death}`)
    disk?.copy()
    return true
  }

  const around = Effect.gen(function* () {
    let context = onlooker?.around ?? Context.empty()
    if (fails("clock")) context = Context.add(context, Clock.Clock, world.clock.clock)
    if (fails("store")) {
      context = Context.add(context, OutboxFault, world.store.fault)
      context = Context.add(context, OutboxAround, world.store.around)
    }
    if (trouble.reloads === undefined) return context
    reload = yield* ReloadFixture.make(SettingsFixture.tables(world.server, tables()), Agent.sections(agent))
    const built = yield* Effect.orDie(Effect.scoped(Layer.build(reload.layer)))
    return Context.add(context, Reload.Current, Context.get(built, Reload.Current))
  })

  const begin = Effect.gen(function* () {
    witness.see("suite", "starts the agent")
    onlooker = trouble.step === undefined ? Onlooker.make(agent, witness.look) : undefined
    return yield* Effect.result(
      Life.begin({
        agent,
        settings: tables(),
        hosts: Object.fromEntries(
          Object.entries(world.scenario.hosts).map(([host, client]) => [
            host,
            elsewhere(fails("network") ? world.network.around(client) : client)
          ])
        ),
        witness,
        around: yield* around,
        beside: onlooker?.beside,
        step: trouble.step === undefined ? undefined : step,
        loggers: [notTaken(complaints)]
      }).pipe(
        Effect.provideService(FakeObservability, {
          ...world.server,
          client: elsewhere(world.server.client)
        })
      )
    )
  })
  const start = Effect.gen(function* () {
    const wasDead = death !== undefined
    let born = yield* begin
    // It was killed while it started.
    if (Result.isFailure(born) && !wasDead && death !== undefined) born = yield* begin
    life = Result.isSuccess(born) ? born.success : undefined
    if (Result.isFailure(born)) complaints.push(born.failure)
  })
  const lookAtFile = Effect.sync(() => {
    if (disk === undefined) return
    for (const path of [file(), `${file()}-wal`]) {
      if (Fs.existsSync(path)) witness.look("the state file", Fs.readFileSync(path, "latin1"))
    }
  })
  const stop = Effect.suspend(() => {
    if (life === undefined) return Effect.void
    witness.see("suite", "stops the agent")
    return Effect.andThen(
      Effect.map(life.stop, (wrong) => {
        complaints.push(...wrong)
        life = undefined
      }),
      lookAtFile
    )
  })
  return {
    now: () => life,
    start,
    stop,
    restart: Effect.andThen(stop, start),
    resurrect: Effect.andThen(
      Effect.suspend(() => life?.bury ?? Effect.void),
      start
    ),
    look: Effect.suspend(() => onlooker?.look ?? Effect.void),
    corrupt: Effect.gen(function* () {
      yield* stop
      corruption = yield* Corruption.make(file())
      witness.see("suite", `makes ${corruption.rows} rows of the state file illegible`)
      yield* start
    }),
    reload: (changes) =>
      Effect.suspend(() => {
        const names = Object.entries(changes).flatMap(([table, keys]) =>
          Object.keys(keys).map((key) => `[${table}] ${key}`)
        )
        witness.see("suite", `has the settings read again: ${names.join(", ") || "as at the start"}`)
        const merged: Record<string, Readonly<Record<string, unknown>>> = { ...tables() }
        for (const [table, keys] of Object.entries(changes)) merged[table] = { ...merged[table], ...keys }
        return reload?.change(SettingsFixture.tables(world.server, merged)) ?? Effect.void
      }),
    death: () => death,
    steps: (troubled) => classified(steps, troubled),
    illegible: () => (corruption?.event === undefined ? [] : [corruption.event]),
    complaints: Effect.gen(function* () {
      if (trouble.step !== undefined && trouble.step > 0 && death === undefined) {
        complaints.push(`not repeatable: step ${trouble.step}, at which it was to die, was not reached`)
      }
      const aside = corruption === undefined ? 0 : yield* Corruption.setAside(file())
      if (corruption !== undefined && aside !== corruption.rows) {
        complaints.push(
          `illegible row not set aside: ${corruption.rows} rows became illegible, and ${aside} were set aside`
        )
      }
      return complaints
    })
  }
})

// ---- private

/** Complains of settings that could not be put in force while the agent ran. */
const notTaken = (complaints: Array<string>): Logger.Logger<unknown, void> =>
  Logger.make(({ cause, logLevel, message }) => {
    const text = [message].flat().map(String).join(" ")
    if (logLevel === "Error" && /^Settings were read again and (cannot|are not)/.test(text)) {
      const why = cause.reasons.length === 0 ? "" : `: ${String(cause.reasons[0])}`
      complaints.push(`settings not taken: ${text}${why}`)
    }
  })

/** The steps next to those at which an event goes over the network are the critical ones. */
const classified = (
  steps: ReadonlyArray<{ readonly name: string; readonly at: number }>,
  troubled: ReadonlyArray<Span>
): ReadonlyArray<Step> => {
  const isEvent = steps.map(({ name }) => name.includes(Life.EVENT))
  return steps.map(({ at }, index) => ({
    number: index + 1,
    isCritical: isEvent.slice(Math.max(0, index - 3), index + 4).includes(true),
    isTroubled: troubled.some(({ from, to }) => from <= at && at < to)
  }))
}
