/** A state file as an agent leaves it behind, made through the driver ten minutes ago, or earlier. */
import type * as Outbox from "@observability-agents/core/Outbox"
import * as OutboxSqlite from "@observability-agents/core/OutboxSqlite"
import type { Phase, RunSnapshot } from "@observability-agents/core/RunSnapshot"
import * as RunCommit from "@observability-agents/core/RunCommit"
import { DateTime, Duration, Effect, type Scope } from "effect"
import { TestClock } from "effect/testing"

export const SOURCE = "databricks https://adb-1.azuredatabricks.net"

const snapshot = (
  start: number,
  run: string,
  phase: Phase,
  second: number,
  tasks: Readonly<Record<string, Phase>> = {}
): RunSnapshot => {
  const at = (seconds: number) => DateTime.makeUnsafe(start + seconds * 1000)
  const end = (phase: Phase) => (phase === "Completed" || phase === "Failed" ? { endedAt: at(second) } : {})
  return {
    pipeline: { key: "1001", name: "nightly load" },
    run: { key: run, name: `nightly load #${run}` },
    tool: "DATABRICKS",
    observedAt: at(second),
    phase,
    startedAt: at(0),
    ...end(phase),
    messages: [],
    tasks: Object.entries(tasks).map(([key, phase]) => ({
      key,
      attempt: 0,
      phase,
      startedAt: at(0),
      ...end(phase),
      messages: []
    }))
  }
}

/**
 * Of pipeline 1001: run 7001 has ended, with one event taken at once, one after a failed try, one rejected, one that is
 * tried again and one that waits; 7002 waits in the tool; 7003 runs; 7004 was skipped.
 */
export const fill = Effect.fnUntraced(function* (path: string, ago = 600_000) {
  const start = Date.now() - ago
  yield* Effect.gen(function* () {
    yield* TestClock.setTime(start)
    const outbox = yield* OutboxSqlite.make({ path })
    const poll = Effect.fnUntraced(function* (second: number, snapshots: ReadonlyArray<RunSnapshot>) {
      yield* TestClock.setTime(start + second * 1000)
      const now = yield* DateTime.now
      const checkpoint = yield* outbox.checkpoint(SOURCE)
      const retention = { closed: "2 hours", failed: "7 days" } as const
      const commit = RunCommit.commitOf(
        checkpoint,
        { source: SOURCE, snapshots, cursor: now },
        now,
        retention
      )
      yield* outbox.commit(commit)
    })
    const of = (run: string, phase: Phase, second: number, tasks?: Readonly<Record<string, Phase>>) =>
      snapshot(start, run, phase, second, tasks)
    yield* poll(10, [of("7001", "Running", 10, { extract: "Running" })])
    yield* outbox.delivered(yield* outbox.claim)
    yield* outbox.retry(yield* outbox.claim, { after: Duration.seconds(1), error: "503 from the proxy" })
    yield* TestClock.setTime(start + 15_000)
    yield* outbox.delivered(yield* outbox.claim)
    yield* poll(20, [of("7001", "Running", 20, { extract: "Completed", load: "Running" })])
    yield* outbox.bury(yield* outbox.claim, { reason: "rejected", words: "400: the key is too long" })
    yield* poll(30, [
      of("7001", "Completed", 30, { extract: "Completed", load: "Completed" }),
      of("7002", "Pending", 30),
      of("7003", "Running", 30),
      of("7004", "Skipped", 30)
    ])
    yield* outbox.retry(yield* outbox.claim, { after: Duration.hours(1), error: "503 again" })
  }).pipe(Effect.scoped, Effect.provide(TestClock.layer()))
})

/** Owns the file as a running agent does, until the end of the scope. */
export const own = (path: string): Effect.Effect<Outbox.Outbox["Service"], Outbox.OutboxError, Scope.Scope> =>
  OutboxSqlite.make({ path })
