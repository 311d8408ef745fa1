/** Looks whether `package.json` says what npm and its users need, and whether its dependencies are what is imported. */
import { existsSync, readFileSync } from "node:fs"
import { isBuiltin } from "node:module"
import { join } from "node:path"
import { type Manifest, manifest, type Problem, type Published, text } from "./Published.ts"

/** What the packages are compared with. */
export interface Root {
  readonly folder: string
  readonly manifest: Manifest
  readonly license: string
}

/** Reads it from the repository. */
export const root = (folder: string): Root => ({
  folder,
  manifest: manifest(folder),
  license: readFileSync(join(folder, "LICENSE"), "utf8")
})

const EXACT = /^\d+\.\d+\.\d+(-[\w.]+)?$/

/** All that is wrong with the `package.json` of a package, and with its licence. */
export const check = (
  published: Published,
  root: Root,
  own: ReadonlyArray<Manifest>
): ReadonlyArray<Problem> => {
  const problems: Array<Problem> = []
  const { manifest } = published
  const report = (what: string, file = "package.json") =>
    problems.push({ package: manifest.name, file, what })

  if ((manifest.description ?? "").length < 20)
    report("`description` is missing or says too little: write a sentence")
  if ((manifest.keywords ?? []).length < 3)
    report("`keywords` are missing: name at least three, for npm's search")
  if (manifest.license !== root.manifest.license)
    report(`\`license\` has to be ${root.manifest.license}, as that of the repository`)
  if (published.files.includes("LICENSE") && text(published, "LICENSE") !== root.license)
    report("is not the licence of the repository: copy it from there", "LICENSE")
  if (manifest.type !== "module") report('`type` has to be "module"')
  if (manifest.sideEffects === undefined)
    report("`sideEffects` is missing: false, unless an import does something")
  if (manifest.engines?.["node"] === undefined)
    report("`engines.node` is missing: say which versions of Node work")
  if (manifest.publishConfig?.["access"] !== "public")
    report('`publishConfig.access` has to be "public": scoped packages are private otherwise')
  if (manifest.version !== root.manifest.version)
    report(
      `\`version\` is ${manifest.version}, and that of the repository ${root.manifest.version}: all packages have one version`
    )
  for (const [subpath, target] of Object.entries(manifest.exports ?? {})) {
    const conditions = typeof target === "object" && target !== null ? Object.keys(target) : []
    if (conditions.length > 0 && conditions.at(-1) !== "default")
      report(`\`exports\` of ${subpath} has to end with "default"`)
  }
  if (manifest.exports === undefined) report("`exports` is missing: name what can be imported")
  problems.push(...dependencies(published, root, own))
  return problems
}

const dependencies = (
  published: Published,
  root: Root,
  own: ReadonlyArray<Manifest>
): ReadonlyArray<Problem> => {
  const problems: Array<Problem> = []
  const { manifest } = published
  const declared = { ...manifest.dependencies, ...manifest.peerDependencies }
  const imported = imports(published)
  const report = (what: string, file = "package.json") =>
    problems.push({ package: manifest.name, file, what })

  for (const [name, file] of imported) {
    if (declared[name] === undefined && name !== manifest.name)
      report(`imports ${name}, which the package does not depend on: add it to \`dependencies\``, file)
  }
  const wantedByPeers = new Set(
    Object.keys(declared).flatMap((name) => Object.keys(installed(root.folder, name)?.peerDependencies ?? {}))
  )
  for (const name of Object.keys(declared)) {
    const asPeer = manifest.peerDependencies?.[name] !== undefined && wantedByPeers.has(name)
    if (!imported.has(name) && !asPeer)
      report(`\`dependencies\` name ${name}, which no module imports: remove it`)
  }
  const all = [
    ["dependencies", manifest.dependencies],
    ["peerDependencies", manifest.peerDependencies],
    ["devDependencies", manifest.devDependencies]
  ] as const
  for (const [kind, entries] of all) {
    for (const [name, version] of Object.entries(entries ?? {})) {
      const place = `\`${kind}\` name ${name} ${version}`
      const sibling = own.find((other) => other.name === name)
      const here = sibling?.version ?? installed(root.folder, name)?.version
      if (here === undefined) report(`${place}, which is not installed here: npm install`)
      else if (EXACT.test(version) ? version !== here : kind !== "peerDependencies" || !within(here, version))
        report(
          sibling === undefined
            ? `${place}, and installed here, and tested with, is ${here}: write ${here}`
            : `${place}: packages of one release depend on each other by exactly their version, ${here}`
        )
    }
  }
  return problems
}

const installed = (root: string, name: string): Manifest | undefined => {
  const folder = join(root, "node_modules", name)
  return existsSync(folder) ? manifest(folder) : undefined
}

/** Whether a version is in a range as `>=5.1.0 <6`, which is all that peers need. */
const within = (version: string, range: string): boolean =>
  range.split(" ").every((part) => {
    const [, sign, bound = ""] = /^(>=|<)(\d[\d.]*)$/.exec(part) ?? []
    const order = compare(version, bound)
    return sign === ">=" ? order >= 0 : sign === "<" && order < 0
  })

const compare = (left: string, right: string): number => {
  const rights = right.split(".").map(Number)
  const apart = left.split(".").map((digits, index) => Number.parseInt(digits, 10) - (rights[index] ?? 0))
  return apart.find((difference) => difference !== 0) ?? 0
}

/** The packages that the published modules import, each with a file that does. */
export const imports = (published: Published): ReadonlyMap<string, string> => {
  const found = new Map<string, string>()
  for (const file of published.files.filter((file) => /^dist\/.*\.(js|d\.ts)$/.test(file))) {
    for (const specifier of specifiers(text(published, file))) {
      if (specifier.startsWith(".") || isBuiltin(specifier)) continue
      const name = specifier.split("/", specifier.startsWith("@") ? 2 : 1).join("/")
      if (!found.has(name)) found.set(name, file)
    }
  }
  return found
}

/** What a module that the compiler wrote imports. Examples in comments do not count. */
export const specifiers = (code: string): ReadonlyArray<string> =>
  code
    .replaceAll(/^[ \t]*\/\*\*[\s\S]*?\*\//gm, "")
    .matchAll(
      /^(?:import|export)\b(?:[^"'`;=(]*\bfrom)?\s*["']([^"'\n]+)["']|\bimport\(["']([^"'\n]+)["']\)/gm
    )
    .map((match) => match[1] ?? match[2] ?? "")
    .toArray()
