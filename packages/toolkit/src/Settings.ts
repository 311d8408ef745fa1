/**
 * Settings, described once. A section is one table of the settings file: its fields, each with a type, a
 * description and the names it goes by in the file and in the environment. From that description come the
 * values (a `Config`, read in Layers), the validation of everything at start with one readable report, the
 * origin of each value, and the reference page.
 *
 * Rules: where file and environment both set one thing, the file wins, unless `DK_CONFIG_PRECEDENCE=env`; empty
 * text counts as not set; names of variables may be in upper or lower case; two names of one setting in the
 * same source must agree.
 */
import * as ConfigProvider from "effect/ConfigProvider"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import { type Origin, type Problem, SettingsError } from "./SettingsProblem.ts"
import * as Reference from "./SettingsReference.ts"
import * as Resolution from "./SettingsResolution.ts"
import { type Look, type Section, settingName } from "./SettingsSection.ts"
import * as Unknown from "./SettingsUnknown.ts"
import * as Sources from "./Sources.ts"

export type { Bounds, Field, FieldOptions } from "./SettingsField.ts"
export {
  boolean,
  integer,
  list,
  literals,
  map,
  nonEmptyString,
  number,
  of,
  optional,
  record,
  seconds,
  secret,
  string,
  url
} from "./SettingsField.ts"
export { describeOrigin, type Origin, type Problem, report, SettingsError } from "./SettingsProblem.ts"
export {
  type Fields,
  type Look,
  type Section,
  section,
  type SectionOptions,
  type Values
} from "./SettingsSection.ts"
export type { Raw } from "./SettingsText.ts"

/** What an inspection finds: problems prevent the start, warnings are only told. */
export interface Inspection {
  readonly problems: ReadonlyArray<Problem>
  readonly warnings: ReadonlyArray<Problem>
}

/** Options of {@link inspect}, {@link validate} and {@link layer}. */
export interface InspectOptions {
  /** Sections that the program knows but does not use now (those of other agents): their names are no mistakes. */
  readonly known?: ReadonlyArray<Section<unknown>>
}

/** One setting as a listing of the settings in force shows it. */
export interface Resolved {
  /** The setting's name: `[http] retries`. */
  readonly setting: string
  /** The name of its property in the section's values. */
  readonly field: string
  /** The value as text; stars for a secret that is set; undefined when there is none. */
  readonly value: string | undefined
  /** Where it was set; undefined when it is not set and has no default, and when two names disagree. */
  readonly origin: Origin | undefined
}

/** Reads the sources: the settings file (`file`, or the first that is found) and the environment. */
export const sources: (
  options: Sources.Options
) => Effect.Effect<Sources.Sources, SettingsError, FileSystem.FileSystem> = Sources.make

/** Finds everything that is wrong with the settings of some sections. Pure: it neither logs nor fails. */
export const inspect = (
  sources: Sources.Sources,
  sections: ReadonlyArray<Section<unknown>>,
  options?: InspectOptions
): Inspection => inspected(sources, sections, options).inspection

/** All problems of the settings of some sections; none when a start may go on. */
export const validate = (
  sources: Sources.Sources,
  sections: ReadonlyArray<Section<unknown>>,
  options?: InspectOptions
): ReadonlyArray<Problem> => inspect(sources, sections, options).problems

/**
 * Validates all sections at once, logs one warning for each doubt, and makes the settings the ConfigProvider of
 * everything it is provided to. Paths that belong to none of the sections are read from the environment, as
 * Effect does by default.
 */
export const layer = (
  sources: Sources.Sources,
  sections: ReadonlyArray<Section<unknown>>,
  options?: InspectOptions
): Layer.Layer<never, SettingsError> =>
  Layer.unwrap(
    Effect.gen(function* () {
      const { inspection, resolutions } = inspected(sources, sections, options)
      for (const { what, ...annotations } of inspection.warnings) {
        yield* Effect.logWarning(`Settings: ${what}`).pipe(Effect.annotateLogs(notEmpty(annotations)))
      }
      if (inspection.problems.length > 0) return yield* new SettingsError({ problems: inspection.problems })
      return Layer.merge(
        Layer.succeed(ConfigProvider.ConfigProvider)(provider(sources, resolutions)),
        Layer.succeed(Origins)(originsOf(resolutions))
      )
    })
  )

