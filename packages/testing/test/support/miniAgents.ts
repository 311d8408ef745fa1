/** A tool of one page, and an agent for it in fifty lines, into which bugs can be planted. */
import * as Agent from "@observability-agents/core/Agent"
import { Health } from "@observability-agents/core/Health"
import * as Loop from "@observability-agents/core/Loop"
import { type Commit, type Entry, Outbox } from "@observability-agents/core/Outbox"
import { Supervisor } from "@observability-agents/core/Supervisor"
import * as Window from "@observability-agents/core/Window"
import * as EventLog from "@observability-agents/testing/EventLog"
import type { Scenario } from "@observability-agents/testing/Scenario"
import * as Event from "@observability-agents/toolkit/Event"
import { HttpSettings } from "@observability-agents/toolkit/HttpSettings"
import { HttpTransport } from "@observability-agents/toolkit/HttpTransport"
import * as Settings from "@observability-agents/toolkit/Settings"
import {
  Clock,
  type Config,
  DateTime,
  Effect,
  Layer,
  type Option,
  Redacted,
  Schema,
  type Scope
} from "effect"
import { HttpClient, HttpClientRequest, HttpClientResponse, HttpServerResponse } from "effect/http"

export const TOKEN = "mini-token-of-the-suite"

const Change = Schema.Struct({
  run: Schema.String,
  status: Schema.Literals(["RUNNING", "COMPLETED", "FAILED"]),
  at: Schema.Int
})

export type Change = typeof Change.Type

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
  const changes: Array<Change> = []
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

