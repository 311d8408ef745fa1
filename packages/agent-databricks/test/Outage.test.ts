import { assert, describe, it } from "@effect/vitest"
import * as Expected from "@observability-agents/agent-databricks/testing/Expected"
import { FakeDatabricks } from "@observability-agents/agent-databricks/testing/FakeDatabricks"
import * as Fault from "@observability-agents/agent-databricks/testing/Fault"
import * as Channel from "@observability-agents/core/Channel"
import * as EventSender from "@observability-agents/core/EventSender"
import { Health } from "@observability-agents/core/Health"
import { Outbox } from "@observability-agents/core/Outbox"
import * as OutboxMemory from "@observability-agents/core/OutboxMemory"
import type { RunSnapshot } from "@observability-agents/core/RunSnapshot"
import * as RunTracker from "@observability-agents/core/RunTracker"
import { Supervisor } from "@observability-agents/core/Supervisor"
import * as AgentFixture from "@observability-agents/testing/AgentFixture"
import * as EventLog from "@observability-agents/testing/EventLog"
import { FakeObservability } from "@observability-agents/testing/FakeObservability"
import * as ServerFault from "@observability-agents/testing/ServerFault"
import { Simulation } from "@observability-agents/testing/Simulation"
import type { LogLine } from "@observability-agents/testing/SimulationLives"
import type * as Event from "@observability-agents/toolkit/Event"
import { Observability } from "@observability-agents/toolkit/Observability"
import { ObservabilityError, Unavailable } from "@observability-agents/toolkit/ObservabilityError"
import { DateTime, Duration, Effect, Layer } from "effect"
import { TestClock } from "effect/testing"
import * as Days from "./support/days.ts"

const HOUR = 3_600_000
const DAY_MINUTES = 24 * 60

/** A server at the level of the Handle, so that many events cost little: down, or taking everything. */
const makeServer = () => {
  const server = { isDown: true, posts: 0, taken: Array<Event.Event>() }
  const down = new ObservabilityError({
    method: "post",
    url: "http://server/",
    reason: new Unavailable({ status: 502, words: "Bad Gateway", possiblyDelivered: false })
  })
  const layer = Layer.succeed(
    Observability,
    Observability.of({
      post: (event) =>
        Effect.suspend(() => {
          server.posts += 1
          if (server.isDown) return Effect.fail(down)
          server.taken.push(event)
          return Effect.void
        }),
      heartbeat: () => Effect.void,
      ready: Effect.void,
      authorized: Effect.void
    })
  )
  return { server, layer }
}

const time = (millis: number) => DateTime.makeUnsafe(AgentFixture.START + millis)

/** A run of four tasks that has ended: ten events. */
const finished = (run: number): RunSnapshot => ({
  pipeline: { key: `p${run % 50}` },
  run: { key: String(run) },
  tool: "tool",
  observedAt: time(run),
  phase: "Completed",
  startedAt: time(run - HOUR),
  endedAt: time(run - 1),
  messages: [],
  tasks: ["a", "b", "c", "d"].map((key) => ({
    key,
    attempt: 0,
    phase: "Completed" as const,
    startedAt: time(run - HOUR),
    endedAt: time(run - 1),
    messages: []
  }))
})

const LANE = [
  "RUNNING",
  ...["a", "b", "c", "d"].flatMap((key) => [`task ${key} RUNNING`, `task ${key} COMPLETED`]),
  "COMPLETED"
]

/** The server knows every event of these jobs, once and in order. */
const isComplete = Effect.fnUntraced(function* (jobs: ReadonlyArray<Expected.NamedJob>) {
  const events = yield* (yield* FakeObservability).events
  assert.deepStrictEqual(Expected.compare(Expected.identities(jobs), events), {
    lost: [],
    unexpected: [],
    duplicated: []
  })
  assert.deepStrictEqual(EventLog.problems(events), [])
})

