/**
 * How many requests a workspace is sent: a bucket of tokens that fills at a fixed rate. Each request takes one; where there
 * is none, it waits for its turn.
 *
 * The wait stands before the time-outs of a request, so that it never looks like a silent workspace. A request that is sent
 * again has waited already: its token is taken in advance, and the next one waits for it. When Databricks itself calls for
 * less (429), all requests wait for as long as it asks.
 */
import * as AgentMetrics from "@observability-agents/core/AgentMetrics"
import * as Loop from "@observability-agents/core/Loop"
import * as SteadyTime from "@observability-agents/core/SteadyTime"
import * as HttpPolicy from "@observability-agents/toolkit/HttpPolicy"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as HttpClient from "effect/http/HttpClient"
import type * as HttpClientError from "effect/http/HttpClientError"
import type * as HttpClientResponse from "effect/http/HttpClientResponse"
import type * as Scope from "effect/Scope"

/** The budget of one workspace. */
export interface Options {
  /** What the workspace is called in metrics and in the log. */
  readonly workspace: string
  /** In the long run, and more than 0. */
  readonly requestsPerSecond: number
}

/** So many seconds' requests may be sent at once after a rest. */
export const BURST_SECONDS = 2

/** A bucket. */
export interface Budget {
  /** Lets each request of a client wait for its turn. To be put around what retries and times out. */
  readonly admit: (client: HttpClient.HttpClient) => HttpClient.HttpClient
  /** Counts what a client sends, retries too. To be put below what retries. */
  readonly meter: (client: HttpClient.HttpClient) => HttpClient.HttpClient
  /** How many requests could be sent at once now; a fraction of one is none. */
  readonly available: () => number
}

/** Makes a full bucket, which shows in the metrics until the Scope closes. */
export const make = Effect.fnUntraced(function* (
  options: Options
): Effect.fn.Return<Budget, never, Scope.Scope> {
  const steady = yield* SteadyTime.make
  const { workspace } = options
  const interval = 1000 / options.requestsPerSecond
  const capacity = Math.max(1, options.requestsPerSecond * BURST_SECONDS)
  // When the bucket is full again: one number says how many tokens are in it at any time.
  let full = steady.now()
  let pausedUntil = full
  let exhausted: { readonly since: number; requests: number } | undefined
  let loggedAt = Number.NEGATIVE_INFINITY

  const available = (): number => {
    const now = steady.now()
    if (now < pausedUntil) return 0
    return Math.min(capacity, Math.max(0, Math.floor(capacity - (full - now) / interval + ROUNDING)))
  }

  /** Takes a token, and answers how long to wait for it. */
  const take = (): number => {
    const now = steady.now()
    full = Math.max(full, now) + interval
    return Math.max(0, Math.ceil(full - capacity * interval - now), pausedUntil - now)
  }

  const pause = (delay: Duration.Duration) => {
    pausedUntil = Math.max(pausedUntil, steady.now() + Math.min(Duration.toMillis(delay), MAX_PAUSE_MILLIS))
  }

  const note = Effect.fnUntraced(function* (wait: number) {
    const now = steady.now()
    if (wait === 0) {
      exhausted = undefined
      return
    }
    exhausted ??= { since: now, requests: 0 }
    exhausted.requests += 1
    if (now - exhausted.since < LASTING_MILLIS || now - loggedAt < LOG_MILLIS) return
    loggedAt = now
    yield* Effect.logWarning(
      "The request budget is used up; the sweep takes longer. Raise requests_per_second or period of [databricks], or observe fewer jobs"
    ).pipe(
      Effect.annotateLogs({
        workspace,
        requestsPerSecond: options.requestsPerSecond,
        waiting: Duration.format(Duration.millis(now - exhausted.since)),
        requests: exhausted.requests
      })
    )
  })

  const counters = new Map(
    CALLS.map((call) => [
      call,
      AgentMetrics.family("tool_requests_total", (outcome) => ({ workspace, call, outcome }))
    ])
  )
  yield* AgentMetrics.toolBudget(workspace, available)

  return {
    available,
    admit: (client) =>
      HttpClient.transform(client, (attempt) =>
        Effect.suspend(() => {
          const wait = take()
          const sent = Effect.provideService(attempt, Taken, { tokens: 1 })
          return Effect.flatMap(note(wait), () => (wait === 0 ? sent : Effect.delay(sent, wait)))
        })
      ),
    meter: (client) =>
      HttpClient.transform(client, (attempt, request) =>
        Effect.flatMap(Taken, (taken) => {
          if (taken.tokens > 0) taken.tokens -= 1
          else take()
          return Effect.onExit(attempt, (exit) =>
            Effect.gen(function* () {
              if (Exit.isSuccess(exit) && exit.value.status === 429) {
                const asked = HttpPolicy.askedDelay(exit.value.headers, yield* Clock.currentTimeMillis)
                pause(asked ?? UNASKED_PAUSE)
              }
              yield* counters.get(callOf(request.url))?.(outcomeOf(exit)) ?? Effect.void
              // A sweep of many requests gets on with each that is answered.
              if (Exit.isSuccess(exit)) yield* Loop.progress
            })
          )
        })
      )
  }
})

// ---- private

/** The tokens that a request has taken before it is sent. */
const Taken = Context.Reference<{ tokens: number }>("@observability-agents/agent-databricks/Budget/Taken", {
  defaultValue: () => ({ tokens: 0 })
})

/** As long as one request waits at most because the service asks for it; see `HttpPolicy`. */
const MAX_PAUSE_MILLIS = 60_000

const UNASKED_PAUSE = Duration.seconds(1)

/** A first sweep over many runs empties the bucket once. That is what it is for, and no reason to say anything. */
const LASTING_MILLIS = 15_000

const LOG_MILLIS = 3_600_000

/** Times are whole milliseconds. */
const ROUNDING = 1e-6

const CALLS = ["list", "get", "output"] as const

const callOf = (url: string): (typeof CALLS)[number] =>
  url.endsWith("/runs/get-output") ? "output" : url.endsWith("/runs/get") ? "get" : "list"

const outcomeOf = (
  exit: Exit.Exit<HttpClientResponse.HttpClientResponse, HttpClientError.HttpClientError>
): string =>
  Exit.isSuccess(exit)
    ? exit.value.status >= 200 && exit.value.status < 300
      ? "success"
      : String(exit.value.status)
    : Exit.hasInterrupts(exit)
      ? "interrupted"
      : "failure"
