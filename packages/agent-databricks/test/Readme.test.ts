import { readFileSync } from "node:fs"
import { DatabricksSettings } from "@observability-agents/agent-databricks/DatabricksSettings"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as Toml from "smol-toml"
import * as support from "./support/sources.ts"

const readme = readFileSync(new URL("../README.md", import.meta.url), "utf8")

const table = () =>
  [
    "| `[databricks]` | variables | default | |",
    "|---|---|---|---|",
    ...Object.entries(DatabricksSettings.fields).map(([name, field]) => {
      const key = field.key ?? name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
      const variables = [`DK_DATABRICKS_${key.toUpperCase()}`, ...field.variables].map(
        (each) => `\`${each}\``
      )
      return `| \`${key}\` | ${variables.join(", ")} | ${field.defaultText} | ${field.description} |`
    })
  ].join("\n")

describe("the README", () => {
  it("has every setting with its variables and default", () => {
    const found = /<!-- settings -->\n([\s\S]*?)\n<!-- \/settings -->/.exec(readme)?.[1]
    assert.strictEqual(found, table())
  })

  const examples = Array.from(readme.matchAll(/^```toml\n([\s\S]*?)^```/gm), ([, text]) => text ?? "")

  it.effect("has examples that an agent would start with", () =>
    Effect.gen(function* () {
      assert.lengthOf(examples, 3)
      for (const toml of examples) {
        assert.isObject(Toml.parse(toml))
        const files = {
          [support.PROFILES]: [
            "[prod]\nhost = prod.example\ntoken = t",
            "[sandbox]\nhost = sandbox.example\ntoken = t"
          ].join("\n"),
          "/run/secrets/databricks-prod": "secret",
          "/run/secrets/databricks-test": "token"
        }
        assert.deepStrictEqual(yield* support.problems({ toml, files }), [])
        assert.isNotEmpty(yield* support.workspaces({ toml, files }))
      }
    })
  )
})
