/**
 * Checks that the tutorial shows the code that is compiled, tested and run: a code block of `docs/writing-an-agent.md` whose
 * first line names a file (`// packages/agent-example/src/Run.ts`, `# packages/agent-example/agent.toml`) stands in that
 * file, literally. The blocks of a file below `src`, one after the other, are the whole file, and every file there is shown:
 * who types the tutorial leaves nothing out.
 */
import { existsSync, globSync, readFileSync } from "node:fs"
import { join, resolve } from "node:path"

const root = resolve(import.meta.dirname, "..")
const page = "docs/writing-an-agent.md"
const source = "packages/agent-example/src/"
const problems: Array<string> = []
const shown = new Map<string, string>()
let blocks = 0

const text = readFileSync(join(root, page), "utf8")
for (const match of text.matchAll(/^```[a-z]+\n(?:\/\/|#) (packages\/\S+)\n([\s\S]*?)^```/gm)) {
  const [, path = "", block = ""] = match
  const place = `${page}:${text.slice(0, match.index).split("\n").length}`
  blocks += 1
  if (!existsSync(join(root, path))) problems.push(`${place}: there is no file ${path}`)
  else if (!readFileSync(join(root, path), "utf8").includes(block))
    problems.push(`${place}: this is not what ${path} holds`)
  shown.set(path, (shown.get(path) ?? "") + block)
}
const solid = (code: string) => code.replaceAll(/\n\s*\n/g, "\n").trim()
for (const path of globSync(`${source}**/*.ts`, { cwd: root })) {
  if (solid(shown.get(path) ?? "") !== solid(readFileSync(join(root, path), "utf8")))
    problems.push(`${page}: the blocks of ${path} are not the whole file`)
}

for (const problem of problems) process.stderr.write(`${problem}\n`)
process.stdout.write(
  `${blocks} code blocks of ${page} compared with their files, ${problems.length} problems\n`
)
process.exit(problems.length === 0 ? 0 : 1)