export const scenario = Effect.map(page, (page): Scenario & { readonly page: Page } => ({
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

export const event = ({ at, run, status }: Change, metadata: Record<string, string> = {}) =>
  Event.runStatus({ pipelineKey: "mini", runKey: run, status, timestamp: DateTime.makeUnsafe(at), metadata })

const identity = (event: Event.Event) => `${event.runKey} ${EventLog.title(event)}`

/** What a bug has in its hands. */
export interface World {
  readonly outbox: Outbox["Service"]
  readonly health: Health["Service"]
  readonly supervisor: Supervisor["Service"]
  readonly scope: Scope.Scope
  readonly token: string
  /** When this life began, in milliseconds since 1970. */
  readonly started: number
}

/** What a bug does otherwise, each with what is right. One is made for each life of the agent. */
export interface Twist {
  /** Comes before the first look. */
  readonly start?: Effect.Effect<void, unknown> | undefined
  /** Comes before each look. */
  readonly before?: ((window: Window.Window) => Effect.Effect<void, unknown>) | undefined
  /** Which span is read. */
  readonly span?: ((window: Window.Window) => Window.Window) | undefined
  /** What is made of the answer of the tool, body and all. */
  readonly answer?: (<A, E>(answer: Effect.Effect<A, E>) => Effect.Effect<A, unknown>) | undefined
  readonly reading?:
    | ((
        reading: Effect.Effect<ReadonlyArray<Change>, unknown>
      ) => Effect.Effect<ReadonlyArray<Change>, unknown>)
    | undefined
  readonly entry?: ((entry: Entry, change: Change, window: Window.Window) => Entry) | undefined
  readonly entries?: ((entries: ReadonlyArray<Entry>) => ReadonlyArray<Entry>) | undefined
  readonly commit?: ((commit: Commit, window: Window.Window) => Effect.Effect<unknown, unknown>) | undefined
  readonly committed?: Effect.Effect<Option.Option<DateTime.Utc>, unknown> | undefined
  /** Rows are taken as they come. */
  readonly isUnsorted?: boolean
  /** How the Loop is called. */
  readonly loop?: string | undefined
}

/** A bug; the world comes at each start. */
export type Bug = (world: World) => Twist

/** What its check of the tool does otherwise: the words that it adds, and as above. */
export type CheckTwist = Pick<Twist, "answer"> & { readonly words?: string }

/** An agent with this bug. */
export const agent = (bug: Bug = () => ({}), check: CheckTwist = {}): Agent.Agent<Config.ConfigError> =>
  Agent.make({
    type: "mini",
    tool: "MINI",
    description: "Watches a page.",
    sections: [MiniSettings],
    check: Effect.gen(function* () {
      const ask = yield* asking
      const nothing = Window.make(DateTime.makeUnsafe(0), DateTime.makeUnsafe(0))
      yield* ask(nothing, check.answer ?? Effect.timeout("30 seconds"))
      return "The page answers."
    }).pipe(
      Effect.scoped,
      Effect.mapError(
        () =>
          new Agent.CheckFailed({ message: `The page does not answer.${check.words ?? ""}`, exitCode: 69 })
      )
    ),
    layer: Layer.unwrap(
      Effect.gen(function* () {
        const { period, token } = yield* MiniSettings.config
        const outbox = yield* Outbox
        const twist = bug({
          outbox,
          health: yield* Health,
          supervisor: yield* Supervisor,
          scope: yield* Effect.scope,
          token: Redacted.value(token),
          started: yield* Clock.currentTimeMillis
        })
        const ask = yield* asking
        const source = "mini page"
        yield* Effect.orDie(twist.start ?? Effect.void)

        const look = Effect.fn("Mini.look")(function* (window: Window.Window) {
          yield* twist.before?.(window) ?? Effect.void
          const span = twist.span?.(window) ?? Window.lookBack(window, "10 seconds")
          const reading = ask(span, twist.answer ?? Effect.timeout("30 seconds"))
          const changes = yield* twist.reading?.(reading) ?? reading
          const sorted = twist.isUnsorted === true ? changes : changes.toSorted((a, b) => a.at - b.at)
          const entries = sorted.map((change) => {
            const told = event(change)
            const entry = { id: `${change.run} ${change.status}`, lane: Event.lane(told), event: told }
            return twist.entry?.(entry, change, window) ?? entry
          })
          const commit = {
            source,
            runs: [],
            forget: [],
            entries: twist.entries?.(entries) ?? entries,
            cursor: window.to
          }
          yield* twist.commit?.(commit, window) ?? outbox.commit(commit)
        })
        return Loop.periodic(
          twist.loop ?? "look at the page",
          {
            period,
            source,
            from: DateTime.now,
            committed: twist.committed ?? Effect.map(outbox.checkpoint(source), ({ cursor }) => cursor)
          },
          look
        )
      })
    )
  })

/** Asks for what has changed. */
const asking = Effect.gen(function* () {
  const { host, token } = yield* MiniSettings.config
  const client = yield* Effect.flatMap(HttpTransport, ({ make }) => Effect.flatMap(HttpSettings.config, make))
  return ({ from, to }: Window.Window, within: NonNullable<Twist["answer"]>) => {
    const span = `from=${from.epochMilliseconds}&to=${to.epochMilliseconds}`
    const request = HttpClientRequest.get(`https://${host}/changes?${span}`)
    return within(
      client
        .execute(HttpClientRequest.bearerToken(request, Redacted.value(token)))
        .pipe(
          Effect.flatMap(HttpClientResponse.filterStatusOk),
          Effect.flatMap(HttpClientResponse.schemaBodyJson(Schema.Array(Change)))
        )
    )
  }
})

const fault =
  (begin: (state: Page["state"]) => void) =>
  ({ page }: { readonly page: Page }) =>
    Effect.sync(() => begin(page.state))

/** What the suite is given for this agent. */
export const options = (of: Agent.Agent<Config.ConfigError> = agent()) => ({
  agent: of,
  settings: { mini: { host: "mini.test", token: TOKEN } },
  mistakes: {
    settings: { mini: { period: "often", hots: "x" }, core: { health_grace: -1 } },
    words: ["[mini] period", "hots", "[core] health_grace"]
  },
  secrets: [TOKEN],
  scenario,
  identity,
  lasts: "4 minutes" as const,
  clockAhead: "9 seconds" as const,
  rows: "",
  reloads: { mini: { period: 15 } },
  faults: {
    "answers 500": fault((state) => {
      state.status = 500
    }),
    "answers half": fault((state) => {
      state.body = (text) => text.slice(0, text.length / 2)
    }),
    "never answers": fault((state) => {
      state.isSilent = true
    })
  }
})
