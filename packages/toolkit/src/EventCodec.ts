/**
 * The way between events in memory and their JSON bodies: one codec per event type. In memory a field that is not said
 * is absent or undefined; in a body it is absent, and `null` where the server takes that is read as absent.
 */
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type * as SchemaIssue from "effect/SchemaIssue"
import * as SchemaParser from "effect/SchemaParser"
import * as SchemaTransformation from "effect/SchemaTransformation"
import type * as Event from "./Event.ts"
import * as Body from "./EventBody.ts"
import * as Report from "./EventReport.ts"
import * as Value from "./EventValue.ts"

const isNil = Predicate.isNullish

type Present<A> = { readonly [K in keyof A as Absentable<A[K]> extends true ? never : K]: A[K] } & {
  readonly [K in keyof A as Absentable<A[K]> extends true ? K : never]?: NonNullable<A[K]>
}
type Absentable<A> = undefined extends A ? true : null extends A ? true : false

/** The same object without the fields that are undefined or null. */
export const present = <A extends object>(fields: A): Present<A> => {
  const kept: Record<string, unknown> = {}
  for (const [field, value] of Object.entries(fields)) {
    if (!isNil(value)) kept[field] = value
  }
  // SAFETY: `kept` has exactly the fields of `fields` that are neither undefined nor null, which is what the type says.
  return kept as Present<A>
}

const commonToBody = (event: Event.Component & Event.Common) => ({
  pipeline_key: event.pipelineKey,
  pipeline_name: event.pipelineName,
  run_key: event.runKey,
  run_name: event.runName,
  task_key: event.taskKey,
  task_name: event.taskName,
  dataset_key: event.datasetKey,
  dataset_name: event.datasetName,
  server_key: event.serverKey,
  server_name: event.serverName,
  stream_key: event.streamKey,
  stream_name: event.streamName,
  component_tool: event.componentTool === undefined ? undefined : Value.componentToolOf(event.componentTool),
  external_url: event.externalUrl,
  event_timestamp: event.timestamp,
  metadata: event.metadata,
  payload_keys: event.payloadKeys
})

const commonOf = (body: Body.CommonBody) => ({
  timestamp: body.event_timestamp,
  componentTool: body.component_tool,
  externalUrl: body.external_url,
  metadata: body.metadata,
  payloadKeys: body.payload_keys
})

// The fallbacks of the four are never taken: the rules between fields have seen to it that the key is there.
const pipelineOf = (body: Body.CommonBody) => ({
  pipelineKey: body.pipeline_key ?? "",
  pipelineName: body.pipeline_name,
  runKey: body.run_key ?? "",
  runName: body.run_name,
  taskKey: body.task_key,
  taskName: body.task_name
})
const datasetOf = (body: Body.CommonBody) => ({
  datasetKey: body.dataset_key ?? "",
  datasetName: body.dataset_name
})
const serverOf = (body: Body.CommonBody) => ({
  serverKey: body.server_key ?? "",
  serverName: body.server_name
})
const streamOf = (body: Body.CommonBody) => ({
  streamKey: body.stream_key ?? "",
  streamName: body.stream_name
})

/** An event of the component that the body names. Run and task of a body without pipeline mean nothing and are left out. */
const withComponent = <A extends object>(body: Body.CommonBody, fields: A) => {
  const shared = { ...fields, ...commonOf(body) }
  if (!isNil(body.pipeline_key)) return present({ ...shared, ...pipelineOf(body) })
  if (!isNil(body.dataset_key)) return present({ ...shared, ...datasetOf(body) })
  if (!isNil(body.server_key)) return present({ ...shared, ...serverOf(body) })
  return present({ ...shared, ...streamOf(body) })
}

type Tagged<Tag extends Event.Event["_tag"]> = Extract<Event.Event, { readonly _tag: Tag }>

