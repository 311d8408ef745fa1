/**
 * One story of the conformance suite of agents: the author's scenario, with something that goes wrong meanwhile, through
 * as many lives of the agent as that takes; and what was found wrong in the end.
 */
import type * as Agent from "@observability-agents/core/Agent"
import type * as Event from "@observability-agents/toolkit/Event"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import * as TestClock from "effect/testing/TestClock"
import * as AgentFixture from "./AgentFixture.ts"
import * as Findings from "./AgentSuiteFindings.ts"
import * as Lives from "./AgentSuiteLives.ts"
import * as Secrets from "./AgentSuiteSecrets.ts"
import type { Trouble, World } from "./AgentSuiteTrouble.ts"
import type * as Life from "./AgentLife.ts"
import * as Witness from "./AgentWitness.ts"
import { FakeObservability } from "./FakeObservability.ts"
import * as FaultyClock from "./FaultyClock.ts"
import * as FaultyHttp from "./FaultyHttp.ts"
import * as FaultyStore from "./FaultyStore.ts"
import type { Scenario } from "./Scenario.ts"
import * as Seeded from "./Seeded.ts"
import * as ServerFault from "./ServerFault.ts"
import type * as SettingsFixture from "./SettingsFixture.ts"
import * as TestNetwork from "./TestNetwork.ts"
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

/** How a story ended. */
export interface Outcome {
  /** What is wrong, in words, the gravest first. */
  readonly findings: ReadonlyArray<string>
  readonly timeline: Pick<Timeline.Timeline, "moments">
  /** The steps at which the process might have died, in their order, if they were asked for. */
  readonly steps: ReadonlyArray<Lives.Step>
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
  given: Trouble<S>
): Effect.fn.Return<Outcome, never, FakeObservability | Scope.Scope> {
  yield* TestClock.setTime(AgentFixture.START)
  const scenario = yield* setting.scenario
  const trouble = possible(given, scenario)
  // What cannot fail was not tried.
  if (trouble === undefined) return { findings: [], timeline: { moments: [] }, steps: [] }
  const server = yield* FakeObservability
  const secrets = [...setting.secrets, Redacted.value(server.key)]
  const witness = Witness.make(yield* Clock.Clock, secrets)
  const world: World<S> = {
    scenario,
    server,
    network: yield* FaultyHttp.make(TestNetwork.client(scenario.hosts)),
    store: yield* FaultyStore.make(),
    clock: yield* FaultyClock.make
  }
  const lives = yield* Lives.make(setting, trouble, world, witness)
  const lasts = Duration.toMillis(Duration.fromInputUnsafe(setting.lasts))
  const ends = lasts + Duration.toMillis(Duration.fromInputUnsafe(setting.settles))

  yield* lives.start
  yield* TestClock.adjust(yield* Seeded.within(10_000, 0.2, 1))
  const atFirst = lives.now()?.fibers().length ?? 0
  const began = witness.now()
  witness.see("suite", "begins the scenario")
  if (!(yield* endsAtOnce(scenario.play))) {
    yield* lives.stop
    return {
      findings: [
        `scenario waits: \`play\` had not ended after ${IMPATIENCE} seconds. Time stands until it has, so what waits there waits for ever: let the fake show each thing at its moment by the Clock`
      ],
      timeline: witness.timeline,
      steps: []
    }
  }
  const refused = yield* refuse(trouble, world)
  const { blows, failed, toolFailed } = yield* blowsOf(trouble, world, witness, lives, lasts)

  const accepted = Effect.map(server.accepted, (all) => all.length)
  const isSettled = Effect.fnUntraced(function* (life: Life.Life) {
    if (blows.length > 0) return false
    if ((yield* accepted) + lives.illegible().length < [...(yield* scenario.expected)].length) return false
    return unexpected(yield* life.standing, refused.size).length === 0
  })
  let until = ends
  let restartsLeft = trouble.restarts ?? 0
  for (let at = 0; at < until && lives.now() !== undefined; at = witness.now() - began) {
    while (blows[0] !== undefined && blows[0].at <= at) {
      yield* blows.shift()?.run ?? Effect.void
      // What follows on it at once is not to wait for the next tick.
      yield* TestClock.adjust(0)
    }
    const before = yield* accepted
    yield* TestClock.adjust(Math.max(1, Math.min(TICK, (blows[0]?.at ?? Infinity) - at)))
    if (restartsLeft > 0 && (yield* accepted) > before) {
      restartsLeft -= 1
      yield* lives.restart
    }
    const life = lives.now()
    if (life?.isAlive() === false) yield* lives.resurrect
    if (life !== undefined && until === ends && at >= lasts && (yield* isSettled(life)))
      until = at + AFTERWARDS
  }
  const life = lives.now()
  const complaints: Array<string> = []
  let letters = 0
  if (life !== undefined) {
    yield* lives.look
    const standing = yield* life.standing
    letters = standing.letters.length
    complaints.push(...unexpected(standing, refused.size))
    const inTheEnd = life.fibers()
    if (inTheEnd.length > atFirst + PLAY) {
      complaints.unshift(
        `fiber leaked: when all was told ${inTheEnd.length} fibers ran, and at first ${atFirst}, most of them forked by: ${mostOf(inTheEnd)}`
      )
    }
    yield* lives.stop
  }
  const findings = Findings.of({
    accepted: yield* server.accepted,
    heartbeats: (yield* server.heartbeats).length,
    expected: [...(yield* scenario.expected)],
    identity: setting.identity,
    toolFailed,
    refused,
    received: counted((yield* server.requests).map(({ body, path }) => `${path} ${body}`)),
    letters,
    illegible: lives.illegible(),
    death: lives.death(),
    began: AgentFixture.START,
    witness
  })
  return {
    findings: [...findings, ...(yield* lives.complaints), ...complaints].map((finding) =>
      Secrets.masked(secrets, finding)
    ),
    timeline: witness.timeline,
    steps: lives.steps(failed)
  }
})

