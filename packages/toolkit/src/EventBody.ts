/**
 * The JSON bodies of the five event types as Schemas with the server's snake_case field names, so that every broken rule
 * is reported under the name the server would use. Each body has its fields and its rules between fields.
 */
import * as Schema from "effect/Schema"
import * as Field from "./EventField.ts"
import type * as Report from "./EventReport.ts"
import * as Value from "./EventValue.ts"

const optional = Field.optional
const object = <const F extends Schema.Struct.Fields>(fields: F) =>
  Schema.Struct(fields).annotate({ message: "a JSON object" })

const common = {
  pipeline_key: optional(Field.key),
  pipeline_name: optional(Field.name),
  run_key: optional(Field.key),
  run_name: optional(Field.text(Value.MAX_RUN_NAME)),
  task_key: optional(Field.key),
  task_name: optional(Field.name),
  dataset_key: optional(Field.key),
  dataset_name: optional(Field.name),
  server_key: optional(Field.key),
  server_name: optional(Field.name),
  stream_key: optional(Field.key),
  stream_name: optional(Field.name),
  component_tool: optional(Field.componentTool),
  external_url: optional(Field.externalUrl),
  // The three that must be absent rather than null.
  event_timestamp: Schema.optionalKey(Field.time),
  metadata: Schema.optionalKey(Field.metadata),
  payload_keys: Schema.optionalKey(Field.list(Field.name))
}

/** The decoded fields that all bodies share. */
export type CommonBody = Schema.Struct.Type<typeof common>

type Relations = (body: Report.Fields) => ReadonlyArray<Report.Relation>

const COMPONENT_KEYS = ["pipeline_key", "dataset_key", "server_key", "stream_key"] as const

const isSet = (value: unknown): boolean => value !== undefined && value !== null

/** The component and its run. `required` is the component key that an event type asks for. */
const component = (body: Report.Fields, required?: string): Array<Report.Relation> => {
  const set = COMPONENT_KEYS.filter((key) => isSet(body[key]))
  const broken: Array<Report.Relation> = []
  if (required !== undefined && !isSet(body[required])) {
    broken.push({ path: [required], issue: "present in an event of this type" })
  } else if (set.length !== 1) {
    broken.push({
      path: [],
      issue: `about exactly one component (${COMPONENT_KEYS.join(", ")})`,
      found: set.length === 0 ? "none" : set.join(" and ")
    })
  }
  if (isSet(body["pipeline_key"]) && !isSet(body["run_key"])) {
    broken.push({ path: ["run_key"], issue: "present together with pipeline_key" })
  }
  return broken
}

const runStatus: Relations = (body) => {
  const broken = component(body, "pipeline_key")
  // The only value in metadata that the server reads.
  if (isObject(body["metadata"]) && Number.isInteger(body["metadata"]["expected_start_time"])) {
    broken.push({
      path: ["metadata", "expected_start_time"],
      issue: "seconds since 1970 with a fraction, because the server ignores whole numbers here"
    })
  }
  return broken
}

const datasetOperation: Relations = (body) => [
  ...component(body, "dataset_key"),
  ...["pipeline_key", "run_key"]
    .filter((key) => isSet(body[key]))
    .map((key) => ({ path: [key], issue: "absent in a dataset-operation event" }))
]

const isObject = (value: unknown): value is Report.Fields =>
  typeof value === "object" && value !== null && !Array.isArray(value)

const OUTCOMES = `a list of 1 to ${Value.MAX_TEST_OUTCOMES} test outcomes`

const testOutcomes: Relations = (body) => {
  const items: ReadonlyArray<unknown> = Array.isArray(body["test_outcomes"]) ? body["test_outcomes"] : []
  const broken = component(body)
  if (
    Array.isArray(body["test_outcomes"]) &&
    (items.length === 0 || items.length > Value.MAX_TEST_OUTCOMES)
  ) {
    broken.push({ path: ["test_outcomes"], issue: OUTCOMES })
  }
  const wanted = isSet(body["component_integrations"])
  const odd = items.findIndex((item) => isObject(item) && isSet(item["integrations"]) !== wanted)
  if (odd >= 0) {
    broken.push(
      wanted
        ? {
            path: ["test_outcomes", odd, "integrations"],
            issue: "present, because component_integrations is"
          }
        : { path: ["component_integrations"], issue: "present, because test outcomes have integrations" }
    )
  }
  return broken
}

