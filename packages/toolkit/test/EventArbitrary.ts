/** Events for property tests: `event` those that can be sent, `wildEvent` what tools may deliver. */
import type * as Event from "@observability-agents/toolkit/Event"
import { DateTime } from "effect"
import * as fc from "fast-check"

/** Runs a property, with the same values each time. */
export const checked = <A>(property: fc.IProperty<A>, numRuns = 300) =>
  fc.assert(property, { seed: 20240501, numRuns })

interface Texts {
  /** Of a key; never empty. */
  readonly key: fc.Arbitrary<string>
  readonly text: (max: number) => fc.Arbitrary<string>
  readonly tool: fc.Arbitrary<string>
  readonly url: fc.Arbitrary<string>
  readonly time: fc.Arbitrary<DateTime.Utc>
  readonly decimal: fc.Arbitrary<number | string>
  readonly metric: fc.Arbitrary<number | string>
  readonly metadata: fc.Arbitrary<Event.Metadata>
  readonly dimensions: { readonly minLength: number }
  readonly maxOutcomes: number
}

const events = (of: Texts) => {
  const name = of.text(255)
  const common = {
    timestamp: of.time,
    componentTool: of.tool,
    externalUrl: of.url,
    metadata: of.metadata,
    payloadKeys: fc.array(name, { maxLength: 3 })
  }
  const pipeline = {
    pipelineKey: of.key,
    pipelineName: name,
    runKey: of.key,
    runName: of.text(1024),
    taskKey: of.key,
    taskName: name
  }
  const dataset = { datasetKey: of.key, datasetName: name }
  const withComponent = <T extends object, K extends keyof T>(
    model: { [P in keyof T]: fc.Arbitrary<T[P]> },
    required: ReadonlyArray<K>
  ) =>
    fc
      .tuple(
        fc.record(model, { requiredKeys: [...required] }),
        fc.oneof(
          fc.record(pipeline, { requiredKeys: ["pipelineKey", "runKey"] }),
          fc.record(dataset, { requiredKeys: ["datasetKey"] }),
          fc.record({ serverKey: of.key, serverName: name }, { requiredKeys: ["serverKey"] }),
          fc.record({ streamKey: of.key, streamName: name }, { requiredKeys: ["streamKey"] })
        )
      )
      .map(([fields, component]) => ({ ...fields, ...component }))
  const outcome = fc.record(
    {
      name,
      status: fc.constantFrom("PASSED" as const, "FAILED" as const, "WARNING" as const),
      description: name,
      startTime: of.time,
      endTime: of.time,
      metricValue: of.decimal,
      minThreshold: of.decimal,
      maxThreshold: of.decimal,
      metricName: of.text(40),
      metricDescription: name,
      dimensions: fc.array(name, { ...of.dimensions, maxLength: 3 }),
      result: of.text(2000),
      type: of.text(40),
      key: name,
      metadata: of.metadata
    },
    { requiredKeys: ["name", "status"] }
  )
  const testgen = fc.constantFrom(false, true)
  return fc.oneof(
    fc.record(
      {
        _tag: fc.constant("RunStatus" as const),
        status: fc.constantFrom("RUNNING" as const, "COMPLETED" as const, "FAILED" as const),
        ...pipeline,
        ...common
      },
      { requiredKeys: ["_tag", "status", "pipelineKey", "runKey"] }
    ),
    withComponent(
      {
        _tag: fc.constant("MessageLog" as const),
        level: fc.constantFrom("ERROR" as const, "WARNING" as const, "INFO" as const),
        message: of.text(5000),
        details: of.text(5000),
        ...common
      },
      ["_tag", "level", "message"]
    ),
    withComponent(
      { _tag: fc.constant("MetricLog" as const), metricKey: of.key, metricValue: of.metric, ...common },
      ["_tag", "metricKey", "metricValue"]
    ),
    fc.record(
      {
        _tag: fc.constant("DatasetOperation" as const),
        operation: fc.constantFrom("READ" as const, "WRITE" as const),
        path: of.text(4096),
        ...dataset,
        ...common
      },
      { requiredKeys: ["_tag", "operation", "datasetKey"] }
    ),
    fc
      .tuple(
        withComponent(
          {
            _tag: fc.constant("TestOutcomes" as const),
            outcomes: fc.array(outcome, { minLength: 1, maxLength: of.maxOutcomes }),
            ...common
          },
          ["_tag", "outcomes"]
        ),
        testgen
      )
      .map(([event, testgen]) => (testgen ? withTestgen(event) : event))
  )
}

const withTestgen = <E extends { readonly outcomes: ReadonlyArray<Event.TestOutcome> }>(event: E) => ({
  ...event,
  outcomes: event.outcomes.map((outcome) => ({
    ...outcome,
    integrations: {
      testgen: {
        table: "orders",
        testSuite: "nightly",
        version: 1 as const,
        columns: ["a"],
        testParameters: [
          { name: "p", value: "v" },
          { name: "q", value: 0.5 }
        ]
      }
    }
  })),
  componentIntegrations: {
    testgen: {
      version: 1 as const,
      databaseName: "dw",
      connectionName: "main",
      schema: "public",
      tables: { includeList: ["orders"], excludePattern: "tmp%" },
      tableGroupConfiguration: {
        groupId: "0b6a6c86-4b0e-4d5c-9a3e-0c2d1c9f1f11",
        projectCode: "DEFAULT",
        usesSampling: true,
        samplePercentage: "5",
        sampleMinimumCount: 10
      }
    }
  }
})

