import { Outbox } from "@observability-agents/core/Outbox"
import { FakeObservability } from "@observability-agents/testing/FakeObservability"
import { FaultyClock } from "@observability-agents/testing/FaultyClock"
import * as ServerFault from "@observability-agents/testing/ServerFault"
import { Simulation } from "@observability-agents/testing/Simulation"
import { assert, describe, it, layer } from "@effect/vitest"
import { Clock, ConfigProvider, Effect, Layer, Random } from "effect"
import { Board, TOKEN } from "./support/notices.ts"
import { END, message, OPENING, report, type Setup, simulation, test } from "./support/simulations.ts"

describe("other signs that are expected", () => {
  test("are heartbeats: how many, and how far apart", (sim) =>
    Effect.gen(function* () {
      const server = yield* FakeObservability
      yield* sim.at("630 seconds", "the silence", server.fail(ServerFault.silence))
      yield* sim.at("20 minutes", "the voice", server.recover)
      yield* sim.advance("30 minutes")
      yield* sim.expectHeartbeats({ until: "the silence", gap: "1 minute" })
      yield* sim.expectHeartbeats({ from: "the silence", until: "the voice", exactly: 0 })
      yield* sim.expectHeartbeats({ from: "the voice", atLeast: 5, atMost: 11 })
      const [none] = yield* report(sim.expectHeartbeats({ from: "the silence", until: "the voice" }))
      assert.strictEqual(
        none,
        "The server received 0 signs of life from +0:10:30.000 until +0:20:00.000, and at least 1 were expected"
      )
      const [some, when] = yield* report(sim.expectHeartbeats({ until: "150 seconds", exactly: 0 }))
      assert.strictEqual(
        some,
        "The server received 3 signs of life from +0:00:00.000 until +0:02:30.000, and 0 were expected"
      )
      assert.strictEqual(when, "They came at +0:00:00.000, +0:01:00.000, +0:02:00.000.")
      const [gap = ""] = yield* report(sim.expectHeartbeats({ gap: "90 seconds" }))
      assert.match(gap, /^There was no sign of life from \+0:10:00.000 to \+0:2\d:\d\d.\d{3}, for 1\d min/)
      const [ahead] = yield* report(sim.expectHeartbeats({ until: "1 hour", exactly: 30 }))
      assert.strictEqual(
        ahead,
        "The span of the signs of life ends at +1:00:00.000, and it is only +0:30:00.000: let the time go by first"
      )
      const [turned] = yield* report(
        sim.expectHeartbeats({ from: "the voice", until: "1 minute", exactly: 0 })
      )
      assert.strictEqual(
        turned,
        "The span of the signs of life begins at +0:20:00.000, and ends before, at +0:01:00.000"
      )
    }))

  test("are dead letters", (sim) =>
    Effect.gen(function* () {
      const server = yield* FakeObservability
      yield* sim.expectDeadLetters([])
      yield* server.fail(ServerFault.answer(400, '{"error": "too good"}'), {
        where: ({ body }) => body.includes('"load"') && body.includes("COMPLETED")
      })
      yield* sim.advance("5 minutes")
      yield* sim.expect([...OPENING, "COMPLETED"])
      yield* sim.expectDeadLetters([{ title: "task load COMPLETED", at: { after: "3 minutes" } }])
      assert.deepStrictEqual(yield* report(sim.expectDeadLetters([])), [
        "0 dead letters were expected, and there are 1",
        "Dead letters:",
        "  board/r1 task load COMPLETED: rejected: too good"
      ])
      const [other] = yield* report(sim.expectDeadLetters(["COMPLETED"]))
      assert.strictEqual(other, 'Dead letter 1 is not COMPLETED: it is "task load COMPLETED"')
      const [missing] = yield* report(sim.expectDeadLetters(["task load COMPLETED", "COMPLETED"]))
      assert.strictEqual(missing, "2 dead letters were expected, and there are 1: COMPLETED is none of them")
      const lines = yield* report(sim.expect(["task load COMPLETED"]))
      assert.include(lines.join("\n"), "  task load COMPLETED: it is a dead letter: rejected: too good")
    }))

  test("are the parts of the agent, and how they stand", (sim) =>
    Effect.gen(function* () {
      const board = yield* Board
      yield* sim.advance("1 minute")
      yield* sim.expectHealthy
      yield* board.answer(500)
      yield* sim.advance("5 minutes")
      yield* sim.expectFailing(["look at the board"])
      const [sentence, line = ""] = yield* report(sim.expectHealthy)
      assert.strictEqual(sentence, "These parts of the agent fail: look at the board; none was expected to")
      assert.include(line, "  look at the board: ")
      yield* board.answer(200)
      yield* sim.advance("5 minutes")
      assert.deepStrictEqual(yield* report(sim.expectFailing(["look at the board"])), [
        "No part of the agent fails; expected to fail: look at the board"
      ])
      assert.isTrue((yield* sim.health).healthy)
    }))

  test(
    "are the end of an agent that gives up, which nobody overlooks",
    (sim) =>
      Effect.gen(function* () {
        assert.strictEqual(yield* sim.expectGivesUp("10 minutes"), "The board fell down.")
        assert.strictEqual(yield* sim.elapsed, 40_000)
        yield* sim.advance("10 minutes")
        const [sentence] = yield* report(sim.expectGivesUp("10 minutes"))
        assert.strictEqual(sentence, "The agent had not given up by +0:20:40.000")
      }),
    { bug: "gives up" }
  )

  test(
    "do not hide that the agent has given up",
    (sim) =>
      Effect.gen(function* () {
        const text = yield* message(sim.advance("10 minutes"))
        assert.match(text, /^The agent gave up: The board fell down\.\n/)
        assert.include(text, "+0:00:40.000  agent   gives up: The board fell down.")
      }),
    { bug: "gives up" }
  )
})

