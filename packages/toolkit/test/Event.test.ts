import * as Event from "@observability-agents/toolkit/Event"
import { assert, describe, it } from "@effect/vitest"
import { DateTime, Effect, Exit, Schema } from "effect"
import * as fc from "fast-check"
import { checked, event, normal, wildEvent } from "./EventArbitrary.ts"

const bytes = (text: string) => new TextEncoder().encode(text).length
const sendable = (event: Event.Event) => Exit.isSuccess(Effect.runSyncExit(Event.encode(event)))

// SAFETY: the casts here let fields be given one by one; every test gives them of the right type.
const message = (fields: Partial<Event.MessageLogFields> = {}) =>
  Event.messageLog({
    pipelineKey: "etl",
    runKey: "r1",
    level: "INFO",
    message: "hello",
    ...fields
  } as Event.MessageLogFields)
const fitMessage = (fields: Partial<Event.MessageLogFields>) => {
  const fitted = Event.fit(message(fields))
  assert.isTrue(sendable(fitted))
  assert.strictEqual(fitted._tag, "MessageLog")
  // SAFETY: just asserted.
  return fitted as Event.MessageLog
}
const tests = (outcomes: ReadonlyArray<Partial<Event.TestOutcome>>, fields: Partial<Event.Common> = {}) =>
  Event.testOutcomes({
    datasetKey: "orders",
    ...fields,
    outcomes: outcomes.map((outcome) => ({ name: "t", status: "PASSED", ...outcome }))
  })
const fitOutcome = (outcome: Partial<Event.TestOutcome>) => {
  const fitted = Event.fit(tests([outcome]))
  assert.isTrue(sendable(fitted))
  assert.strictEqual(fitted._tag, "TestOutcomes")
  return fitted._tag === "TestOutcomes" ? fitted.outcomes[0] : undefined
}

describe("encode and decode", () => {
  it.effect("write what was said, by the server's names and without null", () =>
    Effect.gen(function* () {
      const event = Event.runStatus({
        status: "FAILED",
        pipelineKey: "etl",
        pipelineName: undefined,
        runKey: "r1",
        taskKey: "load",
        timestamp: DateTime.makeUnsafe("2024-05-01T10:00:00Z"),
        componentTool: "databricks",
        metadata: { attempt: 2 }
      })
      assert.deepStrictEqual(JSON.parse(yield* Event.encode(event)), {
        status: "FAILED",
        pipeline_key: "etl",
        run_key: "r1",
        task_key: "load",
        event_timestamp: "2024-05-01T10:00:00.000Z",
        component_tool: "DATABRICKS",
        metadata: { attempt: 2 }
      })
    })
  )

  it("turn each other round for every event", () => {
    checked(
      fc.property(event, (event) => {
        const body = Effect.runSync(Event.encode(event))
        assert.isAtMost(bytes(body), Event.MAX_BODY_BYTES)
        const decoded = Effect.runSync(Event.decode(Event.path(event), JSON.parse(body)))
        assert.deepStrictEqual(decoded, normal(event))
        assert.strictEqual(Effect.runSync(Event.encode(decoded)), body)
      })
    )
  })

  it("are one Schema for all event types too, to keep events in", () => {
    const encode = Schema.encodeSync(Event.Event)
    const decode = Schema.decodeUnknownSync(Event.Event)
    checked(
      fc.property(event, (event) => {
        assert.deepStrictEqual(decode(JSON.parse(JSON.stringify(encode(event)))), normal(event))
      })
    )
  })

  it.effect("keep the precision of a metric given as text", () =>
    Effect.gen(function* () {
      const metric = Event.metricLog({
        serverKey: "s",
        metricKey: "k",
        metricValue: "0.10000000000000000000000001"
      })
      assert.include(yield* Event.encode(metric), '"0.10000000000000000000000001"')
    })
  )
})