/** A JSON body: its fields, the rules between them, and both in one Schema. */
export interface Body<Type, Encoded> {
  readonly fields: Schema.Codec<Type, Encoded>
  readonly relations: Relations
  readonly schema: Schema.Codec<Type, Encoded>
}

const body = <const F extends Schema.Struct.Fields>(own: F, relations: Relations) => {
  const fields = object({ ...common, ...own })
  return { fields, relations, schema: fields.check(Schema.makeFilter((value) => relations({ ...value }))) }
}

/** The body of `run-status`. */
export const RunStatusBody = body(
  { status: Field.word(["RUNNING", "COMPLETED", "COMPLETED_WITH_WARNINGS", "FAILED"]) },
  runStatus
)

/** The body of `message-log`. */
export const MessageLogBody = body(
  {
    log_level: Field.word(["ERROR", "WARNING", "INFO"]),
    message: Field.anyText,
    message_details: optional(Field.anyTextOrEmpty)
  },
  (body) => component(body)
)

/** The body of `metric-log`. */
export const MetricLogBody = body({ metric_key: Field.anyText, metric_value: Field.decimal }, (body) =>
  component(body)
)

/** The body of `dataset-operation`. */
export const DatasetOperationBody = body(
  { operation: Field.word(["READ", "WRITE"]), path: optional(Field.text(Value.MAX_PATH)) },
  datasetOperation
)

const TestgenTestBody = object({
  table: Field.anyText,
  test_suite: Field.anyText,
  version: Field.versionOne,
  columns: optional(Field.list(Field.anyText)),
  test_parameters: optional(Field.list(object({ name: Field.anyText, value: Field.parameter })))
})

/** The decoded form. */
export type TestgenTestBody = typeof TestgenTestBody.Type

const TestOutcomeBody = object({
  name: Field.name,
  status: Field.word(["PASSED", "FAILED", "WARNING"]),
  description: optional(Field.textOrEmpty(Value.MAX_NAME)),
  start_time: optional(Field.time),
  end_time: optional(Field.time),
  metric_value: optional(Field.storableDecimal),
  min_threshold: optional(Field.storableDecimal),
  max_threshold: optional(Field.storableDecimal),
  metric_name: optional(Field.text(Value.MAX_SHORT_NAME)),
  metric_description: optional(Field.name),
  dimensions: optional(Field.filledList(Field.anyText)),
  result: optional(Field.result),
  type: optional(Field.text(Value.MAX_SHORT_NAME)),
  key: optional(Field.name),
  metadata: optional(Field.metadata),
  integrations: optional(object({ testgen: TestgenTestBody }))
})

/** The decoded form. */
export type TestOutcomeBody = typeof TestOutcomeBody.Type

const TablesBody = object({
  include_list: optional(Field.list(Field.anyText)),
  include_pattern: optional(Field.anyText),
  exclude_pattern: optional(Field.anyText)
}).check(
  Schema.makeFilter((tables) => isSet(tables.include_list) || isSet(tables.include_pattern), {
    message: "an object with include_list or include_pattern"
  })
)

const TestgenDatasetBody = object({
  version: Field.versionOne,
  database_name: Field.anyText,
  connection_name: Field.anyText,
  schema: optional(Field.anyText),
  tables: TablesBody,
  table_group_configuration: optional(
    object({
      group_id: Field.uuid,
      project_code: Field.anyText,
      uses_sampling: optional(Field.flag),
      sample_percentage: optional(Field.anyText),
      sample_minimum_count: optional(Field.wholeNumber)
    })
  )
})

/** The decoded form. */
export type TestgenDatasetBody = typeof TestgenDatasetBody.Type

/** The body of `test-outcomes`. */
export const TestOutcomesBody = body(
  {
    test_outcomes: Schema.Array(TestOutcomeBody).annotate({ message: OUTCOMES }),
    component_integrations: optional(object({ integrations: object({ testgen: TestgenDatasetBody }) }))
  },
  testOutcomes
)