/** One event type: its Schema, and what it takes to name every rule that an event or a body of it breaks. */
export interface EventCodec<out E extends Event.Event, out Encoded> {
  readonly schema: Schema.Codec<E, Encoded>
  readonly encode: (event: Event.Event) => Result.Result<Encoded, SchemaIssue.Issue>
  readonly decode: (body: unknown) => Result.Result<E, SchemaIssue.Issue>
  /** All broken rules of an event that could not be encoded. */
  readonly brokenEvent: (event: Event.Event) => ReadonlyArray<Report.Broken>
  /** All broken rules of a body that could not be decoded. */
  readonly brokenBody: (body: unknown) => ReadonlyArray<Report.Broken>
}

const codec = <const Tag extends Event.Event["_tag"], Fields extends object, Encoded>(
  tag: Tag,
  body: Body.Body<Fields, Encoded>,
  way: { readonly decode: (body: Fields) => Tagged<Tag>; readonly encode: (event: Tagged<Tag>) => Fields }
): EventCodec<Tagged<Tag>, Encoded> => {
  const is = (value: unknown): value is Tagged<Tag> => Predicate.isTagged(value, tag)
  const schema = body.schema.pipe(
    Schema.decodeTo(
      Schema.declare(is, { message: `an event of type ${tag}` }),
      SchemaTransformation.transform(way)
    )
  )
  // Only to name what is wrong. The fields are parsed without the rules between them, which would hide further findings.
  const encodeFields = SchemaParser.encodeUnknownResult(body.fields, { errors: "all" })
  const decodeFields = SchemaParser.decodeUnknownResult(body.fields, STRICT)
  return {
    schema,
    encode: SchemaParser.encodeUnknownResult(schema),
    decode: SchemaParser.decodeUnknownResult(schema, { onExcessProperty: "error" }),
    brokenEvent: (event) => {
      if (!is(event)) return []
      const fields = way.encode(event)
      return Report.broken(encodeFields(fields), body.relations, fields)
    },
    brokenBody: (value) => Report.broken(decodeFields(value), body.relations, value)
  }
}
const STRICT = { errors: "all", onExcessProperty: "error" } as const

/** `run-status`: memory form and JSON body. */
export const RunStatus = codec("RunStatus", Body.RunStatusBody, {
  decode: (body) =>
    present({ _tag: "RunStatus" as const, status: body.status, ...pipelineOf(body), ...commonOf(body) }),
  encode: (event) => present({ ...commonToBody(event), status: event.status })
})

/** `message-log`: memory form and JSON body. */
export const MessageLog = codec("MessageLog", Body.MessageLogBody, {
  decode: (body) =>
    withComponent(body, {
      _tag: "MessageLog" as const,
      level: body.log_level,
      message: body.message,
      details: body.message_details
    }),
  encode: (event) =>
    present({
      ...commonToBody(event),
      log_level: event.level,
      message: event.message,
      message_details: event.details
    })
})

/** `metric-log`: memory form and JSON body. */
export const MetricLog = codec("MetricLog", Body.MetricLogBody, {
  decode: (body) =>
    withComponent(body, {
      _tag: "MetricLog" as const,
      metricKey: body.metric_key,
      metricValue: body.metric_value
    }),
  encode: (event) =>
    present({ ...commonToBody(event), metric_key: event.metricKey, metric_value: event.metricValue })
})

/** `dataset-operation`: memory form and JSON body. */
export const DatasetOperation = codec("DatasetOperation", Body.DatasetOperationBody, {
  decode: (body) =>
    present({
      _tag: "DatasetOperation" as const,
      operation: body.operation,
      path: body.path,
      ...datasetOf(body),
      ...commonOf(body)
    }),
  encode: (event) => present({ ...commonToBody(event), operation: event.operation, path: event.path })
})

const testgenTestToBody = (test: Event.TestgenTest) =>
  present({
    table: test.table,
    test_suite: test.testSuite,
    version: test.version,
    columns: test.columns,
    test_parameters: test.testParameters
  })

const testgenTestOf = (body: Body.TestgenTestBody): Event.TestgenTest =>
  present({
    table: body.table,
    testSuite: body.test_suite,
    version: body.version,
    columns: body.columns,
    testParameters: body.test_parameters
  })

