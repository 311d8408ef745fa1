/**
 * Writes `docs/configuration.md` from the settings sections of all agents, as `observability-agent config reference` prints
 * it; with `--check` it only says whether the page is what it would write.
 */
import { agents } from "../packages/cli/src/Agents.ts"
import * as ConfigurationPage from "../packages/cli/src/ConfigurationPage.ts"
import { readFileSync, writeFileSync } from "node:fs"

const page = new URL("../docs/configuration.md", import.meta.url)
const text = ConfigurationPage.page({ name: "observability-agent", agents })

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
