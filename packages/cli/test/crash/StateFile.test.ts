import { assert, describe, it } from "@effect/vitest"
import * as FakeDatabricks from "@observability-agents/agent-databricks/testing/FakeDatabricks"
import * as NodeFakeDatabricks from "@observability-agents/agent-databricks/testing/NodeFakeDatabricks"
import * as EventLog from "@observability-agents/testing/EventLog"
import * as NodeFakeObservability from "@observability-agents/testing/NodeFakeObservability"
import * as ServerFault from "@observability-agents/testing/ServerFault"
import { Effect, Redacted, type Scope } from "effect"
import { execFileSync } from "node:child_process"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import { DatabaseSync } from "node:sqlite"
import * as Agent from "./AgentProcess.ts"

/** A folder, a workspace and a server; agents that are started work on `state.db` in that folder. */
const world = Effect.gen(function* () {
  const cwd = yield* Effect.acquireRelease(
    Effect.sync(() => Fs.mkdtempSync(Path.join(Os.tmpdir(), "state-file-"))),
    (path) => Effect.sync(() => Fs.rmSync(path, { recursive: true, force: true }))
  )
  const server = yield* NodeFakeObservability.make()
  const workspace = yield* FakeDatabricks.make()
  const host = yield* NodeFakeDatabricks.serve(workspace)
  const path = Path.join(Fs.realpathSync(cwd), "state.db")
  const start = (env: Readonly<Record<string, string>> = {}) =>
    Agent.start({
      cwd,
      env: {
        DK_AGENT_TYPE: "databricks",
        DK_AGENT_KEY: "state-file",
        DK_OBSERVABILITY_BASE_URL: server.baseUrl,
        DK_OBSERVABILITY_SERVICE_ACCOUNT_KEY: Redacted.value(server.key),
        DK_OBSERVABILITY_RETRIES: "0",
        DK_AGENT_TOKEN: "dapi-fake",
        DK_DATABRICKS_HOST: host,
        DK_DATABRICKS_PERIOD: "0.2",
        DK_STATE_PATH: path,
        ...env
      }
    })
  /** Lets an agent deliver the start of a run, and kills it: a state file as a crash leaves it. */
  const crashed = Effect.scoped(
    Effect.gen(function* () {
      const agent = yield* start()
      yield* workspace.run("nightly", { id: "7001", tasks: [{ key: "load", takes: "1 hour" }] })
      yield* server.awaitEvents(2)
      // The last acknowledgement is on the disk before a second heartbeat could be.
      yield* Effect.sleep("300 millis")
      agent.kill("SIGKILL")
      yield* agent.exited
    })
  )
  return { crashed, cwd, path, server, start, workspace }
})

const live = <E>(name: string, test: Effect.Effect<void, E, Scope.Scope>) =>
  it.live(name, () => Effect.scoped(test), 60_000)

/** The file and its write-ahead log; looking at it may leave an empty one. */
const files = (path: string) =>
  ["", "-wal"].map((suffix) =>
    Fs.existsSync(path + suffix) ? Fs.readFileSync(path + suffix) : Buffer.alloc(0)
  )

/** Ends with 74 and one sentence, and leaves the file as it was. */
const isRefused = Effect.fnUntraced(function* (
  { path, start }: Effect.Success<typeof world>,
  words: RegExp,
  env?: Readonly<Record<string, string>>
) {
  const before = files(path)
  const agent = yield* start(env)
  const { code, stderr } = yield* agent.exited
  assert.strictEqual(code, 74, stderr)
  assert.match(stderr, words)
  assert.notMatch(stderr, /^ {4}at /m, "no stack trace")
  assert.notInclude(stderr, "Internal error")
  assert.deepStrictEqual(files(path), before, "the file is as it was")
})

