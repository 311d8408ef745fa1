/**
 * What following runs costs in memory: the heap and the resident set with more and more tracked runs in the Outbox in
 * memory, after a collection of garbage.
 *
 * Each run is open, with three tasks, and was seen by a RunTracker, once and again. Its events were delivered, so that
 * what is left is what the agent has to know: the tracked runs, and the identities of their events. Each number is
 * measured in a process of its own, beside an empty Outbox in the same process. What remains of the delivered events for
 * the history is bounded by its limit, so it is left out here.
 *
 *     node --conditions=@observability-agents/source bench/Memory.ts
 */
import { spawnSync } from "node:child_process"
import { fileURLToPath } from "node:url"
import type { Outbox } from "@observability-agents/core/Outbox"
import * as OutboxMemory from "@observability-agents/core/OutboxMemory"
import type { RunSnapshot } from "@observability-agents/core/RunSnapshot"
import * as RunCommit from "@observability-agents/core/RunCommit"
import { DateTime, Effect } from "effect"

const RUNS = [1000, 10_000, 100_000]
/** Bytes per run that are aimed at, at most. */
const AIM = 4096
const BATCH = 1000
const START = Date.UTC(2026, 0, 1)
const RETENTION = { closed: "2 hours", failed: "7 days" } as const

interface Reading {
  readonly heap: number
  readonly resident: number
}

const snapshot = (run: number, observedAt: number): RunSnapshot => ({
  pipeline: { key: String(1000 + (run % 50)), name: "Nightly load of the warehouse" },
  run: { key: String(900_000_000_000 + run), name: "Nightly load of the warehouse" },
  tool: "databricks",
  observedAt: DateTime.makeUnsafe(observedAt),
  phase: "Running",
  startedAt: DateTime.makeUnsafe(START + run),
  externalUrl: `https://workspace.example/jobs/${1000 + (run % 50)}/runs/${run}`,
  metadata: { trigger: "PERIODIC" },
  messages: [],
  tasks: ["extract", "transform", "load"].map((key) => ({
    key,
    attempt: 0,
    phase: "Running" as const,
    startedAt: DateTime.makeUnsafe(START + run),
    messages: []
  }))
})

/** One sweep over all runs, in batches. */
const sweep = Effect.fnUntraced(function* (outbox: Outbox["Service"], runs: number, now: number) {
  for (let from = 0; from < runs; from += BATCH) {
    const checkpoint = { ...(yield* outbox.checkpoint("bench")) }
    const snapshots = Array.from({ length: Math.min(BATCH, runs - from) }, (_, index) =>
      snapshot(from + index, now)
    )
    yield* outbox.commit(
      RunCommit.commitOf(checkpoint, { source: "bench", snapshots }, DateTime.makeUnsafe(now), RETENTION)
    )
    while ((yield* outbox.status).pending > 0) yield* outbox.delivered(yield* outbox.claim)
  }
})

const read = (): Reading => {
  globalThis.gc?.()
  globalThis.gc?.()
  const { heapUsed, rss } = process.memoryUsage()
  return { heap: heapUsed, resident: rss }
}

const fill = (outbox: Outbox["Service"], runs: number) =>
  Effect.gen(function* () {
    yield* sweep(outbox, runs, START + 60_000)
    if ((yield* outbox.checkpoint("bench")).runs.size !== runs) {
      return yield* Effect.die(new Error("not all runs are tracked"))
    }
  })

const child = Effect.fnUntraced(function* (runs: number) {
  // All code has run once before the base is read.
  yield* fill(yield* OutboxMemory.make(OPTIONS), 200)
  const outbox = yield* OutboxMemory.make(OPTIONS)
  const before = read()
  yield* fill(outbox, runs)
  const after = read()
  // Kept alive until here.
  const { delivered } = yield* outbox.status
  console.log(JSON.stringify({ before, after, delivered }))
})

const OPTIONS = { historyLimit: 0 }

const measure = (runs: number): { readonly before: Reading; readonly after: Reading } => {
  const { status, stderr, stdout } = spawnSync(
    process.execPath,
    [
      "--expose-gc",
      "--conditions=@observability-agents/source",
      fileURLToPath(import.meta.url),
      String(runs)
    ],
    { encoding: "utf8" }
  )
  if (status !== 0) throw new Error(stderr)
  return JSON.parse(stdout)
}

const MiB = (bytes: number) => (bytes / 1024 / 1024).toFixed(1).padStart(9)

const runs = process.argv[2]
if (runs !== undefined) {
  await Effect.runPromise(child(Number(runs)))
} else {
  console.log(`memory with open runs of three tasks; at most ${AIM} bytes per run are aimed at`)
  console.log("     runs   heap before     after   resident before     after   bytes/run   of the aim")
  for (const count of RUNS) {
    const { after, before } = measure(count)
    const perRun = (after.heap - before.heap) / count
    console.log(
      `${String(count).padStart(9)}${MiB(before.heap).padStart(10)} MiB${MiB(after.heap)}${MiB(before.resident).padStart(14)} MiB${MiB(after.resident)}` +
        `${perRun.toFixed(0).padStart(12)}${(perRun / AIM).toFixed(2).padStart(13)}`
    )
  }
}
