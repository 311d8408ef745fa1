/** What a tool said of a run, as one sentence for the history of the run: `Running; extract Completed, load Running`. */
import type * as DateTime from "effect/DateTime"
import * as Event from "@observability-agents/toolkit/Event"
import type { Entry, Note } from "./Outbox.ts"
import type { RunSnapshot } from "./RunSnapshot.ts"

/** How many tasks are named; of more, their number is told. */
const MAX_TASKS = 20

/** The note that a RunSnapshot leaves. `entries` are the events it led to. */
export const make = (snapshot: RunSnapshot, entries: ReadonlyArray<Entry>): Note => ({
  lane: entries[0]?.lane ?? lane(snapshot),
  at: snapshot.observedAt,
  by: "tool",
  text: text(snapshot)
})

/** The note that is left when the tool does not know a run any more. */
export const gone = (run: Pick<RunSnapshot, "pipeline" | "run">, at: DateTime.Utc): Note => ({
  lane: lane(run),
  at,
  by: "tool",
  text: "Not known any more"
})

/** The lane of a run's events. */
export const lane = (run: Pick<RunSnapshot, "pipeline" | "run">): string => {
  const event = Event.runStatus({ pipelineKey: run.pipeline.key, runKey: run.run.key, status: "RUNNING" })
  return Event.lane(isPlain(run.pipeline.key) && isPlain(run.run.key) ? event : Event.fit(event))
}

/** Keys that stand in an event as they are. */
const isPlain = (key: string): boolean => /^[^\ud800-\udfff]{1,255}$/.test(key)

/** The sentence: the run's phase, then each task's latest attempt. */
export const text = ({ phase, tasks }: RunSnapshot): string => {
  if (tasks.length === 0) return phase
  const latest = new Map<string, RunSnapshot["tasks"][number]>()
  for (const task of tasks) {
    const known = latest.get(task.key)
    if (known === undefined || known.attempt <= task.attempt) latest.set(task.key, task)
  }
  const named = Array.from(latest.values())
    .slice(0, MAX_TASKS)
    .map(
      ({ attempt, key, phase, willRetry }) =>
        `${key}${attempt === 0 ? "" : ` (attempt ${attempt + 1})`} ${phase}` +
        (willRetry === true && phase === "Failed" ? " (will be tried again)" : "")
    )
  if (latest.size > MAX_TASKS) named.push(`and ${latest.size - MAX_TASKS} more`)
  return `${phase}; ${named.join(", ")}`
}
