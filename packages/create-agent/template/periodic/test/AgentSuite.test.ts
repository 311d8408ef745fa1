/**
 * The promises of the framework, held against this agent: nothing lost, nothing twice, in order, no secret told, whatever goes
 * wrong with the server, the tool or the process. See the README of @observability-agents/testing.
 */
import * as AgentSuite from "@observability-agents/testing/AgentSuite"
import { Effect } from "effect"
import * as MyToolAgent from "../src/MyToolAgent.ts"
import * as FakeMyTool from "./support/FakeMyTool.ts"

const scenario = Effect.map(FakeMyTool.make({ token: "a-secret-token" }), (tool) => ({
  tool,
  hosts: { "my-tool.test": tool.client },
  play: tool.plan(
    { id: "1", job: "nightly", takes: "50 seconds" },
    { id: "2", job: "hourly", after: "81 seconds", takes: "1 second", fails: "no such table" },
    { id: "3", job: "nightly", after: "2 minutes", takes: "50 seconds" }
  ),
  expected: tool.expected,
  recover: tool.recover
}))

const fails =
  (fault: FakeMyTool.Fault) =>
  ({ tool }: { readonly tool: FakeMyTool.FakeMyTool["Service"] }) =>
    tool.fail(fault)

AgentSuite.suite("the agent of My Tool", {
  agent: MyToolAgent.agent,
  settings: { my_tool: { url: "http://my-tool.test", token: "a-secret-token", period: 20 } },
  mistakes: {
    settings: { my_tool: { period: "often", urll: "http://my-tool.test" } },
    words: ["[my_tool] period", "urll"]
  },
  secrets: ["a-secret-token"],
  scenario,
  lasts: "4 minutes",
  faults: {
    "is down": fails("is down"),
    "says nothing": fails("says nothing"),
    "closes the connection": fails("closes the connection"),
    "answers with a page": fails("answers with a page"),
    "knows us no more": fails("knows us no more")
  }
})
