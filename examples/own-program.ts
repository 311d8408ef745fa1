/**
 * The whole program with agents of your own: `run`, `check`, `init`, `top`, `tap`, `outbox`, `dead-letters` and all other commands
 * of `observability-agent`, under a name of your own.
 */
import * as DatabricksAgent from "@observability-agents/agent-databricks/DatabricksAgent"
import * as PressListAgent from "@observability-agents/agent-example/PressListAgent"
import * as NodeProgram from "@observability-agents/cli/NodeProgram"

NodeProgram.run({
  name: "our-agents",
  version: "1.0.0",
  agents: [DatabricksAgent.agent, PressListAgent.agent]
})
