import { spawn } from "node:child_process"
import * as Crypto from "node:crypto"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import { DatabaseSync } from "node:sqlite"
import { Outbox } from "@observability-agents/core/Outbox"
import type { Entry, OutboxError } from "@observability-agents/core/Outbox"
import * as OutboxSqlite from "@observability-agents/core/OutboxSqlite"
import {
  MIGRATIONS,
  describe as describeTables,
  migrate
} from "@observability-agents/core/OutboxSqliteSchema"
import { at, commit, counters, entry, idle, run } from "@observability-agents/testing/OutboxSuiteModel"
import { afterAll, assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Duration, Effect, Fiber, Layer, Logger, Option } from "effect"
import { TestClock } from "effect/testing"

const directory = Fs.realpathSync(Fs.mkdtempSync(Path.join(Os.tmpdir(), "outbox-sqlite-file-")))
afterAll(() => Fs.rmSync(directory, { recursive: true, force: true }))

let files = 0
const newPath = () => Path.join(directory, `dir-${files++}`, "state.db")

const use = <A, E>(
  options: OutboxSqlite.Options,
  work: (outbox: Outbox["Service"]) => Effect.Effect<A, E>
): Effect.Effect<A, E | OutboxError> =>
  Effect.provide(Effect.flatMap(Outbox, work), OutboxSqlite.layer(options))

const refusal = (path: string) => Effect.flip(use({ path }, (outbox) => outbox.status))

const sql = (path: string, ...statements: ReadonlyArray<string>) => {
  const database = new DatabaseSync(path)
  for (const statement of statements) database.exec(statement)
  database.close()
}

const hashes = (path: string) =>
  // A log without content is as good as none.
  [path, `${path}-wal`].map((file) =>
    Fs.existsSync(file) && Fs.statSync(file).size > 0
      ? Crypto.createHash("sha256").update(Fs.readFileSync(file)).digest("hex")
      : "none"
  )

const events = (count: number, prefix = "r"): ReadonlyArray<Entry> =>
  Array.from({ length: count }, (_, index) => entry(`${prefix}${index}`, "RUNNING"))

