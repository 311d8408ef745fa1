import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import * as SendPace from "../src/SendPace.ts"

const BOUNDS: SendPace.Bounds = { minimum: 2, maximum: 8 }

/** A whole round of answers with this latency, all of the limit in use unless `underWay` says otherwise. */
const round = (
  pace: SendPace.SendPace,
  now: number,
  latency: number,
  underWay = pace.limit,
  bounds = BOUNDS
): SendPace.SendPace => {
  let next = pace
  for (let answer = 0; answer < Math.max(SendPace.ROUND, pace.limit); answer++) {
    next = SendPace.observe(next, bounds, { sentAt: now - latency, now, outcome: "taken", underWay })
  }
  return next
}

const failed = (pace: SendPace.SendPace, sentAt: number, now: number) =>
  SendPace.observe(pace, BOUNDS, { sentAt, now, outcome: "failed", underWay: pace.limit })

/** At the maximum, with a best of 100 ms. */
const fast = (): SendPace.SendPace => {
  let pace = SendPace.start(BOUNDS)
  for (let index = 0; index < 10; index++) pace = round(pace, 1000 + index, 100)
  return pace
}

/**
 * A server with so many workers, each busy with a request for so long, and a sender that always has more to send: what
 * the limit comes to, and how many requests per second are answered.
 */
const simulate = (
  options: { readonly workers: number; readonly service: (now: number) => number; readonly until: number },
  bounds = BOUNDS
) => {
  let pace = SendPace.start(bounds)
  let now = 0
  let answered = 0
  const free = Array.from({ length: options.workers }, () => 0)
  const underWay: Array<{ readonly sentAt: number; readonly doneAt: number }> = []
  const limits: Array<number> = []
  while (now < options.until) {
    while (underWay.length < pace.limit) {
      const worker = free.indexOf(Math.min(...free))
      const doneAt = Math.max(now, free[worker] ?? 0) + options.service(now)
      free[worker] = doneAt
      underWay.push({ sentAt: now, doneAt })
    }
    underWay.sort((a, b) => a.doneAt - b.doneAt)
    const first = underWay[0]
    if (first === undefined) break
    now = first.doneAt
    pace = SendPace.observe(pace, bounds, {
      sentAt: first.sentAt,
      now,
      outcome: "taken",
      underWay: underWay.length
    })
    underWay.shift()
    answered += 1
    limits.push(pace.limit)
  }
  return { limits, rate: (answered / now) * 1000 }
}

