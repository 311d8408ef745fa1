import { Health } from "@observability-agents/core/Health"
import * as Loop from "@observability-agents/core/Loop"
import { Supervisor, Unrecoverable } from "@observability-agents/core/Supervisor"
import * as FaultyClock from "@observability-agents/testing/FaultyClock"
import { assert, describe, it } from "@effect/vitest"
import {
  Clock,
  Data,
  DateTime,
  Effect,
  Exit,
  Fiber,
  Layer,
  Metric,
  Option,
  Random,
  Schedule,
  Scope
} from "effect"
import { TestClock } from "effect/testing"
import * as Channel from "@observability-agents/core/Channel"
import * as LogLines from "./LogLines.ts"

class Outage extends Data.TaggedError("Outage")<{ readonly cause: unknown }> {}

const services = Layer.merge(Health.layer, Supervisor.layer)
const at = (second: number) => DateTime.makeUnsafe(second * 1000)
const second = Effect.map(Clock.currentTimeMillis, (millis) => millis / 1000)
const from = Effect.succeed(at(-100))

/** Lets time pass in small steps, as it does for an agent, so that what a step sets off happens at its time. */
const pass = Effect.fnUntraced(function* (seconds: number, step = 1) {
  for (let passed = 0; passed < seconds; passed += step) yield* TestClock.adjust(step * 1000)
})

/** A Task that notes when it ran and what it had to cover, in seconds. */
const recorder = (then: (run: number) => Effect.Effect<void, unknown, Loop.Control> = () => Effect.void) => {
  const runs: Array<{ readonly at: number; readonly window: readonly [number, number] }> = []
  const task = (window: { readonly from: DateTime.Utc; readonly to: DateTime.Utc }) =>
    Effect.gen(function* () {
      const window_ = [
        DateTime.toEpochMillis(window.from) / 1000,
        DateTime.toEpochMillis(window.to) / 1000
      ] as const
      runs.push({ at: yield* second, window: window_ })
      yield* then(runs.length)
    })
  return { runs, task, times: () => runs.map((run) => run.at), windows: () => runs.map((run) => run.window) }
}

