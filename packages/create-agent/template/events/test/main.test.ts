/** The program as a process, on real sockets: what a user starts. */
import { assert, describe, it } from "@effect/vitest"
import * as EventLog from "@observability-agents/testing/EventLog"
import * as NodeFakeObservability from "@observability-agents/testing/NodeFakeObservability"
import { Effect, Redacted } from "effect"
import * as FakeMyTool from "./support/FakeMyTool.ts"
import * as NodeFakeMyTool from "./support/NodeFakeMyTool.ts"
import * as Program from "./support/Program.ts"

describe("the program", () => {
  it.live(
    "checks its connections, delivers what happens in the tool, and stops when it is told to",
    () =>
      Effect.gen(function* () {
        const tool = yield* NodeFakeMyTool.make({ token: "a-secret-token" })
        const server = yield* NodeFakeObservability.make()
        const settings = {
          DK_AGENT_TYPE: "my_tool",
          DK_AGENT_KEY: "test",
          DK_MY_TOOL_URL: tool.url,
          DK_MY_TOOL_TOKEN: "a-secret-token",
          DK_OBSERVABILITY_BASE_URL: server.baseUrl,
          DK_OBSERVABILITY_SERVICE_ACCOUNT_KEY: Redacted.value(server.key)
        }
        const checked = yield* Effect.flatMap(Program.start(["check"], settings), ({ ended }) => ended)
        assert.include(checked.output, `My Tool at ${tool.url} answers`)
        assert.strictEqual(checked.code, 0)
        yield* tool.heard

        const program = yield* Program.start(["run"], settings)
        yield* tool.heard
        yield* tool.plan({ id: "1", job: "nightly", takes: "1 second" })
        const events = yield* server.awaitEvents(FakeMyTool.told({}).length)
        assert.deepStrictEqual(events.map(EventLog.title), FakeMyTool.told({}))
        yield* program.stop
        const { code, output } = yield* program.ended
        assert.strictEqual(code, 0)
        assert.include(output, "Agent starts")
        assert.notInclude(output, "a-secret-token")
      }).pipe(Effect.scoped),
    60_000
  )

  it.live(
    "says all that is wrong with its settings, and ends with 78",
    () =>
      Effect.gen(function* () {
        const program = yield* Program.start(["run"], { DK_AGENT_TYPE: "my_tool", DK_MY_TOOL_URL: "nowhere" })
        const { code, output } = yield* program.ended
        assert.strictEqual(code, 78)
        assert.include(output, "[my_tool] url")
        assert.include(output, "[my_tool] token")
      }).pipe(Effect.scoped),
    60_000
  )
})
