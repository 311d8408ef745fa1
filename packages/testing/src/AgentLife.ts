/**
 * One life of an agent in the conformance suite: from its start to its stop, or to the step at which it is killed. A killed
 * agent reaches nothing any more: what it still does goes to a state file that nobody reads, since the next life begins
 * with a copy of what was on the disk at that step.
 */
import { Activity } from "@observability-agents/core/Activity"
import type * as Agent from "@observability-agents/core/Agent"
import { Health } from "@observability-agents/core/Health"
import { Outbox } from "@observability-agents/core/Outbox"
import { type Fault, OutboxFault } from "@observability-agents/core/OutboxSqliteFault"
import { Supervisor } from "@observability-agents/core/Supervisor"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientError from "effect/http/HttpClientError"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Metric from "effect/Metric"
import * as Option from "effect/Option"
import * as PubSub from "effect/PubSub"
import * as References from "effect/References"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/testing/TestClock"
import * as AgentFixture from "./AgentFixture.ts"
import { type Accepted, FakeObservability } from "./FakeObservability.ts"
import type * as SettingsFixture from "./SettingsFixture.ts"
import type * as TestNetwork from "./TestNetwork.ts"
import * as Witness from "./AgentWitness.ts"

/** What a life begins with. */
export interface Options<out E> {
  readonly agent: Agent.Agent<E>
  readonly settings: SettingsFixture.Tables
  readonly hosts: TestNetwork.Hosts
  readonly witness: Witness.Witness
  /** Called at each step at which a process may die; gives whether it dies here. Absent: it never does, and steps cost nothing. */
  readonly step?: ((name: string) => boolean) | undefined
  /** What else stands around it: a clock, a tracer, a store that fails, a Reload. */
  readonly around?: Context.Context<never> | undefined
  /** What looks on, such as a status page; its fibers are not counted. */
  readonly beside?: Agent.Options["beside"]
  /** Who hears the log besides the witness. */
  readonly loggers?: ReadonlyArray<Logger.Logger<unknown, void>> | undefined
}

/** How an agent stands. */
export interface Standing {
  /** What is wrong with its health, and what it could not deliver, in words: those of `letters`, too. */
  readonly complaints: ReadonlyArray<string>
  /** Of each dead letter, a complaint. */
  readonly letters: ReadonlyArray<string>
}

/** An agent that lives. */
export interface Life {
  readonly isAlive: () => boolean
  readonly standing: Effect.Effect<Standing>
  /** What it consists of, for who asks it: its Outbox, its Health, what became of it. */
  readonly services: Context.Context<Outbox | Health | Supervisor | Agent.Onlooker>
  /** It dies now, between two steps, and reaches nothing any more. */
  readonly kill: () => void
  /** The parts of the agent whose fibers run now, one entry per fiber. */
  readonly fibers: () => ReadonlyArray<string>
  /** Stops it in order; gives what is wrong with how it stopped. */
  readonly stop: Effect.Effect<ReadonlyArray<string>>
  /** Clears away what is left of it after it was killed. */
  readonly bury: Effect.Effect<void>
}

/** How steps are named at which an event goes to the server. */
export const EVENT = "the server of events"

