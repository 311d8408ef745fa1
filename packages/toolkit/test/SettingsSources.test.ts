import { NodeServices } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect, FileSystem, Path } from "effect"
import * as Settings from "../src/Settings.ts"
import { Core, FORBIDDEN, Http, needed, sections, sources } from "./SettingsFixture.ts"

const system = "/etc/observability/agent.toml"

describe("the settings file", () => {
  it.effect("is the first that exists: given, in the working directory, of the system", () =>
    Effect.gen(function* () {
      const files = { [system]: "", "./agent.toml": "", "/my/own.toml": "" }
      assert.strictEqual((yield* sources({ files })).file, "./agent.toml")
      assert.strictEqual((yield* sources({ files: { [system]: "" } })).file, system)
      assert.strictEqual((yield* sources({ files, file: "/my/own.toml" })).file, "/my/own.toml")
      assert.isUndefined((yield* sources({})).file)
    })
  )

  it.effect("that was asked for must exist, whatever else is there", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(sources({ file: "/my/own.toml", toml: "" }))
      assert.deepInclude(error.problems[0], {
        what: "the settings file does not exist",
        where: "/my/own.toml",
        found: "no such file"
      })
    })
  )

  it.effect("that exists and cannot be read is a problem, not passed over", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(sources({ toml: FORBIDDEN, files: { [system]: "" } }))
      assert.deepInclude(error.problems[0], { where: "./agent.toml", found: "permission denied" })
    })
  )

  it.effect.each([
    [
      "[core]\nagent_key = the-word",
      "line 2, column 13",
      "invalid value",
      'a value; text stands in quotes: key = "value"'
    ],
    ['[core]\nagent_key = "the-word', "line 2, column 13", "unfinished string", "a closing quote"],
    [
      "[core]\na = 1\na = 2",
      "line 3, column 1",
      "trying to redefine an already defined table or value",
      "each table and each key only once"
    ],
    ["[core]\nthe-word", "line 2, column 1", "incomplete key-value: cannot find end of key", "key = value"]
  ] as const)(
    "that is not TOML is told with line and column, without its text: %s",
    ([toml, place, found, expected]) =>
      Effect.gen(function* () {
        const error = yield* Effect.flip(sources({ toml }))
        assert.deepStrictEqual(error.problems, [
          {
            setting: "settings file",
            what: "the settings file is not valid TOML",
            where: `./agent.toml, ${place}`,
            expected,
            found
          }
        ])
        assert.notInclude(error.message, "the-word")
      })
  )

  it.effect("may begin with a byte order mark, and may use names that JavaScript gives a meaning", () =>
    Effect.gen(function* () {
      const found = yield* sources({
        toml: '\uFEFF[core]\nlog_level = "debug"\n[__proto__]\nagent_key = "x"\n[constructor]\n',
        env: { ...needed, DK_AGENT_KEY: "" }
      })
      const { problems, warnings } = Settings.inspect(found, sections)
      assert.deepStrictEqual(
        problems.map(({ setting }) => setting),
        ["[core] agent_key"]
      )
      assert.deepStrictEqual(
        warnings.map(({ setting }) => setting),
        ["[__proto__]", "[constructor]"]
      )
    })
  )

  it.effect("is read anew each time, as is the environment", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const path = yield* Path.Path
      const file = path.join(yield* fs.makeTempDirectoryScoped(), "agent.toml")
      const retries = Effect.gen(function* () {
        const found = yield* Settings.sources({ file, env: needed })
        return (yield* Effect.provide(Http.config, Settings.layer(found, sections))).retries
      })
      yield* fs.writeFileString(file, "[http]\nretries = 1\n")
      assert.strictEqual(yield* retries, 1)
      yield* fs.writeFileString(file, "[http]\nretries = 2\n")
      assert.strictEqual(yield* retries, 2)
      const other = yield* Settings.sources({ file, env: { ...needed, DK_AGENT_KEY: "other" } })
      assert.strictEqual(
        (yield* Effect.provide(Core.config, Settings.layer(other, sections))).agentKey,
        "other"
      )
    }).pipe(Effect.provide(NodeServices.layer))
  )

  it.effect("that is a directory is a problem", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const file = yield* fs.makeTempDirectoryScoped()
      const error = yield* Effect.flip(Settings.sources({ file, env: {} }))
      assert.deepInclude(error.problems[0], { what: "the settings file cannot be read", where: file })
    }).pipe(Effect.provide(NodeServices.layer))
  )
})
