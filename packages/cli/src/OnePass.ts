/**
 * One pass of an agent whose Loops run once (`Agent.Options.once`): when it has read its sources, and what of that went
 * wrong.
 */
import * as EventSender from "@observability-agents/core/EventSender"
import { Health } from "@observability-agents/core/Health"
import * as Heartbeat from "@observability-agents/core/Heartbeat"
import * as Wiring from "@observability-agents/core/Wiring"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"

/** A source that was not read, or a step behind it that failed, and why. */
export interface Trouble {
  readonly part: string
  readonly reason: string
}

/**
 * Waits until every Loop of the agent that runs by time has run, and what these sent is worked off. Loops that receive end with
 * their Channels; one that has no end counts as done when nothing has come in for half a second.
 */
export const done: Effect.Effect<void> = Effect.gen(function* () {
  const wiring = yield* Wiring.Current
  if (wiring === undefined) return
  let quietSince: number | undefined
  for (;;) {
    const open = wiring.loops().filter((loop) => !loop.ended() && loop.name !== EventSender.LOOP)
    if (open.length === 0) return
    const isQuiet =
      open.every((loop) => loop.kind === "receive" && loop.busySince() === undefined) &&
      wiring.channels().every(({ depth, waiting }) => depth() === 0 && waiting() === 0)
    const now = yield* Clock.currentTimeMillis
    quietSince = isQuiet ? (quietSince ?? now) : undefined
    if (quietSince !== undefined && now - quietSince >= Duration.toMillis(QUIET)) return
    yield* Effect.sleep(PERIOD)
  }
})

/** What was not read or not worked off so far. The heartbeat and the sending are none of it. */
export const troubles: Effect.Effect<ReadonlyArray<Trouble>, never, Health> = Effect.gen(function* () {
  const wiring = yield* Wiring.Current
  const { parts } = yield* (yield* Health).report
  const reasonOf = (name: string) => parts.find((part) => part.name === name)?.reason
  return (wiring?.loops() ?? [])
    .filter(({ name }) => name !== EventSender.LOOP && name !== Heartbeat.LOOP)
    .flatMap((loop) => {
      const { failed, total } = loop.runs()
      if (failed > 0) return [{ part: loop.name, reason: reasonOf(loop.name) ?? "it failed" }]
      // What receives may have had nothing to do.
      if (loop.kind === "receive" || total > 0) return []
      return [{ part: loop.name, reason: "it did not come to its end in time" }]
    })
})

/** How many sources were read to the end: Loops that read by time. */
export const sourcesRead: Effect.Effect<number> = Effect.map(
  Wiring.Current,
  (wiring) =>
    (wiring?.loops() ?? []).filter(
      ({ kind, lastSuccess, name }) =>
        kind !== "receive" && name !== Heartbeat.LOOP && lastSuccess() !== undefined
    ).length
)

const PERIOD = Duration.millis(20)

/** For how long nothing has to have come in for a Loop without an end to be done. */
const QUIET = Duration.millis(500)