describe("Loop.periodic", () => {
  it.effect("runs at once, then at multiples of the period, each Window where the last one ended", () =>
    Effect.gen(function* () {
      const { task, times, windows } = recorder()
      yield* Layer.build(Loop.periodic("poll", { period: "10 seconds", from }, task))
      yield* TestClock.adjust(0)
      assert.deepStrictEqual(times(), [0])
      yield* TestClock.adjust("30 seconds")
      assert.deepStrictEqual(times(), [0, 10, 20, 30])
      assert.deepStrictEqual(windows(), [
        [-100, 0],
        [0, 10],
        [10, 20],
        [20, 30]
      ])
    }).pipe(Effect.provide(services))
  )

  it.effect("does not drift by the time that its runs take", () =>
    Effect.gen(function* () {
      const { task, times } = recorder((run) => Effect.sleep(run % 2 === 0 ? "3 seconds" : "1 seconds"))
      yield* Layer.build(Loop.periodic("poll", { period: "5 seconds", from }, task))
      yield* pass(1000)
      assert.deepStrictEqual(
        times(),
        Array.from({ length: 201 }, (_, i) => i * 5)
      )
    }).pipe(Effect.provide(services))
  )

  it.effect("a run that takes longer than the period is followed by one run at once, and no pile-up", () =>
    Effect.gen(function* () {
      const { task, times } = recorder((run) =>
        run === 2 ? Effect.sleep("47 seconds") : Effect.sleep("1 second")
      )
      yield* Layer.build(Loop.periodic("poll", { period: "10 seconds", from }, task))
      yield* pass(90)
      assert.deepStrictEqual(times(), [0, 10, 57, 60, 70, 80, 90])
    }).pipe(Effect.provide(services))
  )

  it.effect(
    "keeps its pace when the system's time is set back or forward, and goes on from the time as it is",
    () =>
      Effect.gen(function* () {
        const { clock, jump } = yield* FaultyClock.make
        const { task, windows } = recorder()
        yield* Layer.build(
          Loop.periodic("poll", { period: "10 seconds", from: Effect.succeed(at(0)) }, task).pipe(
            Layer.provide(Layer.succeed(Clock.Clock, clock))
          )
        )
        yield* pass(10)
        yield* jump("-1 hour")
        yield* pass(10)
        yield* jump("2 hours")
        yield* pass(10)
        assert.deepStrictEqual(windows(), [
          [0, 0],
          [0, 10],
          [-3580, -3580],
          [-3580, 3630]
        ])
      }).pipe(Effect.provide(services))
  )

  it.effect("keeps the Window of runs that failed or died: what they had to cover is read again", () =>
    Effect.gen(function* () {
      const { task, windows } = recorder((run) =>
        run === 2 ? Effect.fail("outage") : run === 3 ? Effect.die(new Error("a bug")) : Effect.void
      )
      yield* Layer.build(Loop.periodic("poll", { period: "10 seconds", from }, task))
      yield* pass(40)
      assert.deepStrictEqual(windows(), [
        [-100, 0],
        [0, 10],
        [0, 20],
        [0, 30],
        [30, 40]
      ])
    }).pipe(Effect.provide(services))
  )

  it.effect("asks where to start until it is told, and keeps to that while nothing succeeded", () =>
    Effect.gen(function* () {
      let asked = 0
      const { task, windows } = recorder((run) => (run === 1 ? Effect.fail("outage") : Effect.void))
      const start = Effect.suspend(() => (++asked === 1 ? Effect.fail("not yet" as const) : DateTime.now))
      yield* Layer.build(Loop.periodic("poll", { period: "10 seconds", from: start }, task))
      yield* pass(30)
      assert.deepStrictEqual(windows(), [
        [10, 10],
        [10, 20],
        [20, 30]
      ])
      assert.strictEqual(asked, 2)
    }).pipe(Effect.provide(services))
  )

  it.effect("starts each Window at the last committed end, where a source of that is given", () =>
    Effect.gen(function* () {
      let committed = Option.none<DateTime.Utc>()
      const { task, windows } = recorder()
      yield* Layer.build(
        Loop.periodic(
          "poll",
          { period: "10 seconds", from: DateTime.now, committed: Effect.sync(() => committed) },
          task
        )
      )
      // The runs succeed, and yet nothing of what they handed on has been committed.
      yield* pass(20)
      committed = Option.some(at(10))
      yield* pass(20)
      committed = Option.some(at(40))
      yield* pass(10)
      assert.deepStrictEqual(windows(), [
        [0, 0],
        [0, 10],
        [0, 20],
        [10, 30],
        [10, 40],
        [40, 50]
      ])
    }).pipe(Effect.provide(services))
  )

  it.effect("goes on from now where the last committed end lies ahead, and warns of it once a minute", () =>
    Effect.gen(function* () {
      const { layer, lines } = yield* LogLines.capture
      const { task, windows } = recorder()
      yield* Layer.build(
        Layer.provide(
          Loop.periodic(
            "poll",
            { period: "10 seconds", from, committed: Effect.succeedSome(at(86_400)) },
            task
          ),
          layer
        )
      )
      yield* pass(65)
      assert.deepStrictEqual(
        windows(),
        [0, 10, 20, 30, 40, 50, 60].map((time) => [time, time])
      )
      assert.deepStrictEqual(
        lines.map(({ level, annotations }) => [level, annotations["covered"], annotations["now"]]),
        [
          ["Warn", "1970-01-02T00:00:00.000Z", "1970-01-01T00:00:00.000Z"],
          ["Warn", "1970-01-02T00:00:00.000Z", "1970-01-01T00:01:00.000Z"]
        ]
      )
    }).pipe(Effect.provide(services))
  )

  it.effect("starts after a restart where the last process had committed", () =>
    Effect.gen(function* () {
      const { task, windows } = recorder()
      yield* Layer.build(
        Loop.periodic("poll", { period: "10 seconds", from, committed: Effect.succeedSome(at(-7)) }, task)
      )
      yield* TestClock.adjust(0)
      assert.deepStrictEqual(windows(), [[-7, 0]])
    }).pipe(Effect.provide(services))
  )

  it.effect(
    "jitter makes each run after the first late by less than its fraction of the period, and adds up to nothing",
    () =>
      Effect.gen(function* () {
        const { task, times } = recorder()
        yield* Layer.build(Loop.periodic("poll", { period: "100 seconds", jitter: 0.2, from }, task)).pipe(
          Random.withSeed("jitter")
        )
        yield* TestClock.adjust(100_000 * 50.2)
        const late = times().map((time, i) => time - i * 100)
        assert.strictEqual(late.length, 51)
        assert.strictEqual(late[0], 0)
        for (const by of late) assert.isTrue(by >= 0 && by < 20, `late by ${by}`)
        assert.isAbove(Math.max(...late), 15)
        assert.isBelow(Math.min(...late.slice(1)), 5)
      }).pipe(Effect.provide(services))
  )

  it.effect("setPeriod from inside counts from the next run on, end ends after the run", () =>
    Effect.gen(function* () {
      const { runs, task, times } = recorder((run) =>
        run === 3
          ? Loop.setPeriod("2 seconds")
          : run === 6
            ? Effect.andThen(Loop.end, Effect.sleep("1 second"))
            : Effect.void
      )
      let ended = -1
      yield* Layer.build(
        Loop.periodic(
          "poll",
          { period: "10 seconds", from, onEnd: Effect.map(second, (at) => void (ended = at)) },
          task
        )
      )
      yield* pass(120)
      assert.deepStrictEqual(times(), [0, 10, 20, 22, 24, 26])
      assert.strictEqual(runs.length, 6)
      assert.strictEqual(ended, 27)
    }).pipe(Effect.provide(services))
  )

  it.effect("a period of nothing set from inside fails that run, and the old one stays", () =>
    Effect.gen(function* () {
      const { layer, lines } = yield* LogLines.capture
      const { task, times } = recorder((run) => (run === 2 ? Loop.setPeriod(0) : Effect.void))
      yield* Layer.build(
        Loop.periodic("poll", { period: "10 seconds", from }, task).pipe(Layer.provide(layer))
      )
      yield* pass(30)
      assert.deepStrictEqual(times(), [0, 10, 20, 30])
      assert.include(lines[0]?.cause, 'Loop "poll" needs a period longer than 0')
    }).pipe(Effect.provide(services))
  )

  it.effect.each([0, -1, "0 seconds", Number.POSITIVE_INFINITY] as const)("refuses the period %s", (period) =>
    Effect.gen(function* () {
      const { runs, task } = recorder()
      const exit = yield* Effect.exit(Layer.build(Loop.periodic("poll", { period, from }, task)))
      assert.isTrue(Exit.hasDies(exit))
      assert.include(String(exit), 'Loop "poll" needs a period longer than 0 and finite')
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(runs.length, 0)
    }).pipe(Effect.provide(services))
  )

  it.effect.each([-0.1, 1.1, Number.NaN])("refuses the jitter %d", (jitter) =>
    Effect.gen(function* () {
      const exit = yield* Effect.exit(
        Layer.build(Loop.periodic("poll", { period: "1 second", jitter, from }, () => Effect.void))
      )
      assert.include(String(exit), "a jitter from 0 to 1")
    }).pipe(Effect.provide(services))
  )
})

