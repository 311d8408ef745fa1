/**
 * What an outage of the server costs in memory: 24 virtual hours in which 50 000 events are committed to a state file and
 * none is accepted, and then their delivery. Prints the heap and the resident set, after a collection of garbage, every six
 * hours and in the end, and checks that every event arrived once and in order.
 *
 *     node --expose-gc --conditions=@observability-agents/source bench/Outage.ts
 */
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import * as EventSender from "@observability-agents/core/EventSender"
import { Health } from "@observability-agents/core/Health"
import { Outbox } from "@observability-agents/core/Outbox"
import * as OutboxSqlite from "@observability-agents/core/OutboxSqlite"
import { Supervisor } from "@observability-agents/core/Supervisor"
import { FakeObservability } from "@observability-agents/testing/FakeObservability"
import * as ServerFault from "@observability-agents/testing/ServerFault"
import * as Event from "@observability-agents/toolkit/Event"
import { DateTime, Duration, Effect, Layer, Logger } from "effect"
import { TestClock } from "effect/testing"

const EVENTS = 50_000
const MINUTES = 24 * 60
const START = Date.UTC(2026, 0, 5, 8)
const directory = Fs.mkdtempSync(Path.join(Os.tmpdir(), "outage-"))

/** Some hundred runs at a time; each event is the next message of its run. */
const eventAt = (index: number, at: DateTime.Utc) => {
  const run = index % 500
  const event = Event.messageLog({
    pipelineKey: `job-${run % 20}`,
    runKey: String(run),
    level: "INFO",
    message: `message ${index} of the outage`,
    timestamp: at
  })
  return { id: `m${index}`, lane: Event.lane(event), event }
}

const show = (when: string, pending: number) => {
  globalThis.gc?.()
  const { heapUsed, rss } = process.memoryUsage()
  const mebibytes = (bytes: number) => (bytes / 1024 / 1024).toFixed(1).padStart(9)
  console.log(`${when.padEnd(22)}${String(pending).padStart(9)}${mebibytes(heapUsed)}${mebibytes(rss)}`)
}

const program = Effect.gen(function* () {
  yield* TestClock.setTime(START)
  const sender = EventSender.layerWith({
    concurrency: 2,
    concurrencyMaximum: 8,
    retryMaximum: Duration.minutes(1),
    unauthorizedRetryPeriod: Duration.minutes(1),
    maxServerErrors: 20
  }).pipe(
    Layer.provideMerge(OutboxSqlite.layer({ path: Path.join(directory, "state.db") })),
    Layer.provide([Supervisor.layer, Health.layer]),
    Layer.provide(FakeObservability.layerObservability()),
    Layer.provideMerge(FakeObservability.layer)
  )
  yield* Effect.gen(function* () {
    const outbox = yield* Outbox
    const server = yield* FakeObservability
    console.log("                        pending  heap MiB   RSS MiB")
    show("before", 0)
    yield* server.fail(ServerFault.badGateway)
    let made = 0
    for (let minute = 1; minute <= MINUTES; minute++) {
      const now = yield* DateTime.now
      const until = Math.floor((EVENTS * minute) / MINUTES)
      const entries = Array.from({ length: until - made }, (_, index) => eventAt(made + index, now))
      made = until
      yield* outbox.commit({ source: "bench", cursor: now, runs: [], forget: [], entries })
      yield* TestClock.adjust("1 minute")
      if (minute % (6 * 60) === 0) show(`after ${minute / 60} h of outage`, (yield* outbox.status).pending)
    }
    const tried = (yield* server.requests).length
    yield* server.recover
    // In small steps until the next probe gets through; then nothing has to wait for time any more.
    while ((yield* server.events).length === 0) yield* TestClock.adjust("1 second")
    yield* server.awaitEvents(EVENTS)
    yield* TestClock.adjust("1 second")
    const { pending } = yield* outbox.status
    show("delivered", pending)
    const events = yield* server.events
    const last = new Map<string, number>()
    let disorder = 0
    for (const event of events) {
      const number = event._tag === "MessageLog" ? Number(event.message.split(" ")[1]) : Number.NaN
      if (number <= (last.get(Event.lane(event)) ?? -1)) disorder += 1
      last.set(Event.lane(event), number)
    }
    console.log(
      `${tried} tries in 24 h; ${events.length} of ${EVENTS} events delivered, ${disorder} repeated or out of order`
    )
    if (events.length !== EVENTS || disorder > 0 || pending > 0) process.exitCode = 1
  }).pipe(Effect.provide(sender))
}).pipe(Effect.provide(Layer.merge(TestClock.layer(), Logger.layer([]))))

await Effect.runPromise(program).finally(() => Fs.rmSync(directory, { recursive: true, force: true }))
