/**
 * A whole agent in virtual time, with a script: when what happens in the tool, what goes wrong, and what the server has to
 * receive of it, when. Its clock, its randomness, its network and its disk belong to the simulation, so the same script gives the
 * same timeline, and what fails by chance can be played again by its seed.
 *
 * ```ts
 * import { it } from "@effect/vitest"
 * import * as DatabricksAgent from "@observability-agents/agent-databricks/DatabricksAgent"
 * import { FakeDatabricks } from "@observability-agents/agent-databricks/testing/FakeDatabricks"
 * import { FakeObservability } from "@observability-agents/testing/FakeObservability"
 * import * as ServerFault from "@observability-agents/testing/ServerFault"
 * import { Simulation } from "@observability-agents/testing/Simulation"
 * import { Effect } from "effect"
 *
 * const simulation = Simulation.layer(DatabricksAgent.agent, {
 *   tool: FakeDatabricks.layer({ jobs: [{ name: "load", id: "7", runs: [{ id: "1", at: "1 minute" }] }] }),
 *   hosts: Effect.map(FakeDatabricks, ({ client }) => ({ "workspace.test": client })),
 *   settings: { databricks: { host: "workspace.test" }, auth_api_token: { agent_token: "dapi-fake" } },
 *   secrets: ["dapi-fake"]
 * })
 *
 * it.effect("what happens while the server is down is told when it is back", () =>
 *   Effect.gen(function* () {
 *     const sim = yield* Simulation
 *     const server = yield* FakeObservability
 *     yield* sim.at("90 seconds", "the server goes down", server.fail(ServerFault.badGateway))
 *     yield* sim.at("10 minutes", "the server is back", server.recover)
 *     yield* sim.expectWithin("90 seconds", ["RUNNING", "task main RUNNING"])
 *     yield* sim.advanceTo("the server is back")
 *     yield* sim.expectNoMore
 *     yield* sim.expectWithin("2 minutes", ["task main COMPLETED", "COMPLETED"])
 *     yield* sim.expectNoMoreFor("1 hour")
 *   }).pipe(Effect.provide(simulation))
 * )
 * ```
 */
import type * as Agent from "@observability-agents/core/Agent"
import type { Report } from "@observability-agents/core/Health"
import * as Clock from "effect/Clock"
import * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Random from "effect/Random"
import type * as Scope from "effect/Scope"
import * as AgentFixture from "./AgentFixture.ts"
import { FakeObservability } from "./FakeObservability.ts"
import * as FaultScript from "./FaultScript.ts"
import type * as SettingsFixture from "./SettingsFixture.ts"
import { SimulationClock } from "./SimulationClock.ts"
import type * as Expectation from "./SimulationExpectation.ts"
import type { SimulationFailed } from "./SimulationFailed.ts"
import type * as Lives from "./SimulationLives.ts"
import type * as Signs from "./SimulationSigns.ts"
import * as Stage from "./SimulationStage.ts"
import type * as TestNetwork from "./TestNetwork.ts"

/** What a simulation consists of. */
export interface Options<in T, out TE, out TR, out HE, out HR, in A, out AE, out AR> {
  /**
   * The fakes of the tool, by the host that the agent's settings name; or an Effect that gives them, which can ask for the
   * services of `tool`.
   */
  readonly hosts: TestNetwork.Hosts | Effect.Effect<TestNetwork.Hosts, HE, HR>
  /**
   * The fake of the tool as a Layer, for fakes that read the Clock when they are made: it is built when the clock is set and chance
   * has its seed. The test can ask for its services.
   */
  readonly tool?: Layer.Layer<T, TE, TR> | undefined
  /**
   * What stands around the agent alone, and not around its tool, the server and the test: `FaultyClock.layer`,
   * `FaultyStore.layer`, a tracer. The test can ask for its services.
   */
  readonly around?: Layer.Layer<A, AE, AR> | undefined
  /** The agent's own settings, and whatever of the shared ones shall not be as by default. */
  readonly settings: SettingsFixture.Tables
  /**
   * The secrets of the settings. They are masked in reports, and the simulation fails when one stands in a log line, an event, a
   * sign of life or news of `Activity`. The server's key is always among them.
   */
  readonly secrets?: ReadonlyArray<string> | undefined
  /**
   * Chooses all that is left to chance: the agent's jitter, fakes, faults, and `Random` in the test. Default `simulation`. The
   * environment variable `SIMULATION_SEED` goes before it.
   */
  readonly seed?: string | undefined
  /** When it starts. Default {@link AgentFixture.START}, a Monday morning. */
  readonly startAt?: DateTime.DateTime | undefined
  /**
   * Where the agent keeps its state. `memory`, the default: nothing outlives a life. `file`: in a temporary directory, so that
   * what is stopped or dies goes on where it was; one event is sent at a time then, unless the settings say otherwise.
   */
  readonly store?: "memory" | "file" | undefined
  /** Whether the agent runs from the beginning, or from the first `start` on. Default true. */
  readonly autoStart?: boolean | undefined
}

