import * as AgentSuite from "@observability-agents/testing/AgentSuite"
import * as Story from "@observability-agents/testing/AgentSuiteStory"
import * as Trouble from "@observability-agents/testing/AgentSuiteTrouble"
import * as Faults from "@observability-agents/testing/Faults"
import * as Seeded from "@observability-agents/testing/Seeded"
import * as Timeline from "@observability-agents/testing/Timeline"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as Fs from "node:fs"
import * as Mini from "./support/miniAgents.ts"
import * as Bugs from "./support/miniBugs.ts"

AgentSuite.suite("an agent without bugs", Mini.options())

const TELLS = "tells all that happens"

describe("an agent with a bug fails the suite, which names the bug:", () => {
  for (const planted of Bugs.planted) {
    const { check, does, named, words } = planted
    it.live(
      does,
      () =>
        Effect.gen(function* () {
          const unfit = yield* Effect.flip(Bugs.check(check, planted))
          assert.strictEqual(unfit.check, check)
          assert.match(unfit.findings.join("\n"), words)
          assert.isTrue(unfit.message.startsWith(`${named}: `), unfit.message.split("\n")[0])
          assert.include(unfit.message, 'Seed: "agent suite"')
          assert.notInclude(unfit.message, Mini.TOKEN)
        }),
      60_000
    )
  }

  it.live("moves its cursor when the tool did not answer, of which nobody knows when it happened", () =>
    Effect.gen(function* () {
      const scenario = Effect.map(Mini.scenario, (scenario) => ({
        ...scenario,
        expected: Effect.map(scenario.expected, (all) => Array.from(all, ({ identity }) => ({ identity })))
      }))
      const bug: Mini.Bug = () => ({ reading: Effect.orElseSucceed(() => []) })
      const { message } = yield* Effect.flip(
        Bugs.check("survives a tool that answers 500", { bug }, { scenario })
      )
      assert.match(
        message,
        /^cursor moved too early: r\d \w+ was never received\. The tool failed from \+0:0.* to .*\. The cursor of mini page was moved all the same, to /
      )
      // Where something else was lost, it is not said.
      const forgets: Mini.Bug = () => ({
        entries: (entries) => entries.filter(({ id }) => !id.includes("FAILED"))
      })
      const other = yield* Effect.flip(
        Bugs.check("survives a tool that answers 500", { bug: forgets }, { scenario })
      )
      assert.match(other.message, /^event lost: r2 FAILED was never received\.\n/)
    })
  )
})

describe("a fault that is tried by itself", () => {
  const setting = { ...Mini.options(), settles: "10 minutes" as const }

  for (const incident of [
    ...Object.entries(Faults.network).map(Trouble.network),
    ...Object.entries(Faults.store).map(Trouble.store)
  ]) {
    it.live(`strikes: ${incident.who} that ${incident.what}`, () =>
      Effect.gen(function* () {
        const { timeline } = yield* Seeded.of(
          "strikes",
          "any"
        )(Story.play(setting, { incidents: [incident] }))
        assert.match(Timeline.render(timeline), / recovers; it failed [1-9]\d* times/)
      })
    )
  }

  it.live("is not waited for where the scenario waits for time that stands", () =>
    Effect.gen(function* () {
      const scenario = Effect.map(Mini.scenario, (scenario) => ({
        ...scenario,
        play: Effect.andThen(Effect.sleep("1 minute"), scenario.play)
      }))
      const { message } = yield* Effect.flip(Bugs.check(TELLS, {}, { scenario }))
      assert.match(message, /^scenario waits: `play` had not ended after 3 seconds\./)
      assert.include(message, "suite   stops the agent")
    })
  )

  it.live("is left out where there is no network that could fail", () =>
    Effect.gen(function* () {
      const scenario = Effect.map(Mini.scenario, (scenario) => ({ ...scenario, hosts: {} }))
      const incidents = Object.entries(Faults.network).map(Trouble.network)
      const { findings, timeline } = yield* Story.play({ ...setting, scenario }, { incidents })
      assert.deepStrictEqual([findings, timeline.moments], [[], []])
    })
  )
})

describe("the README", () => {
  it("tells of each planted bug, what finds it, and how the message begins", () => {
    const readme = Fs.readFileSync(new URL("../README.md", import.meta.url), "utf8").split("\n")
    const begin = readme.findIndex((line) => line.startsWith("| planted bug: the agent"))
    const rows = readme.slice(begin + 2, readme.indexOf("", begin))
    assert.deepStrictEqual(
      rows,
      Bugs.planted.map(({ check, does, named }) => `| ${does} | ${check} | \`${named}\` |`)
    )
  })
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
  const forgets: Mini.Bug = () => ({
    entries: (entries) => entries.filter(({ id }) => !id.includes("FAILED"))
  })
  const told = (seed: string) =>
    Effect.map(Effect.flip(Bugs.check(TELLS, { bug: forgets }, { seed })), ({ message }) => message)

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
