/** The `package.json` of a new agent. */
import type { Names } from "./Names.ts"
import { versions } from "./Versions.ts"

/** Its text; `version` is that of our packages. */
export const render = (names: Names, version: string): string =>
  `${JSON.stringify(
    {
      name: names.package,
      version: "0.1.0",
      private: true,
      description: `Watches ${names.tool} and delivers what happens there to DataOps Observability.`,
      type: "module",
      scripts: {
        start: "node src/main.ts run",
        check: "node src/main.ts check",
        agent: "node src/main.ts",
        demo: "node test/support/demo.ts",
        test: "vitest run",
        types: "tsc",
        build: "tsc -p tsconfig.build.json"
      },
      dependencies: {
        "@effect/platform-node": versions["@effect/platform-node"],
        "@observability-agents/cli": version,
        "@observability-agents/core": version,
        "@observability-agents/toolkit": version,
        effect: versions.effect
      },
      devDependencies: {
        "@effect/vitest": versions["@effect/vitest"],
        "@observability-agents/testing": version,
        "@types/node": versions["@types/node"],
        node: versions.node,
        typescript: versions.typescript,
        vitest: versions.vitest
      },
      // npm runs no scripts of dependencies unless told so: this one brings the Node that all scripts here run on.
      allowScripts: { node: true },
      engines: { node: ">=20" }
    },
    undefined,
    2
  )}\n`
