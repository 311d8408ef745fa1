import { collectSpans } from "@observability-agents/testing/OutboxSuiteModel"
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Layer, Logger, Tracer } from "effect"
import * as Channel from "../src/Channel.ts"
import { Health } from "../src/Health.ts"
import * as Loop from "../src/Loop.ts"
import { Supervisor } from "../src/Supervisor.ts"
import * as TraceContext from "../src/TraceContext.ts"

interface Message {
  readonly name: string
}

const base = Layer.merge(Health.layer, Supervisor.layer)

/** Sends messages, each in a span of its own name, and receives them with a Loop. */
const pass = Effect.fnUntraced(function* (
  names: ReadonlyArray<string>,
  how: "one by one" | "all at once" = "one by one"
) {
  const done = yield* Deferred.make<void>()
  const channel = yield* Channel.make<Message>("messages")
  const sender = yield* Channel.sender(channel)
  const loop = Loop.receive("take", channel.receiver, () => Effect.void, {
    onEnd: Effect.asVoid(Deferred.succeed(done, undefined))
  })
  const messages = names.map((name) => ({ name }))
  yield* how === "one by one"
    ? Effect.forEach(messages, (message) => Effect.withSpan(sender.send(message), message.name))
    : // An Iterable that can be gone through only once.
      Effect.withSpan(sender.sendAll(messages.values()), "all")
  yield* sender.close
  yield* Layer.build(loop)
  yield* Deferred.await(done)
  return messages.map((message) => channel.receiver.sentIn(message))
})

describe("a trace", () => {
  it.effect("goes on where a message is received, message by message", () =>
    Effect.gen(function* () {
      const { spans, tracer } = collectSpans()
      yield* Effect.provideService(pass(["a", "b"]), Tracer.Tracer, tracer)
      const byName = (name: string) => spans.filter((span) => span.name === name)
      for (const [index, name] of ["a", "b"].entries()) {
        const received = byName("Loop.take")[index]
        assert.strictEqual(received?.traceId, byName(name)[0]?.traceId)
        assert.deepStrictEqual(
          received?.parent.pipe((parent) => (parent._tag === "Some" ? parent.value.spanId : undefined)),
          byName(name)[0]?.spanId
        )
      }
      assert.notStrictEqual(byName("a")[0]?.traceId, byName("b")[0]?.traceId)
    }).pipe(Effect.scoped, Effect.provide(base))
  )

  it.effect("goes on also for messages that are sent together", () =>
    Effect.gen(function* () {
      const { spans, tracer } = collectSpans()
      yield* Effect.provideService(pass(["a", "b"], "all at once"), Tracer.Tracer, tracer)
      assert.deepStrictEqual(
        spans.map(({ name }) => name),
        ["all", "Loop.take", "Loop.take"]
      )
      assert.strictEqual(new Set(spans.map(({ traceId }) => traceId)).size, 1)
    }).pipe(Effect.scoped, Effect.provide(base))
  )

  it.effect("is not carried where nobody collects spans", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* pass(["a"]), [undefined])
    }).pipe(Effect.scoped, Effect.provide(base))
  )

  it.effect("begins anew for what was sent outside of any span, or is no object", () =>
    Effect.gen(function* () {
      const { spans, tracer } = collectSpans()
      const traced = Effect.gen(function* () {
        const done = yield* Deferred.make<void>()
        const channel = yield* Channel.make<Message | string>("messages")
        const sender = yield* Channel.sender(channel)
        yield* sender.send({ name: "alone" })
        yield* Effect.withSpan(sender.send("text"), "sending")
        yield* sender.close
        yield* Layer.build(
          Loop.receive("take", channel.receiver, () => Effect.void, {
            onEnd: Effect.asVoid(Deferred.succeed(done, undefined))
          })
        )
        yield* Deferred.await(done)
      })
      yield* Effect.provideService(traced, Tracer.Tracer, tracer)
      const taken = spans.filter(({ name }) => name === "Loop.take")
      assert.deepStrictEqual(
        taken.map(({ parent }) => parent._tag),
        ["None", "None"]
      )
    }).pipe(Effect.scoped, Effect.provide(base))
  )

  it.effect("is named by the log line of a run that failed", () =>
    Effect.gen(function* () {
      const { spans, tracer } = collectSpans()
      const logged: Array<string | undefined> = []
      const logger = Logger.layer([Logger.make(({ fiber }) => logged.push(fiber.cache.span?.spanId))])
      const traced = Effect.gen(function* () {
        const done = yield* Deferred.make<void>()
        const channel = yield* Channel.make<Message>("messages")
        const sender = yield* Channel.sender(channel)
        yield* sender.send({ name: "a" })
        yield* sender.close
        const onEnd = Effect.asVoid(Deferred.succeed(done, undefined))
        yield* Layer.build(Loop.receive("take", channel.receiver, () => Effect.fail("no"), { onEnd }))
        yield* Deferred.await(done)
        const over = yield* Deferred.make<void>()
        yield* Layer.build(
          Loop.once("poll", Effect.fail("no"), { onEnd: Effect.asVoid(Deferred.succeed(over, undefined)) })
        )
        yield* Deferred.await(over)
      })
      yield* traced.pipe(Effect.provideService(Tracer.Tracer, tracer), Effect.provide(logger))
      assert.deepStrictEqual(
        spans.map(({ name }) => name),
        ["Loop.take", "Loop.poll"]
      )
      assert.deepStrictEqual(
        logged,
        spans.map(({ spanId }) => spanId)
      )
    }).pipe(Effect.scoped, Effect.provide(base))
  )

  it("is written as a traceparent and read again", () => {
    const span = Tracer.externalSpan({
      traceId: "0af7651916cd43dd8448eb211c80319c",
      spanId: "b7ad6b7169203331"
    })
    const text = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    assert.strictEqual(TraceContext.encode(span), text)
    const read = TraceContext.decode(text)
    assert.deepStrictEqual([read?.traceId, read?.spanId, read?.sampled], [span.traceId, span.spanId, true])
    assert.isFalse(TraceContext.decode(text.replace(/01$/, "00"))?.sampled)
    for (const wrong of [
      undefined,
      "",
      "00-x-y-01",
      `01${text.slice(2)}`,
      text.replace(/-b.*-/, "-0000000000000000-")
    ]) {
      assert.isUndefined(TraceContext.decode(wrong), wrong)
    }
  })
})
