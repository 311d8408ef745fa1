import { assert, it } from "@effect/vitest"
import * as Table from "../src/Table.ts"

it("writes JSON that neither commands a terminal nor turns text round", () => {
  const text = Table.json({
    words: "evil \u009b2J \u202egnp.exe\u202c \u2067x\u2069 \u007f, but ü and 😀 stay"
  })
  // oxlint-disable-next-line no-control-regex
  assert.notMatch(text, /[\u007f-\u009f\u202a-\u202e\u2066-\u2069]/)
  assert.include(text, "ü and 😀 stay")
  assert.deepStrictEqual(JSON.parse(text), {
    words: "evil \u009b2J \u202egnp.exe\u202c \u2067x\u2069 \u007f, but ü and 😀 stay"
  })
})
