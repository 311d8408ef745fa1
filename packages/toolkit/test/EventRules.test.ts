import * as Event from "@observability-agents/toolkit/Event"
import { assert, describe, it } from "@effect/vitest"
import { DateTime, Effect } from "effect"

type Body = { readonly [field: string]: unknown }

const run = { pipeline_key: "etl", run_key: "r1" }
const item = { name: "row count", status: "PASSED" }
const testgenTest = { table: "orders", test_suite: "nightly", version: 1 }
const testgenDataset = {
  version: 1,
  database_name: "dw",
  connection_name: "main",
  tables: { include_pattern: "%" }
}
const group = { group_id: "0b6a6c86-4b0e-4d5c-9a3e-0c2d1c9f1f11", project_code: "DEFAULT" }

const bases: { readonly [P in Event.Path]: Body } = {
  "run-status": { ...run, status: "RUNNING" },
  "message-log": { ...run, log_level: "INFO", message: "hello" },
  "metric-log": { ...run, metric_key: "rows", metric_value: 1 },
  "dataset-operation": { dataset_key: "orders", operation: "READ" },
  "test-outcomes": { ...run, test_outcomes: [item] }
}

const outcome = (fields: Body): Body => ({ ...run, test_outcomes: [{ ...item, ...fields }] })
const testgen = (test: Body, dataset: Body = {}): Body => ({
  ...run,
  test_outcomes: [{ ...item, integrations: { testgen: { ...testgenTest, ...test } } }],
  component_integrations: { integrations: { testgen: { ...testgenDataset, ...dataset } } }
})
const nested = (levels: number): unknown => (levels === 0 ? 1 : { in: nested(levels - 1) })
const without = (body: Body, ...fields: ReadonlyArray<string>): Body =>
  Object.fromEntries(Object.entries(body).filter(([field]) => !fields.includes(field)))

/** One rule: a body that keeps it and one that breaks it, where the broken one is reported, and in which words. */
interface Rule {
  readonly path: Event.Path
  readonly rule: string
  readonly accepted: Body
  readonly refused: Body
  readonly field: string
  readonly words: RegExp
  /** Only a body can break it: the memory form has no way to say so, or says it differently. */
  readonly only?: "decode"
}

const field = (
  rule: string,
  name: string,
  accepted: unknown,
  refused: unknown,
  words: RegExp,
  more: { readonly path?: Event.Path; readonly only?: "decode"; readonly field?: string } = {}
): Rule => {
  const path = more.path ?? "message-log"
  return {
    path,
    rule: `${path} ${name}: ${rule}`,
    accepted: { ...bases[path], [name]: accepted },
    refused: { ...bases[path], [name]: refused },
    field: more.field ?? name,
    words,
    ...(more.only === undefined ? {} : { only: more.only })
  }
}
const ofOutcome = (
  rule: string,
  name: string,
  accepted: unknown,
  refused: unknown,
  words: RegExp,
  only?: "decode"
): Rule => ({
  path: "test-outcomes",
  rule: `outcome ${name}: ${rule}`,
  accepted: outcome({ [name]: accepted }),
  refused: outcome({ [name]: refused }),
  field: `test_outcomes[0].${name}`,
  words,
  ...(only === undefined ? {} : { only })
})

const chars = (count: number) => "é".repeat(count)
const keyFields = ["pipeline_key", "run_key", "task_key"]
const nameFields = ["pipeline_name", "task_name"]
const words255 = /text of 1 to 255 characters/

