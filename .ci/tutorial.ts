/**
 * Checks that the tutorial shows the code that is compiled, tested and run: a code block of `docs/writing-an-agent.md` whose
 * first line names a file (`// packages/agent-example/src/Run.ts`, `# packages/agent-example/agent.toml`), or whose fence does
 * where the language has no comments, stands in that file, literally. The blocks of a file below `src`, one after the other,
 * are the whole file, and every file there is shown: who types the tutorial leaves nothing out. A block `(for now)` is a
 * file of which some lines come later: those that it has are lines of the file, in their order.
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
const named = /^```[a-z]+(?:\n(?:\/\/|#))? (packages\/\S+)( \(for now\))?\n([\s\S]*?)^```/gm
for (const match of text.matchAll(named)) {
  const [, path = "", isForNow, block = ""] = match
  const place = `${page}:${text.slice(0, match.index).split("\n").length}`
  blocks += 1
  if (!existsSync(join(root, path))) problems.push(`${place}: there is no file ${path}`)
  else if (isForNow !== undefined) {
    if (!isPartOf(block, readFileSync(join(root, path), "utf8")))
      problems.push(`${place}: this has lines that ${path} does not have, or in another order`)
    continue
  } else if (!readFileSync(join(root, path), "utf8").includes(block))
    problems.push(`${place}: this is not what ${path} holds`)
  shown.set(path, (shown.get(path) ?? "") + block)
}
/** Whether all lines are lines of the file, in this order. */
function isPartOf(block: string, file: string): boolean {
  const lines = file.split("\n")
  return block.split("\n").every((line) => {
    const at = lines.indexOf(line)
    return line === "" || (at >= 0 && lines.splice(0, at + 1).length > 0)
  })
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
