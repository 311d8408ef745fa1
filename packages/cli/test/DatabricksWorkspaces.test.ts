import { NodeServices } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import * as FakeDatabricks from "@observability-agents/agent-databricks/testing/FakeDatabricks"
import * as NodeFakeDatabricks from "@observability-agents/agent-databricks/testing/NodeFakeDatabricks"
import { FakeObservability } from "@observability-agents/testing/FakeObservability"
import * as NodeFakeObservability from "@observability-agents/testing/NodeFakeObservability"
import { Effect, FileSystem, Redacted, type Scope } from "effect"
import * as Process from "./ProgramProcess.ts"

const live = <E>(
  name: string,
  test: Effect.Effect<void, E, FakeObservability | NodeServices.NodeServices | Scope.Scope>
) =>
  it.live(
    name,
    () => test.pipe(Effect.scoped, Effect.provide([NodeFakeObservability.layer(), NodeServices.layer])),
    30_000
  )

const workspace = (token: string) =>
  Effect.flatMap(FakeDatabricks.make({ token, jobs: [{ name: "nightly", runs: [{}] }] }), (fake) =>
    Effect.map(NodeFakeDatabricks.serve(fake), (host) => ({ fake, host }))
  )

const common = Effect.map(FakeObservability, (server) => ({
  DK_AGENT_TYPE: "databricks",
  DK_AGENT_KEY: "test",
  DK_OBSERVABILITY_BASE_URL: server.baseUrl,
  DK_OBSERVABILITY_SERVICE_ACCOUNT_KEY: Redacted.value(server.key)
}))

describe("observability-agent check with several workspaces", () => {
  live(
    "says a line of each, in their order, whichever answers",
    Effect.gen(function* () {
      const one = yield* workspace("canary-one")
      const other = yield* workspace("canary-two")
      const DK_DATABRICKS_WORKSPACES = JSON.stringify([
        { name: "lost", host: "http://127.0.0.1:1", token: "canary-lost" },
        { name: "production", host: one.host, token: "canary-one" },
        { name: "test", host: other.host, token: "canary-wrong" }
      ])
      const { exitCode, stderr, stdout } = yield* Process.run({
        args: ["check"],
        env: { ...(yield* common), DK_DATABRICKS_WORKSPACES, DK_HTTP_RETRIES: "0" }
      })
      const lines = stdout.split("\n").filter((line) => / databricks /.test(line))
      assert.deepStrictEqual(
        lines.map((line) => line.replace(/^(\S+\s+(?:databricks )?\S+).*/, "$1").replaceAll(/\s+/g, " ")),
        ["FAIL databricks lost", "ok databricks production", "FAIL databricks test"]
      )
      assert.match(
        lines[0] ?? "",
        /ECONNREFUSED.*Nothing listens at 127.0.0.1:1: check DK_DATABRICKS_WORKSPACES 1 "lost" host/
      )
      assert.match(
        lines[2] ?? "",
        /The token in DK_DATABRICKS_WORKSPACES 3 "test" token is not one of this workspace/
      )
      assert.notInclude(stdout + stderr, "canary")
      assert.strictEqual(exitCode, 77)
    })
  )
})

describe("observability-agent check with Databricks' own settings", () => {
  live(
    "takes address and token from a profile, and says so where they are wrong",
    Effect.gen(function* () {
      const { host } = yield* workspace("canary-profile")
      const fs = yield* FileSystem.FileSystem
      const home = yield* fs.makeTempDirectoryScoped()
      const write = (token: string) =>
        fs.writeFileString(`${home}/.databrickscfg`, `[DEFAULT]\nhost = ${host}\ntoken = ${token} # mine\n`)
      const check = Effect.flatMap(common, (env) =>
        Process.run({ args: ["check"], env: { ...env, HOME: home } })
      )
      yield* write("canary-profile")
      assert.match((yield* check).stdout, /ok +databricks +Jobs API 2.2 of http.* answers; its newest run/)
      yield* write("canary-wrong")
      const wrong = yield* check
      assert.match(
        wrong.stdout,
        /The token in ~\/.databrickscfg, profile DEFAULT, key token is not one of this workspace/
      )
      assert.strictEqual(wrong.exitCode, 77)
      assert.notInclude(wrong.stdout + wrong.stderr, "canary")
    })
  )

  live(
    "says which profiles there are when the one that is named is not there",
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const home = yield* fs.makeTempDirectoryScoped()
      yield* fs.writeFileString(`${home}/.databrickscfg`, "[DEFAULT]\nhost = x\n[prod]\ntoken = canary\n")
      const { exitCode, stderr, stdout } = yield* Process.run({
        args: ["check"],
        env: { ...(yield* common), HOME: home, DATABRICKS_CONFIG_PROFILE: "pord" }
      })
      assert.match(stdout + stderr, /no profile of this name[\s\S]*one of DEFAULT, prod[\s\S]*"pord"/)
      assert.notInclude(stdout + stderr, "canary")
      assert.strictEqual(exitCode, 78)
    })
  )
})
