/** The program: writes the package of a new agent, after a few questions or from flags. */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Path from "effect/Path"
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as ChildProcess from "effect/process/ChildProcess"
import { ChildProcessSpawner } from "effect/process/ChildProcessSpawner"
import { CreateFailed, usage } from "./CreateFailed.ts"
import * as Folder from "./Folder.ts"
import * as Manifest from "./Manifest.ts"
import * as Questions from "./Questions.ts"
import * as Template from "./Template.ts"

/** What the entry point knows. */
export interface Environment {
  /** That of our packages, this one included. */
  readonly version: string
  /** Whether somebody can be asked. */
  readonly interactive: boolean
  /** Where the template is. */
  readonly template: string
}

/** Builds the command. */
export const make = (environment: Environment) =>
  Command.make("create-agent", flags, (given) =>
    Effect.gen(function* () {
      const path = yield* Path.Path
      const templates = yield* Effect.orDie(
        Effect.all({
          periodic: Template.read(environment.template, "periodic"),
          events: Template.read(environment.template, "events")
        })
      )
      const answers = yield* Questions.ask({
        templates,
        isAsking: environment.interactive,
        isWilling: given.yes,
        name: Option.getOrUndefined(given.name),
        directory: Option.getOrUndefined(given.directory),
        package: Option.getOrUndefined(given.package),
        kind: Option.getOrUndefined(given.kind),
        tool: Option.getOrUndefined(given.tool),
        type: Option.getOrUndefined(given.type),
        url: Option.getOrUndefined(given.url),
        git: Option.getOrUndefined(given.git),
        install: Option.getOrUndefined(given.install)
      })
      const { folder, kind, values } = answers
      const rendered = Template.render(templates[kind], values)
      const files = new Map([...rendered, ["package.json", Manifest.render(values, environment.version)]])
      yield* Folder.write(folder, files).pipe(Effect.mapError(({ message }) => usage(message)))
      const shown = path.relative("", folder)
      yield* Console.log(`\n${written(shown, files)}`)
      if (answers.git) yield* makeRepository(folder)
      const isInstalled = answers.install && (yield* install(folder))
      yield* Console.log(farewell(shown, isInstalled))
      if (answers.install && !isInstalled) {
        return yield* new CreateFailed({
          exitCode: 69,
          message: "npm install failed; see above. All files are there: run it again in the folder."
        })
      }
    })
  ).pipe(
    Command.withDescription(
      "Writes the package of a new observability agent: code that runs, with tests that pass, for a made-up tool that you replace by yours. Asks a few questions on a terminal, or takes the answers from flags. Never writes into a folder that has something in it."
    ),
    Command.withExamples([
      {
        command: "npm create @observability-agents/agent my-tool",
        description: "Asks, and writes ./my-tool"
      },
      {
        command: "npm create @observability-agents/agent my-tool -- --kind events --yes",
        description: "Asks nothing. npm wants -- before flags"
      },
      {
        command:
          "npm create @observability-agents/agent @acme/agent-airlift -- --directory agents/airlift --tool Airlift --kind periodic --no-install",
        description: "For a tool called Airlift, in a folder of a repository"
      }
    ])
  )

// ---- private parts

