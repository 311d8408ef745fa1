import { assert, describe, it } from "@effect/vitest"
import * as FakeDatabricks from "@observability-agents/agent-databricks/testing/FakeDatabricks"
import * as NodeFakeDatabricks from "@observability-agents/agent-databricks/testing/NodeFakeDatabricks"
import * as EventLog from "@observability-agents/testing/EventLog"
import * as NodeFakeObservability from "@observability-agents/testing/NodeFakeObservability"
import * as ServerFault from "@observability-agents/testing/ServerFault"
import { DateTime, Effect, Redacted, type Scope } from "effect"
import * as Fs from "node:fs"
import * as Path from "node:path"
import * as NodePress from "../../agent-example/test/support/NodePress.ts"
import { done, printing, told } from "../../agent-example/test/support/orders.ts"
import * as ExampleProcess from "./support/ExampleProcess.ts"

const live = (name: string, test: Effect.Effect<void, unknown, Scope.Scope>) =>
  it.live(name, () => Effect.scoped(test), 90_000)

const toml = (tables: Readonly<Record<string, Readonly<Record<string, string | number>>>>) =>
  Object.entries(tables)
    .map(([table, keys]) =>
      [`[${table}]`, ...Object.entries(keys).map(([key, value]) => `${key} = ${JSON.stringify(value)}`)].join(
        "\n"
      )
    )
    .join("\n\n")

type Server = Effect.Success<ReturnType<typeof NodeFakeObservability.make>>

const serverOf = (server: Server) => ({
  base_url: server.baseUrl,
  service_account_key: Redacted.value(server.key)
})

/** A press and a workspace, each with a server of its own, and a settings file for each agent. */
const world = Effect.gen(function* () {
  const cwd = yield* ExampleProcess.folder
  const press = yield* NodePress.make({ token: "secret-of-the-press" })
  const workspace = yield* FakeDatabricks.make({ token: "secret-of-the-workspace" })
  const host = yield* NodeFakeDatabricks.serve(workspace)
  const servers = {
    press: yield* NodeFakeObservability.make(),
    databricks: yield* NodeFakeObservability.make({ key: "another-service-key" })
  }
  const files = {
    "press.toml": toml({
      core: { agent_type: "press-list", agent_key: "the-press", state_path: "press.db" },
      observability: serverOf(servers.press),
      press: { url: press.url, token: "secret-of-the-press", period: 0.2 },
      status: { port: 0 }
    }),
    "databricks.toml": toml({
      core: { agent_type: "databricks", agent_key: "the-workspace", state_path: "databricks.db" },
      observability: serverOf(servers.databricks),
      databricks: { host, period: 0.2 },
      auth_api_token: { agent_token: "secret-of-the-workspace" }
    })
  }
  const write = (name: string, content: string) => Fs.writeFileSync(Path.join(cwd, name), content)
  for (const [name, content] of Object.entries(files)) write(name, content)
  const start = (...args: ReadonlyArray<string>) => ExampleProcess.start("several-agents", { cwd, args })
  return { cwd, press, workspace, servers, files, write, start }
})