/** Every setting of one or more sections with its value and origin; secrets are masked. */
export const resolve = (
  sources: Sources.Sources,
  sections: Section<unknown> | ReadonlyArray<Section<unknown>>
): ReadonlyArray<Resolved> =>
  Resolution.resolve(sources, "table" in sections ? [sections] : sections).map(
    ({ field, given, key, name, section, shown }) => {
      const fallback = field.defaultText === "" ? undefined : field.defaultText
      return {
        setting: settingName(section.table, key),
        field: name,
        value: shown ?? fallback,
        origin: given?.origin ?? (fallback === undefined ? undefined : { _tag: "Default" })
      }
    }
  )

/**
 * The value of one setting ahead of the validation of all, for what has to be known before: which agent to run. None
 * while it is missing or invalid.
 */
export const value = <A, K extends keyof A & string>(
  sources: Sources.Sources,
  section: Section<A>,
  field: K
): Option.Option<A[K]> => {
  const found = Resolution.resolve(sources, [section]).find(({ name }) => name === field)
  if (found === undefined || Result.isFailure(found.value)) return Option.none()
  // SAFETY: the field of this name decodes to the property of this name: that is how `section` types A.
  return Option.some(found.value.success as A[K])
}

/**
 * Where a setting was set: none when it is not set (a default is no origin), and under every ConfigProvider that does
 * not come from {@link layer}.
 */
export const origin = <A>(
  section: Section<A>,
  field: keyof A & string
): Effect.Effect<Option.Option<Origin>> =>
  Effect.map(Origins, (origins) => Option.fromUndefinedOr(origins.get(path(section.table, field))))

/** The reference of some sections as Markdown: each setting with type, default, variables, older names, description. */
export const reference: (sections: ReadonlyArray<Section<unknown>>) => string = Reference.reference

const Origins: Context.Reference<ReadonlyMap<string, Origin>> = Context.Reference<
  ReadonlyMap<string, Origin>
>("@observability-agents/toolkit/Settings/Origins", { defaultValue: () => new Map() })

const inspected = (
  sources: Sources.Sources,
  sections: ReadonlyArray<Section<unknown>>,
  options: InspectOptions | undefined
): { readonly inspection: Inspection; readonly resolutions: ReadonlyArray<Resolution.Resolution> } => {
  const known = options?.known ?? []
  const resolutions = Resolution.resolve(sources, sections)
  const look = lookAt(resolutions)
  return {
    resolutions,
    inspection: {
      problems: [
        ...Resolution.precedenceProblems(sources),
        ...resolutions.flatMap(({ value }) => (Result.isFailure(value) ? value.failure : [])),
        ...sections.flatMap(({ check }) => (check === undefined ? [] : check(look))),
        ...Unknown.keys(sources, sections, known)
      ],
      warnings: [
        ...resolutions.flatMap(({ warnings }) => warnings),
        ...Unknown.tables(sources, sections, known),
        ...Unknown.variables(sources, sections, known)
      ]
    }
  }
}

const lookAt = (resolutions: ReadonlyArray<Resolution.Resolution>): Look => {
  const origins = originsOf(resolutions)
  const values = new Map(
    resolutions.map(({ name, section, value }) => [path(section.table, name), Result.getOrUndefined(value)])
  )
  return {
    origin: (table, field) => origins.get(path(table, field)),
    value: (table, field) => values.get(path(table, field))
  }
}

const originsOf = (resolutions: ReadonlyArray<Resolution.Resolution>): ReadonlyMap<string, Origin> =>
  new Map(
    resolutions.flatMap(({ given, name, section }) =>
      given === undefined ? [] : [[path(section.table, name), given.origin] as const]
    )
  )

const path = (table: string, field: string): string => `${table}.${field}`

const provider = (
  sources: Sources.Sources,
  resolutions: ReadonlyArray<Resolution.Resolution>
): ConfigProvider.ConfigProvider => {
  const tree = Resolution.tree(resolutions)
  const ours = ConfigProvider.fromUnknown(tree)
  const others = ConfigProvider.fromEnvRecord(Redacted.value(sources.contents).env)
  return ConfigProvider.make((at) =>
    typeof at[0] === "string" && Object.hasOwn(tree, at[0]) ? ours.load(at) : others.load(at)
  )
}

const notEmpty = (annotations: Readonly<Record<string, string>>): Record<string, string> =>
  Object.fromEntries(Object.entries(annotations).filter(([, text]) => text !== ""))
