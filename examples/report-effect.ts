/**
 * Reports one run of a nightly load, as an Effect. Where the server is and the key come from `./agent.toml` or from
 * DK_OBSERVABILITY_BASE_URL and DK_OBSERVABILITY_SERVICE_ACCOUNT_KEY.
 */
import { NodeRuntime, NodeServices } from "@effect/platform-node"
import * as Event from "@observability-agents/toolkit/Event"
import * as NodeObservability from "@observability-agents/toolkit/NodeObservability"
import { Observability } from "@observability-agents/toolkit/Observability"
import { ObservabilitySettings } from "@observability-agents/toolkit/ObservabilitySettings"
import * as Settings from "@observability-agents/toolkit/Settings"
import { Console, DateTime, Effect, Layer } from "effect"

const program = Effect.gen(function* () {
  const observability = yield* Observability
  const run = { pipelineKey: "nightly-load", pipelineName: "Nightly load", runKey: "2026-01-31" }

  yield* observability.post(Event.runStatus({ ...run, status: "RUNNING", timestamp: yield* DateTime.now }))
  yield* observability.post(Event.messageLog({ ...run, level: "INFO", message: "1 204 rows loaded" }))
  yield* observability.post(Event.metricLog({ ...run, metricKey: "rows", metricValue: 1204 }))
  yield* observability.post(Event.runStatus({ ...run, status: "COMPLETED", timestamp: yield* DateTime.now }))
  yield* Console.log("4 events accepted")
})

const SettingsLayer = Layer.unwrap(
  Effect.map(Settings.sources({ env: process.env }), (sources) =>
    Settings.layer(sources, [ObservabilitySettings])
  )
)

program.pipe(
  Effect.provide(
    NodeObservability.layer.pipe(Layer.provide(SettingsLayer), Layer.provide(NodeServices.layer))
  ),
  Effect.tapError((error) => Console.error(error.message)),
  // The exit code is that of the error: 78 settings, 77 not let in, 69 not available.
  NodeRuntime.runMain({ disableErrorReporting: true })
)
