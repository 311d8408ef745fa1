/** `observability-agent init`: writes a settings file with comments, after a few questions or from flags. */
import type * as Agent from "@observability-agents/core/Agent"
import { CoreSettings } from "@observability-agents/core/CoreSettings"
import { StatusSettings } from "@observability-agents/core/StatusSettings"
import { ObservabilitySettings } from "@observability-agents/toolkit/ObservabilitySettings"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as Path from "effect/Path"
import * as Redacted from "effect/Redacted"
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import { usage } from "./CommandFailed.ts"
import type { Environment } from "./Environment.ts"
import * as InitFile from "./InitFile.ts"
import * as InitQuestions from "./InitQuestions.ts"

/** The command. */
export const make = (environment: Environment) =>
  Command.make(
    "init",
    {
      file: Argument.String("file").pipe(
        Argument.withDescription("The settings file to write. Without it: ./agent.toml"),
        Argument.withDefault("./agent.toml")
      ),
      agent: Flag.Literals(
        "agent",
        environment.agents.map(({ type }) => type)
      ).pipe(Flag.withDescription("Which agent"), Flag.optional),
      credentials: Flag.Literals("credentials", InitQuestions.kinds).pipe(
        Flag.withDescription(
          "How the agent gets into the tool; elsewhere: by what the tool's own programs use"
        ),
        Flag.optional
      ),
      set: Flag.KeyValuePair("set").pipe(
        Flag.withMetavar("table.key=value"),
        Flag.withDescription(
          "The value of a setting, such as core.agent_key=production; for a secret the file that holds it: observability.service_account_key_file=key.txt. May be repeated"
        ),
        Flag.withDefault({})
      ),
      yes: Flag.Boolean("yes").pipe(
        Flag.withAlias("y"),
        Flag.withDescription("Asks nothing: takes flags, and defaults for what they do not say"),
        Flag.withDefault(false)
      ),
      force: Flag.Boolean("force").pipe(
        Flag.withDescription("Also where the file is there already: it is replaced"),
        Flag.withDefault(false)
      )
    },
    (given) =>
      Effect.gen(function* () {
        const fs = yield* FileSystem.FileSystem
        const path = yield* Path.Path
        const directory = path.dirname(path.resolve(given.file))
        const isThere = yield* Effect.orElseSucceed(fs.exists(given.file), () => false)
        if (isThere && !given.force) {
          return yield* usage(
            `${given.file} is there already, and was not changed. Name another file, or replace it with --force.`
          )
        }
        if (!(yield* Effect.orElseSucceed(fs.exists(directory), () => false))) {
          return yield* usage(
            `There is no directory ${directory} to write ${given.file} into. Make it first.`
          )
        }
        const answers = yield* InitQuestions.ask({
          environment,
          isAsking: environment.interactive && !given.yes,
          agent: Option.getOrUndefined(given.agent),
          credentials: Option.getOrUndefined(given.credentials),
          set: given.set
        })
        // Secrets that were typed: each into a file of its own, for the owner's eyes only.
        const choices = new Map(answers.choices)
        for (const { name, secret, suggestion } of answers.typed) {
          const file = path.join(directory, suggestion)
          yield* write(file, `${Redacted.value(secret)}\n`, given.force, 0o600)
          yield* Console.log(`Wrote ${file}, which only you may read.`)
          choices.set(name, { _tag: "SecretFile", path: file })
        }
        yield* write(given.file, content(environment.name, answers.agent, answers.kind, choices), true)
        yield* Console.log(farewell(environment.name, given.file, choices, answers.variables))
      })
  ).pipe(
    Command.withDescription(
      "Writes a settings file: asks a few questions on a terminal, or takes the answers from flags. Every setting that matters at first is in it, with a comment that says what it is for. Secrets are never written into it: they come from variables or from files."
    ),
    Command.withShortDescription("Writes a settings file, after a few questions."),
    Command.withExamples([
      { command: `${environment.name} init`, description: "Asks, and writes ./agent.toml" },
      {
        command: `${environment.name} init prod.toml --yes --credentials api_token --set core.agent_key=prod --set observability.base_url=http://observability:8082/api --set databricks.host=https://adb-1.2.azuredatabricks.net`,
        description: "Without questions; both secrets are read from variables"
      }
    ])
  )

const write = Effect.fnUntraced(function* (
  file: string,
  content: string,
  mayReplace: boolean,
  mode?: number
) {
  const fs = yield* FileSystem.FileSystem
  yield* fs
    .writeFileString(file, content, {
      flag: mayReplace ? "w" : "wx",
      ...(mode === undefined ? {} : { mode })
    })
    .pipe(
      Effect.mapError(({ reason }) =>
        usage(
          reason._tag === "AlreadyExists"
            ? `${file} is there already, and was not changed. Use it, or replace it with --force.`
            : `${file} cannot be written (${reason._tag}): check that this user may write there.`
        )
      )
    )
})

const content = (
  program: string,
  agent: Agent.Agent<unknown>,
  kind: InitQuestions.Kind | undefined,
  choices: ReadonlyMap<string, InitFile.Choice>
): string =>
  InitFile.render(
    program,
    [
      `Settings of an observability agent (${agent.type}).`,
      "",
      `A setting that is commented out has its default. Each can be given by a variable, too; where both are given, this file wins. All settings: ${program} config reference`,
      `Which hold, and where they come from: ${program} config show`
    ],
    [
      { section: CoreSettings },
      {
        section: ObservabilitySettings,
        only: ["baseUrl", "serviceAccountKey", "readTimeout", "sslVerify", "sslCertFile"]
      },
      ...agent.sections
        .filter((section) => !InitQuestions.isCredentials(section))
        .map((section) => ({ section })),
      ...(kind === undefined ? [] : [{ section: InitQuestions.sectionOf(kind) }]),
      { section: StatusSettings }
    ],
    choices
  )

const farewell = (
  program: string,
  file: string,
  choices: ReadonlyMap<string, InitFile.Choice>,
  variables: ReadonlyArray<string>
): string => {
  const config = file === "./agent.toml" || file === "agent.toml" ? "" : ` --config ${file}`
  const hasPage = choices.has(InitFile.nameOf(StatusSettings, "port"))
  return [
    `Wrote ${file}.`,
    "",
    "Next:",
    ...variables.map((variable) => `  export ${variable}=…`),
    `  ${program} check${config}                 # is all well?`,
    `  ${program} run${config} --dry-run         # what would be sent; sends nothing`,
    `  ${program} run${config}`,
    ...(hasPage ? [`  ${program} top${config}                   # while it runs`] : [])
  ].join("\n")
}
