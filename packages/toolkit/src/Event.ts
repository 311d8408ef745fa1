/**
 * Events: what is reported to DataOps Observability. In memory an event is a plain immutable object with camelCase
 * fields and a `_tag`; on the wire it is a snake_case JSON body, one endpoint per type. `encode` lets nothing out that
 * the server would refuse, or would accept and then be unable to store; `fit` makes what a tool delivered storable.
 *
 * ```ts
 * import * as Event from "@observability-agents/toolkit/Event"
 *
 * const run = { pipelineKey: "nightly-load", runKey: "2026-01-31" }
 *
 * export const events = [
 *   Event.runStatus({ ...run, status: "RUNNING" }),
 *   Event.metricLog({ ...run, metricKey: "rows", metricValue: 1204 }),
 *   Event.runStatus({ ...run, status: "COMPLETED" })
 * ]
 * ```
 */
import type * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Codec from "./EventCodec.ts"
import * as Fit from "./EventFit.ts"
import { byteLength, isWithinBytes, MAX_BODY_BYTES } from "./EventValue.ts"

export { MAX_BODY_BYTES, MAX_TEST_OUTCOMES } from "./EventValue.ts"

/** A JSON object whose content the server does not interpret. */
export type Metadata = { readonly [key: string]: Schema.Json }

/** What may be said of a run or task. `PENDING` and `MISSING` belong to the server and are never sent. */
export type RunState = "RUNNING" | "COMPLETED" | "COMPLETED_WITH_WARNINGS" | "FAILED"

type ComponentField =
  | "pipelineKey"
  | "pipelineName"
  | "runKey"
  | "runName"
  | "taskKey"
  | "taskName"
  | "datasetKey"
  | "datasetName"
  | "serverKey"
  | "serverName"
  | "streamKey"
  | "streamName"

/** The fields of the other kinds of component: readable on every event, and never set. */
type Without<Own extends ComponentField> = { readonly [F in Exclude<ComponentField, Own>]?: undefined }

/** A batch pipeline's run, or (with `taskKey`) one task of it. Keys and names have 1 to 255 characters, `runName` 1024. */
export interface PipelineComponent extends Without<
  "pipelineKey" | "pipelineName" | "runKey" | "runName" | "taskKey" | "taskName"
> {
  readonly pipelineKey: string
  /** Shown for the component: the last one sent renames it. */
  readonly pipelineName?: string | undefined
  readonly runKey: string
  readonly runName?: string | undefined
  /** Present: the event is about this task of the run. Has to be the same in every run. */
  readonly taskKey?: string | undefined
  readonly taskName?: string | undefined
}

/** A dataset: a table, a file, a topic. */
export interface DatasetComponent extends Without<"datasetKey" | "datasetName"> {
  readonly datasetKey: string
  readonly datasetName?: string | undefined
}

/** A server. */
export interface ServerComponent extends Without<"serverKey" | "serverName"> {
  readonly serverKey: string
  readonly serverName?: string | undefined
}

/** A streaming pipeline. */
export interface StreamComponent extends Without<"streamKey" | "streamName"> {
  readonly streamKey: string
  readonly streamName?: string | undefined
}

/** What an event is about: exactly one of the four kinds. */
export type Component = PipelineComponent | DatasetComponent | ServerComponent | StreamComponent

/** Fields that every event may carry. */
export interface Common {
  /** When it happened in the tool. Absent: the server takes its own time. */
  readonly timestamp?: DateTime.Utc | undefined
  readonly componentTool?: string | undefined
  readonly externalUrl?: string | undefined
  readonly metadata?: Metadata | undefined
  readonly payloadKeys?: ReadonlyArray<string> | undefined
}

/** What is said of a run's status, without its tag: see `runStatus`. */
export type RunStatusFields = { readonly status: RunState } & PipelineComponent & Common
/** The status of a run or task changed. */
export type RunStatus = { readonly _tag: "RunStatus" } & RunStatusFields

/** A message without its tag: see `messageLog`. */
export type MessageLogFields = {
  readonly level: "ERROR" | "WARNING" | "INFO"
  readonly message: string
  readonly details?: string | undefined
} & Component &
  Common
/** A line of log. */
export type MessageLog = { readonly _tag: "MessageLog" } & MessageLogFields

/** A metric without its tag: see `metricLog`. */
export type MetricLogFields = {
  readonly metricKey: string
  /** A decimal number; as text it keeps its precision. */
  readonly metricValue: number | string
} & Component &
  Common
/** One value of one metric. */
export type MetricLog = { readonly _tag: "MetricLog" } & MetricLogFields

/** A dataset operation without its tag: see `datasetOperation`. */
export type DatasetOperationFields = {
  readonly operation: "READ" | "WRITE"
  readonly path?: string | undefined
} & DatasetComponent &
  Common
/** A dataset was read or written. */
export type DatasetOperation = { readonly _tag: "DatasetOperation" } & DatasetOperationFields

