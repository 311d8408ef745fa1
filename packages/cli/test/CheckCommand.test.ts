import { assert, describe, it } from "@effect/vitest"
import * as FakeDatabricks from "@observability-agents/agent-databricks/testing/FakeDatabricks"
import { HttpTransport } from "@observability-agents/toolkit/HttpTransport"
import * as HttpSettings from "@observability-agents/toolkit/HttpSettings"
import { FakeObservability } from "@observability-agents/testing/FakeObservability"
import * as TestNetwork from "@observability-agents/testing/TestNetwork"
import { Effect, FileSystem, type Layer, Redacted, type Scope } from "effect"
import { HttpClient, HttpClientResponse } from "effect/http"
import { TestClock } from "effect/testing"
import * as ClockSkew from "../src/ClockSkew.ts"
import * as StateCheck from "../src/StateCheck.ts"
import * as Here from "./ProgramHere.ts"
import * as StoreFixture from "./StoreFixture.ts"

const TOKEN = "dapi-secret-of-the-test"
const HOST = "adb-1.example.com"

const ground = Effect.gen(function* () {
  const server = yield* FakeObservability
  const workspace = yield* FakeDatabricks.make({ token: TOKEN, jobs: [] })
  const fs = yield* FileSystem.FileSystem
  const directory = yield* fs.makeTempDirectoryScoped({ prefix: "check-command-" })
  const client = TestNetwork.client({
    [new URL(server.baseUrl).host]: server.client,
    [HOST]: workspace.client
  })
  const run = (args: ReadonlyArray<string> = [], more: Readonly<Record<string, string>> = {}) =>
    Here.run({
      args: ["check", ...args],
      client,
      env: {
        DK_AGENT_TYPE: "databricks",
        DK_AGENT_KEY: "production",
        DK_STATE_PATH: `${directory}/state.db`,
        DK_OBSERVABILITY_BASE_URL: server.baseUrl,
        DK_OBSERVABILITY_SERVICE_ACCOUNT_KEY: Redacted.value(server.key),
        DK_OBSERVABILITY_RETRIES: "0",
        DK_HTTP_RETRIES: "0",
        DK_DATABRICKS_HOST: HOST,
        DK_AGENT_TOKEN: TOKEN,
        ...more
      }
    })
  return { server, fs, directory, run }
})

const live = <E>(
  name: string,
  test: Effect.Effect<void, E, Layer.Success<typeof Here.services> | FakeObservability | Scope.Scope>
) =>
  it.live(
    name,
    () => test.pipe(Effect.scoped, Effect.provide([FakeObservability.layer, Here.services])),
    30_000
  )

/** Mark and name of each line. */
const marks = (stdout: string) =>
  stdout
    .trimEnd()
    .split("\n")
    .map((line) => line.slice(0, 18).trimEnd().replaceAll(/ +/g, " "))

