/**
 * The settings file as JSON Schema, written from the same descriptions that the settings are read by: editors check and
 * complete a settings file by it.
 */
import * as Option from "effect/Option"
import type { Field, JsonSchema } from "./SettingsField.ts"
import { fileKeys } from "./SettingsGiven.ts"
import { type Fields, keyOf, keysOf, listName, type Section, settingName } from "./SettingsSection.ts"
import { earlier } from "./SettingsUnknown.ts"

export type { JsonSchema } from "./SettingsField.ts"

/** The schema of a settings file with these sections. Older names are allowed, and marked as deprecated. */
export const jsonSchema = (sections: ReadonlyArray<Section<unknown>>): JsonSchema => {
  const tables = new Map<string, Table>()
  const tableOf = (name: string): Table => {
    const table = tables.get(name) ?? { description: undefined, properties: new Map() }
    tables.set(name, table)
    return table
  }
  for (const section of sections) {
    const table = tableOf(section.table)
    table.description ??= section.description
    for (const [key, schema] of ofFields(section.fields, (key) => listName(section.table, key))) {
      table.properties.set(key, schema)
    }
  }
  // Present names first: an older name of one setting may be the present name of another.
  for (const section of sections) {
    for (const [name, field] of Object.entries(section.fields)) {
      for (const place of keysOf(section, name, field).slice(1)) {
        const { properties } = tableOf(place.table)
        if (properties.has(place.key)) continue
        const present = settingName(section.table, keyOf(name, field))
        const { default: _, ...schema } = ofField(field, "")
        properties.set(place.key, { ...schema, description: `Older name of ${present}.`, deprecated: true })
      }
    }
  }
  return {
    $schema: "https://json-schema.org/draft/2020-12/schema",
    title: "Settings file of an observability agent",
    type: "object",
    properties: {
      ...Object.fromEntries(
        [...earlier.keys()].map((table) => [
          table,
          { type: "object", description: "A table of the Python agents, not used here.", deprecated: true }
        ])
      ),
      ...Object.fromEntries([...tables].map(([name, table]) => [name, ofTable(table)]))
    },
    additionalProperties: false
  }
}

interface Table {
  description: string | undefined
  readonly properties: Map<string, JsonSchema>
}

const ofTable = ({ description, properties }: Table): JsonSchema => ({
  type: "object",
  ...(description === undefined ? {} : { description }),
  properties: Object.fromEntries(properties),
  // The table of an older name alone belongs to somebody else: what else it may hold is not known.
  additionalProperties: description === undefined
})

const ofFields = (
  fields: Fields,
  nameOfList: (key: string) => string
): ReadonlyArray<readonly [string, JsonSchema]> =>
  Object.entries(fields).flatMap(([name, field]) => {
    const key = keyOf(name, field)
    return [
      [key, ofField(field, nameOfList(key))] as const,
      ...fileKeys(fields, field, key).map(
        (fileKey) => [fileKey, { type: "string", description: `The file that holds ${key}.` }] as const
      )
    ]
  })

const ofField = (field: Field<unknown>, nameOfList: string): JsonSchema => {
  const required = Option.isNone(field.fallback) ? " Required, here or in the environment." : ""
  const description = `${field.description}${required}`
  if (field.inner === undefined) return { ...field.schema, description }
  return {
    ...field.schema,
    description,
    items: {
      type: "object",
      ...(nameOfList === "" ? {} : { title: nameOfList }),
      properties: Object.fromEntries(ofFields(field.inner, () => "")),
      additionalProperties: false
    }
  }
}
