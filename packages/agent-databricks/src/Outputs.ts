/**
 * What is asked for single tasks, because no list has it: the output of an attempt (why it failed, what it gave back), and the
 * iterations of a for-each task. Each is a request of its own, so each is asked for once, and a sweep asks for no more
 * than its budget allows. Of an answer only a {@link Digest} is kept; once it was told, only the first line of the error; and once its
 * run is not looked at any more, nothing.
 *
 * What exceeds the budget waits for the next sweep, and the run with it, so that the reason stands before the end. After
 * a few sweeps the state's own words stand in, for a failure must not wait for ever.
 */
import * as TrackedRun from "@observability-agents/core/TrackedRun"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type { Databricks } from "./Databricks.ts"
import type { DatabricksError } from "./DatabricksError.ts"
import * as Digest from "./Digest.ts"
import * as ForEach from "./ForEach.ts"
import * as Run from "./Run.ts"
import * as RunMessages from "./RunMessages.ts"
import * as RunPhase from "./RunPhase.ts"
import * as RunRecord from "./RunRecord.ts"
import type { TaskOutput } from "./TaskOutput.ts"

/** What is asked for. */
export interface Options {
  readonly databricks: Pick<Databricks["Service"], "getRun" | "getOutput">
  /** Requests of one sweep. */
  readonly budget: number
  /** Whether what tasks give back is wanted, beside why they failed. */
  readonly results: boolean
  /** `failures`: the iterations of for-each tasks that had some; `tasks`: all iterations, also while they run. */
  readonly iterations: "failures" | "tasks" | "none"
}

/** What was told of the tasks of one run. */
export interface Told {
  readonly outputOf: (task: RunRecord.RunTask) => TaskOutput | undefined
  readonly iterationsOf: (task: RunRecord.RunTask) => ReadonlyArray<RunRecord.RunTask> | undefined
  /** Whether nothing of it waits for the next sweep. */
  readonly isComplete: boolean
}

/** The outputs of one workspace's tasks. */
export interface Outputs {
  /** Begins a sweep, with a new budget. */
  readonly begin: () => void
  /** Asks for what was not told yet of a run's tasks. Never fails: what cannot be had is missing. */
  readonly read: (run: RunRecord.Run, known: TrackedRun.TrackedRun | undefined) => Effect.Effect<Told>
}

/** How many requests of one run are on their way at once. */
const CONCURRENCY = 4

/** For so many sweeps an output waits. */
export const MAX_WAITS = 3

