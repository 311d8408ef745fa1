/**
 * The Databricks agent: what it is made of, and how the parts are joined.
 *
 * ```
 * Databricks ──► list runs (Loop.periodic) ──► Channel of Polls ──► track runs (Loop.receive) ──► Outbox
 * ```
 *
 * One sweep per period reads all active runs and all that ended lately ({@link Sweep}); the RunTracker tells what is new and
 * commits it together with how far was read. The rest (sending, heartbeat, health) is the framework's.
 *
 * Each workspace has all of that for itself: connections, Loops, a Channel, and a place in the state store. What goes wrong
 * with one (an outage, a token that ran out, answers that take minutes) never delays another.
 */
import * as Agent from "@observability-agents/core/Agent"
import * as Channel from "@observability-agents/core/Channel"
import { CoreSettings, startMoment } from "@observability-agents/core/CoreSettings"
import type { Health } from "@observability-agents/core/Health"
import * as Loop from "@observability-agents/core/Loop"
import { Outbox, type OutboxError } from "@observability-agents/core/Outbox"
import * as OutboxMemory from "@observability-agents/core/OutboxMemory"
import * as RunTracker from "@observability-agents/core/RunTracker"
import type { Supervisor } from "@observability-agents/core/Supervisor"
import type * as Window from "@observability-agents/core/Window"
import type { HttpTransport } from "@observability-agents/toolkit/HttpTransport"
import type * as Settings from "@observability-agents/toolkit/Settings"
import type * as Config from "effect/Config"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import * as Check from "./Check.ts"
import { Databricks } from "./Databricks.ts"
import type { DatabricksError } from "./DatabricksError.ts"
import * as DatabricksFallbacks from "./DatabricksFallbacks.ts"
import { DatabricksCredentials, DatabricksSettings } from "./DatabricksSettings.ts"
import * as Run from "./Run.ts"
import * as Sweep from "./Sweep.ts"
import * as Workspaces from "./Workspaces.ts"

/** The settings that this agent reads beside those that all agents share. */
export const sections: ReadonlyArray<Settings.Section<unknown>> = [
  DatabricksSettings,
  ...DatabricksCredentials.sections
]

/**
 * The Loops of the agent, on what the framework provides.
 */
export const layer: Layer.Layer<never, Config.ConfigError, Outbox | Supervisor | Health | HttpTransport> =
  Layer.unwrap(
    Effect.map(Workspaces.load, (workspaces) =>
      workspaces
        .map((workspace) => observe(workspace, workspaces))
        .reduce((all, one) => Layer.merge(all, one), Layer.empty)
    )
  )

/** The Loops of one workspace. Where it is one of several, their names end in its name. */
const observe = (
  workspace: Workspaces.Workspace,
  workspaces: ReadonlyArray<Workspaces.Workspace>
): Layer.Layer<never, Config.ConfigError, Outbox | Supervisor | Health | HttpTransport> =>
  Layer.unwrap(
    Effect.gen(function* () {
      const core = yield* CoreSettings.config
      const outbox = yield* Outbox
      const databricks = yield* Databricks.fromWorkspace(workspace)
      const begin = startMoment(core.startFrom, yield* DateTime.now)
      const source = sourceOf(workspace, workspaces)
      const of = workspaces.length > 1 ? ` of ${workspace.name}` : ""
      const channel = yield* Channel.make<RunTracker.Poll>(`runs${of}`)
      const sender = yield* Channel.sender(channel)
      const sweep = yield* Sweep.make({ ...workspace, source, sender }).pipe(
        Effect.provideService(Databricks, databricks)
      )
      return Layer.merge(
        Loop.periodic(
          `list runs${of}`,
          {
            period: workspace.period,
            source,
            jitter: 0.1,
            // An agent that was stopped before its first commit begins where it began.
            from: Effect.map(outbox.checkpoint(Sweep.firstStartOf(source)), ({ cursor }) =>
              Option.getOrElse(cursor, () => begin)
            ),
            committed: Effect.map(outbox.checkpoint(source), ({ cursor }) => cursor),
            onEnd: sender.close
          },
          sweep
        ),
        RunTracker.layer({
          channel,
          name: `track runs${of}`,
          retention: {
            // Lists show a run for as long as we look back after its start; the hour is for sweeps that take long.
            closed: Duration.sum(workspace.lookBack, Duration.hours(1)),
            failed: workspace.failedWatchMaxTime
          }
        })
      )
    })
  )

