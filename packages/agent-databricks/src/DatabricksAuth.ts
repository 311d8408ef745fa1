/**
 * Which credentials are meant by what Databricks' own tools would find: the variables `DATABRICKS_…` and `ARM_…`, a profile of
 * `~/.databrickscfg`, or the table of one of several workspaces, all by the names of Databricks' configuration attributes.
 * Pure: it looks at what is set and where, and names the kind, or tells what is wrong.
 *
 * As Databricks has it: variables count for more than a profile, attribute by attribute; two kinds of credentials at once are
 * a mistake unless `auth_type` says which is meant.
 */
import * as Credentials from "@observability-agents/toolkit/Credentials"
import type { Problem } from "@observability-agents/toolkit/SettingsProblem"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import type * as DatabricksProfile from "./DatabricksProfile.ts"
import * as Host from "./Host.ts"

/** The attributes that are read, by the names they have in profiles, with their variables. */
export const variables = {
  host: "DATABRICKS_HOST",
  token: "DATABRICKS_TOKEN",
  client_id: "DATABRICKS_CLIENT_ID",
  client_secret: "DATABRICKS_CLIENT_SECRET",
  username: "DATABRICKS_USERNAME",
  password: "DATABRICKS_PASSWORD",
  azure_client_id: "ARM_CLIENT_ID",
  azure_client_secret: "ARM_CLIENT_SECRET",
  azure_tenant_id: "ARM_TENANT_ID",
  azure_environment: "ARM_ENVIRONMENT",
  azure_workspace_resource_id: "DATABRICKS_AZURE_RESOURCE_ID",
  account_id: "DATABRICKS_ACCOUNT_ID",
  workspace_id: "DATABRICKS_WORKSPACE_ID",
  auth_type: "DATABRICKS_AUTH_TYPE"
} as const

/** The name of an attribute. */
export type Name = keyof typeof variables

/** All names. */
export const allNames: ReadonlyArray<Name> = [
  "host",
  "token",
  "client_id",
  "client_secret",
  "username",
  "password",
  "azure_client_id",
  "azure_client_secret",
  "azure_tenant_id",
  "azure_environment",
  "azure_workspace_resource_id",
  "account_id",
  "workspace_id",
  "auth_type"
]

/** An attribute's value, and where it was set, for people: `DATABRICKS_TOKEN`. */
export interface Attribute {
  readonly value: Redacted.Redacted
  readonly origin: string
}

/** What is set. */
export type Attributes = { readonly [K in Name]?: Attribute }

/** The kinds of credentials by the names that `auth_type` has for them. */
export type Kind = "pat" | "oauth-m2m" | "azure-client-secret" | "basic"

/** What each kind cannot do without; `telling`: what belongs to it alone and so tells that it is meant. */
export const kinds: Readonly<
  Record<Kind, { readonly telling: ReadonlyArray<Name>; readonly needed: ReadonlyArray<Name> }>
> = {
  pat: { telling: ["token"], needed: ["token"] },
  "oauth-m2m": { telling: ["client_id", "client_secret"], needed: ["client_id", "client_secret"] },
  "azure-client-secret": {
    telling: ["azure_client_secret"],
    needed: ["azure_client_id", "azure_client_secret", "azure_tenant_id"]
  },
  basic: { telling: ["username", "password"], needed: ["username", "password"] }
}

/** All kinds, in the order in which they are told. */
export const allKinds: ReadonlyArray<Kind> = ["pat", "oauth-m2m", "azure-client-secret", "basic"]

/** The attributes that the environment gives. An empty variable counts as not set. */
export const fromEnvironment = (env: Readonly<Record<string, string | undefined>>): Attributes =>
  collect((name) => {
    const value = env[variables[name]]
    return value === undefined ? undefined : { value, origin: variables[name] }
  })

/** The attributes that a profile gives; `origin` names file and profile. */
export const fromProfile = (profile: DatabricksProfile.Profile, origin: string): Attributes =>
  collect((name) => {
    const value = profile.get(name)
    return value === undefined ? undefined : { value, origin: `${origin}, key ${name}` }
  })

