/**
 * The settings of the agent: the table `[my_tool]` of `agent.toml`, in variables `DK_MY_TOOL_` and the name.
 *
 * YOUR TOOL: add what your agent has to know. Each field is described once; all mistakes are reported together before
 * anything starts, and a `secret` is never shown.
 */
import * as Settings from "@observability-agents/toolkit/Settings"

/** The section `[my_tool]`. */
export const MyToolSettings = Settings.section("my_tool", {
  description: "Which My Tool is watched, and how patiently.",
  fields: {
    url: Settings.url({
      description: "Address of the tool's API. News are read by websocket from the same address.",
      example: "https://my-tool.example.com"
    }),
    token: Settings.secret({ description: "The token that the tool gave to this agent." }),
    // Together less than the half minute for which a Loop may wait without counting as failing.
    connectTimeout: Settings.seconds({
      description: "How long opening the connection may take.",
      default: 10,
      exclusiveMinimum: 0,
      max: 12
    }),
    firstMessageTimeout: Settings.seconds({
      description: "How long the tool may take to say its first word on a new connection.",
      default: 10,
      exclusiveMinimum: 0,
      max: 12
    }),
    idleTimeout: Settings.seconds({
      description:
        "How long it may be silent after that. It says something every ten seconds, if only a ping.",
      default: 30,
      exclusiveMinimum: 0
    }),
    lookBack: Settings.seconds({
      description: "How much of what was read already is read again, for what the tool wrote down late.",
      default: 60,
      min: 0
    })
  }
})

/** What `[my_tool]` holds. */
export type MyToolSettings = typeof MyToolSettings extends Settings.Section<infer A> ? A : never
