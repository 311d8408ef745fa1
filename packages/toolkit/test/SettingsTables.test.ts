import { inspect } from "node:util"
import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Duration, Effect, Option, Redacted, Schema } from "effect"
import * as Settings from "../src/Settings.ts"
import { sources } from "./SettingsFixture.ts"

/** A tool of which one or several places are watched, as an agent of several workspaces has them. */
const Depot = Settings.section("depot", {
  description: "The depot.",
  fields: {
    token: Settings.optional(Settings.secret({ description: "The token of all halls." })),
    halls: Settings.tables(
      {
        name: Settings.optional(Settings.nonEmptyString({ description: "What it is called." })),
        host: Settings.url({
          description: "Its address.",
          aliases: ["depot_host"],
          variables: ["DEPOT_HOST"]
        }),
        token: Settings.optional(Settings.secret({ description: "Its token." })),
        lines: Settings.list(Schema.NonEmptyString, { description: "Its lines.", default: [] }),
        period: Settings.seconds({ description: "Pause.", default: 5, exclusiveMinimum: 0 }),
        retries: Settings.integer({ description: "Further attempts.", default: 3, max: 10 }),
        params: Settings.record({ description: "Parameters.", default: {} })
      },
      { description: "Several halls." }
    )
  }
})

interface Given {
  readonly toml?: string
  readonly env?: Readonly<Record<string, string>>
  readonly files?: Readonly<Record<string, string>>
}

const read = <A, E>(given: Given, effect: Effect.Effect<A, E>) =>
  Effect.flatMap(sources(given), (found) => Effect.provide(effect, Settings.layer(found, [Depot])))

const problems = (given: Given) => Effect.map(sources(given), (found) => Settings.validate(found, [Depot]))

const listed = (given: Given) =>
  Effect.map(sources(given), (found) =>
    Settings.resolve(found, Depot)
      .filter(({ origin }) => origin !== undefined && origin._tag !== "Default")
      .map(({ origin, setting, value }) => [
        setting,
        value,
        origin === undefined ? "" : Settings.describeOrigin(origin)
      ])
  )

const halls = Effect.map(Depot.config, ({ halls }) =>
  halls.map(({ token, ...hall }) => ({
    ...hall,
    token: token === undefined ? undefined : Redacted.value(token)
  }))
)

const two = `
[[depot.halls]]
name = "north"
host = "https://north.example.com/"
token = "token-of-north"
lines = ["a", 2]
[[depot.halls]]
host = "https://south.example.com"
period = "2 minutes"
params = { x = 1 }`

const north = {
  name: "north",
  host: "https://north.example.com",
  token: "token-of-north",
  lines: ["a", "2"],
  period: Duration.seconds(5),
  retries: 3,
  params: {}
}
const south = {
  name: undefined,
  host: "https://south.example.com",
  token: undefined,
  lines: [],
  period: Duration.minutes(2),
  retries: 3,
  params: { x: "1" }
}

