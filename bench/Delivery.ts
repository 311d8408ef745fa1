/**
 * How fast events get from the Outbox to a server, beside what could be had at best.
 *
 * The server is `node:http` on the loopback interface, in a thread of its own; it reads the body and answers 204. First it
 * takes 50 ms for each answer: then so many events at once (a fixed `send_concurrency`) make so many per 50 ms at best, and
 * the ratio to that ideal is what counts, beside that of bare undici, which has the same timers and sockets. Then it answers at once: then the Outbox, the sender, the event schemas and the
 * HTTP policy are all there is, beside bare undici that posts the same bodies with the same headers. Both are measured in
 * one process, round by round in turn, so that what the machine does besides falls on both.
 *
 *     node --conditions=@observability-agents/source bench/Delivery.ts
 */
import * as Http from "node:http"
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads"
import * as EventSender from "@observability-agents/core/EventSender"
import { Health } from "@observability-agents/core/Health"
import { type Entry, Outbox } from "@observability-agents/core/Outbox"
import * as OutboxMemory from "@observability-agents/core/OutboxMemory"
import { Supervisor } from "@observability-agents/core/Supervisor"
import * as Event from "@observability-agents/toolkit/Event"
import * as NodeHttp from "@observability-agents/toolkit/NodeHttp"
import * as Observability from "@observability-agents/toolkit/Observability"
import { DateTime, Duration, Effect, Layer, Redacted } from "effect"
import { Agent } from "undici"

const CONCURRENCY = [1, 2, 8, 32]
const LATENCY = 50
const ROUNDS = 7
const WARM_UP = 2
const KEY = "bench"

/** Answers each request after so many milliseconds; tells the port that it listens on. */
const serve = (latency: number): void => {
  const server = Http.createServer((request, response) => {
    request.resume()
    request.on("end", () => {
      const answer = () => response.writeHead(204).end()
      if (latency === 0) answer()
      else setTimeout(answer, latency)
    })
  })
  server.listen(0, "127.0.0.1", () => {
    const address = server.address()
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread's port, not a window
    parentPort?.postMessage(typeof address === "object" ? address?.port : undefined)
  })
}

const startServer = (latency: number) =>
  Effect.acquireRelease(
    Effect.callback<{ readonly worker: Worker; readonly url: string }>((resume) => {
      const worker = new Worker(new URL(import.meta.url), { workerData: latency })
      worker.once("message", (port: number) =>
        resume(Effect.succeed({ worker, url: `http://127.0.0.1:${port}` }))
      )
    }),
    ({ worker }) => Effect.promise(() => worker.terminate())
  )

let made = 0
/** Each in a lane of its own, as many runs as there are events: what is measured is not the waiting of lanes. */
const makeEntries = (count: number): ReadonlyArray<Entry> =>
  Array.from({ length: count }, () => {
    const number = made++
    const event = Event.runStatus({
      pipelineKey: `job-${number % 100}`,
      pipelineName: "Nightly load of the warehouse",
      runKey: `${900_000_000 + number}`,
      taskKey: `task-${number % 7}`,
      status: number % 2 === 0 ? "RUNNING" : "COMPLETED",
      timestamp: DateTime.makeUnsafe(Date.UTC(2026, 0, 1) + number),
      componentTool: "DATABRICKS",
      externalUrl: `https://workspace.example/jobs/${number % 100}/runs/${number}`,
      metadata: { attempt: 0, cluster: "0102-030405-abcdefgh", trigger: "PERIODIC" }
    })
    return { id: String(number), lane: Event.lane(event), event }
  })

const perSecond = (count: number, start: bigint): number =>
  count / (Number(process.hrtime.bigint() - start) / 1e9)

/** Events per second through the Outbox and the sender, from the commit until all are delivered. */
const throughSender = Effect.fnUntraced(function* (
  url: string,
  concurrency: number,
  entries: ReadonlyArray<Entry>
) {
  const outbox = yield* OutboxMemory.make({ capacity: entries.length + 1 })
  let left = entries.length
  let done = () => {}
  const finished = new Promise<void>((resolve) => {
    done = resolve
  })
  const counting = Outbox.of({
    ...outbox,
    delivered: (claim) =>
      Effect.map(outbox.delivered(claim), () => {
        left -= 1
        if (left === 0) done()
      })
  })
  const observability = Layer.effect(
    Observability.Observability,
    Observability.make({
      baseUrl: url,
      key: Redacted.make(KEY),
      // As with the settings' defaults, there are more connections than events under way.
      maxTotalConnections: 2 * concurrency + 1,
      maxKeepaliveConnections: 2 * concurrency + 1
    })
  ).pipe(Layer.provide(NodeHttp.layer))
  yield* Layer.build(
    EventSender.layerWith({
      concurrency,
      retryMaximum: Duration.minutes(1),
      unauthorizedRetryPeriod: Duration.minutes(1),
      maxServerErrors: 20
    }).pipe(
      Layer.provide(
        Layer.mergeAll(observability, Layer.succeed(Outbox, counting), Health.layer, Supervisor.layer)
      )
    )
  )
  const start = process.hrtime.bigint()
  yield* outbox.commit({ source: "bench", runs: [], forget: [], entries })
  yield* Effect.promise(() => finished)
  const rate = perSecond(entries.length, start)
  const { deadLetters, delivered } = yield* outbox.status
  if (delivered !== entries.length || deadLetters !== 0)
    return yield* Effect.die(new Error("not all arrived"))
  return rate
}, Effect.scoped)

