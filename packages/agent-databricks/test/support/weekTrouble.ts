/** What goes wrong in the simulated week, and what it means for the signs of life. */
import type * as FaultyClock from "@observability-agents/testing/FaultyClock"
import type * as FakeObservability from "@observability-agents/testing/FakeObservability"
import type * as FaultyHttp from "@observability-agents/testing/FaultyHttp"
import * as HttpFault from "@observability-agents/testing/HttpFault"
import * as ServerFault from "@observability-agents/testing/ServerFault"
import type * as Simulation from "@observability-agents/testing/Simulation"
import { stamp } from "@observability-agents/testing/Timeline"
import { Duration, Effect, Random } from "effect"

/** What can be disturbed. */
export interface World {
  readonly tool: FaultyHttp.FaultyHttp["Service"]
  readonly server: FakeObservability.FakeObservability["Service"]
  readonly clock: FaultyClock.FaultyClock["Service"]
  readonly sim: Simulation.Simulation["Service"]
}

/** Something that is done, so many milliseconds after the start. */
export interface Step {
  readonly at: number
  readonly name: string
  readonly effect: Effect.Effect<void, unknown>
}

/** A time in which something is wrong, in milliseconds since the start. */
export interface Span {
  readonly from: number
  readonly until: number
  readonly what: string
  /** Whether the workspace cannot be read at all, so that the agent has nothing to say of it. */
  readonly isBlind: boolean
  /** Whether the agent's process or its machine is concerned. */
  readonly isOwn: boolean
}

/**
 * Trouble of the workspace, of the server and of the agent's machine, each on its own, so that they meet by chance. In every
 * three days each side is down once for hours; in between it is ill about five times a day, for minutes.
 */
export const make = Effect.fnUntraced(function* (days: number, world: World) {
  const steps: Array<Step> = []
  const spans: Array<Span> = []
  const plan = Effect.fnUntraced(function* (kinds: ReadonlyArray<Kind>, long: Kind, every: number) {
    let at = yield* minutes(20, every)
    for (let count = 0; at < days * DAY - 2 * HOUR; count++) {
      const isLong = count % 15 === 7
      const kind = isLong ? long : (kinds[yield* Random.nextIntBetween(0, kinds.length - 1)] ?? long)
      const lasts = isLong ? yield* minutes(120, 360) : yield* minutes(3, 25)
      spans.push({
        from: at,
        until: at + lasts,
        what: kind.what,
        isBlind: kind.isBlind === true,
        isOwn: kind.isOwn === true
      })
      const span = Duration.millis(lasts)
      steps.push({ at, name: `${kind.what} (${Duration.format(span)})`, effect: kind.begin(span) })
      if (kind.end !== undefined) steps.push({ at: at + lasts, name: `${kind.what}: over`, effect: kind.end })
      at += lasts + (yield* minutes(60, every))
    }
  })
  yield* plan(ofTool(world), unreachable(world), 480)
  yield* plan(ofServer(world), down(world), 480)
  yield* plan(ofMachine(world), asleep(world), 960)
  return { steps: steps.toSorted((a, b) => a.at - b.at), spans }
})

/**
 * What is wrong with the signs of life, in lines: one is due every minute, save where something is wrong or was a while ago; and
 * none may say that all is well when the workspace has not been read for long.
 */
export const heartbeatProblems = (
  beats: ReadonlyArray<number>,
  spans: ReadonlyArray<Span>,
  until: number
): ReadonlyArray<string> => {
  const isExcused = (from: number, to: number) =>
    spans.some((span) => span.from - 2 * MINUTE < to && from < span.until + RECOVERY)
  const times = [0, ...beats, until]
  const gaps = times.flatMap((at, index) => {
    const before = times[index - 1] ?? at
    return at - before > 1.5 * MINUTE && !isExcused(before, at)
      ? [`no sign of life from ${stamp(before)} to ${stamp(at)}, though nothing was wrong`]
      : []
  })
  const claims = spans
    .filter(({ isBlind }) => isBlind)
    .flatMap((blind) => {
      const from = blind.from + GRACE
      const isRestarted = (at: number) =>
        spans.some((own) => own.isOwn && own.from < at && at < own.until + GRACE)
      const claim = beats.find((at) => at > from && at < blind.until && !isRestarted(at))
      return claim === undefined
        ? []
        : [
            `a sign of life at ${stamp(claim)}, though the workspace could not be read from ${stamp(blind.from)} on`
          ]
    })
  return [...gaps, ...claims]
}

// ---- private

