import { assert, describe, it } from "@effect/vitest"
import { Console, Effect, Fiber, Layer, Queue } from "effect"
import * as Logging from "../src/Logging.ts"
import * as LoggingSwitch from "../src/LoggingSwitch.ts"

/** What is written to the standard error stream. */
const written = Effect.gen(function* () {
  const lines: Array<string> = []
  const console = yield* Console.Console
  return {
    lines,
    layer: Layer.succeed(Console.Console, { ...console, error: (line: string) => void lines.push(line) })
  }
})

const logs = (options: Partial<Logging.Options>): Logging.Options => ({
  level: "info",
  format: "logfmt",
  ...options
})

describe("LoggingSwitch", () => {
  it.effect("what runs already logs by the new options from the next line on", () =>
    Effect.gen(function* () {
      const { layer, lines } = yield* written
      const loggers = LoggingSwitch.make(logs({ annotations: { agent: "a" } }))
      yield* Effect.gen(function* () {
        const words = yield* Queue.unbounded<string>()
        const done = yield* Queue.unbounded<void>()
        const worker = yield* Effect.forkChild(
          Effect.forever(
            Effect.gen(function* () {
              const word = yield* Queue.take(words)
              yield* Effect.logDebug(`${word} in detail`)
              yield* Effect.logInfo(word)
              yield* Queue.offer(done, undefined)
            })
          ).pipe(Effect.annotateLogs({ loop: "list runs" }))
        )
        const say = (word: string) => Effect.andThen(Queue.offer(words, word), Queue.take(done))
        yield* say("one")
        loggers.use(logs({ level: "debug", mask: (text) => text.replaceAll("two", "***") }))
        yield* say("two")
        loggers.use(logs({ level: "error", levels: { "list runs": "info" }, format: "json" }))
        yield* say("three")
        loggers.use(logs({ level: "error" }))
        yield* say("four")
        yield* Fiber.interrupt(worker)
      }).pipe(Effect.provide(Layer.provideMerge(loggers.layer, layer)))
      assert.deepStrictEqual(
        lines.map((line) => /message"?[=:]"?([^",]*?)"?(?: agent| loop|,|$)/.exec(line)?.[1]),
        ["one", "*** in detail", "***", "three"]
      )
      assert.isTrue(lines.slice(0, 3).every((line) => line.includes("agent=a")))
      assert.strictEqual(JSON.parse(lines[3] ?? "").annotations.agent, "a")
    })
  )

  it.effect("further loggers follow it, too", () =>
    Effect.gen(function* () {
      const loggers = LoggingSwitch.make(logs({}))
      const selection = yield* Effect.provide(Logging.Selection, loggers.layer)
      assert.strictEqual(selection.level, "info")
      loggers.use(logs({ level: "debug", mask: () => "masked" }))
      assert.strictEqual(selection.level, "debug")
      assert.strictEqual(selection.mask?.("secret"), "masked")
    })
  )
})