describe("A Loop whose Task fails", () => {
  it.effect("logs the whole cause with the Loop's name, lives on, and logs the recovery", () =>
    Effect.gen(function* () {
      const { layer, lines } = yield* LogLines.capture
      const { task, times } = recorder((run) =>
        run === 1 ? Effect.fail(new Outage({ cause: new Error("no route to host") })) : Effect.void
      )
      yield* Layer.build(
        Loop.periodic("poll", { period: "10 seconds", from }, task).pipe(Layer.provide(layer))
      )
      yield* pass(20)
      assert.deepStrictEqual(times(), [0, 10, 20])
      assert.deepStrictEqual(
        lines.map((line) => [line.level, line.sentence]),
        [
          ["Warn", "Loop run failed"],
          ["Info", "Loop recovered"]
        ]
      )
      assert.strictEqual(lines[0]?.annotations["loop"], "poll")
      assert.include(lines[0]?.cause, "no route to host")
    }).pipe(Effect.provide(services))
  )

  it.effect("logs a Task that dies as an error, and lives on", () =>
    Effect.gen(function* () {
      const { layer, lines } = yield* LogLines.capture
      const { task, times } = recorder((run) =>
        run === 1 ? Effect.die(new TypeError("x is undefined")) : Effect.void
      )
      yield* Layer.build(
        Loop.periodic("poll", { period: "10 seconds", from }, task).pipe(Layer.provide(layer))
      )
      yield* pass(10)
      assert.deepStrictEqual(times(), [0, 10])
      assert.strictEqual(lines[0]?.level, "Error")
      assert.include(lines[0]?.cause, "TypeError: x is undefined")
    }).pipe(Effect.provide(services))
  )

  it.effect("does not take an interruption inside its Task for its own end", () =>
    Effect.gen(function* () {
      const { task, times } = recorder(() =>
        Effect.gen(function* () {
          const child = yield* Effect.forkChild(Effect.never)
          yield* Fiber.interrupt(child)
          return yield* Fiber.join(child)
        })
      )
      yield* Layer.build(Loop.periodic("poll", { period: "10 seconds", from }, task))
      yield* pass(20)
      assert.deepStrictEqual(times(), [0, 10, 20])
    }).pipe(Effect.provide(services))
  )

  it.effect("does not flood the log through an hour of failures, and counts them", () =>
    Effect.gen(function* () {
      const { layer, lines } = yield* LogLines.capture
      let broken = true
      yield* Layer.build(
        Loop.periodic("poll", { period: "5 seconds", from }, () =>
          Effect.suspend(() => (broken ? Effect.fail("no route to host") : Effect.void))
        ).pipe(Layer.provide(layer))
      )
      yield* pass(3600, 5)
      assert.strictEqual(lines.length, 61)
      assert.isTrue(lines.every((line) => line.level === "Warn"))
      assert.deepStrictEqual(
        [lines[0], lines[1], lines[60]].map((line) => [
          line?.annotations["failures"],
          line?.annotations["unlogged"]
        ]),
        [
          [1, 0],
          [13, 11],
          [721, 11]
        ]
      )
      broken = false
      yield* pass(600, 5)
      assert.strictEqual(lines.length, 62)
      assert.deepStrictEqual(
        [lines[61]?.level, lines[61]?.sentence, lines[61]?.annotations["failures"]],
        ["Info", "Loop recovered", 721]
      )
    }).pipe(Effect.provide(services))
  )

  it.effect("tells Health each time it changes between working and not", () =>
    Effect.gen(function* () {
      const health = yield* Health
      const { task } = recorder((run) => (run === 2 || run === 3 ? Effect.fail("outage") : Effect.void))
      yield* Layer.build(Loop.periodic("poll", { period: "10 seconds", from }, task))
      yield* pass(20)
      assert.deepStrictEqual(yield* health.report, {
        healthy: false,
        parts: [{ name: "poll", state: "failing", since: at(10), lastSuccess: at(0), reason: "outage" }]
      })
      yield* pass(20)
      assert.deepStrictEqual((yield* health.report).parts, [
        { name: "poll", state: "ok", since: at(30), lastSuccess: at(40) }
      ])
    }).pipe(Effect.provide(services))
  )

  it.effect("a run that hangs turns Health red, for it reports nothing by itself", () =>
    Effect.gen(function* () {
      const health = yield* Health
      yield* Layer.build(Loop.periodic("poll", { period: "10 seconds", from }, () => Effect.never))
      yield* TestClock.adjust("14 minutes")
      assert.isTrue((yield* health.report).healthy)
      yield* TestClock.adjust("1 minutes")
      const [part] = yield* health.failingFor("15 minutes")
      assert.deepStrictEqual([part?.name, part?.state, part?.since], ["poll", "failing", at(0)])
    }).pipe(Effect.provide(services))
  )

  it.effect.each([
    { way: "fails with", raise: Effect.fail },
    { way: "dies of", raise: Effect.die }
  ])("ends the agent by its exit code when the Task $way Unrecoverable", ({ raise }) =>
    Effect.gen(function* () {
      const { layer, lines } = yield* LogLines.capture
      const supervisor = yield* Supervisor
      const { runs, task } = recorder((run) =>
        run === 2 ? raise(new Unrecoverable({ exitCode: 78, message: "no such workspace" })) : Effect.void
      )
      yield* Layer.build(
        Loop.periodic("poll", { period: "10 seconds", from }, task).pipe(Layer.provide(layer))
      )
      const failure = yield* Effect.forkChild(Effect.flip(supervisor.failure))
      yield* TestClock.adjust("1 second")
      assert.isUndefined(failure.pollUnsafe())
      yield* pass(60)
      const error = yield* Fiber.join(failure)
      assert.deepStrictEqual(
        [error._tag, error.exitCode, error.message],
        ["Unrecoverable", 78, "no such workspace"]
      )
      assert.strictEqual(runs.length, 2)
      assert.deepStrictEqual(
        lines.map((line) => line.level),
        ["Error"]
      )
    }).pipe(Effect.provide(services))
  )

  it.effect("a Loop that itself breaks ends the agent rather than leave it deaf", () =>
    Effect.gen(function* () {
      const { layer } = yield* LogLines.capture
      const supervisor = yield* Supervisor
      yield* Layer.build(
        Loop.once("setup", Effect.void, { onEnd: Effect.die(new Error("bad end")) }).pipe(
          Layer.provide(layer)
        )
      )
      const error = yield* Effect.flip(supervisor.failure)
      assert.strictEqual(error.exitCode, 70)
      assert.include(error.message, "bad end")
    }).pipe(Effect.provide(services))
  )
})

