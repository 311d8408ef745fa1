/**
 * Does what somebody does who has never seen this repository: takes the packages as npm would publish them, lets the generator
 * write an agent of each kind, installs what it needs, and runs its types, its tests and its build, in a folder outside of
 * the repository and with the machine's own Node. Among its tests is one that starts the agent as a process and sees its
 * events arrive at the fake server.
 *
 * npm is asked for nothing that `npm ci` has not brought already: the versions are those of this repository's lock file, the
 * files come from npm's cache. Where that has been emptied, it asks the registry. Run `npm run build` before.
 */
import { type SpawnSyncReturns, spawnSync } from "node:child_process"
import { createHash } from "node:crypto"
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { basename, delimiter, join, resolve } from "node:path"

const root = resolve(import.meta.dirname, "..")
const packages = ["toolkit", "core", "testing", "agent-databricks", "cli", "create-agent"] as const

/**
 * The environment of a newcomer: the machine's own programs, without those that npm puts before them for the scripts of this
 * repository, and without what npm tells scripts; only where its cache is and how it reaches the registry stays known.
 */
const machine = {
  ...Object.fromEntries(
    Object.entries(process.env).filter(
      ([name]) =>
        !/^(npm_|NODE_OPTIONS$|NODE_ENV$|DK_)/i.test(name) ||
        /^npm_config_(cache|registry|userconfig|https?_proxy|proxy|noproxy|cafile)$/i.test(name)
    )
  ),
  NO_COLOR: "1",
  PATH: (process.env["PATH"] ?? "")
    .split(delimiter)
    .filter((folder) => !folder.includes("node_modules"))
    .join(delimiter)
}

const fail = (words: string, { error, stderr, stdout }: Partial<SpawnSyncReturns<string>> = {}): never => {
  process.stdout.write(`${stdout ?? ""}${stderr ?? ""}${error?.message ?? ""}FAIL  ${words}\n`)
  process.exit(1)
}

const attempt = (cwd: string, command: string, ...words: ReadonlyArray<string>) =>
  spawnSync(command, words, { cwd, env: machine, encoding: "utf8", maxBuffer: 64 * 1024 * 1024 })

const run = (cwd: string, command: string, ...words: ReadonlyArray<string>): string => {
  const began = performance.now()
  const done = attempt(cwd, command, ...words)
  if (done.status !== 0) fail(`${command} ${words.join(" ")} ended with ${done.status}`, done)
  const seconds = ((performance.now() - began) / 1000).toFixed(1)
  const shown = `${basename(command)} ${words.join(" ")}`
  process.stdout.write(`ok    ${shown.slice(0, 70).padEnd(70)} ${seconds} s\n`)
  return done.stdout
}

/** What lock files say of a package. */
interface Entry {
  readonly version?: string
  readonly link?: boolean
  readonly resolved?: string
  readonly integrity?: string
  readonly dependencies?: Readonly<Record<string, string>>
  readonly [other: string]: unknown
}

interface Manifest extends Entry {
  readonly name: string
  readonly version: string
  readonly devDependencies?: Readonly<Record<string, string>>
  readonly bin?: Readonly<Record<string, string>>
}

const read = (file: string) => JSON.parse(readFileSync(file, "utf8"))
const write = (file: string, content: unknown) =>
  writeFileSync(file, `${JSON.stringify(content, undefined, 2)}\n`)

const temporary = mkdtempSync(join(tmpdir(), "observability-packed-"))
if (process.argv[2] !== "--keep")
  process.on("exit", () => rmSync(temporary, { recursive: true, force: true }))

/** Packs our packages; what a lock file says of each, by its path there. */
const pack = (): ReadonlyMap<string, Entry> => {
  const tarballs = join(temporary, "tarballs")
  mkdirSync(tarballs)
  const missing = packages.find((name) => !existsSync(join(root, "packages", name, "dist")))
  if (missing !== undefined) fail(`packages/${missing} is not built: run \`npm run build\` first`)
  const workspaces = packages.flatMap((name) => ["-w", `packages/${name}`])
  run(root, "npm", "pack", "--silent", "--pack-destination", tarballs, ...workspaces)
  return new Map(
    packages.map((folder) => {
      const manifest: Manifest = read(join(root, "packages", folder, "package.json"))
      const file = join(
        tarballs,
        `${manifest.name.replace("@", "").replace("/", "-")}-${manifest.version}.tgz`
      )
      const { dependencies, peerDependencies, peerDependenciesMeta, version } = manifest
      const integrity = `sha512-${createHash("sha512").update(readFileSync(file)).digest("base64")}`
      // npm believes a lock file: what is not in there, it does not look for in the package.
      const bin =
        manifest.bin &&
        Object.fromEntries(Object.entries(manifest.bin).map(([name, path]) => [name, path.replace("./", "")]))
      const said = { bin, dependencies, peerDependencies, peerDependenciesMeta }
      const given = Object.fromEntries(Object.entries(said).filter(([, value]) => value !== undefined))
      return [`node_modules/${manifest.name}`, { version, resolved: `file:${file}`, integrity, ...given }]
    })
  )
}

