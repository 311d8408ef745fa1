/**
 * The reference of sections as Markdown, written from the same descriptions that the settings are read by, so that
 * the documentation cannot differ from the program.
 */
import * as Option from "effect/Option"
import type { Field } from "./SettingsField.ts"
import { keyOf, type Section, variablesOf } from "./SettingsSection.ts"

/** One chapter for each section, with a row for each setting: name, type, default, variables, older names, description. */
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
    ...Object.entries(section.fields).map(([name, field]) => row(section, name, field))
  ].join("\n")

const row = (section: Section<unknown>, name: string, field: Field<unknown>): string => {
  const example = field.example === undefined ? "" : ` Example: ${code(field.example)}.`
  const cells = [
    code(keyOf(name, field)),
    cell(field.expected),
    initial(field),
    variablesOf(section, name, field)
      .map((variable) => code(field.secret ? `${variable}[_FILE]` : variable))
      .join("<br>"),
    field.aliases.map((alias) => code(place(alias))).join("<br>"),
    `${cell(field.description)}${example}`
  ]
  return `| ${cells.join(" | ")} |`
}

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
