import { assert, describe, it } from "@effect/vitest"
import * as EventLog from "@observability-agents/testing/EventLog"
import * as NodeFakeObservability from "@observability-agents/testing/NodeFakeObservability"
import { DateTime, Effect, Redacted } from "effect"
import * as ChildProcess from "node:child_process"
import * as NodePath from "node:path"
import * as NodePress from "./support/NodePress.ts"
import { done, printing, told } from "./support/orders.ts"
import * as Os from "node:os"

const main = NodePath.join(import.meta.dirname, "../src/main.ts")

/** Starts the program with these settings; what it wrote and its exit code when it has ended. */
const start = Effect.fnUntraced(function* (settings: Record<string, string>, ...args: ReadonlyArray<string>) {
  const child = yield* Effect.acquireRelease(
    Effect.sync(() =>
      ChildProcess.spawn(process.execPath, ["--conditions=@observability-agents/source", main, ...args], {
        cwd: "/",
        env: {
          PATH: process.env["PATH"],
          // Starts take half as long with it.
          NODE_COMPILE_CACHE: NodePath.join(Os.tmpdir(), "observability-agent-test-compile-cache"),
          DK_STATE_PATH: ":memory:",
          DK_AGENT_KEY: "test",
          ...settings
        }
      })
    ),
    (running) => Effect.sync(() => running.kill("SIGKILL"))
  )
  let output = ""
  child.stdout.on("data", (data) => (output += String(data)))
  child.stderr.on("data", (data) => (output += String(data)))
  const ended = Effect.callback<{ readonly code: number | null; readonly output: string }>((resume) => {
    if (child.exitCode !== null) return resume(Effect.succeed({ code: child.exitCode, output }))
    child.once("close", (code) => resume(Effect.succeed({ code, output })))
  })
  return { ended, stop: Effect.sync(() => child.kill("SIGTERM")) }
})

describe("the program", () => {
  for (const type of ["press", "press-list"]) {
    it.live(
      `runs the agent ${type}, checks its connection, and stops when it is told to`,
      () =>
        Effect.gen(function* () {
          const press = yield* NodePress.make({ token: "a-secret-token" })
          const server = yield* NodeFakeObservability.make()
          const settings = {
            DK_AGENT_TYPE: type,
            DK_PRESS_URL: press.url,
            DK_PRESS_TOKEN: "a-secret-token",
            DK_PRESS_PERIOD: "0.2",
            DK_OBSERVABILITY_BASE_URL: server.baseUrl,
            DK_OBSERVABILITY_SERVICE_ACCOUNT_KEY: Redacted.value(server.key)
          }
          const checked = yield* Effect.flatMap(start(settings, "check"), ({ ended }) => ended)
          assert.include(checked.output, `The press at ${press.url} answers`)
          assert.strictEqual(checked.code, 0)

          const { ended, stop } = yield* start(settings, "run")
          const started = yield* DateTime.now
          yield* press.publish(printing("4711", started))
          yield* server.awaitEvents(2)
          yield* press.publish(done("4711", started))
          const events = yield* server.awaitEvents(told.length)
          yield* stop
          const { code, output } = yield* ended
          assert.strictEqual(code, 0)
          assert.deepStrictEqual(events.map(EventLog.title), told)
          assert.include(output, "Agent starts")
          assert.notInclude(output, "a-secret-token")
        }).pipe(Effect.scoped),
      60_000
    )
  }

  it.live(
    "ends a check with 77 where the press does not know the token, and with 69 where nobody answers",
    () =>
      Effect.gen(function* () {
        const press = yield* NodePress.make({ token: "a-secret-token" })
        const server = yield* NodeFakeObservability.make()
        for (const type of ["press", "press-list"])
          for (const [url, code, words] of [
            [press.url, 77, "Check `token` of [press]"],
            ["http://127.0.0.1:1", 69, "Check `url` of [press]"]
          ] as const) {
            const checked = yield* Effect.flatMap(
              start(
                {
                  DK_AGENT_TYPE: type,
                  DK_PRESS_URL: url,
                  DK_PRESS_TOKEN: "another-token",
                  DK_RETRIES: "0",
                  DK_OBSERVABILITY_BASE_URL: server.baseUrl,
                  DK_OBSERVABILITY_SERVICE_ACCOUNT_KEY: Redacted.value(server.key)
                },
                "check"
              ),
              ({ ended }) => ended
            )
            assert.include(checked.output, words)
            assert.strictEqual(checked.code, code, checked.output)
            assert.notInclude(checked.output, "another-token")
          }
      }).pipe(Effect.scoped),
    60_000
  )

  it.live(
    "says all that is wrong with the settings, and ends with 78",
    () =>
      Effect.gen(function* () {
        const wrong = yield* Effect.flatMap(
          start({ DK_AGENT_TYPE: "press", DK_PRESS_URL: "press" }, "run"),
          ({ ended }) => ended
        )
        assert.strictEqual(wrong.code, 78)
        assert.include(wrong.output, "[press] url")
        assert.include(wrong.output, "[press] token")
        const unknown = yield* Effect.flatMap(start({ DK_AGENT_TYPE: "prss" }, "run"), ({ ended }) => ended)
        assert.strictEqual(unknown.code, 78)
        assert.include(unknown.output, "one of: press-list, press")
      }).pipe(Effect.scoped),
    60_000
  )
})
