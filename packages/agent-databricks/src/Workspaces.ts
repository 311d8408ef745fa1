/**
 * The workspaces that the settings describe, ready to be observed: each with its address, its credentials, and what of
 * it is observed. Where there is one, it is that of `[databricks]`, as ever.
 */
import type * as Credentials from "@observability-agents/toolkit/Credentials"
import * as Settings from "@observability-agents/toolkit/Settings"
import * as Config from "effect/Config"
import * as ConfigProvider from "effect/ConfigProvider"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as DatabricksAuth from "./DatabricksAuth.ts"
import { DatabricksCredentials, DatabricksSettings, type Item, type Values } from "./DatabricksSettings.ts"
import * as Host from "./Host.ts"
import type * as Fields from "./WorkspaceFields.ts"

/** A workspace, and what of it is observed. */
export interface Workspace {
  /** For logs, health and metrics; the first part of the address unless the settings say otherwise. */
  readonly name: string
  /** The origin of its address, e.g. `https://adb-1.2.azuredatabricks.net`. */
  readonly host: string
  /** Stands before the keys of its pipelines; empty where there is only one workspace. */
  readonly keyPrefix: string
  readonly credentials: Credentials.Credentials
  /** The workspace's number, which a host of several workspaces wants to be told; its account's id. */
  readonly workspaceId: string | undefined
  readonly accountId: string | undefined
  /** The Azure resource id, for a service principal that is no user of the workspace. */
  readonly azureWorkspaceResourceId: string | undefined
  readonly jobsVersion: "2.1" | "2.2"
  /** Names (with `*` and `?`) or ids of the jobs to observe, none: all; and of those to leave out. */
  readonly jobs: ReadonlyArray<string>
  readonly excludeJobs: ReadonlyArray<string>
  /** Databricks' words for the kinds of runs and triggers to observe, in capitals; none: all. */
  readonly runTypes: ReadonlyArray<string>
  readonly triggers: ReadonlyArray<string>
  readonly metrics: boolean
  readonly results: boolean
  /** What is told of the iterations of for-each tasks; `iterationTasks`: whether each is told as a task. */
  readonly iterations: "failures" | "tasks" | "none"
  readonly iterationTasks: boolean
  readonly period: Duration.Duration
  readonly lookBack: Duration.Duration
  readonly failedWatchPeriod: Duration.Duration
  readonly failedWatchMaxTime: Duration.Duration
  readonly requestsPerSecond: number
  /** Outputs of tasks that are read in one sweep at most. */
  readonly outputRequests: number
}

/**
 * The workspaces of the settings, in their order; at least one. What one of several does not set is as in `[databricks]`, and
 * one without credentials has those that all share.
 */
export const load: Effect.Effect<ReadonlyArray<Workspace>, Config.ConfigError> = Effect.gen(function* () {
  const { workspaces, ...settings } = yield* DatabricksSettings.config
  if (workspaces.length === 0) {
    const host = Host.originOf(settings.host)
    if (host === "") return yield* fail("[databricks] host is required, but not set")
    const credentials = yield* sharedCredentials(host)
    return [workspace(settings, { host, keyPrefix: settings.keyPrefix ?? "", credentials })]
  }
  return yield* Effect.forEach(workspaces, (item, index) => fromItem(settings, item, index + 1))
})

// ---- private

type Own = Pick<Workspace, "host" | "keyPrefix" | "credentials">

type Observation = Pick<Values, keyof typeof Fields.observation>

type Identity = Pick<Values, "name" | "workspaceId" | "accountId" | "azureWorkspaceResourceId">

const workspace = (settings: Observation & Identity, { credentials, host, keyPrefix }: Own): Workspace => ({
  ...inherit(settings, {}),
  host,
  keyPrefix,
  credentials,
  name: settings.name ?? Host.nameOf(host),
  workspaceId: settings.workspaceId,
  accountId: settings.accountId,
  azureWorkspaceResourceId: settings.azureWorkspaceResourceId,
  iterationTasks: settings.iterations === "tasks"
})

const fromItem = Effect.fnUntraced(function* (
  settings: Omit<Values, "workspaces">,
  item: Item,
  number: number
) {
  const title = `[[databricks.workspaces]] ${number}${item.name === undefined ? "" : ` "${item.name}"`}`
  const host = Host.originOf(item.host ?? "")
  if (host === "") return yield* fail(`${title} host is required, but not set`)
  const attributes = DatabricksAuth.fromFields(
    // SAFETY: a record of properties, asked for by their names; what is none of them is undefined.
    (field) => (item as Readonly<Record<string, unknown>>)[field],
    () => title
  )
  const decided = DatabricksAuth.decide(attributes, title)
  if (Result.isFailure(decided)) return yield* fail(Settings.report([decided.failure]))
  const kind = decided.success
  const credentials =
    (kind === undefined ? undefined : DatabricksAuth.credentials(kind, attributes, host)) ??
    (yield* sharedCredentials(host))
  const name = item.name ?? Host.nameOf(host)
  return workspace(
    {
      ...inherit(settings, item),
      name,
      // What says which workspace it is, is nobody else's.
      workspaceId: item.workspaceId,
      azureWorkspaceResourceId: item.azureWorkspaceResourceId,
      accountId: item.accountId ?? settings.accountId
    },
    { host, keyPrefix: item.keyPrefix ?? `${name}/`, credentials }
  )
})

/** What is observed: as the workspace has it, else as `[databricks]` has it. */
const inherit = (settings: Observation, item: Partial<Item>): Observation => ({
  jobsVersion: item.jobsVersion ?? settings.jobsVersion,
  jobs: item.jobs ?? settings.jobs,
  excludeJobs: item.excludeJobs ?? settings.excludeJobs,
  runTypes: item.runTypes ?? settings.runTypes,
  triggers: item.triggers ?? settings.triggers,
  metrics: item.metrics ?? settings.metrics,
  results: item.results ?? settings.results,
  iterations: item.iterations ?? settings.iterations,
  period: item.period ?? settings.period,
  failedWatchPeriod: item.failedWatchPeriod ?? settings.failedWatchPeriod,
  failedWatchMaxTime: item.failedWatchMaxTime ?? settings.failedWatchMaxTime,
  lookBack: item.lookBack ?? settings.lookBack,
  requestsPerSecond: item.requestsPerSecond ?? settings.requestsPerSecond,
  outputRequests: item.outputRequests ?? settings.outputRequests
})

const sharedCredentials = (host: string): Effect.Effect<Credentials.Credentials, Config.ConfigError> =>
  Effect.map(
    DatabricksCredentials.load({
      tokenUrl: DatabricksAuth.tokenUrl(host),
      scope: "all-apis",
      azureScope: DatabricksAuth.AZURE_SCOPE
    }),
    (credentials) =>
      "authority" in credentials && credentials.authority === DatabricksAuth.AUTHORITY
        ? { ...credentials, authority: DatabricksAuth.authority(host) }
        : credentials
  )

const fail = (message: string) =>
  Effect.fail(new Config.ConfigError(new ConfigProvider.SourceError({ message })))
