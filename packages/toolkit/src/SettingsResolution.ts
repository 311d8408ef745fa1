/**
 * What every setting is: finds each setting of some sections in the sources, and the tables of lists of tables in it,
 * and has it decided (see the module SettingsDecision).
 */
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import { decide, type Decision, expectation, type Found, holds, leaves, rawOf } from "./SettingsDecision.ts"
import * as Give from "./SettingsGiven.ts"
import { describeOrigin, type Problem } from "./SettingsProblem.ts"
import {
  type Fields,
  foreignVariablesOf,
  keyOf,
  listName,
  type Section,
  settingName,
  variablesOf
} from "./SettingsSection.ts"
import * as Tables from "./SettingsTables.ts"
import * as Text from "./SettingsText.ts"
import { PRECEDENCE, type Sources } from "./Sources.ts"

/** One setting of a section with what was found out about it. */
export interface Resolution extends Decision {
  readonly section: Section<unknown>
  /** The tables of a list of tables. */
  readonly items: ReadonlyArray<Item>
  /** What the ConfigProvider serves: what is used, with the contents of files in place of their paths. */
  readonly raw: Text.Raw | undefined
}

/** One table of a list of tables. */
export interface Item {
  readonly index: number
  /** Its name for people: `[[databricks.workspaces]] 2 "prod-eu"`. */
  readonly title: string
  /** The end of that: `2 "prod-eu"`. */
  readonly label: string
  readonly fields: ReadonlyArray<Decision>
}

/** Resolves all fields of some sections. */
export const resolve = (
  sources: Sources,
  sections: ReadonlyArray<Section<unknown>>
): ReadonlyArray<Resolution> => {
  const lookup = Give.lookup(sources)
  const found = sections.flatMap((section) =>
    Object.entries(section.fields).map(([name, field]): FoundField => {
      const key = keyOf(name, field)
      const title = field.inner === undefined ? settingName(section.table, key) : listName(section.table, key)
      const variables = [...variablesOf(section, name, field).slice(0, 1), ...foreignVariablesOf(field)]
      return {
        section,
        title,
        name,
        key,
        field,
        presentVariable: variables[0] ?? "",
        ranks: Give.ofField(lookup, section, name, field),
        places: `${title} in ${sources.file ?? sources.searched[0] ?? "the file"}, or ${variables.join(" or ")} in the environment`
      }
    })
  )
  // A secret may also stand where none is expected (a key pasted as the host): then it must not be shown there.
  const secrets = found
    .flatMap((setting) => secretsOf(lookup, setting))
    .map((text) => text.trim())
    .filter((text) => text.length >= MIN_SECRET_LENGTH)
  return found.map((setting) => {
    const decision = decide(setting, secrets)
    const { field, section } = setting
    const plain: Resolution = { ...decision, section, items: [], raw: rawOf(decision) }
    return field.inner === undefined ? plain : withItems(lookup, plain, field.inner, secrets)
  })
}

/** The settings that were given, by table and canonical key: what the ConfigProvider serves. */
export const tree = (resolutions: ReadonlyArray<Resolution>): Record<string, Record<string, Text.Raw>> => {
  const out: Record<string, Record<string, Text.Raw>> = {}
  for (const { key, raw, section } of resolutions) {
    const table = (out[section.table] ??= {})
    if (raw !== undefined) table[key] = raw
  }
  return out
}

/** What is wrong with the choice of precedence itself. */
export const precedenceProblems = (sources: Sources): ReadonlyArray<Problem> =>
  [...Redacted.value(sources.contents).variables]
    .filter(([name, value]) => name.toUpperCase() === PRECEDENCE && !/^\s*(env|file|)\s*$/i.test(value))
    .map(([name, value]) => ({
      setting: PRECEDENCE,
      what: "not an accepted value",
      where: name,
      expected: '"file" or "env"',
      found: Text.show(value)
    }))

// Shorter ones would hide half of every report, and are no secrets worth the name.
const MIN_SECRET_LENGTH = 4

interface FoundField extends Found {
  readonly section: Section<unknown>
}

