/** Looks whether a package holds all that it has to, and nothing else. */
import { existsSync } from "node:fs"
import { join, posix } from "node:path"
import { filesOf, isExecutable, type Problem, programs, type Published, text } from "./Published.ts"

const ALWAYS = ["package.json", "README.md", "LICENSE"]

/** Names that never belong to a package, wherever they stand. */
const NEVER =
  /(^|\/)(\.env|\.npmrc|\.observability-agent|node_modules|coverage|package-lock\.json)(\/|$|\.)|\.(db|db-wal|db-shm|tsbuildinfo|log|tgz|pem|key)$|\.(test|spec)\.[a-z]+$/

/** All that is wrong with the files of a package. */
export const check = (published: Published): ReadonlyArray<Problem> => {
  const problems: Array<Problem> = []
  const report = (file: string, what: string) =>
    problems.push({ package: published.manifest.name, file, what })
  const listed = new Set(published.manifest.files)
  const files = new Set(published.files)
  const sources = filesOf(published.origin).filter((file) => file.startsWith("src/"))

  for (const file of ALWAYS) if (!files.has(file)) report(file, "is missing: add it to the package's folder")

  for (const file of published.files) {
    if (ALWAYS.includes(file)) continue
    // A template may hold tests: they are what it is for.
    if (NEVER.test(file) && !(file.startsWith("template/") && file.endsWith(".test.ts")))
      report(file, "must not be published: remove it, or narrow `files` in package.json")
    else if (file.startsWith("dist/")) {
      const source = file.replace(/^dist\//, "src/").replace(/\.(d\.ts|js)(\.map)?$/, ".ts")
      if (!/\.(d\.ts|js)(\.map)?$/.test(file))
        report(file, "is neither JavaScript nor a declaration: the build does not write it, so remove it")
      else if (!existsSync(join(published.origin, source)))
        report(
          file,
          `has no source ${source}: it is left from a module that is gone. Remove it (npm run clean)`
        )
      else if (file.endsWith(".map")) {
        for (const path of mapped(text(published, file))) {
          if (!files.has(posix.join(posix.dirname(file), path)))
            report(
              file,
              `points to ${path}, which is not published: add "src" to \`files\`, or write no maps`
            )
        }
      }
    } else if (file.startsWith("src/")) {
      if (!listed.has("src") || !file.endsWith(".ts"))
        report(
          file,
          "is no TypeScript source of the package: move it out of src, or do not list src in `files`"
        )
    } else if (!(file.startsWith("template/") && listed.has("template")))
      report(file, "is not expected in a package: remove it from `files` in package.json")
  }

  for (const source of sources.filter((file) => file.endsWith(".ts"))) {
    for (const ending of [".js", ".d.ts"]) {
      const built = source.replace(/^src\//, "dist/").replace(/\.ts$/, ending)
      if (!files.has(built))
        report(built, `is missing, although there is ${source}: list "dist" in \`files\`, and build`)
    }
  }
  if (listed.has("template")) {
    for (const file of filesOf(published.origin)) {
      if (file.startsWith("template/") && !files.has(file))
        report(
          file,
          "is left out by npm, which never packs this name: call it otherwise, and rename it when it is written"
        )
    }
  }
  for (const program of programs(published)) {
    if (!files.has(program)) report(program, "is a program in `bin`, and not there: correct `bin`")
    else {
      if (!text(published, program).startsWith("#!/usr/bin/env node\n"))
        report(program, "is a program: its first line has to be #!/usr/bin/env node")
      if (!isExecutable(published, program))
        report(program, "is a program, and cannot be executed: list it in `bin`")
    }
  }
  return problems
}

const mapped = (map: string): ReadonlyArray<string> =>
  (JSON.parse(map) as { sources: ReadonlyArray<string> }).sources