describe("component and lane", () => {
  it("name what an event is about", () => {
    assert.deepStrictEqual(Event.component(message()), { type: "pipeline", key: "etl" })
    assert.deepStrictEqual(Event.component(tests([])), { type: "dataset", key: "orders" })
    const metric = { metricKey: "k", metricValue: 1 }
    assert.deepStrictEqual(Event.component(Event.metricLog({ serverKey: "s", ...metric })), {
      type: "server",
      key: "s"
    })
    assert.deepStrictEqual(Event.component(Event.metricLog({ streamKey: "s", ...metric })), {
      type: "stream",
      key: "s"
    })
  })

  it("put a run's tasks into the run's lane, and nothing else", () => {
    assert.strictEqual(Event.lane(message()), Event.lane(message({ taskKey: "load" })))
    const others = [
      message({ runKey: "r2" }),
      message({ pipelineKey: "etl/r1", runKey: "" }),
      message({ pipelineKey: "etl", runKey: "r1/" }),
      Event.datasetOperation({ datasetKey: "etl/r1", operation: "READ" }),
      Event.metricLog({ streamKey: "etl/r1", metricKey: "k", metricValue: 1 })
    ]
    assert.strictEqual(new Set([message(), ...others].map(Event.lane)).size, 1 + others.length)
  })
})