/** Real seconds that an Effect may take which takes no virtual time. */
const IMPATIENCE = 3

/** Whether it ended before somebody who watches lost patience; it is interrupted then. */
const endsAtOnce = (effect: Effect.Effect<void>): Effect.Effect<boolean> =>
  Effect.raceFirst(
    Effect.as(effect, true),
    Effect.as(Clock.Clock.defaultValue().sleep(Duration.seconds(IMPATIENCE)), false)
  )

/** Without the failures of a network that there is not; nothing, where nothing else was to fail. */
const possible = <S extends Scenario>(trouble: Trouble<S>, { hosts }: Scenario): Trouble<S> | undefined => {
  const { incidents } = trouble
  if (incidents === undefined || Object.keys(hosts).length > 0) return trouble
  const left = incidents.filter(({ who }) => who !== "network")
  return left.length === 0 ? undefined : { ...trouble, incidents: left }
}

/** Milliseconds between two looks at whether the agent still lives. */
const TICK = 5_000

/** Milliseconds that the agent is watched when all is told: what comes then is too much. */
const AFTERWARDS = 60_000

/** How many fibers more than at first an agent may need, being in the midst of something. */
const PLAY = 10

/** What is wrong, but for the letters of what the server refused. */
const unexpected = ({ complaints, letters }: Life.Standing, refused: number): ReadonlyArray<string> =>
  complaints.filter((complaint) => !letters.slice(0, refused).includes(complaint))

interface Blow {
  /** Milliseconds since the beginning of the scenario. */
  readonly at: number
  readonly run: Effect.Effect<void>
}

