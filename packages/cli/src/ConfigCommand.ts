/**
 * `observability-agent config`: which settings hold and where each comes from (`show`), and which there are
 * (`reference`). Secrets are masked; neither talks to anybody.
 */
import * as EventTitle from "@observability-agents/core/EventTitle"
import * as Settings from "@observability-agents/toolkit/Settings"
import { SettingsError } from "@observability-agents/toolkit/SettingsProblem"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import { usage } from "./CommandFailed.ts"
import * as ConfigurationPage from "./ConfigurationPage.ts"
import { config, type Environment, json } from "./Environment.ts"
import * as Startup from "./Startup.ts"
import * as Table from "./Table.ts"

/** The command and its two subcommands. */
export const make = (environment: Environment) =>
  Command.make("config").pipe(
    Command.withDescription("Shows the settings that hold, and documents those that there are."),
    Command.withSubcommands([show(environment), reference(environment)])
  )

const show = (environment: Environment) =>
  Command.make(
    "show",
    {
      config,
      set: Flag.Boolean("set").pipe(
        Flag.withDescription("Only what is set, without what has its default or nothing"),
        Flag.withDefault(false)
      ),
      json
    },
    (given) =>
      Effect.gen(function* () {
        const { agent, problems, sections, sources } = yield* Startup.read(environment.agents, {
          env: environment.env,
          file: Option.getOrUndefined(given.config)
        })
        const settings = Settings.resolve(sources, sections).filter(
          ({ isValid, origin }) =>
            !given.set || !isValid || (origin !== undefined && origin._tag !== "Default")
        )
        if (given.json) {
          yield* Console.log(
            Table.json({
              agent: agent?.type ?? null,
              file: sources.file ?? null,
              precedence: sources.precedence,
              settings: settings.map(toJson),
              problems
            })
          )
        } else {
          const head = `Settings file: ${sources.file ?? `none (searched: ${sources.searched.join(", ")})`}. Where file and environment differ, ${sources.precedence === "file" ? "the file" : "the environment"} wins.`
          const rows = settings.map((setting) => [
            setting.setting,
            setting.value ?? "–",
            setting.origin === undefined ? "not set" : Settings.describeOrigin(setting.origin),
            notes(setting).join("; ")
          ])
          yield* Console.log(
            [
              EventTitle.oneLine(head),
              "",
              Table.table(
                ["Setting", "Value", "Origin", "Notes"],
                rows.map((row) => row.map(EventTitle.oneLine))
              )
            ].join("\n")
          )
        }
        // What is wrong is told by exit code and report, as at a start, after all that could be shown.
        if (problems.length > 0) return yield* new SettingsError({ problems })
      })
  ).pipe(
    Command.withDescription(
      "Prints every setting with its value, and where it comes from: the settings file, a variable, a file named there, the tool's own configuration, or the default. Secrets are masked. Works also where settings are not valid; then it ends with exit code 78."
    ),
    Command.withShortDescription("Prints every setting with its value and origin."),
    Command.withExamples([
      { command: `${environment.name} config show`, description: "With ./agent.toml and the environment" },
      { command: `${environment.name} config show --set`, description: "Without defaults" },
      { command: `${environment.name} config show --json`, description: "For scripts" }
    ])
  )

const reference = (environment: Environment) =>
  Command.make(
    "reference",
    {
      format: Flag.Literals("format", ["markdown", "json-schema"]).pipe(
        Flag.withDescription("markdown for people, json-schema for editors"),
        Flag.withDefault("markdown" as const)
      ),
      section: Flag.String("section").pipe(
        Flag.withDescription("Only this table of the settings file, for example databricks"),
        Flag.optional
      )
    },
    ({ format, section }) =>
      Effect.gen(function* () {
        const wanted = Option.map(section, (name) => name.trim().replaceAll(/^\[+|\]+$/g, ""))
        const all = Startup.sectionsOf(environment.agents)
        const sections = Option.match(wanted, {
          onNone: () => all,
          onSome: (name) => all.filter(({ table }) => table === name)
        })
        if (sections.length === 0) {
          const names = [...new Set(all.map(({ table }) => table))].join(", ")
          return yield* usage(`There is no section of this name. The sections are: ${names}.`)
        }
        const text =
          format === "json-schema"
            ? Table.json(Settings.jsonSchema(sections))
            : Option.isSome(wanted)
              ? Settings.reference(sections)
              : ConfigurationPage.page(environment)
        yield* Console.log(text.replace(/\n$/, ""))
      })
  ).pipe(
    Command.withDescription(
      "Prints the reference of all settings, of every agent: as Markdown, or as JSON Schema of the settings file."
    ),
    Command.withShortDescription("Prints the reference of all settings."),
    Command.withExamples([
      { command: `${environment.name} config reference --section databricks`, description: "One table" },
      {
        command: `${environment.name} config reference --format json-schema > agent.schema.json`,
        description: "For editors: name it in the file's first line, #:schema ./agent.schema.json"
      }
    ])
  )

const notes = ({ isValid, olderName, origin, others }: Settings.Resolved): ReadonlyArray<string> => {
  const places = (isSame: boolean) =>
    [
      ...new Set(
        others.filter((other) => other.isSame === isSame).map(({ origin }) => Settings.describeOrigin(origin))
      )
    ].join(", ")
  if (origin === undefined && !isValid) {
    return [others.length === 0 ? "required" : `contradictory: ${places(false)}`]
  }
  return [
    ...(isValid ? [] : ["not valid"]),
    ...(places(false) === "" ? [] : [`overrides ${places(false)}`]),
    ...(places(true) === "" ? [] : [`the same in ${places(true)}`]),
    ...(olderName === undefined ? [] : [`older name ${olderName}`])
  ]
}

const toJson = (setting: Settings.Resolved) => ({
  setting: setting.setting,
  value: setting.value ?? null,
  origin: setting.origin ?? null,
  olderName: setting.olderName ?? null,
  others: setting.others,
  valid: setting.isValid
})
