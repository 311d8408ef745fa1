import { assert, it } from "@effect/vitest"
import * as Expected from "@observability-agents/agent-databricks/testing/Expected"
import * as EventSender from "@observability-agents/core/EventSender"
import * as OutboxWatch from "@observability-agents/core/OutboxWatch"
import * as EventLog from "@observability-agents/testing/EventLog"
import { FakeObservability } from "@observability-agents/testing/FakeObservability"
import { Simulation } from "@observability-agents/testing/Simulation"
import { Effect } from "effect"
import * as Days from "./support/days.ts"

const HOUR = 3_600_000

/** From 6 to 11 hours after the start the key is refused. */
const REFUSED = { from: 6 * HOUR, until: 11 * HOUR }

const JOBS = Days.everyMinutes(10)

it.effect(
  "a key that is refused for hours costs a probe and a log line a minute, loses no event, and withholds the signs of life",
  () =>
    Effect.gen(function* () {
      const sim = yield* Simulation
      const server = yield* FakeObservability
      yield* sim.at(REFUSED.from, "the key is refused", server.setKey("expired"))
      yield* sim.at(REFUSED.until, "the key is good again", server.setKey("valid"))
      yield* sim.advanceTo("the key is refused")
      yield* sim.expectHealthy
      const before = (yield* server.events).length
      assert.isAbove(before, 0)

      yield* sim.advance("10 minutes")
      let waiting = 0
      for (let minute = 10; minute < 300; minute += 29) {
        yield* sim.expectFailing([OutboxWatch.DELIVERY, EventSender.LOOP])
        yield* sim.expectDeadLetters([])
        const pending = yield* sim.pending
        assert.isAtLeast(pending, waiting)
        waiting = pending
        if (minute + 29 < 300) yield* sim.advance("29 minutes")
      }
      yield* sim.advanceTo("the key is good again")
      assert.isAbove(waiting, 100)
      assert.strictEqual((yield* server.events).length, before)

      const during = (yield* server.requests).filter(
        ({ at }) => at.epochMilliseconds - sim.startedAt >= REFUSED.from
      )
      const probes = during.filter(({ path }) => path.startsWith("events/"))
      assert.isAtMost(probes.length, 5 * 60 + 2, "one probe a minute, and those under way at first")
      assert.isAtLeast(probes.length, 5 * 60 - 60)
      // A sign of life is tried until the grace period of five minutes is over, and not afterwards.
      assert.isAtMost(during.length - probes.length, 6)
      const lines = sim.log.filter(({ at }) => at >= REFUSED.from && at < REFUSED.until)
      assert.strictEqual(Days.mostPerMinute(lines.filter(({ part }) => part === EventSender.LOOP)), 1)
      const withheld = lines.filter(({ sentence }) => sentence.startsWith("Heartbeat withheld"))
      assert.isTrue(withheld.every(({ level }) => level === "Warn"))
      // At once, and every ten minutes as long as it lasts.
      assert.isAtLeast(withheld.length, 5 * 6 - 2)
      assert.isAtMost(withheld.length, 5 * 6 + 1)

      yield* sim.advance("2 minutes")
      assert.strictEqual(yield* sim.pending, 0)
      yield* sim.expectHealthy
      assert.include(
        sim.log.filter(({ at }) => at >= REFUSED.until).map(({ sentence }) => sentence),
        "Heartbeat sent again: no part of the agent has been failing for long any more"
      )
      yield* sim.advance("14 hours")
      const events = yield* server.events
      assert.deepStrictEqual(Expected.compare(Expected.identities(JOBS), events), {
        lost: [],
        unexpected: [],
        duplicated: []
      })
      assert.deepStrictEqual(EventLog.problems(events), [])
    }).pipe(Effect.provide(Days.simulation(JOBS, { period: 60 }))),
  60_000
)
