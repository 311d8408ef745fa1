// Posts with the blocking client what is hard to bring from thread to thread; run by Clients.test.ts in a process of its own.
import * as Event from "@observability-agents/toolkit/Event"
import { ObservabilityClient } from "@observability-agents/toolkit/sync"
import { hardMetadata } from "./hardMetadata.ts"

const client = ObservabilityClient.fromSettings()
client.post(
  Event.messageLog({ pipelineKey: "p", runKey: "r", level: "INFO", message: "m", metadata: hardMetadata })
)
try {
  client.post(Event.messageLog({ pipelineKey: "p", runKey: "", level: "INFO", message: "m" }))
} catch (error) {
  process.stdout.write(String(error))
}
