import { NodeServices } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect, FileSystem, Schema, type Scope } from "effect"
import * as Fs from "node:fs"
import { DatabaseSync } from "node:sqlite"
import * as Process from "./ProgramProcess.ts"
import * as Store from "./StoreFixture.ts"

const filled = Effect.gen(function* () {
  const fs = yield* FileSystem.FileSystem
  const path = `${yield* fs.makeTempDirectoryScoped({ prefix: "state-file-" })}/state.db`
  yield* Store.fill(path)
  return path
})

const empty = Effect.gen(function* () {
  const fs = yield* FileSystem.FileSystem
  const path = `${yield* fs.makeTempDirectoryScoped({ prefix: "state-file-" })}/state.db`
  yield* Effect.scoped(Store.own(path))
  return path
})

const run = (path: string, ...args: ReadonlyArray<string>) =>
  Process.run({ args, env: { DK_STATE_PATH: path } })

/** Runs it, and decodes the one JSON document that it prints. */
const json = <A>(schema: Schema.Codec<A, unknown>, path: string, ...args: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    const { exitCode, stderr, stdout } = yield* run(path, ...args, "--json")
    assert.strictEqual(exitCode, 0, stderr)
    return yield* Schema.decodeUnknownEffect(schema)(JSON.parse(stdout))
  })

const alter = (path: string, sql: string): void => {
  const database = new DatabaseSync(path)
  database.exec(sql)
  database.close()
}

const live = (name: string, test: Effect.Effect<void, unknown, NodeServices.NodeServices | Scope.Scope>) =>
  it.live(name, () => test.pipe(Effect.scoped, Effect.provide(NodeServices.layer)), 60_000)

const Letter = Schema.Struct({
  id: Schema.Int,
  reason: Schema.String,
  words: Schema.String,
  tries: Schema.Int,
  identity: Schema.String,
  run: Schema.String,
  endpoint: Schema.String,
  body: Schema.Record(Schema.String, Schema.Json)
})
const Letters = Schema.Array(Letter)
const Status = Schema.Struct({
  in_use_by: Schema.NullOr(Schema.String),
  waiting: Schema.Struct({
    events: Schema.Int,
    runs: Schema.Int,
    retrying: Schema.Int,
    last_error: Schema.NullOr(Schema.String)
  }),
  delivered: Schema.Int,
  dead_letters: Schema.Int,
  sources: Schema.Array(
    Schema.Struct({ source: Schema.String, tracked_runs: Schema.Int, open_runs: Schema.Int })
  )
})
const Explained = Schema.Struct({
  run: Schema.NullOr(Schema.String),
  timeline: Schema.Array(Schema.Struct({ at: Schema.String, what: Schema.String, text: Schema.String })),
  conclusions: Schema.Array(Schema.String)
})

