/**
 * The settings of one workspace, field by field: they stand in `[databricks]` where there is one workspace, and in each
 * `[[databricks.workspaces]]` where there are several. There none is required: what is not set is as in `[databricks]`.
 */
import * as Settings from "@observability-agents/toolkit/Settings"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as SchemaGetter from "effect/SchemaGetter"
import * as DatabricksAuth from "./DatabricksAuth.ts"
import * as Host from "./Host.ts"
import * as Secrets from "./Secrets.ts"

/** The address of a workspace; its value is the origin. */
export const address = (options: Settings.FieldOptions<string>): Settings.Field<string> => {
  const field = Settings.nonEmptyString(options)
  return {
    ...field,
    expected: Host.EXPECTED,
    decode: (raw) => {
      if (typeof raw !== "string") return field.decode(raw)
      // To a browser a number is an address, too.
      return isNumber(raw) ? Result.fail("a number is no address") : Host.parse(raw)
    },
    show: (raw) => field.show(typeof raw === "string" ? Host.withoutUser(raw) : raw)
  }
}

/** What is observed of a workspace, and how often. */
export const observation = {
  jobsVersion: Settings.literals(["2.2", "2.1"], {
    description: "Version of the Jobs API. 2.1 does not show more than the first 100 tasks of a run.",
    default: "2.2",
    aliases: ["databricks_jobs_version"]
  }),
  jobs: Settings.list(Schema.NonEmptyString, {
    description:
      "Which jobs are observed: names of their runs (which are the jobs' names), with * for any characters and ? for one, or job ids. Nothing: all that the credentials may see.",
    default: [],
    aliases: ["databricks_jobs"],
    example: "nightly load,prod-*,1014961373700837"
  }),
  excludeJobs: Settings.list(Schema.NonEmptyString, {
    description: "Which jobs are left out, written as in jobs. It counts for more than jobs.",
    default: [],
    example: "test-*"
  }),
  runTypes: Settings.list(upperCase(["JOB_RUN", "SUBMIT_RUN", "WORKFLOW_RUN"]), {
    description:
      "Which kinds of runs are observed: JOB_RUN (runs of jobs), SUBMIT_RUN (one-time runs), WORKFLOW_RUN (notebooks that a notebook starts). Nothing: all.",
    default: [],
    items: "JOB_RUN, SUBMIT_RUN, WORKFLOW_RUN",
    example: "JOB_RUN"
  }),
  triggers: Settings.list(upperCase([]), {
    description:
      "Only runs that were started in these ways, in Databricks' words (PERIODIC, ONE_TIME, RETRY, RUN_JOB_TASK, FILE_ARRIVAL, CONTINUOUS, TABLE, …). Nothing: all.",
    default: [],
    items: "Databricks' words for triggers",
    example: "PERIODIC,FILE_ARRIVAL"
  }),
  metrics: Settings.boolean({
    description: "Whether durations of runs and tasks are told as metrics, too.",
    default: false
  }),
  results: Settings.boolean({
    description:
      "Whether the results of tasks are read: what notebooks hand over at their end, and the test results of dbt. It costs a request for each such task.",
    default: false
  }),
  iterations: Settings.literals(["failures", "tasks", "none"], {
    description:
      "What is told of the iterations of a for-each task: failures (messages of those that failed), tasks (each one as a task), none.",
    default: "failures"
  }),
  period: Settings.seconds({
    description: "How often the workspace is asked for its runs.",
    default: 5,
    min: 0.1,
    variables: ["DK_PERIOD"]
  }),
  failedWatchPeriod: Settings.seconds({
    description:
      "How often failed runs are looked at again, because they may have been repaired: all at once by the list of ended runs, at least this often or as often as look_back says, whichever is shorter; where that list cannot be relied upon, one by one.",
    default: 600,
    min: 1,
    aliases: ["databricks_failed_watch_period"]
  }),
  failedWatchMaxTime: Settings.seconds({
    description:
      "How long after its end a failed run is looked at again, and remembered at the least, so that its repair is told as one.",
    default: 604_800,
    min: 0,
    aliases: ["databricks_failed_watch_max_time"]
  }),
  lookBack: Settings.seconds({
    description:
      "How far each list of ended runs reaches back before what was already read, for runs that Databricks lists late. The very first look reads all that ended since start_from; where the workspace lists ended runs by their start, it takes those that began within a day before start_from, or within this time, if that is longer.",
    default: 300,
    min: 0,
    max: 30 * 86_400
  }),
  requestsPerSecond: Settings.number({
    description:
      "The most requests per second that a workspace is sent. Databricks takes about 30 from all its clients together.",
    default: 10,
    min: 0.1,
    max: 100,
    variables: ["DATABRICKS_RATE_LIMIT"]
  }),
  outputRequests: Settings.integer({
    description:
      "The most outputs of tasks that are read in one look. Those beyond it wait for the next look.",
    default: 50,
    min: 1,
    max: 1000
  })
}