describe("fit", () => {
  it("lets every event with keys be sent, and does nothing the second time", () => {
    checked(
      fc.property(wildEvent, (event) => {
        const fitted = Event.fit(event)
        const body = Effect.runSync(Event.encode(fitted))
        assert.isAtMost(bytes(body), Event.MAX_BODY_BYTES)
        assert.strictEqual(Event.fit(fitted), fitted)
        assert.strictEqual(Event.component(fitted).type, Event.component(event).type)
      }),
      100
    )
  }, 30_000)

  it("leaves an event alone that can be sent as it is", () => {
    checked(fc.property(event, (event) => assert.strictEqual(Event.fit(event), event)))
  })

  it("never throws, not even for what cannot be helped", () => {
    const hopeless = message({ pipelineKey: "", message: "x".repeat(200_000) })
    assert.isFalse(sendable(Event.fit(hopeless)))
    assert.isFalse(sendable(Event.fit(tests([]))))
  })

  it("cuts names and messages, and shows that it did", () => {
    const name = "🚀".repeat(300)
    assert.strictEqual(fitMessage({ pipelineName: name }).pipelineName, `${"🚀".repeat(254)}…`)
    assert.strictEqual(fitMessage({ runName: "n".repeat(2000) }).runName?.length, 1024)
  })

  it("keeps long keys apart that differ in their ends only", () => {
    const [one, other] = ["1", "2"].map((end) => fitMessage({ taskKey: "k".repeat(300) + end }).taskKey)
    assert.strictEqual(one?.length, 255)
    assert.notStrictEqual(one, other)
    assert.strictEqual(one, fitMessage({ taskKey: `${"k".repeat(300)}1` }).taskKey)
  })

  it("spells out in keys what the server's look-up cannot store", () => {
    assert.strictEqual(fitMessage({ runKey: "run 🚀" }).runKey, "run U+1F680")
    assert.strictEqual(fitMessage({ runKey: "run \ud83d" }).runKey, "run \ufffd")
    assert.strictEqual(fitMessage({ message: "🚀 \ud83d" }).message, "🚀 \ufffd")
  })

  it("leaves out empty optional texts, and says so of an empty message", () => {
    const fitted = fitMessage({
      pipelineName: "",
      taskKey: "",
      componentTool: " ",
      externalUrl: "",
      payloadKeys: ["", "a"],
      message: ""
    })
    assert.deepStrictEqual(fitted, message({ message: "(no message)", payloadKeys: ["a"] }))
  })

  it("writes tools as the server takes them", () => {
    assert.strictEqual(
      fitMessage({ componentTool: " azure data-factory (v2) " }).componentTool,
      "AZURE_DATA_FACTORY_V2"
    )
  })

  it("keeps an address that the server refuses in the metadata", () => {
    const url = "http://airflow-webserver:8080/dags"
    const fitted = fitMessage({ externalUrl: url, metadata: { a: 1 } })
    assert.isUndefined(fitted.externalUrl)
    assert.deepStrictEqual(fitted.metadata, { external_url: url, a: 1 })
  })

  it("keeps a time that the server cannot store in the metadata", () => {
    const fitted = fitMessage({ timestamp: DateTime.makeUnsafe(1e15) })
    assert.isUndefined(fitted.timestamp)
    assert.deepStrictEqual(fitted.metadata, { event_timestamp: "+033658-09-27T01:46:40.000Z" })
  })

  it("makes metadata of any kind storable", () => {
    let deep: unknown = { end: 1 }
    for (let level = 0; level < 30; level++) deep = { in: deep }
    const self: Record<string, unknown> = { name: "me" }
    self["self"] = self
    const odd = {
      nan: Number.NaN,
      inf: [-Infinity],
      big: 10n,
      date: DateTime.makeUnsafe(0),
      none: undefined,
      half: "\ud83d",
      deep,
      self
    }
    // SAFETY: tools deliver what they like.
    const metadata = fitMessage({ metadata: odd as unknown as Event.Metadata }).metadata
    assert.deepStrictEqual(
      { ...metadata, deep: null },
      {
        nan: "NaN",
        inf: ["-Infinity"],
        big: "10",
        date: "1970-01-01T00:00:00.000Z",
        half: "\ufffd",
        deep: null,
        self: { name: "me", self: "(contains itself)" }
      }
    )
    assert.include(JSON.stringify(metadata?.["deep"]), "end")
  })

  it("gives an expected start the fraction that the server asks for, less than a microsecond", () => {
    const fitted = Event.fit(
      Event.runStatus({
        pipelineKey: "p",
        runKey: "r",
        status: "RUNNING",
        metadata: { expected_start_time: 1714557600 }
      })
    )
    const start = Number(fitted.metadata?.["expected_start_time"])
    assert.isTrue(sendable(fitted))
    assert.isFalse(Number.isInteger(start))
    assert.approximately(start, 1714557600, 0.000001)
  })

  it("turns a metric without a number into a warning in the same lane", () => {
    const metric = Event.metricLog({
      pipelineKey: "p",
      runKey: "r",
      metricKey: "load",
      metricValue: Number.NaN
    })
    const fitted = Event.fit(metric)
    assert.deepStrictEqual(
      fitted,
      Event.messageLog({
        pipelineKey: "p",
        runKey: "r",
        level: "WARNING",
        message: 'The value of metric "load" is no number: "NaN"'
      })
    )
    assert.strictEqual(Event.lane(fitted), Event.lane(metric))
  })

  it("rounds and clamps the numbers of tests as the database would", () => {
    const value = (metricValue: number | string) => fitOutcome({ metricValue })?.metricValue
    assert.strictEqual(value(1 / 3), 0.33333)
    assert.strictEqual(value("-2.000005"), "-2.00001")
    assert.strictEqual(value("-0.000001"), "0")
    assert.strictEqual(value(1e20), "999999999999999.99999")
    assert.strictEqual(value("-999999999999999.999999"), "-999999999999999.99999")
    assert.strictEqual(value(" 1_000.50 "), " 1_000.50 ")
    assert.deepStrictEqual(fitOutcome({ metricValue: "n/a", metadata: { a: 1 } }), {
      name: "t",
      status: "PASSED",
      metadata: { metric_value: "n/a", a: 1 }
    })
  })

  it("cuts what the database would cut of a test", () => {
    const outcome = fitOutcome({
      name: "n".repeat(300),
      type: "t".repeat(41),
      metricName: "m".repeat(41),
      result: "é".repeat(40_000),
      dimensions: [""]
    })
    assert.strictEqual(outcome?.name.length, 255)
    assert.strictEqual(outcome?.type, `${"t".repeat(39)}…`)
    assert.strictEqual(outcome?.metricName?.length, 40)
    assert.isAtMost(bytes(outcome?.result ?? ""), 65_535)
    assert.isUndefined(outcome?.dimensions)
  })

  it("shortens a message that is too large by no more than it has to", () => {
    const fitted = fitMessage({ message: "é".repeat(200_000), metadata: { attempt: 1 }, details: "where" })
    assert.isAbove(bytes(Effect.runSync(Event.encode(fitted))), Event.MAX_BODY_BYTES - 10)
    assert.deepStrictEqual([fitted.metadata, fitted.details], [{ attempt: 1 }, "where"])
    assert.isTrue(fitted.message.endsWith("é…"))
  })

  it("shortens metadata before details, and details before the message", () => {
    const text = "x".repeat(60_000)
    const fitted = fitMessage({ message: text, details: text, metadata: { text, list: [1, 2, 3] } })
    assert.strictEqual(fitted.message, text)
    assert.isAbove(fitted.details?.length ?? 0, 40_000)
    assert.deepStrictEqual(fitted.metadata, { text: `${"x".repeat(63)}…`, list: [1, 2, 3] })
  })

  it("shortens results before it leaves out tests", () => {
    const fitted = Event.fit(
      tests(Array.from({ length: 500 }, (_, i) => ({ name: `t${i}`, result: "x".repeat(2000) })))
    )
    assert.isTrue(sendable(fitted))
    assert.strictEqual(fitted._tag === "TestOutcomes" && fitted.outcomes.length, 500)
  })

  it("counts the tests that it leaves out", () => {
    const fitted = Event.fit(
      tests(
        Array.from({ length: 777 }, () => ({})),
        { metadata: { a: 1 } }
      )
    )
    assert.deepStrictEqual(fitted.metadata, { a: 1, omitted_test_outcomes: 277 })
    const large = Event.fit(
      tests(
        Array.from({ length: 777 }, () => ({ name: "n".repeat(255) })),
        { metadata: { a: 1 } }
      )
    )
    assert.isTrue(sendable(large))
    assert.strictEqual(
      Number(large.metadata?.["omitted_test_outcomes"]) +
        (large._tag === "TestOutcomes" ? large.outcomes.length : 0),
      777
    )
  })

  it("takes no longer than a moment for input of absurd size", () => {
    const zeros = `1${"0".repeat(300_000)}1`
    const absurd = [
      Event.metricLog({ serverKey: "s", metricKey: "k", metricValue: zeros }),
      message({ message: "é".repeat(5_000_000), externalUrl: `https://${"a.".repeat(100_000)}/ ` }),
      message({ componentTool: "_ -".repeat(100_000) }),
      tests([{ metricValue: zeros, result: "r".repeat(5_000_000) }])
    ]
    for (const event of absurd) assert.isTrue(sendable(Event.fit(event)))
  }, 5_000)

  it("leaves out integrations that are not whole", () => {
    const integrations = { testgen: { table: "", testSuite: "s", version: 1 } } as const
    assert.isUndefined(fitOutcome({ integrations })?.integrations)
  })
})

describe("split", () => {
  it("leaves no test out, within the limits of items and bytes", () => {
    const all = Array.from({ length: 1234 }, (_, i) => ({ name: `${i} ${"n".repeat(i % 200)}` }))
    const parts = Event.split(tests(all))
    assert.isTrue(parts.every(sendable))
    const names = parts
      .flatMap((part) => (part._tag === "TestOutcomes" ? part.outcomes : []))
      .map(({ name }) => name)
    assert.deepStrictEqual(
      names,
      all.map(({ name }) => name)
    )
  })

  it("returns any other event alone, and tests that need repair unsplit", () => {
    assert.deepStrictEqual(Event.split(message()), [message()])
    const broken = tests([{ name: "" }, {}])
    assert.deepStrictEqual(Event.split(broken), [broken])
  })
})
