/** A tool of one page, and an agent for it in fifty lines: as it should be, and with one bug each. */
import * as Agent from "@observability-agents/core/Agent"
import * as Loop from "@observability-agents/core/Loop"
import { type Entry, Outbox } from "@observability-agents/core/Outbox"
import * as Window from "@observability-agents/core/Window"
import * as AgentSuite from "@observability-agents/testing/AgentSuite"
import * as EventLog from "@observability-agents/testing/EventLog"
import type { Scenario } from "@observability-agents/testing/Scenario"
import * as Event from "@observability-agents/toolkit/Event"
import { HttpSettings } from "@observability-agents/toolkit/HttpSettings"
import { HttpTransport } from "@observability-agents/toolkit/HttpTransport"
import * as Settings from "@observability-agents/toolkit/Settings"
import { Clock, DateTime, Effect, Layer, Redacted, Schema } from "effect"
import { HttpClient, HttpClientRequest, HttpClientResponse, HttpServerResponse } from "effect/http"

/** What an agent may do wrong. */
export type Bug =
  | "moves its cursor when the tool did not answer"
  | "tells the end before the beginning"
  | "moves its cursor before it commits what it read"
  | "leaves a fiber with every look"
  | "leaves a fiber with every look, until its stop"
  | "logs its token"
  | "puts its token into events"
  | "names the same event anew with every look"
  | "names the same event anew after every start"
  | "sends each event on a lane of its own"
  | "forgets failures"
  | "never ends its stop"
  | "reads the clock of the machine"

export const TOKEN = "mini-token-of-the-suite"

const Change = Schema.Struct({
  run: Schema.String,
  status: Schema.Literals(["RUNNING", "COMPLETED", "FAILED"]),
  at: Schema.Int
})

const MiniSettings = Settings.section("mini", {
  description: "The page.",
  fields: {
    host: Settings.nonEmptyString({ description: "Where it is.", example: "mini.test" }),
    token: Settings.secret({ description: "What it asks for." }),
    period: Settings.seconds({ description: "Between two looks.", default: 20, min: 1 })
  }
})

/** The page: what has changed in a span of time, and faults. */
const page = Effect.map(Clock.currentTimeMillis, () => {
  const changes: Array<typeof Change.Type> = []
  const state = { status: 200, body: (text: string) => text, isSilent: false }
  const client = HttpClient.make((request, url) =>
    Effect.flatMap(Clock.currentTimeMillis, (now) => {
      if (state.isSilent) return Effect.never
      const span = (name: string) => Number(url.searchParams.get(name))
      const found = changes.filter(({ at }) => at <= now && at >= span("from") && at < span("to"))
      const body = state.body(JSON.stringify(found))
      const answer = HttpServerResponse.text(body, { status: state.status, contentType: "application/json" })
      return Effect.succeed(HttpServerResponse.toClientResponse(answer, { request }))
    })
  )
  return { changes, client, state }
})

type Page = Effect.Success<typeof page>

/** Three runs, one of which fails, and one of which comes and goes between two looks. */
const RUNS = [
  { run: "r1", at: 0, takes: 50_000, status: "COMPLETED" },
  { run: "r2", at: 81_000, takes: 1_000, status: "FAILED" },
  { run: "r3", at: 120_000, takes: 50_000, status: "COMPLETED" }
] as const

const scenario = Effect.map(page, (page): Scenario & { readonly page: Page } => ({
  page,
  hosts: { "mini.test": page.client },
  play: Effect.map(Clock.currentTimeMillis, (now) => {
    for (const { at, run, status, takes } of RUNS) {
      page.changes.push({ run, status: "RUNNING", at: now + at })
      page.changes.push({ run, status, at: now + at + takes })
    }
  }),
  expected: Effect.sync(() =>
    page.changes.map(({ at, run, status }) => ({ at, identity: identity(event({ at, run, status })) }))
  ),
  recover: Effect.sync(() => {
    page.state.status = 200
    page.state.body = (text) => text
    page.state.isSilent = false
  })
}))

const event = ({ at, run, status }: typeof Change.Type, metadata: Record<string, string> = {}) =>
  Event.runStatus({
    pipelineKey: "mini",
    runKey: run,
    status,
    timestamp: DateTime.makeUnsafe(at),
    metadata
  })

const identity = (event: Event.Event) => `${event.runKey} ${EventLog.title(event)}`

