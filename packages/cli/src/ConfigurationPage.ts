/**
 * The reference of all settings: the page `docs/configuration.md`, which `config reference` prints.
 */
import * as Settings from "@observability-agents/toolkit/Settings"
import type { Environment } from "./Environment.ts"
import { sectionsOf } from "./Startup.ts"

/** The page as Markdown: how settings are given, then every section. */
export const page = ({ agents, name }: Pick<Environment, "agents" | "name">): string =>
  `${introduction(name)}\n${Settings.reference(sectionsOf(agents))}`

const introduction = (name: string): string => `# Configuration

<!-- Written by \`${name} config reference\` from the settings sections in the sources. -->

Settings come from one file and from the environment, mixed as you like. \`${name} config show\` prints what
holds, and where it comes from.

- **File:** the one given by \`--config\`, else \`./agent.toml\`, else \`/etc/observability/agent.toml\`; the first that
  exists is the only one read. \`${name} config reference --format json-schema\` prints its schema, with which
  editors check and complete it.
- **Environment:** the variables below, in upper or lower case. An empty variable counts as not set.
- **Both:** where both set one thing, the file wins and a warning says so; \`DK_CONFIG_PRECEDENCE=env\` turns it round.
- **Variables without \`DK_\`** are those of the tool's own programs. They are read as written here, in upper case, and hold
  where neither the file nor a variable with \`DK_\` sets the setting. What the tool's own files say comes after them.
- **Lists** in variables: a JSON array, or values separated by commas. **Times:** seconds, or text such as \`5 minutes\`.
- **Lists of tables** (\`[[…]]\`): in a variable, a JSON array of objects with the same keys. An empty list counts as not set.
- **Secrets** may stand in a file of their own, named by the variable with \`_FILE\` added (\`DK_AGENT_TOKEN_FILE\`) or by the
  key with \`_file\` added (\`agent_token_file\`). A relative path starts at the working directory.
- **Older names** are those of the Python agents; they go on working.
- **Unknown keys** in a known table are mistakes, with a suggestion. All mistakes are reported together (exit code 78).

Credentials of the tool: set one kind (\`[auth_…]\`); if several are set, \`[credentials] kind\` says which.
`
