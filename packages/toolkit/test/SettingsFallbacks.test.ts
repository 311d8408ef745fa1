import { inspect } from "node:util"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Option, Redacted } from "effect"
import * as Settings from "../src/Settings.ts"
import { sources } from "./SettingsFixture.ts"

const Depot = Settings.section("depot", {
  description: "The depot.",
  fields: {
    host: Settings.url({
      description: "Its address.",
      aliases: ["depot_host"],
      variables: ["DK_HOST", "DEPOT_HOST", "OLD_DEPOT_HOST"]
    }),
    token: Settings.optional(Settings.secret({ description: "Its token.", variables: ["DEPOT_TOKEN"] })),
    retries: Settings.integer({ description: "Further attempts.", default: 3 }),
    halls: Settings.tables(
      {
        host: Settings.url({ description: "Its address." }),
        token: Settings.optional(Settings.secret({ description: "Its token." }))
      },
      { description: "Several halls." }
    )
  }
})

interface Given {
  readonly toml?: string
  readonly env?: Readonly<Record<string, string>>
  readonly fallbacks?: ReadonlyArray<Settings.Fallback>
}

const profile = (table: string, key: string, value: Settings.Fallback["value"], index?: number) => ({
  table,
  index,
  key,
  value,
  origin: { _tag: "External" as const, description: `~/.depotcfg, profile MAIN, key ${key}` }
})

const find = ({ fallbacks, ...given }: Given) =>
  Effect.map(sources(given), (found) => Settings.withFallbacks(found, fallbacks ?? []))

const read = (given: Given) =>
  Effect.flatMap(find(given), (found) => Effect.provide(Depot.config, Settings.layer(found, [Depot])))

const row = (given: Given, setting: string) =>
  Effect.map(find(given), (found) => {
    const row = Settings.resolve(found, Depot).find((row) => row.setting === setting)
    assert.isDefined(row)
    return {
      value: row.value,
      origin: row.origin === undefined ? undefined : Settings.describeOrigin(row.origin),
      others: row.others.map(({ isSame, origin }) => [Settings.describeOrigin(origin), isSame]),
      olderName: row.olderName
    }
  })

const host = [profile("depot", "host", "https://profile.example.com")]

describe("variables of other programs", () => {
  const env = { DEPOT_HOST: "https://theirs.example.com" }

  it.effect("hold where nothing is set for this program, and go before what was found elsewhere", () =>
    Effect.gen(function* () {
      assert.strictEqual((yield* read({ env, fallbacks: host })).host, "https://theirs.example.com")
      assert.deepStrictEqual(yield* row({ env, fallbacks: host }, "[depot] host"), {
        value: '"https://theirs.example.com"',
        origin: "DEPOT_HOST",
        others: [["~/.depotcfg, profile MAIN, key host", false]],
        olderName: undefined
      })
    })
  )

  it.effect.each(["file", "env"])(
    "give way to settings file and own variables, whichever of these wins (%s), without a warning",
    (precedence) =>
      Effect.gen(function* () {
        for (const own of [
          { toml: '[depot]\nhost = "https://own.example.com"' },
          { toml: '[depot]\ndepot_host = "https://own.example.com"' },
          { env: { dk_depot_host: "https://own.example.com" } },
          { env: { DK_HOST: "https://own.example.com" } }
        ]) {
          const given = {
            ...own,
            env: { ...env, ...own.env, DK_CONFIG_PRECEDENCE: precedence },
            fallbacks: host
          }
          assert.strictEqual((yield* read(given)).host, "https://own.example.com")
          assert.deepStrictEqual(Settings.inspect(yield* find(given), [Depot]), {
            problems: [],
            warnings: []
          })
        }
      })
  )

  it.effect("are read as they are written only, the first of several, and empty ones not at all", () =>
    Effect.gen(function* () {
      const [problem] = Settings.validate(yield* find({ env: { depot_host: "https://a.b" } }), [Depot])
      assert.deepInclude(problem, {
        setting: "[depot] host",
        what: "required, but not set",
        where:
          "[depot] host in ./agent.toml, or DK_DEPOT_HOST or DEPOT_HOST or OLD_DEPOT_HOST in the environment"
      })
      const both = { DEPOT_HOST: "https://a.b", OLD_DEPOT_HOST: "https://c.d" }
      assert.strictEqual((yield* read({ env: both })).host, "https://a.b")
      assert.strictEqual((yield* read({ env: { ...both, DEPOT_HOST: "" } })).host, "https://c.d")
    })
  )

  it.effect("that are wrong are problems, and secrets in them are not shown", () =>
    Effect.gen(function* () {
      const found = yield* find({
        env: { DEPOT_HOST: "the-secret-word.example.com", DEPOT_TOKEN: "the-secret-word" }
      })
      const problems = Settings.validate(found, [Depot])
      assert.deepStrictEqual(
        problems.map(({ found, setting, where }) => [setting, where, found]),
        [["[depot] host", "DEPOT_HOST", "a value that is not shown"]]
      )
      const printed = inspect([problems, Settings.resolve(found, Depot), found], { depth: 20 })
      assert.notInclude(printed, "the-secret-word")
    })
  )

  it.effect("stand in the reference as they are written", () =>
    Effect.sync(() => {
      const text = Settings.reference([Depot])
      assert.include(
        text,
        "| `DK_DEPOT_HOST`<br>`DK_HOST`<br>`DEPOT_HOST`<br>`OLD_DEPOT_HOST` | `depot_host` |"
      )
      assert.include(text, "| `DK_DEPOT_TOKEN[_FILE]`<br>`DEPOT_TOKEN` |")
    })
  )
})

