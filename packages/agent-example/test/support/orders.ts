/** Orders as the press tells them, for tests: one step, at three moments. */
import { DateTime } from "effect"
import type * as Run from "../../src/Run.ts"

/** An order that is being printed since a moment. */
export const printing = (id: string, started: DateTime.Utc): Run.Order => ({
  id,
  product: "brochure",
  state: "printing",
  started,
  steps: [{ name: "sheets", state: "printing", started }]
})

/** The same when it is done, a while later. */
export const done = (id: string, started: DateTime.Utc, seconds = 1): Run.Order => {
  const ended = DateTime.add(started, { seconds })
  return {
    ...printing(id, started),
    state: "done",
    ended,
    sheets: 1200,
    steps: [{ name: "sheets", state: "done", started, ended }]
  }
}

/** What the server has to receive of an order that was seen when it was printed, and then done. */
export const told = ["RUNNING", "task sheets RUNNING", "task sheets COMPLETED", "metric sheets", "COMPLETED"]
