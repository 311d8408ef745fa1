#!/usr/bin/env node
/**
 * The entry point of the program `observability-agent`.
 */
import { readFileSync } from "node:fs"
import { agents } from "./Agents.ts"
import * as NodeProgram from "./NodeProgram.ts"

const { version } = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8"))

NodeProgram.run({ name: "observability-agent", version, agents, demo: true })
