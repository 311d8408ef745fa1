#!/usr/bin/env node
/** The program behind `npm create @observability-agents/agent`. */
export {}
