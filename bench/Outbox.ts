/**
 * What the durable Outbox costs beside SQLite alone.
 *
 * Events are committed in batches of 1, 25, 100 and 1 000, each batch one transaction that is on the disk when it
 * returns. Beside it, bare `node:sqlite` makes the same inserts in the same transactions on a file with the same tables
 * and the same pragmas: once with rows that lie ready, once turning the events into JSON by `JSON.stringify`. The Outbox
 * makes the server's JSON bodies, finds out what is repeated and keeps its lanes besides. All are measured in one
 * process, round by round in turn, so that what the machine does besides falls on all; the ratio is what counts.
 *
 * Then, in one Outbox with 100 000 events in 10 000 lanes: opening, claiming, settling and the status.
 *
 *     node --conditions=@observability-agents/source bench/Outbox.ts
 */
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import { DatabaseSync } from "node:sqlite"
import type { Entry } from "@observability-agents/core/Outbox"
import * as OutboxSqlite from "@observability-agents/core/OutboxSqlite"
import { migrate } from "@observability-agents/core/OutboxSqliteSchema"
import * as Event from "@observability-agents/toolkit/Event"
import { DateTime, Effect } from "effect"

const BATCHES = [1, 25, 100, 1000]
const WARM_UP = 2
const ROUNDS = 9
/** Events of one round, and the most commits of one: a commit of a single event costs as much as the disk wants. */
const EVENTS = 4000
const COMMITS = 200

const START = Date.UTC(2026, 0, 1)

let made = 0
const makeEntries = (count: number, lanes = 1000): ReadonlyArray<Entry> =>
  Array.from({ length: count }, () => {
    const number = made++
    const event = Event.runStatus({
      pipelineKey: `job-${number % 100}`,
      pipelineName: "Nightly load of the warehouse",
      runKey: `${900_000_000 + (number % lanes)}`,
      taskKey: `task-${number}`,
      status: number % 2 === 0 ? "RUNNING" : "COMPLETED",
      timestamp: DateTime.makeUnsafe(START + number),
      componentTool: "DATABRICKS",
      externalUrl: `https://workspace.example/jobs/${number % 100}/runs/${number}`,
      metadata: { attempt: 0, cluster: "0102-030405-abcdefgh", trigger: "PERIODIC" }
    })
    return { id: `job-${number % 100}/${number}#0:${event.status}`, lane: Event.lane(event), event }
  })

const ms = (start: bigint): number => Number(process.hrtime.bigint() - start) / 1e6

/** Events per second of one round. */
type Round = (batches: ReadonlyArray<ReadonlyArray<Entry>>) => Effect.Effect<number>

const rate = (batches: ReadonlyArray<ReadonlyArray<Entry>>, start: bigint): number =>
  (batches.reduce((sum, batch) => sum + batch.length, 0) / ms(start)) * 1000

const openOutbox = (path: string) =>
  OutboxSqlite.make({ path, capacity: Number.MAX_SAFE_INTEGER, capacityBytes: Number.MAX_SAFE_INTEGER })

const outboxRound = (path: string) =>
  Effect.map(
    openOutbox(path),
    (outbox): Round =>
      (batches) =>
        Effect.gen(function* () {
          const start = process.hrtime.bigint()
          for (const entries of batches) {
            const cursor = entries[0]?.event.timestamp
            yield* outbox.commit({ source: "jobs", cursor, runs: [], forget: [], entries })
          }
          return rate(batches, start)
        }).pipe(Effect.orDie)
  )

interface Row {
  readonly id: string
  readonly lane: string
  readonly path: string
  readonly body: string
}

