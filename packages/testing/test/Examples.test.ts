import { NodeServices } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { FakeObservability } from "@observability-agents/testing/FakeObservability"
import * as EventLog from "@observability-agents/testing/EventLog"
import * as NodeFakeObservability from "@observability-agents/testing/NodeFakeObservability"
import * as ServerFault from "@observability-agents/testing/ServerFault"
import { Effect, Redacted, Stream } from "effect"
import { ChildProcess } from "effect/process"
import { tmpdir } from "node:os"
import { fileURLToPath } from "node:url"
import * as ExampleProcess from "./support/ExampleProcess.ts"

const example = (name: string) => fileURLToPath(new URL(`../../../examples/${name}.ts`, import.meta.url))

/** Runs a script as a user would, in a process of its own, in a folder without a settings file. */
const run = Effect.fnUntraced(
  function* (script: string, env: Record<string, string>) {
    const child = yield* ChildProcess.make(
      process.execPath,
      ["--conditions=@observability-agents/source", script],
      { cwd: tmpdir(), env, extendEnv: true }
    )
    const [output, exitCode] = yield* Effect.all(
      [Stream.mkString(Stream.decodeText(child.all)), child.exitCode],
      { concurrency: "unbounded" }
    )
    return { output, exitCode: Number(exitCode) }
  },
  Effect.scoped,
  Effect.provide(NodeServices.layer)
)

describe("the example scripts", () => {
  for (const script of ["report-effect", "report-promise", "report-sync"]) {
    it.live(
      `${script} delivers its four events in order`,
      () =>
        Effect.gen(function* () {
          const server = yield* FakeObservability
          const { exitCode, output } = yield* run(example(script), {
            DK_OBSERVABILITY_BASE_URL: server.baseUrl,
            DK_OBSERVABILITY_SERVICE_ACCOUNT_KEY: Redacted.value(server.key)
          })
          assert.strictEqual(output, "4 events accepted\n")
          assert.strictEqual(exitCode, 0)
          assert.deepStrictEqual((yield* server.events).map(EventLog.title), [
            "RUNNING",
            "message INFO",
            "metric rows",
            "COMPLETED"
          ])
        }).pipe(Effect.provide(NodeFakeObservability.layer())),
      30_000
    )

    it.live(
      `${script} says what the server has against its key, and shows no secret`,
      () =>
        Effect.gen(function* () {
          const server = yield* FakeObservability
          const { exitCode, output } = yield* run(example(script), {
            DK_OBSERVABILITY_BASE_URL: server.baseUrl,
            DK_OBSERVABILITY_SERVICE_ACCOUNT_KEY: "not-the-key-it-knows"
          })
          assert.include(output, "was answered with 401")
          assert.notInclude(output, "not-the-key-it-knows")
          assert.notInclude(output, "    at ", "no stack trace")
          assert.strictEqual(exitCode, 77)
        }).pipe(Effect.provide(NodeFakeObservability.layer())),
      30_000
    )

    it.live(
      `${script} lists what is missing in the settings`,
      () =>
        Effect.gen(function* () {
          const { exitCode, output } = yield* run(example(script), {})
          assert.include(output, "base_url")
          assert.include(output, "service_account_key")
          assert.notInclude(output, "    at ", "no stack trace")
          assert.strictEqual(exitCode, 78)
        }),
      30_000
    )

    it.live(
      `${script} says that nobody answers where the server should be`,
      () =>
        Effect.gen(function* () {
          const { exitCode, output } = yield* run(example(script), {
            DK_OBSERVABILITY_BASE_URL: "http://127.0.0.1:1/api",
            DK_OBSERVABILITY_SERVICE_ACCOUNT_KEY: "a-key",
            DK_OBSERVABILITY_RETRIES: "0"
          })
          assert.include(output, "Is the server running, and is base_url of [observability] right?")
          assert.notInclude(output, "    at ", "no stack trace")
          assert.strictEqual(exitCode, 69)
        }),
      30_000
    )

    it.live(
      `${script} is ended by Ctrl-C while it waits for the server`,
      () =>
        Effect.gen(function* () {
          const server = yield* FakeObservability
          yield* server.fail(ServerFault.silence)
          const child = yield* ExampleProcess.start(script, {
            cwd: yield* ExampleProcess.folder,
            env: {
              DK_OBSERVABILITY_BASE_URL: server.baseUrl,
              DK_OBSERVABILITY_SERVICE_ACCOUNT_KEY: Redacted.value(server.key)
            }
          })
          while ((yield* server.requests).length === 0) yield* Effect.sleep("20 millis")
          yield* child.kill("SIGINT")
          // A shell says 130 of a process that the signal itself ended, too.
          assert.include([130, "SIGINT"], yield* Effect.timeout(child.ended, "5 seconds"))
        }).pipe(Effect.scoped, Effect.provide(NodeFakeObservability.layer())),
      30_000
    )
  }
})
