/**
 * A bounded Queue between two Tasks, with an end.
 *
 * Whoever sends holds a Sender; a Channel may have many. While the Channel is full, senders wait: that is how a slow
 * receiver holds back all that is upstream of it. When the last Sender closes, the Channel ends: receivers get what is
 * still in it, and then learn that nothing will follow.
 */
import type * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"

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
  readonly receiver: Queue.Dequeue<A, Cause.Done>
  /** How many messages are in the Channel now. */
  readonly depth: Effect.Effect<number>
  /** How many sends are waiting now because the Channel is full. */
  readonly waiting: Effect.Effect<number>
  /** Opens one more Sender. See {@link sender}. */
  readonly open: Effect.Effect<Sender<A>, never, Scope.Scope>
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
 * While it has a Sender, three gauges with the attribute `channel` tell how full it is: `channel_depth`,
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
  const waiting = () => (queue.state._tag === "Done" ? 0 : queue.state.offers.size)
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
        gauge("channel_depth", "Messages in the Channel", () => Queue.sizeUnsafe(queue)),
        gauge("channel_capacity", "Messages that fit in the Channel", () => capacity),
        gauge("channel_waiting", "Sends held back because the Channel is full", waiting)
      ].map((register) => register(fiber.context, name))
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
          Effect.suspend(() => {
            if (closed) return refused()
            return Queue.offerUnsafe(queue, message) ? Effect.void : wait(message)
          }),
        sendAll: (messages) =>
          Effect.suspend(() => {
            if (closed) return refused()
            return Effect.flatMap(Queue.offerAll(queue, messages), (left) =>
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
    receiver: Queue.asDequeue(queue),
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

const gauge =
  (id: string, description: string, value: () => number) =>
  (context: Context.Context<never>, channel: string): Metric.Registration =>
    Metric.registerUnsafe(Metric.gauge(id, { description, attributes: { channel } }), context, {
      get: () => ({ value: value() }),
      update: () => {},
      modify: () => {}
    })