describe("the example several-agents", () => {
  live(
    "runs each agent with its own settings, server and state file, and stops both in order",
    Effect.gen(function* () {
      const { cwd, press, servers, start, workspace } = yield* world
      const example = yield* start("press.toml", "databricks.toml")
      yield* example.said(/Agent starts.*the-workspace/)
      yield* workspace.add([{ name: "nightly", runs: [{ tasks: [{ key: "load", takes: "1 second" }] }] }])
      const now = yield* DateTime.now
      yield* press.publish(printing("4711", now))
      yield* servers.press.awaitEvents(2)
      yield* press.publish(done("4711", now))

      const ofPress = yield* servers.press.awaitEvents(told.length)
      assert.deepStrictEqual(ofPress.map(EventLog.title), told)
      const ofWorkspace = yield* servers.databricks.awaitEvents(4)
      assert.deepStrictEqual(EventLog.problems(ofWorkspace), [])
      assert.isTrue(ofWorkspace.every((event) => event.pipelineKey !== "brochure"))
      for (const name of ["press.db", "databricks.db"])
        assert.isTrue(Fs.existsSync(Path.join(cwd, name)), name)

      yield* example.kill("SIGTERM")
      assert.strictEqual(yield* example.ended, 0)
      assert.match(example.output(), /"message":"Agent starts".*"agent":"the-press"/)
      assert.match(example.output(), /"message":"Agent starts".*"agent":"the-workspace"/)
      assert.notInclude(example.output(), "secret-of-the")
      assert.notInclude(example.output(), "another-service-key")
    })
  )

  live(
    "says what is wrong in which file, of all files, and starts none of the agents",
    Effect.gen(function* () {
      const { files, press, start, write } = yield* world
      write("press.toml", files["press.toml"].replace("press-list", "prss-list"))
      write("databricks.toml", files["databricks.toml"].replace("host", "hots"))
      const example = yield* start("press.toml", "databricks.toml")
      assert.strictEqual(yield* example.ended, 78)
      assert.match(example.output(), /^press\.toml\n/m)
      assert.include(example.output(), "one of: databricks, press-list")
      assert.match(example.output(), /^databricks\.toml\n/m)
      assert.include(example.output(), "hots")
      assert.notInclude(example.output(), "Agent starts")
      assert.deepStrictEqual(press.asked, [])
    })
  )

  live(
    "stops all when one gives up, with the exit code of that one",
    Effect.gen(function* () {
      const { start, write } = yield* world
      write("databricks.db", "this is no state file, and it is long enough to be looked at")
      const example = yield* start("press.toml", "databricks.toml")
      assert.strictEqual(yield* example.ended, 74)
      assert.match(example.output(), /"message":"Agent gave up".*"agent":"the-workspace".*damaged/)
      assert.include(example.output(), "databricks.db")
    })
  )

  live(
    "lets the others go on with --apart",
    Effect.gen(function* () {
      const { press, servers, start, write } = yield* world
      write("databricks.db", "this is no state file, and it is long enough to be looked at")
      const example = yield* start("--apart", "press.toml", "databricks.toml")
      yield* example.said(/Agent gave up/)
      const now = yield* DateTime.now
      yield* press.publish(printing("4711", now))
      yield* press.publish(done("4711", now))
      yield* servers.press.awaitEvents(told.length)
      yield* example.kill("SIGTERM")
      assert.strictEqual(yield* example.ended, 0)
    })
  )

  live(
    "ends with --apart when none is left, with the exit code of the first",
    Effect.gen(function* () {
      const { start, write } = yield* world
      for (const name of ["databricks.db", "press.db"])
        write(name, "this is no state file, and it is long enough to be looked at")
      const example = yield* start("--apart", "press.toml", "databricks.toml")
      assert.strictEqual(yield* example.ended, 74)
      assert.lengthOf(example.output().match(/"Agent gave up"/g) ?? [], 2)
    })
  )

  live(
    "says how it is used to who names no file, or something that there is not",
    Effect.gen(function* () {
      const { start } = yield* world
      for (const args of [[], ["--aprt", "press.toml"]]) {
        const example = yield* start(...args)
        assert.strictEqual(yield* example.ended, 64)
        assert.include(example.output(), "Usage: several-agents.ts [--apart] FILE")
        assert.notInclude(example.output(), "    at ", "no stack trace")
      }
    })
  )

  live(
    "says so where two agents have one state file",
    Effect.gen(function* () {
      const { files, start, write } = yield* world
      write("databricks.toml", files["databricks.toml"].replace("databricks.db", "press.db"))
      const example = yield* start("press.toml", "databricks.toml")
      assert.strictEqual(yield* example.ended, 74)
      assert.include(example.output(), "Two agents cannot share one")
    })
  )
})

