/**
 * Type-checks the TypeScript of the documentation: every `ts` code block of the Markdown files, and of the packages' doc
 * comments, becomes a module below `node_modules/.cache/docs` and is compiled against the packages' sources. A block whose info string
 * says `ts ignore` is left out (fragments that only show a shape).
 *
 * Also checks that every relative link of the Markdown files points to a file that exists.
 */
import { spawnSync } from "node:child_process"
import { existsSync, globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { dirname, join, resolve } from "node:path"

const root = resolve(import.meta.dirname, "..")
const target = join(root, "node_modules/.cache/docs")
rmSync(target, { recursive: true, force: true })
mkdirSync(target, { recursive: true })

const pages = globSync(["*.md", "docs/**/*.md", "packages/*/README.md", "examples/*.md", "bench/*.md"], {
  cwd: root
})
const problems: Array<string> = []
let blocks = 0

/** What a code block is called there, so that a mistake in it is found in the documentation. */
const add = (file: string, line: number, code: string) => {
  blocks += 1
  const name = `${file.replaceAll(/[^a-zA-Z0-9]+/g, "_")}_line_${line}.ts`
  writeFileSync(join(target, name), `${code}\nexport {}\n`)
}
const lineOf = (text: string, index: number) => text.slice(0, index).split("\n").length

for (const page of pages) {
  const text = readFileSync(join(root, page), "utf8")
  for (const match of text.matchAll(/^```ts( ignore)?[^\n]*\n([\s\S]*?)^```/gm)) {
    // A block that names its file is compiled there, and compared with it by tutorial.ts.
    if (match[1] !== undefined || match[2]?.startsWith("// packages/")) continue
    add(page, lineOf(text, match.index), match[2] ?? "")
  }
  const prose = text.replaceAll(/^```[\s\S]*?^```/gm, "").replaceAll(/`[^`]*`/g, "")
  for (const match of prose.matchAll(/\]\((?!https?:|mailto:|#)([^)#\s]+)/g)) {
    const link = match[1] ?? ""
    if (!existsSync(resolve(root, dirname(page), link)))
      problems.push(`${page}: link to a file that is not there: ${link}`)
  }
}

const sources = globSync("packages/*/src/**/*.ts", { cwd: root })
for (const source of sources) {
  const text = readFileSync(join(root, source), "utf8")
  for (const comment of text.matchAll(/^[ \t]*\/\*\*\n([\s\S]*?)\*\//gm)) {
    const prose = comment[0].replaceAll(/^[ \t]*\*(?: |$)/gm, "")
    for (const block of prose.matchAll(/^```ts[^\n]*\n([\s\S]*?)^```/gm))
      add(source, lineOf(text, comment.index) + lineOf(prose, block.index) - 1, block[1] ?? "")
    if (/^@example(?!\s*(?:[^\n]*\n)?```)/m.test(prose))
      problems.push(
        `${source}:${lineOf(text, comment.index)}: an example is a block that begins with \`\`\`ts`
      )
  }
}

writeFileSync(
  join(target, "tsconfig.json"),
  JSON.stringify({
    extends: join(root, "tsconfig.base.json"),
    compilerOptions: {
      noEmit: true,
      composite: false,
      noUnusedLocals: false,
      noUnusedParameters: false,
      types: ["node"],
      typeRoots: [join(root, "node_modules/@types")]
    },
    include: [`${target}/*.ts`]
  })
)

if (blocks > 0) {
  const checked = spawnSync("tsc", ["-p", target, "--pretty", "false"], { cwd: root, encoding: "utf8" })
  if (checked.status !== 0) problems.push(checked.stdout.trim() || checked.stderr.trim())
}

for (const problem of problems) process.stderr.write(`${problem}\n`)
process.stdout.write(
  `${blocks} code blocks of ${pages.length} pages and ${sources.length} modules checked, ${problems.length} problems\n`
)
process.exit(problems.length === 0 ? 0 : 1)
