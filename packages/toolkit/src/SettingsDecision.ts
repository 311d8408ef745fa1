/**
 * The decision about one setting: between all that is given for it, which value holds, what is wrong with it, and what
 * of that may be shown. Pure, and the one place where the rules of old names and of what is hidden are written down.
 */
import * as Equal from "effect/Equal"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import type { Field } from "./SettingsField.ts"
import * as Give from "./SettingsGiven.ts"
import { describeOrigin, type Origin, type Problem } from "./SettingsProblem.ts"
import type * as Text from "./SettingsText.ts"
import { PRECEDENCE } from "./Sources.ts"

/** What was found out about one setting. */
export interface Decision {
  /** The setting's name for people. */
  readonly title: string
  /** The name of its property. */
  readonly name: string
  readonly key: string
  readonly field: Field<unknown>
  /** What is used; undefined when nothing is set, or when two names disagree. */
  readonly given: Give.Given | undefined
  /** All else that is set for it; when two names disagree, all that is set. */
  readonly others: ReadonlyArray<Other>
  /** What is used, in words that may be shown; undefined when nothing is set. */
  readonly shown: string | undefined
  /** The value or its default; a failure when it is missing or not valid. */
  readonly value: Result.Result<unknown, ReadonlyArray<Problem>>
  readonly warnings: ReadonlyArray<Problem>
}

/** Another place that sets the same setting and is not used. */
export interface Other {
  readonly origin: Origin
  /** Whether it says the same. */
  readonly isSame: boolean
}

/** A setting with all that is given for it. */
export interface Found {
  readonly title: string
  readonly name: string
  readonly key: string
  readonly field: Field<unknown>
  readonly ranks: ReadonlyArray<Give.Rank>
  /** The variable that it goes by at present. */
  readonly presentVariable: string
  /** Where it could be set. */
  readonly places: string
}

/** Decides between all that is given for a setting. Texts that hold one of the `secrets` are not shown. */
export const decide = (setting: Found, secrets: ReadonlyArray<string>): Decision => {
  const { field, key, name, places, presentVariable, ranks, title } = setting
  const shown = tell(field, secrets)
  const base = { title, name, key, field, given: undefined, others: [], shown: undefined, warnings: [] }
  const problem = (rest: Omit<Problem, "setting">): Decision["value"] =>
    Result.fail([{ setting: title, ...rest }])

  const set = ranks.map(({ given, isOurs }) => ({
    isOurs,
    given: given.filter((given) => Give.isSet(field, given))
  }))
  const contradiction = set
    .map(({ given, isOurs }) => (isOurs ? contradicting(field, given) : undefined))
    .find((pair) => pair !== undefined)
  if (contradiction !== undefined) {
    const [one, other] = contradiction
    const value = problem({
      what: "given under two names with different values",
      where: `${describeOrigin(one.origin)} and ${describeOrigin(other.origin)}`,
      expected: `only one of them; the present name is ${one.origin._tag === "File" ? title : presentVariable}`,
      found: field.secret ? "two different values" : `${tellGiven(one, shown)} and ${tellGiven(other, shown)}`
    })
    const others = set.flatMap(({ given }) => given).map(({ origin }) => ({ origin, isSame: false }))
    return { ...base, others, value }
  }

  const [given, ...others] = set.flatMap(({ given }) => given)
  if (given === undefined) {
    const value = Option.isSome(field.fallback)
      ? Result.succeed(field.fallback.value)
      : problem({
          what: "required, but not set",
          where: places,
          expected: expectation(field),
          found:
            ranks
              .flatMap(({ given }) => given)
              .map(({ origin }) => `empty text in ${describeOrigin(origin)}`)
              .join(", ") || "nothing"
        })
    return { ...base, value }
  }
  return {
    ...base,
    given,
    others: others.map((other) => ({ origin: other.origin, isSame: !differ(field, given, other) })),
    shown: field.secret ? STARS : tellGiven(given, shown),
    value: Result.mapError(decode(field, given, shown), (rest) => [
      { setting: title, where: describeOrigin(given.origin), ...rest }
    ]),
    warnings: set
      .filter(({ isOurs }) => isOurs)
      .flatMap((rank) => rank.given.slice(0, 1))
      .filter((other) => other !== given)
      .flatMap((other) => overridden(title, field, given, other))
  }
}

/** What is used, as it is given. */
export const rawOf = ({ given }: Decision): Text.Raw | undefined =>
  given !== undefined && Result.isSuccess(given.raw) ? given.raw.success : undefined

/** The first value of a source, and one under another name in the same source that differs from it. */
const contradicting = (
  field: Field<unknown>,
  source: ReadonlyArray<Give.Given>
): readonly [Give.Given, Give.Given] | undefined => {
  const [first, ...others] = source
  if (first === undefined) return undefined
  const other = others.find((given) => differ(field, first, given))
  return other === undefined ? undefined : [first, other]
}

const decode = (
  field: Field<unknown>,
  given: Give.Given,
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
  used: Give.Given,
  unused: Give.Given
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

/** Values are compared as decoded, so that `5` and `5.0` agree; those that are not valid, as they are written. */
const differ = (field: Field<unknown>, a: Give.Given, b: Give.Given): boolean => {
  if (Result.isFailure(a.raw) || Result.isFailure(b.raw)) return true
  const [left, right] = [field.decode(a.raw.success), field.decode(b.raw.success)]
  return Result.isSuccess(left) && Result.isSuccess(right)
    ? !Equal.equals(left.success, right.success)
    : !Equal.equals(a.raw.success, b.raw.success)
}

/** What is expected, with an example if there is one. */
export const expectation = (field: Field<unknown>): string =>
  field.example === undefined ? field.expected : `${field.expected}, for example ${field.example}`

const HIDDEN = "a value that is not shown"
const STARS = "********"

/** Tells a value of a field, unless it is secret or holds what is secret elsewhere. */
const tell =
  (field: Field<unknown>, secrets: ReadonlyArray<string>) =>
  (raw: Text.Raw): string => {
    if (field.inner !== undefined) return field.show(raw)
    return field.secret || leaves(raw).some((text) => holds(text, secrets)) ? HIDDEN : field.show(raw)
  }

/** Whether a text holds one of the secrets. */
export const holds = (text: string, secrets: ReadonlyArray<string>): boolean =>
  secrets.some((secret) => text.includes(secret))

const tellGiven = (given: Give.Given, shown: (raw: Text.Raw) => string): string =>
  Result.match(given.raw, { onSuccess: shown, onFailure: (reason) => reason })

/** All texts in a value. */
export const leaves = (raw: Text.Raw): ReadonlyArray<string> =>
  typeof raw === "string" ? [raw] : Object.values(raw).flatMap((item) => leaves(item))
