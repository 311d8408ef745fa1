/**
 * The metrics of an agent: their names, kinds, labels and what they say, in one list from which they are made and the
 * documentation is written. Names follow the conventions of Prometheus: base units (seconds), `_total` for what only grows.
 *
 * Where a number is kept anyway, it is read when somebody asks for metrics ({@link observe}) and costs nothing meanwhile.
 * Labels hold names that settings or code give, of which there are few: never a run's or a job's.
 */
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import type * as Scope from "effect/Scope"

/** What all names begin with. */
export const PREFIX = "observability_agent_"

/** What is known of one metric. */
export interface Definition {
  readonly type: "counter" | "gauge" | "histogram"
  /** One sentence for the documentation and for whoever scrapes. */
  readonly description: string
  readonly labels: ReadonlyArray<string>
  /** What the number counts or measures. */
  readonly unit: string
  /** Upper bounds of a histogram's buckets, in its unit. */
  readonly boundaries?: ReadonlyArray<number>
}

const seconds = [0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300]

/** All metrics, by name without the prefix. */
export const definitions = {
  polls_total: {
    type: "counter",
    description: "Reads of a tool that came to an end, by outcome (success, failure).",
    labels: ["source", "outcome"],
    unit: "polls"
  },
  poll_duration_seconds: {
    type: "histogram",
    description: "How long one read of a tool took, waiting for room downstream included.",
    labels: ["source"],
    unit: "seconds",
    boundaries: seconds
  },
  tool_requests_total: {
    type: "counter",
    description: "Requests to a tool, by workspace, call and outcome.",
    labels: ["workspace", "call", "outcome"],
    unit: "requests"
  },
  tool_request_budget_available: {
    type: "gauge",
    description:
      "Requests that could be sent to the tool at once now without exceeding the rate that the settings allow.",
    labels: ["workspace"],
    unit: "requests"
  },
  events_committed_total: {
    type: "counter",
    description: "Events taken into the Outbox, by type. Repeated ones are not counted.",
    labels: ["type"],
    unit: "events"
  },
  events_delivered_total: {
    type: "counter",
    description: "Events that the server accepted, by type.",
    labels: ["type"],
    unit: "events"
  },
  events_rejected_total: {
    type: "counter",
    description: "Events that became dead letters, by type.",
    labels: ["type"],
    unit: "events"
  },
  delivery_attempts_total: {
    type: "counter",
    description:
      "Tries to deliver an event, by outcome (delivered, rejected, unauthorized, unavailable, interrupted, broken).",
    labels: ["outcome"],
    unit: "attempts"
  },
  delivery_lag_seconds: {
    type: "histogram",
    description: "Time from the moment that an event tells of to its acceptance by the server.",
    labels: [],
    unit: "seconds",
    boundaries: [1, 2.5, 5, 10, 15, 30, 60, 120, 300, 900, 3600, 21_600, 86_400]
  },
  delivery_duration_seconds: {
    type: "histogram",
    description: "How long the server took for one event, retries of the request included.",
    labels: [],
    unit: "seconds",
    boundaries: seconds
  },
  outbox_events: {
    type: "gauge",
    description:
      "Events in the Outbox: pending (to be sent), in_flight (of those, on their way), dead (dead letters).",
    labels: ["state"],
    unit: "events"
  },
  outbox_lanes: {
    type: "gauge",
    description: "Runs that have pending events.",
    labels: [],
    unit: "lanes"
  },
  outbox_oldest_pending_seconds: {
    type: "gauge",
    description: "Age of the oldest pending event since it was committed; 0 where nothing is pending.",
    labels: [],
    unit: "seconds"
  },
  channel_depth: {
    type: "gauge",
    description: "Messages in the Channel.",
    labels: ["channel"],
    unit: "messages"
  },
  channel_capacity: {
    type: "gauge",
    description: "Messages that fit in the Channel.",
    labels: ["channel"],
    unit: "messages"
  },
  channel_waiting: {
    type: "gauge",
    description: "Sends held back because the Channel is full.",
    labels: ["channel"],
    unit: "sends"
  },
  loop_runs_total: {
    type: "counter",
    description: "Runs of a Loop that came to an end, by outcome (success, failure).",
    labels: ["loop", "outcome"],
    unit: "runs"
  },
  loop_last_success_timestamp_seconds: {
    type: "gauge",
    description:
      "When the newest run of the Loop that came to a good end began, in seconds since 1970; 0 where none did.",
    labels: ["loop"],
    unit: "seconds"
  },
  heartbeats_total: {
    type: "counter",
    description: "Heartbeats, by outcome (sent, failed, withheld).",
    labels: ["outcome"],
    unit: "heartbeats"
  },
  health_parts: {
    type: "gauge",
    description: "Parts of the agent, by state (ok, failing).",
    labels: ["state"],
    unit: "parts"
  },
  runs_followed: {
    type: "gauge",
    description: "Runs of the source that are open and followed.",
    labels: ["source"],
    unit: "runs"
  },
  send_concurrency: {
    type: "gauge",
    description: "How many events may be on their way to the server at once.",
    labels: [],
    unit: "events"
  }
} as const satisfies Record<string, Definition>

