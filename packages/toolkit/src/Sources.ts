/**
 * Where settings come from: the settings file and the environment, read once at start and held together
 * without being interpreted. What the values mean is decided by the sections (see the module Settings).
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import type * as PlatformError from "effect/PlatformError"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Toml from "smol-toml"
import { type Origin, type Problem, SettingsError } from "./SettingsProblem.ts"
import { fromJson, type Raw } from "./SettingsText.ts"

/** The two sources as they were read. */
export interface Sources {
  /** The settings file that was found, if any. */
  readonly file: string | undefined
  /** The places that were searched for it. */
  readonly searched: ReadonlyArray<string>
  /** Which source wins where both set one thing: the file, unless `DK_CONFIG_PRECEDENCE` is `env`. */
  readonly precedence: "file" | "env"
  /** Everything that was read; redacted as a whole, because tables and environments hold secrets. */
  readonly contents: Redacted.Redacted<Contents>
}

/** The raw contents of both sources. */
export interface Contents {
  /** The top level of the parsed settings file: tables by name. */
  readonly tables: Readonly<Record<string, unknown>>
  /** The variables whose names begin with `DK_`, in any case, as they are written. An empty one counts as not set. */
  readonly variables: ReadonlyMap<string, string>
  /** What the files named in `DK_…_FILE` variables and `…_file` keys hold, by path; or why they cannot be read. */
  readonly files: ReadonlyMap<string, Result.Result<string, string>>
  /** What agents found elsewhere, see {@link withFallbacks}. */
  readonly fallbacks: ReadonlyArray<Fallback>
  /** The whole environment, for settings that are not ours. */
  readonly env: Readonly<Record<string, string | undefined>>
}

/**
 * A value that an agent found outside of settings file and environment, e.g. in a profile of the tool's own
 * configuration. It holds where neither of them sets the setting, and goes before the default.
 */
export interface Fallback {
  /** The setting's table: `databricks`; for an element of a list of tables the names of both: `databricks.workspaces`. */
  readonly table: string
  /** Which element of the list of tables it is for, from 0; absent for an ordinary table. */
  readonly index?: number | undefined
  /** The setting's present name in that table. */
  readonly key: string
  /** The value as the settings file would have it. */
  readonly value: Raw | Redacted.Redacted
  /** In words for people, e.g. `~/.databrickscfg, profile DEFAULT, key host`. */
  readonly origin: Extract<Origin, { readonly _tag: "External" }>
}

/** Options of {@link make}. */
export interface Options {
  /** The file to read (`--config FILE`). Without it, the first of {@link SEARCH_PATH} that exists is read, if any. */
  readonly file?: string | undefined
  /** The environment, usually `process.env`. */
  readonly env: Readonly<Record<string, string | undefined>>
}

/** Where the settings file is looked for when none is given. */
export const SEARCH_PATH: ReadonlyArray<string> = ["./agent.toml", "/etc/observability/agent.toml"]

/** The variable that says which source wins: `file` (default) or `env`. */
export const PRECEDENCE = "DK_CONFIG_PRECEDENCE"

/**
 * Reads both sources. Fails when a given file does not exist, when a file that exists cannot be read, and when it is
 * not TOML; without any file, the environment alone is the source.
 */
export const make = Effect.fnUntraced(function* (
  options: Options
): Effect.fn.Return<Sources, SettingsError, FileSystem.FileSystem> {
  const searched = options.file === undefined ? SEARCH_PATH : [options.file]
  const found = yield* firstFile(searched, options.file !== undefined)
  const tables = found === undefined ? {} : yield* parse(found.path, found.text)
  const variables = new Map(
    Object.entries(options.env).flatMap(([name, value]) =>
      value !== undefined && /^DK_/i.test(name) ? [[name, value] as const] : []
    )
  )
  return {
    file: found?.path,
    searched,
    precedence: precedence(variables),
    contents: Redacted.make(
      { tables, variables, files: yield* readFiles(variables, tables), fallbacks: [], env: options.env },
      { label: "settings" }
    )
  }
})

/** The same sources with values of lower precedence. Of two for the same setting, the first holds. */
export const withFallbacks = (sources: Sources, fallbacks: ReadonlyArray<Fallback>): Sources => {
  const contents = Redacted.value(sources.contents)
  return {
    ...sources,
    contents: Redacted.make(
      { ...contents, fallbacks: [...contents.fallbacks, ...fallbacks] },
      { label: "settings" }
    )
  }
}

