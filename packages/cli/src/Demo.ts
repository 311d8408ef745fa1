/**
 * The demo: the Databricks agent as it is, over HTTP on loopback, between a fake workspace and a fake server in this
 * process, on a clock that runs fast. It tells what the server accepts as it comes in, and judges in the end.
 */
import * as DatabricksAgent from "@observability-agents/agent-databricks/DatabricksAgent"
import * as Expected from "@observability-agents/agent-databricks/testing/Expected"
import * as FakeDatabricks from "@observability-agents/agent-databricks/testing/FakeDatabricks"
import * as NodeFakeDatabricks from "@observability-agents/agent-databricks/testing/NodeFakeDatabricks"
import * as Agent from "@observability-agents/core/Agent"
import * as FailureLog from "@observability-agents/core/FailureLog"
import { Outbox } from "@observability-agents/core/Outbox"
import { Supervisor } from "@observability-agents/core/Supervisor"
import * as EventLog from "@observability-agents/testing/EventLog"
import * as FastClock from "@observability-agents/testing/FastClock"
import type { FakeObservability } from "@observability-agents/testing/FakeObservability"
import * as NodeFakeObservability from "@observability-agents/testing/NodeFakeObservability"
import * as ServerFault from "@observability-agents/testing/ServerFault"
import * as SettingsFixture from "@observability-agents/testing/SettingsFixture"
import type { HttpTransport } from "@observability-agents/toolkit/HttpTransport"
import * as Clock from "effect/Clock"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import * as References from "effect/References"
import * as Runtime from "effect/Runtime"
import * as Schema from "effect/Schema"
import * as Terminal from "effect/Terminal"
import * as DemoScreen from "./DemoScreen.ts"
import * as DemoScript from "./DemoScript.ts"

/** How the demo runs. */
export interface Options {
  /** Colours and a progress line, or plain lines. */
  readonly styled: boolean
  /** How many times as fast as real time. */
  readonly speed: number
  readonly version: string
}

/**
 * Not everything arrived once and in order; the summary has said what.
 */
export class DemoFailed extends Schema.TaggedError<DemoFailed>()("DemoFailed", {}) {
  override readonly [Runtime.errorExitCode] = 70
  override readonly [Runtime.errorReported] = false

  override get message(): string {
    return "The demo did not end as it should have."
  }
}

/**
 * Plays the story and fails if its verdict is bad.
 */
export const run = Effect.fn("Demo.run")(function* (
  options: Options
): Effect.fn.Return<void, unknown, Terminal.Terminal | HttpTransport> {
  const terminal = yield* Terminal.Terminal
  const style = { colours: options.styled, columns: options.styled ? yield* terminal.columns : PLAIN_COLUMNS }
  const screen = makeScreen(terminal, style, options.styled)
  yield* screen.print(
    [
      `Half an hour of jobs in about ${Math.round(Duration.toSeconds(DemoScript.LENGTH) / options.speed)} seconds: the Databricks agent polls a workspace over HTTP`,
      "and delivers run status and logs to an Observability server, which goes down in the middle.",
      "",
      DemoScreen.header(style)
    ].join("\n")
  )
  const facts = yield* story(screen, options).pipe(
    Effect.scoped,
    Effect.provide(FastClock.layer({ speed: options.speed, startAt: STARTS_AT }))
  )
  yield* screen.close
  yield* screen.print(DemoScreen.summary(style, facts))
  if (!DemoScreen.isGood(facts)) return yield* new DemoFailed()
})

const STARTS_AT = Date.UTC(2026, 0, 5, 8)

/** Where nobody knows how wide the output is shown. */
const PLAIN_COLUMNS = 150

const TOKEN = "a-token-for-the-demo"

const story = Effect.fnUntraced(function* (screen: Screen, options: Options) {
  const server = yield* NodeFakeObservability.make()
  const workspace = yield* FakeDatabricks.make({ jobs: DemoScript.jobs, token: TOKEN })
  const host = yield* NodeFakeDatabricks.serve(workspace)
  yield* server.fail(ServerFault.nginxPage(503, "Service Temporarily Unavailable"), DemoScript.OUTAGE)

  // The time-outs shrink with the clock; what is a minute for the story would be less than a second on this machine.
  const settings = ConfigProvider.layer(
    ConfigProvider.fromUnknown(
      SettingsFixture.tables(server, {
        core: {
          agent_type: DatabricksAgent.agent.type,
          agent_key: "demo",
          // On a busy machine minutes of the story pass before the agent has started, and with them the end of a short run.
          start_from: DateTime.formatIso(DateTime.makeUnsafe(STARTS_AT))
        },
        observability: { read_timeout: 600, connection_timeout: 600, pool_timeout: 600 },
        http: { read_timeout: 600, connection_timeout: 600, pool_timeout: 600 },
        databricks: { host },
        auth_api_token: { agent_token: TOKEN }
      })
    )
  )
  const agent = yield* Layer.build(
    Agent.layer(DatabricksAgent.agent, { version: options.version }).pipe(
      Layer.provide([settings, Supervisor.layer, screen.logging])
    )
  )
  return yield* watch(screen, server, Context.get(agent, Outbox))
})

