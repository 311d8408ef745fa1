/**
 * The settings that every agent has, whatever tool it watches: the table `[core]`, in variables `DK_` and the name alone.
 */
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as SchemaIssue from "effect/SchemaIssue"
import * as SchemaTransformation from "effect/SchemaTransformation"
import * as Logging from "@observability-agents/toolkit/Logging"
import * as Settings from "@observability-agents/toolkit/Settings"

/** Where reading starts when nothing was committed yet: at a moment, or that long before now (zero: now). */
export type StartFrom = DateTime.Utc | Duration.Duration

/** How many messages a Channel holds where nothing is said. */
export const DEFAULT_CHANNEL_CAPACITY = 64

const parseStart = (given: string): StartFrom | undefined => {
  const start = readStart(given.trim())
  if (start === undefined) return undefined
  if (Duration.isDuration(start)) return Duration.toMillis(start) <= LONGEST_SPAN ? start : undefined
  return DateTime.toEpochMillis(start) >= EARLIEST_START ? start : undefined
}

/** Ten years, in milliseconds: no tool keeps its history for longer. */
const LONGEST_SPAN = 3653 * 24 * 3600 * 1000

/** A moment before that is a slip of the keyboard. */
const EARLIEST_START = Date.UTC(2000, 0)

/** A calendar has no 31st of February, even where JavaScript takes it for a day of March. */
const isDay = (text: string): boolean => {
  const day = DateTime.make(`${text.slice(0, 10)}T00:00:00Z`)
  return Option.isSome(day) && DateTime.formatIsoDateUtc(day.value) === text.slice(0, 10)
}

const readStart = (text: string): StartFrom | undefined => {
  if (/^\d{4}-/.test(text) && !isDay(text)) return undefined
  if (text.toLowerCase() === "now") return Duration.zero
  if (/^\d{4}-\d{2}-\d{2}$/.test(text)) return Option.getOrUndefined(DateTime.make(`${text}T00:00:00Z`))
  if (/^\d{4}-\d{2}-\d{2}[Tt ]/.test(text)) {
    const iso = text.replace(/[t ]/, "T")
    return Option.getOrUndefined(DateTime.make(/([zZ]|[+-]\d{2}:?\d{2})$/.test(iso) ? iso : `${iso}Z`))
  }
  const span = /^(\d+(?:\.\d+)?)\s*(second|minute|hour|day|week)s?(?:\s+(?:ago|back))?$/i.exec(text)
  if (span === null) return undefined
  const amount = Number(span[1])
  switch (span[2]?.toLowerCase()) {
    case "minute":
      return Duration.minutes(amount)
    case "hour":
      return Duration.hours(amount)
    case "day":
      return Duration.days(amount)
    case "week":
      return Duration.weeks(amount)
    default:
      return Duration.seconds(amount)
  }
}

const START_FROM_EXPECTED =
  "`now`, a timestamp such as 2026-01-31T08:00:00Z, or a span back such as `2 hours`"

/** {@link StartFrom} as text: `now`, an ISO 8601 timestamp (without a zone: UTC), or a span such as `2 hours`. */
export const StartFromText: Schema.Codec<StartFrom, string> = Schema.String.pipe(
  Schema.decodeTo(
    Schema.Union([Schema.DateTimeUtc, Schema.Duration]),
    SchemaTransformation.transformEffect<StartFrom, string>({
      decode: (text, options) => {
        const start = parseStart(text)
        return start === undefined
          ? Effect.fail(new SchemaIssue.InvalidValue({ expected: START_FROM_EXPECTED }, text, options))
          : Effect.succeed(start)
      },
      encode: (start) =>
        Effect.succeed(
          !Duration.isDuration(start)
            ? DateTime.formatIso(start)
            : Duration.isZero(start)
              ? "now"
              : `${Duration.toSeconds(start)} seconds`
        )
    })
  )
)

/** A whole number of which 0 stands for the default: in the older framework 0 was meant to be `no limit`. */
const ChannelCapacityText: Schema.Codec<number, string> = Schema.String.pipe(
  Schema.decodeTo(
    Schema.Int,
    SchemaTransformation.transformEffect<number, string>({
      decode: (text, options) => {
        const capacity = /^\s*\d{1,9}\s*$/.test(text) ? Number(text) : Number.NaN
        return Number.isNaN(capacity)
          ? Effect.fail(
              new SchemaIssue.InvalidValue({ expected: "a whole number of at least 0" }, text, options)
            )
          : Effect.succeed(capacity === 0 ? DEFAULT_CHANNEL_CAPACITY : capacity)
      },
      encode: (capacity) => Effect.succeed(String(capacity))
    })
  )
)

/** Log levels by name, in any case of letters. */
function levelsByName(
  field: Settings.Field<Readonly<Record<string, string>>>
): Settings.Field<Readonly<Record<string, Logging.Level>>> {
  return {
    ...field,
    expected: `a table of levels (${Logging.levels.join(", ")}) by name (in a variable: JSON, or name=level separated by commas)`,
    fallback: Option.some({}),
    decode: (raw) =>
      Result.flatMap(field.decode(raw), (texts) => {
        const levels: Array<readonly [string, Logging.Level]> = []
        for (const [name, text] of Object.entries(texts)) {
          const level = Logging.levels.find((level) => level === text.trim().toLowerCase())
          if (level === undefined) return Result.fail(`${JSON.stringify(text)} is no level`)
          levels.push([name.trim(), level])
        }
        return Result.succeed(Object.fromEntries(levels))
      })
  }
}

