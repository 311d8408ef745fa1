import { assert, describe, it } from "@effect/vitest"
import * as ReloadFixture from "@observability-agents/testing/ReloadFixture"
import type * as SettingsFixture from "@observability-agents/testing/SettingsFixture"
import * as Settings from "@observability-agents/toolkit/Settings"
import { Context, Data, Deferred, Duration, Effect, Layer, Redacted, type Scope } from "effect"
import { TestClock } from "effect/testing"
import * as Reload from "../src/Reload.ts"
import { Supervisor } from "../src/Supervisor.ts"
import * as LogLines from "./LogLines.ts"

const Tool = Settings.section("tool", {
  description: "The tool.",
  fields: {
    host: Settings.nonEmptyString({ description: "Its address.", default: "one" }),
    token: Settings.secret({ description: "Its token." })
  }
})
const Server = Settings.section("server", {
  description: "The server.",
  fields: {
    key: Settings.nonEmptyString({ description: "Its key.", default: "k" }),
    pace: Settings.seconds({ description: "How fast.", default: 1, exclusiveMinimum: 0 }),
    file: Settings.nonEmptyString({ description: "Where the state is.", default: "state.db" })
  }
})
const sections = [Tool, Server]

const first: SettingsFixture.Tables = { tool: { token: "first secret" } }

class Broken extends Data.TaggedError("Broken")<{ readonly message: string }> {}

/** Three parts, in this order: one reads `key`, one `pace`, one all of `[tool]`. They note what becomes of them. */
const start = Effect.fnUntraced(function* (
  options: {
    /** Runs while a part is built. */
    readonly building?: (name: string, seen: string) => Effect.Effect<void, unknown>
    /** Runs while a part is stopped. */
    readonly stopping?: (name: string) => Effect.Effect<void>
  } = {}
) {
  const noted: Array<string> = []
  const seen = Effect.gen(function* () {
    const tool = yield* Tool.config
    const { file, key, pace } = yield* Server.config
    return [tool.host, Redacted.value(tool.token), key, Duration.format(pace), file].join(" | ")
  })
  const part = (name: string, ...reads: ReadonlyArray<Reload.Reads>) =>
    Reload.part(
      { name, reads },
      Layer.effectDiscard(
        Effect.gen(function* () {
          const values = yield* seen
          yield* options.building?.(name, values) ?? Effect.void
          noted.push(`${name} starts: ${values}`)
          yield* Effect.addFinalizer(() =>
            Effect.andThen(
              options.stopping?.(name) ?? Effect.void,
              Effect.sync(() => noted.push(`${name} stops`))
            )
          )
        })
      )
    )
  const fixture = yield* ReloadFixture.make(first, sections)
  const { layer, lines } = yield* LogLines.capture
  const running = Layer.effectDiscard(
    Effect.flatMap(Reload.Current, (reload) => Effect.forkScoped(reload?.run ?? Effect.never))
  )
  const context = yield* Layer.build(
    running.pipe(
      Layer.provide(part("three", Reload.reads(Tool))),
      Layer.provide(part("two", Reload.reads(Server, "pace"))),
      Layer.provide(part("one", Reload.reads(Server, "key"))),
      Layer.provideMerge(Supervisor.layer),
      Layer.provide(Layer.merge(fixture.layer, layer))
    )
  )
  noted.splice(0)
  return {
    ...fixture,
    change: (tables: SettingsFixture.Tables) => Effect.andThen(fixture.change(tables), TestClock.adjust(0)),
    lines,
    failure: Context.get(context, Supervisor).failure,
    noted: () => noted.splice(0)
  }
})

const test = <E>(name: string, body: Effect.Effect<void, E, Scope.Scope>) =>
  it.effect(name, () => Effect.scoped(body))

