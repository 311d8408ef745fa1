/**
 * One story of the conformance suite of agents: the author's scenario, with one thing that goes wrong meanwhile, through
 * as many lives of the agent as that takes; and what was found wrong in the end.
 */
import type * as Agent from "@observability-agents/core/Agent"
import type * as Event from "@observability-agents/toolkit/Event"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import * as TestClock from "effect/testing/TestClock"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import * as AgentFixture from "./AgentFixture.ts"
import * as Findings from "./AgentSuiteFindings.ts"
import * as Life from "./AgentLife.ts"
import * as Witness from "./AgentWitness.ts"
import { FakeObservability } from "./FakeObservability.ts"
import type { Scenario } from "./Scenario.ts"
import * as Seeded from "./Seeded.ts"
import type { ServerFault } from "./ServerFault.ts"
import type * as SettingsFixture from "./SettingsFixture.ts"
import type * as Timeline from "./Timeline.ts"

/** What all stories of one agent have in common. */
export interface Setting<E, S extends Scenario> {
  readonly agent: Agent.Agent<E>
  readonly settings: SettingsFixture.Tables
  readonly scenario: Effect.Effect<S>
  readonly identity: (event: Event.Event) => string
  readonly lasts: Duration.Input
  readonly settles: Duration.Input
  readonly secrets: ReadonlyArray<string>
}

/** What goes wrong in a story. */
export type Trouble<S> =
  | { readonly _tag: "None" }
  /** The server does this for a third of the story. */
  | { readonly _tag: "Server"; readonly fault: ServerFault }
  /** The tool does this for a third of the story. */
  | { readonly _tag: "Tool"; readonly fault: (scenario: S) => Effect.Effect<void> }
  /** The agent is stopped in order and started again: so many times at any moment, and as often soon after it told something. */
  | { readonly _tag: "Restarts"; readonly times: number }
  /** The process dies at the step of this number, the first being 1. With 0 it never does. */
  | { readonly _tag: "Death"; readonly step: number }

/** A step at which a process may die. */
export interface Step {
  /** 1 for the first. */
  readonly number: number
  /** Whether an event is about to be made, is sent, or has just been delivered: there is something to lose or repeat. */
  readonly isCritical: boolean
}

/** How a story ended. */
export interface Outcome {
  /** What is wrong, in words, the gravest first. */
  readonly findings: ReadonlyArray<string>
  readonly timeline: Pick<Timeline.Timeline, "moments">
  /** The steps at which the process might have died, in their order, if they were asked for. */
  readonly steps: ReadonlyArray<Step>
}

/** Plays a story under a TestClock of its own. */
export const play = <E, S extends Scenario>(
  setting: Setting<E, S>,
  trouble: Trouble<S>
): Effect.Effect<Outcome> =>
  told(setting, trouble).pipe(
    Effect.scoped,
    // A backlog may take longer to work off than the clock's usual patience.
    Effect.provide(Layer.provideMerge(FakeObservability.layer, TestClock.layer({ warningDelay: "1 minute" })))
  )

// ---- private