describe("a list of tables", () => {
  it.effect("is read from tables in double brackets, with the defaults of each field", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* read({ toml: two }, halls), [north, south])
    })
  )

  it.effect("is read from a list of inline tables", () =>
    Effect.gen(function* () {
      const toml = `[depot]\nhalls = [{ host = "https://a.b" }, { host = "https://c.d", retries = 1 }]`
      const found = yield* read({ toml }, halls)
      assert.deepStrictEqual(
        found.map(({ host, retries }) => [host, retries]),
        [
          ["https://a.b", 3],
          ["https://c.d", 1]
        ]
      )
    })
  )

  it.effect("is read from JSON in a variable, in any case", () =>
    Effect.gen(function* () {
      const env = {
        dk_depot_HALLS: `[{"name": "north", "host": "https://north.example.com", "token": "token-of-north", "lines": ["a", 2]},
          {"host": "https://south.example.com", "period": 120, "params": {"x": 1}}]`
      }
      assert.deepStrictEqual(yield* read({ env }, halls), [north, south])
    })
  )

  it.effect("is read the same through any other ConfigProvider", () =>
    Effect.gen(function* () {
      const provider = ConfigProvider.fromUnknown({
        depot: {
          halls: [
            { name: "north", host: "https://north.example.com", token: "token-of-north", lines: ["a", 2] },
            { host: "https://south.example.com", period: 120, retries: "3", params: { x: 1 } }
          ]
        }
      })
      const found = yield* Effect.provideService(halls, ConfigProvider.ConfigProvider, provider)
      assert.deepStrictEqual(found, [north, south])
      const none = yield* Depot.config.parse(ConfigProvider.fromUnknown({ depot: {} }))
      assert.deepStrictEqual(none.halls, [])
    })
  )

  it.effect("that is wrong under any other ConfigProvider is told table by table, without any value", () =>
    Effect.gen(function* () {
      const provider = ConfigProvider.fromUnknown({
        depot: {
          halls: [
            { host: "https://a.b" },
            { name: "x", tokn: "the-word", token: ["the-word"], retries: "the-word" }
          ]
        }
      })
      const error = yield* Effect.flip(Depot.config.parse(provider))
      for (const part of [
        `[[depot.halls]] is not valid: 2 "x" host is required, but not set`,
        `2 "x" token is not a secret text`,
        `2 "x" retries is not a whole number of 10 or less`,
        `2 "x" tokn is not known, did you mean token?`
      ]) {
        assert.include(error.message, part)
      }
      assert.notInclude(`${error.message} ${inspect(error, { depth: 20 })}`, "the-word")
    })
  )

  it.effect("that is empty counts as not set, in both sources", () =>
    Effect.gen(function* () {
      const env = { DK_DEPOT_HALLS: '[{"host": "https://a.b"}]' }
      const found = yield* read({ toml: "[depot]\nhalls = []", env }, halls)
      assert.deepStrictEqual(
        found.map(({ host }) => host),
        ["https://a.b"]
      )
      assert.deepStrictEqual(yield* read({ env: { DK_DEPOT_HALLS: " [ ] " } }, halls), [])
      assert.deepStrictEqual(yield* listed({ toml: "[depot]\nhalls = []" }), [])
    })
  )

  it.effect("of the file takes the place of that of the environment as a whole, and a warning says so", () =>
    Effect.gen(function* () {
      const env = { DK_DEPOT_HALLS: '[{"host": "https://a.b", "retries": 9}]' }
      assert.deepStrictEqual(yield* read({ toml: two, env }, halls), [north, south])
      const found = yield* sources({ toml: two, env })
      assert.deepStrictEqual(
        Settings.inspect(found, [Depot]).warnings.map(({ setting, where }) => [setting, where]),
        [["[[depot.halls]]", "./agent.toml [depot] halls (used) and DK_DEPOT_HALLS (not used)"]]
      )
      const turned = yield* read({ toml: two, env: { ...env, DK_CONFIG_PRECEDENCE: "env" } }, halls)
      assert.deepStrictEqual(
        turned.map(({ host, retries }) => [host, retries]),
        [["https://a.b", 9]]
      )
    })
  )
})

