/**
 * Test results and metrics out of what a task left behind: from the value that a notebook exits with, and from the log
 * of a dbt task. Only what fits the formats below is read; everything else is no error and gives nothing.
 *
 * **Notebooks.** `dbutils.notebook.exit(json.dumps(…))` with an object that has `tests`, `metrics`, or both:
 *
 * ```json
 * {
 *   "tests": [
 *     { "name": "orders are not empty", "status": "PASSED" },
 *     {
 *       "name": "null share of email", "status": "FAILED", "description": "…", "result": "7 % are null",
 *       "key": "email-nulls", "type": "null_share", "dimensions": ["completeness"],
 *       "metric_name": "null_share", "metric_value": 0.07, "min_threshold": 0, "max_threshold": 0.05,
 *       "metric_description": "…", "start_time": "2026-03-01T12:00:00Z", "end_time": "2026-03-01T12:00:03Z",
 *       "metadata": { "table": "orders" }
 *     }
 *   ],
 *   "metrics": { "rows_written": 1200, "share_of_late_rows": "0.0125" }
 * }
 * ```
 *
 * `name` and `status` (PASSED, FAILED or WARNING, in any case) are required, the rest may be absent. Numbers may be text,
 * which keeps their digits; times are ISO 8601 or milliseconds since 1970. An entry that does not fit is left out.
 *
 * **dbt.** Where a dbt task's output holds dbt's log, its lines about tests are read: `… PASS name … [PASS in 0.05s]`, and likewise
 * `FAIL n`, `WARN n` and `ERROR`. The archive of dbt's artifacts, to which the output has a signed address, is not fetched.
 */
import type * as Event from "@observability-agents/toolkit/Event"
import * as DateTime from "effect/DateTime"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as SchemaGetter from "effect/SchemaGetter"
import * as Json from "./Json.ts"
import * as Lenient from "./Lenient.ts"
import { defined } from "./RunMetadata.ts"
import * as RunPhase from "./RunPhase.ts"
import * as TaskOutput from "./TaskOutput.ts"

/** What was read of a task's output. */
export interface TestResults {
  readonly tests: ReadonlyArray<Event.TestOutcome>
  readonly metrics: ReadonlyArray<readonly [name: string, value: number | string]>
  /** The value that a notebook exits with, cut short, where it is none of the above. */
  readonly other?: string
}

/** The kinds of tasks whose output may hold results. */
export const kinds: ReadonlySet<string> = new Set(["notebook", "dbt"])

/** Reads the output of a task of this kind. */
export const read = (kind: string | undefined, output: TaskOutput.TaskOutput): TestResults => {
  if (output.notebook_output?.result !== undefined)
    return ofNotebook(output.notebook_output.result, output.notebook_output.truncated === true)
  return kind === "dbt" ? ofDbt(output.logs) : NONE
}

// ---- private

const NONE: TestResults = { tests: [], metrics: [] }

/** How much is told of a value that is no result. */
const MAX_OTHER = 1000

/** More metrics than this in one value are a mistake, and each is a request to the server. */
const MAX_METRICS = 100

const Text = Schema.String.check(Schema.isPattern(/\S/))

/** Any decimal number that the server reads: as text with an exponent, too. */
const Decimal = Schema.Union([
  Schema.Finite,
  Schema.String.check(Schema.isPattern(/^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,3})?$/))
])

const Time = Schema.Union([Schema.String, Schema.Finite]).pipe(
  Schema.decodeTo(Schema.UndefinedOr(Schema.DateTimeUtc), {
    decode: SchemaGetter.transform((input) =>
      typeof input === "number"
        ? RunPhase.time(input)
        : Option.getOrUndefined(Option.map(DateTime.make(input), DateTime.toUtc))
    ),
    encode: SchemaGetter.forbidden(() => "results are only read")
  })
)

const Test = Schema.Struct({
  name: Text,
  status: Schema.String,
  description: Lenient.forgiving(Schema.String),
  start_time: Lenient.forgiving(Time),
  end_time: Lenient.forgiving(Time),
  metric_value: Lenient.forgiving(Decimal),
  min_threshold: Lenient.forgiving(Decimal),
  max_threshold: Lenient.forgiving(Decimal),
  metric_name: Lenient.forgiving(Text),
  metric_description: Lenient.forgiving(Text),
  dimensions: Lenient.forgiving(Schema.NonEmptyArray(Text)),
  result: Lenient.forgiving(Text),
  type: Lenient.forgiving(Text),
  key: Lenient.forgiving(Text),
  metadata: Lenient.forgiving(Schema.Record(Schema.String, Schema.Json))
})