/** A metric's name without the prefix. */
export type Name = keyof typeof definitions

type NameOf<T extends Definition["type"]> = {
  [N in Name]: (typeof definitions)[N]["type"] extends T ? N : never
}[Name]

/** The labels of a metric, each with its value. */
export type Labels<N extends Name> = Readonly<Record<(typeof definitions)[N]["labels"][number], string>>

/** The counter of this name with these labels. Making it is not free: on hot paths it is made once and kept. */
export const counter = <N extends NameOf<"counter">>(name: N, labels: Labels<N>): Metric.Counter<number> =>
  Metric.counter(PREFIX + name, {
    description: definitions[name].description,
    attributes: labels,
    incremental: true
  })

/** The gauge of this name with these labels. */
export const gauge = <N extends NameOf<"gauge">>(name: N, labels: Labels<N>): Metric.Gauge<number> =>
  Metric.gauge(PREFIX + name, { description: definitions[name].description, attributes: labels })

/** The histogram of this name with these labels. */
export const histogram = <N extends NameOf<"histogram">>(
  name: N,
  labels: Labels<N>
): Metric.Histogram<number> => {
  const { boundaries, description } = definitions[name]
  return Metric.histogram(PREFIX + name, { description, attributes: labels, boundaries })
}

/** Makes a counter or gauge whose number is read by `value` whenever metrics are asked for, until it is removed. */
export const register = <N extends NameOf<"counter" | "gauge">>(
  context: Context.Context<never>,
  name: N,
  labels: Labels<N>,
  value: () => number
): Metric.Registration => {
  const { description, type }: Definition = definitions[name]
  const ignored = { update: () => {}, modify: () => {} }
  const options = { description, attributes: labels }
  return type === "counter"
    ? Metric.registerUnsafe(Metric.counter(PREFIX + name, { ...options, incremental: true }), context, {
        ...ignored,
        get: () => ({ count: value(), incremental: true })
      })
    : Metric.registerUnsafe(Metric.gauge(PREFIX + name, options), context, {
        ...ignored,
        get: () => ({ value: value() })
      })
}

/** As {@link register}, until the Scope closes. */
export const observe = <N extends NameOf<"counter" | "gauge">>(
  name: N,
  labels: Labels<N>,
  value: () => number
): Effect.Effect<void, never, Scope.Scope> =>
  Effect.asVoid(
    Effect.acquireRelease(
      Effect.contextWith((context: Context.Context<never>) =>
        Effect.sync(() => register(context, name, labels, value))
      ),
      (registration) => Effect.sync(() => registration.remove())
    )
  )

/**
 * Counters of one name that differ in one label, each made when it is first needed: for hot paths. Only for labels of
 * which there are few values.
 */
export const family = <N extends NameOf<"counter">>(
  name: N,
  labelsOf: (value: string) => Labels<N>
): ((value: string, amount?: number) => Effect.Effect<void>) => {
  const counters = new Map<string, Metric.Counter<number>>()
  return (value, amount = 1) =>
    Effect.contextWith((context: Context.Context<never>) =>
      Effect.sync(() => {
        let known = counters.get(value)
        if (known === undefined) counters.set(value, (known = counter(name, labelsOf(value))))
        known.updateUnsafe(amount, context)
      })
    )
}

/**
 * Makes a counter or histogram show from now on, empty at first, until the Scope closes. What shows only with its first number
 * hides that one from `increase` and `rate`, and with it the alerts that ask for them.
 */
export const shown = <Input, State>(
  metric: Metric.Metric<Input, State>
): Effect.Effect<void, never, Scope.Scope> =>
  Effect.asVoid(Effect.acquireRelease(Metric.value(metric), () => Metric.remove(metric)))

/** As {@link shown}, the counters of one name that differ in their labels, and for good: they count over restarts of parts. */
export const begun = <N extends NameOf<"counter">>(
  name: N,
  all: ReadonlyArray<Labels<N>>
): Effect.Effect<void> =>
  Effect.forEach(all, (labels) => Metric.value(counter(name, labels)), { discard: true })

/** Tells how many requests to the tool could be sent at once now, read by `available` when asked, until the Scope closes. */
export const toolBudget = (
  workspace: string,
  available: () => number
): Effect.Effect<void, never, Scope.Scope> =>
  observe("tool_request_budget_available", { workspace }, available)

/** Tells how many runs of a source are open and followed, read by `open` when asked, until the Scope closes. */
export const runsFollowed = (source: string, open: () => number): Effect.Effect<void, never, Scope.Scope> =>
  observe("runs_followed", { source }, open)
