/**
 * Who looks on while the conformance suite plays a story: a status server without a socket beside the agent, asked for all
 * its pages, and the agent's metrics. What they show is searched for secrets.
 */
import type * as Agent from "@observability-agents/core/Agent"
import * as Status from "@observability-agents/core/Status"
import * as StatusApp from "@observability-agents/core/StatusApp"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import * as Tracer from "effect/Tracer"
import * as Secrets from "./AgentSuiteSecrets.ts"

/** One who looks at one life of an agent. */
export interface Onlooker {
  /** Has to stand around the agent: its metrics and spans are seen by this. */
  readonly around: Context.Context<never>
  /** Has to stand beside it. */
  readonly beside: Agent.Options["beside"]
  /** Looks at all that the agent shows at this moment. */
  readonly look: Effect.Effect<void>
}

/** Somebody who tells `look` all that an agent of this kind shows. */
export const make = ({ tool, type }: Pick<Agent.Agent, "tool" | "type">, look: Secrets.Look): Onlooker => {
  let app: StatusApp.StatusApp | undefined
  const around = Context.make(Metric.MetricRegistry, new Map()).pipe(
    Context.add(Tracer.Tracer, Secrets.tracer(look))
  )
  const ask = Effect.fnUntraced(
    function* (path: string) {
      if (app === undefined) return
      const request = HttpClientRequest.get(`http://localhost${path}`, { headers: { host: "localhost" } })
      const { body } = yield* Effect.provideService(
        app.answer,
        HttpServerRequest.HttpServerRequest,
        HttpServerRequest.fromClientRequest(request)
      )
      if (body._tag === "Uint8Array") look(`the status page, at ${path}`, new TextDecoder().decode(body.body))
    },
    Effect.scoped,
    Effect.provideContext(around)
  )
  return {
    around,
    beside: Layer.effectDiscard(
      Effect.map(StatusApp.make({ hosts: [], token: undefined }), (made) => {
        app = made
      })
    ).pipe(Layer.provide(Status.layer({ type, tool, version: "0.0.0-test" })), Layer.orDie),
    look: Effect.andThen(
      Effect.sync(() => Secrets.lookAtMetrics(around, look)),
      Effect.forEach(PATHS, ask, { discard: true })
    )
  }
}

const PATHS = ["/", "/status.json", "/metrics", "/health/ready", "/graph", "/graph?format=dot"]
