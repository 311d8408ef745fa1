import { assert, describe, it } from "@effect/vitest"
import { Duration } from "effect"
import * as Finished from "@observability-agents/agent-databricks/Finished"
import { RunId } from "@observability-agents/agent-databricks/RunRecord"

const MINUTE = 60_000
const HOUR = 60 * MINUTE
const make = () => Finished.make({ every: Duration.minutes(5) })
const run = (id: number, start_time: number, end_time: number) => ({
  run_id: RunId.make(String(id)),
  start_time,
  end_time
})
const now = 100 * HOUR

describe("Finished", () => {
  it("asks for pages until one reaches further back than what is looked for", () => {
    const finished = make()
    const reading = finished.begin(now - MINUTE)
    assert.isUndefined(reading.take([run(1, now - HOUR, now), run(2, now - 9, now - 5)]))
    assert.isUndefined(reading.take([]), "an empty page may stand anywhere")
    assert.isUndefined(reading.take([run(3, now - HOUR, now - MINUTE)]), "what ended then is looked for")
    assert.strictEqual(reading.take([run(4, now - HOUR, now - MINUTE - 1)]), "Reached")
  })

  it("finds out that runs do not stand in the order of their ends, and looks again after an hour", () => {
    const finished = make()
    const reading = finished.begin(now - HOUR)
    assert.isUndefined(reading.take([run(1, now - MINUTE, now - 50_000)]))
    assert.strictEqual(reading.take([run(2, now - 2 * MINUTE, now)]), "Disordered")
    finished.end(reading, now, "Disordered")
    assert.isFalse(finished.isUsable(now))
    assert.isFalse(finished.isUsable(now + HOUR - 1))
    assert.isTrue(finished.isUsable(now + HOUR))
    assert.isTrue(finished.isUsable(now - 2 * HOUR), "the clock was set back")
  })

  it("forgives what is out of place by seconds, and what comes again on the next page", () => {
    const reading = make().begin(0)
    assert.isUndefined(reading.take([run(1, 0, now), run(2, 0, now - HOUR), run(3, 0, now - HOUR + 5000)]))
    assert.isUndefined(reading.take([run(1, 0, now), run(4, 0, now - 2 * HOUR), run(5, 0, 0)]))
    assert.strictEqual(reading.take([run(6, 0, now - HOUR)]), "Disordered")
  })

  it("knows the order for sure once runs do not stand in that of their starts", () => {
    const finished = make()
    const both = finished.begin(0)
    both.take([run(1, now - 10 * MINUTE, now), run(2, now - HOUR, now - MINUTE)])
    finished.end(both, now, "Reached")
    assert.isFalse(finished.isByEnd())
    const one = finished.begin(0)
    one.take([run(1, now - HOUR, now), run(2, now - 10 * MINUTE, now - MINUTE)])
    finished.end(one, now, "Reached")
    assert.isTrue(finished.isByEnd())
  })

  it("goes on where it stopped the last time, by the workspace's own clock", () => {
    const finished = make()
    const first = finished.begin(now)
    first.take([run(1, 0, now - HOUR)])
    finished.end(first, now, "Reached")
    const second = finished.begin(now + 5000)
    assert.strictEqual(second.since, now - HOUR)
    assert.isTrue(second.isNews(now - HOUR + 1), "it ended after the newest that was seen")
    assert.isFalse(second.isNews(now - HOUR))
    assert.isTrue(second.isNews(now + 5000))
  })

  it("is due at first, and after a while", () => {
    const finished = make()
    assert.isTrue(finished.isDue(now))
    finished.end(finished.begin(now), now, undefined)
    assert.isFalse(finished.isDue(now + 5 * MINUTE - 1))
    assert.isTrue(finished.isDue(now + 5 * MINUTE))
    assert.isTrue(finished.isDue(now - 1), "the clock was set back")
  })

  it("reads again what was not committed", () => {
    const committed = (promised: number | undefined, cursor: number | undefined) => {
      const finished = make()
      const reading = finished.begin(now)
      reading.take([run(1, 0, now - HOUR)])
      finished.end(reading, now, "Reached")
      finished.promise(promised)
      finished.confirm(cursor)
      return { isDue: finished.isDue(now), since: finished.begin(now).since }
    }
    assert.deepStrictEqual(committed(now, now), { isDue: false, since: now - HOUR })
    assert.deepStrictEqual(committed(now, now - 1), { isDue: true, since: now })
    assert.deepStrictEqual(committed(undefined, now), { isDue: true, since: now })
    assert.deepStrictEqual(committed(now, undefined), { isDue: true, since: now })
  })

  it("is not relied upon when three runs in succession did not stand where they should", () => {
    const finished = make()
    finished.expected(false, now)
    finished.expected(false, now)
    finished.expected(true, now)
    finished.expected(false, now)
    finished.expected(false, now)
    assert.isTrue(finished.isUsable(now))
    finished.expected(false, now)
    assert.isFalse(finished.isUsable(now))
  })
})
