import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import { DatabaseSync } from "node:sqlite"
import * as OutboxSqlite from "@observability-agents/core/OutboxSqlite"
import { type Fault, OutboxFault } from "@observability-agents/core/OutboxSqliteFault"
import * as OutboxSqliteFile from "@observability-agents/core/OutboxSqliteFile"
import * as OutboxSqliteReader from "@observability-agents/core/OutboxSqliteReader"
import * as OutboxSqliteRequests from "@observability-agents/core/OutboxSqliteRequests"
import { MIGRATIONS } from "@observability-agents/core/OutboxSqliteSchema"
import { commit, entry, idle, run } from "@observability-agents/testing/OutboxSuiteModel"
import { afterAll, assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Fiber, Option } from "effect"
import { TestClock } from "effect/testing"

const directory = Fs.realpathSync(Fs.mkdtempSync(Path.join(Os.tmpdir(), "outbox-sqlite-history-")))
afterAll(() => Fs.rmSync(directory, { recursive: true, force: true }))

let files = 0
const newPath = () => Path.join(directory, `dir-${files++}`, "state.db")

const keys = (count: number) => Array.from({ length: count }, (_, index) => `r${index}`)
const lane = (key: string) => entry(key, "RUNNING").lane
const note = (key: string) => ({
  lane: lane(key),
  at: entry(key, "RUNNING").event.timestamp ?? assert.fail("a sample event has a time"),
  by: "tool" as const,
  text: "Running"
})

/** Commits, with a note each, and delivers. */
const deliver = Effect.fnUntraced(function* (
  outbox: Effect.Success<ReturnType<typeof OutboxSqlite.make>>,
  names: ReadonlyArray<string>
) {
  yield* outbox.commit(commit({ entries: names.map((key) => entry(key, "RUNNING")), notes: names.map(note) }))
  for (const _ of names) yield* outbox.delivered(yield* outbox.claim)
})

const rows = (path: string, sql: string): number => {
  const database = new DatabaseSync(path)
  const count = Number(database.prepare(`SELECT count(*) AS count FROM ${sql}`).get()?.["count"])
  database.close()
  return count
}

describe("the history in a state file", () => {
  it.effect("is removed by what follows when it is too old, or too much", () =>
    Effect.gen(function* () {
      const path = newPath()
      const outbox = yield* OutboxSqlite.make({ path, historyRetention: "1 hour", historyLimit: 100 })
      yield* deliver(outbox, keys(500))
      assert.isAtMost(rows(path, "history"), 100 + 50)
      assert.isAtMost(rows(path, "notes"), 500)
      assert.isAtLeast(rows(path, "history"), 100)
      yield* TestClock.adjust("2 hours")
      for (let index = 0; index < 10; index++) {
        yield* TestClock.adjust("2 minutes")
        yield* deliver(outbox, [`later-${index}`])
      }
      assert.deepStrictEqual([rows(path, "history"), rows(path, "notes")], [10, 10])
    }).pipe(Effect.scoped)
  )

  it.effect("gives way when there is no room for commits, and never holds up what was delivered", () =>
    Effect.gen(function* () {
      const path = newPath()
      const outbox = yield* OutboxSqlite.make({ path, maxFileBytes: 200_000 })
      // Many times what fits: each delivered event makes room for a further one, or for history.
      for (let round = 0; round < 60; round++) {
        yield* deliver(
          outbox,
          keys(20).map((key) => `${round}-${key}`)
        )
        // The identities are no history.
        yield* Effect.sync(() => {
          const database = new DatabaseSync(path)
          database.exec("DELETE FROM identities")
          database.close()
        })
      }
      assert.strictEqual((yield* outbox.status).delivered, 1200)
      assert.isBelow(rows(path, "history"), 1200)
    }).pipe(Effect.scoped)
  )
})

describe("what was delivered", () => {
  it.effect("is taken out of the file also when there is no room to remember it", () =>
    Effect.gen(function* () {
      const path = newPath()
      const full: Fault = (step) => {
        if (step === "record history")
          throw Object.assign(new Error("database or disk is full"), { errcode: 13 })
      }
      const outbox = yield* Effect.provideService(OutboxSqlite.make({ path }), OutboxFault, full)
      yield* deliver(outbox, ["r1"])
      assert.strictEqual((yield* outbox.status).delivered, 1)
      assert.deepStrictEqual([rows(path, "events"), rows(path, "history")], [0, 0])
    }).pipe(Effect.scoped)
  )
})

