/**
 * The settings of the export of traces, metrics and logs: the table `[telemetry]`, in variables `DK_TELEMETRY_` and the
 * name, or those variables of OpenTelemetry (`OTEL_…`) that mean the same. Nothing is exported unless an endpoint is set.
 *
 * Source of the variables' names and meanings: the OpenTelemetry specification, "Environment Variable Specification" and
 * "OpenTelemetry Protocol Exporter".
 */
import * as Duration from "effect/Duration"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as SchemaTransformation from "effect/SchemaTransformation"
import * as Settings from "./Settings.ts"

/** What can be exported. */
export type Signal = "traces" | "metrics" | "logs"

/** All signals. */
export const signals: ReadonlyArray<Signal> = ["traces", "metrics", "logs"]

/**
 * A signal's switch: true or false, or the list of exporters that OpenTelemetry's variables hold, in which `otlp` switches it
 * on and its absence switches it off.
 */
const SwitchText: Schema.Codec<boolean, string> = Schema.String.pipe(
  Schema.check(Schema.isPattern(/^\s*[a-z][a-z0-9_/,\s]*$|^[01]$/i)),
  Schema.decodeTo(
    Schema.Boolean,
    SchemaTransformation.transform<boolean, string>({
      decode: (text) => {
        const words = text.toLowerCase().split(/[\s,]+/)
        return ["true", "yes", "on", "1", "otlp"].some((word) => words.includes(word))
      },
      encode: String
    })
  )
)

const signal = (name: string, variable: string): Settings.Field<boolean> =>
  Settings.of(SwitchText, {
    description: `Whether ${name} are exported.`,
    expected: 'true or false (in OpenTelemetry\'s variable: "otlp" or "none")',
    default: true,
    variables: [variable]
  })

const endpoint = (name: string, variable: string): Settings.Field<string | undefined> =>
  Settings.optional(
    Settings.url({
      description: `The address that ${name} are sent to, as it is, in place of the one made of \`otlp_endpoint\`.`,
      variables: [variable]
    })
  )

/** In variables, OpenTelemetry writes the values percent-encoded; a table in the file has them as they are. */
const percentDecoded = (
  field: Settings.Field<Readonly<Record<string, string>>>
): Settings.Field<Readonly<Record<string, string>>> => ({
  ...field,
  decode: (raw) =>
    Result.map(field.decode(raw), (texts) =>
      typeof raw !== "string" || raw.trim().startsWith("{")
        ? texts
        : Object.fromEntries(Object.entries(texts).map(([name, text]) => [name, decodePercent(text)]))
    )
})