describe("the example in-an-application", () => {
  const begin = Effect.gen(function* () {
    const cwd = yield* ExampleProcess.folder
    const press = yield* NodePress.make({ token: "secret-of-the-press" })
    const server = yield* NodeFakeObservability.make()
    const env = {
      PORT: "0",
      DK_AGENT_TYPE: "press-list",
      DK_AGENT_KEY: "in-an-application",
      DK_STATE_PATH: "state.db",
      DK_OBSERVABILITY_BASE_URL: server.baseUrl,
      DK_OBSERVABILITY_SERVICE_ACCOUNT_KEY: Redacted.value(server.key),
      DK_PRESS_URL: press.url,
      DK_PRESS_TOKEN: "secret-of-the-press",
      DK_PRESS_PERIOD: "0.2"
    }
    const start = Effect.gen(function* () {
      const example = yield* ExampleProcess.start("in-an-application", { cwd, env })
      const [url = ""] = yield* example.said(/Listening at (http:\S+)/)
      const ask = (path: string, body?: unknown) =>
        Effect.promise(
          async (): Promise<{ readonly status: number; readonly body: Record<string, unknown> }> => {
            const post = {
              method: "POST",
              headers: { "content-type": "application/json" },
              body: JSON.stringify(body)
            }
            const answer = await fetch(`${url}${path}`, body === undefined ? {} : post)
            // SAFETY: all answers of the example are objects.
            return { status: answer.status, body: (await answer.json()) as Record<string, unknown> }
          }
        )
      return { ...example, ask }
    })
    return { cwd, press, server, env, start }
  })

  live(
    "runs the agent, reports its own loads by the agent's Outbox, and answers for both",
    Effect.gen(function* () {
      const { press, server, start } = yield* begin
      const { ask, ended, kill, output } = yield* start
      const now = yield* DateTime.now
      yield* press.publish(done("4711", now))
      yield* server.awaitEvents(told.length)
      assert.deepStrictEqual(yield* ask("/loads/nightly", { run: "2026-01-31", rows: 1204 }), {
        status: 202,
        body: { accepted: 3 }
      })
      const events = yield* server.awaitEvents(told.length + 3)
      assert.deepStrictEqual(
        events.filter(({ pipelineKey }) => pipelineKey === "nightly").map(EventLog.title),
        ["RUNNING", "metric rows", "COMPLETED"]
      )
      assert.deepStrictEqual(EventLog.problems(events), [])
      assert.deepStrictEqual(yield* ask("/loads/nightly", { run: "2026-01-31", rows: 1204 }), {
        status: 202,
        body: { accepted: 0 }
      })
      assert.strictEqual((yield* ask("/loads/nightly", { run: 7 })).status, 400)
      const status = yield* ask("/status")
      assert.deepInclude(status.body, { healthy: true, failing: [], deadLetters: 0 })
      yield* kill("SIGTERM")
      assert.strictEqual(yield* ended, 0)
      assert.notInclude(output(), "secret-of-the-press")
    })
  )

  live(
    "takes no load for another one, whatever their names are",
    Effect.gen(function* () {
      const { start } = yield* begin
      const { ask, ended, kill } = yield* start
      for (const [name, run] of [
        ["a", "b c"],
        ["a%20b", "c"]
      ])
        assert.deepStrictEqual((yield* ask(`/loads/${name}`, { run, rows: 1 })).body, { accepted: 3 })
      yield* kill("SIGINT")
      assert.strictEqual(yield* ended, 130)
    })
  )

  live(
    "says so where another program listens on its port",
    Effect.gen(function* () {
      const { cwd, env, server } = yield* begin
      const { port } = new URL(server.baseUrl)
      const example = yield* ExampleProcess.start("in-an-application", { cwd, env: { ...env, PORT: port } })
      assert.strictEqual(yield* example.ended, 70)
      assert.include(example.output(), `${port}`)
    })
  )

  live(
    "loses nothing of what it has accepted: not by an outage of the server, and not by being killed",
    Effect.gen(function* () {
      const { server, start } = yield* begin
      yield* server.fail(ServerFault.overloaded())
      yield* Effect.scoped(
        Effect.gen(function* () {
          const { ask, ended, kill } = yield* start
          assert.strictEqual((yield* ask("/loads/nightly", { run: "1", rows: 1 })).status, 202)
          assert.strictEqual((yield* ask("/status")).body["pending"], 3)
          yield* kill("SIGKILL")
          assert.strictEqual(yield* ended, "SIGKILL")
        })
      )
      assert.deepStrictEqual(yield* server.events, [])
      yield* server.recover
      yield* start
      const events = yield* server.awaitEvents(3)
      assert.deepStrictEqual(events.map(EventLog.title), ["RUNNING", "metric rows", "COMPLETED"])
    })
  )

  live(
    "does not begin where its agent cannot",
    Effect.gen(function* () {
      const { cwd, env } = yield* begin
      Fs.writeFileSync(
        Path.join(cwd, "state.db"),
        "this is no state file, and it is long enough to be looked at"
      )
      const example = yield* ExampleProcess.start("in-an-application", { cwd, env })
      assert.strictEqual(yield* example.ended, 74)
      assert.include(example.output(), "state.db")
      assert.notInclude(example.output(), "Listening")
    })
  )
})

describe("the example own-program", () => {
  live(
    "has the commands of the program for its own agents, under its own name",
    Effect.gen(function* () {
      const { cwd, press, servers } = yield* world
      const run = Effect.fnUntraced(function* (...args: ReadonlyArray<string>) {
        const example = yield* ExampleProcess.start("own-program", { cwd, args })
        return { code: yield* example.ended, output: example.output() }
      })
      const check = yield* run("check", "--config", "press.toml")
      assert.include(check.output, `The press at ${press.url} answers`)
      assert.strictEqual(check.code, 0)
      yield* press.publish(done("4711", yield* DateTime.now))
      const once = yield* run("run", "--once", "--config", "press.toml")
      assert.strictEqual(once.code, 0, once.output)
      yield* servers.press.awaitEvents(told.length)
      const explained = yield* run("explain", "4711", "--config", "press.toml")
      assert.include(explained.output, "5 events accepted")
      const letters = yield* run("dead-letters", "list", "--state", "press.db")
      assert.strictEqual(letters.code, 0)
      const help = yield* run("run", "--help")
      assert.include(help.output, "(databricks, press-list)")
      assert.include(help.output, "our-agents run --dry-run")
    })
  )
})