describe("a reader", () => {
  it.effect("says who owns the file, and sees what its owner does, without a lock of its own", () =>
    Effect.gen(function* () {
      const path = newPath()
      const owned = Effect.scoped(
        Effect.gen(function* () {
          const outbox = yield* OutboxSqlite.make({ path })
          yield* Effect.scoped(
            Effect.gen(function* () {
              const reader = yield* OutboxSqliteReader.open({ path })
              assert.include(Option.getOrThrow(reader.holder), `process ${process.pid} on`)
              assert.strictEqual((yield* reader.summary).pending, 0)
              yield* outbox.commit(commit({ runs: [run("r1")], entries: [entry("r1", "RUNNING")] }))
              assert.strictEqual((yield* reader.summary).pending, 1)
              assert.isTrue(yield* reader.knows(entry("r1", "RUNNING").id))
              assert.isFalse(yield* reader.knows(entry("r2", "RUNNING").id))
            })
          )
          yield* outbox.delivered(yield* outbox.claim)
        })
      )
      yield* owned
      const reader = yield* OutboxSqliteReader.open({ path })
      assert.isTrue(Option.isNone(reader.holder))
      assert.deepStrictEqual(yield* reader.lanes, [lane("r1")])
      assert.strictEqual((yield* reader.sources)[0]?.runs[0]?.key, "r1")
      // An agent can start while somebody looks.
      yield* Effect.scoped(OutboxSqlite.make({ path }))
    }).pipe(Effect.scoped)
  )

  it.effect(
    "refuses what is not there, and what another release or program wrote, and changes none of it",
    () =>
      Effect.gen(function* () {
        const refusal = (path: string) =>
          Effect.map(Effect.flip(Effect.scoped(OutboxSqliteReader.open({ path }))), ({ message, reason }) => {
            assert.strictEqual(reason, "Unusable")
            return message
          })
        const path = newPath()
        assert.include(yield* refusal(path), "There is no state file")
        assert.isFalse(Fs.existsSync(Path.dirname(path)))
        assert.include(yield* refusal(":memory:"), "no state file to look at")
        yield* Effect.scoped(OutboxSqlite.make({ path }))
        const set = (sql: string) => {
          const database = new DatabaseSync(path)
          database.exec(sql)
          database.close()
        }
        set(`PRAGMA user_version = ${MIGRATIONS.length + 1}`)
        assert.include(yield* refusal(path), "a newer release")
        set(`PRAGMA user_version = ${MIGRATIONS.length - 1}`)
        assert.include(yield* refusal(path), "an older release")
        set("PRAGMA application_id = 7")
        assert.include(yield* refusal(path), "another program")
      })
  )
})

describe("a state file of the first version", () => {
  it.effect("keeps its dead letters and all else, and gives new ones higher numbers", () =>
    Effect.gen(function* () {
      const path = newPath()
      Fs.mkdirSync(Path.dirname(path))
      const database = new DatabaseSync(path)
      database.exec(MIGRATIONS[0] ?? "")
      const body = JSON.stringify({ pipeline_key: "nightly", run_key: "r1", status: "RUNNING" })
      const { id, lane } = entry("r1", "RUNNING")
      database.exec(`
        PRAGMA user_version = 1;
        INSERT INTO identities VALUES (7, '${id}', 0);
        INSERT INTO dead_letters VALUES (4, 7, '${id}', '${lane}', 'run-status', '${body}', 2, 0, 5, 'rejected', 'no');
      `)
      database.close()
      const outbox = yield* OutboxSqlite.make({ path })
      const [letter] = yield* outbox.deadLetters
      assert.deepStrictEqual([letter?.number, letter?.attempts, letter?.entry.id], [4, 2, id])
      yield* outbox.replay([4])
      yield* outbox.bury(yield* outbox.claim, { reason: "rejected", words: "again" })
      assert.deepStrictEqual(
        (yield* outbox.deadLetters).map(({ number }) => number),
        [5]
      )
    }).pipe(Effect.scoped)
  )
})

