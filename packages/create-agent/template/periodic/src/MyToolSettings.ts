/**
 * The settings of the agent: the table `[my_tool]` of `agent.toml`, in variables `DK_MY_TOOL_` and the name.
 *
 * YOUR TOOL: add what your agent has to know. Each field is described once; all mistakes are reported together before
 * anything starts, and a `secret` is never shown.
 */
import * as Settings from "@observability-agents/toolkit/Settings"

/** The section `[my_tool]`. */
export const MyToolSettings = Settings.section("my_tool", {
  description: "Which My Tool is watched, and how often.",
  fields: {
    url: Settings.url({
      description: "Address of the tool's API.",
      example: "https://my-tool.example.com"
    }),
    token: Settings.secret({ description: "The token that the tool gave to this agent." }),
    period: Settings.seconds({
      description: "Time between two looks at the tool.",
      default: 10,
      exclusiveMinimum: 0
    }),
    lookBack: Settings.seconds({
      description: "How much of what was read already is read again, for what the tool wrote down late.",
      default: 60,
      min: 0
    })
  }
})