// JSON knows no -0.
const plain = (value: number) => (Object.is(value, -0) ? 0 : value)

/** Events that can be sent as they are. */
export const event: fc.Arbitrary<Event.Event> = events({
  key: fc.string({
    unit: fc.mapToConstant({ num: 0x2000, build: (n) => String.fromCharCode(n + 1) }),
    minLength: 1,
    maxLength: 255
  }),
  text: (max) => fc.string({ unit: "binary", minLength: 1, maxLength: Math.min(max, 300) }),
  tool: fc.stringMatching(/^[a-zA-Z0-9É][a-z0-9 ]{0,20}[a-z0-9]$/),
  url: fc
    .webUrl({ validSchemes: ["http", "https"], withFragments: false })
    .filter((url) => /^https?:\/\/[a-z0-9.-]+\.[a-z]{2,}\//.test(url)),
  time: fc
    .integer({ min: -62_135_596_800_000, max: 253_402_300_799_999 })
    .map((ms) => DateTime.makeUnsafe(ms)),
  decimal: fc.oneof(
    fc.integer(),
    fc.integer().map((n) => plain(n / 8)),
    fc
      .tuple(fc.bigInt(-(10n ** 15n) + 1n, 10n ** 15n - 1n), fc.stringMatching(/^[0-9]{1,5}$/))
      .map(([n, f]) => `${n}.${f}`)
  ),
  metric: fc.oneof(
    fc.double({ noNaN: true, noDefaultInfinity: true }).map(plain),
    fc.stringMatching(/^[+-]?[0-9]{1,30}(\.[0-9]{0,30})?(e[+-]?[0-9]{1,3})?$/)
  ),
  metadata: fc
    .dictionary(fc.string({ unit: "binary" }), fc.jsonValue({ stringUnit: "binary" }), { maxKeys: 4 })
    .map(
      // SAFETY: what came out of JSON is JSON, and free of -0.
      (metadata) =>
        JSON.parse(
          JSON.stringify(metadata, (key, value) => (key === "expected_start_time" ? null : value))
        ) as Event.Metadata
    ),
  dimensions: { minLength: 1 },
  maxOutcomes: 5
})

const halves = fc.constantFrom(
  "a",
  "é",
  " ",
  "_",
  "-",
  "\u0001",
  '"',
  "\u2028",
  "\ud83d",
  "\ude80",
  "🚀",
  "ŉ",
  "ß"
)
const wildText = (max: number) =>
  fc.oneof(
    fc.string({ unit: halves, maxLength: 20 }),
    fc
      .tuple(
        fc.string({ unit: halves, minLength: 1, maxLength: 5 }),
        fc.constantFrom(max, max + 1, 3 * max, 150_000)
      )
      .map(([unit, times]) => unit.repeat(Math.ceil(times / unit.length)))
  )

/** Events as careless code makes them: of the right types, with keys, and with nothing else right. */
export const wildEvent: fc.Arbitrary<Event.Event> = events({
  key: wildText(255).filter((key) => key !== ""),
  text: wildText,
  tool: wildText(255),
  url: fc.oneof(
    wildText(20),
    fc.constantFrom("http://airflow:8080", "https://example.com/\ud83d"),
    wildText(10).map((path) => `https://example.com/${path}`)
  ),
  time: fc
    .integer({ min: -8_640_000_000_000_000, max: 8_640_000_000_000_000 })
    .map((ms) => DateTime.makeUnsafe(ms)),
  decimal: fc.oneof(
    fc.double(),
    wildText(5),
    fc.stringMatching(/^-?[0-9]{0,30}(\.[0-9]{0,30})?(e-?[0-9]{1,9})?$/)
  ),
  metric: fc.oneof(fc.double(), wildText(5), fc.constant(`1${"0".repeat(200_000)}`)),
  metadata: fc.oneof(
    // SAFETY: deliberately more than JSON.
    fc.dictionary(wildText(10), fc.anything({ withBigInt: true, withDate: true, maxDepth: 4 }), {
      maxKeys: 4
    }) as fc.Arbitrary<Event.Metadata>,
    fc.constantFrom(1, 19, 20, 21, 5000).map((levels) => {
      let deep: Event.Metadata = { expected_start_time: 1 }
      for (let level = 1; level < levels; level++) deep = { in: deep }
      return deep
    }),
    fc
      .integer({ min: 1, max: 3000 })
      .map((entries) =>
        Object.fromEntries(Array.from({ length: entries }, (_, i) => [`k${i}`, "x".repeat(60)]))
      )
  ),
  dimensions: { minLength: 0 },
  maxOutcomes: 4
})

/** An event as it comes back from a body: with the tool's name in its normal form. */
export const normal = (event: Event.Event): Event.Event =>
  event.componentTool === undefined
    ? event
    : { ...event, componentTool: event.componentTool.trim().toUpperCase().replaceAll(" ", "_") }
