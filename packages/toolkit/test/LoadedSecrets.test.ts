import * as LoadedSecrets from "@observability-agents/toolkit/LoadedSecrets"
import * as Secrecy from "@observability-agents/toolkit/Secrecy"
import { HttpSettings } from "@observability-agents/toolkit/HttpSettings"
import { TelemetrySettings } from "@observability-agents/toolkit/TelemetrySettings"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { Databricks, needed, Observability, sources } from "./SettingsFixture.ts"

const sections = [Databricks, Observability, HttpSettings, TelemetrySettings]

describe("the secrets of the settings", () => {
  it.effect("are found wherever they were given, also within tables and lists", () =>
    Effect.gen(function* () {
      const found = yield* sources({
        toml: `
          [http]
          auth = ["user-name", "pass-word"]
          params = { api_key = "key-in-params" }
          [telemetry]
          headers = { authorization = "Bearer key-in-header" }
        `,
        env: { ...needed, DK_DATABRICKS_TOKEN: "token-in-variable" }
      })
      assert.sameMembers(
        [...LoadedSecrets.of(found, sections)],
        [
          "token-in-variable",
          "key-of-the-account",
          "user-name",
          "pass-word",
          "user-name:pass-word",
          "key-in-params",
          "Bearer key-in-header",
          "key-in-header"
        ]
      )
    })
  )

  it.effect("are masked in every text, in all forms; what is no secret stays", () =>
    Effect.gen(function* () {
      const mask = LoadedSecrets.masker(
        yield* sources({ env: { ...needed, DK_DATABRICKS_TOKEN: "tok+en/1?" } }),
        sections
      )
      const text = `host ${needed.DK_DATABRICKS_HOST} token tok+en/1? ${encodeURIComponent("tok+en/1?")} ${Buffer.from("tok+en/1?").toString("base64")}`
      assert.strictEqual(
        mask(text),
        `host ${needed.DK_DATABRICKS_HOST} token ${Secrecy.MASK} ${Secrecy.MASK} ${Secrecy.MASK}`
      )
    })
  )

  it("of fewer than six characters are left alone", () => {
    const mask = Secrecy.masker(["abcde", "abcdef"], LoadedSecrets.SHORTEST)
    assert.strictEqual(mask("abcde, abcdef"), `abcde, ${Secrecy.MASK}`)
    assert.strictEqual(Secrecy.masker([])("anything"), "anything")
  })
})
