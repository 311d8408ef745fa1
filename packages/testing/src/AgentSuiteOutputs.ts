/**
 * What the conformance suite looks at of an agent that does not run: the report of mistakes in its settings, the print-out of
 * those that hold, its graph, and its check of the tool, when the tool is well and when it fails.
 */
import * as Agent from "@observability-agents/core/Agent"
import * as Graph from "@observability-agents/core/Graph"
import * as Settings from "@observability-agents/toolkit/Settings"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as TestClock from "effect/testing/TestClock"
import * as AgentFixture from "./AgentFixture.ts"
import * as Secrets from "./AgentSuiteSecrets.ts"
import { FakeObservability } from "./FakeObservability.ts"
import * as Faults from "./Faults.ts"
import * as FaultyHttp from "./FaultyHttp.ts"
import type { Scenario } from "./Scenario.ts"
import * as SettingsFixture from "./SettingsFixture.ts"
import * as TestNetwork from "./TestNetwork.ts"

/** What is looked at. */
export interface Setting<E, S extends Scenario> {
  readonly agent: Agent.Agent<E>
  readonly settings: SettingsFixture.Tables
  readonly mistakes: { readonly settings: SettingsFixture.Tables; readonly words: ReadonlyArray<string> }
  readonly secrets: ReadonlyArray<string>
  readonly scenario: Effect.Effect<S>
  readonly faults: Readonly<Record<string, (scenario: S) => Effect.Effect<void>>>
}

/** Whether all mistakes in the settings are reported at once, each in its words, and without the secrets. */
export const mistakes = <E, S extends Scenario>(setting: Setting<E, S>): ReadonlyArray<string> => {
  const report = (added: SettingsFixture.Tables) =>
    Settings.validate(
      SettingsFixture.sources(SettingsFixture.tables(SERVER, added)),
      Agent.sections(setting.agent)
    )
  const merged: Record<string, Readonly<Record<string, unknown>>> = { ...setting.settings }
  for (const [table, keys] of Object.entries(setting.mistakes.settings)) {
    merged[table] = { ...merged[table], ...keys }
  }
  const text = new Settings.SettingsError({ problems: report(merged) }).message
  return [
    ...report(setting.settings).map(
      ({ setting, what }) =>
        `settings refused: those that the suite was given do not pass: ${setting}: ${what}`
    ),
    ...setting.mistakes.words
      .filter((words) => !text.includes(words))
      .map(
        (words) => `mistake not reported: ${JSON.stringify(words)} does not stand in the report:\n${text}`
      ),
    ...readable(text, "the report of mistakes", setting.secrets)
  ]
}

/** Whether what is printed of the agent's settings and of its graph holds no secret. */
export const printed = <E, S extends Scenario>(
  setting: Setting<E, S>
): Effect.Effect<ReadonlyArray<string>> =>
  Effect.gen(function* () {
    const sources = SettingsFixture.sources(SettingsFixture.tables(SERVER, setting.settings))
    const sections = Agent.sections(setting.agent)
    const scenario = yield* setting.scenario
    const graph = yield* Effect.exit(
      Effect.provide(
        Graph.ofAgent(setting.agent),
        Layer.merge(SettingsFixture.layer(setting.settings), transport(scenario))
      )
    )
    return [
      ...given("the print-out of the settings", JSON.stringify(Settings.resolve(sources, sections)), setting),
      ...given("the reference of the settings", Settings.reference(sections), setting),
      ...(Exit.isSuccess(graph)
        ? given("the graph", `${Graph.mermaid(graph.value)}${Graph.dot(graph.value)}`, setting)
        : [`no graph: ${Secrets.masked(setting.secrets, Cause.pretty(graph.cause))}`])
    ]
  }).pipe(inVirtualTime)

/**
 * Whether the agent's check of the tool passes while the tool is well, and otherwise ends in time with an error in words; and
 * whether it holds no secret.
 */
