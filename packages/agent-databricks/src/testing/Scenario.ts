/**
 * The script of a workspace, and what it says at a given moment.
 *
 * A scenario is plain data: jobs with runs, runs with tasks, tasks that take their time and end well or not. All times
 * are relative, so the same script plays under a test clock and in real time. {@link plan} works out once when
 * everything begins and ends; {@link bodyAt} is the record that the Jobs API would give of a run at a moment.
 */
import * as Duration from "effect/Duration"

/** A job and the runs it has or will have. */
export interface Job {
  readonly name: string
  /** Digits; numbered from 1001 where left out. */
  readonly id?: string
  readonly runs?: ReadonlyArray<Run>
}

/** A run of a job. With nothing said it starts at once and has one task that takes a minute and succeeds. */
export interface Run {
  /** Digits, also beyond 2^53; numbered from 500001 where left out. */
  readonly id?: string
  /** How long after the beginning of the scenario (or after it was added) it is started. Default: at once. */
  readonly at?: Duration.Input
  /** Instead of `at`: how long before the beginning it was started. */
  readonly ago?: Duration.Input
  /** How long it is QUEUED before its tasks begin. */
  readonly queued?: Duration.Input
  readonly tasks?: ReadonlyArray<Task>
  /** Somebody cancels it so long after its start. */
  readonly cancelledAfter?: Duration.Input
  /** It never runs, for this reason (a termination code such as MAX_CONCURRENT_RUNS_EXCEEDED). */
  readonly skipped?: string
  /** It is repaired: some tasks run again, in the same run. */
  readonly repairs?: ReadonlyArray<Repair>
  /** How long after its start it first appears in lists, as happens to the service when it is busy. */
  readonly listedAfter?: Duration.Input
  readonly trigger?: string
  readonly type?: "JOB_RUN" | "SUBMIT_RUN" | "WORKFLOW_RUN"
  /** Fields of the record to replace, for answers that Databricks gives and nobody expects. */
  readonly fields?: Readonly<Record<string, unknown>>
}

/** A task of a run. */
export interface Task {
  readonly key: string
  /** Default: one minute. */
  readonly takes?: Duration.Input
  /** Tasks that have to end first. */
  readonly after?: ReadonlyArray<string>
  /** When it runs, given how those ended. Default ALL_SUCCESS: otherwise it ends as UPSTREAM_FAILED without having run. */
  readonly runIf?: "ALL_SUCCESS" | "ALL_DONE" | "AT_LEAST_ONE_FAILED"
  /** It fails, and this is the error that the output of its run gives. */
  readonly fails?: string
  /** The stack trace in the output of its run. */
  readonly trace?: string
  /** Attempts before this one: each takes its time and fails, and is followed by the next at once. */
  readonly retriesOf?: ReadonlyArray<Pick<Task, "takes" | "fails" | "trace">>
}

/** A repair of a run: tasks that run once more. */
export interface Repair {
  /** How long after the run had ended it is begun. */
  readonly after: Duration.Input
  readonly tasks: ReadonlyArray<Task>
}

/** One attempt of one task with its times, in milliseconds since 1970. */
export interface PlannedAttempt {
  readonly key: string
  readonly runId: string
  readonly attempt: number
  readonly after: ReadonlyArray<string>
  /** Absent: it never runs. */
  readonly start?: number
  readonly end: number
  readonly outcome: Outcome
  readonly error?: string
  readonly trace?: string
}

/** How an attempt or a run ends. */
export type Outcome =
  | "SUCCESS"
  | "SUCCESS_WITH_FAILURES"
  | "FAILED"
  | "CANCELED"
  | "UPSTREAM_FAILED"
  | "SKIPPED"

/** The original course of a run, or that of a repair. */
export interface Round {
  readonly start: number
  readonly end: number
  readonly outcome: Outcome
  readonly attempts: ReadonlyArray<PlannedAttempt>
}

/** A run with all its times, in milliseconds since 1970. */
export interface PlannedRun {
  readonly jobId: string
  readonly name: string
  readonly id: string
  /** What the API calls its start: the time it was asked for. */
  readonly submitted: number
  readonly rounds: readonly [Round, ...Array<Round>]
  readonly spec: Run
}

