/**
 * Settings, described once. A section is one table of the settings file: its fields, each with a type, a
 * description and the names it goes by in the file and in the environment. From that description come the
 * values (a `Config`, read in Layers), the validation of everything at start with one readable report, the
 * origin of each value, and the reference page.
 *
 * Rules: where file and environment both set one thing, the file wins, unless `DK_CONFIG_PRECEDENCE=env`; after both
 * come the variables of other programs (`DATABRICKS_HOST`), then what an agent found elsewhere, then defaults. Empty
 * text counts as not set; names of variables `DK_…` may be in upper or lower case; two names of one setting in the
 * same source must agree.
 *
 * ```ts
 * import * as Settings from "@observability-agents/toolkit/Settings"
 * import { Effect } from "effect"
 *
 * // The table `[scheduler]`, or `DK_SCHEDULER_URL` and `DK_SCHEDULER_PERIOD`.
 * export const SchedulerSettings = Settings.section("scheduler", {
 *   description: "Which scheduler is watched.",
 *   fields: {
 *     url: Settings.url({ description: "Its address." }),
 *     period: Settings.seconds({ description: "Time between two looks.", default: 10, exclusiveMinimum: 0 })
 *   }
 * })
 *
 * export const program = Effect.gen(function* () {
 *   const { period, url } = yield* SchedulerSettings.config
 *   return `${url} every ${String(period)}`
 * })
 * ```
 */
import * as ConfigProvider from "effect/ConfigProvider"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as JsonSchema from "./SettingsJsonSchema.ts"
import * as Listing from "./SettingsListing.ts"
import { type Origin, type Problem, SettingsError } from "./SettingsProblem.ts"
import * as Reference from "./SettingsReference.ts"
import * as Resolution from "./SettingsResolution.ts"
import type { FullLook, Section } from "./SettingsSection.ts"
import * as Unknown from "./SettingsUnknown.ts"
import * as Sources from "./Sources.ts"

export type { Bounds, Field, FieldOptions, JsonSchema } from "./SettingsField.ts"
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
export type { Resolved } from "./SettingsListing.ts"
export {
  describeOrigin,
  isExplicit,
  type Origin,
  type Problem,
  report,
  SettingsError
} from "./SettingsProblem.ts"
export {
  type Fields,
  type FullLook,
  type ItemLook,
  type Look,
  type Section,
  section,
  type SectionOptions,
  type Values
} from "./SettingsSection.ts"
export { tables, type TablesOptions } from "./SettingsTables.ts"
export type { Raw } from "./SettingsText.ts"
export { type Change, changes } from "./SettingsChanges.ts"
export { type Fallback, withFallbacks } from "./Sources.ts"

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

/**
 * Every setting of one or more sections with its value and origin, also where they are not valid; secrets are masked. The
 * settings of a list of tables follow the list, table by table.
 */
export const resolve = (
  sources: Sources.Sources,
  sections: Section<unknown> | ReadonlyArray<Section<unknown>>
): ReadonlyArray<Listing.Resolved> =>
  Listing.listing(Resolution.resolve(sources, "table" in sections ? [sections] : sections))

/**
 * What is set where, ahead of the validation: for an agent that looks for more elsewhere, and has to know what it need
 * not look for. It sees into lists of tables, too.
 */
export const look = (sources: Sources.Sources, sections: ReadonlyArray<Section<unknown>>): FullLook =>
  lookAt(Resolution.resolve(sources, sections))

/** A variable of the environment by its exact name; none when it is empty. What it holds may be a secret. */
export const variable = (sources: Sources.Sources, name: string): Option.Option<string> => {
  const { env } = Redacted.value(sources.contents)
  const value = Object.hasOwn(env, name) ? env[name] : undefined
  return value === undefined || value === "" ? Option.none() : Option.some(value)
}

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
 * not come from {@link layer}. With `item`, a setting in one table of a list of tables, by index and property name.
 */
export const origin = <A>(
  section: Section<A>,
  field: keyof A & string,
  item?: { readonly index: number; readonly field: string }
): Effect.Effect<Option.Option<Origin>> =>
  Effect.map(Origins, (origins) => {
    const list = path(section.table, field)
    return Option.fromUndefinedOr(
      origins.get(item === undefined ? list : itemPath(list, item.index, item.field))
    )
  })

/**
 * The reference of some sections as Markdown: each setting with type, default, variables, older names, description. Lists of
 * tables have a chapter of their own.
 */
export const reference: (sections: ReadonlyArray<Section<unknown>>) => string = Reference.reference

/**
 * The settings file as JSON Schema (draft 2020-12), for editors. What it accepts is accepted at start, but for rules over
 * several settings; a few ways of writing things that are accepted too, such as numbers in quotes, it does not recommend. Nothing is
 * required in it, because everything may come from the environment.
 */
export const jsonSchema: (sections: ReadonlyArray<Section<unknown>>) => JsonSchema.JsonSchema =
  JsonSchema.jsonSchema

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

const lookAt = (resolutions: ReadonlyArray<Resolution.Resolution>): FullLook => {
  const origins = originsOf(resolutions)
  const values = new Map(
    resolutions.map(({ name, section, value }) => [path(section.table, name), Result.getOrUndefined(value)])
  )
  return {
    origin: (table, field) => origins.get(path(table, field)),
    value: (table, field) => values.get(path(table, field)),
    items: (table, field) =>
      (resolutions.find(({ name, section }) => section.table === table && name === field)?.items ?? []).map(
        ({ fields, title }) => {
          const decided = new Map(fields.map((decision) => [decision.name, decision]))
          return {
            title,
            origin: (name) => decided.get(name)?.given?.origin,
            value: (name) => {
              const value = decided.get(name)?.value
              return value === undefined ? undefined : Result.getOrUndefined(value)
            }
          }
        }
      )
  }
}

const originsOf = (resolutions: ReadonlyArray<Resolution.Resolution>): ReadonlyMap<string, Origin> =>
  new Map(
    resolutions.flatMap(({ given, items, name, section }) => {
      if (given === undefined) return []
      const own = path(section.table, name)
      return [
        [own, given.origin] as const,
        ...items.flatMap(({ fields, index }) =>
          fields.flatMap(({ given, name }) =>
            given === undefined ? [] : [[itemPath(own, index, name), given.origin] as const]
          )
        )
      ]
    })
  )

const path = (table: string, field: string): string => `${table}.${field}`

const itemPath = (list: string, index: number, field: string): string => `${list}[${index}].${field}`

const provider = (
  sources: Sources.Sources,
  resolutions: ReadonlyArray<Resolution.Resolution>
): ConfigProvider.ConfigProvider => {
  const tree = Resolution.tree(resolutions)
  // What is in the tree is set, also where it is empty text.
  const ours = ConfigProvider.fromUnknown(tree, { preserveEmptyStrings: true })
  const others = ConfigProvider.fromEnvRecord(Redacted.value(sources.contents).env)
  return ConfigProvider.make((at) =>
    typeof at[0] === "string" && Object.hasOwn(tree, at[0]) ? ours.load(at) : others.load(at)
  )
}

const notEmpty = (annotations: Readonly<Record<string, string>>): Record<string, string> =>
  Object.fromEntries(Object.entries(annotations).filter(([, text]) => text !== ""))
