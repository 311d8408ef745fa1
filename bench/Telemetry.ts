/**
 * What telemetry costs: when it is off, when metrics are exported, and when traces are.
 *
 * Events go the whole way of an agent, poll → Channel → track → commit (Outbox in memory) → post, with a tool and a server
 * that do nothing. What is exported goes to a collector in the same process that takes it at once, so that what is measured
 * is making it. All are measured in one process, round by round in turn; the ratio is what counts.
 *
 * Then the time from the start of the program until it first asks its tool, beside the time that bare `node -e 0` takes.
 *
 *     node --conditions=@observability-agents/source bench/Telemetry.ts
 */
import { spawn } from "node:child_process"
import { mkdtempSync, rmSync } from "node:fs"
import { createServer } from "node:http"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Channel from "@observability-agents/core/Channel"
import * as EventSender from "@observability-agents/core/EventSender"
import { Health } from "@observability-agents/core/Health"
import * as Loop from "@observability-agents/core/Loop"
import * as OutboxMemory from "@observability-agents/core/OutboxMemory"
import * as RunTracker from "@observability-agents/core/RunTracker"
import { Supervisor } from "@observability-agents/core/Supervisor"
import { HttpTransport } from "@observability-agents/toolkit/HttpTransport"
import { Observability } from "@observability-agents/toolkit/Observability"
import * as Telemetry from "@observability-agents/toolkit/Telemetry"
import * as TelemetrySettings from "@observability-agents/toolkit/TelemetrySettings"
import { DateTime, Deferred, Duration, Effect, Layer, Schedule } from "effect"
import { HttpClient, HttpClientResponse } from "effect/http"

const POLLS = 400
const RUNS = 10
const EVENTS = POLLS * RUNS
const WARM_UP = 2
const ROUNDS = 9
const STARTS = 7

const START = DateTime.makeUnsafe(Date.UTC(2026, 0, 1))

let batch = 0

/** An agent that polls as fast as it can; done when the last event was posted. */
const pipeline = Effect.gen(function* () {
  const done = yield* Deferred.make<void>()
  let posted = 0
  const server = Observability.of({
    post: Effect.fn("Observability.post")(function* () {
      posted += 1
      if (posted === EVENTS) yield* Deferred.succeed(done, undefined)
    }),
    heartbeat: () => Effect.void,
    ready: Effect.void,
    authorized: Effect.void
  })
  const agent = Layer.unwrap(
    Effect.gen(function* () {
      const channel = yield* Channel.make<RunTracker.Poll>("runs")
      const sender = yield* Channel.sender(channel)
      const poll = Effect.gen(function* () {
        const first = batch
        batch += RUNS
        yield* sender.send({
          // Few runs are known of each source: what is measured is not the keeping of thousands.
          source: `bench-${Math.floor(first / 100)}`,
          snapshots: Array.from({ length: RUNS }, (_, index) => ({
            pipeline: { key: "nightly" },
            run: { key: `run-${first + index}` },
            tool: "BENCH",
            observedAt: START,
            phase: "Running" as const,
            startedAt: START,
            tasks: [],
            messages: []
          }))
        })
      })
      return Layer.mergeAll(
        Loop.make("list runs", Schedule.recurs(POLLS - 1), poll, { onEnd: sender.close }),
        RunTracker.layer({ channel, retention: { closed: Duration.hours(1), failed: Duration.hours(1) } }),
        EventSender.layerWith({
          concurrency: 2,
          retryMaximum: Duration.seconds(60),
          unauthorizedRetryPeriod: Duration.seconds(60),
          maxServerErrors: 5
        })
      )
    })
  ).pipe(
    Layer.provide([
      OutboxMemory.layer({ capacity: 1_000_000, historyLimit: 0 }),
      Health.layer,
      Supervisor.layer,
      Layer.succeed(Observability, server)
    ])
  )
  yield* Effect.scoped(Effect.andThen(Layer.build(agent), Deferred.await(done)))
  return posted
})

let exported = 0
const collector = HttpTransport.layerClient(
  HttpClient.make((request) => {
    if (request.body._tag === "Uint8Array") exported += request.body.body.byteLength
    return Effect.succeed(HttpClientResponse.fromWeb(request, new Response("{}")))
  })
)

const withTelemetry = (given: Partial<TelemetrySettings.TelemetrySettings>) =>
  Telemetry.layerWith(
    TelemetrySettings.make({
      otlpEndpoint: "http://collector",
      exportInterval: Duration.seconds(1),
      ...given
    }),
    { version: "0" }
  ).pipe(Layer.provide(collector))

const kinds = {
  off: withTelemetry({ disabled: true }),
  metrics: withTelemetry({ traces: false, logs: false }),
  "traces, sampled 0.1": withTelemetry({ metrics: false, logs: false, sampleRatio: 0.1 }),
  traces: withTelemetry({ metrics: false, logs: false })
}

/** Events per second of one round. */
const round = Effect.fnUntraced(function* (telemetry: Layer.Layer<Telemetry.Telemetry>) {
  return yield* Effect.gen(function* () {
    const start = process.hrtime.bigint()
    const posted = yield* pipeline
    const seconds = Number(process.hrtime.bigint() - start) / 1e9
    if (posted !== EVENTS) return yield* Effect.die(new Error(`${posted} of ${EVENTS} events were posted`))
    return posted / seconds
  }).pipe(Effect.provide(telemetry))
})