/** Starts an agent; a reason in words where it does not start. */
export const begin = Effect.fnUntraced(function* <E>(
  options: Options<E>
): Effect.fn.Return<Life, string, FakeObservability> {
  const { around = Context.empty(), step, witness } = options
  const server = yield* FakeObservability
  const state = { isAlive: true, unacknowledged: "", isDeleting: false }
  const fibers = Witness.fibers()

  const kill = () => {
    if (!state.isAlive) return
    state.isAlive = false
    if (state.unacknowledged !== "") Witness.allowRepeat(witness, state.unacknowledged)
  }
  const reach = (name: string): boolean => {
    if (state.isAlive && step?.(name) === true) kill()
    return state.isAlive
  }
  const store: Fault = (name, when) => {
    if (name === "delete event" && when === "after") state.isDeleting = true
    if (name !== "commit") return
    if (when === "after" && state.isDeleting && state.isAlive) {
      state.isDeleting = false
      state.unacknowledged = ""
    }
    reach(`${when} the state is committed`)
  }

  const watched = (actor: "tool" | "server", client: HttpClient.HttpClient): HttpClient.HttpClient =>
    // Not by `make`: the fakes were made so, and a second time the same span and controller would be made for each request.
    HttpClient.makeWith<HttpClientError.HttpClientError, never, HttpClientError.HttpClientError, never>(
      Effect.flatMap((request) => {
        const found = HttpClientRequest.toUrl(request)
        // It says what is wrong with it.
        if (Option.isNone(found)) return client.execute(request)
        const url = found.value
        const sent = request.body._tag === "Uint8Array" ? new TextDecoder().decode(request.body.body) : ""
        const title =
          actor === "server" ? brief(url, sent) : `${request.method} ${url.host}${url.pathname}${url.search}`
        if (actor === "server") witness.look(`what was sent to ${url.pathname}`, sent)
        const began = witness.now()
        const isEvent = actor === "server" && url.pathname.includes("/events/")
        const what = isEvent ? EVENT : `the ${actor}`
        if (!reach(`before ${what} is asked (${title})`)) return unreachable(request)
        return client.execute(request).pipe(
          // What the fakes fork is none of the agent's.
          Effect.provideService(Metric.FiberRuntimeMetrics, undefined),
          Effect.onExit((exit) =>
            Effect.suspend(() => {
              const isTaken = state.isAlive && Exit.isSuccess(exit) && exit.value.status < 300
              const key = `${url.pathname} ${sent}`
              const isRefused = Exit.isSuccess(exit) && REFUSALS.includes(exit.value.status)
              if (actor === "tool") witness.asked.push({ began, ended: witness.now() })
              if (isEvent && isTaken) state.unacknowledged = key
              if (isEvent && !isTaken && !isRefused) Witness.allowRepeat(witness, key)
              if (state.isAlive && (isEvent || actor === "tool" || !isTaken)) {
                witness.see(actor, `${title} → ${answer(exit)}`)
              }
              // Now it knows that the server has it: of the attempts before, only those that were accepted are repeats.
              const allowed = isEvent && isTaken ? witness.mayRepeat.get(key) : undefined
              if (allowed === undefined) return Effect.void
              return Effect.map(server.accepted, (all) => {
                const isIt = ({ body, path }: Accepted) => body === sent && url.pathname.endsWith(`/${path}`)
                witness.mayRepeat.set(key, Math.min(allowed, Math.max(0, all.filter(isIt).length - 1)))
              })
            })
          ),
          Effect.filterOrElse(
            () => reach(`when ${what} has answered (${title})`),
            () => unreachable(request)
          )
        )
      }),
      Effect.succeed
    )

  const disturbed = Context.getOrUndefined(around, OutboxFault)
  const steps: Fault | undefined =
    step === undefined
      ? disturbed
      : (name, when) => {
          disturbed?.(name, when)
          store(name, when)
        }

  const scope = yield* Scope.make()
  const hosts = Object.fromEntries(
    Object.entries(options.hosts).map(([host, client]) => [host, watched("tool", client)])
  )
  const listening = Layer.effectDiscard(
    Effect.gen(function* () {
      const news = yield* (yield* Activity).listen
      const next = Effect.map(PubSub.take(news), (told) => {
        if (state.isAlive) Witness.hear(witness, told)
      })
      yield* Effect.forkScoped(Effect.forever(next)).pipe(
        Effect.provideService(Metric.FiberRuntimeMetrics, undefined)
      )
    })
  )
  const beside = (options.beside ?? Layer.empty).pipe(
    Layer.provide(Layer.succeed(Metric.FiberRuntimeMetrics, undefined))
  )
  // Detached, as the closing below: what never ends must not hold up the suite.
  const building = yield* Effect.forkDetach(
    Layer.buildWithScope(
      AgentFixture.layerAgent(options.agent, {
        hosts,
        settings: options.settings,
        beside: Layer.merge(listening, beside)
      }),
      scope
    ).pipe(
      Effect.provideService(FakeObservability, { ...server, client: watched("server", server.client) }),
      Effect.provideService(Metric.FiberRuntimeMetrics, fibers.service),
      Effect.provideContext(Context.add(around, OutboxFault, steps)),
      Effect.provide(
        Logger.layer([Witness.logger(witness, () => state.isAlive), ...(options.loggers ?? [])])
      ),
      Effect.provideService(References.MinimumLogLevel, "All"),
      Effect.exit
    )
  )
  const close = Effect.gen(function* () {
    const closing = yield* Effect.forkDetach(Effect.exit(Scope.close(scope, Exit.void)))
    const closed = yield* within(closing, PATIENCE)
    if (closed === undefined) return [`did not stop: it was still closing after ${PATIENCE} seconds`]
    return Exit.isFailure(closed) ? [`did not stop cleanly: ${Cause.pretty(closed.cause)}`] : []
  })
  const built = yield* within(building, PATIENCE)
  if (built === undefined) {
    return yield* Effect.fail(`did not start: its Layer was still being built after ${PATIENCE} seconds`)
  }
  if (Exit.isFailure(built)) {
    yield* close
    return yield* Effect.fail(`did not start: ${Cause.pretty(built.cause)}`)
  }
  const context = built.value
  const failure = yield* Effect.forkIn(Effect.flip(Context.get(context, Supervisor).failure), scope)
  return {
    isAlive: () => state.isAlive,
    services: context,
    kill,
    standing: Effect.provide(
      Effect.suspend(() => standing(failure, witness)),
      context
    ),
    fibers: fibers.running,
    bury: Effect.asVoid(close),
    stop: Effect.gen(function* () {
      const complaints = yield* close
      for (let turn = 0; turn < 10; turn++) yield* Effect.yieldNow
      const left = fibers.running()
      if (left.length === 0) return complaints
      const parts = [...new Set(left)].join(", ")
      return [
        ...complaints,
        `fiber leaked: after the stop ${left.length} of its fibers still ran, forked by: ${parts}`
      ]
    })
  }
})

