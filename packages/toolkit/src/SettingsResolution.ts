/**
 * Which value each setting has, and why: finds a setting under all its names in both sources, decides between
 * them, decodes, and tells everything that is wrong. Pure, and the one place where the rules of precedence and
 * of old names are written down.
 */
import * as Equal from "effect/Equal"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import type { Field } from "./SettingsField.ts"
import { describeOrigin, type Origin, type Problem } from "./SettingsProblem.ts"
import { keyOf, keysOf, type Section, settingName, variablesOf } from "./SettingsSection.ts"
import * as Text from "./SettingsText.ts"
import { type Contents, PRECEDENCE, type Sources } from "./Sources.ts"

/** One setting with what was found out about it. */
export interface Resolution {
  readonly section: Section<unknown>
  readonly name: string
  readonly key: string
  readonly field: Field<unknown>
  /** What is used; undefined when nothing is set, or when two names disagree. */
  readonly given: Given | undefined
  /** What is used, in words that may be shown; undefined when nothing is set. */
  readonly shown: string | undefined
  /** The value or its default; a failure when it is missing or not valid. */
  readonly value: Result.Result<unknown, ReadonlyArray<Problem>>
  readonly warnings: ReadonlyArray<Problem>
}

/** A value as one source gives it; a failure when the file behind a `…_FILE` variable cannot be used. */
export interface Given {
  readonly origin: Origin
  readonly raw: Result.Result<Text.Raw, string>
}

/** Resolves all fields of some sections. */
export const resolve = (
  sources: Sources,
  sections: ReadonlyArray<Section<unknown>>
): ReadonlyArray<Resolution> => {
  const contents = Redacted.value(sources.contents)
  const variables = byUpperCase(contents)
  const found = sections.flatMap((section) =>
    Object.entries(section.fields).map(([name, field]) => ({
      section,
      name,
      key: keyOf(name, field),
      field,
      file: inFile(sources, contents, section, name, field),
      env: inEnvironment(contents, variables, section, name, field)
    }))
  )
  // A secret may also stand where none is expected (a key pasted as the host): then it must not be shown there.
  const secrets = found
    .filter(({ field }) => field.secret)
    .flatMap(({ env, file }) => [...file, ...env])
    .flatMap(({ raw }) => (Result.isSuccess(raw) ? leaves(raw.success) : []))
    .map((text) => text.trim())
    .filter((text) => text.length >= MIN_SECRET_LENGTH)
  return found.map((setting) => decide(sources, setting, tell(setting.field, secrets)))
}

