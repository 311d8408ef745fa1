/**
 * Status: how an agent stands at this moment, for people and programs that ask. It is what the status server shows, as one
 * document of plain JSON: times are ISO 8601 texts, spans are seconds.
 *
 * It holds names that the tool gave (jobs, runs, tasks), which are not secret but not public either, and no secret.
 */
import { HttpSettings } from "@observability-agents/toolkit/HttpSettings"
import { ObservabilitySettings } from "@observability-agents/toolkit/ObservabilitySettings"
import type * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Activity from "./Activity.ts"
import { HeartbeatWatch } from "./AgentObservability.ts"
import { CoreSettings } from "./CoreSettings.ts"
import * as EventTitle from "./EventTitle.ts"
import * as Graph from "./Graph.ts"
import { Health } from "./Health.ts"
import * as Heartbeat from "./Heartbeat.ts"
import { type DeadLetter, Outbox } from "./Outbox.ts"
import { OutboxWatch } from "./OutboxWatch.ts"
import * as Readiness from "./Readiness.ts"
import * as StatusState from "./StatusState.ts"
import { StatusSettings } from "./StatusSettings.ts"
import type { TrackedRun } from "./TrackedRun.ts"
import * as Wiring from "./Wiring.ts"

/** An answer of {@link Readiness}, as JSON. */
export interface Answer {
  readonly ok: boolean
  readonly reasons: ReadonlyArray<{
    readonly part: string
    readonly reason: string
    readonly since: string | null
  }>
}

/** How the agent stands, as JSON. */
export interface Snapshot {
  readonly at: string
  readonly startedAt: string
  readonly agent: {
    readonly key: string
    readonly type: string
    readonly tool: string
    readonly version: string
  }
  readonly ready: Answer
  readonly live: Answer
  readonly heartbeat: {
    readonly state: "sent" | "withheld" | "failing" | "starting"
    readonly lastSent: string | null
  }
  readonly parts: ReadonlyArray<{
    readonly name: string
    readonly state: "ok" | "failing"
    readonly since: string
    readonly lastSuccess: string | null
    readonly reason: string | null
  }>
  readonly outbox: {
    readonly pending: number
    readonly inFlight: number
    readonly lanes: number
    readonly deadLetters: number
    /** Since the store was made. */
    readonly delivered: number
    readonly oldestPending: string | null
    readonly latestDelivered: string | null
  }
  /** Within the last minute. `lag`: mean seconds from what an event tells of to its delivery. */
  readonly lastMinute: { readonly delivered: number; readonly committed: number; readonly lag: number | null }
  readonly loops: ReadonlyArray<{
    readonly name: string
    readonly kind: string
    readonly period: number | null
    readonly runs: number
    readonly failures: number
    readonly lastSuccess: string | null
    readonly busySince: string | null
    readonly ended: boolean
  }>
  readonly channels: ReadonlyArray<{
    readonly name: string
    readonly depth: number
    readonly capacity: number
    readonly waiting: number
  }>
  readonly sources: ReadonlyArray<{
    readonly source: string
    readonly readUpTo: string | null
    readonly openRuns: number
  }>
  readonly runs: { readonly open: number; readonly newest: ReadonlyArray<Run> }
  readonly deadLetters: ReadonlyArray<Letter>
  /** The newest first. */
  readonly events: ReadonlyArray<Activity.Told>
  readonly problems: ReadonlyArray<Activity.Told>
  /** The oldest first, one for each five seconds. */
  readonly samples: ReadonlyArray<StatusState.Sample>
}

/** A run that is followed. */
export interface Run {
  readonly source: string
  readonly pipeline: string
  readonly pipelineName: string | null
  readonly run: string
  readonly runName: string | null
  readonly startedAt: string | null
  readonly observedAt: string
  readonly tasks: { readonly known: number; readonly ended: number }
}

/** A dead letter. */
export interface Letter {
  readonly number: number
  readonly at: string
  readonly event: Activity.Subject
  readonly reason: string
  readonly words: string
  readonly attempts: number
}

/** Who the agent is, and since when it runs. */
export interface Identity {
  readonly type: string
  readonly tool: string
  readonly version: string
  /** Unless given, the moment that the answers are there: earlier where these are made anew while the agent runs. */
  readonly startedAt?: DateTime.Utc | undefined
}

/** How many runs are listed. */
export const RUNS = 100

/** Answers how the agent stands. */
export class Status extends Context.Service<
  Status,
  {
    readonly snapshot: Effect.Effect<Snapshot>
    readonly ready: Effect.Effect<Answer>
    readonly live: Effect.Effect<Answer>
    readonly graph: Effect.Effect<Graph.Graph>
  }
>()("@observability-agents/core/Status") {}

/** Answers for the agent that this is provided to, from now on. See `Agent.Options`. */
export const layer = ({
  startedAt,
  ...identity
}: Identity): Layer.Layer<
  Status,
  Config.ConfigError,
  Outbox | OutboxWatch | HeartbeatWatch | Health | Activity.Activity
