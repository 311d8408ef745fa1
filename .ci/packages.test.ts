/**
 * Mistakes planted in a small package, each of which the checks have to report by its file. Run by `npm run packages:check`,
 * with Node's own test runner: these are tests of what CI does, and no part of a package.
 */
import { deepStrictEqual, match, ok } from "node:assert/strict"
import { cpSync, mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join, resolve } from "node:path"
import { test, type TestContext } from "node:test"
import * as Contents from "./packages/contents.ts"
import * as Manifest from "./packages/manifest.ts"
import * as Published from "./packages/Published.ts"
import * as Resolution from "./packages/resolution.ts"

const repository = resolve(import.meta.dirname, "..")
const NAME = "@observability-agents/alpha"

const MANIFEST = {
  name: NAME,
  version: "1.0.0",
  description: "A package with nothing wrong in it.",
  license: "Apache-2.0",
  keywords: ["one", "two", "three"],
  bin: { alpha: "./dist/main.js" },
  files: ["dist", "src", "template"],
  type: "module",
  sideEffects: false,
  exports: {
    "./*": {
      "@observability-agents/source": "./src/*.ts",
      types: "./dist/*.d.ts",
      default: "./dist/*.js"
    }
  },
  publishConfig: { access: "public" },
  dependencies: { left: "2.3.4" } as Record<string, string>,
  engines: { node: ">=24" }
}

const map = (source: string) => JSON.stringify({ version: 3, sources: [source], names: [], mappings: "" })

const FILES: Readonly<Record<string, string>> = {
  LICENSE: "Do what you like.\n",
  "README.md": "# Alpha\n",
  "src/Twice.ts": 'import { right } from "left"\nexport const twice = (n: number): number => right(n) * 2\n',
  "dist/Twice.js":
    'import { right } from "left";\nexport const twice = (n) => right(n) * 2;\n//# sourceMappingURL=Twice.js.map\n',
  "dist/Twice.js.map": map("../src/Twice.ts"),
  "dist/Twice.d.ts": "export declare const twice: (n: number) => number;\n",
  "dist/Twice.d.ts.map": map("../src/Twice.ts"),
  "src/main.ts": "#!/usr/bin/env node\nexport {}\n",
  "dist/main.js": "#!/usr/bin/env node\nexport {};\n",
  "dist/main.d.ts": "#!/usr/bin/env node\nexport {};\n",
  "template/start.ts": "export {}\n"
}

interface Planted {
  readonly manifest?: Partial<typeof MANIFEST>
  readonly files?: Readonly<Record<string, string | undefined>>
}

/** The package with a mistake, packed, and unpacked beside what it depends on. */
const plant = (context: TestContext, planted: Planted) => {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), "packages-test-")))
  context.after(() => rmSync(folder, { recursive: true, force: true }))
  const write = (place: string, path: string, content: string) => {
    mkdirSync(dirname(join(folder, place, path)), { recursive: true })
    writeFileSync(join(folder, place, path), content, { mode: path.endsWith("main.js") ? 0o755 : 0o644 })
  }
  const root = { name: "root", version: "1.0.0", license: "Apache-2.0" }
  write("repository", "package.json", JSON.stringify(root))
  write("repository", "LICENSE", FILES["LICENSE"] ?? "")
  for (const [path, content] of Object.entries({ ...FILES, ...planted.files })) {
    if (content !== undefined) write("repository/packages/alpha", path, content)
  }
  write("repository/packages/alpha", "package.json", JSON.stringify({ ...MANIFEST, ...planted.manifest }))
  for (const place of ["repository", "consumer"]) {
    write(
      place,
      "node_modules/left/package.json",
      '{"name":"left","version":"2.3.4","type":"module","exports":"./index.js"}'
    )
    write(place, "node_modules/left/index.js", "export const right = (n) => n\n")
  }
  const consumer = join(folder, "consumer")
  const published = Published.pack(
    join(folder, "repository/packages/alpha"),
    join(folder, "tarballs"),
    consumer
  )
  const own = [published.manifest]
  return {
    published,
    still: () => [
      ...Contents.check(published),
      ...Manifest.check(published, Manifest.root(join(folder, "repository")), own)
    ],
    whole: async () => [
      ...(await Resolution.lint(published)),
      ...(await Resolution.attw(published, repository)),
      ...Resolution.types(consumer, repository, [published]),
      ...Resolution.node(consumer, [published])
    ],
    node: () => Resolution.node(consumer, [published])
  }
}

