/**
 * What differs between two readings of the same sources: for a program that takes changed settings while it runs.
 */
import * as Equal from "effect/Equal"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import { type Decision, rawOf } from "./SettingsDecision.ts"
import * as Resolution from "./SettingsResolution.ts"
import type { Section } from "./SettingsSection.ts"
import type { Raw } from "./SettingsText.ts"
import type { Sources } from "./Sources.ts"

/** A setting with another value than before. No value is told: it may be a secret. */
export interface Change {
  /** The table of its section. */
  readonly table: string
  /** The property's name in the section's values. Of a setting in a list of tables: that of the list. */
  readonly field: string
  /** The setting's name for people: `[http] retries`, `[[databricks.workspaces]] 2 "prod-eu" token`. */
  readonly setting: string
}

/**
 * The settings of some sections whose values differ, in the order of the sections. Values are compared as they are used, so
 * that `5` and `5.0` are the same, wherever they stand; of a secret and of a certificate that a file holds, what the file
 * holds. Settings that became invalid count as different.
 */
export const changes = (
  before: Sources,
  after: Sources,
  sections: ReadonlyArray<Section<unknown>>
): ReadonlyArray<Change> => {
  const [old, now] = [before, after].map((sources) => Resolution.resolve(sources, sections))
  const isSame = (one: Decision, other: Decision): boolean =>
    same(one, other) && sameFile(rawOf(one), before, after)
  return (now ?? []).flatMap((resolution, index): ReadonlyArray<Change> => {
    const known = old?.[index]
    const table = resolution.section.table
    const field = resolution.name
    if (known === undefined) return []
    const { items } = resolution
    if (items.length === 0 || items.length !== known.items.length) {
      return isSame(known, resolution) ? [] : [{ table, field, setting: resolution.title }]
    }
    return items.flatMap(({ fields }, item) =>
      fields.flatMap((decision, at): ReadonlyArray<Change> => {
        const counterpart = known.items[item]?.fields[at]
        return counterpart === undefined || isSame(counterpart, decision)
          ? []
          : [{ table, field, setting: decision.title }]
      })
    )
  })
}

// ---- private parts

/** The same as it is written, or as it is understood: not every value can be compared. */
const same = (one: Decision, other: Decision): boolean => {
  const [left, right] = [one, other].map(rawOf)
  if (left !== undefined && right !== undefined && Equal.equals(left, right))
    return isValid(one) === isValid(other)
  if (left === undefined && right === undefined) return isValid(one) === isValid(other)
  return (
    Result.isSuccess(one.value) &&
    Result.isSuccess(other.value) &&
    Equal.equals(one.value.success, other.value.success)
  )
}

const isValid = ({ value }: Decision): boolean => Result.isSuccess(value)

/** A setting may name a file whose content was read with the sources. */
const sameFile = (raw: Raw | undefined, before: Sources, after: Sources): boolean => {
  if (typeof raw !== "string") return true
  const [old, now] = [before, after].map(({ contents }) => Redacted.value(contents).files.get(raw))
  return old === undefined || now === undefined || Equal.equals(old, now)
}
