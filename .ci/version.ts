/**
 * Gives the repository and all its packages a version, also where they name each other: `node .ci/version.ts 0.2.0`. (`npm
 * version` leaves out the latter, and then asks the registry for packages that are not there.)
 */
import { globSync, readFileSync, writeFileSync } from "node:fs"
import { join, resolve } from "node:path"

const root = resolve(import.meta.dirname, "..")
const version = process.argv[2] ?? ""
if (!/^\d+\.\d+\.\d+(-[\w.]+)?$/.test(version)) {
  process.stderr.write(`Say which version, as in: npm run version:set -- 0.2.0\n`)
  process.exit(64)
}
for (const path of globSync(["package.json", "packages/*/package.json", ".ci/reference/package.json"], {
  cwd: root
})) {
  const file = join(root, path)
  const text = readFileSync(file, "utf8")
  const changed = text
    .replace(/^ {2}"version": "[^"]+"/m, `  "version": "${version}"`)
    .replaceAll(/^( {4}"@observability-agents\/[^"]+": )"\d[^"]*"/gm, `$1"${version}"`)
  if (changed !== text) writeFileSync(file, changed)
}
process.stdout.write(
  `All packages are ${version}. Write it into the lock file: npm install --package-lock-only\n`
)
