/**
 * The promises of the framework, held against this agent: nothing lost, nothing twice, in order, no secret told, whatever goes
 * wrong with the server, the tool or the process. See the README of @observability-agents/testing.
 */
import * as AgentSuite from "@observability-agents/testing/AgentSuite"
import { Effect, Layer } from "effect"
import { MyTool } from "../src/MyTool.ts"
import * as MyToolAgent from "../src/MyToolAgent.ts"
import * as FakeMyTool from "./support/FakeMyTool.ts"
import * as FakeWebSocket from "./support/FakeWebSocket.ts"

const network = FakeWebSocket.network()

const scenario = Effect.gen(function* () {
  const tool = yield* FakeMyTool.make({ token: "a-secret-token" })
  yield* network.plug(tool)
  return {
    tool,
    hosts: {},
    play: tool.plan(
      { id: "1", job: "nightly", takes: "50 seconds" },
      { id: "2", job: "hourly", after: "81 seconds", takes: "1 second", fails: "no such table" },
      { id: "3", job: "nightly", after: "2 minutes", takes: "50 seconds" }
    ),
    expected: tool.expected,
    recover: tool.recover
  }
})

const fails =
  (fault: FakeMyTool.Fault) =>
  ({ tool }: { readonly tool: FakeMyTool.FakeMyTool["Service"] }) =>
    tool.fail(fault)

AgentSuite.suite("the agent of My Tool", {
  agent: MyToolAgent.make(Layer.provide(MyTool.layer, network.layer)),
  settings: { my_tool: { url: "http://my-tool.test", token: "a-secret-token" } },
  mistakes: {
    settings: { my_tool: { idle_timeout: "long", urll: "http://my-tool.test" } },
    words: ["[my_tool] idle_timeout", "urll"]
  },
  secrets: ["a-secret-token"],
  scenario,
  lasts: "4 minutes",
  faults: {
    "is down": fails("is down"),
    "says nothing": fails("says nothing"),
    "closes the connection": fails("closes the connection"),
    "talks nonsense": fails("talks nonsense"),
    "knows us no more": fails("knows us no more")
  }
})
