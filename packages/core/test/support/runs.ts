/** Builders of snapshots and the referee of what was told, for the tests of the RunTracker. */
import { DateTime } from "effect"
import type { Entry } from "../../src/Outbox.ts"
import type { Phase, RunSnapshot, TaskSnapshot } from "../../src/RunSnapshot.ts"
import * as RunTracker from "../../src/RunTracker.ts"
import type { TrackedRun } from "../../src/TrackedRun.ts"

/** Seconds after the beginning of the tests' time. */
export const at = (seconds: number): DateTime.Utc =>
  DateTime.makeUnsafe(Date.UTC(2026, 0, 1) + seconds * 1000)

/** Seconds since the beginning of the tests' time; a millisecond is .001. */
export const secondsOf = (time: DateTime.Utc | undefined): number =>
  time === undefined ? Number.NaN : (DateTime.toEpochMillis(time) - Date.UTC(2026, 0, 1)) / 1000

export const snapshot = (
  observed: number,
  phase: Phase,
  fields: Partial<Omit<RunSnapshot, "observedAt" | "phase">> = {}
): RunSnapshot => ({
  pipeline: { key: "p" },
  run: { key: "r" },
  tool: "tool",
  observedAt: at(observed),
  phase,
  messages: [],
  tasks: [],
  ...fields
})

export const task = (
  key: string,
  phase: Phase,
  fields: Partial<Omit<TaskSnapshot, "key" | "phase">> = {}
): TaskSnapshot => ({ key, phase, attempt: 0, messages: [], ...fields })

export const message = (key: string) => ({ key, level: "ERROR", message: `message ${key}` }) as const

/** Folds snapshots one after the other. */
export const fold = (snapshots: ReadonlyArray<RunSnapshot>, known?: TrackedRun) => {
  const entries: Array<Entry> = []
  for (const one of snapshots) {
    const tracked = RunTracker.track(known, one)
    known = tracked.known
    entries.push(...tracked.entries)
  }
  return { known, entries }
}

/** Entries as text: identity and seconds. */
export const told = (entries: ReadonlyArray<Entry>): ReadonlyArray<string> =>
  entries.map((entry) => `${entry.id} ${secondsOf(entry.event.timestamp)}`)

interface Standing {
  open: boolean
  start: number
  end: number
}

const next = (standing: Standing, status: string, time: number, where: string): string | undefined => {
  if (status === "RUNNING") {
    if (standing.open) return `${where}: RUNNING while it runs`
    if (!(time > standing.end)) return `${where}: RUNNING not later than the end before it`
    standing.open = true
    standing.start = time
    return undefined
  }
  if (!standing.open) return `${where}: ${status} while it does not run`
  if (time < standing.start) return `${where}: ${status} before its RUNNING`
  standing.open = false
  standing.end = time
  return undefined
}

/** The first rule of the server's order that the entries of ONE run break; undefined when all is well. */
export const breach = (entries: ReadonlyArray<Entry>): string | undefined => {
  const run: Standing = { open: false, start: 0, end: Number.NEGATIVE_INFINITY }
  const tasks = new Map<string, Standing>()
  const ids = new Set<string>()
  for (const { event, id } of entries) {
    if (ids.has(id)) return `${id}: twice`
    ids.add(id)
    if (event.timestamp === undefined) return `${id}: no timestamp`
    const time = DateTime.toEpochMillis(event.timestamp)
    if (time < Date.UTC(2025, 0, 1) || time > Date.UTC(2030, 0, 1)) return `${id}: time ${time}`
    if (event.pipelineKey === undefined) return `${id}: not of a run`
    if (event._tag !== "RunStatus") {
      if (!run.open) return `${id}: while the run does not run`
      if (event.taskKey !== undefined && tasks.get(event.taskKey)?.open !== true)
        return `${id}: while its task does not run`
      continue
    }
    let problem: string | undefined
    if (event.taskKey === undefined) {
      problem = next(run, event.status, time, id)
      const left = Array.from(tasks).find(([, standing]) => standing.open)
      if (!run.open && left !== undefined) return `${id}: task ${left[0]} still runs`
    } else {
      const standing = tasks.get(event.taskKey) ?? { open: false, start: 0, end: Number.NEGATIVE_INFINITY }
      tasks.set(event.taskKey, standing)
      problem = run.open ? next(standing, event.status, time, id) : `${id}: while the run does not run`
    }
    if (problem !== undefined) return problem
  }
  return undefined
}
