/**
 * What would be published: each public package, built anew from its sources in a folder of its own, packed by npm and
 * unpacked again. What an earlier build left in `dist` cannot get in.
 */
import { execFileSync, spawnSync } from "node:child_process"
import {
  chmodSync,
  cpSync,
  existsSync,
  globSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync
} from "node:fs"
import { basename, dirname, join } from "node:path"

/** What stands in a `package.json`, as far as it is looked at here. */
export interface Manifest {
  readonly name: string
  readonly version: string
  readonly private?: boolean
  readonly description?: string
  readonly license?: string
  readonly keywords?: ReadonlyArray<string>
  readonly type?: string
  readonly sideEffects?: boolean | ReadonlyArray<string>
  readonly engines?: Readonly<Record<string, string>>
  readonly publishConfig?: Readonly<Record<string, string>>
  readonly files?: ReadonlyArray<string>
  readonly bin?: Readonly<Record<string, string>>
  readonly exports?: Readonly<Record<string, unknown>>
  readonly dependencies?: Readonly<Record<string, string>>
  readonly peerDependencies?: Readonly<Record<string, string>>
  readonly peerDependenciesMeta?: Readonly<Record<string, { readonly optional?: boolean }>>
  readonly devDependencies?: Readonly<Record<string, string>>
}

/** A package as a user gets it. */
export interface Published {
  readonly manifest: Manifest
  /** The folder in which it was unpacked. */
  readonly folder: string
  /** The folder that it was packed from. */
  readonly origin: string
  readonly tarball: string
  /** Its files, in order, with slashes. */
  readonly files: ReadonlyArray<string>
}

/** Something to mend before publishing. */
export interface Problem {
  readonly package: string
  readonly file: string
  /** What is wrong, and what to do about it. */
  readonly what: string
}

/** The `package.json` of a folder. */
export const manifest = (folder: string): Manifest =>
  JSON.parse(readFileSync(join(folder, "package.json"), "utf8"))

/** The folders of the packages that are published, each after those it depends on. */
export const folders = (root: string): ReadonlyArray<string> => {
  const found = new Map(
    globSync("packages/*/package.json", { cwd: root })
      .map((path) => join(root, dirname(path)))
      .toSorted()
      .flatMap((folder) => {
        const read = manifest(folder)
        return read.private === true ? [] : [[read.name, { folder, read }] as const]
      })
  )
  const sorted = new Set<string>()
  const add = (name: string) => {
    const entry = found.get(name)
    if (entry === undefined || sorted.has(entry.folder)) return
    for (const dependency of Object.keys({ ...entry.read.dependencies, ...entry.read.peerDependencies }))
      add(dependency)
    sorted.add(entry.folder)
  }
  for (const name of found.keys()) add(name)
  return [...sorted]
}

/** Every file below a folder, with slashes; symbolic links are not followed. */
export const filesOf = (folder: string): ReadonlyArray<string> =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => !entry.isDirectory())
    .map((entry) =>
      join(entry.parentPath, entry.name)
        .slice(folder.length + 1)
        .replaceAll("\\", "/")
    )
    .toSorted()

