/**
 * Activity: news of what an agent does, while it does it, for people who look on: the status page, a live list of events.
 * It is news and no record: who comes late has missed it, and for who listens too slowly the oldest are dropped and counted.
 *
 * News costs nothing while nobody listens: it is not even made then.
 *
 * Prints what an agent delivers, while it does:
 *
 * ```ts
 * import { Activity } from "@observability-agents/core/Activity"
 * import { Console, Effect, Stream } from "effect"
 *
 * export const program = Effect.gen(function* () {
 *   const activity = yield* Activity
 *   yield* Stream.runForEach(activity.stream, (news) =>
 *     news.kind === "delivered" ? Console.log(`${news.event.component}: ${news.event.title}`) : Effect.void
 *   )
 * })
 * ```
 */
import type * as Event from "@observability-agents/toolkit/Event"
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as PubSub from "effect/PubSub"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as EventTitle from "./EventTitle.ts"

/**
 * An event as news tell of it.
 *
 * @category models
 */
export interface Subject {
  /** The event's type as the server's addresses have it, such as `run-status`. */
  readonly type: EventType
  /** The event in a few words, as `EventTitle` makes them. */
  readonly title: string
  /** The component's key (pipeline, dataset, …), and its name where one is known. */
  readonly component: string
  readonly componentName?: string | undefined
  readonly run?: string | undefined
  readonly task?: string | undefined
}

/**
 * One piece of news.
 *
 * @category models
 */
export type News =
  /** A read of a source was committed to its end. */
  | { readonly kind: "polled"; readonly source: string; readonly cursor: DateTime.Utc }
  /** Something was committed: so many new events, so many known ones, about so many runs. */
  | {
      readonly kind: "committed"
      readonly source: string
      readonly accepted: number
      readonly repeated: number
      readonly runs: number
    }
  /** An event is on its way to the server. */
  | { readonly kind: "sent"; readonly event: Subject }
  /** The server took an event, so many seconds after what it tells of. */
  | { readonly kind: "delivered"; readonly event: Subject; readonly lag: number | undefined }
  /** The server did not take an event; it is sent again after so many seconds at the earliest. */
  | {
      readonly kind: "retried"
      readonly event: Subject
      readonly attempts: number
      readonly after: number
      readonly error: string
    }
  /** An event became a dead letter. */
  | { readonly kind: "rejected"; readonly event: Subject; readonly reason: string; readonly words: string }
  /** A part of the agent works again, or does not work any more. */
  | {
      readonly kind: "health"
      readonly part: string
      readonly state: "ok" | "failing"
      readonly reason?: string | undefined
    }
  /** A line of the log, of level WARN at least. */
  | {
      readonly kind: "log"
      readonly level: string
      readonly message: string
      readonly loop?: string | undefined
      readonly cause?: string | undefined
    }

/** The kinds of news. */
export type Kind = News["kind"]

/** All kinds of news. */
export const kinds: ReadonlyArray<Kind> = [
  "polled",
  "committed",
  "sent",
  "delivered",
  "retried",
  "rejected",
  "health",
  "log"
]

/**
 * News, numbered in its order, with its moment. Who sees a gap in the numbers was too slow for what is missing.
 *
 * @category models
 */
export type Told = News & { readonly number: number; readonly at: DateTime.Utc }

/**
 * Where news is told and heard.
 *
 * @category services
 */
export class Activity extends Context.Service<
  Activity,
  {
    /** Tells news to all who listen. It is made only if somebody does. */
    readonly tell: (news: () => News) => Effect.Effect<void>
    /** Hears all news from now on, until the Scope closes. */
    readonly listen: Effect.Effect<PubSub.Subscription<Told>, never, Scope.Scope>
    /** All news from the moment that the Stream is run. */
    readonly stream: Stream.Stream<Told>
    /** How many pieces of news were dropped because somebody listens too slowly. */
    readonly dropped: Effect.Effect<number>
  }
>()("@observability-agents/core/Activity") {
  /** Nobody listens yet; at most 1024 pieces of news wait for the slowest listener. */
  static readonly layer: Layer.Layer<Activity> = Layer.effect(
    Activity,
    Effect.suspend(() => make())
  )
}

