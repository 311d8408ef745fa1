import { assert, describe, it } from "@effect/vitest"
import { Duration, Option, Redacted, Result, Schema } from "effect"
import * as Settings from "../src/Settings.ts"

const description = "A setting."

const read = <A>(field: Settings.Field<A>, raw: Settings.Raw): A | "refused" =>
  Result.getOrElse(field.decode(raw), () => "refused" as const)

describe("boolean", () => {
  const field = Settings.boolean({ description })

  it.each(["true", "True", "yes", "on", "1", " t "])("takes %s for true", (text) => {
    assert.isTrue(read(field, text))
  })

  it.each(["false", "FALSE", "no", "off", "0", "n"])("takes %s for false", (text) => {
    assert.isFalse(read(field, text))
  })

  it.each(["", "maybe", "2", "truely"])("refuses %j", (text) => {
    assert.strictEqual(read(field, text), "refused")
  })
})

describe("integer and number", () => {
  const field = Settings.integer({ description, min: 0, max: 10_000 })

  it.each([
    ["5", 5],
    [" 5 ", 5],
    ["5.0", 5],
    ["1_000", 1000],
    ["1e3", 1000],
    ["0", 0],
    ["10000", 10_000]
  ])("reads %j as %d", (text, value) => {
    assert.strictEqual(read(field, text), value)
  })

  it.each(["", "5.5", "-1", "10001", "0x10", "five", "NaN", "Infinity", "1e999", "5 apples"])(
    "refuses %j",
    (text) => {
      assert.strictEqual(read(field, text), "refused")
    }
  )

  it("refuses whole numbers that a number cannot hold exactly", () => {
    assert.strictEqual(read(Settings.integer({ description }), "9007199254740993"), "refused")
  })

  it("tells its bounds", () => {
    assert.strictEqual(field.expected, "a whole number from 0 to 10000")
    assert.strictEqual(Settings.number({ description, exclusiveMinimum: 0 }).expected, "a number above 0")
    assert.strictEqual(
      Settings.number({ description, exclusiveMinimum: 0, max: 1 }).expected,
      "a number above 0, up to 1"
    )
    assert.strictEqual(Settings.number({ description, min: 1 }).expected, "a number of 1 or more")
    assert.strictEqual(Settings.number({ description, max: 1 }).expected, "a number of 1 or less")
    assert.strictEqual(Settings.number({ description }).expected, "a number")
  })

  it("keeps within its bounds", () => {
    const fraction = Settings.number({ description, exclusiveMinimum: 0, max: 1 })
    assert.strictEqual(read(fraction, "0"), "refused")
    assert.strictEqual(read(fraction, "0.25"), 0.25)
    assert.strictEqual(read(fraction, "1.01"), "refused")
  })
})

describe("seconds", () => {
  const field = Settings.seconds({ description, default: 60 })

  it.each([
    ["5", 5_000],
    ["0.5", 500],
    ["0", 0],
    ["5 minutes", 300_000],
    ["5 Minutes", 300_000],
    ["1 minute", 60_000],
    ["90s", 90_000],
    ["1h 30m", 5_400_000],
    ["2 days", 172_800_000],
    ["1 week", 604_800_000],
    ["250 ms", 250]
  ])("reads %j as %d milliseconds", (text, millis) => {
    const value = read(field, text)
    assert.isTrue(Duration.isDuration(value))
    assert.strictEqual(Duration.isDuration(value) ? Duration.toMillis(value) : undefined, millis)
  })

  it.each(["", "-5", "soon", "5 parsecs", "minutes", "5 minutes ago", "1e999", "Infinity"])(
    "refuses %j",
    (text) => {
      assert.strictEqual(read(field, text), "refused")
    }
  )

  it("refuses a pause of zero when it must be above zero", () => {
    const period = Settings.seconds({ description, default: 5, exclusiveMinimum: 0 })
    assert.strictEqual(read(period, "0"), "refused")
    assert.strictEqual(read(period, "0 seconds"), "refused")
    assert.notStrictEqual(read(period, "0.001"), "refused")
  })

  it("gives its default in seconds", () => {
    assert.deepStrictEqual(Option.map(field.fallback, Duration.toSeconds), Option.some(60))
    assert.strictEqual(field.defaultText, "60")
  })
})

describe("url", () => {
  const field = Settings.url({ description })

  it("drops slashes at the end and space around", () => {
    assert.strictEqual(read(field, " https://example.com/base/ "), "https://example.com/base")
  })

  it.each([
    "example.com",
    "ftp://example.com",
    "https://",
    "https://user:word@example.com",
    "https://a.b/?x=1",
    "https://a.b/#c"
  ])("refuses %j", (text) => {
    assert.strictEqual(read(field, text), "refused")
  })
})

describe("literals", () => {
  const field = Settings.literals(["debug", "info", "warning"], { description })

  it("takes its words in any case", () => {
    assert.strictEqual(read(field, "INFO"), "info")
  })

  it.each([
    ["warn", '"warning"'],
    ["inof", '"info"']
  ])("suggests for %s the word %s", (text, word) => {
    assert.deepStrictEqual(field.decode(text), Result.fail(`did you mean ${word}?`))
  })

  it("suggests nothing when nothing is near", () => {
    assert.deepStrictEqual(field.decode("loud"), Result.fail(undefined))
  })
})

