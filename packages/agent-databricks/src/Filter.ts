/**
 * Which runs are observed: by job (id, name or pattern), kind of run, and trigger.
 *
 * As much of it as Databricks can do itself goes into the query, the rest is done here. A run that was told once is told to
 * its end, whatever becomes of its name or of the settings.
 */
import type { Query } from "./Databricks.ts"
import type { Run } from "./RunRecord.ts"

/** What to observe. Lists that are empty or absent leave nothing out. */
export interface Options {
  /** Ids of jobs, names of their runs, or patterns of names: `*` stands for any characters, `?` for one. */
  readonly jobs: ReadonlyArray<string>
  /** Jobs to leave out, written likewise. It counts for more than `jobs`. */
  readonly excludeJobs?: ReadonlyArray<string> | undefined
  /** `JOB_RUN`, `SUBMIT_RUN`, `WORKFLOW_RUN`. A run whose kind Databricks does not tell is observed. */
  readonly runTypes?: ReadonlyArray<string> | undefined
  /** Databricks' words for triggers, such as `PERIODIC`. One-time runs have none, and are left out by any. */
  readonly triggers?: ReadonlyArray<string> | undefined
}

/** What is read of a run to tell whether it is observed. */
export type Subject = Pick<Run, "job_id" | "run_name" | "run_type" | "trigger">

/** A filter, ready to use. */
export interface Filter {
  /** Whether to observe the run. `isTracked`: something of it was told already, so that it is followed. */
  readonly wants: (run: Subject, isTracked: boolean) => boolean
  /** What Databricks leaves out by itself (Jobs API 2.2, runs/list: `job_id` and `run_type` take one value each). */
  readonly query: Pick<Query, "jobId" | "runType">
}

/** Makes a filter. */
export const make = (options: Options): Filter => {
  const { excludeJobs = [], jobs, runTypes = [], triggers = [] } = options
  const isChosen = matcher(jobs)
  const isExcluded = matcher(excludeJobs)
  const [job, ...furtherJobs] = jobs
  const [runType, ...furtherTypes] = runTypes
  return {
    wants: (run, isTracked) =>
      isTracked ||
      ((jobs.length === 0 || isChosen(run)) &&
        !isExcluded(run) &&
        (runTypes.length === 0 || run.run_type === undefined || runTypes.includes(run.run_type)) &&
        (triggers.length === 0 || (run.trigger !== undefined && triggers.includes(run.trigger)))),
    query: {
      ...(job !== undefined && furtherJobs.length === 0 && /^\d{1,19}$/.test(job) ? { jobId: job } : {}),
      ...(isRunType(runType) && furtherTypes.length === 0 ? { runType } : {})
    }
  }
}

/**
 * Whether a text is what the pattern describes: `*` stands for any characters or none, `?` for exactly one, all others for
 * themselves, in upper or lower case as written. It takes at most the product of both lengths in steps, whatever the pattern.
 */
export const matches = (pattern: string, text: string): boolean => {
  const signs = Array.from(pattern)
  const chars = Array.from(text)
  let sign = 0
  let char = 0
  // Where the last star stands, and up to where it has been made to reach.
  let star = -1
  let reached = 0
  while (char < chars.length) {
    if (signs[sign] === "*") {
      star = sign++
      reached = char
    } else if (sign < signs.length && (signs[sign] === "?" || signs[sign] === chars[char])) {
      sign++
      char++
    } else if (star >= 0) {
      sign = star + 1
      char = ++reached
    } else {
      return false
    }
  }
  while (signs[sign] === "*") sign++
  return sign === signs.length
}

// ---- private

const matcher = (entries: ReadonlyArray<string>) => {
  const exact = new Set(entries)
  const patterns = entries.filter((entry) => /[*?]/.test(entry))
  return (run: Subject): boolean => {
    const name = run.run_name?.trim()
    return (
      (run.job_id !== undefined && exact.has(run.job_id)) ||
      (name !== undefined && (exact.has(name) || patterns.some((pattern) => matches(pattern, name))))
    )
  }
}

const RUN_TYPES: ReadonlyArray<NonNullable<Query["runType"]>> = ["JOB_RUN", "SUBMIT_RUN", "WORKFLOW_RUN"]

const isRunType = (word: string | undefined): word is NonNullable<Query["runType"]> =>
  RUN_TYPES.some((known) => known === word)
