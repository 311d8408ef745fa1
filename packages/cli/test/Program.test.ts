import { NodeServices } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import * as FakeDatabricks from "@observability-agents/agent-databricks/testing/FakeDatabricks"
import * as NodeFakeDatabricks from "@observability-agents/agent-databricks/testing/NodeFakeDatabricks"
import * as EventLog from "@observability-agents/testing/EventLog"
import { FakeObservability } from "@observability-agents/testing/FakeObservability"
import * as NodeFakeObservability from "@observability-agents/testing/NodeFakeObservability"
import { Effect, Redacted, type Scope } from "effect"
import * as Process from "./ProgramProcess.ts"

const TOKEN = "dapi-secret-of-the-test"

/** A workspace with one finished-within-the-look-back run, and a server, on ports of this machine. */
const services = Effect.gen(function* () {
  const server = yield* FakeObservability
  const workspace = yield* FakeDatabricks.make({
    token: TOKEN,
    jobs: [
      {
        name: "nightly",
        id: "1001",
        runs: [{ id: "7001", ago: "1 minute", tasks: [{ key: "load", takes: "1 hour" }] }]
      }
    ]
  })
  const host = yield* NodeFakeDatabricks.serve(workspace)
  return { server, workspace, host, key: Redacted.value(server.key) }
})

const live = <E>(
  name: string,
  test: Effect.Effect<void, E, FakeObservability | NodeServices.NodeServices | Scope.Scope>
) =>
  it.live(
    name,
    () => test.pipe(Effect.scoped, Effect.provide([NodeFakeObservability.layer(), NodeServices.layer])),
    30_000
  )

/** Starts `run` and stops it when the server has got the three events of the run in progress... or gives up. */
const delivers = Effect.fnUntraced(function* (given: Process.Given) {
  const server = yield* FakeObservability
  const program = yield* Process.start(given)
  const events = yield* Effect.raceFirst(
    server.awaitEvents(2),
    Effect.flatMap(program.result, (result) =>
      Effect.die(new Error(`It ended early:\n${JSON.stringify(result, null, 2)}`))
    )
  )
  yield* program.signal("SIGTERM")
  const result = yield* program.result
  assert.deepStrictEqual(events.map(EventLog.title), ["RUNNING", "task load RUNNING"])
  assert.strictEqual(result.exitCode, 0)
  for (const secret of [TOKEN, Redacted.value(server.key)]) {
    assert.notInclude(result.stderr + result.stdout, secret)
  }
  return result
})

describe("observability-agent run", () => {
  live(
    "runs on an agent.toml of the Python framework, as it is",
    Effect.gen(function* () {
      const { host, key, server } = yield* services
      yield* delivers({
        args: ["run"],
        file: `
[core]
agent_type = "databricks"
agent_key = "production"
observability_service_account_key = "${key}"
observability_base_url = "${server.baseUrl}/"
log_level = "debug"
max_channel_capacity = 0
heartbeat_period = 60.0

[http]
read_timeout = 60.0
ssl_verify = true

[observability]
retries = 3

[auth_api_token]
agent_token = "${TOKEN}"

[databricks]
databricks_host = "${host}"
databricks_jobs_version = "2.1"
databricks_jobs = ["nightly"]
timeout = 120.0
period = 5.0
databricks_failed_watch_period = 600.0
databricks_failed_watch_max_time = 604800.0
`
      })
    })
  )

  live(
    "runs on the variables of the Python framework, in any case",
    Effect.gen(function* () {
      const { host, key, server } = yield* services
      yield* delivers({
        args: ["run"],
        env: {
          DK_AGENT_TYPE: "databricks",
          dk_agent_key: "production",
          DK_OBSERVABILITY_SERVICE_ACCOUNT_KEY: key,
          DK_OBSERVABILITY_BASE_URL: server.baseUrl,
          DK_LOG_LEVEL: "info",
          DK_AGENT_TOKEN: TOKEN,
          DK_DATABRICKS_HOST: host,
          DK_DATABRICKS_JOBS: '["nightly"]',
          DK_PERIOD: "5",
          DK_TIMEOUT: "120",
          DK_HTTP_READ_TIMEOUT: "60"
        }
      })
    })
  )

  live(
    "runs on a mixture of both, and the file wins",
    Effect.gen(function* () {
      const { host, key, server } = yield* services
      const { stderr } = yield* delivers({
        args: ["run"],
        env: {
          DK_AGENT_TYPE: "databricks",
          DK_AGENT_KEY: "production",
          DK_OBSERVABILITY_SERVICE_ACCOUNT_KEY: key,
          DK_OBSERVABILITY_BASE_URL: server.baseUrl,
          DK_AGENT_TOKEN: TOKEN,
          DK_DATABRICKS_HOST: "http://this-one-loses.invalid"
        },
        file: `[databricks]\nhost = "${host}"\n`
      })
      assert.include(stderr, "DK_DATABRICKS_HOST")
    })
  )

  live(
    "reports five mistakes at once, shows no secret, and exits with 78",
    Effect.gen(function* () {
      const { exitCode, stderr, stdout } = yield* Process.run({
        args: ["run"],
        env: { DK_PERIOD: "0", DK_AGENT_TOKEN: "a-token-nobody-may-see" },
        file: `
[core]
agent_type = "databricks"
observability_base_url = "not a url"
observability_service_account_key = "a-key-nobody-may-see"
log_level = "loud"

[databricks]
host = "https://adb-1.azuredatabricks.net"
perod = 7
`
      })
      assert.strictEqual(exitCode, 78)
      assert.strictEqual(stdout, "")
      assert.match(stderr, /^The settings have 5 problems/)
      for (const setting of ["agent_key", "base_url", "log_level", "period", "perod"])
        assert.include(stderr, setting)
      assert.include(stderr, "DK_PERIOD")
      assert.notInclude(stderr, "nobody-may-see")
      assert.notInclude(stderr, "    at ")
    })
  )

  live(
    "names the agents there are when agent_type names none of them",
    Effect.gen(function* () {
      const { exitCode, stderr } = yield* Process.run({ args: ["run"], env: { DK_AGENT_TYPE: "databrick" } })
      assert.strictEqual(exitCode, 78)
      assert.match(stderr, /one of: databricks/)
    })
  )
})

