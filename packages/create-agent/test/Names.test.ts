import { assert, describe, it } from "@effect/vitest"
import * as DatabricksAgent from "@observability-agents/agent-databricks/DatabricksAgent"
import * as Agent from "@observability-agents/core/Agent"
import * as CredentialsSections from "@observability-agents/toolkit/CredentialsSections"
import { variablesOf } from "@observability-agents/toolkit/SettingsSection"
import { Result } from "effect"
import * as Names from "../src/Names.ts"
import { checkUrl } from "../src/Questions.ts"

describe("the names of an agent", () => {
  for (const [name, folder, tool, type, pascal] of [
    ["my-tool", "my-tool", "My Tool", "my_tool", "MyTool"],
    ["@acme/agent-night-press", "agent-night-press", "Night Press", "night_press", "NightPress"],
    ["airlift-agent", "airlift-agent", "Airlift", "airlift", "Airlift"],
    ["agent", "agent", "Agent", "agent", "Agent"],
    ["dbt2.cloud", "dbt2.cloud", "Dbt2 Cloud", "dbt2_cloud", "Dbt2Cloud"]
  ] as const) {
    it(`follow from ${name}`, () => {
      assert.strictEqual(Names.folderOf(name), folder)
      assert.strictEqual(Names.toolOf(name), tool)
      assert.strictEqual(Names.typeOf(tool), type)
      assert.strictEqual(Names.pascal(type), pascal)
    })
  }

  it("keep the letters of a tool's name that settings cannot have", () => {
    assert.strictEqual(Names.typeOf("Café Métro 7"), "cafe_metro_7")
  })

  const refused = (
    check: (text: string) => Result.Result<string, string>,
    ...texts: ReadonlyArray<string>
  ) => {
    for (const text of texts) assert.isTrue(Result.isFailure(check(text)), text)
  }
  const taken = (check: (text: string) => Result.Result<string, string>, ...texts: ReadonlyArray<string>) => {
    for (const text of texts) assert.deepStrictEqual(check(text), Result.succeed(text))
  }

  it("of a package are those that npm takes", () => {
    taken(Names.checkPackage, "my-tool", "@acme/my.tool", "a2")
    refused(Names.checkPackage, "", "My-Tool", "my tool", ".tool", "_tool", "@acme", "@acme/", "a/b", "tool!")
    refused(Names.checkPackage, "x".repeat(215), "node_modules", "effect", "vitest", "@acme/../x")
  })

  it("of a tool are those that Observability shows, and nothing that code would understand", () => {
    taken(Names.checkTool, "My Tool", "dbt_cloud", "Métro 7")
    refused(Names.checkTool, "", " Tool", "Tool!", 'My "Tool"', "a  b", "`x`", "${x}", "_x", "x".repeat(61))
  })

  it("of a type are tables of settings that nothing else has", () => {
    taken(Names.checkType, "my_tool", "airlift2")
    refused(Names.checkType, "", "My_tool", "my-tool", "2fast", "my__tool", "_x", "x_", "x".repeat(41))
    const shared = [
      ...Agent.sections(DatabricksAgent.agent),
      ...CredentialsSections.allKinds.map((kind) => CredentialsSections.tables[kind].section)
    ]
    refused(Names.checkType, ...shared.map(({ table }) => table))
    for (const section of shared) {
      for (const [name, field] of Object.entries(section.fields)) {
        for (const variable of variablesOf(section, name, field)) {
          const first = variable.split("_")[1]?.toLowerCase() ?? ""
          // `DK_NAME` alone is no variable of the table `[name]`.
          if (/^DK_[^_]+$/.test(variable)) continue
          assert.isTrue(Result.isFailure(Names.checkType(first)), `${first}, because of ${variable}`)
        }
      }
    }
  })

  it("of an address are those without secrets and without what would end the text", () => {
    taken(checkUrl, "https://my-tool.example.com", "http://127.0.0.1:4010/api")
    refused(
      checkUrl,
      "",
      "my-tool.example.com",
      "ftp://x.y",
      'https://x.y/"',
      "https://a:b@x.y",
      "https://x y",
      // The settings of the agent refuse these.
      "https://x.y/api?page=1",
      "https://x.y/api?",
      "https://x.y/#runs"
    )
  })
})