/**
 * Works out the times of a run that begins relative to `base`. `nextId` numbers its tasks' runs.
 */
export const plan = (options: {
  readonly job: { readonly id: string; readonly name: string }
  readonly id: string
  readonly spec: Run
  readonly base: number
  readonly nextId: () => string
}): PlannedRun => {
  const { spec } = options
  const submitted =
    options.base +
    Duration.toMillis(spec.at ?? 0) -
    (spec.ago === undefined ? 0 : Duration.toMillis(spec.ago))
  const begin = submitted + Duration.toMillis(spec.queued ?? 0)
  const original =
    spec.skipped === undefined
      ? course(spec.tasks ?? [{ key: "main" }], begin, new Map(), options.nextId)
      : { start: submitted, end: submitted, outcome: "SKIPPED" as const, attempts: [] }
  const first =
    spec.cancelledAfter === undefined
      ? original
      : cancelled(original, submitted + Duration.toMillis(spec.cancelledAfter))
  const rounds: [Round, ...Array<Round>] = [first]
  let last: Round = first
  for (const repair of spec.repairs ?? []) {
    const known = new Map(rounds.flatMap(({ attempts }) => attempts).map((attempt) => [attempt.key, attempt]))
    last = course(repair.tasks, last.end + Duration.toMillis(repair.after), known, options.nextId)
    rounds.push(last)
  }
  return { jobId: options.job.id, name: options.job.name, id: options.id, submitted, rounds, spec }
}

/** Whether the run has been asked for at this time: before that nobody knows of it. */
export const exists = (run: PlannedRun, now: number): boolean => run.submitted <= now

/** Whether lists show the run at this time. */
export const isListed = (run: PlannedRun, now: number): boolean =>
  run.submitted + Duration.toMillis(run.spec.listedAfter ?? 0) <= now

/** Whether the run has not ended at this time. */
export const isActive = (run: PlannedRun, now: number): boolean => now < current(run, now).end

/** How the run with this id stands in: as the run itself, or as one attempt of a task; `undefined` for neither. */
export const find = (run: PlannedRun, id: string): PlannedRun | PlannedAttempt | undefined =>
  run.id === id ? run : run.rounds.flatMap(({ attempts }) => attempts).find(({ runId }) => runId === id)

/**
 * The record of a run at a moment, with all its tasks. Ids are wrapped by {@link id}; give the whole answer to
 * {@link stringify}.
 */
export const bodyAt = (
  run: PlannedRun,
  now: number,
  options: { readonly version: string; readonly host: string }
): Record<string, unknown> => {
  const round = current(run, now)
  const ended = now >= round.end
  const past = run.rounds.filter(({ start }) => start <= now || start === run.rounds[0].start)
  const url = `${options.host}/?o=1#job/${run.jobId}/run/`
  return {
    job_id: id(run.jobId),
    run_id: id(run.id),
    number_in_job: id(run.id),
    run_name: run.name,
    run_type: run.spec.type ?? "JOB_RUN",
    trigger: run.spec.trigger ?? "PERIODIC",
    creator_user_name: "operator@example.com",
    original_attempt_run_id: id(run.id),
    run_page_url: `${url}${run.id}`,
    start_time: run.submitted,
    end_time: ended ? round.end : 0,
    run_duration: Math.max(0, (ended ? round.end : now) - run.submitted),
    setup_duration: 0,
    execution_duration: 0,
    cleanup_duration: 0,
    ...standing(
      options.version,
      ended ? round.outcome : now < run.rounds[0].start ? "QUEUED" : "RUNNING",
      runWords(run, round),
      run.spec.skipped
    ),
    tasks: past
      .flatMap((each) => each.attempts.filter((attempt) => appears(attempt, now)))
      .map((attempt) => taskAt(attempt, now, options.version, url)),
    repair_history: past.map((each, index) => ({
      type: index === 0 ? "ORIGINAL" : "REPAIR",
      id: id(String(Number.parseInt(run.id.slice(-6), 10) * 100 + index)),
      start_time: each.start,
      end_time: now >= each.end ? each.end : 0
    })),
    ...run.spec.fields
  }
}

