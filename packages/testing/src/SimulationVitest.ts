/**
 * What a failing test of Vitest says of its simulation: the seed and the timeline are added to the message of whatever failed, be
 * it an assertion that knows nothing of simulations. Under another runner nothing is added.
 */
import * as Config from "effect/Config"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Vitest from "vitest"

/**
 * Gives what ties the present test to the report: it is called by all that a script does, since several tests may share
 * one simulation.
 */
export const make = Effect.fnUntraced(function* (report: () => string): Effect.fn.Return<() => void> {
  // Importing Vitest elsewhere than in its own worker would fail.
  const isVitest = yield* Effect.option(Config.String("VITEST").parse(ConfigProvider.fromEnv()))
  if (Option.isNone(isVitest)) return () => {}
  const loaded = yield* Effect.option(Effect.tryPromise(() => import("vitest")))
  if (Option.isNone(loaded)) return () => {}
  const { TestRunner, onTestFailed } = loaded.value
  let known: Vitest.RunnerTestCase | undefined
  return () => {
    const test = TestRunner.getCurrentTest<Vitest.RunnerTestCase | undefined>()
    if (test === undefined || test === known) return
    known = test
    onTestFailed(({ task }) => {
      for (const error of task.result?.errors ?? []) {
        if (!error.message.includes("\nTimeline:\n")) error.message = `${error.message}\n${report()}`
      }
    })
  }
})