const rules: ReadonlyArray<Rule> = [
  ...keyFields.flatMap((name) => [
    field("at most 255 characters", name, chars(255), chars(256), words255),
    field("at least 1 character", name, "k", "", words255),
    field("a text, no number", name, "1", 1, words255),
    field("no emoji", name, "\uffee", "run 🚀", /Basic Multilingual Plane/),
    field("no half character", name, "k", "k\ud83d", /unpaired surrogates/)
  ]),
  ...["dataset_key", "server_key", "stream_key"].flatMap((name): ReadonlyArray<Rule> => {
    const body = (value: unknown) => ({
      ...without(bases["message-log"], "pipeline_key", "run_key"),
      [name]: value
    })
    return [
      ["at most 255 characters", chars(255), chars(256), words255] as const,
      ["at least 1 character", "k", "", words255] as const,
      ["no emoji", "k", "🚀", /Basic Multilingual Plane/] as const
    ].map(([rule, accepted, refused, words]) => ({
      path: "message-log",
      rule: `${name}: ${rule}`,
      accepted: body(accepted),
      refused: body(refused),
      field: name,
      words
    }))
  }),
  ...nameFields.flatMap((name) => [
    field("at most 255 characters", name, chars(255), chars(256), words255),
    field("counts characters, not UTF-16 units", name, "🚀".repeat(255), "🚀".repeat(256), words255),
    field("at least 1 character", name, "n", "", words255),
    field("may be null", name, null, 1, words255, { only: "decode" }),
    field("no half character", name, "n", "\udc00n", /unpaired surrogates/)
  ]),
  field("at most 1024 characters", "run_name", chars(1024), chars(1025), /text of 1 to 1024 characters/),
  field(
    "no punctuation",
    "component_tool",
    "my tool",
    "my-tool",
    /letters, digits, spaces and inner underscores/
  ),
  field("no underscore at the ends", "component_tool", "a_b", "_ab", /inner underscores/),
  field("not only spaces", "component_tool", " a ", "  ", /inner underscores/),
  field("at most 255 characters", "component_tool", "a".repeat(255), "a".repeat(256), /1 to 255 letters/),
  field(
    "counts after turning to upper case",
    "component_tool",
    "ß".repeat(127),
    "ß".repeat(128),
    /1 to 255 letters/
  ),
  field(
    "known scheme",
    "external_url",
    "https://example.com/x",
    "gopher://example.com/x",
    /http, https, ftp or ftps/
  ),
  field(
    "host with a dot",
    "external_url",
    "http://svc.ns/",
    "http://airflow-webserver:8080/x",
    /host has a dot/
  ),
  field("localhost", "external_url", "http://localhost:8080/#/a", "http://localhos:8080/", /localhost/),
  field("IP address", "external_url", "http://[::1]:9/x", "http://[::g]/x", /IP address/),
  field("last label", "external_url", "https://a.bc", "https://a.b", /host has a dot/),
  field("no underscore in the host", "external_url", "https://a-b.com", "https://a_b.com", /host has a dot/),
  field("ASCII host", "external_url", "https://example.com/é", "https://é.com/", /host has a dot/),
  field(
    "no spaces",
    "external_url",
    "https://u:pw@example.com/a?b=c d".replace(" ", "+"),
    "https://example.com/a b",
    /without spaces/
  ),
  field(
    "no fragment right after the host",
    "external_url",
    "https://example.com/#a",
    "https://example.com#a",
    /a URL/
  ),
  field("not empty", "external_url", "ftps://1.2.3.4", "", /a URL/),
  field("ISO-8601 with a time of day", "event_timestamp", "2024-02-29 10:11", "2024-02-29", /ISO-8601/, {
    only: "decode"
  }),
  field(
    "point as decimal mark",
    "event_timestamp",
    "2024-02-29T10:11:12.123456789012Z",
    "2024-02-29T10:11:12,5Z",
    /ISO-8601/,
    { only: "decode" }
  ),
  field(
    "at most 12 decimals",
    "event_timestamp",
    "2024-02-29T10:11:12.1Z",
    "2024-02-29T10:11:12.1234567890123Z",
    /12 decimals/,
    { only: "decode" }
  ),
  field("upper-case T and Z", "event_timestamp", "2024-02-29T10:11Z", "2024-02-29t10:11z", /ISO-8601/, {
    only: "decode"
  }),
  field("hour 0 to 23", "event_timestamp", "2024-02-29T23:59:59Z", "2024-02-29T24:00:00Z", /ISO-8601/, {
    only: "decode"
  }),
  field("second 0 to 59", "event_timestamp", "2024-02-29T23:59:59+0130", "2024-02-29T23:59:60Z", /ISO-8601/, {
    only: "decode"
  }),
  field(
    "a day that exists",
    "event_timestamp",
    "2024-02-29T00:00:00+01",
    "2023-02-29T00:00:00Z",
    /ISO-8601/,
    { only: "decode" }
  ),
  field("no epoch number", "event_timestamp", "2024-02-29T00:00:00-01:00", 1709164800, /ISO-8601/, {
    only: "decode"
  }),
  field(
    "years 1 to 9999 in UTC",
    "event_timestamp",
    "0001-01-01T01:00:00+01:00",
    "0001-01-01T00:59:00+01:00",
    /years 1 to 9999/,
    { only: "decode" }
  ),
  field("no null", "event_timestamp", "2024-02-29T00:00Z", null, /ISO-8601/, { only: "decode" }),
  field("an object", "metadata", {}, [], /a JSON object/),
  field("no null", "metadata", {}, null, /a JSON object/, { only: "decode" }),
  field("finite numbers", "metadata", { a: [1] }, { a: [Number.NaN] }, /a finite number/, {
    field: "metadata.a[0]"
  }),
  field("no half characters", "metadata", { a: "🚀" }, { a: "\ud83d" }, /unpaired surrogates/, {
    field: "metadata.a"
  }),
  field("no half characters in keys", "metadata", { "🚀": 1 }, { "\ud83d": 1 }, /unpaired surrogates/, {
    field: "metadata.\ufffd"
  }),
  field("at most 20 levels", "metadata", nested(20), nested(21), /at most 20 levels/, {
    field: `metadata${".in".repeat(20)}`
  }),
  field("only JSON values", "metadata", { a: null }, { a: undefined }, /a JSON value/, {
    field: "metadata.a"
  }),
  field("a list", "payload_keys", [], "k", /a list/),
  field("no null", "payload_keys", ["k"], null, /a list/, { only: "decode" }),
  field("at most 255 characters each", "payload_keys", [chars(255)], [chars(256)], words255, {
    field: "payload_keys[0]"
  }),
  field("at least 1 character each", "payload_keys", ["k"], ["k", ""], words255, {
    field: "payload_keys[1]"
  }),
  field("no unknown field", "task_name", "t", "t", /refuses fields/, { field: "event_type", only: "decode" }),

  field("of the four", "status", "completed_with_warnings", "PENDING", /one of RUNNING, COMPLETED/, {
    path: "run-status",
    only: "decode"
  }),
  field("of the four in memory", "status", "FAILED", "failed?", /one of RUNNING/, { path: "run-status" }),
  field(
    "expected start has a fraction",
    "metadata",
    { expected_start_time: 1.5 },
    { expected_start_time: 1 },
    /with a fraction/,
    { path: "run-status", field: "metadata.expected_start_time" }
  ),
  field("of the three", "log_level", "WARNING", "DEBUG", /one of ERROR, WARNING, INFO/),
  field("at least 1 character", "message", "m", "", /at least 1 character/),
  field("no half character", "message", "🚀", "\ud83d", /unpaired surrogates/),
  field("text or null", "message_details", "", 1, /text/),
  field("null", "message_details", null, false, /text/, { only: "decode" }),
  field("at least 1 character", "metric_key", "k", "", /at least 1 character/, { path: "metric-log" }),
  field("decimal text", "metric_value", " -1_000.5e-3 ", "1,5", /decimal number/, { path: "metric-log" }),
  field("finite", "metric_value", 1e300, Number.POSITIVE_INFINITY, /finite number/, { path: "metric-log" }),
  field("finite text", "metric_value", "1e400", "NaN", /decimal number/, { path: "metric-log" }),
  field("not empty", "metric_value", ".5", "", /decimal number/, { path: "metric-log" }),
  field("no boolean", "metric_value", 0, true, /finite number/, { path: "metric-log" }),
  field("no null", "metric_value", "0", null, /finite number/, { path: "metric-log", only: "decode" }),
  field("of the two", "operation", "WRITE", "DELETE", /one of READ, WRITE/, { path: "dataset-operation" }),
  field("at most 4096 characters", "path", chars(4096), chars(4097), /1 to 4096 characters/, {
    path: "dataset-operation"
  }),
  field("at least 1 character", "path", "/", "", /1 to 4096 characters/, { path: "dataset-operation" }),

  field(
    "at most 500 items",
    "test_outcomes",
    Array.from({ length: 500 }, () => item),
    Array.from({ length: 501 }, () => item),
    /1 to 500/,
    { path: "test-outcomes" }
  ),
  field("at least 1 item", "test_outcomes", [item], [], /1 to 500/, { path: "test-outcomes" }),
  ofOutcome("at least 1 character", "name", "n", "", words255),
  ofOutcome("at most 255 characters", "name", chars(255), chars(256), words255),
  ofOutcome("of the three", "status", "WARNING", "SKIPPED", /one of PASSED, FAILED, WARNING/),
  ofOutcome("at most 255 characters", "description", "", chars(256), /at most 255 characters/),
  ofOutcome("a time", "start_time", "2024-02-29T00:00:00Z", "yesterday", /ISO-8601/, "decode"),
  ofOutcome("a time or null", "end_time", null, 1, /ISO-8601/, "decode"),
  ...["metric_value", "min_threshold", "max_threshold"].flatMap((name) => [
    ofOutcome("at most 5 decimals", name, 0.12345, 0.123456, /5 after the decimal point/),
    ofOutcome("at most 15 digits before", name, "-999999999999999.99999", 1e15, /15 digits before/),
    ofOutcome("a number", name, "1e2", "many", /a number/),
    ofOutcome("null, not NaN", name, null, "NaN", /a number/, "decode")
  ]),
  ofOutcome("at most 40 characters", "metric_name", chars(40), chars(41), /1 to 40 characters/),
  ofOutcome("at least 1 character", "metric_description", chars(255), "", words255),
  ofOutcome("at least 1 item", "dimensions", ["accuracy"], [], /at least 1 item/),
  {
    ...ofOutcome("texts", "dimensions", ["a"], [""], /at least 1 character/),
    field: "test_outcomes[0].dimensions[0]"
  },
  ofOutcome("at most 65535 bytes", "result", `${chars(32767)}a`, chars(32768), /65535 bytes/),
  ofOutcome("at least 1 character", "result", "r", "", /1 character to/),
  ofOutcome("at most 40 characters", "type", chars(40), chars(41), /1 to 40 characters/),
  ofOutcome("at most 255 characters", "key", chars(255), chars(256), words255),
  {
    ...ofOutcome("storable", "metadata", { a: 1 }, { a: Number.NaN }, /finite/),
    field: "test_outcomes[0].metadata.a"
  },
  {
    ...ofOutcome("no unknown field", "key", "k", "k", /refuses fields/, "decode"),
    refused: outcome({ value: 1 }),
    field: "test_outcomes[0].value"
  },

  ...(
    [
      ["table", "t", ""],
      ["test_suite", "s", 1],
      ["version", 1, "1"],
      ["columns", ["c"], [""]],
      ["test_parameters", [{ name: "p", value: "v" }], [{ name: "p", value: "" }]]
    ] as const
  ).map(([name, accepted, refused]): Rule => ({
    path: "test-outcomes",
    rule: `testgen test ${name}`,
    accepted: testgen({ [name]: accepted }),
    refused: testgen({ [name]: refused }),
    field: `test_outcomes[0].integrations.testgen.${name}${name === "columns" ? "[0]" : name === "test_parameters" ? "[0].value" : ""}`,
    words: /text of at least 1 character|the number 1/
  })),
  ...(
    [
      ["version", 1, 2, "version"],
      ["database_name", "d", "", "database_name"],
      ["connection_name", "c", "", "connection_name"],
      ["schema", "s", "", "schema"],
      ["tables", { include_list: ["a"] }, { exclude_pattern: "%" }, "tables"],
      ["table_group_configuration", group, { ...group, group_id: "1" }, "table_group_configuration.group_id"],
      [
        "table_group_configuration",
        { ...group, uses_sampling: true },
        { ...group, uses_sampling: "yes" },
        "table_group_configuration.uses_sampling"
      ],
      [
        "table_group_configuration",
        { ...group, sample_percentage: "5" },
        { ...group, sample_percentage: 5 },
        "table_group_configuration.sample_percentage"
      ],
      [
        "table_group_configuration",
        { ...group, sample_minimum_count: 5 },
        { ...group, sample_minimum_count: 0.5 },
        "table_group_configuration.sample_minimum_count"
      ]
    ] as const
  ).map(([name, accepted, refused, at]): Rule => ({
    path: "test-outcomes",
    rule: `testgen dataset ${at}`,
    accepted: testgen({}, { [name]: accepted }),
    refused: testgen({}, { [name]: refused }),
    field: `component_integrations.integrations.testgen.${at}`,
    words:
      /text of at least 1|the number 1|include_list or include_pattern|a UUID|true or false|a whole number/
  })),
  {
    path: "test-outcomes",
    rule: "component integrations need integrations in every outcome",
    accepted: testgen({}),
    refused: { ...testgen({}), test_outcomes: [{ ...item, integrations: { testgen: testgenTest } }, item] },
    field: "test_outcomes[1].integrations",
    words: /because component_integrations is/
  },
  {
    path: "test-outcomes",
    rule: "integrations in outcomes need component integrations",
    accepted: testgen({}),
    refused: without(testgen({}), "component_integrations"),
    field: "component_integrations",
    words: /because test outcomes have integrations/
  },

  {
    path: "message-log",
    rule: "a component is named",
    accepted: { server_key: "s", log_level: "INFO", message: "m" },
    refused: { log_level: "INFO", message: "m" },
    field: "(body)",
    words: /exactly one component/,
    only: "decode"
  },
  {
    path: "message-log",
    rule: "only one component is named",
    accepted: bases["message-log"],
    refused: { ...bases["message-log"], server_key: "s" },
    field: "(body)",
    words: /exactly one component/
  },
  {
    path: "metric-log",
    rule: "a pipeline has a run",
    accepted: bases["metric-log"],
    refused: without(bases["metric-log"], "run_key"),
    field: "run_key",
    words: /present together with pipeline_key/
  },
  {
    path: "run-status",
    rule: "is about a pipeline",
    accepted: bases["run-status"],
    refused: { dataset_key: "d", status: "RUNNING" },
    field: "pipeline_key",
    words: /present in an event of this type/
  },
  {
    path: "dataset-operation",
    rule: "is about a dataset",
    accepted: bases["dataset-operation"],
    refused: { ...run, operation: "READ" },
    field: "dataset_key",
    words: /present in an event of this type/
  },
  {
    path: "dataset-operation",
    rule: "has no run",
    accepted: { ...bases["dataset-operation"], run_key: null },
    refused: { ...bases["dataset-operation"], run_key: "r" },
    field: "run_key",
    words: /absent in a dataset-operation event/
  },
  // SAFETY: the keys are the five paths, as written.
  ...(
    Object.entries({
      "run-status": ["status"],
      "message-log": ["log_level", "message"],
      "metric-log": ["metric_key", "metric_value"],
      "dataset-operation": ["operation"],
      "test-outcomes": ["test_outcomes"]
    }) as ReadonlyArray<[Event.Path, ReadonlyArray<string>]>
  ).flatMap(([path, fields]) =>
    fields.map((name): Rule => ({
      path,
      rule: `has ${name}`,
      accepted: bases[path],
      refused: without(bases[path], name),
      field: name,
      words: /present/,
      only: "decode"
    }))
  )
]

