import * as AgentSuite from "@observability-agents/testing/AgentSuite"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as Mini from "./support/miniAgents.ts"

AgentSuite.suite("an agent without bugs", Mini.options())

const TELLS = "tells all that happens"

describe("an agent with a bug fails the suite, which names the bug:", () => {
  const named = (bug: Mini.Bug, check: string, ...words: ReadonlyArray<string | RegExp>) =>
    it.live(
      bug,
      () =>
        Effect.gen(function* () {
          const unfit = yield* Effect.flip(Mini.check(check, bug))
          for (const word of words) assert.match(unfit.findings.join("\n"), new RegExp(word))
          assert.include(unfit.message, 'Seed: "agent suite"')
          assert.notInclude(unfit.message, Mini.TOKEN)
        }),
      60_000
    )

  named(
    "moves its cursor when the tool did not answer",
    "survives a tool that answers 500",
    /^cursor moved too early: r\d \w+ was never received\. It happened at \+0:0.* The cursor of mini page was moved past it, to /m
  )
  named(
    "tells the end before the beginning",
    TELLS,
    /^order broken: .*r2: FAILED came before the run's RUNNING/m
  )
  named(
    "moves its cursor before it commits what it read",
    "loses nothing and repeats nothing when the process dies",
    /^event lost in a crash: r\d \w+ was never received after the process died .* the state is committed, step \d+/m
  )
  named("leaves a fiber with every look", TELLS, /^fiber leaked: .* forked by: look at the page$/m)
  named(
    "leaves a fiber with every look, until its stop",
    TELLS,
    /^fiber leaked: when all was told \d+ fibers ran, and at first \d+, most of them forked by: look at the page$/m
  )
  named("logs its token", TELLS, /^secret given away: .* stands in the log$/m)
  named("puts its token into events", TELLS, /^secret given away: .* what was sent to .*run-status$/m)
  named("names the same event anew with every look", TELLS, /^sent twice: r\d \w+ was received again/m)
  named(
    "names the same event anew after every start",
    "loses nothing when it is stopped and started again",
    /^sent twice: r\d \w+ was received again/m
  )
  named(
    "sends each event on a lane of its own",
    "survives a server that closes the connection",
    /^order broken: /m
  )
  named("forgets failures", TELLS, /^event lost: r2 FAILED was never received/m)
  named("never ends its stop", TELLS, /^did not stop: it was still closing after 40 seconds/m)
  named(
    "reads the clock of the machine",
    "does the same again",
    /^not repeatable: with the same seed line \d+/m
  )
})

describe("the check of the settings", () => {
  const found = (change: Partial<ReturnType<typeof Mini.options>>) =>
    Effect.gen(function* () {
      const [check] = AgentSuite.checks({ ...Mini.options(), ...change })
      const { findings } = yield* Effect.flip(check?.run ?? Effect.die("no check"))
      return findings.join("\n")
    })

  it.effect("names a mistake that is not reported", () =>
    Effect.gen(function* () {
      const { mistakes } = Mini.options()
      const words = [...mistakes.words, "[mini] host"]
      assert.match(
        yield* found({ mistakes: { ...mistakes, words } }),
        /^mistake not reported: "\[mini\] host"/
      )
    })
  )

  it.effect("names settings of the suite that are wrong by themselves", () =>
    Effect.gen(function* () {
      const settings = { mini: { host: "", token: Mini.TOKEN } }
      assert.match(yield* found({ settings }), /^settings refused: .*\[mini\] host/)
    })
  )

  it.effect("finds a secret in the report", () =>
    Effect.gen(function* () {
      assert.match(yield* found({ secrets: ["often"] }), /^secret given away: .* the report of mistakes/)
    })
  )
})

describe("what a failure prints", () => {
  const told = (seed: string) =>
    Effect.map(Effect.flip(Mini.check(TELLS, "forgets failures", { seed })), ({ message }) => message)

  it.live("tells what was polled, made, sent and answered, in virtual time", () =>
    Effect.gen(function* () {
      const text = yield* told("agent suite")
      const time = String.raw`\+0:\d\d:\d\d\.\d{3}`
      for (const line of [
        "suite   starts the agent",
        "suite   begins the scenario",
        String.raw`tool    GET mini\.test/changes\?from=\d+&to=\d+ → 200`,
        "agent   made 1 events, 0 known ones, from mini page",
        "agent   read mini page up to 2026-01-05T08:.*Z",
        "server  run-status mini r1 RUNNING → 204",
        "outbox  delivered mini/r1 .*",
        "suite   stops the agent"
      ]) {
        assert.match(text, new RegExp(`^${time}  ${line}$`, "m"))
      }
    })
  )

  it.live("is the same with the same seed, byte for byte, and another with another seed", () =>
    Effect.gen(function* () {
      const [first, second, other] = [yield* told("one"), yield* told("one"), yield* told("two")]
      assert.strictEqual(first, second)
      assert.notStrictEqual(first.replaceAll('"one"', ""), other.replaceAll('"two"', ""))
      assert.include(first, 'Seed: "one"')
    })
  )
})
