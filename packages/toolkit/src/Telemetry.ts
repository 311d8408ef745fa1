/**
 * The export of the program's own traces, metrics and logs to a collector, by OTLP over HTTP.
 *
 * The program goes on whatever the collector does: what is to be exported is gathered in bounded buffers, one export of a
 * signal that failed four times in a row discards what was gathered, and that signal rests for a minute. The log says so at most
 * once a minute. What is exported passes through the same mask as log lines do, so that no secret of the settings gets out.
 *
 * Effect's exporters (`effect/observability`, not stable yet) do the work. They stand behind this service only.
 */
import * as ConfigProvider from "effect/ConfigProvider"
import type * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Headers from "effect/http/Headers"
import type * as HttpClient from "effect/http/HttpClient"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as OtlpExporter from "effect/observability/OtlpExporter"
import * as OtlpLogger from "effect/observability/OtlpLogger"
import * as OtlpMetrics from "effect/observability/OtlpMetrics"
import { OtlpSerialization } from "effect/observability/OtlpSerialization"
import * as Serialization from "effect/observability/OtlpSerialization"
import * as OtlpTracer from "effect/observability/OtlpTracer"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
import * as Record from "effect/Record"
import * as Redacted from "effect/Redacted"
import * as Tracer from "effect/Tracer"
import type { HttpTransport } from "./HttpTransport.ts"
import * as Logging from "./Logging.ts"
import * as TelemetryClient from "./TelemetryClient.ts"
import * as TelemetrySettings from "./TelemetrySettings.ts"

/** The export, while its Layer is there. */
export class Telemetry extends Context.Service<
  Telemetry,
  {
    /** What is exported; none while no endpoint is set. */
    readonly signals: ReadonlyArray<TelemetrySettings.Signal>
    /** Exports now what was gathered, and waits for it no longer than `flush_timeout`. */
    readonly flush: Effect.Effect<void>
  }
>()("@observability-agents/toolkit/Telemetry") {}

/** What the program tells of itself. */
export interface Options {
  /** The attribute `service.version`. */
  readonly version: string
  /** Further attributes of everything that is exported, such as the agent's key. Those of the settings go before them. */
  readonly attributes?: Readonly<Record<string, string>> | undefined
}

/**
 * Exports what everything within traces, measures and logs, as the settings of `[telemetry]` say. It stands inside of
 * `Logging.layer`, whose levels and mask hold for it too. The last export is made when the Layer closes.
 */
export const layer = (options: Options): Layer.Layer<Telemetry, Config.ConfigError, HttpTransport> =>
  Layer.unwrap(
    Effect.map(TelemetrySettings.TelemetrySettings.config, (settings) => layerWith(settings, options))
  )

/** The same with the settings given. */
export const layerWith = (
  settings: TelemetrySettings.TelemetrySettings,
  options: Options
): Layer.Layer<Telemetry, never, HttpTransport> => {
  const endpoints = TelemetrySettings.endpoints(settings)
  if (endpoints.size === 0) return Layer.succeed(Telemetry, { signals: [], flush: Effect.void })
  return service(settings, [...endpoints.keys()]).pipe(
    Layer.provideMerge(
      Array.from(endpoints).reduce<Layer.Layer<never, never, Exporters>>(
        (all, [signal, url]) =>
          Layer.merge(all, exporters[signal](settings, exporting(settings, options, url))),
        Layer.empty
      )
    ),
    Layer.provide(OtlpExporter.layerFlusher),
    Layer.provide(TelemetryClient.layer(settings)),
    Layer.provide(serialization(settings.protocol)),
    // The exporters read variables by themselves, and die of what they do not understand: settings are read here only.
    Layer.provide(ConfigProvider.layer(ConfigProvider.fromUnknown({})))
  )
}

// ---- private parts

