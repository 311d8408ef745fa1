import * as Channel from "@observability-agents/core/Channel"
import { assert, describe, it } from "@effect/vitest"
import { Cause, Effect, Exit, Fiber, Metric, Queue, Scope } from "effect"

const gauges = (name: string) =>
  Effect.map(Metric.snapshot, (all) =>
    Object.fromEntries(
      all
        .filter((metric) => metric.attributes?.["channel"] === name)
        .map((metric) => [metric.id, metric.type === "Gauge" ? metric.state.value : undefined])
    )
  )

describe("Channel", () => {
  it.effect("hands messages over in their order", () =>
    Effect.gen(function* () {
      const channel = yield* Channel.make<number>("order", { capacity: 8 })
      const sender = yield* Channel.sender(channel)
      yield* sender.send(1)
      yield* sender.sendAll([2, 3])
      yield* sender.send(4)
      assert.strictEqual(yield* channel.depth, 4)
      assert.deepStrictEqual(yield* Queue.takeAll(channel.receiver), [1, 2, 3, 4])
    })
  )

  it.effect("holds senders back while it is full, and shows that", () =>
    Effect.gen(function* () {
      const channel = yield* Channel.make<number>("full", { capacity: 2 })
      const sender = yield* Channel.sender(channel)
      const sent: Array<number> = []
      yield* Effect.forkChild(
        Effect.forEach([1, 2, 3, 4], (n) =>
          Effect.andThen(
            sender.send(n),
            Effect.sync(() => sent.push(n))
          )
        )
      )
      yield* Effect.yieldNow
      assert.deepStrictEqual(sent, [1, 2])
      assert.deepStrictEqual(yield* gauges("full"), {
        observability_agent_channel_depth: 2,
        observability_agent_channel_capacity: 2,
        observability_agent_channel_waiting: 1
      })
      assert.strictEqual(yield* channel.waiting, 1)
      assert.strictEqual(yield* Queue.take(channel.receiver), 1)
      yield* Effect.yieldNow
      assert.deepStrictEqual(sent, [1, 2, 3])
      assert.strictEqual(yield* channel.depth, 2)
    })
  )

  it.effect("a batch larger than the capacity goes in as room allows", () =>
    Effect.gen(function* () {
      const channel = yield* Channel.make<number>("batch", { capacity: 2 })
      const sender = yield* Channel.sender(channel)
      const batch = yield* Effect.forkChild(sender.sendAll([1, 2, 3, 4, 5]))
      const got: Array<number> = []
      for (let i = 0; i < 5; i++) {
        assert.isAtMost(yield* channel.depth, 2)
        got.push(yield* Queue.take(channel.receiver))
      }
      yield* Fiber.join(batch)
      assert.deepStrictEqual(got, [1, 2, 3, 4, 5])
    })
  )

  it.effect("ends when the last of its senders closes, after what is in it was received", () =>
    Effect.gen(function* () {
      const channel = yield* Channel.make<string>("clones")
      const first = yield* Scope.make()
      const second = yield* Scope.make()
      const a = yield* Scope.provide(Channel.sender(channel), first)
      const b = yield* Scope.provide(Channel.sender(channel), second)
      yield* a.send("a")
      yield* Scope.close(first, Exit.void)
      yield* b.send("b")
      const receiving = yield* Effect.forkChild(Queue.collect(channel.receiver))
      yield* Effect.yieldNow
      assert.isUndefined(receiving.pollUnsafe())
      yield* b.send("c")
      yield* Scope.close(second, Exit.void)
      assert.deepStrictEqual(yield* Fiber.join(receiving), ["a", "b", "c"])
      assert.deepStrictEqual(yield* Effect.flip(Queue.take(channel.receiver)), Cause.Done())
    })
  )

  it.effect("loses no message whose sender still waits for room when the last sender closes", () =>
    Effect.gen(function* () {
      const channel = yield* Channel.make<number>("closing", { capacity: 1 })
      const sender = yield* Channel.sender(channel)
      yield* sender.send(1)
      const waiting = yield* Effect.forkChild(sender.send(2))
      yield* Effect.yieldNow
      yield* sender.close
      assert.deepStrictEqual(yield* Queue.collect(channel.receiver), [1, 2])
      yield* Fiber.join(waiting)
    })
  )

  it.effect("every receiver that waits learns of the end", () =>
    Effect.gen(function* () {
      const channel = yield* Channel.make<number>("receivers")
      const sender = yield* Channel.sender(channel)
      const one = yield* Effect.forkChild(Queue.collect(channel.receiver))
      const two = yield* Effect.forkChild(Queue.collect(channel.receiver))
      yield* Effect.yieldNow
      yield* sender.close
      assert.deepStrictEqual(yield* Fiber.joinAll([one, two]), [[], []])
    })
  )

  it.effect("closing a sender twice counts once", () =>
    Effect.gen(function* () {
      const channel = yield* Channel.make<number>("twice")
      const first = yield* Channel.sender(channel)
      const second = yield* Channel.sender(channel)
      yield* first.close
      yield* first.close
      yield* second.send(1)
      assert.strictEqual(yield* Queue.take(channel.receiver), 1)
    })
  )

  it.effect("sending where nothing can arrive any more is a defect that says so", () =>
    Effect.gen(function* () {
      const channel = yield* Channel.make<number>("deaf")
      const first = yield* Channel.sender(channel)
      const second = yield* Channel.sender(channel)
      yield* first.close
      const closed = yield* Effect.exit(first.send(1))
      assert.isTrue(Exit.hasDies(closed))
      assert.include(String(closed), 'This Sender of Channel "deaf" is closed')
      yield* second.close
      const ended = yield* Effect.exit(second.sendAll([1]))
      assert.include(String(ended), 'Channel "deaf" has ended')
      const opened = yield* Effect.exit(Channel.sender(channel))
      assert.include(String(opened), 'Channel "deaf" has ended')
    })
  )

  it.effect.each([0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY])("refuses the capacity %d", (capacity) =>
    Effect.gen(function* () {
      const exit = yield* Effect.exit(Channel.make("unbounded", { capacity }))
      assert.isTrue(Exit.hasDies(exit))
      assert.include(String(exit), "a capacity that is a whole number of at least 1")
    })
  )

  it.effect("takes its capacity from what is provided, and 64 otherwise", () =>
    Effect.gen(function* () {
      const usual = yield* Channel.make("usual")
      const provided = yield* Effect.provideService(Channel.make("provided"), Channel.DefaultCapacity, 3)
      assert.deepStrictEqual([usual.capacity, provided.capacity], [64, 3])
    })
  )

  it.effect("takes its gauges along when its last sender's Scope closes", () =>
    Effect.gen(function* () {
      const channel = yield* Channel.make<number>("gone")
      const scope = yield* Scope.make()
      const sender = yield* Scope.provide(Channel.sender(channel), scope)
      yield* sender.send(1)
      assert.strictEqual((yield* gauges("gone"))["observability_agent_channel_depth"], 1)
      yield* Scope.close(scope, Exit.void)
      assert.deepStrictEqual(yield* gauges("gone"), {})
    })
  )
})
