import * as DatabricksProfile from "@observability-agents/agent-databricks/DatabricksProfile"
import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import * as fc from "fast-check"

const read = (text: string) =>
  Result.map(DatabricksProfile.parse(text), (file) =>
    Object.fromEntries(Array.from(file, ([name, profile]) => [name, Object.fromEntries(profile)]))
  )

describe("DatabricksProfile.parse", () => {
  it.each([
    ["[DEFAULT]\nhost = https://x\ntoken = t", { DEFAULT: { host: "https://x", token: "t" } }],
    ["host=https://x", { DEFAULT: { host: "https://x" } }],
    ["\uFEFF[a]\r\nhost : https://x\r\n", { a: { host: "https://x" } }],
    ["[a]\n# a comment\n; another\n\n  host =  x  \n", { a: { host: "x" } }],
    ["[a]\ntoken = t#not a comment", { a: { token: "t#not a comment" } }],
    ["[a]\ntoken = t # a comment\nhost = x ;too", { a: { token: "t", host: "x" } }],
    ["[a]\ntoken =#t", { a: { token: "#t" } }],
    ["[a]\ntoken = # nothing", { a: { token: "" } }],
    ["[a]\nhost = \"x # y\"  # z\ntoken = 't'", { a: { host: "x # y", token: "t" } }],
    ["[a]\nToken = t", { a: { token: "t" } }],
    ["[a]\ntoken = one\ntoken = two", { a: { token: "two" } }],
    ["[a]\ntoken = t\n[b]\n[a]\nhost = x", { a: { token: "t", host: "x" }, b: {} }],
    ["[ my profile ] # mine\nhost = x", { "my profile": { host: "x" } }],
    ["[a]\ntoken = a=b:c==", { a: { token: "a=b:c==" } }],
    ["", {}]
  ] as const)("reads %j", (text, expected) => {
    assert.deepStrictEqual(read(text), Result.succeed(expected))
  })

  it.each([
    ["[a]\nhost = x\nnonsense", 3],
    ["[a]\n= x", 2],
    ["[]\nhost = x", 1],
    ["[a\nhost = x", 1]
  ] as const)("says in which line %j cannot be read, and not what stands there", (text, line) => {
    assert.deepStrictEqual(DatabricksProfile.parse(text), Result.fail({ line }))
  })

  it("reads back every profile that can be written", () => {
    const word = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9_.=:#;/-]{0,20}$/)
    const name = fc.stringMatching(/^[A-Za-z0-9_-]{1,12}$/)
    const key = fc.stringMatching(/^[a-z_]{1,12}$/)
    const file = fc.dictionary(name, fc.dictionary(key, word, { maxKeys: 5 }), { maxKeys: 5 })
    fc.assert(
      fc.property(
        file,
        fc.constantFrom("=", " = ", ":", "\t=\t"),
        fc.constantFrom("\n", "\r\n"),
        (tables, is, end) => {
          const text = Object.entries(tables)
            .flatMap(([name, keys]) => [
              `[${name}]`,
              ...Object.entries(keys).map(([key, value]) => `${key}${is}${value}`)
            ])
            .join(end)
          assert.deepEqual(Result.getOrThrow(read(text)), tables)
        }
      )
    )
  })

  it("never throws, whatever it is given", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => Result.isResult(DatabricksProfile.parse(text)))
    )
  })
})

describe("DatabricksProfile.choose", () => {
  const choice = (text: string) => DatabricksProfile.choose(Result.getOrThrow(DatabricksProfile.parse(text)))

  it("takes the profile that the file itself names, else DEFAULT", () => {
    assert.deepStrictEqual(choice("[__settings__]\ndefault_profile = a"), { name: "a", named: true })
    assert.deepStrictEqual(choice("[a]\n[DEFAULT]"), { name: "DEFAULT", named: false })
    assert.deepStrictEqual(choice("[__settings__]\ndefault_profile ="), { name: "DEFAULT", named: false })
  })

  it("does not count the settings of the file as a profile", () => {
    const file = Result.getOrThrow(DatabricksProfile.parse("[__settings__]\nhost = x\n[a]\n[b]"))
    assert.deepStrictEqual(DatabricksProfile.names(file), ["a", "b"])
    assert.strictEqual(DatabricksProfile.get(file, "__settings__"), undefined)
  })
})