/** All that happens at a moment, in order; when something fails, and when the tool does. */
const blowsOf = Effect.fnUntraced(function* <S extends Scenario>(
  trouble: Trouble<S>,
  world: World<S>,
  witness: Witness.Witness,
  lives: Lives.Lives,
  lasts: number
) {
  const blows: Array<Blow> = []
  const toolFailed: Array<Findings.Span> = []
  const failed: Array<Findings.Span> = []
  const say = (text: string) => Effect.sync(() => witness.see("suite", text))
  const third = Math.floor(lasts / 3)
  let first: number | undefined
  for (const { begin, end, struck, what, who } of trouble.incidents ?? []) {
    // Several begin near each other, so that they overlap.
    const from =
      first === undefined
        ? yield* Seeded.within(lasts, 0, 0.5)
        : first + (yield* Seeded.within(third, 0, 0.5))
    first ??= from
    const name = NAMES[who]
    blows.push({ at: from, run: Effect.andThen(say(`${name} begins to fail: ${what}`), begin(world)) })
    // In the midst of it: what the agent says of a failure may hold what it says of nothing else.
    blows.push({ at: from + Math.floor(third * 0.8), run: lives.look })
    const recovers =
      struck === undefined
        ? say(`${name} recovers`)
        : Effect.flatMap(struck(world), (times) => say(`${name} recovers; it failed ${times} times`))
    blows.push({ at: from + third, run: Effect.andThen(recovers, end(world)) })
    const span = { from: witness.now() + from, to: witness.now() + from + third }
    failed.push(span)
    if (who === "tool" || who === "network") toolFailed.push(span)
  }
  const times = trouble.restarts ?? 0
  for (let time = 0; time < times; time++) {
    const at = yield* Seeded.within(lasts, time / times, (time + 1) / times)
    blows.push({ at, run: lives.restart })
  }
  const { corrupts, reloads } = trouble
  if (corrupts === true) {
    const at = yield* Seeded.within(lasts, 0.4, 0.8)
    blows.push({
      at: 0,
      run: Effect.andThen(say("the server begins to fail"), world.server.fail(ServerFault.badGateway))
    })
    blows.push({ at, run: lives.corrupt })
    blows.push({ at, run: Effect.andThen(say("the server recovers"), world.server.recover) })
  }
  for (const [index, tables] of (reloads === undefined ? [] : [{}, reloads, {}]).entries()) {
    blows.push({ at: yield* Seeded.within(lasts, index / 3, (index + 1) / 3), run: lives.reload(tables) })
  }
  return { blows: blows.toSorted((a, b) => a.at - b.at), failed, toolFailed }
})

const NAMES = {
  server: "the server",
  tool: "the tool",
  network: "the network to the tool",
  store: "the state store",
  clock: "the clock"
} as const

/** Has the server refuse one of the events, by chance, whenever it comes. Gives what was refused so far, by path and body. */
const refuse = Effect.fnUntraced(function* <S extends Scenario>(trouble: Trouble<S>, world: World<S>) {
  const refused = new Set<string>()
  const { refuses } = trouble
  if (refuses === undefined) return refused
  const expected = [...(yield* world.scenario.expected)].length
  const chosen = 1 + (yield* Seeded.within(Math.max(1, expected), 0, 1))
  const seen = new Set<string>()
  const words = JSON.stringify({ error: { component: ["The suite refuses this event."] } })
  // With the work done: what was refused stands among the events that came, in its place.
  yield* world.server.fail(ServerFault.afterWork(ServerFault.answer(refuses, words)), {
    where: ({ body, path }) => {
      if (!path.startsWith("events/")) return false
      const request = `${path} ${body}`
      if (seen.size < chosen && seen.add(request).size === chosen) refused.add(request)
      return refused.has(request)
    }
  })
  return refused
})

const mostOf = (parts: ReadonlyArray<string>): string =>
  [...counted(parts)].toSorted(([, a], [, b]) => b - a)[0]?.[0] ?? ""

const counted = (all: ReadonlyArray<string>): ReadonlyMap<string, number> => {
  const counts = new Map<string, number>()
  for (const one of all) counts.set(one, (counts.get(one) ?? 0) + 1)
  return counts
}
