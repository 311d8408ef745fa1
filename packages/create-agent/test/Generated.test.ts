/**
 * What the generator writes is right as it is: its types hold and its tests pass, in a folder outside of the repository. It stands
 * on the sources of the packages; `.ci/packed.ts` does the same with the packages as they are published.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, FileSystem } from "effect"
import * as ChildProcess from "node:child_process"
import * as NodePath from "node:path"
import * as Template from "../src/Template.ts"
import * as Here from "./GeneratorHere.ts"

const modules = NodePath.join(import.meta.dirname, "../../../node_modules")
const CONDITION = "@observability-agents/source"

/** Runs a program of the packages; all that it said, and its exit code. */
const run = (cwd: string, program: string, ...words: ReadonlyArray<string>) =>
  Effect.callback<{ readonly code: number | null; readonly output: string }>((resume) => {
    const child = ChildProcess.spawn(NodePath.join(modules, ".bin", program), words, {
      cwd,
      env: {
        PATH: `${NodePath.join(modules, ".bin")}${NodePath.delimiter}${process.env["PATH"]}`,
        // For the program that a test starts, too.
        NODE_OPTIONS: `--conditions=${CONDITION}`,
        NO_COLOR: "1"
      }
    })
    let output = ""
    for (const stream of [child.stdout, child.stderr]) stream.on("data", (data) => (output += String(data)))
    child.once("close", (code) => resume(Effect.succeed({ code, output })))
    return Effect.sync(() => child.kill("SIGKILL"))
  })

describe("an agent that was just generated", () => {
  for (const kind of Template.kinds) {
    it.live(
      `of the kind ${kind} has right types, and its tests pass`,
      () =>
        Effect.gen(function* () {
          const fs = yield* FileSystem.FileSystem
          const directory = yield* fs.makeTempDirectoryScoped({ prefix: "generated-agent-" })
          const folder = `${directory}/night-press`
          const { exitCode } = yield* Here.run([folder, "--kind", kind, "--no-install", "--no-git"])
          assert.strictEqual(exitCode, 0)
          yield* fs.symlink(modules, `${folder}/node_modules`)
          yield* fs.writeFileString(
            `${folder}/vitest.sources.ts`,
            `import { defaultServerConditions } from "vite"
             export { default } from "./vitest.config.ts"
             export const ssr = { resolve: { conditions: ["${CONDITION}", ...defaultServerConditions] } }`
          )

          const types = yield* run(folder, "tsc", "--customConditions", CONDITION)
          assert.strictEqual(types.output, "")
          assert.strictEqual(types.code, 0)

          // Of the suite of agents, what is the same for all of them is left to `.ci/packed.ts`: it takes the longest.
          const tests = yield* run(
            folder,
            "vitest",
            "run",
            "--config=vitest.sources.ts",
            "--testNamePattern=^(?!.*(survives a (server|network|state store|clock) |dies))"
          )
          assert.strictEqual(tests.code, 0, tests.output)
          assert.match(tests.output, /Test Files {2}4 passed/)
        }).pipe(Effect.scoped, Effect.provide(Here.services)),
      180_000
    )
  }
})