/** Registered last, so that it is the first to be closed: with one bound for all, where each exporter has its own. */
const service = (
  settings: TelemetrySettings.TelemetrySettings,
  signals: ReadonlyArray<TelemetrySettings.Signal>
) =>
  Layer.effect(
    Telemetry,
    Effect.gen(function* () {
      const flusher = yield* OtlpExporter.Flusher
      const flush = Effect.asVoid(Effect.timeoutOption(flusher.flush, settings.flushTimeout))
      yield* Effect.addFinalizer(() => Effect.interruptible(flush))
      return { signals, flush }
    })
  )

type Exporting = ReturnType<typeof exporting>

const exporting = (settings: TelemetrySettings.TelemetrySettings, options: Options, url: string) => ({
  url,
  resource: {
    serviceName: settings.serviceName,
    serviceVersion: options.version,
    attributes: { ...options.attributes, ...settings.resourceAttributes }
  },
  headers: Headers.fromInput(Record.map(settings.headers, Redacted.value)),
  compression: settings.compression,
  exportInterval: settings.exportInterval,
  // For what is still told while all closes; the service has waited for the rest.
  shutdownTimeout: LAST_WORDS
})

const LAST_WORDS = Duration.millis(100)

type Exporters = OtlpExporter.Flusher | OtlpSerialization | HttpClient.HttpClient

const exporters: Readonly<
  Record<
    TelemetrySettings.Signal,
    (
      settings: TelemetrySettings.TelemetrySettings,
      exporting: Exporting
    ) => Layer.Layer<never, never, Exporters>
  >
> = {
  traces: (settings, exporting) =>
    Layer.effect(
      Tracer.Tracer,
      Effect.gen(function* () {
        const tracer = yield* OtlpTracer.make(exporting)
        const random = yield* Random.Random
        const ratio = TelemetrySettings.ratio(settings)
        return sampled(tracer, () => random.nextDoubleUnsafe() < ratio)
      })
    ),
  metrics: (_, exporting) => Layer.effectDiscard(OtlpMetrics.make(exporting)),
  logs: (_, exporting) =>
    Logger.layer(
      [
        Effect.gen(function* () {
          const selection = yield* Logging.Selection
          return Logging.select(selection, yield* OtlpLogger.make(exporting))
        })
      ],
      { mergeWithExisting: true }
    )
}

/** Decides at the beginning of a trace; what follows in it shares its fate. */
const sampled = (tracer: Tracer.Tracer, isSampled: () => boolean): Tracer.Tracer =>
  Tracer.make({
    span: (options) =>
      tracer.span(
        Option.isSome(options.parent) ? options : { ...options, sampled: options.sampled && isSampled() }
      )
  })

/** As Effect has it, of masked texts. */
const serialization = (protocol: TelemetrySettings.TelemetrySettings["protocol"]) =>
  Layer.effect(
    OtlpSerialization,
    Effect.gen(function* () {
      const { mask } = yield* Logging.Selection
      const { logs, metrics, traces } = yield* OtlpSerialization
      if (mask === undefined) return { logs, metrics, traces }
      return {
        traces: (data) => traces(masked(data, mask)),
        metrics: (data) => metrics(masked(data, mask)),
        logs: (data) => logs(masked(data, mask))
      }
    })
  ).pipe(Layer.provide(protocol === "http/json" ? Serialization.layerJson : Serialization.layerProtobuf))

/** Masks all texts in data that were made to be sent, in their place: there may be many of them. */
const masked = <A>(data: A, mask: (text: string) => string): A => {
  if (isTree(data)) maskWithin(data, mask)
  return data
}

const maskWithin = (tree: Record<string, unknown>, mask: (text: string) => string): void => {
  for (const key in tree) {
    const value = tree[key]
    if (typeof value === "string") {
      const shown = mask(value)
      if (shown !== value) tree[key] = shown
    } else if (isTree(value)) maskWithin(value, mask)
  }
}

const isTree = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !ArrayBuffer.isView(value)
