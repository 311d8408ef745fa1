/**
 * The settings of the Databricks agent: the table `[databricks]`, which describes one workspace, the tables
 * `[[databricks.workspaces]]`, which describe several, and the credentials that Databricks accepts.
 */
import * as CredentialsSettings from "@observability-agents/toolkit/CredentialsSettings"
import * as Settings from "@observability-agents/toolkit/Settings"
import * as Redacted from "effect/Redacted"
import * as Secrets from "./Secrets.ts"
import * as Fields from "./WorkspaceFields.ts"
import * as WorkspaceProblems from "./WorkspaceProblems.ts"

/**
 * The section `[databricks]`; variables begin with `DK_DATABRICKS_`. The older keys `databricks_…` and the variables
 * `DK_PERIOD` and `DK_TIMEOUT` are read too. `host` is empty where there are several workspaces.
 */
export const DatabricksSettings = Settings.section("databricks", {
  description:
    "The Databricks workspace whose jobs are observed, or several of them (`[[databricks.workspaces]]`). The credentials of a single workspace stand in a table of their own, as do those that several workspaces share.",
  fields: {
    host: Settings.map(
      Settings.optional(
        Fields.address({
          description:
            "Address of the workspace, without a path. https:// is added where no scheme is given, and any path, query or standard port is left out. Required, unless the profile has it or there are several workspaces.",
          aliases: ["databricks_host"],
          variables: ["DATABRICKS_HOST"],
          example: "https://adb-1234567890123456.7.azuredatabricks.net"
        })
      ),
      (host) => host ?? ""
    ),
    ...Fields.identity,
    keyPrefix: Fields.keyPrefix("Default: nothing."),
    ...Fields.observation,
    timeout: Settings.seconds({
      description:
        "Without effect, as in the older agent; accepted so that its settings can be kept. The time-outs of [http] hold.",
      default: 120,
      variables: ["DK_TIMEOUT"]
    }),
    workspaces: Settings.tables(
      {
        name: Fields.inherited(Fields.identity.name),
        host: Fields.inherited(
          Fields.address({
            description: "Address of the workspace. Required, unless the profile has it.",
            example: "https://adb-1234567890123456.7.azuredatabricks.net"
          })
        ),
        keyPrefix: Fields.keyPrefix("Default: its name and a slash; empty text: nothing."),
        profile: Fields.inherited(Fields.identity.profile),
        ...Fields.credentials,
        workspaceId: Fields.inherited(Fields.identity.workspaceId),
        accountId: Fields.inherited(Fields.identity.accountId),
        azureWorkspaceResourceId: Fields.inherited(Fields.identity.azureWorkspaceResourceId),
        jobsVersion: Fields.inherited(Fields.observation.jobsVersion),
        jobs: Fields.inherited(Fields.observation.jobs),
        excludeJobs: Fields.inherited(Fields.observation.excludeJobs),
        runTypes: Fields.inherited(Fields.observation.runTypes),
        triggers: Fields.inherited(Fields.observation.triggers),
        metrics: Fields.inherited(Fields.observation.metrics),
        results: Fields.inherited(Fields.observation.results),
        iterations: Fields.inherited(Fields.observation.iterations),
        period: Fields.inherited(Fields.observation.period),
        failedWatchPeriod: Fields.inherited(Fields.observation.failedWatchPeriod),
        failedWatchMaxTime: Fields.inherited(Fields.observation.failedWatchMaxTime),
        lookBack: Fields.inherited(Fields.observation.lookBack),
        requestsPerSecond: Fields.inherited(Fields.observation.requestsPerSecond),
        outputRequests: Fields.inherited(Fields.observation.outputRequests)
      },
      {
        description:
          "Several workspaces, each with an address of its own, in place of host. What is not set in one is as in [databricks]; one without credentials uses those that all share."
      }
    )
  },
  check: (look) => [...WorkspaceProblems.find(look), ...tokenProblems(look)]
})

/** What `[databricks]` holds. */
export type Values = typeof DatabricksSettings extends Settings.Section<infer A> ? A : never

/** What one of the `[[databricks.workspaces]]` holds. */
export type Item = Values["workspaces"][number]

/**
 * The credentials: a personal access token, a Databricks service principal (OAuth; its token endpoint is the workspace's
 * own), an Entra service principal or user (Azure), or user name and password where a workspace still takes them. Where there
 * are several workspaces, they need not be set: each may have its own.
 */
export const DatabricksCredentials: CredentialsSettings.CredentialsSettings = CredentialsSettings.forTool({
  hasTokenUrl: true,
  isNeeded: WorkspaceProblems.needsShared,
  otherPlaces: [
    "or the variables of Databricks' own tools (DATABRICKS_TOKEN; DATABRICKS_CLIENT_ID and DATABRICKS_CLIENT_SECRET; ARM_CLIENT_ID, ARM_CLIENT_SECRET and ARM_TENANT_ID),",
    "or a profile of ~/.databrickscfg ([databricks] profile, DATABRICKS_CONFIG_PROFILE)"
  ]
})

// ---- private

function tokenProblems(look: Settings.Look): ReadonlyArray<Settings.Problem> {
  const kind = look.value("credentials", "kind")
  const token = look.value("auth_api_token", "agentToken")
  if (!(kind === undefined || kind === "api_token") || !Redacted.isRedacted(token)) return []
  const text = Redacted.value(token)
  if (typeof text !== "string" || Secrets.isSendable(text)) return []
  const origin = look.origin("auth_api_token", "agentToken")
  return [
    {
      setting: "[auth_api_token] agent_token",
      what: Secrets.UNSENDABLE,
      where: origin === undefined ? "" : Settings.describeOrigin(origin),
      expected: "the token as Databricks gave it: letters, digits and signs of ASCII",
      found: ""
    }
  ]
}
