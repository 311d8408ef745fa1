/**
 * Writes `docs/configuration.md` from the settings sections of all agents; with `--check` it only says whether the page
 * is what it would write.
 */
import * as Agent from "@observability-agents/core/Agent"
import { agents } from "../packages/cli/src/Agents.ts"
import * as Settings from "@observability-agents/toolkit/Settings"
import { readFileSync, writeFileSync } from "node:fs"

const page = new URL("../docs/configuration.md", import.meta.url)
const text = `# Configuration

<!-- Written by \`npm run docs\` from the settings sections in the sources. -->

Settings come from one file and from the environment, mixed as you like.

- **File:** the one given by \`--config\`, else \`./agent.toml\`, else \`/etc/observability/agent.toml\`; the first that
  exists is the only one read.
- **Environment:** the variables below, in upper or lower case. An empty variable counts as not set.
- **Both:** where both set one thing, the file wins and a warning says so; \`DK_CONFIG_PRECEDENCE=env\` turns it round.
- **Lists** in variables: a JSON array, or values separated by commas. **Times:** seconds, or text such as \`5 minutes\`.
- **Secrets** may stand in a file of their own, named by the variable with \`_FILE\` added: \`DK_AGENT_TOKEN_FILE\`.
- **Older names** are those of the Python agents; they go on working.
- **Unknown keys** in a known table are mistakes, with a suggestion. All mistakes are reported together (exit code 78).

Credentials of the tool: set one kind (\`[auth_…]\`); if several are set, \`[credentials] kind\` says which.

${Settings.reference([...new Set([...Agent.sharedSections, ...agents.flatMap((agent) => agent.sections)])])}`

if (process.argv.includes("--check")) {
  const same = readFileSync(page, "utf8") === text
  process.stdout.write(
    same
      ? "docs/configuration.md is up to date\n"
      : "docs/configuration.md is not up to date: run `npm run docs`\n"
  )
  process.exit(same ? 0 : 1)
}
writeFileSync(page, text)
