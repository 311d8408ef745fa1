/**
 * Reports one run of a nightly load, blocking: each line waits for the server. Where the server is and the key come from
 * `./agent.toml` or from DK_OBSERVABILITY_BASE_URL and DK_OBSERVABILITY_SERVICE_ACCOUNT_KEY.
 */
import * as Event from "@observability-agents/toolkit/Event"
import { ObservabilityClient } from "@observability-agents/toolkit/sync"
import { DateTime, Runtime } from "effect"

try {
  const client = ObservabilityClient.fromSettings()
  const run = { pipelineKey: "nightly-load", pipelineName: "Nightly load", runKey: "2026-01-31" }

  client.post(Event.runStatus({ ...run, status: "RUNNING", timestamp: DateTime.nowUnsafe() }))
  client.post(Event.messageLog({ ...run, level: "INFO", message: "1 204 rows loaded" }))
  client.post(Event.metricLog({ ...run, metricKey: "rows", metricValue: 1204 }))
  client.post(Event.runStatus({ ...run, status: "COMPLETED", timestamp: DateTime.nowUnsafe() }))
  console.log("4 events accepted")
} catch (error) {
  console.error(error instanceof Error ? error.message : error)
  // That of the error: 78 settings, 77 not let in, 69 not available. There is no handler of signals here, for while a line waits
  // none is called: Ctrl-C ends the process by itself.
  process.exitCode = Runtime.getErrorExitCode(error)
}
