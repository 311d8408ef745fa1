/**
 * The field whose value is a list of tables: `[[databricks.workspaces]]` in the file, a JSON array of objects in a
 * variable. Each table has the same fields. What is wrong in one is told with its number and name.
 */
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import type { Field } from "./SettingsField.ts"
import { type Fields, keyOf, type Values } from "./SettingsSection.ts"
import * as Text from "./SettingsText.ts"

/** Options of {@link tables}. */
export interface TablesOptions {
  readonly description: string
  readonly key?: string
  readonly aliases?: ReadonlyArray<string>
  readonly variables?: ReadonlyArray<string>
  readonly example?: string
}

/**
 * A list of tables with these fields; none is an empty list, as if it were not set. Fields go by their keys alone there:
 * their older names and variables are not read, a secret may be given by a file (`token_file = "/run/secrets/token"`), and a
 * field `name` is used to name the table in reports. In a variable the list is a JSON array of objects with the same
 * keys.
 */
export const tables = <F extends Fields>(
  fields: F,
  options: TablesOptions
): Field<ReadonlyArray<Values<F>>> => ({
  description: options.description,
  expected: EXPECTED,
  decode: (raw) => decode(fields, raw),
  show: (raw) => {
    const items = Text.toTables(raw)
    return items === undefined ? "something that is not a list of tables" : count(items.length)
  },
  fallback: Option.some([]),
  defaultText: "none",
  secret: false,
  key: options.key,
  aliases: options.aliases ?? [],
  variables: options.variables ?? [],
  example: options.example,
  schema: { type: "array" },
  inner: fields
})

/** One table of a list as it was given. */
export interface Item {
  /** From 0. */
  readonly index: number
  /** The number from 1 and, where it has one, the name: `2 "prod-eu"`. */
  readonly label: string
  readonly keys: { readonly [key: string]: Text.Raw }
}

/**
 * The tables of a list, or in words why it is none. `isShown` says whether the name of a table may be told.
 */
export const items = (
  fields: Fields,
  raw: Text.Raw,
  isShown: (name: string) => boolean
): Result.Result<ReadonlyArray<Item>, string> => {
  const list = Text.toTables(raw)
  if (list === undefined) {
    return Result.fail(
      typeof raw === "string" && !/^\s*\{/.test(raw)
        ? "text that is not a JSON array of objects (null is not accepted)"
        : "one table, where a list of tables is expected"
    )
  }
  const out: Array<Item> = []
  for (const [index, keys] of list.entries()) {
    if (!Text.isTable(keys)) return Result.fail(`item ${index + 1} is not a table`)
    const name = Object.hasOwn(fields, "name") && fields["name"]?.secret === false ? keys["name"] : undefined
    const isNamed = typeof name === "string" && name.trim() !== "" && isShown(name)
    out.push({ index, label: isNamed ? `${index + 1} ${Text.show(name.trim())}` : `${index + 1}`, keys })
  }
  return Result.succeed(out)
}

/** Whether a list of tables has nothing in it, which counts as not set. */
export const isEmpty = (raw: Text.Raw): boolean =>
  Text.toTables(raw)?.length === 0 || (typeof raw === "string" && raw.trim() === "")

/** The name that was probably meant by a key that the fields do not have: also by an older name of one. */
export const meant = (fields: Fields, key: string): string | undefined => {
  const entries = Object.entries(fields).map(([name, field]) => [keyOf(name, field), field] as const)
  const older = entries.find(([, { aliases }]) => aliases.includes(key))
  if (older !== undefined) return older[0]
  return Text.nearest(
    key,
    entries.map(([known]) => known)
  )
}

const EXPECTED = "a list of tables (in a variable: a JSON array of objects)"

const count = (number: number): string => `${number} ${number === 1 ? "table" : "tables"}`

/** Decodes it all, and tells all that is wrong in one text that holds no values. */
const decode = <F extends Fields>(
  fields: F,
  raw: Text.Raw
): Result.Result<ReadonlyArray<Values<F>>, string | undefined> =>
  Result.flatMap(
    items(fields, raw, () => true),
    (given) => {
      const decoded = given.map((item) => decodeItem(fields, item))
      const problems = decoded.flatMap((item) => (Result.isFailure(item) ? item.failure : []))
      if (problems.length > 0) return Result.fail(problems.join("; "))
      // SAFETY: each table was decoded by these fields, property by property.
      return Result.succeed(
        decoded.flatMap((item) =>
          Result.isSuccess(item) ? [item.success] : []
        ) as ReadonlyArray<unknown> as ReadonlyArray<Values<F>>
      )
    }
  )

const decodeItem = (
  fields: Fields,
  { keys, label }: Item
): Result.Result<Readonly<Record<string, unknown>>, ReadonlyArray<string>> => {
  const problems: Array<string> = []
  const values: Array<readonly [string, unknown]> = []
  const known = new Set<string>()
  for (const [name, field] of Object.entries(fields)) {
    const key = keyOf(name, field)
    known.add(key)
    const raw = Object.hasOwn(keys, key) ? keys[key] : undefined
    if (raw !== undefined && (raw !== "" || field.emptyIsValue === true)) {
      const value = field.decode(raw)
      if (Result.isSuccess(value)) values.push([name, value.success])
      else problems.push(`${label} ${key} is not ${field.expected}`)
    } else if (Option.isSome(field.fallback)) values.push([name, field.fallback.value])
    else problems.push(`${label} ${key} is required, but not set; expected ${field.expected}`)
  }
  for (const key of Object.keys(keys)) {
    if (known.has(key)) continue
    const suggestion = meant(fields, key)
    problems.push(
      `${label} ${key} is not known${suggestion === undefined ? "" : `, did you mean ${suggestion}?`}`
    )
  }
  return problems.length > 0 ? Result.fail(problems) : Result.succeed(Object.fromEntries(values))
}