const flags = {
  name: Argument.String("name").pipe(
    Argument.withDescription(
      "What the agent is called: a name for an npm package, or the path of the folder to write"
    ),
    Argument.optional
  ),
  kind: Flag.Literals("kind", Template.kinds).pipe(
    Flag.withDescription(
      "periodic: the agent asks the tool over HTTP for what has changed. events: the tool sends its news by websocket"
    ),
    Flag.optional
  ),
  tool: Flag.String("tool").pipe(
    Flag.withMetavar("name"),
    Flag.withDescription("The tool as Observability shows it. Without it: from the name"),
    Flag.optional
  ),
  type: Flag.String("type").pipe(
    Flag.withMetavar("name"),
    Flag.withDescription(
      "The agent_type, and the table of its settings, such as my_tool. Without it: from --tool"
    ),
    Flag.optional
  ),
  url: Flag.String("url").pipe(
    Flag.withMetavar("address"),
    Flag.withDescription("The address of the tool's API"),
    Flag.optional
  ),
  directory: Flag.String("directory").pipe(
    Flag.withMetavar("folder"),
    Flag.withDescription("Where to write. Without it: a folder of the package's name"),
    Flag.optional
  ),
  package: Flag.String("package").pipe(
    Flag.withMetavar("name"),
    Flag.withDescription("The name of the npm package, such as @acme/my-tool. Without it: the name"),
    Flag.optional
  ),
  git: Flag.Boolean("git").pipe(
    Flag.withDescription("Make it a Git repository, unless it is in one (--no-git: do not)"),
    Flag.optional
  ),
  install: Flag.Boolean("install").pipe(
    Flag.withDescription("Run npm install in it (--no-install: do not)"),
    Flag.optional
  ),
  yes: Flag.Boolean("yes").pipe(
    Flag.withAlias("y"),
    Flag.withDescription("Asks nothing: takes flags, and defaults for what they do not say"),
    Flag.withDefault(false)
  )
}

/** The files, folder by folder; those of the package's own folder last. */
const written = (folder: string, files: Template.Files): string => {
  const byFolder = new Map<string, Array<string>>()
  for (const name of [...files.keys()].toSorted()) {
    const at = name.lastIndexOf("/") + 1
    const own = byFolder.get(name.slice(0, at)) ?? []
    byFolder.set(name.slice(0, at), [...own, name.slice(at)])
  }
  const width = Math.max(...[...byFolder.keys()].map((name) => name.length))
  const lines = [...byFolder].toSorted(([a], [b]) => (a === "" ? 1 : b === "" ? -1 : a < b ? -1 : 1))
  return [
    `Wrote ${files.size} files into ${folder === "" ? "this folder" : folder}:`,
    "",
    ...lines.map(([name, own]) => `  ${(name === "" ? "./" : name).padEnd(width)}  ${own.join(", ")}`)
  ].join("\n")
}

/** Not within another repository, and not where there is no Git: nothing depends on it. */
const makeRepository = Effect.fnUntraced(function* (folder: string) {
  const spawner = yield* ChildProcessSpawner
  const git = (...words: ReadonlyArray<string>) =>
    spawner
      .exitCode(
        ChildProcess.make("git", words, { cwd: folder, stdin: "ignore", stdout: "ignore", stderr: "ignore" })
      )
      .pipe(Effect.orElseSucceed(() => -1))
  if ((yield* git("rev-parse", "--is-inside-work-tree")) === 0) return
  yield* git("init", "--quiet")
})

const install = Effect.fnUntraced(function* (folder: string) {
  yield* Console.log("\nnpm install …")
  const spawner = yield* ChildProcessSpawner
  const code = yield* spawner
    .exitCode(
      ChildProcess.make("npm", ["install", "--no-audit", "--no-fund"], {
        cwd: folder,
        stdin: "ignore",
        stdout: "inherit",
        stderr: "inherit",
        // What Windows calls npm is a script, which only a shell can start.
        shell: process.platform === "win32"
      })
    )
    .pipe(Effect.orElseSucceed(() => -1))
  return code === 0
})

const farewell = (folder: string, isInstalled: boolean): string => {
  const steps = [
    ...(folder === "" ? [] : [[`cd ${/^[\w./@-]+$/.test(folder) ? folder : JSON.stringify(folder)}`, ""]]),
    ...(isInstalled ? [] : [["npm install", ""]]),
    ["npm test", "in virtual time, with faults on both sides"],
    ["npm run demo", "see it run, without an account"],
    ["npm run check", "with your addresses in agent.toml: is all well?"],
    ["npm start", "run it"]
  ]
  return [
    "",
    "Next:",
    ...steps.map(([command, words]) => `  ${command?.padEnd(18)}${words}`.trimEnd()),
    "",
    "README.md says what to change. Look for YOUR TOOL in the code."
  ].join("\n")
}