/** Each workspace has its own place in the state store, which goes by its address, and if others share that, by its number. */
const sourceOf = (
  { host, workspaceId }: Workspaces.Workspace,
  workspaces: ReadonlyArray<Workspaces.Workspace>
): string => {
  const isShared = workspaces.filter((other) => other.host === host).length > 1
  return `${Run.TOOL} ${host}${isShared && workspaceId !== undefined ? `?o=${workspaceId}` : ""}`
}

/**
 * Reads the runs that were active in a time span with the Task that reads them every few seconds, as if nothing were known of
 * them: workspace after workspace. What goes wrong with one is told when all the others were read.
 */
export const backfill = (
  window: Window.Window
): Stream.Stream<RunTracker.Poll, Agent.CheckFailed | Config.ConfigError, HttpTransport> =>
  Stream.callback<RunTracker.Poll, Agent.CheckFailed | Config.ConfigError, HttpTransport>(
    (queue) =>
      Effect.gen(function* () {
        const send = (poll: RunTracker.Poll) => Effect.asVoid(Queue.offer(queue, poll))
        const sender = {
          send,
          sendAll: (polls: Iterable<RunTracker.Poll>) => Effect.forEach(polls, send, { discard: true }),
          close: Effect.void
        }
        const workspaces = yield* Workspaces.load
        const outcomes = yield* Effect.forEach(workspaces, (workspace) =>
          Effect.gen(function* () {
            const sweep = yield* Sweep.make({
              ...workspace,
              source: sourceOf(workspace, workspaces),
              sender,
              isBackfill: true
            }).pipe(Effect.provideServiceEffect(Databricks, Databricks.fromWorkspace(workspace)))
            yield* sweep(window)
          }).pipe(
            Effect.catchTags({
              DatabricksError: unreachable,
              Incomplete: unreachable,
              OutboxError: unreachable
            }),
            Effect.catchTag("CheckFailed", (error) => Effect.fail(Check.named(error, workspace, workspaces))),
            Effect.result
          )
        )
        const failed = outcomes.flatMap((outcome) => (Result.isFailure(outcome) ? [outcome.failure] : []))
        const [first] = failed
        if (first !== undefined) return yield* Effect.fail(Check.together(failed, first))
        yield* Queue.end(queue)
      }).pipe(Effect.provide(OutboxMemory.layer())),
    { bufferSize: 4 }
  )

const unreachable = (error: DatabricksError | Sweep.Incomplete | OutboxError) =>
  Effect.fail(
    new Agent.CheckFailed({
      message: error.message,
      exitCode: error._tag === "DatabricksError" && error.reason._tag === "Unauthorized" ? 77 : 69
    })
  )

/** What the settings leave out. */
export const omissions: Effect.Effect<ReadonlyArray<string>, Config.ConfigError> = Effect.map(
  Workspaces.load,
  (workspaces) =>
    workspaces.flatMap((workspace) => {
      const where = workspaces.length > 1 ? `of the workspace ${workspace.name}` : "of [databricks]"
      return LEFT_OUT.flatMap(({ key, setting, words }) =>
        workspace[key].length === 0
          ? []
          : [`${words} (\`${setting}\` ${where}): ${workspace[key].join(", ")}.`]
      )
    })
)

const LEFT_OUT = [
  { key: "jobs", setting: "jobs", words: "Of the jobs, only these are watched" },
  { key: "excludeJobs", setting: "exclude_jobs", words: "These jobs are left out" },
  { key: "runTypes", setting: "run_types", words: "Only runs of these types are watched" },
  { key: "triggers", setting: "triggers", words: "Only runs that were started in these ways are watched" }
] as const

/** Asks each workspace for its newest run, and says in a sentence what came of it; of all of them together. */
export const check: Effect.Effect<string, Agent.CheckFailed | Config.ConfigError, HttpTransport> = Check.all

/**
 * The definition by which the program runs, checks and documents the agent.
 */
export const agent: Agent.Agent<Config.ConfigError> = Agent.make({
  type: "databricks",
  tool: Run.TOOL,
  description: "Watches the job runs of one or several Databricks workspaces.",
  sections,
  fallbacks: DatabricksFallbacks.find,
  layer,
  check,
  checks: Check.each,
  backfill,
  omissions
})