const agent = (bug: Bug | undefined) =>
  Agent.make({
    type: "mini",
    tool: "MINI",
    description: "Watches a page.",
    sections: [MiniSettings],
    check: Effect.succeed("Fine."),
    layer: Layer.unwrap(
      Effect.gen(function* () {
        const { host, period, token } = yield* MiniSettings.config
        const http = yield* HttpSettings.config
        const client = yield* Effect.flatMap(HttpTransport, ({ make }) => make(http))
        const outbox = yield* Outbox
        const scope = yield* Effect.scope
        const started = yield* Clock.currentTimeMillis
        const source = "mini page"
        if (bug === "never ends its stop") yield* Effect.addFinalizer(() => Effect.never)

        const read = Effect.fnUntraced(function* ({ from, to }: Window.Window) {
          const span = `from=${from.epochMilliseconds}&to=${to.epochMilliseconds}`
          const request = HttpClientRequest.get(`https://${host}/changes?${span}`)
          const response = yield* client.execute(
            HttpClientRequest.bearerToken(request, Redacted.value(token))
          )
          const ok = yield* HttpClientResponse.filterStatusOk(response)
          const changes = yield* HttpClientResponse.schemaBodyJson(Schema.Array(Change))(ok)
          return changes.toSorted((a, b) => a.at - b.at)
        }, Effect.timeout("30 seconds"))

        const entry = (change: typeof Change.Type, now: number): Entry => {
          const told = event(
            change,
            bug === "puts its token into events" ? { token: Redacted.value(token) } : {}
          )
          const moment =
            bug === "names the same event anew with every look"
              ? now
              : bug === "names the same event anew after every start"
                ? started
                : ""
          const id = `${change.run} ${change.status}${moment}`
          const lane = Event.lane(told)
          return {
            id,
            lane: bug === "sends each event on a lane of its own" ? `${lane} ${id}` : lane,
            event: told
          }
        }

        const look = Effect.fn("Mini.look")(function* (window: Window.Window) {
          if (bug === "leaves a fiber with every look") yield* Effect.forkDetach(Effect.never)
          if (bug === "leaves a fiber with every look, until its stop") {
            yield* Effect.forkIn(Effect.never, scope)
          }
          if (bug === "logs its token") yield* Effect.logDebug(`asks with ${Redacted.value(token)}`)
          if (bug === "reads the clock of the machine") {
            yield* Effect.logWarning(`a look at ${process.hrtime.bigint()}`)
          }
          const reading = read(Window.lookBack(window, "10 seconds"))
          const changes = yield* bug === "moves its cursor when the tool did not answer"
            ? Effect.orElseSucceed(reading, () => [])
            : reading
          const entries = changes
            .filter(({ status }) => bug !== "forgets failures" || status !== "FAILED")
            .map((change) => entry(change, window.to.epochMilliseconds))
          if (bug === "tells the end before the beginning") entries.reverse()
          const commit = { source, runs: [], forget: [] }
          if (bug !== "moves its cursor before it commits what it read") {
            yield* outbox.commit({ ...commit, entries, cursor: window.to })
            return
          }
          yield* outbox.commit({ ...commit, entries: [], cursor: window.to })
          yield* outbox.commit({ ...commit, entries })
        })
        return Loop.periodic(
          "look at the page",
          {
            period,
            source,
            from: DateTime.now,
            committed: Effect.map(outbox.checkpoint(source), ({ cursor }) => cursor)
          },
          look
        )
      })
    )
  })

/** What the suite is given for the agent with this bug, or without any. */
export const options = (bug?: Bug) => ({
  agent: agent(bug),
  settings: { mini: { host: "mini.test", token: TOKEN } },
  mistakes: {
    settings: { mini: { period: "often", hots: "x" }, core: { health_grace: -1 } },
    words: ["[mini] period", "hots", "[core] health_grace"]
  },
  secrets: [TOKEN],
  scenario,
  identity,
  lasts: "4 minutes" as const,
  faults: {
    "answers 500": ({ page }: { readonly page: Page }) =>
      Effect.sync(() => {
        page.state.status = 500
      }),
    "answers half": ({ page }: { readonly page: Page }) =>
      Effect.sync(() => {
        page.state.body = (text) => text.slice(0, text.length / 2)
      }),
    "never answers": ({ page }: { readonly page: Page }) =>
      Effect.sync(() => {
        page.state.isSilent = true
      })
  }
})

/** The check of this name, or the first whose name begins so. */
export const check = (name: string, bug?: Bug, more: { readonly seed?: string } = {}) => {
  const found = AgentSuite.checks({ ...options(bug), ...more }).find((check) => check.name.startsWith(name))
  return found?.run ?? Effect.die(new Error(`There is no check ${name}`))
}