const decodePercent = (text: string): string => {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

const secretTexts = (
  field: Settings.Field<Readonly<Record<string, string>>>
): Settings.Field<Readonly<Record<string, Redacted.Redacted>>> => {
  const redact = (texts: Readonly<Record<string, string>>) =>
    Object.fromEntries(Object.entries(texts).map(([name, text]) => [name, Redacted.make(text)]))
  return Settings.map(field, redact)
}

const fields = {
  otlpEndpoint: Settings.optional(
    Settings.url({
      description:
        "The collector that takes OTLP over HTTP: traces, metrics and logs go to v1/traces, v1/metrics and v1/logs below it. Without any endpoint nothing is exported.",
      example: "http://localhost:4318",
      variables: ["OTEL_EXPORTER_OTLP_ENDPOINT"]
    })
  ),
  tracesEndpoint: endpoint("traces", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"),
  metricsEndpoint: endpoint("metrics", "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT"),
  logsEndpoint: endpoint("logs", "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT"),
  traces: signal("traces", "OTEL_TRACES_EXPORTER"),
  metrics: signal("metrics", "OTEL_METRICS_EXPORTER"),
  logs: signal("logs", "OTEL_LOGS_EXPORTER"),
  headers: secretTexts(
    percentDecoded(
      Settings.record({
        description: "Headers of every request to the collector, such as its key.",
        default: {},
        secret: true,
        variables: ["OTEL_EXPORTER_OTLP_HEADERS"]
      })
    )
  ),
  protocol: Settings.literals(["http/protobuf", "http/json", "grpc"], {
    description: "How it is sent. `grpc`, which OpenTelemetry's variable may name, is not supported.",
    default: "http/protobuf",
    variables: ["OTEL_EXPORTER_OTLP_PROTOCOL"]
  }),
  compression: Settings.literals(["none", "gzip"], {
    description: "Whether what is sent is compressed.",
    default: "none",
    variables: ["OTEL_EXPORTER_OTLP_COMPRESSION"]
  }),
  certificate: Settings.optional(
    Settings.nonEmptyString({
      description:
        "A file of certificates in PEM form: the authorities to trust when the collector is called.",
      example: "/etc/ssl/company-ca.pem",
      variables: ["OTEL_EXPORTER_OTLP_CERTIFICATE"]
    })
  ),
  disabled: Settings.boolean({
    description: "Switches all of it off, whatever else is set.",
    default: false,
    variables: ["OTEL_SDK_DISABLED"]
  }),
  sampler: Settings.literals(
    [
      "traceidratio",
      "always_on",
      "always_off",
      "parentbased_traceidratio",
      "parentbased_always_on",
      "parentbased_always_off"
    ],
    {
      description:
        "Which polls make a trace that is exported: the part that `sample_ratio` names, all, or none. What follows from a poll shares its fate with any of them.",
      default: "traceidratio",
      variables: ["OTEL_TRACES_SAMPLER"]
    }
  ),
  sampleRatio: Settings.number({
    description: "The part of the polls that make a trace that is exported: 1 for all, 0 for none.",
    default: 1,
    min: 0,
    max: 1,
    variables: ["OTEL_TRACES_SAMPLER_ARG"]
  }),
  serviceName: Settings.nonEmptyString({
    description: "The attribute `service.name` of everything that is exported.",
    default: "observability-agent",
    variables: ["OTEL_SERVICE_NAME"]
  }),
  resourceAttributes: percentDecoded(
    Settings.record({
      description: "Further attributes of everything that is exported.",
      default: {},
      example: 'deployment.environment = "production"',
      variables: ["OTEL_RESOURCE_ATTRIBUTES"]
    })
  ),
  exportInterval: Settings.seconds({
    description: "Time between two exports of each signal. A thousand spans or log lines go at once.",
    default: 10,
    min: 1
  }),
  exportTimeout: Settings.seconds({
    description: "How long the collector may take for one answer.",
    default: 10,
    exclusiveMinimum: 0
  }),
  flushTimeout: Settings.seconds({
    description: "How long the last export may take when the agent stops. What is not sent by then is lost.",
    default: 3,
    min: 0
  })
} satisfies Settings.Fields

/** The section `[telemetry]`. */
export const TelemetrySettings = Settings.section("telemetry", {
  description:
    "The export of the agent's own traces, metrics and logs by OTLP (OpenTelemetry). It is off until an endpoint is set.",
  fields,
  check: (look) =>
    look.value("telemetry", "protocol") === "grpc" && isOn((field) => look.value("telemetry", field))
      ? [
          {
            setting: "[telemetry] protocol",
            what: "the collector can be reached by HTTP only",
            where: Option.match(Option.fromUndefinedOr(look.origin("telemetry", "protocol")), {
              onNone: () => "",
              onSome: Settings.describeOrigin
            }),
            expected: '"http/protobuf" or "http/json", and the collector\'s port for HTTP (mostly 4318)',
            found: '"grpc"'
          }
        ]
      : []
})

/** The values of the section. */
export type TelemetrySettings = Settings.Values<typeof fields>

/** Where each signal goes; signals that are not exported are left out. */
export const endpoints = (settings: TelemetrySettings): ReadonlyMap<Signal, string> => {
  const own = {
    traces: settings.tracesEndpoint,
    metrics: settings.metricsEndpoint,
    logs: settings.logsEndpoint
  }
  const base = settings.otlpEndpoint
  return new Map(
    settings.disabled
      ? []
      : signals.flatMap((name) => {
          const url = own[name] ?? (base === undefined ? undefined : `${base}/v1/${name}`)
          return settings[name] && url !== undefined ? [[name, url] as const] : []
        })
  )
}

/** The part of the traces that is exported, 0 to 1. */
export const ratio = ({ sampler, sampleRatio }: Pick<TelemetrySettings, "sampler" | "sampleRatio">): number =>
  sampler.endsWith("always_on") ? 1 : sampler.endsWith("always_off") ? 0 : sampleRatio

/** The values where nothing is set but what is given: for programs that bring no settings file, and for tests. */
export const make = (given: Partial<TelemetrySettings>): TelemetrySettings => ({ ...defaults, ...given })

const defaults: TelemetrySettings = {
  otlpEndpoint: undefined,
  tracesEndpoint: undefined,
  metricsEndpoint: undefined,
  logsEndpoint: undefined,
  traces: true,
  metrics: true,
  logs: true,
  headers: {},
  protocol: "http/protobuf",
  compression: "none",
  certificate: undefined,
  disabled: false,
  sampler: "traceidratio",
  sampleRatio: 1,
  serviceName: "observability-agent",
  resourceAttributes: {},
  exportInterval: Duration.seconds(10),
  exportTimeout: Duration.seconds(10),
  flushTimeout: Duration.seconds(3)
}

const isOn = (value: (field: string) => unknown): boolean =>
  value("disabled") !== true &&
  ["otlpEndpoint", "tracesEndpoint", "metricsEndpoint", "logsEndpoint"].some(
    (field) => value(field) !== undefined
  )