describe("SendPace", () => {
  it("starts at the minimum and grows by one a round, up to the maximum, while answers stay quick", () => {
    let pace = SendPace.start(BOUNDS)
    const limits = [pace.limit]
    for (let index = 0; index < 8; index++) {
      pace = round(pace, 1000 + index, 100 + index)
      limits.push(pace.limit)
    }
    assert.deepStrictEqual(limits, [2, 3, 4, 5, 6, 7, 8, 8, 8])
  })

  it("does not grow while there is nothing that could use more", () => {
    let pace = SendPace.start(BOUNDS)
    for (let index = 0; index < 20; index++) pace = round(pace, 1000 + index, 100, 1)
    assert.strictEqual(pace.limit, 2)
  })

  it("is halved by a failure, once for all that were under way together, and not below the minimum", () => {
    let pace = failed(fast(), 2000, 2100)
    assert.strictEqual(pace.limit, 4)
    for (let index = 0; index < 7; index++) pace = failed(pace, 2000 + index, 2101 + index)
    assert.strictEqual(pace.limit, 4)
    pace = failed(failed(pace, 2200, 2300), 2400, 2500)
    assert.strictEqual(pace.limit, 2)
  })

  it("is halved when latency has clearly grown, and stays when it has grown a little", () => {
    assert.strictEqual(round(fast(), 5000, 250).limit, 4)
    assert.strictEqual(round(fast(), 5000, 160).limit, 8)
  })

  it("does not follow single slow answers", () => {
    let pace = fast()
    for (let index = 0; index < 80; index++) {
      const latency = index % 8 === 0 ? 5000 : 100
      pace = SendPace.observe(pace, BOUNDS, {
        sentAt: 10_000 + index,
        now: 10_000 + index + latency,
        outcome: "taken",
        underWay: 8
      })
    }
    assert.strictEqual(pace.limit, 8)
  })

  it("takes differences of a few milliseconds for noise", () => {
    let pace = SendPace.start(BOUNDS)
    for (let index = 0; index < 10; index++) pace = round(pace, 1000 + index, 1 + (index % 4))
    assert.strictEqual(pace.limit, 8)
  })

  it("measures an old best anew at the minimum, and grows again from what it finds", () => {
    let pace = round(fast(), 5000, 150)
    assert.strictEqual(pace.limit, 8)
    pace = round(pace, 5000 + SendPace.BEST_LASTS, 150)
    assert.deepStrictEqual([pace.limit, pace.best], [2, undefined])
    for (let index = 1; index < 10; index++)
      pace = round(pace, 6000 + SendPace.BEST_LASTS + index * 1000, 140)
    assert.deepStrictEqual([pace.limit, pace.best?.latency], [8, 140])
  })

  it("finds the two workers of the server as shipped, and fills them without a long line", () => {
    const { limits, rate } = simulate({ workers: 2, service: () => 100, until: 3_600_000 })
    assert.isAtMost(Math.max(...limits), 4)
    assert.isAtLeast(rate, 19.5)
  })

  it("uses a server that can do more", () => {
    const { limits, rate } = simulate({ workers: 100, service: () => 50, until: 600_000 })
    assert.strictEqual(limits.at(-1), 8)
    assert.isAtLeast(rate, 150)
  })

  it("gives way to a server that slows down, and comes back when it is quick again", () => {
    const service = (now: number) => (now > 60_000 && now < 120_000 ? 400 : 50)
    const during = simulate({ workers: 100, service, until: 110_000 })
    assert.strictEqual(during.limits.at(-1), 2)
    const after = simulate({ workers: 100, service, until: 180_000 })
    assert.strictEqual(after.limits.at(-1), 8)
  })

  it("stays within its bounds, falls at most once per wave and grows at most once per round, whatever comes", () => {
    const observation = fc.record({
      latency: fc.double({ min: 0, max: 100_000, noNaN: true }),
      gap: fc.oneof(fc.nat(50), fc.constant(SendPace.BEST_LASTS)),
      outcome: fc.constantFrom<SendPace.Observation["outcome"]>("taken", "taken", "taken", "failed"),
      underWay: fc.integer({ min: 1, max: 64 })
    })
    const bounds = fc
      .record({ minimum: fc.integer({ min: 1, max: 16 }), extra: fc.nat(48) })
      .map(({ extra, minimum }) => ({ minimum, maximum: minimum + extra }))
    fc.assert(
      fc.property(bounds, fc.array(observation, { maxLength: 300 }), (bounds, observations) => {
        let pace = SendPace.start(bounds)
        let now = 0
        let sinceGrowth = 0
        let fellAt = Number.NEGATIVE_INFINITY
        for (const { gap, latency, outcome, underWay } of observations) {
          now += gap
          const sentAt = now - latency
          const before = pace
          pace = SendPace.observe(before, bounds, { sentAt, now, outcome, underWay })
          sinceGrowth += 1
          assert.isTrue(Number.isInteger(pace.limit))
          assert.isAtLeast(pace.limit, bounds.minimum)
          assert.isAtMost(pace.limit, bounds.maximum)
          assert.isBelow(pace.round.length, Math.max(SendPace.ROUND, pace.limit))
          if (pace.limit > before.limit) {
            assert.strictEqual(pace.limit, before.limit + 1)
            assert.isAtLeast(sinceGrowth, SendPace.ROUND)
            sinceGrowth = 0
          }
          if (pace.limit < before.limit) {
            assert.isAtLeast(sentAt, fellAt)
            fellAt = now
          }
        }
      }),
      { numRuns: 300 }
    )
  })

  it("never moves where minimum and maximum are the same", () => {
    const bounds = { minimum: 3, maximum: 3 }
    let pace = SendPace.start(bounds)
    for (let index = 0; index < 20; index++) pace = round(pace, 1000 * index, 100 * (index % 5), 3, bounds)
    assert.strictEqual(pace.limit, 3)
  })
})