describe("a request to the owner of a state file", () => {
  /** A file with a dead letter, which nobody serves. */
  const unserved = Effect.gen(function* () {
    const path = newPath()
    yield* Effect.scoped(
      Effect.gen(function* () {
        const outbox = yield* OutboxSqlite.make({ path })
        yield* outbox.commit(commit({ entries: [entry("r1", "RUNNING")] }))
        yield* outbox.bury(yield* outbox.claim, { reason: "rejected", words: "no" })
      })
    )
    return path
  })

  it.effect("is withdrawn when nobody answers, and the owner's name is told", () =>
    Effect.gen(function* () {
      const path = yield* unserved
      const asking = yield* Effect.forkChild(
        Effect.flip(OutboxSqliteRequests.ask(path, { does: "drop", numbers: [1] }, "process 42"))
      )
      yield* idle
      assert.strictEqual(rows(path, "requests"), 1)
      yield* TestClock.adjust("20 seconds")
      const error = yield* Fiber.join(asking)
      assert.include(error.message, "process 42")
      assert.include(error.message, "withdrawn")
      assert.strictEqual(rows(path, "requests"), 0)
      assert.strictEqual(rows(path, "dead_letters"), 1)
    })
  )

  it.effect("is withdrawn when the asker is interrupted", () =>
    Effect.gen(function* () {
      const path = yield* unserved
      const asking = yield* Effect.forkChild(
        OutboxSqliteRequests.ask(path, { does: "drop", numbers: [1] }, "process 42")
      )
      yield* idle
      yield* Fiber.interrupt(asking)
      assert.strictEqual(rows(path, "requests"), 0)
    })
  )

  it.effect("is not made to an agent of another release", () =>
    Effect.gen(function* () {
      const path = yield* unserved
      const database = new DatabaseSync(path)
      database.exec(`PRAGMA user_version = ${MIGRATIONS.length + 1}`)
      database.close()
      const error = yield* Effect.flip(
        OutboxSqliteRequests.ask(path, { does: "drop", numbers: [1] }, "process 42")
      )
      assert.include(error.message, "another release")
      assert.strictEqual(rows(path, "requests"), 0)
    })
  )

  it.live(
    "is answered, unless it is older than a minute: then it is removed and not done",
    () =>
      Effect.gen(function* () {
        const path = yield* unserved
        const database = new DatabaseSync(path)
        const insert = database.prepare("INSERT INTO requests (at, body) VALUES (?, ?)")
        insert.run(Date.now() - 61_000, JSON.stringify({ does: "drop", numbers: [1] }))
        const outbox = yield* OutboxSqlite.make({ path })
        const done = yield* OutboxSqliteRequests.ask(path, { does: "drop", numbers: [99] }, "this test")
        assert.deepStrictEqual(done, [])
        assert.strictEqual((yield* outbox.status).deadLetters, 1)
        assert.strictEqual(rows(path, "requests"), 0)
        database.close()
      }).pipe(Effect.scoped),
    Duration.toMillis("20 seconds")
  )

  it.live(
    "is answered although another one cannot be read",
    () =>
      Effect.gen(function* () {
        const path = yield* unserved
        const database = new DatabaseSync(path)
        const insert = database.prepare("INSERT INTO requests (at, body) VALUES (?, ?)")
        insert.run(Date.now(), JSON.stringify({ does: "purge", numbers: [1] }))
        database.close()
        const outbox = yield* OutboxSqlite.make({ path })
        const done = yield* OutboxSqliteRequests.ask(path, { does: "drop", numbers: [1] }, "this test")
        assert.deepStrictEqual(done, [1])
        assert.strictEqual((yield* outbox.status).deadLetters, 0)
      }).pipe(Effect.scoped),
    Duration.toMillis("20 seconds")
  )

  it.effect("is found to be needed by the error of a file that is in use, and by no other", () =>
    Effect.gen(function* () {
      const path = newPath()
      yield* OutboxSqlite.make({ path })
      const used = yield* Effect.flip(Effect.scoped(OutboxSqlite.make({ path })))
      assert.isTrue(OutboxSqliteFile.isInUse(used))
      const other = yield* Effect.flip(Effect.scoped(OutboxSqlite.make({ path: Path.join(path, "x") })))
      assert.isFalse(OutboxSqliteFile.isInUse(other))
    }).pipe(Effect.scoped)
  )
})