/** What TestGen says of one test. */
export interface TestgenTest {
  readonly table: string
  readonly testSuite: string
  readonly version: 1
  readonly columns?: ReadonlyArray<string> | undefined
  readonly testParameters?:
    | ReadonlyArray<{ readonly name: string; readonly value: number | string }>
    | undefined
}

/** The result of one test. */
export interface TestOutcome {
  readonly name: string
  readonly status: "PASSED" | "FAILED" | "WARNING"
  readonly description?: string | undefined
  readonly startTime?: DateTime.Utc | undefined
  readonly endTime?: DateTime.Utc | undefined
  readonly metricValue?: number | string | undefined
  readonly minThreshold?: number | string | undefined
  readonly maxThreshold?: number | string | undefined
  readonly metricName?: string | undefined
  readonly metricDescription?: string | undefined
  readonly dimensions?: ReadonlyArray<string> | undefined
  readonly result?: string | undefined
  readonly type?: string | undefined
  /** Correlates the same test across runs. */
  readonly key?: string | undefined
  readonly metadata?: Metadata | undefined
  readonly integrations?: { readonly testgen: TestgenTest } | undefined
}

/** What TestGen says of the tested dataset. */
export interface TestgenDataset {
  readonly version: 1
  readonly databaseName: string
  readonly connectionName: string
  readonly schema?: string | undefined
  readonly tables: {
    readonly includeList?: ReadonlyArray<string> | undefined
    readonly includePattern?: string | undefined
    readonly excludePattern?: string | undefined
  }
  readonly tableGroupConfiguration?:
    | {
        readonly groupId: string
        readonly projectCode: string
        readonly usesSampling?: boolean | undefined
        readonly samplePercentage?: string | undefined
        readonly sampleMinimumCount?: number | undefined
      }
    | undefined
}

/** Test results without their tag: see `testOutcomes`. */
export type TestOutcomesFields = {
  readonly outcomes: ReadonlyArray<TestOutcome>
  /** Present exactly when every outcome has `integrations`. */
  readonly componentIntegrations?: { readonly testgen: TestgenDataset } | undefined
} & Component &
  Common
/** The results of up to 500 tests. */
export type TestOutcomes = { readonly _tag: "TestOutcomes" } & TestOutcomesFields

/** Any event. */
export type Event = RunStatus | MessageLog | MetricLog | DatasetOperation | TestOutcomes

/** The last segment of the endpoint's path, one per event type. */
export type Path = "run-status" | "message-log" | "metric-log" | "dataset-operation" | "test-outcomes"

/** One broken rule: where, the rule in words, what was found there. */
export const EventIssue = Schema.Struct({
  /** By the server's names, e.g. `test_outcomes[3].metric_name`; `(body)` for the body itself. */
  field: Schema.String,
  /** Reads on after "must be", with the limit. */
  rule: Schema.String,
  /** The value in short. */
  found: Schema.String
})
/** One broken rule: where, the rule in words, what was found there. */
export interface EventIssue extends Schema.Schema.Type<typeof EventIssue> {}

/** An event that must not be sent, or a body that is no event. `issues` and the message name every broken rule. */
export class EventError extends Schema.TaggedError<EventError>()("EventError", {
  path: Schema.String,
  issues: Schema.Array(EventIssue)
}) {
  override get message(): string {
    const broken = this.issues.map(({ field, found, rule }) => `${field} must be ${rule}, found ${found}`)
    const shown =
      broken.length > MAX_SHOWN
        ? [...broken.slice(0, MAX_SHOWN), `… and ${broken.length - MAX_SHOWN} more`]
        : broken
    return `Invalid ${this.path} event: ${shown.join("; ")}`
  }
}
const MAX_SHOWN = 50

/** A run's or task's status. Pure: `encode` checks it. Fields that are undefined are left out. */
export const runStatus = (fields: RunStatusFields): RunStatus =>
  Codec.present({ _tag: "RunStatus" as const, ...fields })

/** A line of log. Pure: `encode` checks it. Fields that are undefined are left out. */
export const messageLog = (fields: MessageLogFields): MessageLog =>
  Codec.present({ _tag: "MessageLog" as const, ...fields })

/** A metric's value. Pure: `encode` checks it. Fields that are undefined are left out. */
export const metricLog = (fields: MetricLogFields): MetricLog =>
  Codec.present({ _tag: "MetricLog" as const, ...fields })

/** A dataset was read or written. Pure: `encode` checks it. Fields that are undefined are left out. */
export const datasetOperation = (fields: DatasetOperationFields): DatasetOperation =>
  Codec.present({ _tag: "DatasetOperation" as const, ...fields })

/** Test results. Pure: `encode` checks it. Fields that are undefined are left out. */
export const testOutcomes = (fields: TestOutcomesFields): TestOutcomes =>
  Codec.present({ _tag: "TestOutcomes" as const, ...fields })