/** The same bodies, by as many plain loops over undici. */
const throughUndici = Effect.fnUntraced(function* (
  url: string,
  concurrency: number,
  entries: ReadonlyArray<Entry>
) {
  const bodies = yield* Effect.forEach(entries, ({ event }) =>
    Effect.map(Event.encode(event), (body) => ({ body, path: `/events/v1/${Event.path(event)}` }))
  )
  return yield* Effect.promise(async () => {
    const agent = new Agent({ connections: concurrency })
    const start = process.hrtime.bigint()
    let next = 0
    const loop = async () => {
      for (let item = bodies[next++]; item !== undefined; item = bodies[next++]) {
        const { body, statusCode } = await agent.request({
          origin: url,
          method: "POST",
          path: item.path,
          headers: {
            accept: "application/json",
            "content-type": "application/json",
            serviceaccountauthenticationkey: KEY
          },
          body: item.body
        })
        await body.dump()
        if (statusCode !== 204) throw new Error(`answer ${statusCode}`)
      }
    }
    await Promise.all(Array.from({ length: concurrency }, loop))
    const rate = perSecond(bodies.length, start)
    await agent.close()
    return rate
  })
})

const median = (numbers: ReadonlyArray<number>): number => {
  const sorted = [...numbers].sort((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN
}
const show = (rate: number) => Math.round(rate).toLocaleString("en").padStart(12)

const withLatency = Effect.gen(function* () {
  const { url } = yield* startServer(LATENCY)
  // So many that the code is compiled for speed: an agent runs for months.
  yield* throughSender(url, 32, makeEntries(32 * 60))
  console.log(`a server that takes ${LATENCY} ms, events/s, median of 3 rounds in turn`)
  console.log("concurrency      sender      undici       ideal   sender/ideal  undici/ideal")
  for (const concurrency of CONCURRENCY) {
    const rates = { sender: Array<number>(), undici: Array<number>() }
    for (let round = 0; round < 3; round++) {
      rates.sender.push(yield* throughSender(url, concurrency, makeEntries(concurrency * 40)))
      rates.undici.push(yield* throughUndici(url, concurrency, makeEntries(concurrency * 40)))
    }
    const sender = median(rates.sender)
    const undici = median(rates.undici)
    const ideal = (concurrency * 1000) / LATENCY
    console.log(
      `${String(concurrency).padStart(11)}${show(sender)}${show(undici)}${show(ideal)}${(sender / ideal).toFixed(2).padStart(15)}${(undici / ideal).toFixed(2).padStart(14)}`
    )
  }
}).pipe(Effect.scoped)

const withoutLatency = Effect.gen(function* () {
  const { url } = yield* startServer(0)
  console.log(`\na server that answers at once, events/s, median of ${ROUNDS} rounds in turn`)
  console.log("concurrency      sender      undici   ratio")
  for (const concurrency of CONCURRENCY) {
    const rates = { sender: Array<number>(), undici: Array<number>() }
    for (let round = 0; round < WARM_UP + ROUNDS; round++) {
      const entries = makeEntries(2000)
      const first = round % 2 === 0 ? yield* throughSender(url, concurrency, entries) : undefined
      const undici = yield* throughUndici(url, concurrency, entries)
      const sender = first ?? (yield* throughSender(url, concurrency, entries))
      if (round < WARM_UP) continue
      rates.sender.push(sender)
      rates.undici.push(undici)
    }
    const ratio = median(rates.sender.map((rate, index) => rate / (rates.undici[index] ?? Number.NaN)))
    console.log(
      `${String(concurrency).padStart(11)}${show(median(rates.sender))}${show(median(rates.undici))}${ratio.toFixed(2).padStart(8)}`
    )
  }
}).pipe(Effect.scoped)

if (isMainThread) await Effect.runPromise(Effect.andThen(withLatency, withoutLatency))
else serve(Number(workerData))
