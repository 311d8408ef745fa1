/**
 * The RunTracker: from what was known of a run and a new RunSnapshot of it, to the events that have to be told now and
 * what is known then. The server takes events in one order per run only (RUNNING, then what happens in it, then its end),
 * counts each repetition, and raises an alert for a status of a run that has ended; tools, polled, show states in any
 * order, again and again, with gaps and missing times. This pure state machine stands between the two.
 *
 * What is **known** of a run is what was reported, and one snapshot is folded by these rules:
 *
 * | # | known | snapshot | told | known then |
 * |---|---|---|---|---|
 * | 1 | any | older than known (`observedAt`), by at most 5 minutes | nothing | unchanged |
 * | 2 | nothing reported | not begun: Pending or Skipped, and no task has begun | nothing | Pending, Skipped |
 * | 3 | nothing reported | begun: Running or ended, or a task has begun | RUNNING, then as 4 or 5 | Running |
 * | 4 | Running | Running; or Pending or gone back: no evidence of anything | what is new of tasks and messages | Running |
 * | 5 | Running | ended | new of tasks and messages; ends of tasks still open (run's outcome, `inferred`); the run's end | ended |
 * | 6 | Running | Skipped | as 5, as COMPLETED_WITH_WARNINGS with `skipped`: what was begun has to end | ended |
 * | 7 | ended | no evidence that it was re-opened | nothing, not even late messages: they would stand behind the end | ended |
 * | 8 | ended | evidence that it was re-opened | RUNNING (next opening, later than the known end), then as 4 or 5 | Running, ended |
 * | 9 | Running | none: the tool does not know the run any more | a warning; ends of tasks still open and the run's end, as COMPLETED_WITH_WARNINGS | ended, lost |
 * | 10 | ended, lost | Running or ended | as 8 | Running, ended |
 *
 * A snapshot that is older by **more than 5 minutes** is the newest nevertheless, for polls follow each other: the clock was
 * set back. The other rules hold for it, and its `observedAt` is known from then on.
 *
 * **Evidence of a re-opening.** Never, when the snapshot shows an end that is not later than the known one. Else any of:
 * the tool's own count of re-openings is higher; a task has a higher attempt that has begun (and did not end before the
 * run's known end: then it is old news); the run, or a task, started after the run's known end; the run's end is later
 * than the known one. The last two count only when the tool itself had told the known end. A phase that merely goes back
 * from ended to Running is none: tools answer from stale copies. Where a tool leaves out tasks and times alike, an attempt
 * seen late cannot be told from a new one: it is taken for new, for nothing shall be lost.
 *
 * **Lost** runs are those that were ended because the tool did not know them any more (`lose`). Nothing is known of such an
 * end, so it holds against nothing the tool says: that the run runs or has ended, seen later, or any end with its time, is
 * evidence, even of an end that is earlier. The RUNNING is then told a millisecond after the end of the lost opening, for
 * the run had never stopped, unless it started later; and the true end is told, not before that RUNNING.
 *
 * **Tasks** of an open run, by key, looking at the highest attempt that has begun:
 *
 * | # | known of the task | snapshot | told |
 * |---|---|---|---|
 * | a | nothing reported | no attempt has begun | nothing |
 * | b | nothing reported | an attempt has begun | RUNNING (start of the first begun attempt), then as c or d |
 * | c | Running | Running, or a higher attempt is Pending: it will be tried again | messages; the end of each earlier attempt, as a message |
 * | d | Running | highest begun attempt has ended, none is to follow | messages as in c, then its end |
 * | e | Running | Skipped, as a higher or the same attempt | COMPLETED_WITH_WARNINGS with `skipped` |
 * | f | ended | a higher attempt has begun, or the same one anew (it started, or ended otherwise, later than the known end), or it was lost with its run and the same one has begun | RUNNING, later than the known end, then as c or d |
 * | g | ended | anything else | nothing |
 * | h | any | lower attempts than known only, or the task is left out | nothing |
 *
 * **Times** come from the tool. One before 1971 or after 9999 is none. A missing start is the earliest start of a begun
 * task, else the end, else `observedAt`; a missing end is `observedAt` (of a task: the run's end first). No end is before
 * its RUNNING, and a RUNNING that follows an end is at least a millisecond later.
 *
 * **Identity**: see `RunEvents`. What was told is remembered in the TrackedRun, so that nothing is told twice; the
 * Outbox remembers identities besides, which also covers runs that were forgotten here and are read again. Of ended runs
 * that may be re-opened, an outline is known for as long as those identities are: see `RunRetention`.
 */
