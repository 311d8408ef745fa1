/**
 * What `check` says of the workspaces: one question to each, and a sentence about the answer that says what to do if something is
 * wrong.
 */
import * as Agent from "@observability-agents/core/Agent"
import * as CredentialsSections from "@observability-agents/toolkit/CredentialsSections"
import type { HttpTransport } from "@observability-agents/toolkit/HttpTransport"
import * as Settings from "@observability-agents/toolkit/Settings"
import * as Clock from "effect/Clock"
import type * as Config from "effect/Config"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import * as CheckAdvice from "./CheckAdvice.ts"
import { Databricks } from "./Databricks.ts"
import { DatabricksSettings } from "./DatabricksSettings.ts"
import * as Run from "./Run.ts"
import * as RunPhase from "./RunPhase.ts"
import * as Workspaces from "./Workspaces.ts"

/** A check of each workspace. */
export const each: Effect.Effect<ReadonlyArray<Agent.Check>, Config.ConfigError> = Effect.map(
  Workspaces.load,
  (workspaces) =>
    workspaces.map((workspace, index) => ({
      what: workspaces.length === 1 ? Run.TOOL : `${Run.TOOL} ${workspace.name}`,
      probe: probe(workspace, workspaces.length === 1 ? undefined : index)
    }))
)

/** All of them, side by side; a line each. Fails with what is wrong with any. */
export const all: Effect.Effect<string, Agent.CheckFailed | Config.ConfigError, HttpTransport> = Effect.gen(
  function* () {
    const checks = yield* each
    const outcomes = yield* Effect.forEach(
      checks,
      ({ probe, what }) =>
        probe.pipe(
          Effect.map((text) => (checks.length === 1 ? text : `${what}: ${text}`)),
          Effect.mapError((error) =>
            error._tag === "CheckFailed" && checks.length > 1
              ? new Agent.CheckFailed({ message: `${what}: ${error.message}`, exitCode: error.exitCode })
              : error
          ),
          Effect.result
        ),
      { concurrency: CONCURRENCY }
    )
    const failed = outcomes.flatMap((outcome) => (Result.isFailure(outcome) ? [outcome.failure] : []))
    const [first] = failed
    if (first !== undefined) return yield* Effect.fail(together(failed, first))
    return outcomes.flatMap((outcome) => (Result.isSuccess(outcome) ? [outcome.success] : [])).join("\n")
  }
)

/** Several failures as one: of settings the first, else all messages, a line each, with the exit code of the gravest. */
export const together = (
  failures: ReadonlyArray<Agent.CheckFailed | Config.ConfigError>,
  first: Agent.CheckFailed | Config.ConfigError
): Agent.CheckFailed | Config.ConfigError => {
  const checks = failures.filter((failure) => failure._tag === "CheckFailed")
  if (checks.length < failures.length) {
    return failures.find((failure) => failure._tag !== "CheckFailed") ?? first
  }
  return new Agent.CheckFailed({
    message: checks.map(({ message }) => message).join("\n"),
    exitCode: checks.some(({ exitCode }) => exitCode === 77) ? 77 : 69
  })
}

/** A failure that says which of several workspaces it is about. */
export const named = (
  error: Agent.CheckFailed,
  { name }: Workspaces.Workspace,
  workspaces: ReadonlyArray<Workspaces.Workspace>
): Agent.CheckFailed =>
  workspaces.length === 1
    ? error
    : new Agent.CheckFailed({ message: `Workspace ${name}: ${error.message}`, exitCode: error.exitCode })

// ---- private

/** Each may take as long as its time-outs allow; the others need not wait for that. */
const CONCURRENCY = 16

/** Asks for the newest run. `index` is the workspace's place among several. */
const probe = (workspace: Workspaces.Workspace, index: number | undefined): Agent.Check["probe"] =>
  Effect.scoped(
    Effect.gen(function* () {
      const { host, jobsVersion } = workspace
      const databricks = yield* Databricks.fromWorkspace(workspace)
      const settings = yield* settingsOf(workspace, index)
      const first = yield* Stream.runHead(databricks.listRuns({ limit: 1, expandTasks: false })).pipe(
        Effect.catch((error) =>
          Effect.flatMap(Clock.currentTimeMillis, (now) => {
            const advice = CheckAdvice.of(error, { workspace, ...settings, now })
            return Effect.fail(
              new Agent.CheckFailed({
                message: advice === undefined ? error.message : `${error.summary} ${advice}`,
                exitCode: error.reason._tag === "Unauthorized" ? 77 : 69
              })
            )
          })
        )
      )
      const answers = `Jobs API ${jobsVersion} of ${host} answers`
      const newest = Option.flatMap(first, ({ runs }) => Option.fromUndefinedOr(runs[0]))
      if (Option.isNone(newest)) {
        return `${answers}, but shows no runs: there were none within 60 days, or the credentials may not view any job (permission CAN VIEW).`
      }
      const { run_id, run_name, start_time } = newest.value
      const at = RunPhase.time(start_time)
      return `${answers}; its newest run is ${run_id}${run_name === undefined ? "" : ` of "${run_name}"`}${at === undefined ? "" : `, started ${DateTime.formatIso(at)}`}.`
    })
  )

/** Where the address and the credentials were set: the place, or else the setting's name. */
const settingsOf = Effect.fnUntraced(function* (
  { credentials }: Workspaces.Workspace,
  index: number | undefined
) {
  const { field, key, kind, own } = SETTINGS[credentials._tag]
  const { section } = CredentialsSections.tables[kind]
  const origin = (found: Option.Option<Settings.Origin>, name: string) =>
    Option.match(found, { onNone: () => name, onSome: Settings.describeOrigin })
  const shared = origin(yield* Settings.origin(section, field), `[${section.table}] ${key}`)
  if (index === undefined) {
    return {
      hostSetting: origin(yield* Settings.origin(DatabricksSettings, "host"), "host of [databricks]"),
      credentialsSetting: shared
    }
  }
  const item = (field: string) => Settings.origin(DatabricksSettings, "workspaces", { index, field })
  return {
    hostSetting: origin(yield* item("host"), `host of [[databricks.workspaces]] ${index + 1}`),
    credentialsSetting: origin(yield* item(own), shared)
  }
})

/** The secret of each kind: in the tables of credentials, and in a workspace's own. */
const SETTINGS = {
  ApiToken: { kind: "api_token", field: "agentToken", key: "agent_token", own: "token" },
  UserPassword: {
    kind: "username_password",
    field: "agentPassword",
    key: "agent_password",
    own: "password"
  },
  OAuthClient: { kind: "oauth", field: "clientSecret", key: "client_secret", own: "clientSecret" },
  AzureServicePrincipal: {
    kind: "azure_spn",
    field: "clientSecret",
    key: "client_secret",
    own: "azureClientSecret"
  },
  AzureUserPassword: { kind: "azure_basic_oauth", field: "password", key: "password", own: "password" }
} as const