const median = (numbers: ReadonlyArray<number>): number => {
  const sorted = [...numbers].sort((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN
}

const throughput = Effect.gen(function* () {
  const names = Object.keys(kinds)
  const layers: ReadonlyArray<Layer.Layer<Telemetry.Telemetry>> = Object.values(kinds)
  const rates = names.map(() => Array<number>())
  for (let i = 0; i < WARM_UP + ROUNDS; i++) {
    for (let turn = 0; turn < layers.length; turn++) {
      // Another one goes first each time.
      const which = (i + turn) % layers.length
      const rate = yield* round(layers[which] ?? kinds.off)
      if (i >= WARM_UP) rates[which]?.push(rate)
    }
  }
  const off = rates[0] ?? []
  console.log(`${EVENTS} events in ${POLLS} polls, median of ${ROUNDS} rounds in turn`)
  for (const [index, name] of names.entries()) {
    const own = rates[index] ?? []
    const ratio = median(own.map((rate, at) => rate / (off[at] ?? Number.NaN)))
    const shown = Math.round(median(own)).toLocaleString("en").padStart(9)
    console.log(`${name.padEnd(20)} ${shown} events/s  ratio ${ratio.toFixed(2)}`)
  }
  console.log(`exported in all      ${(exported / 1e6).toFixed(1).padStart(9)} MB`)
})

const ms = (start: bigint): number => Number(process.hrtime.bigint() - start) / 1e6

const environment = { PATH: process.env["PATH"] ?? "" }

/** Milliseconds until `node -e 0` has ended. */
const bareStart = Effect.callback<number>((resume) => {
  const start = process.hrtime.bigint()
  spawn(process.execPath, ["-e", "0"], { env: environment }).once("exit", () =>
    resume(Effect.succeed(ms(start)))
  )
})

/** Milliseconds until the program, run on its sources, has asked the workspace something. */
const programStart = (env: Readonly<Record<string, string>>) =>
  Effect.callback<number>((resume) => {
    const cwd = mkdtempSync(join(tmpdir(), "bench-telemetry-"))
    let start = 0n
    const workspace = createServer((_, response) => {
      const taken = ms(start)
      child?.removeAllListeners("exit")
      response.writeHead(200, { "content-type": "application/json" }).end("{}")
      child?.once("exit", () => {
        workspace.close()
        workspace.closeAllConnections()
        rmSync(cwd, { recursive: true, force: true })
        resume(Effect.succeed(taken))
      })
      child?.kill("SIGKILL")
    })
    let child: ReturnType<typeof spawn> | undefined
    workspace.listen(0, "127.0.0.1", () => {
      const address = workspace.address()
      const port = typeof address === "object" ? address?.port : undefined
      const main = new URL("../packages/cli/src/main.ts", import.meta.url).pathname
      start = process.hrtime.bigint()
      child = spawn(process.execPath, ["--conditions=@observability-agents/source", main, "run"], {
        cwd,
        stdio: ["ignore", "ignore", "inherit"],
        env: {
          ...environment,
          DK_AGENT_TYPE: "databricks",
          DK_AGENT_KEY: "bench",
          DK_LOG_LEVEL: "error",
          DK_STATE_PATH: ":memory:",
          DK_OBSERVABILITY_BASE_URL: "http://127.0.0.1:9",
          DK_OBSERVABILITY_SERVICE_ACCOUNT_KEY: "bench",
          DK_DATABRICKS_HOST: `http://127.0.0.1:${port}`,
          DK_AGENT_TOKEN: "bench",
          ...env
        }
      })
      child.once("exit", (code) => resume(Effect.die(new Error(`The program ended at its start: ${code}`))))
    })
  })

const startUp = Effect.gen(function* () {
  const times = { bare: Array<number>(), off: Array<number>(), on: Array<number>() }
  for (let i = 0; i < 1 + STARTS; i++) {
    const bare = yield* bareStart
    const off = yield* programStart({})
    const on = yield* programStart({ OTEL_EXPORTER_OTLP_ENDPOINT: "http://127.0.0.1:9" })
    // The first ones read the disk.
    if (i === 0) continue
    times.bare.push(bare)
    times.off.push(off)
    times.on.push(on)
  }
  const ratio = (own: ReadonlyArray<number>) =>
    median(own.map((time, at) => time / (times.bare[at] ?? Number.NaN))).toFixed(1)
  console.log(`\nfrom the start to the first poll, median of ${STARTS} starts in turn`)
  console.log(`node -e 0            ${median(times.bare).toFixed(0).padStart(9)} ms`)
  console.log(
    `telemetry off        ${median(times.off).toFixed(0).padStart(9)} ms        ratio ${ratio(times.off)}`
  )
  console.log(
    `telemetry on         ${median(times.on).toFixed(0).padStart(9)} ms        ratio ${ratio(times.on)}`
  )
})

await Effect.runPromise(Effect.andThen(throughput, startUp))
