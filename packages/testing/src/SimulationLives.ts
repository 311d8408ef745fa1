/**
 * The lives of a simulation's agent: it starts, is stopped, dies, and starts again with what is on the disk. One lives at a
 * time. What goes wrong is told in words, and the simulation makes a report of them.
 */
import type * as Agent from "@observability-agents/core/Agent"
import type { Health } from "@observability-agents/core/Health"
import type { Outbox } from "@observability-agents/core/Outbox"
import { Supervisor } from "@observability-agents/core/Supervisor"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import type * as HttpClient from "effect/http/HttpClient"
import * as Logger from "effect/Logger"
import * as Random from "effect/Random"
import * as References from "effect/References"
import type * as Scope from "effect/Scope"
import * as AgentDisk from "./AgentDisk.ts"
import * as AgentLife from "./AgentLife.ts"
import type { Witness } from "./AgentWitness.ts"
import { FakeObservability } from "./FakeObservability.ts"
import { FaultyClock } from "./FaultyClock.ts"
import type * as SettingsFixture from "./SettingsFixture.ts"
import type * as TestNetwork from "./TestNetwork.ts"

/** What a life consists of, and can be asked for. */
export type Services = Outbox | Health | Supervisor | Agent.Onlooker

/** A line of the agent's log, of level INFO or above. */
export interface LogLine {
  /** Milliseconds since the start of the simulation. */
  readonly at: number
  readonly level: string
  /** The Loop, or else the module, that says it. */
  readonly part: string | undefined
  readonly sentence: string
}

/** The lives of one agent. What fails, fails with a reason in words. */
export interface Lives {
  readonly start: Effect.Effect<void, string, FakeObservability>
  /** Stops it in order. */
  readonly stop: Effect.Effect<void, string>
  /** Stops what lives, if anything, and says nothing of it: the simulation is over. */
  readonly end: Effect.Effect<void>
  /** It dies now. */
  readonly crash: Effect.Effect<void, string>
  /** It dies at the next step that fits. */
  readonly crashAt: (step: string | RegExp) => Effect.Effect<void, string>
  /** Clears away one that died at a step, and looks whether it has given up. */
  readonly look: Effect.Effect<void>
  readonly isRunning: () => boolean
  /** Why it gave up, since somebody has asked last. */
  readonly gaveUp: () => string | undefined
  readonly services: Effect.Effect<Context.Context<Services>, string>
  readonly log: ReadonlyArray<LogLine>
}

/** What all lives have in common. */
export interface Options<out E> {
  readonly agent: Agent.Agent<E>
  readonly settings: SettingsFixture.Tables
  readonly hosts: TestNetwork.Hosts
  readonly store: "memory" | "file"
  readonly seed: string
  /** What else stands around the agent, and not around the test: a clock or a store that fails. */
  readonly around: Context.Context<never>
  readonly witness: Witness
  /** Milliseconds since 1970. */
  readonly start: number
}

