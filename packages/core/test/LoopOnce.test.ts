import { assert, describe, it } from "@effect/vitest"
import { Context, DateTime, Effect, Layer, Schedule } from "effect"
import { TestClock } from "effect/testing"
import * as Channel from "../src/Channel.ts"
import { Health } from "../src/Health.ts"
import * as Loop from "../src/Loop.ts"
import { Supervisor } from "../src/Supervisor.ts"
import * as Wiring from "../src/Wiring.ts"

/** A Loop by time that sends a number by a Channel, one that receives these, and one by a Schedule. */
const built = Effect.fnUntraced(function* (wiring: Wiring.Wiring, task: Effect.Effect<void>) {
  const received: Array<number> = []
  const counts = { scheduled: 0, polled: 0 }
  const parts = Layer.unwrap(
    Effect.gen(function* () {
      const channel = yield* Channel.make<number>("numbers", { capacity: 4 })
      const sender = yield* Channel.sender(channel)
      return Layer.mergeAll(
        Loop.periodic("poll", { period: "1 second", from: DateTime.now, onEnd: sender.close }, () =>
          Effect.suspend(() => {
            counts.polled += 1
            return Effect.andThen(sender.send(counts.polled), task)
          })
        ),
        Loop.receive("take", channel.receiver, (number) => Effect.sync(() => received.push(number))),
        Loop.make(
          "beat",
          Schedule.spaced("1 second"),
          Effect.sync(() => {
            counts.scheduled += 1
          })
        )
      )
    })
  )
  yield* Layer.build(
    parts.pipe(
      Layer.provide(Layer.merge(Health.layer, Supervisor.layer)),
      Layer.provide(Layer.succeedContext(Context.make(Wiring.Current, wiring)))
    )
  )
  yield* TestClock.adjust("5 seconds")
  const ended = Object.fromEntries(wiring.loops().map((loop) => [loop.name, loop.ended()]))
  return { counts, received, ended }
})

describe("Loops that are to run once", () => {
  it.effect("end after their first run, and with them what receives from them", () =>
    Effect.gen(function* () {
      const { counts, ended, received } = yield* built(Wiring.make({ once: true }), Effect.void)
      assert.deepStrictEqual(counts, { scheduled: 1, polled: 1 })
      assert.deepStrictEqual(received, [1])
      assert.deepStrictEqual(ended, { poll: true, take: true, beat: true })
    }).pipe(Effect.scoped)
  )

  it.effect("end after one that failed, too, and say so", () =>
    Effect.gen(function* () {
      const wiring = Wiring.make({ once: true })
      const { counts, ended } = yield* built(wiring, Effect.die(new Error("no answer")))
      assert.strictEqual(counts.polled, 1)
      assert.isTrue(ended["poll"])
      assert.deepStrictEqual(
        wiring
          .loops()
          .find(({ name }) => name === "poll")
          ?.runs(),
        { total: 1, failed: 1 }
      )
    }).pipe(Effect.scoped)
  )

  it.effect("run on where nothing of the kind is said", () =>
    Effect.gen(function* () {
      const { counts, ended } = yield* built(Wiring.make(), Effect.void)
      assert.deepStrictEqual(counts, { scheduled: 6, polled: 6 })
      assert.deepStrictEqual(ended, { poll: false, take: false, beat: false })
    }).pipe(Effect.scoped)
  )
})