describe("observability-agent run, on a state file that it cannot use", () => {
  live(
    "says that it is damaged",
    Effect.gen(function* () {
      const given = yield* world
      yield* given.crashed
      const whole = Fs.readFileSync(given.path)
      Fs.writeFileSync(given.path, Buffer.concat([whole.subarray(0, 100), Buffer.alloc(whole.length, 0xa5)]))
      Fs.rmSync(`${given.path}-wal`, { force: true })
      yield* isRefused(
        given,
        /The state file .*state\.db is damaged .*It was left as it is\. Put a copy of it in its place/
      )
    })
  )

  live(
    "says that it is from a newer release",
    Effect.gen(function* () {
      const given = yield* world
      yield* given.crashed
      const database = new DatabaseSync(given.path)
      database.exec("PRAGMA user_version = 99")
      database.close()
      yield* isRefused(given, /was written by a newer release .*install the newer release/)
    })
  )

  live(
    "says that it belongs to another program",
    Effect.gen(function* () {
      const given = yield* world
      const database = new DatabaseSync(given.path)
      database.exec("CREATE TABLE recipes (name TEXT)")
      database.close()
      yield* isRefused(given, /is a database of another program/)
    })
  )

  live(
    "says who uses it, and leaves that agent alone",
    Effect.gen(function* () {
      const given = yield* world
      const first = yield* given.start()
      yield* given.workspace.run("nightly", { tasks: [{ key: "load", takes: "1 hour" }] })
      yield* given.server.awaitEvents(2)
      const second = yield* given.start()
      const { code, stderr } = yield* second.exited
      assert.strictEqual(code, 74)
      assert.match(stderr, new RegExp(`is in use by process ${first.pid} on .*Two agents cannot share one`))
      assert.notMatch(stderr, /^ {4}at /m)

      yield* given.workspace.run("hourly", { tasks: [{ key: "load", takes: "1 hour" }] })
      yield* given.server.awaitEvents(4)
      first.kill("SIGTERM")
      assert.strictEqual((yield* first.exited).code, 0)
    })
  )

  live(
    "says that its directory cannot be made or written",
    Effect.gen(function* () {
      const given = yield* world
      Fs.writeFileSync(Path.join(given.cwd, "a-file"), "")
      const path = Path.join(given.cwd, "a-file", "state.db")
      yield* isRefused(given, /The state file .*a-file\/state\.db cannot be used: .*(EEXIST|ENOTDIR)/, {
        DK_STATE_PATH: path
      })
      if (process.getuid?.() === 0)
        return yield* Effect.log("Permissions not tested: root may write anywhere")
      const directory = Path.join(given.cwd, "locked")
      Fs.mkdirSync(directory, { mode: 0o500 })
      yield* isRefused(given, /cannot be used: .*EACCES/, { DK_STATE_PATH: Path.join(directory, "state.db") })
    })
  )
})

describe("observability-agent run, after a crash", () => {
  live(
    "goes on with the part of the write-ahead log that is whole",
    Effect.gen(function* () {
      const given = yield* world
      yield* given.crashed
      const wal = `${given.path}-wal`
      Fs.truncateSync(wal, Math.floor(Fs.statSync(wal).size * 0.9))
      const agent = yield* given.start()
      yield* given.workspace.run("hourly", { tasks: [{ key: "load", takes: "1 hour" }] })
      // Whatever was cut off is read and sent again; here that is at most what had been delivered last.
      while (!(yield* given.server.events).some(({ pipelineName }) => pipelineName === "hourly"))
        yield* Effect.sleep("50 millis")
      agent.kill("SIGTERM")
      assert.strictEqual((yield* agent.exited).code, 0)
    })
  )
})

/** That begin while the disk is full. */
const RUNS = 50

