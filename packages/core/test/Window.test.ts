import * as Window from "@observability-agents/core/Window"
import { assert, describe, it } from "@effect/vitest"
import { DateTime, Duration } from "effect"

const at = (minute: number) => DateTime.makeUnsafe(minute * 60_000)

describe("Window", () => {
  it("contains its start and not its end", () => {
    const window = Window.make(at(1), at(3))
    assert.deepStrictEqual(
      [0, 1, 2, 3].map((minute) => Window.contains(window, at(minute))),
      [false, true, true, false]
    )
  })

  it("looks back from its start and keeps its end", () => {
    const window = Window.lookBack(Window.make(at(10), at(12)), "5 minutes")
    assert.deepStrictEqual([window.from, window.to], [at(5), at(12)])
    assert.strictEqual(Duration.toMinutes(Window.duration(window)), 7)
  })

  it("is empty where its start lies ahead of its end, because the clock was set back", () => {
    const window = Window.make(at(10), at(4))
    assert.deepStrictEqual([window.from, window.to], [at(4), at(4)])
    assert.strictEqual(Duration.toMillis(Window.duration(window)), 0)
  })
})
