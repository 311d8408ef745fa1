import { assert, describe, it } from "@effect/vitest"
import * as Agent from "@observability-agents/core/Agent"
import { HttpTransport } from "@observability-agents/toolkit/HttpTransport"
import * as Settings from "@observability-agents/toolkit/Settings"
import { Effect, Layer } from "effect"
import { CliConfig, Command, GlobalFlag } from "effect/cli"
import { HttpClient } from "effect/http"
import { TestConsole } from "effect/testing"
import * as Program from "../src/Program.ts"
import * as Startup from "../src/Startup.ts"
import * as Here from "./ProgramHere.ts"

const Own = Settings.section("own", {
  description: "An author's own table.",
  fields: { address: Settings.url({ description: "Where it is.", example: "http://own.test" }) }
})

const agent = Agent.make({
  type: "own-tool",
  tool: "own",
  description: "Made elsewhere.",
  sections: [Own],
  layer: Layer.empty,
  check: Effect.succeed("It answers.")
})

const program = Program.make({
  name: "our-agents",
  version: "3.2.1",
  agents: [agent],
  env: { DK_AGENT_TYPE: "databricks" },
  terminal: false,
  interactive: false,
  colours: false
})

const nobody = HttpClient.make(() => Effect.die(new Error("This test has no network")))

/** What the program prints. */
const print = (...args: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    yield* Effect.exit(Command.runWith(program, { version: "3.2.1" })(args))
    return (yield* TestConsole.logLines)
      .concat(yield* TestConsole.errorLines)
      .map(String)
      .join("\n")
  }).pipe(
    Effect.provide([
      CliConfig.layer({ builtIns: [GlobalFlag.Help, GlobalFlag.Version] }),
      HttpTransport.layerClient(nobody),
      Layer.succeed(HttpClient.HttpClient, nobody),
      Here.services
    ])
  )

/** A subcommand and those below it, in every combination. */
const pages = [
  [],
  ...["init", "check", "run", "config", "graph", "top", "tap", "health", "explain", "backfill"].map(
    (name) => [name]
  ),
  ["config", "show"],
  ["config", "reference"],
  ["outbox", "status"],
  ["outbox", "verify"],
  ["dead-letters", "list"],
  ["dead-letters", "show"],
  ["dead-letters", "replay"],
  ["dead-letters", "drop"]
]

describe("a program with agents of its own", () => {
  for (const page of pages) {
    it.live(`names itself in the help of ${["our-agents", ...page].join(" ")}, and nobody else`, () =>
      Effect.gen(function* () {
        const help = yield* print(...page, "--help")
        assert.include(help, `our-agents ${page.join(" ")}`.trim())
        assert.notInclude(help, "observability-agent")
      })
    )
  }

  it.live("has the commands of the program, and not the demo, which is of another agent", () =>
    Effect.gen(function* () {
      const help = yield* print("--help")
      assert.include(help, "dead-letters")
      assert.notInclude(help, "demo")
    })
  )

  it.live("documents the settings of its agents, and of no other", () =>
    Effect.gen(function* () {
      const page = yield* print("config", "reference")
      assert.include(page, "## `[own]`")
      assert.include(page, "`our-agents config show`")
      assert.notInclude(page, "## `[databricks]`")
      assert.notInclude(page, "observability-agent config")
    })
  )

  it.live("reads the settings of its agent", () =>
    Effect.gen(function* () {
      const { agent: named, problems } = yield* Startup.read([agent], {
        env: { DK_AGENT_TYPE: "own-tool", DK_OWN_ADDRESS: "http://own.test" }
      })
      assert.strictEqual(named, agent)
      assert.notInclude(problems.map(({ setting }) => setting).join(), "own")
    }).pipe(Effect.provide(Here.services))
  )

  it.live("says which agents it has where another is named", () =>
    Effect.gen(function* () {
      const { problems } = yield* Startup.read([agent], { env: { DK_AGENT_TYPE: "databricks" } })
      assert.strictEqual(problems[0]?.expected, "one of: own-tool")
    }).pipe(Effect.provide(Here.services))
  )
})
