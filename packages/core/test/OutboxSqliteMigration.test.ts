import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import { DatabaseSync } from "node:sqlite"
import * as Codec from "@observability-agents/core/OutboxSqliteCodec"
import { Outbox } from "@observability-agents/core/Outbox"
import * as OutboxSqlite from "@observability-agents/core/OutboxSqlite"
import * as OutboxSqliteReader from "@observability-agents/core/OutboxSqliteReader"
import {
  MIGRATIONS,
  describe as describeTables,
  migrate
} from "@observability-agents/core/OutboxSqliteSchema"
import { collectSpans, commit, entry } from "@observability-agents/testing/OutboxSuiteModel"
import { afterAll, assert, describe, it } from "@effect/vitest"
import { Effect, Result, Tracer } from "effect"

const directory = Fs.realpathSync(Fs.mkdtempSync(Path.join(Os.tmpdir(), "outbox-sqlite-migration-")))
afterAll(() => Fs.rmSync(directory, { recursive: true, force: true }))

/** A file as the release left it that did not know of traces: two events of one lane wait, one was tried. */
const fileOfVersion2 = (name: string) => {
  const path = Path.join(directory, `${name}.db`)
  const database = new DatabaseSync(path)
  migrate(database, MIGRATIONS.slice(0, 2))
  const insert = (seq: number, { event, id, lane }: ReturnType<typeof entry>, attempts: number) => {
    const body = Result.getOrThrow(Codec.encodeEvent("run-status", event))
    database.prepare("INSERT INTO identities VALUES (?, ?, ?)").run(seq, id, 0)
    database
      .prepare(
        "INSERT INTO events (seq, lane, path, body, attempts, committed_at, due_at, error) VALUES (?, ?, 'run-status', ?, ?, 0, 0, ?)"
      )
      .run(seq, lane, body, attempts, attempts > 0 ? "503" : null)
  }
  insert(1, entry("r1", "RUNNING"), 3)
  insert(2, entry("r1", "COMPLETED"), 0)
  database.close()
  return path
}

const versionOf = (path: string) => {
  const database = new DatabaseSync(path, { readOnly: true })
  const { version } = describeTables(database)
  database.close()
  return version
}

describe("a state file of version 2", () => {
  it.effect(
    "keeps its events, which belong to no trace, and keeps the traces of what is committed then",
    () =>
      Effect.gen(function* () {
        const path = fileOfVersion2("kept")
        const { spans, tracer } = collectSpans()
        yield* Effect.gen(function* () {
          const outbox = yield* Outbox
          const change = commit({ entries: [entry("r1", "RUNNING"), entry("r2", "RUNNING")] })
          const { accepted, repeated } = yield* Effect.provideService(
            outbox.commit(change),
            Tracer.Tracer,
            tracer
          )
          assert.deepStrictEqual({ accepted, repeated }, { accepted: 1, repeated: 1 })
          const seen: Array<unknown> = []
          for (let index = 0; index < 3; index++) {
            const claim = yield* outbox.claim
            seen.push([claim.entry.id, claim.attempts, claim.traceparent])
            yield* outbox.delivered(claim)
          }
          assert.sameDeepMembers(seen, [
            [entry("r1", "RUNNING").id, 3, undefined],
            [entry("r1", "COMPLETED").id, 0, undefined],
            [entry("r2", "RUNNING").id, 0, `00-${spans[0]?.traceId}-${spans[0]?.spanId}-01`]
          ])
        }).pipe(Effect.provide(OutboxSqlite.layer({ path })))
        assert.strictEqual(versionOf(path), MIGRATIONS.length)
      })
  )

  it.effect("is not changed by those who only look at it", () =>
    Effect.gen(function* () {
      const path = fileOfVersion2("looked-at")
      const error = yield* Effect.flip(OutboxSqliteReader.open({ path }))
      assert.include(error.message, "older release")
      assert.strictEqual(versionOf(path), 2)
    }).pipe(Effect.scoped)
  )

  it("stays as it was when the step to the next version fails", () => {
    const path = fileOfVersion2("failed")
    const database = new DatabaseSync(path)
    assert.throws(() => migrate(database, [...MIGRATIONS, "CREATE TABLE events (seq)"]))
    const columns = database.prepare("PRAGMA table_info(events)").all()
    database.close()
    assert.strictEqual(versionOf(path), 2)
    assert.notInclude(
      columns.map((column) => column["name"]),
      "traceparent"
    )
  })
})
