import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import * as FastCheck from "fast-check"
import * as Toml from "smol-toml"
import * as Settings from "../src/Settings.ts"
import { sources } from "./SettingsFixture.ts"

const fields = {
  text: Settings.string({ description: "Text.", default: "a" }),
  name: Settings.optional(Settings.nonEmptyString({ description: "A name.", maxLength: 3 })),
  secret: Settings.optional(Settings.secret({ description: "A secret." })),
  flag: Settings.boolean({ description: "A flag.", default: true }),
  whole: Settings.integer({ description: "A whole number.", default: 3, min: 0, max: 10, aliases: ["old"] }),
  part: Settings.number({ description: "A number.", default: 0.5, exclusiveMinimum: 0 }),
  pause: Settings.seconds({ description: "A time.", default: 90 }),
  url: Settings.optional(Settings.url({ description: "An address." })),
  level: Settings.literals(["low", "high"], { description: "A level.", default: "low" }),
  words: Settings.list(Schema.NonEmptyString, { description: "Words.", default: ["a"] }),
  texts: Settings.record({ description: "Texts by name.", default: {} }),
  key: Settings.of(Schema.FiniteFromString, { description: "Of a schema.", expected: "a number", default: 5 })
}

const All = Settings.section("all", {
  description: "All kinds of fields.",
  fields: {
    ...fields,
    lists: Settings.tables(
      { ...fields, must: Settings.string({ description: "Needed." }) },
      { description: "Tables." }
    ),
    elsewhere: Settings.string({ description: "Moved.", default: "", aliases: ["core.moved"] })
  }
})

const at = (schema: unknown, ...path: ReadonlyArray<string>): unknown =>
  path.reduce<unknown>(
    (at, key) =>
      typeof at === "object" && at !== null && Object.hasOwn(at, key)
        ? (at as Record<string, unknown>)[key]
        : undefined,
    schema
  )

/** As much of a validator as these schemas need. It refuses keywords that it does not know. */
const accepts = (schema: unknown, value: unknown): boolean => {
  assert.isObject(schema)
  return Object.entries(schema as object).every(([keyword, rule]) => {
    const isTable = typeof value === "object" && value !== null && !Array.isArray(value)
    switch (keyword) {
      case "type":
        return [rule]
          .flat()
          .some((type) =>
            type === "integer"
              ? Number.isInteger(value)
              : type === "array"
                ? Array.isArray(value)
                : type === "object"
                  ? isTable
                  : typeof value === type
          )
      case "enum":
        return (rule as ReadonlyArray<unknown>).includes(value)
      case "anyOf":
        return (rule as ReadonlyArray<unknown>).some((schema) => accepts(schema, value))
      case "pattern":
        return typeof value !== "string" || new RegExp(String(rule), "u").test(value)
      case "minimum":
        return typeof value !== "number" || value >= Number(rule)
      case "exclusiveMinimum":
        return typeof value !== "number" || value > Number(rule)
      case "maximum":
        return typeof value !== "number" || value <= Number(rule)
      case "maxLength":
        return typeof value !== "string" || Array.from(value).length <= Number(rule)
      case "items":
        return !Array.isArray(value) || value.every((item) => accepts(rule, item))
      case "properties":
        return (
          !isTable ||
          Object.entries(value).every(
            ([key, item]) => at(rule, key) === undefined || accepts(at(rule, key), item)
          )
        )
      case "additionalProperties":
        return (
          !isTable ||
          Object.entries(value).every(([key, item]) =>
            at(schema, "properties", key) !== undefined
              ? true
              : typeof rule === "boolean"
                ? rule
                : accepts(rule, item)
          )
        )
      case "$schema":
      case "title":
      case "description":
      case "default":
      case "deprecated":
        return true
      default:
        throw new Error(`unknown keyword ${keyword}`)
    }
  })
}