const decodeValue = Schema.decodeUnknownOption(
  Schema.Struct({
    tests: Lenient.forgiving(Schema.Array(Schema.Unknown)),
    metrics: Lenient.forgiving(Schema.Record(Schema.String, Schema.Unknown))
  })
)
const decodeTest = Schema.decodeUnknownOption(Test)
const decodeDecimal = Schema.decodeUnknownOption(Decimal)

const ofNotebook = (text: string, isTruncated: boolean): TestResults => {
  const value = isTruncated ? Option.none() : Option.flatMap(Result.getSuccess(Json.parse(text)), decodeValue)
  const { metrics, tests } = Option.getOrElse(value, () => ({ metrics: undefined, tests: undefined }))
  if (metrics === undefined && tests === undefined) {
    const other = TaskOutput.clean(text)?.slice(0, MAX_OTHER).toWellFormed()
    return other === undefined ? NONE : { ...NONE, other }
  }
  return {
    tests: (tests ?? []).flatMap((test) =>
      Option.match(decodeTest(test), { onNone: () => [], onSome: outcome })
    ),
    metrics: Object.entries(metrics ?? {})
      .flatMap(([name, input]) =>
        name.trim() === ""
          ? []
          : Option.toArray(Option.map(decodeDecimal(input), (number) => [name, number] as const))
      )
      .slice(0, MAX_METRICS)
  }
}

const STATUS: ReadonlyMap<string, Event.TestOutcome["status"]> = new Map(
  (["PASSED", "FAILED", "WARNING"] as const).map((word) => [word, word])
)

const outcome = (test: typeof Test.Type): ReadonlyArray<Event.TestOutcome> => {
  const status = STATUS.get(test.status.trim().toUpperCase())
  if (status === undefined) return []
  return [
    {
      name: test.name,
      status,
      ...defined({
        description: test.description,
        startTime: test.start_time,
        endTime: test.end_time,
        metricValue: test.metric_value,
        minThreshold: test.min_threshold,
        maxThreshold: test.max_threshold,
        metricName: test.metric_name,
        metricDescription: test.metric_description,
        dimensions: test.dimensions,
        result: test.result,
        type: test.type,
        key: test.key,
        metadata: test.metadata
      })
    }
  ]
}

/** `12:00:01  2 of 5 FAIL 3 unique_orders_id ........ [FAIL 3 in 0.12s]`: only tests have a name of one word there. */
const DBT_LINE =
  // Every part ends where the next begins, so that no text takes more than a few steps per character.
  /\b\d{1,9} of \d{1,9} (PASS|FAIL|WARN|ERROR)(?: (\d{1,15}))? (\S{1,510})(?: \.{1,255})? {1,255}\[\1(?: \d{1,15})? in ([\d.]{1,20})s\]/g

/** A name of at most 255 characters, without the dots that stand in for blanks. */
const dbtName = (text: string): string | undefined => {
  let end = text.length
  while (text[end - 1] === ".") end -= 1
  return end === 0 || end > 255 ? undefined : text.slice(0, end)
}

const DBT_STATUS = { PASS: "PASSED", WARN: "WARNING", FAIL: "FAILED", ERROR: "FAILED" } as const

const ofDbt = (logs: string | undefined): TestResults => ({
  ...NONE,
  tests: Array.from((TaskOutput.clean(logs) ?? "").matchAll(DBT_LINE)).flatMap(
    ([, word, count, text = "", seconds]) => {
      const name = dbtName(text)
      if (name === undefined) return []
      return [
        {
          name,
          key: name,
          type: "dbt",
          // SAFETY: the first group of the pattern is one of these words.
          status: DBT_STATUS[word as keyof typeof DBT_STATUS],
          ...(count === undefined ? {} : { metricName: "failures", metricValue: Number(count) }),
          ...(word === "ERROR" ? { result: "dbt could not run this test." } : {}),
          metadata: { duration_seconds: Number(seconds) }
        }
      ]
    }
  )
})