> =>
  Layer.effect(
    Status,
    Effect.gen(function* () {
      const core = yield* CoreSettings.config
      const { staleAfter, stuckAfter } = yield* StatusSettings.config
      const outbox = yield* Outbox
      const watch = yield* OutboxWatch
      const health = yield* Health
      const wiring = yield* Wiring.Current
      const beats = yield* HeartbeatWatch
      const state = yield* StatusState.make
      const longest = Duration.max(
        Readiness.longestRequest(yield* HttpSettings.config),
        Readiness.longestRequest(yield* ObservabilitySettings.config)
      )
      const patience: Readiness.Options = {
        health,
        watch,
        wiring,
        staleAfter,
        stuckAfter: Duration.max(stuckAfter, longest)
      }
      const ready = Effect.map(Readiness.ready(patience), answer)
      const live = Effect.map(Readiness.live(patience), answer)
      const graph = Effect.sync(() =>
        Graph.make(identity.tool, {
          loops: wiring?.loops() ?? [],
          channels: wiring?.channels() ?? []
        })
      )

      const heartbeat = Effect.gen(function* () {
        const failing = yield* health.failingFor(core.healthGrace)
        const { parts } = yield* health.report
        const part = parts.find(({ name }) => name === Heartbeat.LOOP)
        const withheld = failing.some(({ name }) => name !== Heartbeat.LOOP)
        const lastSent = isoOrNull(beats.lastSent())
        return {
          state: withheld
            ? "withheld"
            : part === undefined
              ? "starting"
              : part.state === "ok"
                ? "sent"
                : "failing",
          lastSent
        } as const
      })

      const snapshot = Effect.gen(function* (): Effect.fn.Return<Snapshot> {
        const at = yield* DateTime.now
        const { parts } = yield* health.report
        const status = yield* outbox.status
        const samples = state.samples()
        const sources = watch.sources()
        return {
          at: DateTime.formatIso(at),
          startedAt: DateTime.formatIso(startedAt ?? state.startedAt),
          agent: { key: core.agentKey, ...identity },
          ready: yield* ready,
          live: yield* live,
          heartbeat: yield* heartbeat,
          parts: parts.map(({ lastSuccess, name, reason, since, state }) => ({
            name,
            state,
            since: DateTime.formatIso(since),
            lastSuccess: isoOrNull(lastSuccess),
            reason: reason ?? null
          })),
          outbox: {
            pending: status.pending,
            inFlight: status.inFlight,
            lanes: status.lanes,
            deadLetters: status.deadLetters,
            delivered: status.delivered,
            oldestPending: isoOrNull(Option.getOrUndefined(status.oldestPending)),
            latestDelivered: isoOrNull(Option.getOrUndefined(status.latestDelivered))
          },
          lastMinute: lastMinute(samples),
          loops: (wiring?.loops() ?? []).map((loop) => {
            const runs = loop.runs()
            return {
              name: loop.name,
              kind: loop.kind,
              period: secondsOrNull(loop.period()),
              runs: runs.total,
              failures: runs.failed,
              lastSuccess: millisOrNull(loop.lastSuccess()),
              busySince: millisOrNull(loop.busySince()),
              ended: loop.ended()
            }
          }),
          channels: (wiring?.channels() ?? []).map(({ capacity, depth, name, waiting }) => ({
            name,
            capacity,
            depth: depth(),
            waiting: waiting()
          })),
          sources: sources.map(({ cursor, open, source }) => ({
            source,
            readUpTo: isoOrNull(cursor),
            openRuns: open
          })),
          runs: {
            open: sources.reduce((sum, { open }) => sum + open, 0),
            newest: watch.runs(RUNS).map(run)
          },
          deadLetters: (yield* state.deadLetters).map(letter),
          events: state.events(),
          problems: state.problems(),
          samples
        }
      })
      return Status.of({ snapshot, ready, live, graph })
    })
  )

/** An answer as JSON. */
export const answer = ({ ok, reasons }: Readiness.Answer): Answer => ({
  ok,
  reasons: reasons.map(({ part, reason, since }) => ({ part, reason, since: isoOrNull(since) }))
})

const isoOrNull = (time: DateTime.Utc | undefined): string | null =>
  time === undefined ? null : DateTime.formatIso(time)

const millisOrNull = (millis: number | undefined): string | null =>
  millis === undefined ? null : DateTime.formatIso(DateTime.makeUnsafe(millis))

const secondsOrNull = (millis: number | undefined): number | null =>
  millis === undefined ? null : Duration.toSeconds(Duration.millis(millis))

const lastMinute = (samples: ReadonlyArray<StatusState.Sample>): Snapshot["lastMinute"] => {
  const minute = samples.slice(-60 / Duration.toSeconds(StatusState.SAMPLE_PERIOD))
  const seconds = Duration.toSeconds(StatusState.SAMPLE_PERIOD)
  const delivered = minute.reduce((sum, sample) => sum + sample.deliveredEvents, 0)
  const lag = minute.reduce((sum, sample) => sum + (sample.lag ?? 0) * sample.deliveredEvents, 0)
  return {
    delivered,
    committed: Math.round(minute.reduce((sum, sample) => sum + sample.committed * seconds, 0)),
    lag: delivered === 0 ? null : lag / delivered
  }
}

const run = (run: TrackedRun & { readonly source: string }): Run => {
  const tasks = Object.values(run.tasks)
  return {
    source: run.source,
    pipeline: run.pipeline.key,
    pipelineName: run.pipeline.name ?? null,
    run: run.run.key,
    runName: run.run.name ?? null,
    startedAt: isoOrNull(run.startedAt),
    observedAt: DateTime.formatIso(run.observedAt),
    tasks: {
      known: tasks.length,
      ended: tasks.filter(({ phase }) => phase !== "Running" && phase !== "Pending").length
    }
  }
}

const letter = ({ attempts, buriedAt, entry, number, reason, words }: DeadLetter): Letter => ({
  number,
  at: DateTime.formatIso(buriedAt),
  event: Activity.subject(entry.event),
  reason,
  words: EventTitle.cut(words, LONGEST_WORDS),
  attempts
})

const LONGEST_WORDS = 500