describe("the JSON Schema of the settings file", () => {
  const schema = Settings.jsonSchema([All])
  const property = (name: string) => at(schema, "properties", "all", "properties", name)

  it("says type, bounds, words, default and description of each field", () => {
    assert.strictEqual(at(schema, "$schema"), "https://json-schema.org/draft/2020-12/schema")
    assert.deepStrictEqual(property("text"), { type: "string", default: "a", description: "Text." })
    assert.deepStrictEqual(property("name"), { type: "string", maxLength: 3, description: "A name." })
    assert.deepStrictEqual(property("flag"), { type: "boolean", default: true, description: "A flag." })
    assert.deepStrictEqual(property("whole"), {
      type: "integer",
      minimum: 0,
      maximum: 10,
      default: 3,
      description: "A whole number."
    })
    assert.deepStrictEqual(property("part"), {
      type: "number",
      exclusiveMinimum: 0,
      default: 0.5,
      description: "A number."
    })
    assert.deepInclude(property("pause"), { default: 90 })
    assert.deepInclude(at(property("pause"), "anyOf", "0"), { type: "number", minimum: 0 })
    assert.deepStrictEqual(property("level"), {
      type: "string",
      enum: ["low", "high"],
      default: "low",
      description: "A level."
    })
    assert.deepInclude(property("words"), { type: "array", default: ["a"] })
    assert.deepInclude(property("key"), { default: 5 })
  })

  it("marks older names as deprecated, also in other tables", () => {
    assert.deepStrictEqual(property("old"), {
      type: "integer",
      minimum: 0,
      maximum: 10,
      description: "Older name of [all] whole.",
      deprecated: true
    })
    assert.deepInclude(at(schema, "properties", "core", "properties", "moved"), { deprecated: true })
  })

  it("allows a key for the file of a secret, and for that of nothing else", () => {
    assert.deepStrictEqual(property("secret_file"), {
      type: "string",
      description: "The file that holds secret."
    })
    assert.isUndefined(property("text_file"))
  })

  it("describes the tables of a list, in which no older name is allowed", () => {
    const inner = at(property("lists"), "items", "properties")
    assert.deepStrictEqual(at(inner, "must"), {
      type: "string",
      description: "Needed. Required, here or in the environment."
    })
    assert.deepInclude(at(inner, "whole"), { type: "integer", maximum: 10 })
    assert.isUndefined(at(inner, "old"))
    assert.strictEqual(at(property("lists"), "items", "additionalProperties"), false)
  })

  it("refuses what is not known, and leaves the tables of other agents alone", () => {
    assert.isTrue(accepts(schema, { all: { whole: 1, old: 1, lists: [{ whole: 1 }] }, airflow: { x: 1 } }))
    for (const wrong of [
      { all: { hole: 1 } },
      { al: {} },
      { whole: 1 },
      { all: { lists: { whole: 1 } } },
      { all: { lists: [{ hole: 1 }] } },
      { all: { whole: 11 } },
      { all: { level: "middle" } }
    ]) {
      assert.isFalse(accepts(schema, wrong), JSON.stringify(wrong))
    }
  })

  it.effect("accepts nothing that a start refuses, and every default", () => {
    const keys = [...Object.keys(fields), "secret_file", "old", "nonsense"]
    const value = FastCheck.oneof(
      FastCheck.constantFrom<ReadonlyArray<unknown>[number]>(
        true,
        "true",
        0,
        1,
        -1,
        3.5,
        11,
        "5 minutes",
        "5 parsecs",
        "low",
        "LOW",
        "https://a.b",
        "ftp://a",
        "abcd",
        "7",
        [],
        ["a", 1],
        [["a"]],
        { a: "b" },
        { a: { b: 1 } }
      )
    )
    const table = FastCheck.dictionary(FastCheck.constantFrom(...keys), value, { maxKeys: 3 })
    const document = FastCheck.record({ table, items: FastCheck.array(table, { maxLength: 2 }) })
    let accepted = 0
    return Effect.promise(() =>
      FastCheck.assert(
        FastCheck.asyncProperty(document, async ({ items, table }) => {
          // Which text a schema takes, an address has to have, or a file holds, a JSON Schema cannot say.
          const lists = items.map((item) => ({ must: "x", ...item }))
          const given = { all: { ...table, ...(lists.length === 0 ? {} : { lists }) } }
          const isOpen = [table, ...items].some((table) =>
            ["key", "secret_file", "secret", "old"].some((key) => Object.hasOwn(table, key))
          )
          if (isOpen || !accepts(schema, given)) return
          accepted += 1
          const found = await Effect.runPromise(sources({ toml: Toml.stringify(given) }))
          assert.deepStrictEqual(Settings.validate(found, [All]), [])
        }),
        { numRuns: 3000, seed: 7 }
      ).then(() => {
        assert.isAbove(accepted, 150)
        const properties = Object.entries(Object(at(schema, "properties", "all", "properties")))
        for (const [name, property] of properties) {
          const initial = at(property, "default")
          if (initial !== undefined) assert.isTrue(accepts(property, initial), name)
        }
      })
    )
  })
})