describe("problems in a list of tables", () => {
  it.effect("are all told at once, with the number and the name of the table", () =>
    Effect.gen(function* () {
      const found = yield* problems({
        toml: `
[depot]
tokn = "x"
[[depot.halls]]
host = "nowhere"
[[depot.halls]]
name = "prod-eu"
retries = 11
hots = "https://a.b"
colour = "red"
lines_file = "/x"
depot_host = "https://a.b"`
      })
      assert.deepStrictEqual(
        found.map(({ expected, found, setting, what, where }) => [setting, what, where, expected, found]),
        [
          [
            "[[depot.halls]] 1 host",
            "not an accepted value",
            "./agent.toml [[depot.halls]] 1 host",
            "an address that begins with https:// or http://",
            '"nowhere"'
          ],
          [
            '[[depot.halls]] 2 "prod-eu" host',
            "required, but not set",
            './agent.toml [[depot.halls]] 2 "prod-eu"',
            "an address that begins with https:// or http://",
            "nothing"
          ],
          [
            '[[depot.halls]] 2 "prod-eu" retries',
            "not an accepted value",
            './agent.toml [[depot.halls]] 2 "prod-eu" retries',
            "a whole number of 10 or less",
            "11"
          ],
          [
            '[[depot.halls]] 2 "prod-eu" hots',
            "unknown setting",
            "./agent.toml [depot] halls",
            "did you mean host?",
            ""
          ],
          [
            '[[depot.halls]] 2 "prod-eu" colour',
            "unknown setting",
            "./agent.toml [depot] halls",
            "one of name, host, token, lines, period, retries, params",
            ""
          ],
          [
            '[[depot.halls]] 2 "prod-eu" lines_file',
            "unknown setting",
            "./agent.toml [depot] halls",
            "lines; only secrets can be given by a file",
            ""
          ],
          [
            '[[depot.halls]] 2 "prod-eu" depot_host',
            "unknown setting",
            "./agent.toml [depot] halls",
            "did you mean host?",
            ""
          ],
          ["[depot] tokn", "unknown setting", "./agent.toml", "did you mean token?", ""]
        ]
      )
    })
  )

  it.effect("in a variable are told with the variable and the place in it", () =>
    Effect.gen(function* () {
      const found = yield* problems({ env: { DK_DEPOT_HALLS: '[{"host": "x"}, {"name": "b", "hots": 1}]' } })
      assert.deepStrictEqual(
        found.map(({ setting, where }) => [setting, where]),
        [
          ["[[depot.halls]] 1 host", "DK_DEPOT_HALLS 1 host"],
          ['[[depot.halls]] 2 "b" host', 'DK_DEPOT_HALLS 2 "b"'],
          ['[[depot.halls]] 2 "b" hots', "DK_DEPOT_HALLS"]
        ]
      )
    })
  )

  it.effect.each([
    [
      '[depot.halls]\nhost = "https://a.b"',
      "one table, where a list of tables is expected",
      "[[depot.halls]], with two brackets on each side, above each of the tables"
    ],
    [
      '[depot]\nhalls = ["https://a.b"]',
      "item 1 is not a table",
      "[[depot.halls]], with two brackets on each side, above each of the tables"
    ]
  ] as const)("say what to do where it is no list of tables: %s", ([toml, what, expected]) =>
    Effect.gen(function* () {
      const [problem, ...others] = yield* problems({ toml })
      assert.deepStrictEqual(others, [])
      assert.deepInclude(problem, { setting: "[[depot.halls]]", what, expected })
    })
  )

  it.effect.each(["{", "[{", "https://the-word", '{"host": "the-word"}', '["the-word"]'])(
    "do not show a variable that holds no list of tables: %s",
    (text) =>
      Effect.gen(function* () {
        const [problem, ...others] = yield* problems({ env: { DK_DEPOT_HALLS: text } })
        assert.deepStrictEqual(others, [])
        assert.deepInclude(problem, { setting: "[[depot.halls]]", where: "DK_DEPOT_HALLS" })
        assert.include(problem?.expected, "a JSON array of objects")
        assert.notInclude(JSON.stringify(problem), "the-word")
      })
  )

  it.effect("of a list outside of its table suggest the whole name", () =>
    Effect.gen(function* () {
      const found = yield* sources({ toml: '[[halls]]\nhost = "https://a.b"' })
      const { warnings } = Settings.inspect(found, [Depot])
      assert.deepStrictEqual(
        warnings.map(({ expected, setting }) => [setting, expected]),
        [["[halls]", "did you mean [[depot.halls]]?"]]
      )
    })
  )
})