describe("the state file", () => {
  it.effect("is made for its owner only, with its directory", () =>
    Effect.gen(function* () {
      const path = newPath()
      yield* use({ path }, () =>
        Effect.sync(() => {
          assert.strictEqual(Fs.statSync(Path.dirname(path)).mode & 0o777, 0o700)
          const names = Fs.readdirSync(Path.dirname(path))
          assert.includeMembers(names, ["state.db", "state.db-wal", "state.db.lock", "state.db.owner"])
          for (const name of names) {
            assert.strictEqual(Fs.statSync(Path.join(Path.dirname(path), name)).mode & 0o777, 0o600, name)
          }
        })
      )
    })
  )

  it.effect("cannot be made where there is no way: said at once, with the reason", () =>
    Effect.gen(function* () {
      const path = newPath()
      Fs.mkdirSync(Path.dirname(path), { recursive: true })
      Fs.writeFileSync(Path.join(Path.dirname(path), "file"), "")
      const error = yield* refusal(Path.join(Path.dirname(path), "file", "state.db"))
      assert.strictEqual(error.reason, "Unusable")
      assert.include(error.message, "mkdir")
    })
  )

  it.effect("has one owner, and tells others who that is", () =>
    Effect.gen(function* () {
      const path = newPath()
      yield* TestClock.setTime(at(0).epochMilliseconds)
      yield* use({ path }, (outbox) =>
        Effect.gen(function* () {
          const link = Path.join(Path.dirname(path), "link.db")
          Fs.symlinkSync(path, link)
          for (const name of [path, link]) {
            const error = yield* refusal(name)
            assert.strictEqual(error.reason, "Unusable")
            assert.include(
              error.message,
              `process ${process.pid} on ${Os.hostname()} since 2026-01-01T00:00:00.000Z`
            )
          }
          assert.strictEqual((yield* outbox.commit(commit({ entries: events(1) }))).accepted, 1)
          // The refused ones took nothing away from the owner.
          yield* refusal(path)
        })
      )
      assert.isFalse(Fs.existsSync(`${path}.owner`))
      assert.strictEqual((yield* use({ path }, (outbox) => outbox.status)).pending, 1)
    })
  )

  it.live("is free again when its owner was killed, and keeps what was committed", () =>
    Effect.gen(function* () {
      const path = newPath()
      const script = `
        import { Effect } from "effect"
        import { Outbox } from "@observability-agents/core/Outbox"
        import * as OutboxSqlite from "@observability-agents/core/OutboxSqlite"
        import * as Event from "@observability-agents/toolkit/Event"
        const event = Event.runStatus({ pipelineKey: "p", runKey: "r", status: "RUNNING" })
        Effect.runPromise(Effect.provide(Effect.gen(function* () {
          const outbox = yield* Outbox
          yield* outbox.commit({ source: "jobs", runs: [], forget: [], entries: [{ id: "one", lane: "l", event }] })
          yield* outbox.claim
          process.stdout.write("ready")
          yield* Effect.never
        }), OutboxSqlite.layer({ path: ${JSON.stringify(path)} })))
        setInterval(() => {}, 1000)
      `
      const child = spawn(
        process.execPath,
        ["--conditions=@observability-agents/source", "--input-type=module", "--eval", script],
        { cwd: import.meta.dirname, stdio: ["ignore", "pipe", "inherit"] }
      )
      yield* Effect.callback<void>((resume) => {
        child.stdout.once("data", () => resume(Effect.void))
        child.once("exit", (code) => resume(Effect.die(new Error(`the other process ended with ${code}`))))
      })
      const error = yield* refusal(path)
      assert.include(error.message, `process ${child.pid} on`)
      yield* Effect.callback<void>((resume) => {
        child.removeAllListeners("exit")
        child.once("exit", () => resume(Effect.void))
        child.kill("SIGKILL")
      })
      const claim = yield* use({ path }, (outbox) => outbox.claim)
      assert.strictEqual(claim.entry.id, "one")
    })
  )

  it.effect("of a newer release is refused and left untouched", () =>
    Effect.gen(function* () {
      const path = newPath()
      yield* use({ path }, (outbox) => outbox.commit(commit({ entries: events(3) })))
      sql(path, "PRAGMA user_version = 99")
      const before = hashes(path)
      const error = yield* refusal(path)
      assert.strictEqual(error.reason, "Unusable")
      assert.include(error.message, "newer release")
      assert.deepStrictEqual(hashes(path), before)
      sql(path, `PRAGMA user_version = ${MIGRATIONS.length}`)
      assert.strictEqual((yield* use({ path }, (outbox) => outbox.status)).pending, 3)
    })
  )

  it.effect("of another program is refused and left untouched", () =>
    Effect.gen(function* () {
      const path = newPath()
      Fs.mkdirSync(Path.dirname(path), { recursive: true })
      sql(path, "CREATE TABLE notes (text)", "INSERT INTO notes VALUES ('keep me')")
      const before = hashes(path)
      const error = yield* refusal(path)
      assert.strictEqual(error.reason, "Unusable")
      assert.include(error.message, "another program")
      assert.deepStrictEqual(hashes(path), before)
    })
  )

  it.effect("that is damaged is refused with what can be done, and left as it is", () =>
    Effect.gen(function* () {
      const path = newPath()
      yield* use({ path }, (outbox) => outbox.commit(commit({ entries: events(500) })))
      const size = Fs.statSync(path).size
      const database = new DatabaseSync(path)
      const index = database.prepare(
        "SELECT rootpage FROM sqlite_schema WHERE tbl_name = 'runs' AND type = 'index'"
      )
      // A page that nothing reads before the first commit.
      const unread = (Number(index.get()?.["rootpage"]) - 1) * 4096
      database.close()
      const damages: ReadonlyArray<(content: Buffer) => Buffer> = [
        (content) => content.fill(0xa5, 0, 100),
        (content) => content.fill(0xa5, 4096 * 3, size - 4096),
        (content) => content.subarray(0, 4096 * 4 + 17),
        (content) => content.fill(0xa5, unread, unread + 4096)
      ]
      const good = Fs.readFileSync(path)
      for (const damage of damages) {
        Fs.writeFileSync(path, damage(Buffer.from(good)))
        const before = hashes(path)
        const error = yield* refusal(path)
        assert.strictEqual(error.reason, "Unusable")
        assert.include(error.message, "damaged")
        assert.include(error.message, "move it away")
        assert.deepStrictEqual(hashes(path), before)
      }
      Fs.writeFileSync(path, good)
      assert.strictEqual((yield* use({ path }, (outbox) => outbox.status)).pending, 500)
    })
  )

  it.effect(
    "survives a write-ahead log that ends anywhere: whole commits are there, or nothing of them",
    () =>
      Effect.gen(function* () {
        const path = newPath()
        const copy = (name: string) => Path.join(Path.dirname(path), name)
        const wal = yield* use({ path }, (outbox) =>
          Effect.gen(function* () {
            for (let index = 1; index <= 5; index++) {
              yield* outbox.commit(
                commit({ cursor: at(index), runs: [run(`r${index}`)], entries: events(3, `c${index}-`) })
              )
            }
            Fs.copyFileSync(path, copy("cut.db"))
            return Fs.readFileSync(`${path}-wal`)
          })
        )
        const main = Fs.readFileSync(copy("cut.db"))
        const seen = new Set<number>()
        for (let cut = wal.length; cut > 0; cut -= 3001) {
          Fs.writeFileSync(copy("cut.db"), main)
          Fs.writeFileSync(copy("cut.db-wal"), wal.subarray(0, cut))
          const { checkpoint, status } = yield* use({ path: copy("cut.db") }, (outbox) =>
            Effect.all({ checkpoint: outbox.checkpoint("jobs"), status: outbox.status })
          )
          const commits = status.pending / 3
          assert.isTrue(Number.isInteger(commits))
          assert.strictEqual(checkpoint.runs.size, commits)
          assert.strictEqual(
            Option.getOrUndefined(checkpoint.cursor)?.epochMilliseconds,
            commits === 0 ? undefined : at(commits).epochMilliseconds
          )
          seen.add(commits)
        }
        assert.isAbove(seen.size, 3)
      })
  )
})

