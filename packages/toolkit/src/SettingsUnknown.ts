/**
 * Names in the sources that no setting goes by: misspelt keys, tables and variables, each with the name that was
 * probably meant. A value of an unknown name is never looked at: it may be a secret under a misspelt name.
 */
import * as Redacted from "effect/Redacted"
import type { Problem } from "./SettingsProblem.ts"
import { fileKeys } from "./SettingsGiven.ts"
import { keyOf, keysOf, listName, type Section, settingName, variablesOf } from "./SettingsSection.ts"
import * as Text from "./SettingsText.ts"
import { PRECEDENCE, type Sources } from "./Sources.ts"

/** Problems of the file: unknown keys in the tables of the sections, keys outside of tables, tables that are none. */
export const keys = (
  sources: Sources,
  sections: ReadonlyArray<Section<unknown>>,
  known: ReadonlyArray<Section<unknown>>
): ReadonlyArray<Problem> => {
  const names = knownKeys([...sections, ...known])
  const tables = new Set(sections.map(({ table }) => table))
  return Object.entries(Redacted.value(sources.contents).tables).flatMap(([table, content]) => {
    if (!isTable(content)) {
      if (isTableList(content) && !tables.has(table)) return []
      return tables.has(table)
        ? [problem(sources, `[${table}]`, "not a table", `[${table}] once, with its keys in the lines below`)]
        : [
            problem(
              sources,
              table,
              "stands outside of any table",
              meant(elsewhere(names, table), "a key inside of a table")
            )
          ]
    }
    if (!tables.has(table)) return []
    const here = names.get(table) ?? new Set()
    return Object.keys(content)
      .filter((key) => !here.has(key))
      .map((key) => {
        const withoutFile = key.replace(/_file$/, "")
        if (withoutFile !== key && here.has(withoutFile)) {
          const expected = `${withoutFile}; only secrets can be given by a file`
          return problem(sources, settingName(table, key), "unknown setting", expected)
        }
        // The very name in another table is a better guess than a similar one here.
        const suggestion = elsewhere(names, key) ?? Text.nearest(key, here)
        return problem(
          sources,
          settingName(table, key),
          "unknown setting",
          meant(suggestion, `one of ${canonicalKeys(sections, table).join(", ")}`)
        )
      })
  })
}

/** Warnings of the file: tables that nobody knows. */
export const tables = (
  sources: Sources,
  sections: ReadonlyArray<Section<unknown>>,
  known: ReadonlyArray<Section<unknown>>
): ReadonlyArray<Problem> => {
  const names = new Set([...[...sections, ...known].map(({ table }) => table), ...earlier.keys()])
  return Object.entries(Redacted.value(sources.contents).tables).flatMap(([table, content]) =>
    (isTable(content) || isTableList(content)) && !names.has(table)
      ? [
          problem(
            sources,
            `[${table}]`,
            "unknown table, not used",
            meant(listOf([...sections, ...known], table) ?? bracketed(Text.nearest(table, names)), "")
          )
        ]
      : []
  )
}

/** Warnings of the environment: variables under `DK_` that no setting goes by. */
export const variables = (
  sources: Sources,
  sections: ReadonlyArray<Section<unknown>>,
  known: ReadonlyArray<Section<unknown>>
): ReadonlyArray<Problem> => {
  const names = new Set([PRECEDENCE, ...[...sections, ...known].flatMap(allVariables)])
  const used = new Set(sections.map(({ table }) => table))
  const others = [
    ...[...earlier].flatMap(([table, variables]) => (used.has(table) ? [] : variables)),
    ...known.flatMap(({ variablePrefixes }) => variablePrefixes.filter((prefix) => prefix !== ""))
  ]
  return [...Redacted.value(sources.contents).variables.keys()].flatMap((written) => {
    const name = written.toUpperCase()
    if (names.has(name) || others.some((other) => isOf(other, name))) return []
    const withoutFile = name.replace(/_FILE$/, "")
    const expected =
      withoutFile !== name && names.has(withoutFile)
        ? `${withoutFile}; only secrets can be given by a file`
        : meant(Text.nearest(name, names), "")
    return [
      { setting: written, what: "unknown variable, not used", where: "environment", expected, found: "" }
    ]
  })
}

