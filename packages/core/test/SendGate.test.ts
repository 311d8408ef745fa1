import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import * as SendGate from "../src/SendGate.ts"

describe("SendGate", () => {
  it.effect("gives the next probe after its period, also when the clock is set back meanwhile", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(7_200_000)
      const gate = SendGate.make({ refusedPeriod: 60_000, backOff: () => Effect.succeed(1000) })
      yield* gate.report(yield* gate.turn, { _tag: "Refused" })
      yield* TestClock.setTime(3_600_000)
      const turn = yield* Effect.forkChild(gate.turn)
      yield* TestClock.adjust("59 seconds")
      assert.isUndefined(turn.pollUnsafe())
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* Fiber.join(turn), "probe")
    })
  )
})