describe("observability-agent run, on a full disk", () => {
  live(
    "lets polling wait, withholds its heartbeat, and loses nothing once there is room",
    Effect.gen(function* () {
      const given = yield* world
      const disk = yield* smallDisk
      if (disk === undefined) {
        return yield* Effect.log("Not tested: mounting a small disk takes root on Linux")
      }
      const filler = Path.join(disk, "filler")
      const agent = yield* given.start({
        DK_STATE_PATH: Path.join(disk, "state.db"),
        DK_HEALTH_GRACE: "1",
        DK_HEARTBEAT_PERIOD: "1",
        // What was read and cannot be stored waits here.
        DK_MAX_CHANNEL_CAPACITY: "1"
      })
      yield* given.workspace.run("nightly", { id: "7001", tasks: [{ key: "load", takes: "4 seconds" }] })
      yield* given.server.awaitEvents(2)
      const fill = Effect.try(() => {
        const file = Fs.openSync(filler, "a")
        try {
          for (;;) Fs.writeSync(file, Buffer.alloc(512))
        } finally {
          Fs.closeSync(file)
        }
      })
      yield* Effect.ignore(fill)
      for (let run = 0; run < RUNS; run++) {
        yield* given.workspace.run("hourly", {
          id: String(8000 + run),
          tasks: [{ key: "load", takes: "2 seconds" }]
        })
      }
      while (!/no room left for the state file/.test(agent.said())) {
        yield* Effect.ignore(fill)
        yield* Effect.sleep("100 millis")
      }
      yield* Effect.sleep("3 seconds")
      const beats = (yield* given.server.heartbeats).length
      const polls = yield* given.workspace.count("list")
      yield* Effect.sleep("3 seconds")
      assert.strictEqual((yield* given.server.heartbeats).length, beats, "heartbeats are withheld")
      assert.isAtMost((yield* given.workspace.count("list")) - polls, 10, "polling waits")

      Fs.rmSync(filler)
      yield* given.server.awaitEvents(4 + 4 * RUNS)
      yield* Effect.sleep("2 seconds")
      const events = yield* given.server.events
      assert.strictEqual(events.length, 4 + 4 * RUNS)
      assert.deepStrictEqual(EventLog.problems(events), [])
      assert.isAbove((yield* given.server.heartbeats).length, beats, "heartbeats are sent again")
      assert.include(agent.said(), "The state file cannot be read or written at the moment")
      assert.include(agent.said(), "The state file can be read and written again")
      agent.kill("SIGTERM")
      assert.strictEqual((yield* agent.exited).code, 0)
    })
  )
})

describe("observability-agent run, told to stop", () => {
  live(
    "finishes what is under way, leaves the rest on the disk, and exits with 0",
    Effect.gen(function* () {
      const given = yield* world
      yield* given.server.fail(ServerFault.slow("1 second"), {
        where: ({ path }) => path.startsWith("events/")
      })
      yield* Effect.scoped(
        Effect.gen(function* () {
          const agent = yield* given.start()
          yield* given.workspace.run("nightly", { id: "7001", tasks: [{ key: "load", takes: "1 hour" }] })
          while (!(yield* given.server.requests).some(({ path }) => path.startsWith("events/")))
            yield* Effect.sleep("20 millis")
          agent.kill("SIGTERM")
          assert.strictEqual((yield* agent.exited).code, 0)
        })
      )
      const titles = Effect.map(given.server.events, (events) => events.map(EventLog.title))
      assert.deepStrictEqual(yield* titles, ["RUNNING"])

      yield* given.server.recover
      const agent = yield* given.start()
      yield* given.server.awaitEvents(2)
      assert.deepStrictEqual(yield* titles, ["RUNNING", "task load RUNNING"])
      agent.kill("SIGTERM")
      assert.strictEqual((yield* agent.exited).code, 0)
    })
  )

  live(
    "twice, ends at once",
    Effect.gen(function* () {
      const given = yield* world
      yield* given.server.fail(ServerFault.silence, { where: ({ path }) => path.startsWith("events/") })
      const agent = yield* given.start()
      yield* given.workspace.run("nightly", { id: "7001", tasks: [{ key: "load", takes: "1 hour" }] })
      while (!(yield* given.server.requests).some(({ path }) => path.startsWith("events/")))
        yield* Effect.sleep("20 millis")
      agent.kill("SIGTERM")
      yield* Effect.sleep("500 millis")
      agent.kill("SIGTERM")
      const { code } = yield* Effect.timeout(agent.exited, "3 seconds")
      assert.strictEqual(code, 143)
    })
  )
})

/** A disk of 4 MiB, until the scope closes; nothing where it cannot be had. */
const smallDisk = Effect.acquireRelease(
  Effect.sync(() => {
    const path = Fs.mkdtempSync(Path.join(Os.tmpdir(), "small-disk-"))
    try {
      execFileSync("mount", ["-t", "tmpfs", "-o", "size=4m", "tmpfs", path], { stdio: "ignore" })
      return path
    } catch {
      Fs.rmdirSync(path)
      return undefined
    }
  }),
  (path) =>
    Effect.sync(() => {
      if (path === undefined) return
      execFileSync("umount", ["-l", path], { stdio: "ignore" })
      Fs.rmdirSync(path)
    })
)