/** Marks digits that {@link stringify} writes as a bare number, however many they are. */
export const id = (digits: string): string => `\u0000${digits}\u0000`

/** JSON text, with the ids as bare numbers. */
export const stringify = (body: unknown): string =>
  // JSON writes the mark as an escape; what stands between two of them is a bare number.
  JSON.stringify(body).replaceAll(/"\\u0000(-?\d+)\\u0000"/g, "$1")

// ---- private

const course = (
  tasks: ReadonlyArray<Task>,
  start: number,
  known: ReadonlyMap<string, PlannedAttempt>,
  nextId: () => string
): Round => {
  const specs = new Map(tasks.map((task) => [task.key, task]))
  const done = new Map<string, ReadonlyArray<PlannedAttempt>>()

  const place = (task: Task, waiting: ReadonlyArray<string>): PlannedAttempt => {
    const before = done.get(task.key)?.at(-1)
    if (before !== undefined) return before
    if (waiting.includes(task.key)) {
      throw new Error(
        `Scenario: task "${task.key}" waits for itself: ${[...waiting, task.key].join(" after ")}`
      )
    }
    const upstream = (task.after ?? []).map((key) => {
      const spec = specs.get(key)
      const found = spec === undefined ? known.get(key) : place(spec, [...waiting, task.key])
      if (found === undefined)
        throw new Error(`Scenario: task "${task.key}" waits for "${key}", which is not there`)
      return found
    })
    const ready = Math.max(start, ...upstream.map(({ end }) => end))
    const attempts = runs(task, upstream)
      ? tries(task, ready, (known.get(task.key)?.attempt ?? -1) + 1, nextId)
      : [{ ...outline(task, nextId()), attempt: 0, end: ready, outcome: "UPSTREAM_FAILED" as const }]
    done.set(task.key, attempts)
    const last = attempts.at(-1)
    if (last === undefined) throw new Error("Scenario: a task has at least one attempt")
    return last
  }

  const last = tasks.map((task) => place(task, []))
  const inner = new Set(tasks.flatMap((task) => task.after ?? []))
  const leaves = last.filter(({ key }) => !inner.has(key))
  const bad = ({ outcome }: PlannedAttempt) => outcome !== "SUCCESS"
  return {
    start,
    end: Math.max(start, ...last.map(({ end }) => end)),
    outcome: leaves.some(bad) ? "FAILED" : last.some(bad) ? "SUCCESS_WITH_FAILURES" : "SUCCESS",
    attempts: [...done.values()].flat()
  }
}

const runs = (task: Task, upstream: ReadonlyArray<PlannedAttempt>): boolean => {
  const good = upstream.filter(({ outcome }) => outcome === "SUCCESS").length
  switch (task.runIf ?? "ALL_SUCCESS") {
    case "ALL_SUCCESS":
      return good === upstream.length
    case "AT_LEAST_ONE_FAILED":
      return good < upstream.length
    case "ALL_DONE":
      return true
  }
}

const tries = (
  task: Task,
  ready: number,
  firstAttempt: number,
  nextId: () => string
): ReadonlyArray<PlannedAttempt> => {
  let start = ready
  const last = { takes: task.takes, fails: task.fails, trace: task.trace }
  const earlier = (task.retriesOf ?? []).map((each) => ({ ...each, fails: each.fails ?? "failed" }))
  return [...earlier, last].map((each, index): PlannedAttempt => {
    const from = start
    start += Duration.toMillis(each.takes ?? "1 minute")
    return {
      ...outline(task, nextId()),
      attempt: firstAttempt + index,
      start: from,
      end: start,
      outcome: each.fails === undefined ? "SUCCESS" : "FAILED",
      ...(each.fails === undefined ? {} : { error: each.fails }),
      ...(each.trace === undefined ? {} : { trace: each.trace })
    }
  })
}

const outline = (task: Task, runId: string) => ({ key: task.key, runId, after: task.after ?? [] })

