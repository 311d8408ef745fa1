#!/usr/bin/env node
/**
 * The entry point: the program with this agent. It has all commands that `observability-agent` has (`run`, `check`,
 * `config show`, …; see `--help`), and its exit codes.
 */
import * as NodeWS from "@effect/platform-node/NodeWS"
import * as NodeProgram from "@observability-agents/cli/NodeProgram"
import * as Layer from "effect/Layer"
import { readFileSync } from "node:fs"
import { MyTool } from "./MyTool.ts"
import * as MyToolAgent from "./MyToolAgent.ts"

const { version } = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8"))

const agent = MyToolAgent.make(Layer.provide(MyTool.layer, NodeWS.layerWebSocketConstructor))

NodeProgram.run({ name: "my-tool", version, agents: [agent] })