/**
 * Makes an Activity that keeps so much news for the slowest of its listeners.
 *
 * @category constructors
 */
export const make = Effect.fnUntraced(function* (options?: {
  readonly capacity?: number | undefined
}): Effect.fn.Return<Activity["Service"]> {
  const capacity = options?.capacity ?? CAPACITY
  const news = yield* PubSub.sliding<Told>(capacity)
  let listeners = 0
  let number = 0
  let dropped = 0
  const listen = Effect.andThen(
    Effect.acquireRelease(
      Effect.sync(() => {
        listeners += 1
      }),
      () =>
        Effect.sync(() => {
          listeners -= 1
        })
    ),
    PubSub.subscribe(news)
  )
  return Activity.of({
    tell: (make) =>
      Effect.suspend(() => {
        if (listeners === 0) return Effect.void
        return Effect.flatMap(DateTime.now, (at) => {
          number += 1
          if (PubSub.sizeUnsafe(news) >= capacity) dropped += 1
          return Effect.asVoid(PubSub.publish(news, { ...make(), number, at }))
        })
      }),
    listen,
    stream: Stream.unwrap(Effect.map(listen, Stream.fromSubscription)),
    dropped: Effect.sync(() => dropped)
  })
})

const CAPACITY = 1024

/** The types of events as the server's addresses have them. */
export type EventType = "run-status" | "message-log" | "metric-log" | "dataset-operation" | "test-outcomes"

/** The type of an event as the server's address for it has it; metrics use it as a label. */
export const typeOf = ({ _tag }: Event.Event): EventType => TYPES[_tag]

const TYPES = {
  RunStatus: "run-status",
  MessageLog: "message-log",
  MetricLog: "metric-log",
  DatasetOperation: "dataset-operation",
  TestOutcomes: "test-outcomes"
} as const satisfies Record<Event.Event["_tag"], EventType>

/** All types of events. */
export const eventTypes: ReadonlyArray<EventType> = Object.values(TYPES)

/** What news says of an event. */
export const subject = (event: Event.Event): Subject => ({
  type: typeOf(event),
  title: EventTitle.title(event),
  component: event.pipelineKey ?? event.datasetKey ?? event.serverKey ?? event.streamKey ?? "",
  componentName: event.pipelineName ?? event.datasetName ?? event.serverName ?? event.streamName,
  run: event.runKey,
  task: event.taskKey
})

/**
 * What to let through: news of these kinds, and of news about events only those whose run or component fits. News that is
 * not about an event is left out where a run or a component is asked for. A `*` stands for any characters.
 *
 * @category models
 */
export interface Filter {
  readonly kinds?: ReadonlySet<string> | undefined
  readonly types?: ReadonlySet<string> | undefined
  readonly run?: string | undefined
  readonly component?: string | undefined
}

/** Whether news passes the filter. */
export const passes = (filter: Filter): ((news: News) => boolean) => {
  const run = filter.run === undefined ? undefined : pattern(filter.run)
  const component = filter.component === undefined ? undefined : pattern(filter.component)
  return (news) => {
    if (filter.kinds !== undefined && !filter.kinds.has(news.kind)) return false
    const event = "event" in news ? news.event : undefined
    if (filter.types !== undefined && !(event !== undefined && filter.types.has(event.type))) return false
    if (run !== undefined && !(event?.run !== undefined && run(event.run))) return false
    if (component === undefined) return true
    return (
      event !== undefined &&
      (component(event.component) || (event.componentName !== undefined && component(event.componentName)))
    )
  }
}

const pattern = (text: string): ((value: string) => boolean) => {
  if (!text.includes("*")) return (value) => value === text
  const parts = text.split("*")
  const first = parts[0] ?? ""
  const last = parts.at(-1) ?? ""
  // By hand: an expression made of it could take for ever on a text that was chosen to make it.
  return (value) => {
    if (!value.startsWith(first) || !value.endsWith(last)) return false
    let from = first.length
    for (const part of parts.slice(1, -1)) {
      const found = value.indexOf(part, from)
      if (found < 0) return false
      from = found + part.length
    }
    return from <= value.length - last.length
  }
}