const only = (problems: ReadonlyArray<Published.Problem>, file: string, what: RegExp) => {
  deepStrictEqual(
    problems.map((problem) => [problem.package, problem.file]),
    [[NAME, file]],
    JSON.stringify(problems)
  )
  match(problems[0]?.what ?? "", what)
}

test("a package with nothing wrong has no problems", async (context) => {
  const alpha = plant(context, {})
  deepStrictEqual([...alpha.still(), ...(await alpha.whole())], [])
})

const files: ReadonlyArray<readonly [string, Planted, string, RegExp]> = [
  [
    "a module that is gone",
    { files: { "dist/Gone.js": "export {};\n" } },
    "dist/Gone.js",
    /no source src\/Gone.ts/
  ],
  ["a module that was not built", { files: { "dist/Twice.d.ts": undefined } }, "dist/Twice.d.ts", /missing/],
  ["a secret", { files: { "src/.env": "KEY=1" } }, "src/.env", /must not be published/],
  ["a state file", { files: { "dist/state.db": "" } }, "dist/state.db", /must not be published/],
  ["what the compiler keeps", { files: { "dist/a.tsbuildinfo": "" } }, "dist/a.tsbuildinfo", /must not/],
  [
    "a test",
    { files: { "src/A.test.ts": "", "dist/A.test.js": "", "dist/A.test.d.ts": "" } },
    "",
    /must not/
  ],
  ["a file of another kind", { files: { "src/notes.md": "" } }, "src/notes.md", /no TypeScript source/],
  [
    "a map without its source",
    { files: { "dist/Twice.js.map": map("../../Twice.ts") } },
    "dist/Twice.js.map",
    /not published/
  ],
  ["no licence", { files: { LICENSE: undefined } }, "LICENSE", /missing/],
  ["another licence", { files: { LICENSE: "Mine.\n" } }, "LICENSE", /not the licence/],
  [
    "a template that npm thins out",
    { files: { "template/.gitignore": "dist\n" } },
    "template/.gitignore",
    /left out by npm/
  ],
  ["a program without its first line", { files: { "dist/main.js": "export {};\n" } }, "dist/main.js", /#!/],
  [
    "an unknown dependency",
    { files: { "dist/Twice.js": 'import "right/side";\n' }, manifest: { dependencies: {} } },
    "dist/Twice.js",
    /imports right/
  ],
  [
    "a dependency of the types",
    { files: { "dist/Twice.d.ts": 'export declare const t: import("@a/b/C").C;\n' } },
    "dist/Twice.d.ts",
    /imports @a\/b/
  ],
  [
    "a dependency that nothing imports",
    { files: { "dist/Twice.js": "/**\n * import 'left'\n */\nexport {};\n" } },
    "package.json",
    /name left, which no module/
  ],
  ["a range", { manifest: { dependencies: { left: "^2.3.4" } } }, "package.json", /write 2.3.4/],
  [
    "another version than is tested",
    { manifest: { dependencies: { left: "2.3.3" } } },
    "package.json",
    /write 2.3.4/
  ],
  [
    "another version than the repository's",
    { manifest: { version: "1.0.1" } },
    "package.json",
    /all packages have one version/
  ],
  ["no keywords", { manifest: { keywords: [] } }, "package.json", /keywords/]
]

for (const [name, planted, file, what] of files) {
  test(`reports ${name}`, (context) => {
    const problems = plant(context, planted).still()
    if (file === "")
      ok(
        problems.length > 0 && problems.every((problem) => what.test(problem.what)),
        JSON.stringify(problems)
      )
    else only(problems, file, what)
  })
}

test("reports exports that lead nowhere, for each who follows them", async (context) => {
  const exports = { "./*": { types: "./dist/*.d.ts", default: "./lib/*.js" } } as never
  const problems = await plant(context, { manifest: { exports } }).whole()
  ok(
    problems.some(({ what }) => what.includes("publint")),
    JSON.stringify(problems)
  )
  ok(
    problems.some(({ what }) => what.includes("cannot be imported")),
    JSON.stringify(problems)
  )
  const untyped = { "./*": { types: "./types/*.d.ts", default: "./dist/*.js" } } as never
  const others = await plant(context, { manifest: { exports: untyped } }).whole()
  ok(
    others.some(({ what }) => what.includes("attw")),
    JSON.stringify(others)
  )
})

test("reports sources that are taken in place of what was built", async (context) => {
  const exports = { "./*": { types: "./src/*.ts", default: "./dist/*.js" } } as never
  const problems = await plant(context, { manifest: { exports } }).whole()
  ok(
    problems.some(({ file, what }) => file === "src/Twice.ts" && what.includes("is what TypeScript takes")),
    JSON.stringify(problems)
  )
})

test("reports declarations that do not fit together", async (context) => {
  const wrong = 'export declare const twice: Many;\nexport * from "./Other.ts";\n'
  const problems = await plant(context, { files: { "dist/Twice.d.ts": wrong } }).whole()
  ok(
    problems.some(({ file, what }) => file === "dist/Twice.d.ts" && what.includes("ends in .ts")),
    JSON.stringify(problems)
  )
  ok(
    problems.some(({ file, what }) => file === "dist/Twice.d.ts" && what.includes("'Many'")),
    JSON.stringify(problems)
  )
})

const effects: ReadonlyArray<readonly [string, string, RegExp]> = [
  ["defines something global", "globalThis.twice = 2;\n", /global/],
  ["listens to the process", 'process.on("SIGHUP", () => {});\n', /listens/],
  ["writes", 'console.log("hello");\n', /terminal/],
  ["starts something", "setInterval(() => {}, 1000);\n", /goes on/],
  ["fails", 'throw new Error("no settings");\n', /cannot be imported: no settings/]
]

for (const [name, code, what] of effects) {
  test(`reports a module that ${name} when it is imported`, (context) => {
    only(plant(context, { files: { "dist/Twice.js": code } }).node(), "dist/Twice.js", what)
  })
}

test("reports a program that cannot say how it is used", (context) => {
  const code = '#!/usr/bin/env node\nthrow new Error("not here");\n'
  only(plant(context, { files: { "dist/main.js": code } }).node(), "dist/main.js", /--help ends with 1/)
})

test("reports a program that needs an optional peer", (context) => {
  const code = '#!/usr/bin/env node\nimport "left";\n'
  const manifest = {
    dependencies: {},
    peerDependencies: { left: "2.3.4" },
    peerDependenciesMeta: { left: { optional: true } }
  }
  only(
    plant(context, { manifest, files: { "dist/main.js": code } }).node(),
    "dist/main.js",
    /--help ends with 1/
  )
})

test("what an earlier build left does not get in", (context) => {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), "packages-test-")))
  context.after(() => rmSync(folder, { recursive: true, force: true }))
  const alpha = join(folder, "repository/packages/alpha")
  mkdirSync(join(alpha, "dist"), { recursive: true })
  mkdirSync(join(alpha, "src"))
  mkdirSync(join(folder, "repository/node_modules"))
  cpSync(join(repository, "node_modules/.bin"), join(folder, "repository/node_modules/.bin"), {
    recursive: true
  })
  writeFileSync(
    join(folder, "repository/tsconfig.base.json"),
    '{"compilerOptions":{"composite":true,"declaration":true,"types":[]}}'
  )
  writeFileSync(
    join(alpha, "tsconfig.json"),
    '{"extends":"../../tsconfig.base.json","compilerOptions":{"rootDir":"src","outDir":"dist"},"include":["src"]}'
  )
  writeFileSync(join(alpha, "package.json"), JSON.stringify(MANIFEST))
  writeFileSync(join(alpha, "dist/Gone.js"), "")
  writeFileSync(join(alpha, "src/main.ts"), "#!/usr/bin/env node\nexport {}\n")
  const { folders, problems } = Published.build(join(folder, "repository"), join(folder, "build"))
  deepStrictEqual(problems, "")
  deepStrictEqual(
    Published.filesOf(join(folders[0] ?? "", "dist")).filter((file) => file.endsWith(".js")),
    ["main.js"]
  )
})