/** `run-status` events and their JSON bodies. A Schema with every rule of the server's contract, as are the next four. */
export const RunStatus = Codec.RunStatus.schema
/** `message-log` events and their JSON bodies. */
export const MessageLog = Codec.MessageLog.schema
/** `metric-log` events and their JSON bodies. */
export const MetricLog = Codec.MetricLog.schema
/** `dataset-operation` events and their JSON bodies. */
export const DatasetOperation = Codec.DatasetOperation.schema
/** `test-outcomes` events and their JSON bodies. */
export const TestOutcomes = Codec.TestOutcomes.schema

/** Any event and its JSON body, to keep events in. The body alone tells the type. */
export const Event = Schema.Union([RunStatus, MessageLog, MetricLog, DatasetOperation, TestOutcomes])

/** The endpoint of an event. */
export const path = (event: Event): Path => paths[event._tag]
const paths = {
  RunStatus: "run-status",
  MessageLog: "message-log",
  MetricLog: "metric-log",
  DatasetOperation: "dataset-operation",
  TestOutcomes: "test-outcomes"
} as const

/**
 * The event in a parsed JSON body of an endpoint, read as strictly as the server does it: fields that it does not know
 * are errors, `null` is no timestamp, metadata or payload keys. What it would accept and not store is an error too.
 */
export const decode = (path: Path, body: unknown): Effect.Effect<Event, EventError> =>
  Effect.suspend(() => {
    const decoded = codecs[path].decode(body)
    return Result.isSuccess(decoded)
      ? Effect.succeed(decoded.success)
      : Effect.fail(new EventError({ path, issues: codecs[path].brokenBody(body) }))
  })
const codecs: { readonly [P in Path]: Codec.EventCodec<Event, object> } = {
  "run-status": Codec.RunStatus,
  "message-log": Codec.MessageLog,
  "metric-log": Codec.MetricLog,
  "dataset-operation": Codec.DatasetOperation,
  "test-outcomes": Codec.TestOutcomes
}

/** The JSON body of an event: at most 102 400 bytes of UTF-8, and nothing the server would refuse or could not store. */
export const encode = (event: Event): Effect.Effect<string, EventError> =>
  Effect.suspend(() => {
    const body = Codec.bodyOf(event)
    if (Result.isFailure(body)) return broken(event, Codec.of(event).brokenEvent(event))
    if (isWithinBytes(body.success, MAX_BODY_BYTES)) return Effect.succeed(body.success)
    return broken(event, [
      {
        field: "(body)",
        rule: `at most ${MAX_BODY_BYTES} bytes of UTF-8`,
        found: `${byteLength(body.success)} bytes`
      }
    ])
  })
const broken = (event: Event, issues: ReadonlyArray<EventIssue>) =>
  Effect.fail(new EventError({ path: path(event), issues }))

/**
 * The event as the server can store it; an event that can be sent as it is comes back as it is. What tools deliver is
 * rarely within the server's limits, and an event with a cut message is worth more than none:
 *
 * - over-long names, messages, details and results are cut and end in `…`; over-long keys end in a hash, so that
 *   different keys stay different, and characters outside the Basic Multilingual Plane in keys become `U+1F680`;
 * - a lone half of a surrogate pair becomes `\ufffd`; empty optional texts are left out;
 * - `metadata` gets texts for numbers that are not finite and for what lies deeper than 20 levels; an `externalUrl` or a
 *   time that the server would refuse moves to `metadata.external_url` and the like;
 * - a metric without a number becomes a warning that says so; test outcomes beyond 500 are left out (`split` keeps them)
 *   and counted in `metadata.omitted_test_outcomes`;
 * - a body that is still too large loses length: first of metadata, then details and results, payload keys, message.
 *
 * Never throws; only an empty key of a component, run or metric, or a list of no outcomes, is beyond repair.
 */
export const fit = (event: Event): Event => Fit.fit(event)

/** Test results as events that fit the server's limits of items and bytes without leaving any out; other events alone. */
export const split = (event: Event): ReadonlyArray<Event> => Fit.split(event)

/** Kind and key of the component an event is about. */
export const component = (
  event: Event
): { readonly type: "pipeline" | "dataset" | "server" | "stream"; readonly key: string } => {
  if (event.pipelineKey !== undefined) return { type: "pipeline", key: event.pipelineKey }
  if (event.datasetKey !== undefined) return { type: "dataset", key: event.datasetKey }
  if (event.serverKey !== undefined) return { type: "server", key: event.serverKey }
  return { type: "stream", key: event.streamKey }
}

/** The unit of order: component and, for pipelines, run. Equal texts mean: keep their order. */
export const lane = (event: Event): string => {
  const { key, type } = component(event)
  const escaped = escape(key)
  return event.pipelineKey === undefined ? `${type}:${escaped}` : `${type}:${escaped}/${escape(event.runKey)}`
}
const escape = (key: string): string => key.replaceAll("%", "%25").replaceAll("/", "%2F")