import type { Metadata } from "@observability-agents/toolkit/Event"
import * as Cause from "effect/Cause"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import type { Channel } from "./Channel.ts"
import * as Cursor from "./Cursor.ts"
import { Health } from "./Health.ts"
import * as Loop from "./Loop.ts"
import { type Checkpoint, type Commit, type Committed, type Entry, type Note, Outbox } from "./Outbox.ts"
import * as OutboxAccess from "./OutboxAccess.ts"
import * as RunEvents from "./RunEvents.ts"
import * as RunEvidence from "./RunEvidence.ts"
import * as RunNote from "./RunNote.ts"
import * as RunRetention from "./RunRetention.ts"
import type { Retention } from "./RunRetention.ts"
import { key, type RunSnapshot } from "./RunSnapshot.ts"
import * as RunTimes from "./RunTimes.ts"
import * as TaskTracker from "./TaskTracker.ts"
import type { Supervisor } from "./Supervisor.ts"
import { messageId, type TrackedRun, type TrackedTask } from "./TrackedRun.ts"

/** What one poll of a tool brought. */
export interface Poll {
  /** Whose checkpoint this belongs to: one name per poller. Only one RunTracker may write a source. */
  readonly source: string
  readonly snapshots: ReadonlyArray<RunSnapshot>
  /** The end of the Window that this poll covered, on the last Poll of a sweep. It is committed with the rest. */
  readonly cursor?: DateTime.Utc | undefined
  /** Keys (`RunSnapshot.key`) of tracked runs that the tool does not know any more. */
  readonly gone?: ReadonlyArray<string> | undefined
}

/** How long runs that have ended stay known. */
export type { Retention } from "./RunRetention.ts"

/**
 * Tracks the runs of the Polls of a Channel: for each Poll, events, tracked runs and cursor become true in one commit. A
 * full Outbox holds the Channel back; a store that is unavailable is tried until it is there; one that is unusable ends
 * the agent.
 *
 * A snapshot that breaks the rules' code is logged and left out. Where a whole Poll cannot be committed, the next cursor
 * of its source is not committed either, so that the Window is read again.
 */
export const layer = (options: {
  readonly channel: Channel<Poll>
  readonly retention: Retention
  /** The Loop's name, where several RunTrackers work in one program. */
  readonly name?: string | undefined
}): Layer.Layer<never, never, Outbox | Supervisor | Health> =>
  Layer.suspend(() => {
    const name = options.name ?? "track runs"
    const reported = new Set<string>()
    const isNews = ({ cause, run }: Broken): boolean => {
      const report = `${run}: ${String(cause)}`
      if (reported.has(report)) return false
      if (reported.size >= MAX_REPORTS) reported.clear()
      reported.add(report)
      return true
    }
    const incomplete = new Set<string>()
    return Loop.receive(name, options.channel.receiver, (poll) => {
      const isHeldBack = poll.cursor !== undefined && incomplete.delete(poll.source)
      const task = apply(isHeldBack ? { ...poll, cursor: undefined } : poll, { ...options, name, isNews })
      // A Poll with a cursor that is not committed leaves the cursor where it was by itself.
      return poll.cursor !== undefined
        ? task
        : Effect.onError(task, () => Effect.sync(() => incomplete.add(poll.source)))
    })
  })

/** Broken snapshots that are remembered, so that each is reported once. */
const MAX_REPORTS = 1000

/** A snapshot, or a run that is gone, that could not be folded. That is a defect. */
interface Broken {
  readonly run: string
  readonly cause: unknown
}

/** The Task of {@link layer}: commits what a Poll changes. */
export const apply = Effect.fn("RunTracker.apply")(function* (
  poll: Poll,
  options: {
    readonly retention: Retention
    readonly name?: string | undefined
    /** Whether a broken snapshot is to be logged. */
    readonly isNews?: ((broken: Broken) => boolean) | undefined
  }
): Effect.fn.Return<Committed, OutboxAccess.AccessError, Outbox | Health> {
  const outbox = yield* Outbox
  const health = yield* Health
  const name = options.name ?? "track runs"
  const unavailable = (error: { readonly message: string }) => health.failed(name, error.message)
  const checkpoint = yield* OutboxAccess.persist(outbox.checkpoint(poll.source), unavailable)
  const now = yield* DateTime.now
  const broken: Array<Broken> = []
  const commit = commitOf(checkpoint, poll, now, options.retention, (one) => broken.push(one))
  for (const one of broken) {
    if (options.isNews?.(one) === false) continue
    yield* Effect.annotateLogs(
      Effect.logError("A run's snapshot broke the RunTracker and is left out", Cause.die(one.cause)),
      { source: poll.source, run: one.run }
    )
  }
  return yield* OutboxAccess.persist(outbox.commit(commit), unavailable)
})

