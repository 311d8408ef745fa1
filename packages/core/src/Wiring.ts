/**
 * What an agent was wired of: the Loops and Channels that its Layer made, and which Loop receives and sends by which
 * Channel. It is noted down while the Layer is built, so the graph of an agent is drawn from what is really there, and what
 * reads an agent's health knows which Loops are to be expected.
 *
 * Nothing is noted, and nothing is spent, where no Wiring was provided.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"

/**
 * A Loop as it was made.
 *
 * @category models
 */
export interface Loop {
  readonly name: string
  /** What makes it run: time (with a Window), messages, a Schedule; or it runs once. */
  readonly kind: "periodic" | "receive" | "schedule" | "once"
  /** From the start of one run to the start of the next, in milliseconds, for a Loop that runs at a fixed rate. */
  readonly period: () => number | undefined
  /** The Channel that its messages come from. */
  readonly receives: string | undefined
  /** The Channels that it sends by. */
  readonly sends: ReadonlyArray<string>
  /** Since when the run has been in work that has been so for longest, in milliseconds since 1970. */
  readonly busySince: () => number | undefined
  /** For how many milliseconds it has, by the monotonic clock. */
  readonly busyFor: () => number | undefined
  /** After how many milliseconds a run counts as stuck. `Infinity`: its runs may take any time. */
  readonly stuckAfter: number
  /** How many of its runs came to an end, and how many of them failed. */
  readonly runs: () => { readonly total: number; readonly failed: number }
  /** When the newest run that came to a good end began, in milliseconds since 1970. */
  readonly lastSuccess: () => number | undefined
  /** How many milliseconds ago that was, by the monotonic clock. */
  readonly sinceSuccess: () => number | undefined
  /** Whether it runs no more, because its Task or its Channel ended it. */
  readonly ended: () => boolean
}

/**
 * A Channel as it was made.
 *
 * @category models
 */
export interface Channel {
  readonly name: string
  readonly capacity: number
  /** How many messages are in it now. */
  readonly depth: () => number
  /** How many sends are held back now because it is full. */
  readonly waiting: () => number
}

/**
 * What was wired so far.
 *
 * @category models
 */
export interface Wiring {
  /** Nothing is to run: the Layer is built only to learn what it is made of. */
  readonly dry: boolean
  /** Loops that run by time or by a Schedule end after their first run, and with them what they send by. */
  readonly once: boolean
  readonly loops: () => ReadonlyArray<Loop>
  readonly channels: () => ReadonlyArray<Channel>
  /** Notes a Channel, by the end where its messages come out. */
  readonly channel: (channel: Channel, receiver: object) => void
  /** Forgets a Channel that is not there any more. */
  readonly forget: (channel: Channel) => void
  /** Notes a Sender of a Channel, by the Effect that closes it. */
  readonly sender: (channel: string, close: object) => void
  /** Notes a Loop until the Scope closes. Of `ends`, those that it knows are found again. */
  readonly loop: (
    loop: Omit<Loop, "receives" | "sends">,
    ends: { readonly receiver?: unknown; readonly closes: ReadonlyArray<unknown> }
  ) => Effect.Effect<void, never, Scope.Scope>
}

/**
 * Where Loops and Channels note themselves; nowhere unless provided.
 *
 * @category references
 */
export const Current: Context.Reference<Wiring | undefined> = Context.Reference<Wiring | undefined>(
  "@observability-agents/core/Wiring",
  { defaultValue: () => undefined }
)

/**
 * An empty Wiring.
 *
 * @category constructors
 */
export const make = (options?: { readonly dry?: boolean; readonly once?: boolean }): Wiring => {
  const loops = new Set<Loop>()
  const channels = new Map<string, Channel>()
  const receivers = new WeakMap<object, string>()
  const senders = new WeakMap<object, string>()
  const find = (known: WeakMap<object, string>, key: unknown): string | undefined =>
    typeof key === "object" && key !== null ? known.get(key) : undefined
  return {
    dry: options?.dry ?? false,
    once: options?.once ?? false,
    loops: () => Array.from(loops),
    channels: () => Array.from(channels.values()),
    channel: (channel, receiver) => {
      channels.set(channel.name, channel)
      receivers.set(receiver, channel.name)
    },
    forget: (channel) => {
      if (channels.get(channel.name) === channel) channels.delete(channel.name)
    },
    sender: (channel, close) => {
      senders.set(close, channel)
    },
    loop: (loop, ends) => {
      const noted: Loop = {
        ...loop,
        receives: find(receivers, ends.receiver),
        sends: ends.closes.flatMap((close) => find(senders, close) ?? [])
      }
      return Effect.asVoid(
        Effect.acquireRelease(
          Effect.sync(() => loops.add(noted)),
          () => Effect.sync(() => loops.delete(noted))
        )
      )
    }
  }
}

/**
 * Channels that are noted within it are forgotten when it closes, where what surrounds it goes on; Loops are in any case.
 *
 * @category layers
 */
export const layerWithin: Layer.Layer<never> = Layer.effect(
  Current,
  Effect.gen(function* () {
    const wiring = yield* Current
    if (wiring === undefined) return undefined
    const noted: Array<Channel> = []
    yield* Effect.addFinalizer(() => Effect.sync(() => noted.forEach(wiring.forget)))
    return {
      ...wiring,
      channel: (channel: Channel, receiver: object) => {
        noted.push(channel)
        wiring.channel(channel, receiver)
      }
    }
  })
)