export const checked = <E, S extends Scenario>(
  setting: Setting<E, S>
): Effect.Effect<ReadonlyArray<string>> =>
  Effect.gen(function* () {
    const troubles: ReadonlyArray<Ailment<S>> = [
      { what: "is well", begin: () => Effect.void },
      ...Object.entries(setting.faults).map(([what, begin]): Ailment<S> => ({
        what,
        begin: (scenario) => begin(scenario)
      })),
      ...Object.entries(Faults.network).map(([what, { fault, share }]): Ailment<S> => ({
        what: `is behind a network that ${what}`,
        begin: (_, network) => network.fail(fault, { share })
      }))
    ]
    const all: Array<string> = []
    for (const trouble of troubles) all.push(...(yield* checkOnce(setting, trouble)))
    return all
  })

// ---- private

const SERVER = { baseUrl: "http://observability.test/api", key: Redacted.make("a-key-for-tests") }

/** How the tool is. */
interface Ailment<S> {
  readonly what: string
  readonly begin: (scenario: S, network: FaultyHttp.FaultyHttp["Service"]) => Effect.Effect<void>
}

const inVirtualTime = <A, E>(effect: Effect.Effect<A, E, FakeObservability>): Effect.Effect<A, E> =>
  Effect.andThen(TestClock.setTime(AgentFixture.START), effect).pipe(
    Effect.provide(Layer.provideMerge(FakeObservability.layer, TestClock.layer()))
  )

const transport = (scenario: Scenario) => TestNetwork.layer(scenario.hosts)

/** Minutes of virtual time within which somebody who waits for a check wants an answer. */
const PATIENCE = 15

const checkOnce = <E, S extends Scenario>(
  { agent, scenario: make, secrets, settings }: Setting<E, S>,
  { begin, what }: Ailment<S>
): Effect.Effect<ReadonlyArray<string>> =>
  Effect.gen(function* () {
    const scenario = yield* make
    const network = yield* FaultyHttp.make(TestNetwork.client(scenario.hosts))
    yield* begin(scenario, network)
    const hosts = Object.fromEntries(
      Object.entries(scenario.hosts).map(([host, client]) => [host, network.around(client)])
    )
    const running = yield* Effect.result(agent.check).pipe(
      Effect.provide(Layer.merge(SettingsFixture.layer(settings), TestNetwork.layer(hosts))),
      Effect.exit,
      Effect.forkDetach
    )
    for (let minute = 0; minute < PATIENCE && running.pollUnsafe() === undefined; minute++) {
      yield* TestClock.adjust(minute === 0 ? 0 : "1 minute")
    }
    const where = `its check of a tool that ${what}`
    if (running.pollUnsafe() === undefined) {
      yield* Fiber.interrupt(running)
      return [`check without end: ${where} had no answer after ${PATIENCE} minutes`]
    }
    const exit = yield* Fiber.join(running)
    if (Exit.isFailure(exit)) {
      const cause = Secrets.masked(secrets, Cause.pretty(exit.cause))
      return [`check broken: ${where} did not fail in words: ${cause}`]
    }
    const { message, stack } = Result.isSuccess(exit.value)
      ? { message: exit.value.success, stack: "" }
      : { message: exit.value.failure.message, stack: Cause.pretty(Cause.fail(exit.value.failure)) }
    return [
      ...(what === "is well" && Result.isFailure(exit.value)
        ? [`check failed: ${where} said: ${Secrets.masked(secrets, message)}`]
        : []),
      ...readable(message, `the answer of ${where}`, secrets),
      ...given(`the causes of ${where}`, stack, { secrets })
    ]
  }).pipe(inVirtualTime)

const given = (
  where: string,
  text: string,
  { secrets }: { readonly secrets: ReadonlyArray<string> }
): ReadonlyArray<string> =>
  Secrets.finder(secrets)(text) ? [`secret given away: a secret of the settings stands in ${where}`] : []

const readable = (text: string, where: string, secrets: ReadonlyArray<string>): ReadonlyArray<string> => [
  ...given(where, text, { secrets }),
  ...(/^\s+at .*:\d+:\d+\)?$/m.test(text)
    ? [`report not readable: ${where} has a stack trace:\n${Secrets.masked(secrets, text)}`]
    : [])
]