const cancelled = (round: Round, at: number): Round =>
  at >= round.end
    ? round
    : {
        start: round.start,
        end: at,
        outcome: "CANCELED",
        attempts: round.attempts
          .filter((attempt) => attempt.attempt === 0 || (attempt.start ?? at) < at)
          .map((attempt) => {
            if (attempt.end <= at) return attempt
            const { error: _error, trace: _trace, start, ...rest } = attempt
            return {
              ...rest,
              ...(start === undefined || start >= at ? {} : { start }),
              end: at,
              outcome: "CANCELED" as const
            }
          })
      }

const current = (run: PlannedRun, now: number): Round =>
  run.rounds.findLast(({ start }) => start <= now) ?? run.rounds[0]

/** The first attempt of a task stands there from the beginning, blocked; further ones appear when they start. */
const appears = (attempt: PlannedAttempt, now: number): boolean =>
  attempt.attempt === 0 || attempt.start === undefined || attempt.start <= now

const taskAt = (attempt: PlannedAttempt, now: number, version: string, url: string) => {
  const ended = now >= attempt.end
  const started = attempt.start !== undefined && attempt.start <= now
  const span = Math.max(0, (ended ? attempt.end : now) - (attempt.start ?? attempt.end))
  return {
    task_key: attempt.key,
    run_id: id(attempt.runId),
    attempt_number: attempt.attempt,
    depends_on: attempt.after.map((key) => ({ task_key: key })),
    run_page_url: `${url}${attempt.runId}`,
    start_time: started ? attempt.start : 0,
    end_time: ended ? attempt.end : 0,
    setup_duration: 0,
    execution_duration: started && ended ? span : 0,
    cleanup_duration: 0,
    ...standing(
      version,
      ended ? attempt.outcome : started ? "RUNNING" : "BLOCKED",
      attempt.outcome === "FAILED"
        ? "Workload failed, see run output for details"
        : attempt.outcome === "UPSTREAM_FAILED"
          ? "An upstream task failed."
          : attempt.outcome === "CANCELED"
            ? "Run cancelled."
            : ""
    )
  }
}

const runWords = (run: PlannedRun, round: Round): string => {
  const failed = round.attempts.find(({ outcome }) => outcome === "FAILED")
  switch (round.outcome) {
    case "FAILED":
    case "SUCCESS_WITH_FAILURES":
      return failed === undefined
        ? "A task was not run."
        : `Task ${failed.key} failed with message: Workload failed, see run output for details.`
    case "CANCELED":
      return "Run cancelled."
    case "SKIPPED":
      return `The run was skipped: ${run.spec.skipped}.`
    default:
      return ""
  }
}

/** `state` and, from 2.2 on, `status`, as the service gives them for the same thing. */
const standing = (
  version: string,
  word: Outcome | "QUEUED" | "RUNNING" | "BLOCKED",
  words: string,
  skipCode?: string
): Record<string, unknown> => {
  if (word === "QUEUED" || word === "RUNNING" || word === "BLOCKED") {
    const state = { life_cycle_state: word, state_message: word === "RUNNING" ? "In run" : "" }
    return version === "2.1" ? { state } : { state, status: { state: word } }
  }
  const skipped = word === "SKIPPED" || word === "UPSTREAM_FAILED"
  const state = {
    life_cycle_state: skipped ? "SKIPPED" : word === "FAILED" ? "INTERNAL_ERROR" : "TERMINATED",
    ...(skipped ? {} : { result_state: word }),
    state_message: words,
    user_cancelled_or_timedout: word === "CANCELED"
  }
  const [code, type] =
    word === "FAILED"
      ? ["RUN_EXECUTION_ERROR", "CLIENT_ERROR"]
      : word === "CANCELED"
        ? ["USER_CANCELED", "CLIENT_ERROR"]
        : skipped
          ? [skipCode ?? "SKIPPED", "CLIENT_ERROR"]
          : [word, "SUCCESS"]
  const status = { state: "TERMINATED", termination_details: { code, type, message: words } }
  return version === "2.1" ? { state } : { state, status }
}
