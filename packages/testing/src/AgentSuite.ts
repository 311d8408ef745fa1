/**
 * What every agent has to do, whatever tool it watches: the promises of the framework, as tests that any agent can be held
 * to. The author gives the agent, its settings, a scenario in a fake of the tool, and the faults of that fake:
 *
 *     AgentSuite.suite("the agent of my tool", { agent, settings, scenario, lasts: "10 minutes", … })
 *
 * Each test plays the scenario with something else that goes wrong, in virtual time. What fails prints the findings, the seed and
 * a timeline of what was polled, made, sent and answered. Needs Vitest and `@effect/vitest`.
 */
import * as Agent from "@observability-agents/core/Agent"
import * as Settings from "@observability-agents/toolkit/Settings"
import * as Event from "@observability-agents/toolkit/Event"
import { describe, it } from "@effect/vitest"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as Story from "./AgentSuiteStory.ts"
import * as EventLog from "./EventLog.ts"
import * as Faults from "./Faults.ts"
import type { Scenario } from "./Scenario.ts"
import * as Seeded from "./Seeded.ts"
import * as ServerFault from "./ServerFault.ts"
import * as SettingsFixture from "./SettingsFixture.ts"
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
  /** The secrets of the settings. None may appear in a log, an event, a sign of life or news. */
  readonly secrets: ReadonlyArray<string>
  /** A new fake with the same story; made when the Clock is set, before the agent starts. */
  readonly scenario: Effect.Effect<S>
  /** What names an event as the scenario's expectations do. Default: its lane and its title, `pipeline/run task load RUNNING`. */
  readonly identity?: ((event: Event.Event) => string) | undefined
  /** How long the scenario takes until all has happened. Faults last for a third of it. */
  readonly lasts: Duration.Input
  /** How long the agent may take until all is told, once that is over. Default 10 minutes. */
  readonly settles?: Duration.Input | undefined
  /** What the tool can do wrong, by name: begins it, until the scenario's `recover`. */
  readonly faults: Readonly<Record<string, (scenario: S) => Effect.Effect<void>>>
  /** At how many of the steps at which a process can die it is tried; those around events first. Default 40. */
  readonly deaths?: number | undefined
  /** Chooses the moments of all that goes wrong, and the agent's own jitter. Default `agent suite`. */
  readonly seed?: string | undefined
}

/** Something that an agent has to do, and whether it does. */
export interface Check {
  /** A sentence: `survives a tool that …`. */
  readonly name: string
  readonly run: Effect.Effect<void, AgentUnfit>
}

/** An agent does not do what it has to. `message` has the findings, the seed and the timeline, to be read by people. */
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
    return [
      `The agent is not fit: ${this.check}`,
      ...this.findings.map((finding) => `  - ${finding}`),
      `Seed: ${JSON.stringify(this.seed)}`,
      ...(this.timeline === "" ? [] : ["Timeline:", this.timeline])
    ].join("\n")
  }
}

/** Registers the tests of one agent under that name. */
export const suite = <E, S extends Scenario>(name: string, options: Options<E, S>): void => {
  describe(name, () => {
    for (const { name, run } of checks(options)) it.live(name, () => run, 60_000)
  })
}

/** The same one by one, for who runs them otherwise. */
export const checks = <E, S extends Scenario>(options: Options<E, S>): ReadonlyArray<Check> => {
  const { seed = "agent suite" } = options
  const setting: Story.Setting<E, S> = {
    ...options,
    identity: options.identity ?? identity,
    settles: options.settles ?? "10 minutes"
  }
  const story = (name: string, trouble: Story.Trouble<S>): Check => ({
    name,
    run: Effect.flatMap(Story.play(setting, trouble), (outcome) => judge(name, seed, outcome)).pipe(
      Seeded.of(seed, name)
    )
  })
  return [
    mistakes(options, seed),
    story("tells all that happens, once and in order, and stops cleanly", { _tag: "None" }),
    sameTimeline(setting, seed),
    ...Object.entries(Faults.server).map(([name, fault]) =>
      story(`survives a server that ${name}`, { _tag: "Server", fault })
    ),
    ...Object.entries(options.faults).map(([name, fault]) =>
      story(`survives a tool that ${name}`, { _tag: "Tool", fault })
    ),
    story("loses nothing when it is stopped and started again", { _tag: "Restarts", times: 4 }),
    deaths(setting, seed, options.deaths ?? 40)
  ]
}

// ---- private

const identity = (event: Event.Event): string => `${Event.lane(event)} ${EventLog.title(event)}`

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

/** All mistakes in the settings are reported at once, each in its words, and without the secrets. */
const mistakes = <E, S extends Scenario>(options: Options<E, S>, seed: string): Check => {
  const check = "reports all mistakes in its settings at once, in words, and without secrets"
  return {
    name: check,
    run: Effect.suspend(() => {
      const server = { baseUrl: "http://observability.test/api", key: Redacted.make("a-key-for-tests") }
      const report = (added: SettingsFixture.Tables) =>
        Settings.validate(
          SettingsFixture.sources(SettingsFixture.tables(server, added)),
          Agent.sections(options.agent)
        )
      const merged: Record<string, Readonly<Record<string, unknown>>> = { ...options.settings }
      for (const [table, keys] of Object.entries(options.mistakes.settings)) {
        merged[table] = { ...merged[table], ...keys }
      }
      const text = new Settings.SettingsError({ problems: report(merged) }).message
      const findings = [
        ...report(options.settings).map(
          ({ setting, what }) =>
            `settings refused: those that the suite was given do not pass: ${setting}: ${what}`
        ),
        ...options.mistakes.words
          .filter((words) => !text.includes(words))
          .map(
            (words) => `mistake not reported: ${JSON.stringify(words)} does not stand in the report:\n${text}`
          ),
        ...options.secrets
          .filter((secret) => text.includes(secret))
          .map(() => "secret given away: a secret of the settings stands in the report of mistakes"),
        ...(/^\s+at .*:\d+:\d+\)?$/m.test(text)
          ? [`report not readable: it has a stack trace:\n${text}`]
          : [])
      ]
      return judge(check, seed, { findings, timeline: { moments: [] } })
    })
  }
}

/** The same seed gives the same timeline, byte for byte. */
const sameTimeline = <E, S extends Scenario>(setting: Story.Setting<E, S>, seed: string): Check => {
  const check = "does the same again when chance does the same again"
  const once = Effect.map(
    Story.play(setting, { _tag: "Server", fault: ServerFault.badGateway }),
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
      const die = (step: number) => Story.play(setting, { _tag: "Death", step }).pipe(Seeded.of(seed, check))
      const counted = yield* die(0)
      yield* judge(check, seed, counted)
      const isCritical = (step: Story.Step) => step.isCritical
      const steps = [
        ...(yield* Seeded.spread(counted.steps.filter(isCritical), Math.ceil(most * 0.75))),
        ...(yield* Seeded.spread(
          counted.steps.filter((step) => !isCritical(step)),
          Math.floor(most * 0.25)
        ))
      ]
      for (const { number } of steps) yield* judge(check, seed, yield* die(number))
    }).pipe(Seeded.of(seed, `${check}: which`))
  }
}
