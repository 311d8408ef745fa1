/** An agent whose tool is a function: for tests of what surrounds an agent. */
import { DateTime, Effect, Layer } from "effect"
import * as Agent from "../../src/Agent.ts"
import * as Channel from "../../src/Channel.ts"
import * as Loop from "../../src/Loop.ts"
import { Outbox } from "../../src/Outbox.ts"
import * as RunTracker from "../../src/RunTracker.ts"
import type { RunSnapshot } from "../../src/RunSnapshot.ts"

export const SOURCE = "scripted tool"

/** Reads `poll` every `period`, through a Channel named `runs`. */
export const make = (options: {
  readonly poll: (now: DateTime.Utc) => Effect.Effect<ReadonlyArray<RunSnapshot>, unknown>
  /** Runs before the Loops are there. */
  readonly start?: Effect.Effect<void> | undefined
}): Agent.Agent =>
  Agent.make({
    type: "test",
    tool: "scripted",
    description: "Watches a function.",
    sections: [],
    check: Effect.succeed("It answers."),
    layer: Layer.unwrap(
      Effect.gen(function* () {
        yield* options.start ?? Effect.void
        const outbox = yield* Outbox
        const channel = yield* Channel.make<RunTracker.Poll>("runs")
        const sender = yield* Channel.sender(channel)
        return Layer.merge(
          Loop.periodic(
            "list runs",
            {
              period: "10 seconds",
              from: DateTime.now,
              committed: Effect.map(outbox.checkpoint(SOURCE), ({ cursor }) => cursor),
              onEnd: sender.close
            },
            (window) =>
              Effect.flatMap(options.poll(window.to), (snapshots) =>
                sender.send({ source: SOURCE, snapshots, cursor: window.to })
              )
          ),
          RunTracker.layer({ channel, retention: { closed: "1 hour", failed: "1 day" } })
        )
      })
    )
  })

/** A run that started that long after 2026 began, and how it stands. */
export const run = (
  job: string,
  run: string,
  now: DateTime.Utc,
  rest: Partial<RunSnapshot> = {}
): RunSnapshot => ({
  pipeline: { key: job, name: job },
  run: { key: run },
  tool: "scripted",
  observedAt: now,
  phase: "Running",
  startedAt: now,
  messages: [],
  tasks: [],
  ...rest
})
