/** The program as a process of its own, with its status server, between a fake workspace and a fake server. */
import * as FakeDatabricks from "@observability-agents/agent-databricks/testing/FakeDatabricks"
import * as NodeFakeDatabricks from "@observability-agents/agent-databricks/testing/NodeFakeDatabricks"
import type { FaultOptions } from "@observability-agents/testing/FakeObservability"
import * as NodeFakeObservability from "@observability-agents/testing/NodeFakeObservability"
import type { ServerFault } from "@observability-agents/testing/ServerFault"
import { Deferred, Effect, Redacted } from "effect"
import { spawn } from "node:child_process"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import { fileURLToPath } from "node:url"

const main = fileURLToPath(new URL("../src/main.ts", import.meta.url))

/** Starts it, and gives what can be done with it, until the Scope closes. */
export const start = Effect.fnUntraced(function* (
  status: Readonly<Record<string, string>> = {},
  options: FakeDatabricks.Options & { readonly fault?: readonly [ServerFault, FaultOptions] } = {}
) {
  const server = yield* NodeFakeObservability.make()
  if (options.fault !== undefined) yield* server.fail(...options.fault)
  const workspace = yield* FakeDatabricks.make({ jobs: options.jobs ?? [] })
  const host = yield* NodeFakeDatabricks.serve(workspace)
  const cwd = yield* Effect.acquireRelease(
    Effect.sync(() => Fs.mkdtempSync(Path.join(Os.tmpdir(), "status-"))),
    (path) => Effect.sync(() => Fs.rmSync(path, { recursive: true, force: true }))
  )
  const url = yield* Deferred.make<string>()
  const exited = yield* Deferred.make<number | null>()
  const log: Array<string> = []
  const child = yield* Effect.acquireRelease(
    Effect.sync(() =>
      spawn(process.execPath, ["--conditions=@observability-agents/source", main, "run"], {
        cwd,
        stdio: ["ignore", "ignore", "pipe"],
        env: {
          PATH: process.env["PATH"],
          // Starts take half as long with it.
          NODE_COMPILE_CACHE: Path.join(Os.tmpdir(), "observability-agent-test-compile-cache"),
          DK_AGENT_TYPE: "databricks",
          DK_AGENT_KEY: "status-test",
          DK_STATE_PATH: ":memory:",
          DK_OBSERVABILITY_BASE_URL: server.baseUrl,
          DK_OBSERVABILITY_SERVICE_ACCOUNT_KEY: Redacted.value(server.key),
          DK_AGENT_TOKEN: "dapi-fake",
          DK_DATABRICKS_HOST: host,
          DK_DATABRICKS_PERIOD: "1",
          DK_STATUS_PORT: "0",
          ...status
        }
      })
    ),
    (running) => Effect.sync(() => running.kill("SIGKILL"))
  )
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    log.push(text)
    const found = /http:\/\/[^\s"]+\/(?=")/.exec(/.*Status server listens.*/.exec(log.join(""))?.[0] ?? "")
    if (found !== null) Deferred.doneUnsafe(url, Effect.succeed(found[0]))
  })
  child.once("exit", (code) => Deferred.doneUnsafe(exited, Effect.succeed(code)))
  return {
    server,
    workspace,
    /** Where the status server listens, with a slash at the end. */
    url: Deferred.await(url),
    exited: Deferred.await(exited),
    log: () => log.join(""),
    kill: (signal: NodeJS.Signals) => Effect.sync(() => child.kill(signal))
  }
})
