/**
 * The agents that the program knows. Adding an agent means adding its package and one line here.
 */
import type * as Agent from "@observability-agents/core/Agent"
import * as DatabricksAgent from "@observability-agents/agent-databricks/DatabricksAgent"

/**
 * All agents, in the order in which the help lists them.
 */
export const agents: ReadonlyArray<Agent.Agent<unknown>> = [DatabricksAgent.agent]