const bareRound = (path: string, isReady: boolean): Round => {
  const database = new DatabaseSync(path)
  database.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA journal_size_limit = 67108864")
  migrate(database)
  const insertIdentity = database.prepare("INSERT INTO identities (seq, id, at) VALUES (?, ?, ?)")
  const insertEvent = database.prepare(
    "INSERT INTO events (seq, lane, path, body, attempts, committed_at, due_at) VALUES (?, ?, ?, ?, 0, ?, ?)"
  )
  const moveCursor = database.prepare(
    "INSERT INTO cursors (source, at) VALUES (?, ?) ON CONFLICT (source) DO UPDATE SET at = excluded.at"
  )
  const begin = database.prepare("BEGIN IMMEDIATE")
  const end = database.prepare("COMMIT")
  let seq = 0
  const toRow = (entry: Entry): Row => ({
    id: entry.id,
    lane: entry.lane,
    path: Event.path(entry.event),
    body: JSON.stringify(entry.event)
  })
  return (batches) =>
    Effect.sync(() => {
      const ready = isReady ? batches.map((batch) => batch.map(toRow)) : []
      const start = process.hrtime.bigint()
      for (const [index, batch] of batches.entries()) {
        const rows = ready[index] ?? batch.map(toRow)
        begin.run()
        for (const { body, id, lane, path } of rows) {
          seq += 1
          insertIdentity.run(seq, id, START)
          insertEvent.run(seq, lane, path, body, START, START)
        }
        moveCursor.run("jobs", START)
        end.run()
      }
      return rate(batches, start)
    })
}

const median = (numbers: ReadonlyArray<number>): number => {
  const sorted = [...numbers].sort((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN
}

const directory = Fs.mkdtempSync(Path.join(Os.tmpdir(), "bench-outbox-"))
const show = (number: number) => Math.round(number).toLocaleString("en").padStart(9)

const compare = Effect.fnUntraced(function* (batch: number) {
  const rounds: ReadonlyArray<Round> = [
    yield* outboxRound(Path.join(directory, `outbox-${batch}.db`)),
    bareRound(Path.join(directory, `ready-${batch}.db`), true),
    bareRound(Path.join(directory, `json-${batch}.db`), false)
  ]
  const rates = rounds.map(() => Array<number>())
  for (let round = 0; round < WARM_UP + ROUNDS; round++) {
    const commits = Math.min(COMMITS, EVENTS / batch)
    for (let turn = 0; turn < rounds.length; turn++) {
      // Another one goes first each time.
      const which = (round + turn) % rounds.length
      const batches = Array.from({ length: commits }, () => makeEntries(batch))
      const measured = yield* rounds[which]?.(batches) ?? Effect.succeed(Number.NaN)
      if (round >= WARM_UP) rates[which]?.push(measured)
    }
  }
  const [outbox = [], ready = [], json = []] = rates
  const ratio = (to: ReadonlyArray<number>) =>
    median(outbox.map((own, index) => own / (to[index] ?? Number.NaN)))
  console.log(
    `${show(batch)} ${show(median(outbox))} ${show(median(ready))} ${ratio(ready).toFixed(2).padStart(6)} ` +
      `${show(median(json))} ${ratio(json).toFixed(2).padStart(6)}`
  )
}, Effect.scoped)

const crowded = Effect.gen(function* () {
  const path = Path.join(directory, "crowded.db")
  yield* Effect.scoped(
    Effect.flatMap(openOutbox(path), (outbox) =>
      Effect.forEach(Array.from({ length: 100 }), () =>
        outbox.commit({ source: "jobs", runs: [], forget: [], entries: makeEntries(1000, 10_000) })
      )
    )
  )
  let start = process.hrtime.bigint()
  const outbox = yield* openOutbox(path)
  const opened = ms(start)
  const { lanes, pending } = yield* outbox.status
  const count = 2000
  start = process.hrtime.bigint()
  const claims = yield* Effect.replicateEffect(outbox.claim, count)
  const claimed = ms(start) / count
  start = process.hrtime.bigint()
  yield* Effect.forEach(claims, outbox.delivered)
  const settled = ms(start) / count
  start = process.hrtime.bigint()
  yield* Effect.replicateEffect(outbox.status, count)
  const status = ms(start) / count
  console.log(
    `\n${pending} events in ${lanes} lanes: open ${opened.toFixed(0)} ms, claim ${claimed.toFixed(3)} ms, ` +
      `delivered ${settled.toFixed(3)} ms, status ${(status * 1000).toFixed(1)} µs`
  )
}).pipe(Effect.scoped)

const program = Effect.gen(function* () {
  console.log(`events committed per second, median of ${ROUNDS} rounds in turn`)
  console.log("    batch    Outbox  SQLite,  ratio   SQLite,  ratio")
  console.log("                      ready           and JSON")
  for (const batch of BATCHES) yield* compare(batch)
  yield* crowded
}).pipe(Effect.ensuring(Effect.sync(() => Fs.rmSync(directory, { recursive: true, force: true }))))

await Effect.runPromise(program)