/** Which property of the settings of one of several workspaces an attribute is. */
export const fields: Readonly<Partial<Record<Name, string>>> = {
  host: "host",
  token: "token",
  client_id: "clientId",
  client_secret: "clientSecret",
  username: "username",
  password: "password",
  azure_client_id: "azureClientId",
  azure_client_secret: "azureClientSecret",
  azure_tenant_id: "azureTenantId",
  azure_environment: "azureEnvironment",
  azure_workspace_resource_id: "azureWorkspaceResourceId",
  account_id: "accountId",
  workspace_id: "workspaceId",
  auth_type: "authType"
}

/** The attributes that the settings of one of several workspaces give, by the names of their properties. */
export const fromFields = (
  valueOf: (field: string) => unknown,
  originOf: (field: string) => string
): Attributes =>
  collect((name) => {
    const field = fields[name]
    if (field === undefined) return undefined
    const value = valueOf(field)
    const plain = Redacted.isRedacted(value) ? Redacted.value(value) : value
    return typeof plain === "string" ? { value: plain, origin: originOf(field) } : undefined
  })

/** Makes attributes from whatever gives their values; empty and blank ones are not set. */
export const collect = (
  find: (name: Name) => { readonly value: string; readonly origin: string } | undefined
): Attributes => {
  const found: { [K in Name]?: Attribute } = {}
  for (const name of allNames) {
    const given = find(name)
    if (given === undefined || given.value.trim() === "") continue
    found[name] = {
      value: Redacted.make(given.value.trim(), { label: name }),
      origin: given.origin
    }
  }
  return found
}

/** Those of the first; what it lacks, of the second. */
export const orElse = (first: Attributes, second: Attributes): Attributes => ({ ...second, ...first })

/** The text of an attribute. */
export const valueOf = (attributes: Attributes, name: Name): string | undefined => {
  const attribute = attributes[name]
  return attribute === undefined ? undefined : Redacted.value(attribute.value)
}

/** The kinds of which something is set that belongs to no other. */
export const present = (attributes: Attributes): ReadonlyArray<Kind> =>
  allKinds.filter((kind) => kinds[kind].telling.some((name) => attributes[name] !== undefined))

/**
 * The kind that is meant; none where nothing is set. `setting` is what the problem is about, for people.
 */
export const decide = (attributes: Attributes, setting: string): Result.Result<Kind | undefined, Problem> => {
  const chosen = chosenBy(attributes, setting)
  if (Result.isFailure(chosen)) return Result.fail(chosen.failure)
  const found = present(attributes)
  if (chosen.success === undefined && found.length > 1)
    return Result.fail(ambiguous(attributes, found, setting))
  const kind = chosen.success ?? found[0]
  const missing =
    kind === undefined ? [] : kinds[kind].needed.filter((name) => attributes[name] === undefined)
  return kind === undefined || missing.length === 0
    ? Result.succeed(kind)
    : Result.fail(incomplete(attributes, kind, missing, setting))
}

/** Which service gives out Databricks' tokens for this workspace, where it does not say so itself. */
export const tokenUrl = (host: string): string => `${host}/oidc/v1/token`

/** Every Azure workspace is this one application to Entra, in all clouds. */
export const AZURE_SCOPE = "2ff814a6-3304-4ab8-85cb-cd0e6f879c1d/.default"

/** The sign-in host of Azure's public cloud. */
export const AUTHORITY = "https://login.microsoftonline.com"

/** The sign-in host of the Azure cloud that `ARM_ENVIRONMENT` names, or else that the workspace's address belongs to. */
export const authority = (host: string, environment?: string): string => {
  const cloud = cloudNamed(environment) ?? Host.cloudOf(host)
  return cloud === "azure-us" ? AUTHORITY_US : cloud === "azure-cn" ? AUTHORITY_CN : AUTHORITY
}

/** Whether this names a cloud of Azure that is known: in the words of `ARM_ENVIRONMENT`, or of Azure's own tools. */
export const isEnvironment = (word: string): boolean => cloudNamed(word) !== undefined

/** What {@link isEnvironment} accepts, in words. */
export const ENVIRONMENTS_EXPECTED = 'one of "public", "usgovernment", "china"'

