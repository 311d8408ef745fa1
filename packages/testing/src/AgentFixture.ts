/**
 * A whole agent in virtual time: its Loops, the Outbox, the sender and the heartbeat, between the fakes of its tool and
 * the fake Observability server, all inside the process. Under TestClock a day takes as long as the work of a day does.
 *
 * ```ts
 * import { assert, it } from "@effect/vitest"
 * import * as Agent from "@observability-agents/core/Agent"
 * import { Health } from "@observability-agents/core/Health"
 * import * as Loop from "@observability-agents/core/Loop"
 * import * as AgentFixture from "@observability-agents/testing/AgentFixture"
 * import { DateTime, Effect } from "effect"
 * import { TestClock } from "effect/testing"
 *
 * const agent = Agent.make({
 *   type: "test",
 *   tool: "test",
 *   description: "Looks each minute.",
 *   sections: [],
 *   layer: Loop.periodic("look", { period: "1 minute", from: DateTime.now }, () => Effect.void),
 *   check: Effect.succeed("")
 * })
 *
 * it.effect("is healthy all day", () =>
 *   Effect.gen(function* () {
 *     yield* TestClock.setTime(AgentFixture.START)
 *     yield* Effect.gen(function* () {
 *       yield* TestClock.adjust("1 day")
 *       assert.isTrue((yield* (yield* Health).report).healthy)
 *     }).pipe(Effect.provide(AgentFixture.layer(agent, { hosts: {}, settings: {} })))
 *   })
 * )
 * ```
 */
import * as Agent from "@observability-agents/core/Agent"
import type { Health } from "@observability-agents/core/Health"
import type { Outbox } from "@observability-agents/core/Outbox"
import { Supervisor, type Unrecoverable } from "@observability-agents/core/Supervisor"
import type { HttpTransport } from "@observability-agents/toolkit/HttpTransport"
import * as Clock from "effect/Clock"
import type * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { FakeObservability } from "./FakeObservability.ts"
import * as SettingsFixture from "./SettingsFixture.ts"
import * as TestNetwork from "./TestNetwork.ts"

/** What the agent finds around it. */
export interface Options {
  /** The fakes of the tool, by the host that the agent's settings name. */
  readonly hosts: TestNetwork.Hosts
  /** The agent's own settings, and whatever of the shared ones shall not be as by default. */
  readonly settings: SettingsFixture.Tables
  /** What looks on, such as a status page. See `Agent.Options`. */
  readonly beside?: Agent.Options["beside"]
}

/**
 * A Monday morning, in milliseconds since 1970: a moment to set TestClock to before anything is made. TestClock begins in
 * 1970, and a time of that year is what tools send for "none".
 */
export const START = Date.UTC(2026, 0, 5, 8)

/**
 * Starts the agent against a fake server of its own, and stops it with the scope. The fake server, the Outbox and the
 * Supervisor can be asked what became of it. A Clock that stands in 1970 is refused: set it to {@link START} first.
 */
export const layer = <E>(
  agent: Agent.Agent<E>,
  options: Options
): Layer.Layer<
  FakeObservability | Outbox | Health | Supervisor | Agent.Onlooker,
  E | Config.ConfigError | Unrecoverable
> => Layer.provideMerge(layerAgent(agent, options), FakeObservability.layer)

/**
 * The same against a fake server that is there already, so that several agents can follow one another. The Outbox is in
 * memory unless the settings name a file: `core: { state_path }`.
 */
export const layerAgent = <E>(
  agent: Agent.Agent<E>,
  options: Options
): Layer.Layer<
  Outbox | Health | Supervisor | Agent.Onlooker,
  E | Config.ConfigError | Unrecoverable,
  FakeObservability
> =>
  Agent.layer(agent, { version: "0.0.0-test", beside: options.beside }).pipe(
    Layer.provide(clockIsSet),
    Layer.provide(wholeMilliseconds),
    Layer.provideMerge(Supervisor.layer),
    Layer.provide(Layer.merge(SettingsFixture.layer(options.settings), network(options.hosts)))
  )

const network = (hosts: TestNetwork.Hosts): Layer.Layer<HttpTransport, never, FakeObservability> =>
  Layer.unwrap(
    Effect.map(FakeObservability, ({ baseUrl, client }) =>
      TestNetwork.layer({ [new URL(baseUrl).host]: client, ...hosts })
    )
  )

const clockIsSet = Layer.effectDiscard(
  Effect.flatMap(Clock.currentTimeMillis, (now) =>
    now < Date.UTC(1971, 0)
      ? Effect.die(
          new Error(
            "AgentFixture: the Clock stands in 1970; say `yield* TestClock.setTime(AgentFixture.START)` first"
          )
        )
      : Effect.void
  )
)

/** A wait for a fraction of a millisecond takes TestClock to a time that no real clock tells, and no store keeps. */
const wholeMilliseconds: Layer.Layer<never> = Layer.effect(
  Clock.Clock,
  Effect.clockWith((clock) => {
    const millis = () => Math.floor(clock.currentTimeMillisUnsafe())
    const nanos = () => BigInt(millis()) * 1_000_000n
    return Effect.succeed(
      Clock.Clock.of({
        currentTimeMillisUnsafe: millis,
        currentTimeMillis: Effect.sync(millis),
        currentTimeNanosUnsafe: nanos,
        currentTimeNanos: Effect.sync(nanos),
        monotonicTimeNanosUnsafe: () => clock.monotonicTimeNanosUnsafe(),
        monotonicTimeNanos: clock.monotonicTimeNanos,
        sleep: (duration) => clock.sleep(duration)
      })
    )
  })
)
