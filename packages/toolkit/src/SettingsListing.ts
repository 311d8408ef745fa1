/**
 * The settings in force as a listing for people: what `Settings.resolve` gives, row by row.
 */
import * as Result from "effect/Result"
import type { Decision } from "./SettingsDecision.ts"
import { isExplicit, type Origin } from "./SettingsProblem.ts"
import type { Resolution } from "./SettingsResolution.ts"
import { fileKeyOf, keyOf, variablesOf } from "./SettingsSection.ts"

/** One setting as a listing of the settings in force shows it. Nothing in it is secret. */
export interface Resolved {
  /** The setting's name: `[http] retries`, `[[databricks.workspaces]] 2 "prod-eu" host`. */
  readonly setting: string
  /** The name of its property in the section's values, or in those of the table of a list. */
  readonly field: string
  /** Which table of which list it belongs to. */
  readonly item: { readonly field: string; readonly index: number } | undefined
  /** The value as text; stars for a secret that is set; undefined when there is none. */
  readonly value: string | undefined
  /** Where it was set; undefined when it is not set and has no default, and when two names disagree. */
  readonly origin: Origin | undefined
  /** The older name that it was given by; undefined when that is its present name, and when it is not set. */
  readonly olderName: string | undefined
  /** Everything else that sets it and is not used, and whether it says the same; all that sets it when two names disagree. */
  readonly others: ReadonlyArray<{ readonly origin: Origin; readonly isSame: boolean }>
  /** Whether it is as it must be: a setting that is required and not set is not. */
  readonly isValid: boolean
}

/** A row for each setting; after a list of tables those of its tables. */
export const listing = (resolutions: ReadonlyArray<Resolution>): ReadonlyArray<Resolved> =>
  resolutions.flatMap((resolution) => [
    resolved(resolution, undefined, olderName(resolution)),
    ...resolution.items.flatMap(({ fields, index }) =>
      fields.map((decision) => resolved(decision, { field: resolution.name, index }, undefined))
    )
  ])

const resolved = (
  { field, given, name, others, shown, title, value }: Decision,
  item: Resolved["item"],
  olderName: string | undefined
): Resolved => {
  const initial = field.defaultText === "" ? undefined : field.defaultText
  const isDisputed = given === undefined && Result.isFailure(value)
  return {
    setting: title,
    field: name,
    item,
    value: shown ?? (isDisputed ? undefined : initial),
    origin: given?.origin ?? (initial === undefined || isDisputed ? undefined : { _tag: "Default" }),
    olderName,
    others,
    isValid: Result.isSuccess(value)
  }
}

/** The older name that a setting was given by, in the file or among our own variables. */
const olderName = ({ field, given, name, section }: Resolution): string | undefined => {
  const origin = given?.origin
  if (origin?._tag === "File") {
    const key = keyOf(name, field)
    const isPresent = origin.table === section.table && [key, fileKeyOf(key)].includes(origin.key)
    return isPresent ? undefined : `[${origin.table}] ${origin.key}`
  }
  if (origin?._tag !== "Variable" || !isExplicit(origin)) return undefined
  const written = origin.name.toUpperCase()
  const present = variablesOf(section, name, field)[0]
  return written === present || written === `${present}_FILE` ? undefined : origin.name
}
