/**
 * The settings of the Databricks agent: the table `[databricks]`, and the credentials that Databricks accepts.
 */
import * as CredentialsSettings from "@observability-agents/toolkit/CredentialsSettings"
import * as Settings from "@observability-agents/toolkit/Settings"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as Host from "./Host.ts"
import * as Secrets from "./Secrets.ts"

/**
 * The section `[databricks]`; variables begin with `DK_DATABRICKS_`. The older keys `databricks_…` and the variables
 * `DK_PERIOD` and `DK_TIMEOUT` are read too.
 */
export const DatabricksSettings = Settings.section("databricks", {
  description:
    "The Databricks workspace whose jobs are observed. The credentials stand in a table of their own.",
  fields: {
    host: address({
      description:
        "Address of the workspace, without a path. https:// is added where no scheme is given, and any path, query or standard port is left out.",
      aliases: ["databricks_host"],
      example: "https://adb-1234567890123456.7.azuredatabricks.net"
    }),
    jobsVersion: Settings.literals(["2.2", "2.1"], {
      description: "Version of the Jobs API. 2.1 does not show more than the first 100 tasks of a run.",
      default: "2.2",
      aliases: ["databricks_jobs_version"]
    }),
    jobs: Settings.list(Schema.NonEmptyString, {
      description:
        "Which jobs are observed: names of their runs (which are the jobs' names) or job ids. Nothing: all that the credentials may see.",
      default: [],
      aliases: ["databricks_jobs"],
      example: "nightly load,1014961373700837"
    }),
    period: Settings.seconds({
      description: "How often the workspace is asked for its runs.",
      default: 5,
      min: 0.1,
      variables: ["DK_PERIOD"]
    }),
    timeout: Settings.seconds({
      description:
        "Without effect, as in the older agent; accepted so that its settings can be kept. The time-outs of [http] hold.",
      default: 120,
      variables: ["DK_TIMEOUT"]
    }),
    failedWatchPeriod: Settings.seconds({
      description: "How often a failed run is looked at again, because it may have been repaired.",
      default: 600,
      min: 1,
      aliases: ["databricks_failed_watch_period"]
    }),
    failedWatchMaxTime: Settings.seconds({
      description: "How long after its end a failed run is looked at again.",
      default: 604_800,
      min: 0,
      aliases: ["databricks_failed_watch_max_time"]
    }),
    lookBack: Settings.seconds({
      description:
        "How far each request reaches back before what was already read, for runs that Databricks lists late. The very first one reaches back a day before start_from, so that runs which began before it and end after it are found, too.",
      default: 300,
      min: 0,
      max: 30 * 86_400
    })
  },
  check: (look) => {
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
})

/**
 * The credentials: a personal access token, a Databricks service principal (OAuth; its token endpoint is the workspace's
 * own), an Entra service principal or user (Azure), or user name and password where a workspace still takes them.
 */
export const DatabricksCredentials: CredentialsSettings.CredentialsSettings = CredentialsSettings.forTool({
  hasTokenUrl: true
})

// ---- private

/** The address of a workspace; its value is the origin. */
function address(options: Settings.FieldOptions<string>): Settings.Field<string> {
  const field = Settings.nonEmptyString(options)
  return {
    ...field,
    expected: Host.EXPECTED,
    decode: (raw) => (typeof raw === "string" ? Host.parse(raw) : field.decode(raw)),
    show: (raw) => field.show(typeof raw === "string" ? Host.withoutUser(raw) : raw)
  }
}
