import { assert, describe, it } from "@effect/vitest"
import { Effect, PubSub } from "effect"
import * as Activity from "../src/Activity.ts"

const polled = (source: string): Activity.News => ({ kind: "health", part: source, state: "ok" })

const about = (component: string, rest: Partial<Activity.Subject> = {}): Activity.News => ({
  kind: "delivered",
  lag: 1,
  event: { type: "run-status", title: "RUNNING", component, ...rest }
})

describe("Activity", () => {
  it.effect("news is not even made while nobody listens", () =>
    Effect.gen(function* () {
      const activity = yield* Activity.make()
      let made = 0
      const tell = activity.tell(() => {
        made += 1
        return polled("a")
      })
      yield* tell
      assert.strictEqual(made, 0)
      yield* Effect.scoped(Effect.andThen(activity.listen, tell))
      assert.strictEqual(made, 1)
      yield* tell
      assert.strictEqual(made, 1)
    })
  )

  it.effect(
    "who listens too slowly misses the oldest, which are counted and leave a gap in the numbers",
    () =>
      Effect.gen(function* () {
        const activity = yield* Activity.make({ capacity: 4 })
        const news = yield* activity.listen
        for (let n = 0; n < 10; n++) yield* activity.tell(() => polled(String(n)))
        const heard = yield* PubSub.takeAll(news)
        assert.deepStrictEqual(
          heard.map(({ number }) => number),
          [7, 8, 9, 10]
        )
        assert.strictEqual(yield* activity.dropped, 6)
      })
  )

  it("a filter lets through by kind, type, run, and component by key or name", () => {
    const passes = (filter: Activity.Filter, news: Activity.News) => Activity.passes(filter)(news)
    const news = about("orders", { componentName: "Orders (hourly)", run: "r-17" })
    for (const filter of [
      {},
      { kinds: new Set(["delivered", "log"]) },
      { types: new Set(["run-status"]) },
      { run: "r-17" },
      { run: "r-*" },
      { component: "orders" },
      { component: "Orders*" },
      { component: "*hourly*" },
      { component: "o*d*s" }
    ]) {
      assert.isTrue(passes(filter, news), JSON.stringify(filter))
    }
    for (const filter of [
      { kinds: new Set(["log"]) },
      { types: new Set(["message-log"]) },
      { run: "r-1" },
      { run: "*-18" },
      { component: "order" },
      { component: "orders*s" },
      { component: "o*x*s" },
      { kinds: new Set(["delivered"]), run: "r-18" }
    ]) {
      assert.isFalse(passes(filter, news), JSON.stringify(filter))
    }
    assert.isFalse(passes({ component: "*" }, polled("a")))
    assert.isFalse(passes({ types: new Set(["run-status"]) }, polled("a")))
  })
})