/** Nothing lives yet. What is on the disk is removed with the scope. */
export const make = Effect.fnUntraced(function* <E>(
  options: Options<E>
): Effect.fn.Return<Lives, never, Scope.Scope> {
  const { witness } = options
  const scope = yield* Effect.scope
  const clock = Context.getOrUndefined(options.around, FaultyClock)
  const elsewhere = clock?.elsewhere ?? ((client: HttpClient.HttpClient) => client)
  const disk = options.store === "file" ? yield* AgentDisk.make : undefined
  const log: Array<LogLine> = []
  let lives = 0
  let life: AgentLife.Life | undefined
  let failure: Fiber.Fiber<string> | undefined
  let armed: string | RegExp | undefined
  let missed: Array<string> = []
  let gaveUp: string | undefined

  const step = (name: string): boolean => {
    if (armed === undefined) return false
    if (typeof armed === "string" ? !name.includes(armed) : name.search(armed) < 0) {
      const kind = name.replace(/ \(.*\)$/, "")
      if (!missed.includes(kind)) missed.push(kind)
      return false
    }
    armed = undefined
    witness.see("test", `the process dies ${name}`)
    disk?.copy()
    return true
  }
  const onDisk = Effect.fnUntraced(function* (what: string) {
    if (disk !== undefined) return disk
    return yield* Effect.fail(
      `${what} makes sense only where something outlives the process: give Simulation.layer the option store: "file"`
    )
  })
  const alive = Effect.suspend(() =>
    life === undefined
      ? Effect.fail("The agent does not run: `start` begins its next life")
      : Effect.succeed(life)
  )
  const bury = Effect.suspend(() => {
    const dead = life
    life = undefined
    failure = undefined
    return dead === undefined ? Effect.void : dead.bury
  })
  const look = Effect.gen(function* () {
    if (life?.isAlive() === false) yield* bury
    const ended = failure?.pollUnsafe()
    if (ended === undefined || Exit.isFailure(ended)) return
    failure = undefined
    gaveUp = ended.value
    witness.see("agent", `gives up: ${gaveUp}`)
  })

  /** It was to die, and lives. That is said once. */
  const survived = Effect.suspend(() => {
    if (armed === undefined) return Effect.void
    const steps = missed.map((name) => JSON.stringify(name)).join(", ")
    const words = `The agent was to die at the step ${String(armed)}, and none of that name was reached. Those that were: ${steps === "" ? "none" : steps}`
    armed = undefined
    return Effect.fail(words)
  })

  const start = Effect.gen(function* () {
    yield* look
    if (life !== undefined) {
      yield* survived
      return yield* Effect.fail("The agent runs already: `stop` or `crash` it first")
    }
    lives += 1
    witness.see("test", lives === 1 ? "starts the agent" : "starts the agent again")
    const server = yield* FakeObservability
    life = yield* AgentLife.begin({
      agent: options.agent,
      settings: disk === undefined ? options.settings : disk.settings(options.settings),
      hosts: Object.fromEntries(
        Object.entries(options.hosts).map(([host, client]) => [host, elsewhere(client)])
      ),
      around: options.around,
      witness,
      step: disk === undefined ? undefined : step,
      loggers: [keep(log, options.start)]
    }).pipe(
      Effect.mapError((reason) => `The agent ${withoutStack(reason)}`),
      Random.withSeed(`${options.seed}: life ${lives}`),
      Effect.provideService(FakeObservability, { ...server, client: elsewhere(server.client) })
    )
    failure = yield* Effect.forkIn(
      Effect.map(Effect.flip(Context.get(life.services, Supervisor).failure), ({ message }) => message),
      scope
    )
  })

  return {
    start,
    stop: Effect.gen(function* () {
      yield* look
      const living = yield* alive
      yield* survived
      witness.see("test", "stops the agent")
      life = undefined
      failure = undefined
      const complaints = yield* living.stop
      if (complaints.length > 0) return yield* Effect.fail(`The agent ${complaints.join("; ")}`)
    }),
    end: Effect.suspend(() => {
      const living = life
      life = undefined
      return living === undefined ? Effect.void : Effect.asVoid(living.stop)
    }),
    crash: Effect.gen(function* () {
      yield* look
      const living = yield* alive
      const { copy } = yield* onDisk("A crash")
      yield* survived
      witness.see("test", "the process dies")
      copy()
      living.kill()
      yield* bury
    }),
    crashAt: Effect.fnUntraced(function* (step) {
      yield* onDisk("A crash")
      armed = step
      missed = []
    }),
    look,
    isRunning: () => life?.isAlive() === true,
    gaveUp: () => {
      const reason = gaveUp
      gaveUp = undefined
      return reason
    },
    services: Effect.map(alive, ({ services }) => services),
    log
  }
})

// ---- private

/** Where in the code something was raised is of no use to who has to mend a setting. */
const withoutStack = (text: string): string =>
  text
    .split("\n")
    .filter((line) => !/^\s*(at .*:\d+|\[cause\]: .*|\})$/.test(line))
    .map((line) => line.replace(/ \{$/, ""))
    .join("\n")

const LEVELS: ReadonlySet<string> = new Set(["Info", "Warn", "Error", "Fatal"])

const keep = (log: Array<LogLine>, start: number): Logger.Logger<unknown, void> =>
  Logger.make(({ fiber, logLevel, message }) => {
    if (!LEVELS.has(logLevel)) return
    const annotations = fiber.getRef(References.CurrentLogAnnotations)
    const part = annotations["loop"] ?? annotations["module"]
    log.push({
      at: fiber.getRef(Clock.Clock).currentTimeMillisUnsafe() - start,
      level: logLevel,
      part: typeof part === "string" ? part : undefined,
      sentence: Array.isArray(message) ? message.map(String).join(" ") : String(message)
    })
  })
