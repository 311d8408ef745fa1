/**
 * Checks the types of everything, tests and examples included, and writes the declarations that the packages see of
 * each other. Where the compiler with Effect's diagnostics is there for this platform, it is the one that checks; a
 * warning of it counts as an error. Elsewhere it is TypeScript's own.
 */
import { spawnSync } from "node:child_process"
import { existsSync } from "node:fs"
import { join, resolve } from "node:path"

const root = resolve(import.meta.dirname, "..")
const withEffect = join(root, `node_modules/@effect/tsgo-${process.platform}-${process.arch}/lib/tsc`)
const found = existsSync(withEffect)
if (!found)
  process.stdout.write("Effect's diagnostics are not there for this platform; TypeScript checks alone.\n")

const { status } = spawnSync(found ? withEffect : "tsc", ["-b", ...process.argv.slice(2)], {
  cwd: root,
  stdio: "inherit"
})
process.exit(status ?? 1)
