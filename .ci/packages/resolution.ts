/**
 * Looks whether a program that has the packages installed finds every module: TypeScript its declarations, Node its code,
 * and neither of them the sources. Importing a module does nothing but define what it exports.
 */
import { spawn, spawnSync } from "node:child_process"
import { mkdirSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { publint } from "publint"
import { formatMessage } from "publint/utils"
import { imports } from "./manifest.ts"
import { modules, type Problem, programs, type Published, text } from "./Published.ts"

/** What `publint` finds wrong, suggestions included. */
export const lint = async (published: Published): Promise<ReadonlyArray<Problem>> => {
  const { messages, pkg } = await publint({ pkgDir: published.folder, pack: false, strict: true })
  return messages.map((message) => ({
    package: published.manifest.name,
    file: "package.json",
    what: `${formatMessage(message, pkg, { color: false }) ?? message.code} (publint)`
  }))
}

/** What `attw` finds wrong, for users of ES modules: Node's way, and that of bundlers. */
export const attw = async (published: Published, root: string): Promise<ReadonlyArray<Problem>> => {
  const entrypoints = modules(published)
  if (entrypoints.length === 0) return []
  const bin = join(root, "node_modules/.bin/attw")
  const args = [
    published.tarball,
    "--format",
    "json",
    "--profile",
    "esm-only",
    "--entrypoints",
    ...entrypoints
  ]
  const { output, error } = await run(bin, args, root)
  if (!output.startsWith("{")) throw new Error(`attw cannot look at ${published.tarball}:\n${output}${error}`)
  const { problems } = JSON.parse(output) as Attw
  return Object.values(problems ?? {}).flatMap((found) =>
    found
      .filter(
        ({ resolutionKind = "node16-esm" }) => resolutionKind === "node16-esm" || resolutionKind === "bundler"
      )
      .map(({ entrypoint, fileName, kind, resolutionKind }) => ({
        package: published.manifest.name,
        file: fileName ?? entrypoint ?? "package.json",
        what: `${kind}${resolutionKind === undefined ? "" : ` by ${resolutionKind}`}: correct \`exports\` (attw)`
      }))
  )
}

interface Attw {
  readonly problems?: Readonly<
    Record<
      string,
      ReadonlyArray<{
        readonly kind: string
        readonly entrypoint?: string
        readonly fileName?: string
        readonly resolutionKind?: string
      }>
    >
  >
}

/** What declarations lack when a strict program that checks its libraries, too, imports every module. */
export const types = (
  consumer: string,
  root: string,
  packages: ReadonlyArray<Published>
): ReadonlyArray<Problem> => {
  const problems: Array<Problem> = []
  for (const published of packages) {
    for (const file of published.files.filter((file) => /^dist\/.*\.(d\.ts|js)$/.test(file))) {
      if (/^(?:import|export)\b[^"]*"\.[^"\n]*\.ts"|import\("\.[^"\n]*\.ts"\)/m.test(text(published, file)))
        problems.push({
          package: published.manifest.name,
          file,
          what: "imports a file that ends in .ts: only .js is there when it is installed"
        })
    }
  }
  const folder = join(consumer, "typescript")
  mkdirSync(folder, { recursive: true })
  const names = packages.flatMap((published) =>
    modules(published).map((module) => `${published.manifest.name}/${module.slice(2)}`)
  )
  writeFileSync(
    join(folder, "index.ts"),
    names.map((name, index) => `import * as M${index} from "${name}"\nexport { M${index} }\n`).join("")
  )
  writeFileSync(
    join(folder, "tsconfig.json"),
    JSON.stringify({
      compilerOptions: {
        module: "nodenext",
        target: "es2024",
        lib: ["es2024", "esnext.disposable", "esnext.iterator"],
        strict: true,
        noEmit: true,
        skipLibCheck: false,
        types: ["node"],
        typeRoots: [join(root, "node_modules/@types")]
      },
      files: ["index.ts"]
    })
  )
  const checked = spawnSync(
    join(root, "node_modules/.bin/tsc"),
    ["-p", folder, "--pretty", "false", "--listFiles"],
    {
      cwd: folder,
      encoding: "utf8",
      maxBuffer: 1 << 26
    }
  )
  for (const line of checked.stdout.split("\n")) {
    const [, path = "", what = ""] = /^(\S.*?)\(\d+,\d+\): (error .*)$/.exec(line) ?? []
    const known = packages.find(({ manifest }) => path.includes(`${manifest.name}/`))
    if (what !== "" && (known !== undefined || path === "index.ts")) {
      const named = packages.find(({ manifest }) => what.includes(`'${manifest.name}/`))
      problems.push({
        package: (known ?? named)?.manifest.name ?? "",
        file: path === "index.ts" ? "package.json" : path.replace(/^.*@observability-agents\/[^/]+\//, ""),
        what: `${what} (TypeScript, in a program that imports it)`
      })
    }
    if (what !== "") continue
    const taken = packages.find(({ folder }) => line.startsWith(join(folder, "src")))
    if (taken !== undefined)
      problems.push({
        package: taken.manifest.name,
        file: line.slice(taken.folder.length + 1),
        what: "is what TypeScript takes, in place of the declaration: correct `exports`"
      })
  }
  if (!checked.stdout.includes(join(folder, "index.ts")))
    throw new Error(
      `TypeScript did not look at the packages:\n${checked.stdout.slice(0, 2000)}${checked.stderr}`
    )
  return problems
}

/** What goes wrong, or happens, when Node imports every module; and whether each program says how it is used. */
export const node = (consumer: string, packages: ReadonlyArray<Published>): ReadonlyArray<Problem> => {
  const problems: Array<Problem> = []
  const folder = join(consumer, "node")
  mkdirSync(folder, { recursive: true })
  const outside = new Set(packages.flatMap((published) => [...externals(published)]))
  const own = packages.flatMap((published) =>
    modules(published).map((module) => [published.manifest.name, module] as const)
  )
  writeFileSync(join(folder, "probe.mjs"), probe([...outside], own))
  const probed = spawnSync(process.execPath, ["probe.mjs"], {
    cwd: folder,
    encoding: "utf8",
    timeout: 60_000,
    maxBuffer: 1 << 26
  })
  const report = probed.stdout.split("\n").find((line) => line.startsWith("PROBE "))
  if (report === undefined)
    throw new Error(`Node did not import the packages:\n${probed.stdout.slice(0, 2000)}${probed.stderr}`)
  for (const [name, module, what] of JSON.parse(report.slice("PROBE ".length)) as Array<
    [string, string, string]
  >)
    problems.push({ package: name, file: `dist/${module.slice(2)}.js`, what })
  if (probed.status !== 0 && problems.length === 0)
    throw new Error("Node does not end after it has imported all modules: one keeps something open.")

  // npm does not install optional peers, so programs have to do without them.
  for (const { manifest } of packages) {
    for (const [name, { optional }] of Object.entries(manifest.peerDependenciesMeta ?? {})) {
      if (optional === true) rmSync(join(consumer, "node_modules", name), { recursive: true, force: true })
    }
  }
  for (const published of packages) {
    for (const program of programs(published)) {
      const helped = spawnSync(process.execPath, [join(published.folder, program), "--help"], {
        cwd: folder,
        encoding: "utf8",
        timeout: 30_000
      })
      if (helped.status !== 0)
        problems.push({
          package: published.manifest.name,
          file: program,
          what: `--help ends with ${helped.status ?? helped.signal}: ${helped.stderr.trim().split("\n").slice(0, 3).join(" ")}`
        })
    }
  }
  return problems
}

const externals = (published: Published): ReadonlySet<string> =>
  new Set([...imports(published).keys()].filter((name) => !name.startsWith("@observability-agents/")))

/**
 * Imports one module after the other and compares what can be seen from outside. What other packages do when they are
 * imported is not looked for: they come first.
 */
const probe = (outside: ReadonlyArray<string>, own: ReadonlyArray<readonly [string, string]>): string => `
import { readdirSync } from "node:fs"
const found = []
const globals = () => Object.getOwnPropertyNames(globalThis).sort().join(" ")
const listeners = () => process.eventNames().map((name) => String(name) + process.listenerCount(name)).sort().join(" ")
const resources = () => process.getActiveResourcesInfo().filter((name) => !/^(TTYWrap|PipeWrap|FSReq|TickObject|CloseReq)/.test(name)).sort().join(" ")
const environment = () => JSON.stringify(process.env)
const files = () => readdirSync(".").sort().join(" ")
const looks = { globals, listeners, resources, environment, files }
const words = {
  globals: "defines something global",
  listeners: "listens to the process",
  resources: "starts something that goes on",
  environment: "changes the environment",
  files: "writes a file"
}
for (const name of ${JSON.stringify(outside)}) await import(name).catch(() => undefined)
const written = []
const write = process.stdout.write.bind(process.stdout)
process.stdout.write = process.stderr.write = (text) => (written.push(text), true)
for (const [name, module] of ${JSON.stringify(own)}) {
  const specifier = name + module.slice(1)
  const before = Object.fromEntries(Object.entries(looks).map(([key, look]) => [key, look()]))
  try {
    const path = import.meta.resolve(specifier)
    if (!path.includes(name + "/dist/")) found.push([name, module, "is not what Node takes, but " + path + ": correct \`exports\`"])
    await import(specifier)
  } catch (error) {
    found.push([name, module, "cannot be imported: " + String(error.message).split("\\n")[0]])
  }
  for (const [key, look] of Object.entries(looks)) {
    if (look() !== before[key]) found.push([name, module, words[key] + " when it is imported: move it into a function"])
  }
  if (written.splice(0).length > 0) found.push([name, module, "writes to the terminal when it is imported"])
}
write("PROBE " + JSON.stringify(found) + "\\n")
// Ends only a process that does not end by itself.
setTimeout(() => process.exit(1), 2000).unref()
`

const run = (command: string, args: ReadonlyArray<string>, cwd: string) =>
  new Promise<{ readonly output: string; readonly error: string }>((resolve, reject) => {
    const child = spawn(command, args, { cwd, stdio: ["ignore", "pipe", "pipe"] })
    let output = ""
    let error = ""
    child.stdout.setEncoding("utf8").on("data", (text: string) => (output += text))
    child.stderr.setEncoding("utf8").on("data", (text: string) => (error += text))
    child.on("error", reject)
    child.on("close", () => resolve({ output, error }))
  })
