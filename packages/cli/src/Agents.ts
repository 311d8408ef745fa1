/**
 * The agents that the program `observability-agent` knows; a program of your own has a list of its own (`NodeProgram`). Adding an agent means adding its package and one line here.
 */
import type * as Agent from "@observability-agents/core/Agent"
import * as DatabricksAgent from "@observability-agents/agent-databricks/DatabricksAgent"
import type { Section } from "@observability-agents/toolkit/Settings"
import * as Startup from "./Startup.ts"

/**
 * All agents, in the order in which the help lists them.
 */
export const agents: ReadonlyArray<Agent.Agent<unknown>> = [DatabricksAgent.agent]

/**
 * The settings sections of all agents, each once, those that they share first.
 */
export const allSections: ReadonlyArray<Section<unknown>> = Startup.sectionsOf(agents)
