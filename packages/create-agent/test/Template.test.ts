import { NodeServices } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Result } from "effect"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import * as Manifest from "../src/Manifest.ts"
import * as Template from "../src/Template.ts"
import { versions } from "../src/Versions.ts"

const template = join(import.meta.dirname, "../template")
const values = {
  package: "@acme/agent-night-press",
  tool: "Night Press",
  type: "night_press",
  url: "https://press.example.com/v2"
}

describe("the template", () => {
  for (const kind of Template.kinds) {
    it.effect(`of the kind ${kind} has the new names everywhere, and no other`, () =>
      Effect.gen(function* () {
        const files = Template.render(yield* Template.read(template, kind), values)
        const names = [...files.keys()]
        assert.deepStrictEqual(
          names.filter((name) => !name.includes("support/")).toSorted(),
          `.gitignore README.md agent.toml src/NightPress.ts src/NightPressAgent.ts src/NightPressSettings.ts src/Run.ts src/main.ts
          test/AgentSuite.test.ts test/NightPressAgent.test.ts test/Run.test.ts test/main.test.ts
          tsconfig.build.json tsconfig.json vitest.config.ts`.split(/\s+/)
        )
        for (const [name, text] of files) {
          assert.notMatch(`${name}\n${text}`, /my.{0,3}tool|my.{0,3}scope/i, name)
        }
        assert.include(files.get("agent.toml"), 'url = "https://press.example.com/v2"')
        assert.include(files.get("agent.toml"), "DK_NIGHT_PRESS_TOKEN")
        assert.include(files.get("src/NightPressAgent.ts"), 'type: "night_press"')
        assert.include(files.get("src/NightPress.ts"), '"@acme/agent-night-press/NightPress"')
        assert.include(files.get("README.md"), "# @acme/agent-night-press")
        // Hours of virtual time may need more than the five seconds that Vitest gives a test.
        assert.include(files.get("vitest.config.ts"), "testTimeout: 60_000")
      }).pipe(Effect.provide(NodeServices.layer))
    )

    it.effect(`of the kind ${kind} refuses names that its code has for something else`, () =>
      Effect.gen(function* () {
        const files = yield* Template.read(template, kind)
        for (const type of ["run", "effect", "layer", "agent_suite", "main"]) {
          assert.isTrue(Result.isFailure(Template.checkType(files, type)), type)
        }
        // Those of the template itself, and of most.
        for (const type of ["my_tool", "airlift"]) {
          assert.deepStrictEqual(Template.checkType(files, type), Result.succeed(type))
        }
      }).pipe(Effect.provide(NodeServices.layer))
    )
  }

  it("depends on what this repository is tested with", () => {
    const root = JSON.parse(readFileSync(join(import.meta.dirname, "../../../package.json"), "utf8"))
    for (const [name, version] of Object.entries(versions)) {
      assert.strictEqual(version, root.devDependencies[name], name)
    }
    const manifest = JSON.parse(Manifest.render(values, "1.2.3"))
    for (const [name, version] of Object.entries({ ...manifest.dependencies, ...manifest.devDependencies })) {
      if (name.startsWith("@observability-agents/")) assert.strictEqual(version, "1.2.3", name)
      else assert.include(versions, { [name]: version })
    }
    assert.deepStrictEqual(manifest.allowScripts, root.allowScripts)
  })
})
