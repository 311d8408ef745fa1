/**
 * The server's ingestion API (version 1), its heartbeat and its readiness as one description: the client is derived
 * from it, and so are the routes of the fake server of the test kit. All of it lies below one base URL, which is
 * whatever stands before `events/…` and `agent/…`.
 *
 * What the description cannot say holds for every request with a body: `Content-Type: application/json`, always a
 * `Content-Length` (never chunked, never compressed), no slash at the end of the path, and no retry that the server
 * would recognise as one, since it removes no duplicates.
 */
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as HttpApi from "effect/http-api/HttpApi"
import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import * as HttpApiMiddleware from "effect/http-api/HttpApiMiddleware"
import * as HttpApiSchema from "effect/http-api/HttpApiSchema"
import * as HttpApiSecurity from "effect/http-api/HttpApiSecurity"
import * as OpenApi from "effect/http-api/OpenApi"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as SchemaIssue from "effect/SchemaIssue"
import * as SchemaTransformation from "effect/SchemaTransformation"
import * as Event from "./Event.ts"

/** The header that carries the service account key: as it is, without `Bearer` before it. */
export const KEY_HEADER = "ServiceAccountAuthenticationKey"

/** A sign of life of one agent. The server keeps the last one of each key and tool. */
export interface Heartbeat {
  /** The agent's identity, unique together with the tool; at most 255 characters. */
  readonly key: string
  /** The tool that the agent watches, as free text; at most 255 characters. */
  readonly tool: string
  /** The agent's version; at most 255 characters. */
  readonly version: string
  /** The time of the newest event delivered. When it is absent, the server forgets the one that it has. */
  readonly latestEventTimestamp?: DateTime.Utc | undefined
}

const Name = Schema.String.check(
  Schema.makeFilter((text) => Array.from(text).length <= 255 || "Longer than maximum length 255.")
)

const WireHeartbeat = Schema.Struct({
  key: Name,
  tool: Name,
  version: Name,
  latest_event_timestamp: Schema.optionalKey(Schema.NullOr(Schema.String))
})

const MemoryHeartbeat = Schema.Struct({
  key: Name,
  tool: Name,
  version: Name,
  latestEventTimestamp: Schema.optional(Schema.DateTimeUtc)
})

/**
 * How a {@link Heartbeat} is sent: fields in snake_case, the time as ISO 8601 text. The server refuses a time without a
 * zone, and takes `null` for absent.
 */
export const Heartbeat: Schema.Codec<Heartbeat, typeof WireHeartbeat.Encoded> = WireHeartbeat.pipe(
  Schema.decodeTo(
    MemoryHeartbeat,
    SchemaTransformation.transformEffect<typeof MemoryHeartbeat.Encoded, typeof WireHeartbeat.Type>({
      decode: ({ latest_event_timestamp: text, ...beat }) => {
        if (text === undefined || text === null) return Effect.succeed(beat)
        const time = fromZonedText(text)
        return Option.isSome(time)
          ? Effect.succeed({ ...beat, latestEventTimestamp: time.value })
          : Effect.fail(
              new SchemaIssue.Pointer(
                ["latest_event_timestamp"],
                new SchemaIssue.InvalidValue({ message: "Not a valid aware datetime." }, text)
              )
            )
      },
      encode: ({ latestEventTimestamp: time, ...beat }) =>
        Effect.succeed(
          time === undefined ? beat : { ...beat, latest_event_timestamp: DateTime.formatIso(time) }
        )
    })
  )
)

/** What the server answers when it refuses or fails: always these two, sometimes more. */
export const ErrorBody = Schema.Struct({
  error: Schema.String,
  details: Schema.Unknown
})

const errors = [400, 401, 404, 413, 500].map((status) => ErrorBody.annotate({ httpApiStatus: status }))

/** The service account key, which every request but those for readiness carries. */
export class ServiceAccountKey extends HttpApiMiddleware.Service<ServiceAccountKey>()(
  "@observability-agents/toolkit/ObservabilityApi/ServiceAccountKey",
  { requiredForClient: true, security: { key: HttpApiSecurity.apiKey({ key: KEY_HEADER, in: "header" }) } }
) {}

/** The five kinds of events. Each is answered with 204 as soon as it is queued. */
export const Events = HttpApiGroup.make("events")
  .add(
    HttpApiEndpoint.post("RunStatus", "/run-status", {
      disableCodecs: true,
      payload: Event.RunStatus,
      success: HttpApiSchema.NoContent,
      error: errors
    }),
    HttpApiEndpoint.post("MessageLog", "/message-log", {
      disableCodecs: true,
      payload: Event.MessageLog,
      success: HttpApiSchema.NoContent,
      error: errors
    }),
    HttpApiEndpoint.post("MetricLog", "/metric-log", {
      disableCodecs: true,
      payload: Event.MetricLog,
      success: HttpApiSchema.NoContent,
      error: errors
    }),
    HttpApiEndpoint.post("DatasetOperation", "/dataset-operation", {
      disableCodecs: true,
      payload: Event.DatasetOperation,
      success: HttpApiSchema.NoContent,
      error: errors
    }),
    HttpApiEndpoint.post("TestOutcomes", "/test-outcomes", {
      disableCodecs: true,
      payload: Event.TestOutcomes,
      success: HttpApiSchema.NoContent,
      error: errors
    })
  )
  .middleware(ServiceAccountKey)
  .prefix("/events/v1")

/** Signs of life of agents. Answered with 204. */
export const Agents = HttpApiGroup.make("agents")
  .add(
    HttpApiEndpoint.post("heartbeat", "/heartbeat", {
      disableCodecs: true,
      payload: Heartbeat,
      success: HttpApiSchema.NoContent,
      error: errors
    })
  )
  .middleware(ServiceAccountKey)
  .prefix("/agent/v1")

/** Whether the two APIs run (`livez`) and can work (`readyz`: 500 while database or queue are not there). No key. */
export const Readiness = HttpApiGroup.make("readiness").add(
  HttpApiEndpoint.get("events", "/events/readyz", { success: Schema.Struct({}) }),
  HttpApiEndpoint.get("agents", "/agent/readyz", { success: Schema.Struct({}) }),
  HttpApiEndpoint.get("eventsAlive", "/events/livez", { success: Schema.Struct({}) }),
  HttpApiEndpoint.get("agentsAlive", "/agent/livez", { success: Schema.Struct({}) })
)

/** The whole API. */
export class ObservabilityApi extends HttpApi.make("observability")
  .add(Events, Agents, Readiness)
  .annotateMerge(OpenApi.annotations({ title: "DataOps Observability, ingestion API", version: "1" })) {}

// The upper-case letters, the fraction of up to 12 digits and the short zones are what the server takes; JavaScript's
// own parser takes only a part of that.
const zoned = /^(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d)(:\d\d)?(?:\.(\d{1,12}))?(?:(Z)|([+-]\d\d):?(\d\d)?)$/

const fromZonedText = (text: string): Option.Option<DateTime.Utc> => {
  const match = zoned.exec(text)
  if (match === null) return Option.none()
  const [, day, minute, second = ":00", fraction = "0", utc, hours = "+00", minutes = "00"] = match
  const zone = utc ?? `${hours}:${minutes}`
  return Option.map(DateTime.make(`${day}T${minute}${second}.${fraction.slice(0, 3)}${zone}`), DateTime.toUtc)
}
