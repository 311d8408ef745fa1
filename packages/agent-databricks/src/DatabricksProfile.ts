/**
 * The profiles of `~/.databrickscfg`, the file that Databricks' own tools share: tables in square brackets with lines
 * `key = value`. Pure; what stands in the file is never told, since half of it is secret.
 *
 * As Databricks reads it: `#` and `;` begin a comment at the start of a line or after a space; the table `[DEFAULT]` is a
 * profile like any other, whose values do not hold for the others; `[__settings__] default_profile` names the profile
 * that is meant where nobody names one.
 */
import * as Result from "effect/Result"

/** The keys of one profile, in lower case, with their values. */
export type Profile = ReadonlyMap<string, string>

/** The profiles of a file by name, as written. */
export type File = ReadonlyMap<string, Profile>

/** Where a file cannot be read: the number of the line, from 1. What stands there is not told. */
export interface Malformed {
  readonly line: number
}

/** Reads the text of the file. A key that stands twice in a profile has its last value. */
export const parse = (text: string): Result.Result<File, Malformed> => {
  const file = new Map<string, Map<string, string>>()
  let name = DEFAULT
  for (const [index, raw] of text
    .replace(/^\uFEFF/, "")
    .split(/\r\n|\n|\r/)
    .entries()) {
    const line = raw.trim()
    if (line === "" || line.startsWith("#") || line.startsWith(";")) continue
    const table = /^\[([^\]]*)\]\s*(?:[#;].*)?$/.exec(line)
    const found = file.get(name)
    if (table !== null) {
      name = (table[1] ?? "").trim()
      if (name === "") return Result.fail({ line: index + 1 })
      if (!file.has(name)) file.set(name, new Map())
      continue
    }
    const entry = /^([^=:]+?)\s*[=:](.*)$/.exec(line)
    if (entry === null) return Result.fail({ line: index + 1 })
    const profile = found ?? new Map<string, string>()
    file.set(name, profile.set((entry[1] ?? "").toLowerCase(), valueOf(entry[2] ?? "")))
  }
  return Result.succeed(file)
}

/** Which profile is meant. */
export interface Choice {
  readonly name: string
  /** Whether anybody named it. A profile that nobody named need not exist. */
  readonly named: boolean
}

/** The profile that is meant where nobody names one: that of `[__settings__]`, else `DEFAULT`. */
export const choose = (file: File): Choice => {
  const named = file.get(SETTINGS)?.get("default_profile")
  return named === undefined || named === "" ? { name: DEFAULT, named: false } : { name: named, named: true }
}

/** The names of the profiles, in their order. */
export const names = (file: File): ReadonlyArray<string> =>
  [...file.keys()].filter((name) => name !== SETTINGS)

/** The profile of that name. `[__settings__]` is none. */
export const get = (file: File, name: string): Profile | undefined =>
  name === SETTINGS ? undefined : file.get(name)

// ---- private

const DEFAULT = "DEFAULT"

const SETTINGS = "__settings__"

/** Without the comment after it, and without the quotes around it. */
const valueOf = (text: string): string => {
  const quoted = /^\s*(["'])(.*?)\1\s*(?:\s[#;].*)?$/.exec(text)
  return quoted === null ? text.replace(/\s[#;].*$/, "").trim() : (quoted[2] ?? "")
}
