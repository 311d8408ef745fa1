/** Events in a few words, for the history of a run and for lists of events. */
import type * as Event from "@observability-agents/toolkit/Event"

/** How much of a message's text, or of a metric's name, is shown. */
const LONGEST_TEXT = 100

/**
 * Such as `RUNNING`, `task load COMPLETED`, `task load message ERROR: Out of memory`, `metric rows = 12` or
 * `3 test outcomes: 2 passed, 1 failed`. One line.
 */
export const title = (event: Event.Event): string => {
  const task = event.pipelineKey === undefined || event.taskKey === undefined ? "" : `task ${event.taskKey} `
  return oneLine(task + what(event))
}

const what = (event: Event.Event): string => {
  switch (event._tag) {
    case "RunStatus":
      return event.status
    case "MessageLog":
      return `message ${event.level}: ${cut(event.message, LONGEST_TEXT)}`
    case "MetricLog":
      return `metric ${cut(event.metricKey, LONGEST_TEXT)} = ${cut(String(event.metricValue), LONGEST_TEXT)}`
    case "DatasetOperation":
      return `${event.operation} of ${event.datasetKey}`
    case "TestOutcomes":
      return tests(event.outcomes)
  }
}

const tests = (outcomes: ReadonlyArray<Event.TestOutcome>): string => {
  const counts = (["PASSED", "WARNING", "FAILED"] as const).flatMap((status) => {
    const count = outcomes.filter((outcome) => outcome.status === status).length
    return count === 0 ? [] : [`${count} ${words[status]}`]
  })
  return `${outcomes.length} test ${outcomes.length === 1 ? "outcome" : "outcomes"}: ${counts.join(", ")}`
}
const words = { PASSED: "passed", WARNING: "with a warning", FAILED: "failed" } as const

/** The text without what would break a line, or move a terminal's cursor. */
// oxlint-disable-next-line no-control-regex
export const oneLine = (text: string): string => text.replace(/[\s\u0000-\u001f\u007f-\u009f]+/g, " ").trim()

/** One line of at most so many characters. */
export const cut = (text: string, longest: number): string => {
  const line = oneLine(text)
  return line.length <= longest ? line : `${line.slice(0, longest - 1).toWellFormed()}…`
}
