/**
 * Reading a time span again, through the same path as ever: the agent's own Task reads the Window, the RunTracker says what
 * has to be told, the identities in the Outbox keep out what was told before. A second backfill of the same span makes
 * nothing new. How far the source was read is not touched.
 */
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { Checkpoint, Commit, Committed, Outbox, OutboxError } from "./Outbox.ts"
import type { Reader } from "./OutboxSqliteReader.ts"
import { key, type RunSnapshot } from "./RunSnapshot.ts"
import * as RunCommit from "./RunCommit.ts"
import type * as RunTracker from "./RunTracker.ts"
import type { TrackedRun } from "./TrackedRun.ts"
import type { Window } from "./Window.ts"

/** What a backfill did, or would do, for one run. */
export interface Run {
  readonly pipeline: RunSnapshot["pipeline"]
  readonly run: RunSnapshot["run"]
  readonly startedAt: DateTime.Utc | undefined
  /** Events that are made anew. */
  readonly made: number
  /** Events that were made before. */
  readonly known: number
}

/** Where the events go. */
export type Target = Pick<Outbox["Service"], "checkpoint" | "commit">

/** A backfill in progress. */
export interface Backfill {
  /** Takes what was read: of the runs that were active in the Window, what is not known yet. */
  readonly take: (poll: RunTracker.Poll) => Effect.Effect<void, OutboxError>
  /** The runs so far, in the order in which they were read first. */
  readonly runs: () => ReadonlyArray<Run>
}

/** Begins a backfill of the Window into that Outbox. */
export const make = (window: Window, target: Target): Backfill => {
  const runs = new Map<string, { readonly snapshot: RunSnapshot; made: number; readonly ids: Set<string> }>()
  const take = Effect.fnUntraced(function* ({ snapshots, source }: RunTracker.Poll) {
    const now = yield* DateTime.now
    // Once for all of them: it holds every run that is known.
    const known = new Map((yield* target.checkpoint(source)).runs)
    for (const snapshot of snapshots) {
      if (!wasActiveIn(window, snapshot)) continue
      const poll: RunTracker.Poll = { source, snapshots: [snapshot] }
      const found = runs.get(key(snapshot)) ?? { snapshot, made: 0, ids: new Set<string>() }
      runs.set(key(snapshot), found)
      // All that there is to tell of the run, as if nothing were known.
      for (const { id } of RunCommit.commitOf(NOTHING, poll, now, FORGET_NOTHING).entries) found.ids.add(id)
      const tracked = known.get(key(snapshot))
      const checkpoint =
        tracked === undefined ? NOTHING : { ...NOTHING, runs: new Map([[tracked.key, tracked]]) }
      const commit = RunCommit.commitOf(checkpoint, poll, now, FORGET_NOTHING)
      if (commit.runs.length === 0 && commit.entries.length === 0) continue
      for (const run of commit.runs) known.set(run.key, run)
      // One by one, as the Outbox tells of each commit only how many events were new.
      found.made += (yield* target.commit(commit)).accepted
    }
  })
  return {
    take,
    runs: () =>
      Array.from(runs.values(), ({ ids, made, snapshot }) => ({
        pipeline: snapshot.pipeline,
        run: snapshot.run,
        startedAt: snapshot.startedAt,
        made,
        known: Math.max(0, ids.size - made)
      }))
  }
}

/**
 * Whether a run was active in the half-open Window: it began before its end, and had not ended before its start. A run without
 * a start is taken to have begun, one without an end to go on.
 */
export const wasActiveIn = (
  window: Window,
  {
    endedAt,
    startedAt
  }: { readonly startedAt?: DateTime.Utc | undefined; readonly endedAt?: DateTime.Utc | undefined }
): boolean =>
  (startedAt === undefined || DateTime.isLessThan(startedAt, window.to)) &&
  (endedAt === undefined || DateTime.isGreaterThanOrEqualTo(endedAt, window.from))

/** Takes commits as the Outbox in that file would, and writes nothing. */
export const rehearsal = (reader: Reader): Target => {
  const seen = new Set<string>()
  const runs = new Map<string, Map<string, TrackedRun>>()
  return {
    checkpoint: Effect.fnUntraced(function* (source: string) {
      let known = runs.get(source)
      if (known === undefined) {
        const stored = (yield* reader.sources).find((other) => other.source === source)
        known = new Map(stored?.runs.map((run) => [run.key, run]))
        runs.set(source, known)
      }
      return { cursor: Option.none(), runs: known }
    }),
    commit: Effect.fnUntraced(function* (commit: Commit): Effect.fn.Return<Committed, OutboxError> {
      let accepted = 0
      for (const { id } of commit.entries) {
        if (seen.has(id)) continue
        seen.add(id)
        if (!(yield* reader.knows(id))) accepted += 1
      }
      const known = runs.get(commit.source)
      for (const run of commit.runs) known?.set(run.key, run)
      return { accepted, repeated: commit.entries.length - accepted }
    })
  }
}

const NOTHING: Checkpoint = { cursor: Option.none(), runs: new Map() }

/** Forgetting is left to the agent, which knows for how long its tool is looked back at. */
const FORGET_NOTHING: RunTracker.Retention = { closed: "3650 days", failed: "3650 days" }
