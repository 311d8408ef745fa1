import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, DateTime, Duration, Effect, Exit } from "effect"
import { CoreSettings, startMoment } from "../src/CoreSettings.ts"
import { at } from "./support/runs.ts"

const read = (core: Record<string, unknown>) =>
  Effect.provide(
    CoreSettings.config,
    ConfigProvider.layer(
      ConfigProvider.fromUnknown({ core: { agent_type: "databricks", agent_key: "key", ...core } })
    )
  )

describe("CoreSettings", () => {
  it.effect("have the defaults of the older framework", () =>
    Effect.gen(function* () {
      const settings = yield* read({})
      assert.strictEqual(settings.logLevel, "info")
      assert.strictEqual(Duration.toSeconds(settings.heartbeatPeriod), 60)
      assert.deepStrictEqual([settings.sendConcurrency, settings.sendConcurrencyMaximum], [2, 8])
      assert.strictEqual(settings.maxChannelCapacity, 64)
    })
  )

  it.effect("take log levels of single parts, and refuse what is none", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual((yield* read({})).logLevels, {})
      for (const given of [
        { "list runs": "debug", core: "WARNING" },
        "list runs=debug, core=warning",
        '{"list runs": "debug", "core": "warning"}'
      ]) {
        const { logLevels } = yield* read({ log_levels: given })
        assert.deepStrictEqual(logLevels, { "list runs": "debug", core: "warning" })
      }
      assert.isTrue(Exit.isFailure(yield* Effect.exit(read({ log_levels: { core: "loud" } }))))
    })
  )

  it.effect("take a channel capacity of 0 for the default", () =>
    Effect.gen(function* () {
      assert.strictEqual((yield* read({ max_channel_capacity: 0 })).maxChannelCapacity, 64)
      assert.strictEqual((yield* read({ max_channel_capacity: 3 })).maxChannelCapacity, 3)
      assert.isTrue(Exit.isFailure(yield* Effect.exit(read({ max_channel_capacity: -1 }))))
    })
  )

  it.effect("refuse a period of 0, which would be a busy loop", () =>
    Effect.gen(function* () {
      assert.isTrue(Exit.isFailure(yield* Effect.exit(read({ heartbeat_period: 0 }))))
    })
  )

  it.effect("take a start from now, a timestamp, or a span back", () =>
    Effect.gen(function* () {
      const start = (text: string) =>
        Effect.map(read({ start_from: text }), ({ startFrom }) =>
          DateTime.formatIso(startMoment(startFrom, at(10_000)))
        )
      assert.strictEqual(yield* start("now"), DateTime.formatIso(at(10_000)))
      assert.strictEqual(yield* start("2 hours"), DateTime.formatIso(at(2800)))
      assert.strictEqual(yield* start("1 Minute ago"), DateTime.formatIso(at(9940)))
      assert.strictEqual(yield* start("2025-12-31"), "2025-12-31T00:00:00.000Z")
      assert.strictEqual(yield* start("2025-12-31 08:00:00"), "2025-12-31T08:00:00.000Z")
      assert.strictEqual(yield* start("2025-12-31T08:00:00+02:00"), "2025-12-31T06:00:00.000Z")
      for (const wrong of [
        "yesterday",
        "2026-02-31",
        "2026-13-01T00:00:00Z",
        "1970-01-01",
        "99999999999 weeks"
      ]) {
        assert.isTrue(Exit.isFailure(yield* Effect.exit(start(wrong))), wrong)
      }
    })
  )
})
