/**
 * The settings of the connection to the Observability server: the table `[observability]`, the variables
 * `DK_OBSERVABILITY_…`. It has every setting that `[http]` has, under the same names, since the server needs other
 * values than a tool does: it answers only when an event is queued, so its read timeout is to be a minute at least.
 */
import * as HttpSettings from "./HttpSettings.ts"
import * as Settings from "./Settings.ts"

/** The table `[observability]`. */
export const ObservabilitySettings = Settings.section("observability", {
  description:
    "The DataOps Observability server that events are sent to. Besides the settings of its own, the table takes all settings of [http], for this one connection.",
  fields: {
    baseUrl: Settings.url({
      description:
        "Address of the server's ingestion API: all that stands before events/ and agent/, with or without a slash at the end.",
      example: "http://observability.example.com:8082/api/",
      aliases: ["core.observability_base_url"]
    }),
    serviceAccountKey: Settings.secret({
      description:
        "The service account key, made in Observability for the project. It must allow both the Events API and the Agent API. Such keys expire, after a year as a rule.",
      aliases: ["core.observability_service_account_key"]
    }),
    ...HttpSettings.fields
  }
})