/** The settings that were given, by table and canonical key: what the ConfigProvider serves. */
export const tree = (resolutions: ReadonlyArray<Resolution>): Record<string, Record<string, Text.Raw>> => {
  const out: Record<string, Record<string, Text.Raw>> = {}
  for (const { given, key, section } of resolutions) {
    const table = (out[section.table] ??= {})
    if (given !== undefined && Result.isSuccess(given.raw)) table[key] = given.raw.success
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

interface Found {
  readonly section: Section<unknown>
  readonly name: string
  readonly key: string
  readonly field: Field<unknown>
  readonly file: ReadonlyArray<Given>
  readonly env: ReadonlyArray<Given>
}

const decide = (sources: Sources, setting: Found, shown: (raw: Text.Raw) => string): Resolution => {
  const { field, key, name, section } = setting
  const base = { section, name, key, field, given: undefined, shown: undefined, warnings: [] }
  const title = settingName(section.table, key)
  const problem = (rest: Omit<Problem, "setting">): Resolution["value"] =>
    Result.fail([{ setting: title, ...rest }])

  const [file, env] = [setting.file.filter(isSet), setting.env.filter(isSet)]
  const contradiction = contradicting(field, file) ?? contradicting(field, env)
  if (contradiction !== undefined) {
    const [one, other] = contradiction
    const present = one.origin._tag === "File" ? title : variablesOf(section, name, field)[0]
    const value = problem({
      what: "given under two names with different values",
      where: `${describeOrigin(one.origin)} and ${describeOrigin(other.origin)}`,
      expected: `only one of them; the present name is ${present}`,
      found: field.secret ? "two different values" : `${tellGiven(one, shown)} and ${tellGiven(other, shown)}`
    })
    return { ...base, value }
  }

  const [used, unused] = sources.precedence === "file" ? [file[0], env[0]] : [env[0], file[0]]
  const given = used ?? unused
  if (given === undefined) {
    const value = Option.isSome(field.fallback)
      ? Result.succeed(field.fallback.value)
      : problem({
          what: "required, but not set",
          where: places(sources, setting),
          expected: expectation(field),
          found:
            [...setting.file, ...setting.env]
              .map(({ origin }) => `empty text in ${describeOrigin(origin)}`)
              .join(", ") || "nothing"
        })
    return { ...base, value }
  }
  return {
    ...base,
    given,
    shown: field.secret ? STARS : tellGiven(given, shown),
    value: Result.mapError(decode(field, given, shown), (rest) => [
      { setting: title, where: describeOrigin(given.origin), ...rest }
    ]),
    warnings: used !== undefined && unused !== undefined ? overridden(title, field, used, unused) : []
  }
}

/** The first value of a source, and one under another name in the same source that differs from it. */
const contradicting = (
  field: Field<unknown>,
  source: ReadonlyArray<Given>
): readonly [Given, Given] | undefined => {
  const [first, ...others] = source
  if (first === undefined) return undefined
  const other = others.find((given) => differ(field, first, given))
  return other === undefined ? undefined : [first, other]
}

const decode = (
  field: Field<unknown>,
  given: Given,
  shown: (raw: Text.Raw) => string
): Result.Result<unknown, Pick<Problem, "what" | "expected" | "found">> => {
  if (Result.isFailure(given.raw)) {
    return Result.fail({
      what: "its file cannot be used",
      expected: "a readable file that holds the secret",
      found: given.raw.failure
    })
  }
  const raw = given.raw.success
  return Result.mapError(field.decode(raw), (detail) => ({
    what: detail === undefined || field.secret ? "not an accepted value" : `not an accepted value: ${detail}`,
    expected: expectation(field),
    found: shown(raw)
  }))
}

const overridden = (
  title: string,
  field: Field<unknown>,
  used: Given,
  unused: Given
): ReadonlyArray<Problem> =>
  differ(field, used, unused)
    ? [
        {
          setting: title,
          what: "given twice with different values",
          where: `${describeOrigin(used.origin)} (used) and ${describeOrigin(unused.origin)} (not used)`,
          expected: `one of the two; ${PRECEDENCE} says which source wins`,
          found: ""
        }
      ]
    : []

const inFile = (
  sources: Sources,
  contents: Contents,
  section: Section<unknown>,
  name: string,
  field: Field<unknown>
): ReadonlyArray<Given> =>
  keysOf(section, name, field).flatMap(({ key, table }) => {
    const content = Object.hasOwn(contents.tables, table) ? contents.tables[table] : undefined
    if (typeof content !== "object" || content === null || !Object.hasOwn(content, key)) return []
    // SAFETY: the object was just seen to have this key of its own.
    const raw = Text.fromUnknown((content as Record<string, unknown>)[key])
    return raw === undefined
      ? []
      : [{ origin: { _tag: "File", path: sources.file ?? "", table, key }, raw: Result.succeed(raw) }]
  })

const inEnvironment = (
  contents: Contents,
  variables: ReadonlyMap<string, ReadonlyArray<string>>,
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
      const content = contents.files.get(written)
      if (content === undefined) return []
      const raw = Result.isSuccess(content) && content.success === "" ? Result.fail("an empty file") : content
      return [{ origin: { _tag: "Variable", name: written, file: path }, raw }]
    })
    return [...plain, ...behindFiles]
  })

const byUpperCase = (contents: Contents): ReadonlyMap<string, ReadonlyArray<string>> =>
  Map.groupBy(contents.variables.keys(), (name) => name.toUpperCase())

const isSet = (given: Given): boolean => !(Result.isSuccess(given.raw) && given.raw.success === "")

/** Values are compared as decoded, so that `5` and `5.0` agree; those that are not valid, as they are written. */
const differ = (field: Field<unknown>, a: Given, b: Given): boolean => {
  if (Result.isFailure(a.raw) || Result.isFailure(b.raw)) return true
  const [left, right] = [field.decode(a.raw.success), field.decode(b.raw.success)]
  return Result.isSuccess(left) && Result.isSuccess(right)
    ? !Equal.equals(left.success, right.success)
    : !Equal.equals(a.raw.success, b.raw.success)
}

const places = (sources: Sources, { field, key, name, section }: Found): string => {
  const variable = variablesOf(section, name, field)[0] ?? ""
  return `${settingName(section.table, key)} in ${sources.file ?? sources.searched[0] ?? "the file"}, or ${variable} in the environment`
}

const expectation = (field: Field<unknown>): string =>
  field.example === undefined ? field.expected : `${field.expected}, for example ${field.example}`

const HIDDEN = "a value that is not shown"
const STARS = "********"

/** Tells a value of a field, unless it is secret or holds what is secret elsewhere. */
const tell =
  (field: Field<unknown>, secrets: ReadonlyArray<string>) =>
  (raw: Text.Raw): string =>
    field.secret || leaves(raw).some((text) => secrets.some((secret) => text.includes(secret)))
      ? HIDDEN
      : field.show(raw)

const tellGiven = (given: Given, shown: (raw: Text.Raw) => string): string =>
  Result.match(given.raw, { onSuccess: shown, onFailure: (reason) => reason })

const leaves = (raw: Text.Raw): ReadonlyArray<string> =>
  typeof raw === "string" ? [raw] : Object.values(raw).flatMap((item) => leaves(item))