/** Installs what the manifest of a folder wants: ours from the tarballs, all else as this repository's lock file has it. */
const install = (folder: string, ours: ReadonlyMap<string, Entry>, wanted: ReadonlyArray<string>) => {
  const manifest: Manifest = read(join(folder, "package.json"))
  const local = Object.fromEntries(
    Array.from(ours, ([path, { resolved }]) => [path.replace("node_modules/", ""), resolved ?? ""]).filter(
      ([name]) => wanted.includes(name ?? "")
    )
  )
  const dev = Object.keys(manifest.devDependencies ?? {})
  const dependencies = {
    ...manifest.dependencies,
    ...Object.fromEntries(Object.entries(local).filter(([name]) => !dev.includes(name)))
  }
  const devDependencies = {
    ...manifest.devDependencies,
    ...Object.fromEntries(Object.entries(local).filter(([name]) => dev.includes(name)))
  }
  const own = { ...manifest, dependencies, devDependencies }
  write(join(folder, "package.json"), own)

  const lock: { readonly packages: Readonly<Record<string, Entry>> } = read(join(root, "package-lock.json"))
  const theirs = Object.entries(lock.packages).filter(
    ([path, { link }]) => path.startsWith("node_modules/") && link !== true
  )
  const { name, version } = manifest
  write(join(folder, "package-lock.json"), {
    name,
    version,
    lockfileVersion: 3,
    requires: true,
    packages: {
      "": { name, version, dependencies, devDependencies },
      ...Object.fromEntries(theirs),
      ...Object.fromEntries([...ours].filter(([path]) => wanted.includes(path.replace("node_modules/", ""))))
    }
  })
  const words = ["install", "--no-audit", "--no-fund"]
  if (attempt(folder, "npm", ...words, "--offline").status === 0) {
    process.stdout.write("ok    npm install, from npm's cache alone\n")
    return
  }
  rmSync(join(folder, "node_modules"), { recursive: true, force: true })
  run(folder, "npm", ...words, "--prefer-offline")
}

const node = run(temporary, "node", "--version").trim()
process.stdout.write(`      the machine's own Node is ${node}\n`)
const ours = pack()

const creator = join(temporary, "creator")
mkdirSync(creator)
write(join(creator, "package.json"), { name: "creator", version: "1.0.0", private: true })
install(creator, ours, ["@observability-agents/create-agent"])
const generator = join(creator, "node_modules/.bin/create-agent")

for (const kind of ["periodic", "events"]) {
  process.stdout.write(`\nAn agent of the kind ${kind}:\n`)
  const name = `night-press-${kind}`
  run(temporary, generator, name, "--kind", kind, "--no-install", "--no-git")
  const folder = join(temporary, name)
  const wanted = ["toolkit", "core", "testing", "agent-databricks", "cli"]
  install(
    folder,
    ours,
    wanted.map((folder) => `@observability-agents/${folder}`)
  )
  run(folder, "npm", "run", "types")
  const tests = run(folder, "npm", "test")
  // That of the program as a process, whose event the fake server has received, among them.
  if (!/Test Files {2}4 passed \(4\)/.test(tests) || !tests.includes("test/main.test.ts (2 tests)"))
    fail(`npm test did not run all tests:\n${tests}`)
  run(folder, "npm", "run", "build")
  const version = run(folder, "npm", "run", "--silent", "agent", "--", "--version").trim()
  if (version !== `${name} v0.1.0`) fail(`the program says that it is ${version}`)
  const started = attempt(folder, "npm", "start")
  if (started.status !== 78 || !started.stderr.includes("DK_OBSERVABILITY_SERVICE_ACCOUNT_KEY"))
    fail(`npm start without secrets ended with ${started.status}`, started)
  process.stdout.write("ok    npm start without secrets says which are missing\n")
}
