import { assert, describe, it } from "@effect/vitest"
import {
  type Cause,
  Effect,
  FileSystem,
  Option,
  Path,
  PlatformError,
  Queue,
  type Scope,
  Terminal
} from "effect"
import * as Here from "./GeneratorHere.ts"

const live = <E>(
  name: string,
  test: Effect.Effect<void, E, Effect.Services<ReturnType<typeof Here.run>> | Scope.Scope>
) => it.live(name, () => test.pipe(Effect.scoped, Effect.provide(Here.services)), 30_000)

const ground = Effect.gen(function* () {
  const fs = yield* FileSystem.FileSystem
  const directory = yield* fs.makeTempDirectoryScoped({ prefix: "create-agent-" })
  const inFolder = (...args: ReadonlyArray<string>) =>
    Here.run([...args, "--directory", `${directory}/new`, "--no-install"])
  return { fs, directory, inFolder }
})

describe("npm create @observability-agents/agent", () => {
  live(
    "asks nothing where flags say it all, and says what it wrote and what to do next",
    Effect.gen(function* () {
      const { directory, fs, inFolder } = yield* ground
      const { exitCode, stdout } = yield* inFolder(
        "@acme/agent-airlift",
        "--kind",
        "events",
        "--url",
        "http://air:80"
      )
      assert.strictEqual(exitCode, 0)
      assert.match(stdout, /^\nWrote \d+ files into .*new:/)
      assert.include(stdout, "AirliftAgent.ts")
      assert.match(stdout, /Next:\n {2}cd .*new\n {2}npm install\n {2}npm test/)
      const manifest = JSON.parse(yield* fs.readFileString(`${directory}/new/package.json`))
      assert.strictEqual(manifest.name, "@acme/agent-airlift")
      assert.include(
        yield* fs.readFileString(`${directory}/new/agent.toml`),
        '[airlift]\nurl = "http://air:80"'
      )
      assert.include(yield* fs.readFileString(`${directory}/new/src/main.ts`), "NodeWS")
      assert.deepStrictEqual(yield* fs.readDirectory(directory), ["new"])
      assert.isTrue(yield* fs.exists(`${directory}/new/.git`))
    })
  )

  live(
    "takes a path for the folder, and its last part for the name; with --yes all else by default",
    Effect.gen(function* () {
      const { directory, fs } = yield* ground
      const { exitCode } = yield* Here.run([
        `${directory}/deep/er/night-press`,
        "--yes",
        "--no-install",
        "--no-git"
      ])
      assert.strictEqual(exitCode, 0)
      const files = yield* fs.readDirectory(`${directory}/deep/er/night-press`)
      assert.includeMembers(files, [".gitignore", "package.json", "src"])
      assert.notInclude(files, ".git")
      assert.include(yield* fs.readFileString(`${directory}/deep/er/night-press/src/Run.ts`), '"Night Press"')
    })
  )

  live(
    "says which words are missing where nobody can be asked, all at once",
    Effect.gen(function* () {
      const { exitCode, problem } = yield* Here.run([])
      assert.strictEqual(exitCode, 64)
      assert.include(problem, "a name, such as my-tool")
      assert.include(problem, "--kind periodic")
      const named = yield* Here.run(["--yes"])
      assert.strictEqual(named.exitCode, 64)
      assert.include(named.problem, "a name, such as my-tool")
      assert.notInclude(named.problem, "--kind")
    })
  )

  live(
    "leaves a folder alone that has something in it, and says what",
    Effect.gen(function* () {
      const { directory, fs, inFolder } = yield* ground
      yield* fs.makeDirectory(`${directory}/new`)
      for (const name of ["one", "two"]) yield* fs.writeFileString(`${directory}/new/${name}`, name)
      const { exitCode, problem } = yield* inFolder("my-tool", "--yes")
      assert.strictEqual(exitCode, 64)
      assert.include(problem, "There is: one, two.")
      assert.deepStrictEqual((yield* fs.readDirectory(`${directory}/new`)).toSorted(), ["one", "two"])
    })
  )

  live(
    "writes into a folder that is empty but for what Git keeps, and not where a file is",
    Effect.gen(function* () {
      const { directory, fs, inFolder } = yield* ground
      yield* fs.makeDirectory(`${directory}/new/.git`, { recursive: true })
      assert.strictEqual((yield* inFolder("my-tool", "--yes", "--no-git")).exitCode, 0)
      assert.includeMembers(yield* fs.readDirectory(`${directory}/new`), [".git", "package.json"])

      yield* fs.remove(`${directory}/new`, { recursive: true })
      yield* fs.writeFileString(`${directory}/new`, "")
      const { exitCode, problem } = yield* inFolder("my-tool", "--yes")
      assert.strictEqual(exitCode, 64)
      assert.include(problem, "no folder that can be read")
    })
  )

  for (const [what, args, words] of [
    ["a package's name that npm does not take", ["My-Tool"], "in lower case"],
    ["a tool's name that cannot be shown", ["my-tool", "--tool", 'My "Tool"'], "letters and digits"],
    [
      "a type that is a table already",
      ["my-tool", "--type", "databricks"],
      "have a meaning already. Choose another one, such as my_databricks. It is set by --type."
    ],
    ["a type whose variables are read as others", ["my-tool", "--type", "azure_x"], "have a meaning already"],
    [
      "a type that its code has another use for",
      ["my-tool", "--type", "run"],
      "Run is the name of something else"
    ],
    ["an address with a password", ["my-tool", "--url", "https://me:secret@x.y"], "must not hold a user"]
  ] as const) {
    live(
      `refuses ${what}, and writes nothing`,
      Effect.gen(function* () {
        const { directory, fs, inFolder } = yield* ground
        const { exitCode, problem } = yield* inFolder(...args, "--yes")
        assert.strictEqual(exitCode, 64)
        assert.include(problem, words)
        assert.notInclude(problem, "secret@")
        assert.deepStrictEqual(yield* fs.readDirectory(directory), [])
      })
    )
  }

  for (const [tool, type] of [
    ["Azure Data Factory", "my_azure_data_factory"],
    ["2Fast", "my_2fast"],
    ["Run", "my_run"],
    ["東京", "my_tool"]
  ] as const) {
    live(
      `takes another type by default where ${tool} leads to one that cannot be used`,
      Effect.gen(function* () {
        const { directory, fs, inFolder } = yield* ground
        const { exitCode } = yield* inFolder("my-lab", "--tool", tool, "--yes", "--no-git")
        assert.strictEqual(exitCode, 0)
        assert.include(yield* fs.readFileString(`${directory}/new/agent.toml`), `agent_type = "${type}"`)
      })
    )
  }

  live(
    "says how to go into a folder that a shell would take for somebody's home",
    Effect.gen(function* () {
      const { directory } = yield* ground
      const path = yield* Path.Path
      const folder = `${directory}/~x`
      const { stdout } = yield* Here.run([
        "my-tool",
        "--directory",
        folder,
        "--yes",
        "--no-git",
        "--no-install"
      ])
      assert.include(stdout, `cd "${path.relative("", folder)}"`)
    })
  )

  for (const step of ["writeFileString", "rename"] as const) {
    live(
      `leaves nothing behind where a file cannot be written (${step})`,
      Effect.gen(function* () {
        const { directory, fs, inFolder } = yield* ground
        let count = 0
        const full = PlatformError.systemError({
          _tag: "Unknown",
          module: "FileSystem",
          method: step,
          description: "no space left on device"
        })
        const broken = FileSystem.FileSystem.of({
          ...fs,
          [step]: (from: string, to: string) => (++count === 3 ? Effect.fail(full) : fs[step](from, to))
        })
        const { exitCode, problem } = yield* inFolder("my-tool", "--yes").pipe(
          Effect.provideService(FileSystem.FileSystem, broken)
        )
        assert.strictEqual(exitCode, 64)
        assert.include(problem, "Nothing was left behind")
        assert.strictEqual(count, 3)
        assert.deepStrictEqual(yield* fs.readDirectory(directory), [])
      })
    )
  }
})