/**
 * What a Poll changes, given what was committed before. Pure. What throws while one run is folded goes to `onBroken`, if
 * there is one, and that snapshot changes nothing.
 */
export const commitOf = (
  checkpoint: Checkpoint,
  poll: Poll,
  now: DateTime.Utc,
  retention: Retention,
  onBroken?: (broken: Broken) => void
): Commit => {
  const runs = new Map<string, TrackedRun>()
  const entries: Array<Entry> = []
  const notes: Array<Note> = []
  const fold = (
    key: string,
    next: (known: TrackedRun | undefined) => Tracked | undefined,
    note: (tracked: Tracked) => Note
  ): void => {
    const known = runs.get(key) ?? checkpoint.runs.get(key)
    const tracked = next(known)
    if (tracked === undefined || tracked.known === known) return
    // Made before anything is changed: it may throw.
    const isNoted = tracked.entries.length > 0 || tracked.known.phase !== known?.phase
    if (isNoted) notes.push(note(tracked))
    runs.set(key, tracked.known)
    for (const entry of tracked.entries) entries.push(entry)
  }
  const guard = (run: () => string, work: () => void): void => {
    if (onBroken === undefined) return work()
    try {
      work()
    } catch (cause) {
      onBroken({ run: nameOf(run), cause })
    }
  }
  for (const snapshot of poll.snapshots) {
    guard(
      () => key(snapshot),
      () =>
        fold(
          key(snapshot),
          (known) => track(known, snapshot),
          ({ entries }) => RunNote.make(snapshot, entries)
        )
    )
  }
  const gone = new Set(poll.gone)
  for (const key of gone) {
    guard(
      () => key,
      () =>
        fold(
          key,
          (known) => (known === undefined ? undefined : lose(known, now)),
          ({ known }) => RunNote.gone(known, now)
        )
    )
  }

  const forget: Array<string> = []
  const cursor = Cursor.move(
    Option.getOrUndefined(checkpoint.cursor)?.epochMilliseconds,
    poll.cursor?.epochMilliseconds,
    now.epochMilliseconds
  )
  const known = latest(checkpoint.runs, runs)
  const review = RunRetention.review(
    known,
    now,
    cursor === undefined ? undefined : DateTime.makeUnsafe(cursor),
    retention
  )
  for (const run of review.reduced) runs.set(run.key, run)
  for (const key of review.forgotten) forget.push(key)
  for (const key of gone) {
    if ((runs.get(key) ?? checkpoint.runs.get(key))?.phase === "Pending") forget.push(key)
  }
  for (const key of forget) runs.delete(key)
  for (const run of runs.values()) if (isOldNews(checkpoint.runs.get(run.key), run)) runs.delete(run.key)
  return { source: poll.source, cursor: poll.cursor, runs: Array.from(runs.values()), forget, entries, notes }
}

/** All runs that are known, each once. */
function* latest(
  committed: ReadonlyMap<string, TrackedRun>,
  changed: ReadonlyMap<string, TrackedRun>
): Generator<TrackedRun> {
  for (const [key, run] of committed) if (!changed.has(key)) yield run
  yield* changed.values()
}

/** The key of a run whose snapshot may be broken. */
const nameOf = (run: () => string): string => {
  try {
    return run()
  } catch {
    return "unknown"
  }
}

/**
 * Whether a run was seen as it was known, and not long after it was last written. Most runs of most polls are, and are not
 * worth a write each: a moment of observation that lags by a minute makes no difference to retentions of hours.
 */
const isOldNews = (before: TrackedRun | undefined, after: TrackedRun): boolean => {
  if (before === undefined) return false
  const lag = DateTime.toEpochMillis(after.observedAt) - DateTime.toEpochMillis(before.observedAt)
  return Math.abs(lag) < REWRITE_MILLIS && isSame({ ...before, observedAt: after.observedAt }, after)
}

