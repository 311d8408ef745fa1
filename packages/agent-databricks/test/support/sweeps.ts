/** A workspace and sweeps over it, whose Polls are tracked at once and kept. */
import { DateTime, Duration, Effect, Layer, Logger, References } from "effect"
import { TestClock } from "effect/testing"
import * as Health from "@observability-agents/core/Health"
import { Outbox } from "@observability-agents/core/Outbox"
import * as OutboxMemory from "@observability-agents/core/OutboxMemory"
import * as RunTracker from "@observability-agents/core/RunTracker"
import * as Window from "@observability-agents/core/Window"
import { HttpClient, HttpClientRequest } from "effect/http"
import { Databricks, make } from "@observability-agents/agent-databricks/Databricks"
import * as Sweep from "@observability-agents/agent-databricks/Sweep"
import type * as Event from "@observability-agents/toolkit/Event"
import * as Fake from "@observability-agents/agent-databricks/testing/FakeDatabricks"

export const noon = DateTime.makeUnsafe("2026-03-01T12:00:00Z")
const source = "databricks test"
const retention = { closed: "1 hour", failed: "7 days" } as const

/** A workspace, and a sweep over it whose Polls are tracked at once and kept. */
export const scene = Effect.fnUntraced(function* (
  options: Partial<Sweep.Options> = {},
  workspace: Fake.Options = {}
) {
  yield* TestClock.setTime(DateTime.toEpochMillis(noon))
  const fake = yield* Fake.make(workspace)
  const polls: Array<RunTracker.Poll> = []
  const logs: Array<string> = []
  const logger = Logger.make(({ message }) => void logs.push(String(message)))
  const context = yield* Layer.build(
    Layer.mergeAll(
      OutboxMemory.layer(),
      Health.Health.layer,
      Logger.layer([logger]),
      Layer.succeed(References.MinimumLogLevel, "Warn"),
      Layer.succeed(
        Databricks,
        make({
          client: HttpClient.mapRequest(fake.client, HttpClientRequest.bearerToken("dapi-fake")),
          host: "fake.example",
          version: "2.2"
        })
      )
    )
  )
  const send = (poll: RunTracker.Poll) =>
    Effect.andThen(
      Effect.sync(() => polls.push(poll)),
      Effect.asVoid(Effect.orDie(RunTracker.apply(poll, { retention })))
    ).pipe(Effect.provide(context))
  const start = Effect.provide(
    Sweep.make({
      source,
      sender: { send, sendAll: Effect.forEach(send, { discard: true }), close: Effect.void },
      jobs: [],
      lookBack: Duration.minutes(5),
      period: Duration.seconds(5),
      failedWatchPeriod: Duration.minutes(10),
      failedWatchMaxTime: Duration.days(7),
      ...options
    }),
    context
  )
  let task = yield* start
  let from = noon
  const sweep = Effect.gen(function* () {
    polls.length = 0
    const before = (yield* fake.requests).length
    const to = yield* DateTime.now
    const result = yield* Effect.result(task(Window.make(from, to)))
    const cursor = polls.at(-1)?.cursor
    if (cursor !== undefined) from = cursor
    const requests = (yield* fake.requests).slice(before)
    const count = (call: Fake.Call) => requests.filter((request) => request.call === call).length
    return {
      result,
      polls: [...polls],
      /** What was told of each run. */
      phases: polls.flatMap(({ snapshots }) => snapshots.map(({ phase, run }) => `${run.key} ${phase}`)),
      cursor,
      requests,
      counts: { list: count("list"), get: count("get"), output: count("output") }
    }
  }).pipe(Effect.provide(context))
  /** All events that were not looked at yet. */
  const events = Effect.gen(function* () {
    const outbox = yield* Outbox
    const found: Array<Event.Event> = []
    while ((yield* outbox.status).pending > 0) {
      const claim = yield* outbox.claim
      found.push(claim.entry.event)
      yield* outbox.delivered(claim)
    }
    return found
  }).pipe(Effect.provide(context))
  const messages = Effect.map(events, (found) =>
    found.flatMap((event) => (event._tag === "MessageLog" ? [event.message] : []))
  )
  /** As after a restart, nothing is remembered but what was committed. */
  const restart = Effect.map(start, (again) => {
    task = again
  })
  return { fake, sweep, logs, messages, events, restart }
})