describe("a store of an older version", () => {
  const older = () => {
    const database = new DatabaseSync(":memory:")
    migrate(database, ["CREATE TABLE things (name TEXT); INSERT INTO things VALUES ('a')"])
    return database
  }
  const names = (database: DatabaseSync) =>
    database
      .prepare("SELECT * FROM things")
      .all()
      .map((row) => ({ ...row }))

  it("is brought to this one, step by step", () => {
    const database = older()
    migrate(database, ["never run again", "ALTER TABLE things ADD COLUMN size", "UPDATE things SET size = 1"])
    assert.deepStrictEqual(names(database), [{ name: "a", size: 1 }])
    assert.strictEqual(describeTables(database).version, 3)
  })

  it("stays as it was when a step fails", () => {
    const database = older()
    assert.throws(
      () => migrate(database, ["", "ALTER TABLE things ADD COLUMN size", "no SQL"]),
      /syntax error/
    )
    assert.deepStrictEqual(names(database), [{ name: "a" }])
    assert.strictEqual(describeTables(database).version, 1)
    assert.isFalse(database.isTransaction)
  })
})

describe("rows that cannot be read", () => {
  const logged = (lines: Array<string>) =>
    Logger.layer([Logger.make(({ message }) => lines.push(String(message)))])

  it.effect("are set aside and logged; the lane goes on, and nothing is repeated", () =>
    Effect.gen(function* () {
      const path = newPath()
      const lines: Array<string> = []
      const change = commit({
        runs: [run("good"), run("bad")],
        entries: [
          entry("r1", "RUNNING"),
          entry("r1", "FAILED"),
          entry("r2", "RUNNING"),
          entry("r3", "RUNNING")
        ]
      })
      yield* use({ path }, (outbox) =>
        Effect.gen(function* () {
          yield* outbox.commit(change)
          const claim = yield* outbox.claim
          const other = yield* outbox.claim
          yield* outbox.release(claim)
          yield* outbox.bury(other, { reason: "rejected", words: "no" })
        })
      )
      sql(
        path,
        `UPDATE events SET body = '{"status":' WHERE seq = 1`,
        "UPDATE events SET path = 'run-stati' WHERE seq = 4",
        "UPDATE runs SET body = '[]' WHERE key = 'bad'",
        "UPDATE dead_letters SET body = '{}'"
      )
      yield* Effect.gen(function* () {
        for (let start = 0; start < 2; start++) {
          yield* use({ path }, (outbox) =>
            Effect.gen(function* () {
              const claim = yield* outbox.claim
              assert.strictEqual(claim.entry.id, entry("r1", "FAILED").id)
              const more = yield* Effect.forkChild(outbox.claim)
              yield* idle
              assert.isUndefined(more.pollUnsafe())
              yield* Fiber.interrupt(more)
              assert.deepStrictEqual([...(yield* outbox.checkpoint("jobs")).runs.keys()], ["good"])
              assert.deepStrictEqual(yield* outbox.deadLetters, [])
              const status = { pending: 1, inFlight: 1, lanes: 1, deadLetters: 0, delivered: 0 }
              assert.deepStrictEqual(yield* counters(outbox), status)
              assert.deepStrictEqual(yield* outbox.commit(change), { accepted: 0, repeated: 4 })
              sql(path, "DELETE FROM runs WHERE key = 'bad'")
            })
          )
        }
      }).pipe(Effect.provide(logged(lines)))
      assert.deepStrictEqual(
        lines,
        Array(4).fill("A row of the state file could not be read and was set aside")
      )
      const database = new DatabaseSync(path)
      const rows = database.prepare("SELECT origin, content FROM quarantine ORDER BY number").all()
      database.close()
      assert.deepStrictEqual(
        rows.map((row) => row["origin"]),
        ["events", "events", "runs", "dead_letters"]
      )
      assert.include(String(rows[0]?.["content"]), entry("r1", "RUNNING").id)
    })
  )

  it.effect("are not made: what is no event is set aside at its commit, which goes through", () =>
    Effect.gen(function* () {
      const path = newPath()
      const lines: Array<string> = []
      const loop: { [key: string]: null } = {}
      Object.assign(loop, { loop })
      yield* use({ path }, (outbox) =>
        Effect.gen(function* () {
          const entries = [entry("r1", "RUNNING", { metadata: loop }), entry("r2", "RUNNING")]
          assert.deepStrictEqual(yield* outbox.commit(commit({ entries })), { accepted: 2, repeated: 0 })
          assert.deepStrictEqual(yield* outbox.commit(commit({ entries })), { accepted: 0, repeated: 2 })
          assert.strictEqual((yield* outbox.claim).entry.id, entry("r2", "RUNNING").id)
          assert.strictEqual((yield* outbox.status).pending, 1)
        })
      ).pipe(Effect.provide(logged(lines)))
      assert.deepStrictEqual(lines, ["Events that are none were set aside in the state file"])
    })
  )
})