describe("the agent of a simulation", () => {
  const FILE: Setup = { store: "file" }

  test(
    "dies now, and goes on in its next life where it was",
    (sim) =>
      Effect.gen(function* () {
        yield* sim.expectWithin("2 minutes", OPENING)
        yield* sim.crash
        assert.isFalse(yield* sim.isRunning)
        yield* sim.expectNoMoreFor("10 minutes")
        yield* sim.start
        yield* sim.expectWithin("1 minute", END)
        yield* sim.expectNoMoreFor("10 minutes")
      }),
    FILE
  )

  test(
    "leaves nothing to its next life that it did not have on the disk when it died",
    (sim) =>
      Effect.gen(function* () {
        yield* sim.advance("1 minute")
        yield* sim.crash
        yield* sim.start
        yield* sim.expectNoMoreFor("5 minutes")
        yield* sim.stop
        yield* sim.start
        yield* sim.expectWithin("1 minute", ["board/goodbye RUNNING"])
      }),
    { store: "file", bug: "says goodbye", runs: {} }
  )

  test(
    "dies at a step, and sends again only what it did not know to be accepted",
    (sim) =>
      Effect.gen(function* () {
        const server = yield* FakeObservability
        yield* sim.crashAt("when the server of events has answered (run-status board r1 COMPLETED)")
        yield* sim.advance("5 minutes")
        assert.isFalse(yield* sim.isRunning)
        yield* sim.expect([...OPENING, ...END])
        yield* sim.start
        yield* sim.expectNoMoreFor("10 minutes")
        // The server kept it, and the agent died before it could know.
        assert.strictEqual((yield* server.events).length, 5)
        assert.include(
          yield* sim.timeline,
          "+0:03:20.000  test    the process dies when the server of events has answered (run-status board r1 COMPLETED)"
        )
      }),
    FILE
  )

  test(
    "dies before it commits what it read, and reads it again",
    (sim) =>
      Effect.gen(function* () {
        yield* sim.advance("70 seconds")
        yield* sim.crashAt(/^before the state is committed$/)
        yield* sim.advance("1 minute")
        assert.isFalse(yield* sim.isRunning)
        yield* sim.expectNoMore
        yield* sim.start
        yield* sim.expectWithin("5 minutes", [...OPENING, ...END])
      }),
    FILE
  )

  test(
    "is stopped, started and restarted in order",
    (sim) =>
      Effect.gen(function* () {
        yield* sim.expectWithin("2 minutes", OPENING)
        yield* sim.restart
        yield* sim.stop
        yield* sim.expectNoMoreFor("10 minutes")
        yield* sim.start
        yield* sim.expectWithin("1 minute", END)
      }),
    FILE
  )

  test(
    "says what cannot be done with it",
    (sim) =>
      Effect.gen(function* () {
        const first = (effect: Effect.Effect<unknown, { readonly message: string }>) =>
          Effect.map(report(effect), ([line]) => line)
        assert.strictEqual(yield* first(sim.start), "The agent runs already: `stop` or `crash` it first")
        yield* sim.crashAt("when the moon is full")
        yield* sim.advance("30 seconds")
        assert.strictEqual(
          yield* first(sim.start),
          'The agent was to die at the step when the moon is full, and none of that name was reached. Those that were: "before the tool is asked", "when the tool has answered", "before the state is committed", "after the state is committed"'
        )
        yield* sim.crashAt("when the sun is dark")
        yield* sim.advance("30 seconds")
        for (const effect of [sim.restart, sim.crash]) {
          assert.match(
            (yield* first(effect)) ?? "",
            /^The agent was to die at the step when the sun is dark, /
          )
          assert.isTrue(yield* sim.isRunning)
          yield* sim.crashAt("when the sun is dark")
        }
        yield* first(sim.stop)
        yield* sim.stop
        const dead = "The agent does not run: `start` begins its next life"
        for (const effect of [sim.stop, sim.crash, sim.health, sim.pending, sim.ask(Outbox)]) {
          assert.strictEqual(yield* first(effect), dead)
        }
        const lines = yield* report(sim.expect(["RUNNING"]))
        assert.include(lines, "The agent does not run.")
      }),
    FILE
  )

  test("needs a disk to die", (sim) =>
    Effect.gen(function* () {
      const words =
        'A crash makes sense only where something outlives the process: give Simulation.layer the option store: "file"'
      assert.deepStrictEqual(yield* report(sim.crash), [words])
      assert.deepStrictEqual(yield* report(sim.crashAt("anything")), [words])
      assert.isTrue(yield* sim.isRunning)
    }))

  test(
    "is not overlooked when it does not end its stop",
    (sim) =>
      Effect.gen(function* () {
        yield* sim.advance("1 minute")
        const [sentence = ""] = yield* report(sim.stop)
        assert.match(sentence, /^The agent did not stop: it was still closing after 40 seconds/)
      }),
    { bug: "never ends its stop" }
  )

  test(
    "starts when it is told to, and can be asked for its parts and its log",
    (sim) =>
      Effect.gen(function* () {
        yield* sim.advance("2 minutes")
        assert.strictEqual(yield* sim.timeline, "")
        yield* sim.start
        assert.isTrue(yield* sim.isRunning)
        const server = yield* FakeObservability
        yield* server.fail(ServerFault.badGateway)
        const board = yield* Board
        yield* board.run("r2", "RUNNING")
        yield* sim.advance("1 minute")
        assert.strictEqual(yield* sim.pending, 1)
        assert.strictEqual((yield* sim.ask(Effect.flatMap(Outbox, ({ status }) => status))).pending, 1)
        const parts = sim.log.filter(({ level }) => level === "Warn").map(({ part }) => part)
        assert.include(parts, "send events")
      }),
    { autoStart: false, runs: {} }
  )

  it.effect("fails the test where it does not start", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(
        Effect.provide(Effect.void, simulation({ settings: { board: { host: "" } } }))
      )
      assert.strictEqual(error._tag, "SimulationFailed")
      assert.match(error.message, /^The agent did not start: /)
      assert.include(error.message, "host")
    })
  )
})