describe("what was found elsewhere", () => {
  it.effect("goes before defaults, and after both sources", () =>
    Effect.gen(function* () {
      const fallbacks = [...host, profile("depot", "retries", "7")]
      const found = yield* read({ fallbacks })
      assert.deepStrictEqual([found.host, found.retries], ["https://profile.example.com", 7])
      const own = yield* read({ fallbacks, env: { DK_DEPOT_RETRIES: "1" } })
      assert.deepStrictEqual([own.host, own.retries], ["https://profile.example.com", 1])
      const filed = yield* read({ fallbacks, toml: "[depot]\nretries = 2" })
      assert.strictEqual(filed.retries, 2)
    })
  )

  it.effect("has an origin of its own, under the layer and in listings", () =>
    Effect.gen(function* () {
      const found = yield* find({ fallbacks: host })
      const origin = yield* Effect.provide(Settings.origin(Depot, "host"), Settings.layer(found, [Depot]))
      assert.deepStrictEqual(
        origin,
        Option.some({ _tag: "External" as const, description: "~/.depotcfg, profile MAIN, key host" })
      )
      assert.strictEqual(
        (yield* row({ fallbacks: host }, "[depot] host")).origin,
        "~/.depotcfg, profile MAIN, key host"
      )
    })
  )

  it.effect("holds for one table of a list where that table does not say it", () =>
    Effect.gen(function* () {
      const toml = `
[depot]
host = "https://own.example.com"
[[depot.halls]]
token = "own-token"
[[depot.halls]]
host = "https://second.example.com"`
      const fallbacks = [
        profile("depot.halls", "host", "https://first.example.com", 0),
        profile("depot.halls", "token", Redacted.make("profile-token"), 0),
        profile("depot.halls", "host", "https://not-used.example.com", 1),
        profile("depot.halls", "token", Redacted.make("second-token"), 1),
        profile("depot.halls", "host", "https://nobody.example.com", 2)
      ]
      const { halls } = yield* read({ toml, fallbacks })
      assert.deepStrictEqual(
        halls.map(({ host, token }) => [host, token === undefined ? undefined : Redacted.value(token)]),
        [
          ["https://first.example.com", "own-token"],
          ["https://second.example.com", "second-token"]
        ]
      )
      assert.deepStrictEqual(yield* row({ toml, fallbacks }, "[[depot.halls]] 1 token"), {
        value: "********",
        origin: "./agent.toml [[depot.halls]] 1 token",
        others: [["~/.depotcfg, profile MAIN, key token", false]],
        olderName: undefined
      })
      const look = Settings.look(yield* find({ toml }), [Depot])
      assert.deepStrictEqual(
        look.items("depot", "halls").map((item) => item.origin("host")?._tag),
        [undefined, "File"]
      )
    })
  )

  it.effect("that is wrong is a problem with its origin, and secrets of it are not shown", () =>
    Effect.gen(function* () {
      const found = yield* find({
        fallbacks: [
          profile("depot", "host", "profile-secret"),
          profile("depot", "token", Redacted.make("profile-secret"))
        ]
      })
      const problems = Settings.validate(found, [Depot])
      assert.deepStrictEqual(
        problems.map(({ setting, where }) => [setting, where]),
        [["[depot] host", "~/.depotcfg, profile MAIN, key host"]]
      )
      const printed = inspect([problems, Settings.resolve(found, Depot), found], { depth: 20 })
      assert.notInclude(printed, "profile-secret")
    })
  )
})