const withUnknown = (rule: Rule): Rule =>
  rule.field === "event_type" ? { ...rule, refused: { ...rule.refused, event_type: "x" } } : rule

describe("every rule of the server's contract", () => {
  for (const { accepted, field, only, path, refused, rule, words } of rules.map(withUnknown)) {
    it.effect(`${rule}`, () =>
      Effect.gen(function* () {
        const event = yield* Event.decode(path, accepted)
        yield* Event.encode(event)
        const errors = [yield* Effect.flip(Event.decode(path, refused))]
        if (only === undefined) errors.push(yield* Effect.flip(Event.encode(inMemory(path, refused))))
        for (const error of errors) {
          const issue = error.issues.find((issue) => issue.field === field && words.test(issue.rule))
          assert.isDefined(issue, error.message)
          assert.include(error.message, `${field} must be ${issue?.rule}`)
        }
      })
    )
  }
})

/** A body as event, by name alone and without any check. */
const inMemory = (path: Event.Path, body: Body): Event.Event => {
  const tag = path.replace(/(^|-)(\w)/g, (_, __, letter: string) => letter.toUpperCase())
  // SAFETY: whether it is an event is what the test asks.
  return { _tag: tag, ...renamed(body) } as unknown as Event.Event
}
const renamed = (body: Body): Body =>
  Object.fromEntries(
    Object.entries(body).map(([name, value]) => [
      camel[name] ?? camelCase(name),
      name === "metadata" ? value : inner(name, value)
    ])
  )