/**
 * The tables that settings files of the earlier Python framework may have, and its variables for them (without `DK_`;
 * those that end in `_` stand for all that begin so). They are no mistakes where nobody reads them.
 */
export const earlier: ReadonlyMap<string, ReadonlyArray<string>> = new Map([
  ["core", ["AGENT_TYPE", "AGENT_KEY", "LOG_LEVEL", "MAX_CHANNEL_CAPACITY", "HEARTBEAT_PERIOD"]],
  ["http", ["HTTP_"]],
  ["observability", ["OBSERVABILITY_"]],
  ["databricks", ["DATABRICKS_", "PERIOD", "TIMEOUT"]],
  ["auth_username_password", ["AGENT_USERNAME", "AGENT_PASSWORD"]],
  ["auth_api_token", ["AGENT_TOKEN"]],
  ["auth_azure_spn", ["AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET", "AZURE_TENANT_ID", "AZURE_SCOPE"]],
  ["auth_azure_basic_oauth", ["AZURE_USERNAME", "AZURE_PASSWORD", "AZURE_AUTHORITY"]],
  ["airflow", ["AIRFLOW_"]],
  ["blob_storage", ["AZURE_BLOB_"]],
  ["eventhubs", ["AZURE_EVENTHUB_"]],
  ["example", ["EXAMPLE_"]],
  ["powerbi", ["POWERBI_"]],
  ["qlik", ["QLIK_"]],
  ["ssis", ["SSIS_"]],
  ["synapse_analytics", ["SYNAPSE_ANALYTICS_"]]
])

const isOf = (other: string, name: string): boolean =>
  other.endsWith("_") ? name.startsWith(`DK_${other}`) : name === `DK_${other}`

const isTable = (content: unknown): content is object =>
  typeof content === "object" && content !== null && !Array.isArray(content) && !(content instanceof Date)

const isTableList = (content: unknown): boolean =>
  Array.isArray(content) && content.length > 0 && content.every(isTable)

const knownKeys = (sections: ReadonlyArray<Section<unknown>>): ReadonlyMap<string, ReadonlySet<string>> => {
  const names = new Map<string, Set<string>>()
  for (const section of sections) {
    for (const [name, field] of Object.entries(section.fields)) {
      for (const { key, table } of keysOf(section, name, field)) {
        const set = names.get(table) ?? new Set()
        for (const name of [key, ...fileKeys(section.fields, field, key)]) set.add(name)
        names.set(table, set)
      }
    }
  }
  return names
}

const canonicalKeys = (sections: ReadonlyArray<Section<unknown>>, table: string): ReadonlyArray<string> =>
  sections
    .filter((section) => section.table === table)
    .flatMap((section) => Object.entries(section.fields).map(([name, field]) => keyOf(name, field)))

const allVariables = (section: Section<unknown>): ReadonlyArray<string> =>
  Object.entries(section.fields).flatMap(([name, field]) =>
    variablesOf(section, name, field).flatMap((variable) =>
      field.secret ? [variable, `${variable}_FILE`] : [variable]
    )
  )

const elsewhere = (names: ReadonlyMap<string, ReadonlySet<string>>, key: string): string | undefined => {
  for (const [table, keys] of names) if (keys.has(key)) return settingName(table, key)
  return undefined
}

/** A list of tables whose name was written without that of its table. */
const listOf = (sections: ReadonlyArray<Section<unknown>>, name: string): string | undefined => {
  for (const { fields, table } of sections) {
    for (const [property, field] of Object.entries(fields)) {
      const key = keyOf(property, field)
      if (field.inner !== undefined && (key === name || `${table}.${key}` === name))
        return listName(table, key)
    }
  }
  return undefined
}

const bracketed = (table: string | undefined): string | undefined =>
  table === undefined ? undefined : `[${table}]`

const meant = (suggestion: string | undefined, otherwise: string): string =>
  suggestion === undefined ? otherwise : `did you mean ${suggestion}?`

const problem = (sources: Sources, setting: string, what: string, expected: string): Problem => ({
  setting,
  what,
  where: sources.file ?? "",
  expected,
  found: ""
})
