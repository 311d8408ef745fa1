import { assert, describe, it } from "@effect/vitest"
import * as FakeDatabricks from "@observability-agents/agent-databricks/testing/FakeDatabricks"
import * as NodeFakeDatabricks from "@observability-agents/agent-databricks/testing/NodeFakeDatabricks"
import * as Fault from "@observability-agents/agent-databricks/testing/Fault"
import * as EventLog from "@observability-agents/testing/EventLog"
import * as NodeFakeObservability from "@observability-agents/testing/NodeFakeObservability"
import * as NodeCollector from "@observability-agents/testing/NodeCollector"
import * as ServerFault from "@observability-agents/testing/ServerFault"
import { Effect, Redacted, type Scope } from "effect"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import * as Agent from "./crash/AgentProcess.ts"

/** A settings file as people write it. */
const toml = (tables: Readonly<Record<string, Readonly<Record<string, string | number>>>>) =>
  Object.entries(tables)
    .map(([table, keys]) =>
      [`[${table}]`, ...Object.entries(keys).map(([key, value]) => `${key} = ${JSON.stringify(value)}`)].join(
        "\n"
      )
    )
    .join("\n\n")

type Line = {
  readonly level: string
  readonly message: string
  readonly annotations?: Record<string, unknown>
  readonly cause?: string
}

/** A folder with a settings file and a file with a token, a workspace and a server, and an agent that starts between them. */
const starting = Effect.gen(function* () {
  const cwd = yield* Effect.acquireRelease(
    Effect.sync(() => Fs.mkdtempSync(Path.join(Os.tmpdir(), "reload-"))),
    (path) => Effect.sync(() => Fs.rmSync(path, { recursive: true, force: true }))
  )
  const server = yield* NodeFakeObservability.make()
  const workspace = yield* FakeDatabricks.make()
  const host = yield* NodeFakeDatabricks.serve(workspace)
  const settings = {
    core: { agent_type: "databricks", agent_key: "reload", state_path: "state.db" },
    observability: { base_url: server.baseUrl, service_account_key: Redacted.value(server.key) },
    databricks: { host, period: 0.2 }
  }
  const token = Path.join(cwd, "token")
  const file = Path.join(cwd, "agent.toml")
  const write = (text: string) => Effect.sync(() => Fs.writeFileSync(file, text))
  yield* write(toml(settings))
  Fs.writeFileSync(token, "dapi-fake\n")
  const agent = yield* Agent.start({ cwd, env: { DK_AGENT_TOKEN_FILE: token } })
  const lines = (): ReadonlyArray<Line> =>
    agent
      .said()
      .split("\n")
      // The last one may be half there.
      .slice(0, -1)
      .filter((line) => line.startsWith("{"))
      .map((line) => JSON.parse(line))
  /** Waits until that is so, or fails with all that the agent has said. */
  const until = (what: string, condition: () => Effect.Effect<boolean>) =>
    Effect.gen(function* () {
      while (!(yield* condition())) yield* Effect.sleep("20 millis")
    }).pipe(
      Effect.raceFirst(
        Effect.flatMap(agent.exited, ({ code }) =>
          Effect.die(new Error(`The agent ended with ${code} before: ${what}\n${agent.said()}`))
        )
      ),
      Effect.timeoutOrElse({
        duration: "40 seconds",
        orElse: () => Effect.die(new Error(`Not within 40 seconds: ${what}\n${agent.said()}`))
      })
    )
  const said = (message: string, times = 1) =>
    until(message, () =>
      Effect.sync(() => lines().filter((line) => line.message === message).length >= times)
    )
  const polls = Effect.gen(function* () {
    const before = (yield* workspace.requests).filter(({ status }) => status === 200).length
    yield* until("polls", () =>
      Effect.map(
        workspace.requests,
        (requests) => requests.filter(({ status }) => status === 200).length > before + 2
      )
    )
  })
  const stop = Effect.gen(function* () {
    agent.kill("SIGTERM")
    const { code, stderr } = yield* agent.exited
    assert.strictEqual(code, 0, stderr)
  })
  return { agent, lines, polls, said, server, settings, stop, token, until, workspace, write }
})

/** The same when the agent runs. */
const world = Effect.tap(starting, ({ polls }) => polls)

const live = <E>(name: string, test: Effect.Effect<void, E, Scope.Scope>) =>
  it.live(name, () => Effect.scoped(test), 120_000)