const camel: { readonly [name: string]: string } = {
  event_timestamp: "timestamp",
  log_level: "level",
  message_details: "details",
  test_outcomes: "outcomes"
}
const camelCase = (name: string) => name.replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase())
const inner = (name: string, value: unknown): unknown => {
  if (Array.isArray(value)) return value.map((each) => inner(name, each))
  if (typeof value !== "object" || value === null) return value
  const fields = renamed({ ...value })
  return name === "component_integrations" ? fields["integrations"] : fields
}

describe("what the server reads in its own way", () => {
  it.effect("words in any case, and tools in a normal form", () =>
    Effect.gen(function* () {
      const event = yield* Event.decode("message-log", {
        ...bases["message-log"],
        log_level: "wArning",
        component_tool: " my tool "
      })
      assert.strictEqual(event._tag === "MessageLog" && event.level, "WARNING")
      assert.strictEqual(event.componentTool, "MY_TOOL")
    })
  )

  it.effect("times without a zone are UTC, and are cut to milliseconds", () =>
    Effect.gen(function* () {
      const at = (text: string) =>
        Event.decode("run-status", { ...bases["run-status"], event_timestamp: text }).pipe(
          Effect.map((event) => (event.timestamp === undefined ? "" : DateTime.formatIso(event.timestamp)))
        )
      assert.strictEqual(yield* at("2024-03-01 01:30:00.9999999"), "2024-03-01T01:30:00.999Z")
      assert.strictEqual(yield* at("2024-03-01T01:30+02:00"), "2024-02-29T23:30:00.000Z")
      assert.strictEqual(yield* at("2024-03-01T01:30:15-0045"), "2024-03-01T02:15:15.000Z")
    })
  )

  it.effect("null is absent where it is allowed", () =>
    Effect.gen(function* () {
      const event = yield* Event.decode("message-log", {
        server_key: "s",
        log_level: "INFO",
        message: "m",
        pipeline_key: null,
        run_key: null,
        server_name: null,
        external_url: null,
        component_tool: null,
        message_details: null
      })
      assert.deepStrictEqual(event, Event.messageLog({ serverKey: "s", level: "INFO", message: "m" }))
    })
  )
})