describe("secrets in a list of tables", () => {
  it.effect("may be given by a file, in the settings file and in a variable", () =>
    Effect.gen(function* () {
      const files = { "/run/token": "word-in-file\n" }
      const toml = '[[depot.halls]]\nhost = "https://a.b"\ntoken_file = "/run/token"'
      const env = { DK_DEPOT_HALLS: '[{"host": "https://a.b", "token_file": "/run/token"}]' }
      for (const given of [
        { toml, files },
        { env, files }
      ]) {
        const [hall] = yield* read(given, halls)
        assert.strictEqual(hall?.token, "word-in-file")
      }
      assert.deepStrictEqual((yield* listed({ toml, files })).at(-1), [
        "[[depot.halls]] 1 token",
        "********",
        "./agent.toml [[depot.halls]] 1 token_file (file /run/token)"
      ])
      assert.deepStrictEqual((yield* listed({ env, files })).at(-1), [
        "[[depot.halls]] 1 token",
        "********",
        "DK_DEPOT_HALLS 1 token_file (file /run/token)"
      ])
    })
  )

  it.effect("may be given by a file in an ordinary table by the same kind of key", () =>
    Effect.gen(function* () {
      const given = { toml: '[depot]\ntoken_file = "/run/token"', files: { "/run/token": "word-in-file" } }
      const { token } = yield* read(given, Depot.config)
      assert.strictEqual(token === undefined ? undefined : Redacted.value(token), "word-in-file")
      assert.deepStrictEqual(
        yield* read(given, Settings.origin(Depot, "token")),
        Option.some({
          _tag: "File" as const,
          path: "./agent.toml",
          table: "depot",
          key: "token_file",
          file: "/run/token"
        })
      )
    })
  )

  it.effect("behind a file that cannot be read, or beside a value of their own, are problems", () =>
    Effect.gen(function* () {
      const found = yield* problems({
        toml: `
[[depot.halls]]
host = "https://a.b"
token_file = "/run/missing"
[[depot.halls]]
host = "https://a.b"
token = "one-word"
token_file = "/run/token"`,
        files: { "/run/token": "other-word" }
      })
      assert.deepStrictEqual(
        found.map(({ found, setting, what, where }) => [setting, what, where, found]),
        [
          [
            "[[depot.halls]] 1 token",
            "its file cannot be used",
            "./agent.toml [[depot.halls]] 1 token_file (file /run/missing)",
            "no such file"
          ],
          [
            "[[depot.halls]] 2 token",
            "given under two names with different values",
            "./agent.toml [[depot.halls]] 2 token and ./agent.toml [[depot.halls]] 2 token_file (file /run/token)",
            "two different values"
          ]
        ]
      )
    })
  )

  it.effect("are shown nowhere, not even under a wrong key of another table", () =>
    Effect.gen(function* () {
      const word = "dapi-the-secret-word"
      const given: Given = {
        toml: `
[depot]
token = "${word}-of-all"
[[depot.halls]]
name = "${word}"
host = "${word}"
token = "${word}"
retries = "${word}-of-all"
[[depot.halls]]
name = "named ${word}"
token = ["${word}"]
tokn = "${word}"
params = { a = "${word}" }`,
        env: { DK_DEPOT_HALLS: `[{"token": "${word}-env", "name": "${word}-env", "host": "${word}-env"}]` }
      }
      const found = yield* sources(given)
      const exit = yield* Effect.exit(Effect.provide(Depot.config, Settings.layer(found, [Depot])))
      const printed = [
        Settings.inspect(found, [Depot]),
        Settings.report(Settings.validate(found, [Depot])),
        Settings.resolve(found, Depot),
        exit,
        found
      ]
        .map((part) => `${inspect(part, { depth: 30 })} ${JSON.stringify(part)}`)
        .join("\n")
      assert.isAbove(printed.length, 2000)
      assert.notInclude(printed, word)
    })
  )
})

