import * as Seeded from "@observability-agents/testing/Seeded"
import * as Timeline from "@observability-agents/testing/Timeline"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"

describe("a timeline", () => {
  it("shows times since its beginning, in their order, and no secret", () => {
    const timeline = Timeline.make(1000, ["hush", ""])
    timeline.add(92_250, "server", "run-status hush\n  → 204")
    timeline.add(1000, "suite", "starts the agent")
    assert.deepStrictEqual(Timeline.render(timeline).split("\n"), [
      "+0:00:00.000  suite   starts the agent",
      "+0:01:31.250  server  run-status *** → 204"
    ])
  })

  it("shows no secret of several lines, and none that a URL or JSON has written in its own way", () => {
    const timeline = Timeline.make(0, ["one\ntwo/three", "x"])
    timeline.add(0, "log", "WARN one\ntwo/three x")
    timeline.add(1, "tool", `GET page?key=${encodeURIComponent("one\ntwo/three")} → 200`)
    timeline.add(2, "log", `WARN ${JSON.stringify({ key: "one\ntwo/three" })}`)
    assert.deepStrictEqual(
      Timeline.render(timeline)
        .split("\n")
        .map((line) => line.slice(22)),
      ["WARN *** ***", "GET page?key=*** → 200", 'WARN {"key":"***"}']
    )
  })

  it("counts what is said again and again", () => {
    const timeline = Timeline.make(0)
    for (let second = 0; second < 5; second++) timeline.add(second * 1000, "log", "WARN no answer")
    timeline.add(5000, "server", "heartbeat → 500")
    assert.deepStrictEqual(Timeline.render(timeline).split("\n"), [
      "+0:00:00.000  log     WARN no answer (5 times)",
      "+0:00:05.000  server  heartbeat → 500"
    ])
  })

  it("leaves out quiet polls first, and then the middle, where it is too long", () => {
    const timeline = Timeline.make(0)
    for (let poll = 0; poll < 20; poll++) timeline.add(poll, "tool", `GET page ${poll} → 200`)
    timeline.add(20, "agent", "made 1 events")
    const lines = Timeline.render(timeline, 10).split("\n")
    assert.deepStrictEqual(
      lines.map((line) => line.slice(14).trim()),
      [
        "tool    GET page 0 → 200",
        "tool    GET page 1 → 200",
        "tool    GET page 2 → 200",
        "… 14 lines are left out …",
        "tool    GET page 17 → 200",
        "tool    GET page 18 → 200",
        "tool    GET page 19 → 200",
        "agent   made 1 events"
      ]
    )
    for (let event = 0; event < 20; event++) timeline.add(30 + event, "server", `event ${event} → 204`)
    const shorter = Timeline.render(timeline, 10).split("\n")
    assert.strictEqual(shorter.length, 11)
    assert.match(shorter[5] ?? "", /… 18 lines are left out …/)
    assert.strictEqual(Timeline.render(timeline).split("\n").length, 41)
  })
})

describe("a seed", () => {
  const choose = (seed: string, purpose: string) =>
    Effect.zip(Seeded.within(1000, 0.2, 0.5), Seeded.spread([...Array(100).keys()], 10)).pipe(
      Seeded.of(seed, purpose)
    )

  it.effect("chooses the same for the same purpose, and otherwise something else", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* choose("a", "x"), yield* choose("a", "x"))
      assert.notDeepEqual(yield* choose("a", "x"), yield* choose("b", "x"))
      assert.notDeepEqual(yield* choose("a", "x"), yield* choose("a", "y"))
    })
  )

  it.effect("stays within what was asked for", () =>
    Effect.gen(function* () {
      for (let seed = 0; seed < 50; seed++) {
        const [moment, some] = yield* choose(String(seed), "bounds")
        assert.isTrue(Number.isInteger(moment) && moment >= 200 && moment < 500)
        assert.strictEqual(some.length, 10)
        assert.deepStrictEqual(
          some,
          some.toSorted((a, b) => a - b)
        )
      }
      assert.deepStrictEqual(yield* Seeded.spread([1, 2, 3], 3), [1, 2, 3])
    })
  )
})