describe("a listing", () => {
  it.effect("tells what is overridden and what says the same", () =>
    Effect.gen(function* () {
      const given = {
        toml: '[depot]\nhost = "https://a.b"\nretries = 5',
        env: { DK_DEPOT_RETRIES: "5.0", DEPOT_HOST: "https://c.d" },
        fallbacks: host
      }
      assert.deepStrictEqual((yield* row(given, "[depot] host")).others, [
        ["DEPOT_HOST", false],
        ["~/.depotcfg, profile MAIN, key host", false]
      ])
      assert.deepStrictEqual((yield* row(given, "[depot] retries")).others, [["DK_DEPOT_RETRIES", true]])
    })
  )

  it.effect.each([
    ['[depot]\ndepot_host = "https://a.b"', {}, "[depot] depot_host"],
    ["", { DK_HOST: "https://a.b" }, "DK_HOST"],
    ['[depot]\nhost = "https://a.b"', {}, undefined],
    ["", { dk_depot_host: "https://a.b" }, undefined],
    ["", { DEPOT_HOST: "https://a.b" }, undefined]
  ] as const)("tells the older name that was used: %s %o", ([toml, env, olderName]) =>
    Effect.gen(function* () {
      assert.strictEqual((yield* row({ toml, env }, "[depot] host")).olderName, olderName)
    })
  )

  it.effect("takes the key of a file for a name of today", () =>
    Effect.gen(function* () {
      const toml = '[depot]\nhost = "https://a.b"\ntoken_file = "/run/token"'
      const found = yield* sources({ toml, files: { "/run/token": "word" } })
      const token = Settings.resolve(found, Depot).find(({ field }) => field === "token")
      assert.deepInclude(token, { value: "********", olderName: undefined, isValid: true })
    })
  )

  it.effect("tells all that disagree, and what is missing or not valid", () =>
    Effect.gen(function* () {
      const found = yield* find({
        toml: '[depot]\nhost = "https://a.b"\ndepot_host = "https://c.d"\nretries = "many"'
      })
      const [host, , retries] = Settings.resolve(found, Depot)
      assert.deepInclude(host, { value: undefined, origin: undefined, isValid: false })
      assert.deepStrictEqual(
        host?.others.map(({ origin }) => Settings.describeOrigin(origin)),
        ["./agent.toml [depot] host", "./agent.toml [depot] depot_host"]
      )
      assert.deepInclude(retries, { value: '"many"', isValid: false })
      const [missing] = Settings.resolve(yield* find({}), Depot)
      assert.deepInclude(missing, { value: undefined, origin: undefined, others: [], isValid: false })
    })
  )
})

describe("an explicit origin", () => {
  it("is the settings file or a variable of ours", () => {
    const file = { _tag: "File" as const, path: "a", table: "b", key: "c" }
    assert.isTrue(Settings.isExplicit(file))
    assert.isTrue(Settings.isExplicit({ _tag: "Variable", name: "dk_x" }))
    assert.isFalse(Settings.isExplicit({ _tag: "Variable", name: "DEPOT_HOST" }))
    assert.isFalse(Settings.isExplicit({ _tag: "External", description: "x" }))
    assert.isFalse(Settings.isExplicit({ _tag: "Default" }))
  })
})

describe("a variable of the environment", () => {
  it.effect("is found by its exact name, unless it is empty", () =>
    Effect.gen(function* () {
      const found = yield* sources({ env: { HOME: "/home/me", EMPTY: "" } })
      assert.deepStrictEqual(
        ["HOME", "home", "EMPTY", "constructor"].map((name) =>
          Option.getOrUndefined(Settings.variable(found, name))
        ),
        ["/home/me", undefined, undefined, undefined]
      )
    })
  )
})