describe("npm create @observability-agents/agent on a terminal", () => {
  /** A person who answers the questions in their order: text, or how often to go down before pressing return. */
  const person = Effect.fnUntraced(function* (answers: ReadonlyArray<string | number>) {
    const keys = yield* Queue.make<Terminal.UserInput, Cause.Done>()
    const shown: Array<string> = []
    const press = (name: string, input?: string) =>
      Queue.offer(keys, {
        input: Option.fromUndefinedOr(input),
        key: { name, ctrl: false, meta: false, shift: false }
      })
    for (const answer of answers) {
      if (typeof answer === "number") for (let index = 0; index < answer; index++) yield* press("down")
      else for (const character of answer) yield* press(character, character)
      // A yes or no needs no return.
      if (answer !== "n") yield* press("return", "\r")
    }
    // Nothing more is said: like the end of the input.
    yield* Queue.end(keys)
    const service = Terminal.make({
      columns: Effect.succeed(100),
      rows: Effect.succeed(40),
      size: Effect.never,
      readInput: Effect.succeed(keys),
      readLine: Effect.never,
      display: (text) => Effect.sync(() => void shown.push(text))
    })
    return { service, shown }
  })

  live(
    "asks, with what follows from the answers before, and writes what was answered",
    Effect.gen(function* () {
      const { directory, fs } = yield* ground
      const { service, shown } = yield* person([
        `${directory}/agent-airlift`,
        "",
        1,
        "https://airlift.acme.test",
        "air_lift",
        "n",
        "n"
      ])
      const { exitCode } = yield* Effect.provideService(
        Here.run([], { interactive: true }),
        Terminal.Terminal,
        service
      )
      assert.strictEqual(exitCode, 0)
      assert.include(shown.join(""), "(Enter: Airlift)")
      assert.include(shown.join(""), "(Enter: https://airlift.example.com)")
      const settings = yield* fs.readFileString(`${directory}/agent-airlift/agent.toml`)
      assert.include(settings, '[air_lift]\nurl = "https://airlift.acme.test"')
      assert.include(yield* fs.readFileString(`${directory}/agent-airlift/src/main.ts`), "NodeWS")
      assert.isFalse(yield* fs.exists(`${directory}/agent-airlift/.git`))
    })
  )

  live(
    "asks again for the name where its folder has something in it",
    Effect.gen(function* () {
      const { directory, fs } = yield* ground
      yield* fs.makeDirectory(`${directory}/taken`)
      yield* fs.writeFileString(`${directory}/taken/mine`, "mine")
      // After the mistake, what was typed is still there.
      const { service, shown } = yield* person([`${directory}/taken`, "-not", "", 0, "", "", "n", "n"])
      const { exitCode } = yield* Effect.provideService(
        Here.run([], { interactive: true }),
        Terminal.Terminal,
        service
      )
      assert.strictEqual(exitCode, 0)
      assert.include(shown.join("").replaceAll(/\s+/g, " "), "There is: mine.")
      assert.deepStrictEqual(yield* fs.readDirectory(`${directory}/taken`), ["mine"])
      assert.isTrue(yield* fs.exists(`${directory}/taken-not/package.json`))
    })
  )

  live(
    "writes nothing when it is broken off",
    Effect.gen(function* () {
      const { directory, fs } = yield* ground
      const { service, shown } = yield* person([`${directory}/agent-airlift`, "Airlift"])
      const { interrupted } = yield* Effect.provideService(
        Here.run([], { interactive: true }),
        Terminal.Terminal,
        service
      )
      assert.isTrue(interrupted)
      // A mistake that is still shown would stand in the line of the last words.
      assert.strictEqual(shown.at(-1), "\u001B[J")
      assert.deepStrictEqual(yield* fs.readDirectory(directory), [])
    })
  )
})
