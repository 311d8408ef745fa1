import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import type { Entry, Outbox, OutboxError } from "@observability-agents/core/Outbox"
import * as OutboxSqlite from "@observability-agents/core/OutboxSqlite"
import { type Fault, OutboxFault, type OutboxStep } from "@observability-agents/core/OutboxSqliteFault"
import { at, commit, entry, run } from "@observability-agents/testing/OutboxSuiteModel"
import { afterAll, assert, describe, it } from "@effect/vitest"
import { DateTime, Duration, Effect, Fiber, Option } from "effect"
import { TestClock } from "effect/testing"

const directory = Fs.mkdtempSync(Path.join(Os.tmpdir(), "outbox-sqlite-crash-"))
afterAll(() => Fs.rmSync(directory, { recursive: true, force: true }))

// ---- what an agent would do: it reads three polls of a tool, overlapping, and sends what they tell

const POLLS = 3

/** Every poll tells of its run, and of the one before once more. */
const poll = (number: number): ReadonlyArray<Entry> =>
  [number - 1, number]
    .filter((run) => run > 0)
    .flatMap((run) => [entry(`r${run}`, "RUNNING"), entry(`r${run}`, "COMPLETED")])

const EXPECTED = new Set(
  Array.from({ length: POLLS }, (_, index) => poll(index + 1)).flatMap((entries) =>
    entries.map(({ id }) => id)
  )
)
/** The server refuses this one, and cannot take the other at first. */
const REFUSED = entry("r2", "RUNNING").id
const TRIED_TWICE = entry("r1", "COMPLETED").id

/** What the server has seen, and what the agent was about; both outlive the agent. */
interface World {
  readonly accepted: Array<{ readonly id: string; readonly lane: string }>
  hasFailed: boolean
  doing: "commit" | "claim" | "bury" | "retry" | "delivered"
}

const newWorld = (): World => ({ accepted: [], hasFailed: false, doing: "commit" })

/** One life of the agent: goes on where the store says it was, until all is told. */
const live = Effect.fnUntraced(function* (outbox: Outbox["Service"], world: World) {
  const { cursor } = yield* outbox.checkpoint("jobs")
  const since = Option.match(cursor, {
    onNone: () => 0,
    onSome: (time) => Duration.toSeconds(DateTime.distance(at(0), time))
  })
  for (let number = since + 1; number <= POLLS; number++) {
    world.doing = "commit"
    yield* persist(
      outbox.commit(
        commit({
          cursor: at(number),
          runs: [run(`r${number}`)],
          forget: number > 1 ? [`r${number - 1}`] : [],
          entries: poll(number),
          notes: [{ lane: "any", at: at(number), by: "tool", text: "Running" }]
        })
      )
    )
    // Every poll but the last leaves something behind.
    yield* send(outbox, world, 1)
  }
  yield* send(outbox, world, 0)
})

/** Sends until no more than so many events are pending. */
const send = Effect.fnUntraced(function* (outbox: Outbox["Service"], world: World, left: number) {
  while ((yield* outbox.status).pending > left) {
    world.doing = "claim"
    const claiming = yield* Effect.forkChild(outbox.claim)
    yield* TestClock.adjust("10 seconds")
    const claim = yield* Fiber.join(claiming)
    const { id, lane } = claim.entry
    if (id === REFUSED) {
      world.doing = "bury"
      yield* persist(outbox.bury(claim, { reason: "rejected", words: "no" }))
    } else if (id === TRIED_TWICE && !world.hasFailed) {
      world.hasFailed = true
      world.doing = "retry"
      yield* persist(outbox.retry(claim, { after: Duration.seconds(5), error: "503" }))
    } else {
      world.accepted.push({ id, lane })
      world.doing = "delivered"
      yield* persist(outbox.delivered(claim))
    }
  }
})

/** Tries until it works, as the framework's Loops do; a crash is no such case. */
const persist = <A>(effect: Effect.Effect<A, OutboxError>): Effect.Effect<A, OutboxError> =>
  Effect.retry(effect, { times: 3, while: (error) => error.reason === "Unavailable" })