describe("Loop.make", () => {
  it.effect("runs at once and then by its Schedule, until that is over", () =>
    Effect.gen(function* () {
      const { task, times } = recorder()
      let ended = false
      const run = task({ from: at(0), to: at(0) })
      yield* Layer.build(
        Loop.make("tick", Schedule.upTo(Schedule.exponential("1 second"), { times: 4 }), run, {
          onEnd: Effect.sync(() => void (ended = true))
        })
      )
      yield* pass(60)
      assert.deepStrictEqual(times(), [0, 1, 3, 7, 15])
      assert.isTrue(ended)
    }).pipe(Effect.provide(services))
  )

  it.effect("gives the Schedule how each run came out", () =>
    Effect.gen(function* () {
      const { task, times } = recorder((run) => (run === 3 ? Effect.fail("enough") : Effect.void))
      const whileGood = Schedule.spaced("1 second").pipe(
        Schedule.setInputType<Exit.Exit<void, unknown>>(),
        Schedule.while(({ input }) => Exit.isSuccess(input))
      )
      yield* Layer.build(Loop.make("tick", whileGood, task({ from: at(0), to: at(0) })))
      yield* pass(60)
      assert.deepStrictEqual(times(), [0, 1, 2])
    }).pipe(Effect.provide(services))
  )

  it.effect("a period set from inside takes the Schedule's place", () =>
    Effect.gen(function* () {
      const { task, times } = recorder((run) => (run === 2 ? Loop.setPeriod("5 seconds") : Effect.void))
      yield* Layer.build(Loop.make("tick", Schedule.spaced("1 minute"), task({ from: at(0), to: at(0) })))
      yield* pass(75)
      assert.deepStrictEqual(times(), [0, 60, 65, 70, 75])
    }).pipe(Effect.provide(services))
  )
})