describe("a server that is down for 24 hours", () => {
  it.live(
    "does not let anything grow, and then gets all of 50 000 events once and in order",
    () => {
      const { layer, server } = makeServer()
      const log = Days.capture()
      return Effect.gen(function* () {
        yield* TestClock.setTime(AgentFixture.START)
        const channel = yield* Channel.make<RunTracker.Poll>("runs", { capacity: 4 })
        const sender = yield* Channel.sender(channel)
        const outbox = yield* Outbox
        yield* Layer.build(
          Layer.merge(
            EventSender.layerWith({
              concurrency: 2,
              concurrencyMaximum: 8,
              retryMaximum: Duration.minutes(1),
              unauthorizedRetryPeriod: Duration.minutes(1),
              maxServerErrors: 20
            }),
            RunTracker.layer({ channel, retention: { closed: "2 hours", failed: "7 days" } })
          )
        )
        let polls = 0
        yield* Effect.forkScoped(
          Effect.whileLoop({
            while: () => polls < 100,
            body: () =>
              sender.send({
                source: "tool",
                snapshots: Array.from({ length: 50 }, (_, run) => finished(polls * 50 + run))
              }),
            step: () => {
              polls += 1
            }
          })
        )
        const samples: Array<ReadonlyArray<number>> = []
        for (let hour = 0; hour < 24; hour++) {
          yield* TestClock.adjust("1 hour")
          const { inFlight, pending } = yield* outbox.status
          samples.push([pending, yield* channel.depth, yield* channel.waiting, polls])
          assert.isAtMost(inFlight, 8)
        }
        // 10 000 are what the Outbox holds; then the tracker waits, then the Channel is full, then the poller waits.
        assert.deepStrictEqual(
          samples,
          samples.map(() => [10_000, 4, 1, 25])
        )
        assert.isAtMost(server.posts, 24 * 150, "no more than a probe per half a minute")
        assert.isAtMost(log.lines.length, DAY_MINUTES + 1)

        server.isDown = false
        yield* TestClock.adjust("1 minute")
        while (server.taken.length < 50_000) yield* Effect.yieldNow
        yield* TestClock.adjust("1 second")
        assert.strictEqual(server.taken.length, 50_000)
        for (const events of EventLog.lanes(server.taken).values()) {
          assert.deepStrictEqual(events.map(EventLog.title), LANE)
        }
        assert.deepStrictEqual(EventLog.duplicates(server.taken), [])
        const { deadLetters, pending } = yield* outbox.status
        assert.deepStrictEqual([pending, deadLetters], [0, 0])
      }).pipe(
        Effect.scoped,
        Effect.provide(
          Layer.mergeAll(OutboxMemory.layer({ capacity: 10_000 }), Health.layer, Supervisor.layer, layer)
        ),
        Effect.provide([log.layer, Days.clock])
      )
    },
    60_000
  )

  const JOBS = Days.everyMinutes(15)

  it.effect(
    "costs few requests and log lines, and then learns of every run of that day",
    () =>
      Effect.gen(function* () {
        const sim = yield* Simulation
        const server = yield* FakeObservability
        yield* sim.act("the server is down", server.fail(ServerFault.badGateway, { during: "24 hours" }))
        yield* sim.start
        yield* sim.advance("10 minutes")
        for (let hour = 1; hour < 24; hour++) {
          yield* sim.advance("1 hour")
          assert.isFalse((yield* sim.health).healthy)
        }
        yield* sim.expectNoMore
        const probes = (yield* server.requests).filter(({ path }) => path.startsWith("events/"))
        // Each probe is sent up to four times, by the retries of [observability].
        assert.isAtMost(probes.length, 4 * 24 * 130)
        assert.isAtMost(Days.mostPerMinute(sim.log.filter(({ part }) => part === EventSender.LOOP)), 2)

        yield* sim.advance("3 hours")
        yield* isComplete(JOBS)
        assert.strictEqual(yield* sim.pending, 0)
        yield* sim.expectHealthy
      }).pipe(Effect.provide(Days.simulation(JOBS, { period: 120 }, { autoStart: false }))),
    120_000
  )
})

describe("a workspace that is down for 24 hours", () => {
  const JOBS = Days.everyMinutes(20)

  const outage = (
    disturb: (workspace: FakeDatabricks["Service"]) => Effect.Effect<void>,
    settings: { readonly period: number },
    meanwhile: (seen: { readonly requests: number; readonly lines: ReadonlyArray<LogLine> }) => void,
    known: Duration.Input = "1 minute"
  ) =>
    Effect.gen(function* () {
      const sim = yield* Simulation
      const workspace = yield* FakeDatabricks
      yield* sim.advance("30 minutes")
      const before = yield* workspace.count()
      yield* sim.act("the workspace goes down", disturb(workspace))
      yield* sim.advance("24 hours")
      meanwhile({ requests: (yield* workspace.count()) - before, lines: sim.log })
      yield* sim.act("the workspace is back", workspace.recover)
      yield* sim.advance(known)
      // By then all that has ended is known.
      yield* isComplete(JOBS)
      yield* sim.expectHealthy
    }).pipe(Effect.provide(Days.simulation(JOBS, settings)))

  it.effect(
    "is asked about once a minute, says so in two lines a minute at most, and has lost no run when it is back",
    () =>
      outage(
        (workspace) => workspace.fail(Fault.serverError(503)),
        { period: 10 },
        ({ lines, requests }) => {
          assert.isAtMost(requests, 2 * DAY_MINUTES)
          assert.isAtLeast(requests, DAY_MINUTES)
          const own = lines.filter(({ part }) => part === "list runs")
          assert.isAtMost(Days.mostPerMinute(own), 2)
          assert.isAtMost(own.length, 2.5 * DAY_MINUTES)
          assert.isAbove(own.length, 0)
        }
      ),
    120_000
  )

  it.effect(
    "that does not even answer costs a request per time-out, and has lost no run when it is back",
    () =>
      outage(
        (workspace) => workspace.fail(Fault.hang),
        { period: 10 },
        ({ requests }) => {
          // A minute for the time-out, and the pause after it; with retries it would be four time-outs in a row.
          assert.isAtMost(requests, 0.65 * DAY_MINUTES)
        },
        // What is under way when it is back has to time out first.
        "2 minutes"
      ),
    120_000
  )

  it.effect(
    "where every other answer is a web page with status 200, has lost no run",
    () => {
      let answers = 1
      return outage(
        (workspace) =>
          workspace.fail(
            Fault.change((reply) => {
              // A fixed sequence without a pattern: the bits of a linear congruence.
              answers = (Math.imul(answers, 1_103_515_245) + 12_345) & 0x7fffffff
              return (answers >> 16) % 2 === 0
                ? { ...reply, contentType: "text/html", body: "<!doctype html><title>Maintenance</title>" }
                : reply
            })
          ),
        { period: 30 },
        () => {}
      )
    },
    120_000
  )
})
