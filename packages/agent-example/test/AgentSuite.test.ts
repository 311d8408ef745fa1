/** The promises of the framework, held against this agent, whatever goes wrong. */
import * as AgentSuite from "@observability-agents/testing/AgentSuite"
import { Effect } from "effect"
import * as PressListAgent from "../src/PressListAgent.ts"
import * as FakePressList from "./support/FakePressList.ts"

const scenario = Effect.map(FakePressList.make, (press) => ({
  press,
  hosts: { "press.test": press.client },
  play: Effect.andThen(
    press.print("1", { takes: "1 minute" }),
    press.print("2", { after: "90 seconds", takes: "1 minute" })
  ),
  expected: press.expected,
  recover: press.recover
}))

AgentSuite.suite("the agent that asks", {
  agent: PressListAgent.agent,
  settings: { press: { url: "http://press.test", token: "a-token" } },
  mistakes: {
    settings: { press: { period: "often", ulr: "http://press.test" } },
    words: ["[press] period", "ulr"]
  },
  secrets: ["a-token"],
  scenario,
  lasts: "4 minutes",
  faults: {
    "is down": ({ press }) => press.goDown,
    "knows us no more": ({ press }) => press.forgetUs
  }
})