/** Shows what comes in until the story is over and nothing is missing, or until waiting longer makes no sense. */
const watch = Effect.fnUntraced(function* (
  screen: Screen,
  server: FakeObservability["Service"],
  outbox: Outbox["Service"]
): Effect.fn.Return<DemoScreen.Summary> {
  const expected = Expected.identities(DemoScript.jobs)
  const runs = new Set<string>()
  let shown = 0
  let wasDown = false
  while (true) {
    const accepted = yield* server.accepted
    for (const { at, event } of accepted.slice(shown)) {
      if (event.runKey !== undefined) runs.add(event.runKey)
      yield* screen.row(event, at)
    }
    shown = accepted.length

    const elapsed = Duration.millis((yield* Clock.currentTimeMillis) - STARTS_AT)
    const down = isDown(elapsed)
    if (down !== wasDown)
      yield* screen.notice(
        down ? "The server goes down: it answers 503 to everything." : "The server is back."
      )
    wasDown = down
    yield* screen.logs
    const { deadLetters, pending } = yield* outbox.status
    yield* screen.progress({
      elapsed,
      total: DemoScript.LENGTH,
      runs: runs.size,
      accepted: shown,
      waiting: pending,
      note: down ? "server down" : ""
    })

    const over = Duration.isGreaterThanOrEqualTo(elapsed, DemoScript.LENGTH)
    const events = accepted.map(({ event }) => event)
    const { duplicated, lost, unexpected } = Expected.compare(expected, events)
    if ((over && lost.length === 0 && pending === 0) || Duration.isGreaterThan(elapsed, GIVES_UP)) {
      return {
        runs: runs.size,
        expected: expected.size,
        accepted: shown,
        refusedRequests: (yield* server.requests).length - shown - (yield* server.heartbeats).length,
        rejected: deadLetters,
        lost,
        duplicated,
        unexpected,
        outOfOrder: EventLog.disorder(events)
      }
    }
    yield* Effect.sleep("2 seconds")
  }
})

const GIVES_UP = Duration.sum(DemoScript.LENGTH, Duration.minutes(10))

const isDown = (elapsed: Duration.Duration): boolean =>
  Duration.between(elapsed, {
    minimum: DemoScript.OUTAGE.after,
    maximum: Duration.sum(DemoScript.OUTAGE.after, DemoScript.OUTAGE.during)
  })

type Screen = ReturnType<typeof makeScreen>

/** Rows scroll; the progress line, where there is one, stays below them. */
const makeScreen = (terminal: Terminal.Terminal, style: DemoScreen.Style, live: boolean) => {
  const clear = live ? "\r\u001b[2K" : ""
  let line = ""
  const logged: Array<string> = []
  const display = (text: string) => Effect.ignore(terminal.display(text))
  const print = (text: string) => Effect.suspend(() => display(`${clear}${text}\n${line}`))
  return {
    print,
    row: (...row: readonly [Parameters<typeof DemoScreen.row>[1], DateTime.Utc]) =>
      print(DemoScreen.row(style, ...row)),
    notice: (text: string) => print(DemoScreen.notice(style, text)),
    progress: (facts: DemoScreen.Progress) => {
      if (!live) return Effect.void
      line = DemoScreen.progress(style, facts)
      return display(`${clear}${line}`)
    },
    /** Ends the progress line; what is printed afterwards stands alone. */
    close: Effect.suspend(() => {
      line = ""
      return display(clear)
    }),
    /** What the agent itself has to say, as an operator would see it. */
    logging: Logger.layer([
      Logger.make(({ cause, fiber, logLevel, message }) => {
        if (LogLevel.isLessThan(logLevel, "Warn")) return
        const { loop } = fiber.getRef(References.CurrentLogAnnotations)
        const sentence = [message].flat().join(" ")
        const where = typeof loop === "string" ? ` (${loop})` : ""
        const reason = FailureLog.describe(cause)
          .replace(/^\w+: /, "")
          .replace(/http:\S+/, "the server")
        const why = cause.reasons.length === 0 ? "" : `: ${reason}`
        logged.push(`The agent warns: ${sentence}${where}${why}`)
      })
    ]),
    /** Prints what was logged since the last time. */
    logs: Effect.suspend(() =>
      Effect.forEach(logged.splice(0), (text) => print(DemoScreen.notice(style, text)), { discard: true })
    )
  }
}
