#!/usr/bin/env node
/**
 * The entry point: the program with this agent. It has all commands that `observability-agent` has (`run`, `check`,
 * `config show`, …; see `--help`), and its exit codes.
 */
import * as NodeProgram from "@observability-agents/cli/NodeProgram"
import { readFileSync } from "node:fs"
import * as MyToolAgent from "./MyToolAgent.ts"

const { version } = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8"))

NodeProgram.run({ name: "my-tool", version, agents: [MyToolAgent.agent] })