describe("Reload", () => {
  test(
    "starts anew only the part that reads what has changed, and names the setting without its value",
    Effect.gen(function* () {
      const agent = yield* start()
      yield* agent.change({ tool: { token: "second secret" } })
      assert.deepStrictEqual(agent.noted(), [
        "three stops",
        "three starts: one | second secret | k | 1s | state.db"
      ])
      assert.deepStrictEqual(
        agent.lines.map(({ annotations, level, sentence }) => [level, sentence, annotations]),
        [
          [
            "Info",
            "Settings were read again and are in force",
            { changed: "[tool] token", restarted: "three" }
          ]
        ]
      )
      yield* agent.change({ tool: { token: "second secret" }, server: { pace: 2 } })
      assert.deepStrictEqual(agent.noted(), [
        "two stops",
        "two starts: one | second secret | k | 2s | state.db"
      ])
    })
  )

  test(
    "stops all parts concerned before it builds one of them, the last one first",
    Effect.gen(function* () {
      const agent = yield* start()
      yield* agent.change({ tool: { token: "first secret", host: "two" }, server: { key: "new", pace: 3 } })
      const values = "two | first secret | new | 3s | state.db"
      assert.deepStrictEqual(agent.noted(), [
        "three stops",
        "two stops",
        "one stops",
        `one starts: ${values}`,
        `two starts: ${values}`,
        `three starts: ${values}`
      ])
    })
  )

  test(
    "does nothing where nothing has changed, however it is written",
    Effect.gen(function* () {
      const agent = yield* start()
      yield* agent.change({ tool: { token: "first secret", host: "one" }, server: { pace: "1.0" } })
      assert.deepStrictEqual(agent.noted(), [])
      assert.deepStrictEqual(
        agent.lines.map(({ level, sentence }) => [level, sentence]),
        [["Info", "Settings were read again: nothing has changed"]]
      )
    })
  )

  test(
    "reports all that is not valid, and leaves everything as it is",
    Effect.gen(function* () {
      const agent = yield* start()
      yield* agent.change({ tool: { host: "two" }, server: { pace: -1 } })
      assert.deepStrictEqual(agent.noted(), [])
      assert.strictEqual(agent.lines.length, 1)
      const [line] = agent.lines
      assert.strictEqual(line?.level, "Error")
      assert.include(line?.cause, "[tool] token")
      assert.include(line?.cause, "[server] pace")
      // What was refused is not half in force.
      yield* agent.change({ tool: { token: "first secret" }, server: { pace: 2 } })
      assert.deepStrictEqual(agent.noted(), [
        "two stops",
        "two starts: one | first secret | k | 2s | state.db"
      ])
    })
  )

  test(
    "where a part cannot be built, all of them go on with the settings from before",
    Effect.gen(function* () {
      const agent = yield* start({
        building: (name, seen) =>
          name === "three" && seen.includes("broken")
            ? Effect.fail(new Broken({ message: "no such host" }))
            : Effect.void
      })
      yield* agent.change({ tool: { token: "first secret", host: "broken" }, server: { key: "new" } })
      const old = "one | first secret | k | 1s | state.db"
      assert.deepStrictEqual(agent.noted(), [
        "three stops",
        "one stops",
        "one starts: broken | first secret | new | 1s | state.db",
        "one stops",
        `one starts: ${old}`,
        `three starts: ${old}`
      ])
      assert.deepStrictEqual(
        agent.lines.map(({ level }) => level),
        ["Error"]
      )
      assert.include(agent.lines[0]?.cause, "no such host")
      assert.strictEqual(agent.lines[0]?.annotations["changed"], "[tool] host, [server] key")
      // The next ones that are good are compared with those in force.
      yield* agent.change({ tool: { token: "first secret", host: "two" } })
      assert.deepStrictEqual(agent.noted(), [
        "three stops",
        "three starts: two | first secret | k | 1s | state.db"
      ])
    })
  )

  test(
    "where not even the settings from before can be put in force again, the agent ends",
    Effect.gen(function* () {
      let isBroken = false
      const agent = yield* start({
        building: () => (isBroken ? Effect.fail(new Broken({ message: "the port is taken" })) : Effect.void)
      })
      isBroken = true
      yield* agent.change({ ...first, server: { pace: 2 } })
      const error = yield* Effect.flip(agent.failure)
      assert.strictEqual(error.exitCode, 70)
      assert.include(error.message, "the port is taken")
    })
  )

  test(
    "what no part reads keeps its value for all of them, and a warning names it each time",
    Effect.gen(function* () {
      const agent = yield* start()
      yield* agent.change({ ...first, server: { file: "other.db" } })
      assert.deepStrictEqual(agent.noted(), [])
      assert.deepStrictEqual(
        agent.lines.splice(0).map(({ annotations, level, sentence }) => [level, sentence, annotations]),
        [
          [
            "Warn",
            "Settings that cannot change while the agent runs take effect after a restart",
            { settings: "[server] file" }
          ],
          ["Info", "Settings were read again: nothing else has changed", {}]
        ]
      )
      yield* agent.change({ ...first, server: { file: "other.db", pace: 2 } })
      assert.deepStrictEqual(agent.noted(), [
        "two stops",
        "two starts: one | first secret | k | 2s | state.db"
      ])
      assert.deepStrictEqual(
        agent.lines.splice(0).map(({ level }) => level),
        ["Warn", "Info"]
      )
      yield* agent.change({ ...first, server: { pace: 2 } })
      assert.deepStrictEqual(
        agent.lines.map(({ level }) => level),
        ["Info"]
      )
    })
  )

  test(
    "requests that come while one is handled count as one, and see the newest settings",
    Effect.gen(function* () {
      const gate = yield* Deferred.make<void>()
      const agent = yield* start({
        stopping: (name) => (name === "two" ? Deferred.await(gate) : Effect.void)
      })
      yield* agent.change({ ...first, server: { pace: 2 } })
      for (const pace of [3, 4, 5]) yield* agent.change({ ...first, server: { pace } })
      assert.deepStrictEqual(agent.noted(), [])
      yield* Deferred.succeed(gate, undefined)
      yield* TestClock.adjust(0)
      assert.deepStrictEqual(
        agent.noted().filter((line) => line.includes("starts")),
        [
          "two starts: one | first secret | k | 2s | state.db",
          "two starts: one | first secret | k | 5s | state.db"
        ]
      )
      assert.strictEqual(agent.reads(), 2)
    })
  )

  it.effect("a part that is being built when the agent stops is stopped, and nothing is built after it", () =>
    Effect.gen(function* () {
      let hangs = false
      const noted = yield* Effect.scoped(
        Effect.gen(function* () {
          const agent = yield* start({
            building: (name) => (hangs && name === "two" ? Effect.never : Effect.void)
          })
          hangs = true
          yield* agent.change({ tool: { token: "t", host: "two" }, server: { key: "new", pace: 2 } })
          return agent.noted
        })
      )
      assert.deepStrictEqual(noted(), [
        "three stops",
        "two stops",
        "one stops",
        "one starts: two | t | new | 2s | state.db",
        "one stops"
      ])
    })
  )
})