/** Copies the packages to another folder, without what was built or installed there, and builds them. */
export const build = (
  root: string,
  target: string
): { readonly folders: ReadonlyArray<string>; readonly problems: string } => {
  const scope = join(target, "node_modules/@observability-agents")
  mkdirSync(scope, { recursive: true })
  for (const name of readdirSync(join(root, "node_modules"))) {
    if (name !== "@observability-agents" && name !== ".cache")
      symlinkSync(join(root, "node_modules", name), join(target, "node_modules", name))
  }
  cpSync(join(root, "tsconfig.base.json"), join(target, "tsconfig.base.json"))
  const leftOut = new Set(["dist", "test", "coverage"])
  const copies = folders(root).map((folder) => {
    const copy = join(target, "packages", basename(folder))
    cpSync(folder, copy, {
      recursive: true,
      // What tests leave in a template, too.
      filter: (path) =>
        basename(path) !== "node_modules" && (dirname(path) !== folder || !leftOut.has(basename(path)))
    })
    symlinkSync(copy, join(scope, basename(manifest(folder).name)))
    return copy
  })
  const built = spawnSync(join(root, "node_modules/.bin/tsc"), ["-b", ...copies, "--pretty", "false"], {
    cwd: target,
    encoding: "utf8"
  })
  if (built.status !== 0) return { folders: copies, problems: `${built.stdout}${built.stderr}` }
  for (const copy of copies) {
    withoutSourceExtensions(copy)
    for (const program of Object.values(manifest(copy).bin ?? {})) {
      if (existsSync(join(copy, program))) chmodSync(join(copy, program), 0o755)
    }
  }
  return { folders: copies, problems: "" }
}

/**
 * Lets declarations import `./X.js`. The compiler leaves `./X.ts` in them, which it alone understands. The new name is as
 * long as the old one, so that the declaration maps stay right.
 */
const withoutSourceExtensions = (folder: string) => {
  for (const path of globSync("dist/**/*.d.ts", { cwd: folder })) {
    const file = join(folder, path)
    const text = readFileSync(file, "utf8")
    const other = text.replaceAll(/((?:from |import\()"\.{1,2}\/[^"\n]*\.)ts"/g, '$1js"')
    if (other !== text) writeFileSync(file, other)
  }
}

/** Packs a package and unpacks it below `consumer/node_modules`, where it is found by its name. */
export const pack = (origin: string, tarballs: string, consumer: string): Published => {
  mkdirSync(tarballs, { recursive: true })
  const listing = execFileSync(
    "npm",
    ["pack", "--json", "--ignore-scripts", "--pack-destination", tarballs],
    {
      cwd: origin,
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"]
    }
  )
  const [{ filename }] = JSON.parse(listing) as [{ filename: string }]
  const tarball = join(tarballs, filename)
  const read = manifest(origin)
  const folder = join(consumer, "node_modules", read.name)
  mkdirSync(folder, { recursive: true })
  execFileSync("tar", ["-xzf", tarball, "--strip-components=1", "--preserve-permissions", "-C", folder])
  return { manifest: manifest(folder), folder, origin, tarball, files: filesOf(folder) }
}

/** Gives the consumer what the packages depend on, as installed here, and nothing else. */
export const install = (root: string, consumer: string, packages: ReadonlyArray<Published>): void => {
  const own = new Set(packages.map(({ manifest }) => manifest.name))
  const names = packages.flatMap(({ manifest }) =>
    Object.keys({ ...manifest.dependencies, ...manifest.peerDependencies })
  )
  for (const name of new Set(["@types/node", ...names])) {
    const link = join(consumer, "node_modules", name)
    if (own.has(name) || existsSync(link) || !existsSync(join(root, "node_modules", name))) continue
    mkdirSync(dirname(link), { recursive: true })
    symlinkSync(join(root, "node_modules", name), link)
  }
}

/** The text of a published file. */
export const text = (published: Published, file: string): string =>
  readFileSync(join(published.folder, file), "utf8")

/** Whether a file may be executed by everybody. */
export const isExecutable = (published: Published, file: string): boolean =>
  (statSync(join(published.folder, file)).mode & 0o111) === 0o111

/** The files that are programs, as `bin` names them. */
export const programs = (published: Published): ReadonlyArray<string> =>
  Object.values(published.manifest.bin ?? {}).map((path) => path.replace(/^\.\//, ""))

/** The modules that can be imported, by the name that a user writes after the package's: `./Loop`. Programs are none. */
export const modules = (published: Published): ReadonlyArray<string> => {
  const started = new Set(programs(published))
  return published.files
    .filter((file) => /^dist\/.*\.js$/.test(file) && !started.has(file))
    .map((file) => `./${file.slice("dist/".length, -".js".length)}`)
}
