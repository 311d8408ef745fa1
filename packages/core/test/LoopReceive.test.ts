import * as Channel from "@observability-agents/core/Channel"
import { Health } from "@observability-agents/core/Health"
import * as Loop from "@observability-agents/core/Loop"
import { Supervisor, Unrecoverable } from "@observability-agents/core/Supervisor"
import { assert, describe, it } from "@effect/vitest"
import { Cause, Deferred, Effect, Exit, Fiber, Layer, Metric, Queue, Scope, Tracer } from "effect"
import { TestClock } from "effect/testing"
import * as LogLines from "./LogLines.ts"

const services = Layer.merge(Health.layer, Supervisor.layer)

describe("Loop.receive", () => {
  it.effect("runs the Task for each message in order, and ends when the Channel has ended and is empty", () =>
    Effect.gen(function* () {
      const channel = yield* Channel.make<number>("numbers", { capacity: 2 })
      const sender = yield* Channel.sender(channel)
      const got: Array<number> = []
      const ended = yield* Deferred.make<ReadonlyArray<number>>()
      yield* Layer.build(
        Loop.receive("receive", channel.receiver, (n) => Effect.sync(() => void got.push(n)), {
          onEnd: Effect.suspend(() => Effect.asVoid(Deferred.succeed(ended, [...got])))
        })
      )
      yield* sender.sendAll([1, 2, 3, 4, 5])
      assert.isFalse(yield* Deferred.isDone(ended))
      yield* sender.close
      assert.deepStrictEqual(yield* Deferred.await(ended), [1, 2, 3, 4, 5])
    }).pipe(Effect.provide(services))
  )

  it.effect("a Loop that is slow holds back all that is upstream of it", () =>
    Effect.gen(function* () {
      const first = yield* Channel.make<number>("first", { capacity: 2 })
      const second = yield* Channel.make<number>("second", { capacity: 2 })
      const toFirst = yield* Channel.sender(first)
      const toSecond = yield* Channel.sender(second)
      let polled = 0
      let sent = 0
      yield* Layer.build(
        Layer.mergeAll(
          Loop.once("poll", Effect.forever(Effect.suspend(() => toFirst.send(++polled)))),
          Loop.receive("track", first.receiver, toSecond.send),
          Loop.receive("send", second.receiver, () =>
            Effect.andThen(
              Effect.sleep("1 second"),
              Effect.sync(() => void sent++)
            )
          )
        )
      )
      for (let second = 0; second <= 10; second++) yield* TestClock.adjust(second === 0 ? 0 : "1 second")
      assert.strictEqual(sent, 10)
      // Two in each Channel, and one in the hands of each Loop.
      assert.strictEqual(polled, 10 + 2 + 2 + 3)
    }).pipe(Effect.provide(services))
  )

  it.effect.each([
    { kind: "fails", task: Effect.fail("bad message") },
    { kind: "dies", task: Effect.die(new Error("bad message")) },
    {
      kind: "throws before it is an Effect",
      task: () => {
        throw new Error("bad message")
      }
    },
    { kind: "interrupts itself", task: Effect.interrupt }
  ])("goes on with the next message when a Task $kind, and logs the whole cause", ({ kind, task }) =>
    Effect.gen(function* () {
      const { layer, lines } = yield* LogLines.capture
      const channel = yield* Channel.make<number>("messages")
      const sender = yield* Channel.sender(channel)
      const got: Array<number> = []
      yield* Layer.build(
        Loop.receive("receive", channel.receiver, (n): Effect.Effect<void, string> => {
          if (n === 2) return typeof task === "function" ? task() : task
          return Effect.sync(() => void got.push(n))
        }).pipe(Layer.provide(layer))
      )
      yield* sender.sendAll([1, 2, 3])
      yield* TestClock.adjust(0)
      assert.deepStrictEqual(got, [1, 3])
      assert.deepStrictEqual(
        lines.map((line) => [line.sentence, line.annotations["loop"]]),
        [
          ["Loop run failed", "receive"],
          ["Loop recovered", "receive"]
        ]
      )
      if (kind !== "interrupts itself") assert.include(lines[0]?.cause, "bad message")
    }).pipe(Effect.provide(services))
  )

  it.effect("tells Health when messages fail, and when they go through again", () =>
    Effect.gen(function* () {
      const health = yield* Health
      const channel = yield* Channel.make<boolean>("messages")
      const sender = yield* Channel.sender(channel)
      yield* Layer.build(
        Loop.receive("receive", channel.receiver, (good) => (good ? Effect.void : Effect.fail("bad")))
      )
      const state = Effect.map(health.report, ({ parts }) =>
        parts.map((part) => [part.name, part.state, part.reason])
      )
      yield* sender.send(true)
      yield* TestClock.adjust("1 millis")
      assert.deepStrictEqual(yield* state, [["receive", "ok", undefined]])
      yield* sender.send(false)
      yield* TestClock.adjust("1 millis")
      assert.deepStrictEqual(yield* state, [["receive", "failing", "bad"]])
      yield* sender.send(true)
      yield* TestClock.adjust("1 millis")
      assert.deepStrictEqual(yield* state, [["receive", "ok", undefined]])
    }).pipe(Effect.provide(services))
  )

  it.effect("a message that hangs in work turns Health red, a Loop that has nothing to do does not", () =>
    Effect.gen(function* () {
      const health = yield* Health
      const channel = yield* Channel.make<number>("messages")
      const sender = yield* Channel.sender(channel)
      yield* Layer.build(
        Loop.receive("receive", channel.receiver, () => Effect.never, { stuckAfter: "1 minute" })
      )
      yield* TestClock.adjust("1 hour")
      assert.isTrue((yield* health.report).healthy)
      yield* sender.send(1)
      yield* TestClock.adjust("59 seconds")
      assert.isTrue((yield* health.report).healthy)
      yield* TestClock.adjust("1 second")
      assert.isFalse((yield* health.report).healthy)
      assert.strictEqual((yield* health.failingFor("1 minute")).length, 1)
    }).pipe(Effect.provide(services))
  )

  it.effect("has as many messages in work as its concurrency says", () =>
    Effect.gen(function* () {
      const channel = yield* Channel.make<number>("messages")
      const sender = yield* Channel.sender(channel)
      let now = 0
      let most = 0
      let done = 0
      yield* Layer.build(
        Loop.receive(
          "receive",
          channel.receiver,
          () =>
            Effect.gen(function* () {
              now += 1
              most = Math.max(most, now)
              yield* Effect.sleep("1 second")
              now -= 1
              done += 1
            }),
          { concurrency: 3 }
        )
      )
      yield* sender.sendAll([1, 2, 3, 4, 5, 6, 7])
      yield* TestClock.adjust("2 seconds")
      assert.deepStrictEqual([most, done], [3, 6])
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual([most, done], [3, 7])
    }).pipe(Effect.provide(services))
  )

  it.effect("Loop.end finishes the messages in work and takes no more, though other workers wait", () =>
    Effect.gen(function* () {
      const channel = yield* Channel.make<number>("messages")
      const sender = yield* Channel.sender(channel)
      const got: Array<number> = []
      let ended = 0
      yield* Layer.build(
        Loop.receive(
          "receive",
          channel.receiver,
          (n) =>
            Effect.gen(function* () {
              if (n === 2) yield* Loop.end
              yield* Effect.sleep("1 second")
              got.push(n)
            }),
          { concurrency: 3, onEnd: Effect.sync(() => void ended++) }
        )
      )
      yield* sender.sendAll([1, 2])
      yield* TestClock.adjust("500 millis")
      assert.deepStrictEqual([ended, got], [0, []])
      yield* TestClock.adjust("500 millis")
      assert.deepStrictEqual([ended, got], [1, [1, 2]])
      yield* sender.send(3)
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(got, [1, 2])
      assert.strictEqual(yield* channel.depth, 1)
    }).pipe(Effect.provide(services))
  )

  it.effect(
    "closing the Scope interrupts the message in work, waits for its cleaning up, then runs onEnd",
    () =>
      Effect.gen(function* () {
        const channel = yield* Channel.make<number>("messages")
        const sender = yield* Channel.sender(channel)
        const happened: Array<string> = []
        const note = (what: string) => Effect.sync(() => void happened.push(what))
        const scope = yield* Scope.make()
        yield* Layer.buildWithScope(
          Loop.receive(
            "receive",
            channel.receiver,
            (n) =>
              note(`begin ${n}`).pipe(
                Effect.andThen(Effect.never),
                Effect.onInterrupt(() => Effect.andThen(Effect.sleep("1 second"), note(`cleaned up ${n}`)))
              ),
            { concurrency: 2, onEnd: note("ended") }
          ),
          scope
        )
        yield* sender.sendAll([1, 2, 3])
        yield* TestClock.adjust(0)
        const closing = yield* Effect.forkChild(Scope.close(scope, Exit.void))
        yield* TestClock.adjust("999 millis")
        assert.isUndefined(closing.pollUnsafe())
        yield* TestClock.adjust("1 millis")
        yield* Fiber.join(closing)
        assert.deepStrictEqual(happened, ["begin 1", "begin 2", "cleaned up 1", "cleaned up 2", "ended"])
        assert.strictEqual(yield* channel.depth, 1)
      }).pipe(Effect.provide(services))
  )

  it.effect("each message has a Scope of its own, which closes before the next one begins", () =>
    Effect.gen(function* () {
      const channel = yield* Channel.make<number>("messages")
      const sender = yield* Channel.sender(channel)
      const happened: Array<string> = []
      const note = (what: string) => Effect.sync(() => void happened.push(what))
      yield* Layer.build(
        Loop.receive("receive", channel.receiver, (n) =>
          Effect.gen(function* () {
            if (n !== 2) yield* Effect.addFinalizer((exit) => note(`release ${n} ${exit._tag}`))
            yield* note(`run ${n}`)
            if (n === 3) return yield* Effect.fail("bad")
          })
        )
      )
      yield* sender.sendAll([1, 2, 3, 4])
      yield* TestClock.adjust(0)
      assert.deepStrictEqual(happened, [
        "run 1",
        "release 1 Success",
        "run 2",
        "run 3",
        "release 3 Failure",
        "run 4",
        "release 4 Success"
      ])
    }).pipe(Effect.provide(services))
  )

  it.effect("a finalizer that dies makes its run a failed one, and the Loop lives", () =>
    Effect.gen(function* () {
      const { layer, lines } = yield* LogLines.capture
      const channel = yield* Channel.make<number>("messages")
      const sender = yield* Channel.sender(channel)
      const got: Array<number> = []
      yield* Layer.build(
        Loop.receive("receive", channel.receiver, (n) =>
          Effect.andThen(
            n === 1 ? Effect.addFinalizer(() => Effect.die(new Error("bad release"))) : Effect.void,
            Effect.sync(() => void got.push(n))
          )
        ).pipe(Layer.provide(layer))
      )
      yield* sender.sendAll([1, 2])
      yield* TestClock.adjust(0)
      assert.deepStrictEqual(got, [1, 2])
      assert.include(lines[0]?.cause, "bad release")
    }).pipe(Effect.provide(services))
  )

  it.effect("Unrecoverable ends the agent with its exit code, and the Loop with it", () =>
    Effect.gen(function* () {
      const supervisor = yield* Supervisor
      const channel = yield* Channel.make<number>("messages")
      const sender = yield* Channel.sender(channel)
      let runs = 0
      yield* Layer.build(
        Loop.receive("receive", channel.receiver, () => {
          runs += 1
          return Effect.fail(new Unrecoverable({ exitCode: 74, message: "the state store is gone" }))
        })
      )
      const waiting = yield* Effect.forkChild(Effect.flip(supervisor.failure))
      yield* sender.sendAll([1, 2])
      const error = yield* Fiber.join(waiting)
      assert.deepStrictEqual([error.exitCode, error.message, runs], [74, "the state store is gone", 1])
    }).pipe(Effect.provide(services))
  )

  it.effect(
    "takes messages from any Effect: asks again, more and more patiently, while it fails, and ends by Done",
    () =>
      Effect.gen(function* () {
        const { layer, lines } = yield* LogLines.capture
        const health = yield* Health
        const asked: Array<number> = []
        const got: Array<string> = []
        let ended = false
        const source = Effect.gen(function* () {
          const { currentTimeMillisUnsafe } = yield* Effect.clockWith(Effect.succeed)
          asked.push(currentTimeMillisUnsafe() / 1000)
          if (asked.length === 1) return "one"
          if (asked.length <= 4) return yield* Effect.fail("the store is busy" as const)
          if (asked.length === 5) return "two"
          return yield* Cause.done()
        })
        yield* Layer.build(
          Loop.receive("receive", source, (message) => Effect.sync(() => void got.push(message)), {
            onEnd: Effect.sync(() => {
              ended = true
            })
          }).pipe(Layer.provide(layer))
        )
        yield* TestClock.adjust("3 seconds")
        assert.isFalse((yield* health.report).healthy)
        yield* TestClock.adjust("1 minute")
        assert.deepStrictEqual(asked, [0, 0, 0.5, 1.5, 3.5, 3.5])
        assert.deepStrictEqual([got, ended], [["one", "two"], true])
        assert.isTrue((yield* health.report).healthy)
        assert.deepStrictEqual(
          lines.map((line) => line.level),
          ["Warn", "Info"]
        )
      }).pipe(Effect.provide(services))
  )

  it.effect("a source that failed and now waits for a message works again", () =>
    Effect.gen(function* () {
      const health = yield* Health
      let asked = 0
      const source = Effect.suspend(() => (++asked === 1 ? Effect.fail("busy") : Effect.never))
      yield* Layer.build(Loop.receive("receive", source, () => Effect.void))
      yield* TestClock.adjust("30 seconds")
      assert.isFalse((yield* health.report).healthy)
      yield* TestClock.adjust("1 second")
      assert.isTrue((yield* health.report).healthy)
      assert.strictEqual(asked, 2)
    }).pipe(Effect.provide(services))
  )

  it.effect("makes a span of each run where a tracer is there, and counts runs", () =>
    Effect.gen(function* () {
      const spans: Array<string> = []
      const tracer = Tracer.make({
        span: (options) => {
          spans.push(options.name)
          return new Tracer.NativeSpan(options)
        }
      })
      const channel = yield* Channel.make<number>("messages")
      const sender = yield* Channel.sender(channel)
      yield* Layer.build(
        Loop.receive("traced", channel.receiver, (n) => (n === 1 ? Effect.fail("bad") : Effect.void)).pipe(
          Layer.provide(Layer.succeed(Tracer.Tracer, tracer))
        )
      )
      yield* sender.sendAll([1, 2])
      yield* TestClock.adjust(0)
      assert.deepStrictEqual(spans, ["Loop.traced", "Loop.traced"])
      const counts = (yield* Metric.snapshot)
        .filter((metric) => metric.attributes?.["loop"] === "traced")
        .flatMap((metric) =>
          metric.type === "Counter" ? [[metric.attributes?.["outcome"], metric.state.count]] : []
        )
      assert.deepStrictEqual(Object.fromEntries(counts), { success: 1, failure: 1 })
    }).pipe(Effect.provide(services))
  )

  it.effect.each([0, 1.5])("refuses the concurrency %d", (concurrency) =>
    Effect.gen(function* () {
      const queue = yield* Queue.bounded<number, Cause.Done>(1)
      const exit = yield* Effect.exit(
        Layer.build(Loop.receive("receive", Queue.asDequeue(queue), () => Effect.void, { concurrency }))
      )
      assert.isTrue(Exit.hasDies(exit))
    }).pipe(Effect.provide(services))
  )
})
