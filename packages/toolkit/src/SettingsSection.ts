/**
 * A section: one table of the settings file with its fields, and the names each field goes by in the file and in
 * the environment. Sections are made with `Settings.section` (see the module Settings).
 */
import * as Config from "effect/Config"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type { Field } from "./SettingsField.ts"
import type { Origin, Problem } from "./SettingsProblem.ts"
import * as Text from "./SettingsText.ts"

/** The fields of a section by property name (camelCase). */
export type Fields = Readonly<Record<string, Field<unknown>>>

/** The values of some fields. */
export type Values<F extends Fields> = { readonly [K in keyof F]: F[K] extends Field<infer A> ? A : never }

/** One table of settings. Its values are read by `yield* section.config` inside a Layer. */
export interface Section<out A> {
  /** The table's name in the file, e.g. `http`. */
  readonly table: string
  readonly description: string
  /** What stands between `DK_` and a field's name in variables, e.g. `HTTP_`; the first one is the canonical one. */
  readonly variablePrefixes: ReadonlyArray<string>
  readonly fields: Fields
  /** The values, read from the ConfigProvider in force at `[table, key]`; fails at the first value that is not valid. */
  readonly config: Config.Config<A>
  /** A rule over several settings, see {@link SectionOptions}. */
  readonly check: ((look: FullLook) => ReadonlyArray<Problem>) | undefined
}

/** What the `check` of a section may look at: all settings of all sections that are validated together. */
export interface Look {
  /** Where a setting was set, by table and property name; undefined when it is not set. */
  readonly origin: (table: string, field: string) => Origin | undefined
  /** The value of a setting or its default; undefined when it is missing or not valid. */
  readonly value: (table: string, field: string) => unknown
}

/** A {@link Look} that also sees into lists of tables, table by table, valid or not. */
export interface FullLook extends Look {
  /** The tables of a list, by the list's table and property name. */
  readonly items: (table: string, field: string) => ReadonlyArray<ItemLook>
}

/** One table of a list of tables. */
export interface ItemLook {
  /** Its name for people: `[[databricks.workspaces]] 2 "prod-eu"`. */
  readonly title: string
  /** As {@link Look} has it, by the property's name alone. */
  readonly origin: (field: string) => Origin | undefined
  /** As {@link Look} has it, by the property's name alone. */
  readonly value: (field: string) => unknown
}

/** Options of {@link section}. */
export interface SectionOptions<F extends Fields> {
  readonly description: string
  /** Default: the table's name in upper case and `_`. With empty text, variables are `DK_` and the field's name. */
  readonly variablePrefix?: string | ReadonlyArray<string>
  readonly fields: F
  /** A rule over several settings, also of other sections, e.g. that two of them exclude each other. */
  readonly check?: (look: FullLook) => ReadonlyArray<Problem>
}

/**
 * Describes a section:
 *
 * ```ts
 * import * as Settings from "@observability-agents/toolkit/Settings"
 *
 * const HttpSettings = Settings.section("http", {
 *   description: "How tools are called.",
 *   fields: { readTimeout: Settings.seconds({ description: "…", default: 60, exclusiveMinimum: 0 }) }
 * })
 * ```
 *
 * The field is then `read_timeout` in `[http]` and `DK_HTTP_READ_TIMEOUT` in the environment.
 */
export const section = <F extends Fields>(table: string, options: SectionOptions<F>): Section<Values<F>> => {
  const prefix = options.variablePrefix ?? `${table.toUpperCase()}_`
  return {
    table,
    description: options.description,
    variablePrefixes: typeof prefix === "string" ? [prefix] : prefix,
    fields: options.fields,
    config: config(table, options.fields),
    check: options.check
  }
}

/** The key of a field in its table. */
export const keyOf = (name: string, field: Field<unknown>): string => field.key ?? Text.snakeCase(name)

/** The name of a setting for people: `[http] read_timeout`. */
export const settingName = (table: string, key: string): string => `[${table}] ${key}`

/** All places of a field in the file, as table and key; the canonical one first. */
export const keysOf = (
  section: Section<unknown>,
  name: string,
  field: Field<unknown>
): ReadonlyArray<Key> => [
  { table: section.table, key: keyOf(name, field) },
  ...field.aliases.map((alias) => {
    const dot = alias.indexOf(".")
    return dot === -1
      ? { table: section.table, key: alias }
      : { table: alias.slice(0, dot), key: alias.slice(dot + 1) }
  })
]

/** One place in the file. */
export interface Key {
  readonly table: string
  readonly key: string
}

/** Our own variables of a field (`DK_…`), in upper case; the canonical one first. */
export const variablesOf = (
  section: Section<unknown>,
  name: string,
  field: Field<unknown>
): ReadonlyArray<string> => [
  ...new Set([
    ...section.variablePrefixes.map((prefix) => `DK_${prefix}${keyOf(name, field)}`.toUpperCase()),
    ...field.variables.filter(isOurs).map((variable) => variable.toUpperCase())
  ])
]

/** The variables of other programs that a field is read from where it is not set for ours, as they are written. */
export const foreignVariablesOf = (field: Field<unknown>): ReadonlyArray<string> =>
  field.variables.filter((variable) => !isOurs(variable))

/** The key of the file that holds a secret. */
export const fileKeyOf = (key: string): string => `${key}_file`

/** The name of a list of tables for people: `[[databricks.workspaces]]`. */
export const listName = (table: string, key: string): string => `[[${table}.${key}]]`

const isOurs = (variable: string): boolean => /^DK_/i.test(variable)

/**
 * Reads a section through Effect's Config. Each value is first taken as it is in the source and then decoded by its
 * field, so that settings read the same under every ConfigProvider, and errors never show a secret.
 */
const config = <F extends Fields>(table: string, fields: F): Config.Config<Values<F>> => {
  const all = Config.all(
    Object.fromEntries(Object.entries(fields).map(([name, field]) => [name, fieldConfig(table, name, field)]))
  )
  // SAFETY: the record is made of one Config for each field, of that field's type.
  return all as unknown as Config.Config<Values<F>>
}

const fieldConfig = (table: string, name: string, field: Field<unknown>): Config.Config<unknown> => {
  const key = keyOf(name, field)
  return Config.option(Config.schema(RawSchema, [table, key])).pipe(
    Config.mapEffect((given) => {
      if (Option.isNone(given)) {
        return Option.isSome(field.fallback)
          ? Effect.succeed(field.fallback.value)
          : Effect.fail(
              configError(`${settingName(table, key)} is required, but not set; expected ${field.expected}`)
            )
      }
      const decoded = field.decode(given.value)
      if (Result.isSuccess(decoded)) return Effect.succeed(decoded.success)
      if (field.inner !== undefined) {
        return Effect.fail(
          configError(`${listName(table, key)} is not valid: ${decoded.failure ?? field.expected}`)
        )
      }
      const found = field.secret ? "" : `, found ${field.show(given.value)}`
      return Effect.fail(
        configError(`${settingName(table, key)} is not valid: expected ${field.expected}${found}`)
      )
    })
  )
}

const RawSchema: Schema.Codec<Text.Raw> = Schema.Union([
  Schema.String,
  Schema.Array(Schema.suspend((): Schema.Codec<Text.Raw> => RawSchema)),
  Schema.Record(
    Schema.String,
    Schema.suspend((): Schema.Codec<Text.Raw> => RawSchema)
  )
])

const configError = (message: string): Config.ConfigError =>
  new Config.ConfigError(new ConfigProvider.SourceError({ message }))