/** The credentials of a kind for a workspace; none where something is missing, which {@link decide} tells of. */
export const credentials = (
  kind: Kind,
  attributes: Attributes,
  host: string
): Credentials.Credentials | undefined => {
  const { client_secret, token, password, azure_client_secret } = attributes
  const text = (name: Name) => valueOf(attributes, name)
  switch (kind) {
    case "pat":
      return token === undefined ? undefined : Credentials.ApiToken({ token: token.value })
    case "oauth-m2m": {
      const clientId = text("client_id")
      if (clientId === undefined || client_secret === undefined) return undefined
      const clientSecret = client_secret.value
      return Credentials.OAuthClient({ clientId, clientSecret, tokenUrl: tokenUrl(host), scope: "all-apis" })
    }
    case "azure-client-secret": {
      const [clientId, tenantId] = [text("azure_client_id"), text("azure_tenant_id")]
      if (clientId === undefined || tenantId === undefined || azure_client_secret === undefined)
        return undefined
      return Credentials.AzureServicePrincipal({
        clientId,
        tenantId,
        clientSecret: azure_client_secret.value,
        scope: AZURE_SCOPE,
        authority: authority(host, text("azure_environment"))
      })
    }
    case "basic": {
      const username = text("username")
      if (username === undefined || password === undefined) return undefined
      return Credentials.UserPassword({ username, password: password.value })
    }
  }
}

// ---- private

const AUTHORITY_US = "https://login.microsoftonline.us"
const AUTHORITY_CN = "https://login.chinacloudapi.cn"

/** The words of `ARM_ENVIRONMENT`, and of Azure's own tools for the same. */
const ENVIRONMENTS: ReadonlyArray<{ readonly cloud: Host.Cloud; readonly names: ReadonlyArray<string> }> = [
  { cloud: "azure", names: ["public", "azurepubliccloud", "azurecloud"] },
  { cloud: "azure-us", names: ["usgovernment", "usgov", "azureusgovernment"] },
  { cloud: "azure-cn", names: ["china", "azurechinacloud"] }
]

const cloudNamed = (word = ""): Host.Cloud | undefined => {
  const letters = word.toLowerCase().replaceAll(/[^a-z]/g, "")
  return ENVIRONMENTS.find(({ names }) => names.includes(letters))?.cloud
}

const SUPPORTED = allKinds.map((kind) => `"${kind}"`).join(", ")

const chosenBy = (attributes: Attributes, setting: string): Result.Result<Kind | undefined, Problem> => {
  const told = attributes.auth_type
  if (told === undefined) return Result.succeed(undefined)
  const word = Redacted.value(told.value).toLowerCase()
  const kind = allKinds.find((kind) => kind === word)
  if (kind !== undefined) return Result.succeed(kind)
  return Result.fail({
    setting,
    what: "this way of signing in (auth_type) is not supported; the agent works without a person and without another program that signs in for it",
    where: told.origin,
    expected: `one of ${SUPPORTED}`,
    found: JSON.stringify(Redacted.value(told.value).slice(0, 40))
  })
}

const originsOf = (attributes: Attributes, kind: Kind): string =>
  kinds[kind].telling.flatMap((name) => attributes[name]?.origin ?? []).join(", ")

const ambiguous = (attributes: Attributes, found: ReadonlyArray<Kind>, setting: string): Problem => ({
  setting,
  what: "credentials of more than one kind are set",
  where: found.map((kind) => `${kind}: ${originsOf(attributes, kind)}`).join("; "),
  expected: `only one kind, or auth_type (DATABRICKS_AUTH_TYPE) set to ${found.map((kind) => `"${kind}"`).join(" or ")}`,
  found: found.join(", ")
})

const incomplete = (
  attributes: Attributes,
  kind: Kind,
  missing: ReadonlyArray<Name>,
  setting: string
): Problem => ({
  setting,
  what: `credentials of the kind ${kind} are not complete`,
  where: [attributes.auth_type?.origin, originsOf(attributes, kind)]
    .filter((text) => text !== undefined && text !== "")
    .join(", "),
  expected: `all of ${kinds[kind].needed.map((name) => `${name} (${variables[name]})`).join(", ")}`,
  found: `no ${missing.join(", no ")}`
})
