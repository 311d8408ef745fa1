import { assert, describe, it } from "@effect/vitest"
import { FakeObservability } from "@observability-agents/testing/FakeObservability"
import * as SettingsFixture from "@observability-agents/testing/SettingsFixture"
import * as Settings from "@observability-agents/toolkit/Settings"
import { Effect, Layer, Result } from "effect"

const prefix: Settings.Field<string> = {
  ...Settings.string({ description: "What stands before.", default: "none" }),
  decode: (raw) => (typeof raw === "string" ? Result.succeed(raw) : Result.fail(undefined)),
  emptyIsValue: true
}
const section = Settings.section("places", {
  description: "Places.",
  fields: {
    title: Settings.nonEmptyString({ description: "A title.", default: "untitled" }),
    list: Settings.tables(
      { prefix, name: Settings.nonEmptyString({ description: "A name.", default: "nobody" }) },
      { description: "A list." }
    )
  }
})
const read = (places: Record<string, unknown>) =>
  Effect.provide(
    Effect.suspend(() => section.config),
    SettingsFixture.layer({ places }).pipe(Layer.provide(FakeObservability.layer))
  )

describe("the settings of a fixture", () => {
  it.effect("keep empty text in a list of tables, as a file does", () =>
    Effect.gen(function* () {
      const { list } = yield* read({ list: [{ prefix: "", name: "" }, { prefix: "p" }] })
      assert.deepStrictEqual(list, [
        { prefix: "", name: "nobody" },
        { prefix: "p", name: "nobody" }
      ])
    })
  )

  it.effect("take a key that is empty text for not set", () =>
    Effect.map(read({ title: "" }), ({ title }) => assert.strictEqual(title, "untitled"))
  )
})