describe("text", () => {
  it("is taken as it is, or trimmed where blank text is refused", () => {
    assert.strictEqual(read(Settings.string({ description }), " a "), " a ")
    assert.strictEqual(read(Settings.nonEmptyString({ description }), " a "), "a")
    assert.strictEqual(read(Settings.nonEmptyString({ description }), "  "), "refused")
  })

  it("drops line breaks at the end of a secret, which would make headers invalid", () => {
    const value = read(Settings.secret({ description }), "the key\r\n")
    assert.deepStrictEqual(Redacted.isRedacted(value) ? Redacted.value(value) : value, "the key")
    assert.strictEqual(read(Settings.secret({ description }), " \n"), "refused")
  })

  it("refuses lists and tables", () => {
    const fields: ReadonlyArray<Settings.Field<unknown>> = [
      Settings.string({ description }),
      Settings.secret({ description }),
      Settings.url({ description })
    ]
    for (const field of fields) {
      assert.strictEqual(read(field, ["a"]), "refused")
      assert.strictEqual(read(field, { a: "b" }), "refused")
    }
  })
})

describe("list", () => {
  const field = Settings.list(Schema.NonEmptyString, { description, default: [] })

  it.each<[Settings.Raw, ReadonlyArray<string>]>([
    [
      ["a", "b, c"],
      ["a", "b, c"]
    ],
    ["a, b ,,c", ["a", "b", "c"]],
    ['["a", "b, c", 3]', ["a", "b, c", "3"]],
    ["[prod] load, other", ["[prod] load", "other"]],
    ["[]", []],
    [[], []]
  ])("reads %j as %j", (raw, value) => {
    assert.deepStrictEqual(read(field, raw), value)
  })

  it.each<[Settings.Raw]>([["[a, b]"], ['["a", null]'], [{ a: "b" }]])("refuses %j", (raw) => {
    assert.strictEqual(read(field, raw), "refused")
  })

  it("says which item is not accepted", () => {
    const numbers = Settings.list(Schema.NumberFromString.check(Schema.isInt()), {
      description,
      items: "whole numbers"
    })
    assert.deepStrictEqual(read(numbers, "1,2"), [1, 2])
    assert.deepStrictEqual(numbers.decode("1,x"), Result.fail("item 2 is not accepted"))
  })
})

describe("record", () => {
  const field = Settings.record({ description, default: { a: "b" } })

  it.each<[Settings.Raw]>([[{ x: "1", y: "2" }], ['{"x": 1, "y": "2"}'], ["x=1, y = 2"]])(
    "reads %j",
    (raw) => {
      assert.deepStrictEqual(read(field, raw), { x: "1", y: "2" })
    }
  )

  it.each<[Settings.Raw]>([["x"], ["=1"], ["{x}"], ['["x"]'], [{ x: ["1"] }]])("refuses %j", (raw) => {
    assert.strictEqual(read(field, raw), "refused")
  })
})

describe("a value of a record", () => {
  it.each<[Settings.Raw]>([[{ key: "the-word" }], ['{"key": "the-word"}'], ["key=the-word"]])(
    "is told by its names alone: %j",
    (raw) => {
      assert.strictEqual(Settings.record({ description }).show(raw), "a table with key")
    }
  )

  it.each<[Settings.Raw]>([["the-word"], [["the-word"]]])("is not told when it is no table: %j", (raw) => {
    assert.strictEqual(Settings.record({ description }).show(raw), "something that is not a table of texts")
  })
})

describe("of, map and optional", () => {
  it("reads what a schema reads from text", () => {
    const field = Settings.of(Schema.FiniteFromString, { description, expected: "a number", default: 5 })
    assert.strictEqual(read(field, "7"), 7)
    assert.strictEqual(field.defaultText, "5")
  })

  it("changes value and default together", () => {
    const field = Settings.map(Settings.integer({ description, default: 2 }), (value) => value * 10)
    assert.strictEqual(read(field, "3"), 30)
    assert.deepStrictEqual(field.fallback, Option.some(20))
  })

  it("makes a field without default not required", () => {
    assert.deepStrictEqual(Settings.string({ description }).fallback, Option.none())
    assert.deepStrictEqual(
      Settings.optional(Settings.string({ description })).fallback,
      Option.some(undefined)
    )
  })
})

describe("nonEmptyString", () => {
  const field = Settings.nonEmptyString({ description, maxLength: 255 })

  it("counts characters, not their halves, after trimming", () => {
    assert.strictEqual(read(field, ` ${"😀".repeat(255)} `), "😀".repeat(255))
    assert.strictEqual(read(field, "x".repeat(256)), "refused")
    assert.strictEqual(read(field, " "), "refused")
  })

  it("says how long it may be and how long it is", () => {
    assert.strictEqual(field.expected, "text of 1 to 255 characters")
    assert.deepStrictEqual(field.decode("x".repeat(300)), Result.fail("it has 300 characters"))
  })
})
