/**
 * The reference of sections as Markdown, written from the same descriptions that the settings are read by, so that
 * the documentation cannot differ from the program.
 */
import * as Option from "effect/Option"
import type { Field } from "./SettingsField.ts"
import { fileKeys } from "./SettingsGiven.ts"
import {
  type Fields,
  foreignVariablesOf,
  keyOf,
  listName,
  type Section,
  variablesOf
} from "./SettingsSection.ts"

/**
 * One chapter for each section, with a row for each setting: name, type, default, variables, older names, description; and
 * one for each list of tables in it.
 */
export const reference = (sections: ReadonlyArray<Section<unknown>>): string =>
  `${sections.map(chapter).join("\n\n")}\n`

const chapter = (section: Section<unknown>): string =>
  [
    `## \`[${section.table}]\``,
    "",
    section.description,
    "",
    "| Setting | Type | Default | Variable | Older names | Description |",
    "|---|---|---|---|---|---|",
    ...Object.entries(section.fields).map(([name, field]) => row(section, name, field)),
    ...Object.entries(section.fields).flatMap(([name, field]) =>
      field.inner === undefined ? [] : ["", listChapter(section, keyOf(name, field), field, field.inner)]
    )
  ].join("\n")

/** The tables of a list. Their settings have no variables and no older names. */
const listChapter = (section: Section<unknown>, key: string, field: Field<unknown>, fields: Fields): string =>
  [
    `### \`${listName(section.table, key)}\``,
    "",
    field.description,
    "",
    "| Setting | Type | Default | Description |",
    "|---|---|---|---|",
    ...Object.entries(fields).map(([name, field]) =>
      line([setting(fields, name, field), cell(field.expected), initial(field), description(field)])
    )
  ].join("\n")

const row = (section: Section<unknown>, name: string, field: Field<unknown>): string =>
  line([
    setting(section.fields, name, field),
    cell(field.expected),
    initial(field),
    [
      ...variablesOf(section, name, field).map((variable) =>
        code(field.secret ? `${variable}[_FILE]` : variable)
      ),
      ...foreignVariablesOf(field).map(code)
    ].join("<br>"),
    field.aliases.map((alias) => code(place(alias))).join("<br>"),
    field.inner === undefined
      ? description(field)
      : `See \`${listName(section.table, keyOf(name, field))}\` below.`
  ])

const line = (cells: ReadonlyArray<string>): string => `| ${cells.join(" | ")} |`

/** The key, and for a secret the key of the file that it may stand in. */
const setting = (fields: Fields, name: string, field: Field<unknown>): string => {
  const key = keyOf(name, field)
  return code(fileKeys(fields, field, key).length > 0 ? `${key}[_file]` : key)
}

const description = (field: Field<unknown>): string =>
  `${cell(field.description)}${field.example === undefined ? "" : ` Example: ${code(field.example)}.`}`

const initial = (field: Field<unknown>): string => {
  if (Option.isNone(field.fallback)) return "**required**"
  return field.defaultText === "" ? "–" : code(field.defaultText)
}

const place = (alias: string): string => {
  const dot = alias.indexOf(".")
  return dot === -1 ? alias : `[${alias.slice(0, dot)}] ${alias.slice(dot + 1)}`
}

const code = (text: string): string => `\`${cell(text)}\``

const cell = (text: string): string => text.replaceAll("|", String.raw`\|`).replaceAll(/\s*\n\s*/g, " ")