describe("Loop.once", () => {
  it.effect("runs its Task once, closes what it sends by, and so ends what is downstream", () =>
    Effect.gen(function* () {
      const channel = yield* Channel.make<number>("numbers")
      const sender = yield* Channel.sender(channel)
      const got: Array<number> = []
      let ended = false
      yield* Layer.build(
        Layer.merge(
          Loop.once("send", sender.sendAll([1, 2, 3]), { onEnd: sender.close }),
          Loop.receive("receive", channel.receiver, (n) => Effect.sync(() => void got.push(n)), {
            onEnd: Effect.sync(() => void (ended = true))
          })
        )
      )
      yield* pass(60)
      assert.deepStrictEqual([got, ended], [[1, 2, 3], true])
    }).pipe(Effect.provide(services))
  )
})

describe("The Scope of a Loop's Layer", () => {
  it.effect("closing it stops the Loop between runs and within one, and leaves no fiber behind", () =>
    Effect.gen(function* () {
      let alive = 0
      const counted = Effect.provideService(Metric.FiberRuntimeMetrics, {
        recordFiberStart: () => {
          alive += 1
        },
        recordFiberEnd: () => {
          alive -= 1
        }
      })
      const idle = recorder()
      const cleaned: Array<string> = []
      const channel = yield* Channel.make<number>("numbers", { capacity: 1 })
      const sender = yield* Channel.sender(channel)
      const scope = yield* Scope.make()
      yield* Layer.buildWithScope(
        Layer.mergeAll(
          Loop.periodic("idle", { period: "10 seconds", from }, idle.task),
          Loop.periodic("at work", { period: "10 seconds", from }, () =>
            Effect.onInterrupt(Effect.never, () => Effect.sync(() => void cleaned.push("at work")))
          ),
          Loop.make("by schedule", Schedule.spaced("3 seconds"), Effect.void),
          Loop.once("held back", Effect.forever(sender.send(1))),
          Loop.receive("receive", channel.receiver, () => Effect.forkScoped(Effect.never), {
            concurrency: 3
          }),
          Loop.receive("no message", Effect.fail("busy"), () => Effect.void)
        ).pipe(Layer.provide(services)),
        scope
      ).pipe(counted)
      yield* pass(25)
      assert.isAtLeast(alive, 6)
      assert.deepStrictEqual(idle.times(), [0, 10, 20])
      yield* Scope.close(scope, Exit.void)
      assert.strictEqual(alive, 0)
      assert.deepStrictEqual(cleaned, ["at work"])
      yield* pass(60)
      assert.deepStrictEqual(idle.times(), [0, 10, 20])
    })
  )
})
