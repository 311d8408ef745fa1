import { assert, it } from "@effect/vitest"
import * as DatabricksAgent from "@observability-agents/agent-databricks/DatabricksAgent"
import * as Expected from "@observability-agents/agent-databricks/testing/Expected"
import * as FakeDatabricks from "@observability-agents/agent-databricks/testing/FakeDatabricks"
import * as Fault from "@observability-agents/agent-databricks/testing/Fault"
import type * as Scenario from "@observability-agents/agent-databricks/testing/Scenario"
import { Outbox } from "@observability-agents/core/Outbox"
import * as AgentFixture from "@observability-agents/testing/AgentFixture"
import * as EventLog from "@observability-agents/testing/EventLog"
import { FakeObservability } from "@observability-agents/testing/FakeObservability"
import * as ServerFault from "@observability-agents/testing/ServerFault"
import { Duration, Effect, Random } from "effect"
import { TestClock } from "effect/testing"

const DAY = Duration.days(1)

/** 300 runs spread over the day: one to four tasks, one run in ten fails, some start within the same second. */
const makeJobs = Effect.gen(function* () {
  const jobs: Array<Expected.NamedJob> = []
  for (let job = 0; job < 10; job++) {
    const runs: Array<Scenario.Run> = []
    for (let run = 0; run < 30; run++) {
      const tasks: Array<Scenario.Task> = []
      const fails = (yield* Random.next) < 0.1
      const count = yield* Random.nextIntBetween(1, 4)
      for (let task = 0; task < count; task++) {
        tasks.push({
          key: `task-${task}`,
          takes: Duration.seconds(yield* Random.nextIntBetween(1, 900)),
          ...(task > 0 && (yield* Random.nextBoolean) ? { after: [`task-${task - 1}`] } : {}),
          ...(fails && task === count - 1 ? { fails: `Error ${run} of job ${job}` } : {})
        })
      }
      runs.push({
        // Those of one job are beyond what a double holds exactly.
        id: String((job === 0 ? 9_007_199_254_740_993n : 5_000_000n) + BigInt(job * 100 + run)),
        at: Duration.seconds(yield* Random.nextIntBetween(0, 23 * 3600)),
        tasks
      })
    }
    jobs.push({ name: `job ${job}`, id: String(1000 + job), runs })
  }
  return jobs
})

/** Every few minutes something goes wrong on one side or the other, and passes. */
const trouble = (workspace: FakeDatabricks.FakeDatabricks["Service"]) =>
  Effect.gen(function* () {
    const server = yield* FakeObservability
    const tool = [Fault.rateLimited(5), Fault.serverError()]
    const answers = [
      ServerFault.queueDown,
      ServerFault.workerKilled,
      ServerFault.nginxPage(502, "Bad Gateway"),
      ServerFault.nginxPage(503, "Service Temporarily Unavailable", { "retry-after": "20" })
    ]
    while (true) {
      yield* Effect.sleep(Duration.seconds(yield* Random.nextIntBetween(60, 900)))
      const times = yield* Random.nextIntBetween(1, 12)
      if (yield* Random.nextBoolean) {
        yield* workspace.fail(tool[yield* Random.nextIntBetween(0, 1)] ?? Fault.rateLimited(1), { times })
      } else {
        yield* server.fail(answers[yield* Random.nextIntBetween(0, 3)] ?? ServerFault.queueDown, { times })
      }
    }
  })

it.effect(
  "a day of 300 runs, with trouble on both sides, arrives once and in order",
  () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(AgentFixture.START)
      const jobs = yield* makeJobs
      const workspace = yield* FakeDatabricks.make({ jobs })
      yield* Effect.gen(function* () {
        yield* Effect.forkScoped(trouble(workspace))
        for (let hour = 0; hour < 25; hour++) yield* TestClock.adjust("1 hour")
        const server = yield* FakeObservability
        const outbox = yield* Outbox

        const events = yield* server.events
        assert.deepStrictEqual(Expected.compare(Expected.identities(jobs), events), {
          lost: [],
          unexpected: [],
          duplicated: []
        })
        assert.deepStrictEqual(EventLog.problems(events), [])
        assert.strictEqual((yield* outbox.status).pending, 0)
        assert.strictEqual((yield* outbox.status).deadLetters, 0)
        assert.isAbove((yield* server.requests).length, events.length + 24 * 60, "the server failed at times")
        assert.isAbove(yield* workspace.count("list"), Duration.toSeconds(DAY) / 15)
      }).pipe(
        Effect.scoped,
        Effect.provide(
          AgentFixture.layer(DatabricksAgent.agent, {
            hosts: { "workspace.test": workspace.client },
            settings: {
              databricks: { host: "https://workspace.test", period: 15 },
              auth_api_token: { agent_token: "dapi-fake" }
            }
          })
        )
      )
    }).pipe(Random.withSeed("a simulated day")),
  120_000
)