describe("rows that cannot be read, asked for twice at once", () => {
  it.effect("are set aside once", () =>
    Effect.gen(function* () {
      const path = newPath()
      yield* use({ path }, (outbox) =>
        Effect.gen(function* () {
          yield* outbox.commit(commit({ entries: events(150) }))
          for (let index = 0; index < 150; index++) {
            yield* outbox.bury(yield* outbox.claim, { reason: "rejected", words: "no" })
          }
          sql(path, "UPDATE dead_letters SET body = '{}' WHERE number IN (50, 149)")
          const letters = yield* Effect.all([outbox.deadLetters, outbox.deadLetters], { concurrency: 2 })
          assert.deepStrictEqual(
            letters.map(({ length }) => length),
            [148, 148]
          )
          assert.strictEqual((yield* outbox.status).deadLetters, 148)
        })
      ).pipe(Effect.provide(Logger.layer([])))
    })
  )
})

describe("the settings", () => {
  it.effect("name the file", () =>
    Effect.gen(function* () {
      const path = newPath()
      const provider = ConfigProvider.fromUnknown({
        core: { agent_type: "databricks", agent_key: "a", state_path: path }
      })
      yield* Effect.provide(
        Effect.flatMap(Outbox, (outbox) => outbox.commit(commit({ entries: events(1) }))),
        Layer.provide(OutboxSqlite.layerConfig, ConfigProvider.layer(provider))
      )
      assert.strictEqual((yield* use({ path }, (outbox) => outbox.status)).pending, 1)
    })
  )
})

describe("a full disk", () => {
  it.effect("fails commits as unavailable, changes nothing, and is over when there is room", () =>
    Effect.gen(function* () {
      const path = newPath()
      const counted = yield* use({ path, maxFileBytes: 300_000 }, (outbox) =>
        Effect.gen(function* () {
          const fill = (round: number) =>
            outbox.commit(
              commit({ cursor: at(round), runs: [run(`r${round}`)], entries: events(50, `round-${round}-`) })
            )
          let round = 0
          let error: OutboxError | undefined
          while (error === undefined && round < 1000) {
            round += 1
            error = Option.getOrUndefined(
              Option.map(yield* Effect.option(Effect.flip(fill(round))), (failure) => failure)
            )
          }
          assert.strictEqual(error?.reason, "Unavailable")
          assert.include(error?.message, "no room left")
          const { cursor, runs } = yield* outbox.checkpoint("jobs")
          assert.strictEqual(Option.getOrThrow(cursor).epochMilliseconds, at(round - 1).epochMilliseconds)
          assert.strictEqual(runs.size, round - 1)
          assert.strictEqual((yield* outbox.status).pending, 50 * (round - 1))
          for (let index = 0; index < 100; index++) yield* outbox.delivered(yield* outbox.claim)
          assert.deepStrictEqual(yield* fill(round), { accepted: 50, repeated: 0 })
          return yield* counters(outbox)
        })
      )
      assert.deepStrictEqual(yield* use({ path }, counters), counted)
    })
  )
})