describe("origins in a list of tables", () => {
  it.effect("are listed for each setting of each table", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* listed({ toml: two }), [
        ["[[depot.halls]]", "2 tables", "./agent.toml [depot] halls"],
        ['[[depot.halls]] 1 "north" name', '"north"', './agent.toml [[depot.halls]] 1 "north" name'],
        [
          '[[depot.halls]] 1 "north" host',
          '"https://north.example.com/"',
          './agent.toml [[depot.halls]] 1 "north" host'
        ],
        ['[[depot.halls]] 1 "north" token', "********", './agent.toml [[depot.halls]] 1 "north" token'],
        ['[[depot.halls]] 1 "north" lines', '["a","2"]', './agent.toml [[depot.halls]] 1 "north" lines'],
        ["[[depot.halls]] 2 host", '"https://south.example.com"', "./agent.toml [[depot.halls]] 2 host"],
        ["[[depot.halls]] 2 period", '"2 minutes"', "./agent.toml [[depot.halls]] 2 period"],
        ["[[depot.halls]] 2 params", "a table with x", "./agent.toml [[depot.halls]] 2 params"]
      ])
      const all = yield* Effect.map(sources({ toml: two }), (found) => Settings.resolve(found, Depot))
      assert.deepInclude(all.at(-2), {
        setting: "[[depot.halls]] 2 retries",
        field: "retries",
        item: { field: "halls", index: 1 },
        value: "3",
        isValid: true
      })
    })
  )

  it.effect("are known under the layer", () =>
    Effect.gen(function* () {
      const origin = (index: number, field: string) =>
        Effect.map(
          read({ toml: two }, Settings.origin(Depot, "halls", { index, field })),
          Option.map(Settings.describeOrigin)
        )
      assert.deepStrictEqual(
        yield* origin(0, "token"),
        Option.some('./agent.toml [[depot.halls]] 1 "north" token')
      )
      assert.deepStrictEqual(yield* origin(1, "token"), Option.none())
      assert.deepStrictEqual(yield* origin(2, "host"), Option.none())
    })
  )

  it.effect("and values are seen by rules over several settings, in valid and in other tables", () =>
    Effect.gen(function* () {
      const found = yield* sources({ toml: `${two}\n[[depot.halls]]\nname = "no host"\nretries = 2` })
      const look = Settings.look(found, [Depot])
      assert.isUndefined(look.value("depot", "halls"))
      assert.deepStrictEqual(
        look
          .items("depot", "halls")
          .map((item) => [
            item.title,
            item.value("host"),
            item.value("retries"),
            item.origin("retries")?._tag
          ]),
        [
          ['[[depot.halls]] 1 "north"', "https://north.example.com", 3, undefined],
          ["[[depot.halls]] 2", "https://south.example.com", 3, undefined],
          ['[[depot.halls]] 3 "no host"', undefined, 2, "File"]
        ]
      )
      assert.deepStrictEqual(look.items("depot", "token"), [])
    })
  )
})

describe("the reference of a list of tables", () => {
  it("is a chapter of its own, without variables", () => {
    const text = Settings.reference([Depot])
    assert.include(
      text,
      "| `halls` | a list of tables (in a variable: a JSON array of objects) | `none` | `DK_DEPOT_HALLS` |  | See `[[depot.halls]]` below. |\n\n### `[[depot.halls]]`\n\nSeveral halls.\n\n| Setting | Type | Default | Description |\n|---|---|---|---|\n"
    )
    assert.include(
      text,
      "| `host` | an address that begins with https:// or http:// | **required** | Its address. |"
    )
    assert.include(text, "| `token[_file]` | a secret text | – | Its token. |")
    assert.notInclude(text, "DEPOT_HOST")
  })
})

describe("a field of which empty text is a value", () => {
  const prefix: Settings.Field<string | undefined> = {
    ...Settings.optional(Settings.string({ description: "What stands before keys." })),
    emptyIsValue: true
  }
  const Keys = Settings.section("keys", {
    description: "Keys.",
    fields: { prefix, sets: Settings.tables({ prefix }, { description: "Sets of keys." }) }
  })
  const keys = (given: Given) =>
    Effect.flatMap(sources(given), (found) => Effect.provide(Keys.config, Settings.layer(found, [Keys])))

  it.effect("is set by empty text in the file and in a list of tables, and not by an empty variable", () =>
    Effect.gen(function* () {
      const toml = '[keys]\nprefix = ""\nsets = [{ prefix = "" }, {}, { prefix = "a" }]'
      const all = { prefix: "", sets: [{ prefix: "" }, { prefix: undefined }, { prefix: "a" }] }
      assert.deepStrictEqual(yield* keys({ toml }), all)
      const env = { DK_KEYS_PREFIX: "", DK_KEYS_SETS: '[{"prefix": ""}]' }
      assert.deepStrictEqual(yield* keys({ env }), { prefix: undefined, sets: [{ prefix: "" }] })
    })
  )
})
