/**
 * What can be wrong with the settings, and how it is told: a problem names its setting, where it was set,
 * what is expected and what was found; the error collects all problems of one start into one readable
 * report. Nothing here ever holds the value of a secret.
 */
import * as Runtime from "effect/Runtime"
import * as Schema from "effect/Schema"

/**
 * Where the value of a setting comes from: its default, a key of the settings file, a variable of the environment, or
 * something outside of both that an agent read by itself (`External`, e.g. a profile of the tool's own configuration).
 * `file` is the path of the file that holds the value, where a key `…_file` or a variable `…_FILE` named one. `item`
 * says which element of a list of tables it belongs to: its number from 1, and its name in quotes if it has one.
 */
export const Origin = Schema.Union([
  Schema.TaggedStruct("Default", {}),
  Schema.TaggedStruct("File", {
    path: Schema.String,
    table: Schema.String,
    key: Schema.String,
    item: Schema.optionalKey(Schema.String),
    file: Schema.optionalKey(Schema.String)
  }),
  Schema.TaggedStruct("Variable", {
    name: Schema.String,
    key: Schema.optionalKey(Schema.String),
    item: Schema.optionalKey(Schema.String),
    file: Schema.optionalKey(Schema.String)
  }),
  Schema.TaggedStruct("External", { description: Schema.String })
])

/** See the schema of the same name. */
export type Origin = typeof Origin.Type

/** Tells an origin to people, e.g. `./agent.toml [http] retries` or `DK_HTTP_RETRIES`. */
export const describeOrigin = (origin: Origin): string => {
  switch (origin._tag) {
    case "Default":
      return "default"
    case "External":
      return origin.description
    case "File": {
      const { item, key, path, table } = origin
      return `${path} ${item === undefined ? `[${table}]` : `[[${table}]] ${item}`} ${key}${behind(origin.file)}`
    }
    case "Variable": {
      const place = [origin.name, origin.item, origin.key].filter((part) => part !== undefined).join(" ")
      return `${place}${behind(origin.file)}`
    }
  }
}

/**
 * Whether a setting was set on purpose for this program: in the settings file, or by a variable that begins with `DK_`. A
 * default, a variable of another program (`DATABRICKS_HOST`) and what an agent found elsewhere are not.
 */
export const isExplicit = (origin: Origin): boolean =>
  origin._tag === "File" || (origin._tag === "Variable" && /^DK_/i.test(origin.name))

/** One thing that is wrong; empty texts are left out of the report. */
export const Problem = Schema.Struct({
  /** The setting's name: `[http] retries`, or the name of a table or variable. */
  setting: Schema.String,
  /** What is wrong, in a few words. */
  what: Schema.String,
  /** The place or places where it was set, or could be set. */
  where: Schema.String,
  /** What would be accepted. Of more lines than one, the further ones are listed below the first. */
  expected: Schema.String,
  /** What is there, shortened; never a secret. */
  found: Schema.String
})

/** See the schema of the same name. */
export interface Problem extends Schema.Schema.Type<typeof Problem> {}

/**
 * The settings cannot be used. `message` is the whole report for people. A program that ends with this error exits
 * with code 78 (configuration).
 */
export class SettingsError extends Schema.TaggedError<SettingsError>(
  "@observability-agents/toolkit/SettingsError"
)("SettingsError", {
  problems: Schema.Array(Problem)
}) {
  /** The exit code of wrong configuration (`EX_CONFIG` of sysexits). */
  override readonly [Runtime.errorExitCode] = 78

  override get message(): string {
    return report(this.problems)
  }
}

/**
 * The report of some problems, ready to print: how many there are, then each setting with where, what, expected
 * and found in aligned lines, and what to do in the end: to correct them, and `then`.
 */
export const report = (problems: ReadonlyArray<Problem>, then = "start again"): string => {
  const settings = new Map<string, Array<Problem>>()
  for (const problem of problems) {
    const group = settings.get(problem.setting)
    if (group === undefined) settings.set(problem.setting, [problem])
    else group.push(problem)
  }
  const blocks = [...settings].map(([setting, group]) =>
    [line(setting), ...group.flatMap(problemLines)].join("\n")
  )
  return [
    `The settings have ${count(problems.length, "problem")}${settings.size < problems.length ? ` in ${count(settings.size, "place")}` : ""}:`,
    ...blocks,
    `What to do: correct these in the settings file or in the environment, then ${then}.\n${NAMES}`
  ].join("\n\n")
}

const behind = (file: string | undefined): string => (file === undefined ? "" : ` (file ${file})`)

const NAMES =
  "Names of variables may be in upper or lower case; secrets may also be given by a file (DK_…_FILE)."

const count = (n: number, noun: string): string => `${n} ${noun}${n === 1 ? "" : "s"}`

const problemLines = (problem: Problem): ReadonlyArray<string> =>
  [
    ["what", problem.what],
    ["where", problem.where],
    ["expected", problem.expected],
    ["found", problem.found]
  ].flatMap(([label, text]) =>
    text === undefined || text === ""
      ? []
      : [`  ${label?.padEnd(8)}  ${label === "expected" ? lines(text) : line(text)}`]
  )

/** Further lines stand below the first, further in than a label: so they cannot be taken for other parts of the report. */
const lines = (text: string): string =>
  text
    .split("\n")
    .map(line)
    .join(`\n${" ".repeat(12)}`)

/** One line and no control characters, whatever names and values contain: nothing in the report can disguise itself. */
// oxlint-disable-next-line no-control-regex
const line = (text: string): string => text.replaceAll(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]+/g, " ")