/** Looks into the tables of a list: each of their fields is decided by itself, so that all problems are told. */
const withItems = (
  lookup: Give.Lookup,
  resolution: Resolution,
  fields: Fields,
  secrets: ReadonlyArray<string>
): Resolution => {
  const { field, given, key, section, title } = resolution
  if (given === undefined || Result.isFailure(given.raw)) return resolution
  const where = describeOrigin(given.origin)
  const list = Tables.items(fields, given.raw.success, (name) => !holds(name, secrets))
  if (Result.isFailure(list)) {
    const expected =
      given.origin._tag === "File"
        ? `${title}, with two brackets on each side, above each of the tables`
        : `a JSON array of objects: [{"…": "…"}, {"…": "…"}]`
    const value = Result.fail([{ setting: title, what: list.failure, where, expected, found: "" }])
    return { ...resolution, value, raw: undefined }
  }
  const found = list.success.map((item) => {
    const place = `${title} ${item.label}`
    const decisions = Object.entries(fields).map(([name, field]) => {
      const inner = keyOf(name, field)
      return decide(
        {
          title: `${place} ${inner}`,
          name,
          key: inner,
          field,
          ranks: Give.ofItem(lookup, given, `${section.table}.${key}`, fields, item, inner, field),
          presentVariable: "",
          places: given.origin._tag === "File" ? `${given.origin.path} ${place}` : `${where} ${item.label}`
        },
        secrets
      )
    })
    return {
      item: { index: item.index, title: place, label: item.label, fields: decisions },
      unknown: unknownKeys(fields, item, place, where)
    }
  })
  const items = found.map(({ item }) => item)
  const decisions = items.flatMap(({ fields }) => fields)
  const problems = [
    ...decisions.flatMap(({ value }) => (Result.isFailure(value) ? value.failure : [])),
    ...found.flatMap(({ unknown }) => unknown)
  ]
  const warnings = [...resolution.warnings, ...decisions.flatMap(({ warnings }) => warnings)]
  if (problems.length > 0)
    return { ...resolution, items, value: Result.fail(problems), warnings, raw: undefined }
  const raw = items.map(({ fields }) =>
    Object.fromEntries(
      fields.flatMap((decision) => {
        const raw = rawOf(decision)
        return raw === undefined ? [] : [[decision.key, raw] as const]
      })
    )
  )
  const value = Result.mapError(field.decode(raw), (detail) => [
    {
      setting: title,
      what: detail === undefined || holds(detail, secrets) ? "not an accepted value" : detail,
      where,
      expected: expectation(field),
      found: ""
    }
  ])
  return { ...resolution, items, value, warnings, raw }
}

const unknownKeys = (
  fields: Fields,
  item: Tables.Item,
  place: string,
  where: string
): ReadonlyArray<Problem> => {
  const entries = Object.entries(fields).map(([name, field]) => [keyOf(name, field), field] as const)
  const known = new Set(entries.flatMap(([key, field]) => [key, ...Give.fileKeys(fields, field, key)]))
  return Object.keys(item.keys)
    .filter((key) => !known.has(key))
    .map((key) => {
      const withoutFile = key.replace(/_file$/, "")
      const suggestion = Tables.meant(fields, key)
      const expected =
        withoutFile !== key && known.has(withoutFile)
          ? `${withoutFile}; only secrets can be given by a file`
          : suggestion === undefined
            ? `one of ${entries.map(([key]) => key).join(", ")}`
            : `did you mean ${suggestion}?`
      return { setting: `${place} ${key}`, what: "unknown setting", where, expected, found: "" }
    })
}

/** Everything that is given for a secret, or for one in a list of tables, whether it is used or not. */
const secretsOf = (
  lookup: Give.Lookup,
  { field, key, ranks, section }: FoundField
): ReadonlyArray<string> => {
  const given = ranks.flatMap(({ given }) => given)
  const { inner } = field
  const secret =
    inner === undefined
      ? field.secret
        ? given
        : []
      : given.flatMap((list) =>
          Result.match(
            Result.flatMap(list.raw, (raw) => Tables.items(inner, raw, () => false)),
            {
              onFailure: () => [],
              onSuccess: (items) =>
                items.flatMap((item) =>
                  Object.entries(inner)
                    .filter(([, field]) => field.secret)
                    .flatMap(([name, field]) =>
                      Give.ofItem(
                        lookup,
                        list,
                        `${section.table}.${key}`,
                        inner,
                        item,
                        keyOf(name, field),
                        field
                      ).flatMap(({ given }) => given)
                    )
                )
            }
          )
        )
  return secret.flatMap(({ raw }) => (Result.isSuccess(raw) ? leaves(raw.success) : []))
}
