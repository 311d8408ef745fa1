/**
 * The course that the tasks of a run take, once: which attempts there are, when each begins and ends, and how. A repair
 * is another course of the same run. All times are milliseconds since 1970.
 */
import * as Attempts from "./Attempts.ts"
import type * as Scenario from "./Scenario.ts"

/** All attempts of one course, and how it ends as a whole. */
export interface Course {
  readonly start: number
  /** When the last task has ended, or it was stopped. */
  readonly end: number
  readonly outcome: Attempts.Outcome
  readonly attempts: ReadonlyArray<Attempts.Attempt>
}

/**
 * Works out a course. `known` has the last attempt of each task of the courses before it. Throws for what makes no sense,
 * naming job, run and task.
 */
export const make = (
  tasks: ReadonlyArray<Scenario.Task>,
  times: { readonly shown: number; readonly start: number },
  known: ReadonlyMap<string, Attempts.Attempt>,
  around: Attempts.Around
): Course => {
  const wrong = (task: string, words: string) =>
    new Error(`Scenario: ${around.where}: task "${task}" ${words}`)
  const specs = new Map<string, Scenario.Task>()
  for (const task of tasks) {
    if (specs.has(task.key)) throw wrong(task.key, "is there twice")
    specs.set(task.key, task)
    const { maxRetries, retriesOf = [] } = task
    if (maxRetries !== undefined && maxRetries >= 0 && retriesOf.length > maxRetries) {
      throw wrong(task.key, `has ${retriesOf.length} attempts before the last, but maxRetries ${maxRetries}`)
    }
    if (task.forEach !== undefined && (task.forEach.concurrency ?? 1) < 1) {
      throw wrong(task.key, "runs less than one iteration at a time")
    }
  }
  const done = new Map<string, ReadonlyArray<Attempts.Attempt>>()

  const place = (task: Scenario.Task, waiting: ReadonlyArray<string>): Attempts.Attempt => {
    const before = done.get(task.key)?.at(-1)
    if (before !== undefined) return before
    if (waiting.includes(task.key)) {
      throw wrong(task.key, `waits for itself: ${[...waiting, task.key].join(" after ")}`)
    }
    const upstream = dependencies(task).map(({ key, outcome }) => {
      const spec = specs.get(key)
      const found = spec === undefined ? known.get(key) : place(spec, [...waiting, task.key])
      if (found === undefined) throw wrong(task.key, `waits for "${key}", which is not there`)
      if (outcome !== undefined && found.task.condition === undefined) {
        throw wrong(task.key, `asks for the answer ${outcome} of "${key}", which is no condition`)
      }
      const isOtherAnswer = outcome !== undefined && found.task.condition?.outcome !== outcome
      return { end: found.end, outcome: isOtherAnswer ? ("EXCLUDED" as const) : found.outcome }
    })
    const begin = Math.max(times.start, ...upstream.map(({ end }) => end))
    const hindered = hindrance(task, upstream)
    const first = (known.get(task.key)?.attempt ?? -1) + 1
    const attempts =
      hindered === undefined
        ? Attempts.tries(task, { shown: times.shown, begin, first }, around)
        : [
            {
              ...Attempts.outline(task, around.nextId(), times.shown),
              attempt: first,
              end: begin,
              outcome: hindered
            }
          ]
    done.set(task.key, attempts)
    const last = attempts.at(-1)
    if (last === undefined) throw wrong(task.key, "has no attempt")
    return last
  }

  const last = tasks.map((task) => place(task, []))
  return {
    start: times.start,
    end: Math.max(times.start, ...last.map(({ end }) => end)),
    outcome: altogether([...new Map([...known, ...last.map((each) => [each.key, each] as const)]).values()]),
    attempts: [...done.values()].flat()
  }
}

/** The course, stopped at a moment, if it is not over by then. What had not begun ends then, too. */
export const stop = (course: Course, at: number, outcome: "CANCELED" | "TIMEDOUT"): Course =>
  at >= course.end
    ? course
    : {
        start: Math.min(course.start, at),
        end: at,
        outcome,
        attempts: course.attempts.flatMap((attempt) => Attempts.stop(attempt, at, outcome))
      }

/** The tasks that have to end before this one. */
export const dependencies = (task: Scenario.Task) =>
  (task.after ?? []).map((each): { readonly key: string; readonly outcome?: "true" | "false" } =>
    typeof each === "string" ? { key: each } : each
  )

// ---- private

const CANCELLATIONS: ReadonlySet<Attempts.Outcome> = new Set(["CANCELED", "UPSTREAM_CANCELED"])

/** A run is as its leaves are, the tasks for which no other waits. */
const altogether = (last: ReadonlyArray<Attempts.Attempt>): Attempts.Outcome => {
  const inner = new Set(last.flatMap(({ task }) => dependencies(task).map(({ key }) => key)))
  const leaves = last.filter(({ key }) => !inner.has(key))
  const isBad = ({ outcome }: Attempts.Attempt) =>
    Attempts.isFailure(outcome) || outcome === "UPSTREAM_FAILED"
  const isStopped = ({ outcome }: Attempts.Attempt) => CANCELLATIONS.has(outcome)
  if (leaves.some(isBad)) return "FAILED"
  if (leaves.some(isStopped)) return "CANCELED"
  return last.some((each) => isBad(each) || isStopped(each)) ? "SUCCESS_WITH_FAILURES" : "SUCCESS"
}

/** Why it does not run, given how those before it ended. */
const hindrance = (
  task: Scenario.Task,
  upstream: ReadonlyArray<{ readonly outcome: Attempts.Outcome }>
): Attempts.Outcome | undefined => {
  if (task.ends === "EXCLUDED" || task.ends === "DISABLED") return task.ends
  const count = (test: (outcome: Attempts.Outcome) => boolean) =>
    upstream.filter(({ outcome }) => test(outcome)).length
  const good = count((outcome) => outcome === "SUCCESS")
  const failed = count((outcome) => Attempts.isFailure(outcome) || outcome === "UPSTREAM_FAILED")
  const stopped = count((outcome) => CANCELLATIONS.has(outcome))
  const unless = (isMet: boolean, otherwise: Attempts.Outcome = "EXCLUDED") => (isMet ? undefined : otherwise)
  switch (task.runIf ?? "ALL_SUCCESS") {
    case "ALL_SUCCESS":
      return unless(
        good === upstream.length,
        failed > 0 ? "UPSTREAM_FAILED" : stopped > 0 ? "UPSTREAM_CANCELED" : "EXCLUDED"
      )
    case "NONE_FAILED":
      return unless(failed + stopped === 0, failed > 0 ? "UPSTREAM_FAILED" : "UPSTREAM_CANCELED")
    case "AT_LEAST_ONE_SUCCESS":
      return unless(good > 0, failed > 0 ? "UPSTREAM_FAILED" : "EXCLUDED")
    case "ALL_FAILED":
      return unless(failed === upstream.length)
    case "AT_LEAST_ONE_FAILED":
      return unless(failed > 0)
    case "ALL_DONE":
      return undefined
  }
}
