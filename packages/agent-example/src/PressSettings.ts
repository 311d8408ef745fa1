/**
 * The settings of the two agents: the table `[press]`, in variables `DK_PRESS_` and the name.
 */
import * as Settings from "@observability-agents/toolkit/Settings"

/** The section `[press]`. */
export const PressSettings = Settings.section("press", {
  description: "Which press is watched, and how patiently.",
  fields: {
    url: Settings.url({
      description: "Address of the press's service. News are read by websocket from the same address.",
      example: "http://127.0.0.1:4010"
    }),
    token: Settings.secret({ description: "The token that the service gave to this agent." }),
    connectTimeout: Settings.seconds({
      description: "How long opening the connection may take.",
      default: 10,
      exclusiveMinimum: 0,
      max: 12
    }),
    firstMessageTimeout: Settings.seconds({
      description: "How long the service may take to say its first word on a new connection.",
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
      description: "How much of what was read already is read again, for what the service wrote down late.",
      default: 60
    }),
    period: Settings.seconds({
      description: "Time between two looks at the list of orders. Only the agent that lists them reads it.",
      default: 10,
      exclusiveMinimum: 0
    })
  }
})

/** What `[press]` holds. */
export type PressSettings = typeof PressSettings extends Settings.Section<infer A> ? A : never