// ---- private

/** Statuses by which the server refuses an event for good: it may not come again. */
const REFUSALS: ReadonlyArray<number> = [400, 413]

/** Seconds of virtual time that a start or a stop may take. */
const PATIENCE = 40

const TURNS = 100

const within = Effect.fnUntraced(function* <A>(fiber: Fiber.Fiber<A>, seconds: number) {
  for (let second = 0; second < seconds && fiber.pollUnsafe() === undefined; second++) {
    yield* TestClock.adjust(second === 0 ? 0 : "1 second")
    // What needs no time of the clock needs turns, and must not cost a second for want of them.
    for (let turn = 0; turn < TURNS && fiber.pollUnsafe() === undefined; turn++) yield* Effect.yieldNow
  }
  return fiber.pollUnsafe() === undefined ? undefined : yield* Fiber.join(fiber)
})

const standing = Effect.fnUntraced(function* (
  failure: Fiber.Fiber<{ readonly message: string }>,
  witness: Witness.Witness
) {
  const { parts } = yield* (yield* Health).report
  const outbox = yield* Outbox
  const { pending } = yield* outbox.status
  const dead = yield* Effect.orElseSucceed(outbox.deadLetters, () => [])
  if (dead.length > 0) witness.look("a dead letter", JSON.stringify(dead))
  const letters = dead.map(({ entry, words }) => `dead letter: ${entry.id}: ${words}`)
  const ended = failure.pollUnsafe()
  return {
    complaints: [
      ...(ended === undefined
        ? []
        : [`gave up: ${Exit.isSuccess(ended) ? ended.value.message : Cause.pretty(ended.cause)}`]),
      ...parts.flatMap(({ name, reason, state }) =>
        state === "ok" ? [] : [`not healthy again in the end: ${name}: ${reason ?? "failing"}`]
      ),
      ...(pending === 0 ? [] : [`not delivered in the end: ${pending} events are still waiting`]),
      ...letters
    ],
    letters
  }
})

const unreachable = (request: HttpClientRequest.HttpClientRequest) =>
  Effect.fail(
    new HttpClientError.HttpClientError({
      reason: new HttpClientError.TransportError({ request, description: "the process is dead" })
    })
  )

const answer = (exit: Exit.Exit<{ readonly status: number }, unknown>): string => {
  if (Exit.isSuccess(exit)) return String(exit.value.status)
  return Cause.hasInterruptsOnly(exit.cause) ? "no answer" : "connection closed"
}

/** An event that is sent, in a few words. */
const brief = (url: URL, body: string): string => {
  const fields = new Map<string, unknown>()
  try {
    for (const [name, value] of Object.entries(JSON.parse(body))) fields.set(name, value)
  } catch {
    return url.pathname
  }
  const words = ["pipeline_key", "dataset_key", "run_key", "task_key", "status", "log_level", "metric_key"]
  const said = words.flatMap((name) => (fields.has(name) ? [String(fields.get(name))] : []))
  return `${url.pathname.split("/").at(-1)} ${said.join(" ")}`
}
