/**
 * What the settings take from where Databricks' own tools have theirs, when nobody set it for this agent: the variables
 * `DATABRICKS_…` and `ARM_…`, then a profile of `~/.databrickscfg`.
 *
 * Our own settings decide, and these complete them. Credentials that were set for this agent say which kind is meant, so that
 * a variable left over from another tool can lend them what is missing, but never take their place. The file is not
 * looked at where an address or credentials are set and nobody named a profile. Where there are several workspaces, a file
 * is read only for those that name a profile, and the variables give only the credentials that all share.
 */
import * as CredentialsSections from "@observability-agents/toolkit/CredentialsSections"
import * as Settings from "@observability-agents/toolkit/Settings"
import type { Sources } from "@observability-agents/toolkit/Sources"
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as DatabricksAuth from "./DatabricksAuth.ts"
import { DatabricksCredentials, DatabricksSettings, type Item } from "./DatabricksSettings.ts"
import * as ProfileFile from "./ProfileFile.ts"

/** Finds them. Fails where a profile that somebody named is not there, and where it is not clear which credentials are meant. */
export const find = Effect.fnUntraced(function* (
  sources: Sources
): Effect.fn.Return<ReadonlyArray<Settings.Fallback>, Settings.SettingsError, FileSystem.FileSystem> {
  const { env } = Redacted.value(sources.contents)
  const workspaces = Option.getOrElse(
    Settings.value(sources, DatabricksSettings, "workspaces"),
    () => undefined
  )
  // What is wrong with the list is told with all the rest.
  if (workspaces === undefined) return []
  const explicit = explicitIn(sources)
  const variables = DatabricksAuth.fromEnvironment(env)
  if (workspaces.length > 0) {
    const items = yield* Effect.forEach(workspaces, (item, index) => ofItem(env, item, index))
    const own = items.flatMap(({ fallbacks }) => fallbacks)
    // Where each has its own, what is left over for others is no concern of ours.
    if (items.every(({ hasCredentials }) => hasCredentials)) return own
    const shared = yield* orFail(pick(explicit, variables, CHOICE))
    return [...own, ...shared.filter(({ name }) => !COMMON.includes(name)).flatMap(toFallback)]
  }
  const profile = named(sources)
  const isAnySet = [explicit.attributes, variables].some((attributes) => isTelling(attributes))
  const lower =
    profile === undefined && (isAnySet || explicit.kind !== undefined)
      ? variables
      : DatabricksAuth.orElse(variables, yield* ProfileFile.read(env, profile))
  return (yield* orFail(pick(explicit, lower, CHOICE))).flatMap(toFallback)
})

// ---- private

/** What is set for this agent itself: which attributes (their values do not matter here), and which kind that is. */
interface Explicit {
  readonly attributes: DatabricksAuth.Attributes
  /** `other`: one that Databricks' tools do not have, or more than one; then nothing is added to them. */
  readonly kind: DatabricksAuth.Kind | "other" | undefined
}

const CHOICE = "[credentials] kind"

/** Where the attributes are among our own settings. */
const PLACES: Readonly<Partial<Record<DatabricksAuth.Name, readonly [table: string, key: string]>>> = {
  host: ["databricks", "host"],
  token: ["auth_api_token", "agent_token"],
  client_id: ["auth_oauth", "client_id"],
  client_secret: ["auth_oauth", "client_secret"],
  username: ["auth_username_password", "agent_username"],
  password: ["auth_username_password", "agent_password"],
  azure_client_id: ["auth_azure_spn", "client_id"],
  azure_client_secret: ["auth_azure_spn", "client_secret"],
  azure_tenant_id: ["auth_azure_spn", "tenant_id"],
  azure_environment: ["auth_azure_spn", "authority"],
  azure_workspace_resource_id: ["databricks", "azure_workspace_resource_id"],
  account_id: ["databricks", "account_id"],
  workspace_id: ["databricks", "workspace_id"]
}

const KINDS: Readonly<Record<CredentialsSections.Kind, DatabricksAuth.Kind | "other">> = {
  api_token: "pat",
  oauth: "oauth-m2m",
  azure_spn: "azure-client-secret",
  username_password: "basic",
  azure_basic_oauth: "other"
}

const explicitIn = (sources: Sources): Explicit => {
  const sections = [
    DatabricksSettings,
    ...Object.values(CredentialsSections.tables).map(({ section }) => section)
  ]
  const origins = new Map(
    sections.flatMap((section) =>
      Settings.resolve(sources, section).flatMap(({ field, origin, setting }) =>
        origin !== undefined && Settings.isExplicit(origin)
          ? [
              [setting, Settings.describeOrigin(origin)] as const,
              [`${section.table}.${field}`, Settings.describeOrigin(origin)] as const
            ]
          : []
      )
    )
  )
  const attributes = DatabricksAuth.collect((name) => {
    const place = PLACES[name]
    const origin = place === undefined ? undefined : origins.get(`[${place[0]}] ${place[1]}`)
    return origin === undefined ? undefined : { value: "set", origin }
  })
  const chosen = Option.getOrUndefined(Settings.value(sources, DatabricksCredentials.choice, "kind"))
  const told = CredentialsSections.allKinds.filter((kind) =>
    CredentialsSections.tables[kind].telling.some((field) =>
      origins.has(`${CredentialsSections.tables[kind].section.table}.${field}`)
    )
  )
  const [first, second] = told
  const kind =
    chosen !== undefined
      ? KINDS[chosen]
      : second !== undefined
        ? "other"
        : first === undefined
          ? undefined
          : KINDS[first]
  return { attributes, kind }
}

