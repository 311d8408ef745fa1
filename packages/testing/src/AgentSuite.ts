/**
 * What every agent has to do, whatever tool it watches: the promises of the framework, as tests that any agent can be held
 * to. The author gives the agent, its settings, a scenario in a fake of the tool, and the faults of that fake:
 *
 *     AgentSuite.suite("the agent of my tool", { agent, settings, scenario, lasts: "10 minutes", … })
 *
 * Each test plays the scenario with something else that goes wrong, in virtual time. What fails prints the findings, the seed and
 * a timeline of what was polled, made, sent and answered. Needs Vitest and `@effect/vitest`.
 */
import type * as Agent from "@observability-agents/core/Agent"
import * as Event from "@observability-agents/toolkit/Event"
import { describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Outputs from "./AgentSuiteOutputs.ts"
import * as Story from "./AgentSuiteStory.ts"
import * as Trouble from "./AgentSuiteTrouble.ts"
import * as EventLog from "./EventLog.ts"
import * as Faults from "./Faults.ts"
import type * as Rows from "./Rows.ts"
import type { Scenario } from "./Scenario.ts"
import * as Seeded from "./Seeded.ts"
import * as ServerFault from "./ServerFault.ts"
import type * as SettingsFixture from "./SettingsFixture.ts"
import * as Timeline from "./Timeline.ts"

/** What the author of an agent gives. */
export interface Options<E, S extends Scenario> {
  readonly agent: Agent.Agent<E>
  /** The agent's own settings, and whatever of the shared ones shall not be as by default. */
  readonly settings: SettingsFixture.Tables
  /** Settings that are wrong, added to those, and words that have to stand in the report: one text for each mistake. */
  readonly mistakes: {
    readonly settings: SettingsFixture.Tables
    readonly words: ReadonlyArray<string>
  }
  /** The secrets of the settings. None may appear in anything that the agent gives away. */
  readonly secrets: ReadonlyArray<string>
  /** A new fake with the same story; made when the Clock is set, before the agent starts. */
  readonly scenario: Effect.Effect<S>
  /** What names an event as the scenario's expectations do. Default: its lane and its title, `pipeline/run task load RUNNING`. */
  readonly identity?: ((event: Event.Event) => string) | undefined
  /** How long the scenario takes until all has happened. Faults last for a third of it. */
  readonly lasts: Duration.Input
  /** How long the agent may take until all is told, once that is over. Default 10 minutes. */
  readonly settles?: Duration.Input | undefined
  /** What the tool can do wrong, by name: begins it, until the scenario's `recover`. The network to it fails by itself. */
  readonly faults: Readonly<Record<string, (scenario: S) => Effect.Effect<void>>>
  /** Where the rows of the tool's lists stand in its answers: `"runs"`. With it, lists with rows twice and in disorder are tried. */
  readonly rows?: Rows.Rows | undefined
  /** Other settings that the agent has to take while it runs, such as another period. Default: another `health_grace`. */
  readonly reloads?: SettingsFixture.Tables | undefined
  /**
   * By how much the clock of the agent's machine may be ahead for a while. Default 5 seconds: an agent that reads windows by its
   * own clock is safe as far as it looks back. One that asks for what is newest is safe with an hour. The clock is also
   * an hour behind for a while, which every agent has to survive.
   */
  readonly clockAhead?: Duration.Input | undefined
  /** At how many of the steps at which a process can die it is tried; those around events first. Default 40. */
  readonly deaths?: number | undefined
  /** How many combinations of faults are tried of each kind. Default 2. */
  readonly combinations?: number | undefined
  /** Chooses the moments of all that goes wrong, and the agent's own jitter. Default `agent suite`. */
  readonly seed?: string | undefined
}

/** Something that an agent has to do, and whether it does. */
export interface Check {
  /** A sentence: `survives a tool that …`. */
  readonly name: string
  readonly run: Effect.Effect<void, AgentUnfit>
}

/**
 * An agent does not do what it has to. `message` begins with the name of the worst bug, and has all findings, the seed and the
 * timeline, to be read by people.
 */
export class AgentUnfit extends Schema.TaggedError<AgentUnfit>()("AgentUnfit", {
  check: Schema.String,
  /** What is wrong, each a sentence that begins with the name of the bug. */
  findings: Schema.Array(Schema.String),
  /** With it the same check fails in the same way. */
  seed: Schema.String,
  /** What happened, in virtual time; empty where nothing was played. */
  timeline: Schema.String
}) {
  override get message(): string {
    const [first, ...others] = this.findings
    return [
      first,
      `The agent is not fit: ${this.check}`,
      ...others.map((finding) => `  - also ${finding}`),
      `Seed: ${JSON.stringify(this.seed)}`,
      ...(this.timeline === "" ? [] : ["Timeline:", this.timeline])
    ].join("\n")
  }
}

/** Registers the tests of one agent under that name. */
export const suite = <E, S extends Scenario>(name: string, options: Options<E, S>): void => {
  describe(name, () => {
    for (const { name, run } of checks(options)) it.live(name, () => run, PATIENCE)
  })
}

/** The same one by one, for who runs them otherwise. */
export const checks = <E, S extends Scenario>(options: Options<E, S>): ReadonlyArray<Check> => {
  const { clockAhead = "5 seconds", seed = "agent suite" } = options
  const setting: Story.Setting<E, S> = {
    ...options,
    identity: options.identity ?? identity,
    settles: options.settles ?? "10 minutes"
  }
  const look = (name: string, findings: Effect.Effect<ReadonlyArray<string>>): Check => ({
    name,
    run: Effect.flatMap(findings, (findings) => judge(name, seed, { findings, timeline: { moments: [] } }))
  })
  const story = (name: string, trouble: Trouble.Trouble<S>): Check => ({
    name,
    run: Effect.flatMap(Story.play(setting, trouble), (outcome) => judge(name, seed, outcome)).pipe(
      Seeded.of(seed, name)
    )
  })
  const servers = Object.entries(Faults.server).map(Trouble.server<S>)
  const lists = options.rows === undefined ? {} : Faults.rows(options.rows)
  const tools = [
    ...Object.entries(options.faults).map(Trouble.tool<S>),
    ...Object.entries(lists).map(Trouble.network<S>)
  ]
  const networks = Object.entries(Faults.network).map(Trouble.network<S>)
  const stores = Object.entries(Faults.store).map(Trouble.store<S>)
  const clocks = [
    Trouble.clock<S>("is ahead for a while", clockAhead),
    Trouble.clock<S>("is an hour behind for a while", "-1 hour"),
    Trouble.sleep<S>(
      "stands while the machine sleeps",
      Duration.divideUnsafe(Duration.fromInputUnsafe(options.lasts), 4)
    )
  ]
  const survives = (who: string) => (incident: Trouble.Incident<S>) =>
    story(`survives ${who} that ${incident.what}`, { incidents: [incident] })
  const together = (name: string, kinds: ReadonlyArray<ReadonlyArray<Trouble.Incident<S>>>, dies: boolean) =>
    combined(setting, seed, { name, kinds, dies, times: options.combinations ?? 2 })
  const anyTool = [...tools, ...networks]
  return [
    look(
      "reports all mistakes in its settings at once, in words, and without secrets",
      Effect.sync(() => Outputs.mistakes(options))
    ),
    look("prints its settings and its graph without secrets", Outputs.printed(options)),
    look("checks its tool in time, in words, and without secrets", Outputs.checked(options)),
    story("tells all that happens, once and in order, and stops cleanly", {}),
    sameTimeline(setting, seed),
    ...servers.map(survives("a server")),
    ...[400, 413].map((refuses) =>
      story(`survives a server that refuses one event with ${refuses}`, { refuses })
    ),
    ...tools.map(survives("a tool")),
    ...networks.map(survives("a network")),
    ...stores.map(survives("a state store")),
    ...clocks.map(survives("a clock")),
    together("survives a tool and a server that fail at once", [anyTool, servers], false),
    together(
      "survives a state store that fails together with the tool or the server",
      [stores, [...anyTool, ...servers]],
      false
    ),
    story("loses nothing when its settings are read again", {
      reloads: options.reloads ?? { core: { health_grace: 1000 } }
    }),
    story("survives rows of its state file that cannot be read", { corrupts: true }),
    story("loses nothing when it is stopped and started again", { restarts: 4 }),
    deaths(setting, seed, options.deaths ?? 40),
    together("loses nothing when the process dies while the server fails", [servers], true),
    together("loses nothing when the process dies while the tool fails", [anyTool], true)
  ]
}

// ---- private

const identity = (event: Event.Event): string => `${Event.lane(event)} ${EventLog.title(event)}`

/** Milliseconds of real time that a check may take: it takes some hundreds, but on machines that do much else. */
const PATIENCE = 180_000

/** Lines of a timeline that are printed: the beginning and the end. */
const MOST_LINES = 160

const judge = (
  check: string,
  seed: string,
  { findings, timeline }: Pick<Story.Outcome, "findings" | "timeline">
): Effect.Effect<void, AgentUnfit> =>
  findings.length === 0
    ? Effect.void
    : Effect.fail(new AgentUnfit({ check, findings, seed, timeline: Timeline.render(timeline, MOST_LINES) }))

/** The same seed gives the same timeline, byte for byte. */
const sameTimeline = <E, S extends Scenario>(setting: Story.Setting<E, S>, seed: string): Check => {
  const check = "does the same again when chance does the same again"
  const once = Effect.map(
    Story.play(setting, { incidents: [Trouble.server(["answers 502", ServerFault.badGateway])] }),
    ({ timeline }) => Timeline.render(timeline)
  ).pipe(Seeded.of(seed, check))
  return {
    name: check,
    run: Effect.gen(function* () {
      const first = (yield* once).split("\n")
      const second = (yield* once).split("\n")
      const index = first.findIndex((line, index) => line !== second[index])
      if (index < 0 && first.length === second.length) return
      const at = index < 0 ? first.length : index
      return yield* judge(check, seed, {
        findings: [
          `not repeatable: with the same seed line ${at + 1} of the timeline was ${JSON.stringify(first[at])}, then ${JSON.stringify(second[at])}`
        ],
        timeline: { moments: [] }
      })
    })
  }
}

/** The process dies at one step after the other; the first one after which something is wrong is told. */
const deaths = <E, S extends Scenario>(setting: Story.Setting<E, S>, seed: string, most: number): Check => {
  const check = "loses nothing and repeats nothing when the process dies, at whatever step"
  return {
    name: check,
    run: Effect.gen(function* () {
      const die = (step: number) => Story.play(setting, { step }).pipe(Seeded.of(seed, check))
      const counted = yield* die(0)
      yield* judge(check, seed, counted)
      const steps = [
        ...(yield* Seeded.spread(
          counted.steps.filter(({ isCritical }) => isCritical),
          Math.ceil(most * 0.75)
        )),
        ...(yield* Seeded.spread(
          counted.steps.filter(({ isCritical }) => !isCritical),
          Math.floor(most * 0.25)
        ))
      ]
      for (const { number } of steps) yield* judge(check, seed, yield* die(number))
    }).pipe(Seeded.of(seed, `${check}: which`))
  }
}

/** One of each kind fails, and several times so; and, if told so, the process dies meanwhile. */
const combined = <E, S extends Scenario>(
  setting: Story.Setting<E, S>,
  seed: string,
  {
    dies,
    kinds,
    name,
    times
  }: {
    readonly name: string
    readonly kinds: ReadonlyArray<ReadonlyArray<Trouble.Incident<S>>>
    readonly dies: boolean
    readonly times: number
  }
): Check => ({
  name,
  run: Effect.gen(function* () {
    for (let time = 0; time < times; time++) {
      const incidents: Array<Trouble.Incident<S>> = []
      for (const kind of kinds) incidents.push(...(yield* Seeded.spread(kind, 1)))
      // Which of them fails first is left to chance, too.
      if ((yield* Seeded.within(2, 0, 1)) === 1) incidents.reverse()
      const play = (step: number | undefined) =>
        Story.play(setting, { incidents, step }).pipe(Seeded.of(seed, `${name} ${time}`))
      const whole = yield* play(dies ? 0 : undefined)
      yield* judge(name, seed, whole)
      if (!dies) continue
      const steps = yield* Seeded.spread(
        whole.steps.filter(({ isTroubled }) => isTroubled),
        3
      )
      for (const { number } of steps) yield* judge(name, seed, yield* play(number))
    }
  }).pipe(Seeded.of(seed, `${name}: which`))
})
