/**
 * A bounded Queue between two Tasks, with an end.
 *
 * Whoever sends holds a Sender; a Channel may have many. While the Channel is full, senders wait: that is how a slow
 * receiver holds back all that is upstream of it. When the last Sender closes, the Channel ends: receivers get what is
 * still in it, and then learn that nothing will follow.
 *
 * Where somebody traces, a message that is an object carries the span that it was sent in, so that what the receiver does
 * about it belongs to the same trace: see {@link spanOf}.
 *
 * One Task finds names, another one works them off. The Loop ends when all were:
 *
 * ```ts
 * import * as Channel from "@observability-agents/core/Channel"
 * import * as Loop from "@observability-agents/core/Loop"
 * import { Effect, Layer } from "effect"
 *
 * export const layer = Layer.unwrap(
 *   Effect.gen(function* () {
 *     const channel = yield* Channel.make<string>("names", { capacity: 100 })
 *     const sender = yield* Channel.sender(channel)
 *     const find = sender.sendAll(["orders", "customers"])
 *     return Layer.merge(
 *       Loop.once("find", find, { onEnd: sender.close }),
 *       Loop.receive("work off", channel.receiver, (name) => Effect.logInfo("Works off", { name }))
 *     )
 *   })
 * )
 * ```
 */
import type * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Metric from "effect/Metric"
import * as Queue from "effect/Queue"
import * as Predicate from "effect/Predicate"
import type * as Scope from "effect/Scope"
import type * as Tracer from "effect/Tracer"
import * as AgentMetrics from "./AgentMetrics.ts"
import * as TraceContext from "./TraceContext.ts"
import * as Wiring from "./Wiring.ts"

/**
 * A Channel for messages of type `A`. Make one with {@link make}.
 *
 * @category models
 */
export interface Channel<in out A> {
  /** The name that metrics and error messages give. */
  readonly name: string
  /** How many messages fit in before senders wait. At least 1. */
  readonly capacity: number
  /** Where messages come out. Fails with `Cause.Done` once the Channel has ended and is empty. */
  readonly receiver: Receiver<A>
  /** How many messages are in the Channel now. */
  readonly depth: Effect.Effect<number>
  /** How many sends are waiting now because the Channel is full. */
  readonly waiting: Effect.Effect<number>
  /** Opens one more Sender. See {@link sender}. */
  readonly open: Effect.Effect<Sender<A>, never, Scope.Scope>
}

/**
 * The end of a Channel that messages come out of.
 *
 * @category models
 */
export interface Receiver<out A> extends Queue.Dequeue<A, Cause.Done> {
  /** The span that a message was sent in last. See {@link spanOf}. */
  readonly sentIn: (message: unknown) => Tracer.AnySpan | undefined
}

/**
 * One of the ends of a Channel that messages go in by.
 *
 * @category models
 */
export interface Sender<in A> {
  /**
   * Puts one message in, and waits while the Channel is full. On a Sender that was closed, or a Channel that has ended,
   * this is a defect: the message could reach nobody.
   */
  readonly send: (message: A) => Effect.Effect<void>
  /** Puts messages in, in their order, as room allows. Other senders' messages may come between them. */
  readonly sendAll: (messages: Iterable<A>) => Effect.Effect<void>
  /** Closes this Sender ahead of its Scope. A second time does nothing. The last one to close ends the Channel. */
  readonly close: Effect.Effect<void>
}

/**
 * The capacity of Channels that do not say their own: 64 unless provided otherwise, as an agent does from its setting
 * `max_channel_capacity`.
 *
 * @category references
 */
export const DefaultCapacity: Context.Reference<number> = Context.Reference<number>(
  "@observability-agents/core/Channel/DefaultCapacity",
  { defaultValue: () => 64 }
)

/**
 * Makes an open Channel without Senders. A capacity that is not a whole number of at least 1 is a defect.
 *
 * While it has a Sender, three gauges with the label `channel` tell how full it is: `channel_depth`,
 * `channel_capacity`, and `channel_waiting` (sends held back). They are read when metrics are exported and cost nothing
 * per message.
 *
 * @category constructors
 */