describe("a file that another program locks", () => {
  it.effect("fails as unavailable until it is free", () =>
    Effect.gen(function* () {
      const path = newPath()
      yield* use({ path }, (outbox) =>
        Effect.gen(function* () {
          yield* outbox.commit(commit({ entries: events(1) }))
          const claim = yield* outbox.claim
          const other = new DatabaseSync(path)
          other.exec("BEGIN IMMEDIATE")
          const errors = [
            yield* Effect.flip(outbox.commit(commit({ entries: events(2) }))),
            yield* Effect.flip(outbox.delivered(claim))
          ]
          assert.deepStrictEqual(
            errors.map(({ method, reason }) => [method, reason]),
            [
              ["commit", "Unavailable"],
              ["delivered", "Unavailable"]
            ]
          )
          assert.strictEqual((yield* outbox.status).inFlight, 1)
          other.close()
          yield* outbox.delivered(claim)
          assert.deepStrictEqual(yield* outbox.commit(commit({ entries: events(2) })), {
            accepted: 1,
            repeated: 1
          })
        })
      )
    })
  )
})

describe("bounds", () => {
  it.effect("commits wait from the high mark of events on until there are less than the low mark", () =>
    Effect.gen(function* () {
      const waiter = yield* use({ path: ":memory:", capacity: { high: 4, low: 2 } }, (outbox) =>
        Effect.gen(function* () {
          yield* outbox.commit(commit({ entries: events(4) }))
          const waiting = yield* Effect.forkChild(outbox.commit(commit({ entries: events(1, "late") })))
          for (const isWaiting of [true, true, false]) {
            yield* outbox.delivered(yield* outbox.claim)
            yield* idle
            assert.strictEqual(waiting.pollUnsafe() === undefined, isWaiting)
          }
          return waiting
        })
      )
      assert.strictEqual((yield* Fiber.join(waiter)).accepted, 1)
    })
  )

  it.effect("commits wait for the bytes of the events, too, also after a restart", () =>
    Effect.gen(function* () {
      const path = newPath()
      const capacityBytes = { high: 3000, low: 1500 }
      const large = (key: string) => entry(key, "RUNNING", { metadata: { text: "ü".repeat(500) } })
      yield* use({ path, capacityBytes }, (outbox) =>
        outbox.commit(commit({ entries: [large("r1"), large("r2"), large("r3")] }))
      )
      yield* use({ path, capacityBytes }, (outbox) =>
        Effect.gen(function* () {
          const waiting = yield* Effect.forkChild(outbox.commit(commit({})))
          for (const isWaiting of [true, false]) {
            yield* outbox.delivered(yield* outbox.claim)
            yield* idle
            assert.strictEqual(waiting.pollUnsafe() === undefined, isWaiting)
          }
        })
      )
    })
  )

  it.effect("identities go when they are older than the retention, but never those of pending events", () =>
    Effect.gen(function* () {
      const path = newPath()
      const options = { path, identityRetention: Duration.days(30) }
      yield* use(options, (outbox) =>
        Effect.gen(function* () {
          yield* outbox.commit(commit({ entries: events(300) }))
          for (let index = 0; index < 299; index++) yield* outbox.delivered(yield* outbox.claim)
          yield* TestClock.adjust(Duration.days(29))
          yield* outbox.commit(commit({ entries: events(10, "later") }))
          assert.strictEqual((yield* outbox.commit(commit({ entries: events(300) }))).repeated, 300)
        })
      )
      yield* TestClock.adjust(Duration.days(2))
      yield* use(options, (outbox) =>
        Effect.gen(function* () {
          for (let index = 0; index < 5; index++) yield* outbox.commit(commit({}))
          const again = yield* outbox.commit(commit({ entries: events(300) }))
          assert.deepStrictEqual(again, { accepted: 299, repeated: 1 })
          assert.strictEqual((yield* outbox.commit(commit({ entries: events(10, "later") }))).repeated, 10)
        })
      )
    })
  )

  it.effect("a clock that is set back does not hold up what was never tried", () =>
    use({ path: ":memory:" }, (outbox) =>
      Effect.gen(function* () {
        yield* TestClock.setTime(at(100).epochMilliseconds)
        yield* outbox.commit(commit({ entries: events(1) }))
        yield* TestClock.setTime(at(0).epochMilliseconds)
        assert.strictEqual((yield* outbox.claim).entry.id, entry("r0", "RUNNING").id)
      })
    )
  )
})