describe("what stands around the agent", () => {
  it.effect("is a clock that jumps, of which neither the server nor the test learns", () =>
    Effect.gen(function* () {
      const sim = yield* Simulation
      const clock = yield* FaultyClock
      yield* sim.at("70 seconds", "somebody sets the clock", clock.jump("1 hour"))
      yield* sim.advance("75 seconds")
      assert.strictEqual(yield* Clock.currentTimeMillis, sim.startedAt + 75_000)
      yield* sim.expectWithin(
        "1 minute",
        OPENING.map((title) => ({ title, at: { before: "2 minutes" } }))
      )
      assert.match(yield* sim.timeline, /read board up to 2026-01-05T09:01/)
    }).pipe(Effect.provide(simulation({}, FaultyClock.layer)))
  )
})

describe("the report of a simulation", () => {
  test(
    "masks secrets, and the simulation fails where one is given away",
    (sim) =>
      Effect.gen(function* () {
        const text = yield* message(sim.start)
        assert.match(text, /^A secret was given away: one of `secrets` stands in the log\n/)
        assert.notInclude(text, TOKEN)
      }),
    { autoStart: false, bug: "logs its token" }
  )

  test("masks secrets in what the script says, too", (sim) =>
    Effect.gen(function* () {
      yield* sim.at("1 minute", `revokes ${TOKEN}`, Effect.void)
      yield* sim.advance("1 minute")
      const text = yield* message(sim.expect([`task ${TOKEN} RUNNING`]))
      assert.notInclude(text, TOKEN)
      assert.include(text, "task *** RUNNING")
      assert.include(text, "+0:01:00.000  test    revokes ***")
      assert.notInclude(yield* sim.timeline, TOKEN)
    }))

  test(
    "has the seed, the timeline, and the line of the test",
    (sim) =>
      Effect.gen(function* () {
        yield* sim.advance("2 minutes")
        const failed = yield* Effect.flip(sim.expectNoMore)
        assert.strictEqual(failed.seed, "it's this")
        assert.include(
          failed.message,
          "\nSeed: \"it's this\" (SIMULATION_SEED='it'\\''s this' plays it again)\nTimeline:\n"
        )
        assert.include(failed.message, "\n+0:01:20.000  server  run-status board r1 RUNNING → 204\n")
        assert.match(failed.stack ?? "", /SimulationLife\.test\.ts:\d+:\d+/)
        assert.notMatch(failed.stack ?? "", /SimulationStage\.ts/)
      }),
    { seed: "it's this" }
  )
})

