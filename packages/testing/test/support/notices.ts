/** A board of notices, each of which is an event to be; and an agent that reads it. For tests of whole agents. */
import * as Agent from "@observability-agents/core/Agent"
import * as Loop from "@observability-agents/core/Loop"
import { Outbox } from "@observability-agents/core/Outbox"
import { Supervisor, Unrecoverable } from "@observability-agents/core/Supervisor"
import * as Window from "@observability-agents/core/Window"
import * as Event from "@observability-agents/toolkit/Event"
import { HttpSettings } from "@observability-agents/toolkit/HttpSettings"
import { HttpTransport } from "@observability-agents/toolkit/HttpTransport"
import * as Settings from "@observability-agents/toolkit/Settings"
import { Clock, Context, DateTime, Duration, Effect, Layer, Random, Redacted, Schema } from "effect"
import { HttpClient, HttpClientRequest, HttpClientResponse, HttpServerResponse } from "effect/http"

export const TOKEN = "a-token-of-the-board"

const Notice = Schema.Struct({
  at: Schema.Int,
  path: Schema.Literals(["run-status", "message-log", "metric-log", "dataset-operation", "test-outcomes"]),
  body: Schema.Record(Schema.String, Schema.Json)
})

/** The board: what is on it, and how it fails. */
export class Board extends Context.Service<
  Board,
  {
    /** Puts up an event, whose time is now. */
    readonly post: (path: Event.Path, body: Record<string, Schema.Json>) => Effect.Effect<void>
    /** The status of a run, or of one of its tasks, now. */
    readonly run: (run: string, status: Event.RunState, task?: string) => Effect.Effect<void>
    /** From now on it answers with this status. */
    readonly answer: (status: number) => Effect.Effect<void>
    readonly client: HttpClient.HttpClient
  }
>()("test/Board") {
  /** An empty board, or with runs of one task: when they begin after now, and how long they take. */
  static layer(runs: Readonly<Record<string, readonly [Duration.Input, Duration.Input]>> = {}) {
    return Layer.effect(
      Board,
      Effect.map(Clock.currentTimeMillis, (start) => {
        const notices: Array<typeof Notice.Type> = []
        let status = 200
        const add = (at: number, path: Event.Path, body: Record<string, Schema.Json>) =>
          notices.push({ at, path, body: { event_timestamp: new Date(at).toISOString(), ...body } })
        const addRun = (at: number, run: string, status: Event.RunState, task?: string) =>
          add(at, "run-status", {
            pipeline_key: "board",
            run_key: run,
            status,
            ...(task === undefined ? {} : { task_key: task })
          })
        for (const [run, [begins, takes]] of Object.entries(runs)) {
          const at = start + Duration.toMillis(Duration.fromInputUnsafe(begins))
          const end = at + Duration.toMillis(Duration.fromInputUnsafe(takes))
          addRun(at, run, "RUNNING")
          addRun(at, run, "RUNNING", "load")
          addRun(end, run, "COMPLETED", "load")
          addRun(end, run, "COMPLETED")
        }
        const client = HttpClient.make((request, url) =>
          Effect.map(Clock.currentTimeMillis, (now) => {
            const span = (name: string) => Number(url.searchParams.get(name))
            const found = notices.filter(({ at }) => at <= now && at >= span("from") && at < span("to"))
            return HttpServerResponse.toClientResponse(
              HttpServerResponse.text(JSON.stringify(found), { status, contentType: "application/json" }),
              { request }
            )
          })
        )
        return Board.of({
          post: (path, body) => Effect.map(Clock.currentTimeMillis, (now) => void add(now, path, body)),
          run: (run, status, task) =>
            Effect.map(Clock.currentTimeMillis, (now) => void addRun(now, run, status, task)),
          answer: (next) =>
            Effect.sync(() => {
              status = next
            }),
          client
        })
      })
    )
  }
}

const BoardSettings = Settings.section("board", {
  description: "The board.",
  fields: {
    host: Settings.nonEmptyString({ description: "Where it is.", example: "board.test" }),
    token: Settings.secret({ description: "What it asks for." }),
    period: Settings.seconds({ description: "Between two looks.", default: 20, min: 1 })
  }
})

/** What an agent of the board does wrong. */
export type Bug = "logs its token" | "gives up" | "repeats itself" | "never ends its stop" | "says goodbye"

const SOURCE = "board"

/** The agent; it looks every 20 seconds, give or take. */
export const agent = (bug?: Bug) =>
  Agent.make({
    type: "board",
    tool: "BOARD",
    description: "Reads a board.",
    sections: [BoardSettings],
    check: Effect.succeed("Fine."),
    layer: Layer.unwrap(
      Effect.gen(function* () {
        const { host, period, token } = yield* BoardSettings.config
        const client = yield* Effect.flatMap(HttpTransport, ({ make }) =>
          Effect.flatMap(HttpSettings.config, make)
        )
        const outbox = yield* Outbox
        const supervisor = yield* Supervisor
        let looks = 0
        if (bug === "never ends its stop") yield* Effect.addFinalizer(() => Effect.never)
        if (bug === "says goodbye") {
          const event = Event.runStatus({ pipelineKey: "board", runKey: "goodbye", status: "RUNNING" })
          const entries = [{ id: "goodbye", lane: Event.lane(event), event }]
          const commit = outbox.commit({ source: "goodbye", runs: [], forget: [], entries })
          yield* Effect.addFinalizer(() => Effect.ignore(commit))
        }
        const look = Effect.fn("Board.look")(function* ({ from, to }: Window.Window) {
          looks += 1
          if (bug === "logs its token") yield* Effect.logDebug(`asks with ${Redacted.value(token)}`)
          if (bug === "gives up" && looks === 3) {
            yield* supervisor.fail(new Unrecoverable({ exitCode: 70, message: "The board fell down." }))
          }
          const span = `from=${from.epochMilliseconds}&to=${to.epochMilliseconds}&by=${yield* Random.nextIntBetween(1, 1000)}`
          const request = HttpClientRequest.get(`https://${host}/notices?${span}`)
          const response = yield* client.execute(
            HttpClientRequest.bearerToken(request, Redacted.value(token))
          )
          const notices = yield* HttpClientResponse.filterStatusOk(response).pipe(
            Effect.flatMap(HttpClientResponse.schemaBodyJson(Schema.Array(Notice)))
          )
          const entries = yield* Effect.forEach(notices, ({ at, body, path }, index) =>
            Effect.map(Event.decode(path, body), (event) => ({
              id: `${bug === "repeats itself" ? looks : ""}${at} ${index} ${JSON.stringify(body)}`,
              lane: Event.lane(event),
              event
            }))
          )
          yield* outbox.commit({ source: SOURCE, runs: [], forget: [], entries, cursor: to })
        })
        return Loop.periodic(
          "look at the board",
          {
            period,
            source: SOURCE,
            from: DateTime.now,
            committed: Effect.map(outbox.checkpoint(SOURCE), ({ cursor }) => cursor)
          },
          (window) => look(bug === "repeats itself" ? Window.lookBack(window, "1 minute") : window)
        )
      })
    )
  })