interface Kind {
  readonly what: string
  readonly begin: (lasts: Duration.Duration) => Effect.Effect<void, unknown>
  /** Where it is not over by itself. */
  readonly end?: Effect.Effect<void, unknown>
  readonly isBlind?: boolean
  readonly isOwn?: boolean
}

const MINUTE = 60_000
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR

/** Health's grace of 5 minutes, and what the retries of a request and the pause of a breaker add to it. */
const GRACE = 12 * MINUTE

/** By when all is as before: the longest pause between two tries, and the period. */
const RECOVERY = 10 * MINUTE

const minutes = (from: number, to: number) =>
  Effect.map(Random.nextIntBetween(from * 60, to * 60), (seconds) => seconds * 1000)

const isNext = ({ searchParams }: URL) => searchParams.has("page_token")

const ofTool = ({ tool }: World): ReadonlyArray<Kind> => {
  const during =
    (fault: HttpFault.HttpFault, share = 1) =>
    (lasts: Duration.Duration) =>
      tool.fail(fault, { during: lasts, share })
  return [
    { what: "tool: too many requests", begin: (lasts) => tool.storm({ during: lasts, retryAfter: "7" }) },
    {
      what: "tool: too many requests now and then",
      begin: (lasts) => tool.storm({ during: lasts, share: 0.5 })
    },
    { what: "tool: 500 now and then", begin: during(HttpFault.answer(500, "{}"), 0.4) },
    { what: "tool: bad gateway", begin: during(HttpFault.badGateway), isBlind: true },
    { what: "tool: half answers", begin: during(HttpFault.truncated(), 0.6) },
    { what: "tool: breaks off", begin: during(HttpFault.cut(), 0.6) },
    { what: "tool: answers without end", begin: during(HttpFault.halfOpen(40), 0.3) },
    { what: "tool: no answers", begin: during(HttpFault.silence, 0.3) },
    { what: "tool: slow", begin: during(HttpFault.slow("9 seconds")) },
    { what: "tool: rows twice", begin: during(HttpFault.duplicated("runs")) },
    { what: "tool: rows in any order", begin: during(HttpFault.shuffled("runs")) },
    { what: "tool: torn pages", begin: during(HttpFault.torn("runs", { isNext, how: "repeats", count: 2 })) }
  ]
}

const unreachable = ({ tool }: World): Kind => ({
  what: "tool: cannot be reached",
  begin: (lasts) => tool.fail(HttpFault.drop, { during: lasts }),
  isBlind: true
})

const ofServer = ({ server }: World): ReadonlyArray<Kind> => {
  const during = (fault: ServerFault.ServerFault) => (lasts: Duration.Duration) =>
    server.fail(fault, { during: lasts })
  return [
    { what: "server: queue down", begin: during(ServerFault.queueDown) },
    { what: "server: bad gateway", begin: during(ServerFault.badGateway) },
    { what: "server: overloaded", begin: during(ServerFault.overloaded("20")) },
    { what: "server: too many requests", begin: during(ServerFault.tooManyRequests("11")) },
    { what: "server: closes connections", begin: during(ServerFault.drop) },
    { what: "server: no answers", begin: during(ServerFault.silence) },
    {
      what: "server: the key has expired",
      begin: () => server.setKey("expired"),
      end: server.setKey("valid")
    }
  ]
}

const down = ({ server }: World): Kind => ({
  what: "server: down",
  begin: (lasts) => server.fail(ServerFault.badGateway, { during: lasts })
})

const ofMachine = ({ clock, sim }: World): ReadonlyArray<Kind> => [
  { what: "agent: dies", begin: () => sim.crash, end: sim.start, isOwn: true },
  {
    what: "agent: dies before it has written",
    begin: () => sim.crashAt("before the state is committed"),
    end: sim.start,
    isOwn: true
  },
  {
    what: "agent: dies when it has written",
    begin: () => sim.crashAt("after the state is committed"),
    end: sim.start,
    isOwn: true
  },
  { what: "agent: stops", begin: () => sim.stop, end: sim.start, isOwn: true },
  // By less than the look-back: a clock that is wrong for long tells of a time in which nothing was read that it was.
  {
    what: "agent: its clock is ahead",
    begin: () => clock.jump("4 minutes"),
    end: clock.setRight,
    isOwn: true
  },
  {
    what: "agent: its clock is behind",
    begin: () => clock.jump("-4 minutes"),
    end: clock.setRight,
    isOwn: true
  }
]

const asleep = ({ clock }: World): Kind => ({
  what: "agent: its machine sleeps",
  begin: (lasts) => clock.suspend(lasts),
  isOwn: true
})
