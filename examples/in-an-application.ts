/**
 * An agent inside of an application of your own. The application is an HTTP service to which loads report; the agent that it
 * has in it watches a press. What the loads report is delivered by the agent's Outbox: it is on the disk before the service
 * answers 202, and it is sent when the server takes it, also after a crash.
 *
 *     POST /loads/nightly  {"run": "2026-01-31", "rows": 1204}
 *     GET  /status         how the agent is, and what waits to be sent
 */
import { NodeHttpServer, NodeRuntime, NodeServices } from "@effect/platform-node"
import * as PressListAgent from "@observability-agents/agent-example/PressListAgent"
import * as ExitCode from "@observability-agents/cli/ExitCode"
import * as Startup from "@observability-agents/cli/Startup"
import * as Agent from "@observability-agents/core/Agent"
import { Health } from "@observability-agents/core/Health"
import { Outbox } from "@observability-agents/core/Outbox"
import { Supervisor } from "@observability-agents/core/Supervisor"
import * as Event from "@observability-agents/toolkit/Event"
import * as LoadedSecrets from "@observability-agents/toolkit/LoadedSecrets"
import * as Logging from "@observability-agents/toolkit/Logging"
import * as NodeHttp from "@observability-agents/toolkit/NodeHttp"
import { Cause, Config, Console, DateTime, Effect, Layer, Schema } from "effect"
import { HttpRouter, HttpServer, HttpServerRequest, HttpServerResponse } from "effect/http"
import { createServer } from "node:http"

const Load = Schema.Struct({ run: Schema.NonEmptyString, rows: Schema.Int })

/** The routes of the application. They know the agent by its Outbox and its Health. */
const Routes = HttpRouter.use(
  Effect.fnUntraced(function* (router) {
    const outbox = yield* Outbox
    const health = yield* Health

    const load = Effect.gen(function* () {
      const { name = "" } = yield* HttpRouter.params
      const { rows, run } = yield* HttpServerRequest.schemaBodyJson(Load)
      const of = { pipelineKey: name, runKey: run, timestamp: yield* DateTime.now }
      const events = [
        Event.runStatus({ ...of, status: "RUNNING" }),
        Event.metricLog({ ...of, metricKey: "rows", metricValue: rows }),
        Event.runStatus({ ...of, status: "COMPLETED" })
      ]
      const { accepted } = yield* outbox.commit({
        source: "loads",
        runs: [],
        forget: [],
        // Who reports a load twice, because no answer came, has it told once: the identities are the same.
        // As JSON, so that no two loads have the same, whatever their names have in them.
        entries: events.map((event, index) => ({
          id: JSON.stringify(["load", name, run, index]),
          lane: Event.lane(event),
          event
        }))
      })
      return yield* HttpServerResponse.json({ accepted }, { status: 202 })
    }).pipe(
      Effect.catchTags({
        SchemaError: ({ message }) => HttpServerResponse.json({ error: message }, { status: 400 }),
        OutboxError: ({ message }) => HttpServerResponse.json({ error: message }, { status: 503 })
      })
    )
    const status = Effect.gen(function* () {
      const { healthy, parts } = yield* health.report
      const { deadLetters, pending } = yield* outbox.status
      return yield* HttpServerResponse.json({
        healthy,
        failing: parts
          .filter(({ state }) => state === "failing")
          .map(({ name, reason }) => `${name}: ${reason}`),
        pending,
        deadLetters
      })
    })
    yield* router.add("POST", "/loads/:name", load)
    yield* router.add("GET", "/status", status)
  })
)

const Address = Layer.effectDiscard(
  HttpServer.addressFormattedWith((address) => Console.log(`Listening at ${address}`))
)

const Service = HttpRouter.serve(Routes, { disableListenLog: true }).pipe(
  Layer.merge(Address),
  Layer.provide(
    Layer.unwrap(
      Effect.map(Config.Int("PORT").pipe(Config.withDefault(8000)), (port) =>
        NodeHttpServer.layer(createServer, {
          host: "127.0.0.1",
          port,
          gracefulShutdownTimeout: "5 seconds"
        })
      )
    )
  )
)

const program = Effect.gen(function* () {
  const { agent, settings, sources } = yield* Startup.make([PressListAgent.agent], { env: process.env })
  const logging = Logging.layer({
    level: "info",
    format: process.stderr.isTTY ? "pretty" : "json",
    mask: LoadedSecrets.masker(sources, Agent.sections(agent))
  })
  // Layers end in reverse: the service first answers what it was asked, and takes no more; then the agent stops reading and
  // finishes what is on its way to the server; then the Outbox closes.
  const application = Service.pipe(
    Layer.provide(Layer.provide(Agent.layer(agent, { version: "1.0.0" }), settings)),
    Layer.provide(Layer.merge(NodeHttp.layer, logging))
  )
  const { failure } = yield* Supervisor
  // An agent that cannot go on, as when its state file is damaged, ends the application: nothing would be durable any more.
  return yield* Effect.raceFirst(Layer.launch(application), failure)
})

// NodeRuntime stops in order by either, and does not say by which.
let signal = "SIGTERM"
process.once("SIGINT", () => {
  signal = "SIGINT"
})

program.pipe(
  Effect.tapCause((cause) => {
    if (Cause.hasInterruptsOnly(cause)) return Effect.void
    const error = Cause.squash(cause)
    // Some say nothing by themselves, as where another program listens on the port: what is behind them does.
    return Console.error(error instanceof Error && error.message !== "" ? error.message : Cause.pretty(cause))
  }),
  Effect.provide(Layer.merge(NodeServices.layer, Supervisor.layer)),
  NodeRuntime.runMain({
    disableErrorReporting: true,
    // 0 for a stop by SIGTERM, 130 by Ctrl-C, 78 for settings, 74 for a state file, 70 for what nobody foresaw.
    teardown: (exit, onExit) => onExit(ExitCode.of(exit, signal))
  })
)
