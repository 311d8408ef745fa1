/**
 * Makes the packages as they are published, and looks whether a user could work with them: what is in them, what their
 * `package.json` says, and whether TypeScript and Node find every module. `--out FOLDER` leaves the checked tarballs there;
 * those, and no others, are what `npm publish` gets.
 */
import { cpSync, mkdirSync, mkdtempSync, realpathSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { basename, join, resolve } from "node:path"
import { parseArgs } from "node:util"
import * as Contents from "./packages/contents.ts"
import * as Manifest from "./packages/manifest.ts"
import * as Published from "./packages/Published.ts"
import * as Resolution from "./packages/resolution.ts"

const { values } = parseArgs({ options: { out: { type: "string" } } })
const root = resolve(import.meta.dirname, "..")
const folder = realpathSync(mkdtempSync(join(tmpdir(), "packages-")))
process.on("exit", () => rmSync(folder, { recursive: true, force: true }))

const consumer = join(folder, "consumer")
const packages = built().map((copy) => Published.pack(copy, join(folder, "tarballs"), consumer))
Published.install(root, consumer, packages)

const facts = Manifest.root(root)
const manifests = packages.map(({ manifest }) => manifest)
const problems = [
  ...packages.flatMap((published) => [
    ...Contents.check(published),
    ...Manifest.check(published, facts, manifests)
  ]),
  ...(await Promise.all(packages.map(Resolution.lint))).flat(),
  ...(await Promise.all(packages.map((published) => Resolution.attw(published, root)))).flat(),
  ...Resolution.types(consumer, root, packages),
  ...Resolution.node(consumer, packages)
]

for (const { file, package: name, what } of problems) process.stderr.write(`${name}: ${file}: ${what}\n`)
const modules = packages.reduce((sum, published) => sum + Published.modules(published).length, 0)
process.stdout.write(
  `${packages.length} packages with ${modules} modules checked, ${problems.length} problems\n`
)
if (problems.length === 0 && values.out !== undefined) {
  mkdirSync(values.out, { recursive: true })
  for (const { tarball } of packages) {
    const place = join(values.out, basename(tarball))
    cpSync(tarball, place)
    process.stdout.write(`${place}\n`)
  }
}
process.exitCode = problems.length === 0 ? 0 : 1

function built(): ReadonlyArray<string> {
  const { folders, problems } = Published.build(root, join(folder, "build"))
  if (problems === "") return folders
  process.stderr.write(`The packages cannot be built:\n${problems}`)
  process.exit(1)
}
