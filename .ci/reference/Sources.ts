/**
 * What the reference is made of: the modules of the packages that can be imported, and the pages of the documentation.
 * Which modules are meant for users is what the package's README lists under "Modules"; the others are parts of those.
 */
import { existsSync, globSync, readFileSync } from "node:fs"
import { basename, dirname, join } from "node:path"
import * as Published from "../packages/Published.ts"

/** A package of the reference. */
export interface Package {
  readonly name: string
  readonly folder: string
  readonly modules: ReadonlyArray<Module>
}

/** A module of it. */
export interface Module {
  /** As a program imports it. */
  readonly name: string
  readonly file: string
  /** Whether the README lists it. */
  readonly listed: boolean
}

/** All packages that are published and have modules for users, lowest first, and what the READMEs say wrongly. */
export const packages = (
  root: string
): { readonly packages: ReadonlyArray<Package>; readonly problems: Array<string> } => {
  const problems: Array<string> = []
  const found = Published.folders(root).flatMap((folder) => {
    const manifest = Published.manifest(folder)
    const readme = join(folder, "README.md")
    const listed = existsSync(readme) ? modulesOf(readFileSync(readme, "utf8")) : undefined
    if (listed === undefined) return []
    const programs = new Set(
      Object.values(manifest.bin ?? {}).map((path) => path.replace(/^\.\/dist\/(.*)\.js$/, "$1"))
    )
    const names = globSync("src/**/*.ts", { cwd: folder })
      .map((path) => path.slice("src/".length, -".ts".length))
      .filter((name) => !programs.has(name))
      .toSorted()
    for (const name of listed) {
      if (!names.includes(name) && !programs.has(name))
        problems.push(`packages/${basename(folder)}/README.md: lists a module that is not there: ${name}`)
    }
    const modules = names.map((name) => ({
      name: `${manifest.name}/${name}`,
      file: join(folder, `src/${name}.ts`),
      listed: listed.has(name)
    }))
    return [{ name: manifest.name, folder, modules }]
  })
  return { packages: found, problems }
}

/** Under what a module stands in the list of all. */
export const groupOf = ({ listed, name }: Module): string => {
  const owner = name.split("/").slice(0, 2).join("/")
  return listed ? owner : `Parts of ${owner}`
}

/** The names in the first column of the table under "Modules"; undefined where there is none: a program, no library. */
const modulesOf = (readme: string): ReadonlySet<string> | undefined => {
  const section = /^## Modules\n([\s\S]*?)(?=^## |(?![\s\S]))/m.exec(readme)?.[1]
  if (section === undefined) return undefined
  const cells = section.matchAll(/^\| ([^|]*`[^|]*) \|/gm).map((match) => match[1] ?? "")
  return new Set(
    cells.toArray().flatMap((cell) => [...cell.matchAll(/`([^`]+)`/g)].map((match) => match[1] ?? ""))
  )
}

/** The pages of the documentation: guides, decisions, and the READMEs of the packages. */
export const pages = (root: string): ReadonlyArray<string> =>
  globSync(["docs/*.md", "docs/decisions/*.md", "packages/*/README.md", "CONTRIBUTING.md", "CHANGELOG.md"], {
    cwd: root
  })
    .toSorted()
    .map((path) => join(root, path))

/** Under what a page stands. */
export const group = (name: string): string =>
  /^\d+\. /.test(name) ? "Decisions" : name.startsWith("@") ? "Packages" : "Guides"

/** What a page is called: its first heading, with the package's name for a README. */
export const title = (file: string): string => {
  const text = readFileSync(file, "utf8")
  const heading = /^# (.+)$/m.exec(text)?.[1] ?? basename(file, ".md")
  return basename(file) === "README.md" && existsSync(join(dirname(file), "package.json"))
    ? Published.manifest(dirname(file)).name
    : heading.replaceAll("`", "")
}