describe("EventError", () => {
  it.effect("names every broken rule at once, in fields and between them", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(
        Event.decode("test-outcomes", {
          dataset_key: "d",
          stream_key: "",
          external_url: "http://web:8080",
          event_timestamp: null,
          event_id: 1,
          test_outcomes: [item, { name: "", status: "?", metric_name: chars(41) }],
          component_integrations: { integrations: { testgen: testgenDataset } }
        })
      )
      assert.sameMembers(
        error.issues.map((issue) => issue.field),
        [
          "stream_key",
          "external_url",
          "event_timestamp",
          "event_id",
          "test_outcomes[1].name",
          "test_outcomes[1].status",
          "test_outcomes[1].metric_name",
          "(body)",
          "test_outcomes[0].integrations"
        ]
      )
    })
  )

  it.effect("shows values shortened, and no user information of URLs", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(
        Event.encode(
          Event.runStatus({
            pipelineKey: "x".repeat(300),
            runKey: "r",
            status: "RUNNING",
            externalUrl: "http://admin:secret@airflow/runs"
          })
        )
      )
      assert.isBelow(error.message.length, 400)
      assert.include(error.message, "(300 characters)")
      assert.notInclude(error.message, "secret")
    })
  )

  it.effect("of an event with thousands of broken rules stays readable", () =>
    Effect.gen(function* () {
      const metadata = { list: Array.from({ length: 5000 }, () => Number.NaN) }
      const event = Event.runStatus({ pipelineKey: "p", runKey: "r", status: "RUNNING", metadata })
      const error = yield* Effect.flip(Event.encode(event))
      assert.isBelow(error.message.length, 10_000)
      assert.include(error.message, "more")
    })
  )

  it.effect("says that a body is no object", () =>
    Effect.gen(function* () {
      for (const body of [null, [], "x", 1]) {
        const error = yield* Effect.flip(Event.decode("run-status", body))
        assert.include(error.message, "(body) must be a JSON object")
      }
    })
  )
})

describe("the size of a body", () => {
  const ofBytes = (bytes: number) => {
    const empty = { serverKey: "s", level: "INFO", message: "" } as const
    const overhead = JSON.stringify({ server_key: "s", log_level: "INFO", message: "" }).length
    return Event.messageLog({ ...empty, message: "a".repeat(bytes - overhead - 2) + "é" })
  }

  it.effect("is at most 102400 bytes of UTF-8", () =>
    Effect.gen(function* () {
      const body = yield* Event.encode(ofBytes(102_400))
      assert.strictEqual(new TextEncoder().encode(body).length, 102_400)
      const error = yield* Effect.flip(Event.encode(ofBytes(102_401)))
      assert.deepStrictEqual(error.issues, [
        { field: "(body)", rule: "at most 102400 bytes of UTF-8", found: "102401 bytes" }
      ])
    })
  )
})
