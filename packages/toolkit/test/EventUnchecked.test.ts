import { assert, describe, it } from "@effect/vitest"
import { DateTime, Effect, Result } from "effect"
import * as SchemaParser from "effect/SchemaParser"
import * as fc from "fast-check"
import * as Event from "../src/Event.ts"
import * as EventUnchecked from "../src/EventUnchecked.ts"
import { checked, event, wildEvent } from "./EventArbitrary.ts"

const slow = {
  RunStatus: SchemaParser.encodeUnknownResult(Event.RunStatus, { disableChecks: true }),
  MessageLog: SchemaParser.encodeUnknownResult(Event.MessageLog, { disableChecks: true }),
  MetricLog: SchemaParser.encodeUnknownResult(Event.MetricLog, { disableChecks: true }),
  DatasetOperation: SchemaParser.encodeUnknownResult(Event.DatasetOperation, { disableChecks: true }),
  TestOutcomes: SchemaParser.encodeUnknownResult(Event.TestOutcomes, { disableChecks: true })
}

const bodyOf = (event: Event.Event): string | undefined => {
  const encoded: Result.Result<unknown, unknown> = slow[event._tag](event)
  return Result.isSuccess(encoded) ? JSON.stringify(encoded.success) : undefined
}

/** The parsed body, or that there is none because JSON has no such values. */
const attempt = (make: () => string | undefined): unknown => {
  try {
    const body = make()
    return body === undefined ? undefined : JSON.parse(body)
  } catch (cause) {
    return String(cause)
  }
}

describe("EventUnchecked", () => {
  it("makes the same body as the Schema without checks, of anything, or none", () => {
    let made = 0
    checked(
      fc.property(fc.oneof(event, wildEvent), (event) => {
        const body = attempt(() => EventUnchecked.body(event))
        if (body === undefined) return
        made += 1
        assert.deepStrictEqual(
          body,
          attempt(() => bodyOf(event))
        )
      }),
      200
    )
    assert.isAbove(made, 100)
  }, 30_000)

  it.effect("makes the body that goes to the server, of an event that can be sent", () =>
    Effect.gen(function* () {
      for (const one of fc.sample(event, { seed: 20240501, numRuns: 200 })) {
        const body = EventUnchecked.body(one)
        if (body !== undefined) assert.deepStrictEqual(JSON.parse(body), JSON.parse(yield* Event.encode(one)))
      }
    })
  )

  it("leaves what has not the shape of an event to the Schema", () => {
    const good = { pipelineKey: "p", runKey: "r", status: "RUNNING" as const }
    assert.isString(EventUnchecked.body(Event.runStatus(good)))
    const odd: ReadonlyArray<Record<string, unknown>> = [
      { status: "LOST" },
      { pipelineKey: 7 },
      { timestamp: "2026-01-01" },
      { timestamp: DateTime.makeZonedUnsafe(0, { timeZone: "Europe/Berlin" }) },
      { metadata: [] },
      { payloadKeys: [1] },
      { componentTool: 1 }
    ]
    for (const fields of odd) {
      assert.isUndefined(
        EventUnchecked.body(Object.assign(Event.runStatus(good), fields)),
        JSON.stringify(fields)
      )
    }
  })
})
