/**
 * A simulation put together: the clock, the lives of the agent, the script and the inbox of the server become the operations that
 * a test has, and whatever goes wrong becomes a report.
 */
import { Health } from "@observability-agents/core/Health"
import { Outbox } from "@observability-agents/core/Outbox"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import * as Witness from "./AgentWitness.ts"
import { FakeObservability } from "./FakeObservability.ts"
import type { Expected, Simulation } from "./Simulation.ts"
import { SimulationClock } from "./SimulationClock.ts"
import * as Expectation from "./SimulationExpectation.ts"
import * as SimulationFailed from "./SimulationFailed.ts"
import * as Inbox from "./SimulationInbox.ts"
import * as Lives from "./SimulationLives.ts"
import * as Match from "./SimulationMatch.ts"
import * as Moments from "./SimulationMoments.ts"
import * as SimulationReport from "./SimulationReport.ts"
import * as Script from "./SimulationScript.ts"
import * as Signs from "./SimulationSigns.ts"
import * as SimulationVitest from "./SimulationVitest.ts"
import * as Timeline from "./Timeline.ts"

/** What a simulation is made of. */
export interface Options<out E> extends Omit<Lives.Options<E>, "witness"> {
  readonly secrets: ReadonlyArray<string>
}

/** Makes a simulation whose agent does not run yet. */
export const make = Effect.fnUntraced(function* <E>(
  options: Options<E>
): Effect.fn.Return<Simulation["Service"], never, FakeObservability | SimulationClock | Scope.Scope> {
  const { seed, start } = options
  const clock = yield* SimulationClock
  const server = yield* FakeObservability
  const secrets = [...options.secrets, Redacted.value(server.key)]
  const witness = Witness.make(clock.clock, secrets)
  const { moments: seen } = witness.timeline
  const moments = Moments.make(start)
  const inbox = Inbox.make(server.baseUrl, witness)
  const lives = yield* Lives.make({ ...options, witness })
  const timeline = () => Timeline.render(witness.timeline, MOST_LINES)
  const attach = yield* SimulationVitest.make(() => SimulationFailed.footer(seed, timeline()))

  /** What goes wrong in words, the first line being the sentence, becomes a report that points at the line of the test. */
  const reported = <A, R>(
    effect: Effect.Effect<A, string, R>
  ): Effect.Effect<A, SimulationFailed.SimulationFailed, R> => {
    const place = whence()
    return Effect.suspend(() => {
      attach()
      return Effect.mapError(effect, (words) => {
        const [what = "", ...details] = Timeline.mask(words, secrets).split("\n")
        return SimulationFailed.make({ what, details, seed, timeline: timeline() }, place)
      })
    })
  }

  let awaitsItsEnd = false
  const look = Effect.gen(function* () {
    yield* lives.look
    if (witness.texts.length > 0) {
      const places = [...new Set(witness.texts.map(({ where }) => where))].join(", ")
      witness.texts.length = 0
      return yield* Effect.fail(`A secret was given away: one of \`secrets\` stands in ${places}`)
    }
    const reason = awaitsItsEnd ? undefined : lives.gaveUp()
    if (reason !== undefined) return yield* Effect.fail(`The agent gave up: ${reason}`)
  })
  const script = yield* Script.make({ clock, moments, witness, look })
  const after = (duration: Duration.Input) =>
    clock.now() + Duration.toMillis(Duration.fromInputUnsafe(duration))

  const inboxLooked = Effect.flatMap(server.accepted, (accepted) => {
    const repeats = inbox.look(accepted)
    return repeats.length === 0
      ? Effect.void
      : failing(
          `The server received ${SimulationReport.events(repeats.length)} twice, just the same, though the agent knew that it had them`,
          SimulationReport.list(repeats, moments)
        )
  })
  const ask = <A, E>(effect: Effect.Effect<A, E, Lives.Services>) =>
    Effect.flatMap(lives.services, (services) => Effect.provideContext(effect, services))
  const status = Effect.gen(function* () {
    if (!lives.isRunning()) return { letters: [], pending: 0 }
    const outbox = yield* ask(Outbox)
    return { letters: yield* Effect.orDie(outbox.deadLetters), pending: (yield* outbox.status).pending }
  })
  const judge = (expected: Expectation.Expected) => Match.judge(expected, inbox.unread(), moments)
  const settle = Effect.fnUntraced(function* (expected: Expectation.Expected) {
    const verdict = judge(expected)
    if (verdict.state === "met") return inbox.take(Match.taken(verdict))
    const { all, isTaken } = inbox
    const lines = SimulationReport.lines({ verdict, moments, all: all(), isTaken, ...(yield* status) })
    return yield* failing(
      SimulationReport.sentence(expected, verdict, moments.show(clock.now())),
      lives.isRunning() ? lines : [...lines, "The agent does not run."]
    )
  })
  const expect = (expected: Expected) =>
    reported(Effect.andThen(inboxLooked, settle(Expectation.of(expected))))
  const noMore = Effect.suspend(() => {
    const unread = inbox.unread()
    return unread.length === 0
      ? Effect.void
      : failing(
          `The server received ${SimulationReport.events(unread.length)} that nobody expected`,
          SimulationReport.list(unread, moments)
        )
  })
  const expectHealth = (parts: ReadonlyArray<string>) =>
    reported(Effect.flatMap(health, (report) => unless(Signs.health(parts, report))))
  const health = ask(Effect.flatMap(Health, ({ report }) => report))
  const stop = Effect.andThen(lives.stop, look)
  /** What it does at its first moment is done when this is. */
  const begin = lives.start.pipe(
    Effect.andThen(clock.settle),
    Effect.andThen(Effect.suspend(() => script.advance(clock.now())))
  )
  const ambient = yield* Effect.context<FakeObservability>()
  const own = <A>(effect: Effect.Effect<A, string, FakeObservability>) =>
    reported(Effect.provideContext(effect, ambient))
  yield* Effect.addFinalizer(() => Effect.provideContext(lives.end, ambient))
  // What a test means to see at some moment it has not seen when it ends before. One that has failed has another reason.
  yield* Effect.addFinalizer((exit) => {
    const left = script.left()
    if (left.length === 0 || Exit.isFailure(exit)) return Effect.void
    const lines = left.map(({ at, name }) => `  ${moments.show(at)}  ${name}`)
    const sentence = `The simulation ended at ${moments.show(clock.now())}, before what the script still had to do`
    return Effect.orDie(reported(failing(sentence, lines)))
  })

  return {
    at: <R>(...[when, ...rest]: AtArguments<R>) => {
      const [name, effect] = rest.length === 1 ? [undefined, rest[0]] : rest
      return reported(script.at(when, name, effect))
    },
    act: (name, effect) =>
      Effect.suspend(() => {
        attach()
        moments.name(name, clock.now())
        witness.see("test", name)
        return effect
      }),
    advance: (duration) => reported(Effect.suspend(() => script.advance(after(duration)))),
    advanceTo: (when) =>
      reported(
        Effect.suspend(() => {
          const until = moments.find(when)
          if (typeof until === "string") return Effect.fail(`There is nowhere to advance to: ${until}`)
          return until < clock.now()
            ? Effect.fail(
                `${moments.show(until)} is over: it is ${moments.show(clock.now())} already, and times count from the start`
              )
            : script.advance(until)
        })
      ),
    expect,
    expectInAnyOrder: (expected) => expect(Expectation.inAnyOrder(expected)),
    expectPerLane: (lanes) => {
      const empty = Object.keys(lanes).find((lane) => lanes[lane]?.length === 0)
      return empty === undefined
        ? expect(Expectation.perLane(lanes))
        : reported(
            Effect.fail(
              `Nothing is expected of ${empty}, which every simulation keeps to: name its events, or leave it out and ask for \`expectNoMore\``
            )
          )
    },
    expectWithin: (duration, expected) =>
      reported(
        Effect.suspend(() => {
          const list = Expectation.of(expected)
          let known = -1
          // Nothing can have come while nothing has happened.
          const isDecided = Effect.suspend(() => {
            if (known === seen.length) return Effect.succeed(false)
            known = seen.length
            return Effect.map(inboxLooked, () => judge(list).state !== "open")
          })
          return script
            .advance(after(duration), isDecided)
            .pipe(Effect.andThen(inboxLooked), Effect.andThen(settle(list)))
        })
      ),
    get expectNoMore() {
      return reported(Effect.andThen(inboxLooked, noMore))
    },
    expectNoMoreFor: (duration) =>
      reported(
        Effect.suspend(() => {
          const isOver = Effect.map(inboxLooked, () => inbox.unread().length > 0)
          return script.advance(after(duration), isOver).pipe(Effect.andThen(noMore))
        })
      ),
    expectHeartbeats: (expected) =>
      reported(
        Effect.flatMap(server.heartbeats, (all) =>
          unless(Signs.heartbeats(expected, all, moments, clock.now()))
        )
      ),
    expectDeadLetters: (expected) =>
      reported(
        Effect.flatMap(
          ask(Effect.flatMap(Outbox, ({ deadLetters }) => Effect.orDie(deadLetters))),
          (letters) => unless(Signs.letters(expected, letters, moments))
        )
      ),
    get expectHealthy() {
      return expectHealth([])
    },
    expectFailing: expectHealth,
    expectGivesUp: (duration) =>
      reported(
        Effect.suspend(() => {
          let reason: string | undefined
          awaitsItsEnd = true
          const hasGivenUp = Effect.sync(() => {
            reason = lives.gaveUp()
            return reason !== undefined
          })
          return script.advance(after(duration), hasGivenUp).pipe(
            Effect.ensuring(
              Effect.sync(() => {
                awaitsItsEnd = false
              })
            ),
            Effect.flatMap(() =>
              reason === undefined
                ? Effect.fail(`The agent had not given up by ${moments.show(clock.now())}`)
                : Effect.succeed(reason)
            )
          )
        })
      ),
    get start() {
      return own(begin)
    },
    get stop() {
      return own(stop)
    },
    get restart() {
      return own(Effect.andThen(stop, begin))
    },
    get crash() {
      return own(lives.crash)
    },
    crashAt: (step) => own(lives.crashAt(step)),
    isRunning: Effect.sync(lives.isRunning),
    ask: (effect) =>
      Effect.flatMap(reported(lives.services), (services) => Effect.provideContext(effect, services)),
    get health() {
      return reported(health)
    },
    get pending() {
      return reported(
        ask(Effect.flatMap(Outbox, (outbox) => Effect.map(outbox.status, ({ pending }) => pending)))
      )
    },
    log: lives.log,
    elapsed: Effect.sync(() => clock.now() - start),
    startedAt: start,
    timeline: Effect.sync(() => Timeline.render(witness.timeline)),
    seed
  }
})

// ---- private

type AtArguments<R> =
  | readonly [when: Expectation.When, name: string, effect: Effect.Effect<unknown, unknown, R>]
  | readonly [when: Expectation.When, effect: Effect.Effect<unknown, unknown, R>]

/** Lines of a timeline in a report: the beginning and the end. */
const MOST_LINES = 160

/** The stack of the test's own line: an Effect that fails later has it no more. */
const whence = (): string => {
  const at: { stack?: string } = {}
  Error.captureStackTrace(at)
  return (at.stack ?? "")
    .split("\n")
    .slice(1)
    .filter((line) => !HERE.test(line))
    .join("\n")
}

/** Frames of this package's own modules, whether as sources or built. */
const HERE = /\/testing\/(src|dist)\/Simulation\w*\.[jt]s/

const failing = (what: string, lines: ReadonlyArray<string>): Effect.Effect<never, string> =>
  Effect.fail([what, ...lines].join("\n"))

const unless = (wrong: ReadonlyArray<string>): Effect.Effect<void, string> =>
  wrong.length === 0 ? Effect.void : Effect.fail(wrong.join("\n"))