describe("observability-agent check", () => {
  live(
    "has a line for each: settings, state file, server, heartbeat, tool, clock; and leaves nothing behind",
    Effect.gen(function* () {
      const { directory, fs, run, server } = yield* ground
      const { exitCode, stdout } = yield* run()
      assert.strictEqual(exitCode, 0)
      assert.deepStrictEqual(marks(stdout), [
        "ok settings",
        "ok state file",
        "ok observability",
        "ok heartbeat",
        "ok databricks",
        "ok clock"
      ])
      assert.deepStrictEqual(yield* server.events, [])
      assert.deepStrictEqual(yield* server.heartbeats, [])
      assert.deepStrictEqual(yield* fs.readDirectory(directory), [])
    })
  )

  for (const [state, marked] of [
    ["events only", ["ok observability", "FAIL heartbeat"]],
    ["agent only", ["FAIL observability", "ok heartbeat"]]
  ] as const) {
    live(
      `tells the two permissions of the key apart: ${state}`,
      Effect.gen(function* () {
        const { run, server } = yield* ground
        yield* server.setKey(state)
        const { exitCode, stdout } = yield* run()
        assert.strictEqual(exitCode, 77)
        assert.deepStrictEqual(marks(stdout).slice(2, 4), [...marked])
      })
    )
  }

  live(
    "with --json prints one document, also of settings that are not valid, and has the same exit codes",
    Effect.gen(function* () {
      const { run, server } = yield* ground
      const good = yield* run(["--json"])
      assert.strictEqual(good.exitCode, 0)
      assert.deepInclude(JSON.parse(good.stdout), { ok: true })
      yield* server.setKey("expired")
      const refused = yield* run(["--json"])
      assert.strictEqual(refused.exitCode, 77)
      const document = JSON.parse(refused.stdout)
      assert.strictEqual(document.ok, false)
      assert.deepInclude(
        document.checks.find(({ what }: { readonly what: string }) => what === "observability"),
        { state: "failed", exit_code: 77 }
      )
      const wrong = yield* run(["--json"], { DK_PERIOD: "0" })
      assert.strictEqual(wrong.exitCode, 78)
      assert.deepInclude(JSON.parse(wrong.stdout).checks[0], {
        what: "settings",
        state: "failed",
        exit_code: 78
      })
      assert.include(wrong.stderr, "DK_PERIOD")
    })
  )

  live(
    "says of a state file that cannot be used what to do, and checks the rest all the same",
    Effect.gen(function* () {
      const { directory, fs, run } = yield* ground
      yield* fs.writeFileString(`${directory}/no-database`, "this is no database, whatever it is called")
      const { exitCode, stdout } = yield* run([], { DK_STATE_PATH: `${directory}/no-database` })
      assert.strictEqual(exitCode, 74)
      assert.deepStrictEqual(marks(stdout).slice(1, 3), ["FAIL state file", "ok observability"])
    })
  )

  live(
    "says what waits in the state file, and who uses it",
    Effect.gen(function* () {
      const { directory, run } = yield* ground
      const path = `${directory}/state.db`
      yield* StoreFixture.fill(path)
      const idle = yield* run()
      assert.match(
        idle.stdout,
        /ok {3}state file .*events wait to be sent, the oldest for .*1 dead letter, .*no agent is running on it/
      )
      yield* StoreFixture.own(path)
      const owned = yield* run()
      assert.strictEqual(owned.exitCode, 0)
      assert.match(owned.stdout, /ok {3}state file .*in use by process \d+/)
    })
  )
})

describe("the check of the state file", () => {
  live(
    "warns of one that is not kept, and fails where it cannot be made",
    Effect.gen(function* () {
      const { directory, fs } = yield* ground
      assert.deepInclude(yield* StateCheck.look(":memory:", "observability-agent"), { state: "warning" })
      assert.deepInclude(yield* StateCheck.look(`${directory}/new/state.db`, "observability-agent"), {
        state: "ok"
      })
      yield* fs.writeFileString(`${directory}/file`, "")
      assert.deepInclude(yield* StateCheck.look(`${directory}/file/state.db`, "observability-agent"), {
        state: "failed",
        exitCode: 74
      })
    })
  )
})

describe("the check of the clock", () => {
  const now = Date.UTC(2026, 0, 5, 8)

  /** What is found when answers tell these times, in milliseconds from ours. */
  const judged = Effect.fnUntraced(function* (times: Readonly<Record<string, number | undefined>>) {
    yield* TestClock.setTime(now)
    const inner = HttpClient.make((request, url) => {
      const at = times[url.host]
      const headers = at === undefined ? {} : { date: new Date(now + at).toUTCString() }
      return Effect.succeed(HttpClientResponse.fromWeb(request, new Response("", { headers })))
    })
    const { readings, transport } = ClockSkew.watch(HttpTransport.of({ make: () => Effect.succeed(inner) }))
    const client = yield* transport.make(HttpSettings.defaults)
    yield* Effect.forEach(Object.keys(times), (host) => client.get(`http://${host}/`))
    return ClockSkew.judge(readings())
  }, Effect.scoped)

  it.effect("agrees up to 30 seconds", () =>
    Effect.gen(function* () {
      assert.deepInclude(yield* judged({ "a.example": 0, "b.example": 20_000 }), { isRight: true })
    })
  )

  it.effect(
    "warns beyond that, of the one that is furthest off, in either direction, and says what it does",
    () =>
      Effect.gen(function* () {
        const ahead = yield* judged({ "a.example": 0, "b.example": -120_000 })
        assert.isFalse(ahead.isRight)
        assert.match(
          ahead.text,
          /2 min ahead of that of b\.example\. Events keep the times that the tool tells/
        )
        const behind = yield* judged({ "a.example": 40_000 })
        assert.match(behind.text, /behind that of a\.example/)
      })
  )

  it.effect("says that it was not compared where no answer tells the time", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* judged({ "a.example": undefined }), {
        isRight: true,
        text: "not compared, as no answer told the time"
      })
    })
  )
})
