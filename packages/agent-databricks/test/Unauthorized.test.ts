import { assert, it } from "@effect/vitest"
import * as Expected from "@observability-agents/agent-databricks/testing/Expected"
import * as FakeDatabricks from "@observability-agents/agent-databricks/testing/FakeDatabricks"
import * as EventSender from "@observability-agents/core/EventSender"
import * as OutboxWatch from "@observability-agents/core/OutboxWatch"
import { Health } from "@observability-agents/core/Health"
import { Outbox } from "@observability-agents/core/Outbox"
import * as AgentFixture from "@observability-agents/testing/AgentFixture"
import * as EventLog from "@observability-agents/testing/EventLog"
import { FakeObservability } from "@observability-agents/testing/FakeObservability"
import { Effect } from "effect"
import { TestClock } from "effect/testing"
import * as Days from "./support/days.ts"

const HOUR = 3_600_000

/** From 6 to 11 hours after the start the key is refused. */
const REFUSED = { from: 6 * HOUR, until: 11 * HOUR }

it.live(
  "a key that is refused for hours costs a probe and a log line a minute, loses no event, and withholds the signs of life",
  () => {
    const log = Days.capture()
    return Effect.gen(function* () {
      yield* TestClock.setTime(AgentFixture.START)
      const jobs = Days.everyMinutes(10)
      const workspace = yield* FakeDatabricks.make({ jobs })
      yield* Effect.gen(function* () {
        const server = yield* FakeObservability
        const outbox = yield* Outbox
        const health = yield* Health
        yield* TestClock.adjust("6 hours")
        assert.isTrue((yield* health.report).healthy)
        const before = (yield* server.events).length
        assert.isAbove(before, 0)

        yield* server.setKey("expired")
        yield* TestClock.adjust("10 minutes")
        let waiting = 0
        for (let minute = 10; minute < 300; minute += 29) {
          const { parts } = yield* health.report
          assert.deepStrictEqual(
            parts.filter(({ state }) => state === "failing").map(({ name }) => name),
            [OutboxWatch.DELIVERY, EventSender.LOOP]
          )
          const { deadLetters, pending } = yield* outbox.status
          assert.isAtLeast(pending, waiting)
          assert.strictEqual(deadLetters, 0)
          waiting = pending
          yield* TestClock.adjust("29 minutes")
        }
        assert.isAbove(waiting, 100)
        assert.strictEqual((yield* server.events).length, before)

        const during = (yield* server.requests).filter(
          ({ at }) => at.epochMilliseconds - AgentFixture.START >= REFUSED.from
        )
        const probes = during.filter(({ path }) => path.startsWith("events/"))
        assert.isAtMost(probes.length, 5 * 60 + 2, "one probe a minute, and those under way at first")
        assert.isAtLeast(probes.length, 5 * 60 - 60)
        // A sign of life is tried until the grace period of five minutes is over, and not afterwards.
        assert.isAtMost(during.length - probes.length, 6)
        const lines = log.lines.filter(({ at }) => at >= REFUSED.from && at < REFUSED.until)
        assert.strictEqual(Days.mostPerMinute(lines.filter(({ loop }) => loop === EventSender.LOOP)), 1)
        const withheld = lines.filter(({ sentence }) => sentence.startsWith("Heartbeat withheld"))
        assert.isTrue(withheld.every(({ level }) => level === "Warn"))
        // At once, and every ten minutes as long as it lasts.
        assert.isAtLeast(withheld.length, 5 * 6 - 2)
        assert.isAtMost(withheld.length, 5 * 6 + 1)

        yield* server.setKey("valid")
        yield* TestClock.adjust("2 minutes")
        assert.strictEqual((yield* outbox.status).pending, 0)
        assert.isTrue((yield* health.report).healthy)
        assert.include(
          log.lines.filter(({ at }) => at >= REFUSED.until).map(({ sentence }) => sentence),
          "Heartbeat sent again: no part of the agent has been failing for long any more"
        )
        for (let hour = 0; hour < 14; hour++) yield* TestClock.adjust("1 hour")
        const events = yield* server.events
        assert.deepStrictEqual(Expected.compare(Expected.identities(jobs), events), {
          lost: [],
          unexpected: [],
          duplicated: []
        })
        assert.deepStrictEqual(EventLog.problems(events), [])
      }).pipe(Effect.scoped, Effect.provide(Days.agent(workspace, { databricks: { period: 60 } })))
    }).pipe(Effect.provide([log.layer, Days.clock]))
  },
  60_000
)
