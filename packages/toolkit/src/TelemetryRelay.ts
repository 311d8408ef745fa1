/**
 * Telemetry that can be exchanged while the program runs: what traces and logs holds a relay, and the exporters of the
 * moment stand behind it.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Tracer from "effect/Tracer"

/** A place for a tracer and loggers. */
export interface TelemetryRelay {
  /** Brings spans, and what is logged beside the loggers that are there, to what is attached. It stands around all that tells. */
  readonly layer: Layer.Layer<never>
  /**
   * Attaches the tracer and the further loggers that this Layer provides, until it closes. It stands within `layer`; what it
   * tells by itself does not come back to it.
   */
  readonly attach: <A, E, R>(telemetry: Layer.Layer<A, E, R>) => Layer.Layer<A, E, R>
}

/** A relay to which nothing is attached yet. Then nobody traces, and nothing is spent on it. */
export const make = (): TelemetryRelay => {
  const tracer = new RelayTracer()
  let loggers: ReadonlyArray<Logger.Logger<unknown, unknown>> = []
  const logger = Logger.make<unknown, void>((line) => loggers.forEach((one) => one.log(line)))
  const detach = Effect.sync(() => {
    tracer.to = Tracer.nativeTracer
    loggers = []
  })
  return {
    layer: Layer.merge(
      Layer.succeed(Tracer.Tracer, tracer),
      Logger.layer([logger], { mergeWithExisting: true })
    ),
    attach: (telemetry) =>
      Layer.effectContext(
        Effect.gen(function* () {
          const known = new Set(yield* Logger.CurrentLoggers)
          known.delete(logger)
          const context = yield* Layer.build(telemetry).pipe(
            Effect.provideService(Tracer.Tracer, Tracer.nativeTracer),
            Effect.provideService(Logger.CurrentLoggers, known)
          )
          const usual = Context.get(Context.empty(), Logger.CurrentLoggers)
          tracer.to = Context.get(context, Tracer.Tracer)
          loggers = [...Context.get(context, Logger.CurrentLoggers)].filter(
            (one) => !known.has(one) && !usual.has(one)
          )
          return context
        })
      ).pipe(
        // Detached after it has told the last of what it had: until then, what is told is gathered.
        Layer.provide(Layer.effectDiscard(Effect.addFinalizer(() => detach)))
      )
  }
}

/** Whether a tracer brings spans to somebody who collects them. Effect's own keeps them for the causes of errors only. */
export const isCollecting = (tracer: Tracer.Tracer | undefined): boolean =>
  tracer !== undefined && (tracer instanceof RelayTracer ? tracer.to : tracer) !== Tracer.nativeTracer

// ---- private parts

class RelayTracer implements Tracer.Tracer {
  to: Tracer.Tracer = Tracer.nativeTracer

  span(options: Parameters<Tracer.Tracer["span"]>[0]): Tracer.Span {
    return this.to.span(options)
  }
}