const FORCE = "Settings were read again and are in force"

describe("observability-agent run, on SIGHUP", () => {
  live(
    "takes another token from the file that holds it, and goes on where it was",
    Effect.gen(function* () {
      const { agent, lines, polls, said, server, stop, token, workspace } = yield* world
      yield* workspace.run("nightly", { id: "7001", tasks: [{ key: "load", takes: "3 seconds" }] })
      yield* server.awaitEvents(2)
      yield* workspace.revoke
      yield* workspace.grant("dapi-second-token")
      Fs.writeFileSync(token, "dapi-second-token\n")
      agent.kill("SIGHUP")
      yield* said(FORCE)
      yield* polls
      yield* server.awaitEvents(4)
      const events = yield* server.events
      assert.deepStrictEqual(events.map(EventLog.title), [
        "RUNNING",
        "task load RUNNING",
        "task load COMPLETED",
        "COMPLETED"
      ])
      const line = lines().find(({ message }) => message === FORCE)
      assert.strictEqual(line?.annotations?.["changed"], "[auth_api_token] agent_token")
      assert.strictEqual(line?.annotations?.["restarted"], "polling")
      // What the tool repeats of either of them is masked by whoever writes it down.
      yield* workspace.fail(
        Fault.refused(403, "PERMISSION_DENIED", "dapi-fake and dapi-second-token may not do that")
      )
      yield* said("Loop run failed")
      assert.include(agent.said(), "******** and ******** may not do that")
      yield* stop
      for (const secret of ["dapi-fake", "dapi-second-token"]) assert.notInclude(agent.said(), secret)
    })
  )

  live(
    "reports what is not valid as at the start, stays as it was, and takes what is mended",
    Effect.gen(function* () {
      const { agent, lines, polls, said, settings, stop, write } = yield* world
      yield* write(toml({ ...settings, databricks: { ...settings.databricks, period: -1, hosts: "x" } }))
      agent.kill("SIGHUP")
      const refused = "Settings were read again and are not valid; those from before stay in force"
      yield* said(refused)
      const line = lines().find(({ message }) => message === refused)
      assert.strictEqual(line?.level, "ERROR")
      assert.notInclude(line?.cause, "SettingsError")
      assert.match(
        line?.cause ?? "",
        /^Settings: The settings have 2 problems:[^]*\[databricks\] period[^]*agent\.toml[^]*\[databricks\] hosts[^]*host/
      )
      yield* polls
      yield* write("[core\n")
      agent.kill("SIGHUP")
      yield* said(refused, 2)
      yield* polls
      yield* write(
        toml({
          ...settings,
          core: { ...settings.core, agent_key: "other", log_level: "debug", log_format: "logfmt" }
        })
      )
      agent.kill("SIGHUP")
      yield* said("Settings that cannot change while the agent runs take effect after a restart")
      // The log itself has changed its form.
      yield* Effect.gen(function* () {
        while (!agent.said().includes(`message="${FORCE}"`)) yield* Effect.sleep("20 millis")
      }).pipe(Effect.timeout("20 seconds"))
      assert.match(agent.said(), /changed="\[core\] log_level, \[core\] log_format" restarted=nothing/)
      yield* polls
      yield* stop
    })
  )

  live(
    "begins to export telemetry, without a part of the agent being started anew",
    Effect.gen(function* () {
      const { agent, lines, said, server, settings, stop, until, workspace, write } = yield* world
      const collector = yield* NodeCollector.make
      yield* write(
        toml({
          ...settings,
          telemetry: { otlp_endpoint: collector.url, protocol: "http/json", export_interval: 1 }
        })
      )
      agent.kill("SIGHUP")
      yield* said(FORCE)
      assert.strictEqual(
        lines().find(({ message }) => message === FORCE)?.annotations?.["restarted"],
        "telemetry"
      )
      yield* workspace.run("nightly", { id: "7001", tasks: [{ key: "load", takes: "1 second" }] })
      yield* server.awaitEvents(4)
      yield* until("spans arrive", () =>
        Effect.sync(() => {
          const names = new Set(collector.spans().map(({ name }) => name))
          return ["Databricks.sweep", "RunTracker.apply", "Outbox.commit", "Loop.send events"].every((name) =>
            names.has(name)
          )
        })
      )
      yield* write(toml(settings))
      agent.kill("SIGHUP")
      yield* until("telemetry is exchanged again", () =>
        Effect.sync(() => lines().filter(({ message }) => message === FORCE).length === 2)
      )
      yield* stop
    })
  )

  live(
    "goes on with the settings from before where the new ones cannot be put in force",
    Effect.gen(function* () {
      const { agent, lines, polls, said, server, settings, stop, until, workspace, write } = yield* world
      const url = (count: number) =>
        Effect.gen(function* () {
          const urls = () =>
            lines().flatMap(({ annotations, message }) =>
              message === "Status server listens" ? [String(annotations?.["url"])] : []
            )
          yield* until("the status server listens", () => Effect.sync(() => urls().length === count))
          return urls().at(-1) ?? ""
        })
      const startedAt = (url: string) =>
        Effect.promise(async () => String(Object(await (await fetch(`${url}status.json`)).json()).startedAt))
      const status = (url: string) =>
        Effect.promise(async () => (await fetch(`${url}health/live`).catch(() => undefined))?.status)
      yield* write(toml({ ...settings, status: { port: 0 } }))
      agent.kill("SIGHUP")
      yield* said(FORCE)
      const first = yield* url(1)
      assert.strictEqual(yield* status(first), 200)
      const port = Number(new URL(first).port)
      const since = yield* startedAt(first)
      yield* write(toml({ ...settings, status: { port } }))
      agent.kill("SIGHUP")
      assert.strictEqual(yield* startedAt(yield* url(2)), since)

      // The port of the server of Observability is taken, and the period is another one too.
      const taken = Number(new URL(server.baseUrl).port)
      yield* write(
        toml({ ...settings, databricks: { ...settings.databricks, period: 100 }, status: { port: taken } })
      )
      agent.kill("SIGHUP")
      const failed = "Settings were read again and cannot be put in force; those from before stay"
      yield* said(failed)
      const line = lines().find(({ message }) => message === failed)
      assert.include(
        line?.cause,
        `The status server cannot listen on 127.0.0.1, port ${taken}: another program listens there`
      )
      assert.strictEqual(line?.annotations?.["changed"], "[status] port, [databricks] period")
      yield* url(3)
      assert.strictEqual(yield* status(first), 200)
      yield* polls
      yield* workspace.run("nightly", { id: "7001", tasks: [{ key: "load", takes: "1 second" }] })
      assert.strictEqual((yield* server.awaitEvents(4)).length, 4)
      yield* stop
    })
  )

  live(
    "that the end of its terminal brings about goes on, with a log that nobody reads",
    Effect.gen(function* () {
      const { agent, polls, server, settings, stop, until, workspace, write } = yield* world
      agent.deafen()
      yield* workspace.revoke
      yield* workspace.grant("dapi-second-token")
      yield* write(
        toml({
          ...settings,
          core: { ...settings.core, log_level: "debug" },
          auth_api_token: { agent_token: "dapi-second-token" }
        })
      )
      yield* until("the log has lines that nobody takes", () =>
        Effect.map(
          workspace.requests,
          (requests) => requests.filter(({ status }) => status >= 400).length > 3
        )
      )
      agent.kill("SIGHUP")
      yield* polls
      yield* workspace.run("nightly", { id: "7001", tasks: [{ key: "load", takes: "1 hour" }] })
      yield* server.awaitEvents(2)
      yield* stop
    })
  )

  live(
    "that comes while it starts or stops, or again and again, does no harm",
    Effect.gen(function* () {
      const { agent, lines, said, server, until, workspace } = yield* starting
      yield* said("Agent starts")
      for (let n = 0; n < 50; n++) agent.kill("SIGHUP")
      yield* said("Settings were read again: nothing has changed")
      yield* server.fail(ServerFault.slow("1 second"), { where: ({ path }) => path.startsWith("events/") })
      yield* workspace.run("nightly", { id: "7001", tasks: [{ key: "load", takes: "1 hour" }] })
      yield* until("an event is on its way", () =>
        Effect.map(server.requests, (requests) => requests.some(({ path }) => path.startsWith("events/")))
      )
      agent.kill("SIGTERM")
      for (let n = 0; n < 20; n++) {
        agent.kill("SIGHUP")
        yield* Effect.sleep("20 millis")
      }
      assert.strictEqual((yield* agent.exited).code, 0)
      assert.isFalse(
        lines().some(({ level }) => level === "ERROR"),
        agent.said()
      )
    })
  )
})
