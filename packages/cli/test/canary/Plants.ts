/**
 * Every secret setting that there is, taken from the settings sections themselves, and ways to plant a secret in each.
 * A section with a new secret needs nothing here; a secret of a new shape fails until it is said how to write it.
 */
import * as DatabricksAuth from "@observability-agents/agent-databricks/DatabricksAuth"
import { DatabricksSettings } from "@observability-agents/agent-databricks/DatabricksSettings"
import type { Section } from "@observability-agents/toolkit/Settings"
import {
  fileKeyOf,
  foreignVariablesOf,
  keyOf,
  variablesOf
} from "@observability-agents/toolkit/SettingsSection"
import type { Canaries } from "./Canary.ts"

/** The ways in which a setting can be given. */
export type Place = "key" | "keyFile" | "variable" | "variableFile"

/** All of them. */
export const places: ReadonlyArray<Place> = ["key", "keyFile", "variable", "variableFile"]

/** A value of a settings file. */
export type Value = string | number | boolean | ReadonlyArray<Value> | { readonly [key: string]: Value }

/** Tables of a settings file. */
export type Tables = { readonly [table: string]: { readonly [key: string]: Value } }

/** A secret setting. */
export interface Setting {
  /** Such as `[http] params`, and `[[databricks.workspaces]] token` within a list of tables. */
  readonly id: string
  readonly table: string
  readonly key: string
  /** The list of tables that it belongs to. */
  readonly list: string | undefined
  readonly shape: "text" | "texts" | "pair"
  readonly variable: string
  /** Variables of other programs. */
  readonly others: ReadonlyArray<string>
}

/** All secret settings of these sections. */
export const secretSettings = (sections: ReadonlyArray<Section<unknown>>): ReadonlyArray<Setting> =>
  sections.flatMap((section) =>
    Object.entries(section.fields).flatMap(([name, field]): ReadonlyArray<Setting> => {
      const key = keyOf(name, field)
      if (field.inner !== undefined) {
        return Object.entries(field.inner).flatMap(([innerName, inner]): ReadonlyArray<Setting> => {
          if (!inner.secret) return []
          const innerKey = keyOf(innerName, inner)
          const id = `[[${section.table}.${key}]] ${innerKey}`
          const { table } = section
          return [
            {
              id,
              table,
              key: innerKey,
              list: key,
              shape: shapeOf(id, inner.schema),
              variable: "",
              others: []
            }
          ]
        })
      }
      if (!field.secret) return []
      const id = `[${section.table}] ${key}`
      return [
        {
          id,
          table: section.table,
          key,
          list: undefined,
          shape: shapeOf(id, field.schema),
          variable: variablesOf(section, name, field)[0] ?? "",
          others: foreignVariablesOf(field)
        }
      ]
    })
  )

/** The variables and profile keys of the tool's own programs that hold secrets. */
export const toolSecrets: ReadonlyArray<DatabricksAuth.Name> = DatabricksAuth.allNames.filter((name) => {
  const field = DatabricksAuth.fields[name]
  const workspaces = DatabricksSettings.fields["workspaces"]?.inner ?? {}
  return field !== undefined && workspaces[field]?.secret === true
})

/** What a planted setting adds to the settings. */
export interface Planted {
  readonly tables: Tables
  readonly variables: Readonly<Record<string, string>>
  /** Names within the folder of the agent, and what stands in them. */
  readonly files: Readonly<Record<string, string>>
}

/** Plants a secret of its own in each of the settings, all of them in the same kind of place. */
export const plant = (settings: ReadonlyArray<Setting>, place: Place, canaries: Canaries): Planted => {
  const tables: Record<string, Record<string, Value>> = {}
  const variables: Record<string, string> = {}
  const files: Record<string, string> = {}
  for (const setting of settings) {
    const { key, list, table, variable } = setting
    const value = valueOf(setting, canaries)
    const text = typeof value === "string" ? value : JSON.stringify(value)
    const file = `${table}.${list === undefined ? "" : `${list}.`}${key}.secret`
    const into = (tables[table] ??= {})
    if (place === "key") into[key] = value
    else if (place === "variable") variables[variable] = text
    else {
      files[file] = `${text}\n`
      if (place === "keyFile") into[fileKeyOf(key)] = file
      else variables[`${variable}_FILE`] = file
    }
  }
  return { tables, variables, files }
}

/** Settings tables on top of others. */
export const merge = (...all: ReadonlyArray<Tables>): Tables => {
  const merged: Record<string, Record<string, Value>> = {}
  for (const tables of all) {
    for (const [table, keys] of Object.entries(tables)) merged[table] = { ...merged[table], ...keys }
  }
  return merged
}

/** As the text of a settings file. */
export const toml = (tables: Tables): string =>
  Object.entries(tables)
    .map(
      ([table, keys]) =>
        `[${table}]\n${Object.entries(keys)
          .map(([key, value]) => `${key} = ${inToml(value)}\n`)
          .join("")}`
    )
    .join("\n")

// ---- private parts

const valueOf = ({ id, shape }: Setting, canaries: Canaries): Value => {
  switch (shape) {
    case "text":
      return canaries.of(id)
    case "texts":
      return { "planted-name": canaries.of(id) }
    case "pair":
      return [canaries.of(`${id}, first`), canaries.of(`${id}, second`)]
  }
}

const shapes: Readonly<Record<string, Setting["shape"]>> = { string: "text", object: "texts", array: "pair" }

const shapeOf = (id: string, schema: Readonly<Record<string, unknown>>): Setting["shape"] => {
  const shape = shapes[String(schema["type"])]
  if (shape === undefined) throw new Error(`How is the secret setting ${id} written? Say it here.`)
  return shape
}

const inToml = (value: Value): string => {
  if (typeof value !== "object") return JSON.stringify(value)
  if (isList(value)) return `[${value.map(inToml).join(", ")}]`
  return `{ ${Object.entries(value)
    .map(([key, each]) => `${JSON.stringify(key)} = ${inToml(each)}`)
    .join(", ")} }`
}

const isList = (value: Value): value is ReadonlyArray<Value> => Array.isArray(value)
