import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Exit, Layer, Logger, Scope, Tracer } from "effect"
import * as TelemetryRelay from "../src/TelemetryRelay.ts"

/** Notes the spans and lines that reach it. */
const collector = (name: string, noted: Array<string>) =>
  Layer.merge(
    Layer.succeed(
      Tracer.Tracer,
      Tracer.make({
        span: (options) => {
          noted.push(`${name} span ${options.name}`)
          return Tracer.nativeTracer.span(options)
        }
      })
    ),
    Logger.layer([Logger.make(({ message }) => noted.push(`${name} line ${String(message)}`))], {
      mergeWithExisting: true
    })
  )

/** The logger that is there already. */
const log = (noted: Array<string>) =>
  Logger.layer([Logger.make(({ message }) => noted.push(`log ${String(message)}`))])

describe("TelemetryRelay", () => {
  it.effect("brings spans and lines to what is attached at the moment, and to nobody else", () =>
    Effect.gen(function* () {
      const noted: Array<string> = []
      const relay = TelemetryRelay.make()
      const work = (name: string) => Effect.withSpan(Effect.logInfo(name), name)
      const collects = Effect.withFiber((fiber) =>
        Effect.succeed(TelemetryRelay.isCollecting(fiber.cache.tracer))
      )
      yield* Effect.gen(function* () {
        yield* work("one")
        assert.isFalse(yield* collects)
        for (const name of ["first", "second"]) {
          const scope = yield* Scope.make()
          yield* Layer.buildWithScope(relay.attach(collector(name, noted)), scope)
          yield* work(`with ${name}`)
          assert.isTrue(yield* collects)
          yield* Scope.close(scope, Exit.void)
        }
        yield* work("last")
        assert.isFalse(yield* collects)
      }).pipe(Effect.provide(Layer.provideMerge(relay.layer, log(noted))))
      assert.deepStrictEqual(noted, [
        "log one",
        "first span with first",
        "log with first",
        "first line with first",
        "second span with second",
        "log with second",
        "second line with second",
        "log last"
      ])
    })
  )

  it.effect("what an exporter tells of itself does not come back to it", () =>
    Effect.gen(function* () {
      const noted: Array<string> = []
      const relay = TelemetryRelay.make()
      const exporting = yield* Deferred.make<void>()
      const exported = yield* Deferred.make<void>()
      const exporter = Layer.effectDiscard(
        Deferred.await(exporting).pipe(
          Effect.andThen(Effect.withSpan(Effect.logInfo("an export failed"), "export")),
          Effect.andThen(Deferred.succeed(exported, undefined)),
          Effect.forkScoped
        )
      )
      yield* Effect.gen(function* () {
        yield* Layer.build(relay.attach(Layer.merge(exporter, collector("collector", noted))))
        yield* Deferred.succeed(exporting, undefined)
        yield* Deferred.await(exported)
      }).pipe(Effect.scoped, Effect.provide(Layer.provideMerge(relay.layer, log(noted))))
      assert.deepStrictEqual(noted, ["log an export failed"])
    })
  )
})