export const make = Effect.fnUntraced(function* <A>(
  name: string,
  options?: { readonly capacity?: number | undefined }
): Effect.fn.Return<Channel<A>> {
  const capacity = options?.capacity ?? (yield* DefaultCapacity)
  if (!Number.isInteger(capacity) || capacity < 1) {
    return yield* Effect.die(
      new RangeError(
        `Channel "${name}" needs a capacity that is a whole number of at least 1, not ${capacity}`
      )
    )
  }
  const queue = yield* Queue.bounded<A, Cause.Done>(capacity)
  const spans = new WeakMap<object, Tracer.AnySpan>()
  const sendIn = (span: Tracer.AnySpan, message: A): void => {
    if (Predicate.isObjectOrArray(message)) spans.set(message, span)
  }
  const receiver: Receiver<A> = Object.assign(Queue.asDequeue(queue), {
    sentIn: (message: unknown) => (Predicate.isObjectOrArray(message) ? spans.get(message) : undefined)
  })
  const waiting = () => (queue.state._tag === "Done" ? 0 : queue.state.offers.size)
  const wiring = yield* Wiring.Current
  wiring?.channel({ name, capacity, depth: () => Queue.sizeUnsafe(queue), waiting }, receiver)
  let senders = 0
  let metrics: ReadonlyArray<Metric.Registration> = []

  const open = Effect.withFiber<Sender<A>, never, Scope.Scope>((fiber) => {
    if (queue.state._tag !== "Open") {
      return Effect.die(new Error(`Channel "${name}" has ended: it takes no further Sender`))
    }
    let closed = false
    const close = Effect.sync(() => {
      if (closed) return
      closed = true
      senders -= 1
      if (senders === 0) Queue.endUnsafe(queue)
    })
    wiring?.sender(name, close)
    const refused = (): Effect.Effect<never> =>
      Effect.die(
        new Error(
          queue.state._tag === "Open"
            ? `This Sender of Channel "${name}" is closed: it sends no more`
            : `Channel "${name}" has ended: nothing can be sent on it`
        )
      )
    const wait = (message: A): Effect.Effect<void> =>
      Effect.flatMap(Queue.offer(queue, message), (sent) => (sent ? Effect.void : refused()))

    senders += 1
    if (metrics.length === 0) {
      metrics = [
        AgentMetrics.register(fiber.context, "channel_depth", { channel: name }, () =>
          Queue.sizeUnsafe(queue)
        ),
        AgentMetrics.register(fiber.context, "channel_capacity", { channel: name }, () => capacity),
        AgentMetrics.register(fiber.context, "channel_waiting", { channel: name }, waiting)
      ]
    }
    return Effect.as(
      Effect.addFinalizer(() =>
        Effect.andThen(
          close,
          Effect.sync(() => {
            if (senders > 0) return
            for (const metric of metrics) metric.remove()
            metrics = []
          })
        )
      ),
      {
        // The way without waiting is one step: Channels carry every message of an agent.
        send: (message) =>
          Effect.withFiber((sending) => {
            if (closed) return refused()
            const span = TraceContext.spanOf(sending)
            if (span !== undefined) sendIn(span, message)
            return Queue.offerUnsafe(queue, message) ? Effect.void : wait(message)
          }),
        sendAll: (messages) =>
          Effect.withFiber((sending) => {
            if (closed) return refused()
            const span = TraceContext.spanOf(sending)
            const all = span === undefined ? messages : Array.from(messages)
            if (span !== undefined) for (const message of all) sendIn(span, message)
            return Effect.flatMap(Queue.offerAll(queue, all), (left) =>
              left.length === 0 ? Effect.void : refused()
            )
          }),
        close
      }
    )
  })

  return {
    name,
    capacity,
    receiver,
    depth: Queue.size(queue),
    waiting: Effect.sync(waiting),
    open
  }
})

/**
 * Opens a further Sender of the Channel. It closes with its Scope, or earlier by its own `close`; the Channel ends when
 * the last Sender that was opened has closed. Opening one on a Channel that has ended is a defect.
 *
 * @category constructors
 */
export const sender = <A>(channel: Channel<A>): Effect.Effect<Sender<A>, never, Scope.Scope> => channel.open

/**
 * The span that a message of this source was sent in: of what came through a Channel, was sent where somebody traces, and
 * is an object. Undefined otherwise.
 *
 * @category getters
 */
export const spanOf = (source: unknown): ((message: unknown) => Tracer.AnySpan | undefined) =>
  isReceiver(source) ? source.sentIn : () => undefined

const isReceiver = (source: unknown): source is Receiver<unknown> =>
  Queue.isDequeue(source) && Predicate.hasProperty(source, "sentIn") && Predicate.isFunction(source.sentIn)
