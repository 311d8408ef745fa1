/**
 * The file of profiles on this machine: `~/.databrickscfg`, or the one that `DATABRICKS_CONFIG_FILE` names. It is only read; what
 * stands in it is never told.
 */
import { SettingsError } from "@observability-agents/toolkit/SettingsProblem"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Result from "effect/Result"
import * as DatabricksAuth from "./DatabricksAuth.ts"
import * as DatabricksProfile from "./DatabricksProfile.ts"

/** The environment's variables. */
export type Env = Readonly<Record<string, string | undefined>>

/** A profile's name, and where it was named, for people. */
export interface Named {
  readonly name: string
  readonly where: string
}

/**
 * What a profile gives: the named one, else the one that the file chooses. Nothing where nobody named one and there is none.
 * Fails, with all that a person needs to put it right, where a file or profile that was named is not there or cannot be read.
 */
export const read = Effect.fnUntraced(function* (
  env: Env,
  profile: Named | undefined
): Effect.fn.Return<DatabricksAuth.Attributes, SettingsError, FileSystem.FileSystem> {
  const { path, shown } = pathOf(env)
  const isNamed = profile !== undefined || (env["DATABRICKS_CONFIG_FILE"] ?? "").trim() !== ""
  const problem = (where: string, what: string, expected: string, found: string) =>
    new SettingsError({ problems: [{ setting: SETTING, what, where, expected, found }] })
  const fs = yield* FileSystem.FileSystem
  const text = path === undefined ? undefined : yield* Effect.result(fs.readFileString(path))
  if (text === undefined || Result.isFailure(text)) {
    const isMissing = text === undefined || text.failure.reason._tag === "NotFound"
    if (isMissing && !isNamed) return {}
    return yield* problem(
      [profile?.where, shown].filter((part) => part !== undefined).join(", "),
      isMissing
        ? profile === undefined
          ? "the file does not exist"
          : `the profile ${JSON.stringify(profile.name)} cannot be read: the file does not exist`
        : "the file cannot be read",
      isMissing
        ? "a file of profiles at that place, or its path in DATABRICKS_CONFIG_FILE"
        : "a file that this user may read",
      isMissing ? "nothing" : "permission denied, or something that is no file"
    )
  }
  const file = DatabricksProfile.parse(text.success)
  if (Result.isFailure(file)) {
    return yield* problem(
      `${shown}, line ${file.failure.line}`,
      "the file of profiles cannot be read",
      "profiles in square brackets, with lines such as host = https://…",
      ""
    )
  }
  const choice = profile === undefined ? DatabricksProfile.choose(file.success) : { ...profile, named: true }
  const chosen = DatabricksProfile.get(file.success, choice.name)
  if (chosen !== undefined) {
    return DatabricksAuth.fromProfile(chosen, `${shown}, profile ${choice.name}`)
  }
  if (!choice.named) return {}
  const names = DatabricksProfile.names(file.success)
  return yield* problem(
    `${profile?.where ?? "[__settings__] default_profile"}, ${shown}`,
    "there is no profile of this name",
    names.length === 0 ? "a profile in the file, which has none" : `one of ${names.join(", ")}`,
    JSON.stringify(choice.name)
  )
})

// ---- private

const SETTING = "Databricks profile"

/** Where the file is, and how it is told to people. */
const pathOf = (env: Env): { readonly path: string | undefined; readonly shown: string } => {
  const home = env["HOME"] ?? env["USERPROFILE"]
  const given = env["DATABRICKS_CONFIG_FILE"]?.trim()
  if (given === undefined || given === "") {
    const path = home === undefined || home === "" ? undefined : `${home}/.databrickscfg`
    return { path, shown: "~/.databrickscfg" }
  }
  return { path: given.startsWith("~/") ? `${home ?? ""}${given.slice(1)}` : given, shown: given }
}