/** What names a workspace and says where it is, beside its address. */
export const identity = {
  name: Settings.optional(
    Settings.nonEmptyString({
      description:
        "What the workspace is called in the log, in the state of the agent and in key_prefix. Default: the first part of its address.",
      maxLength: 60,
      example: "prod"
    })
  ),
  profile: Settings.optional(
    Settings.nonEmptyString({
      description:
        "The profile of ~/.databrickscfg (or of the file that DATABRICKS_CONFIG_FILE names) that gives address and credentials where they are not set.",
      variables: ["DATABRICKS_CONFIG_PROFILE"],
      example: "prod"
    })
  ),
  workspaceId: Settings.optional(
    Settings.nonEmptyString({
      description: "The workspace's number, where several workspaces share one address.",
      variables: ["DATABRICKS_WORKSPACE_ID"],
      example: "1234567890123456"
    })
  ),
  accountId: Settings.optional(
    Settings.nonEmptyString({
      description:
        "The Databricks account's id; needed only where the sign-in of the service principal is the account's own and the workspace does not say which.",
      variables: ["DATABRICKS_ACCOUNT_ID"],
      example: "11111111-2222-3333-4444-555555555555"
    })
  ),
  azureWorkspaceResourceId: Settings.optional(
    Settings.nonEmptyString({
      description:
        "The workspace's Azure resource id. Needed only for an Entra service principal that is no user of the workspace but has a role (Contributor, Owner) on that resource.",
      variables: ["DATABRICKS_AZURE_RESOURCE_ID"],
      example: "/subscriptions/…/resourceGroups/…/providers/Microsoft.Databricks/workspaces/prod"
    })
  )
}

const text = (description: string, example?: string) =>
  Settings.optional(Settings.nonEmptyString({ description, ...(example === undefined ? {} : { example }) }))

/** A token or another secret that goes into a header as it is. */
const token = (description: string): Settings.Field<Redacted.Redacted> => {
  const field = Settings.secret({ description })
  return {
    ...field,
    expected: "the token as Databricks gave it: letters, digits and signs of ASCII",
    decode: (raw) =>
      typeof raw === "string" && isNumber(raw)
        ? Result.fail("a number is no token")
        : Result.flatMap(field.decode(raw), (value) =>
            Secrets.isSendable(Redacted.value(value))
              ? Result.succeed(value)
              : Result.fail(Secrets.UNSENDABLE)
          )
  }
}

/** The credentials of one of several workspaces, named as in profiles of `~/.databrickscfg`. */
export const credentials = {
  token: Settings.optional(token("A personal access token of this workspace.")),
  clientId: text("The client id of a Databricks service principal.", "11111111-2222-3333-4444-555555555555"),
  clientSecret: Settings.optional(Settings.secret({ description: "Its OAuth secret." })),
  azureClientId: text("The application (client) id of an Entra service principal."),
  azureClientSecret: Settings.optional(Settings.secret({ description: "Its client secret." })),
  azureTenantId: text("Its directory's (tenant) id or domain.", "example.onmicrosoft.com"),
  azureEnvironment: Settings.optional(cloud()),
  username: text("The user name, where the workspace still takes passwords."),
  password: Settings.optional(Settings.secret({ description: "The user's password." })),
  authType: Settings.optional(
    Settings.literals(["pat", "oauth-m2m", "azure-client-secret", "basic"], {
      description:
        "Which credentials are used: pat (token), oauth-m2m (client_id), azure-client-secret, basic (username). Needed only where more than one kind is set."
    })
  )
}

/** What stands before the keys of a workspace's pipelines; `fallback` says in a sentence what is so without it. */
export const keyPrefix = (fallback: string): Settings.Field<string | undefined> => {
  const field = Settings.nonEmptyString({
    description: `What stands before the keys of the workspace's pipelines, so that those of two workspaces are never the same. ${fallback}`,
    maxLength: 100,
    example: "prod/"
  })
  return {
    ...field,
    expected: "text of at most 100 characters",
    decode: (raw) => (raw === "" ? Result.succeed("") : field.decode(raw)),
    fallback: Option.some(undefined),
    emptyIsValue: true
  }
}

/** The same field where nothing set means: as in `[databricks]`. It has no older names there. */
export const inherited = <A>(field: Settings.Field<A>): Settings.Field<A | undefined> => ({
  ...Settings.optional(field),
  defaultText: "",
  aliases: [],
  variables: []
})

// ---- private

/** What a settings file may hold where text is meant; it arrives as its digits. */
function isNumber(raw: string): boolean {
  return /^\s*[+-]?\d+(?:\.\d+)?\s*$/.test(raw)
}

/** The Azure cloud, by the words of `ARM_ENVIRONMENT` and of Azure's own tools. */
function cloud(): Settings.Field<string> {
  const field = Settings.nonEmptyString({
    description: "Its Azure cloud: public, usgovernment or china. Default: that of the workspace's address.",
    example: "usgovernment"
  })
  return {
    ...field,
    expected: DatabricksAuth.ENVIRONMENTS_EXPECTED,
    decode: (raw) =>
      Result.flatMap(field.decode(raw), (word) =>
        DatabricksAuth.isEnvironment(word) ? Result.succeed(word) : Result.fail(undefined)
      )
  }
}

/** A word of Databricks', in capitals whatever it is written in; one of these, if there are any. */
function upperCase(words: ReadonlyArray<string>): Schema.Codec<string, string> {
  return Schema.String.pipe(
    Schema.decodeTo(
      Schema.String.check(
        Schema.makeFilter((word: string) => word !== "" && (words.length === 0 || words.includes(word)))
      ),
      {
        decode: SchemaGetter.transform((word: string) => word.trim().toUpperCase()),
        encode: SchemaGetter.transform((word: string) => word)
      }
    )
  )
}
