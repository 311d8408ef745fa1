import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as Settings from "../src/Settings.ts"
import { needed, sections, sources } from "./SettingsFixture.ts"

const Workspaces = Settings.section("tool", {
  description: "Several of them.",
  fields: {
    workspaces: Settings.tables(
      {
        name: Settings.nonEmptyString({ description: "Its name." }),
        host: Settings.nonEmptyString({ description: "Its address." }),
        token: Settings.optional(Settings.secret({ description: "Its token." })),
        retries: Settings.integer({ description: "Further attempts.", default: 3 })
      },
      { description: "Each of them." }
    )
  }
})

type Machine = Parameters<typeof sources>[0]

const changed = Effect.fnUntraced(function* (before: Machine, after: Machine, of = sections) {
  const given = (machine: Machine) => sources({ ...machine, env: { ...needed, ...machine.env } })
  return Settings.changes(yield* given(before), yield* given(after), of).map(({ setting }) => setting)
})

describe("the changes between two readings of the settings", () => {
  it.effect.each([
    ["a value", "[http]\nretries = 1", "[http]\nretries = 2", ["[http] retries"]],
    ["one that is set now", "", "[http]\nretries = 2", ["[http] retries"]],
    ["one that is not set any more", "[databricks]\ntoken = 'dapi-one'", "", ["[databricks] token"]],
    ["a default that is written out now", "", "[http]\nretries = 3", []],
    ["another way of writing", "[http]\nread_timeout = 5", '[http]\nread_timeout = "5.0"', []],
    ["an older name", "[databricks]\njobs = ['a']", "[databricks]\ndatabricks_jobs = ['a']", []],
    [
      "an element of a list",
      "[databricks]\njobs = ['a']",
      "[databricks]\njobs = ['a', 'b']",
      ["[databricks] jobs"]
    ],
    ["one of a record", "[http]\nparams = { a = '1' }", "[http]\nparams = { a = '2' }", ["[http] params"]],
    ["one that is not valid any more", "[http]\nretries = 1", "[http]\nretries = 'x'", ["[http] retries"]],
    [
      "two, in the order of the sections",
      "",
      "[http]\nretries = 1\n[core]\nlog_level = 'debug'",
      ["[core] log_level", "[http] retries"]
    ]
  ] as const)("%s", ([, before, after, expected]) =>
    Effect.map(changed({ toml: before }, { toml: after }), (found) =>
      assert.deepStrictEqual(found, [...expected])
    )
  )

  it.effect("a secret in a file changes with what the file holds", () =>
    Effect.gen(function* () {
      const env = { DK_DATABRICKS_TOKEN_FILE: "/run/token" }
      assert.deepStrictEqual(
        yield* changed({ env, files: { "/run/token": "one" } }, { env, files: { "/run/token": "two" } }),
        ["[databricks] token"]
      )
      assert.deepStrictEqual(
        yield* changed({ env, files: { "/run/token": "one" } }, { env, files: { "/run/token": "one\n" } }),
        []
      )
    })
  )

  it.effect("a certificate changes with what its file holds", () =>
    Effect.gen(function* () {
      const toml = "[http]\nssl_cert_file = '/etc/ca.pem'"
      assert.deepStrictEqual(
        yield* changed({ toml, files: { "/etc/ca.pem": "one" } }, { toml, files: { "/etc/ca.pem": "two" } }),
        ["[http] ssl_cert_file"]
      )
    })
  )

  it.effect(
    "of a list of tables the settings that changed are named, or the list where tables came or went",
    () =>
      Effect.gen(function* () {
        const a = "[[tool.workspaces]]\nname = 'a'\nhost = 'one'\ntoken = 'dapi-one'\n"
        const b = "[[tool.workspaces]]\nname = 'b'\nhost = 'two'\n"
        const of = [Workspaces]
        assert.deepStrictEqual(yield* changed({ toml: a + b }, { toml: a + b }, of), [])
        assert.deepStrictEqual(
          yield* changed({ toml: a + b }, { toml: a.replace("dapi-one", "dapi-two") + b }, of),
          ['[[tool.workspaces]] 1 "a" token']
        )
        assert.deepStrictEqual(yield* changed({ toml: a + b }, { toml: a }, of), ["[[tool.workspaces]]"])
      })
  )
})
