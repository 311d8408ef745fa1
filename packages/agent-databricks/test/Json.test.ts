import { assert, describe, it } from "@effect/vitest"
import * as Json from "@observability-agents/agent-databricks/Json"
import { Effect, Random, Result } from "effect"

/** What it has to be like, only slower: each number is looked at as it stood in the text. */
const withReviver = (text: string): unknown =>
  JSON.parse(text, (_key, value: unknown, context?: { readonly source?: string }) =>
    typeof value === "number" &&
    !Number.isSafeInteger(value) &&
    context?.source !== undefined &&
    /^-?\d+$/.test(context.source)
      ? context.source
      : value
  )

const pieces = [
  "0",
  "-1",
  "1767600024000",
  "1234567890123456",
  "9007199254740991",
  "9007199254740993",
  "-9007199254740993",
  "9223372036854775807",
  "12345678901234567.25",
  "12345678901234567e3",
  "1.2345678901234567890",
  "1e16",
  "true",
  "null",
  '"9007199254740993"',
  '"id: 9007199254740993, or [9007199254740995]"',
  '"a \\" 9007199254740993 , \\" b"',
  '"ends with a backslash \\\\"',
  '"\\\\\\" 9007199254740993 "',
  '":9007199254740993,"',
  '""'
]

/** A value of such pieces, with the white space that JSON allows. */
const value = (depth: number): Effect.Effect<string> =>
  Effect.gen(function* () {
    const shape = depth === 0 ? 0 : yield* Random.nextIntBetween(0, 3)
    if (shape === 0) return pieces[yield* Random.nextIntBetween(0, pieces.length)] ?? "0"
    const space = [" ", "", "\n  "][yield* Random.nextIntBetween(0, 3)] ?? ""
    const parts: Array<string> = []
    const count = yield* Random.nextIntBetween(0, 5)
    for (let index = 0; index < count; index++) {
      const inner = yield* value(depth - 1)
      parts.push(shape === 1 ? `${space}${inner}${space}` : `${space}"k${index}"${space}:${space}${inner}`)
    }
    return shape === 1 ? `[${parts.join(",")}]` : `{${parts.join(",")}${space}}`
  })

describe("JSON of Databricks", () => {
  it("keeps all digits of whole numbers, and leaves what only looks like one", () => {
    const text = `{"run_id":9007199254740993,"job_id":-9223372036854775807,"safe":1234567890123456,"words":"run 9007199254740993, \\"9007199254740993\\"","list":[ 9007199254740995 ,1],"half":12345678901234567.5}`
    assert.deepStrictEqual(Result.getOrThrow(Json.parse(text)), {
      run_id: "9007199254740993",
      job_id: "-9223372036854775807",
      safe: 1234567890123456,
      words: 'run 9007199254740993, "9007199254740993"',
      list: ["9007199254740995", 1],
      half: 12345678901234568
    })
  })

  it.effect("reads every text as a parser does that looks at each number", () =>
    Effect.gen(function* () {
      for (let round = 0; round < 3000; round++) {
        const text = yield* value(4)
        assert.deepStrictEqual(Result.getOrThrow(Json.parse(text)), withReviver(text), text)
      }
    }).pipe(Random.withSeed("json"))
  )

  for (const text of [
    "",
    "{",
    "[9007199254740993",
    "[00009007199254740993]",
    '"9007199254740993',
    "[--9007199254740993]",
    "x9007199254740993"
  ]) {
    it(`refuses what is none: ${JSON.stringify(text)}`, () => {
      assert.isTrue(Result.isFailure(Json.parse(text)))
      assert.throws(() => withReviver(text))
    })
  }

  it("takes time in proportion to the text, also where a list of long numbers is all there is", () => {
    const many = 200_000
    const read = Result.getOrThrow(
      Json.parse(`{"a":[${Array.from({ length: many }, () => "9007199254740993").join(",")}]}`)
    )
    assert.deepInclude(read, { a: Array.from({ length: many }, () => "9007199254740993") })
  })
})