describe("observability-agent dead-letters", () => {
  live(
    "lists them with event, run and reason, and shows one with its body",
    Effect.gen(function* () {
      const path = yield* filled
      const list = yield* run(path, "dead-letters", "list")
      assert.strictEqual(list.exitCode, 0)
      const lines = list.stdout.trimEnd().split("\n")
      assert.strictEqual(lines.length, 2)
      assert.match(lines[0] ?? "", /^ID +BURIED \(UTC\) +RUN +EVENT +TRIES +REASON$/)
      assert.match(
        lines[1] ?? "",
        /^1 +\d{4}-\d\d-\d\d \d\d:\d\d:\d\d +1001\/7001 +task extract COMPLETED +1 +rejected: 400: the key is too long$/
      )
      const shown = yield* run(path, "dead-letters", "show", "1")
      assert.strictEqual(shown.exitCode, 0)
      assert.include(shown.stdout, '"task_key": "extract"')
      assert.include(shown.stdout, "400: the key is too long")
      const [letter] = yield* json(Letters, path, "dead-letters", "list")
      assert.deepStrictEqual([letter?.id, letter?.endpoint, letter?.run], [1, "run-status", "1001/7001"])
      assert.deepStrictEqual([letter?.body["status"], letter?.body["run_key"]], ["COMPLETED", "7001"])
      assert.deepStrictEqual(yield* json(Letter, path, "dead-letters", "show", "1"), letter)
    })
  )

  live(
    "says so in a friendly way when there are none",
    Effect.gen(function* () {
      const path = yield* empty
      for (const args of [["list"], ["replay", "--all"]]) {
        const { exitCode, stdout } = yield* run(path, "dead-letters", ...args)
        assert.deepStrictEqual(
          [exitCode, stdout],
          [0, "There are no dead letters: everything that was sent was taken.\n"]
        )
      }
      assert.deepStrictEqual(yield* json(Letters, path, "dead-letters", "list"), [])
    })
  )

  live(
    "refuses wrong input with 64 and changes nothing",
    Effect.gen(function* () {
      const path = yield* filled
      for (const [args, words] of [
        [["show", "7"], /There is no dead letter 7\./],
        [["replay", "1", "7"], /There is no dead letter 7\. Nothing was changed/],
        [["drop", "1", "8", "9"], /There is no dead letter 8, 9\. Nothing was changed/],
        [["replay"], /IDs that .* shows, or --all/],
        [["drop", "1", "--all"], /IDs that .* shows, or --all/],
        [["show", "one"], /one/]
      ] as const) {
        const { exitCode, stderr, stdout } = yield* run(path, "dead-letters", ...args)
        assert.strictEqual(exitCode, 64, args.join(" "))
        assert.match(stderr + stdout, words)
        assert.notInclude(stderr, "    at ")
      }
      assert.strictEqual((yield* json(Letters, path, "dead-letters", "list")).length, 1)
    })
  )

  live(
    "puts a replayed one back into the state file, and removes a dropped one",
    Effect.gen(function* () {
      const path = yield* filled
      const replayed = yield* run(path, "dead-letters", "replay", "1")
      assert.deepStrictEqual(
        [replayed.exitCode, replayed.stdout],
        [0, "1 dead letter (1) is sent again when the agent runs next.\n"]
      )
      const { dead_letters, waiting } = yield* json(Status, path, "outbox", "status")
      assert.deepStrictEqual([dead_letters, waiting.events], [0, 5])
      const other = yield* filled
      const dropped = yield* run(other, "dead-letters", "drop", "--all")
      assert.deepStrictEqual([dropped.exitCode, dropped.stdout], [0, "1 dead letter (1) was removed.\n"])
      const status = yield* json(Status, other, "outbox", "status")
      assert.deepStrictEqual([status.dead_letters, status.waiting.events], [0, 4])
      const { conclusions, timeline } = yield* json(Explained, other, "explain", "7001")
      assert.include(timeline.find(({ what }) => what === "operator")?.text, "was dropped")
      assert.include(conclusions[0], "2 events accepted, 3 still waiting.")
    })
  )
})

describe("observability-agent, where history is kept for longer than by default", () => {
  live(
    "keeps it when dead letters are changed without an agent",
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const path = `${yield* fs.makeTempDirectoryScoped({ prefix: "state-file-" })}/state.db`
      yield* Store.fill(path, 3 * 24 * 3600 * 1000)
      const env = { DK_STATE_PATH: path, DK_HISTORY_RETENTION: "7 days" }
      const notes = Effect.map(Process.run({ args: ["outbox", "status"], env }), ({ stdout }) =>
        Number(/and (\d+) notes/.exec(stdout)?.[1])
      )
      const before = yield* notes
      assert.isAbove(before, 2)
      yield* Process.run({ args: ["dead-letters", "replay", "--all"], env })
      assert.strictEqual(yield* notes, before + 1, "with the one that tells of the replay")
    })
  )
})

