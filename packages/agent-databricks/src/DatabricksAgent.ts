/**
 * The Databricks agent: what it is made of, and how the parts are joined.
 *
 * ```
 * Databricks ──► list runs (Loop.periodic) ──► Channel of Polls ──► track runs (Loop.receive) ──► Outbox
 * ```
 *
 * One sweep per period reads all active runs and all that were started lately ({@link Sweep}); the RunTracker tells what is
 * new and commits it together with how far was read. The rest (sending, heartbeat, health) is the framework's.
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
import * as Stream from "effect/Stream"
import { Databricks, origin } from "./Databricks.ts"
import type { DatabricksError } from "./DatabricksError.ts"
import { DatabricksCredentials, DatabricksSettings } from "./DatabricksSettings.ts"
import * as Run from "./Run.ts"
import * as Sweep from "./Sweep.ts"

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
    Effect.gen(function* () {
      const settings = yield* DatabricksSettings.config
      const core = yield* CoreSettings.config
      const outbox = yield* Outbox
      const begin = startMoment(core.startFrom, yield* DateTime.now)
      const source = sourceOf(settings.host)
      const channel = yield* Channel.make<RunTracker.Poll>("runs")
      const sender = yield* Channel.sender(channel)
      const sweep = yield* Sweep.make({ ...settings, source, sender })
      return Layer.merge(
        Loop.periodic(
          "list runs",
          {
            period: settings.period,
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
          retention: {
            // Lists show a run for as long as we look back after its start; the hour is for sweeps that take long.
            closed: Duration.sum(settings.lookBack, Duration.hours(1)),
            failed: settings.failedWatchMaxTime
          }
        })
      )
    })
  ).pipe(Layer.provide(Databricks.layer))

/** Each workspace has its own place in the state store. */
const sourceOf = (host: string): string => `${Run.TOOL} ${origin(host)}`

/**
 * Reads the runs that were active in a time span with the Task that reads them every few seconds, as if nothing were known of
 * them.
 */
export const backfill = (
  window: Window.Window
): Stream.Stream<RunTracker.Poll, Agent.CheckFailed | Config.ConfigError, HttpTransport> =>
  Stream.callback<RunTracker.Poll, Agent.CheckFailed | Config.ConfigError, HttpTransport>(
    (queue) =>
      Effect.gen(function* () {
        const settings = yield* DatabricksSettings.config
        const send = (poll: RunTracker.Poll) => Effect.asVoid(Queue.offer(queue, poll))
        const sender = {
          send,
          sendAll: (polls: Iterable<RunTracker.Poll>) => Effect.forEach(polls, send, { discard: true }),
          close: Effect.void
        }
        const sweep = yield* Sweep.make({
          ...settings,
          source: sourceOf(settings.host),
          sender,
          isBackfill: true
        })
        yield* sweep(window)
        yield* Queue.end(queue)
      }).pipe(
        Effect.catchTags({
          DatabricksError: unreachable,
          Incomplete: unreachable,
          OutboxError: unreachable
        }),
        Effect.provide([Databricks.layer, OutboxMemory.layer()])
      ),
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
  DatabricksSettings.config,
  ({ jobs }) =>
    jobs.length === 0
      ? []
      : [`Of the jobs, only these are watched (\`jobs\` of [databricks]): ${jobs.join(", ")}.`]
)

/**
 * Asks the workspace for its newest run, and says in a sentence what came of it.
 */
export const check: Effect.Effect<string, Agent.CheckFailed | Config.ConfigError, HttpTransport> = Effect.gen(
  function* () {
    const { host, jobsVersion } = yield* DatabricksSettings.config
    const databricks = yield* Databricks
    const first = yield* Stream.runHead(databricks.listRuns({ limit: 1, expandTasks: false })).pipe(
      Effect.mapError(
        (error) =>
          new Agent.CheckFailed({
            message: error.message,
            exitCode: error.reason._tag === "Unauthorized" ? 77 : 69
          })
      )
    )
    const answers = `Jobs API ${jobsVersion} of ${origin(host)} answers`
    const newest = Option.flatMap(first, ({ runs }) => Option.fromUndefinedOr(runs[0]))
    if (Option.isNone(newest)) {
      return `${answers}, but shows no runs: there were none within 60 days, or the credentials may not view any job (permission CAN VIEW).`
    }
    const { run_name, run_id, start_time } = newest.value
    const at = Run.time(start_time)
    return `${answers}; its newest run is ${run_id}${run_name === undefined ? "" : ` of "${run_name}"`}${at === undefined ? "" : `, started ${DateTime.formatIso(at)}`}.`
  }
).pipe(Effect.provide(Databricks.layer))

/**
 * The definition by which the program runs, checks and documents the agent.
 */
export const agent: Agent.Agent<Config.ConfigError> = Agent.make({
  type: "databricks",
  tool: Run.TOOL,
  description: "Watches the job runs of a Databricks workspace.",
  sections,
  layer,
  check,
  backfill,
  omissions
})
