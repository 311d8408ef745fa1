/**
 * The rules of the RunTracker: from what was known of a run and a new RunSnapshot of it, to the events that have to be told
 * now and what is known then. The server takes events in one order per run only (RUNNING, then what happens in it, then its
 * end), counts each repetition, and raises an alert for a status of a run that has ended; tools, polled, show states in any
 * order, again and again, with gaps and missing times. This pure state machine stands between the two.
 *
 * What is **known** of a run is what was reported, and one snapshot is folded by these rules:
 *
 * | # | known | snapshot | told | known then |
 * |---|---|---|---|---|
 * | 1 | any | older than known (`observedAt`), by at most 5 minutes | nothing | unchanged |
 * | 2 | nothing reported | not begun: Pending or Skipped, and no task has begun | nothing | Pending, Skipped |
 * | 3 | nothing reported | begun: Running or ended, or a task has begun | RUNNING, then as 4 or 5 | Running |
 * | 4 | Running | Running; or Pending or gone back: no evidence of anything | what is new of tasks and facts | Running |
 * | 5 | Running | ended | what is new of tasks and facts; ends of tasks still open (run's outcome, `inferred`); the run's end | ended |
 * | 6 | Running | Skipped | as 5, as COMPLETED_WITH_WARNINGS with `skipped`: what was begun has to end | ended |
 * | 7 | ended | no evidence that it was re-opened | nothing, not even late facts: they would stand behind the end | ended |
 * | 8 | ended | evidence that it was re-opened | RUNNING (next opening, later than the known end), then as 4 or 5 | Running, ended |
 * | 9 | Running | none: the tool does not know the run any more | a warning; ends of tasks still open and the run's end, as COMPLETED_WITH_WARNINGS | ended, lost |
 * | 10 | ended, lost | Running or ended | as 8 | Running, ended |
 *
 * A snapshot that is older by **more than 5 minutes** is the newest nevertheless, for polls follow each other: the clock was
 * set back. The other rules hold for it, and its `observedAt` is known from then on.
 *
 * **Evidence of a re-opening.** Never, when the snapshot shows an end that is not later than the known one. Else any of:
 * the tool's own count of re-openings is higher; a task has a higher attempt that has begun (and did not end before the
 * run's known end: then it is old news); the run or a task started, or the run was re-opened (`reopenedAt`), after the run's
 * known end; the run's end is later than the known one. The last two count only when the tool itself had told the known
 * end. A phase that merely goes back from ended to Running is none: tools answer from stale copies. Where a tool leaves out
 * tasks and times alike, an attempt seen late cannot be told from a new one: it is taken for new, for nothing shall be lost.
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
 * | c | Running | Running, or it will be tried again: a higher attempt is Pending, or the highest one Failed and `willRetry` | facts; of each attempt that is followed, its end as a message |
 * | d | Running | highest begun attempt has ended, and none is to follow or the run has ended | facts as in c, then its end |
 * | e | Running | Skipped, as a higher or the same attempt | COMPLETED_WITH_WARNINGS with `skipped` |
 * | f | ended | a higher attempt has begun, or the same one anew (it started, or ended otherwise, later than the known end), or it was lost with its run and the same one has begun | RUNNING, later than the known end, then as c or d |
 * | g | ended | anything else | nothing |
 * | h | any | lower attempts than known only, or the task is left out | nothing |
 *
 * **Retries.** An attempt that is followed by another is no failure yet: its ERROR messages are told at level WARNING. Its
 * own WARNING or ERROR message stands for its end (of a completed attempt: any message); where it brings none, a message
 * `~end` tells the end. Of a task with more than one attempt, seen or to come, all is told with `attempt` in the metadata.
 *
 * **Facts** are messages, metrics and outcomes of tests. Those of a task stand between its RUNNING and its end; once the
 * end of an attempt was told, nothing more is told of this attempt, also after a re-opening. Those of the run: first the
 * `early` messages, after the RUNNING where that is told; the others after the tasks' events. What belongs together is
 * told in order of time. So the message of a repair follows the RUNNING that the repair leads to, and where the run is
 * seen for the first time after some repairs, their messages follow its one RUNNING.
 *
 * **Times** come from the tool. One before 1971 or after 9999 is none. A missing start is the earliest start of a begun
 * task, else the end, else `observedAt`; a missing end is `observedAt` (of a task: the run's end first). No end is before
 * its RUNNING, and a RUNNING that follows an end is at least a millisecond later. It has the time of `reopenedAt`, or of a
 * task that began earlier after the known end, for several re-openings may have passed unseen; without `reopenedAt`, of the
 * run's or a task's start after the known end.
 *
 * **Identity**: see `RunEvents`. What was told is remembered in the TrackedRun, so that nothing is told twice; the
 * Outbox remembers identities besides, which also covers runs that were forgotten here and are read again. Of ended runs
 * that may be re-opened, an outline is known for as long as those identities are: see `RunRetention`.
 */
import * as DateTime from "effect/DateTime"
import type { Metadata } from "@observability-agents/toolkit/Event"
import type { Entry } from "./Outbox.ts"
import * as RunEvents from "./RunEvents.ts"
import * as RunEvidence from "./RunEvidence.ts"
import * as RunFacts from "./RunFacts.ts"
import { key, type Message, type RunSnapshot } from "./RunSnapshot.ts"
import * as RunTimes from "./RunTimes.ts"
import * as TaskTracker from "./TaskTracker.ts"
import { type TrackedRun, type TrackedTask, unsettled } from "./TrackedRun.ts"

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
  const news = seen.begun.map((attempt) => isNew(attempt.startedAt))
  const reopenedAt = closed === undefined ? undefined : isNew(seen.reopenedAt)
  const start =
    // Where several re-openings were missed, what is new began before the last of them.
    (reopenedAt === undefined ? undefined : RunTimes.earliest([reopenedAt, ...news])) ??
    isNew(seen.startedAt) ??
    // It had never stopped.
    (known.lost === true ? closed : undefined) ??
    RunTimes.earliest(news) ??
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
  const told: ReadonlySet<string> = new Set(known.messages)
  const around: TaskTracker.Around = { subject, observedAt: seen.observedAt, end, told }
  const entries = Array.from(opened.entries)
  const messages = Array.from(known.messages)
  const tasks = new Map(Object.entries(known.tasks))
  const tell = (facts: RunFacts.Facts, otherwise: DateTime.Utc): void => {
    const news = RunFacts.tell(facts, { subject, told, otherwise })
    messages.push(...news.ids)
    entries.push(...news.entries)
  }
  const isEarly = (message: Message): boolean => message.early === true

  tell({ messages: seen.messages.filter(isEarly) }, known.startedAt ?? seen.observedAt)
  for (const [task, attempts] of seen.attempts) {
    const step = TaskTracker.track(tasks.get(task), attempts, around)
    if (step === undefined) continue
    tasks.set(task, step.task)
    entries.push(...step.entries)
    messages.push(...step.messages)
  }
  tell(
    { ...seen, messages: seen.messages.filter((message) => !isEarly(message)) },
    end?.at ?? seen.observedAt
  )
  if (end !== undefined) {
    for (const [task, left] of tasks) {
      if (left.phase !== "Running") continue
      const last = seen.attempts.get(task)?.at(-1)
      const metadata: Metadata = { ...last?.metadata, inferred: true }
      const step = TaskTracker.close(
        left,
        {
          key: task,
          name: last?.name,
          externalUrl: last?.externalUrl,
          metadata,
          isTriedAgain: (last?.attempt ?? 0) > 0
        },
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
      messages: entries.length === 0 ? messages : unsettled(messages, tasks),
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