describe("the seed of a simulation", () => {
  /** A story with everything that chance has a say in. */
  const story = (seed?: string, environment: Record<string, string> = {}) =>
    Effect.gen(function* () {
      const sim = yield* Simulation
      const server = yield* FakeObservability
      yield* sim.at("2 minutes", "the server goes down", server.fail(ServerFault.badGateway))
      yield* sim.at("20 minutes", "the server is back", server.recover)
      yield* sim.at(`${yield* Random.nextIntBetween(300, 600)} seconds`, "a chance", Effect.void)
      yield* sim.advance("10 minutes")
      yield* sim.crash
      yield* sim.advance("1 minute")
      yield* sim.start
      yield* sim.advance("30 minutes")
      return { seed: sim.seed, timeline: yield* sim.timeline }
    }).pipe(
      Effect.provide(
        simulation({ seed, store: "file" }).pipe(
          Layer.provide(ConfigProvider.layer(ConfigProvider.fromEnv({ env: environment })))
        )
      )
    )

  it.effect(
    "gives the same timeline, byte for byte, and another one another",
    () =>
      Effect.gen(function* () {
        const first = yield* story("a")
        assert.deepStrictEqual(yield* story("a"), first)
        const other = yield* story("b")
        assert.notStrictEqual(other.timeline, first.timeline)
        // What the agent itself draws is another number, too.
        const drawn = (timeline: string) => /by=\d+/.exec(timeline)?.[0]
        assert.notStrictEqual(drawn(other.timeline), drawn(first.timeline))
        assert.isAbove(first.timeline.split("\n").length, 200)
      }),
    30_000
  )

  it.effect(
    "is fixed where nobody gives one, and comes from the environment before all",
    () =>
      Effect.gen(function* () {
        assert.strictEqual((yield* story()).seed, "simulation")
        const given = yield* story("a", { SIMULATION_SEED: "b" })
        assert.strictEqual(given.seed, "b")
        assert.deepStrictEqual(given, yield* story("b"))
      }),
    30_000
  )
})

layer(simulation())("a simulation that tests share", (it) => {
  it.effect("begins with the first", () =>
    Effect.gen(function* () {
      const sim = yield* Simulation
      yield* sim.expectWithin("2 minutes", OPENING)
    })
  )

  it.effect("goes on with the next", () =>
    Effect.gen(function* () {
      const sim = yield* Simulation
      assert.strictEqual(yield* sim.elapsed, 80_000)
      yield* sim.expectWithin("2 minutes", END)
    })
  )
})
