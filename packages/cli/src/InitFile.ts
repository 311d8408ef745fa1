/**
 * The settings file that `init` writes: what was chosen, and as comments every other setting of the tables that matter at first,
 * with its description and its default or an example. It holds no secret: these come from variables or from files.
 */
import * as EventTitle from "@observability-agents/core/EventTitle"
import type { Field } from "@observability-agents/toolkit/Settings"
import { fileKeyOf, keyOf, type Section, variablesOf } from "@observability-agents/toolkit/SettingsSection"
import * as Option from "effect/Option"

/** What was chosen for a setting. */
export type Choice =
  /** A value, as text. */
  | { readonly _tag: "Value"; readonly text: string }
  /** A secret that is read from a file. */
  | { readonly _tag: "SecretFile"; readonly path: string }
  /** A secret that is read from its variable. */
  | { readonly _tag: "SecretVariable" }

/** One table of the file. */
export interface Table {
  readonly section: Section<unknown>
  /** The settings that are written, by property name; all unless given. */
  readonly only?: ReadonlyArray<string> | undefined
}

/** Names a setting: table and property name. */
export const nameOf = (section: Section<unknown>, field: string): string => `${section.table}.${field}`

/** The file, for the program of this name. `choices` are by {@link nameOf}. */
export const render = (
  program: string,
  head: ReadonlyArray<string>,
  tables: ReadonlyArray<Table>,
  choices: ReadonlyMap<string, Choice>
): string =>
  `${[
    head.flatMap((text) => (text === "" ? ["#"] : comment(text))).join("\n"),
    ...tables.map((table) => chapter(program, table, choices))
  ].join("\n\n")}\n`

/** A value as TOML, of the type that the field takes. */
export const literal = (field: Field<unknown>, text: string): string => {
  const trimmed = text.trim()
  switch (field.schema["type"]) {
    case "array":
      return trimmed.startsWith("[")
        ? trimmed
        : `[${trimmed
            .split(",")
            .map((item) => quoted(item.trim()))
            .join(", ")}]`
    case "object":
      // A name with dots would be tables within tables.
      return trimmed.startsWith("{")
        ? trimmed
        : `{ ${trimmed.replace(/(^|,\s*)([\w-]+(?:\.[\w-]+)+)(?=\s*=)/g, '$1"$2"')} }`
    case "boolean":
      return /^(true|false)$/.test(trimmed) ? trimmed : quoted(text)
    case "integer":
    case "number":
      return isNumber(trimmed) ? trimmed : quoted(text)
    case "string":
      return isQuoted(trimmed) ? trimmed : quoted(text)
    default:
      // Seconds, and what may be written in several ways.
      return isNumber(trimmed) ? trimmed : isQuoted(trimmed) ? trimmed : quoted(text)
  }
}

// ---- private

const chapter = (program: string, { only, section }: Table, choices: ReadonlyMap<string, Choice>): string => {
  const names = Object.keys(section.fields).filter((name) => only === undefined || only.includes(name))
  return [
    ...comment(section.description),
    `[${section.table}]`,
    ...names.flatMap((name) => {
      const field = section.fields[name]
      // A list of tables cannot be shown in a line; what is without effect is of no use to a beginner.
      if (field === undefined || field.inner !== undefined || field.description.startsWith("Without effect"))
        return []
      return ["", ...setting(section, name, field, choices.get(nameOf(section, name)))]
    }),
    ...(only === undefined
      ? []
      : ["", ...comment(`More settings: ${program} config reference --section ${section.table}`)])
  ].join("\n")
}

const setting = (
  section: Section<unknown>,
  name: string,
  field: Field<unknown>,
  choice: Choice | undefined
): ReadonlyArray<string> => {
  const key = keyOf(name, field)
  const described = comment(field.description)
  if (field.secret) {
    const variable = variablesOf(section, name, field)[0] ?? ""
    const places = comment(
      `A secret: set the variable ${variable}, or name the file that holds it, here or in ${variable}_FILE.`
    )
    const line =
      choice?._tag === "SecretFile"
        ? `${fileKeyOf(key)} = ${quoted(choice.path)}`
        : `# ${fileKeyOf(key)} = "/run/secrets/${key}"`
    return [...described, ...places, line]
  }
  if (choice?._tag === "Value") return [...described, `${key} = ${literal(field, choice.text)}`]
  return [...described, ...sample(key, field)]
}

/** The setting as a comment: with its default, else with an example. */
const sample = (key: string, field: Field<unknown>): ReadonlyArray<string> => {
  const { defaultText, example } = field
  const hasDefault = defaultText !== "" && defaultText !== "none"
  if (hasDefault) return [`# ${key} = ${literal(field, defaultText)}`]
  const note = Option.isNone(field.fallback) ? "Required." : "Not set."
  return example === undefined
    ? [...comment(note)]
    : [...comment(`${note} For example:`), `# ${key} = ${literal(field, example)}`]
}

const WIDTH = 98

/** A text as comment lines. */
const comment = (text: string): ReadonlyArray<string> => {
  const lines: Array<string> = []
  let line = "#"
  for (const word of EventTitle.oneLine(text).split(" ")) {
    if (line.length + 1 + word.length > WIDTH && line !== "#") {
      lines.push(line)
      line = "#"
    }
    line += ` ${word}`
  }
  return [...lines, line]
}

const isNumber = (text: string): boolean => /^-?(0|[1-9]\d*)(\.\d+)?$/.test(text)

const isQuoted = (text: string): boolean => /^"([^"\\]|\\.)*"$/.test(text)

/** A basic string of TOML. JSON escapes all that it asks for, but for the character DEL. */
const quoted = (text: string): string => JSON.stringify(text).replaceAll("\u007f", String.raw`\u007f`)