// Secrets are short; whatever is longer was not meant to be one (a socket, a log, the wrong file).
const MAX_SECRET_LENGTH = 65_536

const firstFile = Effect.fnUntraced(function* (paths: ReadonlyArray<string>, required: boolean) {
  const fs = yield* FileSystem.FileSystem
  for (const path of paths) {
    const text = yield* fs.readFileString(path).pipe(
      Effect.catch((error) =>
        isMissing(error) && !required
          ? Effect.undefined
          : Effect.fail(
              unusable({
                what: isMissing(error)
                  ? "the settings file does not exist"
                  : "the settings file cannot be read",
                where: path,
                expected: "a TOML file that this user may read",
                found: why(error)
              })
            )
      )
    )
    if (text !== undefined) return { path, text }
  }
  return undefined
})

/** What smol-toml says is the first line of its message; the lines of the file that follow it may hold secrets. */
const parse = (path: string, text: string): Effect.Effect<Readonly<Record<string, unknown>>, SettingsError> =>
  Effect.try({
    try: (): Readonly<Record<string, unknown>> => Toml.parse(text, { integersAsBigInt: "asNeeded" }),
    catch: (error) => {
      const known = error instanceof Toml.TomlError
      const reason = known
        ? (error.message.split("\n")[0] ?? "").replace("Invalid TOML document: ", "")
        : "unknown"
      return unusable({
        what: "the settings file is not valid TOML",
        where: known ? `${path}, line ${error.line}, column ${error.column}` : path,
        expected: expectations.get(reason) ?? 'TOML: tables like [core] with lines like key = "value"',
        found: reason
      })
    }
  })

const expectations: ReadonlyMap<string, string> = new Map([
  ["invalid value", 'a value; text stands in quotes: key = "value"'],
  ["unfinished string", "a closing quote"],
  ["illegal character in key", "a key of letters, digits, _ and -, then = and its value"],
  ["incomplete key-value: cannot find end of key", "key = value"],
  ["trying to redefine an already defined table or value", "each table and each key only once"]
])

const readFiles = Effect.fnUntraced(function* (
  variables: ReadonlyMap<string, string>,
  tables: Readonly<Record<string, unknown>>
) {
  const fs = yield* FileSystem.FileSystem
  const files = new Map<string, Result.Result<string, string>>()
  for (const path of new Set([
    ...namedByVariables(variables),
    ...Object.values(tables).flatMap(namedByKeys)
  ])) {
    const content = yield* Effect.result(fs.readFileString(path))
    files.set(
      path,
      Result.isFailure(content)
        ? Result.fail(why(content.failure))
        : content.success.length > MAX_SECRET_LENGTH
          ? Result.fail("a file that is too long for a secret")
          : Result.succeed(content.success.replace(/\r?\n$/, ""))
    )
  }
  return files
})

/** The files named in variables `…_FILE`, and in the tables that variables hold as JSON. */
const namedByVariables = (variables: ReadonlyMap<string, string>): ReadonlyArray<string> =>
  [...variables].flatMap(([name, value]) =>
    value === ""
      ? []
      : /_FILE$/i.test(name)
        ? [value]
        : /^\s*[[{]/.test(value)
          ? namedByKeys(fromJson(value))
          : []
  )

/** The files named in keys `…_file` of a table, and of the tables and lists in it. */
const namedByKeys = (content: unknown): ReadonlyArray<string> =>
  typeof content !== "object" || content === null
    ? []
    : Object.entries(content).flatMap(([key, value]) =>
        typeof value === "string" && value !== "" && key.endsWith("_file") ? [value] : namedByKeys(value)
      )

const precedence = (variables: ReadonlyMap<string, string>): "file" | "env" => {
  for (const [name, value] of variables) {
    if (name.toUpperCase() === PRECEDENCE && value.trim().toLowerCase() === "env") return "env"
  }
  return "file"
}

const isMissing = (error: PlatformError.PlatformError): boolean => error.reason._tag === "NotFound"

const why = (error: PlatformError.PlatformError): string => {
  switch (error.reason._tag) {
    case "NotFound":
      return "no such file"
    case "PermissionDenied":
      return "permission denied"
    default:
      return "something that is not a readable file"
  }
}

const unusable = (problem: Omit<Problem, "setting">): SettingsError =>
  new SettingsError({ problems: [{ setting: "settings file", ...problem }] })