/** A simulation that goes on. Whatever does not go as the script says fails as {@link SimulationFailed}. */
export class Simulation extends Context.Service<
  Simulation,
  {
    /**
     * Schedules something for a moment: so long after the start (not after now), or a date. It is done at that moment, after what
     * the agent does then, and is in the timeline under its name, which other times can count from. What takes longer goes on
     * while time does; what fails makes `advance` fail.
     */
    readonly at: {
      <R>(
        when: Expectation.When,
        name: string,
        effect: Effect.Effect<unknown, unknown, R>
      ): Effect.Effect<void, SimulationFailed, R>
      <R>(
        when: Expectation.When,
        effect: Effect.Effect<unknown, unknown, R>
      ): Effect.Effect<void, SimulationFailed, R>
    }
    /** Does something now, which is in the timeline under its name. */
    readonly act: <A, E, R>(name: string, effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
    /** Lets so much time go by, and does on its way what was scheduled. */
    readonly advance: (duration: Duration.Input) => Effect.Effect<void, SimulationFailed>
    /** The same until a moment. */
    readonly advanceTo: (when: Expectation.When) => Effect.Effect<void, SimulationFailed>
    /**
     * The next events that the server received are these, each once: a list, in its order; or what `inAnyOrder`, `perLane`
     * or `among` of SimulationExpectation says. They do not count as received any more afterwards.
     */
    readonly expect: (expected: Expected) => Effect.Effect<void, SimulationFailed>
    /** The next events are these, in any order. */
    readonly expectInAnyOrder: (
      expected: ReadonlyArray<Expectation.Expectation>
    ) => Effect.Effect<void, SimulationFailed>
    /** The next events of each of these lanes are these, in order. Other lanes are left for later. */
    readonly expectPerLane: (
      lanes: Readonly<Record<string, ReadonlyArray<Expectation.Expectation>>>
    ) => Effect.Effect<void, SimulationFailed>
    /** Lets time go by until these have come, and at most so long. */
    readonly expectWithin: (
      duration: Duration.Input,
      expected: Expected
    ) => Effect.Effect<void, SimulationFailed>
    /** The server received nothing but what was expected. */
    readonly expectNoMore: Effect.Effect<void, SimulationFailed>
    /** Lets so much time go by, in which the server receives nothing but what was expected. */
    readonly expectNoMoreFor: (duration: Duration.Input) => Effect.Effect<void, SimulationFailed>
    /** The server received so many signs of life in a span of time. */
    readonly expectHeartbeats: (expected: Signs.Heartbeats) => Effect.Effect<void, SimulationFailed>
    /** The dead letters that are there are these, the oldest first, and no others. */
    readonly expectDeadLetters: (
      expected: ReadonlyArray<Expectation.Expectation>
    ) => Effect.Effect<void, SimulationFailed>
    /** Every part of the agent works. */
    readonly expectHealthy: Effect.Effect<void, SimulationFailed>
    /** Just these parts of the agent do not work, in any order. */
    readonly expectFailing: (parts: ReadonlyArray<string>) => Effect.Effect<void, SimulationFailed>
    /** Lets time go by until the agent gives up, and at most so long. Gives its reason. */
    readonly expectGivesUp: (duration: Duration.Input) => Effect.Effect<string, SimulationFailed>
    /** Starts the agent: it did not run, was stopped, or died. */
    readonly start: Effect.Effect<void, SimulationFailed>
    /** Stops it in order. A stop that takes too long, or leaves fibers, fails. */
    readonly stop: Effect.Effect<void, SimulationFailed>
    /** Stops it in order and starts it again. */
    readonly restart: Effect.Effect<void, SimulationFailed>
    /** The process dies now, and the disk is as it is now. Needs `store: "file"`. */
    readonly crash: Effect.Effect<void, SimulationFailed>
    /**
     * The process dies at the next step whose name has this text in it. Steps are: `before the tool is asked (GET …)`,
     * `when the tool has answered (GET …)`, the same of `the server of events` (with the event, `run-status p r RUNNING`) and of
     * `the server` (signs of life), `before the state is committed`, `after the state is committed`. Needs `store: "file"`.
     */
    readonly crashAt: (step: string | RegExp) => Effect.Effect<void, SimulationFailed>
    /** Whether the agent lives. */
    readonly isRunning: Effect.Effect<boolean>
    /** Asks the present life of the agent: its Outbox, its Health, its Supervisor, its Activity. */
    readonly ask: <A, E>(
      effect: Effect.Effect<A, E, Lives.Services>
    ) => Effect.Effect<A, E | SimulationFailed>
    /** How the parts of the agent stand. */
    readonly health: Effect.Effect<Report, SimulationFailed>
    /** How many events wait to be sent. */
    readonly pending: Effect.Effect<number, SimulationFailed>
    /** The lines of the agent's log, of level INFO and above, of all its lives. It grows. */
    readonly log: ReadonlyArray<Lives.LogLine>
    /** Milliseconds since the start. */
    readonly elapsed: Effect.Effect<number>
    /** Milliseconds since 1970, of the start. */
    readonly startedAt: number
    /** What was polled, made, sent and answered so far, in virtual time, a line each; secrets are masked. */
    readonly timeline: Effect.Effect<string>
    /** What all that is left to chance comes from. */
    readonly seed: string
  }
>()("@observability-agents/testing/Simulation") {
  /**
   * The agent between a fake server of its own and the fakes of its tool, on a clock of its own: within the Layer, `Clock` and
   * `Random` are those of the simulation. Provide it to one test, or share it among tests that go on one after the other.
   * It fails where the agent does not start. When the scope closes the agent is stopped.
   */
  static layer<
    E,
    T = never,
    TE = never,
    TR = never,
    HE = never,
    HR = never,
    A = never,
    AE = never,
    AR = never
  >(
    agent: Agent.Agent<E>,
    options: Options<T, TE, TR, HE, HR, A, AE, AR>
  ): Layer.Layer<
    Simulation | FakeObservability | T | A,
    SimulationFailed | TE | HE | AE,
    Exclude<TR | HR | AR, Scope.Scope | SimulationClock | FakeObservability | T>
  > {
    const { startAt } = options
    const start = startAt === undefined ? AgentFixture.START : DateTime.toEpochMillis(startAt)
    const hosts = Effect.isEffect(options.hosts) ? options.hosts : Effect.succeed(options.hosts)
    const simulation = Layer.unwrap(
      Effect.map(seedOf(options.seed), (seed) =>
        Layer.effectContext(
          Effect.gen(function* () {
            const { clock } = yield* SimulationClock
            const around = yield* Layer.build(orEmpty(options.around))
            const simulation = yield* Stage.make({
              agent,
              hosts: yield* hosts,
              around,
              settings: options.settings,
              secrets: options.secrets ?? [],
              store: options.store ?? "memory",
              seed,
              start
            })
            if (options.autoStart !== false) yield* simulation.start
            // The clock around the agent is not the one of the test.
            return Context.add(Context.add(around, Simulation, simulation), Clock.Clock, clock)
          })
        ).pipe(
          Layer.provideMerge(orEmpty(options.tool)),
          Layer.provideMerge(Layer.fresh(FakeObservability.layer)),
          Layer.provideMerge(chance(seed)),
          Layer.provideMerge(SimulationClock.layer(start))
        )
      )
    )
    // SAFETY: one Exclude after the other leaves the same as all in one, which is not seen through for type parameters.
    return simulation as Layer.Layer<
      Simulation | FakeObservability | T | A,
      SimulationFailed | TE | HE | AE,
      Exclude<TR | HR | AR, Scope.Scope | SimulationClock | FakeObservability | T>
    >
  }
}

/** What several events are expected as: a list is what comes next, in its order. */
export type Expected = ReadonlyArray<Expectation.Expectation> | Expectation.Expected

// ---- private

// SAFETY: without a Layer the type parameters are the defaults, of which there is nothing to give.
const orEmpty = <A, E, R>(layer: Layer.Layer<A, E, R> | undefined): Layer.Layer<A, E, R> =>
  layer ?? (Layer.empty as Layer.Layer<unknown> as Layer.Layer<A>)

const seedOf = (given = "simulation"): Effect.Effect<string> =>
  Config.String("SIMULATION_SEED").pipe(
    Effect.map((seed) => (seed === "" ? given : seed)),
    Effect.orElseSucceed(() => given)
  )

/** All that is left to chance, by a seed. */
const chance = (seed: string): Layer.Layer<never> =>
  Layer.effectContext(
    Random.withSeed(
      Effect.withFiber((fiber) =>
        Effect.succeed(
          Context.make(Random.Random, fiber.getRef(Random.Random)).pipe(Context.add(FaultScript.Seed, seed))
        )
      ),
      seed
    )
  )
