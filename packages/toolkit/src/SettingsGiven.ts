/**
 * Where a setting was given: all places of both sources, and those outside of them, in the order in which they hold. What
 * becomes of it, when there are several, is decided by the module SettingsResolution.
 */
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import type { Field } from "./SettingsField.ts"
import type { Origin } from "./SettingsProblem.ts"
import {
  type Fields,
  fileKeyOf,
  foreignVariablesOf,
  keyOf,
  keysOf,
  type Section,
  variablesOf
} from "./SettingsSection.ts"
import * as Tables from "./SettingsTables.ts"
import * as Text from "./SettingsText.ts"
import type { Contents, Sources } from "./Sources.ts"

/** A value as one source gives it; a failure when the file that holds it cannot be used. */
export interface Given {
  readonly origin: Origin
  readonly raw: Result.Result<Text.Raw, string>
}

/** What one source gives for one setting, under all its names. */
export interface Rank {
  /** Whether it is the settings file or our own variables, where two names of one setting must agree. */
  readonly isOurs: boolean
  readonly given: ReadonlyArray<Given>
}

/** The sources, prepared for looking things up. */
export interface Lookup {
  readonly sources: Sources
  readonly contents: Contents
  readonly variables: ReadonlyMap<string, ReadonlyArray<string>>
}

/** Prepares the sources. */
export const lookup = (sources: Sources): Lookup => {
  const contents = Redacted.value(sources.contents)
  return {
    sources,
    contents,
    variables: Map.groupBy(contents.variables.keys(), (name) => name.toUpperCase())
  }
}

/** Whether it counts as set: empty text and empty lists of tables do not. */
export const isSet = (field: Field<unknown>, { origin, raw }: Given): boolean => {
  if (Result.isFailure(raw)) return true
  if (raw.success === "") return field.emptyIsValue === true && isWritten(origin)
  return field.inner === undefined || !Tables.isEmpty(raw.success)
}

/** Whether it stands in a file, or in a table that a variable holds. */
const isWritten = (origin: Origin): boolean =>
  origin._tag === "File" || (origin._tag === "Variable" && origin.item !== undefined)

/** What is given for a field of a section; what comes first holds. */
export const ofField = (
  lookup: Lookup,
  section: Section<unknown>,
  name: string,
  field: Field<unknown>
): ReadonlyArray<Rank> => {
  const file: Rank = { isOurs: true, given: inFile(lookup, section, name, field) }
  const env: Rank = { isOurs: true, given: inEnvironment(lookup, section, name, field) }
  return [
    ...(lookup.sources.precedence === "file" ? [file, env] : [env, file]),
    { isOurs: false, given: inOtherVariables(lookup, field) },
    {
      isOurs: false,
      given: lookup.contents.fallbacks
        .filter(
          ({ index, key, table }) =>
            table === section.table && key === keyOf(name, field) && index === undefined
        )
        .map(ofFallback)
    }
  ]
}

/** What is given for a field of one table of a list: in that table, or elsewhere for this place in the list. */
export const ofItem = (
  lookup: Lookup,
  list: Given,
  listPath: string,
  fields: Fields,
  item: Tables.Item,
  key: string,
  field: Field<unknown>
): ReadonlyArray<Rank> => [
  {
    isOurs: true,
    given: inTable(lookup, fields, item.keys, key, field).map(({ file, key, raw }) => ({
      origin: inside(list.origin, item, key, file),
      raw
    }))
  },
  {
    isOurs: false,
    given: lookup.contents.fallbacks
      .filter(
        (fallback) => fallback.table === listPath && fallback.index === item.index && fallback.key === key
      )
      .map(ofFallback)
  }
]

const inFile = (
  lookup: Lookup,
  section: Section<unknown>,
  name: string,
  field: Field<unknown>
): ReadonlyArray<Given> => {
  const { contents, sources } = lookup
  return keysOf(section, name, field).flatMap(({ key, table }) => {
    const content = Object.hasOwn(contents.tables, table) ? contents.tables[table] : undefined
    if (typeof content !== "object" || content === null) return []
    return inTable(lookup, section.fields, content, key, field).map(({ file, key, raw }) => ({
      origin: { _tag: "File", path: sources.file ?? "", table, key, ...file },
      raw
    }))
  })
}