/** Whether Databricks' tools would leave their file alone. */
const isTelling = (attributes: DatabricksAuth.Attributes): boolean =>
  attributes.host !== undefined ||
  attributes.azure_workspace_resource_id !== undefined ||
  DatabricksAuth.allKinds.some((kind) =>
    DatabricksAuth.kinds[kind].needed.some((name) => attributes[name] !== undefined)
  )

/** What of the lower places is used beside what is set explicitly. */
const pick = (
  { attributes, kind }: Explicit,
  lower: DatabricksAuth.Attributes,
  setting: string
): Result.Result<DatabricksAuth.Attributes, Settings.Problem> => {
  const decided: Result.Result<DatabricksAuth.Kind | "other" | undefined, Settings.Problem> =
    kind === undefined
      ? DatabricksAuth.decide(DatabricksAuth.orElse(attributes, lower), setting)
      : Result.succeed(kind)
  return Result.map(decided, (used) => {
    const wanted = new Set<DatabricksAuth.Name>(COMMON)
    if (used !== undefined && used !== "other") {
      for (const name of DatabricksAuth.kinds[used].needed) wanted.add(name)
      if (used === "azure-client-secret") wanted.add("azure_environment")
    }
    return DatabricksAuth.collect((name) => {
      const attribute = lower[name]
      return attribute === undefined || !wanted.has(name)
        ? undefined
        : { value: Redacted.value(attribute.value), origin: attribute.origin }
    })
  })
}

/** What belongs to no kind of credentials. */
const COMMON: ReadonlyArray<DatabricksAuth.Name> = [
  "host",
  "azure_workspace_resource_id",
  "account_id",
  "workspace_id"
]

const orFail = (
  result: Result.Result<DatabricksAuth.Attributes, Settings.Problem>
): Effect.Effect<ReadonlyArray<Found>, Settings.SettingsError> =>
  Result.match(result, {
    onFailure: (problem) => Effect.fail(new Settings.SettingsError({ problems: [problem] })),
    onSuccess: (attributes) =>
      Effect.succeed(
        DatabricksAuth.allNames.flatMap((name) => {
          const attribute = attributes[name]
          return attribute === undefined ? [] : [{ name, attribute }]
        })
      )
  })

interface Found {
  readonly name: DatabricksAuth.Name
  readonly attribute: DatabricksAuth.Attribute
}

const toFallback = ({ attribute, name }: Found): ReadonlyArray<Settings.Fallback> => {
  const place = PLACES[name]
  if (place === undefined) return []
  const value =
    name === "azure_environment"
      ? DatabricksAuth.authority("", Redacted.value(attribute.value))
      : attribute.value
  return [{ table: place[0], key: place[1], value, origin: external(attribute.origin) }]
}

const external = (description: string) => ({ _tag: "External", description }) as const

/** The profile that somebody named for a single workspace. */
const named = (sources: Sources): ProfileFile.Named | undefined => {
  const found = Settings.resolve(sources, DatabricksSettings).find(({ field }) => field === "profile")
  const name = Option.getOrUndefined(Settings.value(sources, DatabricksSettings, "profile"))
  if (name === undefined) return undefined
  return { name, where: found?.origin === undefined ? "profile" : Settings.describeOrigin(found.origin) }
}

/** What a workspace's profile gives it, for its element of the list. */
const ofItem = Effect.fnUntraced(function* (
  env: ProfileFile.Env,
  item: Item,
  index: number
): Effect.fn.Return<
  { readonly fallbacks: ReadonlyArray<Settings.Fallback>; readonly hasCredentials: boolean },
  Settings.SettingsError,
  FileSystem.FileSystem
> {
  const title = `[[databricks.workspaces]] ${index + 1}${item.name === undefined ? "" : ` "${item.name}"`}`
  const own = DatabricksAuth.fromFields(
    // SAFETY: a record of properties, asked for by their names; what is none of them is undefined.
    (field) => (item as Readonly<Record<string, unknown>>)[field],
    (field) => `${title} ${field}`
  )
  const [kind] = DatabricksAuth.present(own)
  if (item.profile === undefined) return { fallbacks: [], hasCredentials: kind !== undefined }
  const found = yield* ProfileFile.read(env, { name: item.profile, where: `${title} profile` })
  const attributes = yield* orFail(
    pick({ attributes: own, kind: own.auth_type === undefined ? kind : undefined }, found, title)
  )
  const fallbacks = attributes.flatMap(({ attribute, name }): ReadonlyArray<Settings.Fallback> => {
    if (DatabricksAuth.fields[name] === undefined) return []
    return [
      {
        table: "databricks.workspaces",
        index,
        // The fields of a workspace have the names of Databricks' attributes.
        key: name,
        value: attribute.value,
        origin: external(attribute.origin)
      }
    ]
  })
  const hasCredentials = kind !== undefined || attributes.some(({ name }) => !COMMON.includes(name))
  return { fallbacks, hasCredentials }
})