const isSame = (a: unknown, b: unknown): boolean => {
  if (a === b) return true
  if (!Predicate.isObjectOrArray(a) || !Predicate.isObjectOrArray(b)) return false
  if (DateTime.isDateTime(a)) return DateTime.isDateTime(b) && DateTime.Equivalence(a, b)
  const entries = Object.entries(a)
  return (
    entries.length === Object.keys(b).length &&
    entries.every(([key, value]) => Predicate.hasProperty(b, key) && isSame(value, b[key]))
  )
}

const REWRITE_MILLIS = 60_000

/** What follows from a snapshot: what is known of its run then, and what has to be told, in order. */
export interface Tracked {
  readonly known: TrackedRun
  readonly entries: ReadonlyArray<Entry>
}

/** Folds one snapshot into what is known of its run. Pure; see the rules at the top of the module. */
export const track = (known: TrackedRun | undefined, snapshot: RunSnapshot): Tracked => {
  if (known !== undefined && isStale(snapshot, known)) return { known, entries: [] }
  const seen = RunEvidence.look(snapshot)
  const full = RunEvidence.recall(known ?? unknown(snapshot), seen)
  const before: TrackedRun = { ...full, observedAt: snapshot.observedAt }
  switch (before.phase) {
    case "Pending":
    case "Skipped": {
      if (!seen.hasBegun) return { known: { ...before, phase: snapshot.phase }, entries: [] }
      return proceed(open(before, seen, seen.reopening ?? 0, undefined), seen)
    }
    case "Running":
      return proceed({ known: before, entries: [] }, seen)
    default: {
      if (!RunEvidence.isReopened(before, seen)) {
        const same = known === undefined ? before : { ...known, observedAt: snapshot.observedAt }
        return { known: RunEvidence.count(same, seen), entries: [] }
      }
      const opening = Math.max(before.opening + 1, seen.reopening ?? 0)
      return proceed(open(before, seen, opening, before.endedAt), seen)
    }
  }
}

/** Whether the snapshot is from before what is known, unless it seems to be so because the clock was set back. */
const isStale = (snapshot: RunSnapshot, known: TrackedRun): boolean => {
  const age = known.observedAt.epochMilliseconds - snapshot.observedAt.epochMilliseconds
  return age > 0 && age <= STALE_MILLIS
}

/** Polls follow each other: no snapshot is on its way for longer than that. */
const STALE_MILLIS = 300_000

/**
 * Ends a run that the tool does not know any more: a warning, then the ends of its open tasks and its own, as
 * COMPLETED_WITH_WARNINGS with `inferred`. Nothing follows for a run that is not open. What was ended so is known as lost,
 * and goes on as soon as the tool knows it again.
 */
export const lose = (known: TrackedRun, at: DateTime.Utc): Tracked => {
  if (known.phase !== "Running") return { known, entries: [] }
  const observedAt = DateTime.max(at, known.observedAt)
  const { entries, known: ended } = track(known, {
    pipeline: known.pipeline,
    run: known.run,
    tool: known.tool,
    observedAt,
    phase: "CompletedWithWarnings",
    metadata: { inferred: true },
    messages: [
      {
        key: `~gone#${known.opening}`,
        level: "WARNING",
        message: "The tool does not know this run any more. How it ended is not known."
      }
    ],
    tasks: []
  })
  const tasks = Object.entries(ended.tasks).map(([task, left]): readonly [string, TrackedTask] => [
    task,
    Object.hasOwn(known.tasks, task) && known.tasks[task]?.phase === "Running"
      ? { ...left, lost: true }
      : left
  ])
  return { known: { ...ended, lost: true, tasks: Object.fromEntries(tasks) }, entries }
}

/** Tells the RUNNING of an opening of the run. */
const open = (
  known: TrackedRun,
  seen: RunEvidence.Seen,
  opening: number,
  closed: DateTime.Utc | undefined
): Tracked => {
  const isNew = (time: DateTime.Utc | undefined) =>
    closed === undefined || RunTimes.isLater(time, closed) ? time : undefined
  const start =
    isNew(seen.startedAt) ??
    // It had never stopped.
    (known.lost === true ? closed : undefined) ??
    RunTimes.earliest(seen.begun.map((attempt) => isNew(attempt.startedAt))) ??
    (seen.outcome === undefined ? undefined : seen.endedAt) ??
    seen.observedAt
  const startedAt = closed === undefined ? start : RunTimes.after(start, closed)
  const { closedAt: _1, endInferred: _2, endedAt: _3, reopening: _4, lost: _5, ...rest } = known
  const opened: TrackedRun = {
    ...rest,
    phase: "Running",
    opening,
    startedAt
  }
  const entry = RunEvents.runStatus(subjectOf(opened, seen), "Running", {
    timestamp: startedAt,
    externalUrl: seen.externalUrl,
    metadata: opening === 0 ? seen.metadata : { ...seen.metadata, reopening: opening }
  })
  return { known: opened, entries: [entry] }
}