const testOutcomeToBody = (outcome: Event.TestOutcome) =>
  present({
    name: outcome.name,
    status: outcome.status,
    description: outcome.description,
    start_time: outcome.startTime,
    end_time: outcome.endTime,
    metric_value: outcome.metricValue,
    min_threshold: outcome.minThreshold,
    max_threshold: outcome.maxThreshold,
    metric_name: outcome.metricName,
    metric_description: outcome.metricDescription,
    dimensions: outcome.dimensions,
    result: outcome.result,
    type: outcome.type,
    key: outcome.key,
    metadata: outcome.metadata,
    integrations:
      outcome.integrations === undefined
        ? undefined
        : { testgen: testgenTestToBody(outcome.integrations.testgen) }
  })

const testOutcomeOf = (body: Body.TestOutcomeBody): Event.TestOutcome =>
  present({
    name: body.name,
    status: body.status,
    description: body.description,
    startTime: body.start_time,
    endTime: body.end_time,
    metricValue: body.metric_value,
    minThreshold: body.min_threshold,
    maxThreshold: body.max_threshold,
    metricName: body.metric_name,
    metricDescription: body.metric_description,
    dimensions: body.dimensions,
    result: body.result,
    type: body.type,
    key: body.key,
    metadata: body.metadata,
    integrations: isNil(body.integrations) ? undefined : { testgen: testgenTestOf(body.integrations.testgen) }
  })

const testgenDatasetToBody = ({ tables, tableGroupConfiguration: group, ...dataset }: Event.TestgenDataset) =>
  present({
    version: dataset.version,
    database_name: dataset.databaseName,
    connection_name: dataset.connectionName,
    schema: dataset.schema,
    tables: present({
      include_list: tables.includeList,
      include_pattern: tables.includePattern,
      exclude_pattern: tables.excludePattern
    }),
    table_group_configuration:
      group === undefined
        ? undefined
        : present({
            group_id: group.groupId,
            project_code: group.projectCode,
            uses_sampling: group.usesSampling,
            sample_percentage: group.samplePercentage,
            sample_minimum_count: group.sampleMinimumCount
          })
  })

const testgenDatasetOf = ({
  tables,
  table_group_configuration: group,
  ...dataset
}: Body.TestgenDatasetBody): Event.TestgenDataset =>
  present({
    version: dataset.version,
    databaseName: dataset.database_name,
    connectionName: dataset.connection_name,
    schema: dataset.schema,
    tables: present({
      includeList: tables.include_list,
      includePattern: tables.include_pattern,
      excludePattern: tables.exclude_pattern
    }),
    tableGroupConfiguration: isNil(group)
      ? undefined
      : present({
          groupId: group.group_id,
          projectCode: group.project_code,
          usesSampling: group.uses_sampling,
          samplePercentage: group.sample_percentage,
          sampleMinimumCount: group.sample_minimum_count
        })
  })

/** `test-outcomes`: memory form and JSON body. */
export const TestOutcomes = codec("TestOutcomes", Body.TestOutcomesBody, {
  decode: (body) =>
    withComponent(body, {
      _tag: "TestOutcomes" as const,
      outcomes: body.test_outcomes.map(testOutcomeOf),
      componentIntegrations: isNil(body.component_integrations)
        ? undefined
        : { testgen: testgenDatasetOf(body.component_integrations.integrations.testgen) }
    }),
  encode: (event) =>
    present({
      ...commonToBody(event),
      test_outcomes: event.outcomes.map(testOutcomeToBody),
      component_integrations:
        event.componentIntegrations === undefined
          ? undefined
          : { integrations: { testgen: testgenDatasetToBody(event.componentIntegrations.testgen) } }
    })
})

const codecs: { readonly [Tag in Event.Event["_tag"]]: EventCodec<Event.Event, object> } = {
  RunStatus,
  MessageLog,
  MetricLog,
  DatasetOperation,
  TestOutcomes
}

/** The codec of an event's type. */
export const of = (event: Event.Event): EventCodec<Event.Event, object> => codecs[event._tag]

/** The JSON body of an event, of any size. */
export const bodyOf = (event: Event.Event): Result.Result<string, SchemaIssue.Issue> =>
  Result.map(of(event).encode(event), (body) => JSON.stringify(body))