/** Makes the memory of one workspace. */
export const make = ({ budget, databricks, iterations, results }: Options): Outputs => {
  const outputs = memory(MAX_OUTPUTS, Digest.sizeOf)
  const parts = memory(MAX_PARTS, Digest.sizeOfIterations)
  let left = budget
  let sweep = 0
  let warnedIn = 0
  const waits = new Map<string, { count: number; sweep: number }>()
  /** In which sweep a run was looked at last. */
  const reads = new Map<string, number>()

  /** Answers `Waits` where the budget is used up. */
  const ask = Effect.fnUntraced(function* <A>(
    about: {
      readonly run: string
      readonly id: RunRecord.RunId
      readonly known: Memory<A>
      readonly patient: boolean
    },
    request: Effect.Effect<A, DatabricksError>
  ) {
    const { id, known, run } = about
    if (known.has(id)) return known.get(id)
    if (left <= 0) {
      if (!about.patient) return undefined
      const count = (waits.get(id)?.count ?? 0) + 1
      if (count <= MAX_WAITS) {
        waits.set(id, { count, sweep })
        return Waits
      }
      known.set(id, undefined, run)
      if (warnedIn !== sweep) {
        warnedIn = sweep
        yield* Effect.logWarning(
          "More tasks failed than outputs may be read; the words of their states stand in. Raise output_requests of [databricks]"
        ).pipe(Effect.annotateLogs({ run, outputRequests: budget }))
      }
      return undefined
    }
    left -= 1
    waits.delete(id)
    const answer = yield* Effect.result(request)
    if (Result.isSuccess(answer)) {
      if (about.patient) known.set(id, answer.success, run)
      return answer.success
    }
    const { message, reason } = answer.failure
    if (reason._tag === "Refused" || reason._tag === "NotFound") {
      // There is none, and asking again would not help.
      known.set(id, undefined, run)
    } else {
      yield* Effect.logWarning(
        "What a task left behind could not be read; the words of its state stand in"
      ).pipe(Effect.annotateLogs({ run, taskRun: id, reason: message }))
    }
    return undefined
  })

  const read = Effect.fnUntraced(function* (run: RunRecord.Run, known: TrackedRun.TrackedRun | undefined) {
    const found = new Map<string, TaskOutput>()
    const inner = new Map<string, ReadonlyArray<RunRecord.RunTask>>()
    let isComplete = true
    const output = Effect.fnUntraced(function* (task: RunRecord.RunTask) {
      const id = task.run_id
      if (id === undefined || Run.wantsOutput(task, { results }) === undefined) return
      const about = { run: run.run_id, id, known: outputs, patient: true }
      const answer = yield* ask(
        about,
        Effect.map(databricks.getOutput(id), (all) => Digest.ofOutput(all, { kind: task.kind, results }))
      )
      if (answer === Waits) isComplete = false
      else if (answer !== undefined) found.set(id, answer)
    })
    const within = Effect.fnUntraced(function* (task: RunRecord.RunTask) {
      const id = task.run_id
      if (id === undefined || !Run.wantsIterations(task, { iterations })) return
      // While it runs there is more every time, and what is not read now is read in the next sweep.
      const patient = RunPhase.hasEnded(task)
      const answer = yield* ask(
        { run: run.run_id, id, known: parts, patient },
        Effect.map(databricks.getRun(id), (observed) =>
          Digest.ofIterations(observed.run.iterations, { tasks: iterations === "tasks" })
        )
      )
      if (answer === Waits) isComplete = false
      else if (answer !== undefined) inner.set(id, answer)
    })
    /** Of what was told, the failure of the run will name the error once more. */
    const remind = (id: RunRecord.RunId) => {
      const answer = outputs.get(id)
      if (answer !== undefined) {
        const brief = Digest.brief(answer)
        outputs.set(id, brief, run.run_id)
        found.set(id, brief)
      }
      parts.drop(id)
    }
    reads.set(run.run_id, sweep)
    const news: Array<RunRecord.RunTask> = []
    for (const task of run.tasks) {
      if (known === undefined || !isTold(known, task)) news.push(task)
      else if (task.run_id !== undefined) remind(task.run_id)
    }
    yield* Effect.forEach(news, within, { concurrency: CONCURRENCY, discard: true })
    const failed = Array.from(inner.values()).flatMap((each) =>
      each.filter(hasFailed).slice(0, ForEach.MAX_FAILURES)
    )
    yield* Effect.forEach([...news, ...failed], output, { concurrency: CONCURRENCY, discard: true })
    return {
      outputOf: (task) => (task.run_id === undefined ? undefined : found.get(task.run_id)),
      iterationsOf: (task) => (task.run_id === undefined ? undefined : inner.get(task.run_id)),
      isComplete
    } satisfies Told
  })

  return {
    begin: () => {
      for (const [id, wait] of waits) if (wait.sweep < sweep) waits.delete(id)
      sweep += 1
      left = budget
      for (const [run, last] of reads) if (last < sweep - MAX_ABSENCE) reads.delete(run)
      for (const answers of [outputs, parts]) answers.retain((run) => reads.has(run))
    },
    read
  }
}

// ---- private

const Waits = Symbol("waits")

/** How many answers are remembered at most, and how many characters of them all together. */
const MAX_OUTPUTS = { answers: 1000, characters: 16_000_000 }
const MAX_PARTS = { answers: 50, characters: 8_000_000 }

/** What was asked for a run that is in no list any more is kept for so many sweeps. */
const MAX_ABSENCE = 10

/** Answers, by the id of the attempt. That there was none is an answer, too. When it is full, the oldest go. */
interface Memory<A> {
  readonly has: (id: string) => boolean
  readonly get: (id: string) => A | undefined
  readonly set: (id: string, answer: A | undefined, run: string) => void
  readonly drop: (id: string) => void
  /** Drops the answers about all other runs. */
  readonly retain: (isKept: (run: string) => boolean) => void
}

const memory = <A>(
  max: { readonly answers: number; readonly characters: number },
  sizeOf: (answer: A) => number
): Memory<A> => {
  const entries = new Map<
    string,
    { readonly answer: A | undefined; readonly run: string; readonly size: number }
  >()
  let total = 0
  const drop = (id: string) => {
    total -= entries.get(id)?.size ?? 0
    entries.delete(id)
  }
  return {
    has: (id) => entries.has(id),
    get: (id) => entries.get(id)?.answer,
    set: (id, answer, run) => {
      drop(id)
      const size = answer === undefined ? 0 : sizeOf(answer)
      entries.set(id, { answer, run, size })
      total += size
      for (const oldest of entries.keys()) {
        if (entries.size <= max.answers && total <= max.characters) break
        drop(oldest)
      }
    },
    drop,
    retain: (isKept) => {
      for (const [id, { run }] of entries) if (!isKept(run)) drop(id)
    }
  }
}

const hasFailed = (task: RunRecord.RunTask): boolean => Run.wantsOutput(task, { results: false }) === "error"

/** Whether how the attempt ended was told, so that nobody has to ask for the reason any more. */
const isTold = (known: TrackedRun.TrackedRun, task: RunRecord.RunTask): boolean =>
  TrackedRun.hasMessage(known, {
    key: RunMessages.ERROR_KEY,
    task: { key: task.task_key, attempt: RunRecord.attempt(task) }
  }) ||
  (known.outline !== undefined &&
    task.end_time !== undefined &&
    task.end_time > 0 &&
    task.end_time <= DateTime.toEpochMillis(known.outline))