describe("observability-agent check", () => {
  const env = (given: {
    readonly host: string
    readonly baseUrl: string
    readonly key: string
    readonly token: string
  }) => ({
    DK_AGENT_TYPE: "databricks",
    DK_AGENT_KEY: "production",
    DK_OBSERVABILITY_BASE_URL: given.baseUrl,
    DK_OBSERVABILITY_SERVICE_ACCOUNT_KEY: given.key,
    DK_OBSERVABILITY_RETRIES: "0",
    DK_HTTP_RETRIES: "0",
    DK_DATABRICKS_HOST: given.host,
    DK_AGENT_TOKEN: given.token
  })

  live(
    "says of each connection that it is good, and leaves nothing behind on the server",
    Effect.gen(function* () {
      const { host, key, server } = yield* services
      const { exitCode, stdout } = yield* Process.run({
        args: ["check"],
        env: env({ host, baseUrl: server.baseUrl, key, token: TOKEN })
      })
      assert.strictEqual(exitCode, 0)
      const lines = stdout.trimEnd().split("\n")
      assert.deepStrictEqual(
        lines.map((line) => line.slice(0, 18).trimEnd()),
        [
          "ok   settings",
          "ok   state file",
          "ok   observability",
          "ok   heartbeat",
          "ok   databricks",
          "ok   clock"
        ]
      )
      assert.deepStrictEqual(yield* server.events, [])
      assert.deepStrictEqual(yield* server.heartbeats, [])
    })
  )

  live(
    "says which key is wrong, checks the rest all the same, and exits with 77",
    Effect.gen(function* () {
      const { host, server } = yield* services
      const { exitCode, stdout } = yield* Process.run({
        args: ["check"],
        env: env({ host, baseUrl: server.baseUrl, key: "wrong-key-of-the-test", token: TOKEN })
      })
      assert.strictEqual(exitCode, 77)
      assert.match(stdout, /FAIL observability .*401.*service_account_key/)
      assert.match(stdout, /ok {3}databricks/)
      assert.notInclude(stdout, "wrong-key-of-the-test")
    })
  )

  live(
    "says which service cannot be reached, and exits with 69",
    Effect.gen(function* () {
      const { key, server } = yield* services
      const { exitCode, stdout } = yield* Process.run({
        args: ["check"],
        env: env({ host: "http://127.0.0.1:1", baseUrl: server.baseUrl, key, token: TOKEN })
      })
      assert.strictEqual(exitCode, 69)
      assert.match(stdout, /FAIL databricks .*127\.0\.0\.1:1/)
    })
  )
})

describe("observability-agent", () => {
  live(
    "shows its commands with --help and its version with --version",
    Effect.gen(function* () {
      const help = yield* Process.run({ args: ["--help"] })
      assert.strictEqual(help.exitCode, 0)
      for (const command of [
        "init",
        "check",
        "run",
        "config",
        "graph",
        "top",
        "tap",
        "health",
        "explain",
        "outbox",
        "dead-letters",
        "backfill",
        "demo"
      ])
        assert.match(help.stdout, new RegExp(`^  ${command} `, "m"))
      const version = yield* Process.run({ args: ["--version"] })
      assert.strictEqual(version.exitCode, 0)
      assert.match(version.stdout, /^observability-agent v\d+\.\d+\.\d+/)
    })
  )

  live(
    "suggests what was meant by a wrong word, and exits with 64",
    Effect.gen(function* () {
      const { exitCode, stderr, stdout } = yield* Process.run({ args: ["chek"] })
      assert.strictEqual(exitCode, 64)
      assert.match(stdout + stderr, /Did you mean this\?\s+check/)
    })
  )
})