/** Tells what is new of an open run, and its end if it has ended. */
const proceed = (opened: Tracked, seen: RunEvidence.Seen): Tracked => {
  const { known } = opened
  const subject = subjectOf(known, seen)
  const end = endOf(known, seen)
  const told = new Set(known.messages)
  const around: TaskTracker.Around = { subject, observedAt: seen.observedAt, end, told }
  const entries = Array.from(opened.entries)
  const messages = Array.from(known.messages)
  const tasks = new Map(Object.entries(known.tasks))

  for (const [task, attempts] of seen.attempts) {
    const step = TaskTracker.track(tasks.get(task), attempts, around)
    if (step === undefined) continue
    tasks.set(task, step.task)
    entries.push(...step.entries)
    messages.push(...step.messages)
  }
  for (const message of seen.messages) {
    const id = messageId({ key: message.key })
    if (told.has(id)) continue
    told.add(id)
    messages.push(id)
    const timestamp = RunTimes.given(message.timestamp) ?? end?.at ?? seen.observedAt
    entries.push(RunEvents.message(subject, undefined, message, { timestamp }))
  }
  if (end !== undefined) {
    for (const [task, left] of tasks) {
      if (left.phase !== "Running") continue
      const last = seen.attempts.get(task)?.at(-1)
      const metadata: Metadata = { ...last?.metadata, inferred: true }
      const step = TaskTracker.close(
        left,
        { key: task, name: last?.name, externalUrl: last?.externalUrl, metadata },
        end.outcome,
        around
      )
      tasks.set(task, step.task)
      entries.push(...step.entries)
    }
    entries.push(
      RunEvents.runStatus(subject, end.outcome, {
        timestamp: end.at,
        externalUrl: seen.externalUrl,
        metadata: seen.phase === "Skipped" ? { ...seen.metadata, skipped: true } : seen.metadata
      })
    )
  }

  const pipelineName = subject.pipeline.name
  const runName = subject.run.name
  return {
    known: {
      ...known,
      pipeline: { key: subject.pipeline.key, ...(pipelineName === undefined ? {} : { name: pipelineName }) },
      run: { key: subject.run.key, ...(runName === undefined ? {} : { name: runName }) },
      tasks: Object.fromEntries(tasks),
      messages,
      ...(end === undefined
        ? {}
        : {
            phase: end.outcome,
            endedAt: end.at,
            closedAt: seen.observedAt,
            ...(end.inferred ? { endInferred: true } : {}),
            ...(seen.reopening === undefined ? {} : { reopening: seen.reopening })
          })
    },
    entries
  }
}

/** The end that the snapshot brings to the open run. */
const endOf = (known: TrackedRun, seen: RunEvidence.Seen): TaskTracker.Around["end"] => {
  const outcome = seen.phase === "Skipped" ? "CompletedWithWarnings" : seen.outcome
  if (outcome === undefined) return undefined
  const end = seen.endedAt ?? seen.observedAt
  const at = known.startedAt === undefined ? end : DateTime.max(end, known.startedAt)
  return { at, outcome, inferred: seen.endedAt === undefined }
}

/** The run as its events name it: under the latest names the tool gave. */
const subjectOf = (known: TrackedRun, seen: RunEvidence.Seen): RunEvents.Subject => ({
  pipeline: { key: known.pipeline.key, name: seen.pipeline.name ?? known.pipeline.name },
  run: { key: known.run.key, name: seen.run.name ?? known.run.name },
  tool: seen.tool,
  opening: known.opening
})

const unknown = (snapshot: RunSnapshot): TrackedRun => ({
  key: key(snapshot),
  pipeline: { key: snapshot.pipeline.key },
  run: { key: snapshot.run.key },
  tool: snapshot.tool,
  observedAt: snapshot.observedAt,
  phase: "Pending",
  opening: 0,
  tasks: {},
  messages: []
})
