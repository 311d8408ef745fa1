/** The agent that listens, in virtual time, to a press that says what the test says. */
import * as AgentFixture from "@observability-agents/testing/AgentFixture"
import * as EventLog from "@observability-agents/testing/EventLog"
import { FakeObservability } from "@observability-agents/testing/FakeObservability"
import { assert } from "@effect/vitest"
import { Effect, type Scope } from "effect"
import { TestClock } from "effect/testing"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import * as PressAgent from "../../src/PressAgent.ts"
import * as FakePress from "./FakePress.ts"

/** Settings of a press that is nowhere. */
export const settings = { press: { url: "http://press.test", token: "a-token" } }

/** A folder with the name of a state file that is not there yet; both are gone with the scope. */
export const stateFile: Effect.Effect<string, never, Scope.Scope> = Effect.acquireRelease(
  Effect.sync(() => Fs.mkdtempSync(Path.join(Os.tmpdir(), "press-"))),
  (path) => Effect.sync(() => Fs.rmSync(path, { recursive: true }))
).pipe(Effect.map((directory) => Path.join(directory, "state.db")))

/** A Monday morning, a press that has said nothing yet, and the agent as a Layer, which begins when it is provided. */
export const make = Effect.fnUntraced(function* (statePath = ":memory:") {
  yield* TestClock.setTime(AgentFixture.START)
  const press = yield* FakePress.make
  const agent = AgentFixture.layerAgent(PressAgent.make(press.layer), {
    hosts: {},
    settings: { ...settings, core: { state_path: statePath } }
  })
  return { press, agent }
})

/** Runs the test while the agent runs. */
export const running = <E, R>(
  test: (press: Effect.Success<typeof FakePress.make>) => Effect.Effect<void, E, R>
) =>
  Effect.flatMap(make(), ({ agent, press }) => Effect.provide(test(press), agent)).pipe(
    Effect.provide(FakeObservability.layer)
  )

/** The server receives these events, in this order, and no more within a minute. */
export const receives = Effect.fnUntraced(function* (titles: ReadonlyArray<string>) {
  const server = yield* FakeObservability
  yield* TestClock.adjust("1 minute")
  yield* server.awaitEvents(titles.length)
  yield* TestClock.adjust("1 minute")
  const events = yield* server.events
  assert.deepStrictEqual(events.map(EventLog.title), titles)
  assert.deepStrictEqual(EventLog.problems(events), [])
})