describe("observability-agent, where something cannot be read", () => {
  live(
    "lists an unreadable dead letter, and drops it",
    Effect.gen(function* () {
      const path = yield* filled
      alter(path, "UPDATE dead_letters SET body = 'torn'")
      const list = yield* run(path, "dead-letters", "list")
      assert.match(list.stdout, /^1 .* 1001\/7001 +unreadable \(/m)
      const [letter] = JSON.parse((yield* run(path, "dead-letters", "list", "--json")).stdout)
      assert.deepStrictEqual([letter.id, letter.unreadable, letter.body], [1, true, null])
      assert.include((yield* run(path, "dead-letters", "replay", "--all")).stdout, "Left out")
      const dropped = yield* run(path, "dead-letters", "drop", "1")
      assert.strictEqual(dropped.stdout, "1 dead letter (1) was removed.\n")
    })
  )

  live(
    "mentions what was set aside, and takes the file for sound",
    Effect.gen(function* () {
      const path = yield* filled
      alter(
        path,
        "INSERT INTO quarantine (at, origin, content, reason) SELECT 1, 'events', json_object('lane', lane, 'id', 'the-identity'), 'torn' FROM dead_letters"
      )
      const { conclusions } = yield* json(Explained, path, "explain", "7001")
      assert.match(conclusions.join(" "), /1 row of it could not be read and was set aside .*the-identity/)
      const { exitCode, stdout } = yield* run(path, "outbox", "verify")
      assert.strictEqual(exitCode, 0)
      assert.match(stdout, /^Remark: 1 of `events` could not be read earlier/m)
    })
  )

  live(
    "does not replay the RUNNING of a run that has ended, unless it is forced",
    Effect.gen(function* () {
      const path = yield* filled
      alter(
        path,
        "UPDATE dead_letters SET body = json_set(json_remove(body, '$.task_key', '$.task_name'), '$.status', 'RUNNING')"
      )
      const left = yield* run(path, "dead-letters", "replay", "--all")
      assert.match(left.stdout, /^Left out, because the end of the run was told already.*: 1\. --force/)
      assert.strictEqual((yield* json(Status, path, "outbox", "status")).dead_letters, 1)
      const forced = yield* run(path, "dead-letters", "replay", "1", "--force")
      assert.strictEqual(forced.stdout, "1 dead letter (1) is sent again when the agent runs next.\n")
    })
  )
})

describe("observability-agent, beside a running agent", () => {
  live(
    "reads the state file, and has the agent replay and drop",
    Effect.gen(function* () {
      const path = yield* filled
      const outbox = yield* Store.own(path)
      const { in_use_by } = yield* json(Status, path, "outbox", "status")
      assert.include(in_use_by, `process ${process.pid} on `)
      assert.strictEqual((yield* json(Letters, path, "dead-letters", "list")).length, 1)
      assert.strictEqual((yield* run(path, "explain", "7001")).exitCode, 0)
      const replayed = yield* run(path, "dead-letters", "replay", "1")
      assert.strictEqual(replayed.exitCode, 0, replayed.stderr)
      assert.include(replayed.stdout, `sent again now, by the running agent (process ${process.pid} on `)
      // The agent itself knows it, so that it is sent without a restart.
      const { deadLetters, pending } = yield* outbox.status
      assert.deepStrictEqual({ deadLetters, pending }, { deadLetters: 0, pending: 5 })
      const claim = yield* outbox.claim
      yield* outbox.bury(claim, { reason: "rejected", words: "no" })
      const dropped = yield* run(path, "dead-letters", "drop", "--all", "--json")
      assert.deepStrictEqual(JSON.parse(dropped.stdout), { dropped: [2], by_agent: true })
      assert.strictEqual((yield* outbox.status).deadLetters, 0)
      assert.deepStrictEqual(yield* outbox.verify, [])
    })
  )
})

describe("observability-agent outbox", () => {
  live(
    "tells how the state file stands",
    Effect.gen(function* () {
      const path = yield* filled
      const status = yield* json(Status, path, "outbox", "status")
      assert.deepStrictEqual(status, {
        in_use_by: null,
        waiting: { events: 4, runs: 2, retrying: 1, last_error: "503 again" },
        delivered: 2,
        dead_letters: 1,
        sources: [{ source: Store.SOURCE, tracked_runs: 4, open_runs: 1 }]
      })
      const { exitCode, stdout } = yield* run(path, "outbox", "status")
      assert.strictEqual(exitCode, 0)
      assert.match(stdout, /^Waiting +4 events of 2 runs \(\d+ bytes\), the oldest since .* UTC \(10 min\)$/m)
      assert.match(stdout, /^In use by +nobody/m)
      assert.match(stdout, /^Source +databricks https:.*read up to .* UTC; 4 runs tracked, 1 open$/m)
    })
  )

  live(
    "verifies a sound file with 0, and one with illegible rows with 74",
    Effect.gen(function* () {
      const path = yield* filled
      const sound = yield* run(path, "outbox", "verify")
      assert.strictEqual(sound.exitCode, 0)
      assert.match(sound.stdout, /state\.db is sound/)
      const database = new DatabaseSync(path)
      database.exec("UPDATE events SET body = 'torn' WHERE seq = (SELECT max(seq) FROM events)")
      database.close()
      const before = Fs.readFileSync(path)
      const { exitCode, stderr, stdout } = yield* run(path, "outbox", "verify")
      assert.strictEqual(exitCode, 74)
      assert.match(stdout, /^1 row of the events waiting to be sent cannot be read \(number \d+\)\.$/m)
      assert.match(stderr, /is not sound: 1 finding/)
      assert.isTrue(before.equals(Fs.readFileSync(path)))
    })
  )

  live(
    "says what is wrong with a file that is none, or not there, and exits with 74",
    Effect.gen(function* () {
      const path = yield* empty
      Fs.writeFileSync(`${path}.text`, "this is no database, however long it may be\n".repeat(40))
      for (const [file, words] of [
        [`${path}.nowhere`, /There is no state file .*nowhere\. No agent has run here/],
        [`${path}.text`, /damaged|another program/],
        [":memory:", /there is no state file to look at/]
      ] as const) {
        for (const args of [
          ["outbox", "status"],
          ["dead-letters", "list"],
          ["explain", "7001"]
        ]) {
          const { exitCode, stderr, stdout } = yield* run(file, ...args)
          assert.deepStrictEqual([exitCode, stdout], [74, ""], args.join(" "))
          assert.match(stderr, words)
          assert.notInclude(stderr, "    at ")
        }
      }
      assert.isFalse(Fs.existsSync(`${path}.nowhere`))
    })
  )
})

describe("observability-agent explain", () => {
  live(
    "tells the whole way of a run in one line of time",
    Effect.gen(function* () {
      const path = yield* filled
      const { conclusions, run: name, timeline } = yield* json(Explained, path, "explain", "7001")
      assert.strictEqual(name, "1001/7001")
      assert.deepStrictEqual(
        timeline.map(({ what, text }) => `${what} ${text.replace(/ of \d{4}-.*| next try .*/, "")}`),
        [
          "tool says: Running; extract Running",
          "made RUNNING",
          "made task extract RUNNING",
          "accepted RUNNING at the first try",
          "accepted task extract RUNNING after 1 try that failed (last: 503 from the proxy)",
          "tool says: Running; extract Completed, load Running",
          "made task extract COMPLETED",
          "made task load RUNNING",
          "rejected task extract COMPLETED (rejected): 400: the key is too long (dead letter 1)",
          "tool says: Completed; extract Completed, load Completed",
          "made task load COMPLETED",
          "made COMPLETED",
          "retried task load RUNNING: 1 try failed (last: 503 again);",
          "waiting task load COMPLETED: not tried yet",
          "waiting COMPLETED: not tried yet"
        ]
      )
      assert.deepStrictEqual(
        timeline.map(({ at }) => at),
        timeline.map(({ at }) => at).sort()
      )
      assert.strictEqual(conclusions[0], "2 events accepted, 3 still waiting, 1 rejected.")
      assert.include(conclusions[1], "It has ended as Completed")
      const { stdout } = yield* run(path, "explain", "1001/7001")
      assert.match(
        stdout,
        /^Run 7001 \(nightly load #7001\) of pipeline 1001 \(nightly load\), databricks https/
      )
      assert.match(stdout, /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d {2}accepted {2}RUNNING at the first try$/m)
      assert.notInclude(stdout, "\u001b")
    })
  )

  live(
    "says why nothing was told of runs that wait, run on, or were skipped",
    Effect.gen(function* () {
      const path = yield* filled
      for (const [key, words] of [
        ["7002", "It has not begun: the tool said Pending at "],
        ["7003", "It has not ended: the tool said so last at "],
        ["7004", "It was skipped"]
      ] as const) {
        const { exitCode, stdout } = yield* run(path, "explain", key)
        assert.strictEqual(exitCode, 0)
        assert.include(stdout, words)
      }
    })
  )

  live(
    "asks for more when a part fits several runs",
    Effect.gen(function* () {
      const path = yield* filled
      const { exitCode, stderr, stdout } = yield* run(path, "explain", "700")
      assert.deepStrictEqual([exitCode, stdout], [64, ""])
      assert.include(stderr, '"700" fits 4 runs. Say more of it:\n  1001/7001\n  1001/7002\n')
    })
  )

  live(
    "says what may have kept a run from being known, the agent's filter included",
    Effect.gen(function* () {
      const path = yield* filled
      const { exitCode, stderr: stdout } = yield* Process.run({
        args: ["explain", "nothing-like-it"],
        env: {
          DK_STATE_PATH: path,
          DK_AGENT_TYPE: "databricks",
          DK_AGENT_KEY: "production",
          DK_OBSERVABILITY_BASE_URL: "http://localhost:1",
          DK_OBSERVABILITY_SERVICE_ACCOUNT_KEY: "a-key-nobody-may-see",
          DK_AGENT_TOKEN: "a-token-nobody-may-see",
          DK_DATABRICKS_HOST: "http://localhost:2",
          DK_DATABRICKS_JOBS: "nightly, 1001"
        }
      })
      assert.strictEqual(exitCode, 64)
      assert.match(stdout, /No run is known here that fits "nothing-like-it"/)
      assert.match(stdout, /was read up to \d{4}-.* UTC/)
      assert.include(stdout, "only these are watched (`jobs` of [databricks]): nightly, 1001.")
      assert.notInclude(stdout, "nobody-may-see")
      assert.match((yield* run(yield* empty, "explain", "7001")).stderr, /Nothing was read yet/)
    })
  )

  live(
    "says so when the history has gone since",
    Effect.gen(function* () {
      const path = yield* filled
      const { stdout } = yield* Process.run({
        args: ["explain", "7001"],
        env: { DK_STATE_PATH: path, DK_HISTORY_RETENTION: "60" }
      })
      assert.notInclude(stdout, "accepted  RUNNING")
      assert.include(stdout, "the history has gone since: it is kept for 1m (history_retention)")
      assert.include(stdout, "COMPLETED: not tried yet")
    })
  )
})
