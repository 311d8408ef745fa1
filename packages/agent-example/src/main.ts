#!/usr/bin/env node
/**
 * The entry point: the program with these agents. It has all commands that `observability-agent` has, and its exit codes.
 */
import * as NodeWS from "@effect/platform-node/NodeWS"
import * as NodeProgram from "@observability-agents/cli/NodeProgram"
import * as Layer from "effect/Layer"
import { Press } from "./Press.ts"
import * as PressAgent from "./PressAgent.ts"
import * as PressListAgent from "./PressListAgent.ts"

NodeProgram.run({
  name: "press-agent",
  version: "0.1.0",
  agents: [
    PressListAgent.agent,
    PressAgent.make(Layer.provide(Press.layer, NodeWS.layerWebSocketConstructor))
  ]
})