const told = Effect.fnUntraced(function* <E, S extends Scenario>(
  setting: Setting<E, S>,
  trouble: Trouble<S>
): Effect.fn.Return<Outcome, never, FakeObservability | Scope.Scope> {
  yield* TestClock.setTime(AgentFixture.START)
  const server = yield* FakeObservability
  const scenario = yield* setting.scenario
  const secrets = [...setting.secrets, Redacted.value(server.key)]
  const witness = Witness.make(yield* Clock.Clock, secrets)
  const lasts = Duration.toMillis(Duration.fromInputUnsafe(setting.lasts))
  const ends = lasts + Duration.toMillis(Duration.fromInputUnsafe(setting.settles))
  const isStored = trouble._tag === "Restarts" || trouble._tag === "Death"
  const disk = isStored ? yield* makeDisk : undefined

  const steps: Array<string> = []
  let death: string | undefined
  const step = (name: string): boolean => {
    steps.push(name)
    if (trouble._tag !== "Death" || steps.length !== trouble.step) return false
    death = `${name}, step ${steps.length}`
    witness.see("suite", `kills the process ${death}`)
    disk?.copy()
    return true
  }
  const complaints: Array<string> = []
  const begin = Effect.suspend(() => {
    witness.see("suite", "starts the agent")
    return Effect.result(
      Life.begin({
        agent: setting.agent,
        settings: disk === undefined ? setting.settings : disk.settings(setting.settings),
        hosts: scenario.hosts,
        witness,
        step: trouble._tag === "Death" ? step : undefined
      })
    )
  })
  const start = Effect.gen(function* () {
    const isDead = death !== undefined
    let life = yield* begin
    // It was killed while it started.
    if (Result.isFailure(life) && !isDead && death !== undefined) life = yield* begin
    if (Result.isSuccess(life)) return life.success
    complaints.push(life.failure)
    return undefined
  })
  const stop = Effect.fnUntraced(function* (life: Life.Life | undefined) {
    if (life === undefined) return
    witness.see("suite", "stops the agent")
    complaints.push(...(yield* life.stop))
  })

  let life = yield* start
  yield* TestClock.adjust(yield* Seeded.within(10_000, 0.2, 1))
  const atFirst = life?.fibers().length ?? 0
  const began = witness.now()
  witness.see("suite", "begins the scenario")
  yield* scenario.play
  const moments = yield* momentsOf(trouble, lasts)
  const isSettled = Effect.fnUntraced(function* (life: Life.Life) {
    const expected = [...(yield* scenario.expected)].length
    if ((yield* server.accepted).length < expected) return false
    return (yield* life.standing).complaints.length === 0
  })
  let until = ends
  let restartsLeft = trouble._tag === "Restarts" ? trouble.times : 0
  for (let at = 0; at < until && life !== undefined; at = witness.now() - began) {
    if (moments[0] !== undefined && moments[0] <= at) {
      moments.shift()
      if (trouble._tag === "Server") {
        witness.see("suite", "the server begins to fail")
        yield* server.fail(trouble.fault, { during: lasts / 3 })
      } else if (trouble._tag === "Tool") {
        witness.see("suite", moments.length > 0 ? "the tool begins to fail" : "the tool recovers")
        yield* moments.length > 0 ? trouble.fault(scenario) : scenario.recover
      } else if (trouble._tag === "Restarts") {
        yield* stop(life)
        life = yield* start
      }
    }
    const acceptedBefore = (yield* server.accepted).length
    yield* TestClock.adjust(Math.max(1, Math.min(TICK, (moments[0] ?? Infinity) - at)))
    if (restartsLeft > 0 && (yield* server.accepted).length > acceptedBefore) {
      restartsLeft -= 1
      yield* stop(life)
      life = yield* start
    }
    if (life?.isAlive() === false) {
      yield* life.bury
      life = yield* start
    }
    if (life !== undefined && until === ends && at >= lasts && (yield* isSettled(life)))
      until = at + AFTERWARDS
  }
  if (life !== undefined) {
    const { complaints: last } = yield* life.standing
    const inTheEnd = life.fibers()
    if (inTheEnd.length > atFirst + PLAY) {
      complaints.push(
        `fiber leaked: when all was told ${inTheEnd.length} fibers ran, and at first ${atFirst}, most of them forked by: ${mostOf(inTheEnd)}`
      )
    }
    yield* stop(life)
    complaints.push(...last)
  }
  if (trouble._tag === "Death" && trouble.step > 0 && death === undefined) {
    complaints.push(`not repeatable: step ${trouble.step}, at which it was to die, was not reached`)
  }
  const findings = Findings.of({
    accepted: yield* server.accepted,
    heartbeats: (yield* server.heartbeats).length,
    expected: [...(yield* scenario.expected)],
    identity: setting.identity,
    secrets,
    hasToolFailed: trouble._tag === "Tool",
    death,
    began: AgentFixture.START,
    witness
  })
  return { findings: [...findings, ...complaints], timeline: witness.timeline, steps: classified(steps) }
})

/** The steps next to those at which an event goes over the network are the critical ones. */
const classified = (names: ReadonlyArray<string>): ReadonlyArray<Step> => {
  const isEvent = names.map((name) => name.includes(Life.EVENT))
  return names.map((_, index) => ({
    number: index + 1,
    isCritical: isEvent.slice(Math.max(0, index - 3), index + 4).includes(true)
  }))
}

/** Milliseconds between two looks at whether the agent still lives. */
const TICK = 5_000

/** Milliseconds that the agent is watched when all is told: what comes then is too much. */
const AFTERWARDS = 60_000

/** How many fibers more than at first an agent may need, being in the midst of something. */
const PLAY = 10

const mostOf = (parts: ReadonlyArray<string>): string =>
  [...new Set(parts)].toSorted((a, b) => count(parts, b) - count(parts, a))[0] ?? ""

const count = (parts: ReadonlyArray<string>, part: string): number =>
  parts.filter((other) => other === part).length

/** When something goes wrong, and when it is over, since the beginning of the scenario. */
const momentsOf = Effect.fnUntraced(function* (trouble: Trouble<never>, lasts: number) {
  switch (trouble._tag) {
    case "Server":
      return [yield* Seeded.within(lasts, 0, 0.5)]
    case "Tool": {
      const from = yield* Seeded.within(lasts, 0, 0.5)
      return [from, from + Math.floor(lasts / 3)]
    }
    case "Restarts": {
      const found = Array<number>()
      for (let time = 0; time < trouble.times; time++) {
        found.push(yield* Seeded.within(lasts, time / trouble.times, (time + 1) / trouble.times))
      }
      return found
    }
    default:
      return []
  }
})

/** A directory whose newest part has the state file of the agent's present life. */
const makeDisk = Effect.map(
  Effect.acquireRelease(
    Effect.sync(() => Fs.mkdtempSync(Path.join(Os.tmpdir(), "agent-suite-"))),
    (directory) => Effect.sync(() => Fs.rmSync(directory, { recursive: true, force: true }))
  ),
  (directory) => {
    let lives = 1
    const path = () => Path.join(directory, `${lives}.db`)
    return {
      /** The next life begins with what is on the disk now: the file and its write-ahead log, and nothing half-written. */
      copy: () => {
        const before = path()
        lives += 1
        for (const suffix of ["", "-wal"]) {
          if (Fs.existsSync(before + suffix)) Fs.copyFileSync(before + suffix, path() + suffix)
        }
      },
      /** One event is under way at a time, so that it is known which may come again after a death. */
      settings: (tables: SettingsFixture.Tables): SettingsFixture.Tables => ({
        ...tables,
        core: {
          send_concurrency: 1,
          send_concurrency_maximum: 1,
          ...tables["core"],
          state_path: path()
        }
      })
    }
  }
)