/** A key of a table and, for a secret, the key that names the file it stands in. */
const inTable = ({ contents }: Lookup, fields: Fields, table: object, key: string, field: Field<unknown>) => {
  const read = (key: string): Text.Raw | undefined =>
    // SAFETY: the object is seen to have this key of its own.
    Object.hasOwn(table, key) ? Text.fromUnknown((table as Record<string, unknown>)[key]) : undefined
  const out: Array<{ key: string; raw: Result.Result<Text.Raw, string>; file: { file?: string } }> = []
  const plain = read(key)
  if (plain !== undefined) out.push({ key, raw: Result.succeed(plain), file: {} })
  const path = fileKeys(fields, field, key).map(read)[0]
  if (path !== undefined && path !== "") {
    out.push({
      key: fileKeyOf(key),
      raw: typeof path === "string" ? behind(contents, path) : Result.fail("not a path"),
      file: typeof path === "string" ? { file: path } : {}
    })
  }
  return out
}

/** The key of the file that a secret may stand in, unless that is the key of another setting. */
export const fileKeys = (fields: Fields, field: Field<unknown>, key: string): ReadonlyArray<string> =>
  field.secret && !Object.entries(fields).some(([name, other]) => keyOf(name, other) === fileKeyOf(key))
    ? [fileKeyOf(key)]
    : []

const inEnvironment = (
  { contents, variables }: Lookup,
  section: Section<unknown>,
  name: string,
  field: Field<unknown>
): ReadonlyArray<Given> =>
  variablesOf(section, name, field).flatMap((variable) => {
    const plain = (variables.get(variable) ?? []).map((written): Given => ({
      origin: { _tag: "Variable", name: written },
      raw: Result.succeed(contents.variables.get(written) ?? "")
    }))
    if (!field.secret) return plain
    const behindFiles = (variables.get(`${variable}_FILE`) ?? []).flatMap((written): ReadonlyArray<Given> => {
      const path = contents.variables.get(written) ?? ""
      return path === ""
        ? []
        : [{ origin: { _tag: "Variable", name: written, file: path }, raw: behind(contents, path) }]
    })
    return [...plain, ...behindFiles]
  })

/** Variables of other programs are read as those read them: as they are written, and not from files. */
const inOtherVariables = ({ contents }: Lookup, field: Field<unknown>): ReadonlyArray<Given> =>
  foreignVariablesOf(field).flatMap((name): ReadonlyArray<Given> => {
    const value = Object.hasOwn(contents.env, name) ? contents.env[name] : undefined
    return value === undefined || value === ""
      ? []
      : [{ origin: { _tag: "Variable", name }, raw: Result.succeed(value) }]
  })

const ofFallback = ({ origin, value }: Contents["fallbacks"][number]): Given => ({
  origin,
  raw: Result.succeed(Redacted.isRedacted(value) ? Redacted.value(value) : value)
})

const behind = ({ files }: Contents, path: string): Result.Result<Text.Raw, string> => {
  const content = files.get(path) ?? Result.fail("a file that was not read")
  return Result.isSuccess(content) && content.success === "" ? Result.fail("an empty file") : content
}

const inside = (list: Origin, item: Tables.Item, key: string, file: { readonly file?: string }): Origin => {
  switch (list._tag) {
    case "File":
      return {
        _tag: "File",
        path: list.path,
        table: `${list.table}.${list.key}`,
        key,
        item: item.label,
        ...file
      }
    case "Variable":
      return { _tag: "Variable", name: list.name, item: item.label, key, ...file }
    case "External":
      return { _tag: "External", description: `${list.description}, ${item.label} ${key}` }
    case "Default":
      return list
  }
}
