/** An agent with its status server in virtual time, and what a browser, a scraper or an orchestrator would ask of it. */
import * as AgentFixture from "@observability-agents/testing/AgentFixture"
import { FakeObservability } from "@observability-agents/testing/FakeObservability"
import type * as SettingsFixture from "@observability-agents/testing/SettingsFixture"
import { Context, type DateTime, Deferred, Effect, Layer, Metric, Redacted, Stream } from "effect"
import { HttpServerRequest, HttpServerResponse } from "effect/http"
import { TestClock } from "effect/testing"
import type { RunSnapshot } from "../../src/RunSnapshot.ts"
import * as Status from "../../src/Status.ts"
import * as StatusApp from "../../src/StatusApp.ts"
import * as Scripted from "./scripted.ts"

/** How the agent is set up. */
export interface Options {
  readonly poll?: (now: DateTime.Utc) => Effect.Effect<ReadonlyArray<RunSnapshot>, unknown>
  /** Runs before the agent's Loops are there. */
  readonly start?: Effect.Effect<void>
  readonly settings?: SettingsFixture.Tables
  readonly token?: string
  readonly hosts?: ReadonlyArray<string>
}

/** What the data of an event holds, depending on its kind. */
interface Data {
  readonly kind: string
  readonly event?: { readonly component: string; readonly title: string }
  readonly parts: Readonly<Record<string, string>>
}

/** Starts it on a Monday morning, with metrics of its own, until the Scope closes. */
export const start = Effect.fnUntraced(function* (options: Options = {}) {
  yield* TestClock.setTime(AgentFixture.START)
  const registry: Metric.MetricRegistry = new Map()
  const made = yield* Deferred.make<StatusApp.StatusApp>()
  const beside = Layer.effectDiscard(
    Effect.flatMap(
      StatusApp.make({
        hosts: options.hosts ?? [],
        token: options.token === undefined ? undefined : Redacted.make(options.token)
      }),
      (app) => Deferred.succeed(made, app)
    )
  ).pipe(Layer.provide(Status.layer({ type: "test", tool: "scripted", version: "0.0.0-test" })), Layer.orDie)
  const agent = Scripted.make({ poll: options.poll ?? (() => Effect.succeed([])), start: options.start })
  const server = yield* Layer.build(FakeObservability.layer)
  // Its own Layer may hang, which is one of the things to be seen.
  const agentServices = yield* AgentFixture.layerAgent(agent, {
    hosts: {},
    settings: options.settings ?? {},
    beside
  }).pipe(
    Layer.build,
    Effect.provide(server),
    Effect.provideService(Metric.MetricRegistry, registry),
    Effect.orDie,
    Effect.forkScoped
  )
  yield* TestClock.adjust(0)
  const { answer } = yield* Deferred.await(made)

  /** An answer whose body is not read yet. */
  const open = (path: string, headers: Record<string, string> = {}, method = "GET") =>
    answer.pipe(
      Effect.provideService(
        HttpServerRequest.HttpServerRequest,
        HttpServerRequest.fromWeb(
          new Request(`http://localhost${path}`, { method, headers: { host: "localhost:8080", ...headers } })
        )
      ),
      Effect.provideService(Metric.MetricRegistry, registry)
    )

  /** An answer to an address as it stands, which a browser would have put right. */
  const raw = (path: string) =>
    answer.pipe(
      Effect.provideService(
        HttpServerRequest.HttpServerRequest,
        HttpServerRequest.fromWeb(
          new Request("http://localhost/", { headers: { host: "localhost:8080" } })
        ).modify({ url: path })
      ),
      Effect.provideService(Metric.MetricRegistry, registry)
    )

  /** An answer with its whole body. */
  const get = (path: string, headers?: Record<string, string>, method?: string) =>
    Effect.flatMap(open(path, headers, method), (response) =>
      Effect.map(
        Effect.promise(() => HttpServerResponse.toWeb(response).text()),
        (text) => ({ status: response.status, headers: response.headers, text })
      )
    )

  /** The document `/status.json`. */
  const json = Effect.map(get("/status.json"), ({ text }): Status.Snapshot => JSON.parse(text))

  /** Whether it is ready, with the parts that speak against it. */
  const ready = Effect.map(get("/health/ready"), ({ status, text }) => ({
    status,
    parts: JSON.parse(text).reasons.map(({ part }: { readonly part: string }) => part)
  }))
  const live = Effect.map(get("/health/live"), ({ status }) => status)

  /** The events of a stream so far, as long as the Scope is open. */
  const listen = Effect.fnUntraced(function* (path: string, headers?: Record<string, string>) {
    const response = yield* open(path, headers)
    const events: Array<{ readonly event: string; readonly data: Data }> = []
    const { body } = response
    if (body._tag !== "Stream")
      return yield* Effect.die(new Error(`No stream at ${path}: ${response.status}`))
    yield* body.stream.pipe(
      Stream.decodeText,
      Stream.runForEach((text) =>
        Effect.sync(() => {
          for (const message of text.split("\n\n")) {
            const event = /^event: (.*)$/m.exec(message)?.[1]
            const data = /^data: (.*)$/m.exec(message)?.[1]
            if (event !== undefined && data !== undefined) events.push({ event, data: JSON.parse(data) })
          }
        })
      ),
      Effect.forkScoped
    )
    yield* TestClock.adjust(0)
    return events
  })

  return {
    get,
    open,
    raw,
    json,
    ready,
    live,
    listen,
    agent: agentServices,
    server: Context.get(server, FakeObservability)
  }
})