/** The section `[core]`. */
export const CoreSettings = Settings.section("core", {
  description: "What every agent needs to know, whatever tool it watches.",
  variablePrefix: "",
  fields: {
    agentType: Settings.nonEmptyString({
      description: "Which agent to run.",
      example: "databricks"
    }),
    agentKey: Settings.nonEmptyString({
      description:
        "The name under which Observability shows this agent. Two agents of one project need two names.",
      maxLength: 255,
      example: "databricks-production"
    }),
    logLevel: Settings.literals(["debug", "info", "warning", "error"], {
      description: "The least important messages that are logged.",
      default: "info"
    }),
    logFormat: Settings.literals(["auto", "pretty", "logfmt", "json"], {
      description:
        "How log lines are written. `auto` is `pretty` on a terminal and `json`, one object per line, otherwise.",
      default: "auto"
    }),
    logLevels: levelsByName(
      Settings.record({
        description:
          "The least important messages of single parts of the agent, by the annotation `loop` or `module` of their log lines. A Loop's own level goes before that of its module, and both before `log_level`.",
        default: {},
        example: '"list runs" = "debug", "core" = "warning"'
      })
    ),
    maxChannelCapacity: Settings.of(ChannelCapacityText, {
      description:
        "How many messages may wait between two steps of an agent before the first one has to wait. 0 stands for the default.",
      expected: "a whole number of at least 0",
      default: DEFAULT_CHANNEL_CAPACITY
    }),
    heartbeatPeriod: Settings.seconds({
      description:
        "Time between two signs of life. Observability takes an agent for unhealthy after twice its own interval (five minutes unless changed there).",
      default: 60,
      min: 1
    }),
    healthGrace: Settings.seconds({
      description: "How long a part of the agent may fail before its signs of life are withheld.",
      default: 300,
      exclusiveMinimum: 0
    }),
    statePath: Settings.nonEmptyString({
      description:
        "The file that keeps what was read and what is still to be sent; `:memory:` keeps it for this run only.",
      default: "./.observability-agent/state.db"
    }),
    historyRetention: Settings.seconds({
      description:
        "How long it is remembered what the tool said of a run and what was delivered, for the command `explain`.",
      default: 86_400,
      min: 0
    }),
    historyLimit: Settings.integer({
      description: "How many delivered events are remembered for it at most. 0 turns it off.",
      default: 100_000,
      min: 0
    }),
    outboxMaxEvents: Settings.integer({
      description:
        "From how many unsent events on nothing further is read from the tool. What was not read is read later.",
      default: 100_000,
      min: 1
    }),
    outboxResumeEvents: Settings.integer({
      description:
        "Below how many unsent events reading goes on. More than `outbox_max_events` counts as that.",
      default: 80_000,
      min: 1
    }),
    outboxMaxBytes: Settings.integer({
      description: "The same as `outbox_max_events`, in bytes of unsent events.",
      default: 512 * 1024 * 1024,
      min: 1
    }),
    outboxResumeBytes: Settings.integer({
      description: "The same as `outbox_resume_events`, in bytes of unsent events.",
      default: 400 * 1024 * 1024,
      min: 1
    }),
    startFrom: Settings.of(StartFromText, {
      description:
        "From when on finished runs are read when the agent starts for the first time. Runs that are active then are followed in any case.",
      expected: START_FROM_EXPECTED,
      default: Duration.zero,
      example: "2 hours"
    }),
    sendConcurrency: Settings.integer({
      description:
        "How many events are on their way to the server at once, each of another run: at the start, and whenever the server fails or slows down. The server as shipped works on 2 requests at a time. Where send_concurrency_maximum is more than 1, it is at least 2, so that an event that gets no answer does not hold up the others.",
      default: 2,
      min: 1,
      max: 64
    }),
    sendConcurrencyMaximum: Settings.integer({
      description:
        "How many events may be on their way at once while there is a backlog and the server answers as quickly as ever. `send_concurrency` holds where it is more; with the same number in both, it is fixed.",
      default: 8,
      min: 1,
      max: 64
    }),
    sendRetryMaximum: Settings.seconds({
      description: "The longest wait before an event that the server could not take is sent again.",
      default: 60,
      min: 1
    }),
    unauthorizedRetryPeriod: Settings.seconds({
      description: "Time between two tries while the server refuses the key. Nothing else is sent meanwhile.",
      default: 60,
      min: 1
    }),
    maxServerErrors: Settings.integer({
      description:
        "After how many answers 500 to one and the same event, while others pass, that event becomes a dead letter.",
      default: 20,
      min: 1
    }),
    shutdownTimeout: Settings.seconds({
      description: "How long the agent may take to finish what it is doing when it is told to stop.",
      default: 10,
      min: 0
    })
  }
})

/** The moment that a start stands for, given the time now. */
export const startMoment = (start: StartFrom, now: DateTime.Utc): DateTime.Utc =>
  Duration.isDuration(start) ? DateTime.subtractDuration(now, start) : start