const check = Effect.fnUntraced(function* (
  outbox: Outbox["Service"],
  world: World,
  repeatable: string | undefined,
  where: string
) {
  const letters = (yield* outbox.deadLetters).map((letter) => letter.entry.id)
  const accepted = world.accepted.map(({ id }) => id)
  assert.deepStrictEqual(new Set([...accepted, ...letters]), EXPECTED, `lost: ${where}`)
  assert.deepStrictEqual(letters, [REFUSED], where)
  const repeated = accepted.filter((id, index) => accepted.indexOf(id) < index)
  assert.deepStrictEqual(repeated, repeatable === undefined ? [] : [repeatable], `repeated: ${where}`)
  for (const lane of new Set(world.accepted.map((sent) => sent.lane))) {
    const order = world.accepted.filter((sent) => sent.lane === lane).map(({ id }) => id.split(":")[1])
    assert.deepStrictEqual([...order].sort().reverse(), order, `out of order: ${where}`)
  }
  const { cursor, runs } = yield* outbox.checkpoint("jobs")
  assert.strictEqual(Option.getOrThrow(cursor).epochMilliseconds, at(POLLS).epochMilliseconds, where)
  assert.deepStrictEqual([...runs.keys()], [`r${POLLS}`], where)
  const { deadLetters, delivered, inFlight, pending } = yield* outbox.status
  assert.deepStrictEqual(
    { deadLetters, delivered, inFlight, pending },
    { deadLetters: 1, delivered: new Set(accepted).size, inFlight: 0, pending: 0 },
    where
  )
})

const open = (path: string, fault?: Fault) =>
  Effect.provideService(OutboxSqlite.make({ path }), OutboxFault, fault)

/** Fails at the given call of the fault point, counted from 1. */
const failAt = (call: number, cause: () => unknown) => {
  let calls = 0
  const seen: Array<string> = []
  const fault: Fault = (step, when) => {
    calls += 1
    seen.push(`${when} ${step}`)
    if (calls === call) throw cause()
  }
  return { fault, seen, happened: () => calls >= call, where: () => `${seen[call - 1]} (${call})` }
}

/** The steps that this history comes by: it has no row that cannot be read, and no identity old enough to go. */
const STEPS: ReadonlyArray<OutboxStep> = [
  "begin",
  "insert events",
  "upsert runs",
  "forget runs",
  "move cursor",
  "record notes",
  "record history",
  "delete event",
  "count delivered",
  "put off event",
  "bury event",
  "commit"
]

describe("OutboxSqlite", () => {
  it.effect(
    "loses nothing and repeats nothing but the one in doubt, wherever the process dies",
    () =>
      Effect.gen(function* () {
        const visited = new Set<string>()
        for (let call = 1; ; call++) {
          const world = newWorld()
          const home = Path.join(directory, `crash-${call}`)
          const after = Path.join(directory, `crash-${call}-after`)
          Fs.mkdirSync(after, { recursive: true })
          const path = Path.join(home, "state.db")
          // What a killed process leaves behind: the files as they are, in the middle of whatever it did.
          const crash = failAt(call, () => {
            for (const name of ["state.db", "state.db-wal"]) {
              Fs.copyFileSync(Path.join(home, name), Path.join(after, name))
            }
            return new Error("killed")
          })
          const first = yield* Effect.scoped(
            Effect.exit(Effect.flatMap(open(path, crash.fault), (outbox) => live(outbox, world)))
          )
          if (!crash.happened()) {
            assert.strictEqual(first._tag, "Success")
            yield* Effect.scoped(
              Effect.flatMap(open(path), (outbox) => check(outbox, world, undefined, "no crash"))
            )
            break
          }
          assert.strictEqual(first._tag, "Failure", crash.where())
          visited.add(crash.where().replace(/ \(.*/, ""))
          // In doubt is what the server had taken, while the store did not get to know of it.
          const isInDoubt = world.doing === "delivered" && !crash.where().startsWith("after commit")
          const doubtful = isInDoubt ? world.accepted.at(-1)?.id : undefined
          yield* Effect.scoped(
            Effect.gen(function* () {
              const outbox = yield* open(Path.join(after, "state.db"))
              yield* live(outbox, world)
              yield* check(outbox, world, doubtful, crash.where())
            })
          )
          Fs.rmSync(home, { recursive: true })
          Fs.rmSync(after, { recursive: true })
        }
        assert.deepStrictEqual(
          [...visited].sort(),
          STEPS.flatMap((step) => [`before ${step}`, `after ${step}`]).sort()
        )
      }),
    120_000
  )

  it.effect(
    "changes nothing when the disk fails, wherever it does, and goes on without doubt",
    () =>
      Effect.gen(function* () {
        for (let call = 1; ; call++) {
          const world = newWorld()
          const path = Path.join(directory, `error-${call}.db`)
          const failure = failAt(call, () => Object.assign(new Error("disk I/O error"), { errcode: 10 }))
          const fault: Fault = (step, when) => {
            try {
              failure.fault(step, when)
            } catch (cause) {
              // SQLite does not fail behind a commit that it has done.
              if (step !== "commit" || when === "before") throw cause
            }
          }
          yield* Effect.scoped(
            Effect.gen(function* () {
              const outbox = yield* open(path, fault)
              yield* live(outbox, world)
              yield* check(outbox, world, undefined, failure.where())
            })
          )
          yield* Effect.scoped(
            Effect.flatMap(open(path), (outbox) => check(outbox, world, undefined, failure.where()))
          )
          Fs.rmSync(path)
          if (!failure.happened()) break
        }
      }),
    120_000
  )
})
